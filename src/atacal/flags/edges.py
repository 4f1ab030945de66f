"""Edge channels: writing the spw selection that flags the ends of bands."""

from __future__ import annotations

from collections.abc import Sequence

from atacal.errors import ArgumentError
from atacal.ms.metadata import Metadata


def edge_channels(
    meta: Metadata, spws: Sequence[int] | None = None, *, fraction: float = 0.0, channels: int = 0
) -> str:
    """Return the spw selection of the first and last channels of spws.

    Parameters
    ----------
    meta : Metadata
    spws : sequence of int, optional
        None: all spws of more than 4 channels (a water-vapour radiometer has 4, a channel average 1).
    fraction : float
        Part of the band at each end; ALMA flags 0.0625 of each 2 GHz band of 128 channels.
    channels : int
        Or a number of channels at each end.

    Returns
    -------
    str
        Such as ``17:0~7;120~127,19:0~7;120~127``, for ``flagdata(spw=...)``.

    Raises
    ------
    ArgumentError
        If nothing, or everything, would be flagged, or an spw does not exist.
    """
    chosen = [s.id for s in meta.spws if s.nchan > 4] if spws is None else list(spws)
    parts = []
    for spw in chosen:
        if not 0 <= spw < len(meta.spws):
            raise ArgumentError(f"edge channels: {meta.path} has no spw {spw}; it has 0~{len(meta.spws) - 1}")
        nchan = meta.spws[spw].nchan
        edge = channels if channels else round(fraction * nchan)
        if edge < 1 or 2 * edge >= nchan:
            raise ArgumentError(f"edge channels: {edge} at each end of the {nchan} channels of spw {spw}")
        parts.append(f"{spw}:0~{edge - 1};{nchan - edge}~{nchan - 1}")
    return ",".join(parts)

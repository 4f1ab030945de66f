"""Which Tsys spw calibrates which spw of the data."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atacal.caltables.table import CalTable
from atacal.errors import CaltableError, CaltableMismatch
from atacal.ms.metadata import Metadata, Spw


@dataclass(frozen=True)
class TsysMap:
    """The map, one entry for every spw of the data; spws without a match stand for themselves.

    Attributes
    ----------
    spwmap : list of int
    unmatched : list of int
    """

    spwmap: list[int]
    unmatched: list[int]

    def trimmed(self) -> list[int]:
        """Return the map without the end where every spw stands for itself."""
        others = [i for i, spw in enumerate(self.spwmap) if spw != i]
        return self.spwmap[: others[-1] + 1] if others else []


def map_tsys_spws(table: CalTable, metadata: Metadata, tolerance: float = 0.0) -> TsysMap:
    """Match spws to Tsys spws of the same baseband whose frequencies contain theirs.

    Parameters
    ----------
    table : CalTable
        System temperatures.
    metadata : Metadata
        Of the data.
    tolerance : float
        Tsys channels by which an spw may reach out of the Tsys spw's range.

    Returns
    -------
    TsysMap
        Of several Tsys spws that match, the first, as in CASA.

    Raises
    ------
    CaltableError
        If the table does not hold system temperatures.
    CaltableMismatch
        If a Tsys spw matches no spw at all.
    """
    if table.kind != "B TSYS":
        raise CaltableError(f"{table.name} holds {table.kind} solutions, not system temperatures (B TSYS)")
    out: dict[int, int] = {}
    for number in sorted(table.solutions):
        if number >= len(metadata.spws):
            raise CaltableMismatch(
                f"{table.name} has system temperatures of spw {number}, {metadata.name} has spws 0 to "
                f"{len(metadata.spws) - 1}: it was made from another MeasurementSet"
            )
        baseband = metadata.spws[number].bbc_no
        fitting = [s.id for s in metadata.spws if s.bbc_no == baseband and _contains(table.spws[number], s, tolerance)]
        if not fitting:
            raise CaltableMismatch(
                f"{table.name}: Tsys spw {number} ({_range_text(table.spws[number])}, baseband {baseband}) matches no "
                f"spw of {metadata.name}; those of its baseband are "
                + ", ".join(f"{s.id} ({_range_text(s)})" for s in metadata.spws if s.bbc_no == baseband)
            )
        for spw in fitting:
            out.setdefault(spw, number)
    unmatched = [s.id for s in metadata.spws if s.id not in out]
    return TsysMap([out.get(s.id, s.id) for s in metadata.spws], unmatched)


def _contains(tsys: Spw, spw: Spw, tolerance: float) -> bool:
    width = _channel_width(tsys)
    low, high = tsys.chan_freq_hz.min() - (0.5 + tolerance) * width, tsys.chan_freq_hz.max() + (0.5 + tolerance) * width
    half = (
        0.5 * spw.chan_width_hz[0]
    )  # with its sign: a lower sideband may reach out by a channel of its own, as in CASA
    return bool(spw.chan_freq_hz.min() - half >= low and spw.chan_freq_hz.max() + half <= high)


def _channel_width(spw: Spw) -> float:
    return float(abs(spw.chan_freq_hz[1] - spw.chan_freq_hz[0]) if spw.nchan > 1 else np.abs(spw.chan_width_hz[0]))


def _range_text(spw: Spw) -> str:
    return f"{spw.chan_freq_hz.min() / 1e9:.4f} to {spw.chan_freq_hz.max() / 1e9:.4f} GHz"

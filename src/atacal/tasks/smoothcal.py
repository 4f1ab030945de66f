"""smoothcal: smooth the solutions of a calibration table in time."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from atacal.errors import ArgumentError

_log = logging.getLogger("atacal")


def smoothcal(
    vis: str,
    tablein: str,
    caltable: str = "",
    field: str | Sequence[str] = (),
    smoothtype: str = "median",
    smoothtime: float = 60.0,
    ratesmooth: bool = False,
) -> None:
    """Smooth the solutions of a calibration table in time.

    Each solution becomes the median or mean of the unflagged ones around it, of the same field, spw, antenna and
    reference antenna; a flagged one that has good ones around it gets their value and is no longer flagged. Amplitudes
    and phases are smoothed by themselves.

    Parameters
    ----------
    vis : str
        The MeasurementSet that the table was solved from.
    tablein : str
        The calibration table, of any kind but BPOLY.
    caltable : str
        The smoothed table, which must not exist; by default it takes the place of ``tablein``.
    field : str or list of str
        Smooth the solutions of these fields only; the others are copied.
    smoothtype : str
        median or mean.
    smoothtime : float
        Width of the window [s].
    ratesmooth : bool
        Only False: there are no tables with rates here.

    Raises
    ------
    ArgumentError, NoSuchTable, TableExists, CaltableError, SelectionError
    """
    from atacal.caltables.disk import read_caltable, write_caltable
    from atacal.caltables.smooth import smooth
    from atacal.ms.metadata import read_metadata
    from atacal.ms.selection.field import parse_field

    if ratesmooth:
        raise ArgumentError("smoothcal: ratesmooth=True is for tables with rates, which are not made here")
    if not tablein:
        raise ArgumentError("smoothcal: tablein is empty; give the name of the table to smooth")
    metadata = read_metadata(vis)
    table = read_caltable(tablein)
    wanted = field if isinstance(field, str) else ",".join(str(f).strip() for f in field if str(f).strip())
    fields = tuple(parse_field(wanted, metadata)) if wanted.strip() else ()
    write_caltable(caltable or tablein, smooth(table, smoothtype, float(smoothtime), fields), overwrite=not caltable)
    _log.info("smoothcal: %s of %g s of %s written to %s", smoothtype, smoothtime, tablein, caltable or tablein)

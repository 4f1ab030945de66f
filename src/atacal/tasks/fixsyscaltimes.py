"""The task fixsyscaltimes."""

from __future__ import annotations

import logging

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")


def fixsyscaltimes(vis: str, newinterval: float = 2.0) -> None:
    """Give the antennas of each Tsys measurement one TIME in the SYSCAL table.

    ALMA's SYSCAL rows of one measurement start together, but may have other INTERVALs, hence other TIMEs, for each
    antenna; gencal then makes a solution for every TIME. Measurements with several TIMEs get
    mean(TIME - INTERVAL / 2) + newinterval / 2. Where there is nothing to repair nothing is changed. (CASA has this
    in recipes.almahelpers.)

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    newinterval : float
        INTERVAL of the repaired rows [s].

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, TableLocked, WriteError

    Examples
    --------
    >>> fixsyscaltimes("X.ms")  # doctest: +SKIP
    """
    given = dict(locals())
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.syscal import repair_times
    from atacal.ms.transaction import transaction

    if not newinterval > 0:
        raise ArgumentError(f"newinterval={newinterval}: a time above 0 s is needed")
    with transaction(vis, "fixsyscaltimes", subtables=("SYSCAL", "HISTORY")) as inside:
        report = repair_times(inside, newinterval)
        if any(one.changed for one in report):
            write_history(inside, "fixsyscaltimes", task_messages("fixsyscaltimes", given))
    for one in report:
        what = f"{one.changed} rows changed" if one.changed else "OK"
        log.info("In spw=%d found %d Tsys measurements with %d TIMEs...%s", one.spw, one.measurements, one.times, what)

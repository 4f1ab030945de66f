"""The task tsysspwmap."""

from __future__ import annotations

import logging

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")


def tsysspwmap(
    vis: str,
    tsystable: str,
    trim: bool = True,
    relax: bool = False,
    tsysChanTol: float = 0,
) -> list[int]:
    """Find the Tsys spw for every spw: the spwmap of a Tsys table in applycal.

    An spw takes the Tsys spw of the same baseband whose frequency range contains its own; spws without one stand for
    themselves and are named in the log. (CASA has this in recipes.almahelpers.)

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    tsystable : str
        Its table of system temperatures, made by gencal.
    trim : bool
        Leave out the end of the map where every spw stands for itself.
    relax : bool
        CASA's parameter without a meaning; only False.
    tsysChanTol : float
        Tsys channels by which an spw may reach out of the range of a Tsys spw; 1 for ALMA's FDM spws.

    Returns
    -------
    list of int
        Entry i is the Tsys spw of spw i.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, CaltableError
    CaltableMismatch
        If a Tsys spw matches no spw of the data.

    Examples
    --------
    >>> tsysspwmap("X.ms", "X.ms.tsys", tsysChanTol=1)  # doctest: +SKIP
    """
    from atacal.caltables.disk import read_caltable
    from atacal.caltables.tsys_map import map_tsys_spws
    from atacal.ms.metadata import read_metadata

    if relax:
        raise ArgumentError("relax=True: it has no meaning (nor has it in CASA); use tsysChanTol")
    if not tsysChanTol >= 0:
        raise ArgumentError(f"tsysChanTol={tsysChanTol}: a number of channels of 0 or more is needed")
    found = map_tsys_spws(read_caltable(tsystable), read_metadata(vis), tsysChanTol)
    if found.unmatched:
        log.info("Found no match for following spw ids: %s", found.unmatched)
    return found.trimmed() if trim else found.spwmap

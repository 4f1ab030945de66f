"""Which solutions of a calibration table take part: antenna, time range and scan, as fluxscale selects them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable
from atacal.errors import EmptySelection
from atacal.ms.metadata import Metadata

_NEAR_S = 1.0
"""Solutions have no exposure: a single time in a time range means half a second to either side."""


@dataclass(frozen=True, eq=False)
class Chosen:
    """Masks by spw, bool (slot, antenna).

    Attributes
    ----------
    use : dict
        The solutions that take part.
    threshold_use : dict
        Those whose median a gain threshold compares with: as CASA, time range and scan count there only together
        with an antenna selection.
    """

    use: dict[int, NDArray[np.bool_]]
    threshold_use: dict[int, NDArray[np.bool_]]


def choose_solutions(
    table: CalTable, meta: Metadata, *, antenna: str = "", timerange: str = "", scan: str = ""
) -> Chosen:
    """Choose the solutions that a flux scale is derived from.

    Parameters
    ----------
    table : CalTable
    meta : Metadata
        Of the MeasurementSet, for the grammars.
    antenna : str
        Antennas whose own solutions are used (their role as a reference antenna does not count); ``!a,b`` leaves them
        out. A leading ``!`` together with ``timerange`` or ``scan`` has CASA's special meaning: the antennas are used,
        but only within that time or scan; all others always.
    timerange, scan : str

    Returns
    -------
    Chosen

    Raises
    ------
    SelectionError, EmptySelection
    """
    everything = {spw: np.ones(sol.refant.shape, bool) for spw, sol in table.solutions.items()}
    when = _when(table, timerange, scan)
    if not antenna.strip():
        return Chosen({s: everything[s] & when[s][:, None] for s in everything}, everything)
    if antenna.strip().startswith("!") and (timerange.strip() or scan.strip()):
        named = _antenna_mask(antenna.strip().lstrip("!"), meta)
        times = np.concatenate([sol.time[when[s]] for s, sol in table.solutions.items()])
        use = {s: ~named[None, :] | np.isin(sol.time, times)[:, None] for s, sol in table.solutions.items()}
    else:
        wanted = _antenna_mask(antenna, meta)
        use = {s: when[s][:, None] & wanted[None, :] for s in everything}
    return Chosen(use, use)


def _antenna_mask(text: str, meta: Metadata) -> NDArray[np.bool_]:
    """Return which antennas an expression names: lists joined by ``;``, those after ``!`` taken away."""
    from atacal.ms.selection.antenna import parse_antenna_list

    mask: NDArray[np.bool_] | None = None
    for part in text.split(";"):
        part = part.strip()
        here = np.zeros(meta.nant, bool)
        here[parse_antenna_list(part.lstrip("!"), meta)] = True
        if part.startswith("!"):
            mask = ~here if mask is None else mask & ~here
        else:
            mask = here if mask is None else mask | here
    assert mask is not None
    if not mask.any():
        raise EmptySelection(f"antenna selection {text!r} leaves none of {', '.join(meta.antenna_names())}")
    return mask


def _when(table: CalTable, timerange: str, scan: str) -> dict[int, NDArray[np.bool_]]:
    """Return which slots lie in a time range and in scans."""
    from atacal.ms.selection.scan import parse_scan

    scans = np.unique(np.concatenate([sol.scan for sol in table.solutions.values()]))
    wanted = parse_scan(scan, scans.tolist())
    slots = {s: np.isin(sol.scan, wanted) for s, sol in table.solutions.items()}
    if timerange.strip():
        within = _within(table, timerange)
        slots = {s: slots[s] & within[s] for s in slots}
    if not any(mask.any() for mask in slots.values()):
        raise EmptySelection(f"no solution of {table.name} lies in timerange {timerange!r} and scan {scan!r}")
    return slots


def _within(table: CalTable, timerange: str) -> dict[int, NDArray[np.bool_]]:
    """Return which slots lie in a time range; what its times leave out comes from the table's first solution."""
    from atacal.ms.selection.timerange import TimeReference, parse_timerange

    first = min(float(sol.time.min()) for sol in table.solutions.values())
    windows = parse_timerange(timerange, TimeReference(first, _NEAR_S))
    masks = {}
    for spw, sol in table.solutions.items():
        inside = np.zeros(sol.nslot, bool)
        for window in windows:
            inside |= window.mask(sol.time)
        masks[spw] = inside
    return masks

"""Smoothing of solutions in time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError

TYPES = ("mean", "median")
_EVEN_MEDIANS = 100  # casacore takes the mean of the two in the middle of up to so many values, above them the lower


def smooth(table: CalTable, kind: str, width_s: float, fields: tuple[int, ...] = ()) -> CalTable:
    r"""Replace each solution by the mean or median of those around it.

    Parameters
    ----------
    table : CalTable
    kind : str
        mean or median.
    width_s : float
        Full width of the window [s].
    fields : tuple of int
        Fields to smooth; none: all.

    Returns
    -------
    CalTable
        A new table. A flagged solution with unflagged ones in its window gets their value and is no longer flagged.

    Raises
    ------
    ArgumentError

    Notes
    -----
    With solutions of the same spw, field, antenna and reference antenna at times t_j, the one at t_i becomes the mean
    or median of those with :math:`t_i - w/2 < t_j \le t_i + w/2` that are not flagged, as in CASA's smoothcal.
    Amplitudes and phases of complex solutions are smoothed by themselves, phases after they were followed from one
    solution to the next without jumps of more than half a turn.
    """
    if kind not in TYPES:
        raise ArgumentError(f"smoothtype={kind!r}; possible are {' and '.join(TYPES)}")
    if not width_s > 0:
        raise ArgumentError(f"smoothtime={width_s}; the width of the window is a number of seconds above 0")
    solutions = {spw: _smoothed(sol, kind, width_s, fields) for spw, sol in table.solutions.items()}
    return replace(table, solutions=solutions, path=None, history=list(table.history))


def _smoothed(sol: SpwSolutions, kind: str, width_s: float, fields: tuple[int, ...]) -> SpwSolutions:
    param, flag = sol.param.copy(), sol.flag.copy()
    there = sol.row >= 0 if sol.row is not None else np.ones(sol.refant.shape, bool)
    alike: dict[bytes, tuple[NDArray[np.intp], list[int]]] = {}  # antennas with solutions in the same slots
    for field in np.unique(sol.field):
        if fields and int(field) not in fields:
            continue
        for ant in range(sol.refant.shape[1]):
            mine = there[:, ant] & (sol.field == field)
            for refant in np.unique(sol.refant[mine, ant]):
                slots = np.flatnonzero(mine & (sol.refant[:, ant] == refant))
                if len(slots) > 1:
                    alike.setdefault(slots.tobytes(), (slots, []))[1].append(ant)
    for slots, antennas in alike.values():
        at = np.ix_(slots, np.array(antennas))
        param[at], flag[at] = smooth_series(sol.time[slots], sol.param[at], sol.flag[at], kind, width_s)
    return replace(sol, param=param, flag=flag)


def smooth_series(
    time_s: NDArray[np.float64], values: NDArray, flag: NDArray[np.bool_], kind: str, width_s: float
) -> tuple[NDArray, NDArray[np.bool_]]:
    """Smooth solutions of some antennas at the same times.

    Parameters
    ----------
    time_s : float64 (slot,)
    values : complex64 or float32 (slot, antenna, chan, par)
    flag : bool (slot, antenna, chan, par)
    kind : str
        mean or median.
    width_s : float

    Returns
    -------
    values, flag
        New arrays of the same shapes.
    """
    near = (time_s[None] > time_s[:, None] - width_s / 2) & (time_s[None] <= time_s[:, None] + width_s / 2)
    if not np.iscomplexobj(values):
        out, good = _windows(near, values, flag, kind)
        return np.where(good, out, values).astype(values.dtype), ~good
    phase = _followed(np.angle(values))
    amplitude, good = _windows(near, np.abs(values), flag, kind)
    turned, _ = _windows(near, phase, flag, kind)
    new = amplitude.astype(np.float64) * np.exp(1j * turned.astype(np.float64))
    return np.where(good, new, values).astype(values.dtype), ~good


def _followed(phase_rad: NDArray) -> NDArray[np.float32]:
    """Take out jumps of more than half a turn between one solution and the next."""
    return np.unwrap(phase_rad.astype(np.float64), axis=0).astype(np.float32)


def _windows(
    near: NDArray[np.bool_], values: NDArray, flag: NDArray[np.bool_], kind: str
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the mean or median of each window, and whether anything in it is good."""
    out = np.zeros(values.shape, np.float32)
    good = np.zeros(values.shape, bool)
    for i, window in enumerate(near):
        inside = np.where(flag[window], np.nan, values[window].astype(np.float64))
        count = np.isfinite(inside).sum(axis=0)
        good[i] = count > 0
        inside[:, count == 0] = 0  # what is made of them is not used
        out[i] = np.nansum(inside, axis=0) / np.maximum(count, 1) if kind == "mean" else _median(inside, count)
    return out, good


def _median(values: NDArray[np.float64], count: NDArray[np.intp]) -> NDArray[np.float64]:
    ordered = np.sort(values, axis=0)  # what is no number comes last
    lower = np.maximum(count - 1, 0) // 2
    upper = np.where(count > _EVEN_MEDIANS, lower, count // 2)
    pair = np.stack([np.take_along_axis(ordered, k[None], axis=0)[0] for k in (lower, upper)])
    return np.asarray(pair.mean(axis=0))

"""Interpolating solutions in time and in frequency, the way CASA does it.

Complex solutions are interpolated in amplitude and (unwrapped) phase, real ones as they are; nothing is ever
extrapolated: outside the range of the solutions the outermost one is used. In time the two solutions that enclose a
time are used whether flagged or not, and the result is flagged when one of the two is; in frequency the flagged
channels are left out first. All functions are pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.resample import TWO_PI, distinct_vectors, lagrange_weights

TIME_TOLERANCE_S = 5e-6
"""Times closer than this are the same time [s]: MJD seconds in float64 resolve 1 microsecond, and CASA writes the
times of solint 'int' solutions that much off."""


@dataclass(frozen=True, eq=False)
class Registration:
    """Which solutions make up the value at each wanted time.

    Attributes
    ----------
    index : intp (wanted, antenna, point)
        Solution slots; ``point`` is 1 long where all wanted times coincide with a solution, else 2 (linear) or 4
        (cubic).
    weight : float64 (wanted, antenna, point)
        Interpolation weights, summing to 1.
    flag_index : intp (wanted, antenna, 2)
        The two slots whose flags decide; equal for exact and nearest.
    found : bool (wanted, antenna)
        Whether there is any solution at all.
    """

    index: NDArray[np.intp]
    weight: NDArray[np.float64]
    flag_index: NDArray[np.intp]
    found: NDArray[np.bool_]

    def unique(self) -> tuple[Registration, NDArray[np.intp]]:
        """Return the distinct registrations and, for each wanted time, which of them it is."""
        n = len(self.found)
        if n == 0:
            return self, np.zeros(0, np.intp)
        parts = [self.index, self.weight, self.flag_index, self.found[:, :, None]]
        if all(bool((part == part[:, :1]).all()) for part in parts):
            parts = [part[:, :1] for part in parts]  # all antennas alike, as nearly always
        flat = np.concatenate([part.reshape(n, -1) for part in parts], axis=1, dtype=np.float64)
        if (flat == flat[0]).all():
            return self.take(np.zeros(1, np.intp)), np.zeros(n, np.intp)
        _, first, inverse = np.unique(flat, axis=0, return_index=True, return_inverse=True)
        return self.take(first), inverse.reshape(-1)

    def take(self, which: NDArray[np.intp]) -> Registration:
        """Return the registrations of some of the wanted times."""
        return Registration(self.index[which], self.weight[which], self.flag_index[which], self.found[which])


def bracket(
    solution_time: NDArray[np.float64], time: NDArray[np.float64], mode: str
) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    """Find the solutions around each time.

    Parameters
    ----------
    solution_time : float64 (solution,)
        Ascending [s]; not empty.
    time : float64 (wanted,)
        [s].
    mode : {"nearest", "linear", "cubic"}

    Returns
    -------
    index, weight, flag_index
        As in `Registration`, without its antenna axis: (wanted, point), (wanted, point), (wanted, 2).
    """
    n = len(solution_time)
    # CASA compares times in single precision, from the second before the first solution on: what is nearest, and what
    # coincides with a solution, is decided likewise; the weights are not
    origin = np.floor(solution_time[0] - 1.0)
    coarse, wanted = (solution_time - origin).astype(np.float32), (time - origin).astype(np.float32)
    right = np.clip(np.searchsorted(coarse, wanted), 0, n - 1)
    left = np.maximum(right - 1, 0)
    # of two equally near solutions the earlier one
    nearest = np.where(coarse[right] - wanted < wanted - coarse[left], right, left)
    nearest = np.where(wanted <= coarse[0], 0, np.where(wanted >= coarse[-1], n - 1, nearest))
    outside = (wanted <= coarse[0]) | (wanted >= coarse[-1])
    same = (coarse[nearest] == wanted) | (np.abs(solution_time[nearest] - time) <= TIME_TOLERANCE_S)
    exact = outside | same
    if mode == "nearest" or n == 1 or exact.all():
        return nearest[:, None], np.ones((len(time), 1)), np.stack([nearest, nearest], 1)
    lo = np.where(exact, nearest, left)
    hi = np.where(exact, nearest, right)
    flag_index = np.stack([lo, hi], 1)
    if mode == "cubic" and n >= 4:
        index = np.clip(left - 1, 0, n - 4)[:, None] + np.arange(4)
        weight = lagrange_weights(solution_time[index], time)
        weight[exact] = (1.0, 0.0, 0.0, 0.0)
        index[exact] = nearest[exact, None]
        return index, weight, flag_index
    span = solution_time[hi] - solution_time[lo]
    fraction = np.where(exact, 0.0, (time - solution_time[lo]) / np.where(span > 0, span, 1.0))
    return flag_index, np.stack([1.0 - fraction, fraction], 1), flag_index


def register(
    solution_time: NDArray[np.float64],
    present: NDArray[np.bool_],
    time: NDArray[np.float64],
    mode: str,
) -> Registration:
    """Find the solutions around each time, antenna by antenna where they have different ones.

    Parameters
    ----------
    solution_time : float64 (solution,)
        [s], in any order.
    present : bool (solution, antenna)
        Which solutions exist (flagged ones do exist).
    time : float64 (wanted,)
        [s].
    mode : {"nearest", "linear", "cubic"}

    Returns
    -------
    Registration
    """
    nwanted, nant = len(time), present.shape[1]
    points = {"nearest": 1, "linear": 2, "cubic": 4}[mode]
    index = np.zeros((nwanted, nant, points), np.intp)
    weight = np.zeros((nwanted, nant, points))
    flag_index = np.zeros((nwanted, nant, 2), np.intp)
    found = np.zeros((nwanted, nant), bool)
    order = np.argsort(solution_time, kind="stable")
    if present.all():
        patterns, which = present[order][:, :1], np.zeros(nant, np.intp)
    else:
        by_antenna, which = distinct_vectors(present[order].T)
        patterns = by_antenna.T
    used = 1
    for p in range(patterns.shape[1]):
        slots = order[patterns[:, p]]
        if len(slots) == 0:
            continue
        ants = np.flatnonzero(which == p)
        idx, wt, flags = bracket(solution_time[slots], time, mode)
        k = idx.shape[1]
        used = max(used, k)
        index[:, ants, :k] = slots[idx][:, None]
        weight[:, ants, :k] = wt[:, None]
        flag_index[:, ants] = slots[flags][:, None]
        found[:, ants] = True
    return Registration(index[..., :used], weight[..., :used], flag_index, found)


def in_time(
    reg: Registration, param: NDArray, flag: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.bool_]]:
    """Interpolate parameters in time.

    Parameters
    ----------
    reg : Registration
    param : complex64 or float32 (slot, antenna, chan, par)
    flag : bool, shape of ``param``

    Returns
    -------
    amplitude : float64 (wanted, antenna, chan, par)
        The value itself for real parameters.
    phase : float64 or None
        [rad], continuous between the solutions used; None for real parameters.
    ok : bool
    """
    ant = np.arange(param.shape[1])
    points = param[reg.index.transpose(2, 0, 1), ant]  # (point, wanted, antenna, chan, par)
    weight = reg.weight.transpose(2, 0, 1)[..., None, None]
    ok = ~(flag[reg.flag_index[..., 0], ant] | flag[reg.flag_index[..., 1], ant]) & reg.found[..., None, None]
    if not np.iscomplexobj(param):
        return (points.astype(np.float64) * weight).sum(0), None, ok
    # in double precision: cubic's weights may be large
    exact = points.astype(np.complex128)
    amplitude = (np.abs(exact) * weight).sum(0)
    phase = np.angle(exact)
    for i in range(1, len(phase)):
        phase[i] -= TWO_PI * np.round((phase[i] - phase[i - 1]) / TWO_PI)
    return amplitude, (phase * weight).sum(0), ok

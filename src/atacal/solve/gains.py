"""Antenna gains from baseline sums by alternating least squares, many problems at once.

Minimises, for each problem, ``sum_{i<j} B_ij |D_ij - g_i conj(g_j)|^2`` over complex ``g``. The alternating direction
iteration solves the linear problem for one antenna with the others held, for all antennas, and averages every second
step with the one before, which makes it converge (StEFCal: Salvini & Wijnholds 2014, A&A 571, A97).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from atacal.threads import WORKERS, in_shares

TOLERANCE = 1e-9
"""Largest change of any gain in one iteration, relative to the largest gain, at which a problem is solved."""
MAX_ITERATIONS = 2000


@njit(nogil=True, cache=True)
def usable_antennas(b, ant1, ant2, nant, minblperant):
    """Antennas with enough baselines to antennas that themselves have enough.

    Parameters
    ----------
    b : float64 (baseline,)
        Weights; a baseline counts when its weight is positive.
    ant1, ant2 : int32 (baseline,)
    nant, minblperant : int

    Returns
    -------
    bool (antenna,)
    """
    ok = np.ones(nant, np.bool_)
    count = np.zeros(nant, np.int64)
    while True:
        count[:] = 0
        for k in range(len(b)):
            if b[k] > 0.0 and ok[ant1[k]] and ok[ant2[k]]:
                count[ant1[k]] += 1
                count[ant2[k]] += 1
        changed = False
        for i in range(nant):
            if ok[i] and count[i] < minblperant:
                ok[i] = False
                changed = True
        if not changed:
            return ok


@njit(nogil=True, cache=True)
def _chi2(d, b, ant1, ant2, ok, gain):
    total = 0.0
    for k in range(len(b)):
        i, j = ant1[k], ant2[k]
        if b[k] > 0.0 and ok[i] and ok[j]:
            r = d[k] - gain[i] * np.conj(gain[j])
            total += b[k] * (r.real * r.real + r.imag * r.imag)
    return total


@njit(nogil=True, cache=True)
def _iterate(d, b, ant1, ant2, ok, gain, tolerance, max_iterations):
    """Alternating least squares from a first guess, in place; returns the iterations used, -1 if not converged."""
    nant = len(ok)
    top = np.zeros(nant, np.complex128)
    bottom = np.zeros(nant)
    new = np.zeros(nant, np.complex128)
    for iteration in range(max_iterations):
        top[:] = 0.0
        bottom[:] = 0.0
        for k in range(len(b)):
            i, j = ant1[k], ant2[k]
            if b[k] > 0.0 and ok[i] and ok[j]:
                gi, gj = gain[i], gain[j]
                top[i] += b[k] * d[k] * gj
                bottom[i] += b[k] * (gj.real * gj.real + gj.imag * gj.imag)
                top[j] += b[k] * np.conj(d[k]) * gi
                bottom[j] += b[k] * (gi.real * gi.real + gi.imag * gi.imag)
        change = 0.0
        largest = 0.0
        for i in range(nant):
            new[i] = top[i] / bottom[i] if bottom[i] > 0.0 else gain[i]
            change = max(change, abs(new[i] - gain[i]))
            largest = max(largest, abs(new[i]))
        # a full step and a half step in turn: the full ones alone may swing for ever
        for i in range(nant):
            gain[i] = 0.5 * (gain[i] + new[i]) if iteration % 2 else new[i]
        if change <= tolerance * largest and largest > 0.0:
            return iteration + 1
    return -1


@njit(nogil=True, cache=True)
def _guess(d, b, ant1, ant2, ok, anchor, gain):
    """First guess: every antenna's phase against one antenna, the array's mean amplitude."""
    power, weight = 0.0, 0.0
    gain[:] = 1.0
    for k in range(len(b)):
        i, j = ant1[k], ant2[k]
        if b[k] > 0.0 and ok[i] and ok[j]:
            power += b[k] * abs(d[k])
            weight += b[k]
            if abs(d[k]) > 0.0:
                if j == anchor:
                    gain[i] = d[k] / abs(d[k])
                elif i == anchor:
                    gain[j] = np.conj(d[k]) / abs(d[k])
    scale = np.sqrt(power / weight) if weight > 0.0 and power > 0.0 else 1.0
    gain *= scale


@njit(nogil=True, cache=True)
def _solve_all(d, b, ant1, ant2, nant, minblperant, tolerance, max_iterations):
    nproblem = d.shape[0]
    gain = np.ones((nproblem, nant), np.complex128)
    good = np.zeros((nproblem, nant), np.bool_)
    chi2 = np.zeros(nproblem)
    iterations = np.zeros(nproblem, np.int64)
    hess = np.zeros((nproblem, nant))
    for n in range(nproblem):
        ok = usable_antennas(b[n], ant1, ant2, nant, minblperant)
        if not np.any(ok):
            continue
        strength = np.zeros(nant)
        for k in range(len(ant1)):
            if b[n, k] > 0.0 and ok[ant1[k]] and ok[ant2[k]]:
                power = b[n, k] * abs(d[n, k])
                strength[ant1[k]] += power
                strength[ant2[k]] += power
        best = -1.0
        trial = np.empty(nant, np.complex128)
        # noise makes several minima: start from the two strongest antennas and keep the better end
        for _attempt in range(2):
            anchor = np.argmax(strength)
            if strength[anchor] < 0.0:
                break
            strength[anchor] = -1.0
            _guess(d[n], b[n], ant1, ant2, ok, anchor, trial)
            used = _iterate(d[n], b[n], ant1, ant2, ok, trial, tolerance, max_iterations)
            value = _chi2(d[n], b[n], ant1, ant2, ok, trial)
            if best < 0.0 or value < best:
                best = value
                gain[n] = trial
                iterations[n] = used
        chi2[n] = best
        for k in range(len(ant1)):
            i, j = ant1[k], ant2[k]
            if b[n, k] > 0.0 and ok[i] and ok[j]:
                hess[n, i] += b[n, k] * abs(gain[n, j]) ** 2
                hess[n, j] += b[n, k] * abs(gain[n, i]) ** 2
        for i in range(nant):
            good[n, i] = ok[i]
            if not ok[i]:
                gain[n, i] = 1.0
    return gain, good, chi2, hess, iterations


def solve_gains(
    d: NDArray[np.complex128],
    b: NDArray[np.float64],
    ant1: NDArray[np.int32],
    ant2: NDArray[np.int32],
    nant: int,
    *,
    minblperant: int = 4,
    tolerance: float = TOLERANCE,
    max_iterations: int = MAX_ITERATIONS,
) -> tuple[NDArray[np.complex128], NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Solve many independent antenna-gain problems.

    Parameters
    ----------
    d : complex128 (problem, baseline)
        Averaged data divided by the model.
    b : float64 (problem, baseline)
        Weights, 0 where there are no data.
    ant1, ant2 : int32 (baseline,)
        ``d`` of baseline k is modelled by ``g[ant1[k]] conj(g[ant2[k]])``.
    nant : int
    minblperant : int
        Antennas with fewer baselines are left out.

    Returns
    -------
    gain : complex128 (problem, antenna)
        1 for antennas left out. The phase of all gains of a problem together is arbitrary.
    good : bool (problem, antenna)
    chi2 : float64 (problem,)
    hess : float64 (problem, antenna)
        ``sum_j B_ij |g_j|^2``: half the second derivative of chi-squared.
    iterations : int64 (problem,)
        -1 where ``max_iterations`` did not suffice (the gain is the best there is).
    """
    d, b = np.ascontiguousarray(d), np.ascontiguousarray(b)

    def solve(first: int, last: int) -> tuple[NDArray, ...]:
        return _solve_all(d[first:last], b[first:last], ant1, ant2, nant, minblperant, tolerance, max_iterations)

    parts = in_shares(solve, max(len(d), 1), shares=4 * WORKERS)  # more shares than threads: some take longer
    gain, good, chi2, hess, iterations = (np.concatenate(one) for one in zip(*parts, strict=True))
    return gain, good, chi2, hess, iterations


def solve_gains_slowly(
    d: NDArray[np.complex128], b: NDArray[np.float64], ant1: NDArray, ant2: NDArray, nant: int
) -> NDArray[np.complex128]:
    """Solve one problem by undamped Gauss-Newton on real and imaginary parts: the plain reference for tests.

    Parameters
    ----------
    d, b : (baseline,)
        As in `solve_gains`.

    Returns
    -------
    complex128 (antenna,)
        The phase of antenna 0 is zero.
    """
    gain = solve_gains(d[None], b[None], ant1, ant2, nant, minblperant=1, tolerance=1e-3, max_iterations=200)[0][0]
    root = np.sqrt(b)
    k = np.arange(len(b))
    for _ in range(100):
        residual = root * (d - gain[ant1] * gain[ant2].conj())
        jac = np.zeros((2 * len(b), 2 * nant))
        for part, unit in ((0, 1.0), (1, 1.0j)):
            column = np.zeros((len(b), nant), complex)
            column[k, ant1] += root * unit * gain[ant2].conj()
            column[k, ant2] += root * gain[ant1] * np.conj(unit)
            jac[:, part::2] = np.concatenate([column.real, column.imag])
        step = np.linalg.lstsq(jac, np.concatenate([residual.real, residual.imag]), rcond=1e-12)[0]
        gain = gain + step[0::2] + 1j * step[1::2]
        if np.abs(step).max() < 1e-13 * np.abs(gain).max():
            break
    return gain * np.exp(-1j * np.angle(gain[0]))


def gain_errors(
    hess: NDArray[np.float64], chi2: NDArray[np.float64], nvis: NDArray[np.int64], npar: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Errors of gains as CASA defines them, from the scatter that chi-squared shows.

    Parameters
    ----------
    hess : float64 (problem, antenna)
        From `solve_gains`.
    chi2 : float64 (problem,)
        Chi-squared of everything that was solved together (CASA: both polarisations).
    nvis, npar : int64 (problem,)
        Complex visibilities and complex parameters that chi-squared counts.

    Returns
    -------
    float64 (problem, antenna)
        ``sqrt(2 k / H)``, ``k = chi2 / max(2 (nvis - npar), 1)``; 0 where there is no solution.
    """
    k = chi2 / np.maximum(2 * (nvis - npar), 1)
    return np.where(hess > 0, np.sqrt(np.maximum(2 * k[:, None] / np.where(hess > 0, hess, 1.0), 0.0)), 0.0)

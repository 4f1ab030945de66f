"""Carrying solutions from a calibration table's channels to the data's channels.

Flagged channels are left out and bridged; beyond the outermost good channel its value is kept. ``linearflag`` and its
kin flag what touches a flagged channel besides. Complex solutions come as amplitude and phase, the phase is unwrapped
along frequency first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TWO_PI = 2.0 * np.pi
HZ_PER_GHZ = 1e9
_SAME_FREQ = 1e-10  # relative; CASA's own limit for "the same channels"

METHODS = ("nearest", "linear", "cubic", "spline")
_NEEDED = {"nearest": 1, "linear": 2, "cubic": 4, "spline": 4}


def usable_method(method: str, nchan: int) -> str:
    """Return the method that a number of solution channels allows: spline and cubic need 4, linear 2."""
    if nchan < 2:
        return "nearest"
    return method if nchan >= _NEEDED[method] else "linear"


def in_frequency(
    amplitude: NDArray[np.float64],
    phase: NDArray[np.float64] | None,
    ok: NDArray[np.bool_],
    freq_in: NDArray[np.float64],
    freq_out: NDArray[np.float64],
    *,
    method: str = "linear",
    with_flags: bool = False,
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None, NDArray[np.bool_]]:
    """Interpolate solutions in frequency.

    Parameters
    ----------
    amplitude : float64 (time, antenna, chan, par)
        Amplitudes, or real parameters.
    phase : float64, same shape, or None
        [rad].
    ok : bool, same shape
    freq_in, freq_out : float64 (chan,), (chan_out,)
        [Hz], each ascending or descending.
    method : {"nearest", "linear", "cubic", "spline"}
    with_flags : bool
        Flag also what is interpolated from a flagged channel (CASA's ``linearflag``).

    Returns
    -------
    amplitude, phase, ok
        As given, with ``chan_out`` channels.
    """
    method = usable_method(method, len(freq_in))
    same = len(freq_in) == len(freq_out) and bool(np.allclose(freq_in, freq_out, rtol=_SAME_FREQ, atol=0.0))
    if same and (with_flags or not flagged_in_part(ok)):
        return amplitude, phase, ok
    ntime, nant, _, npar = amplitude.shape
    shape = (ntime, nant, len(freq_out), npar)
    out_amp = np.zeros(shape)
    out_phase = None if phase is None else np.zeros(shape)
    out_ok = np.zeros(shape, bool)
    # vectors along frequency, grouped by which channels are good: few distinct patterns, many vectors
    good = np.moveaxis(ok, 2, -1).reshape(-1, len(freq_in))
    patterns, which = distinct_vectors(good)
    amp_v, out_amp_v = _vectors(amplitude), np.zeros((good.shape[0], len(freq_out)))
    phase_v = None if phase is None else _vectors(phase)
    out_phase_v = None if phase is None else np.zeros_like(out_amp_v)
    out_ok_v = np.zeros(out_amp_v.shape, bool)
    for p, pattern in enumerate(patterns):
        if not pattern.any():
            continue
        rows = np.flatnonzero(which == p)
        freq = freq_in[pattern]
        out_amp_v[rows] = _interpolate(freq, amp_v[rows][:, pattern], freq_out, method)
        if phase_v is not None and out_phase_v is not None:
            unwrapped = np.unwrap(phase_v[rows][:, pattern], axis=1)
            out_phase_v[rows] = _interpolate(freq, unwrapped, freq_out, method)
        out_ok_v[rows] = ~flags_in_frequency(~pattern, freq_in, freq_out, method) if with_flags else True
    back = (ntime, nant, npar, len(freq_out))
    out_amp[:] = np.moveaxis(out_amp_v.reshape(back), -1, 2)
    out_ok[:] = np.moveaxis(out_ok_v.reshape(back), -1, 2)
    if out_phase is not None and out_phase_v is not None:
        out_phase[:] = np.moveaxis(out_phase_v.reshape(back), -1, 2)
    return out_amp, out_phase, out_ok


def distinct_vectors(flags: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return the distinct rows of (vector, n), as they first appear, and which of them each row is."""
    found: dict[bytes, int] = {}
    which = np.array([found.setdefault(row.tobytes(), len(found)) for row in np.packbits(flags, axis=1)], np.intp)
    first = np.empty(len(found), np.intp)
    first[which[::-1]] = np.arange(len(which))[::-1]
    return flags[first], which


def flagged_in_part(ok: NDArray[np.bool_]) -> bool:
    """Whether some vector along frequency is flagged in part, so that its values there need filling in."""
    some = ok.any(axis=2)
    return bool((some & ~ok.all(axis=2)).any())


def _vectors(cube: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.moveaxis(cube, 2, -1).reshape(-1, cube.shape[2])


def _interpolate(
    freq: NDArray[np.float64], values: NDArray[np.float64], freq_out: NDArray[np.float64], method: str
) -> NDArray[np.float64]:
    """Interpolate vectors (vector, chan) that are good in every channel; outside, the outermost value."""
    descending = freq[0] > freq[-1]
    if descending:
        freq, values = freq[::-1], values[:, ::-1]
    x = np.clip(freq_out, freq[0], freq[-1])
    n = len(freq)
    method = usable_method(method, n)
    right = np.clip(np.searchsorted(freq, x), 1, max(n - 1, 1))
    if n == 1:
        return np.repeat(values, len(x), axis=1)
    if method == "nearest":
        # halfway, the channel that comes first in the table; decided on the same numbers as in CASA, GHz
        ghz, wanted = freq / HZ_PER_GHZ, x / HZ_PER_GHZ
        half = 0.5 * (ghz[right] - ghz[right - 1])
        left_nearer = wanted - ghz[right - 1] < half if descending else ~(ghz[right] - wanted < half)
        return values[:, np.where(left_nearer, right - 1, right)]
    if method == "linear":
        fraction = (x - freq[right - 1]) / (freq[right] - freq[right - 1])
        return values[:, right - 1] * (1.0 - fraction) + values[:, right] * fraction
    if method == "spline":
        return _natural_spline(freq, values, x, right)
    index = np.clip(right - 2, 0, n - 4)[:, None] + np.arange(4)
    return np.einsum("vok,ok->vo", values[:, index], lagrange_weights(freq[index], x))


def lagrange_weights(nodes: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights (wanted, node) of the polynomial through ``nodes`` (wanted, node) at ``x`` (wanted,)."""
    weight = np.ones_like(nodes)
    for i in range(nodes.shape[1]):
        for j in range(nodes.shape[1]):
            if i != j:
                gap = nodes[:, i] - nodes[:, j]
                weight[:, i] *= (x - nodes[:, j]) / np.where(gap != 0, gap, 1.0)
    return weight


def _natural_spline(
    freq: NDArray[np.float64], values: NDArray[np.float64], x: NDArray[np.float64], right: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Cubic spline with vanishing second derivative at both ends (Press et al., Numerical Recipes, 3.3)."""
    scale = freq[-1] - freq[0]
    f, x = (freq - freq[0]) / scale, (x - freq[0]) / scale
    n = len(f)
    h = np.diff(f)
    system = np.eye(n)
    rhs = np.zeros((n, values.shape[0]))
    for i in range(1, n - 1):
        system[i, i - 1 : i + 2] = h[i - 1], 2.0 * (h[i - 1] + h[i]), h[i]
    slope = np.diff(values, axis=1) / h
    rhs[1:-1] = 6.0 * np.diff(slope, axis=1).T
    second = np.linalg.solve(system, rhs).T
    left = right - 1
    step = f[right] - f[left]
    a, b = (f[right] - x) / step, (x - f[left]) / step
    return (
        a * values[:, left]
        + b * values[:, right]
        + ((a**3 - a) * second[:, left] + (b**3 - b) * second[:, right]) * step**2 / 6.0
    )


def flags_in_frequency(
    flag: NDArray[np.bool_], freq_in: NDArray[np.float64], freq_out: NDArray[np.float64], method: str
) -> NDArray[np.bool_]:
    """Return which output channels rest on a flagged input channel.

    Parameters
    ----------
    flag : bool (chan,)
    freq_in, freq_out : float64 (chan,), (chan_out,)
        [Hz].
    method : str

    Returns
    -------
    bool (chan_out,)
    """
    if freq_in[0] > freq_in[-1]:
        flag, freq_in = flag[::-1], freq_in[::-1]
    n = len(flag)
    right = np.clip(np.searchsorted(freq_in, freq_out), 0, n - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(np.abs(freq_in[right] - freq_out) < np.abs(freq_out - freq_in[left]), right, left)
    exact = freq_in[nearest] / HZ_PER_GHZ == freq_out / HZ_PER_GHZ  # to the last bit, as CASA asks it
    if method == "nearest" or n < 2:
        return flag[nearest]
    beyond = freq_out > freq_in[-1]
    left = np.where(beyond, n - 1, left)
    if method == "linear":
        left = np.minimum(left, n - 2)
        touched = flag[left] | flag[left + 1]
    else:
        left = np.clip(left, 1, n - 3)
        touched = flag[left - 1] | flag[left] | flag[left + 1] | flag[left + 2]
    return np.where(exact, flag[nearest], touched)

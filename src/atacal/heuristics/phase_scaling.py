"""Phases of one frequency for another: unwrapped in time, then scaled as those of a path.

CASA's interp ``linearPD`` scales the phase between -180 and 180 degrees, and takes the lowest spw's frequency for that
of spws solved together (measured with 6.7): where a phase crosses 180 degrees, what it gives for another spw jumps, by
25 degrees for 7 % in frequency. Here the phases of every antenna are followed in time before.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_TURN = 2 * np.pi


def followed_phases(
    gain: NDArray[np.complexfloating], flag: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return phases that do not jump by turns in time.

    Parameters
    ----------
    gain : complex (slot, ...)
        In the order of time.
    flag : bool, same shape
        Solutions that are left out when phases are followed.

    Returns
    -------
    phase : float64 (slot, ...)
        [rad]; each series lies such that its median is within half a turn of zero.
    wrapped : bool (...)
        Series that leave the range of -pi to pi.
    """
    phase = np.angle(gain).astype(np.float64)
    flat, good = phase.reshape(len(phase), -1), ~np.asarray(flag, bool).reshape(len(phase), -1)
    for i in range(flat.shape[1]):
        use = good[:, i]
        if use.sum() > 1:
            series = np.unwrap(flat[use, i])
            flat[use, i] = series - _TURN * np.round(np.median(series) / _TURN)
    left_range = ((np.abs(flat) > np.pi * (1 + 1e-6)) & good).any(axis=0)
    return flat.reshape(phase.shape), left_range.reshape(phase.shape[1:])


def scaled_gains(phase_rad: NDArray[np.float64], ratio: float) -> NDArray[np.complex64]:
    """Return gains of amplitude 1 with phases scaled by a ratio of frequencies, complex64, same shape."""
    return np.exp(1j * ratio * phase_rad).astype(np.complex64)


def mean_frequency_hz(centre_hz: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Return the frequency that the phases of spws solved together belong to: the weighted mean of their centres.

    Parameters
    ----------
    centre_hz, weight : float64 (spw,)
        Weights such as bandwidths.
    """
    return float(np.average(centre_hz, weights=weight))

"""What is done to gains once they are solved: mode, normalisation, signal-to-noise limit, gaps."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
from numpy.typing import NDArray


def enforce_mode(gain: NDArray[np.complex128], calmode: str) -> NDArray[np.complex128]:
    """Keep only the phase (``p``) or only the amplitude (``a``) of gains; ``ap`` keeps both."""
    if calmode == "ap":
        return gain
    amplitude = np.abs(gain)
    if calmode == "a":
        return amplitude.astype(np.complex128)
    return np.where(amplitude > 0, gain / np.where(amplitude > 0, amplitude, 1.0), 1.0)


def normalise(param: NDArray, flag: NDArray[np.bool_], axes: tuple[int, ...], normtype: str = "mean") -> NDArray:
    """Divide gains by their rms amplitude (or the root of the median power) over some axes.

    Parameters
    ----------
    param : complex (..., )
    flag : bool, same shape
    axes : tuple of int
        Axes over which power is averaged.
    normtype : {'mean', 'median'}
    """
    power = np.where(flag, np.nan, np.abs(param) ** 2)
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = (np.nanmean if normtype == "mean" else np.nanmedian)(power, axis=axes, keepdims=True)
    norm = np.sqrt(np.where(np.isfinite(mean) & (mean > 0), mean, 1.0))
    return np.where(flag, param, param / norm)


def remove_mean_phase(param: NDArray, flag: NDArray[np.bool_], axis: int) -> NDArray:
    """Turn gains so that their mean unit phasor along an axis is real and positive.

    Parameters
    ----------
    param : complex (..., )
    flag : bool, same shape
    axis : int
    """
    amplitude = np.abs(param)
    unit = np.where(flag | (amplitude == 0), 0.0, param / np.where(amplitude > 0, amplitude, 1.0))
    mean = unit.sum(axis=axis, keepdims=True)
    size = np.abs(mean)
    phasor = np.where(size > 0, mean / np.where(size > 0, size, 1.0), 1.0)
    return np.where(flag, param, param * phasor.conj())


def fill_gaps(param: NDArray, flag: NDArray[np.bool_], widest: int) -> tuple[NDArray, NDArray[np.bool_]]:
    """Interpolate flagged channels of a bandpass between good neighbours, in amplitude and phase.

    Parameters
    ----------
    param : complex (slot, antenna, chan, pol)
    flag : bool, same shape
    widest : int
        Gaps of more channels stay flagged; the ends are never filled.
    """
    param, flag = param.copy(), flag.copy()
    nslot, nant, _, npol = param.shape
    for s, i, p in np.ndindex(nslot, nant, npol):
        good = np.flatnonzero(~flag[s, i, :, p])
        for lo, hi in itertools.pairwise(good):
            gap = hi - lo - 1
            if not 0 < gap <= widest:
                continue
            a, b = param[s, i, lo, p], param[s, i, hi, p]
            x = np.arange(1, gap + 1) / (hi - lo)
            amplitude = np.abs(a) + x * (np.abs(b) - np.abs(a))
            phase = np.angle(a) + x * np.angle(b * np.conj(a))
            param[s, i, lo + 1 : hi, p] = amplitude * np.exp(1j * phase)
            flag[s, i, lo + 1 : hi, p] = False
    return param, flag

"""Robust statistics of pixels."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

_MAD_TO_RMS = 1.4826


def middle_and_rms(values: NDArray) -> tuple[float, float]:
    """Return the median and 1.4826 times the median absolute deviation from it, of pixels of any shape."""
    middle = float(np.median(values))
    return middle, _MAD_TO_RMS * float(np.median(np.abs(values - middle)))


def rms_without_outliers(values: NDArray) -> tuple[float, float]:
    """Return median and 1.4826 MAD of what Chauvenet's criterion leaves.

    Values further from the mean than the distance beyond which half a value of a Gaussian sample of that size is
    expected are left out, again and again until none is.
    """
    values = np.sort(np.asarray(values, np.float64).ravel())
    while len(values) > 2:
        mean, std = float(values.mean()), float(values.std(ddof=1))
        keep = np.abs(values - mean) <= _chauvenet(len(values)) * std
        if keep.all():
            break
        values = values[keep]
    return middle_and_rms(values)


def _chauvenet(count: int) -> float:
    """Return z with count * erfc(z / sqrt 2) = 1/2, by bisection."""
    low, high = 0.0, 10.0
    for _ in range(60):
        z = (low + high) / 2
        low, high = (z, high) if count * math.erfc(z / math.sqrt(2)) > 0.5 else (low, z)
    return low

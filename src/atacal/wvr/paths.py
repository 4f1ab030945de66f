"""From temperatures to extra paths, and how far the paths can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.wvr.measured import Measured
from atacal.wvr.segments import Coefficients
from atacal.wvr.water import NCHAN

CHANNEL_NOISE_K = np.array([0.1, 0.08, 0.08, 0.09])
"""Thermal noise of the channels in a second (Nikolic et al. 2013, A&A 552, A104)."""
INNER, OUTER = 1, 3
"""The channels, counted from 0, whose paths are compared for the discrepancy."""


def path_weights(dtdl_k_mm: NDArray[np.float64], channels: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """Return the factors [mm/K] that turn four temperatures into the path with the least thermal noise.

    Parameters
    ----------
    dtdl_k_mm : float64 (..., channel)
    channels : tuple of int
        Use these only; empty for all.

    Notes
    -----
    L = sum_k w_k T_k / (dT_k/dL), w_k proportional to (dT_k/dL / noise_k)^2, sum w_k = 1 (Nikolic et al. 2013, eq. 9).
    """
    used = np.isin(np.arange(NCHAN), channels) if channels else np.ones(NCHAN, bool)
    weight = np.where(used, (dtdl_k_mm / CHANNEL_NOISE_K) ** 2, 0.0)
    total = weight.sum(-1, keepdims=True)
    factor = np.divide(weight, dtdl_k_mm, out=np.zeros_like(weight), where=dtdl_k_mm != 0)
    return np.divide(factor, total, out=np.zeros_like(factor), where=total > 0)


def thermal_error_mm(dtdl_k_mm: NDArray[np.float64]) -> float:
    """Return the thermal noise of one antenna's path [mm]."""
    return float(np.sqrt(((CHANNEL_NOISE_K * path_weights(dtdl_k_mm)) ** 2).sum()))


def paths_mm(measured: Measured, coefficients: Coefficients, channels: tuple[int, ...] = ()) -> NDArray[np.float64]:
    """Return extra paths (time, antenna) [mm] along the lines of sight, NaN without good temperatures."""
    factors = path_weights(coefficients.at(measured.time), channels)
    return np.einsum("tak,tk->ta", measured.temperature_k, factors)


def scatter_mm(path_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation in time of each antenna's path [mm], 0 without any."""
    there = np.isfinite(path_mm)
    count = np.maximum(there.sum(0), 1)
    mean = np.where(there, path_mm, 0.0).sum(0) / count
    return np.sqrt(np.where(there, (path_mm - mean) ** 2, 0.0).sum(0) / count)


def greatest_baseline_scatter_mm(path_mm: NDArray[np.float64]) -> float:
    """Return the greatest standard deviation in time of the difference of two antennas' paths [mm]."""
    there = np.isfinite(path_mm)
    value = np.where(there, path_mm, 0.0)
    value = np.where(there, value - value.sum(0) / np.maximum(there.sum(0), 1), 0.0)  # keeps the squares small
    mask = there.astype(np.float64)
    count = mask.T @ mask
    mean = (value.T @ mask - mask.T @ value) / np.maximum(count, 1)
    square = (value**2).T @ mask + mask.T @ value**2 - 2 * value.T @ value
    spread = np.where(count > 0, square / np.maximum(count, 1) - mean**2, 0.0)
    return float(np.sqrt(np.maximum(spread, 0.0)).max(initial=0.0))

"""Single outliers of a target, whose amplitudes change with the baselines' lengths: judged in bins of length."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_POINTS = 22
"""A bin with fewer points is joined with the next."""
_MANY, _SOME = 1000, 500
_GAUSSIAN_DECILES = 1.9004
"""Interdecile over interquartile range of a normal distribution."""


@dataclass(frozen=True)
class Bin:
    """What the points of a bin were compared with.

    Attributes
    ----------
    low_m, high_m : float
        Lengths [m], the upper end outside.
    points : int
    median, sigma : float
        Centre and spread [Jy]; with many points the middle of the quartiles, and their distance to it or (if wider,
        at most twice that) the one that the deciles give.
    """

    low_m: float
    high_m: float
    points: int
    median: float
    sigma: float


def growth(low_m: float, points: int) -> float:
    """Return by what factor a bin's upper end exceeds its lower one [m], finer with many points and short baselines.

    Parameters
    ----------
    low_m : float
        Lower end [m].
    points : int
        Points in all bins.

    Returns
    -------
    float
    """
    if points > _MANY:
        return 1.1 if low_m < 40 else 1.2 if low_m < 90 else 1.26
    return float(np.sqrt(2)) if points > _SOME else 1.6


def edges(uvdist_m: NDArray[np.float64]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return two sets of bins, the second shifted by half a bin.

    Parameters
    ----------
    uvdist_m : float64 (point,)
        [m]

    Returns
    -------
    list of (float, float), list of (float, float)
        Lower and upper ends [m]. The second set begins in the middle of the first bin of the first.
    """
    shortest, longest = float(uvdist_m.min()), float(uvdist_m.max())
    positive = uvdist_m[uvdist_m > 0]
    at = max(shortest, float(positive.min()) if len(positive) else 1.0)
    first: list[tuple[float, float]] = []
    while at <= longest or not first:
        first.append((at, at * growth(at, len(uvdist_m))))
        at = first[-1][1]
    first[0] = (shortest, first[0][1])
    middles = [(low + high) / 2 for low, high in first]
    return first, list(zip(middles, [*middles[1:], first[-1][1]], strict=True))


def single_outliers(
    value: NDArray[np.float64], uvdist_m: NDArray[np.float64], low: float, high: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64], list[Bin]]:
    """Find points far from others at similar lengths, in both of two sets of bins.

    Parameters
    ----------
    value, uvdist_m : float64 (point,)
        [Jy], [m]
    low, high : float
        How far below and above the centre a point may lie, in spreads.

    Returns
    -------
    bool (point,)
        Points that are outliers in the bins of both sets that hold them. Those in the first half of the first bin have
        one bin only.
    float64 (point,)
        How far each lies from the centre of its bin of the first set, in spreads; 0 where there is no spread.
    list of Bin
        The bins of the first set.
    """
    first, second = edges(uvdist_m)
    bad, sigma, bins = _in_bins(value, uvdist_m, first, low, high)
    again, _, _ = _in_bins(value, uvdist_m, second, low, high)
    return bad & (again | (uvdist_m < second[0][0])), sigma, bins


def _in_bins(
    value: NDArray[np.float64], uvdist_m: NDArray[np.float64], ends: list[tuple[float, float]], low: float, high: float
) -> tuple[NDArray[np.bool_], NDArray[np.float64], list[Bin]]:
    """Judge points in the bins of one set; bins with few points grow until they have enough, the last one downwards."""
    bad, sigma = np.zeros(len(value), bool), np.zeros(len(value))
    bins: list[Bin] = []
    start = before = ends[0][0]
    for k, (_, stop) in enumerate(ends):
        inside = np.flatnonzero((uvdist_m >= start) & (uvdist_m < stop))
        if len(inside) < LEAST_POINTS and k + 1 == len(ends):
            start = before
            inside = np.flatnonzero((uvdist_m >= start) & (uvdist_m < stop))
        if len(inside) < LEAST_POINTS:
            continue
        centre, spread = centre_and_spread(value[inside], many=len(value) > _MANY)
        away = value[inside] - centre
        bad[inside] |= (away < -low * spread) | (away > high * spread)
        sigma[inside] = away / spread if spread > 0 else 0.0
        bins.append(Bin(start, stop, len(inside), centre, spread))
        before, start = start, stop
    return bad, sigma, bins


def centre_and_spread(value: NDArray[np.float64], *, many: bool) -> tuple[float, float]:
    """Return the centre and the spread of some points [Jy].

    Parameters
    ----------
    value : float64 (point,)
    many : bool
        Use quartiles and deciles; else the median, and twice the robust standard deviation (which is uncertain).

    Returns
    -------
    float, float
    """
    if not many:
        centre = float(np.median(value))
        return centre, 2 * 1.4826 * float(np.median(np.abs(value - centre)))
    d1, q1, q3, d9 = np.percentile(value, [10, 25, 75, 90], method="midpoint").tolist()
    quartile = 0.5 * (q3 - q1)
    decile = 0.5 * (d9 - d1) / _GAUSSIAN_DECILES
    return 0.5 * (q1 + q3), max(quartile, min(2 * quartile, decile))

"""Cubic splines through a few neighbours of each point, and averages over bands of what they interpolate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WINDOW = 10


def window_spline(x: NDArray[np.float64], y: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate a table at some points, each by the cubic spline through its ten nearest rows.

    Parameters
    ----------
    x : float64 (n,)
        Ascending, at least four.
    y : float64 (n,)
    at : float64 (k,)
        Within the table.

    Returns
    -------
    float64 (k,)

    Notes
    -----
    The splines end "not a knot". Where one overshoots (near a spectral line narrower than the table's spacing) by
    more than half the range of its rows, the value is interpolated linearly. So does CASA's solar_system_setjy.
    """
    x, y, at = (np.asarray(a, np.float64) for a in (x, y, at))
    size = min(_WINDOW, len(x))
    above = np.clip(np.searchsorted(x, at), 1, len(x) - 1)
    nearest = np.where(at < (x[above - 1] + x[above]) / 2, above - 1, above)
    low = np.clip(nearest - _WINDOW // 2, 0, len(x) - size)
    starts, of = np.unique(low, return_inverse=True)
    rows = starts[:, None] + np.arange(size)
    xs, ys = x[rows], y[rows]
    bend = _second_derivatives(xs, ys)
    left = np.clip(above - 1 - low, 0, size - 2)
    pick = (of, left)
    h = xs[of, left + 1] - xs[pick]
    b = (at - xs[pick]) / h
    a = 1 - b
    linear = a * ys[pick] + b * ys[of, left + 1]
    cubic = linear + ((a**3 - a) * bend[pick] + (b**3 - b) * bend[of, left + 1]) * h**2 / 6
    lowest, highest = ys.min(axis=1)[of], ys.max(axis=1)[of]
    slack = (highest - lowest) / 2
    return np.where((cubic < lowest - slack) | (cubic > highest + slack), linear, cubic)


def _second_derivatives(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the second derivatives at the knots of not-a-knot cubic splines, one for each row of xs and ys."""
    count, size = xs.shape
    h, slope = np.diff(xs, axis=1), np.diff(ys, axis=1) / np.diff(xs, axis=1)
    matrix, right = np.zeros((count, size, size)), np.zeros((count, size))
    inner = np.arange(1, size - 1)
    matrix[:, inner, inner - 1] = h[:, :-1]
    matrix[:, inner, inner] = 2 * (h[:, :-1] + h[:, 1:])
    matrix[:, inner, inner + 1] = h[:, 1:]
    right[:, 1:-1] = 6 * np.diff(slope, axis=1)
    # the third derivative is continuous at the second knot and at the last but one
    matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 0, 2] = h[:, 1], -(h[:, 0] + h[:, 1]), h[:, 0]
    matrix[:, -1, -1], matrix[:, -1, -2], matrix[:, -1, -3] = h[:, -2], -(h[:, -1] + h[:, -2]), h[:, -1]
    return np.asarray(np.linalg.solve(matrix, right[:, :, None])[:, :, 0], np.float64)


def band_means(
    x: NDArray[np.float64], y: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the means of a table over bands: trapezia between its rows and the splines' values at the bands' edges.

    Parameters
    ----------
    x, y : float64 (n,)
    low, high : float64 (k,)
        The bands' edges, low < high, within the table.

    Returns
    -------
    float64 (k,)
    """
    edges = window_spline(x, y, np.concatenate([low, high]))
    at_low, at_high = edges[: len(low)], edges[len(low) :]
    first, last = np.searchsorted(x, low), np.searchsorted(x, high, side="right") - 1
    area = np.concatenate([[0.0], np.cumsum(np.diff(x) * (y[1:] + y[:-1]) / 2)])
    inside = first <= last
    i, j = np.where(inside, first, 0), np.where(inside, last, 0)
    whole = (x[i] - low) * (at_low + y[i]) / 2 + (high - x[j]) * (at_high + y[j]) / 2 + area[j] - area[i]
    return np.where(inside, whole / (high - low), (at_low + at_high) / 2)

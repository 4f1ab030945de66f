"""Collecting many points: nothing is lost, and a growing grid counts as one that was large enough from the start."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.plots.density import Collector
from atacal.plots.ms_pictures import blend


def fill(collector: Collector, x, y, parts: int) -> None:
    for a, b in zip(np.array_split(x, parts), np.array_split(y, parts), strict=True):
        zero = np.zeros(len(a), int)
        collector.add(zero, zero, a, b)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 1e4), st.integers(1, 6))
def test_grid_keeps_every_point_and_its_place(seed, spread, parts):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=500), rng.normal(size=500) * spread
    collector = Collector(1, 1, cells=(64, 64), max_points=50)
    fill(collector, x, y, parts)
    grid = collector.grid
    assert grid is not None
    assert grid.counts.sum() == 500 == collector.total.sum()
    assert grid.low[0] <= x.min()
    assert grid.high[1] >= y.max()
    edges = np.linspace(grid.low[0], grid.high[0], grid.counts.shape[3] + 1)
    wanted, _ = np.histogram(x, edges)
    # cells merge exactly, so that only a point on an edge may differ by rounding
    assert np.abs(grid.counts.sum(axis=(0, 1, 2)) - wanted).sum() <= 4


def test_points_stay_points_while_they_are_few():
    collector = Collector(1, 1, max_points=1000)
    fill(collector, np.arange(10.0), np.arange(10.0) ** 2, 3)
    assert collector.grid is None
    np.testing.assert_array_equal(collector.points()[3], np.arange(10.0) ** 2)


def test_window_and_not_finite_are_counted():
    collector = Collector(1, 1, window=(0.0, 5.0, np.nan, np.nan))
    fill(collector, np.arange(10.0), np.array([np.nan, *range(9)]), 1)
    assert (collector.outside, collector.not_finite) == (4, 1)
    np.testing.assert_array_equal(collector.points()[2], [1, 2, 3, 4, 5])


def test_blend_mixes_colours_by_count_and_leaves_empty_cells_clear():
    counts = np.zeros((2, 1, 3), np.uint32)
    counts[0, 0, 0], counts[1, 0, 0], counts[1, 0, 1] = 3, 1, 4
    picture = blend(counts, ["#ff0000", "#0000ff"])
    np.testing.assert_allclose(picture[0, 0, :3], [0.75, 0, 0.25], atol=1e-6)
    np.testing.assert_allclose(picture[0, 1, :3], [0, 0, 1])
    assert picture[0, 2, 3] == 0 < picture[0, 0, 3] <= 1

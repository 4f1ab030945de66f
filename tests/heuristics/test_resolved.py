"""Resolved flux calibrators by the pipeline's rule."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.heuristics.resolved import antennas_within, longest_baseline_m
from atacal.ms.disc import C_M_S, jinc

WIDTH = np.radians(1.6 / 3600)


def seen(baseline_m, freq_hz=230e9):
    return float(jinc(np.array([np.pi * baseline_m * WIDTH * freq_hz / C_M_S]))[0])


@pytest.mark.parametrize("shortest", [5.0, 15.0, 60.0])
def test_limit_is_where_the_fraction_is_seen(shortest):
    limit = longest_baseline_m(WIDTH, 230e9, shortest)
    assert limit > shortest
    assert seen(limit) == pytest.approx(0.2 * seen(shortest), rel=1e-6)


def test_nothing_within_the_first_lobe():
    null = 3.8317 * C_M_S / (np.pi * 230e9 * WIDTH)
    assert longest_baseline_m(WIDTH, 230e9, null * 1.01) == 0.0


def test_antennas():
    positions = np.array([[0, 0, 0], [10, 0, 0], [0, 30, 0], [0, 0, 100.0]])
    assert antennas_within(positions, 0, 50.0) == (0, 1, 2)
    assert antennas_within(positions, 0, 20.0) == ()
    assert antennas_within(positions, 0, 500.0, np.array([1, 1, 0, 1], bool)) == (0, 1, 3)

"""Phases of one frequency for another."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.heuristics.phase_scaling import followed_phases, mean_frequency_hz, scaled_gains


def test_phases_are_followed_over_turns():
    true = np.stack([np.linspace(-2, 8, 40), np.linspace(0.3, 0.9, 40)], axis=1)
    flag = np.zeros(true.shape, bool)
    flag[20, 0] = True
    gain = np.exp(1j * true)
    gain[20, 0] = 1  # of a flagged solution
    phase, wrapped = followed_phases(gain, flag)
    assert wrapped.tolist() == [True, False]
    good = ~flag
    # median 3 rad is within half a turn
    assert np.abs(phase - true)[good].max() < 1e-6


def test_a_series_lies_around_zero():
    phase, _ = followed_phases(np.exp(1j * np.linspace(2, 9, 30))[:, None], np.zeros((30, 1), bool))
    assert abs(np.median(phase)) <= np.pi


def test_a_path_scales_with_frequency():
    path = np.linspace(-1e-3, 2e-3, 50)
    low, high = (2 * np.pi * f / 299792458.0 * path for f in (217e9, 233e9))
    phase, wrapped = followed_phases(np.exp(1j * low)[:, None], np.zeros((50, 1), bool))
    assert wrapped.all()
    away = np.angle(scaled_gains(phase[:, 0], 233 / 217) * np.exp(-1j * high))
    assert np.ptp(np.unwrap(away)) < 1e-5  # the same at all times: no jumps


def test_mean_frequency():
    assert mean_frequency_hz(np.array([217e9, 233e9]), np.array([3.0, 1.0])) == pytest.approx(221e9)

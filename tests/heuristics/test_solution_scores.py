"""Scores of bandpasses, flux densities and gains, and amplitudes that are off."""

from __future__ import annotations

import math

import numpy as np
import pytest

from atacal.heuristics.amp_gain_outliers import amplitude_outliers
from atacal.heuristics.bandpass_scores import (
    amplitude_snr,
    antenna_scores,
    phase_outliers,
    score_amplitude_snr,
    score_missing,
    score_phase_outliers,
)
from atacal.heuristics.flux_scores import score_flux_snr, score_spw_ratio, spw_ratios
from atacal.heuristics.gain_scores import (
    offset_scores,
    path_spread_m,
    score_achieved_snr,
    score_step_path,
    score_xy_path,
    step_path_m,
    xy_path_m,
)


def test_amplitude_outliers():
    rng = np.random.default_rng(1)
    amplitude = 1 + 0.01 * rng.normal(size=(6, 10))
    amplitude[3:] *= 3  # another field: its own median
    flag = np.zeros(amplitude.shape, bool)
    amplitude[1, 2] = 5
    amplitude[4, 5] = 0.1
    amplitude[0, 0] = 100
    flag[0, 0] = True
    found = amplitude_outliers(amplitude, flag, np.array([0, 0, 0, 1, 1, 1]))
    assert sorted(zip(*map(list, np.nonzero(found)), strict=True)) == [(1, 2), (4, 5)]
    assert not amplitude_outliers(np.ones((2, 3)), np.zeros((2, 3), bool), np.zeros(2, int)).any()


def test_bandpass_scores():
    rng = np.random.default_rng(2)
    phase = 0.02 * rng.normal(size=200)
    clean = np.zeros(200, bool)
    assert phase_outliers(phase, clean) == 0
    phase[50], phase[120] = -2, 2  # there and back again
    assert phase_outliers(phase, clean) == pytest.approx(4 / 200)
    assert phase_outliers(phase + 0.5 * np.arange(200), clean) == pytest.approx(4 / 200)  # a delay is no jump
    assert score_phase_outliers(0.01) == pytest.approx(math.erf(3 / math.sqrt(2)))
    assert score_phase_outliers(0.1) == pytest.approx(math.erf(0.3 / math.sqrt(2)))
    assert amplitude_snr(1 + 0.1 * np.tile([1, -1], 100), clean) == pytest.approx(10)
    assert score_amplitude_snr(1.0) == pytest.approx(0.6827, abs=1e-4)
    assert score_missing(10, 9) == 0.9


def test_antenna_scores_leave_out_flagged_ones():
    bandpass = np.ones((3, 64, 2), complex)
    flag = np.zeros(bandpass.shape, bool)
    flag[1, :, 0] = True
    amplitude, phase = antenna_scores(bandpass, flag)
    assert [(s.antenna, s.pol) for s in amplitude] == [(0, 0), (0, 1), (1, 1), (2, 0), (2, 1)]
    assert all(s.score == 1 for s in [*amplitude, *phase])


def test_flux_scores():
    assert score_flux_snr(5, "cycle4") == 0
    assert score_flux_snr(20, "cycle4") == 1
    assert score_flux_snr(5) == pytest.approx(0.66)
    assert score_flux_snr(30) == 1
    assert [score_spw_ratio(k) for k in (1.05, 0.85, 1.3)] == [1.0, 0.75, 0.5]


def test_spw_ratios_refer_to_a_wide_spw():
    best, k = spw_ratios(
        {0: 1.0, 1: 1.1, 2: 0.8}, {0: 50, 1: 90, 2: 40}, {0: 2.0, 1: 2.0, 2: 2.0}, {0: 2e9, 1: 6e7, 2: 2e9}
    )
    assert best == 0
    assert k == pytest.approx({0: 1.0, 1: 1.1, 2: 0.8})
    assert spw_ratios({0: 1.0}, {0: 5}, {}, {0: 2e9}) == (-1, {})


def test_paths():
    freq = 230e9
    phase = np.array([[0.1, 0.0], [-0.1, 0.0]] * 20)
    flag = np.zeros(phase.shape, bool)
    metre = 299792458.0 / (2 * np.pi * freq)
    assert xy_path_m(phase, flag, freq) == pytest.approx(0.1 * metre)
    assert step_path_m(phase, flag, freq) == pytest.approx(0.2 * metre, rel=0.01)
    phase[7] = 3  # in both: no difference between them
    assert xy_path_m(phase[:, [0, 0]], flag, freq) == 0
    flag[:] = True
    assert math.isnan(xy_path_m(phase, flag, freq))
    assert score_xy_path(math.nan) == 1
    assert score_xy_path(4.25e-6) == pytest.approx(0.99865, abs=1e-5)
    assert score_step_path(2.24e-4) == pytest.approx(0.00135, abs=1e-5)
    assert path_spread_m(np.array([0.0] * 9 + [2.0]), freq, sigmas=5) > 0  # a MAD of 0 leaves nothing out


def offsets(seed=3, scatter=1.0):
    values = scatter * np.random.default_rng(seed).normal(size=(8, 10, 2))
    return values, np.zeros(values.shape, bool)


def test_offsets_within_range():
    values, flag = offsets()
    noise, found = offset_scores(values, flag, 0, mapped=False)
    assert noise == pytest.approx(1, rel=0.2)
    assert len(found) == 18
    assert all(f.score == 1 and not f.worst for f in found)


@pytest.mark.parametrize(("mapped", "first", "second"), [(False, 0.8, 0.75), (True, 0.7, 0.5)])
def test_offset_outliers(mapped, first, second):
    values, flag = offsets()
    values[:, 3, 1] += 8  # mean beyond 5 deg
    values[4, 5, 0] = 40  # most beyond 30 deg
    scores = {(f.antenna, f.pol): (f.worst, f.score) for f in offset_scores(values, flag, 0, mapped=mapped)[1]}
    assert scores[3, 1] == ("mean", first)
    assert scores[5, 0] == ("most", second)
    assert scores[4, 0] == ("", 1.0)


def test_noisy_offsets_are_not_judged():
    values, flag = offsets(scatter=30)
    noise, found = offset_scores(values, flag, 0, mapped=False)
    assert noise > 15
    assert {f.score for f in found} == {0.82}
    flag[:] = True
    assert offset_scores(values, flag, 0, mapped=False)[1] == []


def test_achieved_snr():
    assert [score_achieved_snr(x, 32) for x in (9, 15, 23, 30)] == [0.33, 0.66, 0.9, 1.0]
    assert [score_achieved_snr(x, 32, check=True) for x in (9, 15, 23, 30)] == [0.7, 0.8, 0.9, 1.0]

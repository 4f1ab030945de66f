"""Views of the water vapour correction, what spoils it, and its scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.heuristics.wvr_scores import Radiometer, score_wvr
from atacal.heuristics.wvr_views import (
    Noise,
    View,
    high_outliers,
    noise_of,
    overall_improvement,
    phase_rms,
    time_chunks,
    too_few_radiometers,
)

TIMES = np.concatenate([np.arange(20) * 6.0, 600 + np.arange(15) * 6.0, 640 + 100 + np.arange(5) * 6.0])


def gains(rms_deg, seed=1, time=TIMES):
    """Phases that scatter by rms_deg of each antenna, around arbitrary means."""
    rng = np.random.default_rng(seed)
    phase = rng.normal(0, np.radians(rms_deg), (len(time), len(rms_deg))) + rng.uniform(-3, 3, len(rms_deg))
    return np.exp(1j * phase).astype(np.complex64), np.zeros(phase.shape, bool)


def view(ratio, intent="BANDPASS", rms=20.0):
    ratio = np.asarray(ratio, float)
    before = np.full(ratio.shape, rms)
    return View.of(intent, 17, before, before * ratio, np.arange(ratio.shape[1]) * 1.0)


def slow_rms(gain, flag, chunks):
    """The definition, loop by loop."""
    nant = gain.shape[1]
    out = np.full((nant, len(chunks)), np.nan)
    references = [r for r in range(nant) if not flag[:, r].all()][:8]
    for a in range(nant):
        for c, chunk in enumerate(chunks):
            values = []
            for r in references:
                turned = [
                    complex(gain[t, a]) * complex(gain[t, r]).conjugate()
                    for t in range(*chunk.indices(len(gain)))
                    if not flag[t, a] and not flag[t, r]
                ]
                if turned:
                    middle = complex(np.median([v.real for v in turned]), np.median([v.imag for v in turned]))
                    away = [math.degrees(np.angle(v * middle.conjugate())) for v in turned]
                    values.append(math.sqrt(sum(d * d for d in away) / len(away)))
            if values:
                out[a, c] = np.median(values)
    return out


def test_times_are_split_at_long_gaps():
    assert time_chunks(TIMES) == [slice(0, 20), slice(20, 35), slice(35, 40)]
    assert time_chunks(np.arange(4) * 29.0) == [slice(0, 4)]
    assert time_chunks(np.array([0.0, 15.0, 30.0, 65.0])) == [slice(0, 3), slice(3, 4)]
    assert time_chunks(np.array([0.0, 40.0, 80.0, 120.0, 200.0])) == [slice(0, 4), slice(4, 5)]
    assert time_chunks(np.array([3.0])) == [slice(0, 1)]
    assert time_chunks(np.zeros(0)) == []


@given(st.integers(2, 11), st.integers(0, 2**20), st.sampled_from([0.0, 0.2, 0.6]))
def test_scatter_is_what_its_definition_says(nant, seed, flagged):
    gain, flag = gains(np.linspace(5, 40, nant), seed)
    flag |= np.random.default_rng(seed).random(flag.shape) < flagged
    flag[:, seed % nant] |= flagged > 0.5
    chunks = time_chunks(TIMES)
    np.testing.assert_allclose(phase_rms(gain, flag, chunks), slow_rms(gain, flag, chunks), rtol=1e-5, atol=1e-5)


def test_no_antenna_is_still_because_it_is_the_reference():
    gain, flag = gains([20.0] * 10, time=np.arange(400) * 1.0)
    gain /= gain[:, [4]]  # as solved against antenna 4
    rms = phase_rms(gain, flag, [slice(0, 400)])[:, 0]
    assert (rms > 25).all()
    assert (rms < 31).all()


def test_an_antenna_without_solutions_has_no_scatter():
    gain, flag = gains([10.0] * 5)
    flag[:, 2] = True
    rms = phase_rms(gain, flag, time_chunks(TIMES))
    assert np.isnan(rms[2]).all()
    assert np.isfinite(np.delete(rms, 2, axis=0)).all()


def test_improvement_is_one_over_the_median_ratio():
    one = view([[0.5, 0.5], [0.4, 0.5], [2.0, 0.1]])
    assert one.improvement == 2.0
    assert one.without_antennas([0]).improvement == pytest.approx(1 / 0.45)
    assert math.isnan(one.without_antennas([0, 1, 2]).improvement)
    still = View.of("PHASE", 1, np.array([[0.0], [4.0], [np.nan]]), np.array([[1.0], [2.0], [1.0]]), np.zeros(1))
    assert still.flag[:, 0].tolist() == [True, False, True]
    assert still.improvement == 2.0


def test_high_outliers():
    rng = np.random.default_rng(3)
    ratio = rng.normal(0.5, 0.05, (12, 4))
    ratio[7, 2] = 1.6
    (found,) = high_outliers(view(ratio))
    assert (found.antenna, found.chunk, found.ratio) == (7, 2, pytest.approx(1.6))
    middle = np.median(ratio)
    assert found.limit == pytest.approx(middle + 10 * np.median(np.abs(ratio - middle)))
    assert high_outliers(view(ratio), fhi_limit=100.0) == []
    assert high_outliers(view(ratio).without_antennas([7])) == []
    assert high_outliers(view([[0.5, 0.5, 0.5, 3.0]])) == []  # too few samples
    assert len(high_outliers(view([[0.5, 0.51, 0.5, 0.49, 3.0]]))) == 1


def test_overall_improvement():
    bandpass, phase = view([[0.5]] * 3), view([[0.8]] * 3, "PHASE")
    assert overall_improvement([bandpass, phase], Noise()) == pytest.approx((2 + 1.25) / 2)
    assert overall_improvement([phase, bandpass], Noise(phase_noisy=True)) == 2.0
    assert overall_improvement([bandpass, phase], Noise(phase_noisy=True), "cycle4") == pytest.approx(1.625)
    assert overall_improvement([phase], Noise(phase_noisy=True)) == 1.25
    assert math.isnan(overall_improvement([], Noise()))
    with pytest.raises(ArgumentError, match="cycle5"):
        overall_improvement([], Noise(), "cycle5")


def test_noise():
    steady = noise_of([view([[0.5]] * 5), view([[0.5]] * 5, "PHASE")])
    assert (steady.phase_noisy, steady.bandpass_noisy, steady.phase_good, steady.bandpass_good) == (0, 0, 1, 1)
    assert steady.percentiles_deg == {"BANDPASS": (20.0, 10.0), "PHASE": (20.0, 10.0)}
    wild = noise_of([view([[1.0]] * 5, rms=95.0), view([[1.0]] * 5, "PHASE", rms=95.0)])
    assert (wild.phase_noisy, wild.bandpass_noisy, wild.phase_good, wild.bandpass_good) == (1, 1, 0, 0)
    assert not noise_of([view([[1.0]] * 5, rms=88.0)]).bandpass_noisy  # none above 90
    assert not noise_of([view([[np.nan]] * 5)]).bandpass_good


def test_too_few_radiometers():
    assert too_few_radiometers(12, 12) == ""
    assert too_few_radiometers(3, 15) == ""
    assert "3 are needed" in too_few_radiometers(2, 4)
    assert "20%" in too_few_radiometers(3, 16)


def radiometers(flagged=0, disc=0, rms=0, count=10):
    return [
        Radiometer(f"DA{k}", True, k < flagged, 800.0 if k < rms else 90.0, 700.0 if k < disc else 60.0)
        for k in range(count)
    ]


STEADY = Noise(bandpass_good=True)


@pytest.mark.parametrize(
    ("improvement", "noise", "faults", "score"),
    [
        (1.8, STEADY, {}, 1.0),
        (1.8, STEADY, {"flagged": 1}, 0.67 + 0.23 * 0.8 / 0.9),
        (1.8, STEADY, {"flagged": 1, "disc": 2, "rms": 1}, 0.67 + 0.23 * 0.5 / 0.9),
        (1.8, Noise(phase_noisy=True), {}, 0.9),
        (1.8, Noise(bandpass_noisy=True), {}, 1.0),
        (1.8, Noise(bandpass_noisy=True), {"flagged": 1}, 0.34 + 0.32 * 0.56 / 0.66),
        (1.0, STEADY, {"flagged": 3}, 1.0),
        (0.9, STEADY, {}, 0.9),
        (0.9, STEADY, {"flagged": 2}, 0.67 + 0.23 * 0.7 / 0.9),
        (0.9, Noise(), {}, 0.66),
        (0.9, STEADY, {"disc": 1}, 0.34 + 0.32 * 0.56 / 0.66),
        (0.9, STEADY, {"disc": 6}, 0.33),
        (0.9, STEADY, {"rms": 10}, 0.33),
        (0.9, STEADY, {"disc": 6, "flagged": 1}, 0.0),
        (1.8, STEADY, {"flagged": 10}, 0.67),
    ],
)
def test_scores_of_today(improvement, noise, faults, score):
    found = score_wvr(improvement, radiometers(**faults), noise)
    assert found.score == pytest.approx(score)
    assert found.remove_cloud == (improvement < 1 and max(faults.get("disc", 0), faults.get("rms", 0)) > 5)
    assert bool(found.reasons) == (score < 1 or bool(faults))


@pytest.mark.parametrize(("improvement", "score"), [(0.99, 0.0), (1.0, 0.5), (1.5, 0.75), (2.0, 1.0), (3.0, 1.0)])
def test_scores_of_cycle_4(improvement, score):
    assert score_wvr(improvement, radiometers(flagged=3), STEADY, "cycle4").score == pytest.approx(score)


def test_no_score_without_an_improvement():
    with pytest.raises(ArgumentError, match="no calibrator"):
        score_wvr(math.nan, [], Noise())
    with pytest.raises(ArgumentError, match="recipe"):
        score_wvr(1.2, [], Noise(), "cycle9")


def test_reasons_name_antennas():
    reasons = score_wvr(1.8, radiometers(flagged=2, disc=1), STEADY).reasons
    assert "flagged: DA0, DA1" in reasons
    assert "Disc above 500 um: DA0" in reasons

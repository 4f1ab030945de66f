"""Views of gains."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError
from atacal.heuristics.gain_views import LOW_GAIN, GainLimits, LowGainLimits, deviation, deviation_view, gain_view
from atacal.heuristics.views import flag_view


def gains(nantenna=10, nscan=2, seed=4):
    return np.random.default_rng(seed).normal(1, 0.05, (nantenna, nscan))


def flagged(recipe, amplitude, flag=None):
    flag = np.zeros(amplitude.shape, bool) if flag is None else flag
    made = gain_view(amplitude, flag, range(len(amplitude)), range(5, 5 + amplitude.shape[1]), {"spw": 17})
    return flag_view(made, LOW_GAIN[recipe].rules())


def test_low_and_high_gains_by_recipe():
    amplitude = gains()
    amplitude[3], amplitude[5], amplitude[7] = 0.45, 0.6, 1.6
    assert np.flatnonzero(flagged("today", amplitude).flag.all(axis=1)).tolist() == [3, 7]
    assert np.flatnonzero(flagged("cycle4", amplitude).flag.all(axis=1)).tolist() == [3, 5, 7]
    assert flagged("today", gains()).proposals == []
    (first, *_) = flagged("today", amplitude).proposals
    assert first.extent() == {"antenna": [7], "scan": [5]}
    assert first.threshold == 1.5


def test_an_spw_with_two_thirds_of_the_antennas_without_solutions_goes_today():
    flag = np.zeros((9, 2), bool)
    flag[:6] = True
    assert flagged("today", gains(9), flag).flag.all()
    assert not flagged("cycle4", gains(9), flag).proposals
    flag[5] = False
    assert not flagged("today", gains(9), flag).proposals
    assert flagged("today", gains(9), np.ones((9, 2), bool)).proposals  # without a single solution it is bad, too


def test_rules_without_limits():
    assert LowGainLimits(flag_nmedian=False, tmef1_limit=2.0).rules() == []


def series(seed=2, nantenna=12, ntime=60):
    return np.random.default_rng(seed).normal(1, 0.02, (nantenna, ntime))


def test_metrics_by_their_definitions():
    a = series()
    flag = np.zeros(a.shape, bool)
    spread = np.median(np.abs(a - np.median(a)))
    assert deviation("mediandeviant", a, flag)[4] == pytest.approx(abs(np.median(a[4]) - np.median(a)) / spread)
    assert deviation("rmsdeviant", a, flag)[4] == pytest.approx(a[4].std() / spread)
    share = a.std(axis=1) / np.median(a, axis=1)
    scaled = 1.4826 * np.median(np.abs(share - np.median(share)))
    assert deviation("nrmsdeviant", a, flag)[4] == pytest.approx((share[4] - np.median(share)) / scaled)


def test_a_noisy_antenna_is_found_by_nrmsdeviant_and_a_quiet_one_is_not():
    a = series()
    a[3] = 1 + (a[3] - 1) * 6
    a[8] = 1 + (a[8] - 1) * 0.01
    flag = np.zeros(a.shape, bool)
    ((metric, rule),) = GainLimits().rules()
    judged = flag_view(deviation_view(metric, a, flag, range(12), 5e9, {"spw": 1}), [rule])
    assert np.flatnonzero(judged.flag[:, 0]).tolist() == [3]
    assert judged.proposals[0].view.identity["metric"] == "nrmsdeviant"


def test_antennas_without_gains_and_arrays_without_spread():
    a = series()
    flag = np.zeros(a.shape, bool)
    flag[2] = True
    assert np.isnan(deviation("nrmsdeviant", a, flag)[2])
    assert np.isfinite(np.delete(deviation("nrmsdeviant", a, flag), 2)).all()
    assert np.isnan(deviation("nrmsdeviant", np.ones((4, 5)), np.zeros((4, 5), bool))).all()
    assert np.isnan(deviation("mediandeviant", a, np.ones(a.shape, bool))).all()


def test_order_of_metrics():
    limits = GainLimits(flag_rmsdeviant=True, metric_order="nrmsdeviant,rmsdeviant")
    assert [m for m, _ in limits.rules()] == ["nrmsdeviant", "rmsdeviant"]
    with pytest.raises(ArgumentError, match="leaves out nrmsdeviant"):
        GainLimits(metric_order="rmsdeviant").rules()
    with pytest.raises(ArgumentError, match="median: no such metric"):
        GainLimits(metric_order="nrmsdeviant, median").rules()
    with pytest.raises(ArgumentError, match="no metric 'std'"):
        deviation("std", series(), np.zeros((12, 60), bool))

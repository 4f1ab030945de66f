"""Views of raw channels."""

from __future__ import annotations

import itertools

import numpy as np

from atacal.heuristics.raw_channels import RawChannelLimits, centred, exempt_channels, raw_channel_view
from atacal.heuristics.views import flag_view

PAIRS = list(itertools.combinations(range(8), 2))


def raw_block(seed=1, nchan=128):
    """Raw amplitudes: baselines of different strength, a bandpass common to all, noise."""
    rng = np.random.default_rng(seed)
    strength = rng.uniform(0.5, 2, len(PAIRS)) * 1e-3
    bandpass = 1 + 0.05 * np.sin(np.linspace(0, 6, nchan))
    return strength * bandpass[:, None] + rng.normal(0, 2e-5, (nchan, len(PAIRS)))


def test_centred_leaves_medians_of_zero():
    values = raw_block()
    flag = np.zeros(values.shape, bool)
    flag[3], flag[:, 5] = True, True
    view = centred(values, flag)
    assert np.isnan(view[3]).all()
    assert np.isnan(view[:, 5]).all()
    good = np.delete(np.delete(view, 3, axis=0), 5, axis=1)
    assert np.allclose(np.median(good, axis=1), 0, atol=1e-18)


def test_a_spike_and_a_bad_quarter_are_found_and_nothing_else():
    values = raw_block()
    values[40:42, 7] += 5e-3
    mine = np.array([3 in p for p in PAIRS])
    values[64:96, mine] *= np.where(np.arange(32) % 2, 0.2, 3.0)[:, None]  # a quarter of antenna 3 gone wild
    flag = np.zeros(values.shape, bool)
    judged = flag_view(raw_channel_view(values, flag, PAIRS, {"spw": 17, "pol": "XX"}), RawChannelLimits().rules())
    expected = flag.copy()
    expected[40:42, 7] = True
    expected[64:96, mine] = True
    assert (judged.flag == expected).all()
    assert {p.rule for p in judged.proposals} == {"bad quadrant", "outlier"}


def test_healthy_blocks_are_left_alone():
    for seed in range(20):
        values = raw_block(seed)
        view = raw_channel_view(values, np.zeros(values.shape, bool), PAIRS, {})
        assert flag_view(view, RawChannelLimits().rules()).proposals == []


def test_ozone_is_left_alone():
    values = raw_block()
    values[60:63, ::3] += 1e-3
    freq, width = 110e9 + np.arange(128) * 15.6e6, np.full(128, -15.6e6)
    exempt = exempt_channels(freq, width, [(freq[60], freq[62])])
    assert np.flatnonzero(exempt).tolist() == [60, 61, 62]
    flag = np.zeros(values.shape, bool)
    assert flag_view(raw_channel_view(values, flag, PAIRS, {}), RawChannelLimits().rules()).proposals
    assert flag_view(raw_channel_view(values, flag, PAIRS, {}, exempt), RawChannelLimits().rules()).proposals == []


def test_rules_follow_the_parameters():
    assert RawChannelLimits(flag_hilo=False, flag_bad_quadrant=False).rules() == []
    assert len(RawChannelLimits(flag_hilo=False).rules()) == 1

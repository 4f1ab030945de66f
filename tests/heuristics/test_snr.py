"""The noise model of gains, and the intervals that follow from it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.heuristics.snr import (
    BANDS,
    choose_channels,
    choose_phaseup,
    combined_snr,
    gain_noise_jy,
    has_strong_line,
    receiver_band,
)

MINUTE = {"tsys_k": 90.0, "seconds": 60.0, "bandwidth_hz": 8e9}


@pytest.mark.parametrize(
    ("ghz", "band"),
    [(40, 1), (75, 2), (100, 3), (145, 4), (190, 5), (230, 6), (345, 7), (460, 8), (660, 9), (870, 10)],
)
def test_bands(ghz, band):
    assert receiver_band(ghz * 1e9) == band


def test_between_bands():
    with pytest.raises(ArgumentError, match=r"540\.000 GHz lies in none"):
        receiver_band(540e9)


def test_noise_of_the_nominal_array():
    # 0.27 mJy x sqrt(16 x 15 / (2 x 13)) x sqrt 2, by hand
    assert gain_noise_jy(230e9, n12m=16, **MINUTE) == pytest.approx(0.27e-3 * math.sqrt(120 / 13) * math.sqrt(2))
    assert gain_noise_jy(230e9, n12m=16, recipe="cycle4", **MINUTE) == pytest.approx(0.27e-3 * math.sqrt(8 * 2))


def test_noise_scales():
    one = gain_noise_jy(230e9, n12m=43, **MINUTE)
    assert gain_noise_jy(230e9, n12m=43, **(MINUTE | {"tsys_k": 180.0})) == pytest.approx(2 * one)
    assert gain_noise_jy(230e9, n12m=43, **(MINUTE | {"seconds": 15.0})) == pytest.approx(2 * one)
    assert gain_noise_jy(230e9, n12m=43, **(MINUTE | {"bandwidth_hz": 2e9})) == pytest.approx(2 * one)
    assert gain_noise_jy(230e9, n12m=43, flagged=0.75, **MINUTE) == pytest.approx(2 * one)
    assert gain_noise_jy(230e9, n12m=0, n7m=43, **MINUTE) == pytest.approx((12 / 7) ** 2 * one)
    assert one < gain_noise_jy(230e9, n12m=33, n7m=10, **MINUTE) < (12 / 7) ** 2 * one
    assert gain_noise_jy(230e9, n12m=43, **(MINUTE | {"tsys_k": 0.0})) == pytest.approx(one)  # the nominal 90 K


def test_all_bands_have_a_noise():
    centres = {1: 40, 2: 75, 3: 100, 4: 145, 5: 190, 6: 230, 7: 345, 8: 460, 9: 660, 10: 870}
    for band, ghz in centres.items():
        nominal = gain_noise_jy(ghz * 1e9, tsys_k=0, seconds=60, bandwidth_hz=8e9, n12m=63)
        assert nominal == pytest.approx(BANDS[band][1] * 1e-3 * 2)


def test_too_few_antennas_and_no_exposure():
    assert gain_noise_jy(230e9, n12m=3, **MINUTE) == math.inf
    with pytest.raises(ArgumentError, match="not 0 s"):
        gain_noise_jy(230e9, n12m=10, **(MINUTE | {"seconds": 0}))


def test_noise_agrees_with_solutions():
    """Gains of a simulated array scatter as the model says, where its sensitivity is the radiometer's."""
    rng, nant = np.random.default_rng(5), 40
    from atacal.solve.gains import solve_gains

    first, second = np.triu_indices(nant, 1)
    noise = 0.2
    vis = 1 + noise * (rng.normal(size=(200, len(first))) + 1j * rng.normal(size=(200, len(first))))
    gain, good, *_ = solve_gains(
        vis, np.ones(vis.shape), first.astype(np.int32), second.astype(np.int32), nant, minblperant=4
    )
    assert good.all()
    scatter = np.std(np.abs(gain))
    assert scatter == pytest.approx(noise / math.sqrt(nant - 3), rel=0.05)


def test_combined():
    assert combined_snr([3, 4, math.nan]) == pytest.approx(5)


def test_phaseup_every_integration():
    found = choose_phaseup([25, 40], [2e9, 2e9], 6.0, 300.0)
    assert (found.solint, found.combine, found.snr) == ("int", False, 25)
    assert choose_phaseup([25, 40], [2e9, 2e9], 6.0, 300.0, combine="always").combine
    assert choose_phaseup([math.nan], [2e9], 6.0, 300.0).solint == "int"


def test_phaseup_combines_spws_today():
    found = choose_phaseup([25, 10], [2e9, 0.1e9], 6.0, 300.0)
    assert (found.solint, found.combine) == ("int", True)
    # all need 16 integrations; four equal spws together four
    found = choose_phaseup([5] * 4, [2e9] * 4, 6.0, 600.0)
    assert (found.solint, found.combine) == ("24.000s", True)
    assert found.snr == pytest.approx(20.0)
    # at most a minute
    assert choose_phaseup([1] * 4, [2e9] * 4, 6.0, 6000.0).solint == "60.000s"


def test_phaseup_alone():
    assert choose_phaseup([25, 10], [2e9] * 2, 6.0, 300.0, recipe="cycle4").solint == "24.000s"
    assert choose_phaseup([25, 10], [2e9] * 2, 6.0, 300.0, combine="never").solint == "24.000s"
    # two intervals at least: 16 integrations would be one of 20
    assert choose_phaseup([5], [2e9], 6.0, 120.0, recipe="cycle4").solint == "60.000s"
    # the limit in whole integrations: below it in Cycle 4, nearest to it today
    assert choose_phaseup([1], [2e9], 7.0, 7000.0, recipe="cycle4").solint == "56.000s"
    assert choose_phaseup([1], [2e9], 7.0, 7000.0, combine="never").solint == "63.000s"


@pytest.mark.parametrize(
    ("snr", "nchan", "channels", "solutions"),
    [
        (50, 960, 1, 960),
        (25, 960, 4, 240),
        (20, 960, 8, 120),  # 6.25 channels needed: 8 divides
        (1, 960, 120, 8),  # too many: eight solutions
        (4, 128, 16, 8),  # 156 needed
        (math.nan, 128, 1, 128),  # TDM
        (math.nan, 960, 4, 240),
    ],
)
def test_channels(snr, nchan, channels, solutions):
    found = choose_channels(snr, nchan)
    assert (found.channels, found.solutions) == (channels, solutions)


@given(st.floats(0.01, 500), st.integers(1, 4096))
def test_channels_divide_or_keep_eight(snr, nchan):
    found = choose_channels(snr, nchan)
    assert found.solutions >= min(8, nchan)
    assert nchan % found.channels == 0 or found.channels == nchan // 8
    if found.channels > max(1, nchan // 8):
        assert found.snr >= 50 * (1 - 1e-6)


def test_strong_lines():
    channel = np.arange(128)
    flat = 100 + 0.1 * np.random.default_rng(0).normal(size=128)
    assert not has_strong_line(flat)
    line = flat + 60 * np.exp(-0.5 * ((channel - 60) / 2.5) ** 2)
    assert has_strong_line(line)
    noisy = 100 + 0.5 * np.random.default_rng(0).normal(size=128)
    noisy[60] += 13
    assert not has_strong_line(noisy)  # a single channel is no line
    noisy[59:62] += 13
    assert has_strong_line(noisy)
    gap = line.copy()
    gap[20:24] = np.nan
    assert has_strong_line(gap)
    assert not has_strong_line(np.full(128, np.nan))
    assert not has_strong_line(np.full(8, 100.0))  # too few channels for a running mean

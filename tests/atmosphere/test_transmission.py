"""The air: what is known of its lines, limits that hold for every line list, and numbers of CASA's ATM."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.atmosphere import sky_brightness, standard_profile, transmission, zenith_opacity
from atacal.errors import ArgumentError


def test_the_profile_has_all_water_and_balanced_pressure():
    profile = standard_profile()
    assert profile.water_share.sum() == pytest.approx(1)
    height = 5.059 + np.cumsum(profile.thickness_m) / 1e3 - profile.thickness_m / 2e3
    # the AFGL tropical atmosphere has 213 hPa at 12 km, 56.5 hPa at 20 km
    assert np.interp(12, height, profile.pressure_hpa) == pytest.approx(213, rel=0.04)
    assert np.interp(20, height, profile.pressure_hpa) == pytest.approx(56.5, rel=0.07)
    assert standard_profile(pressure_hpa=550).pressure_hpa[0] < profile.pressure_hpa[0]


CASA_TRANSMISSION = {
    # CASA 6.7's atmosphere tool: 5059 m, 563 hPa, 273 K, tropical, 1 km scale height; 1 mm and 5 mm of water
    (89.99, 1.0): 0.9820, (109.99, 1.0): 0.9626, (116.99, 1.0): 0.5728, (144.99, 1.0): 0.9689, (183.21, 1.0): 0.1571,
    (229.99, 1.0): 0.9450, (259.99, 1.0): 0.9323, (325.19, 1.0): 0.1090, (344.99, 1.0): 0.8316, (409.99, 1.0): 0.7090,
    (459.99, 1.0): 0.4454, (659.98, 1.0): 0.2968, (229.99, 5.0): 0.7874, (344.99, 5.0): 0.4409,
}  # fmt: skip


def test_transmission_is_that_of_casa():
    for (ghz, pwv), expected in CASA_TRANSMISSION.items():
        assert transmission([ghz * 1e9], pwv)[0] == pytest.approx(expected, abs=0.02), (ghz, pwv)


def test_lines_are_where_they_are():
    freq = np.arange(100e9, 400e9, 20e6)
    tau = zenith_opacity(freq, 1.0)
    for line, part in ((118.7503, tau.dry), (183.310, tau.wet), (325.153, tau.wet), (380.197, tau.wet)):
        near = np.abs(freq / 1e9 - line) < 2
        assert freq[near][np.argmax(part[near])] / 1e9 == pytest.approx(line, abs=0.03)
    # ozone that ALMA users meet in their spectra
    for line in (231.281, 237.146, 301.813, 343.238):
        near = np.abs(freq / 1e9 - line) < 0.2
        assert freq[near][np.argmax(tau.dry[near])] / 1e9 == pytest.approx(line, abs=0.03)


def test_brightness_and_transmission_belong_together():
    freq = np.array([183.31e9, 230e9, 380.197e9, 492e9])
    passed, sky = transmission(freq, 3.0), sky_brightness(freq, 3.0)
    profile = standard_profile()
    assert np.all(sky < profile.temperature_k.max())
    assert sky[2] == pytest.approx(profile.temperature_k[0], abs=12)  # opaque: air near the ground
    mean = sky / (1 - passed)
    assert np.all((mean > 225) & (mean < 275))  # the mean temperature of the air that shines
    assert sky_brightness([230e9], 3.0, airmass=2.0) > sky[1]


@settings(max_examples=25, deadline=None)
@given(st.floats(30e9, 950e9), st.floats(0, 8), st.floats(1, 3))
def test_more_air_lets_less_through(freq, pwv, airmass):
    one = transmission([freq], pwv)[0]
    assert 0 <= transmission([freq], pwv + 0.5, airmass=airmass)[0] <= one <= 1


def test_opacity_grows_with_the_water():
    freq = np.array([90e9, 230e9, 345e9, 690e9])
    one, four = zenith_opacity(freq, 1.0), zenith_opacity(freq, 4.0)
    ratio = four.wet / one.wet  # water broadens its own lines
    assert np.all((ratio > 4) & (ratio < 4.5))
    np.testing.assert_allclose(four.dry, one.dry)
    assert zenith_opacity([230e9], 0.0).wet[0] == 0


@pytest.mark.parametrize(("freq", "pwv"), [(1e8, 1.0), (2e12, 1.0), (230e9, -1.0), (230e9, float("nan")), (np.nan, 1)])
def test_what_cannot_be(freq, pwv):
    with pytest.raises(ArgumentError):
        zenith_opacity([freq], pwv)

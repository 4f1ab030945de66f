"""The air of raw blocks, and the screen as antennas see it."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.simulate import atmosphere
from atacal.simulate.turbulence import make_screen


def test_opacities_are_those_of_chajnantor():
    air = atmosphere.air(np.array([100e9, 183.31e9, 230e9, 345e9, 410e9, 650e9]))
    tau = dict(zip((100, 183, 230, 345, 410, 650), air.zenith_opacity(1.0), strict=True))
    # ALMA's atmospheric transmission at 1 mm: 0.99, opaque, 0.95, 0.85, 0.72, 0.35
    assert 0.004 < tau[100] < 0.02
    assert tau[183] > 2
    assert 0.03 < tau[230] < 0.08
    assert 0.12 < tau[345] < 0.25
    assert 0.25 < tau[410] < 0.45
    assert 0.8 < tau[650] < 1.5


def test_a_thick_sky_shines_like_its_lowest_layer_and_an_empty_one_like_the_background():
    air = atmosphere.air(np.array([183.31e9]))
    thick = float(air.sky_k(200.0, 1.0)[0])
    assert thick == pytest.approx(float(atmosphere.rayleigh_jeans(atmosphere.GROUND_K, air.freq_hz)[0]), abs=3.0)
    empty = float(air.sky_k(0.0, 0.0)[0])
    assert empty == pytest.approx(float(atmosphere.rayleigh_jeans(2.725, air.freq_hz)[0]))


def test_ozone_is_narrow_against_its_surroundings():
    air = atmosphere.air(np.array([239.093e9, 239.35e9, 238.8e9]))
    line, above, below = air.zenith_opacity(1.0)
    assert line - (above + below) / 2 == pytest.approx(0.024, rel=0.1)


def test_radiometer_channels_lose_their_grip_near_the_line_as_water_grows():
    radiometer = atmosphere.radiometer()
    kelvin = np.array([radiometer.temperatures(w, 1.0) for w in (0.5, 1.0, 2.0, 4.0)])
    assert (np.diff(kelvin, axis=0) > 0).all()
    assert (np.diff(kelvin, axis=1) < 0).all()  # the inner channels are the warmer ones
    gain = np.diff(kelvin, axis=0) / np.array([[0.5], [1.0], [2.0]])
    assert gain[0].argmax() == 0
    assert gain[-1].argmax() > 0


def test_the_polynomials_of_a_radiometer_are_its_temperatures():
    radiometer = atmosphere.radiometer()
    powers = radiometer.around(1.3, 1.3, 0.2)
    for extra in (-0.15, 0.0, 0.11):
        exact = radiometer.temperatures(1.3 + extra, 1.3)
        np.testing.assert_allclose(np.polynomial.polynomial.polyval(extra, powers), exact, atol=5e-3)


def test_the_screen_is_kolmogorov_on_short_baselines_and_flatter_on_long_ones():
    along = np.stack([np.geomspace(20.0, 5000.0, 24), np.zeros(24)], axis=1)
    along = np.concatenate([np.zeros((1, 2)), along])
    squares = []
    for seed in range(60):
        path = make_screen(250e-6, np.random.default_rng(seed)).path_m(np.arange(0, 4000, 80.0), along, 0.0)
        squares.append(((path[:, 1:] - path[:, :1]) ** 2).mean(axis=0))
    structure, distance = np.mean(squares, axis=0), along[1:, 0]
    near, far = distance < 150, (distance > 700) & (distance < 2500)
    steep = np.polyfit(np.log(distance[near]), np.log(structure[near]), 1)[0]
    flat = np.polyfit(np.log(distance[far]), np.log(structure[far]), 1)[0]
    assert steep == pytest.approx(5 / 3, abs=0.3)
    assert 0.1 < flat < 0.9  # 2/3, and less near the outer scale
    assert flat < steep - 0.5


def test_the_screen_is_frozen():
    screen = make_screen(250e-6, np.random.default_rng(3))
    here = np.array([[100.0, -50.0]])
    later = screen.path_m(np.array([40.0]), here + 40.0 * screen.wind_m_s, 0.0)
    assert later[0, 0] == pytest.approx(screen.path_m(np.array([0.0]), here, 0.0)[0, 0], abs=1e-12)

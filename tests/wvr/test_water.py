"""The thin-layer model, against itself, limits, and numbers that others have published."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.wvr.paths import thermal_error_mm
from atacal.wvr.water import (
    BACKGROUND_K,
    COUPLING,
    FREQ_GHZ,
    POINT_WEIGHTS,
    SPILL_K,
    layer,
    opacity_per_mm,
    path_per_mm,
    rayleigh_jeans,
)

# pipeline run of 2017.1.00685.S, uid___A002_Xd16a1e_X4327: PWV [mm] and dT/dL [K/mm] of two (tied) sources
PUBLISHED = [(1.83747, [4.18199, 6.51955, 4.63958, 3.31678]), (2.05118, [2.62212, 5.41935, 4.32165, 3.18786])]
columns = st.floats(0.0, 15.0)
kelvins = st.floats(250.0, 295.0)
pressures = st.floats(300.0, 550.0)


def test_without_water_the_channels_see_the_background():
    seen, _ = layer(np.array(270.0), np.array(450.0)).temperatures(np.array([0.0]))
    behind = rayleigh_jeans(BACKGROUND_K, FREQ_GHZ) @ POINT_WEIGHTS
    np.testing.assert_allclose(seen[0], COUPLING * behind + (1 - COUPLING) * SPILL_K, rtol=1e-12)


def test_with_much_water_they_see_the_layer():
    seen, slope = layer(np.array(270.0), np.array(450.0)).temperatures(np.array([500.0]))
    warm = rayleigh_jeans(270.0, FREQ_GHZ) @ POINT_WEIGHTS
    np.testing.assert_allclose(seen[0], COUPLING * warm + (1 - COUPLING) * SPILL_K, rtol=1e-6)
    assert np.all(slope < 1e-3)


@given(columns, kelvins, pressures)
def test_derivatives(column, kelvin, pressure):
    water = layer(np.array(kelvin), np.array(pressure))
    near = np.array([column, column + 1e-4])
    seen, slope = water.temperatures(near)
    np.testing.assert_allclose(np.diff(seen, axis=0)[0] / 1e-4, slope.mean(0), rtol=1e-4, atol=1e-4)
    assert np.all(slope > 0)
    assert column < 0.01 or np.all(np.diff(seen[0]) < 1e-3)  # the nearer to the line, the warmer


@given(kelvins, pressures)
def test_the_line_is_where_it_should_be(kelvin, pressure):
    freq = np.linspace(182.5, 184.1, 1601)
    opacity = opacity_per_mm(np.array(kelvin), np.array(pressure), freq)
    assert abs(freq[opacity.argmax()] - 183.31) < 0.05
    assert opacity.min() > 0


def test_path():
    assert path_per_mm(np.float64(270.0)) == pytest.approx(6.45, abs=0.01)


@pytest.mark.parametrize(("pwv_mm", "dtdl"), PUBLISHED)
def test_published_coefficients_are_the_models_at_some_layer(pwv_mm, dtdl):
    """CASA 5.4 on real data: four numbers, three unknowns (temperature, pressure, airmass), 0.3 % apart at most."""
    kelvin, pressure = np.meshgrid(np.linspace(250, 295, 46), np.linspace(300, 550, 51), indexing="ij")
    airmass = np.linspace(1.0, 2.0, 101)
    _, slope = layer(kelvin, pressure).temperatures(np.broadcast_to(pwv_mm * airmass, (46, 51, 101)))
    ratio = slope / path_per_mm(kelvin)[..., None, None] / np.array(dtdl)
    assert np.abs(ratio - 1).max(-1).min() < 0.004


def test_published_thermal_error():
    assert thermal_error_mm(np.array(PUBLISHED[1][1])) == pytest.approx(10.2872e-3, rel=1e-5)

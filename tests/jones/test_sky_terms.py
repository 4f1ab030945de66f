"""Terms that depend on where the source stands: antenna positions and opacity."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.jones import TERMS, Parameters, Sky
from atacal.jones.horizon import elevations, itrf_directions
from atacal.jones.position import SPEED_OF_LIGHT_M_S, turned
from atacal.ms.metadata import Field

FREQ = 3.45e11 + 1e9 * np.arange(4)
ALMA = (2225061.164, -5440057.370, -2481681.150)


def parameters(values, direction, elevation, ok=None) -> Parameters:
    """Parameters of one time, given as (antenna, par)."""
    values = np.asarray(values, np.float64)[None, :, None]
    ok = np.ones(values.shape, bool) if ok is None else np.asarray(ok, bool)[None, :, None]
    sky = Sky(np.asarray(direction, np.float64)[None], np.full((1, values.shape[1]), elevation))
    return Parameters(values, None, ok, values, ok, FREQ, FREQ[2], sky)


def test_a_position_error_towards_the_source_is_a_path_of_its_length():
    direction = np.array([0.48, -0.6, 0.64])
    par = parameters([0.001 * direction, [0.0, 0.0, 0.0], [0.64, 0.0, -0.48]], direction, 1.0)
    gain, ok = TERMS["KAntPos Jones"].factor(par)
    assert ok.all()
    assert gain.shape == (1, 3, 4, 2)
    expected = np.exp(2j * np.pi * FREQ * 0.001 / SPEED_OF_LIGHT_M_S)
    np.testing.assert_allclose(gain[0, 0, :, 1], expected, atol=1e-9)
    np.testing.assert_allclose(gain[0, 1:], 1, atol=1e-9)  # across the line of sight nothing changes
    assert TERMS["KAntPos Jones"].weight is None


def test_a_flagged_position_is_no_correction_and_not_good():
    par = parameters([[0.1, 0.2, 0.3]], [1, 0, 0], 1.0, ok=[[True, False, True]])
    gain, ok = TERMS["KAntPos Jones"].factor(par)
    assert (gain == 1).all()
    assert not ok.any()


@pytest.mark.parametrize(("elevation", "airmass"), [(np.pi / 2, 1.0), (np.pi / 6, 2.0), (-0.1, 0.0)])
def test_opacity_dims_by_the_airmass(elevation, airmass):
    par = parameters([[0.25], [0.0]], [1, 0, 0], elevation)
    gain, ok = TERMS["TOpac"].factor(par)
    assert ok.all()
    np.testing.assert_allclose(gain[0, :, 0, 0] ** 2, [np.exp(-0.25 * airmass), 1.0])
    np.testing.assert_allclose(TERMS["TOpac"].weight(par)[0, :, 1], [np.exp(-0.25 * airmass), 1.0])


def test_directions_turn_with_the_earth_and_agree_with_the_elevation():
    field = Field(0, "Q", "", 0, (1.5, -0.9), "J2000", 0.0)
    time = 4.94221684e9 + np.array([0.0, 1000.0, 1000.0 + 86164.0905])
    direction = itrf_directions(time, [field] * 3, ALMA)
    np.testing.assert_allclose(np.linalg.norm(direction, axis=1), 1)
    up = np.array(ALMA) / np.linalg.norm(ALMA)
    expected = elevations(time, [field] * 3, np.array([ALMA]))[:, 0]
    np.testing.assert_allclose(np.arcsin(direction @ up), expected, atol=1e-12)
    turned = np.arctan2(direction[0, 1], direction[0, 0]) - np.arctan2(direction[1, 1], direction[1, 0])
    np.testing.assert_allclose(turned, 1000.0 * 2 * np.pi / 86164.0905, rtol=1e-4)
    np.testing.assert_allclose(direction[2], direction[1], atol=2e-6)  # a sidereal day later


@pytest.mark.parametrize("nchan", [1, 31, 33, 128, 960])
@pytest.mark.parametrize("bend", [0.0, 1e6])
def test_products_of_steps_are_the_exponentials(nchan, bend):
    chan = np.arange(nchan)
    freq = 3.45e11 - 488281.25 * chan + bend * np.sin(chan)
    delay = np.array([[1e-11, -3e-12, 0.0], [2e-9, 1e-13, -5e-11]])
    np.testing.assert_allclose(turned(delay, freq), np.exp(2j * np.pi * delay[:, :, None] * freq), atol=2e-10)

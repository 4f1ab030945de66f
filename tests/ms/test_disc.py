from __future__ import annotations

import numpy as np
import pytest

from atacal.ms.disc import FIRST_NULL, Disc, jinc


def test_jinc_is_the_transform_of_a_disc():
    r = (np.arange(4000) + 0.5) / 4000
    for x in (0.0, 0.3, 2.9, 3.1, FIRST_NULL, 7.0, 55.0):
        # chord at offset r of a disc of radius 1: 2 sqrt(1 - r^2)
        expected = np.sum(4 / np.pi * np.sqrt(1 - r**2) * np.cos(x * r)) / 4000
        assert jinc(np.array([x]))[0] == pytest.approx(expected, abs=2e-5)
    assert abs(jinc(np.array([FIRST_NULL]))[0]) < 1e-7


def test_an_ellipse_is_seen_along_its_axes():
    disc = Disc(2e-5, 1e-5, np.radians(90.0))  # the longer axis east-west
    freq = np.array([230e9])
    east, north = np.array([[50.0, 0, 0]]), np.array([[0, 50.0, 0]])
    x = np.pi * 50 * 230e9 / 299792458.0
    assert disc.visibility(east, freq)[0, 0] == pytest.approx(jinc(np.array([x * 2e-5]))[0])
    assert disc.visibility(north, freq)[0, 0] == pytest.approx(jinc(np.array([x * 1e-5]))[0])


def test_a_disc_turns_from_north_to_east():
    """A disc's longer axis, at 30 degrees, resolves a baseline at 30 degrees most."""
    disc = Disc(3e-5, 1e-5, np.radians(30.0))
    angles = np.radians(np.arange(0, 180, 10))
    uvw = np.stack([10 * np.sin(angles), 10 * np.cos(angles), 0 * angles], axis=1)
    assert np.argmin(disc.visibility(uvw, np.array([230e9]))[:, 0]) == 3

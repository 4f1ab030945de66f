"""Where fields stand: against the pole, against casacore's numbers, and the frames of time."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError
from atacal.jones.horizon import elevations, hour_angles
from atacal.ms.metadata import Field

ALMA = np.array([[2225140.7, -5440301.9, -2481039.7]])


def field(ra: float, dec: float, frame: str = "J2000") -> Field:
    return Field(0, "x", "", 0, (ra, dec), frame, 0.0)


def test_the_pole_stands_as_high_as_the_geocentric_latitude():
    latitude = np.degrees(np.arcsin(ALMA[0, 2] / np.linalg.norm(ALMA)))
    time = np.array([5.0e9, 5.0e9 + 20000])
    up = np.degrees(elevations(time, [field(0.0, -np.pi / 2)] * 2, ALMA))
    np.testing.assert_allclose(up[:, 0], -latitude, atol=0.2)


def test_hour_angle_and_declination_are_casacores():
    """As CASA 6.7's measures tool gives them, at 2002-10-01 00:00 UTC."""
    time = np.array([52548.0 * 86400])
    hour, dec = hour_angles(time, [field(1.2, -0.3)], ALMA)
    np.testing.assert_allclose([hour[0, 0], dec[0, 0]], CASACORE, rtol=0, atol=5e-8)


CASACORE = (-2.216345441066369, -0.29983942282211795)


def test_time_of_another_frame_is_brought_to_utc():
    time = np.array([52548.0 * 86400])
    source = [field(1.2, -0.3)]
    utc = hour_angles(time, source, ALMA)
    tai = hour_angles(time + 32.0, source, ALMA, "TAI")
    np.testing.assert_allclose(tai, utc, rtol=0, atol=1e-9)
    late = hour_angles(time, source, ALMA, "TAI")[0] - utc[0]
    np.testing.assert_allclose(late, -32 / 86400 * 2 * np.pi, rtol=0.01)


def test_frames_of_direction():
    time = np.array([52548.0 * 86400])
    one, other = (hour_angles(time, [field(1.2, -0.3, frame)], ALMA) for frame in ("J2000", "ICRS"))
    np.testing.assert_allclose(one, other, rtol=0, atol=3e-7)
    with pytest.raises(ArgumentError, match="frame AZEL"):
        hour_angles(time, [field(1.2, -0.3, "AZEL")], ALMA)
    with pytest.raises(ArgumentError, match="frame LAST"):
        hour_angles(time, [field(1.2, -0.3)], ALMA, "LAST")

"""Where antennas stand about the middle of their array, and where sources stand above it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atacal.jones.horizon import geocentric, hour_angles
from atacal.ms.metadata import Field
from atacal.pipeline.facts import Facts


def local_positions(positions_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return ITRF positions (antenna, 3) as east, north and up [m] of their median, (antenna, 3)."""
    middle = np.median(positions_m, axis=0)
    (longitude,), (latitude,) = geocentric(middle[None])
    sin_lon, cos_lon, sin_lat, cos_lat = np.sin(longitude), np.cos(longitude), np.sin(latitude), np.cos(latitude)
    turn = np.array(
        [
            [-sin_lon, cos_lon, 0],
            [-sin_lat * cos_lon, -sin_lat * sin_lon, cos_lat],
            [cos_lat * cos_lon, cos_lat * sin_lon, sin_lat],
        ]
    )
    return np.asarray((positions_m - middle) @ turn.T)


def azimuth_elevation(
    facts: Facts, time_mjd_s: NDArray[np.float64], fields: Sequence[Field]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return azimuths (from north through east) and elevations [deg] of fields at times, above the array's middle."""
    middle = np.median(facts.metadata.antenna_positions_m, axis=0)[None]
    hour, dec = (v[:, 0] for v in hour_angles(time_mjd_s, fields, middle, facts.metadata.time_frame))
    (latitude,) = geocentric(middle)[1]
    elevation = np.arcsin(np.sin(latitude) * np.sin(dec) + np.cos(latitude) * np.cos(dec) * np.cos(hour))
    azimuth = np.arctan2(
        -np.cos(dec) * np.sin(hour), np.sin(dec) * np.cos(latitude) - np.cos(dec) * np.cos(hour) * np.sin(latitude)
    )
    return np.degrees(azimuth) % 360, np.degrees(elevation)

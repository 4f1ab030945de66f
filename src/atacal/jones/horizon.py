"""Where a field stands in an antenna's sky: topocentric hour angle and declination, as CASA has them.

J2000 to apparent place: deflection by the sun, annual aberration, precession IAU 1976, nutation IAU 1980 (ERFA);
sidereal time IAU 1994 with UT1 and polar motion from the IERS B tables that come with astropy. Two steps follow
casacore where it departs from the books, each by less than 0.5 arcsec: diurnal aberration moves the source towards
the zenith (it should be the east), and polar motion turns the celestial axes (it should be the terrestrial ones). Hour
angles agree with casacore within 2e-8 rad.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.metadata import Field

DAY_S = 86400.0
MJD0 = 2400000.5
SIDEREAL_DAY_S = DAY_S / 1.00273790935

SCALES = {"UTC": "utc", "TAI": "tai", "IAT": "tai", "TT": "tt", "TDT": "tt", "ET": "tt", "TDB": "tdb"}
"""Frames of TIME that are known, and what astropy calls them."""

_one_at_a_time = threading.Lock()
"""Astropy's settings are the process's, and its table takes a second to read, which several threads would share out."""


def hour_angles(
    time_mjd_s: NDArray[np.float64],
    fields: Sequence[Field],
    positions_m: NDArray[np.float64],
    time_frame: str = "UTC",
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return hour angles and declinations of fields above antennas.

    Parameters
    ----------
    time_mjd_s : float64 (slot,)
        [MJD s] in ``time_frame``.
    fields : sequence of Field, one a slot
    positions_m : float64 (antenna, 3)
        ITRF [m].
    time_frame : str
        Frame of the times, as TIME's MEASINFO names it.

    Returns
    -------
    hour_angle, declination : float64 (slot, antenna)
        Topocentric [rad].

    Raises
    ------
    ArgumentError
        For frames of time or of direction that are not known.
    """
    import erfa
    from astropy.utils import iers

    with (
        _one_at_a_time,
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "warn"),
    ):
        utc, tt = _scales(time_mjd_s, time_frame)
        # the table that comes with astropy; outside its years UT1 is UTC, at most 0.9 s off
        table = iers.IERS_B.open()
        ut1_utc, status = table.ut1_utc(utc.jd1, utc.jd2, return_status=True)
        polar_x, polar_y = (p.to_value("rad") for p in table.pm_xy(utc.jd1, utc.jd2, return_status=True)[:2])
    known = status == iers.FROM_IERS_B
    day = np.where(known, ut1_utc.to_value("day"), 0.0)
    turn = erfa.ry(-np.where(known, polar_x, 0.0), erfa.rx(-np.where(known, polar_y, 0.0), np.eye(3)))
    source = np.einsum("sij,sj->si", turn, _apparent(tt, np.array([_j2000(f) for f in fields])))
    radius = np.linalg.norm(positions_m, axis=-1)
    longitude, latitude = geocentric(positions_m)
    last = erfa.gst94(utc.jd1, utc.jd2 + day)[:, None] + longitude
    rotated = [
        source[:, :1] * np.cos(last) + source[:, 1:2] * np.sin(last),
        source[:, 1:2] * np.cos(last) - source[:, :1] * np.sin(last),
        np.broadcast_to(source[:, 2:], last.shape),
    ]
    aberration = 2 * np.pi * radius / (SIDEREAL_DAY_S * erfa.CMPS)
    x = rotated[0] + aberration * np.cos(latitude)
    z = rotated[2] + aberration * np.sin(latitude)
    return np.arctan2(-rotated[1], x), np.arctan2(z, np.hypot(x, rotated[1]))


def geocentric(positions_m: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return geocentric longitudes and latitudes [rad] of positions (antenna, 3): CASA's vertical is geocentric."""
    x, y, z = np.moveaxis(positions_m, -1, 0)
    return np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))


def itrf_directions(
    time_mjd_s: NDArray[np.float64],
    fields: Sequence[Field],
    position_m: Sequence[float] | NDArray[np.float64],
    time_frame: str = "UTC",
) -> NDArray[np.float64]:
    """Return unit vectors towards the apparent places of fields along the ITRF axes, float64 (slot, 3).

    Parameters
    ----------
    time_mjd_s, fields, time_frame
        As in `hour_angles`.
    position_m : float64 (3,)
        ITRF position [m] of the antenna at which they are seen.
    """
    position = np.asarray(position_m, np.float64).reshape(1, 3)
    hour_angle, dec = (values[:, 0] for values in hour_angles(time_mjd_s, fields, position, time_frame))
    longitude = geocentric(position)[0] - hour_angle
    return np.stack([np.cos(dec) * np.cos(longitude), np.cos(dec) * np.sin(longitude), np.sin(dec)], axis=-1)


def elevations(
    time_mjd_s: NDArray[np.float64],
    fields: Sequence[Field],
    positions_m: NDArray[np.float64],
    time_frame: str = "UTC",
) -> NDArray[np.float64]:
    """Return elevations above the plane normal to the geocentric radius, casacore's AZEL [rad], (slot, antenna).

    That vertical is up to 11 arcmin from the geodetic one. Parameters as in `hour_angles`.
    """
    hour_angle, dec = hour_angles(time_mjd_s, fields, positions_m, time_frame)
    _, latitude = geocentric(positions_m)
    sine = np.sin(latitude) * np.sin(dec) + np.cos(latitude) * np.cos(dec) * np.cos(hour_angle)
    return np.arcsin(np.clip(sine, -1.0, 1.0))


def _scales(time_mjd_s: NDArray[np.float64], frame: str) -> tuple[Any, Any]:
    """Return times as astropy's Time in UTC and in TT."""
    from astropy.time import Time

    if frame.upper() not in SCALES:
        raise ArgumentError(
            f"where the sources stand cannot be computed: TIME is given in the frame {frame}; known are "
            f"{', '.join(SCALES)}"
        )
    day = np.atleast_1d(np.asarray(time_mjd_s, np.float64)) / DAY_S
    time = Time(np.floor(day), day - np.floor(day), format="mjd", scale=SCALES[frame.upper()])
    return time.utc, time.tt


def _apparent(tt: Any, direction_rad: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return geocentric apparent unit vectors, equator and equinox of date, (slot, 3), of J2000 ones (slot, 2)."""
    import erfa

    around_sun, around_centre = erfa.epv00(tt.jd1, tt.jd2)
    distance = np.linalg.norm(around_sun["p"], axis=-1)
    source = erfa.ldsun(erfa.s2c(*direction_rad.T), around_sun["p"] / distance[:, None], distance)
    velocity = around_centre["v"] / erfa.DC
    along = (source * velocity).sum(-1, keepdims=True)
    slow = np.sqrt(1 - (velocity**2).sum(-1, keepdims=True))
    source = slow * source + (1 + along / (1 + slow)) * velocity
    source = np.einsum("sij,sj->si", erfa.pnm80(tt.jd1, tt.jd2), source)
    return np.asarray(source / np.linalg.norm(source, axis=-1, keepdims=True))


@cache
def _j2000(field: Field) -> tuple[float, float]:
    """Return a field's direction in J2000 [rad]."""
    if field.frame == "J2000":
        return field.phase_dir_rad
    frame = {"B1950": "fk4", "ICRS": "icrs", "GALACTIC": "galactic"}.get(field.frame)
    if frame is None:
        raise ArgumentError(
            f"where field {field.id} ({field.name}) stands cannot be computed: its direction is given in the frame "
            f"{field.frame}; known are J2000, B1950, ICRS and GALACTIC"
        )
    from astropy.coordinates import SkyCoord

    j2000 = SkyCoord(*field.phase_dir_rad, unit="rad", frame=frame).fk5
    return float(j2000.ra.rad), float(j2000.dec.rad)

"""P: the parallactic angle, by which the sky turns over the feeds of an alt-azimuth antenna.

Linear feeds see the sky rotated: J = [[cos x, sin x], [-sin x, cos x]]; circular feeds see phases: J = diag(e^{-ix},
e^{ix}); x is the parallactic angle plus the angle of the feed. (Hamaker, Bregman & Sault 1996, A&AS 117, 137.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.metadata import Antenna, Field

DAY_S = 86400.0
MJD0 = 2400000.5


def parallactic_angles(
    time_mjd_s: NDArray[np.float64], fields: Sequence[Field], antennas: Sequence[Antenna]
) -> NDArray[np.float64]:
    """Return the parallactic angle at every antenna.

    Parameters
    ----------
    time_mjd_s : float64 (slot,)
        UTC [MJD s].
    fields : sequence of Field, one a slot
    antennas : sequence of Antenna
        Positions ITRF; the vertical is geocentric, as it is in CASA.

    Returns
    -------
    float64 (slot, antenna)
        [rad], tan x = cos(lat) sin(H) / (sin(lat) cos(dec) - cos(lat) sin(dec) cos(H)); 0 for equatorial mounts.
    """
    gst, ra, dec = _apparent(time_mjd_s, fields)
    xyz = np.array([a.position_m for a in antennas], np.float64).reshape(-1, 3)
    longitude = np.arctan2(xyz[:, 1], xyz[:, 0])
    latitude = np.arctan2(xyz[:, 2], np.hypot(xyz[:, 0], xyz[:, 1]))
    hour_angle = gst[:, None] + longitude - ra[:, None]
    angle = np.arctan2(
        np.cos(latitude) * np.sin(hour_angle),
        np.sin(latitude) * np.cos(dec)[:, None] - np.cos(latitude) * np.sin(dec)[:, None] * np.cos(hour_angle),
    )
    turns = np.array([a.mount.lower().startswith("alt-az") for a in antennas])
    return np.where(turns, angle, 0.0)


def _apparent(
    time_mjd_s: NDArray[np.float64], fields: Sequence[Field]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return Greenwich apparent sidereal time, apparent right ascension and declination of date [rad]."""
    import erfa
    from astropy.time import Time
    from astropy.utils import iers

    day = time_mjd_s / DAY_S
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "warn"):
        time = Time(np.floor(day), day - np.floor(day), format="mjd", scale="utc")
        # the table that comes with astropy; outside its years UT1 is UTC, at most 0.9 s off
        ut1_utc, status = iers.IERS_B.open().ut1_utc(time.jd1, time.jd2, return_status=True)
        seconds = np.where(status == iers.FROM_IERS_B, ut1_utc.to_value("s"), 0.0)
        tt = time.tt
    ra, dec = np.array([_icrs(f) for f in fields]).T
    ra_cirs, dec_cirs, _ = erfa.atci13(ra, dec, 0.0, 0.0, 0.0, 0.0, tt.jd1, tt.jd2)
    gst = erfa.era00(time.jd1, time.jd2 + seconds / DAY_S)
    return gst, ra_cirs, dec_cirs


@cache
def _icrs(field: Field) -> tuple[float, float]:
    """Return a field's direction in ICRS [rad]."""
    frame = {"J2000": "fk5", "B1950": "fk4", "ICRS": "icrs", "GALACTIC": "galactic"}.get(field.frame)
    if frame is None:
        raise ArgumentError(
            f"the parallactic angle of field {field.id} ({field.name}) cannot be computed: its direction is given "
            f"in the frame {field.frame}; known are J2000, B1950, ICRS and GALACTIC"
        )
    from astropy.coordinates import SkyCoord

    icrs = SkyCoord(*field.phase_dir_rad, unit="rad", frame=frame).icrs
    return float(icrs.ra.rad), float(icrs.dec.rad)


def parang_matrix(angle: NDArray[np.float64], pol_basis: str) -> NDArray[np.complex128]:
    """Return the forward 2 x 2 Jones matrices (..., 2, 2) of angles (...) for ``linear`` or ``circular`` feeds."""
    out = np.zeros((*angle.shape, 2, 2), np.complex128)
    if pol_basis == "circular":
        out[..., 0, 0] = np.exp(-1j * angle)
        out[..., 1, 1] = np.exp(1j * angle)
    else:
        out[..., 0, 0] = out[..., 1, 1] = np.cos(angle)
        out[..., 0, 1] = np.sin(angle)
        out[..., 1, 0] = -np.sin(angle)
    return out

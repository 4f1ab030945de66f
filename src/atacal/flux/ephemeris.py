"""Where a solar-system body is, how far, how large, and how fast, from the JPL-Horizons ephemerides that CASA uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from atacal.errors import ModelError
from atacal.flux.solar_data import bodies, span, span_limits
from atacal.flux.spline import window_spline
from atacal.ms.observatories import observatory_itrf

AU_M = 1.4959787066e11
C_M_S = 299792458.0
_EARTH_RAD_S = 7.2921150e-5


@dataclass(frozen=True)
class Ephemeris:
    """A body as seen from the Earth's centre, at one time.

    Attributes
    ----------
    body : str
    mjd : float
        UTC [d].
    direction_rad : tuple of 2 floats
        Right ascension and declination, J2000, without the parallax of an observatory.
    distance_m : float
    velocity_m_s : float
        Away from the Earth's centre.
    north_pole_rad : float
        Position angle of the north pole (north to east); 0 if not known.
    latitude_deg : float
        Latitude of the sub-Earth point; 0 if not known.
    equatorial_m, polar_m : float
        Radii.
    """

    body: str
    mjd: float
    direction_rad: tuple[float, float]
    distance_m: float
    velocity_m_s: float
    north_pole_rad: float
    latitude_deg: float
    equatorial_m: float
    polar_m: float

    def apparent_polar_m(self, *, as_casa: bool) -> float:
        """Return the semi-axis [m] of the disc along the projected pole.

        Parameters
        ----------
        as_casa : bool
            As CASA 6.7 has it: the sine and cosine of the latitude's number of *degrees*, taken as radians.
        """
        angle = self.latitude_deg if as_casa else np.radians(self.latitude_deg)
        return float(np.hypot(self.equatorial_m * np.sin(angle), self.polar_m * np.cos(angle)))

    def doppler(self, observatory: str) -> float:
        """Return z of the body for an observatory that turns with the Earth; z = velocity/c, positive away.

        The turning is 0.46 km/s at most; an observatory whose place is not known is taken to be at the Earth's centre.
        """
        place = observatory_itrf(observatory)
        velocity = self.velocity_m_s
        if place is not None:
            longitude, latitude, radius = place
            sidereal = np.radians(280.46061837 + 360.98564736629 * (self.mjd - 51544.5)) + longitude
            ra, dec = self.direction_rad
            velocity += _EARTH_RAD_S * radius * np.cos(latitude) * np.cos(dec) * np.sin(sidereal - ra)
        return float(velocity / C_M_S)


def body_of(name: str) -> str | None:
    """Return the body that a field is named after, None if it is none of those that there are."""
    known = {b.lower(): b for b in bodies()}
    return known.get(name.strip().lower())


def ephemeris(body: str, mjd: float) -> Ephemeris:
    """Return where a body is.

    Parameters
    ----------
    body : str
        One of `bodies`, upper or lower case.
    mjd : float
        UTC [d].

    Raises
    ------
    ModelError
        If there is no ephemeris for that body or for that time; the message says what there is.
    """
    known = body_of(body)
    if known is None:
        raise ModelError(f"there is no solar-system body {body!r}; there are {', '.join(bodies())}")
    limits = span_limits(known)
    number = next((i for i, (first, last) in enumerate(limits) if first < mjd < last), None)
    if number is None:
        there = ", ".join(f"{day(first)} to {day(last)}" for first, last in limits)
        raise ModelError(f"there is no ephemeris of {known} for {day(mjd)} (MJD {mjd:.5f}); there are {there}")
    table = span(known, number)
    at = {name: float(window_spline(table.days, v, np.array([mjd]))[0]) for name, v in table.columns.items()}
    return Ephemeris(
        known,
        mjd,
        (float(np.radians(at["RA"] % 360.0)), float(np.radians(at["DEC"]))),
        at["Rho"] * AU_M,
        at["RadVel"] * AU_M / 86400.0,
        float(np.radians(at["NP_ang"] % 360.0)),
        at["DiskLat"],
        500.0 * (table.radii_km[0] + table.radii_km[1]),
        1000.0 * table.radii_km[2],
    )


def day(mjd: float) -> str:
    """Write a time as a date: '2012-06-01'."""
    return str(np.datetime64("1858-11-17") + int(np.floor(mjd)))

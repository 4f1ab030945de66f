"""The air during an observation: its weather and water, and what they do to a spectrum."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.atmosphere.profile import Profile, standard_profile
from atacal.atmosphere.transmission import sky_brightness, transmission
from atacal.jones.horizon import elevations
from atacal.ms.air_tables import read_pwv_mm, read_weather
from atacal.ms.metadata import Antenna, Field

DEFAULT_PWV_MM = 1.0
"""Of a usable day at ALMA; where nothing was measured."""
_POINTS = 256


@dataclass(frozen=True, eq=False)
class ObservedAir:
    """Weather of an observation.

    Attributes
    ----------
    vis : str
        The MeasurementSet that has the measured water; empty for none.
    profile : Profile
    pwv_mm : float
        A value for all times; nan takes what was measured at each.
    """

    vis: str
    profile: Profile
    pwv_mm: float = np.nan

    def water_mm(self, start_mjd_s: float, end_mjd_s: float) -> tuple[float, bool]:
        """Return the water during a time [mm], and whether it was measured or given."""
        if np.isfinite(self.pwv_mm):
            return self.pwv_mm, True
        found = read_pwv_mm(self.vis, start_mjd_s, end_mjd_s) if self.vis else None
        return (DEFAULT_PWV_MM, False) if found is None else (found, True)


def observed_air(vis: str | os.PathLike[str], pwv_mm: float = np.nan) -> ObservedAir:
    """Read the weather of a MeasurementSet; the site's usual weather where it has none.

    Parameters
    ----------
    vis : path
        Empty for no MeasurementSet.
    pwv_mm : float
        In place of what was measured.

    Raises
    ------
    InvalidTable, TableLocked
    """
    weather = read_weather(vis) if vis else None
    if weather is None:
        return ObservedAir(os.fspath(vis), standard_profile(), pwv_mm)
    profile = standard_profile(pressure_hpa=weather.pressure_hpa, temperature_k=weather.temperature_k)
    return ObservedAir(os.fspath(vis), profile, pwv_mm)


def mean_airmass(time_mjd_s: NDArray[np.float64], fields: Sequence[Field], antennas: Sequence[Antenna]) -> float:
    """Return the mean of 1 / sin(elevation) of fields at their times above the middle of the array.

    Parameters
    ----------
    time_mjd_s : float64 (n,)
        [MJD s, UTC].
    fields : sequence of Field, one a time
    antennas : sequence of Antenna

    Returns
    -------
    float
        1 where a field is below five degrees: its direction is not that of the table (an ephemeris, a simulation).
    """
    middle = np.median([a.position_m for a in antennas], axis=0).reshape(1, 3)
    elevation = elevations(np.asarray(time_mjd_s, np.float64), list(fields), middle)
    sine = np.sin(elevation)
    return float(np.mean(1 / sine)) if np.all(sine > np.sin(np.deg2rad(5.0))) else 1.0


@dataclass(frozen=True, eq=False)
class AirCurve:
    """The air's transmission or brightness across an spw; float64 (point,).

    Attributes
    ----------
    freq_hz : array
    value : array
        Transmission [%] or brightness of the sky [K].
    image : array or None
        The same for the other sideband, at 2 LO1 - f.
    label : str
        What it is, and for what water and airmass.
    kelvin : bool
    """

    freq_hz: NDArray[np.float64]
    value: NDArray[np.float64]
    image: NDArray[np.float64] | None
    label: str
    kelvin: bool


def air_curve(
    air: ObservedAir,
    channels_hz: NDArray[np.float64],
    *,
    airmass: float,
    start_mjd_s: float,
    end_mjd_s: float,
    first_lo_hz: float | None = None,
    kelvin: bool = False,
) -> AirCurve:
    """Return the curve of the air across some channels.

    Parameters
    ----------
    air : ObservedAir
    channels_hz : float64 (chan,)
        Channel centres [Hz].
    airmass : float
    start_mjd_s, end_mjd_s : float
        When [MJD s]: the water is the median of this time.
    first_lo_hz : float, optional
        First local oscillator [Hz]: the image sideband gets its curve.
    kelvin : bool
        Brightness of the sky in place of the transmission.
    """
    count = max(len(channels_hz), _POINTS)
    freq = np.interp(np.linspace(0, len(channels_hz) - 1, count), np.arange(len(channels_hz)), channels_hz)
    water, measured = air.water_mm(start_mjd_s, end_mjd_s)

    def value(f: NDArray[np.float64]) -> NDArray[np.float64]:
        if kelvin:
            return sky_brightness(f, water, airmass=airmass, profile=air.profile)
        return 100 * transmission(f, water, airmass=airmass, profile=air.profile)

    what = "sky brightness [K]" if kelvin else "transmission [%]"
    label = f"{what}, PWV {water:.2f} mm{'' if measured else ' (assumed)'}, airmass {airmass:.2f}"
    image = value(2 * first_lo_hz - freq) if first_lo_hz else None
    return AirCurve(freq, value(freq), image, label, kelvin)

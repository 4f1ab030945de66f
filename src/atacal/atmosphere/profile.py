"""Layers of air above a site: temperature, pressure, water vapour, ozone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SITE_ALTITUDE_M = 5059.0
SITE_PRESSURE_HPA = 563.0
SITE_TEMPERATURE_K = 273.0
WATER_SCALE_HEIGHT_M = 1000.0
LAPSE_K_PER_KM = -5.6
"""CASA's values for the Chajnantor site; the weather there changes them by a few per cent."""

# AFGL tropical atmosphere (Anderson et al. 1986, AFGL-TR-86-0110): altitude [km], temperature [K], ozone [ppmv]
_KM = np.array([
    4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 27.5, 30, 32.5, 35, 37.5, 40, 45,
    50, 55, 60,
])  # fmt: skip
_KELVIN = np.array([
    277.0, 270.3, 263.6, 257.0, 250.3, 243.6, 237.0, 230.1, 223.6, 217.0, 210.3, 203.7, 197.0, 194.8, 198.8, 202.7,
    206.7, 210.7, 214.6, 217.0, 219.2, 221.4, 227.0, 232.3, 237.7, 243.1, 248.5, 254.0, 264.8, 270.2, 263.1, 250.0,
])  # fmt: skip
_OZONE_PPM = np.array([
    0.03561, 0.03767, 0.03989, 0.04223, 0.04471, 0.05000, 0.05595, 0.06613, 0.07815, 0.09289, 0.1050, 0.1256, 0.1444,
    0.25, 0.5, 0.95, 1.4, 1.8, 2.4, 3.4, 4.3, 5.4, 7.8, 9.3, 9.85, 9.7, 8.8, 7.5, 4.2, 2.4, 1.5, 0.9,
])  # fmt: skip
_BOLTZMANN = 1.380649e-23
_KG_PER_MOLE_OF_AIR, _GRAVITY, _GAS_CONSTANT = 0.0289644, 9.78, 8.314462618
_TOP_KM = 60.0


@dataclass(frozen=True, eq=False)
class Profile:
    """Layers from the ground upwards; all arrays float64 (layer,).

    Attributes
    ----------
    thickness_m : array
        [m].
    temperature_k, pressure_hpa : array
        In the middle of each layer [K], [hPa].
    water_share : array
        Share of the water column that is in each layer; they sum to one.
    ozone_m3 : array
        Number density of ozone [1/m^3].
    """

    thickness_m: NDArray[np.float64]
    temperature_k: NDArray[np.float64]
    pressure_hpa: NDArray[np.float64]
    water_share: NDArray[np.float64]
    ozone_m3: NDArray[np.float64]


def standard_profile(
    *,
    pressure_hpa: float = SITE_PRESSURE_HPA,
    temperature_k: float = SITE_TEMPERATURE_K,
    altitude_m: float = SITE_ALTITUDE_M,
    water_scale_height_m: float = WATER_SCALE_HEIGHT_M,
) -> Profile:
    """Return a tropical atmosphere that has this pressure and temperature on the ground.

    Parameters
    ----------
    pressure_hpa, temperature_k : float
        On the ground [hPa], [K].
    altitude_m : float
        Of the ground [m].
    water_scale_height_m : float
        The water's density falls by e over this height [m].

    Returns
    -------
    Profile

    Notes
    -----
    The temperature falls by 5.6 K a kilometre up to 11 km and is that of the AFGL tropical atmosphere above 12 km
    (linear between). The pressure follows from hydrostatic balance, dp/p = -M g dz / (R T).
    """
    edges = _edges(altitude_m / 1e3)
    middle, thickness = (edges[1:] + edges[:-1]) / 2, 1e3 * np.diff(edges)
    ground_km = altitude_m / 1e3
    lapse = temperature_k + LAPSE_K_PER_KM * (middle - ground_km)
    high = np.clip((middle - 11.0) / 1.0, 0.0, 1.0)
    temperature = (1 - high) * lapse + high * np.interp(middle, _KM, _KELVIN)
    folds = _KG_PER_MOLE_OF_AIR * _GRAVITY / _GAS_CONSTANT * thickness / temperature
    pressure = pressure_hpa * np.exp(-(np.cumsum(folds) - folds / 2))
    above = np.exp(-(edges - ground_km) * 1e3 / water_scale_height_m)
    share = (above[:-1] - above[1:]) / (above[0] - above[-1])
    ozone = 1e-6 * np.interp(middle, _KM, _OZONE_PPM) * 100 * pressure / (_BOLTZMANN * temperature)
    return Profile(thickness, temperature, pressure, share, ozone)


def _edges(ground_km: float) -> NDArray[np.float64]:
    """Return the layers' edges [km]: thin where the water is, thicker above."""
    steps = [0.15] * 8 + [0.3] * 6 + [0.6] * 6 + [1.5] * 4 + [3.0] * 6
    edges = ground_km + np.concatenate([[0.0], np.cumsum(steps)])
    upper = np.arange(edges[-1], _TOP_KM, 5.0)[1:]
    return np.concatenate([edges, upper, [_TOP_KM]])

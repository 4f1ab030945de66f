"""Absorption of oxygen, nitrogen, water vapour and ozone, line by line, in layers of air.

Oxygen, dry continuum and water vapour: Recommendation ITU-R P.676-12 (2019), Annex 1, its equations (1) to (9) and its
tables 1 and 2 (``data/oxygen.csv``, ``data/water.csv``). The lines of 16O18O, which the recommendation leaves out, are
calculated from its constants (``data/oxygen_18.csv``). Ozone: HITRAN lines as Rosenkranz's public line list (2023)
gives them (``data/ozone.csv``), the ones that absorb more than 0.1 % somewhere.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from atacal.atmosphere.profile import Profile

_NEPER_PER_GHZ = 0.1820e-3 / (10 * np.log10(np.e))
"""From an imaginary refractivity [N units] times a frequency [GHz] to opacity a metre."""
_OZONE_REACH_GHZ = 4.0
"""Ozone lies high, where lines are narrow."""


@cache
def _table(name: str) -> NDArray[np.float64]:
    text = resources.files("atacal.atmosphere").joinpath("data", f"{name}.csv").read_text(encoding="ascii")
    return np.loadtxt(text.splitlines(), delimiter=",", comments="#")


def dry_opacity(freq_ghz: NDArray[np.float64], profile: Profile) -> NDArray[np.float64]:
    """Return the zenith opacity of oxygen and nitrogen of each layer, float64 (freq, layer)."""
    theta, pressure = 300.0 / profile.temperature_k, profile.pressure_hpa
    refractivity = _debye(freq_ghz, theta, pressure)
    for f0, a1, a2, a3, a4, a5, a6 in np.concatenate([_table("oxygen"), _table("oxygen_18")]):
        strength = 1e-7 * a1 * pressure * theta**3 * np.exp(a2 * (1 - theta))
        width = np.sqrt((1e-4 * a3 * pressure * theta ** (0.8 - a4)) ** 2 + 2.25e-6)  # Zeeman splitting
        mixing = 1e-4 * (a5 + a6 * theta) * pressure * theta**0.8
        refractivity += strength * _shape(freq_ghz, f0, width, mixing)
    return _NEPER_PER_GHZ * freq_ghz[:, None] * refractivity * profile.thickness_m


def _debye(freq_ghz: NDArray, theta: NDArray, pressure: NDArray) -> NDArray[np.float64]:
    """Return the continuum of dry air: oxygen's Debye spectrum below 10 GHz, nitrogen above 100 GHz."""
    f = freq_ghz[:, None]
    width = 5.6e-4 * pressure * theta**0.8
    nitrogen = 1.4e-12 * pressure * theta**1.5 / (1 + 1.9e-5 * f**1.5)
    return f * pressure * theta**2 * (6.14e-5 / (width * (1 + (f / width) ** 2)) + nitrogen)


def water_opacity(freq_ghz: NDArray[np.float64], profile: Profile, pwv_mm: float) -> NDArray[np.float64]:
    """Return the zenith opacity of water vapour of each layer, float64 (freq, layer)."""
    theta, pressure = 300.0 / profile.temperature_k, profile.pressure_hpa
    density = 1e3 * pwv_mm * profile.water_share / profile.thickness_m  # g/m^3: 1 mm of water is 1 kg/m^2
    vapour = np.minimum(density * profile.temperature_k / 216.7, pressure)  # hPa
    dry = pressure - vapour
    refractivity = np.zeros((len(freq_ghz), len(theta)))
    for f0, b1, b2, b3, b4, b5, b6 in _table("water"):
        strength = 1e-1 * b1 * vapour * theta**3.5 * np.exp(b2 * (1 - theta))
        collisions = 1e-4 * b3 * (dry * theta**b4 + b5 * vapour * theta**b6)
        width = 0.535 * collisions + np.sqrt(0.217 * collisions**2 + 2.1316e-12 * f0**2 / theta)  # and Doppler
        refractivity += strength * _shape(freq_ghz, f0, width, 0.0)
    return _NEPER_PER_GHZ * freq_ghz[:, None] * refractivity * profile.thickness_m


def _shape(freq_ghz: NDArray, f0: float, width: NDArray, mixing: NDArray | float) -> NDArray[np.float64]:
    """Return the Van Vleck-Weisskopf shape with line mixing [1/GHz], (freq, layer)."""
    f = freq_ghz[:, None]
    near, far = f0 - f, f0 + f
    return f / f0 * ((width - mixing * near) / (near**2 + width**2) + (width - mixing * far) / (far**2 + width**2))


def ozone_opacity(freq_ghz: NDArray[np.float64], profile: Profile) -> NDArray[np.float64]:
    """Return the zenith opacity of ozone of each layer, float64 (freq, layer).

    Notes
    -----
    Strength S(296 K) [cm^2 Hz], scaled by (296/T)^2.5 exp(b (1 - 296/T)) (1 - exp(-1008 K / T)), the last for the
    bending mode; collisional and Doppler width as one (Olivero & Longbothum 1977, JQSRT 17, 233).
    """
    t, out = profile.temperature_k, np.zeros((len(freq_ghz), len(profile.temperature_k)))
    cool = 296.0 / t
    column = 1e-4 * profile.ozone_m3 * profile.thickness_m  # per cm^2
    common = column * (1 - np.exp(-1008.0 / t)) * cool**2.5 / np.pi
    for f0, strength, b, broadening, exponent in _table("ozone"):
        near = np.abs(freq_ghz - f0) < _OZONE_REACH_GHZ
        if not near.any():
            continue
        f = freq_ghz[near, None]
        collisions = 1e-3 * broadening * profile.pressure_hpa * cool**exponent
        width = 0.5346 * collisions + np.sqrt(0.2166 * collisions**2 + 0.6931 * 3.85e-15 * t * f0**2)
        lorentz = (f / f0) ** 2 * width / ((f - f0) ** 2 + width**2) * 1e-9  # 1/Hz
        out[near] += strength * np.exp(b * (1 - cool)) * common * lorentz
    return out

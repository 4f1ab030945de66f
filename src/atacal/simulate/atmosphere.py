"""The air above Chajnantor: opacity and emission of water vapour, oxygen, nitrogen and ozone, layer by layer.

Water, oxygen and nitrogen absorb as in Rosenkranz (1998, Radio Science 33, 919; 1993, in Atmospheric Remote Sensing by
Microwave Radiometry, ch. 2). Ozone is a handful of lines in ALMA's Band 6 with strengths of the right size: enough to
put narrow lines into system temperatures.

Temperatures are Rayleigh-Jeans brightness temperatures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GROUND_K, GROUND_MBAR = 268.0, 556.0
FORWARD = 0.95
"""Forward efficiency: the rest of an antenna's beam sees the ground."""
_WATER_SCALE_M, _AIR_SCALE_M, _LAPSE_K_M = 1500.0, 7600.0, 0.0060
_TOP_K = 215.0
_LAYERS_M = np.concatenate([np.arange(0.0, 6000.0, 500.0), np.arange(6000.0, 20001.0, 2000.0)])
_H_ON_K = 4.7992375e-11  # K/Hz
_CMB_K = 2.725

# water: line [GHz], strength, energy factor, widths by air and by water [GHz/mbar] with their temperature exponents
_H2O = np.array([
    (22.2351, 0.1310e-13, 2.144, 0.00281, 0.69, 0.01349, 0.61),
    (183.3101, 0.2273e-11, 0.668, 0.00281, 0.64, 0.01491, 0.85),
    (321.2256, 0.8036e-13, 6.179, 0.0023, 0.67, 0.0108, 0.54),
    (325.1529, 0.2694e-11, 1.541, 0.00278, 0.68, 0.0135, 0.74),
    (380.1974, 0.2438e-10, 1.048, 0.00287, 0.54, 0.01541, 0.89),
    (439.1508, 0.2179e-11, 3.595, 0.0021, 0.63, 0.0090, 0.52),
    (443.0183, 0.4624e-12, 5.048, 0.00186, 0.60, 0.00788, 0.50),
    (448.0011, 0.2562e-10, 1.405, 0.00263, 0.66, 0.01275, 0.67),
    (556.9360, 0.1531e-08, 0.159, 0.00321, 0.69, 0.01320, 1.0),
    (620.7008, 0.1707e-10, 2.391, 0.00244, 0.71, 0.01140, 0.68),
    (752.0332, 0.1011e-08, 0.396, 0.00306, 0.68, 0.01253, 0.84),
    (916.1712, 0.4227e-10, 1.441, 0.00267, 0.70, 0.01275, 0.78),
])  # fmt: skip
_O3 = ((231.281, 0.016), (235.710, 0.022), (237.146, 0.020), (239.093, 0.024), (243.454, 0.024), (244.158, 0.021),
       (247.762, 0.025), (249.789, 0.023))  # fmt: skip
"""Ozone lines of Band 6 [GHz] and their zenith opacities at the peak."""
_O3_WIDTHS_GHZ, _O3_SHARES = (0.004, 0.02, 0.08), (0.45, 0.35, 0.2)
_O3_K = 225.0


def rayleigh_jeans(temperature_k: NDArray[np.float64] | float, freq_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Rayleigh-Jeans brightness temperature [K] of a black body; the arguments broadcast."""
    quantum = _H_ON_K * freq_hz
    out: NDArray[np.float64] = quantum / np.expm1(quantum / temperature_k)
    return out


@dataclass(frozen=True, eq=False)
class Air:
    """Layers of air over some frequencies, for 1 mm of precipitable water and for the dry part.

    Attributes
    ----------
    freq_hz : float64 (chan,)
    wet_per_mm, dry : float64 (layer, chan)
        Zenith opacities; the topmost layer is ozone.
    temperature_k : float64 (layer,)
        From the ground up.
    """

    freq_hz: NDArray[np.float64]
    wet_per_mm: NDArray[np.float64]
    dry: NDArray[np.float64]
    temperature_k: NDArray[np.float64]

    def zenith_opacity(self, pwv_mm: float) -> NDArray[np.float64]:
        """Return the zenith opacity, shape (chan,)."""
        total: NDArray[np.float64] = (self.wet_per_mm * pwv_mm + self.dry).sum(axis=0)
        return total

    def sky_k(self, water_mm: float, airmass: float) -> NDArray[np.float64]:
        """Return the brightness of the sky [K], shape (chan,).

        Parameters
        ----------
        water_mm : float
            Water along the line of sight [mm].
        airmass : float
            Of the dry air.
        """
        tau = self.wet_per_mm * water_mm + self.dry * airmass
        below = np.cumsum(tau, axis=0) - tau
        emitted = rayleigh_jeans(self.temperature_k[:, None], self.freq_hz) * -np.expm1(-tau) * np.exp(-below)
        behind = rayleigh_jeans(_CMB_K, self.freq_hz) * np.exp(-tau.sum(axis=0))
        total: NDArray[np.float64] = emitted.sum(axis=0) + behind
        return total


def air(freq_hz: NDArray[np.float64]) -> Air:
    """Make the air for some frequencies."""
    edges = _LAYERS_M
    height, thick_km = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 1000
    temperature = np.maximum(GROUND_K - _LAPSE_K_M * height, _TOP_K)
    pressure = GROUND_MBAR * np.exp(-height / _AIR_SCALE_M)
    # 1 mm of water is 1 kg/m^2: its density [g/m^3] falls off exponentially
    share = np.exp(-edges[:-1] / _WATER_SCALE_M) - np.exp(-edges[1:] / _WATER_SCALE_M)
    density = share / thick_km  # g/m^3 = (kg/m^2) / km
    ghz = freq_hz / 1e9
    wet = np.array([_water(ghz, t, p, d) for t, p, d in zip(temperature, pressure, density, strict=True)])
    dry = np.array([_oxygen_nitrogen(ghz, t, p) for t, p in zip(temperature, pressure, strict=True)])
    zero = np.zeros((1, len(ghz)))
    return Air(
        freq_hz,
        np.concatenate([wet * thick_km[:, None], zero]),
        np.concatenate([dry * thick_km[:, None], _ozone(ghz)[None]]),
        np.append(temperature, _O3_K),
    )


def _water(ghz: NDArray[np.float64], kelvin: float, mbar: float, density: float) -> NDArray[np.float64]:
    """Absorption by water [neper/km], linear in its density [g/m^3] (its own broadening is left out)."""
    theta = 300.0 / kelvin
    vapour = density * kelvin / 217.0
    f0, strength, energy, width_air, exponent, _, _ = _H2O.T
    width = width_air * mbar * theta**exponent
    line = strength * theta**2.5 * np.exp(energy * (1 - theta))
    f = ghz[:, None]
    shape = np.zeros((len(ghz), len(f0)))
    for offset in (f - f0, f + f0):
        near = np.abs(offset) < 750.0
        shape += np.where(near, width / (offset**2 + width**2) - width / (562500.0 + width**2), 0.0)
    lines = (line * shape * (f / f0) ** 2).sum(axis=1)
    total: NDArray[np.float64] = 0.3183e-4 * 3.335e16 * density * lines + 5.43e-10 * mbar * theta**3 * vapour * ghz**2
    return total


def _oxygen_nitrogen(ghz: NDArray[np.float64], kelvin: float, mbar: float) -> NDArray[np.float64]:
    """Absorption by oxygen's 118 GHz line and the collisions of nitrogen [neper/km]."""
    theta = 300.0 / kelvin
    width = 1.63e-3 * mbar * theta**0.8
    strength = 0.2936e-14 * np.exp(-0.009 * (theta - 1))
    f0 = 118.7503
    shape = (width / ((ghz - f0) ** 2 + width**2) + width / ((ghz + f0) ** 2 + width**2)) * (ghz / f0) ** 2
    oxygen = 0.5034e12 * strength * shape * mbar * theta**3 / np.pi
    total: NDArray[np.float64] = oxygen + 6.4e-14 * mbar**2 * ghz**2 * theta**3.55
    return total


def _ozone(ghz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Zenith opacity of ozone: each line a sum of three widths, as from the heights at which it is."""
    tau = np.zeros(len(ghz))
    for centre, peak in _O3:
        for width, share in zip(_O3_WIDTHS_GHZ, _O3_SHARES, strict=True):
            tau += peak * share / (1 + ((ghz - centre) / width) ** 2)
    return tau


WVR_OFFSETS_HZ = np.array([1.25e9, 3.25e9, 5.5e9, 7.25e9])
WVR_WIDTHS_HZ = np.array([1.5e9, 2.5e9, 2.0e9, 1.5e9])
WVR_LINE_HZ = 183.31e9
WVR_COUPLING, WVR_SPILL_K = 0.98, 275.0
WVR_NOISE_K = np.array([0.10, 0.08, 0.08, 0.09])
"""Noise of a radiometer sample of about one second, by channel."""
_WVR_POINTS = 8


@dataclass(frozen=True, eq=False)
class Radiometer:
    """A 183 GHz radiometer: four double-sideband channels."""

    air: Air

    def temperatures(self, water_mm: float, airmass: float) -> NDArray[np.float64]:
        """Return what the four channels measure [K] with some water along the line of sight."""
        sky = self.air.sky_k(water_mm, airmass).reshape(2, len(WVR_OFFSETS_HZ), _WVR_POINTS).mean(axis=(0, 2))
        out: NDArray[np.float64] = WVR_COUPLING * sky + (1 - WVR_COUPLING) * WVR_SPILL_K
        return out

    def around(self, water_mm: float, airmass: float, spread_mm: float) -> NDArray[np.float64]:
        """Return the temperatures as polynomials of the water beyond ``water_mm``, shape (power, channel)."""
        steps = np.linspace(-spread_mm, spread_mm, 7)
        values = [self.temperatures(max(water_mm + s, 0.0), airmass) for s in steps]
        return np.asarray(np.polynomial.polynomial.polyfit(steps, np.array(values), 3), np.float64)


def radiometer() -> Radiometer:
    """Make the radiometer."""
    within = (np.arange(_WVR_POINTS) + 0.5) / _WVR_POINTS - 0.5
    offsets = WVR_OFFSETS_HZ[:, None] + WVR_WIDTHS_HZ[:, None] * within
    return Radiometer(air(np.concatenate([WVR_LINE_HZ - offsets, WVR_LINE_HZ + offsets]).ravel()))


PATH_PER_WATER = 1741.5 / 265.0
"""Extra path per precipitable water [mm/mm]: 1741.5 K / T (Stirling et al., ALMA Memo 496) at 265 K."""

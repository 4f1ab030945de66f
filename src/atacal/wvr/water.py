"""The 183 GHz line of water vapour as four double-sideband channels see it, through one thin isothermal layer.

The layer has a temperature T, a pressure P and a water column n along the line of sight. Its opacity is linear in n,

    tau(f) = n kappa(f, T, P),   kappa = line + continuum,

so that the emission and its derivative by n cost one exponential. The model is that of Nikolic (2009, ALMA Memo 587).
Temperatures are Rayleigh-Jeans brightness temperatures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHANNEL_OFFSETS_GHZ = np.array([1.25, 3.25, 5.5, 7.25])
CHANNEL_WIDTHS_GHZ = np.array([1.5, 2.5, 2.0, 1.5])
"""The ALMA radiometers' filters on both sides of `LINE_GHZ` (Nikolic 2009, Table 1)."""
NCHAN = len(CHANNEL_OFFSETS_GHZ)

LINE_GHZ = 183.31
COUPLING = 0.98
"""Share of the beam that falls on the sky; the rest sees `SPILL_K`."""
SPILL_K = 275.0
BACKGROUND_K = 2.7

_H_ON_K = 4.7992375e-2
"""h/k [K/GHz]"""
_MOLECULES_PER_MM = 3.3427e21
"""Molecules per cm^2 in 1 mm of precipitable water."""
_H2O_KG = 18.0105646863 * 1.660538782e-27

# HITRAN 2004, H2(16)O 3(13)-2(20): centre [GHz], strength at 296 K [cm^2 GHz], lower level [K], air broadening
# [GHz/mbar], its temperature exponent, pressure shift [GHz/mbar]
_F0, _S0, _ELOW = 183.310107, 2.333884e-21, 195.908398
_GAMMA, _GAMMA_EXPONENT, _SHIFT = 2.9114e-3, 0.77, -5.0298e-5
_T_REF = 296.0
# HITRAN 2004 partition sums of H2(16)O (Fischer et al. 2003, JQSRT 82, 401)
_Q_KELVIN = np.arange(245.0, 301.0, 5.0)
_Q = np.array(
    [131.719, 135.742, 139.806, 143.910, 148.054, 152.238, 156.462, 160.726, 165.030, 169.374, 173.757, 178.179]
)
_Q_REF = 174.638204
# continuum from collisions with dry air: 6.1e-48 (300/T)^2.6 n_air f^2 [cm^2], with Loschmidt's number for n_air
_CONTINUUM, _CONTINUUM_EXPONENT = 6.1e-48, 2.6
_LOSCHMIDT_CM3 = 2.686763e19

_GAUSS, _GAUSS_WEIGHT = np.polynomial.legendre.leggauss(5)


def _grid() -> NDArray[np.float64]:
    lower = LINE_GHZ - CHANNEL_OFFSETS_GHZ[:, None] + 0.5 * CHANNEL_WIDTHS_GHZ[:, None] * _GAUSS
    upper = LINE_GHZ + CHANNEL_OFFSETS_GHZ[:, None] + 0.5 * CHANNEL_WIDTHS_GHZ[:, None] * _GAUSS
    return np.concatenate([lower, upper], axis=1)


FREQ_GHZ = _grid()
"""Quadrature points over both sidebands of each channel, (channel, point)."""
POINT_WEIGHTS = np.tile(_GAUSS_WEIGHT, 2) / 4
"""Their weights; they sum to one."""


@dataclass(frozen=True, eq=False)
class Layer:
    """Layers of given temperature and pressure, ready to be filled with water.

    Attributes
    ----------
    kappa : float64 (..., channel, point)
        Opacity of 1 mm of water.
    emission_k : float64 (..., channel, point)
        Brightness temperature of the layer were it opaque [K].
    behind_k : float64, broadcast against them
        Brightness temperature of what is behind it [K].
    """

    kappa: NDArray[np.float64]
    emission_k: NDArray[np.float64]
    behind_k: NDArray[np.float64]

    def temperatures(self, column_mm: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return what the channels measure, and its derivative by the column.

        Parameters
        ----------
        column_mm : float64 (..., m)
            Water along the line of sight [mm], any number of values for each layer.

        Returns
        -------
        measured, derivative : float64 (..., m, channel)
            [K] and [K/mm].
        """
        kappa = self.kappa[..., None, :, :]
        passed = (self.behind_k - self.emission_k)[..., None, :, :] * np.exp(-kappa * column_mm[..., None, None])
        sky = (self.emission_k @ POINT_WEIGHTS)[..., None, :] + passed @ POINT_WEIGHTS
        return COUPLING * sky + (1 - COUPLING) * SPILL_K, -COUPLING * ((passed * kappa) @ POINT_WEIGHTS)


def layer(
    temperature_k: NDArray[np.float64], pressure_mbar: NDArray[np.float64], cloud: NDArray[np.float64] | None = None
) -> Layer:
    """Make layers.

    Parameters
    ----------
    temperature_k, pressure_mbar : float64 (...)
    cloud : float64 (...), optional
        Opacity at 183.3 GHz, growing as f^2, of a cloud at 270 K behind the water.
    """
    temperature, pressure = temperature_k[..., None, None], pressure_mbar[..., None, None]
    behind = rayleigh_jeans(BACKGROUND_K, FREQ_GHZ)
    if cloud is not None:
        through = np.exp(-cloud[..., None, None] * (FREQ_GHZ / 183.3) ** 2)
        behind = behind * through + rayleigh_jeans(270.0, FREQ_GHZ) * (1 - through)
    return Layer(opacity_per_mm(temperature, pressure, FREQ_GHZ), rayleigh_jeans(temperature, FREQ_GHZ), behind)


def opacity_per_mm(
    temperature_k: NDArray[np.float64], pressure_mbar: NDArray[np.float64], freq_ghz: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the opacity of 1 mm of water; the arguments broadcast.

    Notes
    -----
    Gross (kinetic) line shape, 4 S gamma f^2 / pi / ((f^2 - f0^2)^2 + 4 gamma^2 f^2), with HITRAN's strength scaled
    from 296 K, and the dry-air part of the continuum (Pardo et al. 2001, IEEE Trans. Ant. Prop. 49, 1683).
    """
    t, p = temperature_k, pressure_mbar
    f0 = _F0 + _SHIFT * p
    strength = (
        _S0
        * np.exp(_ELOW * (t - _T_REF) / (t * _T_REF))
        * (np.expm1(-_H_ON_K * f0 / t) / np.expm1(-_H_ON_K * f0 / _T_REF))
        * (_Q_REF / np.interp(t, _Q_KELVIN, _Q))
    )
    gamma = _GAMMA * p * (_T_REF / t) ** _GAMMA_EXPONENT
    f2 = freq_ghz**2
    line = 4 / np.pi * strength * gamma * f2 / ((f2 - f0**2) ** 2 + 4 * gamma**2 * f2)
    air = _LOSCHMIDT_CM3 * (p / 1013.25) * (273.15 / t)
    return _MOLECULES_PER_MM * (line + _CONTINUUM * (300 / t) ** _CONTINUUM_EXPONENT * air * f2)


def rayleigh_jeans(temperature_k: NDArray[np.float64] | float, freq_ghz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Rayleigh-Jeans brightness temperature [K] of a black body; the arguments broadcast."""
    quantum = _H_ON_K * freq_ghz
    return quantum / np.expm1(quantum / temperature_k)


def path_per_mm(temperature_k: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the extra path [mm] that 1 mm of precipitable water makes: 1741.5 / T (Stirling et al., ALMA Memo 496)."""
    return _MOLECULES_PER_MM * _H2O_KG * 1.742e7 / temperature_k

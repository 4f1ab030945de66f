"""From layers of air to what a telescope below them sees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from atacal.atmosphere.absorption import dry_opacity, ozone_opacity, water_opacity
from atacal.atmosphere.profile import Profile, standard_profile
from atacal.errors import ArgumentError

_H_ON_K = 4.7992430733e-11
"""h/k [K/Hz]"""
COSMIC_K = 2.725
_AT_ONCE = 2000


@dataclass(frozen=True, eq=False)
class Opacity:
    """Zenith opacities; float64 (freq,).

    Attributes
    ----------
    dry : array
        Oxygen, nitrogen and ozone.
    wet : array
        Water vapour.
    """

    dry: NDArray[np.float64]
    wet: NDArray[np.float64]

    @property
    def total(self) -> NDArray[np.float64]:
        """Return their sum."""
        return self.dry + self.wet


def zenith_opacity(freq_hz: ArrayLike, pwv_mm: float, *, profile: Profile | None = None) -> Opacity:
    """Return the opacity of the air towards the zenith.

    Parameters
    ----------
    freq_hz : array_like (freq,)
        [Hz], 1 to 1000 GHz.
    pwv_mm : float
        Precipitable water vapour [mm].
    profile : Profile, optional
        By default that of the Chajnantor site.

    Returns
    -------
    Opacity

    Raises
    ------
    ArgumentError

    Notes
    -----
    Refraction and scattering are left out. Against CASA's ``atmosphere`` tool (ATM, Pardo et al. 2001) transmissions in
    ALMA's bands 3 to 7 differ by less than 0.02 outside ozone lines (``docs/atmosphere.md``).
    """
    freq, profile = _checked(freq_hz, pwv_mm), profile or standard_profile()
    dry, wet = np.empty(len(freq)), np.empty(len(freq))
    for first in range(0, len(freq), _AT_ONCE):
        here = slice(first, first + _AT_ONCE)
        ghz = freq[here] / 1e9
        dry[here] = (dry_opacity(ghz, profile) + ozone_opacity(ghz, profile)).sum(axis=1)
        wet[here] = water_opacity(ghz, profile, pwv_mm).sum(axis=1)
    return Opacity(dry, wet)


def transmission(
    freq_hz: ArrayLike, pwv_mm: float, *, airmass: float = 1.0, profile: Profile | None = None
) -> NDArray[np.float64]:
    """Return the share of the signal that comes through the air, exp(-tau airmass), float64 (freq,).

    Parameters
    ----------
    freq_hz : array_like (freq,)
        [Hz].
    pwv_mm : float
        Towards the zenith [mm].
    airmass : float
    profile : Profile, optional

    Raises
    ------
    ArgumentError
    """
    return np.exp(-airmass * zenith_opacity(freq_hz, pwv_mm, profile=profile).total)


def sky_brightness(
    freq_hz: ArrayLike, pwv_mm: float, *, airmass: float = 1.0, profile: Profile | None = None
) -> NDArray[np.float64]:
    """Return the Rayleigh-Jeans brightness temperature of the sky [K], float64 (freq,): the air and what is behind it.

    Parameters
    ----------
    freq_hz : array_like (freq,)
        [Hz].
    pwv_mm : float
        Towards the zenith [mm].
    airmass : float
    profile : Profile, optional

    Raises
    ------
    ArgumentError
    """
    freq, profile = _checked(freq_hz, pwv_mm), profile or standard_profile()
    out = np.empty(len(freq))
    for first in range(0, len(freq), _AT_ONCE):
        f = freq[first : first + _AT_ONCE]
        layers = dry_opacity(f / 1e9, profile) + ozone_opacity(f / 1e9, profile)
        layers = airmass * (layers + water_opacity(f / 1e9, profile, pwv_mm))
        below = np.cumsum(layers, axis=1) - layers
        emitted = _rayleigh_jeans(f[:, None], profile.temperature_k) * -np.expm1(-layers) * np.exp(-below)
        behind = _rayleigh_jeans(f, np.array(COSMIC_K)) * np.exp(-layers.sum(axis=1))
        out[first : first + _AT_ONCE] = emitted.sum(axis=1) + behind
    return out


def _rayleigh_jeans(freq_hz: NDArray, temperature_k: NDArray) -> NDArray[np.float64]:
    quantum = _H_ON_K * freq_hz
    return quantum / np.expm1(quantum / temperature_k)


def _checked(freq_hz: ArrayLike, pwv_mm: float) -> NDArray[np.float64]:
    freq = np.atleast_1d(np.asarray(freq_hz, np.float64))
    if freq.ndim != 1 or not np.all((freq >= 1e9) & (freq <= 1e12)):
        raise ArgumentError(
            f"frequencies from {freq.min():g} to {freq.max():g} Hz: the air is known from 1 to 1000 GHz"
        )
    if not np.isfinite(pwv_mm) or pwv_mm < 0:
        raise ArgumentError(f"pwv of {pwv_mm} mm: it must be 0 or more")
    return freq

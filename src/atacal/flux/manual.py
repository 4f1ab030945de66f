"""Flux densities given by hand: Stokes parameters, spectral index and curvature, polarisation against frequency."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError

C_M_S = 299792458.0
_UNITS_HZ = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9, "thz": 1e12}


@dataclass(frozen=True)
class ManualFlux:
    """A point source's flux density against frequency.

    Attributes
    ----------
    stokes_jy : tuple of 4 floats
        I, Q, U, V at the reference frequency [Jy].
    spix : tuple of float
        Spectral index, curvature, and further terms.
    ref_freq_hz : float
    polindex, polangle_rad : tuples of float
        Polynomials in (nu - nu0)/nu0 of the linearly polarised fraction and of its position angle [rad]. Their
        constant terms are replaced by what Q and U say, where those are not 0.
    rotmeas_rad_m2 : float
        Rotation measure [rad/m^2].

    Notes
    -----
    I(nu) = I0 x^(a0 + a1 log10 x + a2 log10^2 x + ...), x = nu/nu0; V/I is constant. Q = p I cos 2chi,
    U = p I sin 2chi with p = sum c_k y^k, chi = sum d_k y^k + RM (lambda^2 - lambda0^2), y = (nu - nu0)/nu0
    (CASA's setjy). Without ``polindex`` and ``polangle`` the polarised fraction is constant.
    """

    stokes_jy: tuple[float, float, float, float]
    spix: tuple[float, ...] = (0.0,)
    ref_freq_hz: float = 1e9
    polindex: tuple[float, ...] = ()
    polangle_rad: tuple[float, ...] = ()
    rotmeas_rad_m2: float = 0.0

    @property
    def is_power_law(self) -> bool:
        """Whether all Stokes parameters follow one power law."""
        return len(self.spix) == 1 and not self._polarised_spectrum

    @property
    def _polarised_spectrum(self) -> bool:
        return bool(self.polindex and self.polangle_rad) or self.rotmeas_rad_m2 != 0

    def at(self, freq_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return I, Q, U, V [Jy] at frequencies (n,); shape (4, n)."""
        freqs = np.asarray(freq_hz, np.float64)
        ratio = freqs / self.ref_freq_hz
        logs = np.log10(ratio)
        scale = ratio ** sum(a * logs**k for k, a in enumerate(self.spix))
        stokes = np.array(self.stokes_jy)[:, None] * scale
        if self._polarised_spectrum:
            fraction, angle = self._polarisation(freqs)
            stokes[1] = stokes[0] * fraction * np.cos(2 * angle)
            stokes[2] = stokes[0] * fraction * np.sin(2 * angle)
        return stokes

    def _polarisation(self, freqs: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        i, q, u, _ = self.stokes_jy
        varying = bool(self.polindex and self.polangle_rad)
        fractions = list(self.polindex) if varying else [0.0]
        angles = list(self.polangle_rad) if varying else [0.0]
        if q != 0 or u != 0:
            fractions[0], angles[0] = float(np.hypot(q, u) / i), float(np.arctan2(u, q) / 2)
        y = (freqs - self.ref_freq_hz) / self.ref_freq_hz
        fraction = sum((c * y**k for k, c in enumerate(fractions)), np.zeros_like(y))
        angle = sum((d * y**k for k, d in enumerate(angles)), np.zeros_like(y))
        lambda2 = (C_M_S / freqs) ** 2 - (C_M_S / self.ref_freq_hz) ** 2
        return fraction, angle + self.rotmeas_rad_m2 * lambda2


def manual_flux(
    fluxdensity: float | Sequence[float],
    *,
    spix: float | Sequence[float] = 0.0,
    reffreq: str = "1GHz",
    polindex: Sequence[float] = (),
    polangle: Sequence[float] = (),
    rotmeas: float = 0.0,
) -> ManualFlux:
    """Return the flux density that setjy's arguments mean.

    Parameters
    ----------
    fluxdensity : float or sequence of up to 4 floats
        I, or I, Q, U, V [Jy]; -1 means 1 Jy, unpolarised and flat.
    spix : float or sequence of float
        Spectral index, curvature...
    reffreq : str
        Frequency of ``fluxdensity``, with its unit.
    polindex, polangle : sequences of float
    rotmeas : float
        [rad/m^2].

    Raises
    ------
    ArgumentError
    """
    stokes = _numbers("fluxdensity", fluxdensity)
    if not 1 <= len(stokes) <= 4:
        raise ArgumentError(f"fluxdensity={fluxdensity!r}: give I, or [I, Q, U, V] in Jy")
    if stokes[0] < 0:
        return ManualFlux((1.0, 0.0, 0.0, 0.0))
    if stokes[0] == 0:
        raise ArgumentError(f"fluxdensity={fluxdensity!r}: Stokes I must be positive (or -1 for 1 Jy)")
    i, q, u, v = (*stokes, 0.0, 0.0, 0.0)[:4]
    indices = _numbers("spix", spix) or (0.0,)
    if abs(indices[0]) > 10:
        raise ArgumentError(f"spix={spix!r}: a spectral index lies between -10 and 10")
    if bool(len(polindex)) != bool(len(polangle)):
        raise ArgumentError("polindex and polangle belong together: give both or neither")
    return ManualFlux(
        (i, q, u, v),
        indices,
        frequency_hz(reffreq, "reffreq"),
        _numbers("polindex", polindex),
        _numbers("polangle", polangle),
        float(rotmeas),
    )


def _numbers(name: str, value: float | Sequence[float]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(v) for v in np.atleast_1d(np.asarray(value, np.float64)))
    except (TypeError, ValueError):
        raise ArgumentError(f"{name}={value!r}: give a number or a list of numbers") from None
    if not np.all(np.isfinite(numbers)):
        raise ArgumentError(f"{name}={value!r}: the numbers must be finite")
    return numbers


def frequency_hz(text: str, name: str = "frequency") -> float:
    """Read a frequency with its unit: '1.4GHz', '345e9 Hz'.

    Raises
    ------
    ArgumentError
    """
    written = str(text).strip().lower()
    for unit in sorted(_UNITS_HZ, key=len, reverse=True):
        if written.endswith(unit):
            try:
                value = float(written.removesuffix(unit)) * _UNITS_HZ[unit]
            except ValueError:
                break
            if value > 0:
                return value
            break
    raise ArgumentError(f"{name}={text!r}: write a frequency with its unit, such as '1.4GHz'")

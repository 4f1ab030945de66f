"""Sources: point sources and groups of them, and the visibilities they give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

C_M_S = 299792458.0
ARCSEC_RAD = np.pi / 648000.0
CMB_K = 2.725
_H_ON_K = 6.62607015e-34 / 1.380649e-23
_H_JY = 6.62607015e-34 * 1e26


@dataclass(frozen=True)
class Component:
    """A point source: flux density [Jy] at its reference frequency, offset from the phase centre [arcsec].

    ``l_arcsec`` grows to the east, ``m_arcsec`` to the north.
    """

    flux_jy: float
    spix: float
    l_arcsec: float = 0.0
    m_arcsec: float = 0.0


@dataclass(frozen=True)
class Disk:
    """A body of the solar system: a circular disk of uniform brightness, in place of components.

    Attributes
    ----------
    body : str
    diameter_arcsec : float
    freq_ghz, brightness_k : tuple of float
        Its brightness temperature, linear in between.
    """

    body: str
    diameter_arcsec: float
    freq_ghz: tuple[float, ...]
    brightness_k: tuple[float, ...]

    def flux_jy(self, freq_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the flux density [Jy]: Planck's function less that of the cosmic background, times the solid angle."""
        freq = np.asarray(freq_hz, np.float64)
        kelvin = np.interp(freq, np.array(self.freq_ghz) * 1e9, self.brightness_k)
        quantum = _H_ON_K * freq
        bright = 1 / np.expm1(quantum / kelvin) - 1 / np.expm1(quantum / CMB_K)
        angle = np.pi * (self.diameter_arcsec / 2 * ARCSEC_RAD) ** 2
        out: NDArray[np.float64] = 2 * _H_JY * freq**3 / C_M_S**2 * bright * angle
        return out

    def visibility(self, uvw_m: NDArray[np.float64], freq_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return S 2 J1(x) / x, x = pi d |uv| nu / c, complex128 (..., chan)."""
        x = np.hypot(uvw_m[..., 0], uvw_m[..., 1])[..., None] * (
            np.pi * self.diameter_arcsec * ARCSEC_RAD * freq_hz / C_M_S
        )
        grid = np.linspace(0, max(float(x.max(initial=0)), 1.0), 20001)
        shape = np.interp(x, grid, jinc(grid))
        return (self.flux_jy(freq_hz) * shape).astype(np.complex128)


def jinc(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 2 J1(x) / x, as the mean of cos(x t) over a disk's chords (Gauss-Chebyshev quadrature)."""
    n = 40 + int(np.max(np.abs(x), initial=0))
    angle = np.pi * np.arange(1, n + 1) / (n + 1)
    weight = 2 / (n + 1) * np.sin(angle) ** 2
    out = np.zeros_like(x)
    for w, t in zip(weight, np.cos(angle), strict=True):
        out += w * np.cos(x * t)
    return out


@dataclass(frozen=True)
class Source:
    """A field of the block.

    Attributes
    ----------
    name : str
    ra_rad, dec_rad : float
        Phase centre, J2000.
    role : str
        bandpass, flux, phase, check, target or diffgain.
    components : tuple of Component
    ref_freq_hz : float
        Frequency of the components' flux densities.
    disk : Disk, optional
        What is seen in place of components.
    """

    name: str
    ra_rad: float
    dec_rad: float
    role: str
    components: tuple[Component, ...]
    ref_freq_hz: float
    disk: Disk | None = None

    @property
    def at_centre(self) -> bool:
        """Whether the source is one point at the phase centre."""
        return (
            self.disk is None
            and len(self.components) == 1
            and self.components[0].l_arcsec == self.components[0].m_arcsec == 0
        )

    def flux_jy(self, freq_hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
        """Return the total flux density [Jy], S(nu) = sum S0 (nu/nu0)^spix, in the shape of ``freq_hz``."""
        if self.disk is not None:
            return self.disk.flux_jy(freq_hz)
        ratio = np.asarray(freq_hz) / self.ref_freq_hz
        return np.sum([c.flux_jy * ratio**c.spix for c in self.components], axis=0)

    def visibility(self, uvw_m: NDArray[np.float64], freq_hz: NDArray[np.float64]) -> NDArray:
        """Return the Stokes I visibilities [Jy].

        Parameters
        ----------
        uvw_m : float64 (..., 3)
            u(antenna1) - u(antenna2) [m].
        freq_hz : float64 (chan,)

        Returns
        -------
        complex128 (..., chan), or (chan,) for a point at the phase centre

        Notes
        -----
        V = sum S exp(+2 pi i (u l + v m + w (n - 1)) nu / c), with n = sqrt(1 - l^2 - m^2): the sign that CASA's ``ft``
        predicts with for UVW = u(antenna1) - u(antenna2).
        """
        if self.disk is not None:
            return self.disk.visibility(uvw_m, freq_hz)
        ratio = freq_hz / self.ref_freq_hz
        if self.at_centre:
            return (self.components[0].flux_jy * ratio ** self.components[0].spix).astype(np.complex128)
        total = np.zeros((*uvw_m.shape[:-1], len(freq_hz)), np.complex128)
        for c in self.components:
            east, north = c.l_arcsec * ARCSEC_RAD, c.m_arcsec * ARCSEC_RAD
            path = uvw_m @ np.array([east, north, np.sqrt(1 - east**2 - north**2) - 1])
            total += c.flux_jy * ratio**c.spix * waves(path, freq_hz)
        return total


_RUN = 32
"""Channels between those whose waves are computed from scratch."""


def waves(path_m: NDArray[np.float64], freq_hz: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return exp(2 pi i path nu / c), complex128 (..., chan).

    Of many channels of one width each wave is a product of two: of the first of its run, and of its place there.
    """
    n = len(freq_hz)
    step = float(freq_hz[-1] - freq_hz[0]) / max(n - 1, 1)
    turns = 2j * np.pi / C_M_S * path_m[..., None]
    if n < 2 * _RUN or n % _RUN or not np.allclose(np.diff(freq_hz), step, rtol=1e-6):
        return np.asarray(np.exp(turns * freq_hz), np.complex128)
    runs = np.exp(turns * freq_hz[::_RUN])
    within = np.exp(turns * (step * np.arange(_RUN)))
    return (runs[..., None] * within[..., None, :]).reshape(*path_m.shape, n)


def hms(text: str) -> float:
    """Read a right ascension ``15:17:41.813`` [rad]."""
    h, m, s = (float(x) for x in text.split(":"))
    return float(np.radians(15 * (h + m / 60 + s / 3600)))


def dms(text: str) -> float:
    """Read a declination ``-24:22:19.47`` [rad]."""
    sign = -1.0 if text.strip().startswith("-") else 1.0
    d, m, s = (abs(float(x)) for x in text.split(":"))
    return float(np.radians(sign * (d + m / 60 + s / 3600)))


def default_sources(ref_freq_hz: float, ntarget: int = 1) -> tuple[Source, ...]:
    """Return the block's fields: quasars for every role and faint double sources as targets.

    Positions are real, flux densities are made up.
    """
    table = [
        ("J1517-2422", "15:17:41.813", "-24:22:19.476", "bandpass", 3.20, -0.35),
        ("J1550+0527", "15:50:35.269", "05:27:10.449", "flux", 1.15, -0.62),
        ("J1650-2943", "16:50:39.544", "-29:43:46.955", "phase", 0.62, -0.55),
        ("J1700-2610", "17:00:53.154", "-26:10:51.726", "check", 0.24, -0.70),
    ]
    calibrators = [
        Source(name, hms(ra), dms(dec), role, (Component(flux, spix),), ref_freq_hz)
        for name, ra, dec, role, flux, spix in table
    ]
    targets = []
    for k in range(ntarget):
        components = (Component(0.045, 2.0, -1.1 - 0.4 * k, 0.7), Component(0.020, 1.1, 1.6, -1.2 + 0.3 * k))
        name = "IRAS_16293-2422" if k == 0 else f"L1689_{k:02d}"
        ra, dec = hms("16:32:22.870") + np.radians(0.15 * k), dms("-24:28:36.400") - np.radians(0.05 * k)
        targets.append(Source(name, float(ra), float(dec), "target", components, ref_freq_hz))
    return (*calibrators, *targets)


def diffgain_source(ref_freq_hz: float) -> Source:
    """Return the differential gain calibrator: a bright quasar near the target (its position is real)."""
    ra, dec = hms("16:25:46.892"), dms("-25:27:38.327")
    return Source("J1625-2527", ra, dec, "diffgain", (Component(2.1, -0.45),), ref_freq_hz)


_CALLISTO_KM, _AU_KM = 2409.3, 149597870.7
_CALLISTO_AU = 4.28823
_CALLISTO_DEG = (257.85311, -22.39253)


def callisto() -> Source:
    """Return Callisto as it was on 2019-06-15 at 06:00 UTC, as a flux calibrator.

    Position and distance are those of JPL's Horizons; the brightness is that of Butler (2012, ALMA Memo 594).
    """
    diameter = 2 * _CALLISTO_KM / (_CALLISTO_AU * _AU_KM) / ARCSEC_RAD
    disk = Disk("Callisto", diameter, (198.21, 217.04, 237.66, 260.25), (113.1, 114.0, 114.8, 115.6))
    ra, dec = np.radians(_CALLISTO_DEG)
    return Source("Callisto", float(ra), float(dec), "flux", (), 238e9, disk)

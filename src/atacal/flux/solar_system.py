"""Flux densities and discs of planets, moons and asteroids: the standard 'Butler-JPL-Horizons 2012'.

Models: ALMA memo 594 (Butler 2012). The tables, and so the numbers, are those that CASA's setjy uses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ModelError
from atacal.flux.ephemeris import Ephemeris, day, ephemeris
from atacal.flux.solar_data import bodies, brightness, varying
from atacal.flux.spline import band_means, window_spline
from atacal.ms.disc import Disc

STANDARD = "Butler-JPL-Horizons 2012"
TRUE_DISC = "Butler-JPL-Horizons 2012 true disc"
"""The same with the disc's flattening and orientation as they are; see `planet`."""

_H, _K, _C = 6.6260755e-34, 1.3806577987510647e-23, 299792458.0  # CASA's constants (CODATA 1986)
_BACKGROUND_K = 2.725
_JY = 1e-26


@dataclass(frozen=True, eq=False)
class Planet:
    """A body as a flux standard, at one time.

    Attributes
    ----------
    where : Ephemeris
    disc : Disc
    solid_angle_sr : float
    as_casa : bool
    """

    where: Ephemeris
    disc: Disc
    solid_angle_sr: float
    as_casa: bool = True

    def flux_jy(
        self, low_hz: NDArray[np.float64], high_hz: NDArray[np.float64], observatory: str = ""
    ) -> NDArray[np.float64]:
        """Return the mean flux densities in frequency ranges.

        Parameters
        ----------
        low_hz, high_hz : float64 (k,)
            Edges, as observed.
        observatory : str
            For the Doppler shift: the model is for the body's own frequencies.

        Returns
        -------
        float64 (k,)
            [Jy]

        Raises
        ------
        ModelError
            If the model does not reach these frequencies or this time.

        Notes
        -----
        S = Omega (B(T_b) - B(2.725 K)), averaged over each range; asteroids since 2014 have tables of S itself.
        """
        z = self.where.doppler(observatory)
        stretch = 1 + z / (1 + z)
        low = np.minimum(low_hz, high_hz) * stretch
        high = np.maximum(low_hz, high_hz) * stretch
        freqs, values, is_flux = _spectrum(self.where.body, self.where.mjd)
        if low.min() < freqs[0] or high.max() > freqs[-1]:
            raise ModelError(
                f"the model of {self.where.body} goes from {freqs[0] / 1e9:.6g} to {freqs[-1] / 1e9:.6g} GHz; "
                f"{low.min() / 1e9:.6g} to {high.max() / 1e9:.6g} GHz are asked for"
            )
        means = band_means(freqs, values, low, high)
        return means if is_flux else means * self.solid_angle_sr / _JY


def planet(body: str, mjd: float, *, as_casa: bool = True) -> Planet:
    """Return a solar-system body as a flux standard.

    Parameters
    ----------
    body : str
        One of `bodies`, upper or lower case.
    mjd : float
        UTC [d].
    as_casa : bool
        Make the two mistakes of CASA 6.7 in the disc's shape, so that fluxes and visibilities are CASA's: the latitude
        of the sub-Earth point, in degrees, is taken for radians (flux densities of flattened bodies: Jupiter up to 6 %,
        Uranus and Neptune 2 %, Mars 0.6 %), and the longer axis of the disc lies along the pole.

    Raises
    ------
    ModelError
    """
    where = ephemeris(body, mjd)
    along_pole = where.apparent_polar_m(as_casa=as_casa)
    major, minor = (2 * r / where.distance_m for r in (where.equatorial_m, along_pole))
    turn = where.north_pole_rad if as_casa else (where.north_pole_rad + np.pi / 2) % np.pi
    solid_angle = np.pi * along_pole * where.equatorial_m / where.distance_m**2
    return Planet(where, Disc(float(major), float(minor), float(turn)), float(solid_angle), as_casa)


def _spectrum(body: str, mjd: float) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return frequencies [Hz], and brightnesses [W/m2/Hz/sr] or (True) flux densities [Jy]."""
    constant, changing = brightness(body), varying(body)
    if changing is not None:
        first, last = changing.terms[0][0][0], changing.terms[0][0][-1]
        if first <= mjd <= last:
            terms = np.array([window_spline(days, v, np.array([mjd]))[0] for days, v in changing.terms])
            if not changing.is_flux:
                return changing.freq_hz, _brightness(changing.freq_hz, terms), False
            assert changing.mean is not None
            assert changing.vectors is not None
            return changing.freq_hz, np.exp(changing.mean + terms @ changing.vectors), True
        if mjd > last or constant is None:
            raise ModelError(
                f"the model of {body} goes from {day(first)} to {day(last)}; {day(mjd)} is asked for"
                + ("" if constant is None else " (before, its brightness temperature is taken to be constant)")
            )
    if constant is None:
        raise ModelError(f"there is no model of {body}; there are models of {', '.join(bodies())}")
    freqs, kelvin = constant
    return freqs, _brightness(freqs, kelvin), False


def _brightness(freq_hz: NDArray[np.float64], kelvin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Planck brightness above the microwave background [W/m2/Hz/sr]."""
    x = _H * freq_hz / _K
    planck: NDArray[np.float64] = (
        2 * _H * freq_hz**3 / _C**2 * (1 / np.expm1(x / kelvin) - 1 / np.expm1(x / _BACKGROUND_K))
    )
    return planck

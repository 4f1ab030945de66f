"""Uniform elliptical discs: what a planet looks like to a baseline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

C_M_S = 299792458.0
FIRST_NULL = 3.8317059702075123
"""x at which 2 J1(x)/x is 0 for the first time."""

# Abramowitz & Stegun 9.4.4 and 9.4.6: to 4e-8
_SMALL = (0.5, -0.56249985, 0.21093573, -0.03954289, 0.00443319, -0.00031761, 0.00001109)
_SIZE = (0.79788456, 0.00000156, 0.01659667, 0.00017105, -0.00249511, 0.00113653, -0.00020033)
_TURN = (-2.35619449, 0.12499612, 0.00005650, -0.00637879, 0.00074348, 0.00079824, -0.00029166)


@dataclass(frozen=True)
class Disc:
    """A uniform elliptical disc.

    Attributes
    ----------
    major_rad, minor_rad : float
        Full axes.
    pa_rad : float
        Position angle of the major axis, from north to east.
    """

    major_rad: float
    minor_rad: float
    pa_rad: float

    def width_m(self, uvw_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return sqrt((a u')^2 + (b v')^2) [m rad] of baselines (..., 3), u' along the major axis: shape (...)."""
        u, v = uvw_m[..., 0], uvw_m[..., 1]
        s, c = np.sin(self.pa_rad), np.cos(self.pa_rad)
        length: NDArray[np.float64] = np.hypot(self.major_rad * (u * s + v * c), self.minor_rad * (u * c - v * s))
        return length

    def visibility(self, uvw_m: NDArray[np.float64], freq_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the visibilities of a disc of 1 Jy at the phase centre.

        Parameters
        ----------
        uvw_m : float64 (row, 3)
        freq_hz : float64 (chan,)

        Returns
        -------
        float64 (row, chan)

        Notes
        -----
        2 J1(x)/x, x = pi nu/c sqrt((a u')^2 + (b v')^2).
        """
        return jinc(np.pi / C_M_S * self.width_m(uvw_m)[:, None] * freq_hz)


def jinc(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return 2 J1(x)/x for x >= 0, to 4e-8 (Abramowitz & Stegun 1964, 9.4.4 and 9.4.6)."""
    x = np.asarray(x, np.float64)
    out = np.empty_like(x)
    near = x <= 3
    out[near] = 2 * np.polynomial.polynomial.polyval((x[near] / 3) ** 2, _SMALL)
    far = x[~near]
    t = 3 / far
    phase = far + np.polynomial.polynomial.polyval(t, _TURN)
    out[~near] = 2 * np.polynomial.polynomial.polyval(t, _SIZE) * np.cos(phase) / far**1.5
    return out

"""Atmospheric path fluctuations: a frozen Kolmogorov screen blown over the array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OUTER_SCALE_M, LAYER_M = 6000.0, 700.0
_MODES = 240


@dataclass(frozen=True, eq=False)
class Screen:
    """A path screen as a sum of plane waves, valid for any length of time.

    path(x, t) = sum a_k cos(k . (x - v t) + phi_k), with |k| spread evenly in its logarithm from the outer scale to 0.5
    rad/m, and a_k^2 ~ k^-5/3 (structure function ~ d^5/3) within the turbulent layer's thickness, k^-2/3 (~ d^2/3)
    beyond it (Carilli & Holdaway 1999, Radio Science 34, 817).

    Attributes
    ----------
    k : float64 (mode, 2)
        Wave vectors [rad/m].
    amplitude_m, phase : float64 (mode,)
    wind_m_s : float64 (2,)
    """

    k: NDArray[np.float64]
    amplitude_m: NDArray[np.float64]
    phase: NDArray[np.float64]
    wind_m_s: NDArray[np.float64]

    def path_m(
        self, time_s: NDArray[np.float64], east_north_m: NDArray[np.float64], average_s: float
    ) -> NDArray[np.float64]:
        """Return the path [m] above each antenna, averaged over each integration, shape (time, antenna).

        Parameters
        ----------
        time_s : float64 (time,)
        east_north_m : float64 (antenna, 2)
        average_s : float
            Length of an integration.
        """
        rate = self.k @ self.wind_m_s
        smeared = self.amplitude_m * np.sinc(rate * average_s / (2 * np.pi))
        # cos(a - b) as a product of two small factors: no (time, antenna, mode) array
        here = east_north_m @ self.k.T + self.phase
        then = time_s[:, None] * rate
        return (np.cos(then) * smeared) @ np.cos(here).T + (np.sin(then) * smeared) @ np.sin(here).T


def make_screen(rms_300m_m: float, rng: np.random.Generator) -> Screen:
    """Make a screen.

    Parameters
    ----------
    rms_300m_m : float
        Root mean square path difference between two antennas 300 m apart [m].
    rng : numpy.random.Generator
    """
    k_min, k_max = 2 * np.pi / OUTER_SCALE_M, 0.5
    size = np.geomspace(k_min, k_max, _MODES)
    angle = rng.uniform(0, 2 * np.pi, _MODES)
    turn = 2 * np.pi / LAYER_M
    power = np.where(size > turn, (size / turn) ** (-5 / 3), (size / turn) ** (-2 / 3))
    # two antennas d apart differ by sum a^2 (1 - J0(k d)) in the mean over directions
    around = np.cos(size[:, None] * 300.0 * np.cos(np.linspace(0, np.pi, 180, endpoint=False))).mean(axis=1)
    amplitude = np.sqrt(power) * rms_300m_m / np.sqrt(np.sum(power * (1 - around)))
    direction = rng.uniform(0, 2 * np.pi)
    return Screen(
        size[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1),
        amplitude,
        rng.uniform(0, 2 * np.pi, _MODES),
        rng.uniform(5.0, 9.0) * np.array([np.cos(direction), np.sin(direction)]),
    )

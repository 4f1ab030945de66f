"""Antennas of a synthetic array: names, pads and positions like ALMA's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SITE_ITRF_M = np.array([2225142.18, -5440307.37, -2481029.85])
"""The array's reference point on Chajnantor, ITRF [m]."""
SITE_LON_RAD, SITE_LAT_RAD = np.radians(-67.754929), np.radians(-23.022886)
"""Geodetic longitude and latitude of the reference point."""
DISH_M = 12.0
_MIN_SPACING_M = 15.0
_POOL = [f"DA{i}" for i in range(41, 66)] + [f"DV{i:02d}" for i in range(1, 26)] + [f"PM{i:02d}" for i in range(1, 5)]


@dataclass(frozen=True, eq=False)
class Array:
    """The antennas.

    Attributes
    ----------
    names, pads : tuple of str
    enu_m : float64 (antenna, 3)
        East, north, up from the reference point [m].
    itrf_m : float64 (antenna, 3)
        Earth-fixed position [m].
    """

    names: tuple[str, ...]
    pads: tuple[str, ...]
    enu_m: NDArray[np.float64]
    itrf_m: NDArray[np.float64]

    @property
    def nant(self) -> int:
        return len(self.names)

    @property
    def centre(self) -> int:
        """The antenna nearest to the median position."""
        horizontal = self.enu_m[:, :2]
        return int(np.argmin(np.hypot(*(horizontal - np.median(horizontal, axis=0)).T)))


def max_antennas() -> int:
    """How many antenna names there are."""
    return len(_POOL)


def enu_axes() -> NDArray[np.float64]:
    """Return the unit vectors east, north and up in ITRF, shape (3, 3)."""
    sin_l, cos_l = np.sin(SITE_LON_RAD), np.cos(SITE_LON_RAD)
    sin_b, cos_b = np.sin(SITE_LAT_RAD), np.cos(SITE_LAT_RAD)
    return np.array(
        [[-sin_l, cos_l, 0.0], [-sin_b * cos_l, -sin_b * sin_l, cos_b], [cos_b * cos_l, cos_b * sin_l, sin_b]]
    )


def make_array(nant: int, max_radius_m: float, rng: np.random.Generator) -> Array:
    """Place antennas on a jittered golden-angle spiral, so that baselines of every length and angle occur.

    Parameters
    ----------
    nant : int
    max_radius_m : float
        Radius of the outermost antenna [m].
    rng : numpy.random.Generator

    Returns
    -------
    Array
    """
    k = np.arange(nant)
    radius = 12.0 + (max_radius_m - 12.0) * (k / max(nant - 1, 1)) ** 1.2
    angle = k * np.pi * (3 - np.sqrt(5)) + rng.uniform(0, 2 * np.pi)
    enu = np.stack([radius * np.sin(angle), radius * np.cos(angle), np.zeros(nant)], axis=1)
    enu += rng.normal(0, 2.0, enu.shape) * [1, 1, 0.5]
    enu = np.round(_spread(enu)[rng.permutation(nant)], 4)
    names = sorted(str(n) for n in rng.choice(_POOL, nant, replace=False))
    pads = tuple(f"A{i:03d}" for i in sorted(rng.choice(np.arange(1, 137), nant, replace=False)))
    return Array(tuple(names), pads, enu, np.round(SITE_ITRF_M + enu @ enu_axes(), 6))


def _spread(enu: NDArray[np.float64]) -> NDArray[np.float64]:
    """Push antennas outwards until no two dishes touch."""
    placed = [enu[0]]
    for position in enu[1:]:
        while min(np.hypot(*(position - p)[:2]) for p in placed) < _MIN_SPACING_M:
            position = position * [1.1, 1.1, 1.0]
        placed.append(position)
    return np.array(placed)

r"""The primary beam, as CASA's imaging assumes it for ALMA: the pattern of a blocked, evenly lit dish.

Notes
-----
ALMA's antennas of 12 m are taken as dishes of D = 10.7 m, those of 7 m as 6.25 m, both with a blockage of 0.75 m
(CASA's vpmanager). With :math:`x = \pi D r \nu / c` at a radius r and R = D / 0.75 m the voltage pattern is

.. math:: \frac{R^2\,2 J_1(x)/x - 2 J_1(x R)/(x R)}{R^2 - 1}

and the primary beam its square. The pattern of a central blockage has x / R where CASA's PBMath1DAiry has x R; it is
followed here, so that images are corrected alike: the beams differ by 1.1 % of the peak at most.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.ms.disc import jinc

_BLOCKAGE_M = 0.75
CASA_X = 7.016 / (1.566 * 60 * 24.5)
"""CASA's x for each arcminute, metre of dish and GHz (the second null of a dish of 24.5 m)."""


def effective_dish_m(dish_m: float) -> float:
    """Return the diameter of the evenly lit dish that has an antenna's main beam: 10.7 for 12 m, 6.25 for 7 m."""
    if abs(dish_m - 12) < 0.5:
        return 10.7
    if abs(dish_m - 7) < 0.5:
        return 6.25
    return dish_m


def primary_beam(shape: tuple[int, int], cell_arcsec: float, freq_hz: float, dish_m: float) -> NDArray[np.float64]:
    """Return the primary beam of an image whose pointing centre is the pixel (ny // 2, nx // 2).

    Parameters
    ----------
    shape : (int, int)
        ny, nx.
    cell_arcsec, freq_hz : float
    dish_m : float
        Diameter of the antennas [m].

    Returns
    -------
    float64 (y, x)
        1 at the centre, 0 beyond the second null.
    """
    ny, nx = shape
    north = (np.arange(ny) - ny // 2)[:, None] * cell_arcsec
    east = (np.arange(nx) - nx // 2)[None, :] * cell_arcsec
    radius = np.hypot(north, east) / 60
    dish = effective_dish_m(dish_m)
    ghz = freq_hz / 1e9
    x = CASA_X * dish * ghz * radius
    ratio = dish / _BLOCKAGE_M
    voltage = (ratio**2 * jinc(x) - jinc(x * ratio)) / (ratio**2 - 1)
    return np.where(x < 7.016, voltage**2, 0.0)

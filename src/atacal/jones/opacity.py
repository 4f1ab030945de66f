"""TOpac: the loss in a plane-parallel atmosphere.

g = sqrt(exp(-tau / sin e)), tau the opacity at the zenith, e the elevation: V' = V exp(+tau / sin e) for two antennas
alike. Weights scale with |g_i|^2 |g_j|^2.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.jones.base import Factor, Parameters, Term, both_receptors


def _loss(par: Parameters) -> NDArray[np.float64]:
    """Return exp(-tau / sin e), (time, antenna, 1, par); 1 below the horizon and for a flagged opacity."""
    assert par.sky is not None
    assert par.sky.elevation_rad is not None
    sine = np.sin(par.sky.elevation_rad)[:, :, None, None]
    airmass = np.where(sine > 0.0, 1.0 / np.where(sine > 0.0, sine, 1.0), 0.0)
    return np.where(par.ok, np.exp(-par.amplitude * airmass), 1.0)


def opacity_factor(par: Parameters) -> Factor:
    """Return sqrt(exp(-tau / sin e)) for both receptors."""
    return both_receptors(np.sqrt(_loss(par)).astype(np.complex128)), both_receptors(par.ok)


def opacity_weight(par: Parameters) -> NDArray[np.float64]:
    """Return exp(-tau / sin e), by which the signal's power is less."""
    return both_receptors(_loss(par))[:, :, 0]


OPACITY = Term("TOpac", per_channel=False, factor=opacity_factor, weight=opacity_weight, of_sky="elevation")

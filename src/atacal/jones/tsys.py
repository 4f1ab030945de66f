"""B TSYS: system temperatures, which turn correlation coefficients into kelvin.

V' = V sqrt(T_i T_j), so the forward factor is g = 1 / sqrt(T). Weights scale with 1 / T_i T_j: by the mean over
channels of T, or channel by channel where a WEIGHT_SPECTRUM is kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.jones.base import Factor, Parameters, Term, both_receptors, good_mean


def tsys_factor(par: Parameters) -> Factor:
    """Return 1 / sqrt(T); a temperature that is not positive is flagged."""
    ok = par.ok & (par.amplitude > 0.0)
    value = np.where(ok, 1.0 / np.sqrt(np.where(ok, par.amplitude, 1.0)), 1.0)
    return both_receptors(value.astype(np.complex128)), both_receptors(ok)


def tsys_weight(par: Parameters) -> NDArray[np.float64]:
    """Return 1 / <T> over the good channels of the data."""
    mean = good_mean(par.amplitude, par.ok & (par.amplitude > 0.0))
    return both_receptors(1.0 / np.where(mean > 0.0, mean, 1.0))


def tsys_channel_weight(par: Parameters) -> NDArray[np.float64]:
    """Return 1 / T in each channel; 0 where it is flagged."""
    ok = par.ok & (par.amplitude > 0.0)
    return both_receptors(np.where(ok, 1.0 / np.where(ok, par.amplitude, 1.0), 0.0))


TSYS = Term("B TSYS", per_channel=True, factor=tsys_factor, weight=tsys_weight, channel_weight=tsys_channel_weight)

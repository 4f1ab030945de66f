"""G and T: a complex gain a receptor (G) or for both (T), without a frequency axis.

V_ij = g_i M_ij conj(g_j). Weights scale with |g_i|^2 |g_j|^2, since dividing by the gains divides the noise too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.jones.base import Parameters, Term, both_receptors, complex_factor


def gain_weight(par: Parameters) -> NDArray[np.float64]:
    """Return |g|^2 a receptor, 1 for a flagged gain."""
    return both_receptors(np.where(par.ok, par.amplitude**2, 1.0))[:, :, 0]


G = Term("G Jones", per_channel=False, factor=complex_factor, weight=gain_weight)
T = Term("T Jones", per_channel=False, factor=complex_factor, weight=gain_weight)

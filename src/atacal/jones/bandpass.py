"""B: a complex gain a receptor and channel.

Weights scale with the mean over the table's good channels of |b|^2: one number an antenna and receptor, so that the
calibrated data keep weights that are the same in every channel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.jones.base import Parameters, Term, both_receptors, complex_factor, good_mean


def bandpass_weight(par: Parameters) -> NDArray[np.float64]:
    """Return <|b|^2> over the table's good channels."""
    return both_receptors(good_mean(par.table_amplitude**2, par.table_ok))


B = Term("B Jones", per_channel=True, factor=complex_factor, weight=bandpass_weight)
BPOLY = Term("BPOLY", per_channel=True, factor=complex_factor)

"""Amplitude gains that are far off the others', before a flux scale is derived from them.

Source: ALMA's pipeline PL2026, hifa/tasks/fluxscale/gcorfluxscale.py (amp_outlier_sigma).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

OUTLIER_SIGMA = 50.0
_LEAST = 3


def amplitude_outliers(
    amplitude: NDArray[np.floating],
    flag: NDArray[np.bool_],
    group: NDArray[np.integer],
    *,
    sigma: float = OUTLIER_SIGMA,
) -> NDArray[np.bool_]:
    """Find amplitude gains that are many median deviations off the median of their group.

    Parameters
    ----------
    amplitude : float (slot, antenna, ...)
        Of the gains of one spw.
    flag : bool, same shape
        Gains that do not count.
    group : int (slot,)
        What is compared: slots with one number, such as those of a field, share a median.
    sigma : float
        How many MADs are too many.

    Returns
    -------
    bool, shape of ``amplitude``
        True for an unflagged gain whose distance from the median is more than sigma MADs (medians of these distances,
        without a factor). Groups of fewer than three gains, or whose gains are mostly the same, have none.
    """
    out = np.zeros(np.shape(amplitude), bool)
    good = ~np.asarray(flag, bool) & np.isfinite(amplitude)
    for number in np.unique(group):
        mine = np.asarray(group) == number
        values = amplitude[mine][good[mine]]
        if len(values) < _LEAST:
            continue
        away = np.abs(amplitude[mine] - np.median(values))
        mad = np.median(away[good[mine]])
        if mad > 0:
            out[mine] = good[mine] & (away > sigma * mad)
    return out

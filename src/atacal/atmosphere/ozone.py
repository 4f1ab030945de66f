"""Where ozone has lines: sharp features of the sky that every antenna sees, and that are no fault."""

from __future__ import annotations

import numpy as np

from atacal.atmosphere.absorption import _table, ozone_opacity
from atacal.atmosphere.profile import standard_profile

LEAST_OPACITY = 0.05
"""Zenith opacity of a line's peak below which it does no harm: all antennas see it alike."""
_SHARE = 0.5
_STEPS_GHZ = np.arange(-0.3, 0.3001, 0.002)


def ozone_ranges(low_hz: float, high_hz: float, *, least_opacity: float = LEAST_OPACITY) -> list[tuple[float, float]]:
    """Return the ranges around ozone lines in which they are above half of their peak.

    Parameters
    ----------
    low_hz, high_hz : float
        Frequencies between which lines are looked for [Hz].
    least_opacity : float
        Zenith opacity of the peak of a line that counts.

    Returns
    -------
    list of (float, float)
        Lower and upper ends [Hz], ascending, overlapping ranges joined.
    """
    profile = standard_profile()
    found: list[tuple[float, float]] = []
    lines = _table("ozone")[:, 0]
    reach = float(_STEPS_GHZ[-1])
    for f0 in np.sort(lines[(lines > low_hz / 1e9 - reach) & (lines < high_hz / 1e9 + reach)]).tolist():
        opacity = ozone_opacity(f0 + _STEPS_GHZ, profile).sum(axis=1)
        peak = float(opacity[len(opacity) // 2])
        if peak < least_opacity:
            continue
        above = np.flatnonzero(opacity > _SHARE * peak)
        middle = len(opacity) // 2
        # what is joined to the middle: another line may stand within reach
        gaps = np.flatnonzero(opacity <= _SHARE * peak)
        first = gaps[gaps < middle].max(initial=above[0] - 1) + 1
        last = gaps[gaps > middle].min(initial=above[-1] + 1) - 1
        span = (1e9 * (f0 + float(_STEPS_GHZ[first])), 1e9 * (f0 + float(_STEPS_GHZ[last])))
        if found and span[0] <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], span[1]))
        else:
            found.append(span)
    return [(a, b) for a, b in found if b > low_hz and a < high_hz]

"""What the search for outliers of corrected amplitudes flags: the findings, without those that wider ones hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Cause = Literal["time", "antenna at a time", "correlator part", "point", "antenna", "baseline"]
"""Why data are flagged: most antennas at a time; one antenna at a time; those with the most outliers at a time, as
where a part of the correlator fails; a single visibility; an antenna in too many bad baselines; a bad baseline."""


@dataclass(frozen=True, order=True)
class Finding:
    """Data of one field, intent and spw to be flagged, in all correlations.

    Attributes
    ----------
    time : int
        Index into `Metric.time`; -1 for all times.
    antenna1, antenna2 : int
        A baseline; an antenna if `antenna2` is -1; everything if both are.
    cause : Cause
    outliers, of : int
        Outliers that led to it, and of how many: visibilities of the baseline or of the time, or bad baselines of
        the antenna.
    sigma : float
        How far the farthest of them lies from the median, in robust standard deviations (signed).
    pol : int
        In which polarisation (index into the metric's) it was found.
    """

    time: int
    antenna1: int
    antenna2: int
    cause: Cause
    outliers: int = 0
    of: int = 0
    sigma: float = 0.0
    pol: int = 0

    @property
    def antennas(self) -> tuple[int, ...]:
        """The antennas that it names: none, one or two."""
        return tuple(a for a in (self.antenna1, self.antenna2) if a >= 0)


def merged(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that are not part of wider ones, each once, in order of time and antennas.

    Parameters
    ----------
    findings : iterable of Finding
        Of one field, intent and spw.

    Returns
    -------
    list of Finding
        They flag the same data as all together. Of equal ones the first found stays.
    """
    distinct: dict[tuple[int, int, int], Finding] = {}
    for one in findings:
        distinct.setdefault((one.time, one.antenna1, one.antenna2), one)
    return sorted(one for key, one in distinct.items() if not any(w in distinct for w in _wider(key)))


def _wider(key: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Return what would hold a finding: the same for all times, one of its antennas, everything of its time."""
    time, antenna1, antenna2 = key
    places = [(antenna1, antenna2)]
    if antenna2 >= 0:
        places += [(antenna1, -1), (antenna2, -1)]
    if antenna1 >= 0:
        places.append((-1, -1))
    times = [time] if time < 0 else [time, -1]
    return [(t, *p) for t in times for p in places if (t, *p) != key]


def flagged_by(
    findings: Sequence[Finding], antenna1: NDArray[np.int32], antenna2: NDArray[np.int32], ntime: int
) -> NDArray[np.bool_]:
    """Return which visibilities the findings flag.

    Parameters
    ----------
    findings : sequence of Finding
    antenna1, antenna2 : int32 (baseline,)
    ntime : int

    Returns
    -------
    bool (time, baseline)
    """
    out = np.zeros((ntime, len(antenna1)), bool)
    for one in findings:
        baselines = np.ones(len(antenna1), bool)
        for antenna in one.antennas:
            baselines &= (antenna1 == antenna) | (antenna2 == antenna)
        times = slice(None) if one.time < 0 else slice(one.time, one.time + 1)
        out[times, baselines] = True
    return out

"""Outliers of corrected amplitudes: which antennas, baselines, times and single visibilities stay bad when calibrated.

The rules and numbers are those of hif_correctedampflag of ALMA's pipeline (PL2026,
hif/tasks/correctedampflag/correctedampflag.py): only what still stands out after calibration is flagged, and phases are
not looked at. Every rule works on `Metric`, small enough for the memory whatever the number of channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.heuristics.corrected_amp_flags import Finding, flagged_by, merged
from atacal.heuristics.corrected_amp_metric import Metric
from atacal.heuristics.corrected_amp_uv import Bin, single_outliers

_VERY_HIGH = 10.0
_POINT_LOW, _POINT_HIGH = 13.0, 12.0
_RELAX = 6.5
_AFFECTED = 1.0 / 3.0
_PARTLY = 0.5
_RESPONSIBLE = 0.5
_MORE_OUTLIERS_THAN = 5
_CORRELATOR_PART, _CORRELATOR_LEAST = 0.2, 6.0
_LEAST_BAD_BASELINES = 4.0
_EXPLAINED = 0.9


@dataclass(frozen=True)
class Limits:
    """The parameters of hif_correctedampflag, by their names there.

    Attributes
    ----------
    antnegsig, antpossig : float
        Below and above the median [robust standard deviations]: outliers within times.
    tmantint : float
        Largest part of the times that may hold them for antennas to be flagged at those times; 0 for never, and then
        outliers are looked for below only.
    tmint : float
        A baseline with outliers at more than this part of the times is bad.
    tmbl : float
        An antenna with more than this part of its baselines bad is bad.
    antblnegsig, antblpossig : float
        Below and above the median: outliers of baselines; 0 below for above only.
    relaxed_factor : float
        By what `tmint` and `tmbl` are multiplied where far outliers are widespread.
    niter : int
        How often the search is done, each time without what was found before.
    """

    antnegsig: float = 4.0
    antpossig: float = 4.6
    tmantint: float = 0.063
    tmint: float = 0.085
    tmbl: float = 0.175
    antblnegsig: float = 3.4
    antblpossig: float = 3.2
    relaxed_factor: float = 2.0
    niter: int = 2

    def __post_init__(self) -> None:
        for name in ("antnegsig", "antpossig", "antblpossig", "relaxed_factor"):
            if not getattr(self, name) > 0:
                raise ArgumentError(f"{name} = {getattr(self, name)} is not positive")
        for name in ("tmantint", "tmint", "tmbl", "antblnegsig"):
            if not getattr(self, name) >= 0:
                raise ArgumentError(f"{name} = {getattr(self, name)} is negative")
        if self.niter < 1:
            raise ArgumentError(f"niter = {self.niter}: the search is done at least once")


@dataclass(frozen=True)
class PolNumbers:
    """What one polarisation was judged by, in one iteration.

    Attributes
    ----------
    corr : str
        Correlations (``XX``, or ``XX,YY`` for their mean).
    points : int
        Unflagged visibilities.
    median, sigma : float
        Median and 1.4826 times the median absolute deviation [Jy].
    times, outlier_times, times_limit : int, int, float
        All times, those with outliers, and how many may have them for antennas to be blamed at those times.
    relaxed : bool
    bad_baselines : int
    antenna_limit : float
        How many bad baselines an antenna may have.
    bins : tuple of Bin
        Of targets.
    """

    corr: str
    points: int
    median: float
    sigma: float
    times: int
    outlier_times: int
    times_limit: float
    relaxed: bool
    bad_baselines: int = 0
    antenna_limit: float = 0.0
    bins: tuple[Bin, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """What was found in a metric.

    Attributes
    ----------
    findings : list of Finding
        Without those that wider ones hold.
    numbers : list of list of PolNumbers
        For each iteration, for each polarisation with data.
    """

    findings: list[Finding]
    numbers: list[list[PolNumbers]] = field(default_factory=list)


def judge(metric: Metric, nant: int, nscan: int, limits: Limits | None = None, *, target: bool = False) -> Judgement:
    """Find the outliers of a metric.

    Parameters
    ----------
    metric : Metric
        Of one field, intent and spw, and of antennas of one diameter or of one pair of diameters.
    nant : int
        Antennas of the array, with data or without.
    nscan : int
        Scans of the intent in the spw. With more than one, correlations are averaged and limits widened.
    limits : Limits, optional
    target : bool
        Look for single outliers among visibilities of similar uv distance only; the source may have any structure.

    Returns
    -------
    Judgement

    Raises
    ------
    ArgumentError
        A target's metric has no uv distances.
    """
    limits = limits or Limits()
    if target and metric.uvdist_m is None:
        raise ArgumentError("the amplitudes of a target are judged by uv distance, and the metric has none")
    if nscan > 1:
        metric = metric.joined()
    found: list[Finding] = []
    numbers: list[list[PolNumbers]] = []
    for _ in range(limits.niter):
        new, seen = _once(metric, nant, nscan, limits, target)
        numbers.append(seen)
        if not new:
            break
        found += new
        metric = metric.without(flagged_by(new, metric.antenna1, metric.antenna2, metric.ntime))
    return Judgement(merged(found), numbers)


def _once(
    metric: Metric, nant: int, nscan: int, limits: Limits, target: bool
) -> tuple[list[Finding], list[PolNumbers]]:
    """Search once; the relaxation that one polarisation brings stays for those after it, as in the pipeline."""
    found: list[Finding] = []
    numbers: list[PolNumbers] = []
    relaxed = False
    for pol in range(metric.npol):
        points = _Points.of(metric, pol, nant)
        if not len(points.value):
            continue
        search = _Search(points, limits, nscan, pol)
        relaxed = relaxed or search.widespread()
        new, seen = search.run(metric, relaxed, target)
        found += new
        numbers.append(seen)
    return found, numbers


@dataclass(frozen=True, eq=False)
class _Points:
    """The unflagged visibilities of one polarisation, time by time, with times and antennas as indices."""

    value: NDArray[np.float64]
    time: NDArray[np.intp]
    baseline: NDArray[np.intp]
    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    uvdist_m: NDArray[np.float64] | None
    ntime: int
    nant: int
    median: float
    sigma: float

    @classmethod
    def of(cls, metric: Metric, pol: int, nant: int) -> _Points:
        plane = metric.value[:, :, pol]
        time, baseline = np.nonzero(np.isfinite(plane) & metric.observed)
        value = plane[time, baseline]
        median = float(np.median(value)) if len(value) else math.nan
        sigma = 1.4826 * float(np.median(np.abs(value - median))) if len(value) else math.nan
        uv = None if metric.uvdist_m is None else metric.uvdist_m[time, baseline]
        ntime = int(metric.observed.any(axis=1).sum())
        return cls(
            value, time, baseline, metric.antenna1[baseline], metric.antenna2[baseline], uv, ntime, nant, median, sigma
        )

    def beyond(self, low: float, high: float) -> NDArray[np.intp]:
        """Return which points lie more than ``low`` below or ``high`` above the median [standard deviations]."""
        away = self.value - self.median
        return np.flatnonzero((away < -low * self.sigma) | (away > high * self.sigma))

    def farthest(self, points: NDArray[np.intp]) -> float:
        """Return the signed distance from the median of the farthest of some points [standard deviations]."""
        if not len(points) or not self.sigma > 0:
            return 0.0
        away = (self.value[points] - self.median) / self.sigma
        return round(float(away[np.argmax(np.abs(away))]), 2)

    def antennas(self, points: NDArray[np.intp]) -> NDArray[np.int64]:
        """Count how many of some points each antenna is part of."""
        both = np.concatenate([self.antenna1[points], self.antenna2[points]])
        return np.bincount(both, minlength=self.nant)


class _Search:
    """The rules, on the points of one polarisation."""

    def __init__(self, points: _Points, limits: Limits, nscan: int, pol: int) -> None:
        self.points, self.limits, self.nscan, self.pol = points, limits, nscan, pol
        part = limits.tmantint * (2 * (1 + math.log10(nscan)) if nscan > 1 else 1)
        self.times_limit = max(1.0, part * points.ntime)
        self.both_sides = limits.tmantint > 0

    def _outliers(self, low: float, high: float) -> NDArray[np.intp]:
        return self.points.beyond(low, high if self.both_sides else math.inf)

    def widespread(self) -> bool:
        """Whether far outliers are at too many times; a tenth of the antennas may explain nine tenths of them."""
        far = self._outliers(_RELAX, _RELAX)
        if not len(far) or not self.both_sides:
            return len(far) > 0
        factor, left = 1, far
        for k in range(max(1, self.points.nant // 10)):
            both = np.concatenate([self.points.antenna1[left], self.points.antenna2[left]])
            counts = np.bincount(both)
            most = both[np.argmax(counts[both])]  # of several, the first that comes
            left = left[(self.points.antenna1[left] != most) & (self.points.antenna2[left] != most)]
            if len(left) < (1 - _EXPLAINED) * len(far):
                factor = 4 - k
                break
        return len(np.unique(self.points.time[far])) > self.times_limit * factor

    def run(self, metric: Metric, relaxed: bool, target: bool) -> tuple[list[Finding], PolNumbers]:
        points, found = self.points, list[Finding]()
        high = self._outliers(self.limits.antnegsig, self.limits.antpossig)
        times = len(np.unique(points.time[high]))
        bins: Sequence[Bin] = ()
        bad_baselines, antenna_limit = 0, 0.0
        if target:
            assert points.uvdist_m is not None
            above = _POINT_HIGH if self.both_sides else math.inf
            bad, sigma, bins = single_outliers(points.value, points.uvdist_m, _POINT_LOW, above)
            found += self._points(np.flatnonzero(bad), sigma)
        else:
            if self.both_sides:
                found += self._within_times(high)
            far = points.beyond(_POINT_LOW, _POINT_HIGH)
            found += self._points(far, (points.value - points.median) / (points.sigma or math.inf))
            more, bad_baselines, antenna_limit = self._over_times(metric, relaxed)
            found += more
        return found, PolNumbers(
            metric.corrs[self.pol] if metric.corrs else str(self.pol), len(points.value), points.median, points.sigma,
            points.ntime, times, self.times_limit, relaxed, bad_baselines, antenna_limit, tuple(bins),
        )  # fmt: skip

    def _points(self, which: NDArray[np.intp], sigma: NDArray[np.float64]) -> list[Finding]:
        p = self.points
        return [
            Finding(
                int(p.time[k]), int(p.antenna1[k]), int(p.antenna2[k]), "point", 1, 1, round(float(sigma[k]), 2),
                self.pol,
            )
            for k in which.tolist()
        ]  # fmt: skip

    def _within_times(self, high: NDArray[np.intp]) -> list[Finding]:
        """Blame antennas, or everything, at the times with outliers, if those times are few."""
        time = self.points.time
        for chosen in (high, self.points.beyond(_VERY_HIGH, _VERY_HIGH)):
            distinct = np.unique(time[chosen])
            if 0 < len(distinct) <= self.times_limit:
                return [f for t in distinct.tolist() for f in self._at(t, chosen[time[chosen] == t])]
            if not len(chosen):
                break
        return []

    def _at(self, time: int, outliers: NDArray[np.intp]) -> list[Finding]:
        """Blame antennas for the outliers of one time."""
        nant = self.points.nant
        counts = self.points.antennas(outliers)
        affected = np.flatnonzero(counts >= max(1, counts.max() - 1))
        naffected, nany = len(affected), int((counts > 0).sum())
        numbers = (len(outliers), int((self.points.time == time).sum()), self.points.farthest(outliers), self.pol)
        if naffected > _AFFECTED * nant or (naffected > 0.5 * _AFFECTED * nant and nany > _PARTLY * nant):
            return [Finding(time, -1, -1, "time", *numbers)]
        if counts.max() >= _RESPONSIBLE * len(outliers) and len(outliers) > _MORE_OUTLIERS_THAN:
            most = np.flatnonzero(counts == counts.max())
            return [Finding(time, int(a), -1, "antenna at a time", *numbers) for a in most]
        if nany > max(_CORRELATOR_LEAST, _CORRELATOR_PART * nant):
            return [Finding(time, int(a), -1, "correlator part", *numbers) for a in affected]
        return []

    def _over_times(self, metric: Metric, relaxed: bool) -> tuple[list[Finding], int, float]:
        """Find bad baselines, by their outliers at all times, and bad antennas, by their bad baselines."""
        p, limits = self.points, self.limits
        low = limits.antblnegsig or math.inf
        outliers = p.beyond(low, limits.antblpossig)
        number = np.bincount(p.baseline[outliers], minlength=len(metric.antenna1))
        of = metric.observed.sum(axis=0)
        scale = limits.relaxed_factor if relaxed else 1.0
        # crossed hands may be offset in scans near transit
        widened = 1.0 if self.nscan <= 1 else math.sqrt(2) if self.pol == 0 else 3.0
        bad = np.flatnonzero(number > np.maximum(1, of * limits.tmint * scale * widened))
        count = np.bincount(np.concatenate([metric.antenna1[bad], metric.antenna2[bad]]), minlength=p.nant)
        antenna_limit = max(_LEAST_BAD_BASELINES, limits.tmbl * scale * (p.nant - 1))
        antennas = np.flatnonzero(count > antenna_limit)
        found = []
        for a in antennas.tolist():
            theirs = outliers[(p.antenna1[outliers] == a) | (p.antenna2[outliers] == a)]
            numbers = int(count[a]), int(((metric.antenna1 == a) | (metric.antenna2 == a)).sum())
            found.append(Finding(-1, a, -1, "antenna", *numbers, p.farthest(theirs), self.pol))
        least = min(1.0, limits.tmint * limits.relaxed_factor)
        for b in bad.tolist():
            pair = int(metric.antenna1[b]), int(metric.antenna2[b])
            if not np.isin(pair, antennas).any() and number[b] / of[b] >= least:
                theirs = outliers[p.baseline[outliers] == b]
                numbers = int(number[b]), int(of[b])
                found.append(Finding(-1, *pair, "baseline", *numbers, p.farthest(theirs), self.pol))
        return found, len(bad), antenna_limit

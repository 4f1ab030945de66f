"""The rules by which flagging views are judged; `views.flag_view` applies them.

Sources: ALMA's pipeline, h/tasks/common/viewflaggers.py, and its note on flagging tasks
(docs/source/heuristics/FlaggingTasks.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.heuristics.views import Judgement, Proposal


@dataclass(frozen=True)
class Outlier:
    """Farther from the median than `limit` times the MAD: on both sides, or only 'high' or 'low'."""

    limit: float
    minsample: int = 5
    side: str = "both"

    def judge(self, judgement: Judgement) -> list[Proposal]:
        if judgement.count < self.minsample:
            return []
        deviation = judgement.deviation()
        number = {"both": np.abs(deviation), "high": deviation, "low": -deviation}[self.side]
        name = "outlier" if self.side == "both" else f"{self.side} outlier"
        measure = {"both": "|x - median| / MAD", "high": "(x - median) / MAD", "low": "(median - x) / MAD"}[self.side]
        return judgement.propose(name, number > self.limit, number, self.limit, measure)


@dataclass(frozen=True)
class MaxAbs:
    """Absolute value above a limit; with `signed` the value itself."""

    limit: float
    signed: bool = False

    def judge(self, judgement: Judgement) -> list[Proposal]:
        number = judgement.values if self.signed else np.abs(judgement.values)
        hit = ~judgement.flag & (np.where(judgement.flag, 0.0, number) > self.limit)
        return judgement.propose("max abs", hit, number, self.limit, "x" if self.signed else "|x|")


@dataclass(frozen=True)
class MinAbs:
    """Absolute value below a limit."""

    limit: float

    def judge(self, judgement: Judgement) -> list[Proposal]:
        number = np.abs(judgement.values)
        hit = ~judgement.flag & (np.where(judgement.flag, np.inf, number) < self.limit)
        return judgement.propose("min abs", hit, number, self.limit, "|x|", low=True)


@dataclass(frozen=True)
class NMedian:
    """Outside of `low` to `high` times the median."""

    low: float
    high: float

    def judge(self, judgement: Judgement) -> list[Proposal]:
        if judgement.count == 0 or judgement.median == 0.0:
            return []
        number = np.where(judgement.flag, 1.0, judgement.values / judgement.median)
        high = judgement.propose("nmedian", number > self.high, number, self.high, "x / median")
        return high + judgement.propose("nmedian", number < self.low, number, self.low, "x / median", low=True)


@dataclass(frozen=True)
class BadAntenna:
    """Enough low outliers of one antenna (first axis) flag all of it: at least `number`, or more than `fraction`."""

    limit: float
    fraction: float
    number: int
    minsample: int = 5

    def judge(self, judgement: Judgement) -> list[Proposal]:
        if "antenna" not in judgement.view.axes[0]:
            return []
        low, proposals = -judgement.deviation(), []
        for i in range(len(judgement.flag)):
            good = ~judgement.flag[i]
            outliers = good & (low[i] > self.limit)
            count = int(outliers.sum())
            if good.sum() < self.minsample or not count:
                continue
            if count >= self.number or count / len(good) > self.fraction:
                judgement.flag[i] = True
                proposals.append(
                    Proposal("bad antenna", np.array([i]), np.flatnonzero(good), float(low[i][outliers].max()),
                             self.limit, f"(median - x) / MAD, {count} times", judgement.view)
                )  # fmt: skip
        return proposals


@dataclass(frozen=True)
class BadQuadrant:
    """Quarters of the channels in which too many points of an antenna, or of a baseline, are suspect.

    A point is suspect when it is farther from the median than `limit` times the MAD. A quarter is flagged for an
    antenna when more than `antenna_fraction` of its points that were good are suspect, and otherwise for each baseline
    with more than `baseline_fraction` (1 and above: never). Suspect points elsewhere are not flagged. The first axis of
    the view is the channel, the labels of the second are (antenna1, antenna2).
    """

    limit: float
    antenna_fraction: float
    baseline_fraction: float

    def judge(self, judgement: Judgement) -> list[Proposal]:
        if judgement.view.axes != ("channel", "baseline") or judgement.count == 0:
            return []
        pairs = np.array(judgement.view.labels[1], int).reshape(-1, 2)
        good, suspect = ~judgement.flag, np.abs(judgement.deviation()) > self.limit
        proposals: list[Proposal] = []
        for quarter in np.array_split(np.arange(len(good)), 4):
            counts, bad = good[quarter].sum(axis=0), (suspect & good)[quarter].sum(axis=0)
            for antenna in np.unique(pairs):
                mine = np.flatnonzero((pairs == antenna).any(axis=1))
                fraction = bad[mine].sum() / max(counts[mine].sum(), 1)
                if fraction > self.antenna_fraction:
                    proposals.append(self._propose(judgement, quarter, mine, fraction, self.antenna_fraction, antenna))
                    continue
                for j in mine[bad[mine] > self.baseline_fraction * np.maximum(counts[mine], 1)]:
                    share = bad[j] / counts[j]
                    proposals.append(
                        self._propose(judgement, quarter, np.array([j]), share, self.baseline_fraction, None)
                    )
        return proposals

    def _propose(
        self, judgement: Judgement, quarter: NDArray, baselines: NDArray, fraction: float, limit: float, antenna: Any
    ) -> Proposal:
        judgement.flag[np.ix_(quarter, baselines)] = True
        return Proposal(
            "bad quadrant", quarter, baselines, float(fraction), limit, "suspect fraction of good points",
            judgement.view, None if antenna is None else int(antenna),
        )  # fmt: skip


@dataclass(frozen=True)
class TooManyFlags:
    """Lines along `axis` with more than `fraction` flagged, or `excess` more flags than the median line, go whole."""

    axis: str
    fraction: float
    excess: float = np.inf

    def judge(self, judgement: Judgement) -> list[Proposal]:
        along = judgement.view.axis(self.axis)
        flag = judgement.flag if along == 0 else judgement.flag.T
        absent = np.zeros_like(judgement.flag) if judgement.view.absent is None else judgement.view.absent
        missing = (absent if along == 0 else absent.T).sum(axis=0)
        flagged = flag.sum(axis=0)
        share = (flagged - missing) / np.maximum(len(flag) - missing, 1)
        usual, proposals = np.median(flagged), []
        for j in np.flatnonzero(((share > self.fraction) | (flagged > usual + self.excess)) & ~flag.all(axis=0)):
            rest = np.flatnonzero(~flag[:, j])
            flag[:, j] = True  # a view of the judgement's own array
            x, y = (rest, np.array([j])) if along == 0 else (np.array([j]), rest)
            proposals.append(Proposal("too many flags", x, y, float(share[j]), self.fraction,
                                      f"flagged fraction along {self.axis}", judgement.view))  # fmt: skip
        return proposals


@dataclass(frozen=True)
class TooManyEntirely:
    """The whole view goes when at least `fraction` of the elements of `axis` are flagged entirely.

    With `even_all` a view with nothing left is proposed, too, all of it: data without any solution are bad data.
    """

    axis: str
    fraction: float
    even_all: bool = False

    def judge(self, judgement: Judgement) -> list[Proposal]:
        along = judgement.view.axis(self.axis)
        entirely = judgement.flag.all(axis=1 - along)
        share = float(entirely.mean())
        everything = bool(entirely.all())
        if share < self.fraction or (everything and not self.even_all):
            return []
        judgement.flag[:] = True
        nx, ny = judgement.flag.shape
        return [Proposal("too many entirely flagged", np.arange(nx), np.arange(ny), share, self.fraction,
                         f"fraction of {self.axis}s that are flagged entirely", judgement.view)]  # fmt: skip

"""Flagging views: two axes of numbers, judged by rules that propose flags, each with the number that tells why.

The rules (`view_rules`) are those of the flaggers of ALMA's pipeline (h/tasks/common/viewflaggers.py). Their statistics
are those of the view as it comes in: the median and the MAD (median absolute deviation, not scaled to a standard
deviation) of all that is not flagged; rules that follow see what those before them flagged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError


@dataclass(frozen=True, eq=False)
class View:
    """A two-dimensional array with named axes.

    Attributes
    ----------
    values : float32 or float64 (x, y)
    flag : bool (x, y)
        Not to be judged, and not part of the statistics.
    axes : (str, str)
        Names of the axes: 'channel', 'baseline', 'antenna', 'scan', 'time'.
    labels : (sequence, sequence)
        What stands for each element of the axes: ids, (antenna1, antenna2), scan numbers, times [MJD s].
    identity : mapping
        What the view is of: spw, pol, field, intent, metric, quantity, unit.
    absent : bool (x, y), optional
        Flagged because no data were taken; not counted by the rules that count flags.
    """

    values: NDArray[np.floating]
    flag: NDArray[np.bool_]
    axes: tuple[str, str]
    labels: tuple[Sequence[Any], Sequence[Any]]
    identity: Mapping[str, Any] = field(default_factory=dict)
    absent: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.labels[0]), len(self.labels[1]))
        if self.values.shape != shape or self.flag.shape != shape:
            raise ArgumentError(
                f"a view of {self.axes[0]} by {self.axes[1]} with {shape} labels needs values and flags of that shape, "
                f"not {self.values.shape} and {self.flag.shape}"
            )

    def axis(self, name: str) -> int:
        """Return 0 or 1, the axis of that name."""
        if name not in self.axes:
            raise ArgumentError(f"a view of {self.axes[0]} by {self.axes[1]} has no axis {name!r}")
        return self.axes.index(name)


@dataclass(frozen=True, eq=False)
class Proposal:
    """What a rule proposes to flag: all of `x` times all of `y`, and why.

    Attributes
    ----------
    rule : str
        Name of the rule.
    x, y : int64 (n,)
        Elements of the view's axes; the flag is for each `x` with each `y`.
    value, threshold : float
        The most deviant number in the extent, and the limit that it passed, both as the rule compares them.
    measure : str
        What the two numbers are: '|x - median| / MAD', 'fraction of suspect points'...
    view : View
        Where it was seen.
    antenna : int, optional
        The antenna all of whose baselines are meant.
    """

    rule: str
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    value: float
    threshold: float
    measure: str
    view: View
    antenna: int | None = None

    def extent(self) -> dict[str, list[Any]]:
        """Return the labels of the elements, by the name of the axis."""
        x, y = self.view.labels
        return {self.view.axes[0]: [x[i] for i in self.x], self.view.axes[1]: [y[i] for i in self.y]}

    def why(self) -> str:
        """Return the reason in words: the rule, its number, its limit."""
        return f"{self.rule}: {self.measure} {self.value:.4g}, limit {self.threshold:.4g}"


@dataclass(eq=False)
class Judgement:
    """A view while rules judge it: flags so far, and the statistics of the view as it came."""

    view: View
    flag: NDArray[np.bool_]
    median: float
    mad: float
    count: int

    @property
    def values(self) -> NDArray[np.floating]:
        return self.view.values

    def deviation(self) -> NDArray[np.floating]:
        """Return (value - median) / MAD, 0 where flagged; infinite where the MAD is 0 and the value another."""
        away = np.where(self.flag, 0.0, self.values - self.median)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(away == 0.0, 0.0, away / self.mad)

    def propose(
        self,
        rule: str,
        hit: NDArray[np.bool_],
        number: NDArray[np.floating],
        limit: float,
        measure: str,
        *,
        low: bool = False,
    ) -> list[Proposal]:
        """Flag the hits; return one proposal for each element of the second axis and run of neighbours on the first.

        Only channels have neighbours: on other axes each element is a proposal of its own. With `low`, low numbers are
        the bad ones.
        """
        hit = hit & ~self.flag
        self.flag |= hit
        joined = self.view.axes[0] == "channel"
        proposals = []
        for j in np.flatnonzero(hit.any(axis=0)):
            at = np.flatnonzero(hit[:, j])
            for run in np.split(at, np.flatnonzero(np.diff(at) > 1) + 1) if joined else at[:, None]:
                worst = number[run, j].min() if low else number[run, j].max()
                proposals.append(Proposal(rule, run, np.array([j]), float(worst), limit, measure, self.view))
        return proposals


class Rule(Protocol):
    """A rule: judges, flags in the judgement, returns what it proposes."""

    def judge(self, judgement: Judgement) -> list[Proposal]:
        """Return the proposals; set their flags in the judgement."""
        ...


@dataclass(frozen=True, eq=False)
class Judged:
    """A view after its rules: what is flagged now, bool (x, y), and the proposals that made it so."""

    view: View
    flag: NDArray[np.bool_]
    proposals: list[Proposal]


def flag_view(view: View, rules: Sequence[Rule]) -> Judged:
    """Judge a view by rules, in their order.

    Parameters
    ----------
    view : View
        Values that are not finite count as flagged.
    rules : sequence of Rule
        The quadrants first, too many flags last, as each rule sees what the earlier ones flagged.

    Returns
    -------
    Judged
        Flags and proposals.
    """
    flag = view.flag | ~np.isfinite(view.values)
    valid = view.values[~flag]
    median = float(np.median(valid)) if valid.size else 0.0
    mad = float(np.median(np.abs(valid - median))) if valid.size else 0.0
    judgement = Judgement(view, flag, median, mad, valid.size)
    proposals = [p for rule in rules for p in rule.judge(judgement)]
    return Judged(view, judgement.flag, proposals)


@dataclass(frozen=True, eq=False)
class Iterations:
    """What came of judging again and again.

    Attributes
    ----------
    before : list of View
        The views of the first round.
    after : list of View
        The views once all flags are set; those of the first round when there were none.
    rounds : list of list of Proposal
        The proposals of each round; the last is empty when the search came to its end before ``niter``.
    """

    before: list[View]
    after: list[View]
    rounds: list[list[Proposal]]

    @property
    def proposals(self) -> list[Proposal]:
        return [p for r in self.rounds for p in r]


def iterate(views_of: Callable[[list[Proposal]], list[View]], rules: Sequence[Rule], niter: int = 1) -> Iterations:
    """Judge, flag, look again, until nothing new is found or `niter` rounds are done.

    Parameters
    ----------
    views_of : callable
        Given the proposals of the round before (none at first), flags the data by them and returns the views then.
        It is called once more after the last round that found something, for the views after flagging.
    rules : sequence of Rule
        The rules for each view.
    niter : int
        Rounds at most.

    Returns
    -------
    Iterations
        Views before and after, proposals by round.
    """
    if niter < 1:
        raise ArgumentError(f"niter is {niter}; at least one round is needed")
    before = views = views_of([])
    rounds: list[list[Proposal]] = []
    for _ in range(niter):
        rounds.append([p for v in views for p in flag_view(v, rules).proposals])
        if not rounds[-1]:
            break
        views = views_of(rounds[-1])
    return Iterations(before, views, rounds)

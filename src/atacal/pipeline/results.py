"""What a stage hands over: decisions, scores, messages, flags by cause, tables, changes of the context."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["info", "attention", "warning", "error"]


@dataclass(frozen=True)
class Score:
    """A number between 0 (bad) and 1 (good) for one thing that was looked at.

    Attributes
    ----------
    value : float
        -0.1 if it could not be told.
    metric : str
        What was measured, in the code's words: ``flagged_fraction``.
    measured : float or None
        The number that the score is made of.
    unit : str
    short : str
        A few words.
    long : str
        A sentence with the number, the limit and what is concerned.
    where : dict of str to str
        What it is about, by any of spw, field, intent, antenna, scan, polarisation.
    hidden : bool
        Kept, but the stage's score does not come from it.
    """

    value: float
    metric: str
    measured: float | None
    unit: str
    short: str
    long: str
    where: Mapping[str, str] = field(default_factory=dict)
    hidden: bool = False


@dataclass(frozen=True)
class Message:
    """Something to know.

    Attributes
    ----------
    level : {'info', 'attention', 'warning', 'error'}
    text : str
        What was found, with its numbers.
    advice : str
        What a person can do about it; empty if there is nothing to do.
    """

    level: Level
    text: str
    advice: str = ""


@dataclass(frozen=True)
class FlagCause:
    """What was flagged for one reason.

    Attributes
    ----------
    cause : str
        The rule or agent: ``online``, ``shadow``, ``bad quadrant``.
    commands : tuple of str
        The commands as given to flagdata.
    reasons : tuple of dict
        For each finding its numbers: rule, value, limit, what it concerns. May be empty.
    newly, total : int
        Visibilities (of one channel and correlation) of the science scans and spws that this flagged, and all of them.
    counts : dict
        ``counts[spw][field][antenna] = [newly, total]``; cross-correlations count for both antennas. Without zeros.
    by_scan : dict
        ``by_scan[scan] = [newly, total]``.
    """

    cause: str
    commands: tuple[str, ...]
    reasons: tuple[Mapping[str, Any], ...]
    newly: int
    total: int
    counts: Mapping[str, Mapping[str, Mapping[str, tuple[int, int]]]]
    by_scan: Mapping[str, tuple[int, int]]


@dataclass
class Outcome:
    """What a stage found and did, of one execution block or (stages of a whole run) of all.

    Attributes
    ----------
    summary : str
        What was decided, in a line.
    decisions : dict
        Everything that was decided, with the numbers that decided it; plain values.
    scores : list of Score
    messages : list of Message
    flags : list of FlagCause
    tables : list of str
        Calibration tables and images made, relative to the run directory.
    charts : list of str
        Data of plots, relative to the run directory.
    calls : list of str
        The calls of tasks that do the same, in order.
    sets : dict
        What the context holds from now on, by name (docs/pipeline.md lists the names).
    flags_changed, models_changed : bool
        Whether FLAG, and the models of fields, are not what they were.
    failed : str
        Why the block cannot go on; empty if it can.
    """

    summary: str = ""
    decisions: dict[str, Any] = field(default_factory=dict)
    scores: list[Score] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    flags: list[FlagCause] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    charts: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    sets: dict[str, Any] = field(default_factory=dict)
    flags_changed: bool = False
    models_changed: bool = False
    failed: str = ""

    def score(self, value: float, metric: str, measured: float | None, unit: str, short: str, long: str,
              *, hidden: bool = False, **where: str) -> None:  # fmt: skip
        """Add a score; see `Score`."""
        number = None if measured is None else float(measured)
        self.scores.append(Score(round(float(value), 6), metric, number, unit, short, long, where, hidden))

    def say(self, level: Level, text: str, advice: str = "") -> None:
        """Add a message; see `Message`."""
        self.messages.append(Message(level, text, advice))

    def count_flags(self, causes: list[FlagCause]) -> None:
        """Add flags, and note that flags have changed."""
        self.flags += causes
        self.flags_changed = self.flags_changed or any(c.newly for c in causes)


def in_words(error: BaseException, folder: str | os.PathLike[str] = "") -> str:
    """Return an error's text in a line; paths in the run directory are relative to it, wherever it is."""
    text = " ".join(str(error).split())
    return text.replace(f"{os.fspath(folder)}/", "") if os.fspath(folder) else text


def lowest(scores: list[Score] | list[dict[str, Any]]) -> float | None:
    """Return the score of a stage: the least of those that are not hidden; None without any."""
    plain = [s if isinstance(s, dict) else {"value": s.value, "hidden": s.hidden} for s in scores]
    values = [float(s["value"]) for s in plain if not s["hidden"]]
    return min(values) if values else None

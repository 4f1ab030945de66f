"""Scores and messages of all stages, the worst first, like ones together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from atacal.weblog.names import stage_page
from atacal.weblog.read import RunData, StageResult

LEVELS = ("error", "warning", "attention", "info")
WORDS = {"red": "bad", "yellow": "poor", "blue": "fair", "green": "good", "none": "no score"}
_NUMBER = re.compile(r"\d+(\.\d+)?")
_SELECTABLE = ("antenna", "spw", "field", "polarisation")
RED, YELLOW, BLUE = 0.33, 0.66, 0.90
"""Upper ends of the colours (docs/pipeline.md)."""


@dataclass(frozen=True)
class Finding:
    """Something to look at.

    Attributes
    ----------
    value : float
        A score; of a message, what its level is worth in the order.
    kind : str
        ``score``, or the message's level.
    stage : StageResult
    block : str
    text, advice : str
    link : str
    count : int
        How many like it there are.
    measured : float or None
    unit : str
    others : tuple of str
        The texts of all, where there are several.
    """

    value: float
    kind: str
    stage: StageResult
    block: str
    text: str
    advice: str
    link: str
    count: int = 1
    measured: float | None = None
    unit: str = ""
    others: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """What all of those say that are put together here."""
        return self.others or (self.text,)


def band(score: float | None) -> str:
    """Name a score's colour: red, yellow, blue, green; none without a score.

    Examples
    --------
    >>> band(0.33), band(0.5), band(0.9), band(1.0), band(None)
    ('red', 'yellow', 'blue', 'green', 'none')
    """
    if score is None:
        return "none"
    return "red" if score <= RED else "yellow" if score <= YELLOW else "blue" if score <= BLUE else "green"


def words(score: float | None) -> str:
    """Say a score's colour in words, for those who do not see it."""
    return "not told" if score is not None and score < 0 else WORDS[band(score)]


def link_to(stage: StageResult, anchor: str, where: dict[str, Any] | None = None) -> str:
    """Return the link to a part of a stage's page, with what is concerned chosen."""
    return stage_page(stage.number, stage.task) + (hash_of(anchor, where) or f"#{anchor}")


def hash_of(anchor: str, where: Mapping[str, Any] | None) -> str:
    """Return the end of a link that chooses what is concerned, and goes to a place; empty if nothing can be chosen."""
    chosen = [f"{k}={quote(str(where[k]), safe='')}" for k in _SELECTABLE if where and str(where.get(k, ""))]
    single = [c for c in chosen if "%2C" not in c and "%26" not in c]
    return f"#{'&'.join([*single, f'at={anchor}'])}" if single else ""


def scores_of(run: RunData, *, hidden: bool = False) -> list[Finding]:
    """Return all scores, the lowest first; those of one stage, block and metric that are the same together."""
    groups: dict[tuple[Any, ...], list[Finding]] = {}
    for stage, part, i, s in run.every("scores"):
        if s.get("hidden") and not hidden:
            continue
        link = link_to(stage, f"score-{part_number(stage, part.block)}-{i}", s.get("where"))
        found = Finding(
            float(s["value"]), "score", stage, part.block, str(s.get("long") or s.get("short")), "", link, 1,
            s.get("measured"), str(s.get("unit") or ""),
        )  # fmt: skip
        groups.setdefault((stage.number, part.block, s.get("metric"), float(s["value"])), []).append(found)
    return sorted((_joined(g) for g in groups.values()), key=lambda f: (f.value, f.stage.number, f.block, f.text))


def messages_of(run: RunData, levels: Iterable[str] = LEVELS) -> list[Finding]:
    """Return all messages of some levels, the gravest first."""
    wanted = [level for level in LEVELS if level in set(levels)]
    groups: dict[tuple[Any, ...], list[Finding]] = {}
    for stage, part, i, m in run.every("messages"):
        level = str(m.get("level"))
        if level in wanted:
            link = link_to(stage, f"message-{part_number(stage, part.block)}-{i}")
            text, advice = str(m.get("text")), str(m.get("advice") or "")
            found = Finding(float(LEVELS.index(level)), level, stage, part.block, text, advice, link)
            groups.setdefault((stage.number, part.block, level, text), []).append(found)
    return sorted((_joined(g) for g in groups.values()), key=lambda f: (f.value, f.stage.number, f.block, f.text))


def look_first(run: RunData, most: int = 12, stages: Iterable[int] | None = None) -> list[Finding]:
    """Return the few things to look at first: low scores and grave messages, the worst first, none twice.

    Parameters
    ----------
    run : RunData
    most : int
    stages : iterable of int, optional
        Only of these.
    """
    wanted = {s.number for s in run.stages} if stages is None else set(stages)
    low = [f for f in scores_of(run) if f.value <= BLUE and f.stage.number in wanted]
    said: dict[int, str] = {}
    for f in low:
        said[f.stage.number] = said.get(f.stage.number, "") + "\n".join(f.texts)
    weight = {"error": 0.0, "warning": 0.6}
    told = [m for m in messages_of(run, ("error", "warning")) if m.stage.number in wanted]
    rest = [m for m in told if m.text not in said.get(m.stage.number, "")]
    every = [(f.value, 0, f) for f in _similar(low)] + [(weight[m.kind], 1, m) for m in _similar(rest)]
    ordered = [f for *_, f in sorted(every, key=lambda e: (e[0], e[1], e[2].stage.number, e[2].block, e[2].text))]
    return _across_blocks(ordered)[:most]


def _similar(found: Iterable[Finding]) -> list[Finding]:
    """Join what is said with other numbers in the same words, under the worst."""
    groups: dict[tuple[Any, ...], list[Finding]] = {}
    for f in found:
        colour = band(f.value) if f.kind == "score" else ""
        groups.setdefault((f.stage.number, f.block, f.kind, colour, _NUMBER.sub("#", f.text)), []).append(f)
    return [_joined(g) for g in groups.values()]


def _across_blocks(found: Iterable[Finding]) -> list[Finding]:
    """Join what is said of several blocks in the same words."""
    out: dict[tuple[Any, ...], Finding] = {}
    for f in found:
        bare = f.text.removeprefix(f"{f.block}: ") if f.block else f.text
        key = (f.stage.number, f.kind, f.value, bare)
        if key in out:
            first = out[key]
            out[key] = replace(first, text=bare, block=f"{first.block}, {f.block}")
        else:
            out[key] = f
    return list(out.values())


def part_number(stage: StageResult, block: str) -> int:
    """Return the place of a part of a stage, as anchors have it."""
    return [p.block for p in stage.parts].index(block)


def _joined(group: list[Finding]) -> Finding:
    texts = tuple(t for f in group for t in f.texts)
    return replace(group[0], count=sum(f.count for f in group), others=texts) if len(group) > 1 else group[0]

"""Where the data went: the flags of all stages put together, by cause, antenna, spw and field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from atacal.weblog.charts import natural
from atacal.weblog.read import RunData

_MOST = 3
_REASONS = 300
"""Findings of a cause that the pages carry along for their texts."""
_MADE_BY = re.compile(r"\.s(\d\d+)[._]")


def _stage_of(table: str) -> int:
    """Return the stage that made a table, of its name; 0 if it does not tell."""
    found = _MADE_BY.search(table)
    return int(found.group(1)) if found else 0


def _brief(reason: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the texts say of a finding."""
    names = ("rule", "measure", "value", "limit", "antenna", "baseline", "spw", "field")
    return {k: reason[k] for k in names if reason.get(k) not in (None, "") and not reason.get("table")}


@dataclass(frozen=True)
class Cause:
    """A reason for flags: the stage that flagged, its name for the reason, and how much it flagged.

    Attributes
    ----------
    number, task, cause : int, str, str
    newly, total : int
        Visibilities flagged that were not flagged before, and all.
    before : int
        Visibilities flagged by the causes before it.
    reasons : list of dict
        The findings behind it.
    """

    number: int
    task: str
    cause: str
    newly: int
    total: int
    before: int
    reasons: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def why(self) -> list[tuple[str, int]]:
        """Say why: tables that lack solutions, the worst first, with the stage that made each; else who (stage 0)."""
        tables = [(int(r.get("value") or 0), str(r["table"])) for r in self.reasons if r.get("table")]
        if tables:
            shown = sorted((t for t in tables if t[0]), key=lambda t: (-t[0], t[1]))
            return [
                (f"{n} have no good solution in {name.rsplit('.ms.', 1)[-1]}", _stage_of(name))
                for n, name in shown[:_MOST]
            ]
        who = list(dict.fromkeys(str(r.get("antenna") or r.get("baseline") or "") for r in self.reasons))
        who = [w for w in who if w]
        more = f" and {len(who) - 2 * _MOST} more" if len(who) > 2 * _MOST else ""
        return [(", ".join(who[: 2 * _MOST]) + more, 0)] if who else []

    @property
    def share(self) -> float:
        return self.newly / self.total if self.total else 0.0

    @property
    def flagged(self) -> float:
        """Share flagged after it."""
        return (self.before + self.newly) / self.total if self.total else 0.0


@dataclass(frozen=True)
class Cell:
    """An antenna's data of a field in an spw: how many are flagged by which cause (its place in the list)."""

    total: int
    by: dict[int, int]

    @property
    def share(self) -> float:
        return sum(self.by.values()) / self.total if self.total else 0.0


@dataclass(frozen=True)
class Attribution:
    """A block's flags.

    Attributes
    ----------
    block : str
    causes : list of Cause
        In the order in which they flagged.
    antennas : list of str
    columns : list of (field, spw)
    cells : dict of (antenna, field, spw) to Cell
        Without those of which nothing is flagged.
    scans : dict of str to Cell
    """

    block: str
    causes: list[Cause]
    antennas: list[str] = field(default_factory=list)
    columns: list[tuple[str, str]] = field(default_factory=list)
    cells: dict[tuple[str, str, str], Cell] = field(default_factory=dict)
    scans: dict[str, Cell] = field(default_factory=dict)

    @property
    def fields(self) -> list[tuple[str, int]]:
        """Fields, and how many columns each has."""
        names = [f for f, _ in self.columns]
        return [(f, names.count(f)) for f in dict.fromkeys(names)]

    def plain(self) -> dict[str, Any]:
        """Return what the pages' script needs."""
        causes = [
            {"stage": c.number, "task": c.task, "cause": c.cause, "reasons": [_brief(r) for r in c.reasons[:_REASONS]],
             "tables": [[text, stage] for text, stage in c.why if stage]}
            for c in self.causes
        ]  # fmt: skip
        cells = [
            {"antenna": a, "field": f, "spw": s, "total": c.total, "by": {str(k): v for k, v in c.by.items()}}
            for (a, f, s), c in sorted(self.cells.items())
        ]
        return {"block": self.block, "causes": causes, "cells": cells}


def attribute(run: RunData, block: str) -> Attribution:
    """Put the flags of all stages on a block together."""
    causes: list[Cause] = []
    cells: dict[tuple[str, str, str], Cell] = {}
    scans: dict[str, Cell] = {}
    before = 0
    for stage, part, _, flag in run.every("flags"):
        if part.block != block or not flag.get("total"):
            continue
        at, newly = len(causes), int(flag["newly"])
        reasons = [r for r in flag.get("reasons") or [] if isinstance(r, Mapping)]
        causes.append(Cause(stage.number, stage.task, str(flag["cause"]), newly, int(flag["total"]), before, reasons))
        before += newly
        for spw, fields in flag["counts"].items():
            for name, antennas in fields.items():
                for antenna, pair in antennas.items():
                    _add(cells, (antenna, name, spw), at, pair)
        for scan, pair in flag["by_scan"].items():
            _add(scans, scan, at, pair)
    antennas, fields, spws = _axes(run, block, cells)
    return Attribution(
        block, causes, antennas, [(f, s) for f in fields for s in spws], cells,
        dict(sorted(scans.items(), key=lambda item: natural(item[0]))),
    )  # fmt: skip


def _add(cells: dict[Any, Cell], key: Any, at: int, pair: list[int]) -> None:
    cell = cells.setdefault(key, Cell(int(pair[1]), {}))
    if pair[0]:
        cell.by[at] = cell.by.get(at, 0) + int(pair[0])


def _axes(
    run: RunData, block: str, cells: Mapping[tuple[str, str, str], Cell]
) -> tuple[list[str], list[str], list[str]]:
    """Return antennas, fields and spws: those the data have, and others that flags name."""
    holds = run.decisions("hifa_importdata", block)
    antennas = [str(a) for a in holds.get("antennas", [])] if isinstance(holds.get("antennas"), list) else []
    fields = list(holds.get("fields", {})) if isinstance(holds.get("fields"), Mapping) else []
    spws = list(holds.get("science_spws", {})) if isinstance(holds.get("science_spws"), Mapping) else []
    named = [sorted({key[i] for key in cells}, key=natural) for i in range(3)]
    seen = {key[1] for key in cells}
    fields = [f for f in fields if f in seen] if seen else []
    return (
        list(dict.fromkeys([*sorted(antennas), *named[0]])),
        list(dict.fromkeys([*fields, *named[1]])),
        list(dict.fromkeys([*sorted(spws, key=natural), *named[2]])),
    )

"""Two runs side by side."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from atacal.weblog.attribution import attribute
from atacal.weblog.charts import ChartInfo
from atacal.weblog.downloads import as_csv, flattened
from atacal.weblog.findings import BLUE, Finding, messages_of, scores_of
from atacal.weblog.read import RunData, StageResult
from atacal.weblog.site import Site
from atacal.weblog.values import Table, Value, one, percent

_NUMBERS = "data/comparison.csv"
_MOST_ROWS = 60


@dataclass(frozen=True)
class Pair:
    """A stage of both runs, or of one."""

    a: StageResult | None
    b: StageResult | None

    @property
    def title(self) -> str:
        there = self.a or self.b
        assert there is not None
        return f"{there.title} ({there.task})"

    @property
    def differs(self) -> bool:
        return self.a is None or self.b is None or self.a.score != self.b.score or self.a.summary != self.b.summary


def compare_pages(site: Site, other: RunData, charts: Mapping[int, Sequence[ChartInfo]]) -> None:
    """Write the comparison with another run."""
    run = site.run
    pairs = _paired(run, other)
    numbers, rows = _numbers(pairs)
    site.write(_NUMBERS, as_csv([["stage A", "task", "block", "path", "A", "B"], *rows]))
    only_a, only_b = _only(run, other)
    plots = _plots(site, other, pairs, charts)
    listed = [c for _, shown in plots for c in shown]
    site.page(
        "compare.html", "compare.html", a=run, b=other, stages=pairs, flags=_flags(run, other), only_a=only_a,
        only_b=only_b, numbers=numbers, numbers_file=_NUMBERS, pairs=plots, keys=site.controls(listed),
        chart_index=[c.plain() for c in listed], field_names=site.field_names,
    )  # fmt: skip


def _paired(a: RunData, b: RunData) -> list[Pair]:
    """Pair the stages by their tasks, in order; recipes may differ."""
    left, right = [s.task for s in a.stages], [s.task for s in b.stages]
    out: list[Pair] = []
    for _, a0, a1, b0, b1 in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if left[a0:a1] == right[b0:b1]:
            out += [Pair(x, y) for x, y in zip(a.stages[a0:a1], b.stages[b0:b1], strict=True)]
        else:
            out += [*(Pair(x, None) for x in a.stages[a0:a1]), *(Pair(None, y) for y in b.stages[b0:b1])]
    return out


def _numbers(pairs: Sequence[Pair]) -> tuple[list[tuple[str, Table]], list[list[Any]]]:
    tables, every = [], []
    for pair in pairs:
        if pair.a is None or pair.b is None:
            continue
        found = _differences(pair.a, pair.b)
        every += [[pair.a.number, pair.a.task, *row] for row in found]
        found.sort(key=lambda row: (-_apart(row[2], row[3]), row[0], row[1]))
        if found:
            shown = [
                [[Value(block)], [Value(path)], [_value(x)], [_value(y)], [Value(_relative(x, y))]]
                for block, path, x, y in found[:_MOST_ROWS]
            ]
            table = Table(
                pair.title, ["data set", "what", "A", "B", "B over A"], shown, max(0, len(found) - _MOST_ROWS)
            )
            tables.append((f"{pair.a.number} {pair.a.title}", table))
    return tables, every


def _differences(a: StageResult, b: StageResult) -> list[list[Any]]:
    out: list[list[Any]] = []
    others = {p.block: p for p in b.parts}
    for part in a.parts:
        if part.block not in others:
            continue
        left = dict(flattened(part.outcome.get("decisions") or {}))
        right = dict(flattened(others[part.block].outcome.get("decisions") or {}))
        for path in dict.fromkeys([*left, *right]):
            x, y = left.get(path), right.get(path)
            if x != y:
                out.append([part.block, path.lstrip("/"), x, y])
    return out


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _apart(x: Any, y: Any) -> float:
    if not (_is_number(x) and _is_number(y)):
        return math.inf
    scale = max(abs(x), abs(y))
    return abs(x - y) / scale if scale else 0.0


def _relative(x: Any, y: Any) -> str:
    return one(y / x).text if _is_number(x) and _is_number(y) and x else ""


def _value(value: Any) -> Value:
    return one(value) if value is None or isinstance(value, (int, float)) else Value(str(value))


def _flags(a: RunData, b: RunData) -> list[Table]:
    out = []
    for block in sorted({*a.blocks, *b.blocks}):
        left, right = ({(c.task, c.cause): c for c in attribute(r, block).causes} for r in (a, b))
        rows = []
        for key in dict.fromkeys([*left, *right]):
            x, y = left.get(key), right.get(key)
            if (x and x.newly) or (y and y.newly):
                rows.append(
                    [[Value(key[0])], [Value(key[1])], *([[Value(percent(c.share) if c else "–")] for c in (x, y)])]
                )
        if rows:
            out.append(Table(f"{block}: % newly flagged", ["task", "cause", "A", "B"], rows))
    return out


def _only(a: RunData, b: RunData) -> tuple[list[Finding], list[Finding]]:
    def key(f: Finding) -> tuple[str, str, str]:
        return f.stage.task, f.block, f.text

    left, right = (
        [*messages_of(r, ("error", "warning", "attention")), *(s for s in scores_of(r) if s.value <= BLUE)]
        for r in (a, b)
    )
    ours, theirs = {key(f) for f in left}, {key(f) for f in right}
    return [f for f in left if key(f) not in theirs], [f for f in right if key(f) not in ours]


def _plots(
    site: Site, other: RunData, pairs: Sequence[Pair], charts: Mapping[int, Sequence[ChartInfo]]
) -> list[tuple[str, list[ChartInfo]]]:
    """Return the charts that both runs have, A's and B's beside each other; B's data are copied."""
    out = []
    for pair in pairs:
        if pair.a is None or pair.b is None:
            continue
        theirs = {(p.block, str(c).rsplit("/", 1)[-1]): str(c) for p in pair.b.parts for c in p.listed("charts")}
        shown: list[ChartInfo] = []
        for mine in charts.get(pair.a.number, []):
            source = theirs.get((mine.block, mine.source.rsplit("/", 1)[-1]))
            if source is None:
                continue
            place = ["b", f"{pair.b.number:02d}-{pair.b.task}", mine.block or "run"]
            copy = site.converted(other.folder, source, place, mine.stage, mine.block)
            shown += [_titled(mine, "A"), _titled(copy, "B")]
        if shown:
            out.append((f"{pair.a.number} {pair.a.title}", shown))
    return out


def _titled(chart: ChartInfo, run: str) -> ChartInfo:
    return replace(chart, title=f"{run}: {chart.title}")

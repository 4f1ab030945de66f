"""The numbers of the pages as files: JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from atacal.weblog.attribution import Attribution
from atacal.weblog.charts import ChartInfo
from atacal.weblog.findings import band
from atacal.weblog.names import slug
from atacal.weblog.site import Site

_RUN_BY_SPREADSHEETS = ("=", "+", "-", "@", "\t", "\r")


def data_files(site: Site, flags: Sequence[Attribution], charts: Mapping[int, Sequence[ChartInfo]]) -> None:
    """Write the files and the page that lists them."""
    run, listed = site.run, []
    summary = {
        "run": run.name, "versions": dict(run.versions), "score": run.score, "blocks": run.blocks,
        "stages": [
            {"number": s.number, "task": s.task, "title": s.title, "score": s.score, "colour": band(s.score),
             "summary": s.summary, "seconds": s.seconds}
            for s in run.stages
        ],
    }  # fmt: skip
    site.json("data/summary.json", summary)
    listed.append(("data/summary.json", "versions, stages, their scores and summaries"))
    site.write("data/scores.csv", as_csv(_score_rows(site)))
    listed.append(("data/scores.csv", "all scores"))
    site.write("data/messages.csv", as_csv(_message_rows(site)))
    listed.append(("data/messages.csv", "all messages"))
    site.write("data/flags.csv", as_csv(_flag_rows(flags)))
    listed.append(("data/flags.csv", "visibilities flagged by stage, cause, spw, field, antenna"))
    site.json("data/flags.json", [f.plain() for f in flags])
    listed.append(("data/flags.json", "the same as JSON"))
    site.write("data/charts.csv", as_csv(_chart_rows(charts)))
    listed.append(
        ("data/charts.csv", "the charts: titles, files (JSON in a call of a script's function), what they are of")
    )
    for stage in run.stages:
        base = f"data/{stage.number:02d}-{slug(stage.task)}"
        site.json(f"{base}.json", stage.result)
        rows = [["block", "path", "value"]]
        for part in stage.parts:
            rows += [[part.block, path, value] for path, value in flattened(part.outcome)]
        site.write(f"{base}.csv", as_csv(rows))
        listed += [
            (f"{base}.json", f"stage {stage.number}, {stage.title}: everything"),
            (f"{base}.csv", "every value of it"),
        ]
    site.page("downloads.html", "downloads.html", files=listed)


def flattened(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Go through the single values in a value, with their paths."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flattened(item, f"{path}/{key}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from flattened(item, f"{path}/{i}")
    else:
        yield path, value


def as_csv(rows: Iterable[Sequence[Any]]) -> bytes:
    """Write rows as CSV; words that a spreadsheet would run as a formula get an apostrophe before them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for row in rows:
        writer.writerow([_safe(v) for v in row])
    return out.getvalue().encode("utf-8", "replace")


def _safe(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_RUN_BY_SPREADSHEETS):
        return f"'{value}"
    return "" if value is None else value


def _score_rows(site: Site) -> Iterator[list[Any]]:
    yield ["stage", "task", "block", "score", "metric", "measured", "unit", "short", "long", "where", "hidden"]
    for stage, part, _, s in site.run.every("scores"):
        where = "; ".join(f"{k} {v}" for k, v in (s.get("where") or {}).items())
        yield [stage.number, stage.task, part.block, s["value"], s.get("metric"), s.get("measured"), s.get("unit"),
               s.get("short"), s.get("long"), where, s.get("hidden")]  # fmt: skip


def _message_rows(site: Site) -> Iterator[list[Any]]:
    yield ["stage", "task", "block", "level", "text", "advice"]
    for stage, part, _, m in site.run.every("messages"):
        yield [stage.number, stage.task, part.block, m.get("level"), m.get("text"), m.get("advice")]


def _flag_rows(flags: Sequence[Attribution]) -> Iterator[list[Any]]:
    yield ["block", "stage", "task", "cause", "spw", "field", "antenna", "newly", "total"]
    for one in flags:
        for (antenna, name, spw), cell in sorted(one.cells.items()):
            for at, newly in cell.by.items():
                cause = one.causes[at]
                yield [one.block, cause.number, cause.task, cause.cause, spw, name, antenna, newly, cell.total]


def _chart_rows(charts: Mapping[int, Sequence[ChartInfo]]) -> Iterator[list[Any]]:
    yield ["stage", "block", "chart", "title", "file", "antennas", "spws", "polarisations", "fields"]
    for number, listed in charts.items():
        for c in listed:
            of = [" ".join(c.keys.get(k, [])) for k in ("antenna", "spw", "polarisation", "field")]
            yield from ([number, c.block, c.name, c.title, p["file"], *of] for p in c.parts)

"""Home, the list of tasks, topics and messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atacal.weblog.findings import BLUE, LEVELS, band, look_first, messages_of, scores_of
from atacal.weblog.names import block_page, slug
from atacal.weblog.read import RunData
from atacal.weblog.site import Site
from atacal.weblog.topics import OTHER, SUBJECTS, TOPICS, topic_of
from atacal.weblog.values import Table, Value, cell, duration, one, records

LAST = ("hifa_exportdata", "hif_exportdata", "h_exportdata")
"""Stages that end a recipe."""
_SET_COLUMNS = (
    ("session", "session"), ("block", "data set"), ("receivers", "receivers"), ("antennas", "antennas"),
    ("start_mjd_s", "start [UTC]"), ("end_mjd_s", "end [UTC]"), ("on_target_s", "on source [s]"),
    ("baselines", "baselines [m]"), ("size_bytes", "size [MB]"),
)  # fmt: skip


def home_pages(site: Site) -> None:
    """Write the pages that show the run as a whole."""
    run = site.run
    bands = [band(s.score) for s in run.stages]
    sets, pages = _sets(run)
    site.page(
        "index.html", "index.html", tally={b: bands.count(b) for b in ("red", "yellow", "blue", "green", "none")},
        ended=bool(run.stages) and run.stages[-1].task in LAST, first=look_first(run), overview=_overview(run),
        sets=sets, set_rows=list(zip(pages, sets.rows, strict=True)), failed=_failed(run),
    )  # fmt: skip
    site.page("tasks.html", "tasks.html")
    site.page("topics.html", "topics.html", topics=_topics(run), subjects=_subjects(run))
    scores = scores_of(run)
    site.page(
        "messages.html", "messages.html", low=[s for s in scores if s.value <= BLUE],
        rest=[s for s in scores if s.value > BLUE], levels=[(level, messages_of(run, (level,))) for level in LEVELS],
    )  # fmt: skip


def _failed(run: RunData) -> list[tuple[str, str]]:
    out: dict[str, str] = {}
    for stage in run.stages:
        for part in stage.parts:
            if part.outcome.get("failed"):
                out.setdefault(part.title, str(part.outcome["failed"]))
    return sorted(out.items())


def holdings(run: RunData, block: str) -> Mapping[str, Any]:
    """Return what importdata has told of a block."""
    return run.decisions("hifa_importdata", block)


def _overview(run: RunData) -> list[tuple[str, list[Value]]]:
    sets = [holdings(run, b) for b in run.blocks]
    gathered = {
        "project": "project", "principal investigator": "observer", "observing unit set": "ous",
        "scheduling block": "scheduling_block", "telescope": "telescope", "mode": "mode",
    }  # fmt: skip
    out = []
    for title, name in gathered.items():
        found = list(dict.fromkeys(str(s[name]) for s in sets if s.get(name)))
        if found:
            out.append((title, [Value(", ".join(found))]))
    starts = [s["start_mjd_s"] for s in sets if "start_mjd_s" in s]
    ends = [s["end_mjd_s"] for s in sets if "end_mjd_s" in s]
    if starts and ends:
        out.append(
            (
                "observed",
                [*cell(min(starts), "start_mjd_s"), Value(" to "), *cell(max(ends), "end_mjd_s"), Value(" UTC")],
            )
        )
        mjd = (min(starts) / 86400, max(ends) / 86400)
        out.append(("MJD", [Value(f"{mjd[0]:.5f} to {mjd[1]:.5f}")]))
    out.append(("execution blocks", [Value(str(len(run.blocks)))]))
    if run.stages:
        asked = run.stages[-1].result.get("asked", {})
        if asked.get("recipe"):
            out.append(
                (
                    "recipe",
                    [
                        Value(
                            {"today": "today's pipeline", "cycle4": "Cycle 4"}.get(
                                asked["recipe"], str(asked["recipe"])
                            )
                        )
                    ],
                )
            )
    if run.versions:
        out.append(("versions", [Value(", ".join(f"{k} {v}" for k, v in sorted(run.versions.items())))]))
    seconds = [s.seconds for s in run.stages if s.seconds is not None]
    if seconds:
        out.append(("duration of the stages", [Value(duration(sum(seconds)))]))
    return out


def _sets(run: RunData) -> tuple[Table, list[str]]:
    rows, pages = [], []
    blocks = sorted(run.blocks, key=lambda b: (str(holdings(run, b).get("session", "")), b))
    for block in blocks:
        held = holdings(run, block)
        antennas = held.get("antennas")
        row = {**held, "block": block, "antennas": len(antennas) if isinstance(antennas, list) else None}
        rows.append([_set_cell(name, row.get(name)) for name, _ in _SET_COLUMNS])
        pages.append(block_page(run.blocks, block))
    return Table("Sessions and data sets", [title for _, title in _SET_COLUMNS], rows), pages


def _set_cell(name: str, value: Any) -> list[Value]:
    if name == "antennas" and value is not None:
        return [Value(str(value))]
    if name == "baselines" and isinstance(value, Mapping):
        shortest, longest, rms = (one(value.get(k)) for k in ("min_m", "max_m", "rms_m"))
        return [shortest, Value(" to "), longest, Value(", rms "), rms]
    return cell(value, name)


def _subjects(run: RunData) -> list[tuple[str, list[Any]]]:
    out = [(title, [s for s in run.stages if s.task in tasks]) for title, tasks in SUBJECTS.items()]
    return [(title, stages) for title, stages in out if stages]


def _topics(run: RunData) -> list[dict[str, Any]]:
    out = []
    for title in [*TOPICS, OTHER]:
        stages = [s for s in run.stages if topic_of(s.task) == title]
        if not stages:
            continue
        numbers = {s.number for s in stages}
        scores = [s.score for s in stages if s.score is not None]
        out.append(
            {"title": title, "anchor": slug(title.lower()), "score": min(scores) if scores else None, "stages": stages,
             "findings": look_first(run, 20, numbers), "flags": _flag_tables(run) if title == "Flagging" else []}
        )  # fmt: skip
    return out


def _flag_tables(run: RunData) -> list[tuple[str, Table]]:
    """Return, for each block, the share flagged by stage and field."""
    from atacal.weblog.attribution import attribute

    out = []
    for block in run.blocks:
        found = attribute(run, block)
        rows = []
        for cause in found.causes:
            if cause.newly:
                rows.append(
                    {
                        "stage": cause.number,
                        "task": cause.task,
                        "cause": cause.cause,
                        "newly": cause.newly,
                        "total": cause.total,
                    }
                )
        if rows:
            table = records("", rows)
            table.columns.append("%")
            shown = [c for c in found.causes if c.newly]
            for row, cause in zip(table.rows, shown, strict=False):
                row.append([Value(one(100 * cause.share).text)])
            out.append((block, table))
    return out

"""A page for each stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atacal.weblog.charts import ChartInfo
from atacal.weblog.findings import LEVELS, part_number
from atacal.weblog.names import slug, stage_page
from atacal.weblog.read import StageResult
from atacal.weblog.site import Site
from atacal.weblog.topics import topic_of
from atacal.weblog.values import Shown, records, show

_CALLS = 300
"""Calls that are shown; all are in the stage's file."""
_CONCERNS = ("value", "limit", "antenna", "baseline", "spw", "scan", "field", "polarisation")
_REASONS = 500
"""Reasons of a block whose texts are in its charts; all are in the tables."""
_SECTIONS = {
    "short": "In short", "messages": "Messages", "scores": "Scores", "plots": "Plots", "decisions": "Decisions",
    "flags": "Flags", "tables": "Tables", "inputs": "Inputs", "calls": "Calls", "logs": "Log", "files": "Files",
}  # fmt: skip


def stage_pages(site: Site) -> dict[int, list[ChartInfo]]:
    """Write the stages' pages; return their charts by the stage's number."""
    charts: dict[int, list[ChartInfo]] = {}
    stages = site.run.stages
    for i, stage in enumerate(stages):
        charts[stage.number] = site.charts_of(stage)
        around = (stages[i - 1] if i else None, stages[i + 1] if i + 1 < len(stages) else None)
        page = stage_page(stage.number, stage.task)
        site.attempt(page, _stage_page, stage, charts[stage.number], *around)
    return charts


def _stage_page(
    site: Site, stage: StageResult, charts: list[ChartInfo], before: StageResult | None, after: StageResult | None
) -> None:
    scores, messages = _scores(stage), _messages(stage)
    counted = [s for s in scores if not s[2].get("hidden")]
    hidden = [s for s in scores if s[2].get("hidden")]
    content: dict[str, Any] = {
        "scores": counted, "hidden": hidden, "messages": messages, "charts": charts, "decisions": _decisions(stage),
        "flags": _flags(stage), "tables": [str(t) for p in stage.parts for t in p.listed("tables")],
        "inputs": _inputs(stage), "calls": _calls(stage), "logs": _logs(site, stage), "files": _files(stage),
    }  # fmt: skip
    there = {k: bool(content.get("charts" if k == "plots" else k, True)) for k in _SECTIONS} | {"scores": bool(scores)}
    site.page(
        stage_page(stage.number, stage.task), "stage.html", stage=stage, previous=before, next=after,
        topic=topic_of(stage.task), sections=[(k, t) for k, t in _SECTIONS.items() if there[k]],
        worst=(counted[0][2].get("long") or counted[0][2].get("short")) if counted else "", keys=site.controls(charts),
        reasons=_reasons(stage), chart_index=[c.plain() for c in charts], field_names=site.field_names, **content,
    )  # fmt: skip


def _scores(stage: StageResult) -> list[tuple[str, str, Mapping[str, Any]]]:
    found = [
        (f"score-{part_number(stage, p.block)}-{i}", p.title, s)
        for p in stage.parts
        for i, s in enumerate(p.listed("scores"))
    ]
    return sorted(found, key=lambda f: float(f[2]["value"]))


def _messages(stage: StageResult) -> list[tuple[str, str, Mapping[str, Any]]]:
    found = [
        (f"message-{part_number(stage, p.block)}-{i}", p.title, m)
        for p in stage.parts
        for i, m in enumerate(p.listed("messages"))
    ]
    return sorted(found, key=lambda f: LEVELS.index(f[2]["level"]) if f[2].get("level") in LEVELS else len(LEVELS))


def _decisions(stage: StageResult) -> list[tuple[str, Shown]]:
    out = []
    for part in stage.parts:
        decisions = part.outcome.get("decisions")
        if isinstance(decisions, Mapping) and decisions:
            out.append((part.title, show(part.title, decisions)))
    return out


def _flags(stage: StageResult) -> list[tuple[str, list[dict[str, Any]]]]:
    out = []
    for part in stage.parts:
        rows = []
        for flag in part.listed("flags"):
            reasons = [r for r in flag.get("reasons") or [] if isinstance(r, Mapping)]
            rows.append(
                {**flag, "reasons": reasons, "table": records(str(flag["cause"]), reasons) if reasons else None}
            )
        if rows:
            out.append((part.title, rows))
    return out


def _reasons(stage: StageResult) -> dict[str, list[dict[str, Any]]]:
    """Return why what was flagged, by block, for the texts of flagged points: cause, value, limit, what it concerns."""
    out: dict[str, list[dict[str, Any]]] = {}
    for part in stage.parts:
        for flag in part.listed("flags"):
            for reason in (r for r in flag.get("reasons") or [] if isinstance(r, Mapping) and not r.get("table")):
                told = {k: reason[k] for k in _CONCERNS if reason.get(k) not in (None, "")}
                out.setdefault(part.block, []).append({"cause": str(flag["cause"]), **told})
    return {block: found[:_REASONS] for block, found in out.items()}


def _inputs(stage: StageResult) -> Shown:
    asked = stage.result.get("asked") or {}
    files = {k: (v[:12] if isinstance(v, str) and v else "not there") for k, v in (asked.get("files") or {}).items()}
    out = show(
        "inputs",
        {"recipe": asked.get("recipe"), "atacal": asked.get("atacal"), "key": str(stage.result.get("key", ""))[:12]},
    )
    parameters = show("parameters", dict(asked.get("parameters") or {}))
    parts = [parameters] if not parameters.empty else []
    if files:
        parts.append(show("digests of the files that it reads", files))
    return Shown("inputs", out.facts, [], parts)


def _calls(stage: StageResult) -> list[tuple[str, list[str], int]]:
    listed = [(p.title, [str(c) for c in p.listed("calls")]) for p in stage.parts]
    return [(title, calls[:_CALLS], len(calls)) for title, calls in listed if calls]


def _logs(site: Site, stage: StageResult) -> list[tuple[str, str, str, bool]]:
    out = []
    for name, path in stage.logs():
        page = f"logs/{stage.number:02d}-{slug(stage.task)}/{slug(name)}.txt"
        data = path.read_bytes()
        if not data:
            continue
        site.write(page, data)
        text, cut = site.log_text(path)
        out.append((name, text, page, cut))
    return out


def _files(stage: StageResult) -> list[tuple[str, str]]:
    base = f"data/{stage.number:02d}-{slug(stage.task)}"
    return [
        (f"{base}.json", "everything of this stage, as JSON"),
        (f"{base}.csv", "every value of it, as CSV: path and value"),
    ]

"""``pipeline_report.json``: all that a run has decided and scored, for programs (docs/export.md has its form)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from atacal.pipeline.export.fluxes import derived_fluxes, known_fluxes
from atacal.pipeline.export.kept import Kept, Result
from atacal.pipeline.topics import TOPICS, topic_of, topic_scores
from atacal.restore.calapply import Application
from atacal.results import plain

FORMAT, VERSION = "atacal pipeline report", 1
"""The version is raised when something that a program may read gets another name or meaning."""


def json_report(kept: Kept, applied: Mapping[str, Sequence[Application]]) -> str:
    """Write a run's report.

    Parameters
    ----------
    kept : Kept
    applied : dict of str to sequence of Application
        By block, what is applied to it.
    """
    scores = [r["score"] for r in kept.results if r["score"] is not None]
    by_topic = topic_scores(kept.results)
    value = {
        "format": FORMAT,
        "version": VERSION,
        "versions": kept.versions,
        "recipe": kept.results[0]["asked"]["recipe"] if kept.results else "",
        "project": kept.project,
        "score": min(scores, default=None),
        "blocks": {name: _block(kept, name, applied.get(name, [])) for name in kept.blocks},
        "stages": [_stage(kept, r) for r in kept.results],
        "topics": {t: {"score": by_topic[t], "stages": _numbers(kept, t)} for t in TOPICS},
        "fluxes": {"known": plain(known_fluxes(kept)), "derived": plain(derived_fluxes(kept))},
    }  # fmt: skip
    return json.dumps(plain(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _block(kept: Kept, name: str, applied: Sequence[Application]) -> dict[str, Any]:
    return {
        "session": kept.context(name, "session", ""),
        "input": kept.context(name, "input", {}),
        "failed": kept.failed.get(name, ""),
        "refants": kept.context(name, "refants", []),
        "description": kept.description(name),
        "applied": [
            {
                "field": a.field, "intent": a.intent, "spw": a.spw, "scan": a.selection.get("scan", ""),
                "tables": [asdict(u) for u in a.uses],
            }
            for a in applied
        ],
    }  # fmt: skip


def _numbers(kept: Kept, topic: str) -> list[int]:
    return [r["number"] for r in kept.results if topic_of(r["task"]) == topic]


def _stage(kept: Kept, result: Result) -> dict[str, Any]:
    outcomes = list(kept.outcomes(result))
    return {
        "number": result["number"],
        "task": result["task"],
        "title": result["title"],
        "topic": topic_of(result["task"]),
        "score": result["score"],
        "parameters": result["asked"]["parameters"],
        "summary": {name: o["summary"] for name, o in outcomes if o["summary"]},
        "scores": [{"block": name, **s} for name, o in outcomes for s in o["scores"]],
        "messages": [{"block": name, **m} for name, o in outcomes for m in o["messages"]],
        "flags": [_flags(name, f) for name, o in outcomes for f in o["flags"]],
        "tables": [t for _, o in outcomes for t in o["tables"]],
        "charts": [c for _, o in outcomes for c in o["charts"]],
        "decisions": {name: o["decisions"] for name, o in outcomes if o["decisions"] and _told(result)},
    }


def _flags(name: str, cause: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "block": name, "cause": cause["cause"], "newly": cause["newly"], "total": cause["total"],
        "share": cause["newly"] / cause["total"] if cause["total"] else 0.0, "reasons": cause["reasons"],
        "commands": cause["commands"],
    }  # fmt: skip


def _told(result: Result) -> bool:
    """Whether the decisions of a stage stand with it: those of the import are the descriptions of the blocks."""
    return str(result["task"]) != "hifa_importdata"

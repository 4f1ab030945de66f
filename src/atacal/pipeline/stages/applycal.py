"""Stage applycal: the calibration applied to all data, and what they look like afterwards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from atacal.errors import ArgumentError, PipelineError
from atacal.heuristics.scores import score_agents
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Unit, arguments
from atacal.pipeline.corrected import look_at, uv_lengths_m
from atacal.pipeline.corrected_charts import chart_view, score_spectra
from atacal.pipeline.ledger import flag_causes, flag_commands
from atacal.pipeline.stage import stage

_ALL = ("BANDPASS", "AMPLITUDE", "PHASE", "CHECK", "DIFFGAINREF", "DIFFGAINSRC", "POLARIZATION", "TARGET")
_JUDGED = ("BANDPASS", "AMPLITUDE", "PHASE", "CHECK", "DIFFGAINREF", "DIFFGAINSRC")
_MUST = ("bandpass", "phase", "amp")
"""Terms that all science data need."""


@stage("hif_applycal", "Apply the calibration", needed=True)
def hif_applycal(
    block: Block,
    field: str = "",
    intent: str = "",
    spw: str = "",
    antenna: str = "*&*",
    parang: bool = False,
    applymode: str = "calflagstrict",
    flagbackup: bool = False,
    flagsum: bool = True,
    flagdetailedsum: bool = True,
) -> None:
    """Apply all tables that are registered.

    Parameters
    ----------
    field, intent, spw : str
        Only these; all calibrators, check sources and targets by default.
    antenna : str
        Cross-correlations by default.
    parang, applymode, flagbackup
        As applycal's.
    flagsum, flagdetailedsum : bool
        Accepted; flags are always counted.
    """
    intents = [i.strip() for i in intent.split(",") if i.strip()] or list(_ALL)
    unknown = [i for i in intents if i not in _ALL]
    if unknown:
        raise ArgumentError(f"hif_applycal: intent {', '.join(unknown)}: possible are {', '.join(_ALL)}")
    spws = [int(s) for s in spw.split(",")] if spw else list(block.facts.science_spws)
    fields = [int(f) for f in field.split(",")] if field else None
    units = block.library.units(block.facts, intents, spws, fields=fields)
    _check(block, units)
    before = block._flagdata(flag_commands(block.facts, {}))
    reports = [_apply(block, unit, antenna, parang, applymode, flagbackup) for unit in units if unit.stack]
    block.set("weights_calibrated", True)
    after = block._flagdata(flag_commands(block.facts, {"applycal": []}))
    _count(block, before, after, reports)
    block.out.decisions["applied"] = [
        {"field": u.selection()["field"], "spw": u.selection()["spw"], "scan": u.selection()["scan"],
         "tables": [{"table": e.gaintable, "term": e.term, "gainfield": e.gainfield, "interp": e.interp,
                     "spwmap": list(e.spwmap), "calwt": e.calwt} for e in u.stack]}
        for u in units
    ]  # fmt: skip
    _look(block, intents)
    tables = {e.gaintable for u in units for e in u.stack}
    block.out.summary = f"{len(tables)} tables applied to {len(block.facts.fields(*intents))} fields"


def _check(block: Block, units: Sequence[Unit]) -> None:
    """Refuse to leave a science spw without a term that it needs."""
    if not any(u.stack for u in units):
        raise PipelineError(f"{block.name}: no table is registered: there is nothing to apply")
    names = block.facts.metadata.field_names()
    lacking: dict[str, set[str]] = {}
    for unit in units:
        for term in set(_MUST) - {e.term for e in unit.stack}:
            lacking.setdefault(term, set()).update(names[f] for f in unit.fields)
    for term, who in sorted(lacking.items()):
        block.out.say("warning", f"no {term} table for {', '.join(sorted(who))}", "see the stage that solves for it")


def _apply(block: Block, unit: Unit, antenna: str, parang: bool, applymode: str, flagbackup: bool) -> dict[str, Any]:
    result: dict[str, Any] = block.do(
        "applycal", vis=block.name, **unit.selection(), antenna=antenna, **arguments(unit.stack),
        calwt=[e.calwt for e in unit.stack], applymode=applymode, parang=parang, flagbackup=flagbackup,
    )  # fmt: skip
    return {"fields": list(unit.fields), "spws": list(unit.spws), "result": result}


def _count(block: Block, before: dict[str, Any], after: dict[str, Any], reports: Sequence[dict[str, Any]]) -> None:
    """Count what the tables have flagged, and score it on the targets."""
    of_tables: dict[str, int] = {}
    for report in reports:
        for table in report["result"]["tables"]:
            name = table["table"].split("/")[-1]  # a table that this process has made is known by its absolute path
            of_tables[name] = of_tables.get(name, 0) + int(table["flagged_by"])
    reasons = [{"rule": "no good solution", "table": t, "value": n} for t, n in sorted(of_tables.items())]
    both = {**_summaries(before, "0:"), **_summaries(after, "1:")}
    found = flag_causes(block.facts, both, {"applycal": []}, {"applycal": reasons})
    block.out.count_flags(found)
    block.out.flags_changed = True
    facts = block.facts
    targets = {facts.metadata.fields[f].name for f in facts.fields("TARGET")}
    if targets:
        newly, total = _on_fields(both, targets, facts.science_spws)
        part = newly / total if total else 0.0
        text = f"{block.name}: {100 * part:.1f} % of the target's data flagged for want of solutions"
        block.out.score(
            score_agents(part, block.recipe),
            "flagged_fraction",
            part,
            "fraction",
            "flags of applycal",
            text,
            intent="TARGET",
        )
        block.out.decisions["target_flagged"] = part


def _summaries(report: dict[str, Any], prefix: str) -> dict[str, Any]:
    every = [report] if report.get("type") == "summary" else [r for r in report.values() if isinstance(r, dict)]
    return {r["name"]: r for r in every if r.get("type") == "summary" and (r["name"].startswith(prefix))}


def _on_fields(both: dict[str, Any], names: set[str], spws: Sequence[int]) -> tuple[int, int]:
    newly = total = 0
    for spw in spws:
        was, now = both.get(f"0:{spw}", {}), both.get(f"1:{spw}", {})
        for name in names & set(now):
            newly += int(now[name]["flagged"] - was[name]["flagged"])
            total += int(now[name]["total"])
    return newly, total


def _look(block: Block, intents: Sequence[str]) -> None:
    """Chart calibrated data, and score the spectra of the calibrators (today's recipe)."""
    done: set[int] = set()
    for intent in intents:
        if not block.facts.has(intent) or set(block.facts.fields(intent)) <= done:
            continue
        target = intent == "TARGET"
        interval = math.inf if target else 0.0
        every = look_at(block, intent, solint_s=interval, over_model=not target)
        views = [v for v in every if v.number not in done]
        lengths = uv_lengths_m(block, intent)
        for view in views:
            chart_view(block, view, lengths, model=not target)
        if intent in _JUDGED and not block.cycle4:
            score_spectra(block, views, intent)
        if intent in _JUDGED:
            _note_means(block, views, intent)
        done |= {v.number for v in views}


def _note_means(block: Block, views: Sequence[Any], intent: str) -> None:
    """Write down each calibrator's mean amplitude over its model, and phase."""
    for view in views:
        baseline, w = view.by_baseline
        if not w.sum() > 0:
            continue
        mean = complex(baseline.sum() / w.sum())
        scatter = float(np.degrees(np.sqrt((w * np.angle(np.where(w > 0, baseline, 1)) ** 2).sum() / w.sum())))
        block.out.decisions.setdefault("over_model", {}).setdefault(intent, {})[f"{view.number}:{view.spw}"] = {
            "amplitude": abs(mean), "phase_deg": float(np.degrees(np.angle(mean))), "baseline_phase_rms_deg": scatter,
        }  # fmt: skip

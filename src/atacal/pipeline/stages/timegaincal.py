"""Stage timegaincal: the phases and amplitudes against time that are applied to calibrators and targets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from atacal.caltables.disk import read_caltable
from atacal.caltables.table import CalTable
from atacal.errors import NoSolutions, PipelineError
from atacal.heuristics.gain_scores import offset_scores, score_step_path, score_xy_path, step_path_m, xy_path_m
from atacal.heuristics.spw_maps import combined_map
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.diffgain import across_setups, require_offsets
from atacal.pipeline.expected import windows_of
from atacal.pipeline.phase_solves import FieldDecision, decision_for, forced_combination, solve_phases
from atacal.pipeline.setups import setups_of
from atacal.pipeline.solution_charts import gain_charts
from atacal.pipeline.stage import stage

_CALIBRATORS = ("BANDPASS", "AMPLITUDE", "PHASE", "DIFFGAINREF", "DIFFGAINSRC", "POLARIZATION")
_STRONG_SNR = 3.0
"""Phases of calibrators that are corrected with their own are flagged below this."""


@stage("hifa_timegaincal", "Gains against time", needed=True)
def hifa_timegaincal(
    block: Block,
    field: str = "",
    spw: str = "",
    calsolint: str = "",
    targetsolint: str = "inf",
    refant: str = "",
    refantmode: str = "flex",
    solnorm: bool = False,
    minblperant: int = 4,
    calminsnr: float = 2.0,
    targetminsnr: float = 3.0,
    smodel: Sequence[float] = (),
) -> None:
    """Solve for gains against time.

    Bandpass and flux calibrators are corrected with their own phases of every integration; phase calibrators, check
    sources and targets with the phases and amplitudes of the phase calibrator's scans.

    Parameters
    ----------
    field, spw : str
        Only these fields and spws.
    calsolint : str
        Interval of the calibrators' phases in place of what hifa_spwphaseup decided.
    targetsolint : str
        Interval of the phases for targets, and of amplitudes.
    refant : str
        In place of the run's.
    refantmode, solnorm, minblperant
        As gaincal's.
    calminsnr, targetminsnr : float
        Least signal to noise of the phase calibrator's phases of integrations, and of the phases for targets.
    smodel : list of float
        A model for all, in place of theirs.
    """
    if refant:
        block.set("refants", [w.strip() for w in refant.split(",") if w.strip()])
    setups = setups_of(block.facts)
    if setups is not None:
        require_offsets(block)
    chosen = [int(f) for f in field.split(",")] if field else block.facts.fields(*_CALIBRATORS)
    decided = _decided(block, chosen, spw)
    if not any(d.usable for d in decided):
        raise PipelineError(f"{block.name}: there is no calibrator with unflagged data")
    how: dict[str, Any] = {
        "minblperant": minblperant, "refantmode": refantmode, "solnorm": solnorm,
        # without those that this stage makes, and what is for targets
        "terms": {e.term for e in block.library.entries} - {"phase", "amp", "diffgain", "diffgain_amp"},
    }  # fmt: skip
    if smodel:
        how["smodel"] = list(smodel)
    pairs = {int(k): int(v) for k, v in block.get("phase_calibrator", {}).items()}
    phase_fields = [d for d in decided if "PHASE" in block.facts.intents_of(d.field)]
    others = [d for d in decided if d not in phase_fields]
    own = _own_phases(block, others, calsolint, how | {"minsnr": _STRONG_SNR}, "own")
    of_phase = _own_phases(block, phase_fields, calsolint, how | {"minsnr": calminsnr}, "phasecal")
    transfer = _transfer_phases(block, phase_fields, targetsolint, how | {"minsnr": targetminsnr}, pairs)
    short = [*own, *of_phase]
    fields = [d.field for d in decided if d.usable]
    table = _amplitudes(block, fields, short, targetsolint, how)
    block.register(*own, *transfer, *_apply_amplitudes(block, table, fields, phase_fields, pairs))
    if setups is not None:
        block.register(*across_setups(block, setups, table, pairs))
    _diagnose(block, fields, phase_fields, short, how)
    _chart_gains(block, transfer, short, table)
    _score_solutions(block, decided, table)
    if block.cycle4:
        _score_paths(block, of_phase)
    block.out.decisions |= {
        "own_phases": [a.gaintable for a in own], "transferred_phases": [a.gaintable for a in transfer],
        "amplitudes": table, "phase_calibrator": {str(k): v for k, v in pairs.items()},
    }  # fmt: skip
    block.out.summary = _summary(block, decided, pairs)


def _decided(block: Block, fields: Sequence[int], spw: str) -> list[FieldDecision]:
    only = {int(s) for s in spw.split(",")} if spw else set(block.facts.science_spws)
    out = []
    for field in fields:
        one = decision_for(block, field)
        out.append(FieldDecision(field, one.intent, tuple(s for s in one.usable if s in only), one.decision))
    return out


def _summary(block: Block, decided: Sequence[FieldDecision], pairs: dict[int, int]) -> str:
    names = block.facts.metadata.field_names()
    groups: dict[int, list[str]] = {}
    for target, calibrator in pairs.items():
        groups.setdefault(calibrator, []).append(names[target])
    return (
        "; ".join(f"{names[c]} for {', '.join(dict.fromkeys(t))}" for c, t in groups.items())
        or f"{len(decided)} calibrators"
    )


def _own_phases(
    block: Block, decided: Sequence[FieldDecision], solint: str, how: dict[str, Any], words: str
) -> list[Applied]:
    """Solve calibrators' phases as decided, those that are solved alike in one pass."""
    groups: dict[str, tuple[FieldDecision, list[int]]] = {}
    for d in decided:
        if d.usable:
            groups.setdefault(f"{d.decision!r} {d.usable}", (d, []))[1].append(d.field)
    out = []
    for number, (d, fields) in enumerate(groups.values()):
        solved = solve_phases(
            block, f"{words}{number}.gpcal", d.decision, intents=_CALIBRATORS, fields=fields, usable=d.usable,
            solint=solint, **how,
        )  # fmt: skip
        if not solved.table:
            continue
        if solved.expanded:
            block.out.decisions.setdefault("followed", {})[solved.table] = solved.expanded
        out += [
            Applied("phase", solved.table, gainfield=str(f), interp="linear", calwt=False, field=str(f)) for f in fields
        ]
    return out


def _transfer_phases(
    block: Block, phase_fields: Sequence[FieldDecision], solint: str, how: dict[str, Any], pairs: dict[int, int]
) -> list[Applied]:
    """Solve the phase calibrators' phases of scans, for themselves and for what they calibrate."""
    out = []
    for d in phase_fields:
        if not d.usable:
            continue
        solved = solve_phases(
            block, f"transfer.field{d.field}.gpcal", d.decision, intents=["PHASE"], fields=[d.field], usable=d.usable,
            solint=solint, **how,
        )  # fmt: skip
        if not solved.table:
            continue
        block.out.decisions.setdefault("followed", {})[solved.table] = solved.expanded
        served = ",".join(str(f) for f in [d.field, *(t for t, c in pairs.items() if c == d.field)])
        out.append(Applied("phase", solved.table, gainfield=str(d.field), interp="linear", calwt=False, field=served))
    lost = sorted({t for t, c in pairs.items() if c not in {int(a.gainfield) for a in out}})
    if lost:
        names = ", ".join(block.facts.metadata.fields[f].name for f in lost)
        raise NoSolutions(f"{block.name}: the phase calibrator of {names} has no phases: it is too weak or flagged")
    return out


def _amplitudes(
    block: Block, fields: Sequence[int], phases: Sequence[Applied], solint: str, how: dict[str, Any]
) -> str:
    table = block.caltable(f"solint{solint}.gacal")
    block.solve(
        "gaincal", table, intents=_CALIBRATORS, fields=fields, extra=phases, gaintype="T", calmode="a", solint=solint,
        minsnr=2.0, **how,
    )  # fmt: skip
    return table


def _apply_amplitudes(
    block: Block, table: str, fields: Sequence[int], phase_fields: Sequence[FieldDecision], pairs: dict[int, int]
) -> list[Applied]:
    """Register amplitudes: every calibrator's for itself, the phase calibrators' for what they calibrate as well."""
    of_phase = {d.field for d in phase_fields}
    out = []
    for f in fields:
        served = [f, *(t for t, c in pairs.items() if c == f)] if f in of_phase else [f]
        interp = "linear" if f in of_phase else "nearest"
        out.append(Applied("amp", table, gainfield=str(f), interp=interp, field=",".join(str(x) for x in served)))
    return out


def _diagnose(
    block: Block,
    fields: Sequence[int],
    phase_fields: Sequence[FieldDecision],
    phases: Sequence[Applied],
    how: dict[str, Any],
) -> None:
    """Solve what is only looked at: amplitudes of integrations, and offsets between spws after the common phases."""
    weak = [d.decision.solint for d in phase_fields if d.decision.solint != "int"]
    solint = max(weak, key=lambda s: float(s.rstrip("s"))) if weak else "int"
    amplitudes = block.caltable("diagnostic.gacal")
    try:
        block.solve(
            "gaincal", amplitudes, intents=_CALIBRATORS, fields=fields, extra=phases, gaintype="T", calmode="a",
            solint=solint, minsnr=2.0, **how,
        )  # fmt: skip
        gain_charts(block, read_caltable(block.path(amplitudes)), "amp_int", "Amplitudes, short intervals", "amp")
    except NoSolutions as error:
        block.out.say("attention", f"no amplitudes of short intervals: {error}")
    if not block.cycle4:
        _offsets(block, phase_fields, how)


def _offsets(block: Block, phase_fields: Sequence[FieldDecision], how: dict[str, Any]) -> None:
    """Solve for what is left between spws when the phases of all spws together are taken out, and score it."""
    found: list[CalTable] = []
    for d in phase_fields:
        if len(d.usable) < 2:
            continue
        combined = forced_combination(d.decision, combined_map(windows_of(block.facts, d.usable), d.usable))
        common = solve_phases(
            block, f"common.field{d.field}.gpcal", combined, intents=["PHASE"], fields=[d.field], usable=d.usable,
            **how, minsnr=2.0,
        )  # fmt: skip
        if not common.table:
            continue
        path = block.caltable(f"offsets.field{d.field}.gpcal")
        taken = Applied("phase", common.table, gainfield=str(d.field), interp="linear", calwt=False, field=str(d.field))
        try:
            block.solve(
                "gaincal", path, intents=["PHASE"], fields=[d.field], spws=d.usable, extra=[taken], gaintype="G",
                calmode="p", solint="inf", minsnr=3.0, **how,
            )  # fmt: skip
        except NoSolutions as error:
            block.out.say("attention", f"no offsets between spws on the phase calibrator: {error}")
            continue
        table = read_caltable(block.path(path))
        name = f"offsets_field{d.field}" if len(phase_fields) > 1 else "offsets"
        gain_charts(
            block, table, name, "Phase offsets between spws", "phase",
            caption="an antenna's spw that drifts or jumps against the others",
        )  # fmt: skip
        found.append(table)
        _score_offsets(block, d, table)


def _score_offsets(block: Block, decided: FieldDecision, table: CalTable) -> None:
    names = block.facts.metadata.antenna_names()
    refant = names.index(block.refants[0])
    field = block.facts.metadata.fields[decided.field].name
    for spw, one in sorted(table.solutions.items()):
        pols = min(block.facts.npol(spw), one.param.shape[3])
        offset, flag = np.degrees(np.angle(one.param[:, :, 0, :pols])), one.flag[:, :, 0, :pols]
        mapped = decided.decision.combine or decided.decision.spwmap.get(spw, spw) != spw
        noise, found = offset_scores(offset, flag, refant, mapped=mapped)
        if not found:
            continue
        value = min(f.score for f in found)
        bad = [f for f in found if f.worst]
        block.out.decisions.setdefault("offsets", {}).setdefault(field, {})[str(spw)] = {
            "noise_deg": noise, "mapped": mapped,
            "outliers": [
                {"antenna": names[f.antenna], "pol": "XY"[f.pol], "test": f.worst, "mean_deg": f.mean_deg,
                 "spread_deg": f.spread_deg if math.isfinite(f.spread_deg) else None, "most_deg": f.most_deg}
                for f in bad
            ],
        }  # fmt: skip
        who = ", ".join(dict.fromkeys(names[f.antenna] for f in bad))
        short = "phase offsets between spws"
        text = f"{block.name}, {field}, spw {spw}: offsets scatter by {noise:.1f} deg"
        text += f"; {who} beyond the limits" if bad else ""
        block.out.score(value, "phase_offset", noise, "deg", short, text, field=field, spw=str(spw), antenna=who)


def _chart_gains(block: Block, transfer: Sequence[Applied], short: Sequence[Applied], amplitudes: str) -> None:
    """Chart what is applied, and the phases of short intervals."""
    for number, table in enumerate(dict.fromkeys(a.gaintable for a in transfer)):
        gain_charts(block, read_caltable(block.path(table)), f"phase{number or ''}", "Phases for targets", "phase")
    for number, table in enumerate(dict.fromkeys(a.gaintable for a in short)):
        gain_charts(
            block, read_caltable(block.path(table)), f"phase_int{number or ''}", "Phases of the calibrators", "phase"
        )
    gain_charts(block, read_caltable(block.path(amplitudes)), "amp", "Amplitudes", "amp")


def _score_solutions(block: Block, decided: Sequence[FieldDecision], path: str) -> None:
    """Score how many of the antennas that have data have amplitudes, spw by spw."""
    table = read_caltable(block.path(path))
    names = block.facts.metadata.antenna_names()
    for spw in block.facts.science_spws:
        one = table.solutions.get(spw)
        expected = [d.field for d in decided if spw in d.usable]
        if not expected:
            continue
        if one is None:
            block.out.score(
                0.0, "missing_gains", 1.0, "", "no gains", f"{block.name}, spw {spw}: no amplitudes", spw=str(spw)
            )
            continue
        there = np.isin(one.field, expected)
        some = (~one.flag[there]).any(axis=(0, 2, 3))
        without = [names[a] for a in np.flatnonzero(~some)]
        part = float(some.mean())
        text = f"{block.name}, spw {spw}: {int(some.sum())} of {len(names)} antennas have gains"
        text += f"; not {', '.join(without)}" if without else ""
        block.out.score(part, "missing_gains", 1 - part, "fraction", "antennas with gains", text, spw=str(spw))


def _score_paths(block: Block, phases: Sequence[Applied]) -> None:
    """Score how the phase calibrator's phases vary: between the polarisations, and from solution to solution."""
    names = block.facts.metadata.antenna_names()
    for applied in phases:
        table, field = read_caltable(block.path(applied.gaintable)), int(applied.field)
        name = block.facts.metadata.fields[field].name
        for metric, measure, score, what in (
            ("xy_path", xy_path_m, score_xy_path, "between the polarisations"),
            ("step_path", step_path_m, score_step_path, "from solution to solution"),
        ):
            worst: tuple[float, float, int, int] | None = None
            for spw, one in sorted(table.solutions.items()):
                mine = one.field == field
                freq = block.facts.metadata.spws[spw].centre_freq_hz
                for antenna in range(len(names)):
                    phase, flag = np.angle(one.param[mine, antenna, 0]), one.flag[mine, antenna, 0]
                    if metric == "xy_path" and phase.shape[1] < 2:
                        continue
                    path = measure(phase, flag, freq)
                    if math.isfinite(path) and (worst is None or score(path) < worst[0]):
                        worst = (score(path), path, antenna, spw)
            if worst is not None:
                value, path, antenna, spw = worst
                text = f"{block.name}, {name}: {1e6 * path:.0f} um {what}, {names[antenna]}, spw {spw}, the worst"
                block.out.score(
                    value, metric, path, "m", f"phases {what}", text, field=name, spw=str(spw), antenna=names[antenna]
                )

"""Stage spwphaseup: phase offsets between spws, how each calibrator's phases are to be solved, and the decoherence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from atacal.caltables.disk import read_caltable
from atacal.errors import NoSolutions
from atacal.heuristics.gain_scores import score_achieved_snr
from atacal.heuristics.phase_decision import (
    CATALOGUE_FACTOR,
    WEAK_INTENTS,
    PhaseDecision,
    Wanted,
    decide_cycle4,
    decide_today,
)
from atacal.heuristics.spw_maps import Window
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.expected import Expected, expected_snr, usable_spws, windows_of
from atacal.pipeline.phase_solves import SPW_MAPS, FieldDecision, median_snr, solve_phases
from atacal.pipeline.phase_stability import score_stability
from atacal.pipeline.setups import REFERENCE, SIGNAL
from atacal.pipeline.solution_charts import gain_charts
from atacal.pipeline.stage import stage
from atacal.solve.intervals import parse_solint

_ORDER = ("BANDPASS", "DIFFGAINSRC", "DIFFGAINREF", "AMPLITUDE", "PHASE", "CHECK")
"""Of a field with several intents the first one decides."""
_LEFT_OUT = "POLARIZATION"


@stage("hifa_spwphaseup", "Spw phase offsets and maps", needed=True)
def hifa_spwphaseup(
    block: Block,
    field: str = "",
    intent: str = "BANDPASS",
    spw: str = "",
    hm_spwmapmode: str = "auto",
    maxnarrowbw: str = "300MHz",
    minfracmaxbw: float = 0.8,
    samebb: bool = True,
    phasesnr: float | None = None,
    intphasesnr: float = 5.0,
    intphasesnrmin: float = 3.0,
    phaseupmaxsolint: float = 60.0,
    bwedgefrac: float = 0.03125,
    hm_nantennas: str = "all",
    maxfracflagged: float = 0.9,
    combine: str = "",
    refant: str = "",
    minblperant: int = 4,
    minsnr: float = 3.0,
    unregister_existing: bool = False,
) -> None:
    """Solve for the phase offsets between spws, and decide how the calibrators' phases are solved.

    Parameters
    ----------
    field, intent, spw : str
        On what the offsets are solved.
    hm_spwmapmode : {'auto', 'combine', 'simple', 'default'}
        Decide by the signal to noise, combine all spws, map narrow ones to wide ones, or leave each to itself.
    maxnarrowbw : str
        Up to this bandwidth an spw is narrow.
    minfracmaxbw : float
        From this fraction of the largest bandwidth an spw is wide.
    samebb : bool
        Prefer a wide spw of the same baseband.
    phasesnr : float, optional
        Signal to noise of the phases of phase calibrators and check sources in a scan: 32 (today), 25 (Cycle 4).
    intphasesnr, intphasesnrmin : float
        That of the other calibrators in an integration, and of the amplitude calibrator where it is weak.
    phaseupmaxsolint : float
        The longest interval of these [s].
    bwedgefrac, hm_nantennas, maxfracflagged
        Accepted; all antennas, and the bandwidth less 3 % at either edge count.
    combine, refant, minblperant, minsnr
        As gaincal's.
    unregister_existing : bool
        Forget offsets that earlier stages have registered.
    """
    if refant:
        block.set("refants", [w.strip() for w in refant.split(",") if w.strip()])
    limit = phasesnr if phasesnr is not None else (25.0 if block.cycle4 else 32.0)
    wanted = Wanted(
        hm_spwmapmode, limit, intphasesnr, intphasesnrmin, phaseupmaxsolint, _hertz(maxnarrowbw), minfracmaxbw, samebb
    )
    spws = [int(s) for s in spw.split(",")] if spw else list(block.facts.science_spws)
    offsets = _offsets(
        block, field, intent, spws, combine, {"minblperant": minblperant, "minsnr": minsnr}, unregister_existing
    )
    decided = []
    for number, what in _calibrators(block):
        decided.append(_decide(block, number, what, spws, wanted))
    nspw = len(block.facts.metadata.spws)
    block.set(SPW_MAPS, {str(d.field): d.plain(nspw) for d in decided})
    block.out.decisions["solves"] = {_name(block, d.field): d.plain(nspw) for d in decided}
    block.set("phase_calibrator", {str(k): v for k, v in phase_calibrators(block).items()})
    if offsets:
        gain_charts(block, read_caltable(block.path(offsets)), "offsets", "Phase offsets between spws", "phase")
    _score_mapping(block, decided)
    if not block.cycle4:
        _achieved(block, decided)
        score_stability(block)
    block.out.summary = "; ".join(f"{_name(block, d.field)}: {_words(d.decision)}" for d in decided)


def _hertz(text: str) -> float:
    return parse_solint(f"inf,{text}").width_hz


def _name(block: Block, field: int) -> str:
    return block.facts.metadata.fields[field].name


def _words(d: PhaseDecision) -> str:
    how = "spws combined" if d.combine else ("weak spws mapped" if d.mapped else "every spw alone")
    return f"{how}, {d.solint}{', both polarisations together' if d.gaintype == 'T' else ''}"


def _offsets(
    block: Block, field: str, intent: str, spws: list[int], combine: str, how: Mapping[str, Any], forget: bool
) -> str:
    """Solve for the phase offsets between spws and register them for all data."""
    terms = {e.term for e in block.library.entries} - {"offset", "phase", "amp"} if forget else None
    fields = [int(f) for f in field.split(",")] if field else None
    table = block.caltable("solintinf.gpcal")
    try:
        units = block.solve(
            "gaincal", table, intents=intent.split(","), fields=fields, spws=spws, terms=terms, solint="inf",
            combine=combine, calmode="p", gaintype="G", **how,
        )  # fmt: skip
    except NoSolutions as error:
        block.out.say("warning", f"no phase offsets between spws: {error}")
        units = []
    if not units:
        block.out.score(0.0, "offsets", 0, "", "no phase offsets", f"{block.name}: no phase offsets between spws")
        return ""
    block.register(Applied("offset", table, interp="nearest", calwt=False))
    return table


def _calibrators(block: Block) -> list[tuple[int, str]]:
    """Return the calibrators with the intent that decides about their phases."""
    facts, out = block.facts, []
    for number in facts.fields(*_ORDER):
        intents = facts.intents_of(number)
        if _LEFT_OUT in intents:
            continue
        out.append((number, next(i for i in _ORDER if i in intents)))
    return out


def phase_calibrators(block: Block) -> dict[int, int]:
    """Return for every target and check source the phase calibrator that it takes its phases from.

    That of the last scan before the field's first one; of the first after it where there is none (hifa_spwphaseup).
    """
    scans = block.facts.science_scans("PHASE")
    found: dict[int, int] = {}
    for number in block.facts.fields("TARGET", "CHECK"):
        if "PHASE" in block.facts.intents_of(number) or not scans:
            continue
        begin = min(s.start_s for s in block.facts.science_scans("TARGET", "CHECK") if number in s.fields)
        before = [s for s in scans if s.start_s < begin]
        found[number] = (before[-1] if before else scans[0]).fields[0]
        if not before:
            block.out.say("attention", f"{_name(block, number)} was observed before any phase calibrator")
    return found


def _decide(block: Block, number: int, intent: str, spws: Sequence[int], wanted: Wanted) -> FieldDecision:
    """Decide how a calibrator's phases are solved, by the signal to noise that is measured, or expected."""
    intents = _together(block, number, intent)
    of_intent = {i: usable_spws(block, number, i, spws) for i in intents}
    usable = sorted({s for found in of_intent.values() for s in found})
    name = _name(block, number)
    if not usable:
        block.out.say("warning", f"all data of {name} are flagged", "see which stage flagged them")
        return FieldDecision(number, intent, (), PhaseDecision(reason="all data are flagged"))
    expected = {s: e for i, some in of_intent.items() for s, e in expected_snr(block, number, i, some).items()}
    weak = intent in WEAK_INTENTS
    catalogue = {s: (e.snr_scan if weak else e.snr_integration) for s, e in expected.items()}
    measured = _measured(block, number, intents, usable) if _needs_measurement(block, wanted, catalogue) else {}
    snrs = dict(measured)
    for s, value in catalogue.items():
        if s not in snrs and math.isfinite(value):
            snrs[s] = value * (1.0 if block.cycle4 else CATALOGUE_FACTOR)
    windows = windows_of(
        block.facts, [s for s in spws if any(s in c.spws and number in c.fields for c in block.facts.science_scans())]
    )
    decision = _by_recipe(block, windows, snrs, wanted, number, intent, expected, usable)
    block.out.decisions.setdefault("snr", {})[name] = {
        "intent": intent,
        "per": "scan" if weak else "integration",
        "expected": {str(s): e.plain() for s, e in expected.items()},
        "measured": {str(s): v for s, v in measured.items()},
        "used": {str(s): v for s, v in snrs.items()},
    }
    return FieldDecision(number, intent, tuple(usable), decision)


def _together(block: Block, number: int, intent: str) -> list[str]:
    """Return the intents whose data a decision is for: the differential gain calibrator's in both setups."""
    if intent != SIGNAL or REFERENCE not in block.facts.intents_of(number):
        return [intent]
    return [SIGNAL, REFERENCE]


def _needs_measurement(block: Block, wanted: Wanted, catalogue: Mapping[int, float]) -> bool:
    """Whether gains are solved to see their signal to noise; Cycle 4 does so only where nothing is expected."""
    if wanted.mode in ("simple", "default"):
        return False
    return not block.cycle4 or not any(math.isfinite(v) for v in catalogue.values())


def _measured(block: Block, number: int, intents: Sequence[str], usable: Sequence[int]) -> dict[int, float]:
    """Solve a calibrator's phases and return the median signal to noise of every spw."""
    table = block.caltable(f"snr.field{number}.gpcal")
    try:
        units = block.solve(
            "gaincal", table, intents=intents, fields=[number], spws=usable, calmode="p", gaintype="G", minsnr=2.0,
            solint="inf" if intents[0] in WEAK_INTENTS else "int",
        )  # fmt: skip
    except NoSolutions:
        return dict.fromkeys(usable, 0.0)
    if not units:
        return {}
    npol = {s: block.facts.npol(s) for s in usable}
    found = median_snr(read_caltable(block.path(table)), npol)
    return {s: found.get(s, 0.0) for s in usable}


def _by_recipe(
    block: Block, windows: list[Window], snrs: Mapping[int, float], wanted: Wanted, number: int, intent: str,
    expected: Mapping[int, Expected], usable: Sequence[int],
) -> PhaseDecision:  # fmt: skip
    some = next(iter(expected.values()))
    if not block.cycle4:
        amplitude = "AMPLITUDE" in block.facts.intents_of(number)
        return decide_today(
            windows, snrs, wanted, intent=intent, integration_s=some.integration_s, scan_s=some.scan_s, usable=usable,
            amplitude=amplitude,
        )  # fmt: skip
    if intent not in WEAK_INTENTS:  # Cycle 4 looked at the phase calibrator only
        return PhaseDecision(reason="Cycle 4 decides about phase calibrators and check sources")
    return decide_cycle4(windows, snrs, wanted, scan_s=some.scan_s, usable=usable)


def _score_mapping(block: Block, decided: Sequence[FieldDecision]) -> None:
    """Score maps: Cycle 4 made any of them yellow."""
    for d in decided:
        if d.intent not in WEAK_INTENTS:
            continue
        name = _name(block, d.field)
        moved = sum(a != b for a, b in d.decision.spwmap.items())
        value = 0.66 if block.cycle4 and d.decision.mapped else 1.0
        short = "spws mapped" if d.decision.mapped else "spws not mapped"
        text = f"{block.name}, {name}: {_words(d.decision)}: {d.decision.reason}"
        block.out.score(value, "mapped_spws", moved, "spws", short, text, field=name, intent=d.intent)
        if d.decision.mapped:
            block.out.say("attention", text)


def _achieved(block: Block, decided: Sequence[FieldDecision]) -> None:
    """Solve the calibrators' phases as decided and score the signal to noise that is reached."""
    rows = {}
    for d in decided:
        if not d.usable:
            continue
        name, weak = _name(block, d.field), d.intent in WEAK_INTENTS
        solved = solve_phases(
            block, f"achieved.field{d.field}.gpcal", d.decision, intents=_together(block, d.field, d.intent),
            fields=[d.field],
            usable=d.usable, solint="inf" if weak else "", minsnr=3.0, minblperant=4,
        )  # fmt: skip
        found: dict[int, float] = {}
        if solved.table:
            npol = {s: block.facts.npol(s) for s in d.usable}
            found = median_snr(read_caltable(block.path(solved.table)), npol)
        sources = sorted({d.decision.spwmap.get(s, s) for s in d.usable})
        for s in sources:
            snr = found.get(s, 0.0)
            value = score_achieved_snr(snr, d.decision.limit, check=d.intent == "CHECK")
            what = f"median signal to noise {snr:.1f}; {d.decision.limit:g} was asked for"
            text = f"{block.name}, {name} ({d.intent}), spw {s}: {what}"
            block.out.score(
                value, "achieved_snr", snr, "", "phase signal to noise", text, field=name, spw=str(s), intent=d.intent
            )
        rows[name] = {str(s): found.get(s, 0.0) for s in sources}
    block.out.decisions["achieved_snr"] = rows

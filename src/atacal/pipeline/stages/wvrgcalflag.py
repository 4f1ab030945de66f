"""Stage wvrgcalflag: the phases of the water vapour, whether they help, and radiometers that spoil them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atacal.errors import ArgumentError
from atacal.heuristics.wvr_scores import TOO_FEW_LEFT, score_wvr
from atacal.heuristics.wvr_views import high_outliers, noise_of, overall_improvement, too_few_radiometers
from atacal.ms.measurement_set import MeasurementSet
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.stage import stage
from atacal.pipeline.wvr_charts import phase_charts, view_charts
from atacal.pipeline.wvr_trial import Judged, Trial
from atacal.recipe.roles import separation_rad
from atacal.wvr.measured import wvr_spws
from atacal.wvr.sources import find_sources

_LATE_RADIOMETERS_MJD = 56313.0
"""Before 2013-01-21 ALMA's radiometers had time stamps a second late."""
_TIED_DEG = 15.0
_SEVEN_METRES = 7.0
_NEAR_M, _FAR_M = 100.0, 500.0


@stage("hifa_wvrgcalflag", "Water vapour")
def hifa_wvrgcalflag(
    block: Block,
    offsetstable: str = "",
    hm_toffset: str = "automatic",
    toffset: float = 0.0,
    segsource: bool = True,
    sourceflag: Sequence[str] = (),
    hm_tie: str = "automatic",
    tie: Sequence[str] = (),
    nsol: int = 1,
    disperse: bool = False,
    wvrflag: Sequence[str] | str = (),
    hm_smooth: str = "automatic",
    smooth: str = "",
    scale: float = 1.0,
    maxdistm: float = -1.0,
    minnumants: int = 2,
    mingoodfrac: float = 0.8,
    refant: str = "",
    flag_intent: str = "",
    qa_intent: str = "",
    qa_bandpass_intent: str = "",
    accept_threshold: float = 1.0,
    flag_hi: bool = True,
    fhi_limit: float = 10.0,
    fhi_minsample: int = 5,
    ants_with_wvr_thresh: float = 0.2,
    ants_with_wvr_nr_thresh: int = 3,
) -> None:
    """Make a table of the water's phases; use it if the scatter of calibrators' phases falls by it.

    The phases of bandpass and phase calibrators are solved for every integration without and with the table, after a
    temporary bandpass. An antenna whose scatter the correction raises far more than others' gets its water from its
    neighbours, and the table is made once more.

    Parameters
    ----------
    offsetstable, segsource, sourceflag, nsol, disperse, scale, minnumants, mingoodfrac
        Of wvrgcal.
    hm_toffset, toffset
        Automatic: -1 s before 2013-01-21, else 0.
    hm_tie, tie
        Automatic: targets and the phase calibrators within 15 degrees share coefficients.
    wvrflag : list of str
        Antennas whose radiometers are not used.
    hm_smooth, smooth
        Automatic: the longer one of the integrations of the correlator and the radiometers.
    maxdistm : float
        Distance of neighbours [m]; -1: 100 m where most antennas have 7 m, else 500 m.
    refant : str
        Antennas whose water gives the coefficients.
    flag_intent, qa_intent : str
        Intents whose views show bad radiometers (the first of BANDPASS, PHASE, AMPLITUDE), and by which the correction
        is judged (these and PHASE).
    qa_bandpass_intent : str
        On which the temporary bandpass is solved.
    accept_threshold : float
        The scatter must fall by this factor for the table to be used.
    flag_hi, fhi_limit, fhi_minsample
        Flag ratios that exceed the median by so many median absolute deviations, of at least so many.
    ants_with_wvr_thresh, ants_with_wvr_nr_thresh
        Least share and number of antennas with radiometers that work.
    """
    given = dict(locals())
    facts = block.facts
    names = facts.metadata.antenna_names()
    fitted = [n for n in names if not n.startswith("CM")]
    limits = (ants_with_wvr_nr_thresh, ants_with_wvr_thresh)
    few = too_few_radiometers(len(fitted), len(names), *limits)
    if few:
        block.out.say("info", f"no water vapour correction: {few}")
        block.out.summary = f"not made: {few}"
        return
    spws = _radiometer_spws(block)
    if not spws:
        text = "there are antennas of 12 m and no data of their radiometers"
        block.out.say("warning", text, "check whether the radiometers' spws were imported")
        block.out.score(0.0, "phase_rms_improvement", None, "", "no WVR", f"{block.name}: {text}")
        block.out.summary = f"not made: {text}"
        return
    flagged = [wvrflag] if isinstance(wvrflag, str) and wvrflag else list(wvrflag)
    arguments = wvrgcal_arguments(block, spws, given)
    trial = Trial.of(block, flag_intent, qa_intent, qa_bandpass_intent)
    first = trial.judge("wvrcal.first", arguments, flagged)
    looked_at = trial.flag_views(first)
    outliers = [o for v in looked_at for o in high_outliers(v, fhi_limit, fhi_minsample)] if flag_hi else []
    bad = sorted({names[o.antenna] for o in outliers} - set(flagged))
    view_charts(block, looked_at, "first")
    last = trial.judge("wvrcal", arguments, [*flagged, *bad]) if bad else first
    if bad:
        view_charts(block, trial.flag_views(last), "flagged")
    if last.phases is not None and trial.without is not None:
        phase_charts(block, trial.intents, trial.spw, trial.without, last.phases)
    block.out.decisions |= {
        "wvrgcal": arguments, "wvrflag": [*flagged, *bad], "qa_spw": trial.spw, "qa_intents": trial.intents,
        "outliers": [
            {"antenna": names[o.antenna], "chunk": o.chunk, "ratio": round(o.ratio, 4), "limit": round(o.limit, 4)}
            for o in outliers
        ],
        "radiometers": last.shown(), "water": last.water, "table": last.table,
    }  # fmt: skip
    working = sum(r.has and not r.flagged for r in last.radiometers)
    _decide(block, last, too_few_radiometers(working, len(names), *limits), accept_threshold)


def _radiometer_spws(block: Block) -> list[int]:
    """Return the radiometers' spws that have rows."""
    with MeasurementSet(block.vis) as ms:
        there = set(np.unique(ms.metadata.ddid_spw[np.unique(ms.runs.ddid)]).tolist())
    return [s for s in wvr_spws(block.facts.metadata) if s in there]


def wvrgcal_arguments(block: Block, spws: Sequence[int], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return wvrgcal's arguments, as they were given or as the data have it.

    Parameters
    ----------
    block : Block
    spws : sequence of int
        Of the radiometers.
    given : dict
        The stage's parameters.

    Raises
    ------
    ArgumentError
        A ``hm_`` parameter is neither automatic nor manual.
    """
    for name in ("hm_toffset", "hm_tie", "hm_smooth"):
        if given[name] not in ("automatic", "manual"):
            raise ArgumentError(f"{name} = {given[name]!r} is not possible; it can be automatic, manual")
    facts = block.facts
    early = min(s.start_s for s in facts.scans) / 86400.0 < _LATE_RADIOMETERS_MJD
    ties = list(tied(block)) if given["hm_tie"] == "automatic" else list(given["tie"])
    seven = sum(abs(a.dish_diameter_m - _SEVEN_METRES) < 0.1 for a in facts.metadata.antennas)
    near = _NEAR_M if seven > 0.5 * facts.metadata.nant else _FAR_M
    refants = [r.strip() for r in given["refant"].split(",") if r.strip()] or block.refants
    return {
        "spw": list(facts.science_spws),
        "wvrspw": [min(spws)],
        "toffset": (-1.0 if early else 0.0) if given["hm_toffset"] == "automatic" else float(given["toffset"]),
        "segsource": bool(given["segsource"]) or bool(ties),
        "tie": ties,
        "sourceflag": list(given["sourceflag"]),
        "nsol": given["nsol"],
        "disperse": given["disperse"],
        "smooth": _smooth(block, spws) if given["hm_smooth"] == "automatic" else given["smooth"],
        "scale": given["scale"],
        "maxdistm": near if given["maxdistm"] < 0 else given["maxdistm"],
        "minnumants": given["minnumants"],
        "mingoodfrac": given["mingoodfrac"],
        "refant": refants,
        "offsetstable": given["offsetstable"],
        "statsource": _stat_source(block),
    }


def _stat_source(block: Block) -> str:
    """Return the source that RMS and Disc are computed on, as in ALMA's scripts: a target, else a phase calibrator.

    Over several sources they would be the differences of the coefficients, not of the air.
    """
    fields = block.facts.fields("TARGET") or block.facts.fields("PHASE")
    sources = find_sources(block.facts.metadata)
    return sources.names[int(sources.of_field[fields[0]])] if fields else ""


def tied(block: Block) -> list[str]:
    """Return targets and the phase calibrators near the first of them as wvrgcal's tie, none if that is one source."""
    facts = block.facts
    meta = facts.metadata
    targets = facts.fields("TARGET")
    if not targets:
        return []
    pure = [f for f in facts.fields("PHASE") if not facts.intents_of(f) & {"BANDPASS", "AMPLITUDE"}]
    close = [f for f in pure if np.degrees(separation_rad(meta, f, targets[0])) <= _TIED_DEG]
    sources = find_sources(meta)
    names = list(dict.fromkeys(sources.names[int(sources.of_field[f])] for f in [*close, *targets]))
    return [",".join(names)] if len(names) > 1 else []


def _smooth(block: Block, spws: Sequence[int]) -> str:
    """Return the longer one of the integrations of correlator and radiometers; empty if that is the latter's."""
    intents = ("BANDPASS", "AMPLITUDE", "PHASE", "TARGET")
    science_s = block.facts.integration_s(*(i for i in intents if block.facts.has(i)))
    with MeasurementSet(block.vis) as ms:
        own = ms.runs.interval[np.isin(ms.metadata.ddid_spw[ms.runs.ddid], spws)]
    return f"{science_s:.6g}s" if science_s > 1.01 * float(np.median(own)) else ""


def _decide(block: Block, last: Judged, few: str, accept_threshold: float) -> None:
    """Register the table, or say why not, and score it."""
    noise = noise_of(last.views)
    improvement = overall_improvement(last.views, noise, block.recipe)
    scores = {f"{v.intent} spw {v.spw}": _number(v.improvement) for v in last.views}
    accepted = not few and (math.isnan(improvement) or improvement >= accept_threshold)
    block.out.decisions |= {
        "improvement": _number(improvement),
        "view_improvements": scores,
        "accepted": accepted,
        "accept_threshold": accept_threshold,
        "noise": vars(noise) | {"percentiles_deg": dict(noise.percentiles_deg or {})},
    }
    if accepted:
        block.register(
            Applied("wvr", last.table, interp="nearest", calwt=False, spw=",".join(map(str, block.facts.science_spws)))
        )
    if few:
        block.out.score(
            TOO_FEW_LEFT, "phase_rms_improvement", _number(improvement), "", "too few WVR", f"{block.name}: {few}"
        )
        block.out.say("warning", f"the water vapour correction is not used: {few}")
        block.out.summary = f"not used: {few}"
        return
    if math.isnan(improvement):
        text = "no calibrator has phases with and without it: the correction is used, unjudged"
        block.out.score(0.0, "phase_rms_improvement", None, "", "no WVR scores", f"{block.name}: {text}")
        block.out.say("warning", text, "look at the calibrators' phases")
        block.out.summary = text
        return
    found = score_wvr(improvement, last.radiometers, noise, block.recipe)
    why = f": {'; '.join(found.reasons)}" if found.reasons else ""
    block.out.score(
        found.score, "phase_rms_improvement", improvement, "", f"{improvement:.2f}x improvement",
        f"{block.name}: the scatter of the calibrators' phases falls by {improvement:.2f} (1 is accepted){why}",
    )  # fmt: skip
    if not accepted:
        block.out.say(
            "warning", f"the water vapour correction is not used: it changes the phases' scatter by {improvement:.2f}",
            "clouds may have to be removed first (remcloud)" if found.remove_cloud else "",
        )  # fmt: skip
    flags = f"; flagged {', '.join(block.out.decisions['wvrflag'])}" if block.out.decisions["wvrflag"] else ""
    block.out.summary = f"{improvement:.2f}x, {'used' if accepted else 'not used'}{flags}"


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None

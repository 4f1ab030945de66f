"""Stage gfluxscale: the flux densities of the other calibrators from that of the flux calibrator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atacal.caltables.disk import read_caltable, write_caltable
from atacal.errors import ArgumentError, NoSolutions
from atacal.flux.ephemeris import body_of
from atacal.flux.solar_system import planet
from atacal.heuristics.amp_gain_outliers import OUTLIER_SIGMA, amplitude_outliers
from atacal.heuristics.resolved import PEAK_FRACTION, antennas_within, longest_baseline_m
from atacal.pipeline.block import Block
from atacal.pipeline.calibrated import mean_fluxes
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.flux_bridge import bridge, unlit_spws
from atacal.pipeline.flux_report import report_fluxes
from atacal.pipeline.phase_solves import decision_for, solve_phases
from atacal.pipeline.stage import stage

_TRANSFER = "PHASE,BANDPASS,CHECK,DIFFGAINREF,DIFFGAINSRC,POLARIZATION"
_BASELINES = 2
"""Baselines that an antenna needs: few are left where a body is resolved (hifa_gfluxscale)."""


@stage("hifa_gfluxscale", "Flux scale", needed=True)
def hifa_gfluxscale(
    block: Block,
    reference: str = "",
    transfer: str = "",
    refintent: str = "AMPLITUDE",
    transintent: str = _TRANSFER,
    refspwmap: Sequence[int] | None = None,
    reffile: str = "",
    phaseupsolint: str = "",
    solint: str = "inf",
    minsnr: float = 2.0,
    refant: str = "",
    hm_resolvedcals: str = "automatic",
    antenna: str = "",
    uvrange: str = "",
    peak_fraction: float = PEAK_FRACTION,
    amp_outlier_sigma: float = OUTLIER_SIGMA,
) -> None:
    """Derive the flux densities of the calibrators, and give them as models.

    Parameters
    ----------
    reference, transfer : str
        Field names or ids in place of those that the intents give.
    refintent, transintent : str
    refspwmap : list of int, optional
        For fluxscale; that of hifa_fluxcalflag by default.
    reffile : str
        A file like flux.csv with flux densities to compare with.
    phaseupsolint : str
        Interval of the phases in place of what hifa_spwphaseup decided.
    solint, minsnr
        Of the amplitudes.
    refant : str
        In place of the run's.
    hm_resolvedcals : {'automatic', 'manual'}
        Find the antennas that see a resolved body, or take ``antenna`` and ``uvrange``.
    antenna, uvrange : str
    peak_fraction : float
        The body may be resolved to this fraction of what the shortest baseline sees.
    amp_outlier_sigma : float
        Amplitudes further off their field's median than so many median deviations do not count (today's recipe).
    """
    if hm_resolvedcals not in ("automatic", "manual"):
        raise ArgumentError(f"hifa_gfluxscale: hm_resolvedcals={hm_resolvedcals!r}: possible are automatic, manual")
    if refant:
        block.set("refants", [w.strip() for w in refant.split(",") if w.strip()])
    references = _fields(block, reference, refintent)
    transfers = [f for f in _fields(block, transfer, transintent) if f not in references]
    if not references:
        text = f"no scan has the intent {refintent}: amplitudes are relative to the models that there are, or to 1 Jy"
        block.out.say("warning", text, "name a calibrator of known flux density: hifa_gfluxscale(reference='NAME')")
        block.out.score(0.0, "flux_calibrators", 0, "", "no flux calibrator", f"{block.name}: {text}")
        block.out.summary = "no flux calibrator: nothing derived"
        return
    where = {"antenna": antenna, "uvrange": uvrange}
    if hm_resolvedcals == "automatic":
        where = _resolved(block, references, peak_fraction)
    block.out.decisions["resolved"] = where
    intents = [*refintent.split(","), *transintent.split(",")]
    phases = _phases(block, references, transfers, intents, phaseupsolint, minsnr, where)
    table = _amplitudes(block, [*references, *transfers], intents, phases, solint, minsnr, amp_outlier_sigma)
    if not transfers:  # one calibrator for all: its model is the flux scale
        block.out.score(
            1.0,
            "derived_fluxes",
            0,
            "",
            "nothing to derive",
            f"{block.name}: the flux calibrator is the only calibrator",
        )
        block.out.summary = "one calibrator for all"
        return
    mapped = list(refspwmap if refspwmap is not None else block.get("refspwmap", [-1]))
    flux_table = block.caltable("fluxscale.gacal")
    result = block.do(
        "fluxscale", vis=block.name, caltable=table, fluxtable=flux_table, reference=[str(f) for f in references],
        transfer=[str(f) for f in transfers], refspwmap=mapped,
    )  # fmt: skip
    block.out.tables.append(flux_table)
    unlit = unlit_spws(block, references) if mapped == [-1] else ()
    derived = _derived(block, result, transfers, unlit)
    over = bridge(block, unlit, table, derived, transfers, _model_jy) if unlit else None
    _set_models(block, derived)
    amplitudes = [Applied("amp", flux_table, interp="nearest", field=str(f), gainfield=str(f)) for f in transfers]
    if over is not None:
        amplitudes += over.amplitudes([f for f in transfers if f != over.field])
    means = mean_fluxes(block, transintent.split(","), transfers, [*phases, *amplitudes])
    if over is not None:
        means = over.scaled(means)
    report_fluxes(block, derived, means, transfers, reffile)


def _fields(block: Block, words: str, intents: str) -> list[int]:
    if not words:
        return block.facts.fields(*intents.split(","))
    names = block.facts.metadata.field_names()
    given = [w.strip() for w in words.split(",") if w.strip()]
    unknown = [w for w in given if w not in names and not (w.isdigit() and int(w) < len(names))]
    if unknown:
        raise ArgumentError(
            f"hifa_gfluxscale: {block.name} has no field {', '.join(unknown)}; it has {', '.join(names)}"
        )
    return sorted(int(w) if w.isdigit() else names.index(w) for w in given)


def _before(block: Block) -> set[str]:
    """Return the terms that are applied before phases and amplitudes are solved."""
    return {e.term for e in block.library.entries} - {"phase", "amp"}


def _resolved(block: Block, references: Sequence[int], fraction: float) -> dict[str, str]:
    """Choose antennas and baselines for a body that is resolved; empty selections if it is not."""
    facts = block.facts
    positions, names = facts.metadata.antenna_positions_m, facts.metadata.antenna_names()
    first = names.index(block.refants[0])
    distance = np.linalg.norm(positions - positions[first], axis=1)
    shortest, longest = float(distance[distance > 0].min()), float(_longest(positions))
    freq = min(s.centre_freq_hz for s in facts.spws)  # the pipeline's: the longest wavelength
    limits = {}
    for field in references:
        body = body_of(facts.metadata.fields[field].name)
        if body is None:
            continue
        begin = min(s.start_s for s in facts.science_scans() if field in s.fields)
        width = planet(body, begin / 86400.0).disc.major_rad
        limits[body] = longest_baseline_m(width, freq, shortest, fraction)
    if not limits or min(limits.values()) >= longest:
        return {"antenna": "", "uvrange": ""}
    body, limit = min(limits.items(), key=lambda item: item[1])
    chosen = antennas_within(positions, first, limit)
    if not chosen:
        block.out.say(
            "warning",
            f"{body} is resolved: it is seen to {limit:.0f} m from {names[first]}, where there are fewer than three "
            "antennas; all are used",
            "check the flux scale, or choose another flux calibrator with hifa_gfluxscale(reference=...)",
        )
        return {"antenna": "", "uvrange": ""}
    text = ",".join(names[a] for a in chosen)
    block.out.say("attention", f"{body} is resolved beyond {limit:.0f} m: its phases are solved with {text}")
    return {"antenna": text + "&" if len(chosen) < len(names) else "", "uvrange": f"0~{limit:.1f}m"}


def _longest(positions: np.ndarray) -> float:
    return float(np.linalg.norm(positions[:, None] - positions[None], axis=2).max())


def _phases(
    block: Block, references: Sequence[int], transfers: Sequence[int], intents: Sequence[str], solint: str,
    minsnr: float, where: Mapping[str, str],
) -> list[Applied]:  # fmt: skip
    """Solve for phases as decided: the flux calibrators with the antennas that see them, the others with all."""
    groups: dict[str, tuple[Any, list[int], dict[str, Any]]] = {}
    for field in [*references, *transfers]:
        decided = decision_for(block, field)
        few = {"minblperant": _BASELINES, **where} if field in references else {"minblperant": 4}
        key = f"{decided.decision!r} {decided.usable} {few}"
        groups.setdefault(key, (decided, [], few))[1].append(field)
    out = []
    for number, (decided, fields, more) in enumerate(groups.values()):
        try:
            solved = solve_phases(
                block, f"phase{number}.gpcal", decided.decision, intents=intents, fields=fields, usable=decided.usable,
                solint=solint, minsnr=minsnr, terms=_before(block), **more,
            )  # fmt: skip
        except NoSolutions as error:
            block.out.say("warning", f"no phases of field {fields}: {error}")
            continue
        if solved.table:
            out.append(Applied("phase", solved.table, interp="linear", calwt=False, field=",".join(map(str, fields))))
    if not out:
        raise NoSolutions(f"{block.name}: the phases of no calibrator can be solved")
    return out


def _amplitudes(
    block: Block, fields: Sequence[int], intents: Sequence[str], phases: Sequence[Applied], solint: str, minsnr: float,
    sigma: float,
) -> str:  # fmt: skip
    """Solve for amplitudes, and flag those that are far off."""
    table = block.caltable(f"solint{solint}.gacal")
    block.solve(
        "gaincal", table, intents=intents, fields=fields, extra=phases, terms=_before(block), gaintype="T",
        calmode="a", solint=solint, minsnr=minsnr, minblperant=_BASELINES,
    )  # fmt: skip
    if block.cycle4:
        return table
    found, gone = read_caltable(block.path(table)), []
    names = block.facts.metadata.antenna_names()
    for spw, one in sorted(found.solutions.items()):
        off = amplitude_outliers(np.abs(one.param), one.flag, one.field, sigma=sigma)
        for slot, antenna in zip(*np.nonzero(off.any(axis=(2, 3))), strict=True):
            gone.append(
                {
                    "spw": spw,
                    "antenna": names[antenna],
                    "scan": int(one.scan[slot]),
                    "amplitude": float(np.abs(one.param[slot, antenna]).max()),
                }
            )
        one.flag |= off
    block.out.decisions["amplitude_outliers"] = gone
    if gone:
        write_caltable(block.path(table), found, overwrite=True)
        who = ", ".join(sorted({g["antenna"] for g in gone}))
        block.out.say(
            "attention",
            f"{len(gone)} amplitudes of {who} are more than {sigma:g} median deviations off and do not count",
        )
    return table


def _model_jy(block: Block, field: int, spw: int) -> float:
    """Return the model that a field had in an spw when it was solved [Jy]; 1 Jy where none was set."""
    value = 1.0
    for call in block.get("models", []):
        if call["field"] == str(field) and str(spw) in call["spw"].split(",") and call["standard"] == "manual":
            value = float(call["fluxdensity"][0])
    return value


def _derived(
    block: Block, result: Mapping[str, Any], transfers: Sequence[int], unlit: Sequence[int]
) -> dict[int, dict[int, dict[str, Any]]]:
    """Read fluxscale's result; spws without a value take that of the fitted spectrum.

    fluxscale takes the models of the transfer fields to be 1 Jy; those of bandpass calibrators can be others.
    """
    out: dict[int, dict[int, dict[str, Any]]] = {}
    for field in transfers:
        found = result.get(str(field), {})
        there = {s for c in block.facts.science_scans() if field in c.fields for s in c.spws}
        spws = [s for s in block.facts.science_spws if s in there and s not in unlit]
        measured: dict[int, dict[str, Any]] = {}
        for spw in spws:
            one = found.get(str(spw))
            if one is not None and float(one["fluxd"][0]) > 0:
                model = _model_jy(block, field, spw)
                error = float(one["fluxdErrMedian"][0])
                measured[spw] = {
                    "flux_jy": model * float(one["fluxd"][0]), "casa_error_jy": model * float(one["fluxdErr"][0]),
                    "error_jy": model * error if math.isfinite(error) and error > 0 else None,
                    "solutions": int(one["numSol"][0]), "fitted": False,
                }  # fmt: skip
        if not measured:
            continue
        freq = {s: block.facts.metadata.spws[s].centre_freq_hz for s in spws}
        slope, level = _spectrum({s: measured[s]["flux_jy"] for s in measured}, freq)
        for spw in spws:
            fitted = {"flux_jy": level * freq[spw] ** slope, "casa_error_jy": None, "error_jy": None, "solutions": 0}
            out.setdefault(field, {})[spw] = {
                **measured.get(spw, {**fitted, "fitted": True}), "freq_hz": freq[spw], "spix": slope,
            }  # fmt: skip
    return out


def _spectrum(flux_jy: Mapping[int, float], freq_hz: Mapping[int, float]) -> tuple[float, float]:
    """Fit a power law S = level nu^slope to the spws' flux densities; a constant to one."""
    x = np.log([freq_hz[s] for s in flux_jy])
    y = np.log(list(flux_jy.values()))
    if len(x) < 2 or np.ptp(x) < 1e-3:
        return 0.0, float(np.exp(y.mean()))
    slope = float(np.polyfit(x - x.mean(), y, 1)[0])
    return slope, float(np.exp(y.mean() - slope * x.mean()))


def _set_models(block: Block, derived: Mapping[int, Mapping[int, Mapping[str, Any]]]) -> None:
    """Give the calibrators their derived flux densities as models; bandpass calibrators with their spectral index."""
    models = list(block.get("models", []))
    for field, spws in derived.items():
        spectral = "BANDPASS" in block.facts.intents_of(field)
        for spw, one in spws.items():
            call = {
                "field": str(field), "spw": str(spw), "standard": "manual",
                "fluxdensity": [one["flux_jy"], 0.0, 0.0, 0.0],
                "spix": one["spix"] if spectral else 0.0, "reffreq": f"{one['freq_hz']:.0f}Hz", "usescratch": False,
            }  # fmt: skip
            block.do("setjy", vis=block.name, **call)
            models.append(call)
    block.set("models", models)
    block.out.models_changed = True

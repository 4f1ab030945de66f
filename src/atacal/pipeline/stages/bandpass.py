"""Stage bandpass: phases of the bandpass calibrator followed in time, then every antenna's response to frequency."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from atacal.caltables.disk import read_caltable
from atacal.errors import ArgumentError, NoSolutions, PipelineError
from atacal.heuristics.bandpass_scores import antenna_scores, score_missing
from atacal.heuristics.phase_decision import PhaseDecision
from atacal.heuristics.snr import (
    BANDPASS_SNR,
    BANDPASS_SNR_LINES,
    BANDPASS_SOLUTIONS,
    MOST_CHANNELS,
    PHASEUP_LONGEST_S,
    PHASEUP_SNR,
    PHASEUP_SOLUTIONS,
    ChannelInterval,
    PhaseUp,
    choose_channels,
    choose_phaseup,
    has_strong_line,
)
from atacal.heuristics.spw_maps import combined_map
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.expected import Expected, expected_snr, tsys_spectrum, usable_spws, windows_of
from atacal.pipeline.phase_solves import solve_phases
from atacal.pipeline.solution_charts import bandpass_charts, gain_charts
from atacal.pipeline.stage import stage

_INTENT = "BANDPASS"


@stage("hifa_bandpass", "Bandpass", needed=True)
def hifa_bandpass(
    block: Block,
    field: str = "",
    intent: str = _INTENT,
    spw: str = "",
    hm_phaseup: str = "snr",
    phaseupbw: str = "",
    phaseupmaxsolint: float = PHASEUP_LONGEST_S,
    phaseupsolint: str = "int",
    phaseupsnr: float = PHASEUP_SNR,
    phaseupnsols: int = PHASEUP_SOLUTIONS,
    hm_phaseup_combine: str = "snr",
    hm_bandpass: str = "snr",
    solint: str = "inf",
    maxchannels: int = MOST_CHANNELS,
    evenbpints: bool = True,
    bpsnr: float = BANDPASS_SNR,
    minbpsnr: float = BANDPASS_SNR_LINES,
    bpnsols: int = BANDPASS_SOLUTIONS,
    combine: str = "scan",
    refant: str = "",
    solnorm: bool = True,
    minblperant: int = 4,
    minsnr: float = 3.0,
    unregister_existing: bool = False,
    hm_auto_fillgaps: bool | None = None,
) -> None:
    """Solve for the bandpass.

    Parameters
    ----------
    field, intent, spw : str
        On what: the fields of an intent, the science spws by default.
    hm_phaseup : {'snr', 'manual', ''}
        Choose the interval of the phases before by the signal to noise, take ``phaseupsolint``, or solve for none.
    phaseupbw : str
        Only empty is possible: all of the spw.
    phaseupmaxsolint, phaseupsnr, phaseupnsols
        Longest interval [s], signal to noise, and least number of intervals of these phases.
    phaseupsolint : str
    hm_phaseup_combine : {'snr', 'always', 'never'}
        Whether spws are combined for them where one needs longer than an integration (today's recipe).
    hm_bandpass : {'snr', 'smoothed', 'fixed'}
        Choose channels by the signal to noise, ``maxchannels`` solutions across an FDM spw, or take ``solint``.
    solint, combine : str
    maxchannels : int
    evenbpints : bool
        Solutions divide the spw evenly.
    bpsnr, minbpsnr : float
        Signal to noise of a solution; the second where a strong atmospheric line would be averaged away.
    bpnsols : int
        At least so many solutions across an spw.
    refant : str
        In place of the run's.
    solnorm, minblperant, minsnr
        As bandpass's.
    unregister_existing : bool
        Forget bandpasses that earlier stages have registered.
    hm_auto_fillgaps : bool, optional
        Bridge gaps of up to a quarter of an spw; today's recipe does by default.
    """
    _check(hm_phaseup, hm_bandpass, hm_phaseup_combine, phaseupbw)
    if refant:
        block.set("refants", [w.strip() for w in refant.split(",") if w.strip()])
    spws = [int(s) for s in spw.split(",")] if spw else list(block.facts.science_spws)
    fields = _fields(block, field, intent)
    usable = [s for s in usable_spws(block, fields[0], intent, spws)]
    if not usable:
        raise PipelineError(f"{block.name}: all data of the bandpass calibrator are flagged")
    lost = [s for s in spws if s not in usable]
    if lost:
        block.give_up(lost, "all data of the bandpass calibrator are flagged")
    terms = None if not unregister_existing else {e.term for e in block.library.entries} - {"bandpass"}
    expected = expected_snr(block, fields[0], intent, usable)
    block.out.decisions["expected"] = {str(s): e.plain() for s, e in expected.items()}
    common = {"minblperant": minblperant, "minsnr": minsnr}
    phases: list[Applied] = []
    if hm_phaseup:
        how = _phaseup(
            block,
            expected,
            usable,
            hm_phaseup,
            phaseupsolint,
            phaseupsnr,
            phaseupnsols,
            phaseupmaxsolint,
            hm_phaseup_combine,
        )
        phases = _solve_phaseup(block, how, fields, intent, usable, terms, common)
    intervals = _intervals(
        block, expected, usable, fields[0], intent, hm_bandpass, maxchannels, evenbpints, bpsnr, minbpsnr, bpnsols
    )
    fill = (not block.cycle4) if hm_auto_fillgaps is None else hm_auto_fillgaps
    table = _solve(
        block,
        intervals,
        fields,
        intent,
        solint,
        combine,
        fill and hm_bandpass != "fixed",
        terms,
        phases,
        common | {"solnorm": solnorm},
    )
    block.register(Applied("bandpass", table, interp="linear,linear"))
    _score(block, table, spws, len(fields))  # given-up spws as well
    found = read_caltable(block.path(table))
    bandpass_charts(block, found)
    sizes = {i.channels for i in intervals.values()}
    block.out.summary = (
        f"{', '.join(block.facts.metadata.fields[f].name for f in fields)}: "
        f"{'every channel' if sizes == {1} else f'{min(sizes)} to {max(sizes)} channels a solution'}"
    )


def _check(hm_phaseup: str, hm_bandpass: str, hm_combine: str, phaseupbw: str) -> None:
    for name, value, possible in (
        ("hm_phaseup", hm_phaseup, ("snr", "manual", "")),
        ("hm_bandpass", hm_bandpass, ("snr", "smoothed", "fixed")),
        ("hm_phaseup_combine", hm_combine, ("snr", "always", "never")),
        ("phaseupbw", phaseupbw, ("",)),
    ):
        if value not in possible:
            raise ArgumentError(
                f"hifa_bandpass: {name}={value!r} is not possible; possible are {', '.join(map(repr, possible))}"
            )


def _fields(block: Block, field: str, intent: str) -> list[int]:
    names = block.facts.metadata.field_names()
    words = [w.strip() for w in field.split(",") if w.strip()]
    found = [
        int(w) if w.isdigit() else names.index(w) for w in words if w.isdigit() or w in names
    ] or block.facts.fields(intent)
    if not found:
        raise PipelineError(f"{block.name}: no scan has the intent {intent}")
    return found


def _phaseup(
    block: Block, expected: Mapping[int, Expected], usable: list[int], mode: str, solint: str, snr: float, nsols: int,
    longest: float, combine: str,
) -> PhaseUp:  # fmt: skip
    """Choose how the phases before are solved, by the tuning whose best spw is the weakest."""
    if mode == "manual":
        found = PhaseUp(solint, combine == "always", math.nan, "as asked for")
    else:
        by_tuning: dict[str, list[int]] = {}
        for w in windows_of(block.facts, usable):
            by_tuning.setdefault(w.tuning, []).append(w.spw)
        best = {
            t: max(
                (expected[s].snr_integration for s in m if np.isfinite(expected[s].snr_integration)), default=math.nan
            )
            for t, m in by_tuning.items()
        }
        known = {t: v for t, v in best.items() if np.isfinite(v)}
        members = by_tuning[min(known, key=lambda t: known[t])] if known else usable
        some = expected[members[0]]
        widths = [float(np.abs(block.facts.metadata.spws[s].chan_width_hz).sum()) for s in members]
        found = choose_phaseup(
            [expected[s].snr_integration for s in members], widths, some.integration_s, some.exposure_s, wanted=snr,
            least_solutions=nsols, longest_s=longest, combine=combine, recipe=block.recipe,
        )  # fmt: skip
    block.out.decisions["phaseup"] = {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in asdict(found).items()
    }
    return found


def _solve_phaseup(
    block: Block, how: PhaseUp, fields: list[int], intent: str, usable: list[int], terms: Any, common: dict[str, Any]
) -> list[Applied]:
    """Solve for the phases before; combined spws need the offsets between them first."""
    extra: list[Applied] = []
    decision = PhaseDecision(solint=how.solint)
    if how.combine and len(usable) > 1:
        offsets = block.caltable("solintinf.offsets.gpcal")
        block.solve(
            "gaincal",
            offsets,
            intents=[intent],
            fields=fields,
            spws=usable,
            terms=terms,
            solint="inf",
            calmode="p",
            gaintype="G",
            **common,
        )
        extra.append(Applied("offset", offsets, interp="linear", calwt=False))
        decision = PhaseDecision(combined_map(windows_of(block.facts, usable)), True, how.solint)
    words = f"solint{how.solint.replace('.', '_')}.gpcal"
    solved = solve_phases(
        block, words, decision, intents=[intent], fields=fields, usable=usable, extra=extra, terms=terms, **common
    )
    if not solved.table:
        raise NoSolutions(
            f"{block.name}: the phases of the bandpass calibrator cannot be solved: it is too weak or flagged"
        )
    block.out.decisions["phaseup"]["followed"] = solved.expanded
    block.set("phaseup", {"solint": how.solint, "combine": decision.combine, "table": solved.table})
    table = read_caltable(block.path(solved.table))
    gain_charts(
        block,
        table,
        "phaseup",
        "Phases of the bandpass calibrator",
        "phase",
        caption="jumps of one antenna, and phases that do not follow the others'",
    )
    return [*extra, Applied("phase", solved.table, interp="linear", calwt=False)]


def _intervals(
    block: Block, expected: Mapping[int, Expected], usable: list[int], field: int, intent: str, mode: str, most: int,
    even: bool, snr: float, snr_lines: float, least: int,
) -> dict[int, ChannelInterval]:  # fmt: skip
    """Choose the channels of a solution in every spw."""
    meta = block.facts.metadata

    def choose(wanted: float) -> dict[int, ChannelInterval]:
        return {
            s: choose_channels(
                expected[s].snr_channel if mode == "snr" else math.nan, meta.spws[s].nchan, ncorr=block.facts.npol(s),
                wanted=wanted, least_solutions=least, most_channels=0 if mode == "fixed" else most, even=even,
            )
            for s in usable
        }  # fmt: skip

    found, wanted, lines = choose(snr), snr, []
    if mode == "snr" and snr > snr_lines and max(i.channels for i in found.values()) >= 2:
        spectra = {s: tsys_spectrum(block, field, intent, s) for s in usable}
        lines = [s for s, spectrum in spectra.items() if spectrum is not None and has_strong_line(spectrum)]
        if lines:
            found, wanted = choose(snr_lines), snr_lines
    block.out.decisions["channels"] = {
        str(s): asdict(i) | {"snr": i.snr if math.isfinite(i.snr) else None} for s, i in found.items()
    }
    block.out.decisions |= {"bandpass_snr": wanted, "strong_lines": lines}
    few = [s for s, i in found.items() if mode == "snr" and i.snr < 0.9 * wanted]
    if few:
        values = ", ".join(f"{s} ({found[s].snr:.0f})" for s in few)
        block.out.say(
            "attention",
            f"the bandpass stays below a signal to noise of {wanted:g} in spw {values}: {least} solutions are kept",
        )
    return found


def _solve(
    block: Block, intervals: Mapping[int, ChannelInterval], fields: list[int], intent: str, solint: str, combine: str,
    fill: bool, terms: Any, phases: list[Applied], how: dict[str, Any],
) -> str:  # fmt: skip
    """Solve spws with the same interval in one pass over their data."""
    table = block.caltable(f"solint{solint.split(',')[0]}.bcal")
    groups: dict[tuple[str, int], list[int]] = {}
    for spw, interval in intervals.items():
        text = solint if interval.channels == 1 or "," in solint else f"{solint},{interval.channels}ch"
        gaps = interval.solutions // 4 if fill else 0
        groups.setdefault((text, gaps), []).append(spw)
    made = False
    for (text, gaps), spws in groups.items():
        try:
            units = block.solve(
                "bandpass", table, intents=[intent], fields=fields, spws=spws, terms=terms, extra=phases, append=made,
                solint=text, combine=combine, bandtype="B", fillgaps=gaps, **how,
            )  # fmt: skip
        except NoSolutions as error:
            block.give_up(spws, f"no bandpass: {error}")
            continue
        made = made or bool(units)
    if not made:
        raise NoSolutions(f"{block.name}: no spw has a bandpass")
    return table


def _score(block: Block, path: str, spws: list[int], nfields: int) -> None:
    """Score missing solutions, and the worst antenna of every spw."""
    table = read_caltable(block.path(path))
    names = block.facts.metadata.antenna_names()
    dead = _dead(block)
    for spw in spws:
        there = table.solutions.get(spw)
        where: Any = {"spw": str(spw), "intent": _INTENT}
        if there is None:
            block.out.score(
                0.0, "missing_solutions", 1.0, "", "no bandpass", f"{block.name}, spw {spw}: no bandpass", **where
            )
            continue
        pols = min(block.facts.npol(spw), there.param.shape[3])
        some = ~there.flag[..., :pols].all(axis=(0, 2))
        expected = len(names) * pols
        missing = [f"{names[a]} {'XY'[p]}" for a, p in np.argwhere(~some) if names[a] not in dead]
        value = score_missing(expected, int(some.sum()))
        text = f"{block.name}, spw {spw}: {int(some.sum())} of {expected} bandpasses (antennas x polarisations)"
        block.out.score(
            value,
            "missing_solutions",
            1 - value,
            "fraction",
            "bandpasses there",
            text + (f"; missing {', '.join(missing)}" if missing else ""),
            **where,
        )
        amplitude, phase = antenna_scores(there.param[0][..., :pols], there.flag[0][..., :pols])
        for metric, found, unit, what in (
            ("bandpass_snr", amplitude, "", "mean amplitude over its rms"),
            ("phase_outliers", phase, "fraction", "channels with jumps of the phase"),
        ):
            if not found:
                continue
            worst = min(found, key=lambda s: (s.score, s.antenna, s.pol))
            who = f"{names[worst.antenna]} {'XY'[worst.pol]}"
            text = f"{block.name}, spw {spw}: {what} {worst.value:.3g} of {who}, the worst"
            measured = worst.value if math.isfinite(worst.value) else None
            block.out.score(worst.score, metric, measured, unit, what, text, antenna=names[worst.antenna], **where)


def _dead(block: Block) -> set[str]:
    return set(block.get("flagged_antennas", []))

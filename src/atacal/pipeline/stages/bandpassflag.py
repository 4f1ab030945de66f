"""Stage bandpassflag: outliers of the bandpass calibrator's amplitudes, corrected by a temporary calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atacal.errors import ArgumentError, PipelineError
from atacal.heuristics.corrected_amp import Limits
from atacal.pipeline.amplitude_flags import charts, flag, fully_flagged, new_refants, score
from atacal.pipeline.amplitude_search import search
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied, CalLibrary
from atacal.pipeline.stage import stage
from atacal.pipeline.temporary import (
    amplitudes,
    averaged_channels,
    bandpasses,
    by_channels,
    phases,
    steady_phases,
)


@stage("hifa_bandpassflag", "Outliers of the bandpass calibrator")
def hifa_bandpassflag(
    block: Block,
    intent: str = "BANDPASS",
    field: str = "",
    spw: str = "",
    hm_phaseup: str = "snr",
    phaseupsolint: str = "int",
    phaseupsnr: float = 20.0,
    phaseupnsols: int = 2,
    hm_bandpass: str = "snr",
    solint: str = "inf",
    maxchannels: int = 240,
    evenbpints: bool = True,
    bpsnr: float = 50.0,
    bpnsols: int = 8,
    combine: str = "scan",
    refant: str = "",
    minblperant: int = 4,
    minsnr: float = 2.0,
    solnorm: bool = True,
    antnegsig: float = 4.0,
    antpossig: float = 4.6,
    tmantint: float = 0.063,
    tmint: float = 0.085,
    tmbl: float = 0.175,
    antblnegsig: float = 3.4,
    antblpossig: float = 3.2,
    relaxed_factor: float = 2.0,
    niter: int = 2,
    hm_auto_fillgaps: bool = True,
) -> None:
    """Flag visibilities of the bandpass calibrator whose amplitudes stay far from the model when they are calibrated.

    Phases, a bandpass, and amplitudes of every scan are solved and applied for this only. The data are read once,
    corrected on the fly, and averaged over channels; nothing but flags is written. A reference antenna that is flagged
    in all spws is one no longer; one that is flagged in some comes last.

    Parameters
    ----------
    intent, field, spw : str
        What is searched; by default the science spws of the bandpass calibrator.
    hm_phaseup : {'snr', 'manual', ''}
        How phases are solved before the bandpass: in intervals that reach a signal to noise, in those given, or not at
        all.
    phaseupsolint : str
        The interval given.
    phaseupsnr, phaseupnsols
        The signal to noise, by what the solutions of every integration have, and the least number of intervals.
    hm_bandpass : {'snr', 'smoothed', 'fixed'}
        How channels are averaged in the bandpass: to reach a signal to noise, to ``maxchannels`` solutions across an
        FDM spw, or as ``solint`` says.
    solint : str
        Of the bandpass; one with channels is taken as it is.
    maxchannels, evenbpints, bpsnr, bpnsols
        Solutions across an spw; whether their width divides it; signal to noise; least number of solutions.
    combine : str
        Of the bandpass.
    refant : str
        Reference antennas; the block's by default.
    minblperant, minsnr, solnorm
        Of the solves.
    antnegsig, antpossig, tmantint, tmint, tmbl, antblnegsig, antblpossig, relaxed_factor, niter
        Of the search (`atacal.heuristics.corrected_amp.Limits`).
    hm_auto_fillgaps : bool
        Bridge gaps of up to a quarter of an spw in the bandpass.
    """
    limits = Limits(
        antnegsig, antpossig, tmantint, tmint, tmbl, antblnegsig, antblpossig, relaxed_factor, niter
    )  # fmt: skip
    facts = block.facts
    intents = [i for i in intent.split(",") if facts.has(i)]
    if not intents:
        raise PipelineError(f"{block.name}: no scan has the intent {intent}")
    spws = [int(s) for s in spw.split(",")] if spw else list(facts.science_spws)
    _check(hm_phaseup, hm_bandpass)
    common = {"intents": intents, "minsnr": minsnr, "minblperant": minblperant, "refant": refant}
    extra = _phases(block, spws, common, hm_phaseup, phaseupsolint, phaseupsnr, phaseupnsols)
    how = common | {"combine": combine, "solnorm": solnorm, "fillgaps": hm_auto_fillgaps and hm_bandpass != "fixed"}
    width = {"wanted": bpsnr, "least_solutions": bpnsols, "most_channels": maxchannels, "even": evenbpints}
    extra += _bandpasses(block, spws, tuple(extra), how, "fixed" if "," in solint else hm_bandpass, solint, width)
    extra += amplitudes(block, "bandpass", intents=intents, spws=spws, extra=extra, refant=refant)
    names = [n for n in field.split(",") if n]
    searched = search(
        block,
        CalLibrary([*block.library.entries, *extra]),
        intents,
        spws,
        limits,
        names,
        seen=lambda one: charts(block, one),
    )
    found = flag(block, searched)
    gone = fully_flagged(block, searched)
    refants = new_refants(block.refants, gone, spws)
    if refants != block.refants:
        block.out.say("attention", f"reference antennas are now {', '.join(refants[:4])} ...: others were flagged")
        block.set("refants", refants)
    block.out.decisions |= {
        "intents": intents,
        "limits": vars(limits),
        "searches": [s.numbers() for s in searched],
        "fully_flagged": {a: sorted(s) for a, s in gone.items()},
        "refants": refants,
        "temporary_tables": [e.gaintable for e in extra],
    }
    score(block, found, searched, antennas=True)
    newly = sum(c.newly for c in found)
    block.out.summary = (
        f"{sum(len(s.judgement.findings) for s in searched)} findings, {newly} visibilities" if found else "nothing"
    )


def _check(hm_phaseup: str, hm_bandpass: str) -> None:
    for name, value, possible in (
        ("hm_phaseup", hm_phaseup, ("snr", "manual", "")),
        ("hm_bandpass", hm_bandpass, ("snr", "smoothed", "fixed")),
    ):
        if value not in possible:
            raise ArgumentError(f"{name} = {value!r} is not possible; it can be {', '.join(map(repr, possible))}")


def _phases(
    block: Block, spws: Sequence[int], common: dict[str, Any], mode: str, solint: str, snr: float, least: int
) -> list[Applied]:
    """Solve the phases before the bandpass."""
    if not mode:
        return []
    if mode == "manual":
        return phases(block, "bandpass", spws=spws, solint=solint, **common)
    made, interval, found = steady_phases(block, "bandpass", spws=spws, wanted=snr, least_solutions=least, **common)
    block.out.decisions["phaseup"] = {"solint": interval, "snr_integration": round(found, 2) if found >= 0 else None}
    return made


def _bandpasses(
    block: Block, spws: Sequence[int], extra: Sequence[Applied], how: dict[str, Any], mode: str, solint: str,
    width: dict[str, Any],
) -> list[Applied]:  # fmt: skip
    """Solve the bandpass of single channels, and of more where those are too noisy."""
    out: list[Applied] = []
    chosen: dict[str, int] = {}
    for nchan, group in by_channels(block.facts, spws).items():
        made = bandpasses(block, "bandpass", spws=group, extra=extra, solint=solint, **how)
        ncorr = block.facts.npol(group[0])
        number = averaged_channels(block, made, nchan, ncorr, how=mode, **width) if made else 1
        if number > 1:
            words, text = f"bandpass.by{number}", f"{solint},{number}ch"
            made = bandpasses(block, words, spws=group, extra=extra, solint=text, **how)
        chosen |= {str(s): number for s in group}
        out += made
    block.out.decisions["channels"] = chosen
    return out

"""Stage bandpassflag: outliers of the bandpass calibrator's amplitudes, corrected by a temporary calibration."""

from __future__ import annotations

from atacal.errors import PipelineError
from atacal.heuristics.corrected_amp import Limits
from atacal.pipeline.amplitude_flags import charts, flag, fully_flagged, new_refants, score
from atacal.pipeline.amplitude_search import search
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import CalLibrary
from atacal.pipeline.stage import stage
from atacal.pipeline.temporary import amplitudes, bandpasses, phases


@stage("hifa_bandpassflag", "Outliers of the bandpass calibrator")
def hifa_bandpassflag(
    block: Block,
    intent: str = "BANDPASS",
    field: str = "",
    spw: str = "",
    hm_phaseup: str = "snr",
    phaseupsolint: str = "int",
    solint: str = "inf",
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
    phaseupsolint, solint : str
        Solution intervals of the phases and of the bandpass.
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
    extra = []
    if hm_phaseup:
        extra += phases(
            block, "bandpass", intents=intents, spws=spws, solint=phaseupsolint, minsnr=minsnr, refant=refant,
            minblperant=minblperant,
        )  # fmt: skip
    extra += bandpasses(
        block, "bandpass", intents=intents, spws=spws, extra=extra, solint=solint, minsnr=minsnr, combine=combine,
        solnorm=solnorm, minblperant=minblperant, fillgaps=hm_auto_fillgaps,
    )  # fmt: skip
    extra += amplitudes(block, "bandpass", intents=intents, spws=spws, extra=extra)
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

"""Stage gfluxscaleflag: outliers of the amplitudes of flux and phase calibrators and check sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from atacal.heuristics.corrected_amp import Limits
from atacal.pipeline.amplitude_flags import charts, flag, score
from atacal.pipeline.amplitude_search import search
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied, CalLibrary
from atacal.pipeline.phase_solves import decision_for, solve_phases
from atacal.pipeline.stage import stage
from atacal.pipeline.temporary import amplitudes, phases

_INTENTS = ("AMPLITUDE", "PHASE", "CHECK", "DIFFGAINREF", "DIFFGAINSRC")


@stage("hifa_gfluxscaleflag", "Outliers of flux and phase calibrators")
def hifa_gfluxscaleflag(
    block: Block,
    intent: str = "",
    phaseupsolint: str = "int",
    solint: str = "inf",
    minsnr: float = 2.0,
    refant: str = "",
    antnegsig: float = 4.0,
    antpossig: float = 4.6,
    tmantint: float = 0.063,
    tmint: float = 0.085,
    tmbl: float = 0.175,
    antblnegsig: float = 3.4,
    antblpossig: float = 3.2,
    relaxed_factor: float = 2.0,
    niter: int = 2,
) -> None:
    """Flag visibilities of calibrators whose amplitudes stay far from the model when they are calibrated.

    Phases of every integration and amplitudes of every scan are solved and applied for this only. The data are read
    once, corrected on the fly, and averaged over channels; nothing but flags is written.

    Parameters
    ----------
    intent : str
        Intents with commas between; by default AMPLITUDE, PHASE, CHECK and those of differential gains, without
        AMPLITUDE if that is on the bandpass calibrator, whose amplitudes bandpassflag has looked at.
    phaseupsolint, solint : str
        Solution intervals of the phases and of the amplitudes.
    minsnr : float
        Least signal to noise ratio of a solution.
    refant : str
        Reference antennas; the block's by default.
    antnegsig, antpossig, tmantint, tmint, tmbl, antblnegsig, antblpossig, relaxed_factor, niter
        Of the search (`atacal.heuristics.corrected_amp.Limits`).
    """
    limits = Limits(
        antnegsig, antpossig, tmantint, tmint, tmbl, antblnegsig, antblpossig, relaxed_factor, niter
    )  # fmt: skip
    facts = block.facts
    intents = [i for i in (intent.split(",") if intent else default_intents(block)) if facts.has(i)]
    spws = facts.science_spws
    extra: list[Applied] = []
    for one in intents:
        extra += _phases(block, one, spws, solint=phaseupsolint, minsnr=minsnr, refant=refant)
    for one in intents:
        extra += amplitudes(
            block,
            one.lower(),
            intents=[one],
            spws=spws,
            solint=solint,
            minsnr=minsnr,
            extra=extra,
            refant=refant,
        )
    searched = search(
        block, CalLibrary([*block.library.entries, *extra]), intents, spws, limits, seen=lambda one: charts(block, one)
    )
    found = flag(block, searched)
    block.out.decisions |= {
        "intents": intents,
        "limits": vars(limits),
        "searches": [s.numbers() for s in searched],
        "temporary_tables": [e.gaintable for e in extra],
    }
    score(block, found, searched, antennas=False)
    newly = sum(c.newly for c in found)
    block.out.summary = f"{', '.join(intents)}: " + (
        f"{sum(len(s.judgement.findings) for s in searched)} findings, {newly} visibilities" if found else "nothing"
    )


def default_intents(block: Block) -> list[str]:
    """Return the intents that are searched: not AMPLITUDE where its field is the bandpass calibrator."""
    shared = set(block.facts.fields("AMPLITUDE")) & set(block.facts.fields("BANDPASS"))
    return [i for i in _INTENTS if not (i == "AMPLITUDE" and shared)]


def _phases(
    block: Block, intent: str, spws: Sequence[int], *, solint: str, minsnr: float, refant: str
) -> list[Applied]:
    """Solve phases, of phase calibrators and check sources as the phase-up stage decided for each field.

    Intervals are those given, and polarisations are kept apart: longer ones leave decoherence in the amplitudes.
    """
    if intent not in ("PHASE", "CHECK"):
        return phases(
            block, intent.lower(), intents=[intent], spws=spws, solint=solint, minsnr=minsnr, refant=refant
        )  # fmt: skip
    out: list[Applied] = []
    for field in block.facts.fields(intent):
        decided = decision_for(block, field)
        usable = [s for s in decided.usable if s in spws]
        solved = solve_phases(
            block, f"{intent.lower()}.field{field}.prelim.gpcal", replace(decided.decision, gaintype="G"),
            intents=[intent], fields=[field], usable=usable, solint=solint, minsnr=minsnr,
            refant=refant or block.refant,
        )  # fmt: skip
        if solved.table:
            out.append(
                Applied("phase", solved.table, interp="linear,linear", calwt=False, field=str(field), intent=intent)
            )
    return out

"""Stage targetflag: single visibilities of the targets that are far from others at similar uv distance."""

from __future__ import annotations

from atacal.heuristics.corrected_amp import Limits
from atacal.pipeline.amplitude_flags import charts, flag, score
from atacal.pipeline.amplitude_search import Searched, search
from atacal.pipeline.block import Block
from atacal.pipeline.stage import stage


@stage("hifa_targetflag", "Outliers of the targets")
def hifa_targetflag(block: Block) -> None:
    """Flag visibilities of the targets that stand out when they are calibrated.

    The registered tables are applied on the fly. A visibility must lie 12 times the spread above or 13 times below
    the others in two overlapping bins of uv distance, so that no structure of a target is taken for an error.
    """
    facts = block.facts
    if not facts.has("TARGET"):
        block.out.say("info", "no scan has the intent TARGET")
        block.out.summary = "no target"
        return
    limits = Limits()

    def chart_found(one: Searched) -> None:
        if one.judgement.findings:
            charts(block, one)

    searched = search(block, block.library, ["TARGET"], facts.science_spws, limits, seen=chart_found)
    found = flag(block, searched)
    block.out.decisions |= {"limits": vars(limits), "searches": [s.numbers() for s in searched]}
    score(block, found, searched, antennas=False)
    newly = sum(c.newly for c in found)
    pointings = len({s.place.fields for s in searched})
    block.out.summary = f"{pointings} pointings: " + (f"{newly} visibilities" if newly else "nothing")

"""Stage gainflag (Cycle 4): antennas whose gains are unsteady."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from atacal.heuristics.gain_views import GainLimits, deviation_view
from atacal.heuristics.scores import score_total_flagged
from atacal.heuristics.views import Judged, flag_view
from atacal.pipeline.block import Block
from atacal.pipeline.found import reason, view_chart
from atacal.pipeline.spw_choice import chosen_spws
from atacal.pipeline.stage import stage
from atacal.pipeline.stages.lowgainflag import gain_commands
from atacal.pipeline.temporary_gains import GainAmplitudes, gain_amplitudes


@stage("hif_gainflag", "Antennas with unsteady gains")
def hif_gainflag(
    block: Block,
    intent: str = "BANDPASS",
    spw: str = "",
    refant: str = "",
    flag_mediandeviant: bool = False,
    fmeddev_limit: float = 3.0,
    flag_rmsdeviant: bool = False,
    frmsdev_limit: float = 8.0,
    flag_nrmsdeviant: bool = True,
    fnrmsdev_limit: float = 6.0,
    metric_order: str = "mediandeviant, rmsdeviant, nrmsdeviant",
) -> None:
    """Flag antennas whose gains on the bandpass calibrator deviate, in all spws of the baseband, at all times.

    Parameters
    ----------
    intent, spw : str
        Whose data are solved; the science spws by default.
    refant : str
        Other references than the block's.
    flag_mediandeviant, flag_rmsdeviant, flag_nrmsdeviant : bool
        Which metrics are used (`atacal.heuristics.gain_views.deviation`).
    fmeddev_limit, frmsdev_limit, fnrmsdev_limit : float
        Values above which an antenna is flagged.
    metric_order : str
    """
    limits = GainLimits(
        flag_mediandeviant, fmeddev_limit, flag_rmsdeviant, frmsdev_limit, flag_nrmsdeviant, fnrmsdev_limit,
        metric_order,
    )  # fmt: skip
    spws, names = chosen_spws(block, spw, intent), block.facts.metadata.antenna_names()
    together = _basebands(block)
    seen: dict[str, list[Judged]] = {}
    gains: dict[int, GainAmplitudes] | None = None
    for number, (metric, rule) in enumerate(limits.rules(), start=1):
        if gains is None and spws:
            gains = gain_amplitudes(
                block, f"m{number}", spws=spws, intents=intent.split(","), solint="int", refant=refant
            )
        seen[metric] = [
            flag_view(
                deviation_view(
                    metric, g.amplitude, g.flag, range(len(names)), float(g.time_mjd_s[0]),
                    {"spw": s, "intent": intent},
                ),
                [rule],
            )
            for s, g in sorted((gains or {}).items())
        ]  # fmt: skip
        proposals = [p for j in seen[metric] for p in j.proposals]
        block.flag(
            {metric: gain_commands(proposals, names, f"gainflag:{metric}", together)},
            {metric: [reason(p, names) for p in proposals]},
        )
        gains = None if proposals else gains  # solved again without what is flagged now
    _report(block, limits, seen, names)


def _basebands(block: Block) -> dict[int, list[int]]:
    """Return for each spectral spw those of its baseband."""
    meta, spws = block.facts.metadata, block.facts.spws_of()
    return {s: [o for o in spws if meta.spws[o].bbc_no == meta.spws[s].bbc_no] for s in spws}


def _report(block: Block, limits: GainLimits, seen: dict[str, list[Judged]], names: Sequence[str]) -> None:
    newly, total = sum(f.newly for f in block.out.flags), max((f.total for f in block.out.flags), default=0)
    share = newly / total if total else 0.0
    views = sum(len(judged) for judged in seen.values())
    proposals = [p for judged in seen.values() for j in judged for p in j.proposals]
    block.out.decisions |= {
        "limits": asdict(limits), "views": views, "newly_flagged": share,
        "findings": [reason(p, names) for p in proposals],
        "values": {
            metric: {str(j.view.identity["spw"]): _numbers(j, names) for j in judged} for metric, judged in seen.items()
        },
    }  # fmt: skip
    block.out.score(score_total_flagged(min(share, 1.0)), "newly_flagged", share, "share", "unsteady gains",
                    f"{block.name}: {100 * share:.2f} % of the science data newly flagged")  # fmt: skip
    for metric, judged in seen.items():
        if judged:
            shown = [(j.view, j.flag & ~j.view.flag, {"role": "before"}) for j in judged]
            caption = "How much each antenna's gain amplitudes deviate; flagged are those above the limit."
            block.chart(view_chart(metric, f"Gains: {metric}", shown, names, caption))
    who = sorted({names[int(p.view.labels[0][i])] for p in proposals for i in p.x})
    if not views:
        block.out.say("warning", "no gains could be looked at")
        block.out.score(0.0, "views", 0, "", "no gains", f"{block.name}: no gains could be looked at")
    block.out.summary = f"{', '.join(who)} flagged, {100 * share:.2f} %" if who else "no antenna stands out"


def _numbers(judged: Judged, names: Sequence[str]) -> dict[str, float]:
    values = judged.view.values[:, 0]
    return {names[i]: round(float(values[i]), 3) for i in np.flatnonzero(np.isfinite(values)).tolist()}

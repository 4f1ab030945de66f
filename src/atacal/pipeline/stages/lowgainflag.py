"""Stage lowgainflag: antennas with much lower or higher gains than the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from atacal.heuristics.gain_views import LOW_GAIN, LowGainLimits, gain_view
from atacal.heuristics.scores import score_newly_flagged, score_view
from atacal.heuristics.views import Iterations, Proposal, View, iterate
from atacal.pipeline.block import Block
from atacal.pipeline.found import by_rule, reason, view_chart
from atacal.pipeline.refant_order import demote
from atacal.pipeline.spw_choice import chosen_spws
from atacal.pipeline.stage import stage
from atacal.pipeline.temporary_gains import GainAmplitudes, gain_amplitudes

_CAUSES = ("nmedian", "too many entirely flagged")


@stage("hif_lowgainflag", "Antennas with low or high gains")
def hif_lowgainflag(
    block: Block,
    intent: str = "BANDPASS",
    spw: str = "",
    refant: str = "",
    flag_nmedian: bool = True,
    fnm_lo_limit: float | None = None,
    fnm_hi_limit: float | None = None,
    tmef1_limit: float | None = None,
    min_nants_threshold: int | None = None,
    niter: int | None = None,
) -> None:
    """Flag antennas whose gain amplitude on the bandpass calibrator is far from the median, in the whole block.

    Parameters
    ----------
    intent, spw : str
        Whose data are solved; the science spws by default.
    refant : str
        Other references than the block's.
    flag_nmedian : bool
    fnm_lo_limit, fnm_hi_limit : float, optional
        In medians of the view: 0.5 and 1.5 today, 0.7 and 1.3 in Cycle 4.
    tmef1_limit : float, optional
        With at least this share of antennas without any solution the spw is flagged; not in Cycle 4.
    min_nants_threshold : int, optional
        Antennas of one diameter that are needed.
    niter : int, optional
        Rounds of solving and flagging.
    """
    given: dict[str, Any] = {
        "flag_nmedian": flag_nmedian, "fnm_lo_limit": fnm_lo_limit, "fnm_hi_limit": fnm_hi_limit,
        "tmef1_limit": tmef1_limit, "min_nants_threshold": min_nants_threshold, "niter": niter,
    }  # fmt: skip
    limits = replace(LOW_GAIN[block.recipe], **{k: v for k, v in given.items() if v is not None})
    spws, names = chosen_spws(block, spw, intent), block.facts.metadata.antenna_names()
    rounds = 0
    gone: set[int] = set()

    def views_of(proposals: list[Proposal]) -> list[View]:
        nonlocal rounds
        if proposals:
            _flag(block, proposals, names)
        gone.update(int(p.view.identity["spw"]) for p in proposals if p.rule == _CAUSES[1])
        rounds += 1
        left = [s for s in spws if s not in gone]
        gains = (
            gain_amplitudes(block, f"it{rounds}", spws=left, intents=intent.split(","), solint="inf", refant=refant)
            if left
            else {}
        )
        return _views(block, left, gains, intent, limits)

    done = iterate(views_of, limits.rules(), limits.niter)
    if not done.proposals:
        block.flag({rule: [] for rule in _CAUSES})
    _draw(block, done, names)
    _report(block, limits, done, names, spws)


def _views(
    block: Block, spws: Sequence[int], gains: Mapping[int, GainAmplitudes], intent: str, limits: LowGainLimits
) -> list[View]:
    """Return a view for each spw and diameter of antennas; none of spws with too little signal to tell."""
    antennas, views = block.facts.metadata.antennas, []
    strong = [s for s in spws if s in gains and gains[s].typical_snr >= limits.least_snr]
    none = [s for s in spws if s not in gains]
    weak = [s for s in spws if s in gains and s not in strong]
    if len(strong) * 2 <= len(spws) and limits.least_snr > 0:  # it is not the spw that is bad, but the calibrator faint
        weak, none = sorted([*weak, *none]), []
    if weak:
        known = {str(s): round(gains[s].typical_snr, 2) if s in gains else 0.0 for s in weak}
        block.out.decisions.setdefault("too_weak", {}).update(known)
    for diameter in sorted({a.dish_diameter_m for a in antennas}):
        ids = [a.id for a in antennas if a.dish_diameter_m == diameter]
        if len(ids) < limits.min_nants_threshold:
            block.out.decisions.setdefault("few_antennas", {})[f"{diameter:g} m"] = len(ids)
            continue
        for spw in sorted([*strong, *none]):
            g, about = gains.get(spw), _about(spw, diameter, intent)
            if g is None:  # other spws have gains, this one none at all
                empty = np.ones((len(ids), 1), bool)
                views.append(gain_view(np.zeros(empty.shape), empty, ids, [-1], about))
            else:
                views.append(gain_view(g.amplitude[ids], g.flag[ids], ids, g.scan.tolist(), about))
    return views


def _about(spw: int, diameter: float, intent: str) -> dict[str, Any]:
    return {"spw": spw, "diameter": f"{diameter:g} m", "intent": intent}


def _flag(block: Block, proposals: Sequence[Proposal], names: Sequence[str]) -> None:
    rules = {rule: by_rule(proposals).get(rule, []) for rule in _CAUSES}
    causes = {rule: gain_commands(found, names, "lowgainflag") for rule, found in rules.items()}
    block.flag(causes, {rule: [reason(p, names) for p in found] for rule, found in rules.items()})


def gain_commands(
    proposals: Sequence[Proposal], names: Sequence[str], why: str, spws_of: Mapping[int, Sequence[int]] | None = None
) -> list[str]:
    """Return commands that flag antennas in whole spws, at all times.

    Parameters
    ----------
    proposals : sequence of Proposal
        On views of antennas, whose identity has the spw.
    names : sequence of str
    why : str
    spws_of : mapping of int to sequence of int, optional
        The spws that are flagged with each.

    Returns
    -------
    list of str
        One for each group of spws with the same antennas.
    """
    bad: dict[int, set[int]] = {}
    for p in proposals:
        spw = int(p.view.identity["spw"])
        for s in spws_of[spw] if spws_of else [spw]:
            bad.setdefault(s, set()).update(int(p.view.labels[0][i]) for i in p.x)
    groups: dict[tuple[int, ...], list[int]] = {}
    for s, antennas in sorted(bad.items()):
        groups.setdefault(tuple(sorted(antennas)), []).append(s)
    out = []
    for alike, spws in groups.items():
        who = ",".join(names[a] for a in alike)
        out.append(f"mode='manual' spw='{','.join(map(str, spws))}' antenna='{who}' reason='{why}'")
    return out


def _draw(block: Block, done: Iterations, names: Sequence[str]) -> None:
    shown = [("before", v) for v in done.before]
    if done.proposals:
        shown += [("after", v) for v in done.after]
    views = []
    for role, view in shown:
        new = np.zeros(view.flag.shape, bool)
        for p in done.proposals:
            if p.view is view:
                new[np.ix_(p.x, p.y)] = True
        views.append((view, new, {"role": role}))
    if views:
        caption = "Gain amplitudes of the bandpass calibrator; flagged antennas are far from the median."
        block.chart(view_chart("low_gains", "Gain amplitudes", views, names, caption))


def _report(block: Block, limits: LowGainLimits, done: Iterations, names: Sequence[str], spws: Sequence[int]) -> None:
    proposals = done.proposals
    newly, total = sum(f.newly for f in block.out.flags), max((f.total for f in block.out.flags), default=0)
    share = newly / total if total else 0.0
    block.out.decisions |= {
        "limits": {k: v for k, v in asdict(limits).items() if np.isfinite(v)}, "rounds": [len(r) for r in done.rounds],
        "newly_flagged": share, "findings": [reason(p, names) for p in proposals], "views": len(done.before),
    }  # fmt: skip
    block.out.score(score_newly_flagged(min(share, 1.0)), "newly_flagged", share, "share", "low or high gains",
                    f"{block.name}: {100 * share:.2f} % of the science data newly flagged")  # fmt: skip
    block.out.score(score_view(len(done.before)), "views", len(done.before), "", "gains" if done.before else "no gains",
                    f"{block.name}: gains of {len(done.before)} spws and kinds of antennas")  # fmt: skip
    if weak := block.out.decisions.get("too_weak"):
        text = ", ".join(f"spw {s} ({v:g})" for s, v in weak.items())
        limit = f"below {limits.least_snr:g}"
        block.out.say("warning", f"too little signal to judge gains: typical signal to noise of {text}, {limit}")
    lost: dict[int, list[str]] = {}
    for view in done.after:
        gone = np.asarray(view.flag.all(axis=1))
        lost.setdefault(int(view.identity["spw"]), []).extend(
            names[int(a)] for a, g in zip(view.labels[0], gone, strict=True) if g
        )
    block.out.decisions["without_gains"] = {str(s): who for s, who in lost.items() if who}
    if done.before:
        block.out.decisions["refants"] = demote(block, lost, spws, "their gains are flagged")
    who = sorted({names[int(p.view.labels[0][i])] for p in proposals for i in p.x})
    block.out.summary = f"{', '.join(who)} flagged, {100 * share:.2f} %" if who else "no antenna stands out"
    if who:
        text = f"gains far from the median: {', '.join(who)}"
        block.out.say("attention", text, "fnm_lo_limit and fnm_hi_limit widen what is allowed")

"""Stage rawflagchans: channels of antennas and baselines that stand out in the raw data of the bandpass calibrator."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from atacal.atmosphere.ozone import ozone_ranges
from atacal.heuristics.raw_channels import RawChannelLimits, exempt_channels, raw_channel_view
from atacal.heuristics.scores import score_total_flagged, score_view
from atacal.heuristics.views import Iterations, Proposal, View, iterate
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Spw
from atacal.pipeline.block import Block
from atacal.pipeline.found import by_rule, channel_commands, reason, view_chart
from atacal.pipeline.spw_choice import chosen_spws
from atacal.pipeline.stage import stage
from atacal.pipeline.view_data import MeanAmplitudes, mean_amplitudes
from atacal.recipe.channels import ranges

_CAUSES = ("bad quadrant", "outlier")


@stage("hif_rawflagchans", "Raw channels that stand out")
def hif_rawflagchans(
    block: Block,
    spw: str = "",
    intent: str = "BANDPASS",
    flag_hilo: bool = True,
    fhl_limit: float = 20.0,
    fhl_minsample: int = 5,
    flag_bad_quadrant: bool = True,
    fbq_hilo_limit: float = 8.0,
    fbq_antenna_frac_limit: float = 0.2,
    fbq_baseline_frac_limit: float = 1.0,
    niter: int = 1,
) -> None:
    """Flag channels of antennas and baselines whose mean raw amplitude stands out.

    What is judged is the amplitude of the mean over time of each channel and baseline, less the baseline's median, less
    the channel's median then. What is found is flagged in the whole block, in all correlations.

    Parameters
    ----------
    spw : str
        The science spws by default.
    intent : str
        Whose data are looked at.
    flag_hilo : bool
        Flag points farther from the median than `fhl_limit` MADs, in views of at least `fhl_minsample` points.
    fhl_limit, fhl_minsample : float, int
    flag_bad_quadrant : bool
        Flag quarters of the channels of an antenna of which more than `fbq_antenna_frac_limit` are farther than
        `fbq_hilo_limit` MADs, or of a baseline (`fbq_baseline_frac_limit`; 1 is never).
    fbq_hilo_limit, fbq_antenna_frac_limit, fbq_baseline_frac_limit : float
    niter : int
        Rounds of looking and flagging.
    """
    limits = RawChannelLimits(
        flag_hilo, fhl_limit, fhl_minsample, flag_bad_quadrant, fbq_hilo_limit, fbq_antenna_frac_limit,
        fbq_baseline_frac_limit, niter,
    )  # fmt: skip
    meta, names = block.facts.metadata, block.facts.metadata.antenna_names()
    scans, found, exempted = block.facts.scan_list(*intent.split(",")), [], {}
    with MeasurementSet(block.vis) as ms:
        for number in chosen_spws(block, spw, intent) if scans else ():
            data = mean_amplitudes(ms, number, scans)
            if data is None or not data.baselines:
                continue
            exempt = _exempt(block, meta.spws[number])
            if exempt is not None:
                exempted[str(number)] = ranges(exempt)
            done = _judged(data, limits, exempt)
            _draw(block, done, number, names)
            found.append(done)
    proposals = [p for done in found for p in done.proposals]
    _flag(block, proposals, names, sum(len(done.before) for done in found), exempted)


def _exempt(block: Block, spw: Spw) -> NDArray[np.bool_] | None:
    """Return the channels in lines of ozone, which today's recipe leaves alone."""
    if block.cycle4:
        return None
    spans = ozone_ranges(float(spw.chan_freq_hz.min()), float(spw.chan_freq_hz.max()))
    mask = exempt_channels(spw.chan_freq_hz, spw.chan_width_hz, spans)
    return mask if mask.any() else None


def _judged(data: MeanAmplitudes, limits: RawChannelLimits, exempt: NDArray[np.bool_] | None) -> Iterations:
    flag = data.flag.copy()

    def views_of(proposals: list[Proposal]) -> list[View]:
        for p in proposals:  # all correlations go together
            flag[:, p.x[:, None], p.y] = True
        return [
            raw_channel_view(data.amplitude[c], flag[c], data.baselines, {"spw": data.spw, "pol": corr}, exempt)
            for c, corr in enumerate(data.corrs)
        ]

    return iterate(views_of, limits.rules(), limits.niter)


def _draw(block: Block, done: Iterations, spw: int, names: Sequence[str]) -> None:
    new = [np.zeros(v.flag.shape, bool) for v in done.before]
    for p in done.proposals:
        for mask in new:
            mask[np.ix_(p.x, p.y)] = True
    views = [(v, n, {"role": "before"}) for v, n in zip(done.before, new, strict=True)]
    if done.proposals:
        views += [(v, np.zeros(v.flag.shape, bool), {"role": "after"}) for v in done.after]
    caption = (
        "Mean raw amplitudes of the bandpass calibrator, less the medians of baseline and channel. Flagged are points "
        "far from the rest, and quarters of the channels with many of them."
    )
    block.chart(view_chart(f"raw_channels_spw{spw}", f"Raw channels, spw {spw}", views, names, caption))


def _flag(block: Block, proposals: list[Proposal], names: Sequence[str], views: int, exempted: dict[str, str]) -> None:
    rules = {rule: by_rule(proposals).get(rule, []) for rule in _CAUSES}
    causes = {rule: channel_commands(p, names, f"rawflagchans:{rule.replace(' ', '_')}") for rule, p in rules.items()}
    reasons = {rule: [reason(p, names) for p in found] for rule, found in rules.items()}
    flagged = block.flag(causes, reasons)
    total = max((f.total for f in flagged), default=0)
    share = sum(f.newly for f in flagged) / total if total else 0.0
    block.out.decisions |= {"views": views, "ozone_channels": exempted, "newly_flagged": share, "findings": reasons}
    block.out.score(score_total_flagged(min(share, 1.0)), "newly_flagged", share, "share", "raw channels flagged",
                    f"{block.name}: {100 * share:.2f} % of the science data newly flagged")  # fmt: skip
    block.out.score(score_view(views), "views", views, "", "views exist" if views else "no views",
                    f"{block.name}: {views} views of the bandpass calibrator")  # fmt: skip
    if not views:
        block.out.say("warning", "no raw channels could be looked at: there are no data of the bandpass calibrator")
    words = [f"{len(p)} {rule}{'s' if len(p) != 1 else ''}" for rule, p in rules.items() if p]
    block.out.summary = f"{', '.join(words)}, {100 * share:.2f} % flagged" if words else "nothing stands out"

"""Stage tsysflag: system temperatures that stand out, flagged in the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.atmosphere.ozone import ozone_ranges
from atacal.errors import ArgumentError
from atacal.heuristics.raw_channels import exempt_channels
from atacal.heuristics.scores import score_newly_flagged
from atacal.heuristics.tsys_shapes import TSYS, MetricFlags, TsysLimits, TsysSpectra, flag_tsys
from atacal.pipeline.block import Block
from atacal.pipeline.charts import Axis, Chart, Series
from atacal.pipeline.found import reason, view_chart
from atacal.pipeline.refant_order import demote
from atacal.pipeline.stage import stage
from atacal.pipeline.templates import read_template, template_path
from atacal.pipeline.tsys_table import TsysCopy, copy_tsys, flag_copy, register_copy

_INTENTS = ("BANDPASS", "AMPLITUDE", "PHASE")
_LOST = 0.8
"""Score where an antenna has no Tsys left in some spw."""
_CAPTIONS = {
    "nmedian": "Medians of spectra; flagged are those far above the median of all.",
    "derivative": "Scatter of the steps between channels: spectra that ring.",
    "edgechans": "Median spectra; flagged are the edges, where they change steeply.",
    "fieldshape": "Deviation of the spectra's shapes from those towards the bandpass calibrator.",
    "birdies": "Antennas' median spectra less that of all antennas; flagged are sharp features.",
    "toomany": "Medians of spectra; times and spws with most antennas flagged go whole.",
}


def _files(block: Block, given: Mapping[str, Any]) -> dict[str, Path]:
    name = given["filetemplate"]
    path = block.folder / name if name else template_path(block.folder, block.stem, "flagtsystemplate")
    return {"Tsys flag template": path}


@stage("hifa_tsysflag", "System temperatures that stand out", files=_files)
def hifa_tsysflag(
    block: Block,
    caltable: str = "",
    flag_nmedian: bool = True,
    fnm_limit: float | None = None,
    fnm_byfield: bool | None = None,
    flag_derivative: bool = True,
    fd_max_limit: float | None = None,
    flag_edgechans: bool = True,
    fe_edge_limit: float | None = None,
    flag_fieldshape: bool = True,
    ff_refintent: str = "BANDPASS",
    ff_max_limit: float | None = None,
    flag_birdies: bool = True,
    fb_sharps_limit: float | None = None,
    flag_toomany: bool = True,
    tmf1_limit: float | None = None,
    tmef1_limit: float | None = None,
    metric_order: str = "nmedian, derivative, edgechans, fieldshape, birdies, toomany",
    normalize_tsys: bool = False,
    filetemplate: str = "",
) -> None:
    """Flag system temperatures by six metrics; today's limits and Cycle 4's differ (`atacal.heuristics.tsys_shapes`).

    The table is copied, and the copy takes its place: flagged channels are bridged, and data whose spectrum is flagged
    entirely are flagged when it is applied.

    Parameters
    ----------
    caltable : str
        Another table than the registered one.
    flag_nmedian, flag_derivative, flag_edgechans, flag_fieldshape, flag_birdies, flag_toomany : bool
        Which metrics are used.
    fnm_limit, fd_max_limit, fe_edge_limit, ff_max_limit, fb_sharps_limit, tmf1_limit, tmef1_limit : float, optional
        Their limits, by default the recipe's.
    fnm_byfield : bool, optional
        Whether medians are compared within each field.
    ff_refintent : str
        Intent of the fields with the reference shapes.
    metric_order : str
    normalize_tsys : bool
        Only False is possible.
    filetemplate : str
        Commands on the table, done first; ``X.flagtsystemplate.txt`` by default.
    """
    if normalize_tsys:
        raise ArgumentError("hifa_tsysflag: normalize_tsys=True is not possible; spectra are judged as they are")
    given = {k: v for k, v in locals().items() if k not in ("block", "caltable", "normalize_tsys", "filetemplate")}
    limits = replace(TSYS[block.recipe], **{k: v for k, v in given.items() if v is not None})
    path = block.folder / filetemplate if filetemplate else template_path(block.folder, block.stem, "flagtsystemplate")
    template = read_template(path)
    copy = copy_tsys(block, caltable, template)
    if copy is None:
        text = "there are no system temperatures to look at"
        block.out.say("warning", text)
        block.out.score(0.0, "tables", 0, "", "no Tsys", f"{block.name}: {text}")
        block.out.summary = "no system temperatures"
        return
    before = {spw: copy.spectra(spw) for spw in sorted(copy.table.solutions)}
    found = {spw: _judged(block, spectra, limits) for spw, spectra in before.items()}
    flags = {spw: np.any([m.flag for m in metrics], axis=0) for spw, metrics in found.items()}
    commands = flag_copy(block, copy, flags, "tsysflag")
    register_copy(block, copy, caltable)
    _draw(block, found, before, copy)
    _report(block, limits, template, found, before, commands)
    _lost(block, copy)


def _judged(block: Block, spectra: TsysSpectra, limits: TsysLimits) -> list[MetricFlags]:
    facts, spw = block.facts, block.facts.metadata.spws[spectra.spw]
    exempt = None
    if not block.cycle4:
        spans = ozone_ranges(float(spw.chan_freq_hz.min()), float(spw.chan_freq_hz.max()))
        exempt = exempt_channels(spw.chan_freq_hz, spw.chan_width_hz, spans)
    edges = {i: facts.fields(i) for i in ("BANDPASS", "AMPLITUDE")}
    reference = facts.fields(*limits.ff_refintent.split(","))
    return flag_tsys(spectra, limits, reference_fields=reference, edge_fields=edges, exempt=exempt)


def _report(
    block: Block, limits: TsysLimits, template: Sequence[str], found: Mapping[int, list[MetricFlags]],
    before: Mapping[int, TsysSpectra], commands: Sequence[str],
) -> None:  # fmt: skip
    names = block.facts.metadata.antenna_names()
    total = sum(int(s.present.sum()) * s.value.shape[2] * s.value.shape[3] for s in before.values())
    metrics: dict[str, Any] = {}
    for metric in limits.order():
        here = {spw: next(m for m in all_of_it if m.metric == metric) for spw, all_of_it in found.items()}
        newly = {str(spw): int(m.flag.sum()) for spw, m in here.items()}
        metrics[metric] = {
            "newly": sum(newly.values()),
            "by_spw": newly,
            "findings": [reason(p, names) for m in here.values() for p in m.proposals],
        }
    share = sum(m["newly"] for m in metrics.values()) / total if total else 0.0
    block.out.decisions |= {
        "limits": asdict(limits), "template": list(template), "values": total, "newly_flagged": share,
        "metrics": metrics, "commands": list(commands),
    }  # fmt: skip
    block.out.score(score_newly_flagged(share), "tsys_newly_flagged", share, "share", "Tsys flagged",
                    f"{block.name}: {100 * share:.2f} % of the system temperatures newly flagged")  # fmt: skip
    words = [f"{m} {100 * v['newly'] / total:.1f} %" for m, v in metrics.items() if v["newly"]]
    block.out.summary = ", ".join(words) or "nothing stands out"


def _lost(block: Block, copy: TsysCopy) -> None:
    """Tell of antennas that have no Tsys of a calibrator left in some spw, and let them be no references."""
    facts, names = block.facts, block.facts.metadata.antenna_names()
    used = sorted({int(s) for s in (block.get("tsys") or {}).get("spwmap", {}).values()} & set(copy.table.solutions))
    lost: dict[int, list[str]] = {}
    for spw in used:
        spectra = copy.spectra(spw)
        gone: NDArray[np.bool_] = np.zeros(len(names), bool)
        for field in set(spectra.field.tolist()) & set(facts.fields(*_INTENTS)):
            at = spectra.field == field
            gone |= spectra.flag[at].all(axis=(0, 2, 3)) & spectra.present[at].any(axis=0)
        lost[spw] = [names[a] for a in np.flatnonzero(gone)]
    block.out.decisions["without_tsys"] = {str(spw): who for spw, who in lost.items() if who}
    if not any(lost.values()):
        return
    who = sorted({a for antennas in lost.values() for a in antennas})
    of_antenna = {a: ", ".join(str(spw) for spw in used if a in lost[spw]) for a in who}
    text = "no Tsys is left of " + "; ".join(f"{a} in spw {spws}" for a, spws in of_antenna.items())
    block.out.say("warning", text, f"their data are flagged; lines in {block.stem}.flagtsystemplate.txt flag more, "
                  "higher limits flag less")  # fmt: skip
    block.out.score(_LOST, "antennas_without_tsys", len(who), "antennas", "antennas without Tsys",
                    f"{block.name}: {text}", antenna=",".join(who))  # fmt: skip
    block.out.decisions["refants"] = demote(block, lost, used, "they have no Tsys")


def _draw(
    block: Block, found: Mapping[int, list[MetricFlags]], before: Mapping[int, TsysSpectra], copy: TsysCopy
) -> None:
    names = block.facts.metadata.antenna_names()
    for spw, metrics in found.items():
        for m in metrics:
            views = [(v, _new(v, m), {"role": "before"}) for v in m.views]
            if views:
                title = f"Tsys {m.metric}, spw {spw}"
                block.chart(view_chart(f"tsys_{m.metric}_spw{spw}", title, views, names, _CAPTIONS[m.metric]))
        after = copy.spectra(spw)
        block.chart(_spectra(block, before[spw], after.flag, names))


def _new(view: Any, metric: MetricFlags) -> NDArray[np.bool_]:
    new = np.zeros(view.flag.shape, bool)
    for p in metric.proposals:
        if p.view is view:
            new[np.ix_(p.x, p.y)] = True
    return new


def _spectra(block: Block, before: TsysSpectra, after: NDArray[np.bool_], names: Sequence[str]) -> Chart:
    """Return the median spectra of the antennas, as they were and as they are."""
    freq = block.facts.metadata.spws[before.spw].chan_freq_hz / 1e9
    series = []
    for role, flag in (("before", before.flag), ("after", after)):
        good = np.where(flag, np.nan, before.value)
        some: NDArray[np.bool_] = ~np.asarray(flag.all(axis=0))
        for a, name in enumerate(names):
            if role == "after" and (flag[:, a] == before.flag[:, a]).all():
                continue  # as before
            for p, pol in enumerate(before.pols):
                seen = some[a, :, p]
                if not seen.any():
                    continue
                y = np.full(len(freq), np.nan)
                y[seen] = np.nanmedian(good[:, a, seen, p], axis=0)
                keys = {"antenna": name, "spw": str(before.spw), "pol": pol, "role": role}
                series.append(Series(keys, freq, y, line=True))
    caption = "Median Tsys of each antenna over time; where something was flagged, what is left of it."
    return Chart(f"tsys_spectra_spw{before.spw}", f"Tsys, spw {before.spw}", Axis("frequency", "GHz"),
                 Axis("Tsys", "K"), series=series, caption=caption)  # fmt: skip

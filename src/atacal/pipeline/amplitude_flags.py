"""What a search of corrected amplitudes found, as flags with their reasons, scores and the data of plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.flags.lines import clock_text
from atacal.heuristics.corrected_amp_flags import Finding, flagged_by
from atacal.heuristics.corrected_amp_metric import Metric
from atacal.heuristics.scores import score_newly_flagged
from atacal.pipeline.amplitude_search import Searched
from atacal.pipeline.block import Block
from atacal.pipeline.charts import Axis, Chart, Series
from atacal.pipeline.results import FlagCause

_BAD_BASELINE = "baseline"
_PROPAGATED = "baseline bad on the phase calibrator"
_FULLY_FLAGGED = 0.8
_CHART_POINTS = 2000


def flag(block: Block, searched: Sequence[Searched]) -> list[FlagCause]:
    """Flag what was found, cause by cause, and write down why.

    Baselines that are bad on the phase calibrator are flagged on targets and check sources too.
    """
    causes: dict[str, list[str]] = {}
    reasons: dict[str, list[dict[str, Any]]] = {}
    for one in searched:
        for finding in one.judgement.findings:
            causes.setdefault(finding.cause, [])
            reasons.setdefault(finding.cause, []).append(_reason(block, one, finding))
        for cause, command in _commands(block, one):
            causes[cause].append(command)
    carried = _carried(block, searched)
    if carried:
        causes[_PROPAGATED] = carried
    return block.flag(causes, reasons) if causes else []


def _reason(block: Block, one: Searched, finding: Finding) -> dict[str, Any]:
    names = block.facts.metadata.antenna_names()
    out: dict[str, Any] = {
        **one.place.where(), "rule": finding.cause, "antenna": "&".join(names[a] for a in finding.antennas),
        "sigma": finding.sigma, "outliers": finding.outliers, "of": finding.of,
        "correlation": one.metric.corrs[finding.pol],
    }  # fmt: skip
    if finding.time >= 0:
        out["time"] = clock_text(float(one.metric.time[finding.time]))
    if one.baselines:
        out["baselines"] = one.baselines
    return out


def _commands(block: Block, one: Searched) -> list[tuple[str, str]]:
    """Return commands by cause; those of an antenna or baseline at several times are one."""
    names = block.facts.metadata.antenna_names()
    kind = _kind_selection(block, one)
    together: dict[tuple[str, tuple[int, ...]], list[float]] = {}
    for finding in one.judgement.findings:
        times = together.setdefault((finding.cause, finding.antennas), [])
        if finding.time >= 0:
            times.append(float(one.metric.time[finding.time]))
    out = []
    for (cause, antennas), times in sorted(together.items()):
        words = [f"mode='manual' spw='{one.place.spw}' field='{','.join(map(str, one.place.fields))}'"]
        words.append(f"scan='{','.join(map(str, one.place.scans))}'")
        antenna = _antennas(names, antennas, kind)
        if antenna:
            words.append(f"antenna='{antenna}'")
        if times:
            words.append(f"timerange='{','.join(_around(t, one.interval_s) for t in times)}'")
        out.append((cause, " ".join([*words, f"reason='corrected amplitude: {cause}'"])))
    return out


def _around(time: float, interval_s: float) -> str:
    """Return a time range that holds one integration."""
    return f"{clock_text(time - 0.4 * interval_s)}~{clock_text(time + 0.4 * interval_s)}"


def _kind_selection(block: Block, one: Searched) -> dict[int, list[str]]:
    """Return for each antenna those with which it has baselines of the kind; empty where all are of one kind."""
    if not one.baselines:
        return {}
    names = block.facts.metadata.antenna_names()
    out: dict[int, list[str]] = {}
    for i, j in zip(one.metric.antenna1.tolist(), one.metric.antenna2.tolist(), strict=True):
        out.setdefault(i, []).append(names[j])
        out.setdefault(j, []).append(names[i])
    return out


def _antennas(names: list[str], antennas: tuple[int, ...], kind: dict[int, list[str]]) -> str:
    """Write antennas as a selection, of baselines of the kind only if there is one."""
    if len(antennas) == 2:
        return f"{names[antennas[0]]}&{names[antennas[1]]}"
    if not kind:
        return names[antennas[0]] if antennas else ""
    of = antennas or tuple(sorted(kind))
    return ";".join(f"{names[a]}&{','.join(sorted(set(kind[a])))}" for a in of)


def _carried(block: Block, searched: Iterable[Searched]) -> list[str]:
    """Return commands that flag the phase calibrator's bad baselines on targets and check sources."""
    facts = block.facts
    names = facts.metadata.antenna_names()
    scans = facts.scan_list("TARGET", "CHECK")
    if not scans:
        return []
    of_spw: dict[int, set[str]] = {}
    for one in searched:
        if one.place.intent == "PHASE":
            bad = [f for f in one.judgement.findings if f.cause == _BAD_BASELINE]
            of_spw.setdefault(one.place.spw, set()).update(f"{names[f.antenna1]}&{names[f.antenna2]}" for f in bad)
    fields = ",".join(map(str, facts.fields("TARGET", "CHECK")))
    return [
        f"mode='manual' spw='{spw}' field='{fields}' scan='{scans}' antenna='{';'.join(sorted(pairs))}' "
        f"reason='corrected amplitude: {_PROPAGATED}'"
        for spw, pairs in sorted(of_spw.items())
        if pairs
    ]


def fully_flagged(block: Block, searched: Sequence[Searched]) -> dict[str, set[int]]:
    """Return the antennas that are flagged at all times, and in which spws."""
    names = block.facts.metadata.antenna_names()
    out: dict[str, set[int]] = {}
    for one in searched:
        for finding in one.judgement.findings:
            if finding.cause == "antenna":
                out.setdefault(names[finding.antenna1], set()).add(one.place.spw)
    return dict(sorted(out.items()))


def score(block: Block, found: Sequence[FlagCause], searched: Sequence[Searched], *, antennas: bool) -> None:
    """Score what was newly flagged, and antennas that were flagged altogether."""
    newly, total = sum(c.newly for c in found), max((c.total for c in found), default=0)
    share = newly / total if total else 0.0
    block.out.score(
        score_newly_flagged(share), "newly_flagged_fraction", share, "", f"{share:.2%} newly flagged",
        f"{block.name}: {share:.3%} of the data of the science scans and spws were flagged as outliers of corrected "
        "amplitude",
    )  # fmt: skip
    if not antennas:
        return
    for antenna, spws in fully_flagged(block, searched).items():
        there = sorted({s.place.name for s in searched})
        block.out.score(
            _FULLY_FLAGGED, "fully_flagged_spws", len(spws), "spws", "antenna flagged",
            f"{block.name}: {antenna} was flagged on {', '.join(there)} in spw {', '.join(map(str, sorted(spws)))}",
            antenna=antenna, spw=",".join(map(str, sorted(spws))), field=",".join(there),
        )  # fmt: skip


def new_refants(refants: Sequence[str], flagged: dict[str, set[int]], spws: Sequence[int]) -> list[str]:
    """Return the reference antennas without those flagged in all spws, and those flagged in some at the end.

    Where none would be left, or all would go to the end, nothing changes.
    """
    gone = {a for a, of in flagged.items() if of >= set(spws)}
    kept = [a for a in refants if a not in gone] or list(refants)
    last = [a for a in kept if a in flagged]
    return kept if len(last) == len(kept) else [a for a in kept if a not in flagged] + last


def charts(block: Block, one: Searched) -> None:
    """Write the data of plots: amplitude less model against time, and of baselines against their lengths."""
    place, metric = one.place, one.metric
    ids = f"field{place.fields[0]}.spw{place.spw}{f'.{one.baselines}' if one.baselines else ''}"
    title = f"{place.intent} {place.name}, spw {place.spw} {one.baselines}".rstrip()
    bad = flagged_by(one.judgement.findings, metric.antenna1, metric.antenna2, metric.ntime)
    amplitude = Axis("corrected less model amplitude", "Jy")
    of_time: list[Series] = []
    of_length: list[Series] = []
    for pol, corr in enumerate(metric.corrs):
        keys = {**place.where(), "polarisation": corr}
        of_time += _time_series(metric.time, metric.value[:, :, pol], bad, keys)
        of_length += _length_series(block, metric, pol, bad, keys)
    lines = _limit_lines(one)
    block.chart(
        Chart(f"amp_time.{place.intent}.{ids}", f"Amplitudes against time: {title}", Axis("time", "UTC", "time"),
              amplitude, of_time, lines=lines, caption="Of all baselines at each time; flagged ones are marked.")
    )  # fmt: skip
    block.chart(
        Chart(f"amp_uvdist.{place.intent}.{ids}", f"Amplitudes against uv distance: {title}",
              Axis("uv distance", "m"), amplitude, of_length, lines=lines,
              caption="Medians over time of the baselines, before and after flagging.")
    )  # fmt: skip


def _limit_lines(one: Searched) -> list[dict[str, Any]]:
    if not one.judgement.numbers or one.place.intent == "TARGET":
        return []
    return [
        {"axis": "y", "value": n.median + k * n.sigma, "label": f"{n.corr} {k:+.0f} sigma"}
        for n in one.judgement.numbers[0]
        for k in (-13, 12)
    ]


def _time_series(
    time: NDArray[np.float64], value: NDArray[np.float64], bad: NDArray[np.bool_], keys: dict[str, str]
) -> list[Series]:
    """Return the lowest, median and highest amplitude of each time, after flagging, and what was flagged."""
    kept = np.where(bad, np.nan, value)
    some = np.isfinite(kept).any(axis=1)
    out = []
    for role, part in (("lowest", np.nanmin), ("median", np.nanmedian), ("highest", np.nanmax)):
        y = np.full(len(time), np.nan)
        y[some] = part(kept[some], axis=1)
        out.append(Series({**keys, "role": role}, time, y, line=role == "median"))
    at, baseline = np.nonzero(bad & np.isfinite(value))
    if len(at):
        far = np.argsort(-np.abs(value[at, baseline]), kind="stable")[:_CHART_POINTS]
        far = np.sort(far)
        out.append(Series({**keys, "role": "flagged"}, time[at[far]], value[at[far], baseline[far]]))
    return out


def _length_series(
    block: Block, metric: Metric, pol: int, bad: NDArray[np.bool_], keys: dict[str, str]
) -> list[Series]:
    """Return each baseline's median amplitude before and after flagging."""
    names = block.facts.metadata.antenna_names()
    pairs = [f"{names[i]}&{names[j]}" for i, j in zip(metric.antenna1, metric.antenna2, strict=True)]
    assert metric.uvdist_m is not None
    length = np.nanmean(metric.uvdist_m, axis=0)
    value = metric.value[:, :, pol]
    out = []
    for role, values in (("before", value), ("after", np.where(bad, np.nan, value))):
        some = np.isfinite(values).any(axis=0)
        which = np.flatnonzero(some)
        y = np.nanmedian(values[:, some], axis=0)
        out.append(Series({**keys, "role": role}, length[which], y, {"baseline": [pairs[k] for k in which]}))
    return out

"""What flagging views found, put into words: flag commands, reasons with their numbers, charts of the views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.heuristics.views import Proposal, View
from atacal.pipeline.charts import Axis, Chart, Matrix
from atacal.recipe.channels import ranges

MOST_CHANNELS, LEAST_CHANNELS, MOST_CELLS = 128, 32, 60_000
"""Columns of a picture of channels (fewer of many baselines): more are shown as the most deviant of neighbours."""
_DAY_S = 86400.0


def clock(time_mjd_s: float) -> str:
    """Return the time of day, hh:mm:ss UTC, of MJD seconds."""
    seconds = round(time_mjd_s % _DAY_S) % int(_DAY_S)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def label(axis: str, value: Any, names: Sequence[str]) -> Any:
    """Return what stands for an element of a view's axis: antennas by name, times of day, else itself."""
    if axis == "baseline":
        return "&".join(names[int(a)] for a in value)
    if axis == "antenna":
        return names[int(value)]
    return clock(float(value)) if axis == "time" else value


def reason(proposal: Proposal, names: Sequence[str]) -> dict[str, Any]:
    """Return a proposal as plain values: rule, number, limit, and what it concerns.

    Parameters
    ----------
    proposal : Proposal
    names : sequence of str
        Of the antennas.

    Returns
    -------
    dict
        rule, measure, value, limit, the view's identity, and the extent: channels as ranges, names of antennas.
    """
    identity = {k: v for k, v in proposal.view.identity.items() if k not in ("quantity", "unit")}
    out: dict[str, Any] = {
        "rule": proposal.rule, "measure": proposal.measure, "value": round(proposal.value, 6),
        "limit": round(proposal.threshold, 6), **identity,
    }  # fmt: skip
    for axis, values in proposal.extent().items():
        if axis == "channel":
            mask = np.zeros(len(proposal.view.labels[0]), bool)
            mask[np.asarray(values, int)] = True
            out["channels"] = ranges(mask)
        elif axis == "baseline" and proposal.antenna is not None:
            out["antenna"] = names[proposal.antenna]
        else:
            out[axis] = ",".join(str(label(axis, v, names)) for v in values)
    return out


def by_rule(proposals: Iterable[Proposal]) -> dict[str, list[Proposal]]:
    """Return proposals by their rule, in the order of their first appearance."""
    out: dict[str, list[Proposal]] = {}
    for p in proposals:
        out.setdefault(p.rule, []).append(p)
    return out


def channel_commands(proposals: Sequence[Proposal], names: Sequence[str], why: str) -> list[str]:
    """Return commands for what was found in views of channel by baseline; all correlations go together.

    Parameters
    ----------
    proposals : sequence of Proposal
        Their views' identity has the spw.
    names : sequence of str
        Of the antennas.
    why : str
        The commands' reason.

    Returns
    -------
    list of str
        One for each spw and antenna or baseline.
    """
    masks: dict[tuple[int, str], NDArray[np.bool_]] = {}
    for p in proposals:
        spw, nchan = int(p.view.identity["spw"]), len(p.view.labels[0])
        pairs = [label("baseline", p.view.labels[1][j], names) for j in p.y]
        for who in [names[p.antenna]] if p.antenna is not None else pairs:
            masks.setdefault((spw, who), np.zeros(nchan, bool))[p.x] = True
    return [
        f"mode='manual' spw='{spw}:{ranges(mask)}' antenna='{who}' reason='{why}'"
        for (spw, who), mask in sorted(masks.items())
    ]


def view_chart(
    name: str, title: str, views: Sequence[tuple[View, NDArray[np.bool_], Mapping[str, str]]], names: Sequence[str],
    caption: str, lines: Sequence[Mapping[str, Any]] = (),
) -> Chart:  # fmt: skip
    """Return the chart of some views with the same axes.

    Parameters
    ----------
    name, title, caption : str
    views : sequence of (View, bool (x, y), mapping)
        Each with what is newly flagged in it, and keys (role: before, after).
    names : sequence of str
        Of the antennas.
    lines : sequence of mapping
        Limits, for the scale.

    Returns
    -------
    Chart
        A matrix each; what had been flagged before is not a number.
    """
    first = views[0][0]
    matrices = [_matrix(view, new, keys, names) for view, new, keys in views]
    kind = {"channel": "number", "scan": "number"}
    x, y = (Axis(a, "", kind.get(a, "category")) for a in first.axes)  # type: ignore[arg-type]
    z = Axis(str(first.identity.get("quantity", "")), str(first.identity.get("unit", "")))
    return Chart(name, title, x, y, matrices=matrices, z=z, lines=list(lines), caption=caption)


def _matrix(view: View, new: NDArray[np.bool_], keys: Mapping[str, str], names: Sequence[str]) -> Matrix:
    values = np.where(view.flag & ~new, np.nan, view.values)
    xs = [label(view.axes[0], v, names) for v in view.labels[0]]
    columns = min(MOST_CHANNELS, max(LEAST_CHANNELS, MOST_CELLS // max(1, values.shape[1])))
    if view.axes[0] == "channel" and len(xs) > columns:
        values, new, xs = _binned(values, new, columns)
    ys = [label(view.axes[1], v, names) for v in view.labels[1]]
    about = {k: str(v) for k, v in view.identity.items() if k not in ("quantity", "unit")}
    return Matrix({**about, **keys}, xs, ys, values.T, new.T)


def _binned(
    values: NDArray[np.floating], new: NDArray[np.bool_], columns: int
) -> tuple[NDArray[np.floating], NDArray[np.bool_], list[float]]:
    """Return the most deviant values of groups of neighbouring channels."""
    groups = np.array_split(np.arange(len(values)), columns)
    size = np.nan_to_num(np.abs(values), nan=-1.0)
    across = np.arange(values.shape[1])
    picked = np.array([g[size[g].argmax(axis=0)] for g in groups])
    return (
        values[picked, across], np.array([new[g].any(axis=0) for g in groups]), [float(g.mean()) for g in groups]
    )  # fmt: skip

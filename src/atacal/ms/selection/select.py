"""Turning a `Selection`, the text that users write, into `Selected`, the rows, channels and correlations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, EmptySelection, MissingColumn, SelectionError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.rows import RowRuns
from atacal.ms.selected import Selected
from atacal.ms.selection.antenna import parse_antenna
from atacal.ms.selection.corr import parse_correlation
from atacal.ms.selection.feed import parse_feed
from atacal.ms.selection.field import parse_field
from atacal.ms.selection.intent import parse_intent
from atacal.ms.selection.observation import parse_array, parse_observation
from atacal.ms.selection.patterns import ranges
from atacal.ms.selection.scan import parse_scan
from atacal.ms.selection.spw import parse_spw
from atacal.ms.selection.timerange import TimeReference, parse_timerange, time_text
from atacal.ms.selection.uvrange import parse_uvrange


@dataclass(frozen=True)
class Selection:
    """What a user wants of a MeasurementSet, in CASA's selection language; empty strings select everything.

    Attributes
    ----------
    field, spw, antenna, scan, timerange, uvrange, intent, correlation, observation, array, feed : str
        See ``docs/selection.md``. Integers and lists are accepted and written out (``spw=3``, ``spw=[0, 1]``).
    msselect : str
        A TaQL condition on the main table's rows, such as ``ANTENNA1!=3 && FLAG_ROW==False``.
    """

    field: str = ""
    spw: str = ""
    antenna: str = ""
    scan: str = ""
    timerange: str = ""
    uvrange: str = ""
    intent: str = ""
    correlation: str = ""
    observation: str = ""
    array: str = ""
    feed: str = ""
    msselect: str = ""

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, _as_text(f.name, getattr(self, f.name)))

    def __bool__(self) -> bool:
        return any(getattr(self, f.name).strip() for f in fields(self))


def _as_text(name: str, value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(int(value))
    if isinstance(value, (list, tuple)):
        return ",".join(_as_text(name, v) for v in value)
    raise ArgumentError(f"{name}={value!r}: a selection is text, an integer or a list of them")


def select(
    ms: MeasurementSet, selection: Selection | None = None, *, autocorr: bool = True, partial_intent: bool = False
) -> Selected:
    """Find what a selection picks.

    Parameters
    ----------
    ms : MeasurementSet
    selection : Selection, optional
        None selects everything.
    autocorr : bool
        Whether an empty antenna expression includes the autocorrelations.
    partial_intent : bool
        Pass over intents that the data do not have, when they have others of those asked for.

    Returns
    -------
    Selected

    Raises
    ------
    SelectionError
        If an expression cannot be read.
    EmptySelection
        If nothing in the data matches.
    """
    what = selection or Selection()
    meta, runs = ms.metadata, ms.runs
    spws = parse_spw(what.spw, meta)
    corrs, ddids = parse_correlation(what.correlation, meta)
    antennas = parse_antenna(what.antenna, meta, autocorr=autocorr)
    keep = np.isin(meta.ddid_spw, list(spws.channels)) & np.isin(np.arange(len(meta.ddids)), list(ddids))
    known = (runs.ddid >= 0) & (runs.ddid < len(keep))
    steps: list[tuple[str, str, NDArray[np.bool_]]] = []
    if what.spw or what.correlation:
        name = " and ".join(n for n in ("spw", "correlation") if getattr(what, n))
        steps.append((name, f"{what.spw} {what.correlation}".strip(), known & keep[runs.ddid * known]))
    steps += _by_run(ms, what, partial_intent)
    mask = known.copy()
    for name, text, step in steps:
        if not (mask & step).any():
            raise EmptySelection(_nothing_left(ms, name, text, mask, step))
        mask &= step
    if not mask.any():
        raise EmptySelection(f"{ms.path} has no rows")
    picked = runs[mask]
    for column_text, row_mask in ((what.feed, _feed_rows), (what.msselect, _taql_rows)):
        if column_text.strip():
            picked = row_mask(ms, picked, column_text)
    if what.timerange.strip():
        picked = _in_time(ms, picked, what.timerange)
    present = {int(s) for s in np.unique(meta.ddid_spw[picked.ddid])}
    used_pols = {meta.ddids[int(d)].pol for d in np.unique(picked.ddid)}
    result = Selected(
        runs=picked,
        baselines=antennas.baselines,
        channels={s: m for s, m in spws.channels.items() if s in present},
        corrs={p: m for p, m in corrs.items() if p in used_pols},
        uv=parse_uvrange(what.uvrange),
        channel_groups={s: g for s, g in spws.groups.items() if s in present},
    )
    if what.antenna.strip() or what.uvrange.strip():
        _require_rows(ms, result, what)
    return result


def _by_run(ms: MeasurementSet, what: Selection, partial_intent: bool) -> list[tuple[str, str, NDArray[np.bool_]]]:
    """Return, for every expression on an id column, its name, its text and the runs that match."""
    runs, meta = ms.runs, ms.metadata
    parsers: tuple[tuple[str, str, NDArray, Callable[[str], list[int] | NDArray]], ...] = (
        ("field", what.field, runs.field, lambda t: parse_field(t, meta)),
        ("scan", what.scan, runs.scan, lambda t: parse_scan(t, runs.scan.tolist())),
        ("intent", what.intent, runs.state, lambda t: parse_intent(t, meta, partial=partial_intent)),
        ("observation", what.observation, runs.obs, lambda t: parse_observation(t, runs.obs.tolist())),
        ("array", what.array, runs.array, lambda t: parse_array(t, runs.array.tolist())),
    )
    return [(name, text, np.isin(ids, parse(text))) for name, text, ids, parse in parsers if text.strip()]


def _nothing_left(ms: MeasurementSet, name: str, text: str, before: NDArray[np.bool_], step: NDArray[np.bool_]) -> str:
    """Say why a step of the selection leaves nothing."""
    meta, runs = ms.metadata, ms.runs
    left = runs[before]
    there = (
        f"fields {ranges(left.field.tolist())}, scans {ranges(left.scan.tolist())}, "
        f"spws {ranges(meta.ddid_spw[left.ddid].tolist())}"
    )
    if not step.any():
        return f"{name} selection {text!r} matches no rows of {ms.path}; its rows are of {there}"
    return f"{name} selection {text!r} leaves nothing of what the other selections pick from {ms.path}: {there}"


def _in_time(ms: MeasurementSet, runs: RowRuns, text: str) -> RowRuns:
    first = TimeReference(float(runs.time[0]), float(runs.exposure[0]))
    mask = np.zeros(len(runs), bool)
    for window in parse_timerange(text, first):
        mask |= window.mask(runs.time)
    if not mask.any():
        raise EmptySelection(
            f"timerange selection {text!r} matches nothing; the rows of {ms.path} that the other selections leave are "
            f"of {time_text(float(runs.time.min()))}~{time_text(float(runs.time.max()))}"
        )
    return runs[mask]


def _feed_rows(ms: MeasurementSet, runs: RowRuns, text: str) -> RowRuns:
    if "FEED1" not in ms.columns() or "FEED2" not in ms.columns():
        raise MissingColumn(f"{ms.path} has no columns FEED1 and FEED2, so feeds cannot be selected")
    pairs: set[tuple[int, int]] = set()

    def mask(row0: int, nrow: int) -> NDArray[np.bool_]:
        feed1, feed2 = (ms.read_scalar(c, [(row0, nrow)]) for c in ("FEED1", "FEED2"))
        pairs.update(zip(feed1.tolist(), feed2.tolist(), strict=True))
        return parse_feed(text, feed1, feed2)

    picked = split_runs(runs, mask)
    if not len(picked):
        raise EmptySelection(
            f"feed selection {text!r} matches nothing; the feed pairs of {ms.path} are {sorted(pairs)} "
            "(write 0&& for rows whose two feeds are 0)"
        )
    return picked


def _taql_rows(ms: MeasurementSet, runs: RowRuns, text: str) -> RowRuns:
    try:
        found = np.zeros(ms.metadata.nrow, bool)
        part = ms.table.query(text)
        found[np.asarray(part.rownumbers(ms.table), np.int64)] = True
        part.close()
    except RuntimeError as error:
        raise SelectionError(f"msselect {text!r} is not a TaQL condition on {ms.path}: {error}") from error
    picked = split_runs(runs, lambda row0, nrow: found[row0 : row0 + nrow])
    if not len(picked):
        raise EmptySelection(f"msselect {text!r} matches no row of {ms.path}")
    return picked


def split_runs(runs: RowRuns, mask: Callable[[int, int], NDArray[np.bool_]]) -> RowRuns:
    """Cut runs down to the rows that a mask keeps.

    Parameters
    ----------
    runs : RowRuns
    mask : callable
        ``mask(row0, nrow)`` returns which rows of that stretch to keep, bool (nrow,).
    """
    index: list[int] = []
    row0: list[int] = []
    nrow: list[int] = []
    for i in range(len(runs)):
        keep = np.concatenate(([False], mask(int(runs.row0[i]), int(runs.nrow[i])), [False]))
        edges = np.flatnonzero(keep[1:] != keep[:-1])
        for start, stop in edges.reshape(-1, 2).tolist():
            index.append(i)
            row0.append(int(runs.row0[i]) + start)
            nrow.append(stop - start)
    picked = runs[np.array(index, np.intp)]
    return replace(picked, row0=np.array(row0, np.int64), nrow=np.array(nrow, np.int64))


def _require_rows(ms: MeasurementSet, selected: Selected, what: Selection) -> None:
    """Raise unless some row is on a selected baseline and within the uv limits; reads no more than it must."""
    meta = ms.metadata
    near, far = np.inf, 0.0
    antennas: set[int] = set()
    for i in range(len(selected.runs)):
        segment = [(int(selected.runs.row0[i]), int(selected.runs.nrow[i]))]
        antenna1, antenna2 = (ms.read_scalar(c, segment) for c in ("ANTENNA1", "ANTENNA2"))
        antennas.update(antenna1.tolist(), antenna2.tolist())
        rows = selected.baselines[antenna1, antenna2]
        if selected.uv is not None and rows.any():
            uvw = np.empty((len(rows), 3), np.float64)
            ms.read("UVW", segment, uvw)
            distance = np.hypot(uvw[rows, 0], uvw[rows, 1])
            near, far = min(near, float(distance.min())), max(far, float(distance.max()))
            rows = rows & selected.uv.mask(uvw, meta.spws[meta.ddid_spw[selected.runs.ddid[i]]].ref_freq_hz)
        if rows.any():
            return
    left = f"nothing of what the other selections pick from {ms.path}"
    if np.isfinite(near):
        raise EmptySelection(f"uvrange {what.uvrange!r} leaves {left}; their uv distances are {near:.1f}~{far:.1f} m")
    names = [name for number, name in enumerate(meta.antenna_names()) if number in antennas]
    raise EmptySelection(f"antenna {what.antenna!r} leaves {left}; the baselines are between {', '.join(names)}")

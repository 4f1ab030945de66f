"""Selections as the tool ``ms`` takes them: expressions, ids and ranges, turned into row numbers and ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ToolError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata, read_metadata
from atacal.ms.selection import (
    Selection,
    parse_antenna,
    parse_antenna_list,
    parse_correlation,
    parse_field,
    parse_intent,
    parse_observation,
    parse_scan,
    parse_spw,
    select,
)
from atacal.ms.stream import stream

Rows = NDArray[np.int64]

_WORDS = {
    "field": "field", "spw": "spw", "baseline": "antenna", "antenna": "antenna", "scan": "scan", "time": "timerange",
    "timerange": "timerange", "uvrange": "uvrange", "uvdist": "uvrange", "scanintent": "intent", "intent": "intent",
    "polarization": "correlation", "correlation": "correlation", "observation": "observation", "array": "array",
    "feed": "feed", "taql": "msselect",
}  # fmt: skip
"""CASA's names of the parts of a selection (``ms.msselect``) -> those of `Selection`."""

_RANGED = ("time", "uvdist", "u", "v", "w")
_LISTED = (
    "antenna1", "antenna2", "array_id", "data_desc_id", "feed1", "feed2", "field_id", "scan_number", "state_id",
    "observation_id", "ifr_number", "times", "rows",
)  # fmt: skip


def expression(value: Any) -> str:
    """Return a part of a selection as text; lists are joined."""
    if isinstance(value, (list, tuple, np.ndarray)):
        return ",".join(str(v) for v in value)
    return "" if value is None else str(value)


def as_selection(items: Mapping[str, Any], method: str) -> Selection:
    """Turn CASA's dictionary into a `Selection`."""
    unknown = sorted(set(items) - set(_WORDS))
    if unknown:
        raise ToolError(f"ms.{method}: {', '.join(unknown)}: the parts of a selection are {', '.join(_WORDS)}")
    return Selection(**{_WORDS[key]: expression(value) for key, value in items.items() if expression(value)})


def selected_rows(path: str, selection: Selection) -> Rows:
    """Return the row numbers that a selection picks."""
    with MeasurementSet(path) as ms:
        found = [
            np.concatenate([np.arange(row0, row0 + count) for row0, count in block.segments])[block.wanted]
            for block in stream(ms, select(ms, selection), [])
        ]
    return np.sort(np.concatenate(found)).astype(np.int64)


def rows_within(table: Any, rows: Rows, items: Mapping[str, Any]) -> Rows:
    """Return those of some rows that ``ms.select``'s lists and ranges keep."""
    keep = np.ones(len(rows), bool)
    for name, value in items.items():
        key = name.lower()
        if key not in _RANGED and key not in _LISTED:
            raise ToolError(f"ms.select: {name!r}: it takes {', '.join((*_LISTED, *_RANGED))}")
        given = np.atleast_1d(np.asarray(value))
        values = _values(table, key, rows)
        if key in _RANGED:
            keep &= (values >= given[0]) & (values <= given[-1])
        else:
            keep &= np.isin(values, given)
    return rows[keep]


def _values(table: Any, key: str, rows: Rows) -> NDArray:
    if key == "rows":
        return rows
    if key == "ifr_number":
        return 1000 * np.asarray(table.getcol("ANTENNA1")) + np.asarray(table.getcol("ANTENNA2"))
    if key in ("u", "v", "w", "uvdist"):
        uvw = np.asarray(table.getcol("UVW"))
        return np.hypot(uvw[:, 0], uvw[:, 1]) if key == "uvdist" else uvw[:, "uvw".index(key)]
    return np.asarray(table.getcol({"times": "TIME"}.get(key, key.upper())))


def indices(path: str, selection: Selection) -> dict[str, Any]:
    """Return the ids that the expressions of a selection name, whether rows match or not.

    Returns
    -------
    dict
        CASA's: ``antenna1``, ``antenna2``, ``baselines`` (baseline, 2), ``channel`` (range, 4: spw, first, last, step),
        ``dd``, ``field``, ``obsids``, ``poldd``, ``scan``, ``spw``, ``spwdd``, ``stateid``; empty where nothing was
        asked for.
    """
    meta = read_metadata(path)
    none = np.zeros(0, np.int64)
    out: dict[str, Any] = dict.fromkeys(
        ("antenna1", "antenna2", "dd", "field", "obsids", "poldd", "scan", "spw", "spwdd", "stateid"), none
    )
    out |= {"baselines": np.zeros((0, 0), np.int64), "channel": np.zeros((0, 0), np.int64)}
    if selection.antenna:
        out |= _antennas(selection.antenna, meta)
    if selection.field:
        out["field"] = _ids(parse_field(selection.field, meta))
    if selection.spw:
        out |= _spws(selection.spw, meta)
    if selection.correlation:
        out["poldd"] = _ids(parse_correlation(selection.correlation, meta)[1])
    if selection.intent:
        out["stateid"] = _ids(parse_intent(selection.intent, meta))
    if selection.scan or selection.observation:
        with MeasurementSet(path) as ms:
            if selection.scan:
                out["scan"] = _ids(parse_scan(selection.scan, ms.runs.scan.tolist()))
            if selection.observation:
                out["obsids"] = _ids(parse_observation(selection.observation, ms.runs.obs.tolist()))
    return out


def _ids(found: Any) -> NDArray[np.int64]:
    return np.array(sorted({int(i) for i in found}), np.int64)


def _antennas(text: str, meta: Metadata) -> dict[str, Any]:
    mask = parse_antenna(text, meta, autocorr=False).baselines
    first, second = np.nonzero(np.triu(mask | mask.T))
    baselines = np.stack([first, second], axis=1).astype(np.int64)
    if "&" in text:
        return {"antenna1": _ids(first), "antenna2": _ids(second), "baselines": baselines}
    return {
        "antenna1": np.array(parse_antenna_list(text, meta), np.int64),
        "antenna2": np.arange(meta.nant, dtype=np.int64),
        "baselines": baselines,
    }


def _spws(text: str, meta: Metadata) -> dict[str, Any]:
    if text.strip() == "*":  # CASA lists the channels of those without data descriptions, too
        every = [[s.id, 0, s.nchan - 1, 1] for s in meta.spws]
        ddids = _ids(d.id for d in meta.ddids)
        return {"spw": _ids(meta.ddid_spw), "channel": np.array(every, np.int64), "dd": ddids, "spwdd": ddids}
    found = parse_spw(text, meta)
    ranges = []
    for spw in sorted(found.channels):
        for part in found.groups.get(spw) or [slice(0, meta.spws[spw].nchan)]:
            step = part.step or 1
            first, last = int(part.start or 0), int(part.stop if part.stop is not None else meta.spws[spw].nchan) - 1
            ranges.append([spw, first, last, step])
    ddids = _ids(d.id for d in meta.ddids if d.spw in found.channels)
    return {"spw": _ids(found.channels), "channel": np.array(ranges, np.int64), "dd": ddids, "spwdd": ddids}

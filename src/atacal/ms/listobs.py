"""What is in a MeasurementSet: the facts that ``listobs`` reports, gathered in one pass over the ids of its rows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.ms._tables import opened
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata, Spw
from atacal.ms.rows import RowRuns
from atacal.ms.selected import Selected
from atacal.ms.stream import stream

DAY_S = 86400.0


@dataclass(frozen=True)
class SubScan:
    """The rows of one observation, array, scan and field.

    Attributes
    ----------
    obs, array, scan, field : int
    nrow : int
    unflagged_rows : float or None
        Sum over the rows of the part of the bandwidth that is not flagged; None when it was not asked for.
    begin, end : float
        First start and last end of an integration of the whole scan (of this observation and array) [MJD s].
    spws : tuple of int
    mean_interval_s : tuple of float
        Mean INTERVAL of each of ``spws``.
    mean_exposure_s : float
    states : tuple of int
        STATE_IDs, ascending.
    intents : tuple of str
        Alphabetical.
    """

    obs: int
    array: int
    scan: int
    field: int
    nrow: int
    unflagged_rows: float | None
    begin: float
    end: float
    spws: tuple[int, ...]
    mean_interval_s: tuple[float, ...]
    mean_exposure_s: float
    states: tuple[int, ...]
    intents: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """One row of SOURCE; ``spw`` is -1 for any, frequencies [Hz] and velocities [m/s] are None where undefined."""

    id: int
    name: str
    spw: int
    rest_freq_hz: float | None
    sysvel_m_s: float | None


@dataclass(frozen=True, eq=False)
class Summary:
    """The facts about (a selection of) a MeasurementSet.

    Attributes
    ----------
    meta : Metadata
    version : str
        Version of the MeasurementSet format.
    time_frame : str
        Frame of TIME: UTC or TAI.
    nrow : int
    begin, end : float
        Start of the first and end of the last integration [MJD s].
    subscans : tuple of SubScan
        Ordered by observation, array, scan, field.
    antennas, fields, ddids : tuple of int
        Those with rows, ascending.
    has_bbc : bool
        Whether the spws say which baseband they come from.
    sources : tuple of Source or None
        None when there is no SOURCE table.
    source_columns : tuple of bool
        Whether SOURCE has REST_FREQUENCY and SYSVEL.
    """

    meta: Metadata
    version: str
    time_frame: str
    nrow: int
    begin: float
    end: float
    subscans: tuple[SubScan, ...]
    antennas: tuple[int, ...]
    fields: tuple[int, ...]
    ddids: tuple[int, ...]
    has_bbc: bool
    sources: tuple[Source, ...] | None
    source_columns: tuple[bool, bool]

    def field_rows(self, field: int) -> tuple[int, float | None]:
        """Rows, and unflagged rows, of a field."""
        mine = [s for s in self.subscans if s.field == field]
        unflagged = [s.unflagged_rows for s in mine if s.unflagged_rows is not None]
        return sum(s.nrow for s in mine), sum(unflagged) if unflagged else None


def summarize(ms: MeasurementSet, selected: Selected, *, count_unflagged: bool = False) -> Summary:
    """Gather the facts that ``listobs`` reports.

    Parameters
    ----------
    ms : MeasurementSet
    selected : Selected
        Which rows to report on; channels and correlations do not matter.
    count_unflagged : bool
        Read the flags too.

    Returns
    -------
    Summary
    """
    count, unflagged, antennas = _count_rows(ms, selected, count_unflagged)
    present = count > 0
    runs, count = selected.runs[present], count[present]
    unflagged = None if unflagged is None else unflagged[present]
    version, frame = _main_keywords(ms)
    sources, source_columns = _sources(ms)
    with opened(f"{ms.path}/SPECTRAL_WINDOW") as tab:
        has_bbc = "BBC_NO" in tab.colnames()
    start, stop = runs.time - runs.interval / 2, runs.time + runs.interval / 2
    return Summary(
        meta=ms.metadata,
        version=version,
        time_frame=frame,
        nrow=int(count.sum()),
        begin=float(start.min()),
        end=float(stop.max()),
        subscans=_subscans(ms.metadata, runs, count, unflagged),
        antennas=antennas,
        fields=tuple(np.unique(runs.field).tolist()),
        ddids=tuple(np.unique(runs.ddid).tolist()),
        has_bbc=has_bbc,
        sources=sources,
        source_columns=source_columns,
    )


def _count_rows(
    ms: MeasurementSet, selected: Selected, count_unflagged: bool
) -> tuple[NDArray[np.int64], NDArray[np.float64] | None, tuple[int, ...]]:
    """Count the selected rows, and the unflagged part of them, of every run; find the antennas in them."""
    count = np.zeros(len(selected.runs), np.int64)
    unflagged = np.zeros(len(selected.runs)) if count_unflagged else None
    seen = np.zeros(ms.metadata.nant, bool)
    for block in stream(ms, selected, ["FLAG"] if count_unflagged else []):
        first = int(block.run.min(initial=len(count)))
        size = int(block.run.max(initial=-1)) + 1 - first
        where = slice(first, first + size)
        count[where] += np.bincount(block.run[block.wanted] - first, minlength=size)
        seen[block.antenna1[block.wanted]] = True
        seen[block.antenna2[block.wanted]] = True
        if unflagged is not None:
            part = unflagged_part(block["FLAG"], ms.metadata.spws[block.spw])
            unflagged[where] += np.bincount(block.run[block.wanted] - first, weights=part[block.wanted], minlength=size)
    return count, unflagged, tuple(np.flatnonzero(seen).tolist())


def unflagged_part(flag: NDArray[np.bool_], spw: Spw) -> NDArray[np.float64]:
    """Part of the bandwidth that is not flagged, mean over the correlations.

    Parameters
    ----------
    flag : bool (row, chan, corr)
    spw : Spw

    Returns
    -------
    float64 (row,)
        A correlation without flags counts 1, any other the widths of its unflagged channels over the spw's total
        bandwidth, as in CASA. Widths count as positive: CASA subtracts where frequencies descend.
    """
    width = np.abs(spw.chan_width_hz) / spw.total_bandwidth_hz
    part = np.einsum("rfc,f->rc", ~flag, width)
    part[~flag.any(axis=1)] = 1.0
    return part.mean(axis=1)


def _subscans(
    meta: Metadata, runs: RowRuns, count: NDArray[np.int64], unflagged: NDArray[np.float64] | None
) -> tuple[SubScan, ...]:
    keys = np.stack([runs.obs, runs.array, runs.scan, runs.field], axis=1)
    unique, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.reshape(-1)
    order = np.argsort(group, kind="stable")
    pieces = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    start, stop = runs.time - runs.interval / 2, runs.time + runs.interval / 2
    span: dict[tuple[int, ...], tuple[float, float]] = {}
    for key, piece in zip(unique.tolist(), pieces, strict=True):
        low, high = span.get(tuple(key[:3]), (np.inf, -np.inf))
        span[tuple(key[:3])] = (min(low, float(start[piece].min())), max(high, float(stop[piece].max())))
    out = []
    for key, piece in zip(unique.tolist(), pieces, strict=True):
        spw = meta.ddid_spw[runs.ddid[piece]]
        spws = np.unique(spw)
        weight = count[piece]
        states = np.unique(runs.state[piece]).tolist()
        begin, end = span[tuple(key[:3])]
        out.append(
            SubScan(
                obs=key[0],
                array=key[1],
                scan=key[2],
                field=key[3],
                nrow=int(weight.sum()),
                unflagged_rows=None if unflagged is None else float(unflagged[piece].sum()),
                begin=begin,
                end=end,
                spws=tuple(spws.tolist()),
                mean_interval_s=tuple(
                    float(np.average(runs.interval[piece][spw == s], weights=weight[spw == s])) for s in spws
                ),
                mean_exposure_s=float(np.average(runs.exposure[piece], weights=weight)),
                states=tuple(states),
                intents=_intents(meta, states),
            )
        )
    return tuple(out)


def _intents(meta: Metadata, states: list[int]) -> tuple[str, ...]:
    modes = (meta.state_intents[s] for s in states if 0 <= s < len(meta.state_intents))
    return tuple(sorted({intent for mode in modes for intent in mode.split(",") if intent}))


def _main_keywords(ms: MeasurementSet) -> tuple[str, str]:
    """Return the version of the format and the frame of TIME."""
    version = ms.table.getkeywords().get("MS_VERSION", 1.0)
    info = ms.table.getcolkeywords("TIME").get("MEASINFO", {})
    return f"{float(version):g}", str(info.get("Ref", "UTC"))


def _sources(ms: MeasurementSet) -> tuple[tuple[Source, ...] | None, tuple[bool, bool]]:
    path = f"{ms.path}/SOURCE"
    if not os.path.isdir(path):
        return None, (False, False)
    with opened(path) as tab:
        names = tab.colnames()

        def first(column: str, row: int) -> float | None:
            if column not in names or not tab.iscelldefined(column, row):
                return None
            values = np.ravel(tab.getcell(column, row))
            return float(values[0]) if values.size else None

        rows = tuple(
            Source(
                int(tab.getcell("SOURCE_ID", i)),
                tab.getcell("NAME", i),
                int(tab.getcell("SPECTRAL_WINDOW_ID", i)),
                first("REST_FREQUENCY", i),
                first("SYSVEL", i),
            )
            for i in range(tab.nrows())
        )
        return rows, ("REST_FREQUENCY" in names, "SYSVEL" in names)


def as_record(summary: Summary) -> dict[str, Any]:
    """Return the summary as the dictionary that CASA's ``listobs`` returns.

    Times are MJD in days, directions radians; ``scan_<n>`` holds one entry for every field of the scan, numbered
    from "0". Where two arrays or observations have a scan of the same number, the last one is kept, as in CASA.
    """
    record: dict[str, Any] = {
        "BeginTime": summary.begin / DAY_S,
        "EndTime": summary.end / DAY_S,
        "IntegrationTime": summary.end - summary.begin,
        "nfields": len(summary.fields),
        "numrecords": summary.nrow,
        "timeref": summary.time_frame,
    }
    for number in summary.fields:
        field = summary.meta.fields[number]
        ra, dec = field.phase_dir_rad
        record[f"field_{number}"] = {
            "code": field.code,
            "direction": {
                "m0": {"unit": "rad", "value": float(np.arctan2(np.sin(ra), np.cos(ra)))},
                "m1": {"unit": "rad", "value": dec},
                "refer": field.frame,
                "type": "direction",
            },
            "name": field.name,
        }
    before: SubScan | None = None
    subset = 0
    for sub in summary.subscans:
        same = before is not None and (before.obs, before.array, before.scan) == (sub.obs, sub.array, sub.scan)
        subset = subset + 1 if same else 0
        record.setdefault(f"scan_{sub.scan}", {})[str(subset)] = {
            "BeginTime": sub.begin / DAY_S,
            "EndTime": sub.end / DAY_S,
            "FieldId": sub.field,
            "FieldName": summary.meta.fields[sub.field].name,
            "IntegrationTime": sub.mean_exposure_s,
            "SpwIds": np.array(sub.spws, np.int64),
            "StateId": sub.states[0],
            "nRow": sub.nrow,
            "scanId": sub.scan,
        }
        before = sub
    return record

"""Mode extend: flags grow to neighbours, along time and frequency, and to the other correlations.

What it looks at is one baseline's flags over time and channels, of a scan or of ``ntime`` seconds, so that rows are
read by baselines here and not, as by the other modes, in the order of the table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.flags.commands import Command, seconds_of
from atacal.flags.engine import Outcome, Task, prepare
from atacal.memory import for_data
from atacal.ms.measurement_set import MeasurementSet, Segment
from atacal.ms.rows import RowRuns

_BYTES_A_FLAG = 8  # the flags, their copy by baselines, and what is made of them
Rows = NDArray[np.intp]


class Extend:
    """The parameters of mode extend, and what it does to a stack of flags."""

    columns: tuple[str, ...] = ()

    def __init__(self, command: Command) -> None:
        p = command.parameters
        self.pols, self.around = bool(p["extendpols"]), bool(p["growaround"])
        self.near_time, self.near_freq = bool(p["flagneartime"]), bool(p["flagnearfreq"])
        self.time_percent, self.freq_percent = float(p["growtime"]), float(p["growfreq"])
        self.combine_scans = bool(p["combinescans"])
        self.ntime_s = seconds_of(p["ntime"])

    def grown(self, flag: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return more flags than ``flag``, bool (baseline, time, chan, corr)."""
        out = self._neighbours(flag) if self.around or self.near_time or self.near_freq else flag.copy()
        _, ntime, nchan, ncorr = flag.shape
        # of 100 % or more: what is wholly flagged stays so
        grow_freq, grow_time = (0 < percent < 100 for percent in (self.freq_percent, self.time_percent))
        whole_time = (
            100.0 * out.sum(axis=2) / nchan >= self.freq_percent if grow_freq else None
        )  # (baseline, time, corr)
        whole_chan = (
            100.0 * out.sum(axis=1) / ntime >= self.time_percent if grow_time else None
        )  # (baseline, chan, corr)
        if whole_time is not None:
            out |= whole_time[:, :, None, :]
        if whole_chan is not None:
            out |= whole_chan[:, None, :, :]
        if self.pols:
            either = out[..., 0].copy()
            for corr in range(1, ncorr):
                either |= out[..., corr]
            out |= either[..., None]
        return out

    @property
    def cell_by_cell(self) -> bool:
        """Whether no flag depends on those of other times and channels."""
        grows = any(0 < percent < 100 for percent in (self.freq_percent, self.time_percent))
        return not (grows or self.around or self.near_time or self.near_freq)

    def _neighbours(self, flag: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Flag the neighbours of flags, and what has more than four flagged ones among its eight."""
        out = flag.copy()
        if self.near_time:
            out[:, 1:] |= flag[:, :-1]
            out[:, :-1] |= flag[:, 1:]
        if self.near_freq:
            out[:, :, 1:] |= flag[:, :, :-1]
            out[:, :, :-1] |= flag[:, :, 1:]
        if self.around:
            nbase, ntime, nchan, ncorr = flag.shape
            padded = np.zeros((nbase, ntime + 2, nchan + 2, ncorr), np.uint8)
            padded[:, 1:-1, 1:-1] = flag
            count = sum(padded[:, i : i + ntime, j : j + nchan] for i in range(3) for j in range(3))
            out |= np.asarray(count) > 4
        return out


def run_extend(ms: MeasurementSet, outcome: Outcome, *, write: bool, alone: bool) -> None:
    """Do what a command of mode extend says.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing if ``write``.
    outcome : Outcome
        Its command; the numbers are put there.
    write : bool
    alone : bool
        Whether a command that matches nothing is an error.

    Raises
    ------
    EmptySelection, SelectionError, WriteError
    """
    task = prepare(ms, outcome, alone=alone)
    if task is None:
        return
    assert isinstance(task.agent, Extend)
    for ddid, runs in _groups(ms.runs[task.runs], task.agent):
        for rows, stacks in _parts(ms, task, ddid, runs):
            _extend_rows(ms, task, ddid, rows, stacks, write=write)


def _groups(runs: RowRuns, agent: Extend) -> Iterator[tuple[int, RowRuns]]:
    """Yield the runs that are looked at together, in time order, with their data description."""
    keys = [runs.obs, runs.array, runs.field, runs.ddid]
    if not agent.combine_scans:
        keys.append(runs.scan)
    sorted_by: Any = (runs.time, *keys[::-1])
    order = np.lexsort(sorted_by)
    same = np.ones(max(len(order) - 1, 0), bool)
    for key in keys:
        same &= np.diff(key[order]) == 0
    for part in np.split(order, np.flatnonzero(~same) + 1):
        if not len(part):
            continue
        for piece in _pieces(runs.time[part], agent.ntime_s):
            yield int(runs.ddid[part[0]]), runs[part[piece]]


def _pieces(time: NDArray[np.float64], ntime_s: float) -> Iterator[slice]:
    """Cut sorted times into pieces of less than ``ntime_s``, each counted from its first."""
    start = 0
    while start < len(time):
        end = len(time) if not ntime_s else int(np.searchsorted(time, time[start] + ntime_s, side="right"))
        yield slice(start, end)
        start = end


def _parts(ms: MeasurementSet, task: Task, ddid: int, runs: RowRuns) -> Iterator[tuple[Rows, list[Rows]]]:
    """Yield rows of some baselines, ascending, and where the rows of each baseline are among them, in time order.

    Baselines of as many rows are in one array (baseline, time).
    """
    meta = ms.metadata
    segments: list[Segment] = list(zip(runs.row0.tolist(), runs.nrow.tolist(), strict=True))
    rows = np.concatenate([np.arange(row0, row0 + count) for row0, count in segments])
    time = np.repeat(runs.time, runs.nrow)
    ant1, ant2 = (ms.read_scalar(c, segments).astype(np.int64) for c in ("ANTENNA1", "ANTENNA2"))
    keep = task.selected.baselines[ant1, ant2]
    if task.selected.uv is not None:
        uvw = np.empty((len(rows), 3))
        ms.read("UVW", segments, uvw)
        keep &= task.selected.uv.mask(uvw, meta.spws[meta.ddids[ddid].spw].ref_freq_hz)
    if task.exact is not None:
        keep &= task.exact[rows]
    pair = (ant1 * meta.nant + ant2)[keep]
    rows = rows[keep]
    order = np.lexsort((rows, time[keep], pair))
    each = np.split(order, np.flatnonzero(np.diff(pair[order])) + 1) if len(order) else []
    dd = meta.ddids[ddid]
    one = meta.spws[dd.spw].nchan * meta.pols[dd.pol].ncorr * _BYTES_A_FLAG
    most = max(1, for_data() // 2 // one)
    while each:
        take, total = 0, 0
        while take < len(each) and (not take or total + len(each[take]) <= most):
            total += len(each[take])
            take += 1
        chosen, each = each[:take], each[take:]
        there = np.sort(rows[np.concatenate(chosen)])
        lengths = sorted({len(c) for c in chosen})
        stacks = [np.searchsorted(there, np.array([rows[c] for c in chosen if len(c) == n])) for n in lengths]
        yield there, stacks


def _extend_rows(ms: MeasurementSet, task: Task, ddid: int, rows: Rows, stacks: list[Rows], *, write: bool) -> None:
    """Extend the flags of some rows."""
    dd = ms.metadata.ddids[ddid]
    nchan, ncorr = ms.metadata.spws[dd.spw].nchan, ms.metadata.pols[dd.pol].ncorr
    if dd.spw not in task.selected.channels or dd.pol not in task.selected.corrs:
        return
    chan, corr = np.flatnonzero(task.selected.channels[dd.spw]), np.flatnonzero(task.selected.corrs[dd.pol])
    starts = np.flatnonzero(np.diff(rows, prepend=-2) != 1)
    counts = np.diff(np.append(starts, len(rows)))
    segments: list[Segment] = [(int(rows[s]), int(n)) for s, n in zip(starts, counts, strict=True)]
    flag = np.empty((len(rows), nchan, ncorr), bool)
    ms.read("FLAG", segments, flag)
    before = task.outcome.changed
    assert isinstance(task.agent, Extend)
    if task.agent.cell_by_cell and len(chan) == nchan and len(corr) == ncorr:
        _take(task, flag, task.agent.grown(flag[None])[0], flag)
        stacks = []
    for stack in stacks:
        index = (stack[:, :, None, None], chan[:, None], corr)
        old = flag[index]
        _take(task, old, task.agent.grown(old), old)
        flag[index] = old
    if write and task.outcome.changed != before:
        ms.write("FLAG", segments, flag)


def _take(task: Task, old: NDArray[np.bool_], new: NDArray[np.bool_], out: NDArray[np.bool_]) -> None:
    """Count what changes, and put the flags as they shall be into ``out`` (which may be ``old``)."""
    task.outcome.selected += old.size
    if task.value:
        task.outcome.changed += int(np.count_nonzero(new) - np.count_nonzero(old))  # none is taken back
        out[...] = new
    else:
        task.outcome.changed += int(np.count_nonzero(new & old))
        np.greater(old, new, out=out)

"""Weighted averages of visibilities in channel, time, baseline, antenna and spw, a block at a time.

A bin's value is ``sum(w V) / sum(w)`` over its unflagged members (``w`` is WEIGHT_SPECTRUM where filled, else WEIGHT);
a bin is flagged when all its members are. With scalar averaging the amplitude is ``sum(w |V|) / sum(w)`` and the phase
that of ``sum(w V / |V|)``: a mean over phases that has no trouble at 180 degrees. Only bins that are still being filled
are held in memory: the runs of the main table tell beforehand how many rows each will get.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.memory import size_text, too_small
from atacal.ms.rows import RowRuns
from atacal.plots.cells import ROW_IDS, Averaging, Cells

_TIME_SLACK_S = 1e-3  # TIME of one integration differs between spws by rounding
_GRID_SHIFT_S = 0.01  # bins of time lie on a grid that begins so long before the first integration, as CASA's do
_POINT_BYTES = 130  # of a value while it becomes a point of a picture
_TINY = 1e-30  # lets rows without weight still define a bin's time and uvw


@dataclass(eq=False)
class Sums:
    """Weighted sums: per data column the complex sum and, for scalar averages, the sum of amplitudes.

    Attributes
    ----------
    vis : dict of column -> complex (row, chan, corr)
        ``sum w V``, or ``sum w V/|V|`` in scalar averages.
    amp : dict of column -> float (row, chan, corr)
        ``sum w |V|``; only in scalar averages.
    weight : float (row, chan, corr)
        ``sum w`` over unflagged members.
    """

    vis: dict[str, NDArray]
    amp: dict[str, NDArray]
    weight: NDArray

    def arrays(self) -> list[NDArray]:
        return [*self.vis.values(), *self.amp.values(), self.weight]

    def like(self, arrays: list[NDArray]) -> Sums:
        """Return sums of the same columns from other arrays, in the order of `arrays`."""
        nvis, namp = len(self.vis), len(self.amp)
        return Sums(
            dict(zip(self.vis, arrays[:nvis], strict=True)),
            dict(zip(self.amp, arrays[nvis : nvis + namp], strict=True)),
            arrays[-1],
        )

    def means(self) -> tuple[dict[str, NDArray], NDArray[np.bool_]]:
        """Return the averages and where there is none (flag)."""
        empty = self.weight == 0
        norm = np.where(empty, 1.0, self.weight)
        out = {}
        for column, total in self.vis.items():
            if column in self.amp:
                size = np.abs(total)
                unit = np.divide(total, size, out=np.ones_like(total), where=size > 0)
                out[column] = unit * (self.amp[column] / norm)
            else:
                out[column] = total / norm
        return out, empty


def channel_sums(
    vis: dict[str, NDArray],
    flag: NDArray[np.bool_],
    weight: NDArray,
    starts: NDArray[np.intp],
    *,
    scalar: bool,
) -> Sums:
    """Sum selected channels into bins.

    Parameters
    ----------
    vis : dict of column -> complex64 (row, chan, corr)
    flag : bool (row, chan, corr)
    weight : float (row, chan or 1, corr)
    starts : intp (bin,)
        First channel of each bin.
    scalar : bool

    Returns
    -------
    Sums
        Shape (row, bin, corr).
    """
    good = ~flag
    for cube in vis.values():
        good &= np.isfinite(cube.real) & np.isfinite(cube.imag)
    good &= np.isfinite(weight) & (weight > 0)
    w = np.where(good, weight, np.float32(0))

    def binned(cube: NDArray) -> NDArray:
        return cube if len(starts) == cube.shape[1] else np.add.reduceat(cube, starts, axis=1)

    sums, amps = {}, {}
    for column, cube in vis.items():
        clean = np.where(good, cube, 0)
        if scalar:
            size = np.abs(clean)
            amps[column] = binned(w * size)
            clean = np.divide(clean, size, out=np.zeros_like(clean), where=size > 0)
        sums[column] = binned(w * clean)
    return Sums(sums, amps, binned(w))


def time_groups(runs: RowRuns, averaging: Averaging) -> NDArray[np.int64]:
    """Return the bin that each run of rows falls into, shape (run,).

    Bins of ``averaging.time_s`` begin with the first run of each scan and field (of the whole selection where those are
    averaged); runs of different observations and arrays never share a bin, nor do those of different data descriptions
    unless spws are averaged.
    """
    split: list[NDArray] = [runs.obs, runs.array]
    if not averaging.scan:
        split.append(runs.scan)
    if not averaging.field:
        split.append(runs.field)
    segment = _ids(split)
    if averaging.time_s > 0:
        begin = np.full(segment.max(initial=-1) + 1, np.inf)
        np.minimum.at(begin, segment, runs.time)
        number = np.floor((runs.time - begin[segment] + _GRID_SHIFT_S) / averaging.time_s).astype(np.int64)
    else:
        number = np.round((runs.time - runs.time.min(initial=np.inf)) / (10 * _TIME_SLACK_S)).astype(np.int64)
    keys: list[NDArray] = [segment, number]
    if not averaging.spw:
        keys.append(runs.ddid)
    return _ids(keys)


def _ids(columns: list[NDArray]) -> NDArray[np.int64]:
    """Number the distinct combinations of several integer columns."""
    total = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        _, code = np.unique(column, return_inverse=True)
        total = np.unique(total * (code.max(initial=0) + 1) + code, return_inverse=True)[1].astype(np.int64)
    return total


@dataclass(eq=False)
class _Bin:
    """The open sums of one time bin; first axis: baseline, antenna or one."""

    template: Cells
    sums: Sums
    row_weight: NDArray[np.float64]
    moments: NDArray[np.float64]  # time, interval, u, v, w times row weight
    wt: NDArray[np.float64]
    ids: NDArray[np.int32]
    freq_hz: NDArray[np.float64]
    nfreq: int


class RowAverager:
    """Averages rows; feed it batches with their channel sums, take finished bins out.

    Parameters
    ----------
    averaging : Averaging
    runs : RowRuns
        The selected runs.
    baselines : bool (antenna, antenna)
        The selected baselines, ``baselines[antenna1, antenna2]``.
    memory : int
        Bound on what open bins may hold [bytes].
    """

    def __init__(self, averaging: Averaging, runs: RowRuns, baselines: NDArray[np.bool_], *, memory: int) -> None:
        self.averaging, self.memory = averaging, memory
        nant = len(baselines)
        self.number = np.cumsum(baselines).reshape(baselines.shape).astype(np.int64) - 1
        self.group_of_run = time_groups(runs, averaging)
        self.left = np.zeros(self.group_of_run.max(initial=-1) + 1, np.int64)
        np.add.at(self.left, self.group_of_run, runs.nrow)
        self.origin = float(runs.time.min()) if len(runs) else 0.0
        self.open: dict[int, _Bin] = {}
        self.held = 0
        self.nkey = 1 if averaging.baseline else nant if averaging.antenna else int(baselines.sum())

    def add(
        self, cells: Cells | None, sums: Sums | None, run: NDArray[np.int64], read_runs: NDArray[np.int64]
    ) -> Iterator[Cells]:
        """Add a batch.

        Parameters
        ----------
        cells : Cells, optional
            Row ids, uvw, WEIGHT, channels of the batch; its ``vis`` and ``flag`` are not used. None for no row.
        sums : Sums, optional
            (row, bin, corr)
        run : int64 (row,)
            Run of each row of the batch.
        read_runs : int64 (rows read,)
            Run of every row that was read for it, those outside the selection's baselines included.

        Yields
        ------
        Cells
            Bins that are complete.
        """
        if cells is not None and sums is not None:
            for keys, side in self._keys(cells):
                self._accumulate(cells, sums, self.group_of_run[run], keys, side)
        touched, counts = np.unique(self.group_of_run[read_runs], return_counts=True)
        self.left[touched] -= counts
        for group in touched[self.left[touched] == 0].tolist():
            if group in self.open:
                yield from self._close(group)

    def rest(self) -> Iterator[Cells]:
        """Yield the bins that are still open."""
        for group in sorted(self.open):
            yield from self._close(group)

    def _keys(self, cells: Cells) -> Iterator[tuple[NDArray[np.int64], int]]:
        """Yield each row's slot in the bin; for antennas twice, the second antenna's with side 2."""
        a1, a2 = cells.rows["antenna1"].astype(np.int64), cells.rows["antenna2"].astype(np.int64)
        if self.averaging.baseline:
            yield np.zeros(len(a1), np.int64), 0
        elif self.averaging.antenna:
            yield a1, 1
            yield np.where(a1 == a2, -1, a2), 2  # an autocorrelation counts once
        else:
            yield self.number[a1, a2], 0

    def _accumulate(self, cells: Cells, sums: Sums, group: NDArray, key: NDArray, side: int) -> None:
        if len(key) == 0:
            return
        full = group * self.nkey + key
        order = np.flatnonzero(key >= 0)
        order = order[np.argsort(full[order], kind="stable")]
        if len(order) == 0:
            return
        ranked = full[order]
        first = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
        picked = [np.add.reduceat(a[order], first, axis=0) for a in sums.arrays()]
        if side == 2:  # the phase as seen from the second antenna
            for i in range(len(sums.vis)):
                picked[i] = np.conj(picked[i])
        total = sums.weight.sum(axis=(1, 2), dtype=np.float64)
        row_weight = total + _TINY
        time = cells.rows["time"] - self.origin
        uvw = cells.uvw_m if cells.uvw_m is not None else np.zeros((len(key), 3))
        moments = np.column_stack([time, cells.rows["interval"], uvw]) * row_weight[:, None]
        wt = np.where((total > 0)[:, None], cells.weight[:, 0, :] if cells.weight is not None else 0.0, 0.0)
        ids = np.column_stack([cells.rows[n] for n in ROW_IDS]).astype(np.int32)
        reduced = [np.add.reduceat(a[order], first, axis=0) for a in (row_weight, moments, wt)]
        groups, slots = np.divmod(ranked[first], self.nkey)
        bounds = np.append(np.flatnonzero(np.concatenate([[True], groups[1:] != groups[:-1]])), len(groups))
        for a, b in pairwise(bounds.tolist()):
            entry = self._bin(int(groups[a]), cells, sums)
            slot = slots[a:b]
            for target, values in zip(entry.sums.arrays(), picked, strict=True):
                target[slot] += values[a:b]
            for target, values in zip((entry.row_weight, entry.moments, entry.wt), reduced, strict=True):
                target[slot] += values[a:b]
            fresh = slot[entry.ids[slot, 0] == _UNSET]
            entry.ids[fresh] = ids[order[first[a:b]]][entry.ids[slot, 0] == _UNSET]

    def _bin(self, group: int, cells: Cells, sums: Sums) -> _Bin:
        entry = self.open.get(group)
        shape = (self.nkey, *sums.weight.shape[1:])
        if entry is None:
            wide = [np.zeros(shape, np.complex128 if np.iscomplexobj(a) else np.float64) for a in sums.arrays()]
            self.held += sum(a.nbytes for a in wide)
            if self.held > self.memory:
                raise too_small(
                    2 * (self.held - self.memory),
                    f"this average needs more than {size_text(self.memory)} at once ({shape[0]} baselines x {shape[1]} "
                    f"channels x {shape[2]} correlations a time bin); average channels too (avgchannel), select less, "
                    "or allow more memory",
                )
            entry = _Bin(
                cells, sums.like(wide), np.zeros(self.nkey), np.zeros((self.nkey, 5)),
                np.zeros((self.nkey, shape[2])), np.full((self.nkey, len(ROW_IDS)), _UNSET, np.int32),
                cells.freq_hz.copy(), 1,
            )  # fmt: skip
            self.open[group] = entry
        elif entry.sums.weight.shape != shape or not np.array_equal(entry.template.corrs, cells.corrs):
            raise ArgumentError(
                f"avgspw: spws of different shapes cannot be averaged ({entry.sums.weight.shape[1]} and {shape[1]} "
                f"channels after averaging, {entry.sums.weight.shape[2]} and {shape[2]} correlations); select like spws"
            )
        elif cells.freq_hz[0] != entry.template.freq_hz[0] and self.averaging.spw:
            entry.freq_hz += (cells.freq_hz - entry.freq_hz) / (entry.nfreq + 1)
            entry.nfreq += 1
        return entry

    def _close(self, group: int) -> Iterator[Cells]:
        """Yield the rows of a bin, some at a time: its points take several times as much as its sums."""
        entry = self.open.pop(group)
        used = np.flatnonzero(entry.ids[:, 0] != _UNSET)
        step = max(1, self.memory // 4 // (_POINT_BYTES * max(1, int(np.prod(entry.sums.weight.shape[1:])))))
        for start in range(0, len(used), step):
            yield self._cells(entry, used[start : start + step])
        self.held -= sum(a.nbytes for a in entry.sums.arrays())

    def _cells(self, entry: _Bin, used: NDArray[np.intp]) -> Cells:
        """Return some rows of a bin."""
        sums = entry.sums.like([a[used] for a in entry.sums.arrays()])
        vis, flag = sums.means()
        moments = entry.moments[used] / entry.row_weight[used, None]
        rows: dict[str, NDArray] = {n: entry.ids[used, i] for i, n in enumerate(ROW_IDS)}
        rows["time"], rows["interval"] = moments[:, 0] + self.origin, moments[:, 1]
        if self.averaging.baseline:
            rows["antenna1"] = rows["antenna2"] = np.full(len(used), -1, np.int32)
        elif self.averaging.antenna:
            rows["antenna1"], rows["antenna2"] = used.astype(np.int32), np.full(len(used), -1, np.int32)
        wt = entry.wt[used][:, None, :]
        with np.errstate(divide="ignore"):
            sigma = 1.0 / np.sqrt(wt)
        template = entry.template
        return Cells(
            rows, template.channel, entry.freq_hz, template.corrs, vis, flag, uvw_m=moments[:, 2:],
            weight=wt, weight_spectrum=sums.weight, sigma=sigma,
        )  # fmt: skip


_UNSET = np.iinfo(np.int32).min

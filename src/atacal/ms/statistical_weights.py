"""Weights from the scatter of the data, as CASA's statwt makes them."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.memory import block_bytes, for_data, size_text, too_small
from atacal.ms._row_scatter import Scatter, row_scatter
from atacal.ms.measurement_set import MeasurementSet, Segment
from atacal.ms.metadata import Spw
from atacal.ms.models import SkyModel
from atacal.ms.rows import RowRuns
from atacal.ms.selected import Selected
from atacal.ms.stream import Block, each_block

log = logging.getLogger("atacal")

COLUMNS = {"corrected": "CORRECTED_DATA", "data": "DATA", "residual": "CORRECTED_DATA", "residual_data": "DATA"}
_CHUNK_KEYS = ("array", "scan", "state", "field", "ddid")
_SUMMARY_BYTES = 200  # of a row, channel bin and correlation: as read, on the grid of times, as weights
_UNEVEN = 0.25  # integrations may differ by so much for a time bin to be a number of them


@dataclass(frozen=True, eq=False)
class WeightOptions:
    """How weights are made.

    Attributes
    ----------
    datacolumn : str
        corrected, data, residual, residual_data.
    bin_s : float
        Length of a time bin [s]; 0 where ``bin_times`` holds.
    bin_times : int
        Its number of integrations.
    sliding : bool
        A window around each integration instead of bins.
    chanbin : int or float
        Channels of a channel bin, or, a float, its width [Hz]; 0: the whole spw.
    min_samples : int
    combine : frozenset of str
        corr, scan, state, field.
    counting : dict of spw -> bool (chan,)
        The channels whose scatter counts, where not all do.
    wanted : tuple of 2 floats, optional
        Data with other weights are flagged.
    write : bool
        Otherwise nothing is changed.
    """

    datacolumn: str = "corrected"
    bin_s: float = 0.0
    bin_times: int = 1
    sliding: bool = False
    chanbin: int | float = 0
    min_samples: int = 2
    combine: frozenset[str] = frozenset()
    counting: dict[int, NDArray[np.bool_]] = field(default_factory=dict)
    wanted: tuple[float, float] | None = None
    write: bool = True


@dataclass
class WeightReport:
    """Mean and variance of the new weights, and how many data they flagged."""

    count: float = 0.0
    mean: float = 0.0
    squares: float = 0.0
    flagged: int = 0

    def add(self, values: NDArray, number: NDArray) -> None:
        """Add weights, each so many times."""
        count = float(number.sum())
        if not count:
            return
        mean = float((values * number).sum() / count)
        squares = float(((values - mean) ** 2 * number).sum())
        total = self.count + count
        step = mean - self.mean
        self.squares += squares + step**2 * self.count * count / total
        self.mean += step * count / total
        self.count = total

    @property
    def variance(self) -> float:
        return self.squares / (self.count - 1) if self.count > 1 else 0.0


def statistical_weights(ms: MeasurementSet, selected: Selected, how: WeightOptions) -> WeightReport:
    r"""Set weights (and flags) from the scatter of the data.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing; its columns WEIGHT_SPECTRUM and SIGMA_SPECTRUM are set if it has them.
    selected : Selected
        The rows.
    how : WeightOptions

    Returns
    -------
    WeightReport

    Notes
    -----
    For the data of a baseline, a time bin, a channel bin and a correlation, with exposures e,

    .. math:: v = \frac{1}{2N} \sum_i e_i |V_i - \bar V|^2,\quad \bar V = \sum_i e_i V_i / \sum_i e_i

    and a row with the exposure e has the weight e/v (CASA's statwt). Data without a weight are flagged.
    """
    ms.require(COLUMNS[how.datacolumn])
    report = WeightReport()
    for runs in _chunks(selected.runs, how.combine):
        _Chunk(ms, replace(selected, runs=runs), how).weigh(report)
    return report


def time_bin_s(ms: MeasurementSet, number: int) -> float:
    """Return the length of a number of integrations [s].

    Raises
    ------
    ArgumentError
        If they differ.
    """
    interval = np.repeat(ms.runs.interval, ms.runs.nrow)
    middle = float(np.median(interval))
    if interval.max() / middle - 1 > _UNEVEN or 1 - interval.min() / middle > _UNEVEN:
        raise ArgumentError(
            f"{ms.path}: integrations have from {interval.min():g} to {interval.max():g} s: a time bin cannot be a "
            "number of them; give its length, '30s', or select rows of one kind"
        )
    return number * middle


def _chunks(runs: RowRuns, combine: frozenset[str]) -> Iterator[RowRuns]:
    """Yield the runs whose data may be in one time bin, in the order of time."""
    keys = [k for k in _CHUNK_KEYS if k not in combine]
    order = np.lexsort([runs.time, *(getattr(runs, k) for k in reversed(keys))])
    runs = runs[order]
    changed = np.zeros(max(0, len(runs) - 1), bool)
    for key in keys:
        changed |= np.diff(getattr(runs, key)) != 0
    edges = [0, *(np.flatnonzero(changed) + 1).tolist(), len(runs)]
    for first, last in pairwise(edges):
        if last > first:
            yield runs[first:last]


def channel_bins(spw: Spw, chanbin: int | float) -> NDArray[np.int64]:
    """Return the channel bin of each channel.

    Parameters
    ----------
    spw : Spw
    chanbin : int or float
        As in `WeightOptions`.
    """
    if not chanbin:
        return np.zeros(spw.nchan, np.int64)
    if isinstance(chanbin, int):
        return np.arange(spw.nchan, dtype=np.int64) // chanbin
    bins, start, number = np.zeros(spw.nchan, np.int64), spw.chan_freq_hz[0], 0
    for chan, freq in enumerate(spw.chan_freq_hz):
        if abs(freq - start) > chanbin:
            start, number = freq, number + 1
        bins[chan] = number
    return bins


def windows(time_s: NDArray[np.float64], how: WeightOptions) -> list[tuple[int, int]]:
    """Return, for each time, the first and last time (inclusive) of the data that its weight comes from."""
    count = len(time_s)
    if how.sliding:
        return _sliding(time_s, how)
    if how.bin_s:
        out, first = [], 0
        while first < count:
            inside = np.floor((time_s[first:] - time_s[first]) / how.bin_s) == 0
            last = first + int(np.argmin(inside)) - 1 if not inside.all() else count - 1
            out += [(first, last)] * (last - first + 1)
            first = last + 1
        return out
    n = how.bin_times
    out = []
    for first in range(0, count, n):
        last = min(first + n, count)
        # a bin that is not full reaches back, as in CASA
        out += [(first if last - first == n else max(0, count - n), last - 1)] * (last - first)
    return out


def _sliding(time_s: NDArray[np.float64], how: WeightOptions) -> list[tuple[int, int]]:
    count = len(time_s)
    if how.bin_s:
        first = np.searchsorted(time_s, time_s - how.bin_s / 2, side="left")
        last = np.searchsorted(time_s, time_s + how.bin_s / 2, side="right") - 1
        return list(zip(first.tolist(), last.tolist(), strict=True))
    n = how.bin_times
    before = (n - 1) // 2
    starts = [min(max(0, k - before), max(0, count - n)) for k in range(count)]
    return [(s, min(s + n, count) - 1) for s in starts]


class _Chunk:
    """The rows of one data description that may be in one time bin."""

    def __init__(self, ms: MeasurementSet, selected: Selected, how: WeightOptions) -> None:
        self.ms, self.selected, self.how = ms, selected, how
        ddid = ms.metadata.ddids[int(selected.runs.ddid[0])]
        self.spw, self.ncorr = ms.metadata.spws[ddid.spw], ms.metadata.pols[ddid.pol].ncorr
        self.bins = channel_bins(self.spw, how.chanbin)
        self.counts = how.counting.get(self.spw.id, np.ones(self.spw.nchan, bool))
        self.column = COLUMNS[how.datacolumn]
        self.model = SkyModel.of(ms) if how.datacolumn.startswith("residual") else None

    def weigh(self, report: WeightReport) -> None:
        """Read the chunk, make its weights, write them."""
        self._check_memory()
        blocks = list(each_block(self.ms, self.selected, self._columns(), self._summarise))
        segments = [s for block, _ in blocks for s in block.segments]
        joined = Scatter(*(np.concatenate(p) for p in zip(*(s.arrays() for _, s in blocks), strict=True)))
        ids = {n: np.concatenate([getattr(b, n) for b, _ in blocks]) for n in (
            "time", "exposure", "antenna1", "antenna2", "wanted")}  # fmt: skip
        variance = self._variances(joined, ids)
        spectrum = self.ms.has("WEIGHT_SPECTRUM")
        with np.errstate(divide="ignore"):
            ratio = ids["exposure"][:, None, None] / variance
        weight = np.where(variance == 0, 0.0, ratio).astype(np.float32)
        bad = weight == 0
        if self.how.wanted:
            bad |= (weight < self.how.wanted[0]) | (weight > self.how.wanted[1])
        left = np.where(bad, 0, joined.unflagged)
        if spectrum:
            report.add(weight, joined.unflagged)
            row = _median(weight, left, together="corr" in self.how.combine)
        else:
            each = joined.unflagged.sum(axis=2, keepdims=True) if "corr" in self.how.combine else joined.unflagged
            report.add(weight[..., : each.shape[2]], each > 0)
            row = weight[:, 0]
        report.flagged += int((joined.unflagged - left).sum())
        if self.how.write:
            self._write(segments, weight, row, spectrum=spectrum)
            self._flag(segments, bad, joined.unflagged, left)

    def _check_memory(self) -> None:
        """Raise where the summaries of all rows and channel bins are too much at a time."""
        rows, bins = int(self.selected.runs.nrow.sum()), int(self.bins[-1]) + 1
        needed = rows * bins * self.ncorr * _SUMMARY_BYTES
        if needed > for_data():
            raise too_small(
                needed - for_data(),
                f"{self.ms.path}: {rows} rows of spw {self.spw.id} that may be in one time bin, in {bins} channel "
                f"bins, take {size_text(needed)} (wider channel bins, or fewer scans in combine, take less)",
            )

    def _columns(self) -> tuple[str, ...]:
        return (self.column, "FLAG", *(self.model.columns if self.model else ()))

    def _summarise(self, block: Block) -> tuple[Block, Scatter]:
        vis = block.data[self.column]
        if self.model:
            vis = vis - self.model.block(block)
        scatter = row_scatter(vis, block.data["FLAG"], self.bins, self.counts, block.exposure)
        block.data = {}
        return block, scatter

    def _variances(self, rows: Scatter, ids: dict[str, NDArray]) -> NDArray[np.float64]:
        """Return the variance times exposure that each row's weight comes from, (row, bin, corr)."""
        times, when = np.unique(ids["time"], return_inverse=True)
        nant = len(self.ms.metadata.antennas)
        pair = np.minimum(ids["antenna1"], ids["antenna2"]).astype(np.int64) * nant
        _, baseline = np.unique(pair + np.maximum(ids["antenna1"], ids["antenna2"]), return_inverse=True)
        cell = when * (baseline.max() + 1) + baseline
        again = _rank(cell)  # rows of the same time and baseline (feeds) lie side by side
        shape = (len(times), int(again.max()) + 1, int(baseline.max()) + 1, *rows.good.shape[1:])
        grid = Scatter.zeros(shape)
        grid.put((when, again, baseline), rows)
        corr = "corr" in self.how.combine
        out = np.zeros(rows.good.shape)
        spans = windows(times, self.how)
        for span in dict.fromkeys(spans):
            of = np.array([k for k, s in enumerate(spans) if s == span])
            all_of = grid[span[0] : span[1] + 1].merged(0).merged(0)
            if corr:
                all_of = all_of.merged(-1)
            value = all_of.variance(self.how.min_samples)
            if corr:
                value = np.repeat(value[..., None], self.ncorr, axis=-1)
            mine = np.isin(when, of)
            out[mine] = value[baseline[mine]]
        return out

    def _write(self, segments: list[Segment], weight: NDArray, row: NDArray, *, spectrum: bool) -> None:
        """Write WEIGHT, SIGMA and the spectra."""
        ms = self.ms
        sigma = self.column == "DATA"
        weights = not sigma or "CORRECTED_DATA" not in ms.columns()
        if weights:
            ms.write("WEIGHT", segments, np.ascontiguousarray(row))
        if sigma:
            ms.write("SIGMA", segments, _sigma(row))
        for column, wanted, of in (("WEIGHT_SPECTRUM", weights, None), ("SIGMA_SPECTRUM", sigma, _sigma)):
            if not (spectrum and wanted and ms.has(column)):
                continue
            for part, rows in self._parts(segments, 4):
                values = weight[rows][:, self.bins]
                ms.write(column, [part], np.ascontiguousarray(of(values) if of else values))

    def _flag(self, segments: list[Segment], bad: NDArray[np.bool_], before: NDArray, left: NDArray) -> None:
        """Flag the data without a weight; FLAG_ROW where nothing is left."""
        for part, rows in self._parts(segments, 1):
            if (before[rows] != left[rows]).any():
                flag = np.empty((part[1], self.spw.nchan, self.ncorr), bool)
                self.ms.read("FLAG", [part], flag)
                flag |= bad[rows][:, self.bins]
                self.ms.write("FLAG", [part], flag)
            self.ms.write("FLAG_ROW", [part], left[rows].sum(axis=(1, 2)) == 0)

    def _parts(self, segments: list[Segment], item_bytes: int) -> Iterator[tuple[Segment, slice]]:
        """Cut segments into pieces of bounded size, with the rows of the chunk that they are."""
        one = self.spw.nchan * self.ncorr * item_bytes
        step = max(1, block_bytes(for_data(), one, f"spw {self.spw.id} of {self.ms.path}", blocks=2) // one)
        at = 0
        for row0, nrow in segments:
            for start in range(0, nrow, step):
                count = min(step, nrow - start)
                yield (row0 + start, count), slice(at + start, at + start + count)
            at += nrow


def _rank(cell: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number the entries that have the same value, from 0."""
    order = np.argsort(cell, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(cell[order]) != 0])
    out = np.empty(len(cell), np.int64)
    out[order] = np.arange(len(cell)) - np.repeat(starts, np.diff(np.r_[starts, len(cell)]))
    return out


def _sigma(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1/sqrt(weight); -1 where there is no weight, as CASA does."""
    with np.errstate(divide="ignore"):
        return np.where(weight > 0, 1 / np.sqrt(weight), -1).astype(np.float32)


def _median(weight: NDArray[np.float32], number: NDArray[np.int64], *, together: bool) -> NDArray[np.float32]:
    """Return the median of each row's weights over its unflagged channels (and correlations), (row, corr)."""
    ncorr = weight.shape[2]
    if together:
        weight, number = weight.reshape(len(weight), -1, 1), number.reshape(len(number), -1, 1)
    order = np.argsort(weight, axis=1)
    ordered = np.take_along_axis(weight, order, 1).astype(np.float64)
    upto = np.cumsum(np.take_along_axis(number, order, 1), axis=1)
    total = upto[:, -1:]
    halves = ((total - 1) // 2, total // 2)
    middle = [np.take_along_axis(ordered, np.argmax(upto > k, axis=1)[:, None], 1) for k in halves]
    out = np.where(total > 0, (middle[0] + middle[1]) / 2, 0)[:, 0].astype(np.float32)
    return np.repeat(out, ncorr, axis=1) if together else out

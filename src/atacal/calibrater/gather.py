"""Stream the selected visibilities through the pre-applied tables into the solver's sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection
from atacal.memory import for_data, size_text, too_small
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Polarization
from atacal.ms.selected import Selected
from atacal.ms.stream import ALL_CHANNELS, Block, stream
from atacal.solve.accumulate import Chosen, Cubes, Inverse, Rows, Sums, accumulate_rows, baseline_index, planes
from atacal.solve.intervals import Slots, split_slots
from atacal.threads import in_shares

_VISIBILITIES = ("DATA", "CORRECTED_DATA")
_WEIGHTS = ("WEIGHT_SPECTRUM", "WEIGHT")
PARALLEL = ("RR", "LL", "XX", "YY")
_SUM_BYTES = 24  # a cell (part of a slot, baseline, group, receptor) of the sums, which become the averages
_SOLVED_BYTES = 130  # a cell with what the solvers make of it, all slots of a batch at once


@dataclass(eq=False)
class Gathered:
    """Sums of a batch of slots, each in one part or, where it combines spws or fields, in a part for each.

    Attributes
    ----------
    slots : int64 (n,)
        Their numbers in the whole list of slots.
    part : int64 (m,)
        Which of ``slots`` each part belongs to, ascending.
    d : complex128 (m, baseline, group, 2)
        Data divided by the model, averaged; a receptor that was not observed has no weight.
    b : float64, same shape
        Weights.
    time0 : float64 (n,)
        First time of every slot [MJD s].
    since : float64 (m, baseline)
        Weighted mean of a baseline's times [s since ``time0``]; 0 without data.
    """

    slots: NDArray[np.int64]
    part: NDArray[np.int64]
    d: NDArray[np.complex128]
    b: NDArray[np.float64]
    time0: NDArray[np.float64]
    since: NDArray[np.float64]

    @property
    def time(self) -> NDArray[np.float64]:
        """Mean time of every slot, weighted as the data are [MJD s], (n,); NaN without data."""
        return self.mean_time(self.b.sum((2, 3)))

    def mean_time(self, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the mean time of every slot [MJD s], (n,), with weights (m, baseline); NaN without weight."""
        sums = np.zeros((2, len(self.slots)))
        np.add.at(sums[0], self.part, (weight * self.since).sum(1))
        np.add.at(sums[1], self.part, weight.sum(1))
        with np.errstate(invalid="ignore"):
            return self.time0 + sums[0] / sums[1]

    def merged(self) -> Gathered:
        """Return the parts of every slot averaged into one."""
        if len(self.part) == len(self.slots):
            return self
        shape = (len(self.slots), *self.d.shape[1:])
        a, b = np.zeros(shape, np.complex128), np.zeros(shape)
        np.add.at(a, self.part, self.b * self.d)
        np.add.at(b, self.part, self.b)
        weight = self.b.sum((2, 3))
        times = np.zeros((2, *shape[:2]))
        np.add.at(times[0], self.part, weight * self.since)
        np.add.at(times[1], self.part, weight)
        d, since = (np.where(n > 0, t / np.where(n > 0, n, 1.0), 0.0) for t, n in ((a, b), times))
        return Gathered(self.slots, np.arange(len(self.slots)), d, b, self.time0, since)


def parallel_hands(pol: Polarization, wanted: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return correlation indices and receptors of the parallel hands that a selection keeps.

    Data of one correlation fill the first receptor whichever it is, as in CASA.
    """
    keep = [(k, a) for k, (a, _) in enumerate(pol.corr_product) if pol.corrs[k] in PARALLEL and wanted[k]]
    receptors = [0] * len(keep) if pol.ncorr == 1 else [a for _, a in keep]
    return np.array([k for k, _ in keep], np.int64), np.array(receptors, np.int64)


def gather(
    ms: MeasurementSet,
    selected: Selected,
    slots: Slots,
    groups: dict[int, tuple[NDArray[np.int32], int]],
    *,
    library: Any = None,
    model: Any = None,
    corr_dep_flags: bool = False,
    parts: bool = False,
    solver_bytes: int = 0,
) -> Iterator[Gathered]:
    """Accumulate every slot, in batches that fit the memory bound.

    Parameters
    ----------
    ms, selected
        What to read.
    slots : Slots
    groups : dict of spw -> (group of every channel, number of groups)
    library : Library, optional
        Tables to apply on the fly.
    model : object with ``block(block, channels) -> complex64 (1 or row, chan, corr)``
    corr_dep_flags : bool
        Let a correlation take part although another of the same channel is flagged.
    parts : bool
        Keep the spws and fields of a slot apart; without it they are averaged.
    solver_bytes : int
        What solving a slot takes besides, for each of its cells (baseline, group, receptor) [bytes].

    Yields
    ------
    Gathered

    Raises
    ------
    ArgumentError
        If the sums of one slot do not fit.
    """
    half = for_data() // 2  # for the blocks, and for the sums
    nant = ms.metadata.nant
    nbaseline = nant * (nant - 1) // 2
    ngroup = max((groups[int(s)][1] for s in np.unique(slots.spw)), default=1)
    adder = _Adder(ms, baseline_index(nant), groups, library, model, corr_dep_flags)
    part_of_run, slot_of_part = split_slots(slots, selected.runs, ms.metadata.ddid_spw[selected.runs.ddid])

    needed = {spw: _span(group) for spw, (group, _) in groups.items()}

    def batch(first: int, last: int) -> Gathered:
        inside = (part_of_run >= first) & (part_of_run < last)
        numbers, part = np.unique(slot_of_part[first:last], return_inverse=True)
        sums = Sums.zeros(last - first, nbaseline, ngroup, 2)
        sums.time0[:] = slots.time0[slot_of_part[first:last]]
        chosen = replace(selected, runs=selected.runs[inside])
        of_run = part_of_run[inside] - first
        for block in stream(ms, chosen, _columns(ms), memory=half, channels=needed):
            adder.add(sums, block, chosen, of_run)
        gathered = Gathered(numbers, part.reshape(-1), *_averaged(sums), slots.time0[numbers], _since(sums))
        return gathered if parts else gathered.merged()

    size = _parts_at_once(half, slot_of_part, nbaseline, ngroup, solver_bytes)
    for first, last in _batches(slot_of_part, size):
        yield batch(first, last)  # in no variable, which would hold it while the next is made


def _span(group: NDArray[np.int32]) -> slice:
    """Return the channels from the first to the last that belongs to a group."""
    inside = np.flatnonzero(group >= 0)
    if not len(inside) or (inside[0] == 0 and inside[-1] == len(group) - 1):
        return ALL_CHANNELS
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _averaged(sums: Sums) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Turn sums into averages, in their place, and return them with their weights."""
    some = sums.b > 0
    np.divide(sums.a, sums.b, out=sums.a, where=some)
    sums.a[~some] = 0
    return sums.a, sums.b


def _since(sums: Sums) -> NDArray[np.float64]:
    """Return the mean time of every part and baseline [s since the slot's first time], 0 without data."""
    some = sums.time[..., 1] > 0
    return np.where(some, sums.time[..., 0] / np.where(some, sums.time[..., 1], 1.0), 0.0)


def _parts_at_once(memory: int, slot_of_part: NDArray[np.int64], nbaseline: int, ngroup: int, solver_bytes: int) -> int:
    """Return of how many parts the sums, and what solving takes, fit into some memory; at least those of one slot."""
    cells = max(1, nbaseline * ngroup * 2)
    most = int(np.bincount(slot_of_part).max(initial=1))  # a slot is never divided
    needed = most * cells * (_SUM_BYTES + solver_bytes)
    if needed > memory:
        together = f" x {most} spws or fields" if most > 1 else ""
        raise too_small(
            2 * (needed - memory),
            f"the sums of one solution interval ({nbaseline} baselines x {ngroup} channels{together}) take "
            f"{size_text(needed)}",
        )
    return max(most, memory // (cells * _SOLVED_BYTES))


def _batches(slot_of_part: NDArray[np.int64], size: int) -> Iterator[tuple[int, int]]:
    """Yield stretches of parts, about ``size`` at a time, that end where a slot ends."""
    ends = np.append(np.flatnonzero(np.diff(slot_of_part)) + 1, len(slot_of_part))
    first = 0
    while first < len(slot_of_part):
        last = int(ends[max(np.searchsorted(ends, first + size, side="right") - 1, np.searchsorted(ends, first + 1))])
        yield first, last
        first = last


def _columns(ms: MeasurementSet) -> list[str]:
    column = "DATA" if ms.has("DATA") else "CORRECTED_DATA"
    ms.require(column)
    weight = "WEIGHT_SPECTRUM" if ms.has("WEIGHT_SPECTRUM") else "WEIGHT"
    return [column, "FLAG", "FLAG_ROW", weight]


@dataclass(frozen=True)
class _Adder:
    """What blocks are added to sums with; the fields are `gather`'s parameters, and the index of each baseline."""

    ms: MeasurementSet
    index: NDArray[np.int32]
    groups: dict[int, tuple[NDArray[np.int32], int]]
    library: Any
    model: Any
    corr_dep_flags: bool

    def add(self, sums: Sums, block: Block, selected: Selected, of_run: NDArray[np.int64]) -> None:
        """Add one block to the sums; ``of_run`` is the part of the sums that each of ``selected.runs`` belongs to."""
        setup = self.ms.metadata.pols[block.pol]
        pols, receptors = parallel_hands(setup, selected.corrs[block.pol])
        if not len(pols):
            raise EmptySelection(
                f"{self.ms.path}: no parallel-hand correlation is selected in spw {block.spw} ({setup.corrs})"
            )
        factors = self.library.factors(block) if self.library is not None else None
        time_slot, inverse = _inverse_of(factors, block)
        slot = of_run[block.run].astype(np.int32)
        slot[~block.wanted | (block.antenna1 == block.antenna2)] = -1
        rows = Rows(
            slot, self.index[block.antenna1, block.antenna2], block.antenna1 > block.antenna2,
            block.time - sums.time0[np.maximum(slot, 0)], block.antenna1, block.antenna2, time_slot, block["FLAG_ROW"],
        )  # fmt: skip
        expected = np.asarray(self.model.block(block, block.channels), np.complex64)
        if factors is not None and factors.matrix is not None:
            expected = _turned(expected, factors, block)
        vis, weight = (next(block[c] for c in names if c in block.data) for names in (_VISIBILITIES, _WEIGHTS))
        cubes = Cubes(
            _flat(vis.view(np.float32)), _flat(block["FLAG"].view(np.uint8)), _flat(weight), *planes(expected)
        )  # fmt: skip
        chosen = Chosen(pols, receptors, self.groups[block.spw][0][block.channels], self.corr_dep_flags)

        def add(low: int, high: int) -> None:
            accumulate_rows(sums.a, sums.b, sums.time, rows, cubes, chosen, inverse, low, high)

        in_shares(add, sums.a.shape[1])


def _flat(cube: NDArray) -> NDArray:
    """Return (row, ...) as (row, everything else)."""
    return cube.reshape(len(cube), -1)


def _turned(model: NDArray[np.complex64], factors: Any, block: Block) -> NDArray[np.complex64]:
    """Return the model as linear feeds see it, (row, chan, 4): P_i M P_j^H, since P lies on the sky's side of gains."""
    sky = model.reshape(*model.shape[:2], 2, 2)
    left, right = (factors.matrix[factors.slot, antenna] for antenna in (block.antenna1, block.antenna2))
    seen = left[:, None] @ sky @ right[:, None].conj().swapaxes(-1, -2)
    return np.ascontiguousarray(seen.reshape(block.nrow, -1, 4), np.complex64)


def _inverse(gain: NDArray[np.complex64], ok: NDArray[np.bool_]) -> NDArray[np.complex64]:
    safe = np.where(ok & (gain != 0), gain, 1)
    return np.where(ok & (gain != 0), 1 / safe, 0).astype(np.complex64)


def _inverse_of(factors: Any, block: Block) -> tuple[NDArray[np.int32], Inverse]:
    """Return the time slot of every row and the inverse of a block's factors."""
    nchan = block["FLAG"].shape[1]
    if factors is None:
        one = np.ones((1, 1, 2), np.complex64)
        time_slot, time, time_ok, time_weight = np.zeros(block.nrow, np.int32), one, one != 0, one.real.copy()
    else:
        time_slot, time = factors.slot, _inverse(factors.time_gain, factors.time_ok)
        time_ok, time_weight = np.ascontiguousarray(factors.time_ok), factors.weight.astype(np.float32)
    if factors is None or (factors.chan_gain is None and factors.full_gain is None):
        ones = np.ones((1, 1, 2, nchan), np.float32)
        return time_slot, Inverse(ones, 0 * ones, ones != 0, time, time_ok, time_weight)
    gain, ok = np.ones((1, 1, 1, 1), np.complex64), np.ones((1, 1, 1, 1), np.bool_)
    if factors.chan_gain is not None:
        gain, ok = factors.chan_gain[None, :, block.channels], factors.chan_ok[None, :, block.channels]
    if factors.full_gain is not None:
        gain, ok = gain * factors.full_gain[:, :, block.channels], ok & factors.full_ok[:, :, block.channels]
    chan_ok = np.ascontiguousarray(np.moveaxis(ok, -1, -2))
    return time_slot, Inverse(*planes(_inverse(gain, ok)), chan_ok, time, time_ok, time_weight)

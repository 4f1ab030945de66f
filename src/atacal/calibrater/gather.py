"""Stream the selected visibilities through the pre-applied tables into the solver's sums."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Polarization
from atacal.ms.selected import Selected
from atacal.ms.stream import DEFAULT_MEMORY, Block, stream
from atacal.solve.accumulate import Sums, accumulate_rows, baseline_index, planes
from atacal.solve.intervals import Slots

PARALLEL = ("RR", "LL", "XX", "YY")


@dataclass(eq=False)
class Gathered:
    """Sums of a batch of slots.

    Attributes
    ----------
    slots : int64 (n,)
        Their numbers in the whole list of slots.
    d : complex128 (n, baseline, group, 2)
        Data divided by the model, averaged; a receptor that was not observed has no weight.
    b : float64, same shape
        Weights.
    time : float64 (n,)
        Weighted mean time [MJD s]; NaN without data.
    """

    slots: NDArray[np.int64]
    d: NDArray[np.complex128]
    b: NDArray[np.float64]
    time: NDArray[np.float64]


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
    memory: int = DEFAULT_MEMORY,
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
    model : object with ``block(block) -> complex64 (1 or row, chan, corr)``
    corr_dep_flags : bool
        Let a correlation take part although another of the same channel is flagged.
    memory : int
        Bound [bytes].

    Yields
    ------
    Gathered
    """
    nant = ms.metadata.nant
    nbaseline = nant * (nant - 1) // 2
    ngroup = max((groups[int(s)][1] for s in np.unique(slots.spw)), default=1)
    # the sums, the averaged data and the solver's copies: about 100 bytes a cell
    batch = max(1, (memory // 3) // max(1, nbaseline * ngroup * 2 * 100))
    index = baseline_index(nant)
    for start in range(0, len(slots), batch):
        numbers = np.arange(start, min(start + batch, len(slots)))
        inside = (slots.of_run >= start) & (slots.of_run < start + len(numbers))
        sums = Sums.zeros(len(numbers), nbaseline, ngroup, 2)
        sums.time0[:] = slots.time0[numbers]
        part = replace(selected, runs=selected.runs[inside])
        of_run = slots.of_run[inside] - start
        for block in stream(ms, part, _columns(ms), memory=memory // 2):
            _add(sums, block, part, of_run, index, groups, ms, library, model, corr_dep_flags)
        with np.errstate(invalid="ignore", divide="ignore"):
            d = np.where(sums.b > 0, sums.a / sums.b, 0.0)
            time = sums.time0 + sums.time[:, 0] / sums.time[:, 1]
        yield Gathered(numbers, d, sums.b, time)


def _columns(ms: MeasurementSet) -> list[str]:
    column = "DATA" if ms.has("DATA") else "CORRECTED_DATA"
    ms.require(column)
    weight = "WEIGHT_SPECTRUM" if ms.has("WEIGHT_SPECTRUM") else "WEIGHT"
    return [column, "FLAG", "FLAG_ROW", weight]


def _add(
    sums: Sums,
    block: Block,
    selected: Selected,
    of_run: NDArray[np.int64],
    index: NDArray[np.int32],
    groups: dict[int, tuple[NDArray[np.int32], int]],
    ms: MeasurementSet,
    library: Any,
    model: Any,
    corr_dep_flags: bool,
) -> None:
    """Add one block to the sums."""
    setup = ms.metadata.pols[block.pol]
    pols, receptors = parallel_hands(setup, selected.corrs[block.pol])
    if not len(pols):
        raise EmptySelection(f"{ms.path}: no parallel-hand correlation is selected in spw {block.spw} ({setup.corrs})")
    slot = of_run[block.run].astype(np.int32)
    slot[~block.wanted | (block.antenna1 == block.antenna2)] = -1
    weight = block.data.get("WEIGHT_SPECTRUM")
    if weight is None:
        weight = block["WEIGHT"][:, None, :]
    vis = block.data.get("DATA")
    vis = block["CORRECTED_DATA"] if vis is None else vis
    nchan = vis.shape[1]
    factors = library.factors(block) if library is not None else None
    chan_re, chan_im, chan_ok = _chan_factor(factors, nchan)
    model_re, model_im = planes(np.asarray(model.block(block), np.complex64))
    time_slot, time_inverse, time_ok, time_weight = _time_factor(factors, block.nrow)
    since = block.time - sums.time0[np.maximum(slot, 0)]
    accumulate_rows(
        sums.a, sums.b, sums.time, slot, index[block.antenna1, block.antenna2], block.antenna1 > block.antenna2,
        since, np.asarray(vis).view(np.float32), block["FLAG"], block["FLAG_ROW"], weight, pols, receptors,
        groups[block.spw][0], chan_re, chan_im, chan_ok, time_slot, time_inverse, time_ok, time_weight,
        block.antenna1, block.antenna2, model_re, model_im, corr_dep_flags,
    )  # fmt: skip


def _inverse(gain: NDArray[np.complex64], ok: NDArray[np.bool_]) -> NDArray[np.complex64]:
    safe = np.where(ok & (gain != 0), gain, 1)
    return np.where(ok & (gain != 0), 1 / safe, 0).astype(np.complex64)


def _chan_factor(factors: Any, nchan: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Inverse of the factors with a channel axis as `accumulate_rows` wants it; one antenna if there is none."""
    if factors is None or (factors.chan_gain is None and factors.full_gain is None):
        return np.ones((1, 1, 2, nchan), "f4"), np.zeros((1, 1, 2, nchan), "f4"), np.ones((1, 1, 2, nchan), np.bool_)
    gain, ok = np.ones((1, 1, 1, 1), np.complex64), np.ones((1, 1, 1, 1), np.bool_)
    if factors.chan_gain is not None:
        gain, ok = factors.chan_gain[None], factors.chan_ok[None]
    if factors.full_gain is not None:
        gain, ok = gain * factors.full_gain, ok & factors.full_ok
    return *planes(_inverse(gain, ok)), np.ascontiguousarray(np.moveaxis(ok, -1, -2))


def _time_factor(
    factors: Any, nrow: int
) -> tuple[NDArray[np.int32], NDArray[np.complex64], NDArray[np.bool_], NDArray[np.float32]]:
    if factors is None:
        one = np.ones((1, 1, 2), np.complex64)
        return np.zeros(nrow, np.int32), one, one != 0, np.ones((1, 1, 2), np.float32)
    inverse = _inverse(factors.time_gain, factors.time_ok)
    return factors.slot, inverse, np.ascontiguousarray(factors.time_ok), factors.weight.astype(np.float32)

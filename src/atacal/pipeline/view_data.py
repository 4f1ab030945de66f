"""Numbers that flagging views are made of, read from MeasurementSets and calibration tables."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable
from atacal.errors import EmptySelection
from atacal.heuristics.tsys_shapes import TsysSpectra
from atacal.memory import for_data, size_text, too_small
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.ms.stream import Block, stream

_CELL_BYTES = 32
"""Of a sum, its count, and what is made of them."""


@dataclass(frozen=True, eq=False)
class MeanAmplitudes:
    """The mean over time of the unflagged visibilities of an spw.

    Attributes
    ----------
    spw : int
    corrs : tuple of str
    amplitude : float32 (corr, chan, baseline)
        Absolute value of the mean of the complex visibilities, 0 where there is none.
    flag : bool (corr, chan, baseline)
        Nothing unflagged.
    baselines : list of (int, int)
        antenna1, antenna2 of the cross-correlations that have rows.
    """

    spw: int
    corrs: tuple[str, ...]
    amplitude: NDArray[np.float32]
    flag: NDArray[np.bool_]
    baselines: list[tuple[int, int]]


def mean_amplitudes(ms: MeasurementSet, spw: int, scans: str) -> MeanAmplitudes | None:
    """Average raw visibilities over time, block by block, and as many channels at a time as fit into memory.

    Parameters
    ----------
    ms : MeasurementSet
    spw : int
    scans : str
        As a selection.

    Returns
    -------
    MeanAmplitudes or None
        None where the spw has no data in those scans.
    """
    try:
        selected = select(ms, Selection(spw=str(spw), scan=scans), autocorr=False)
    except EmptySelection:
        return None
    meta = ms.metadata
    corrs = meta.pols[meta.ddids[int(selected.runs.ddid[0])].pol].corrs
    pairs = np.argwhere(np.triu(np.ones((meta.nant, meta.nant), bool), 1))
    number = np.full((meta.nant, meta.nant), -1)
    number[pairs[:, 0], pairs[:, 1]] = number[pairs[:, 1], pairs[:, 0]] = np.arange(len(pairs))
    nchan = meta.spws[spw].nchan
    amplitude = np.zeros((len(corrs), nchan, len(pairs)), np.float32)
    flag = np.ones(amplitude.shape, bool)
    for part in _parts(nchan, _CELL_BYTES * len(pairs) * len(corrs), f"spw {spw} of {ms.path}"):
        shape = (len(pairs), part.stop - part.start, len(corrs))
        total, count = np.zeros(shape, np.complex64), np.zeros(shape, np.int32)
        for block in stream(ms, selected, ["DATA", "FLAG", "FLAG_ROW"], channels={spw: part}):
            _add(block, number, total, count)
        amplitude[:, part] = (np.abs(total) / np.maximum(count, 1)).transpose(2, 1, 0)
        flag[:, part] = (count == 0).transpose(2, 1, 0)
    there = np.flatnonzero(~flag.all(axis=(0, 1)))
    baselines = [(int(a), int(b)) for a, b in pairs[there]]
    return MeanAmplitudes(spw, corrs, amplitude[:, :, there], flag[:, :, there], baselines)


def _add(block: Block, number: NDArray[np.intp], total: NDArray[np.complex64], count: NDArray[np.int32]) -> None:
    """Add a block's cross-correlations to sums and counts (baseline, chan, corr)."""
    at = number[block.antenna1, block.antenna2]
    use = block.wanted & (block.antenna1 != block.antenna2) & ~block["FLAG_ROW"]
    starts, _ = block.stretches()
    # within a run each baseline comes once: so sums need no sorting
    for first, after in zip(starts, np.append(starts[1:], block.nrow), strict=True):
        rows = np.flatnonzero(use[first:after]) + first
        good = ~block["FLAG"][rows]
        total[at[rows]] += np.where(good, block["DATA"][rows], 0)
        count[at[rows]] += good


def _parts(nchan: int, channel_bytes: int, what: str) -> list[slice]:
    """Divide channels so that the sums of each part take a quarter of what data may take.

    Raises
    ------
    ArgumentError
        Not even one channel fits.
    """
    share = for_data() // 4
    if channel_bytes > share:
        raise too_small(4 * channel_bytes - for_data(), f"a channel of {what} takes {size_text(channel_bytes)}")
    step = max(1, share // channel_bytes)
    return [slice(first, min(first + step, nchan)) for first in range(0, nchan, step)]


def tsys_spectra(table: CalTable, spw: int) -> tuple[TsysSpectra, NDArray[np.int64]]:
    """Return the spectra of one spw of a table of system temperatures, one time for each measurement of the array.

    Antennas' measurements of a scan have times of their own, some milliseconds apart: the table has a slot for each.

    Parameters
    ----------
    table : CalTable
        Of kind 'B TSYS'.
    spw : int
        One that the table has.

    Returns
    -------
    TsysSpectra
        The times are means over the antennas; an antenna without a value above 0 is not present.
    int64 (time, antenna)
        The slot of the table where each spectrum is from, -1 for what is not present.
    """
    solutions = table.solutions[spw]
    value = np.asarray(solutions.param, float)
    have: NDArray[np.bool_] = np.asarray((value > 0).any(axis=(2, 3)))
    keys = np.stack([solutions.obs, solutions.scan, solutions.field], axis=1)
    order = np.argsort(solutions.time, kind="stable")
    slots: list[NDArray[np.int64]] = []
    for key in dict.fromkeys(tuple(k) for k in keys[order].tolist()):
        group = order[(keys[order] == key).all(axis=1)]
        turn = np.cumsum(have[group], axis=0)
        for k in range(int(turn[-1].max(initial=0))):  # an antenna may be measured again in the same scan
            first = have[group] & (turn == k + 1)
            slots.append(np.where(first.any(axis=0), group[first.argmax(axis=0)], -1))
    slot = np.array(slots, np.int64).reshape(-1, value.shape[1])
    slot = slot[np.argsort(_mean_times(slot, solutions.time), kind="stable")]
    antennas = np.arange(value.shape[1])
    present = slot >= 0
    first_slot = slot.max(axis=1)  # any that is there: the field is the same
    pols = tuple("XY"[: value.shape[3]]) if value.shape[3] <= 2 else tuple(map(str, range(value.shape[3])))
    spectra = TsysSpectra(
        spw, value[slot, antennas], solutions.flag[slot, antennas] | ~present[:, :, None, None], present,
        _mean_times(slot, solutions.time), solutions.field[first_slot].astype(np.int64), pols,
        tuple(f.name for f in table.fields),
    )  # fmt: skip
    return spectra, slot


def _mean_times(slot: NDArray[np.int64], time: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean time of the slots of each row, without those that are -1."""
    there = slot >= 0
    start = float(time.min()) if len(time) else 0.0
    return start + np.where(there, time[slot] - start, 0.0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)


def add_flags(table: CalTable, spw: int, slot: NDArray[np.int64], flag: NDArray[np.bool_]) -> int:
    """Set flags of spectra in the table in memory.

    Parameters
    ----------
    table : CalTable
        Changed in place.
    spw : int
        Of the spectra.
    slot : int64 (time, antenna)
        From `tsys_spectra`.
    flag : bool (time, antenna, chan, pol)
        What is to be flagged.

    Returns
    -------
    int
        How many values are newly flagged.
    """
    there, antenna = np.nonzero(slot >= 0)
    flags = table.solutions[spw].flag
    before = int(flags.sum())
    flags[slot[there, antenna], antenna] |= flag[there, antenna]
    return int(flags.sum()) - before

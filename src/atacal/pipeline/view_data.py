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
from atacal.ms.stream import stream


@dataclass(frozen=True, eq=False)
class MeanAmplitudes:
    """The mean over time of the unflagged visibilities of an spw.

    Attributes
    ----------
    spw : int
    corrs : tuple of str
    amplitude : float64 (corr, chan, baseline)
        Absolute value of the mean of the complex visibilities, 0 where there is none.
    flag : bool (corr, chan, baseline)
        Nothing unflagged.
    baselines : list of (int, int)
        antenna1, antenna2 of the cross-correlations that have rows.
    """

    spw: int
    corrs: tuple[str, ...]
    amplitude: NDArray[np.float64]
    flag: NDArray[np.bool_]
    baselines: list[tuple[int, int]]


def mean_amplitudes(ms: MeasurementSet, spw: int, scans: str) -> MeanAmplitudes | None:
    """Average raw visibilities over time, block by block.

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
    shape = (len(pairs), meta.spws[spw].nchan, len(corrs))
    _require_memory(16 * int(np.prod(shape)), f"the mean visibilities of spw {spw} of {ms.path}")
    total, count = np.zeros(shape, np.complex64), np.zeros(shape, np.int32)
    for block in stream(ms, selected, ["DATA", "FLAG", "FLAG_ROW"]):
        at = number[block.antenna1, block.antenna2]
        use = block.wanted & (block.antenna1 != block.antenna2) & ~block["FLAG_ROW"]
        starts, _ = block.stretches()
        # within a run each baseline comes once: so sums need no sorting
        for first, after in zip(starts, np.append(starts[1:], block.nrow), strict=True):
            rows = np.flatnonzero(use[first:after]) + first
            good = ~block["FLAG"][rows]
            total[at[rows]] += np.where(good, block["DATA"][rows], 0)
            count[at[rows]] += good
    there = np.flatnonzero(count.any(axis=(1, 2)))
    mean = np.abs(total[there]) / np.maximum(count[there], 1)
    return MeanAmplitudes(
        spw, corrs, mean.transpose(2, 1, 0).astype(float), (count[there] == 0).transpose(2, 1, 0),
        [(int(a), int(b)) for a, b in pairs[there]],
    )  # fmt: skip


def _require_memory(needed: int, what: str) -> None:
    """Raise ArgumentError where an array takes more than half of what data may take."""
    if needed > for_data() // 2:
        raise too_small(2 * needed - for_data(), f"{what} take {size_text(needed)}")


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

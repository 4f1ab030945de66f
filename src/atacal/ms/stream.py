"""Blocks of rows of one data description, streamed in table order within a memory bound."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from atacal.errors import MissingColumn
from atacal.memory import block_bytes, for_data
from atacal.ms.measurement_set import MeasurementSet, Segment, joined
from atacal.ms.metadata import Spw
from atacal.ms.rows import RowRuns
from atacal.ms.selected import Selected
from atacal.threads import IN_FLIGHT, WORKERS, in_order

_CUBES = {
    "DATA": np.complex64, "CORRECTED_DATA": np.complex64, "MODEL_DATA": np.complex64, "FLOAT_DATA": np.float32,
    "FLAG": np.bool_, "WEIGHT_SPECTRUM": np.float32, "SIGMA_SPECTRUM": np.float32,
    "CORRECTED_WEIGHT_SPECTRUM": np.float32,
}  # fmt: skip
_ROW_IDS_BYTES = 100  # times, ids, masks and numbers of a row, all 4 to 8 bytes wide
_PER_CORR = {"WEIGHT": np.float32, "SIGMA": np.float32}
_Entry = tuple[int, list[int], list[Segment]]  # data description, numbers of the runs, where they are
Result = TypeVar("Result")
ALL_CHANNELS = slice(None)
Channels = Mapping[int, slice]
"""Channels to read of spws: spw -> contiguous slice; all of those that are not in it."""
_ALL: Channels = {}


@dataclass(eq=False)
class Block:
    """Rows of one data description, all channels and correlations as stored.

    Attributes
    ----------
    ddid, spw, pol : int
    segments : list of (row0, nrow)
        The contiguous stretches of the main table, in the order of the block's rows.
    run : int64 (row,)
        Index into ``Selected.runs`` of every row.
    wanted : bool (row,)
        Rows that the selection's baselines and uv limits keep; the others are there only to be skipped.
    time, interval, exposure : float64 (row,)
        [MJD s], [s], [s].
    antenna1, antenna2, field, scan, state, obs : int32 (row,)
    data : dict of column name -> array
        The columns asked for: cubes (row, chan, corr) of the channels read, WEIGHT and SIGMA (row, corr), FLAG_ROW
        (row,), UVW (row, 3) [m]. They may be overwritten when the next block is asked for: copy what must stay.
    channels : slice
        Which of the spw's channels were read.
    """

    ddid: int
    spw: int
    pol: int
    segments: list[Segment]
    run: NDArray[np.int64]
    wanted: NDArray[np.bool_]
    time: NDArray[np.float64]
    interval: NDArray[np.float64]
    exposure: NDArray[np.float64]
    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    field: NDArray[np.int32]
    scan: NDArray[np.int32]
    state: NDArray[np.int32]
    obs: NDArray[np.int32]
    data: dict[str, NDArray]
    channels: slice = dataclasses.field(default_factory=lambda: ALL_CHANNELS)

    @property
    def nrow(self) -> int:
        return len(self.run)

    def __getitem__(self, column: str) -> NDArray:
        return self.data[column]

    def stretches(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the first row of each stretch of rows of one run, and the number of each row's stretch."""
        new = np.diff(self.run, prepend=-1) != 0
        return np.flatnonzero(new), np.cumsum(new) - 1


def stream(
    ms: MeasurementSet,
    selected: Selected,
    columns: Sequence[str],
    *,
    made_bytes: int = 0,
    memory: int | None = None,
    prefetch: bool = True,
    channels: Channels = _ALL,
) -> Iterator[Block]:
    """Yield the selected rows as blocks, in table order, each of one data description.

    Parameters
    ----------
    ms : MeasurementSet
    selected : Selected
        From `atacal.ms.selection.select`.
    columns : sequence of str
        Columns to read beside the ids: DATA, FLAG, WEIGHT, UVW...
    made_bytes : int
        For each visibility, what the caller makes of rows beside the columns [bytes]: a model where none is read.
    memory : int, optional
        Bound on all blocks at a time and on what is made of them [bytes]; by default all that the run may use.
    prefetch : bool
        Read the next blocks in other threads while the caller works.
    channels : mapping of spw -> slice
        The channels to read, where not all are needed.

    Yields
    ------
    Block

    Raises
    ------
    MissingColumn
    """
    if prefetch:
        return each_block(
            ms, selected, columns, lambda block: block, made_bytes=made_bytes, memory=memory, channels=channels
        )
    _require(ms, columns)
    plan = _plan(ms, selected, columns, made_bytes, memory, channels)
    return (_read(ms, selected, columns, entry, channels) for entry in plan)


def each_block(
    ms: MeasurementSet,
    selected: Selected,
    columns: Sequence[str],
    work: Callable[[Block], Result],
    *,
    made_bytes: int = 0,
    memory: int | None = None,
    channels: Channels = _ALL,
) -> Iterator[Result]:
    """Yield what ``work`` makes of each block, in the order of `stream`; several threads read and work.

    Parameters
    ----------
    ms, selected, columns, made_bytes, memory, channels
        As for `stream`.
    work : callable
        Takes a block; it may write to the block's rows. It runs in several threads at once.

    Yields
    ------
    result of ``work``

    Raises
    ------
    MissingColumn
    """
    _require(ms, columns)
    plan = _plan(ms, selected, columns, made_bytes, memory, channels)
    return in_order(lambda entry: work(_read(ms, selected, columns, entry, channels)), plan, workers=WORKERS + 1)


def _require(ms: MeasurementSet, columns: Sequence[str]) -> None:
    for column in columns:
        if column not in ms.columns():
            ms.require(column)


def row_bytes(
    ms: MeasurementSet, ddid: int, columns: Sequence[str], made_bytes: int = 0, channels: Channels = _ALL
) -> int:
    """Bytes that one row of a data description takes in memory, with ``made_bytes`` a visibility beside the columns."""
    dd = ms.metadata.ddids[ddid]
    ncorr = ms.metadata.pols[dd.pol].ncorr
    cell = _nchan(ms.metadata.spws[dd.spw], channels) * ncorr
    total = _ROW_IDS_BYTES + cell * made_bytes
    for column in columns:
        if column in _CUBES:
            total += cell * np.dtype(_CUBES[column]).itemsize
        else:
            total += 8 * max(ncorr, 3)
    return total


def _nchan(spw: Spw, channels: Channels) -> int:
    return len(range(spw.nchan)[channels.get(spw.id, ALL_CHANNELS)])


def _rows_at_once(
    ms: MeasurementSet, ddid: int, columns: Sequence[str], made_bytes: int, memory: int | None, channels: Channels
) -> int:
    """Return how many rows of a data description make a block."""
    one = row_bytes(ms, ddid, columns, made_bytes, channels)
    what = f"spw {ms.metadata.ddids[ddid].spw} of {ms.path}"
    return block_bytes(for_data() if memory is None else memory, one, what, blocks=IN_FLIGHT) // one


def _plan(
    ms: MeasurementSet,
    selected: Selected,
    columns: Sequence[str],
    made_bytes: int,
    memory: int | None,
    channels: Channels,
) -> Iterator[_Entry]:
    """Group runs into blocks: (ddid, run numbers, segments), in the order in which the blocks fill up.

    There are no more rows in waiting than make a block of each data description, as numbers only.
    """
    runs = selected.runs
    limit = {int(d): _rows_at_once(ms, int(d), columns, made_bytes, memory, channels) for d in np.unique(runs.ddid)}
    waiting: dict[int, tuple[list[int], list[Segment], int]] = {}
    for i in range(len(runs)):
        ddid, row0, left = int(runs.ddid[i]), int(runs.row0[i]), int(runs.nrow[i])
        while left:
            numbers, segments, count = waiting.get(ddid, ([], [], 0))
            take = min(left, limit[ddid] - count)
            numbers.append(i)
            segments.append((row0, take))
            count, row0, left = count + take, row0 + take, left - take
            if count == limit[ddid]:
                yield ddid, numbers, segments
                waiting.pop(ddid, None)
            else:
                waiting[ddid] = (numbers, segments, count)
    for ddid, (numbers, segments, _) in waiting.items():
        yield ddid, numbers, segments


def _read(ms: MeasurementSet, selected: Selected, columns: Sequence[str], entry: _Entry, channels: Channels) -> Block:
    ddid, numbers, pieces = entry
    dd = ms.metadata.ddids[ddid]
    spw, ncorr = ms.metadata.spws[dd.spw], ms.metadata.pols[dd.pol].ncorr
    segments = joined(pieces)
    run = np.repeat(np.array(numbers, np.int64), [count for _, count in pieces])
    nrow, nchan, picked = len(run), _nchan(spw, channels), channels.get(spw.id, ALL_CHANNELS)
    data: dict[str, NDArray] = {}
    for column in columns:
        if column in _CUBES:
            data[column] = np.empty((nrow, nchan, ncorr), _CUBES[column])
        elif column in _PER_CORR:
            data[column] = np.empty((nrow, ncorr), _PER_CORR[column])
        elif column == "UVW":
            data[column] = np.empty((nrow, 3), np.float64)
        else:
            data[column] = ms.read_scalar(column, segments)
            continue
        try:
            ms.read(column, segments, data[column], channels=picked if column in _CUBES else ALL_CHANNELS)
        except RuntimeError as error:
            raise MissingColumn(
                f"{ms.path}: {column} cannot be read for spw {dd.spw} "
                f"({spw.nchan} channels, {ncorr} correlations): {error}"
            ) from error
    antenna1 = ms.read_scalar("ANTENNA1", segments).astype(np.int32)
    antenna2 = ms.read_scalar("ANTENNA2", segments).astype(np.int32)
    wanted = selected.baselines[antenna1, antenna2]
    if selected.uv is not None:
        uvw = data.get("UVW")
        if uvw is None:
            uvw = np.empty((nrow, 3), np.float64)
            ms.read("UVW", segments, uvw)
        wanted &= selected.uv.mask(uvw, spw.ref_freq_hz)
    return Block(
        ddid, dd.spw, dd.pol, segments, run, wanted, antenna1=antenna1, antenna2=antenna2, data=data, channels=picked,
        **_expand(selected.runs, run),
    )  # fmt: skip


def _expand(runs: RowRuns, run: NDArray[np.int64]) -> dict[str, NDArray]:
    names = ("time", "interval", "exposure", "field", "scan", "state", "obs")
    return {name: getattr(runs, name)[run] for name in names}

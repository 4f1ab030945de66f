"""The rows of several MeasurementSets in one: new ids, antennas in order, weights scaled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import InvalidTable, MissingColumn
from atacal.memory import block_bytes, for_data
from atacal.ms._concat_ids import Ids
from atacal.ms._new_rows import BLOCKS_IN_FLIGHT, WRITERS, Later, NewRows
from atacal.ms.columns import unit_point
from atacal.ms.measurement_set import MeasurementSet, Segment, joined

_BATCH_ROWS = 50_000
_ROW_BYTES = 200
_SCALARS = {"ANTENNA1": np.int32, "ANTENNA2": np.int32, "FEED1": np.int32, "FEED2": np.int32, "FLAG_ROW": np.bool_,
            "PROCESSOR_ID": np.int32, "TIME_CENTROID": np.float64}  # fmt: skip
_OF_RUNS = {"TIME": "time", "INTERVAL": "interval", "EXPOSURE": "exposure", "SCAN_NUMBER": "scan", "ARRAY_ID": "array"}
_COMPLEX = ("DATA", "CORRECTED_DATA", "MODEL_DATA")


@dataclass(eq=False)
class Input:
    """One of the MeasurementSets that are joined.

    Attributes
    ----------
    ms : MeasurementSet
    ids : Ids
        The new ids.
    weight_scale : float
    scan_offset : mapping of new observation -> int
        What is added to scan numbers.
    """

    ms: MeasurementSet
    ids: Ids
    weight_scale: float
    scan_offset: Mapping[int, int]

    @cached_property
    def new_obs(self) -> NDArray[np.int32]:
        """New OBSERVATION_ID of each run, int32 (run,)."""
        return _renumbered(self.ms.runs.obs, self.ids.obs, "OBSERVATION", self.ms)

    @cached_property
    def new_scan(self) -> NDArray[np.int32]:
        """New SCAN_NUMBER of each run, int32 (run,)."""
        added = np.array([self.scan_offset.get(int(o), 0) for o in range(int(self.new_obs.max(initial=0)) + 1)])
        return (self.ms.runs.scan + added[self.new_obs]).astype(np.int32)

    def cell(self, ddid: int) -> tuple[int, int]:
        """Return the shape (chan, corr) of a data description's cells."""
        dd = self.ms.metadata.ddids[ddid]
        return self.ms.metadata.spws[dd.spw].nchan, self.ms.metadata.pols[dd.pol].ncorr

    @cached_property
    def corr_swaps(self) -> dict[int, NDArray[np.intp]]:
        """For each polarization setup where each correlation goes when the antennas change places."""
        out = {}
        for pol in self.ms.metadata.pols:
            pairs = [tuple(p) for p in pol.corr_product]
            swapped = [(b, a) for a, b in pairs]
            out[pol.id] = np.array([pairs.index(p) if p in pairs else k for k, p in enumerate(swapped)], np.intp)
        return out


def _renumbered(old: NDArray[np.int32], new: NDArray[np.int32], what: str, ms: MeasurementSet) -> NDArray[np.int32]:
    """Return new ids; those below 0 stay."""
    if len(old) and old.max() >= len(new):
        raise InvalidTable(f"{ms.path}: rows have an id {old.max()} of {what}, which has {len(new)} rows")
    return np.where(old >= 0, new[np.maximum(old, 0)], old).astype(np.int32) if len(new) else old


def append_inputs(out: NewRows, inputs: Sequence[Input], cubes: Sequence[str], *, timesort: bool) -> None:
    """Append the rows of all inputs, one after the other or in the order of time.

    Parameters
    ----------
    out : NewRows
    inputs : sequence of Input
    cubes : sequence of str
        The (chan, corr) columns of the output.
    timesort : bool
    """
    for number, first, last, order in _batches(inputs, timesort=timesort):
        _append(out, inputs[number], order[first:last], cubes)


def _batches(inputs: Sequence[Input], *, timesort: bool) -> Iterator[tuple[int, int, int, NDArray[np.intp]]]:
    """Yield stretches of runs of one input: (its number, first, last, numbers of its runs in their order)."""
    which = np.concatenate([np.full(len(i.ms.runs), k) for k, i in enumerate(inputs)])
    numbers = np.concatenate([np.arange(len(i.ms.runs)) for i in inputs])
    if timesort:
        order = np.argsort(np.concatenate([i.ms.runs.time for i in inputs]), kind="stable")
        which, numbers = which[order], numbers[order]
    nrow = np.concatenate([i.ms.runs.nrow for i in inputs])
    nrow = nrow[order] if timesort else nrow
    first, rows = 0, 0
    for at in range(len(which) + 1):
        if at == len(which) or which[at] != which[first] or (rows and rows + nrow[at] > _BATCH_ROWS):
            if at > first:
                yield int(which[first]), first, at, numbers
            first, rows = at, 0
        if at < len(which):
            rows += int(nrow[at])


def _append(out: NewRows, one: Input, order: NDArray[np.intp], cubes: Sequence[str]) -> None:
    """Append some runs of an input: what is small at once, the cubes by the threads that write."""
    runs = one.ms.runs
    pieces = [(int(runs.row0[i]), int(runs.nrow[i])) for i in order]
    segments = joined(pieces)
    values: dict[str, NDArray] = {c: one.ms.read_scalar(c, segments).astype(t) for c, t in _SCALARS.items()}
    nrow = len(values["ANTENNA1"])
    uvw = np.empty((nrow, 3))
    one.ms.read("UVW", segments, uvw)
    each = np.repeat(order, [count for _, count in pieces])
    ids, ms = one.ids, one.ms
    for column, name in _OF_RUNS.items():
        values[column] = getattr(runs, name)[each]
    values["SCAN_NUMBER"], values["OBSERVATION_ID"] = one.new_scan[each], one.new_obs[each]
    values["DATA_DESC_ID"] = _renumbered(runs.ddid[each], ids.ddid, "DATA_DESCRIPTION", ms)
    values["FIELD_ID"] = _renumbered(runs.field[each], ids.field, "FIELD", ms)
    values["STATE_ID"] = _renumbered(runs.state[each], ids.state, "STATE", ms)
    values["PROCESSOR_ID"] = _renumbered(values["PROCESSOR_ID"], ids.processor, "PROCESSOR", ms)
    first = _renumbered(values["ANTENNA1"], ids.antenna, "ANTENNA", ms)
    second = _renumbered(values["ANTENNA2"], ids.antenna, "ANTENNA", ms)
    swapped = first > second
    values["ANTENNA1"], values["ANTENNA2"] = np.minimum(first, second), np.maximum(first, second)
    feeds = values["FEED1"], values["FEED2"]
    values["FEED1"], values["FEED2"] = np.where(swapped, feeds[1], feeds[0]), np.where(swapped, feeds[0], feeds[1])
    uvw[swapped] *= -1
    values["UVW"] = uvw
    out.append_later(values, list(_laters(one, order, swapped, cubes)))


def _laters(one: Input, order: NDArray[np.intp], swapped: NDArray[np.bool_], cubes: Sequence[str]) -> Iterator[Later]:
    runs = one.ms.runs
    at = 0
    for ddid, pieces in _one_shape(one, order, cubes):
        nrow = sum(count for _, count in pieces)
        cell = one.cell(ddid)
        cells: dict[str, tuple[int, ...]] = dict.fromkeys(cubes, cell)
        cells |= {"WEIGHT": cell[1:], "SIGMA": cell[1:]}
        swap = swapped[at : at + nrow]
        yield Later(nrow, cells, partial(_cells, one, ddid, joined(pieces), swap, tuple(cubes)))
        at += nrow
    assert at == sum(int(runs.nrow[i]) for i in order)


def _one_shape(one: Input, order: NDArray[np.intp], cubes: Sequence[str]) -> Iterator[tuple[int, list[Segment]]]:
    """Cut runs into stretches of one data description and of bounded size."""
    runs = one.ms.runs
    pieces: list[Segment] = []
    rows, before = 0, -1
    for i in order.tolist():
        ddid, row0, left = int(runs.ddid[i]), int(runs.row0[i]), int(runs.nrow[i])
        if ddid != before:
            if pieces:
                yield before, pieces
            pieces, rows, before = [], 0, ddid
            limit = _rows_at_once(one, ddid, cubes)
        while left:
            take = min(left, limit - rows)
            pieces.append((row0, take))
            rows, row0, left = rows + take, row0 + take, left - take
            if rows == limit:
                yield ddid, pieces
                pieces, rows = [], 0
    if pieces:
        yield before, pieces


def _rows_at_once(one: Input, ddid: int, cubes: Sequence[str]) -> int:
    nchan, ncorr = one.cell(ddid)
    row = _ROW_BYTES + nchan * ncorr * sum(8 if c in _COMPLEX else 4 if c != "FLAG" else 1 for c in cubes)
    memory = for_data() - BLOCKS_IN_FLIGHT * _BATCH_ROWS * _ROW_BYTES
    spw = one.ms.metadata.ddids[ddid].spw
    return block_bytes(memory, row, f"spw {spw} of {one.ms.path}", blocks=WRITERS) // row


def _cells(
    one: Input, ddid: int, segments: list[Segment], swapped: NDArray[np.bool_], cubes: tuple[str, ...]
) -> dict[str, NDArray]:
    """Read the columns of some rows and turn them into the output's."""
    dd, (nchan, ncorr) = one.ms.metadata.ddids[ddid], one.cell(ddid)
    nrow = len(swapped)
    out: dict[str, NDArray] = {}
    for column in ("WEIGHT", "SIGMA"):
        out[column] = np.empty((nrow, ncorr), np.float32)
        one.ms.read(column, segments, out[column])
    for column in cubes:
        out[column] = _cube(one, column, segments, (nrow, nchan, ncorr), ddid, out)
    if one.weight_scale not in (0.0, 1.0):
        for column in out:
            if column.startswith("WEIGHT"):
                out[column] *= np.float32(one.weight_scale)
            elif column.startswith("SIGMA"):
                out[column] *= np.float32(1 / np.sqrt(one.weight_scale))
    if ddid in one.ids.reversed_ddids:
        out = {c: v[:, ::-1] if v.ndim == 3 else v for c, v in out.items()}
    if swapped.any():
        corrs = one.corr_swaps[dd.pol]
        for column, values in out.items():
            turned = values[swapped][..., corrs]
            if np.iscomplexobj(turned):
                turned = turned.conj()
            out[column] = np.array(values)
            out[column][swapped] = turned
    return {c: np.ascontiguousarray(v) for c, v in out.items()}


def _cube(
    one: Input, column: str, segments: list[Segment], shape: tuple[int, int, int], ddid: int, rows: Mapping[str, Any]
) -> NDArray:
    """Read a column, or give the values that a new one starts with where the input has none."""
    ms, source = one.ms, column
    if not ms.has(column):
        if column == "MODEL_DATA":
            pol = ms.metadata.pols[ms.metadata.ddids[ddid].pol]
            return np.broadcast_to(unit_point(pol.corr_types), shape).copy()
        if column in ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM"):
            return np.repeat(rows[column.removesuffix("_SPECTRUM")][:, None], shape[1], axis=1)
        source = "DATA" if column == "CORRECTED_DATA" else column
        ms.require(source)
    kind = np.bool_ if column == "FLAG" else np.complex64 if column in _COMPLEX else np.float32
    cube = np.empty(shape, kind)
    try:
        ms.read(source, segments, cube)
    except RuntimeError as error:
        spw = ms.metadata.ddids[ddid].spw
        raise MissingColumn(f"{ms.path}: {source} cannot be read for spw {spw}: {error}") from error
    return cube

"""Agents: one for each mode, each telling which rows, or which visibilities, of a block its command flags."""

from __future__ import annotations

import os
import re
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, InvalidTable, MissingColumn
from atacal.flags.commands import Command
from atacal.flags.geometry import direction_itrf, shadowed
from atacal.jones.horizon import elevations
from atacal.ms._tables import opened
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata
from atacal.ms.selected import Selected
from atacal.ms.stream import Block


@runtime_checkable
class RowAgent(Protocol):
    """Flags whole rows (within the selected channels and correlations)."""

    columns: tuple[str, ...]

    def rows(self, block: Block, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the rows to flag among the wanted ones, bool (row,)."""
        ...


class Everything:
    """Modes manual and unflag: all that is selected; ``autocorr`` takes autocorrelations of correlators alone."""

    def __init__(self, command: Command, ms: MeasurementSet) -> None:
        self.autocorr = bool(command.parameters.get("autocorr", False))
        self.columns: tuple[str, ...] = ("PROCESSOR_ID",) if self.autocorr else ()
        self._correlator = _correlators(ms) if self.autocorr else None

    def rows(self, block: Block, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if not self.autocorr:
            return wanted
        hit = wanted & (block.antenna1 == block.antenna2)
        if self._correlator is not None:
            processor = block["PROCESSOR_ID"]
            known = (processor >= 0) & (processor < len(self._correlator))
            # water-vapour radiometers write rows of one antenna, too: those are no autocorrelations
            hit &= ~known | self._correlator[np.where(known, processor, 0)]
        return hit


def _correlators(ms: MeasurementSet) -> NDArray[np.bool_] | None:
    """Return which processors are correlators, or None when the PROCESSOR table says nothing."""
    if not os.path.isdir(f"{ms.path}/PROCESSOR"):
        return None
    with opened(f"{ms.path}/PROCESSOR") as table:
        if not table.nrows():
            return None
        return np.array([kind == "CORRELATOR" for kind in table.getcol("TYPE")])


class Quack:
    """Mode quack: the beginning or the end of each scan, by the times of the selected rows."""

    columns: tuple[str, ...] = ()

    def __init__(self, command: Command, ms: MeasurementSet, selected: Selected) -> None:
        self.interval = float(command.parameters["quackinterval"])
        self.mode = str(command.parameters["quackmode"])
        self.edges = _scan_edges(ms, selected, unflagged_only=bool(command.parameters["quackincrement"]))

    def rows(self, block: Block, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        hit = np.zeros(block.nrow, bool)
        for scan in np.unique(block.scan[wanted]).tolist():
            if scan in self.edges:
                start, stop = self.edges[scan]
                hit |= (block.scan == scan) & self._within(block.time, start, stop)
        return hit & wanted

    def _within(self, time: NDArray[np.float64], start: float, stop: float) -> NDArray[np.bool_]:
        if self.mode == "beg":
            return time <= start + self.interval
        if self.mode == "endb":
            return time >= stop - self.interval
        if self.mode == "tail":
            return time > start + self.interval
        return time < stop - self.interval


def _scan_edges(ms: MeasurementSet, selected: Selected, *, unflagged_only: bool) -> dict[int, tuple[float, float]]:
    """Return the first and last TIME [MJD s] of every scan among the selected rows, or the unflagged ones of them."""
    from atacal.ms.stream import stream

    edges: dict[int, tuple[float, float]] = {}

    def add(scans: NDArray[np.int32], times: NDArray[np.float64]) -> None:
        for scan in np.unique(scans).tolist():
            of_scan = times[scans == scan]
            low, high = edges.get(scan, (np.inf, -np.inf))
            edges[scan] = (min(low, float(of_scan.min())), max(high, float(of_scan.max())))

    if not unflagged_only and selected.uv is None and selected.baselines.all():
        add(selected.runs.scan, selected.runs.time)
        return edges
    for block in stream(ms, selected, ["FLAG"] if unflagged_only else []):
        keep = block.wanted
        if unflagged_only:
            keep = keep & ~block["FLAG"].all(axis=(1, 2))
        add(block.scan[keep], block.time[keep])
    return edges


class Shadow:
    """Mode shadow: rows of antennas that stand in another's shadow, whether or not both observed."""

    columns: tuple[str, ...] = ("TIME_CENTROID",)

    def __init__(self, command: Command, meta: Metadata) -> None:
        self.tolerance = float(command.parameters["tolerance"])
        self.fields = meta.fields
        others = _added_antennas(command.parameters["addantenna"])
        self.positions = np.concatenate([meta.antenna_positions_m, others[0]])
        self.diameters = np.concatenate([[a.dish_diameter_m for a in meta.antennas], others[1]])
        self._known: dict[tuple[float, int], NDArray[np.bool_]] = {}

    def _antennas(self, time: float, field: int) -> NDArray[np.bool_]:
        key = (time, field)
        if key not in self._known:
            if len(self._known) > 4096:
                self._known.clear()
            direction = direction_itrf(time, self.fields[field].phase_dir_rad)
            self._known[key] = shadowed(self.positions, self.diameters, direction, self.tolerance)
        return self._known[key]

    def rows(self, block: Block, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        hit = np.zeros(block.nrow, bool)
        for rows, time, field in _instants(block["TIME_CENTROID"], block.field, wanted):
            dark = self._antennas(time, field)
            hit[rows] = dark[block.antenna1[rows]] | dark[block.antenna2[rows]]
        return hit


class Elevation:
    """Mode elevation: rows one of whose antennas sees the field below or above the limits [deg]."""

    columns: tuple[str, ...] = ()

    def __init__(self, command: Command, meta: Metadata) -> None:
        self.lower, self.upper = (float(command.parameters[key]) for key in ("lowerlimit", "upperlimit"))
        self.meta = meta

    def rows(self, block: Block, wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
        hit = np.zeros(block.nrow, bool)
        instants = list(_instants(block.time, block.field, wanted))
        if not instants:
            return hit
        times = np.array([time for _, time, _ in instants])
        fields = [self.meta.fields[field] for _, _, field in instants]
        elevation = np.degrees(elevations(times, fields, self.meta.antenna_positions_m, self.meta.time_frame))
        beyond = (elevation < self.lower) | (elevation > self.upper)
        for (rows, _, _), bad in zip(instants, beyond, strict=True):
            hit[rows] = bad[block.antenna1[rows]] | bad[block.antenna2[rows]]
        return hit


def _instants(time: NDArray[np.float64], field: NDArray[np.int32], wanted: NDArray[np.bool_]) -> Any:
    """Yield (rows, time, field) for every distinct time and field among the wanted rows."""
    rows = np.flatnonzero(wanted)
    order = rows[np.lexsort((field[rows], time[rows]))]
    if not len(order):
        return
    changed = (np.diff(time[order]) != 0) | (np.diff(field[order]) != 0)
    for part in np.split(order, np.flatnonzero(changed) + 1):
        yield part, float(time[part[0]]), int(field[part[0]])


def _added_antennas(value: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read ``addantenna``: a file of name, diameter, position lines, or CASA's dictionary of such records."""
    if not value:
        return np.zeros((0, 3)), np.zeros(0)
    if isinstance(value, str):
        if not os.path.isfile(value):
            raise ArgumentError(f"flagdata: addantenna={value!r}: no such file")
        with open(value) as file:
            text = "\n".join(line for line in file.read().splitlines() if not line.lstrip().startswith("#"))
        dishes = [float(d) for d in re.findall(r"^\s*diameter\s*=\s*(\S+)", text, re.M)]
        places = [
            [float(x) for x in p.split(",")] for p in re.findall(r"^\s*position\s*=\s*\[(.*?)\]", text, re.M | re.S)
        ]
    else:
        dishes = [float(record["diameter"]) for record in value.values()]
        places = [list(record["position"]) for record in value.values()]
    if len(dishes) != len(places) or any(len(p) != 3 for p in places):
        raise InvalidTable(f"addantenna={value!r}: every antenna needs name=, diameter= [m], position=[x, y, z] [m]")
    return np.array(places, np.float64).reshape(-1, 3), np.array(dishes, np.float64)


def require_column(ms: MeasurementSet, column: str) -> None:
    """Raise `MissingColumn` unless the MeasurementSet has a column."""
    if column not in ms.columns():
        there = [c for c in ms.columns() if "DATA" in c or "WEIGHT" in c]
        raise MissingColumn(f"{ms.path} has no column {column}; of its kind it has {', '.join(there)}")

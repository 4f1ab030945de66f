"""Flag commands on a calibration table: the same agents, on rows of solutions instead of visibilities."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, CaltableError, EmptySelection, WriteError
from atacal.flags import engine
from atacal.flags.clip import split_expression
from atacal.flags.commands import Command
from atacal.flags.summary import Summary
from atacal.ms._tables import opened
from atacal.ms.metadata import DataDescription, Metadata, Polarization, read_antennas, read_fields, read_spws
from atacal.ms.rows import RowRuns
from atacal.ms.selection import parse_antenna_list
from atacal.ms.stream import Block

MODES = ("manual", "unflag", "clip", "quack", "summary")
Segment = tuple[int, int]


@dataclass(frozen=True)
class _Solutions(Polarization):
    """The elements of a solution, under CASA's names Sol1, Sol2..."""

    @property
    def corrs(self) -> tuple[str, ...]:
        return tuple(f"Sol{i + 1}" for i in range(len(self.corr_types)))


class _CalRows:
    """A calibration table with as much of a MeasurementSet's face as selections and agents look at."""

    def __init__(self, path: str, table: Any) -> None:
        if "SPECTRAL_WINDOW_ID" not in table.colnames():
            raise CaltableError(f"{path}: flagdata works on tables of solutions a channel; {table.info()['subType']} "
                                "solutions cannot be flagged, solve again without the bad data")  # fmt: skip
        self.path, self.table = path, table
        sizes = {len(np.atleast_2d(table.getcell("FLAG", i))[0]) for i in range(min(1, table.nrows()))}
        npar = sizes.pop() if sizes else 2
        spws = read_spws(os.path.join(path, "SPECTRAL_WINDOW"))
        self.metadata = Metadata(
            path=path,
            nrow=table.nrows(),
            columns=tuple(table.colnames()),
            antennas=read_antennas(path),
            fields=read_fields(path),
            spws=spws,
            pols=(_Solutions(0, tuple(range(npar)), tuple((i, i) for i in range(npar))),),
            ddids=tuple(DataDescription(spw.id, spw.id, 0) for spw in spws),
            state_intents=(),
            observations=(),
        )

    def columns(self) -> list[str]:
        return list(self.metadata.columns)

    def has(self, column: str) -> bool:
        return column in self.metadata.columns

    def read_scalar(self, column: str, segments: Iterable[Segment]) -> NDArray:
        return np.concatenate([self.table.getcol(column, row0, count) for row0, count in segments])

    @cached_property
    def has_references(self) -> bool:
        """Whether solutions are relative to a reference antenna: system temperatures hold -1 in its place."""
        return bool(np.any(self.table.getcol("ANTENNA2") >= 0))

    @cached_property
    def runs(self) -> RowRuns:
        """One run a row: a calibration table is small."""
        nrow, table = self.metadata.nrow, self.table

        def ids(column: str, default: int) -> NDArray[np.int32]:
            there = column in self.metadata.columns
            return table.getcol(column).astype(np.int32) if there else np.full(nrow, default, np.int32)

        interval = table.getcol("INTERVAL")
        return RowRuns(
            row0=np.arange(nrow), nrow=np.ones(nrow, np.int64), time=table.getcol("TIME"), interval=interval,
            exposure=interval, ddid=ids("SPECTRAL_WINDOW_ID", 0), field=ids("FIELD_ID", -1),
            scan=ids("SCAN_NUMBER", -1), state=np.full(nrow, -1, np.int32), obs=ids("OBSERVATION_ID", 0),
            array=np.full(nrow, -1, np.int32),
        )  # fmt: skip

    def write(self, column: str, segments: Iterable[Segment], values: NDArray) -> None:
        if column != "FLAG":
            return
        at = 0
        try:
            for row0, count in segments:
                self.table.putcol(column, values[at : at + count], row0, count)
                at += count
        except RuntimeError as error:
            raise WriteError(f"{self.path}: cannot write {column}: {error}") from error


def run_on_caltable(
    path: str | os.PathLike[str],
    commands: Sequence[Command],
    *,
    write: bool = True,
    ready: Callable[[], object] | None = None,
) -> list[engine.Outcome]:
    """Apply flag commands to a calibration table, in order.

    As in CASA an antenna selection looks at the pair ANTENNA1, ANTENNA2 of each row, of which the second is the
    reference antenna: naming the reference antenna picks every row but its own. In a list of several commands a
    plain list of antennas picks those antennas' own solutions, again as in CASA; so it does where there are no
    reference antennas.

    Parameters
    ----------
    path : str
        The calibration table.
    commands : sequence of Command
        Of the modes `MODES`.
    write : bool
        False: only find out.
    ready : callable, optional
        Called before anything is written, when all commands have been found good.

    Returns
    -------
    list of atacal.flags.engine.Outcome

    Raises
    ------
    ArgumentError, EmptySelection, SelectionError, MissingColumn, WriteError
    """
    for command in commands:
        if command.mode not in MODES:
            raise ArgumentError(f"flagdata: mode={command.mode!r} means nothing on a calibration table ({path}); "
                                f"its modes are {', '.join(MODES)}")  # fmt: skip
    with opened(path, writable=write) as table:
        rows: Any = _CalRows(os.path.normpath(path), table)
        outcomes = [engine.Outcome(command) for command in commands]
        tasks = [task for o in outcomes if (task := _prepare(rows, o, alone=len(commands) == 1)) is not None]
        if not tasks:
            raise EmptySelection(f"none of the {len(commands)} flag commands matches any solution of {path}")
        if ready is not None:
            ready()
        everything = engine.union_of(rows, np.ones(len(rows.runs), bool))
        for spw in np.unique(rows.runs.ddid).tolist():
            block = _block(rows, spw, {"FLAG", *(c for task in tasks for c in task.agent.columns)})
            engine.run_block(rows, block, tasks, everything, write=write)
        for task in tasks:
            if isinstance(task.agent, Summary):
                task.outcome.summary = task.agent.result()
    return outcomes


def _prepare(rows: Any, outcome: engine.Outcome, *, alone: bool) -> Any:
    """Prepare a command; correlations are elements of the solution here: SOL1, SOL2."""
    command = outcome.command
    function, names = split_expression(command.correlation)
    task = engine.prepare(rows, _of_all_elements(outcome, function), alone=alone)
    if task is None:
        outcome.matched = False
        return None
    task.outcome = outcome
    names_antennas = command.selection.antenna.strip()
    if (
        not (alone and rows.has_references)
        and names_antennas
        and "&" not in names_antennas
        and "!" not in names_antennas
    ):
        baselines = np.zeros_like(task.selected.baselines)
        baselines[parse_antenna_list(names_antennas, rows.metadata)] = True
        task.selected = replace(task.selected, baselines=baselines)
    if names:
        there = [name.upper() for name in rows.metadata.pols[0].corrs]
        asked = [name.strip() for name in names.split(",")]
        if unknown := [name for name in asked if name not in there]:
            raise ArgumentError(f"flagdata: correlation {unknown[0]!r}: the solutions of {rows.path} have "
                                f"{', '.join(rows.metadata.pols[0].corrs)}")  # fmt: skip
        task.selected = replace(task.selected, corrs={0: np.array([name in asked for name in there])})
    return task


def _of_all_elements(outcome: engine.Outcome, function: str) -> engine.Outcome:
    """Return the outcome with a command that takes a function of all elements."""
    return engine.Outcome(
        replace(outcome.command, correlation=f"{function}_ALL" if outcome.command.correlation else "")
    )


def _block(rows: Any, spw: int, columns: set[str]) -> Block:
    """Read all solutions of one spw."""
    runs: RowRuns = rows.runs
    index = np.flatnonzero(runs.ddid == spw)
    starts = np.flatnonzero(np.diff(index, prepend=-2) != 1)
    counts = np.diff(np.append(starts, len(index)))
    segments = [(int(index[s]), int(n)) for s, n in zip(starts, counts, strict=True)]
    data = {c: rows.read_scalar(c, segments) for c in sorted(columns) if rows.has(c)}
    data["FLAG_ROW"] = np.zeros(len(index), bool)
    antenna1, antenna2 = (rows.read_scalar(c, segments).astype(np.int32) for c in ("ANTENNA1", "ANTENNA2"))
    # tables without a reference antenna hold -1: such a row is about its own antenna
    antenna2 = np.where(antenna2 < 0, antenna1, antenna2)
    return Block(
        spw, spw, 0, segments, index, np.ones(len(index), bool), runs.time[index], runs.interval[index],
        runs.exposure[index], antenna1, antenna2, runs.field[index], runs.scan[index], runs.state[index],
        runs.obs[index], data,
    )  # fmt: skip

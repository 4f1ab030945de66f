"""Running flag commands over a MeasurementSet: one pass over the data, the commands in their order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection
from atacal.flags.agents import Elevation, Everything, Quack, RowAgent, Shadow
from atacal.flags.clip import Clip, stored_correlations
from atacal.flags.commands import Command, shortened
from atacal.flags.summary import Summary
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selected import Selected
from atacal.ms.selection import Selection, select
from atacal.ms.stream import Block, stream
from atacal.ms.transaction import real_name
from atacal.results import LISTING

if TYPE_CHECKING:
    from atacal.flags.extend import Extend

_log = logging.getLogger("atacal")


@dataclass
class Outcome:
    """What a command did.

    Attributes
    ----------
    command : Command
    changed : int
        Visibilities whose flag it set anew (unflag: cleared).
    selected : int
        Visibilities that it looked at.
    summary : dict, optional
        CASA's dictionary (mode summary).
    matched : bool
        Whether its selection matched any data.
    """

    command: Command
    changed: int = 0
    selected: int = 0
    summary: dict[str, Any] | None = None
    matched: bool = True


@dataclass
class Task:
    """A command ready to run."""

    outcome: Outcome
    selected: Selected
    runs: NDArray[np.bool_]
    agent: RowAgent | Clip | Summary | Extend
    value: bool
    whole_rows: bool
    exact: NDArray[np.bool_] | None = None


def run_commands(
    ms: MeasurementSet,
    commands: Sequence[Command],
    *,
    write: bool = True,
    ready: Callable[[], object] | None = None,
    alone: bool | None = None,
) -> list[Outcome]:
    """Apply flag commands, in order.

    Every block is read once; FLAG and FLAG_ROW are written only where they change.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing if ``write``.
    commands : sequence of Command
        A command of a list that matches no data is passed over with a warning; a single one is an error.
    write : bool
        False: find out what would be flagged, and write nothing.
    ready : callable, optional
        Called before anything is written, when all commands have been found good.
    alone : bool, optional
        Whether the commands were a single one; by default whether there is one.

    Returns
    -------
    list of Outcome
        One a command.

    Raises
    ------
    EmptySelection, SelectionError, MissingColumn, WriteError
    """
    outcomes = [Outcome(command) for command in commands]
    alone = len(commands) == 1 if alone is None else alone
    tasks = [task for o in outcomes if (task := prepare(ms, o, alone=alone)) is not None]
    if not tasks:
        raise EmptySelection(f"none of the {len(commands)} flag commands matches any data of {ms.path}")
    if ready is not None:
        ready()
    union = np.logical_or.reduce([task.runs for task in tasks])
    everything = union_of(ms, union)
    for task in tasks:
        task.runs = task.runs[union]
    columns = sorted({"FLAG", "FLAG_ROW", *(c for task in tasks for c in task.agent.columns)} | _uvw(tasks))
    # the next block must not be read while this one is written: casacore tables are not thread-safe
    for block in stream(ms, everything, columns, prefetch=not write):
        run_block(ms, block, tasks, everything, write=write)
    for task in tasks:
        if isinstance(task.agent, Summary):
            task.outcome.summary = task.agent.result()
    return outcomes


def _uvw(tasks: list[Task]) -> set[str]:
    return {"UVW"} if any(task.selected.uv is not None for task in tasks) else set()


def prepare(ms: MeasurementSet, outcome: Outcome, *, alone: bool) -> Task | None:
    """Make a command ready to run; None if it matches nothing and is one of several."""
    command = outcome.command
    names = stored_correlations(command.correlation)
    try:
        selected = _select(ms, replace(command.selection, correlation=names))
    except EmptySelection as error:
        if alone:
            raise
        _log.log(LISTING, "Flag command %s matches nothing: %s", command.short(), shortened(real_name(str(error))))
        outcome.matched = False
        return None
    # a feed selection cuts runs of rows into pieces: every other one keeps or drops whole runs
    runs = np.zeros(len(ms.runs), bool)
    runs[np.searchsorted(ms.runs.row0, selected.runs.row0, side="right") - 1] = True
    exact = _row_mask(ms, selected) if command.selection.feed.strip() else None
    # CASA leaves FLAG_ROW alone as soon as any spw is named, even with all of its channels
    inrow = bool(command.selection.spw.strip() or command.correlation.strip())
    agent = _agent(command, ms, selected)
    return Task(outcome, selected, runs, agent, command.value, not inrow, exact)


def _select(ms: MeasurementSet, selection: Selection) -> Selected:
    """Select as CASA's flagging does: correlations and intents that some data lack are picked where there are any."""
    names = {name for name in selection.correlation.replace(",", " ").split() if name}
    if not names or any(c in selection.correlation for c in ":;"):
        return select(ms, selection, partial_intent=True)
    selected = select(ms, replace(selection, correlation=""), partial_intent=True)
    pols = ms.metadata.pols
    corrs = {p: np.array([name in names for name in pols[p].corrs]) for p in selected.corrs}
    if not any(mask.any() for mask in corrs.values()):
        there = ", ".join(sorted({name for p in corrs for name in pols[p].corrs}))
        raise EmptySelection(f"correlation selection {selection.correlation!r}: the data of {ms.path} that the other "
                             f"selections leave have {there}")  # fmt: skip
    return replace(selected, corrs={p: mask for p, mask in corrs.items() if mask.any()})


def _row_mask(ms: MeasurementSet, selected: Selected) -> NDArray[np.bool_]:
    mask = np.zeros(ms.metadata.nrow, bool)
    for row0, nrow in zip(selected.runs.row0.tolist(), selected.runs.nrow.tolist(), strict=True):
        mask[row0 : row0 + nrow] = True
    return mask


def _agent(command: Command, ms: MeasurementSet, selected: Selected) -> RowAgent | Clip | Summary | Extend:
    if command.mode == "clip":
        return Clip(command, ms)
    if command.mode == "summary":
        return Summary(command, ms.metadata)
    if command.mode == "extend":
        from atacal.flags.extend import Extend

        return Extend(command)
    if command.mode == "quack":
        return Quack(command, ms, selected)
    if command.mode == "shadow":
        return Shadow(command, ms.metadata)
    if command.mode == "elevation":
        return Elevation(command, ms.metadata)
    return Everything(command, ms)


def union_of(ms: MeasurementSet, runs: NDArray[np.bool_]) -> Selected:
    """Select all of some runs."""
    meta = ms.metadata
    return Selected(
        runs=ms.runs[runs],
        baselines=np.ones((meta.nant, meta.nant), bool),
        channels={spw.id: np.ones(spw.nchan, bool) for spw in meta.spws},
        corrs={pol.id: np.ones(pol.ncorr, bool) for pol in meta.pols},
    )


def run_block(ms: MeasurementSet, block: Block, tasks: list[Task], union: Selected, *, write: bool) -> None:
    """Apply all commands to a block, and write what changed."""
    flag, flag_row = block["FLAG"], block["FLAG_ROW"]
    changed, changed_rows = False, False
    for task in tasks:
        picked = task.selected
        if block.spw not in picked.channels or block.pol not in picked.corrs:
            continue
        wanted = task.runs[block.run] & picked.baselines[block.antenna1, block.antenna2]
        if picked.uv is not None:
            wanted &= picked.uv.mask(block["UVW"], ms.metadata.spws[block.spw].ref_freq_hz)
        if task.exact is not None:
            wanted &= np.concatenate([task.exact[row0 : row0 + count] for row0, count in block.segments])
        if not wanted.any():
            continue
        if isinstance(task.agent, Summary):
            _count(block, flag, task, wanted, union)
            continue
        before = task.outcome.changed
        hit = _apply(block, flag, task, wanted)
        changed |= task.outcome.changed != before
        # values that are clipped say nothing about their row; to undo it frees all rows it has looked at, as in CASA
        if isinstance(task.agent, Clip):
            hit = np.flatnonzero(wanted) if not task.value else hit[:0]
        if task.whole_rows:
            changed_rows |= bool((flag_row[hit] != task.value).any())
            flag_row[hit] = task.value
    if write and changed:
        ms.write("FLAG", block.segments, flag)
    if write and changed_rows:
        ms.write("FLAG_ROW", block.segments, flag_row)


def _cells(block: Block, task: Task) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    return np.flatnonzero(task.selected.channels[block.spw]), np.flatnonzero(task.selected.corrs[block.pol])


def _count(block: Block, flag: NDArray[np.bool_], task: Task, wanted: NDArray[np.bool_], union: Selected) -> None:
    chan, corr = _cells(block, task)
    rows = np.flatnonzero(wanted)
    assert isinstance(task.agent, Summary)
    whole = len(chan) == flag.shape[1] and len(corr) == flag.shape[2]
    task.agent.count(
        block, flag[rows] if whole else flag[np.ix_(rows, chan, corr)], rows, chan, corr, union.runs.array[block.run]
    )
    task.outcome.selected += len(rows) * len(chan) * len(corr)


def _apply(block: Block, flag: NDArray[np.bool_], task: Task, wanted: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flag (or unflag) what a task asks for in a block, in place; return the rows it is about."""
    chan, corr = _cells(block, task)
    task.outcome.selected += int(wanted.sum()) * len(chan) * len(corr)
    if isinstance(task.agent, Clip):
        rows = np.flatnonzero(wanted)
        bad = np.broadcast_to(task.agent.cells(block, rows), (len(rows), *flag.shape[1:]))[:, chan[:, None], corr]
        index = np.ix_(rows, chan, corr)
        new = bad & (flag[index] != task.value)
        task.outcome.changed += int(new.sum())
        if new.any():
            flag[index] ^= new
        return rows
    assert isinstance(task.agent, RowAgent)
    rows = np.flatnonzero(task.agent.rows(block, wanted))
    if len(chan) == flag.shape[1] and len(corr) == flag.shape[2]:
        count = int((flag[rows] != task.value).sum())
        if count:
            flag[rows] = task.value
    else:
        index = np.ix_(rows, chan, corr)
        count = int((flag[index] != task.value).sum())
        if count:
            flag[index] = task.value
    task.outcome.changed += count
    return rows

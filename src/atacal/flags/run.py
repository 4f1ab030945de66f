"""Flag commands on a table of either kind: run, say what each did, save the flags before."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from atacal.errors import EmptySelection
from atacal.flags.backup import backup
from atacal.flags.commands import Command, merged, shortened
from atacal.flags.engine import Outcome
from atacal.ms._tables import opened
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.transaction import real_name, transaction

_log = logging.getLogger("atacal")


def is_caltable(path: str | os.PathLike[str]) -> bool:
    """Return whether a table is a calibration table.

    Raises
    ------
    NoSuchTable, InvalidTable, TableLocked
    """
    with opened(path) as table:
        return bool(table.info().get("type") == "Calibration")


def run(
    path: str | os.PathLike[str],
    commands: Sequence[Command],
    *,
    write: bool = False,
    saved: str | os.PathLike[str] = "",
    prefix: str = "flagdata",
) -> list[dict[str, Any]]:
    """Run commands in their order, log what each did, and return the summaries.

    Parameters
    ----------
    path : path
        A MeasurementSet or calibration table.
    commands : sequence of Command
    write : bool
        False: find out what would be flagged.
    saved : path
        The table whose flags are saved as a version before anything is written; empty: none.
    prefix : str
        What the version's name begins with.

    Raises
    ------
    ArgumentError, SelectionError, EmptySelection, MissingColumn, NoSuchTable, InvalidTable, TableLocked, WriteError
    """

    def ready() -> None:
        if saved:
            backup(saved, prefix)

    if is_caltable(path):
        from atacal.flags.caltable import run_on_caltable

        outcomes = run_on_caltable(path, commands, write=write, ready=ready)
    else:
        stages = _stages(merged(commands))
        if not write and len(stages) > 1:  # what comes later looks at what came before
            return _tried(path, commands)
        outcomes = _run_stages(path, stages, write=write, ready=ready, alone=len(commands) == 1)
    _tell_unmatched(outcomes)
    for outcome in outcomes:
        if outcome.matched and outcome.summary is None:
            _say(outcome, write=write)
    return [o.summary for o in outcomes if o.summary is not None]


def _tell_unmatched(outcomes: Sequence[Outcome]) -> None:
    """Warn once of all commands that match no data; the log file has each with the reason.

    The record has an attribute ``unmatched``, for those who expect it.
    """
    unmatched = [o.command for o in outcomes if not o.matched]
    if not unmatched:
        return
    first = "; ".join(shortened(str(command), 100) for command in unmatched[:2])
    more = f"; and {len(unmatched) - 2} more" if len(unmatched) > 2 else ""
    text = "%d of %d flag commands match no data: %s%s"
    _log.warning(text, len(unmatched), len(outcomes), first, more, extra={"unmatched": len(unmatched)})


def _stages(commands: Sequence[Command]) -> list[list[Command]]:
    """Cut a list where a command looks at the data baseline by baseline."""
    out: list[list[Command]] = []
    for command in commands:
        if out and command.mode != "extend" and out[-1][-1].mode != "extend":
            out[-1].append(command)
        else:
            out.append([command])
    return out


def _run_stages(
    path: str | os.PathLike[str], stages: list[list[Command]], *, write: bool, ready: Callable[[], object], alone: bool
) -> list[Outcome]:
    """Run lists of commands one after the other."""
    from atacal.flags.engine import run_commands
    from atacal.flags.extend import run_extend

    outcomes: list[Outcome] = []
    with MeasurementSet(path, writable=write) as ms:
        if len(stages) > 1 or stages[0][0].mode == "extend":
            _check_selections(ms, [c for stage in stages for c in stage])
            ready()
            ready = _nothing
        for stage in stages:
            if stage[0].mode == "extend":
                outcomes.append(Outcome(stage[0]))
                run_extend(ms, outcomes[-1], write=write, alone=alone)
                continue
            try:
                outcomes += run_commands(ms, stage, write=write, ready=ready, alone=alone)
            except EmptySelection:
                if len(stages) == 1:
                    raise
                outcomes += [Outcome(command, matched=False) for command in stage]
    return outcomes


def _check_selections(ms: MeasurementSet, commands: Sequence[Command]) -> None:
    """Raise if a selection cannot be read, or if none matches anything, before anything is written."""
    from atacal.flags.engine import prepare

    if len(commands) == 1:
        prepare(ms, Outcome(commands[0]), alone=True)
    elif all(prepare(ms, Outcome(command), alone=False) is None for command in commands):
        raise EmptySelection(f"none of the {len(commands)} flag commands matches any data of {real_name(str(ms.path))}")


def _nothing() -> None:
    pass


class _Discard(Exception):
    """Ends a transaction that is to leave no trace."""


def _tried(path: str | os.PathLike[str], commands: Sequence[Command]) -> list[dict[str, Any]]:
    """Run commands on a double of the table that is then thrown away."""
    reports: list[dict[str, Any]] = []
    with suppress(_Discard), transaction(path, "flagdata", columns=("FLAG", "FLAG_ROW")) as inside:
        reports = run(inside, commands, write=True)
        _log.info("Nothing of this is written")
        raise _Discard
    return reports


def _say(outcome: Outcome, *, write: bool) -> None:
    verb = "flagged" if outcome.command.value else "unflagged"
    share = 100.0 * outcome.changed / outcome.selected if outcome.selected else 0.0
    _log.info("%s: newly %s %d of %d (%.2f %%)%s", outcome.command.short(), verb, outcome.changed, outcome.selected,
              share, "" if write else "; not written")  # fmt: skip

"""Flag commands on a table of either kind: run, say what each did, save the flags before."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from atacal.flags.backup import backup
from atacal.flags.commands import Command, merged
from atacal.flags.engine import Outcome
from atacal.ms._tables import opened

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
        from atacal.flags.engine import run_commands
        from atacal.ms.measurement_set import MeasurementSet

        alone = len(commands) == 1
        with MeasurementSet(path, writable=write) as ms:
            outcomes = run_commands(ms, merged(commands), write=write, ready=ready, alone=alone)
    for outcome in outcomes:
        if outcome.matched and outcome.summary is None:
            _say(outcome, write=write)
    return [o.summary for o in outcomes if o.summary is not None]


def _say(outcome: Outcome, *, write: bool) -> None:
    verb = "flagged" if outcome.command.value else "unflagged"
    share = 100.0 * outcome.changed / outcome.selected if outcome.selected else 0.0
    _log.info("%s: newly %s %d of %d (%.2f %%)%s", outcome.command.short(), verb, outcome.changed, outcome.selected,
              share, "" if write else "; not written")  # fmt: skip

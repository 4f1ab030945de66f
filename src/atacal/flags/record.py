"""Keeping flag commands: in a text file that flagdata reads back, or in the MeasurementSet's FLAG_CMD table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from atacal.errors import WriteError
from atacal.flags.commands import Command
from atacal.ms._tables import opened


def save_to_file(path: str | os.PathLike[str], commands: Sequence[Command], reason: str = "") -> None:
    """Write commands to a text file, one a line; the file appears whole or not at all.

    Raises
    ------
    WriteError
    """
    partial = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(partial, "w") as file:
            for command in commands:
                file.write(f"{replace(command, reason=reason or command.reason)}\n")
        os.replace(partial, path)
    except OSError as error:
        raise WriteError(f"{path}: flag commands cannot be saved: {error}") from error


def save_to_table(
    ms_path: str | os.PathLike[str], commands: Sequence[Command], reason: str = "", *, applied: bool = False
) -> None:
    """Append commands to FLAG_CMD, as CASA does: TIME and INTERVAL 0, the command's text in COMMAND.

    Raises
    ------
    NoSuchTable, TableLocked, WriteError
    """
    kept = [command for command in commands if command.mode != "summary"]
    with opened(f"{os.fspath(ms_path)}/FLAG_CMD", writable=True) as table:
        start, count = table.nrows(), len(kept)
        table.addrows(count)
        values: dict[str, list[Any]] = {
            "APPLIED": [applied] * count,
            "COMMAND": [str(replace(command, reason="")) for command in kept],
            "INTERVAL": [0.0] * count,
            "LEVEL": [0] * count,
            "REASON": [reason or command.reason for command in kept],
            "SEVERITY": [0] * count,
            "TIME": [0.0] * count,
            "TYPE": [""] * count,
        }
        for column, items in values.items():
            for i, item in enumerate(items):
                table.putcell(column, start + i, item)

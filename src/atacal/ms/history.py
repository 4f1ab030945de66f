"""The HISTORY subtable: what was done to a MeasurementSet, in the form CASA's tasks leave it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from atacal import __version__
from atacal.errors import WriteError
from atacal.ms._tables import opened

_MJD_OF_UNIX_EPOCH_S = 40587 * 86400.0
_elsewhere: ContextVar[bool] = ContextVar("atacal_history_elsewhere", default=False)


@contextmanager
def kept_elsewhere() -> Iterator[None]:
    """Leave HISTORY alone: whoever calls keeps a record that is the same, down to the byte, when a run is repeated."""
    token = _elsewhere.set(True)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def task_messages(task: str, parameters: Mapping[str, Any]) -> list[str]:
    """Return the lines that describe a task's call: its name, the version, one line a parameter."""
    lines = [f"taskname={task}", f"version: atacal {__version__}"]
    for name, value in parameters.items():
        shown = f'"{value}"' if isinstance(value, str) else str(value)
        lines.append(f"{name:<11} = {shown}")
    return lines


def write_history(ms: str | os.PathLike[str], origin: str, messages: Sequence[str]) -> None:
    """Append messages to a MeasurementSet's HISTORY; nothing happens where it has none.

    Parameters
    ----------
    ms : path
    origin : str
        The task.
    messages : sequence of str

    Raises
    ------
    WriteError, TableLocked
    """
    path = os.path.join(ms, "HISTORY")
    if not os.path.isdir(path) or not messages or _elsewhere.get():
        return
    now = time.time() + _MJD_OF_UNIX_EPOCH_S
    with opened(path, writable=True) as tab:
        try:
            row0, count = tab.nrows(), len(messages)
            tab.addrows(count)
            there = tab.colnames()
            texts = {"MESSAGE": list(messages), "ORIGIN": ["atacal"] * count, "APPLICATION": [origin] * count,
                     "PRIORITY": ["INFO"] * count}  # fmt: skip
            for column, values in texts.items():
                tab.putcol(column, values, row0, count)
            for column, number in (("TIME", now), ("OBJECT_ID", 0), ("OBSERVATION_ID", -1)):
                tab.putcol(column, [number] * count, row0, count)
            for column in ("CLI_COMMAND", "APP_PARAMS"):
                if column in there:
                    for i in range(count):
                        tab.putcell(column, row0 + i, [""])
        except RuntimeError as error:
            raise WriteError(f"{path}: cannot be written: {error}") from error


def renamed(ms: str | os.PathLike[str], old: str | os.PathLike[str], new: str | os.PathLike[str]) -> None:
    """Put a MeasurementSet's final path in the place of that under which it was made, wherever HISTORY names it.

    Parameters
    ----------
    ms : path
        Where it is now.
    old, new : path

    Raises
    ------
    WriteError, TableLocked
    """
    path = os.path.join(ms, "HISTORY")
    if not os.path.isdir(path):
        return
    with opened(path, writable=True) as tab:
        try:
            for row, message in enumerate(tab.getcol("MESSAGE") if tab.nrows() else []):
                if os.fspath(old) in message:
                    tab.putcell("MESSAGE", row, message.replace(os.fspath(old), os.fspath(new)))
        except RuntimeError as error:
            raise WriteError(f"{path}: cannot be written: {error}") from error

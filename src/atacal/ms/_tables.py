"""Opening casacore tables, with errors that a person can use.

Only ``ms/``, ``asdm/``, ``caltables/``, ``flags/`` and ``scripts/`` import casacore, and they do it through this
module.

Within a process casacore keeps one object for all handles on a table. A script's tool may still hold a table when a
task changes it: the task's files take the places of the old ones, which the kept object would go on reading. So
whoever holds tables for long says so (`hold`), and gives way when anything else opens them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from weakref import WeakSet

from atacal.errors import InvalidTable, NoSuchTable, TableLocked, WriteError


class Holder(Protocol):
    """Something that keeps tables open from call to call and can open them again."""

    def holds(self, path: str) -> bool:
        """Whether a table (an absolute path) or a subtable of it is open."""

    def give_way(self) -> None:
        """Close what is open, all written, to open it again at the next call."""


_holders: WeakSet[Any] = WeakSet()


def hold(holder: Holder) -> None:
    """Have a holder give way whenever a table that it holds, or the one above it, is opened by anything else."""
    _holders.add(holder)


def _make_way(name: str) -> None:
    if not _holders:
        return
    path = os.path.realpath(name)
    for holder in list(_holders):
        if holder.holds(path):
            holder.give_way()


def open_table(path: str | os.PathLike[str], *, writable: bool = False, to_hold: bool = False) -> Any:
    """Open a casacore table.

    Parameters
    ----------
    path : path
        The table's folder; ``X.ms/ANTENNA`` and ``X.ms::ANTENNA`` are both understood.
    writable : bool
        Open for writing. Locking is casacore's user locking with no wait: a table that another
        process has locked is an error, never a hang.
    to_hold : bool
        It is opened by one of those that `hold` tables: they do not give way to each other.

    Returns
    -------
    casacore.tables.table

    Raises
    ------
    NoSuchTable, InvalidTable, TableLocked
    """
    from casacore.tables import table

    from atacal.ms.transaction import recover  # it opens tables, too

    name = os.fspath(path).replace("::", "/")
    if not os.path.isdir(name):
        raise NoSuchTable(f"{name}: no such table{_neighbours(name)}")
    if not os.path.isfile(os.path.join(name, "table.dat")):
        raise InvalidTable(f"{name} is a folder but not a casacore table (it has no table.dat)")
    if not to_hold:
        _make_way(name)
    recover(name)
    if writable and not os.access(os.path.join(name, "table.dat"), os.W_OK):
        raise WriteError(f"{name} cannot be written: no permission")
    try:
        tab = table(name, readonly=not writable, ack=False, lockoptions={"option": "usernoread"})
        if writable:
            tab.lock(write=True, nattempts=1)
            if not tab.haslock(write=True):
                tab.close()
                raise TableLocked(f"{name} is locked by another process; close it there and try again")
    except RuntimeError as error:
        message = str(error)
        if re.search(r"\block", message, re.IGNORECASE):
            raise TableLocked(f"{name} is locked by another process: {message}") from error
        if "asdmstman" in message:
            message = (
                "its data are still in the ASDM, where CASA's importasdm leaves them with lazy=True; import the ASDM "
                "with atacal importasdm, or again with lazy=False"
            )
        raise InvalidTable(f"{name} cannot be opened: {message}") from error
    return tab


def _neighbours(name: str) -> str:
    """Say which tables lie beside a missing one."""
    folder = Path(name).absolute().parent
    if not folder.is_dir():
        return f" (and no folder {folder})"
    found = sorted(p.name for p in folder.iterdir() if (p / "table.dat").is_file())
    return f"; tables in {folder}: {', '.join(found[:12])}" if found else f"; {folder} holds no tables"


@contextmanager
def opened(path: str | os.PathLike[str], *, writable: bool = False) -> Iterator[Any]:
    """Open a table for the length of a ``with`` block; see `open_table`.

    What casacore cannot read or write within the block becomes `InvalidTable` or `WriteError`.
    """
    tab = open_table(path, writable=writable)
    try:
        yield tab
    except RuntimeError as error:
        if type(error) is not RuntimeError:  # casacore raises no subclass of it
            raise
        if writable:
            raise WriteError(f"{os.fspath(path)} cannot be written: {error}") from error
        raise InvalidTable(f"{os.fspath(path)} is damaged: {error}") from error
    finally:
        tab.close()

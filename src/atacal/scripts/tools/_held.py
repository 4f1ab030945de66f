"""A casacore table that a script keeps open while atacal's tasks read and change the same table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from atacal.errors import TableLocked, ToolError
from atacal.ms._tables import hold, open_table


class HeldTable:
    """A table, or some of its rows and columns, that is closed when a task opens it and opened again when needed.

    Parameters
    ----------
    path : str
        The table's folder.
    writable : bool
        Whether it is opened for writing.
    rows : sequence of int, optional
        Row numbers of a selection.
    columns : sequence of str
        Columns of a selection; all if empty.
    """

    def __init__(
        self, path: str, *, writable: bool = False, rows: Sequence[int] | None = None, columns: Sequence[str] = ()
    ) -> None:
        self.path = os.path.realpath(path.replace("::", "/"))
        self.writable = writable
        self._rows, self._columns = rows, list(columns)
        self._table: Any = None
        hold(self)

    @classmethod
    def of_result(cls, result: Any, path: str, *, writable: bool = False) -> HeldTable:
        """Hold what a query gave: rows of the table ``path``, or a table that casacore made in memory."""
        held = cls(path, writable=writable and bool(result.iswritable()))
        held._table = result
        return held

    def get(self) -> Any:
        """Return the open table, opened again if it gave way."""
        if self._table is None:
            table = open_table(self.path, writable=self.writable, to_hold=True)
            if self._rows is not None:
                whole, table = table, table.selectrows(self._rows)
                whole.close()
            if self._columns and self._columns != table.colnames():
                whole, table = table, table.query(columns=",".join(self._columns))
                whole.close()
            self._table = table
        if self.writable and not self._table.haslock(write=True):  # closing another handle gave it up
            self._table.lock(write=True, nattempts=1)
            if not self._table.haslock(write=True):
                raise TableLocked(f"{self.path} is locked by another process; close it there and try again")
        return self._table

    def holds(self, path: str) -> bool:
        """Whether that table, or a subtable of it, is open."""
        return self._table is not None and (self.path == path or self.path.startswith(path + os.sep))

    def give_way(self) -> None:
        """Close the table; a selection remembers its rows."""
        if self._is_result() and not self._remember():
            return  # its values lie in memory: nothing of the table's files is open
        self.close()

    def _is_result(self) -> bool:
        return os.path.realpath(self._table.name()) != self.path

    def _remember(self) -> bool:
        whole = open_table(self.path, to_hold=True)
        try:
            columns = self._table.colnames()
            if not set(columns) <= set(whole.colnames()):
                return False
            self._rows = [int(r) for r in self._table.rownumbers(whole)]
            self._columns = [] if columns == whole.colnames() else columns
        except RuntimeError:  # no rows of that table
            return False
        finally:
            whole.close()
        return True

    def close(self) -> None:
        if self._table is not None:
            self._table.close()
            self._table = None


def opened_first(held: HeldTable | None, call: str) -> HeldTable:
    """Return what is held, or say that nothing is."""
    if held is None:
        raise ToolError(f"{call}: no table is open (tb.open comes first)")
    return held

"""Making the subtables of a new MeasurementSet and filling them column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, groupby, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.schema import column_description, ms_layout
from atacal.errors import WriteError

FLUSH_ROWS = 20_000
Values = Mapping[str, Any]
Columns = dict[str, NDArray[Any]]


class Subtables:
    """The subtables of a new MeasurementSet; each is open from when it is made until all are complete.

    Parameters
    ----------
    main : casacore.tables.table
        The main table, whose keywords name them.
    folder : str
        Where it is.

    Notes
    -----
    A context manager: they are complete when it ends.
    """

    def __init__(self, main: Any, folder: str) -> None:
        self.folder = folder
        self._main = main
        self._tables: dict[str, Any] = {}

    def make_all(self) -> None:
        """Make all that a MeasurementSet has, empty.

        Raises
        ------
        WriteError
        """
        for name, columns in ms_layout().items():
            self.make(name, {c["name"]: column_description(c) for c in columns})

    def make(self, name: str, description: Mapping[str, Any]) -> None:
        """Make an empty table and name it in the main table's keywords.

        Raises
        ------
        WriteError
        """
        from casacore.tables import makedminfo, table

        path = f"{self.folder}/{name}"
        try:
            # other ways of locking wait for the disk once more a table
            tab = table(path, description, dminfo=makedminfo(description), nrow=0, ack=False, lockoptions="auto")
        except RuntimeError as error:
            raise WriteError(f"{path} cannot be made: {error}") from error
        self._tables[name] = tab
        self._main.putkeyword(name, f"Table: {path}")

    def fill(self, name: str, rows: Iterable[Values]) -> None:
        """Append rows to a table; a value None, or a column that a row has not, leaves the cell as it is.

        Parameters
        ----------
        name : str
        rows : iterable of mapping of column -> value
            A string array is a list, or a pair of shape and list.

        Raises
        ------
        WriteError
        """
        iterator, tab = iter(rows), self._tables[name]
        try:
            while batch := list(islice(iterator, FLUSH_ROWS)):
                row0 = tab.nrows()
                tab.addrows(len(batch))
                for column in tab.colnames():
                    _put(tab, column, row0, [row.get(column) for row in batch])
        except RuntimeError as error:
            raise WriteError(f"{self.folder}/{name} cannot be written: {error}") from error

    def fill_columns(self, name: str, pieces: Iterable[Columns]) -> None:
        """Append rows given as columns (row, ...); a column that a piece has not is left as it is.

        Raises
        ------
        WriteError
        """
        waiting: list[Columns] = []
        count = 0
        for piece in pieces:
            if waiting and (count >= FLUSH_ROWS or piece.keys() != waiting[0].keys()):
                self._append(name, waiting)
                waiting, count = [], 0
            waiting.append(piece)
            count += len(next(iter(piece.values())))
        if waiting:
            self._append(name, waiting)

    def _append(self, name: str, pieces: Sequence[Columns]) -> None:
        tab = self._tables[name]
        try:
            row0 = tab.nrows()
            for column in pieces[0]:
                values = np.concatenate([piece[column] for piece in pieces])
                if tab.nrows() == row0:
                    tab.addrows(len(values))
                if len(values):
                    tab.putcol(column, values, row0, len(values))
        except RuntimeError as error:
            raise WriteError(f"{self.folder}/{name} cannot be written: {error}") from error

    def __enter__(self) -> Subtables:
        return self

    def __exit__(self, kind: Any, *_rest: object) -> None:
        """Complete all tables on the disk; after an error just let go of them.

        Raises
        ------
        WriteError
        """
        failed = kind is not None
        while self._tables:
            name, tab = self._tables.popitem()
            try:
                tab.close()
            except RuntimeError as error:
                if not failed:
                    raise WriteError(f"{self.folder}/{name} cannot be written: {error}") from error


def _kind(value: Any) -> Any:
    """Return what values that can be put together have in common."""
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        return ("array", value.shape, value.dtype)
    if isinstance(value, tuple):
        return ("strings", tuple(value[0]))
    if isinstance(value, list):
        return ("strings", (len(value),))
    return ("scalar",)


def _put(tab: Any, column: str, row0: int, values: list[Any]) -> None:
    """Write a column's cells, runs of one shape at once."""
    at = row0
    for kind, members in groupby(values, _kind):
        run = list(members)
        if kind is not None:
            _put_run(tab, column, at, run, kind)
        at += len(run)


def _put_run(tab: Any, column: str, row: int, run: list[Any], kind: Any) -> None:
    if kind[0] == "strings":
        shape = kind[1]
        flat = [list(v[1]) if isinstance(v, tuple) else v for v in run]
        if 0 in shape:
            for i in range(len(run)):
                tab.putcell(column, row + i, {"shape": list(shape), "array": []})
        else:
            tab.putcol(column, {"shape": [len(run), *shape], "array": list(chain.from_iterable(flat))}, row, len(run))
    elif kind[0] == "array":
        if 0 in kind[1]:
            for i, value in enumerate(run):
                tab.putcell(column, row + i, value)
        else:
            tab.putcol(column, np.stack(run), row, len(run))
    else:
        tab.putcol(column, run, row, len(run))

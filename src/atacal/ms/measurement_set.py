"""An open MeasurementSet: its metadata, its runs of rows, and reading and writing blocks of its columns."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import MissingColumn, TableLocked, WriteError
from atacal.ms._tables import open_table
from atacal.ms._tiled_column import NewTiledColumn, TiledColumn, open_tiled
from atacal.ms._tiled_header import NotReadable
from atacal.ms.metadata import Metadata, read_metadata
from atacal.ms.rows import RowRuns, read_row_runs

Segment = tuple[int, int]
"""First row and number of rows of a contiguous stretch of the main table."""

NewColumn = Callable[[int, str], NewTiledColumn]


def joined(segments: Iterable[Segment]) -> list[Segment]:
    """Join stretches that touch each other."""
    out: list[Segment] = []
    for row0, count in segments:
        if out and sum(out[-1]) == row0:
            out[-1] = (out[-1][0], out[-1][1] + count)
        else:
            out.append((row0, count))
    return out


class MeasurementSet:
    """A MeasurementSet on disk.

    Parameters
    ----------
    path : path
        The MeasurementSet.
    writable : bool
        Whether columns may be written.
    once : bool
        What is read is read once: large columns do not go into the kernel's cache.
    like : MeasurementSet, optional
        The same MeasurementSet under another name (its double in a transaction), whose metadata hold for this one too.

    Examples
    --------
    >>> with MeasurementSet("X.ms") as ms:  # doctest: +SKIP
    ...     ms.metadata.antenna_names()
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        writable: bool = False,
        once: bool = False,
        like: MeasurementSet | None = None,
    ) -> None:
        self.path = Path(os.path.normpath(os.fspath(path)))
        known = replace(like.metadata, path=str(self.path)) if like else None
        self.metadata: Metadata = known or read_metadata(self.path)
        self.writable, self._once = writable, once
        self._table: Any = open_table(self.path, writable=writable)
        self._opened: dict[str, TiledColumn | None] = {}
        self._new: dict[str, NewTiledColumn] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> MeasurementSet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._drop_new()
        self.close()

    def close(self) -> None:
        """Flush and close the main table."""
        self._table.close()
        self._install()
        self._forget()

    def flush(self) -> None:
        """Write what is still held in memory to the disk."""
        if not self._new:
            self._table.flush()
            self._forget()
            return
        self.close()
        self._table = open_table(self.path, writable=self.writable)

    @cached_property
    def runs(self) -> RowRuns:
        """The main table's runs of rows."""
        return read_row_runs(self.path)

    @property
    def table(self) -> Any:
        """The main table as python-casacore gives it, for use inside ``ms/`` only."""
        return self._table

    def columns(self) -> list[str]:
        """Names of the main table's columns."""
        return list(self._table.colnames())

    def has(self, column: str) -> bool:
        """Whether the main table has a column, and something is in its first cell."""
        if column in self._new:
            return True
        return column in self._table.colnames() and (
            self._table.nrows() == 0 or bool(self._table.iscelldefined(column, 0))
        )

    def require(self, column: str) -> None:
        """Raise `MissingColumn` unless the main table has a filled column."""
        if not self.has(column):
            data = [c for c in self.columns() if c.endswith("DATA")]
            weights = [c for c in self.columns() if c.startswith(("WEIGHT", "SIGMA"))]
            there = data if column.endswith("DATA") else weights
            raise MissingColumn(f"{self.path} has no column {column}; it has {', '.join(there) or 'none of its kind'}")

    def read(self, column: str, segments: Sequence[Segment], out: NDArray, *, channels: slice = slice(None)) -> None:
        """Read a column's rows, segment after segment, into ``out`` (row, ...); several threads may do it at once.

        Of a (chan, corr) column only some ``channels`` may be read, a slice with a start and a stop.
        """
        at, tiled = 0, self._tiled(column)
        for row0, count in segments:
            part = out[at : at + count]
            at += count
            if tiled is not None:
                try:
                    tiled.read(row0, count, part, channels)
                    continue
                except NotReadable:  # casacore finds what is wrong
                    tiled = None
            if channels == slice(None):
                self._table.getcolnp(column, part, row0, count)
            else:
                first, last = [channels.start, 0], [channels.stop - 1, part.shape[2] - 1]
                self._table.getcolslicenp(column, part, first, last, [], row0, count)

    def read_scalar(self, column: str, segments: Iterable[Segment]) -> NDArray:
        """Read a scalar column's rows, segment after segment; shape (row,)."""
        return np.concatenate([self._table.getcol(column, row0, count) for row0, count in segments])

    def write(self, column: str, segments: Sequence[Segment], values: NDArray) -> None:
        """Write a column's rows, segment after segment, from ``values`` (row, ...).

        Raises
        ------
        WriteError
            If they cannot be written (a full disk, a read-only table).
        """
        at, tiled = 0, self._tiled(column)
        self.hold()
        for row0, count in segments:
            part = values[at : at + count]
            at += count
            if tiled is not None:
                try:
                    tiled.write(row0, part)
                    continue
                except NotReadable:  # cells without a value, or of another shape: casacore makes new ones
                    self._leave_to_casacore(column)
                    tiled = None
            try:
                self._table.putcol(column, part, row0, count)
            except RuntimeError as error:
                raise WriteError(f"{self.path}: cannot write {column}: {error}") from error

    def add_column(self, column: str, description: Any, manager: dict[str, Any], new: NewColumn) -> None:
        """Add a column to the main table that is written by `write`, without casacore.

        Parameters
        ----------
        column : str
        description, manager : dict
            casacore's.
        new : callable
            Makes the `NewTiledColumn` from the number and name that casacore gives to the data manager.

        Raises
        ------
        WriteError
        """
        self.hold()
        try:
            self._table.addcols(description, {"*1": manager}, addtoparent=False)
            info = self._table.getdminfo(column)
        except RuntimeError as error:
            raise WriteError(f"{self.path}: cannot add {column}: {error}") from error
        self._opened.pop(column, None)
        try:
            self._new[column] = self._opened[column] = new(int(info["SEQNR"]), str(info["NAME"]))
        except BaseException:
            self._table.removecols(column)
            raise

    def _tiled(self, column: str) -> TiledColumn | None:
        """Return direct access to a column's file, None where only casacore can read it."""
        with self._lock:
            if column not in self._opened:
                self._opened[column] = open_tiled(
                    self._table, self.path, column, writable=self.writable, once=self._once
                )
            return self._opened[column]

    def _leave_to_casacore(self, column: str) -> None:
        """Have casacore alone read and write a column, until the next flush."""
        with self._lock:
            tiled, self._opened[column] = self._opened[column], None
            if tiled is not None:
                tiled.close()

    def _install(self) -> None:
        new, self._new = self._new, {}
        for column in new.values():
            column.install()

    def _drop_new(self) -> None:
        """Take out the columns that are not complete."""
        for name, column in self._new.items():
            column.discard()
            self._opened.pop(name, None)
            self._table.removecols(name)
        self._new = {}

    def _forget(self) -> None:
        for tiled in self._opened.values():
            if tiled is not None:
                tiled.close()
        self._opened = {}

    def hold(self) -> None:
        """Take the write lock again if it was lost.

        casacore keeps one table per path and process: closing another handle on it gives the lock of all away.

        Raises
        ------
        TableLocked
        """
        if self.writable and not self._table.haslock(write=True):
            self._table.lock(write=True, nattempts=1)
            if not self._table.haslock(write=True):
                raise TableLocked(f"{self.path} is locked by another process; close it there and try again")

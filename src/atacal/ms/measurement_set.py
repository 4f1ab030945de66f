"""An open MeasurementSet: its metadata, its runs of rows, and reading and writing blocks of its columns."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import MissingColumn, TableLocked, WriteError
from atacal.ms._tables import open_table
from atacal.ms.metadata import Metadata, read_metadata
from atacal.ms.rows import RowRuns, read_row_runs

Segment = tuple[int, int]
"""First row and number of rows of a contiguous stretch of the main table."""


class MeasurementSet:
    """A MeasurementSet on disk.

    Parameters
    ----------
    path : path
        The MeasurementSet.
    writable : bool
        Whether columns may be written.

    Examples
    --------
    >>> with MeasurementSet("X.ms") as ms:  # doctest: +SKIP
    ...     ms.metadata.antenna_names()
    """

    def __init__(self, path: str | os.PathLike[str], *, writable: bool = False) -> None:
        self.path = Path(os.path.normpath(os.fspath(path)))
        self.metadata: Metadata = read_metadata(self.path)
        self.writable = writable
        self._table: Any = open_table(self.path, writable=writable)

    def __enter__(self) -> MeasurementSet:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Flush and close the main table."""
        self._table.close()

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
        return column in self._table.colnames() and (
            self._table.nrows() == 0 or bool(self._table.iscelldefined(column, 0))
        )

    def require(self, column: str) -> None:
        """Raise `MissingColumn` unless the main table has a filled column."""
        if not self.has(column):
            there = [c for c in self.columns() if "DATA" in c or "WEIGHT" in c or "SIGMA" in c]
            raise MissingColumn(f"{self.path} has no column {column}; of its kind it has {', '.join(there)}")

    def read(self, column: str, segments: Iterable[Segment], out: NDArray) -> None:
        """Read a column's rows, segment after segment, into ``out`` (row, ...)."""
        at = 0
        for row0, count in segments:
            self._table.getcolnp(column, out[at : at + count], row0, count)
            at += count

    def read_scalar(self, column: str, segments: Iterable[Segment]) -> NDArray:
        """Read a scalar column's rows, segment after segment; shape (row,)."""
        return np.concatenate([self._table.getcol(column, row0, count) for row0, count in segments])

    def write(self, column: str, segments: Iterable[Segment], values: NDArray) -> None:
        """Write a column's rows, segment after segment, from ``values`` (row, ...).

        Raises
        ------
        WriteError
            If casacore cannot write (a full disk, a read-only table).
        """
        at = 0
        self.hold()
        try:
            for row0, count in segments:
                self._table.putcol(column, values[at : at + count], row0, count)
                at += count
        except RuntimeError as error:
            raise WriteError(f"{self.path}: cannot write {column}: {error}") from error

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

    def flush(self) -> None:
        """Write what casacore still holds in memory to the disk."""
        self._table.flush()

"""Appending rows to a new main table: cubes straight into their files by several threads, the rest by casacore."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import WriteError
from atacal.ms._tiled_column import NewTiledColumn
from atacal.ms.columns import item_bytes, tile_maker, value_type
from atacal.ms.space import require_space
from atacal.threads import WORKERS

WRITERS = 2 * WORKERS
"""Threads that write: half of them wait for the disk."""
BLOCKS_IN_FLIGHT = 4
"""Blocks that are being written while the next is made."""


_ROW_BYTES = 150  # of all columns that are not cubes
_MARGIN_BYTES = 4 << 20  # tables, subtables, tiles begun
_PUT_COST = 50  # a call for one cell costs as much as so many cells of a long call
_VECTOR_TILE = 131072  # values of a tile of WEIGHT and SIGMA


def _vector_tile(cell: tuple[int, ...]) -> list[int]:
    return [_VECTOR_TILE // cell[0], cell[0]]


def require_room(
    path: str | os.PathLike[str],
    cubes: Sequence[str],
    rows: Mapping[tuple[int, ...], int] | None = None,
    *,
    beside: int = 0,
) -> None:
    """Raise unless the disk has room for a new MeasurementSet, before anything of it is made.

    Parameters
    ----------
    path : path
        Its name.
    cubes, rows
        As for `NewRows`; without ``rows`` only what every MeasurementSet takes is asked for.
    beside : int
        What large subtables take [bytes].

    Raises
    ------
    DiskFull
    """
    counts = rows or {}
    values = sum(nrow * int(np.prod(cell)) for cell, nrow in counts.items())
    total = beside + sum(values * item_bytes(value_type(column)[0]) for column in cubes)
    # tiles that are not full: a few percent
    require_space(Path(path).parent, int(1.02 * total) + _ROW_BYTES * sum(counts.values()) + _MARGIN_BYTES, str(path))


@dataclass(frozen=True)
class Later:
    """Rows whose cells are made by the thread that writes them.

    Attributes
    ----------
    nrow : int
    cells : mapping of column -> shape
        Of each of the columns that `NewRows` writes itself.
    make : callable
        Gives the arrays (row, ...); a column that it leaves out is zero.
    """

    nrow: int
    cells: Mapping[str, tuple[int, ...]]
    make: Callable[[], Mapping[str, NDArray]]


class NewRows:
    """The rows of a new main table, as they come.

    Parameters
    ----------
    table : casacore.tables.table
        Open for writing, with no rows yet; it is closed with this.
    folder : path
        Where the table is.
    path : path
        The name it will get, for messages.
    cubes : sequence of str
        Its columns of (chan, corr) cells. WEIGHT and SIGMA are written the same way.
    rows : mapping of cell shape -> int, optional
        How many rows of each shape (chan, corr) will come at most, where that is known.

    Raises
    ------
    DiskFull
        If there is no room for them.
    """

    def __init__(
        self,
        table: Any,
        folder: str | os.PathLike[str],
        path: str | os.PathLike[str],
        cubes: Sequence[str],
        rows: Mapping[tuple[int, ...], int] | None = None,
    ) -> None:
        self._table, self._path, self.nrow = table, path, 0
        self._cubes: dict[str, NewTiledColumn] = {}
        managers = table.getdminfo().values()
        self._incremental = {c for m in managers if m["TYPE"] == "IncrementalStMan" for c in m["COLUMNS"]}
        self._pending: deque[list[Future[None]]] = deque()
        self._pool = ThreadPoolExecutor(WRITERS, thread_name_prefix="atacal-writer")
        try:
            for column in ("WEIGHT", "SIGMA", *cubes):
                kind, dtype = value_type(column)
                info = table.getdminfo(column)
                tile = info["SPEC"]["DEFAULTTILESHAPE"].tolist()
                vector = len(tile) == 2
                self._cubes[column] = NewTiledColumn(
                    folder, int(info["SEQNR"]), dtype, str(info["NAME"]),
                    _vector_tile if vector else tile_maker(kind), rows=None if vector else rows,
                    default_tile=tile, big_endian=table.endianformat() == "big",
                )  # fmt: skip
        except BaseException:
            self.abandon()
            raise

    def append(self, values: Mapping[str, NDArray]) -> None:
        """Append rows, each column's values (row, ...); the cubes' arrays must not be changed afterwards.

        Raises
        ------
        WriteError
        """
        row0, nrow = self._add(values)
        if nrow == 0:
            return
        jobs: list[Future[None]] = []
        for column, cube in self._cubes.items():
            array = np.ascontiguousarray(values[column], cube.dtype)
            cube.extend(array.shape[1:], nrow)
            edges = np.linspace(0, nrow, WORKERS + 1).astype(int).tolist()
            jobs += [self._pool.submit(cube.write, row0 + a, array[a:b]) for a, b in zip(edges, edges[1:]) if b > a]  # noqa: B905, RUF007
        self._pending.append(jobs)

    def append_later(self, values: Mapping[str, NDArray], later: Sequence[Later]) -> None:
        """Append rows of which only some columns are there yet.

        Parameters
        ----------
        values : mapping of column -> array (row, ...)
            All columns but those of which ``later`` tells.
        later : sequence of Later
            One after the other the same rows.

        Raises
        ------
        WriteError
        """
        row0, _ = self._add(values)
        jobs = []
        for one in later:
            for column, cell in one.cells.items():
                self._cubes[column].extend(cell, one.nrow)
            jobs.append(self._pool.submit(self._make, row0, one))
            row0 += one.nrow
        self._pending.append(jobs)

    def _make(self, row0: int, one: Later) -> None:
        for column, array in one.make().items():
            self._cubes[column].write(row0, array)

    def _add(self, values: Mapping[str, NDArray]) -> tuple[int, int]:
        """Add rows to the table, and the columns that casacore writes; return the first and how many they are."""
        row0, nrow = self.nrow, len(next(iter(values.values())))
        while len(self._pending) >= BLOCKS_IN_FLIGHT:
            self._settle()
        if nrow == 0:
            return row0, 0
        try:
            self._table.addrows(nrow)
            for column, array in values.items():
                if column in self._incremental:
                    self._put_changes(column, array, row0)
                elif column not in self._cubes:
                    self._table.putcol(column, array, row0, nrow)
        except RuntimeError as error:
            raise WriteError(f"{self._path}: cannot write rows {row0} to {row0 + nrow - 1}: {error}") from error
        self.nrow += nrow
        return row0, nrow

    def _put_changes(self, column: str, array: NDArray, row0: int) -> None:
        """Write a column of an incremental storage manager: there a value holds for all rows until the next one."""
        changes = [0, *(np.flatnonzero(array[1:] != array[:-1]) + 1).tolist()]
        if len(changes) * _PUT_COST > len(array):
            self._table.putcol(column, array, row0, len(array))
            return
        for at in changes:
            self._table.putcell(column, row0 + at, array[at].item())

    def close(self) -> None:
        """Wait until all is written, close the table and make the cubes known to it.

        Raises
        ------
        WriteError
        """
        while self._pending:
            self._settle()
        self._pool.shutdown()
        try:
            self._table.close()
            for cube in self._cubes.values():
                cube.install()
        except (RuntimeError, OSError) as error:
            raise WriteError(f"{self._path} cannot be written: {error}") from error

    def abandon(self) -> None:
        """Stop, and leave an unfinished table behind."""
        self._pool.shutdown(cancel_futures=True)
        for cube in self._cubes.values():
            cube.close()
        self._table.close()

    def _settle(self) -> None:
        for job in self._pending.popleft():
            job.result()

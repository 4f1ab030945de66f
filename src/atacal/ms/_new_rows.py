"""Appending rows to a new main table: cubes straight into their files by several threads, the rest by casacore."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import WriteError
from atacal.ms._tiled_column import NewTiledColumn
from atacal.ms.columns import item_bytes, tile_maker, value_type
from atacal.ms.space import require_space
from atacal.threads import WORKERS

BLOCKS_IN_FLIGHT = 4
"""Blocks that are being written while the next is made."""


_ROW_BYTES = 150  # of all columns that are not cubes
_MARGIN_BYTES = 4 << 20  # tables, subtables, tiles begun
_VECTOR_TILE = 131072  # values of a tile of WEIGHT and SIGMA


def _vector_tile(cell: tuple[int, ...]) -> list[int]:
    return [_VECTOR_TILE // cell[0], cell[0]]


def require_room(
    path: str | os.PathLike[str], cubes: Sequence[str], rows: Mapping[tuple[int, ...], int] | None = None
) -> None:
    """Raise unless the disk has room for a new MeasurementSet, before anything of it is made.

    Parameters
    ----------
    path : path
        Its name.
    cubes, rows
        As for `NewRows`; without ``rows`` only what every MeasurementSet takes is asked for.

    Raises
    ------
    DiskFull
    """
    counts = rows or {}
    values = sum(nrow * int(np.prod(cell)) for cell, nrow in counts.items())
    total = sum(values * item_bytes(value_type(column)[0]) for column in cubes)
    # tiles that are not full: a few percent
    require_space(Path(path).parent, int(1.02 * total) + _ROW_BYTES * sum(counts.values()) + _MARGIN_BYTES, str(path))


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
        self._pending: deque[list[Future[None]]] = deque()
        self._pool = ThreadPoolExecutor(2 * WORKERS, thread_name_prefix="atacal-writer")
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
        row0, nrow = self.nrow, len(next(iter(values.values())))
        if nrow == 0:
            return
        while len(self._pending) >= BLOCKS_IN_FLIGHT:
            self._settle()
        try:
            self._table.addrows(nrow)
            for column, array in values.items():
                if column not in self._cubes:
                    self._table.putcol(column, array, row0, nrow)
        except RuntimeError as error:
            raise WriteError(f"{self._path}: cannot write rows {row0} to {row0 + nrow - 1}: {error}") from error
        jobs: list[Future[None]] = []
        for column, cube in self._cubes.items():
            array = np.ascontiguousarray(values[column], cube.dtype)
            cube.extend(array.shape[1:], nrow)
            edges = np.linspace(0, nrow, WORKERS + 1).astype(int).tolist()
            jobs += [self._pool.submit(cube.write, row0 + a, array[a:b]) for a, b in zip(edges, edges[1:]) if b > a]  # noqa: B905, RUF007
        self._pending.append(jobs)
        self.nrow += nrow

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

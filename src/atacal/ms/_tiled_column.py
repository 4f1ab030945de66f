"""Reading and writing the cells of a tiled column straight from its file, by several threads at a time.

casacore's own calls move the same bytes one thread at a time under Python's lock. Most of a MeasurementSet is in tiled
columns, where the cells of rows are a plain stretch of a file; `atacal.ms._tiled_header` says which.
"""

from __future__ import annotations

import os
import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from atacal.ms._direct_io import DIRECT_FROM, SharedFile
from atacal.ms._tiled_header import Cube, NotReadable, TiledHeader, dump_header, parse_header

TYPES = {"bool": 0, "int32": 5, "uint32": 6, "float32": 7, "float64": 8, "complex64": 9, "complex128": 10}
"""casacore's numbers of the data types."""
ALL = slice(None)
_NAMES = {number: np.dtype(name) for name, number in TYPES.items()}


class TiledColumn:
    """The one column of a TiledShapeStMan or TiledColumnStMan.

    Parameters
    ----------
    table : path
        The table's folder.
    seqnr : int
        The N of the storage manager's ``table.fN``.
    writable : bool
    once : bool
        Cells are read once: see `SharedFile`.

    Attributes
    ----------
    header : TiledHeader
    dtype : numpy.dtype

    Raises
    ------
    NotReadable
        If the layout is not one of those known here: casacore has to read it.
    """

    def __init__(
        self, table: str | os.PathLike[str], seqnr: int, *, writable: bool = False, once: bool = False
    ) -> None:
        self._base = os.path.join(table, f"table.f{seqnr}")
        self._writable, self._once = writable, once
        self._files: dict[int, SharedFile] = {}
        self._cubes: dict[int, _Tiles] = {}
        self._lock = threading.Lock()
        self.header = self._read_header()
        if len(self.header.types) != 1 or self.header.types[0] not in _NAMES:
            raise NotReadable(f"{self._base}: {len(self.header.types)} columns of types {self.header.types}")
        self.dtype = _NAMES[self.header.types[0]]

    def _read_header(self) -> TiledHeader:
        try:
            with open(self._base, "rb") as file:
                return parse_header(file.read())
        except OSError as error:  # a table in a single file, or one that is not flushed yet
            raise NotReadable(f"{self._base}: {error}") from error

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._cubes.clear()

    def holds(self, row0: int, count: int) -> bool:
        """Whether every one of these rows has a value."""
        try:
            return sum(n for _, _, n in self._pieces(row0, count)) == count
        except NotReadable:
            return False

    def read(self, row0: int, count: int, out: NDArray, channels: slice = ALL) -> None:
        """Read rows into ``out``, C-contiguous (row, ...) with the column's dtype; ``channels``: part of (chan, corr).

        Raises
        ------
        NotReadable
            If a row has no value, or cells of another shape.
        InvalidTable
        """
        at = 0
        for tiles, pos, n in self._pieces(row0, count):
            part = out[at : at + n]
            self._check(tiles, part, row0 + at, channels)
            if channels == ALL:
                tiles.read(pos, part)
            else:
                tiles.read_channels(pos, part, channels)
            at += n

    def write(self, row0: int, values: NDArray) -> None:
        """Write ``values``, C-contiguous (row, ...), from a row on; the rows must have values of that shape already.

        Raises
        ------
        NotReadable, WriteError
        """
        at = 0
        for tiles, pos, n in list(self._pieces(row0, len(values))):
            part = values[at : at + n]
            self._check(tiles, part, row0 + at)
            tiles.write(pos, part)
            at += n

    def _check(self, tiles: _Tiles, part: NDArray, row: int, channels: slice = ALL) -> None:
        cell = tiles.cell if channels == ALL else (len(range(tiles.cell[0])[channels]), *tiles.cell[1:])
        if part.shape[1:] != cell or part.dtype != self.dtype or not part.flags.c_contiguous:
            raise NotReadable(
                f"{self._base}: row {row} has cells {cell} of {self.dtype}, asked for {part.shape[1:]} of {part.dtype}"
            )

    def _pieces(self, row0: int, count: int) -> Iterator[tuple[_Tiles, int, int]]:
        """Yield (tiles, position of the first row in them, rows) for stretches that lie together."""
        header = self.header
        if row0 < 0 or row0 + count > header.nrow:
            raise NotReadable(f"{self._base}: rows {row0} to {row0 + count - 1} of {header.nrow}")
        if header.kind == "TiledColumnStMan":
            yield self._tiles(0), row0, count
            return
        end = row0 + count
        entry = bisect_left(header.row_map, row0)
        while row0 < end:
            if entry == len(header.row_map) or header.cube_map[entry] == 0:
                raise NotReadable(f"{self._base}: row {row0} has no value")
            last = header.row_map[entry]
            n = min(end, last + 1) - row0
            yield self._tiles(header.cube_map[entry]), header.pos_map[entry] - (last - row0), n
            row0, entry = row0 + n, entry + 1

    def _tiles(self, number: int) -> _Tiles:
        tiles = self._cubes.get(number)
        if tiles is None:
            with self._lock:
                tiles = self._cubes.get(number) or self._open(number)
                self._cubes[number] = tiles
        return tiles

    def _open(self, number: int) -> _Tiles:
        cube = self.header.cubes[number]
        if cube.file not in self._files:
            name = f"{self._base}_TSM{cube.file}"
            try:
                self._files[cube.file] = SharedFile(name, writable=self._writable, once=self._once)
            except OSError as error:
                raise NotReadable(f"{name}: {error}") from error
        return _Tiles(self.header, cube, self.dtype, self._files[cube.file])


class NewTiledColumn(TiledColumn):
    """A column whose cells are all still to be written: its files are made here, not by casacore.

    The column must have been added by casacore, with a TiledShapeStMan of its own and no value in any cell. `extend`
    says which cells there are, row after row; `write` fills them, in any order and by several threads; `install` makes
    them known to casacore, after it has closed the table.

    Parameters
    ----------
    table : path
    seqnr : int
    dtype : dtype
    name : str
        Of the hypercolumn (the data manager's name).
    tile : callable
        Gives the tile (row, chan, corr) for cells of a shape (chan, corr).
    rows : mapping of cell shape -> int, optional
        How many rows of each shape will come at most: room for them is made on the disk at once.
    default_tile : sequence of int
        The tile that casacore knows, for cells of other shapes: (corr, chan, row).
    big_endian : bool
        The table's byte order.

    Raises
    ------
    DiskFull
        If there is no room.
    """

    def __init__(
        self,
        table: str | os.PathLike[str],
        seqnr: int,
        dtype: DTypeLike,
        name: str,
        tile: Callable[[tuple[int, ...]], Sequence[int]],
        *,
        default_tile: Sequence[int],
        rows: Mapping[tuple[int, ...], int] | None = None,
        big_endian: bool = False,
    ) -> None:
        self._new = TiledHeader(
            "TiledShapeStMan", big_endian, seqnr, 0, (TYPES[np.dtype(dtype).name],), name, 0, len(default_tile), [-1],
            [Cube((), (), -1, extensible=False)], tuple(default_tile),
        )  # fmt: skip
        super().__init__(table, seqnr, writable=True)
        self._growing = threading.Lock()
        self._tile_of, self._numbers = tile, dict[tuple[int, ...], int]()
        expected = sum(count * prod(cell) for cell, count in (rows or {}).items()) * self.dtype.itemsize
        self._large = expected >= DIRECT_FROM and self.dtype != np.bool_
        try:
            for cell, count in (rows or {}).items():
                self._add_cube(cell, count)
        except BaseException:
            self.discard()
            raise

    def _read_header(self) -> TiledHeader:
        return self._new

    def _add_cube(self, cell: tuple[int, ...], nrow: int | None = None) -> None:
        """Make the file for cells of a shape, with room for some rows."""
        number = len(self.header.cubes)
        tile = list(self._tile_of(cell))
        if nrow is not None:
            tile[0] = min(tile[0], max(nrow, 1))
        cube = Cube((*cell[::-1], 0), tuple(tile[::-1]), number)
        tiles = _Tiles(self.header, cube, self.dtype, None)
        tiles.file = SharedFile(
            f"{self._base}_TSM{number}", writable=True, size=tiles.bytes_of(nrow or 0), large=self._large
        )
        self.header.cubes.append(cube)
        self.header.files.append(0)
        self._numbers[cell], self._files[number], self._cubes[number] = number, tiles.file, tiles

    def _pieces(self, row0: int, count: int) -> Iterator[tuple[_Tiles, int, int]]:
        with self._growing:  # others write while rows are added: an entry of the map must not change under their eyes
            return iter(list(super()._pieces(row0, count)))

    def extend(self, cell: tuple[int, ...], nrow: int) -> None:
        """Say that the next rows of the table have cells of this shape (chan, corr)."""
        if cell not in self._numbers:
            self._add_cube(cell)
        with self._growing:
            self._add_rows(self._numbers[cell], nrow)

    def _add_rows(self, number: int, nrow: int) -> None:
        header = self.header
        cube = header.cubes[number]
        pos = cube.shape[-1] + nrow - 1
        cube.shape = (*cube.shape[:-1], pos + 1)
        header.nrow += nrow
        if header.cube_map and header.cube_map[-1] == number:
            header.row_map[-1], header.pos_map[-1] = header.nrow - 1, pos
        else:
            header.row_map.append(header.nrow - 1)
            header.cube_map.append(number)
            header.pos_map.append(pos)

    def install(self) -> None:
        """Give back the room that was not used and replace the header file that casacore wrote."""
        for number, tiles in self._cubes.items():
            size = tiles.bytes_of(self.header.cubes[number].shape[-1])
            self._files[number].resize(size)
            self.header.files[number] = size
        self.close()
        beside = f"{self._base}.new"
        with open(beside, "wb") as file:
            file.write(dump_header(self.header))
        os.replace(beside, self._base)

    def discard(self) -> None:
        """Remove the files."""
        self.close()
        for number in range(1, len(self.header.cubes)):
            with suppress(OSError):
                os.unlink(f"{self._base}_TSM{number}")


class _Tiles:
    """The tiles of one hypercube, C order: (row, chan, corr)."""

    def __init__(self, header: TiledHeader, cube: Cube, dtype: np.dtype, file: SharedFile | None) -> None:
        self.shape, self.tile = cube.shape[::-1], cube.tile[::-1]
        self.cell = self.shape[1:]
        self.dtype, self.offset = dtype, cube.offset
        self.file: SharedFile = file  # type: ignore[assignment]
        self.swapped = header.big_endian != (sys.byteorder == "big") and dtype != np.bool_
        npixels = prod(self.tile)
        self.bits = 1 if dtype == np.bool_ else 8 * dtype.itemsize
        self.bucket = (npixels * self.bits + 7) // 8
        self.grid = tuple(-(-s // t) for s, t in zip(self.cell, self.tile[1:], strict=True))
        # rows follow each other without a gap where a tile holds whole cells and ends with a full byte
        self.plain = self.tile[1:] == self.cell and self.bucket * 8 == npixels * self.bits
        self.row_bits = prod(self.tile[1:]) * self.bits
        self._edge = threading.Lock()

    def bytes_of(self, nrow: int) -> int:
        """Length of the file that holds some rows, whole tiles [bytes]."""
        return -(-nrow // self.tile[0]) * prod(self.grid) * self.bucket

    def read(self, pos: int, out: NDArray) -> None:
        if self.plain:
            self._get(8 * self.offset + pos * self.row_bits, out)
            return
        for begin, rows, where, inside in self._parts(pos, len(out)):
            part = np.empty((rows.stop - rows.start, *self.tile[1:]), self.dtype)
            self._get(begin, part)
            out[(rows, *where)] = part[(slice(None), *inside)]

    def read_channels(self, pos: int, out: NDArray, channels: slice) -> None:
        """Read some channels of cells (chan, corr)."""
        if self.plain and self.bits > 1:
            dtype = self.dtype.newbyteorder() if self.swapped else self.dtype
            begin = self.offset + pos * self.row_bits // 8
            out[:] = self.file.view(begin, dtype, (len(out), *self.cell))[:, channels]
            return
        if self.plain:
            whole = np.empty((len(out), *self.cell), self.dtype)
            self.read(pos, whole)
            out[:] = whole[:, channels]
            return
        for begin, rows, where, inside in self._parts(pos, len(out)):
            first, last = max(where[0].start, channels.start), min(where[0].stop, channels.stop)
            if first >= last:
                continue
            part = np.empty((rows.stop - rows.start, *self.tile[1:]), self.dtype)
            self._get(begin, part)
            here = slice(first - where[0].start, last - where[0].start)
            there = slice(first - channels.start, last - channels.start)
            out[(rows, there, *where[1:])] = part[(slice(None), here, *inside[1:])]

    def write(self, pos: int, values: NDArray) -> None:
        if self.plain:
            self._put(8 * self.offset + pos * self.row_bits, values)
            return
        for begin, rows, where, inside in self._parts(pos, len(values)):
            part = np.zeros((rows.stop - rows.start, *self.tile[1:]), self.dtype)
            part[(slice(None), *inside)] = values[(rows, *where)]
            self._put(begin, part)

    def _parts(self, pos: int, count: int) -> Iterator[tuple[int, slice, tuple[slice, ...], tuple[slice, ...]]]:
        """Yield the stretches of each tile: first bit in the file, rows, where in a cell, where in the tile's cells."""
        nrow, at = self.tile[0], 0
        while at < count:
            first, skip = divmod(pos + at, nrow)
            n = min(count - at, nrow - skip)
            for number, place in enumerate(product(*(range(g) for g in self.grid))):
                bucket = first * prod(self.grid) + number
                begin = 8 * (self.offset + bucket * self.bucket) + skip * self.row_bits
                starts = [p * t for p, t in zip(place, self.tile[1:], strict=True)]
                lengths = [min(t, s - b) for t, s, b in zip(self.tile[1:], self.cell, starts, strict=True)]
                where = tuple(slice(b, b + n_) for b, n_ in zip(starts, lengths, strict=True))
                yield begin, slice(at, at + n), where, tuple(slice(0, n_) for n_ in lengths)
            at += n

    def _get(self, begin: int, out: NDArray) -> None:
        """Read a contiguous array from a bit of the file on."""
        if self.bits > 1:
            self.file.read(begin // 8, out)
            if self.swapped:
                _swap(out)
            return
        lead = begin % 8  # flags: the lowest bit of a byte comes first
        packed = np.empty((lead + out.size + 7) // 8, np.uint8)
        self.file.read(begin // 8, packed)
        flags = np.unpackbits(packed, bitorder="little").view(np.bool_)
        out.reshape(-1)[:] = flags[lead : lead + out.size]

    def _put(self, begin: int, values: NDArray) -> None:
        if self.bits > 1:
            if self.swapped:
                values = values.copy()
                _swap(values)
            self.file.write(begin // 8, np.ascontiguousarray(values))
            return
        lead, flat = begin % 8, values.reshape(-1)
        if lead == 0 and flat.size % 8 == 0:
            self.file.write(begin // 8, np.packbits(flat, bitorder="little"))
            return
        with self._edge:  # neighbours share the bytes at the ends
            packed = np.empty((lead + flat.size + 7) // 8, np.uint8)
            self.file.read(begin // 8, packed, growing=True)
            flags = np.unpackbits(packed, bitorder="little")
            flags[lead : lead + flat.size] = flat
            self.file.write(begin // 8, np.packbits(flags, bitorder="little"))


def _swap(values: NDArray) -> None:
    """Turn the bytes of each number round, in place."""
    kind = np.dtype("u4" if values.dtype.itemsize == 8 and values.dtype.kind == "c" else f"u{values.dtype.itemsize}")
    if values.dtype == np.complex128:
        kind = np.dtype("u8")
    values.reshape(-1).view(kind).byteswap(inplace=True)


def open_tiled(
    table: Any, path: str | os.PathLike[str], column: str, *, writable: bool, once: bool = False
) -> TiledColumn | None:
    """Return direct access to a column, None where there is none.

    Parameters
    ----------
    table : casacore.tables.table
        The open table; what it holds in memory is not seen.
    path : path
        Its folder.
    column : str
    writable, once : bool
    """
    if column not in table.colnames():
        return None
    try:
        info = table.getdminfo(column)
        if info["TYPE"] not in ("TiledShapeStMan", "TiledColumnStMan"):
            return None
        return TiledColumn(path, int(info["SEQNR"]), writable=writable, once=once)
    except (NotReadable, RuntimeError, KeyError):
        return None

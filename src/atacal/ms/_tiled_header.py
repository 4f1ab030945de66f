"""The header file of casacore's tiled storage managers, ``table.fN``: where in ``table.fN_TSM*`` which row lies.

The format is casacore's: `TiledStMan::headerFilePut`, `TSMCube::putObject`, `TSMFile::putObject` and
`TiledShapeStMan::flush` write it through AipsIO (big-endian; every object with its length, type name and version).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

_MAGIC = b"\xbe\xbe\xbe\xbe"
_KINDS = ("TiledShapeStMan", "TiledColumnStMan")
_TWO_GIB = 1 << 31


class NotReadable(Exception):
    """A storage manager whose files are laid out in a way that this module does not know; casacore has to read it."""


@dataclass
class Cube:
    """A hypercube: cells of one shape, stacked along the row axis and cut into tiles.

    Attributes
    ----------
    shape, tile : tuple of int
        Fastest axis first, as casacore has them: (corr, chan, row). Empty for the first cube of a TiledShapeStMan,
        which stands for cells without a value.
    file : int
        Number of its ``_TSM`` file, -1 for none.
    offset : int
        Where it begins there [bytes].
    extensible : bool
    values : bytes
        Its record of coordinates, as it is in the file.
    """

    shape: tuple[int, ...]
    tile: tuple[int, ...]
    file: int
    offset: int = 0
    extensible: bool = True
    values: bytes = b""


@dataclass
class TiledHeader:
    """What a header file says.

    Attributes
    ----------
    kind : str
        TiledShapeStMan or TiledColumnStMan.
    big_endian : bool
        Byte order of the data (the header itself is always big-endian).
    seqnr : int
        The N of ``table.fN``.
    nrow : int
    types : tuple of int
        casacore's data type of every column.
    name : str
        Of the hypercolumn.
    cache : int
        Maximum cache size [MiB].
    ndim : int
        Axes of the cubes.
    files : list of int
        Length of every ``_TSM`` file [bytes], -1 where there is none.
    cubes : list of Cube
    default_tile : tuple of int
    row_map, cube_map, pos_map : list of int
        TiledShapeStMan only: rows up to and with ``row_map[i]`` lie in cube ``cube_map[i]``, the last of them at
        position ``pos_map[i]``, those before it before.
    """

    kind: str
    big_endian: bool
    seqnr: int
    nrow: int
    types: tuple[int, ...]
    name: str
    cache: int
    ndim: int
    files: list[int]
    cubes: list[Cube]
    default_tile: tuple[int, ...]
    row_map: list[int] = field(default_factory=list)
    cube_map: list[int] = field(default_factory=list)
    pos_map: list[int] = field(default_factory=list)


def parse_header(data: bytes) -> TiledHeader:
    """Read a header file.

    Parameters
    ----------
    data : bytes
        The whole file.

    Returns
    -------
    TiledHeader

    Raises
    ------
    NotReadable
        If it is of another kind or version than those known here.
    """
    try:
        return _parse(_Reader(data))
    except (struct.error, UnicodeDecodeError, IndexError) as error:
        raise NotReadable(f"damaged header: {error}") from error


def dump_header(header: TiledHeader) -> bytes:
    """Return the bytes of a header file, those that casacore would write.

    Raises
    ------
    NotReadable
        If a number is too large for the versions known here (2^32 rows).
    """
    try:
        base = _dump_base(header)
        tile = _position(header.default_tile)
        if header.kind == "TiledColumnStMan":
            return _MAGIC + _object(header.kind, 1, tile, base)
        maps = (header.row_map, header.cube_map, header.pos_map)
        return _MAGIC + _object(header.kind, 1, base, tile, _u32(len(header.row_map)), *map(_block, maps))
    except struct.error as error:
        raise NotReadable(f"a number too large for a header of this version: {error}") from error


class _Reader:
    """A place in the bytes of an AipsIO file."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def take(self, form: str) -> int:
        (value,) = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(form)
        return int(value)

    def u32(self) -> int:
        return self.take("I")

    def text(self) -> str:
        length = self.u32()
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def start(self, *names: str, versions: Iterable[int] = (1,)) -> tuple[str, int]:
        self.u32()  # length
        name, version = self.text(), self.u32()
        if name not in names or version not in versions:
            raise NotReadable(f"found {name} of version {version}, known is {' or '.join(names)}")
        return name, version

    def position(self) -> tuple[int, ...]:
        _, version = self.start("IPosition", versions=(1, 2))
        return tuple(self.take("i" if version == 1 else "q") for _ in range(self.u32()))

    def block(self) -> list[int]:
        self.start("Block")
        count = self.u32()
        self.at += 4 * count
        return list(struct.unpack_from(f">{count}I", self.data, self.at - 4 * count))

    def skip(self) -> bytes:
        """Pass over an object and return its bytes."""
        begin, length = self.at, self.u32()
        self.at = begin + length
        return self.data[begin : self.at]


def _parse(read: _Reader) -> TiledHeader:
    if read.data[:4] != _MAGIC:
        raise NotReadable("not an AipsIO file")
    read.at = 4
    kind, _ = read.start(*_KINDS)
    default_tile = read.position() if kind == "TiledColumnStMan" else ()
    _, version = read.start("TiledStMan", versions=(1, 2))
    big_endian = bool(read.take("B")) if version == 2 else True
    seqnr, nrow, ncolumn = read.u32(), read.u32(), read.u32()
    types = tuple(read.u32() for _ in range(ncolumn))
    name, cache, ndim = read.text(), read.u32(), read.u32()
    files = [_parse_file(read) if read.take("B") else -1 for _ in range(read.u32())]
    cubes = [_parse_cube(read) for _ in range(read.u32())]
    header = TiledHeader(kind, big_endian, seqnr, nrow, types, name, cache, ndim, files, cubes, default_tile)
    if kind == "TiledShapeStMan":
        header.default_tile = read.position()
        read.u32()  # entries in use: the maps are written without the others
        header.row_map, header.cube_map, header.pos_map = read.block(), read.block(), read.block()
    return header


def _parse_file(read: _Reader) -> int:
    version = read.u32()
    read.u32()  # its number, that of its place
    return read.take("I" if version == 1 else "Q")


def _parse_cube(read: _Reader) -> Cube:
    version = read.u32()
    values = read.skip()
    extensible = bool(read.take("B"))
    read.u32()  # number of axes, that of the shape
    shape, tile, number = read.position(), read.position(), read.take("i")
    return Cube(shape, tile, number, read.take("I" if version == 1 else "q"), extensible, values)


def _dump_base(header: TiledHeader) -> bytes:
    parts = [_u32(header.seqnr, header.nrow, len(header.types), *header.types), _text(header.name)]
    parts += [_u32(header.cache, header.ndim, len(header.files))]
    if not header.big_endian:
        parts.insert(0, b"\0")
    for number, length in enumerate(header.files):
        size = _u32(1, number, length) if 0 <= length < _TWO_GIB else struct.pack(">IIQ", 2, number, max(length, 0))
        parts.append(b"\1" + size if length >= 0 else b"\0")
    parts.append(_u32(len(header.cubes)))
    parts += [_cube(cube) for cube in header.cubes]
    return _object("TiledStMan", 1 if header.big_endian else 2, *parts)


def _cube(cube: Cube) -> bytes:
    small = cube.offset <= _TWO_GIB
    place = struct.pack(">iI" if small else ">iq", cube.file, cube.offset)
    values = cube.values or EMPTY_RECORD
    head = _u32(1 if small else 2) + values + struct.pack(">BI", cube.extensible, len(cube.shape))
    return head + _position(cube.shape) + _position(cube.tile) + place


def _object(name: str, version: int, *parts: bytes) -> bytes:
    body = _text(name) + _u32(version) + b"".join(parts)
    return _u32(len(body) + 4) + body


def _position(values: tuple[int, ...]) -> bytes:
    small = all(-_TWO_GIB <= v < _TWO_GIB for v in values)
    return _object(
        "IPosition",
        1 if small else 2,
        _u32(len(values)),
        struct.pack(f">{len(values)}{'i' if small else 'q'}", *values),
    )


def _block(values: list[int]) -> bytes:
    return _object("Block", 1, _u32(len(values), *values))


def _text(value: str) -> bytes:
    data = value.encode()
    return _u32(len(data)) + data


def _u32(*values: int) -> bytes:
    return struct.pack(f">{len(values)}I", *values)


EMPTY_RECORD = _object("Record", 1, _object("RecordDesc", 2, _u32(0)), _u32(1))
"""A record with no fields, as casacore writes the coordinates of a cube that has none."""

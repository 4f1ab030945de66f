"""Reading the rows of a binary table (``Pointing.bin``): a MIME message of an XML header and packed rows."""

from __future__ import annotations

import mmap
import os
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from atacal.asdm.schema import ENTITIES, TIME_INTERVALS, TIMES, asdm_tables
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError

REQUIRED = {"Pointing": 12, "SysPower": 5, "SysCal": 6, "CalDevice": 6, "TotalPower": 16}
"""How many columns of a table every row has; those after them come with a mark whether they are there."""

_BOUNDARY = re.compile(rb'boundary="?([^";\r\n]+)"?')


class _Cursor:
    """A place in a file, and how to read values there."""

    def __init__(self, data: mmap.mmap, position: int, order: str, path: str) -> None:
        self.data, self.position, self.order, self.path = data, position, order, path

    def take(self, form: str) -> Any:
        size = struct.calcsize("=" + form)
        try:
            (value,) = struct.unpack_from(self.order + form, self.data, self.position)
        except struct.error:
            raise AsdmError(f"{self.path} is cut short at byte {self.position}") from None
        self.position += size
        return value

    def text(self) -> str:
        length = self.take("i")
        if length < 0 or self.position + length > len(self.data):
            raise AsdmError(f"{self.path} is cut short or damaged at byte {self.position}")
        value = self.data[self.position : self.position + length]
        self.position += length
        return value.decode("utf-8", "replace")

    def numbers(self, form: str, ndim: int) -> Any:
        shape = [self.take("i") for _ in range(ndim)]
        if min(shape, default=0) < 0 or max(shape, default=0) > 1 << 24:
            raise AsdmError(f"{self.path} is damaged at byte {self.position}: an array of the shape {shape}")
        kind = np.dtype(self.order + {"q": "i8", "d": "f8", "f": "f4", "i": "i4", "?": "i1"}[form])
        count = int(np.prod(shape))
        end = self.position + count * kind.itemsize
        if end > len(self.data):
            raise AsdmError(f"{self.path} is cut short at byte {self.position}")
        found = np.frombuffer(self.data, kind, count, self.position).reshape(shape).astype(kind.newbyteorder("="))
        self.position = end
        return found.astype(bool) if form == "?" else found


_NDIM = {
    "encoder": 2, "pointingDirection": 2, "target": 2, "offset": 2, "sourceOffset": 2,
    "tcalSpectrum": 2, "trxSpectrum": 2, "tskySpectrum": 2, "tsysSpectrum": 2, "tantSpectrum": 2,
    "tantTsysSpectrum": 2, "phaseEfficiencySpectrum": 2, "skySpectrum": 2, "calEff": 2, "coupledNoiseCal": 2,
    "uvw": 2, "exposure": 2, "timeCentroid": 2, "floatData": 3, "flagAnt": 1, "flagPol": 2, "subintegrationNumber": 0,
}  # fmt: skip


def _reader(name: str, kind: str, is_array: bool) -> Callable[[_Cursor], Any]:
    """Return how a column's cells are read."""
    if name == "timeInterval":
        return _interval
    if name == "sampledTimeInterval":
        return lambda c: [_interval(c) for _ in range(c.take("i"))]
    if name in ENTITIES:
        raise AsdmError(f"references to documents ({name}) in a binary table cannot be read")
    if name in TIMES and name not in TIME_INTERVALS:
        return (lambda c: c.numbers("q", _NDIM.get(name, 1))) if is_array else (lambda c: c.take("q"))
    if kind == "string":
        return (lambda c: [c.text() for _ in range(c.take("i"))]) if is_array else (lambda c: c.text())
    form = {"int": "i", "float": "f", "double": "d", "boolean": "?"}[kind]
    ndim = _NDIM.get(name, 1)
    return (lambda c: c.numbers(form, ndim)) if is_array else (lambda c: c.take(form))


def _interval(cursor: _Cursor) -> tuple[int, int]:
    """Read a time interval, stored as midpoint and duration; return start and duration."""
    mid, duration = cursor.take("q"), cursor.take("q")
    return mid - duration // 2, duration


def read_bin_rows(path: str | os.PathLike[str], table: str) -> Iterator[Row]:
    """Yield the rows of a binary table; values are numbers, arrays, strings, intervals (start, duration).

    Raises
    ------
    AsdmError
        If the file is damaged, cut short, or of a table that is not known in this form.
    """
    name = os.fspath(path)
    if table not in REQUIRED:
        raise AsdmError(f"{name}: {table} as a binary table cannot be read; known are {', '.join(REQUIRED)}")
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            cursor, columns = _begin(data, table, name)
            types = {c.name: c for c in asdm_tables()[table]}
            readers = [(c, _reader(c, types[c].type, types[c].is_array)) for c in columns if c in types]
            if len(readers) != len(columns):
                raise AsdmError(f"{name}: unknown columns {', '.join(c for c in columns if c not in types)}")
            for _entity in range(5):  # the table's own identifier, then that of its container
                cursor.text()
            for _entity in range(5):
                cursor.text()
            count, done = cursor.take("i"), 0
            while done < count or (count < 0 and data[cursor.position : cursor.position + 3] != b"\n--"):
                done += 1
                row: Row = {}
                for i, (column, read) in enumerate(readers):
                    if i < REQUIRED[table] or cursor.take("?"):
                        row[column] = read(cursor)
                yield row
    except (OSError, ValueError) as error:
        if isinstance(error, AsdmError):
            raise
        raise AsdmError(f"{name} cannot be read: {error}") from error


def _begin(data: mmap.mmap, table: str, name: str) -> tuple[_Cursor, list[str]]:
    """Find the columns, the byte order and where the packed part begins."""
    end = data.find(f"</{table}Table>".encode())
    if end < 0:
        raise AsdmError(f"{name} has no XML header of a {table}Table")
    head = data[:end]
    attributes = head.partition(b"<Attributes>")[2].partition(b"</Attributes>")[0].decode("ascii", "replace")
    columns = re.findall(r"<(\w+)\s*/>", attributes)
    if not columns:
        columns = [c.name for c in asdm_tables()[table]]
    order = ">" if b"Big_Endian" in head else "<"
    part = data.find(b"--MIME_boundary", end)
    found = _BOUNDARY.search(head)
    if found:
        part = data.find(b"--" + found.group(1), end)
    start = data.find(b"\n\n", part)
    if part < 0 or start < 0:
        raise AsdmError(f"{name} has no binary part")
    return _Cursor(data, start + 2, order, name), columns

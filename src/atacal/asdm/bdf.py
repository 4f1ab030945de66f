"""A binary data file (BDF): its header, and where in it the parts of each integration lie."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from atacal.errors import BdfError

_XLINK = "{http://www.w3.org/1999/xlink}href"
_ITEM = {"flags": "u4", "actualTimes": "i8", "actualDurations": "i8", "zeroLags": "f4", "autoData": "f4"}
_CROSS = {"INT16_TYPE": "i2", "INT32_TYPE": "i4", "FLOAT32_TYPE": "f4"}
_LOCATION = re.compile(rb"Content-Location:[ \t]*(\S+)", re.IGNORECASE)
_BLANK = re.compile(rb"\r?\n\r?\n")
_MIME_BYTES = 2048
_FORGET_FROM = 16 << 20
"""Pages of smaller files stay mapped until the file is closed [bytes]."""
_BOUNDARY = re.compile(rb'boundary="?([^";\s]+)"?')


@dataclass(frozen=True)
class Window:
    """A spectral window of a BDF."""

    baseband: str
    nchan: int
    cross: tuple[str, ...]
    """Products of cross-correlations: XX, XY..."""
    auto: tuple[str, ...]
    scale: float
    bins: int


@dataclass(frozen=True)
class Part:
    """One integration, or (radiometers) a subscan of several in one."""

    time_ns: int
    interval_ns: int
    places: dict[str, tuple[int, int, str]]
    """Name of the attachment -> first byte, number of values, numpy's type."""


def span_bytes(part: Part) -> int:
    """Return how long the stretch of the file is in which an integration lies."""
    places = part.places.values()
    return max((p[0] + p[1] * np.dtype(p[2]).itemsize for p in places), default=0) - min(
        (p[0] for p in places), default=0
    )


class Bdf:
    """A BDF, mapped into memory; use it as a context manager.

    Parameters
    ----------
    path : path

    Raises
    ------
    BdfError
        If it is not there or is no BDF.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            with open(self.path, "rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except FileNotFoundError:
            raise BdfError(f"{self.path}: the binary is missing") from None
        except (OSError, ValueError) as error:
            raise BdfError(f"{self.path}: the binary cannot be read: {error}") from error
        try:
            self._read_header()
        except BaseException:
            self._map.close()
            raise

    def __enter__(self) -> Bdf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        with contextlib.suppress(BufferError):  # arrays still look at it; it goes with them
            self._map.close()

    def _read_header(self) -> None:
        end = self._map.find(b"</sdmDataHeader>")
        start = self._map.find(b"<sdmDataHeader")
        found = _BOUNDARY.search(self._map[: min(len(self._map), 4096)])
        if start < 0 or end < 0 or found is None:
            raise BdfError(f"{self.path} is not a BDF: it has no complete sdmDataHeader")
        self._next = end + len(b"</sdmDataHeader>")
        self._boundary = found.group(1)
        try:
            root = ElementTree.fromstring(self._map[start : self._next])
        except ElementTree.ParseError as error:
            raise BdfError(f"{self.path}: the header is not well-formed XML: {error}") from None
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        self._take_header(root)

    def _take_header(self, root: ElementTree.Element) -> None:
        self.order = ">" if root.get("byteOrder", "Little_Endian") == "Big_Endian" else "<"
        structure = root.find("dataStruct")
        if structure is None:
            raise BdfError(f"{self.path}: the header has no dataStruct")
        self.correlation_mode = (root.findtext("correlationMode") or "").strip()
        self.processor = (root.findtext("processorType") or "CORRELATOR").strip()
        try:
            self.num_time = int(root.findtext("numTime") or 0)
            self.num_antenna = int(root.findtext("numAntenna") or 0)
            self.windows = [
                Window(
                    base.get("name", ""), int(w.get("numSpectralPoint", "")),
                    tuple(w.get("crossPolProducts", "").split()), tuple(w.get("sdPolProducts", "").split()),
                    float(w.get("scaleFactor", "1")), int(w.get("numBin", "1")),
                )
                for base in structure.iter("baseband") for w in base.iter("spectralWindow")
            ]  # fmt: skip
            self.sizes = {
                name: int(part.get("size", "0"))
                for name in (*_ITEM, "crossData")
                if (part := structure.find(name)) is not None
            }
        except ValueError as error:
            raise BdfError(f"{self.path}: the header holds something that is not a number: {error}") from None
        flags = structure.find("flags")
        self.flag_axes = flags.get("axes", "").split() if flags is not None else []
        self.apc = structure.get("apc", "").split()
        if not self.windows:
            raise BdfError(f"{self.path}: the header describes no spectral window")

    def parts(self, expected: int | None = None) -> list[Part]:
        """Return where the integrations are, all of them.

        Parameters
        ----------
        expected : int, optional
            How many there should be; with so many, the end of the file need not be there.

        Raises
        ------
        BdfError
            If the file is cut short, or a part has another size than announced.
        """
        found, position = [], self._next
        while True:
            start = self._map.find(b"<sdmDataSubsetHeader", position)
            if start < 0:
                break
            part, position = self._part(start)
            found.append(part)
        ended = self._map.find(b"--" + self._boundary + b"--", position) >= 0
        if not ended and (expected is None or len(found) < expected):
            raise BdfError(f"{self.path} is cut short after {len(found)} integrations")
        return found

    def _part(self, start: int) -> tuple[Part, int]:
        closing = b"</sdmDataSubsetHeader>"
        end = self._map.find(closing, start)
        if end < 0:
            raise BdfError(f"{self.path} is cut short in a header at byte {start}")
        end += len(closing)
        text = re.sub(rb'\sxmlns="[^"]*"', b"", self._map[start:end])
        try:
            root = ElementTree.fromstring(text)
            time, interval = int(root.findtext(".//time") or ""), int(root.findtext(".//interval") or "")
        except (ElementTree.ParseError, ValueError) as error:
            raise BdfError(
                f"{self.path}: the header of an integration at byte {start} cannot be read: {error}"
            ) from None
        announced = {}
        for element in root:
            name = element.tag.rpartition("}")[2]
            if name in self.sizes and element.get(_XLINK):
                announced[element.get(_XLINK, "")] = (name, self._kind(name, element.get("type")))
        places, position = {}, end
        for _ in announced:
            link, position = self._attachment(position)
            if link not in announced:
                raise BdfError(f"{self.path}: the attachment {link!r} at byte {position} is not announced")
            name, kind = announced[link]
            places[name] = (position, self.sizes[name], kind)
            position = self._end(name, places[name])
        return Part(time, interval, places), position

    def _end(self, name: str, place: tuple[int, int, str]) -> int:
        """Return where an attachment ends, which a boundary must confirm."""
        position, count, kind = place
        last = position + count * np.dtype(kind).itemsize
        if last > len(self._map):
            raise BdfError(
                f"{self.path} is cut short: {name} at byte {position} needs {last - position} bytes, "
                f"{len(self._map) - position} are there"
            )
        if not re.match(rb"\r?\n?--", self._map[last : last + 4]):
            raise BdfError(f"{self.path}: {name} at byte {position} has not the announced {count} values")
        return last

    def _kind(self, name: str, given: str | None) -> str:
        if name != "crossData":
            return self.order + _ITEM[name]
        if given not in _CROSS:
            raise BdfError(f"{self.path}: crossData of the type {given!r}; known are {', '.join(_CROSS)}")
        return self.order + _CROSS[given]

    def _attachment(self, position: int) -> tuple[str, int]:
        """Return the name of the next attachment, as links have it, and its first byte."""
        head = self._map[position : position + _MIME_BYTES]
        found = _LOCATION.search(head)
        end = _BLANK.search(head, found.end()) if found else None
        if found is None or end is None:
            raise BdfError(f"{self.path} is cut short: no attachment follows byte {position}")
        return found.group(1).decode("ascii", "replace"), position + end.end()

    def forget(self, parts: list[Part]) -> None:
        """Let go of the memory that reading some integrations of a large file took (its pages stay in the cache)."""
        places = [place for part in parts for place in part.places.values()]
        if len(self._map) < _FORGET_FROM or not places or not hasattr(mmap, "MADV_DONTNEED"):
            return
        begin = min(p[0] for p in places) // mmap.PAGESIZE * mmap.PAGESIZE
        end = max(p[0] + p[1] * np.dtype(p[2]).itemsize for p in places)
        self._map.madvise(mmap.MADV_DONTNEED, begin, end - begin)

    def values(self, part: Part, name: str) -> NDArray:
        """Return an attachment's values, as they lie in the file."""
        position, count, kind = part.places[name]
        return np.frombuffer(self._map, kind, count, position)

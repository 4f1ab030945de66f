"""An ASDM on disk: which tables it has, and their rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from atacal.asdm.bin_table import read_bin_rows
from atacal.asdm.intervals import KEYS, without_overlaps
from atacal.asdm.schema import asdm_tables
from atacal.asdm.values import integer, start_and_duration, tag
from atacal.asdm.xml_table import Row, read_xml_rows
from atacal.errors import AsdmError


class MissingTable(AsdmError):
    """A table that the ASDM announces is not there."""


class Asdm:
    """An ASDM: a folder with ``ASDM.xml``, a table a file and a folder of binaries.

    Parameters
    ----------
    path : path

    Raises
    ------
    AsdmError
        If the folder or its list of tables is not there or cannot be read.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(os.path.normpath(os.fspath(path)))
        if not self.path.is_dir():
            raise AsdmError(f"{self.path}: there is no such ASDM")
        if not (self.path / "ASDM.xml").is_file():
            raise AsdmError(f"{self.path} is not an ASDM: it has no ASDM.xml")
        self._kept: dict[str, list[Row]] = {}

    @cached_property
    def announced(self) -> dict[str, int]:
        """How many rows each table has, by ``ASDM.xml``."""
        return _container(self.path / "ASDM.xml")

    def stream(self, table: str) -> Iterator[Row]:
        """Yield the rows of a table, none where the ASDM announces none.

        Raises
        ------
        AsdmError
            If rows are announced and the file is missing or cannot be read.
        """
        if table in self._kept:
            yield from self._kept[table]
            return
        if self.announced.get(table, 0) == 0:
            return
        as_binary, as_xml = self.path / f"{table}.bin", self.path / f"{table}.xml"
        if as_binary.is_file():
            yield from read_bin_rows(as_binary, table)
        elif as_xml.is_file():
            if _points_to_binary(as_xml):
                raise MissingTable(f"{as_xml} says that its rows are in {as_binary.name}, which is not there")
            rows = read_xml_rows(as_xml, f"{table}Table")
            yield from without_overlaps(rows, KEYS[table]) if table in KEYS else rows
        else:
            raise MissingTable(
                f"{self.path}: ASDM.xml announces {self.announced[table]} rows of {table}, "
                f"but there is neither {table}.xml nor {table}.bin"
            )

    def rows(self, table: str) -> list[Row]:
        """Return the rows of a table that is small; they are kept."""
        if table not in self._kept:
            self._kept[table] = list(self.stream(table))
        return self._kept[table]

    def by_tag(self, table: str, key: str) -> list[Row]:
        """Return the rows of a table in the order of their identifiers, which must be 0, 1, 2...

        Raises
        ------
        AsdmError
        """
        found = {tag(need(row, key, table)): row for row in self.rows(table)}
        if sorted(found) != list(range(len(found))):
            raise AsdmError(f"{self.path}: {table}.xml: the identifiers {key} are not 0 to {len(found) - 1}")
        return [found[i] for i in range(len(found))]

    def selected(self, table: str, spans: list[tuple[int, int]] | None) -> Iterator[Row]:
        """Yield the rows of a table whose time interval meets one of some spans [ns] (all, if there are none)."""
        for row in self.stream(table):
            if spans is None:
                yield row
                continue
            start, duration = start_and_duration(need(row, "timeInterval", table))
            if any(max(start, a) < min(start + duration, b) for a, b in spans):
                yield row

    def table_bytes(self) -> int:
        """Return how long the files of all tables are together; subtables made of them take about as much, or less."""
        return sum(f.stat().st_size for f in self.path.iterdir() if f.suffix in (".xml", ".bin") and f.is_file())

    def binary(self, uid: str) -> Path:
        """Return where the binary of a name should be."""
        return self.path / "ASDMBinary" / uid.replace(":", "_").replace("/", "_")


def need(row: Row, column: str, table: str) -> Any:
    """Return a value that a row must have.

    Raises
    ------
    AsdmError
    """
    try:
        return row[column]
    except KeyError:
        raise AsdmError(f"{table}: a row has no {column} (it has {', '.join(row)})") from None


def _container(path: Path) -> dict[str, int]:
    from xml.etree import ElementTree

    try:
        root = ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError) as error:
        raise AsdmError(f"{path} cannot be read: {error}") from None
    found = {}
    for element in root.iter():
        if element.tag.rpartition("}")[2] == "Table":
            parts = {part.tag.rpartition("}")[2]: (part.text or "").strip() for part in element}
            if "Name" in parts and "NumberRows" in parts:
                found[parts["Name"]] = integer(parts["NumberRows"])
    if not found:
        raise AsdmError(f"{path} lists no tables")
    return {name: found.get(name, 0) for name in asdm_tables()} | found


def _points_to_binary(path: Path) -> bool:
    with open(path, "rb") as file:
        return b"BulkStoreRef" in file.read(4096)

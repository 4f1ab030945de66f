"""Reading the rows of an XML table in pieces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from xml.parsers import expat

from atacal.errors import AsdmError

Row = dict[str, Any]
VERSIONS = ("3", "4")
_CHUNK_BYTES = 1 << 18
_ENTITY_NAMES = ("entityId", "partId", "entityTypeName", "documentVersion")


class _Reader:
    """Collects rows from expat's events."""

    def __init__(self, path: str, root: str) -> None:
        self.path, self.root, self.rows = path, root, []  # type: ignore[var-annotated]
        self.depth = 0
        self.row: Row | None = None
        self.column = ""
        self.text: list[str] = []
        self.entity = ""
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.buffer_size = 1 << 20
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text.append

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1:
            if name.rpartition(":")[2] != self.root:
                raise AsdmError(f"{self.path}: its root is <{name}>, not <{self.root}>")
            version = attributes.get("schemaVersion", VERSIONS[0])
            if version not in VERSIONS:
                raise AsdmError(
                    f"{self.path}: schemaVersion {version!r} is not one that can be read ({', '.join(VERSIONS)})"
                )
        elif self.depth == 2 and name == "row":
            self.row = {}
        elif self.depth == 3:
            self.column, self.entity = name, ""
        elif name == "EntityRef":
            given = "".join(f' {n}="{attributes.get(n, "")}"' for n in _ENTITY_NAMES)
            self.entity = f"<EntityRef{given}/>"
        self.text.clear()

    def end(self, name: str) -> None:
        if self.depth == 3 and self.row is not None:
            self.row[name] = self.entity or "".join(self.text).strip()
        elif self.depth == 2 and self.row is not None:
            self.rows.append(self.row)
            self.row = None
        self.depth -= 1


def read_xml_rows(path: str | os.PathLike[str], root: str) -> Iterator[Row]:
    """Yield the rows of a table as mappings of column to text; nothing but a piece of the file is held.

    Parameters
    ----------
    path : path
    root : str
        The root element: ``AntennaTable``.

    Raises
    ------
    AsdmError
        If it cannot be read, is not well-formed, or has a version that is not known.
    """
    name = os.fspath(path)
    reader = _Reader(name, root)
    try:
        with open(path, "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                reader.parser.Parse(chunk, False)
                done, reader.rows = reader.rows, []
                yield from done
            reader.parser.Parse(b"", True)
            yield from reader.rows
    except expat.ExpatError as error:
        raise AsdmError(f"{name} is not well-formed XML: {error}") from None
    except OSError as error:
        raise AsdmError(f"{name} cannot be read: {error.strerror or error}") from error

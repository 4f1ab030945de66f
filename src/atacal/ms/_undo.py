"""Old values of rows that a transaction writes in place: kept aside, put back if it does not come to its end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from atacal.memory import for_data
from atacal.ms._double import LOCK
from atacal.ms._tables import opened

LIST, VALUES, BEGUN = ".undo", ".old-values", ".undo-begun"
REQUESTS_BYTES = 260  # casacore's LockFile: a number, 32 pairs of numbers
_CHUNK_BYTES = 32 << 20

Rows = Mapping[str, Sequence[tuple[int, int]]]
"""For columns, stretches (first row, number) of cells of one shape."""


def notes(table: Path) -> bytes:
    """Return what casacore notes in a lock file, numbers of rows and of changes, beyond the list of who waits."""
    lock = table / LOCK
    return lock.read_bytes()[REQUESTS_BYTES:] if lock.exists() else b""


def save_rows(table: Path, inside: Path, rows: Rows) -> None:
    """Keep the present values of some rows; the list that `put_back` needs appears when all are kept.

    Raises
    ------
    OSError
        If there is no room.
    """
    entries = []
    with opened(table) as tab, open(inside / VALUES, "wb") as file:
        for column, stretches in rows.items():
            for row0, count in _chunks(tab, column, stretches):
                values = np.ascontiguousarray(tab.getcol(column, row0, count))
                entries.append([column, row0, values.shape, values.dtype.str])
                file.write(values.tobytes())
        file.flush()
        os.fsync(file.fileno())
    partial = inside / f"{LIST}.part"
    partial.write_text(json.dumps({"entries": entries, "notes": notes(table).hex()}))
    partial.rename(inside / LIST)


def _chunks(tab: object, column: str, stretches: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    for row0, count in stretches:
        cell = np.asarray(tab.getcell(column, row0))  # type: ignore[attr-defined]
        step = max(1, min(_CHUNK_BYTES, for_data() // 4) // cell.nbytes)
        for start in range(row0, row0 + count, step):
            yield start, min(step, row0 + count - start)


def put_back(table: Path, inside: Path) -> bool:
    """Put the old values back, if there are any.

    Returns
    -------
    bool
        False if another program has changed the table since: then nothing is done, as its work could be undone.
    """
    if not (inside / LIST).is_file():
        return True
    todo = json.loads((inside / LIST).read_text())
    if notes(table).hex() != todo["notes"] and not (inside / BEGUN).exists():
        return False
    (inside / BEGUN).touch()  # putting back changes the notes, too
    with opened(table, writable=True) as tab, open(inside / VALUES, "rb") as file:
        for column, row0, shape, dtype in todo["entries"]:
            values = np.frombuffer(file.read(int(np.prod(shape)) * np.dtype(dtype).itemsize), dtype).reshape(shape)
            tab.putcol(column, values, row0, shape[0])
    return True

"""Small files of a run directory, written beside and renamed, the same bytes for the same content; digests."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from atacal.errors import PipelineError, WriteError
from atacal.results import plain

_WHOLE_BYTES = 1 << 20
_ENDS_BYTES = 1 << 16


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file, whole or not at all.

    Raises
    ------
    WriteError
    """
    beside = path.with_name(f".{path.name}.part")  # one name, so that a killed run's is written over
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise WriteError(f"{path} cannot be written: {error}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON with sorted keys."""
    text = json.dumps(plain(value), indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    write_bytes(path, (text + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    PipelineError
        If it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PipelineError(f"{path} cannot be read: {error}") from error


def digest(value: Any) -> str:
    """Return a digest of a plain value."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(path: Path) -> str:
    """Return what changes when a file or a folder of data does; empty if there is none.

    Names and sizes of all files, the content of those up to 1 MB, of larger ones the first and last 64 KB: a block of
    many gigabytes in a moment. The times of files do not count, so that a copy is the same.
    """
    if not path.exists():
        return ""
    total = hashlib.sha256()
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        if file.name == "table.lock":  # written by whoever only looks
            continue
        size = file.stat().st_size
        total.update(f"{file.relative_to(path) if file != path else ''}\0{size}\0".encode())
        with open(file, "rb") as data:
            if size <= _WHOLE_BYTES:
                total.update(data.read())
            else:
                total.update(data.read(_ENDS_BYTES))
                data.seek(-_ENDS_BYTES, os.SEEK_END)
                total.update(data.read())
    return total.hexdigest()

"""The double of a table: a folder with copies of what will be written, and links to all else; see `transaction`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atacal.errors import WriteError
from atacal.ms.space import require_space, reserve

WORKPLACE = ".atacal-transaction"
"""Name of the folder, inside the table, where a run writes."""

LOCK = "table.lock"
_MARGIN_BYTES = 2_000_000  # indices, headers, table.dat and its copy


@dataclass(frozen=True)
class Files:
    """The files of a table by what the double has in their place.

    Attributes
    ----------
    copied : set of str
    fresh : set of str
        Files of the same size with anything in them.
    removed : set of str
        Links that casacore may remove.
    in_place : set of str
        Links that are written through.
    """

    copied: set[str]
    fresh: set[str]
    removed: set[str]
    in_place: set[str]

    @classmethod
    def of(
        cls,
        table: Path,
        managers: dict[str, Any],
        columns: Collection[str],
        replaced: Collection[str],
        removed: Collection[str],
        in_place: Collection[str],
    ) -> Files:
        names = {entry.name for entry in os.scandir(table) if not entry.is_dir()}
        # not a link to table.lock: what casacore notes there about the double is not true of the table
        out = cls({n for n in ("table.dat", "table.info", "table.mf", LOCK) if n in names}, set(), set(), set())
        for manager in managers.values():
            kept = set(manager["COLUMNS"])
            base = f"table.f{manager['SEQNR']}"
            files = {n for n in names if n == base or n.startswith((f"{base}_", f"{base}i"))}
            if kept & set(columns):
                tiles = {n for n in files if "_TSM" in n} if kept <= set(replaced) else set()
                out.fresh.update(tiles)
                out.copied.update(files - tiles)
            elif kept & set(removed):
                (out.removed if kept <= set(removed) else out.copied).update(files)
            elif kept & set(in_place):
                (out.in_place if kept <= set(in_place) else out.copied).update(files)
        return out


def check_parts(table: Path, files: Files, subtables: list[str], what: str) -> None:
    """Raise unless what will be changed may be written, and there is room for its copy."""
    parts = [table / name for name in files.copied | files.fresh]
    parts += [file for sub in subtables for file in (table / sub).iterdir() if file.is_file()]
    for part in (table, *parts):
        if not os.access(part, os.W_OK):
            raise WriteError(f"{part} cannot be written: no permission")
    require_space(table, sum(p.stat().st_size for p in parts) + _MARGIN_BYTES, what)


def make_double(table: Path, inside: Path, files: Files, subtables: list[str], what: str) -> None:
    """Fill the folder: copies of what will be written, links to all else."""
    for entry in sorted(os.scandir(table), key=lambda e: e.name):
        source, here = Path(entry.path), inside / entry.name
        if entry.name.startswith(WORKPLACE):
            continue
        if entry.name in subtables:
            here.mkdir()
            for file in source.iterdir():
                if file.is_dir():
                    _link(file, here / file.name)
                else:
                    _copy(file, here / file.name, what)
        elif entry.name in files.copied:
            _copy(source, here, what)
        elif entry.name in files.fresh:
            _make_room(source, here, what)
        elif not _link(source, here, hard=entry.name in files.removed):
            require_space(table, entry.stat().st_size, what)
            _copy(source, here, what)


def _make_room(source: Path, target: Path, what: str) -> None:
    """Make a file of the size of another."""
    target.touch()
    size = source.stat().st_size
    reserve(target, size, what)
    os.truncate(target, size)
    shutil.copymode(source, target)


def _copy(source: Path, target: Path, what: str) -> None:
    """Copy a file, with some room to grow.

    Every byte: a copy that shares its blocks with the original would need more room when it is written.
    """
    target.touch()
    size = source.stat().st_size
    # storage managers of ids split their buckets when cells in the middle change
    reserve(target, size if "_TSM" in source.name else 2 * size, what)
    with open(source, "rb") as old, open(target, "r+b") as new:
        shutil.copyfileobj(old, new, 8 << 20)
    shutil.copymode(source, target)


def _link(source: Path, target: Path, *, hard: bool = False) -> bool:
    """Link a file or a folder; return False if only a hard link would do and there can be none.

    casacore follows symbolic links when it removes a file.
    """
    if not source.is_dir():
        try:
            os.link(source, target)
        except OSError:  # another disk, or a file system without hard links
            if hard:
                return False
        else:
            return True
    os.symlink(os.path.relpath(source, target.parent), target)
    return True

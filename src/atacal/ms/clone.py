"""A second MeasurementSet of the same data that can be flagged and calibrated while the first stays as it is."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from atacal.errors import NoSuchTable, TableExists, WriteError
from atacal.ms._tables import opened
from atacal.ms.space import require_space

_CONSTANT = ("DATA", "FLOAT_DATA", "UVW")
"""Columns that no calibration step writes."""
_may_link = True


def copy_always() -> None:
    """Copy the visibilities too from here on: where somebody else's code runs, a second name would be a way to them."""
    global _may_link
    _may_link = False


def clone(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> bool:
    """Make a MeasurementSet that holds the same, without copying the visibilities where that can be avoided.

    The files of the columns that calibration only reads get a second name (a hard link); everything else is copied.
    Nothing here writes in place in files of a table that exists (`atacal.ms.transaction`), so the source stays as
    it is. The target appears whole or not at all.

    Parameters
    ----------
    source, target : path

    Returns
    -------
    bool
        Whether the visibilities are shared: False on another disk, or where the file system has no links.

    Raises
    ------
    NoSuchTable, TableExists, DiskFull, WriteError
    """
    source, target = Path(os.path.normpath(source)), Path(target)
    if not source.is_dir():
        raise NoSuchTable(f"{source}: there is no such MeasurementSet")
    if target.exists():
        raise TableExists(f"{target} is there already")
    constant = _files_of(source, _CONSTANT)
    building = target.with_name(f".{target.name}.{os.getpid()}")
    shared = True
    try:
        for path in sorted(source.rglob("*")):
            place = building / path.relative_to(source)
            if path.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            large = path.name in constant and path.parent == source
            if path.name != "table.lock" and not (large and _linked(path, place)):
                shared &= not large
                require_space(target.parent, path.stat().st_size, f"a copy of {path}")
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        building.rename(target)
    except OSError as error:
        raise WriteError(f"{target}: {source} cannot be copied: {error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return shared


def _files_of(source: Path, columns: tuple[str, ...]) -> set[str]:
    """Name the files that hold these columns and no others."""
    with opened(source) as tab:
        managers = tab.getdminfo().values()
    out: set[str] = set()
    for manager in managers:
        if set(manager["COLUMNS"]) <= set(columns):
            start = f"table.f{manager['SEQNR']}"
            out |= {p.name for p in source.glob(f"{start}*") if p.name == start or p.name.startswith(f"{start}_")}
    return out


def _linked(path: Path, place: Path) -> bool:
    if not _may_link:
        return False
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, place)
    except OSError:
        return False
    return True

"""Flag versions: copies of a table's flags in ``X.ms.flagversions``, in CASA's format on disk.

A version is a small table ``flags.NAME`` with the columns FLAG and FLAG_ROW (calibration tables: FLAG), row for row
those of the main table; the text file ``FLAG_VERSION_LIST`` holds one line ``NAME : comment`` a version.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, AtacalError, InvalidTable, NoSuchTable, TableExists, WriteError
from atacal.memory import for_data
from atacal.ms._tables import opened
from atacal.ms.columns import tile_shape
from atacal.ms.space import require_space, reserve
from atacal.ms.transaction import transaction

LIST_NAME = "FLAG_VERSION_LIST"
MERGES = ("replace", "and", "or")
_CHUNK_BYTES = 32 << 20
_OVERHEAD_BYTES = 300_000
_log = logging.getLogger("atacal")


@dataclass(frozen=True)
class Version:
    """One saved state of the flags."""

    name: str
    comment: str


def versions_folder(path: str | os.PathLike[str]) -> Path:
    """Return the folder that holds a table's flag versions (a link to a table counts as the table)."""
    real = Path(os.path.realpath(path)) if os.path.islink(path) else Path(os.path.normpath(path))
    return real.with_name(real.name + ".flagversions")


def list_versions(path: str | os.PathLike[str]) -> list[Version]:
    """Return a table's flag versions, oldest first.

    Parameters
    ----------
    path : path
        MeasurementSet or calibration table.

    Raises
    ------
    NoSuchTable
    """
    _require_table(path)
    return [version for version, there in _read_list(path) if there]


def save_version(path: str | os.PathLike[str], name: str, comment: str = "", merge: str = "replace") -> None:
    """Save the present flags as a version.

    A version of that name stays, under the name ``NAME.old.SECONDS``. The new version appears whole or not at all.

    Parameters
    ----------
    path : path
        MeasurementSet or calibration table.
    name : str
        The version's name.
    comment : str
        One line that says why.
    merge : str
        ``replace``: the version holds the present flags. ``and``, ``or``: it holds the present flags combined with
        those of the version that had the name before.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, TableLocked, WriteError
    """
    _check_name(name)
    _check_merge(merge)
    _require_table(path)
    folder = versions_folder(path)
    target, building = folder / f"flags.{name}", folder / f".flags.{name}.{os.getpid()}"
    what = f"flag version {name} of {path}"
    try:
        folder.mkdir(exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise WriteError(f"{path}: flag version {name} cannot be saved: no permission to write in {folder}")
        _remove_leftovers(folder)
        with opened(path) as source:
            require_space(folder, _size_bytes(source), what)
            _create(building, source, what)
            with opened(building, writable=True) as copy:
                if merge != "replace" and target.exists():
                    with opened(target) as earlier:
                        _copy(earlier, copy, "replace")
                    _copy(source, copy, merge)
                else:
                    _copy(source, copy, "replace")
        _step_aside(path, name)
        # a name without its table is passed over, a table without its name would be lost: the name comes first
        _write_list(path, [*(v for v, _ in _read_list(path)), Version(name, " ".join(comment.split()))])
        building.rename(target)
    except (OSError, RuntimeError) as error:
        if isinstance(error, AtacalError):
            raise
        raise WriteError(f"{path}: flag version {name} cannot be saved: {error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    _log.info("Saved the flags of %s as version %s", path, name)


def backup(path: str | os.PathLike[str], prefix: str = "flagdata") -> str:
    """Save the present flags under CASA's next automatic name (``flagdata_1``, ``flagdata_2``...) and return it."""
    taken = {version.name for version in list_versions(path)}
    number = 1
    while f"{prefix}_{number}" in taken or (versions_folder(path) / f"flags.{prefix}_{number}").exists():
        number += 1
    name = f"{prefix}_{number}"
    save_version(path, name, "Flags autosave on " + time.strftime("%Y-%m-%d %H:%M:%S"))
    return name


def restore_version(path: str | os.PathLike[str], name: str, merge: str = "replace") -> None:
    """Bring a version's flags back into the table.

    Only rows whose flags change are written. The version stays; a restore that is interrupted changes nothing.

    Parameters
    ----------
    path : path
        MeasurementSet or calibration table.
    name : str
    merge : str
        ``replace``, or ``and`` / ``or``: combine with the present flags.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, TableLocked, WriteError
    """
    _check_merge(merge)
    version = _require_version(path, name)
    with (
        transaction(path, "flagmanager", columns=("FLAG", "FLAG_ROW")) as inside,
        opened(version) as source,
        opened(inside, writable=True) as table,
    ):
        if source.nrows() != table.nrows():
            raise InvalidTable(f"{version} holds flags of {source.nrows()} rows, {path} has {table.nrows()} rows")
        _copy(source, table, merge)
    _log.info("Restored the flags of %s from version %s", path, name)


def delete_version(path: str | os.PathLike[str], name: str) -> None:
    """Delete a version.

    Raises
    ------
    NoSuchTable, ArgumentError, WriteError
    """
    version = _require_version(path, name)
    aside = version.with_name(f".{version.name}.{os.getpid()}")
    try:
        _remove_leftovers(version.parent)
        _write_list(path, [v for v, _ in _read_list(path) if v.name != name])
        version.rename(aside)
        shutil.rmtree(aside)
    except OSError as error:
        raise WriteError(f"{path}: flag version {name} cannot be deleted: {error}") from error
    _log.info("Deleted flag version %s of %s", name, path)


def rename_version(path: str | os.PathLike[str], old: str, new: str, comment: str = "") -> None:
    """Give a version another name and, as CASA does, another comment.

    Raises
    ------
    NoSuchTable, ArgumentError, TableExists, WriteError
    """
    _check_name(new)
    version = _require_version(path, old)
    target = version.with_name(f"flags.{new}")
    if target.exists():
        raise TableExists(f"{path} already has a flag version {new}")
    try:
        lines = [v for v, _ in _read_list(path) if v.name != new]
        renamed = Version(new, " ".join(comment.split()))
        # both names first: the one without a table is passed over, whenever we are killed
        _write_list(path, [w for v in lines for w in ((v, renamed) if v.name == old else (v,))])
        version.rename(target)
        _write_list(path, [renamed if v.name == old else v for v in lines])
    except OSError as error:
        raise WriteError(f"{path}: flag version {old} cannot be renamed to {new}: {error}") from error


def _require_table(path: str | os.PathLike[str]) -> None:
    with opened(path) as table:
        if "FLAG" not in table.colnames():
            raise InvalidTable(f"{path} has no FLAG column")


def _check_name(name: str) -> None:
    if not name or name.strip() != name or "/" in name or "\n" in name or " : " in name or name == "main":
        raise ArgumentError(f"flag version name {name!r}: must be a file name without '/', ' : ' and not 'main'")


def _check_merge(merge: str) -> None:
    if merge not in MERGES:
        raise ArgumentError(f"merge={merge!r}: must be one of {', '.join(MERGES)}")


def _require_version(path: str | os.PathLike[str], name: str) -> Path:
    names = [version.name for version in list_versions(path)]
    if name not in names:
        raise NoSuchTable(f"{path} has no flag version {name!r}; it has {', '.join(names) or 'none'}")
    return versions_folder(path) / f"flags.{name}"


def _read_list(path: str | os.PathLike[str]) -> list[tuple[Version, bool]]:
    """Return the list's versions, and whether the table of each is there."""
    folder = versions_folder(path)
    if not (folder / LIST_NAME).is_file():
        return []
    out = []
    for line in (folder / LIST_NAME).read_text().splitlines():
        name, _, comment = line.partition(" :")
        if name.strip():
            version = Version(name.strip(), comment.strip())
            out.append((version, (folder / f"flags.{version.name}" / "table.dat").is_file()))
    return out


def _write_list(path: str | os.PathLike[str], versions: list[Version]) -> None:
    folder = versions_folder(path)
    partial = folder / f".{LIST_NAME}.{os.getpid()}"
    partial.write_text("".join(f"{v.name} : {v.comment}\n" for v in versions))
    partial.replace(folder / LIST_NAME)


def _step_aside(path: str | os.PathLike[str], name: str) -> None:
    """Rename a version that has the name already, as CASA does."""
    folder = versions_folder(path)
    here = folder / f"flags.{name}"
    if not here.exists():
        _write_list(path, [v for v, _ in _read_list(path) if v.name != name])
        return
    stamp = int(time.time())
    while (folder / f"flags.{name}.old.{stamp}").exists():
        stamp += 1
    aside = f"{name}.old.{stamp}"
    _log.warning("Flag version %s of %s exists; it is now called %s", name, path, aside)
    lines = [v for v, _ in _read_list(path)]
    _write_list(path, [w for v in lines for w in ((v, Version(aside, v.comment)) if v.name == name else (v,))])
    here.rename(folder / f"flags.{aside}")
    _write_list(path, [Version(aside, v.comment) if v.name == name else v for v in lines])


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left unfinished."""
    for left in folder.glob(".flags.*"):
        pid = left.name.rpartition(".")[2]
        if pid == str(os.getpid()) or (pid.isdigit() and not os.path.exists(f"/proc/{pid}")):
            shutil.rmtree(left, ignore_errors=True)


def _size_bytes(source: Any) -> int:
    """Return how much room a version of a table's flags takes: a bit a flag, a bit a row, headers, the last tiles."""
    cells = {cell for _, _, cell in _stretches(source)}
    flags = sum(count * cell[0] * cell[1] for _, count, cell in _stretches(source))
    tiles = sum(int(np.prod(_tile(source))) // 8 for _ in cells)
    return flags // 8 + tiles + source.nrows() // 8 + _OVERHEAD_BYTES


def _tile(source: Any) -> list[int]:
    """Return the tile (corr, chan, row) for all shapes of flags in a table."""
    cells = [cell for _, _, cell in _stretches(source)]
    nchan, ncorr = (max(c[axis] for c in cells) for axis in (0, 1)) if cells else (1, 1)
    return tile_shape(ncorr, nchan, 1 / 8)


def _create(folder: Path, source: Any, what: str) -> None:
    """Make an empty flag table for the rows of ``source``, described as CASA describes it."""
    from casacore.tables import makearrcoldesc, makescacoldesc, maketabdesc, table

    columns = [makearrcoldesc("FLAG", False, ndim=2, datamanagertype="TiledShapeStMan", datamanagergroup="TiledFlag")]
    if "FLAG_ROW" in source.colnames():
        columns.append(makescacoldesc("FLAG_ROW", False))
    spec = {"DEFAULTTILESHAPE": np.array(_tile(source), np.int32)}
    manager = {"TYPE": "TiledShapeStMan", "NAME": "TiledFlag", "SPEC": spec, "COLUMNS": ["FLAG"]}
    made = table(str(folder), maketabdesc(columns), nrow=source.nrows(), dminfo={"*1": manager}, ack=False)
    _reserve(made, folder, source, what)
    for row0, count, cell in _stretches(source):
        made.putcol("FLAG", np.zeros((count, *cell), bool), row0, count)
    made.close()


def _reserve(made: Any, folder: Path, source: Any, what: str) -> None:
    """Have the disk set aside room for the flags of each shape: a first row makes the file of each."""
    rows: dict[tuple[int, int], int] = {}
    for row0, count, cell in _stretches(source):
        if cell not in rows:
            made.putcol("FLAG", np.zeros((1, *cell), bool), row0, 1)
        rows[cell] = rows.get(cell, 0) + count
    made.flush()
    tile = int(np.prod(_tile(source))) // 8 + 1
    # the files are numbered in the order in which the shapes came
    files = sorted(folder.glob("*_TSM*"), key=lambda f: int(f.name.rpartition("TSM")[2]))
    for file, (cell, count) in zip(files, rows.items(), strict=True):
        reserve(file, count * cell[0] * cell[1] // 8 + tile, what)


def _stretches(table: Any) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """Yield (row0, nrow, (chan, corr)): contiguous rows whose FLAG cells have one shape, of bounded size."""
    key = next((c for c in ("DATA_DESC_ID", "SPECTRAL_WINDOW_ID") if c in table.colnames()), None)
    shapes: dict[int, tuple[int, int]] = {}
    at, total = 0, table.nrows()
    keys: NDArray = np.zeros(total, np.int32) if key is None else table.getcol(key)
    starts = np.concatenate([[0], np.flatnonzero(np.diff(keys)) + 1, [total]]) if total else np.zeros(1, int)
    at_shape, start = (0, 0), 0
    for at in starts[:-1].tolist():
        kind = int(keys[at])
        if kind not in shapes:
            shapes[kind] = tuple(table.getcell("FLAG", at).shape)
        if shapes[kind] != at_shape and at > start:
            yield from _cut(start, at, at_shape)
            start = at
        at_shape = shapes[kind]
    if total > start:
        yield from _cut(start, total, at_shape)


def _cut(start: int, end: int, cell: tuple[int, int]) -> Iterator[tuple[int, int, tuple[int, int]]]:
    step = max(1, min(_CHUNK_BYTES, for_data() // 8) // (cell[0] * cell[1]))
    for row0 in range(start, end, step):
        yield row0, min(step, end - row0), cell


def _copy(source: Any, target: Any, merge: str) -> None:
    """Bring the flags of ``source`` into ``target``; write only what changes."""
    known = source if "DATA_DESC_ID" in source.colnames() or "SPECTRAL_WINDOW_ID" in source.colnames() else target
    for row0, count, cell in _stretches(known):
        new, old = np.empty((count, *cell), bool), np.empty((count, *cell), bool)
        source.getcolnp("FLAG", new, row0, count)
        target.getcolnp("FLAG", old, row0, count)
        _merge(new, old, merge)
        if not np.array_equal(new, old):
            target.putcol("FLAG", new, row0, count)
        if "FLAG_ROW" in source.colnames() and "FLAG_ROW" in target.colnames():
            new_row, old_row = (t.getcol("FLAG_ROW", row0, count) for t in (source, target))
            _merge(new_row, old_row, merge)
            if not np.array_equal(new_row, old_row):
                target.putcol("FLAG_ROW", new_row, row0, count)
    target.flush()


def _merge(new: NDArray[np.bool_], old: NDArray[np.bool_], merge: str) -> None:
    if merge == "and":
        new &= old
    elif merge == "or":
        new |= old

"""Changing a table on disk all at once: a run that is killed, or a disk that is full, leaves the table as it was.

What a task will write is copied into a folder inside the table (`WORKPLACE`); all else there is a link to the table's
own files, so that the folder is a table, too. The task writes there with casacore as it would in the table itself.
When all is written the new files take the places of the old by renaming. casacore and CASA never see it: the table they
know is whole at any time.

- Killed before the end: the table was never touched. The next run removes the folder, and says so.
- Killed while the files are renamed: what was to be done is listed in the folder. The next run that opens the table
  does the rest, and says so.

Flags take a 64th of the room of the data, so the copy costs little.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atacal.errors import AtacalError, DiskFull, TableLocked, WriteError
from atacal.ms._tables import opened
from atacal.ms.space import require_space, reserve

log = logging.getLogger("atacal")

WORKPLACE = ".atacal-transaction"
"""Name of the folder, inside the table, where a run writes."""

_OWNER = ".owner"  # locked as long as the run lives
_TODO = ".todo"
_LOCK = "table.lock"
_MARGIN_BYTES = 2_000_000  # indices, headers, table.dat and its copy
_SUFFIX = re.compile(rf"/{re.escape(WORKPLACE)}(?=$|[^\w.-])")

Stamps = dict[str, tuple[int, int, int]]


@contextmanager
def transaction(
    path: str | os.PathLike[str],
    task: str,
    *,
    columns: Collection[str] = (),
    replaced: Collection[str] = (),
    removed: Collection[str] = (),
    subtables: Collection[str] = (),
) -> Iterator[Path]:
    """Give the path of a double of a table; what is done to the double is done to the table when the block ends well.

    Parameters
    ----------
    path : path
        A MeasurementSet or calibration table.
    task : str
        Who writes, for messages.
    columns : collection of str
        The columns whose cells will be written; those that do not exist do not matter. Columns may also be added and
        removed. Writing to a column that is not named is an error, found at the end.
    replaced : collection of str
        Those of ``columns`` of which every cell will be written: they are not copied, but hold anything at first.
    removed : collection of str
        The columns that may be removed.
    subtables : collection of str
        The subtables that will be written, HISTORY, SOURCE...; those that do not exist do not matter.

    Yields
    ------
    Path
        The double. Errors that name it are changed to name the table.

    Raises
    ------
    NoSuchTable, InvalidTable
    TableLocked
        If another process holds the table, or changes it meanwhile.
    DiskFull
        If there is no room for the copies.
    WriteError
        If the table or its folder cannot be written.
    """
    table = Path(os.path.normpath(os.fspath(path)))
    with opened(table, writable=True) as tab:
        owner = _enter(table, task)
        inside = table / WORKPLACE
        try:
            files = _Files.of(table, tab.getdminfo(), columns, replaced, removed)
            there = [s for s in subtables if (table / s).is_dir()]
            before = _stamps(table, there)
            _double(table, inside, files, there, task)
            start = _stamps(inside, there)
        except BaseException as error:
            _leave(inside, owner)
            raise _named(error, table) from error
    try:
        yield inside
        _commit(table, inside, task, before, start)
    except BaseException as error:
        said = _named(error, table)
        if said is error:
            raise
        raise said from error
    finally:
        _leave(inside, owner)


def recover(path: str | os.PathLike[str]) -> None:
    """Put a table right that a killed run left; nothing happens while that run lives.

    Raises
    ------
    WriteError
        If a change has to be completed and the table cannot be written.
    """
    table = Path(path)
    inside = table / WORKPLACE
    if not inside.is_dir():
        return
    try:
        with open(os.open(inside / _OWNER, os.O_RDWR | os.O_CREAT), "r+") as owner:
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(owner.fileno()).st_ino != (inside / _OWNER).stat().st_ino:
                return  # another process has just put it right
            task = (owner.read().split() or ["run"])[0]
            complete = (inside / _TODO).is_file()
            if complete:
                _carry_out(table, inside)
            _remove(inside)
    except BlockingIOError:
        return
    except OSError as error:
        if (inside / _TODO).is_file():
            raise WriteError(
                f"{path}: an earlier run was killed at its very end, and its changes cannot be completed: {error}"
            ) from error
        return  # the table is whole, only its folder cannot be tidied
    what = "at its very end; its changes are now complete" if complete else f"; {path} is as it was before that run"
    log.warning("%s: an earlier %s was killed%s%s", path, task, " " if complete else "", what)


def real_name(text: str) -> str:
    """Return a text with the table's name instead of that of its double."""
    return _SUFFIX.sub("", text)


# ---------------------------------------------------------------- making the double


def _enter(table: Path, task: str) -> Any:
    """Make the folder, ours as long as the file that is returned is open."""
    building = table / f"{WORKPLACE}-{os.getpid()}"
    inside = table / WORKPLACE
    try:
        for left in table.glob(f"{WORKPLACE}-*"):
            pid = left.name.rpartition("-")[2]
            if pid == str(os.getpid()) or not os.path.exists(f"/proc/{pid}"):
                shutil.rmtree(left, ignore_errors=True)
        building.mkdir()
        owner = open(building / _OWNER, "w+")  # noqa: SIM115 - it stays open as long as we work
        owner.write(f"{task} {os.getpid()}\n")
        owner.flush()
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        raise WriteError(f"{table} cannot be written: {error.strerror or error}") from error
    try:
        building.rename(inside)
    except OSError as error:
        owner.close()
        shutil.rmtree(building, ignore_errors=True)
        raise TableLocked(f"{table} is being changed by another run of atacal ({_who(inside)})") from error
    return owner


def _who(inside: Path) -> str:
    try:
        task, pid = (inside / _OWNER).read_text().split()
    except (OSError, ValueError):
        return "it has just ended; try again"
    return f"{task}, process {pid}"


def _leave(inside: Path, owner: Any) -> None:
    _remove(inside)
    owner.close()


def _remove(inside: Path) -> None:
    """Remove the folder; for others it is gone at once."""
    aside = inside.with_name(f"{WORKPLACE}-{os.getpid()}")
    try:
        inside.rename(aside)
    except OSError:
        aside = inside
    shutil.rmtree(aside, ignore_errors=True)


@dataclass(frozen=True)
class _Files:
    """The files of a table by what the double has in their place.

    Attributes
    ----------
    copied : set of str
    fresh : set of str
        Files of the same size with anything in them.
    removed : set of str
        Links that casacore may remove.
    """

    copied: set[str]
    fresh: set[str]
    removed: set[str]

    @classmethod
    def of(
        cls,
        table: Path,
        managers: dict[str, Any],
        columns: Collection[str],
        replaced: Collection[str],
        removed: Collection[str],
    ) -> _Files:
        names = {entry.name for entry in os.scandir(table) if not entry.is_dir()}
        out = cls({n for n in ("table.dat", "table.info", "table.mf") if n in names}, set(), set())
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
        return out


def _double(table: Path, inside: Path, files: _Files, subtables: list[str], task: str) -> None:
    """Fill the folder: copies of what will be written, links to all else."""
    parts = [table / name for name in files.copied | files.fresh]
    parts += [file for sub in subtables for file in (table / sub).iterdir() if file.is_file()]
    for part in parts:
        if not os.access(part, os.W_OK):
            raise WriteError(f"{part} cannot be written: no permission")
    what = f"the changes that {task} makes to {table}"
    require_space(table, sum(p.stat().st_size for p in parts) + _MARGIN_BYTES, what)
    for entry in sorted(os.scandir(table), key=lambda e: e.name):
        source, here = Path(entry.path), inside / entry.name
        if entry.name.startswith(WORKPLACE):
            continue
        if entry.name in subtables:
            here.mkdir()
            for file in source.iterdir():
                if file.name == _LOCK or file.is_dir():
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


# ---------------------------------------------------------------- putting it into place


def _commit(table: Path, inside: Path, task: str, before: Stamps, start: Stamps) -> None:
    """Write the list of what to do, and do it.

    ``before``, ``start``: the table's and the double's files as they were at first.
    """
    subtables = {name.split("/")[0] for name in before if "/" in name}
    _check_unchanged(table, task, before, _stamps(table, subtables), start)
    now = _stamps(inside, subtables)
    moves = sorted(name for name, stamp in now.items() if stamp != start.get(name) and name != _OWNER)
    removals = sorted(name for name in before if not os.path.lexists(inside / name))
    if not moves and not removals:
        return
    for name in moves:
        _trim(inside / name)
    partial = inside / f"{_TODO}.part"
    partial.write_text(json.dumps({"moves": moves, "removals": removals}))
    _sync(partial)
    partial.rename(inside / _TODO)
    _sync(inside)
    _carry_out(table, inside)


def _check_unchanged(table: Path, task: str, before: Stamps, now: Stamps, start: Stamps) -> None:
    """Raise if the table itself has changed since the double was made."""
    changed = sorted(name for name in {*now, *before} if now.get(name) != before.get(name))
    if not changed:
        return
    if all(name in before and before[name] == start.get(name) for name in changed):
        raise WriteError(f"{table}: {task} wrote to {', '.join(changed)}, which it had not announced; please report it")
    raise TableLocked(
        f"{table}: another process changed {', '.join(changed)} while {task} was at work; {task} changed nothing, "
        "run it again"
    )


def _carry_out(table: Path, inside: Path) -> None:
    """Do what the list says; what was done before is not done again."""
    todo = json.loads((inside / _TODO).read_text())
    # table.dat comes last: it names the files of new columns
    for name in sorted(todo["moves"], key=lambda n: n.endswith("table.dat")):
        if (inside / name).exists():
            os.replace(inside / name, table / name)
    for name in todo["removals"]:
        (table / name).unlink(missing_ok=True)
    _sync(table)


def _trim(path: Path) -> None:
    """Give back the room that was set aside and not used; wait until the disk has the file."""
    with open(path, "r+b") as file:
        os.ftruncate(file.fileno(), os.fstat(file.fileno()).st_size)
        os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stamps(table: Path, subtables: Collection[str]) -> Stamps:
    """Return inode, size and time of change of a table's files."""
    out = {}
    for folder in ("", *subtables):
        for entry in os.scandir(table / folder):
            if entry.is_file() and entry.name != _LOCK:
                status = entry.stat()
                out[os.path.join(folder, entry.name)] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return out


def _named(error: BaseException, table: Path) -> BaseException:
    """Return an error that a user can read, about the table and not its double."""
    if isinstance(error, AtacalError):
        error.args = tuple(real_name(a) if isinstance(a, str) else a for a in error.args)
        return error
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(f"{table} cannot be written: {real_name(str(error))}; it is unchanged")
    if type(error) is RuntimeError or isinstance(error, OSError):
        return WriteError(f"{table} cannot be written: {real_name(str(error))}; it is unchanged")
    return error

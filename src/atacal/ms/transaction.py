"""Changing a table on disk all at once: a run that is killed, or a disk that is full, leaves the table as it was.

What a task will write is copied into a folder inside the table (`WORKPLACE`); all else there is a link to the table's
own files, so that the folder is a table, too. The task writes there with casacore as it would in the table itself.
When all is written the new files take the places of the old by renaming. casacore and CASA never see it: the table they
know is whole at any time.

- Killed before the end: the table was never touched. The next run removes the folder, and says so.
- Killed while rows of a large column are written in place (which only some tasks ask for): their old values are kept
  in the folder. The next run puts them back, and says so.
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
from pathlib import Path
from typing import Any

from atacal.errors import AtacalError, DiskFull, TableLocked, WriteError
from atacal.ms._double import LOCK, WORKPLACE, Files, check_parts, make_double
from atacal.ms._tables import opened
from atacal.ms._undo import LIST, REQUESTS_BYTES, Rows, notes, put_back, save_rows

__all__ = ["WORKPLACE", "real_name", "recover", "transaction"]

log = logging.getLogger("atacal")

_OWNER = ".owner"  # locked as long as the run lives
_TODO = ".todo"
_WAIT_BYTES = 256 << 20
_HALF = "%s: an earlier %s did not come to its end: %s may be partly new (all else is as it was); run %s again"
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
    in_place: Collection[str] = (),
    rows: Rows | None = None,
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
    in_place : collection of str
        Columns that are large and derived from others: they are written in the table itself, so that a killed run
        leaves them partly old and partly new, to be made again.
    rows : mapping of column -> sequence of (row0, nrow)
        Large columns of which a few rows will be written, each stretch of cells of one shape: they are written in the
        table itself, their old values are kept aside and put back by the next run if this one is killed.
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
    inside = table / WORKPLACE
    with opened(table, writable=True) as tab:
        half = [c for c in in_place if c in tab.colnames()]
        files = Files.of(table, tab.getdminfo(), columns, replaced, removed, [*in_place, *(rows or {})])
    there = [s for s in subtables if (table / s).is_dir()]
    what = f"the changes that {task} makes to {table}"
    check_parts(table, files, there, what)
    with _Locks([table, *(table / s for s in there)]) as locks:
        owner = _enter(table, task, half)
        settled = True
        try:
            before = _stamps(table, there, files.in_place)
            make_double(table, inside, files, there, what)
            if rows:
                save_rows(table, inside, rows)
            start = _stamps(inside, there, files.in_place)
            yield inside
            locks.take()
            _commit(table, inside, task, before, start, files.in_place)
        except BaseException as error:
            settled = False  # until the old values are back; what is half renamed the next run completes
            settled = not (inside / _TODO).exists() and put_back(table, inside)
            if half and (isinstance(error, WriteError) or not isinstance(error, AtacalError)):
                log.warning(_HALF, table, task, ",".join(half), task)
            said = _named(error, table)
            if not settled and isinstance(said, WriteError):
                said = WriteError(f"{real_name(str(error))}; {table} is put right by the next run that opens it")
            if said is error:
                raise
            raise said from error
        finally:
            if settled:
                _remove(inside)
            owner.close()


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
            said = owner.read().split()
            task, half = said[0] if said else "run", said[2] if len(said) > 2 else ""
            complete = (inside / _TODO).is_file()
            if complete:
                _carry_out(table, inside)
            elif not put_back(table, inside):
                log.warning("%s: an earlier %s was killed, and another program has changed %s since: what it wrote "
                            "until then has to stay; run %s again", path, task, path, task)  # fmt: skip
                _remove(inside)
                return
            _remove(inside)
    except BlockingIOError:
        return
    except OSError as error:
        if (inside / _TODO).is_file() or (inside / LIST).is_file():
            raise WriteError(
                f"{path}: an earlier run was killed, and its changes can be neither completed nor undone: {error}"
            ) from error
        return  # the table is whole, only its folder cannot be tidied
    if complete:
        log.warning("%s: an earlier %s was killed at its very end; its changes are now complete", path, task)
    elif half:
        log.warning(_HALF, path, task, half, task)
    else:
        log.warning("%s: an earlier %s was killed; %s is as it was before that run", path, task, path)


def real_name(text: str) -> str:
    """Return a text with the table's name instead of that of its double."""
    return _SUFFIX.sub("", text)


class _Locks:
    """casacore's write locks of some tables."""

    def __init__(self, tables: list[Path]) -> None:
        self._tables = tables
        self._descriptors: list[int] = []

    def __enter__(self) -> _Locks:
        try:
            self.take()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        for descriptor in self._descriptors:
            os.close(descriptor)

    def take(self) -> None:
        """Take them, again if they were lost: this process loses a lock with any handle on the same table.

        Raises
        ------
        TableLocked, WriteError
        """
        for i, table in enumerate(self._tables):
            try:
                if i == len(self._descriptors):
                    self._descriptors.append(os.open(table / LOCK, os.O_RDWR | os.O_CREAT, 0o666))
                fcntl.lockf(self._descriptors[i], fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
            except OSError as error:
                if error.errno in (errno.EACCES, errno.EAGAIN):
                    raise TableLocked(f"{table} is locked by another process; close it there and try again") from error
                raise WriteError(f"{table} cannot be locked and written: {error.strerror}") from error


def _enter(table: Path, task: str, in_place: Collection[str]) -> Any:
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
        owner.write(f"{task} {os.getpid()} {','.join(in_place)}\n")
        owner.flush()
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        shutil.rmtree(building, ignore_errors=True)
        raise _named(error, table) from error
    try:
        building.rename(inside)
    except OSError as error:
        owner.close()
        shutil.rmtree(building, ignore_errors=True)
        raise TableLocked(f"{table} is being changed by another run of atacal ({_who(inside)})") from error
    return owner


def _who(inside: Path) -> str:
    try:
        task, pid = (inside / _OWNER).read_text().split()[:2]
    except (OSError, ValueError):
        return "it has just ended; try again"
    return f"{task}, process {pid}"


def _remove(inside: Path) -> None:
    """Remove the folder; for others it is gone at once."""
    aside = inside.with_name(f"{WORKPLACE}-{os.getpid()}")
    try:
        inside.rename(aside)
    except OSError:
        aside = inside
    shutil.rmtree(aside, ignore_errors=True)


# ---------------------------------------------------------------- putting it into place


def _commit(table: Path, inside: Path, task: str, before: Stamps, start: Stamps, in_place: Collection[str]) -> None:
    """Write the list of what to do, and do it.

    ``before``, ``start``: the table's and the double's files as they were at first.
    """
    subtables = {name.split("/")[0] for name in before if "/" in name}
    _check_unchanged(table, task, before, _stamps(table, subtables, in_place), start)
    now = _stamps(inside, subtables, in_place)
    moves = sorted(name for name, stamp in now.items() if stamp != start.get(name) and name != _OWNER)
    removals = sorted(name for name in before if not os.path.lexists(inside / name))
    if not moves and not removals:
        return
    for name in moves:
        _trim(inside / name)
    partial = inside / f"{_TODO}.part"
    partial.write_text(json.dumps({"moves": moves, "removals": removals, "tables": ["", *sorted(subtables)]}))
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
    for folder in todo["tables"]:
        _pass_on_notes(inside / folder, table / folder)
    _sync(table)


def _pass_on_notes(double: Path, table: Path) -> None:
    """Copy what casacore notes in a lock file."""
    new = notes(double)
    with open(os.open(table / LOCK, os.O_RDWR | os.O_CREAT, 0o666), "r+b", buffering=0) as file:
        file.seek(REQUESTS_BYTES)
        if new and file.read() != new:
            file.seek(REQUESTS_BYTES)
            file.write(new)


def _trim(path: Path) -> None:
    """Give back the room that was set aside and not used; wait until the disk has the file.

    That guards against a power failure. Large files, new columns of visibilities, are not waited for.
    """
    with open(path, "r+b") as file:
        size = os.fstat(file.fileno()).st_size
        os.ftruncate(file.fileno(), size)
        if size <= _WAIT_BYTES:
            os.fsync(file.fileno())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _stamps(table: Path, subtables: Collection[str], leaving_out: Collection[str]) -> Stamps:
    """Return inode, size and time of change of a table's files."""
    out = {}
    for folder in ("", *subtables):
        for entry in os.scandir(table / folder):
            if entry.is_file() and entry.name != LOCK and (folder or entry.name not in leaving_out):
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

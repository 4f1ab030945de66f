"""Working folders beside what is made, so that a killed run leaves nothing half-made under a result's name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atacal.caltables.folder import replacing
from atacal.errors import WriteError


@contextmanager
def beside(folder: Path, what: str) -> Iterator[Path]:
    """Make a working folder in ``folder``, and remove it at the end, and those that killed runs have left.

    Parameters
    ----------
    folder : Path
    what : str
        What is worked on; part of the working folder's name.

    Yields
    ------
    Path

    Raises
    ------
    WriteError
    """
    prefix = f".{what}.restore-"
    for left in folder.glob(f"{prefix}*"):
        pid = left.name[len(prefix) :]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            shutil.rmtree(left, ignore_errors=True)
    work = folder / f"{prefix}{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir()
    except OSError as error:
        raise WriteError(f"{what} cannot be restored in {folder}: {error}") from error
    try:
        yield work
    finally:
        shutil.rmtree(work, ignore_errors=True)


def put(new: Path, target: Path) -> None:
    """Let a finished folder take its place, in one step where the file system can."""
    with replacing(target) as temporary:
        new.rename(temporary)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, unless it is there.

    Raises
    ------
    WriteError
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder} cannot be made: {error}") from error


def link(path: Path, target: Path) -> None:
    """Make ``path`` a link to ``target``, relative, in the place of an earlier link.

    Raises
    ------
    WriteError
        If something else than a link is there.
    """
    to = os.path.relpath(target.absolute(), path.absolute().parent)
    if path.is_symlink() and os.readlink(path) == to:
        return
    if path.exists() and not path.is_symlink():
        raise WriteError(f"{path} is there and no link; it would be one to {to}. Move it away")
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        partial.unlink(missing_ok=True)
        partial.symlink_to(to)
        partial.replace(path)
    except OSError as error:
        raise WriteError(f"{path} cannot be made a link to {to}: {error}") from error

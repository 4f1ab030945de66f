"""Putting a finished folder in the place of another in one step, so that a killed run leaves old or new, never half."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atacal.errors import AtacalError, WriteError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


@contextmanager
def replacing(target: Path, need_bytes: int = 0) -> Iterator[Path]:
    """Give a temporary name beside ``target``; what is made there takes its place when the block ends well.

    Parameters
    ----------
    target : Path
        The folder to make or to replace.
    need_bytes : int
        How much will be written, about. casacore ends the process when it finds the disk full, so this is asked first.

    Yields
    ------
    Path
        A name beside ``target`` where nothing is.

    Raises
    ------
    WriteError
        If the folder cannot be made (no permission, a full disk); ``target`` is as it was.
    """
    target = target.absolute()
    if not target.parent.is_dir():
        raise WriteError(f"{target} cannot be written: there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise WriteError(f"{target} cannot be written: no permission in {target.parent}")
    _remove_leftovers(target)
    free = shutil.disk_usage(target.parent).free
    if free < need_bytes:
        raise WriteError(
            f"{target} cannot be written: the disk has {free / 1e6:.1f} MB free, {need_bytes / 1e6:.1f} MB are needed; "
            "nothing was changed"
        )
    temporary = target.with_name(f".{target.name}.atacal-{os.getpid()}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        yield temporary
        _put(temporary, target)
    except (RuntimeError, OSError) as error:
        if isinstance(error, AtacalError):
            raise
        raise WriteError(f"{target} cannot be written: {error}; nothing was changed") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put(new: Path, target: Path) -> None:
    """Rename ``new`` to ``target``; the folder that was there, if any, is left under the name ``new``."""
    if not target.exists():
        os.rename(new, target)
    elif not _exchange(new, target):
        # No atomic exchange on this file system: the old folder is out of the way for the moment between two renames.
        aside = new.with_name(new.name + "-old")
        os.rename(target, aside)
        try:
            os.rename(new, target)
        except OSError:
            os.rename(aside, target)
            raise
        os.rename(aside, new)


def _exchange(one: Path, other: Path) -> bool:
    """Exchange two folders' names atomically (Linux renameat2); False where the system cannot."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EPERM):
        return False
    raise OSError(code, os.strerror(code), str(other))


def _remove_leftovers(target: Path) -> None:
    """Remove what killed runs left beside ``target``, and bring back a folder that one had set aside."""
    prefix = f".{target.name}.atacal-"
    for left in sorted(target.parent.glob(f"{prefix}*")):
        pid = left.name[len(prefix) :].removesuffix("-old")
        if not pid.isdigit() or (int(pid) != os.getpid() and Path(f"/proc/{pid}").exists()):
            continue
        if left.name.endswith("-old") and not target.exists():
            os.rename(left, target)
        else:
            shutil.rmtree(left, ignore_errors=True)

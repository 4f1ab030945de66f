"""Room on disks: asked for before something is written, because casacore ends the process when a disk is full."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
from pathlib import Path

from atacal.errors import DiskFull, WriteError

_KEEP_SIZE = 1
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def require_space(path: str | os.PathLike[str], nbytes: int, what: str) -> None:
    """Raise unless there is room for what is to be written.

    Parameters
    ----------
    path : path
        Where it will be written; the folder, or a name in it that need not exist yet.
    nbytes : int
        How much will be written.
    what : str
        Its name in the message: ``the flags of X.ms``.

    Raises
    ------
    DiskFull
        Says how much is needed, how much is free, and where.
    WriteError
        If there is no such folder.
    """
    folder = Path(os.path.abspath(path))
    while not folder.is_dir() and folder != folder.parent:
        folder = folder.parent
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise WriteError(f"{folder}: cannot find out how much room there is: {error}") from error
    if free < nbytes:
        raise DiskFull(
            f"no room for {what}: {in_words(nbytes)} are needed, the disk of {folder} has {in_words(free)} free; "
            "nothing was changed"
        )


def reserve(path: str | os.PathLike[str], nbytes: int, what: str) -> None:
    """Make the disk set room aside for a file to grow to a size, so that writing it cannot find the disk full.

    The file's size stays as it is. Where the file system cannot do that, only `require_space` stands guard.

    Parameters
    ----------
    path : path
        An existing file.
    nbytes : int
        The size that it will have.
    what : str
        As in `require_space`.

    Raises
    ------
    DiskFull, WriteError
    """
    try:
        with open(path, "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            code = _fallocate(file.fileno(), nbytes)
            if code in _NO_ROOM:
                os.ftruncate(file.fileno(), size)  # gives back what it got
                require_space(path, nbytes - size, what)
                raise DiskFull(
                    f"no room for {what}: the disk of {path} does not give {in_words(nbytes)}; nothing was changed"
                )
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise WriteError(f"{path} cannot be written: {error}") from error


def _fallocate(descriptor: int, nbytes: int) -> int:
    """Call Linux's fallocate; return 0 or the error's number."""
    # glibc's posix_fallocate would write zeros where the file system has no such call
    function = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    if function is None or nbytes <= 0:
        return 0
    function.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_long, ctypes.c_long)
    return ctypes.get_errno() if function(descriptor, _KEEP_SIZE, 0, nbytes) else 0


def in_words(nbytes: int) -> str:
    """Return a number of bytes for people: ``12.3 MB``."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if nbytes >= size:
            return f"{nbytes / size:.1f} {unit}"
    return f"{nbytes / 1e3:.0f} kB"

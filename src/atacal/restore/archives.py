"""Tar archives of a delivery: what is in them, and taking parts out without trusting them."""

from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from atacal.errors import RestoreError, WriteError
from atacal.ms.space import require_space

ENDINGS = (".tgz", ".tar.gz")
_BROKEN = (tarfile.TarError, EOFError, zlib.error, UnicodeDecodeError)


def contents(archive: Path) -> list[str]:
    """List the names at an archive's top.

    Raises
    ------
    RestoreError
        If it is no archive, is damaged or cut short.
    """
    with _opened(archive) as tar:
        return sorted({_parts(m.name)[0] for m in tar if _parts(m.name)})


def unpack(archive: Path, into: Path, names: set[str] | None = None, below: str = "") -> None:
    """Take files and folders out of an archive.

    Only folders and plain files are taken, with permissions that let the owner write; a name that leads out of the
    folder, a link or a device is an error, and then nothing is unpacked.

    Parameters
    ----------
    archive : Path
    into : Path
        An existing folder.
    names : set of str, optional
        Names at the top to take; by default all.
    below : str
        Take what is in the folder of this name, wherever in the archive it is, without what is above it.

    Raises
    ------
    RestoreError, WriteError, DiskFull
    """
    with _opened(archive) as tar:
        wanted = []
        for member in tar:
            parts = _checked(archive, member)
            if below:
                if below not in parts:
                    continue
                parts = parts[parts.index(below) :]
            if not parts or (names is not None and parts[0] not in names):
                continue
            wanted.append(member.replace(name="/".join(parts), deep=False))
        missing = ({below} if below else names or set()) - {m.name.split("/")[0] for m in wanted}
        if missing:
            raise RestoreError(f"{archive} has no {', '.join(sorted(missing))}")
        require_space(into, sum(m.size for m in wanted), f"what is in {archive.name}")
        try:
            for member in wanted:
                tar.extract(member, into, filter="data")
        except tarfile.FilterError as error:
            raise RestoreError(f"{archive} was not unpacked: {error}") from error
        except OSError as error:
            if isinstance(error, (tarfile.TarError, EOFError)):
                raise
            raise WriteError(f"{archive} cannot be unpacked into {into}: {error}") from error


@contextmanager
def _opened(archive: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(archive, "r:*") as tar:
            yield tar
    except _BROKEN as error:
        raise RestoreError(f"{archive} is no tar archive, or it is damaged or cut short: {error}") from error
    except OSError as error:
        if isinstance(error, WriteError):
            raise
        raise RestoreError(f"{archive} cannot be read: {error}") from error


def _parts(name: str) -> tuple[str, ...]:
    return tuple(p for p in PurePosixPath(name).parts if p not in ("/", "."))


def _checked(archive: Path, member: tarfile.TarInfo) -> tuple[str, ...]:
    """Return a member's path, if it is one that a delivery can have."""
    if member.name.startswith("/") or ".." in PurePosixPath(member.name).parts:
        raise RestoreError(f"{archive} was not unpacked: {member.name!r} in it leads out of the folder")
    if not (member.isfile() or member.isdir()):
        raise RestoreError(f"{archive} was not unpacked: {member.name!r} in it is neither a file nor a folder")
    return _parts(member.name)

"""Archives that are the same bytes for the same content: sorted names, no times, no owners."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from atacal.errors import WriteError

_LEFT_OUT = frozenset({"table.lock"})
"""Files that whoever looks into a table writes."""


def pack(archive: Path, members: Mapping[str, Path | bytes]) -> None:
    """Write a tar archive, compressed with gzip, whole or not at all.

    Parameters
    ----------
    archive : Path
    members : dict of str to Path or bytes
        By name in the archive: a file, a folder with all that is in it, or a file's content.

    Raises
    ------
    WriteError
    """
    beside = archive.with_name(f".{archive.name}.{os.getpid()}")
    try:
        with (
            open(beside, "wb") as file,
            gzip.GzipFile("", "wb", 6, file, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as tar,
        ):
            for name, source in sorted(_entries(members)):
                _add(tar, name, source)
        os.replace(beside, archive)
    except OSError as error:
        raise WriteError(f"{archive} cannot be written: {error}") from error
    finally:
        beside.unlink(missing_ok=True)


def _entries(members: Mapping[str, Path | bytes]) -> Iterator[tuple[str, Path | bytes]]:
    for name, source in members.items():
        yield name, source
        if isinstance(source, Path) and source.is_dir():
            for path in source.rglob("*"):
                if path.name not in _LEFT_OUT:
                    yield f"{name}/{path.relative_to(source).as_posix()}", path


def _add(tar: tarfile.TarFile, name: str, source: Path | bytes) -> None:
    info = tarfile.TarInfo(name)
    if isinstance(source, bytes):
        info.size = len(source)
        tar.addfile(info, io.BytesIO(source))
    elif source.is_dir():
        info.type, info.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(info)
    else:
        with open(source, "rb") as file:
            info.size = os.fstat(file.fileno()).st_size
            tar.addfile(info, file)


def sha256_of(path: Path) -> str:
    """Return a file's digest."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Copies of calibration tables that are the same bytes wherever and whenever the tables were made."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from atacal.errors import WriteError
from atacal.ms._tables import opened
from atacal.ms.space import require_space

_ALIGNED = 8
_FIRST = 16
"""Where the first array of casacore's file of arrays begins."""
_ELEMENT_BITS = (64, 32, 1)
"""Complex, float, bool."""


def portable_copy(source: Path, target: Path, folder: Path) -> None:
    """Copy a calibration table; values stay, what depends on place and moment goes.

    Lock files are left out; paths in a folder become relative to it in HISTORY; the gaps between arrays, which
    casacore leaves as the memory was, become zeros.

    Parameters
    ----------
    source, target : Path
        A calibration table; a folder that is not there.
    folder : Path
        The folder that paths in HISTORY are relative to.

    Raises
    ------
    NoSuchTable, InvalidTable, DiskFull, WriteError
    """
    with opened(source) as tab:
        columns = [c for c in ("CPARAM", "FPARAM", "FLAG", "SNR", "PARAMERR", "WEIGHT") if c in tab.colnames()]
        shapes = {tab.getcell(c, r).shape[::-1] for c in columns for r in _some_rows(tab, c)}
    size = sum(f.stat().st_size for f in source.rglob("*") if f.is_file())
    require_space(target.parent, size, f"a copy of {source.name}")
    try:
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("table.lock"))
        for path in sorted(target.glob("table.f*i")):
            path.write_bytes(_without_gaps(path.read_bytes(), shapes))
        if (target / "HISTORY").is_dir():
            _rewrite_history(target / "HISTORY", f"{os.fspath(folder).rstrip('/')}/")
    except OSError as error:
        raise WriteError(f"{source} cannot be copied to {target}: {error}") from error


def _some_rows(tab: object, column: str) -> list[int]:
    """Return a row of each spw in which a column has a value."""
    spws = tab.getcol("SPECTRAL_WINDOW_ID").tolist()  # type: ignore[attr-defined]
    first = {spw: row for row, spw in reversed(list(enumerate(spws)))}
    return [row for row in first.values() if tab.iscelldefined(column, row)]  # type: ignore[attr-defined]


def _without_gaps(data: bytes, shapes: set[tuple[int, ...]]) -> bytes:
    """Write zeros between the arrays of a file of casacore's StandardStMan; what cannot be followed stays as it is.

    Arrays stand one after the other from byte 16 on, each at a multiple of 8 bytes: the number of axes, the length
    of each (int32), the values.
    """
    out, at = bytearray(data), _FIRST
    while at < len(data):
        header = _header(data, at, shapes)
        if header is None:
            return data
        shape, begin = header
        count = 1
        for n in shape:
            count *= n
        ends = [begin + (count * bits + 7) // 8 for bits in _ELEMENT_BITS]
        fitting = [e for e in ends if _aligned(e) >= len(data) >= e or _header(data, _aligned(e), shapes)]
        if not fitting:
            return data
        end, at = fitting[0], _aligned(fitting[0])
        out[end : min(at, len(data))] = bytes(min(at, len(data)) - end)
    return bytes(out)


def _aligned(position: int) -> int:
    return -(-position // _ALIGNED) * _ALIGNED


def _header(data: bytes, at: int, shapes: set[tuple[int, ...]]) -> tuple[tuple[int, ...], int] | None:
    """Read an array's shape and where its values begin; None if no array of these shapes begins there."""
    for shape in shapes:
        words = (len(shape), *shape)
        header = b"".join(n.to_bytes(4, "little") for n in words)
        if data[at : at + len(header)] == header:
            return shape, at + len(header)
    return None


def _rewrite_history(path: Path, folder: str) -> None:
    """Take a folder out of HISTORY's messages; the table is written anew, so that nothing of the old is left in it."""
    with opened(path, writable=True) as tab:
        messages = tab.getcol("MESSAGE") if tab.nrows() else []
        if any(folder in m for m in messages):
            tab.putcol("MESSAGE", [m.replace(folder, "") for m in messages])
            tab.flush()
        beside = path.with_name(".HISTORY")
        tab.copy(os.fspath(beside), deep=True, valuecopy=True).close()
    shutil.rmtree(path)
    beside.rename(path)
    (path / "table.lock").unlink(missing_ok=True)

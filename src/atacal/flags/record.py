"""Keeping flag commands: in a text file that flagdata reads back, or in the MeasurementSet's FLAG_CMD table."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from atacal.errors import ArgumentError, InvalidTable, WriteError
from atacal.flags.entries import Entry, of_reasons
from atacal.flags.lines import line_text, parse_line
from atacal.ms._tables import opened

_COLUMNS = ("APPLIED", "COMMAND", "INTERVAL", "LEVEL", "REASON", "SEVERITY", "TIME", "TYPE")


def save_to_file(path: str | os.PathLike[str], entries: Sequence[Entry], reason: str = "") -> None:
    """Write commands to a text file, one a line, as CASA does; the file appears whole or not at all.

    Parameters
    ----------
    path : path
    entries : sequence of Entry
    reason : str
        In place of the commands' own.

    Raises
    ------
    WriteError
    """
    partial = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(partial, "w") as file:
            for entry in entries:
                why = reason or entry.reason
                file.write(line_text({**entry.words, "reason": why} if why else entry.words) + "\n")
        os.replace(partial, path)
    except OSError as error:
        if os.path.exists(partial):
            os.remove(partial)
        raise WriteError(f"{path}: flag commands cannot be saved: {error}") from error


def save_to_table(
    ms_path: str | os.PathLike[str], entries: Sequence[Entry], reason: str = "", *, applied: bool = False
) -> None:
    """Append commands to FLAG_CMD, as CASA does: TIME and INTERVAL 0, the command's text in COMMAND.

    Raises
    ------
    NoSuchTable, TableLocked, WriteError
    """
    kept = [entry for entry in entries if entry.words.get("mode") != "summary"]
    with opened(f"{os.fspath(ms_path)}/FLAG_CMD", writable=True) as table:
        start, count = table.nrows(), len(kept)
        values: dict[str, list[Any]] = {
            "APPLIED": [applied] * count,
            "COMMAND": [line_text({k: v for k, v in e.words.items() if k != "reason"}) for e in kept],
            "INTERVAL": [0.0] * count,
            "LEVEL": [0] * count,
            "REASON": [reason or e.reason for e in kept],
            "SEVERITY": [0] * count,
            "TIME": [0.0] * count,
            "TYPE": [""] * count,
        }
        try:
            table.addrows(count)
            for column, items in values.items() if count else ():
                table.putcol(column, items, start, count)
        except RuntimeError as error:
            raise WriteError(f"{ms_path}/FLAG_CMD: flag commands cannot be saved: {error}") from error


def read_table(
    ms_path: str | os.PathLike[str],
    rows: Sequence[int] = (),
    reason: str | Sequence[str] = "any",
    *,
    use_applied: bool = False,
) -> list[Entry]:
    """Read commands from FLAG_CMD; their keys are rows of the table.

    Parameters
    ----------
    ms_path : path
        A MeasurementSet.
    rows : sequence of int
        Only these; empty: all.
    reason : str or list of str
        Only commands of these reasons; ``any`` takes all.
    use_applied : bool
        Take those, too, that were applied before.

    Raises
    ------
    NoSuchTable, InvalidTable, ArgumentError
    """
    path = f"{os.fspath(ms_path)}/FLAG_CMD"
    with opened(path) as table:
        nrow = table.nrows()
        if missing := [c for c in _COLUMNS if c not in table.colnames()]:
            raise InvalidTable(f"{path} has no column {missing[0]}; it is no table of flag commands")
        columns = {c: table.getcol(c) for c in _COLUMNS} if nrow else {}
    check_rows(rows, nrow, "tablerows", path)
    entries = []
    for row in rows or range(nrow):
        text = str(columns["COMMAND"][row])
        if not text.strip() or (columns["APPLIED"][row] and not use_applied):
            continue
        where = f"{path} row {row}"
        words = parse_line(text, where)
        entries.append(Entry(int(row), words, _notes_of_row(columns, int(row), words), where))
    return of_reasons(entries, reason)


def _notes_of_row(columns: Mapping[str, Any], row: int, words: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(words.get("id", row)), "antenna": words.get("antenna", ""), "mode": words.get("mode", ""),
        "timerange": words.get("timerange", ""), "time": float(columns["TIME"][row]),
        "interval": float(columns["INTERVAL"][row]), "type": str(columns["TYPE"][row]),
        "reason": str(columns["REASON"][row]), "level": int(columns["LEVEL"][row]),
        "severity": int(columns["SEVERITY"][row]), "applied": bool(columns["APPLIED"][row]),
    }  # fmt: skip


def check_rows(rows: Sequence[int], nrow: int, name: str, path: str) -> None:
    """Raise `ArgumentError` unless all rows exist."""
    for row in rows:
        if isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < nrow:
            there = f"it has rows 0~{nrow - 1}" if nrow else "it has no rows"
            raise ArgumentError(f"flagcmd: {name}: {path} has no row {row!r}; {there}")


def mark_applied(ms_path: str | os.PathLike[str], rows: Sequence[int], applied: bool) -> None:
    """Write APPLIED of some rows of FLAG_CMD.

    Raises
    ------
    NoSuchTable, TableLocked, WriteError
    """
    path = f"{os.fspath(ms_path)}/FLAG_CMD"
    with opened(path, writable=True) as table:
        try:
            column = table.getcol("APPLIED")
            column[list(rows)] = applied
            table.putcol("APPLIED", column)
        except RuntimeError as error:
            raise WriteError(f"{path} cannot be written: {error}") from error


def remove_rows(ms_path: str | os.PathLike[str], rows: Sequence[int] = ()) -> int:
    """Remove rows of FLAG_CMD (none named: all), and return how many.

    Raises
    ------
    NoSuchTable, TableLocked, ArgumentError, WriteError
    """
    path = f"{os.fspath(ms_path)}/FLAG_CMD"
    with opened(path, writable=True) as table:
        check_rows(rows, table.nrows(), "rowlist", path)
        gone = sorted(set(rows)) or list(range(table.nrows()))
        try:
            if gone:
                table.removerows(gone)
        except RuntimeError as error:
            raise WriteError(f"{path} cannot be written: {error}") from error
    return len(gone)

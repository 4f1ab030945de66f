"""Making the subtables of a new MeasurementSet and filling them column by column."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain, groupby, islice
from typing import Any

import numpy as np

from atacal.asdm.schema import column_description, ms_layout
from atacal.errors import WriteError

FLUSH_ROWS = 20_000
Values = Mapping[str, Any]


def make_subtables(main: Any, path: str) -> None:
    """Make all subtables, empty, and name them in the main table's keywords."""
    for name, columns in ms_layout().items():
        make_table(f"{path}/{name}", {c["name"]: column_description(c) for c in columns})
        main.putkeyword(name, f"Table: {path}/{name}")


def make_table(path: str, description: dict[str, Any], info: dict[str, str] | None = None) -> None:
    """Make an empty table.

    Raises
    ------
    WriteError
    """
    from casacore.tables import makedminfo, table

    try:
        tab = table(path, description, dminfo=makedminfo(description), nrow=0, ack=False)
    except RuntimeError as error:
        raise WriteError(f"{path} cannot be made: {error}") from error
    if info:
        tab.putinfo(info)
    tab.close()


def fill(path: str, rows: Iterable[Values]) -> int:
    """Append rows to a table; a value None, or a column that a row has not, leaves the cell as it is.

    Parameters
    ----------
    path : str
    rows : iterable of mapping of column -> value
        A string array is a list, or a pair of shape and list.

    Returns
    -------
    int
        How many rows were appended.

    Raises
    ------
    WriteError
    """
    from casacore.tables import table

    iterator, count = iter(rows), 0
    tab: Any = None
    try:
        while batch := list(islice(iterator, FLUSH_ROWS)):
            if tab is None:
                tab = table(path, readonly=False, ack=False, lockoptions={"option": "usernoread"})
                tab.lock(write=True)
            row0 = tab.nrows()
            tab.addrows(len(batch))
            for column in tab.colnames():
                _put(tab, column, row0, [row.get(column) for row in batch])
            count += len(batch)
    except RuntimeError as error:
        raise WriteError(f"{path} cannot be written: {error}") from error
    finally:
        if tab is not None:
            tab.close()
    return count


def _kind(value: Any) -> Any:
    """Return what values that can be put together have in common."""
    if value is None:
        return None
    if isinstance(value, np.ndarray):
        return ("array", value.shape, value.dtype)
    if isinstance(value, tuple):
        return ("strings", tuple(value[0]))
    if isinstance(value, list):
        return ("strings", (len(value),))
    return ("scalar",)


def _put(tab: Any, column: str, row0: int, values: list[Any]) -> None:
    """Write a column's cells, runs of one shape at once."""
    at = row0
    for kind, members in groupby(values, _kind):
        run = list(members)
        if kind is not None:
            _put_run(tab, column, at, run, kind)
        at += len(run)


def _put_run(tab: Any, column: str, row: int, run: list[Any], kind: Any) -> None:
    if kind[0] == "strings":
        shape = kind[1]
        flat = [list(v[1]) if isinstance(v, tuple) else v for v in run]
        if 0 in shape:
            for i in range(len(run)):
                tab.putcell(column, row + i, {"shape": list(shape), "array": []})
        else:
            tab.putcol(column, {"shape": [len(run), *shape], "array": list(chain.from_iterable(flat))}, row, len(run))
    elif kind[0] == "array":
        if 0 in kind[1]:
            for i, value in enumerate(run):
                tab.putcell(column, row + i, value)
        else:
            tab.putcol(column, np.stack(run), row, len(run))
    else:
        tab.putcol(column, run, row, len(run))

"""Small tables as rows of plain values: reading, comparing, appending."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = dict[str, Any]


def rows_of(tab: Any) -> list[Row]:
    """Read a small table, None where a cell has no value."""
    names = tab.colnames()
    return [{c: tab.getcell(c, i) if tab.iscelldefined(c, i) else None for c in names} for i in range(tab.nrows())]


def append_rows(target: Any, source: Any, rows: Sequence[int], changes: Mapping[str, Any]) -> None:
    """Append some rows of a table to another, with other values in some columns."""
    if not len(rows):
        return
    first = target.nrows()
    target.addrows(len(rows))
    picked = source.selectrows(list(rows))
    picked.copyrows(target, 0, first, len(rows))
    picked.close()
    for column, values in changes.items():
        if column in target.colnames():
            target.putcol(column, np.asarray(values), first, len(rows))


def equal(one: Any, other: Any) -> bool:
    """Whether two cells are the same; one without a value is like any."""
    if one is None or other is None:
        return True
    if isinstance(one, dict):
        return list(one["array"]) == list(other["array"])
    return np.array_equal(np.asarray(one), np.asarray(other))

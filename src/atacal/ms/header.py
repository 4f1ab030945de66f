"""What the subtables of a MeasurementSet say about it, by CASA's short names."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from atacal.errors import ArgumentError, InvalidTable
from atacal.ms._tables import opened

HEADER: dict[str, tuple[str, str]] = {
    "log": ("OBSERVATION", "LOG"),
    "schedule": ("OBSERVATION", "SCHEDULE"),
    "observer": ("OBSERVATION", "OBSERVER"),
    "project": ("OBSERVATION", "PROJECT"),
    "release_date": ("OBSERVATION", "RELEASE_DATE"),
    "schedule_type": ("OBSERVATION", "SCHEDULE_TYPE"),
    "telescope": ("OBSERVATION", "TELESCOPE_NAME"),
    "field": ("FIELD", "NAME"),
    "ptcs": ("FIELD", "PHASE_DIR"),
    "fld_code": ("FIELD", "CODE"),
    "freq_group_name": ("SPECTRAL_WINDOW", "FREQ_GROUP_NAME"),
    "spw_name": ("SPECTRAL_WINDOW", "NAME"),
    "source_name": ("SOURCE", "NAME"),
    "cal_grp": ("SOURCE", "CALIBRATION_GROUP"),
}
"""Subtable and column by name."""


def has_header(ms: str, key: str) -> bool:
    """Whether a MeasurementSet has a column."""
    table, column = HEADER[key]
    if not os.path.isdir(os.path.join(ms, table)):
        return False
    with opened(f"{ms}/{table}") as tab:
        return column in tab.colnames()


def read_header(ms: str, key: str, row: int | None = None) -> tuple[Any, dict[str, Any]]:
    """Return a column, or one cell of it, and its keywords.

    Parameters
    ----------
    ms : str
    key : str
        One of `HEADER`.
    row : int, optional

    Returns
    -------
    value : array, or dict of 'r1', 'r2'... for array cells
        Arrays in casacore's order of axes, as CASA's tools give them; False for a cell without a value.
    keywords : dict
    """
    table, column = HEADER[key]
    with opened(f"{ms}/{table}") as tab:
        _check(tab, key, row)
        keywords = dict(tab.getcolkeywords(column))
        if row is not None:
            return _cell(tab, column, row), keywords
        if tab.isscalarcol(column):
            return np.asarray(tab.getcol(column)), keywords
        cells = {}
        for i in range(tab.nrows()):
            value = _cell(tab, column, i)
            cells[f"r{i + 1}"] = value[..., None] if isinstance(value, np.ndarray) else value
        return cells, keywords


def write_header(ms: str, key: str, value: Any, row: int | None = None) -> None:
    """Write a scalar column: one value for a row, or a list for all.

    Raises
    ------
    ArgumentError
        For array columns, rows that do not exist, values of another type.
    """
    table, column = HEADER[key]
    with opened(f"{ms}/{table}", writable=True) as tab:
        _check(tab, key, row)
        if not tab.isscalarcol(column):
            raise ArgumentError(f"{ms}: {key} ({column} of {table}) has arrays in its cells; only values can be put")
        count = tab.nrows()
        values = [value] if isinstance(value, str) or not hasattr(value, "__len__") else list(value)
        if row is None and len(values) not in (1, count):
            raise ArgumentError(f"{ms}: {key} has {count} rows, but {len(values)} values are given")
        if row is not None and len(values) != 1:
            raise ArgumentError(f"{ms}: {len(values)} values are given for one row of {key}")
        kind = tab.coldatatype(column)
        cast = str if kind == "string" else int if kind.startswith(("int", "uint", "short")) else float
        try:
            converted = [cast(v) for v in values]
        except (TypeError, ValueError):
            raise ArgumentError(f"{ms}: {value!r} is no value of {key}, which is of the type {kind}") from None
        for i in range(count) if row is None else [row]:
            tab.putcell(column, i, converted[0] if len(converted) == 1 else converted[i])


def _check(tab: Any, key: str, row: int | None) -> None:
    if HEADER[key][1] not in tab.colnames():
        raise InvalidTable(f"{tab.name()} has no column {HEADER[key][1]}")
    if row is not None and not 0 <= row < tab.nrows():
        raise ArgumentError(f"{tab.name()}: there is no row {row} of {key}; there are {tab.nrows()}, from 0")


def _cell(tab: Any, column: str, row: int) -> Any:
    if not tab.iscelldefined(column, row):
        return False
    value = tab.getcell(column, row)
    if isinstance(value, dict):
        return np.array(value["array"])
    return value.T.copy() if isinstance(value, np.ndarray) else value

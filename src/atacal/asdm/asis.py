"""Verbatim copies of tables of an ASDM in a MeasurementSet: ``ASDM_ANTENNA``, ``ASDM_CALWVR``..."""

from __future__ import annotations

import fnmatch
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from atacal.asdm.dataset import Asdm, MissingTable
from atacal.asdm.schema import TIME_INTERVALS, TIMES, Column, asdm_tables
from atacal.asdm.subtables import Subtables, Values
from atacal.asdm.values import array, boolean, complexes, integer, real, start_and_duration, strings
from atacal.asdm.xml_table import Row
from atacal.errors import ArgumentError, AsdmError

_log = logging.getLogger("atacal")
_DTYPES = {"int": np.int32, "float": np.float32, "double": np.float64, "boolean": np.bool_}
_COMPLEX = frozenset({"polResponse"})
_EMPTY: dict[str, Any] = {"int": 0, "float": 0.0, "double": 0.0, "boolean": False, "string": ""}


def choose_tables(patterns: Sequence[str]) -> list[str]:
    """Return the tables that patterns name, in the order in which they are listed.

    Raises
    ------
    ArgumentError
        If a name or pattern fits no table.
    """
    names = list(asdm_tables())
    for pattern in patterns:
        if not fnmatch.filter(names, pattern):
            raise ArgumentError(f"asis={pattern!r} is no table of an ASDM; there are {', '.join(names)}")
    return [n for n in names if any(fnmatch.fnmatchcase(n, p) for p in patterns)]


def copy_tables(asdm: Asdm, tables: Subtables, patterns: Sequence[str], notes: list[str]) -> None:
    """Copy tables into a new MeasurementSet, empty ones too, name them in its keywords, note what is missing."""
    for name in choose_tables(patterns):
        columns, copy = asdm_tables()[name], f"ASDM_{name.upper()}"
        tables.make(copy, {c.name: _description(c) for c in columns})
        try:
            tables.fill(copy, _rows(asdm, name, columns))
        except MissingTable as error:
            notes.append(f"{copy} is empty: {error}")
            _log.warning("%s stays empty: %s", copy, error)


def _description(column: Column) -> dict[str, Any]:
    made: dict[str, Any] = {
        "valueType": column.type, "dataManagerType": "StandardStMan", "dataManagerGroup": "StandardStMan",
        "option": 0, "maxlen": 0, "comment": "blabla", "keywords": {},
    }  # fmt: skip
    return made | {"ndim": -1} if column.is_array else made


def _rows(asdm: Asdm, table: str, columns: tuple[Column, ...]) -> Iterator[Values]:
    for i, row in enumerate(asdm.stream(table)):
        try:
            yield {c.name: _value(c, row) for c in columns}
        except AsdmError as error:
            raise AsdmError(f"{asdm.path}: {table} row {i}: {error}") from None


def _value(column: Column, row: Row) -> Any:
    """Return a cell: arrays have their axes turned round, times are seconds, missing scalars are zero or empty."""
    if column.name not in row:
        return None if column.is_array else _EMPTY[column.type]
    value = row[column.name]
    if column.name in TIME_INTERVALS:
        return _intervals(column.name, value)
    if column.name in TIMES and column.type == "double":
        if not column.is_array:
            return float(integer(value)) / 1e9
        return np.ascontiguousarray(array(value, np.int64).T) / 1e9
    if not column.is_array:
        return _scalar(column.type, value)
    if column.name in _COMPLEX:
        return _complex_text(value)
    if column.type == "string":
        return _strings(value)
    return np.ascontiguousarray(array(value, _DTYPES[column.type]).T)


def _scalar(kind: str, value: Any) -> Any:
    if kind == "string":
        return str(value)
    if kind == "boolean":
        return boolean(value)
    return integer(value) if kind == "int" else real(value)


def _intervals(name: str, value: Any) -> Any:
    if name == "timeInterval":
        start, duration = start_and_duration(value)
        return np.array([start, duration], np.float64) / 1e9
    pairs = array(value, np.int64) if isinstance(value, str) else np.array(value, np.int64).reshape(-1, 2)
    return np.ascontiguousarray(pairs.T) / 1e9


def _complex_text(value: Any) -> Any:
    """Return complex numbers as the text that the filler makes of them: ``0.1 -2``."""
    numbers = complexes(value)
    return _shaped(numbers.shape, [f"{v.real:.6g} {v.imag:.6g}" for v in numbers.ravel()])


def _strings(value: Any) -> Any:
    return _shaped(*strings(value))


def _shaped(shape: tuple[int, ...], found: list[str]) -> Any:
    if len(shape) < 2:
        return found
    turned = np.array(found, dtype=object).reshape(shape).T
    return turned.shape, [str(v) for v in turned.ravel()]

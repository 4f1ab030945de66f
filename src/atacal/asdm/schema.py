"""What the tables of an ASDM are called, their columns and types, and the layout of the MeasurementSet made of them.

``asdm_tables.json`` lists the columns of the tables (type as stored in the ``ASDM_*`` copies), ``ms_layout.json`` the
columns of the subtables. Both describe what CASA 6.7 writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

TIMES = frozenset(
    """
    time startTime endTime startValidTime endValidTime startTimeObserved endTimeObserved timeReduced timeOrigin
    releaseDate refTime timeCentroid interval exposure integrationTime sbDuration stepDurationArray adjustTime
    timeInterval sampledTimeInterval
    """.split()  # noqa: SIM905
)
"""Columns that hold integer nanoseconds (ArrayTime, Interval, ArrayTimeInterval)."""

TIME_INTERVALS = frozenset({"timeInterval", "sampledTimeInterval"})
"""Columns of pairs: midpoint and duration in XML."""

ENTITIES = frozenset(
    """
    dataUID execBlockUID projectUID sessionReference observingScriptUID sbSummaryUID obsUnitSetUID
    """.split()  # noqa: SIM905
)
"""Columns that hold a reference to a document."""


@dataclass(frozen=True)
class Column:
    """A column of an ASDM table: its name, casacore's type, whether its cells are arrays."""

    name: str
    type: str
    is_array: bool


@cache
def asdm_tables() -> dict[str, tuple[Column, ...]]:
    """Return the columns of every ASDM table, in the order in which CASA lists the tables."""
    listed = json.loads(resources.files(__package__).joinpath("asdm_tables.json").read_text(encoding="utf-8"))
    return {
        table: tuple(Column(n, t.removesuffix("[]"), t.endswith("[]")) for n, t in (c.split() for c in columns))
        for table, columns in listed.items()
    }


@cache
def ms_layout() -> dict[str, list[dict[str, Any]]]:
    """Return the columns of the subtables of a MeasurementSet as the ALMA filler makes them."""
    found: dict[str, list[dict[str, Any]]] = json.loads(
        resources.files(__package__).joinpath("ms_layout.json").read_text(encoding="utf-8")
    )
    return found


def column_description(column: dict[str, Any]) -> dict[str, Any]:
    """Return casacore's description of one column of `ms_layout`."""
    made = {
        "valueType": column["type"], "dataManagerType": "StandardStMan",
        "dataManagerGroup": column.get("group", "StandardStMan"), "option": column.get("option", 0),
        "maxlen": column.get("maxlen", 0), "comment": column["comment"],
        "keywords": _keywords(column.get("keywords", {})),
    }  # fmt: skip
    for name in ("ndim", "shape"):
        if name in column:
            made[name] = np.array(column[name], np.int32) if name == "shape" else column[name]
    return made


def _keywords(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"uint32"}:
            return np.array(value["uint32"], np.uint32)
        return {name: _keywords(v) for name, v in value.items()}
    return value

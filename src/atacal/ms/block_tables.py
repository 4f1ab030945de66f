"""Subtables that an observatory's block has beside those that every MeasurementSet must have, written column by column.

SYSCAL, WEATHER, POINTING, FLAG_CMD and the like can have many rows: they are given as columns, not row by row.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from atacal.errors import WriteError

_PLAIN = {"dataManagerType": "StandardStMan", "dataManagerGroup": "StandardStMan", "option": 0, "maxlen": 0}


def _column(kind: str, comment: str, ndim: int = 0, **keywords: Any) -> dict[str, Any]:
    shape = {"ndim": ndim, "_c_order": True} if ndim else {}
    return {"valueType": kind, "comment": comment, "keywords": keywords, **_PLAIN, **shape}


_POSITION: dict[str, Any] = {"QuantumUnits": ["m", "m", "m"], "MEASINFO": {"type": "position", "Ref": "ITRF"}}
_EPOCH: dict[str, Any] = {"QuantumUnits": ["s"], "MEASINFO": {"type": "epoch", "Ref": "UTC"}}
_MORE: dict[str, dict[str, dict[str, Any]]] = {
    "WEATHER": {
        "NS_WX_STATION_ID": _column("int", "Weather station"),
        "NS_WX_STATION_POSITION": _column("double", "Position of the weather station", 1, **_POSITION),
    },
    "SPECTRAL_WINDOW": {
        "BBC_NO": _column("int", "Baseband converter number"),
        "ASSOC_SPW_ID": _column("int", "Associated spectral windows", 1),
        "ASSOC_NATURE": _column("string", "Nature of the association", 1),
    },
}
"""Columns that ALMA's MeasurementSets have beyond the standard's."""
_OWN: dict[str, dict[str, dict[str, Any]]] = {
    "CALDEVICE": {
        "ANTENNA_ID": _column("int", "Antenna"), "FEED_ID": _column("int", "Feed"),
        "SPECTRAL_WINDOW_ID": _column("int", "Spectral window"), "TIME": _column("double", "Midpoint", **_EPOCH),
        "INTERVAL": _column("double", "Interval", QuantumUnits=["s"]),
        "NUM_CAL_LOAD": _column("int", "Number of loads"), "CAL_LOAD_NAMES": _column("string", "Their names", 1),
        "NUM_RECEPTOR": _column("int", "Number of receptors"), "NOISE_CAL": _column("double", "Noise temperatures", 2),
        "CAL_EFF": _column("double", "Efficiencies", 2),
        "TEMPERATURE_LOAD": _column("double", "Load temperatures", 1, QuantumUnits=["K"]),
    },
    "SYSPOWER": {
        "ANTENNA_ID": _column("int", "Antenna"), "FEED_ID": _column("int", "Feed"),
        "SPECTRAL_WINDOW_ID": _column("int", "Spectral window"), "TIME": _column("double", "Midpoint", **_EPOCH),
        "INTERVAL": _column("double", "Interval", QuantumUnits=["s"]),
        "SWITCHED_DIFF": _column("float", "Switched power difference", 1),
        "SWITCHED_SUM": _column("float", "Switched power sum", 1),
        "REQUANTIZER_GAIN": _column("float", "Requantizer gain", 1),
    },
}  # fmt: skip
"""Tables that are not in the standard."""


def put_subtable(
    ms: str | os.PathLike[str],
    name: str,
    nrow: int,
    columns: Mapping[str, Any],
    *,
    direction_frame: str | None = None,
) -> None:
    """Make a subtable of a closed MeasurementSet, in place of one of that name.

    Parameters
    ----------
    ms : path
    name : str
        ``SYSCAL``, ``WEATHER``, ``POINTING``...
    nrow : int
    columns : mapping of column -> values
        An array (row, ...), a list of strings or of strings' lists, or one value for all rows; columns of the standard
        that are required and not given keep empty cells.
    direction_frame : str, optional
        Measure reference of its direction columns, where it is not the standard's.

    Raises
    ------
    WriteError
    """
    from casacore.tables import makedminfo, table

    path = os.path.join(os.fspath(ms), name)
    description = _description(name, set(columns))
    for spec in description.values():
        info = spec.get("keywords", {}).get("MEASINFO", {})
        if direction_frame and info.get("type") == "direction":
            spec["keywords"] = dict(spec["keywords"]) | {"MEASINFO": dict(info) | {"Ref": direction_frame}}
    try:
        shutil.rmtree(path, ignore_errors=True)
        with table(path, description, dminfo=makedminfo(description), nrow=nrow, ack=False) as tab:
            for column, values in columns.items():
                if nrow:
                    _put(tab, column, values, nrow)
        with table(os.fspath(ms), readonly=False, ack=False) as main:
            main.putkeyword(name, f"Table: {os.path.abspath(path)}")
    except RuntimeError as error:
        raise WriteError(f"{path} cannot be written: {error}") from error


def put_columns(ms: str | os.PathLike[str], name: str, columns: Mapping[str, Any]) -> None:
    """Change columns of a subtable that is there, or add them; values as for `put_subtable`.

    Raises
    ------
    WriteError
    """
    from casacore.tables import makecoldesc, table

    path = os.path.join(os.fspath(ms), name)
    try:
        with table(path, readonly=False, ack=False) as tab:
            for column, values in columns.items():
                if column not in tab.colnames():
                    tab.addcols(makecoldesc(column, _description(name, {column})[column]))
                _put(tab, column, values, tab.nrows())
    except RuntimeError as error:
        raise WriteError(f"{path} cannot be written: {error}") from error


def _description(name: str, wanted: set[str]) -> dict[str, Any]:
    if name in _OWN:
        return {k: dict(v) for k, v in _OWN[name].items()}
    from casacore.tables import complete_ms_desc, required_ms_desc

    complete = dict(complete_ms_desc(name)) | _MORE.get(name, {})
    required = set(required_ms_desc(name))
    return {k: dict(v) for k, v in complete.items() if (k in required or k in wanted) and not k.startswith("_")}


def _put(tab: Any, column: str, values: Any, nrow: int) -> None:
    if isinstance(values, list) and values and isinstance(values[0], list):
        if len({len(v) for v in values}) == 1 and values[0]:
            flat = [text for v in values for text in v]
            tab.putcol(column, {"shape": [nrow, len(values[0])], "array": flat})
        else:
            for row, value in enumerate(values):
                tab.putcell(column, row, {"shape": [len(value)], "array": value})
    elif isinstance(values, list) and values and isinstance(values[0], np.ndarray):
        for row, value in enumerate(values):
            tab.putcell(column, row, value)
    elif isinstance(values, list | np.ndarray):
        tab.putcol(column, values)
    else:
        tab.putcol(column, [values] * nrow if isinstance(values, str) else np.full(nrow, values))

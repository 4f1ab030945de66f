"""A task's result as text for people, or as JSON."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

LISTING = 15
"""Level, below INFO, of log messages that hold what a task returns as text: for log files, not for terminals, where the
command line prints the result."""
json_on_stdout: ContextVar[bool] = ContextVar("atacal_json_on_stdout", default=False)
"""Whether standard output is kept for the JSON of a result (``--json``): what else is printed goes elsewhere."""


def plain(value: Any) -> Any:
    """Turn a result into what JSON can carry.

    Arrays become lists, complex numbers [real, imaginary], dataclasses dicts, paths strings; NaN and infinities, which
    JSON has no word for, become None.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if not f.name.startswith("_")}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    if hasattr(value, "tolist"):  # a NumPy array or scalar
        return plain(value.tolist())
    if isinstance(value, complex):
        return [plain(value.real), plain(value.imag)]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def as_json(result: Any) -> str:
    """Write a result as JSON."""
    return json.dumps(plain(result), indent=2, ensure_ascii=False, allow_nan=False)


def as_text(result: Any) -> str:
    """Write a result for people: nested values indented under their names, lists of like records as tables.

    A dataclass or a dictionary that knows how to print itself (a class with a ``__str__`` of its own) does so.
    """
    if isinstance(result, (str, os.PathLike)):
        return str(result)
    own = type(result).__str__ is not object.__str__ and (dataclasses.is_dataclass(result) or isinstance(result, dict))
    return str(result) if own else "\n".join(_lines(plain(result), 0))


def _lines(value: Any, depth: int) -> list[str]:
    pad = "  " * depth
    if isinstance(value, dict):
        if _is_table(list(value.values())):
            return [pad + line for line in _table([{"": k, **v} for k, v in value.items()])]
        width = max((len(k) for k, v in value.items() if not _nested(v)), default=0)
        out = []
        for key, item in value.items():
            if _nested(item):
                out += [f"{pad}{key}", *_lines(item, depth + 1)]
            else:
                out.append(f"{pad}{key:<{width}}  {_cell(item)}")
        return out
    if isinstance(value, list) and _is_table(value):
        return [pad + line for line in _table(value)]
    if isinstance(value, list) and any(_nested(v) for v in value):
        return [line for i, item in enumerate(value) for line in _lines({str(i): item}, depth)]
    return [pad + _cell(value)]


def _nested(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value)


def _is_table(values: list[Any]) -> bool:
    """Whether values are two records or more with the same flat columns."""
    if len(values) < 2 or not all(isinstance(v, dict) and v for v in values):
        return False
    columns = list(values[0])
    return all(list(v) == columns and not any(_nested(x) for x in v.values()) for v in values)


def _table(records: list[dict[str, Any]]) -> list[str]:
    columns = list(records[0])
    cells = [columns, *([_cell(r[c]) for c in columns] for r in records)]
    numeric = [all(isinstance(r[c], (int, float)) or r[c] is None for r in records) for c in columns]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    return [
        "  ".join(
            cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.8g}"
    if isinstance(value, list):
        return ", ".join(_cell(v) for v in value) or "-"
    if isinstance(value, dict):
        return "-"
    return str(value)

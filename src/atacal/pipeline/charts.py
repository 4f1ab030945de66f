"""The data behind a plot, as JSON that any language reads and a page can draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import ArrayLike

from atacal.pipeline.files import write_bytes

DIGITS = 6
"""Significant digits of the largest number of an array that are written."""


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes
    ----------
    label, unit : str
    kind : {'number', 'time', 'category', 'log', 'angle'}
        Times are MJD seconds (UTC), written relative to ``origin`` of each series. With angles as x [deg, from north
        through east] the plot is polar.
    """

    label: str
    unit: str = ""
    kind: Literal["number", "time", "category", "log", "angle"] = "number"


@dataclass(frozen=True, eq=False)
class Series:
    """Points or a line.

    Attributes
    ----------
    keys : dict of str to str
        What the points are of: antenna, spw, polarisation, field, intent, scan, and ``role`` (``flagged``, ``before``,
        ``after``, ``model``, ``limit``).
    x, y : array (n,)
        NaN where there is nothing.
    more : dict of str to array (n,)
        Other columns, for hovering: ``scan``, ``error``, ``count``.
    line : bool
    """

    keys: Mapping[str, str]
    x: ArrayLike
    y: ArrayLike
    more: Mapping[str, ArrayLike] = field(default_factory=dict)
    line: bool = False


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix of values.

    Attributes
    ----------
    keys : dict of str to str
    x, y : array (nx,), (ny,)
        Numbers or names of columns and rows.
    z : array (ny, nx)
    flagged : array (ny, nx), optional
        bool
    """

    keys: Mapping[str, str]
    x: ArrayLike
    y: ArrayLike
    z: ArrayLike
    flagged: ArrayLike | None = None


@dataclass(frozen=True, eq=False)
class Chart:
    """A plot.

    Attributes
    ----------
    name : str
        The file's name, without ending; unique within the stage and block.
    title : str
    x, y : Axis
    series : sequence of Series
    matrices : sequence of Matrix
        One picture each, in place of series.
    z : Axis, optional
        Of matrices.
    lines : sequence of dict
        Limits to draw: ``{"axis": "y", "value": 0.5, "label": "lower limit"}``.
    caption : str
        What to look for.
    """

    name: str
    title: str
    x: Axis
    y: Axis
    series: Sequence[Series] = ()
    matrices: Sequence[Matrix] = ()
    z: Axis | None = None
    lines: Sequence[Mapping[str, Any]] = ()
    caption: str = ""


def write_chart(chart: Chart, folder: Path) -> Path:
    """Write a chart as ``NAME.json`` in a folder."""
    data: dict[str, Any] = {
        "name": chart.name,
        "title": chart.title,
        "caption": chart.caption,
        "x": vars(chart.x),
        "y": vars(chart.y),
        "lines": [dict(line) for line in chart.lines],
        "series": [_series(s, chart.x.kind == "time") for s in chart.series],
        "matrices": [_matrix(m) for m in chart.matrices],
    }
    if chart.z is not None:
        data["z"] = vars(chart.z)
    path = folder / f"{chart.name}.json"
    write_bytes(path, orjson.dumps(data, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS))
    return path


def _series(series: Series, times: bool) -> dict[str, Any]:
    out: dict[str, Any] = {"keys": dict(series.keys), "line": series.line, "y": rounded(series.y)}
    x = np.asarray(series.x)
    if times and len(x):
        origin = float(np.floor(np.nanmin(x)))
        out |= {"origin": origin, "x": np.round(x - origin, 3)}
    else:
        out["x"] = rounded(x, 9)
    if series.more:
        out["more"] = {name: rounded(values) for name, values in sorted(series.more.items())}
    return out


def _matrix(matrix: Matrix) -> dict[str, Any]:
    out = {"keys": dict(matrix.keys), "x": rounded(matrix.x, 9), "y": rounded(matrix.y, 9), "z": rounded(matrix.z)}
    if matrix.flagged is not None:
        out["flagged"] = np.ascontiguousarray(np.asarray(matrix.flagged, bool))
    return out


def rounded(values: ArrayLike, digits: int = DIGITS) -> Any:
    """Round numbers to as many digits of the largest as a plot can show; other values come back as a list.

    Parameters
    ----------
    values : array
    digits : int

    Returns
    -------
    array, or list
        Of the same shape; infinities become NaN.
    """
    array = np.asarray(values)
    if array.dtype.kind != "f":
        return np.ascontiguousarray(array) if array.dtype.kind in "iub" else array.tolist()
    finite = np.abs(array[np.isfinite(array)])
    largest = float(finite.max()) if finite.size else 0.0
    decimals = digits - 1 - int(np.floor(np.log10(largest))) if largest > 0 else 0
    out = np.round(array.astype(np.float64), decimals)
    return np.ascontiguousarray(np.where(np.isfinite(out), out + 0.0, np.nan))

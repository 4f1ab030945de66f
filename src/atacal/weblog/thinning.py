"""The data of charts made small: extremes of neighbours for long series, shared axes, packed matrices."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

MOST_POINTS = 1200
"""Points of a line that are drawn; of longer ones, the extremes of groups of neighbours."""
MOST_DOTS = 20_000
"""The same of points without a line."""
MOST_BYTES = 100_000_000
"""Stages' charts that are larger all together are thinned more, so that the weblog stays below 150 MB."""


def scale_of(total_bytes: int) -> int:
    """Return by how much more than usually charts are thinned, for the size of all of them."""
    return max(1, -(-total_bytes // MOST_BYTES))


def thin(series: list[dict[str, Any]], matrices: list[dict[str, Any]], scale: int) -> str:
    """Keep the extremes of groups of neighbouring points of long series, and of columns of matrices; say so.

    Parameters
    ----------
    series, matrices : list of dict
        Those that are thinned are replaced in the lists.
    scale : int
        Series are thinned to ``1 / scale`` of the usual lengths, matrices to so many columns.

    Returns
    -------
    str
        What was done; empty if nothing was.
    """
    largest = 1
    for i, one in enumerate(series):
        y, most = one.get("y") or [], (MOST_POINTS if one.get("line") else MOST_DOTS) // scale
        if len(y) <= most or not all(v is None or isinstance(v, (int, float)) for v in y[:10]):
            continue
        kept, size = _extremes(np.array([np.nan if v is None else v for v in y], float), most)
        largest = max(largest, size)
        more = {k: [v[j] for j in kept] for k, v in (one.get("more") or {}).items()}
        series[i] = {**one, "x": [one["x"][j] for j in kept], "y": [y[j] for j in kept], "more": more}
    if scale > 1:
        for i, one in enumerate(matrices):
            if len(one["x"]) > 32:
                matrices[i] = _narrow(one, scale)
                largest = max(largest, scale)
    return f"Drawn are the extremes of every {largest} neighbouring points." if largest > 1 else ""


def _extremes(y: NDArray[np.float64], most: int) -> tuple[list[int], int]:
    """Return the places of the lowest and highest of groups of neighbours, and how large the groups are."""
    size = int(np.ceil(len(y) / (most / 2)))
    kept: list[int] = []
    for start in range(0, len(y), size):
        part = y[start : start + size]
        if np.isnan(part).all():
            kept.append(start)
            continue
        kept += [start + i for i in sorted({int(np.nanargmin(part)), int(np.nanargmax(part))})]
    return kept, size


def _narrow(matrix: dict[str, Any], scale: int) -> dict[str, Any]:
    """Return a matrix with the most deviant of every so many neighbouring columns of each row."""
    z = _numbers(matrix["z"])
    flagged = np.asarray(matrix.get("flagged") or np.zeros(z.shape, bool), bool)
    groups = [slice(i, i + scale) for i in range(0, z.shape[1], scale)]
    size = np.nan_to_num(np.abs(z - np.nanmedian(z) if np.isfinite(z).any() else z), nan=-1.0)
    rows = np.arange(len(z))
    picked = [g.start + size[:, g].argmax(axis=1) for g in groups]
    out = {**matrix, "x": [matrix["x"][g.start] for g in groups], "z": np.stack([z[rows, p] for p in picked], 1)}
    if "flagged" in matrix:
        out["flagged"] = np.stack([flagged[:, g].any(axis=1) for g in groups], 1)
    return out


def _numbers(values: Any) -> NDArray[np.float64]:
    """Return rows of numbers with None among them as an array, None as nan."""
    return np.array(values, dtype=float) if not isinstance(values, np.ndarray) else values


def shared(data: dict[str, Any]) -> dict[str, Any]:
    """Write axes that several series have once, and matrices packed.

    ``xs`` holds the axes, and a series' ``x`` its place there. A matrix has ``z32`` (float32, little endian, row by
    row, base64; nan where there is nothing) in place of ``z`` and, where something is flagged, ``bits`` (a bit a cell,
    the lowest first, base64) in place of ``flagged``.
    """
    axes: dict[bytes, int] = {}
    xs: list[Any] = []
    series = []
    for one in data["series"]:
        digest = orjson.dumps(one.get("x") or [])
        if digest not in axes:
            axes[digest] = len(xs)
            xs.append(one.get("x") or [])
        series.append({**{k: v for k, v in one.items() if k != "x"}, "x": axes[digest]})
    return {**data, "series": series, "xs": xs, "matrices": [_packed(m) for m in data["matrices"]]}


def _packed(matrix: dict[str, Any]) -> dict[str, Any]:
    z = _numbers(matrix["z"])
    if z.shape != (len(matrix["y"]), len(matrix["x"])):
        raise ValueError(f"a matrix has {z.shape} values for {len(matrix['y'])} rows and {len(matrix['x'])} columns")
    out = {k: v for k, v in matrix.items() if k not in ("z", "flagged")}
    out["z32"] = b64encode(z.astype("<f4").tobytes()).decode()
    flagged = np.asarray(matrix.get("flagged", False), bool)
    if flagged.any():
        out["bits"] = b64encode(np.packbits(flagged, bitorder="little").tobytes()).decode()
    return out

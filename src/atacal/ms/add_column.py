"""Adding a column with its room on the disk set aside before its first value is written."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from atacal.ms.columns import dominant_tile, ensure_column, fill_column
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.space import require_space, reserve
from atacal.ms.transaction import real_name

_DTYPES = {"CORRECTED_DATA": np.complex64, "MODEL_DATA": np.complex64, "DATA": np.complex64, "FLAG": np.bool_}
_MARGIN_BYTES = 1_000_000

Shape = tuple[int, int]
"""Channels, correlations."""


def add_column(ms: MeasurementSet, column: str, *, fill: bool = True) -> bool:
    """Add a (chan, corr) column, unless it is there, when there is room for all of it.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing.
    column : str
        See `atacal.ms.columns.ensure_column`.
    fill : bool
        Give every cell its starting value; without it the caller writes every row.

    Returns
    -------
    bool
        True if the column is new.

    Raises
    ------
    DiskFull
        If the disk has no room for the column; nothing is written.
    ArgumentError, MissingColumn, WriteError
    """
    if column in ms.columns() and ms.has(column):
        return False
    sizes = {shape: size for shape, (_, size) in _shapes(ms, column).items()}
    what = real_name(f"the column {column} of {ms.path}")
    require_space(ms.path, sum(sizes.values()) + _MARGIN_BYTES, what)
    ensure_column(ms, column, fill=False)
    for (nchan, ncorr), (row0, _) in _shapes(ms, column).items():
        ms.write(column, [(row0, 1)], np.zeros((1, nchan, ncorr), _dtype(column)))
    ms.flush()
    number = next(m["SEQNR"] for m in ms.table.getdminfo().values() if column in m["COLUMNS"])
    files = sorted(Path(ms.path).glob(f"table.f{number}_TSM*"), key=lambda f: int(f.name.rpartition("TSM")[2]))
    # a file for each shape, numbered in the order in which the shapes came
    for file, size in zip(files[-len(sizes) :], sizes.values(), strict=False):
        reserve(file, max(size, file.stat().st_size), what)
    if fill:
        fill_column(ms, column)
    return True


def _dtype(column: str) -> type:
    return _DTYPES.get(column, np.float32)


def _shapes(ms: MeasurementSet, column: str) -> dict[Shape, tuple[int, int]]:
    """Return, for each shape of cells, its first row and the bytes of the tiles for all its rows."""
    md, runs = ms.metadata, ms.runs
    rows: dict[Shape, tuple[int, int]] = {}
    for ddid in dict.fromkeys(runs.ddid.tolist()):
        dd = md.ddids[ddid]
        shape = (md.spws[dd.spw].nchan, md.pols[dd.pol].ncorr)
        of_it = runs.ddid == ddid
        first, count = rows.get(shape, (int(runs.row0[of_it][0]), 0))
        rows[shape] = (first, count + int(runs.nrow[of_it].sum()))
    item = np.dtype(_dtype(column)).itemsize
    tile = dominant_tile(ms, {np.complex64: "complex", np.bool_: "boolean"}.get(_dtype(column), "float"))
    return {
        shape: (first, _tiles(count, tile[2]) * _tiles(shape[0], tile[1]) * _tiles(shape[1], tile[0]) * item)
        for shape, (first, count) in rows.items()
    }


def _tiles(length: int, tile: int) -> int:
    """Return a length rounded up to whole tiles, which are cut down to what they hold."""
    tile = min(tile, length) or 1
    return math.ceil(length / tile) * tile

"""Adding a column, if there is room for all of it."""

from __future__ import annotations

import math

import numpy as np

from atacal.ms.columns import dominant_tile, ensure_column
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.space import require_space
from atacal.ms.transaction import real_name

_COMPLEX = ("DATA", "CORRECTED_DATA", "MODEL_DATA")
_MARGIN_BYTES = 1_000_000


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
    what = real_name(f"the column {column} of {ms.path}")
    require_space(ms.path, _size_bytes(ms, column), what)
    return ensure_column(ms, column, fill=fill)


def _size_bytes(ms: MeasurementSet, column: str) -> int:
    """Return how much room all cells of a column take."""
    md, runs = ms.metadata, ms.runs
    rows: dict[tuple[int, int], int] = {}
    for ddid in np.unique(runs.ddid).tolist():
        dd = md.ddids[ddid]
        shape = (md.spws[dd.spw].nchan, md.pols[dd.pol].ncorr)
        rows[shape] = rows.get(shape, 0) + int(runs.nrow[runs.ddid == ddid].sum())
    is_complex = column in _COMPLEX
    tile = dominant_tile(ms, "complex" if is_complex else "float")
    cells = sum(
        _tiles(count, tile[2]) * _tiles(nchan, tile[1]) * _tiles(ncorr, tile[0])
        for (nchan, ncorr), count in rows.items()
    )
    return cells * (8 if is_complex else 4) + _MARGIN_BYTES


def _tiles(length: int, tile: int) -> int:
    """Return a length rounded up to whole tiles, which are cut down to what they hold."""
    tile = min(tile, length) or 1
    return math.ceil(length / tile) * tile

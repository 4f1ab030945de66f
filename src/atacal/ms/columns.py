"""Adding columns to a MeasurementSet, filling them, removing them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, MissingColumn, WriteError
from atacal.memory import block_bytes, for_data
from atacal.ms._tiled_column import NewTiledColumn
from atacal.ms.measurement_set import MeasurementSet, Segment
from atacal.threads import IN_FLIGHT, in_order

_TILE_BYTES = 1 << 20  # large against a disk request, small against a block of rows
_MIN_TILE_ROWS = 128  # so that spws with few channels, cut down to their own shape, keep tiles of a useful size
_FEW_ROWS = 4  # cells larger than a quarter of a tile are divided
_FILL_BYTES = 4 << 20
_FILL_VALUE_BYTES = 16  # at most two columns' worth of a value

# casacore data manager groups as CASA names them
_GROUPS = {
    "DATA": "TiledDATA",
    "CORRECTED_DATA": "TiledCorrected",
    "MODEL_DATA": "TiledModel",
    "FLOAT_DATA": "TiledFloat",
    "FLAG": "TiledFlag",
    "WEIGHT_SPECTRUM": "TiledWgtSpectrum",
    "SIGMA_SPECTRUM": "TiledSigmaSpectrum",
    "CORRECTED_WEIGHT_SPECTRUM": "TiledCorrectedWgtSpectrum",
}
_COMMENTS = {
    "DATA": "The data column",
    "CORRECTED_DATA": "The data column",
    "MODEL_DATA": "The data column",
    "FLOAT_DATA": "Floating point data - for single dish",
    "FLAG": "The data flags, array of bools with same shape as data",
    "WEIGHT_SPECTRUM": "Weight for each data point",
    "SIGMA_SPECTRUM": "Estimated rms noise for each data point",
    "CORRECTED_WEIGHT_SPECTRUM": "Weight for each corrected data point",
}
_TYPES = {"FLAG": "boolean", "DATA": "complex", "CORRECTED_DATA": "complex", "MODEL_DATA": "complex"}
_DTYPES: dict[str, type[np.generic]] = {"complex": np.complex64, "float": np.float32, "boolean": np.bool_}
_ITEM_BYTES = {"complex": 8, "float": 4, "boolean": 1 / 8}
CUBES = tuple(_GROUPS)
"""Columns whose cells are (chan, corr)."""


def tile_shape(ncorr: int, nchan: int, item_bytes: float = 8) -> list[int]:
    """Return the tile of a column whose cells are mostly of a shape, but may have others: all correlations, and all
    channels where a tile of about 1 MB can hold enough rows of them.

    Parameters
    ----------
    ncorr, nchan : int
    item_bytes : float
        Bytes of one element on disk (1/8 for flags).

    Returns
    -------
    list of int
        (corr, chan, row), casacore's order.
    """
    chan = min(nchan, max(1, int(_TILE_BYTES / (_MIN_TILE_ROWS * ncorr * item_bytes))))
    rows = max(_MIN_TILE_ROWS, int(_TILE_BYTES / (ncorr * chan * item_bytes)))
    # a flag is one bit: eight times the rows would make tiles far beyond a block
    return [ncorr, chan, min(rows, 8192)]


def cube_description(column: str, tile: Sequence[int]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return casacore's description and data manager of a (chan, corr) column, as CASA makes it.

    Parameters
    ----------
    column : str
        One of `CUBES`.
    tile : sequence of int
        (corr, chan, row).

    Returns
    -------
    description : dict
        For ``casacore.tables.maketabdesc``.
    manager : dict
        One entry of a ``dminfo`` record.
    """
    group = _GROUPS[column]
    description = {
        "name": column,
        "desc": {
            "valueType": _TYPES.get(column, "float"),
            "dataManagerType": "TiledShapeStMan",
            "dataManagerGroup": group,
            "ndim": 2,
            "option": 0,
            "maxlen": 0,
            "comment": _COMMENTS[column],
            "_c_order": True,
            "keywords": {},
        },
    }
    manager = {
        "TYPE": "TiledShapeStMan",
        "NAME": group,
        "COLUMNS": [column],
        "SPEC": {"DEFAULTTILESHAPE": np.array(tile, np.int32)},
    }
    return description, manager


def ensure_column(ms: MeasurementSet, column: str, like: str = "DATA", *, fill: bool = True) -> bool:
    """Add a (chan, corr) column to the main table, unless it is there.

    The column reaches the disk when the table is flushed or closed: a run that is killed before leaves the
    MeasurementSet without it, as it was.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing.
    column : str
        CORRECTED_DATA, MODEL_DATA, WEIGHT_SPECTRUM, SIGMA_SPECTRUM, CORRECTED_WEIGHT_SPECTRUM or FLOAT_DATA.
    like : str
        Column whose values CORRECTED_DATA starts from.
    fill : bool
        Give every cell its starting value, see `fill_column`. Without it the cells are undefined, and the caller has
        to write every row (or call `fill_column` for the others).

    Returns
    -------
    bool
        True if the column is new.

    Raises
    ------
    ArgumentError, MissingColumn, WriteError
    """
    if column in ms.columns() and ms.has(column):
        return False
    if column not in _GROUPS:
        raise ArgumentError(f"{column} is not a column that can be added; possible are {', '.join(CUBES)}")
    if like not in ms.columns():
        ms.require(like)
    if not ms.writable:
        raise WriteError(f"{ms.path} is open for reading only: {column} cannot be added")
    from casacore.tables import maketabdesc

    if column not in ms.columns():  # a column may be there with nothing in its cells: casacore will make them
        description, manager = cube_description(column, dominant_tile(ms, _TYPES.get(column, "float")))
        ms.add_column(column, maketabdesc([description]), manager, lambda *info: _new_cells(ms, column, *info))
    if fill:
        fill_column(ms, column, like=like)
    return True


def _new_cells(ms: MeasurementSet, column: str, seqnr: int, name: str) -> NewTiledColumn:
    """Make the files of a new column, with a cell for every row."""
    kind, dtype = value_type(column)
    md, runs = ms.metadata, ms.runs
    cells = [(md.spws[d.spw].nchan, md.pols[d.pol].ncorr) for d in md.ddids]
    stretches = [(cells[ddid], nrow) for ddid, nrow in zip(runs.ddid.tolist(), runs.nrow.tolist(), strict=True)]
    rows: dict[tuple[int, ...], int] = {}
    for cell, nrow in stretches:
        rows[cell] = rows.get(cell, 0) + nrow
    new = NewTiledColumn(
        ms.path, seqnr, dtype, name, tile_maker(kind), rows=rows,
        default_tile=dominant_tile(ms, kind), big_endian=ms.table.endianformat() == "big",
    )  # fmt: skip
    for cell, nrow in stretches:
        new.extend(cell, nrow)
    return new


def value_type(column: str) -> tuple[str, type[np.generic]]:
    """Return casacore's and NumPy's type of a (chan, corr) column."""
    kind = _TYPES.get(column, "float")
    return kind, _DTYPES[kind]


def item_bytes(kind: str) -> float:
    """Return the size on disk of a value of one of casacore's types [bytes]; flags are bits."""
    return _ITEM_BYTES[kind]


def tile_maker(kind: str) -> Callable[[tuple[int, ...]], list[int]]:
    """Return the function that gives the tile (row, chan, corr) of cells that all have one shape (chan, corr).

    A tile holds whole cells, if a few of them fit: rows then follow each other in the file as they do in memory.
    """
    item = _ITEM_BYTES[kind]

    def tile(cell: tuple[int, ...]) -> list[int]:
        nchan, ncorr = cell
        rows = min(8192, int(_TILE_BYTES / (ncorr * nchan * item)))
        if rows < _FEW_ROWS:
            return tile_shape(ncorr, nchan, item)[::-1]
        return [rows - rows % 8 if rows >= 8 else rows, nchan, ncorr]  # flags end with a full byte

    return tile


def dominant_tile(ms: MeasurementSet, value_type: str = "complex") -> list[int]:
    """Return the tile that suits the data description which holds most of the data."""
    runs, md = ms.runs, ms.metadata
    rows = np.bincount(runs.ddid, weights=runs.nrow, minlength=len(md.ddids))
    shapes = [(md.pols[d.pol].ncorr, md.spws[d.spw].nchan) for d in md.ddids]
    if not shapes:
        return tile_shape(2, 64, _ITEM_BYTES[value_type])
    ncorr, nchan = max(zip(shapes, rows, strict=True), key=lambda entry: entry[1] * entry[0][0] * entry[0][1])[0]
    return tile_shape(ncorr, nchan, _ITEM_BYTES[value_type])


def fill_column(
    ms: MeasurementSet, column: str, *, like: str = "DATA", segments: Sequence[Segment] | None = None
) -> None:
    """Give cells the values that CASA's new columns start with.

    CORRECTED_DATA becomes a copy of ``like``; MODEL_DATA a point source of 1 Jy at the phase centre; WEIGHT_SPECTRUM
    and SIGMA_SPECTRUM the row's WEIGHT or SIGMA in every channel; CORRECTED_WEIGHT_SPECTRUM a copy of the weights.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing.
    column : str
    like : str
        Where CORRECTED_DATA is copied from.
    segments : sequence of (row0, nrow), optional
        The rows to fill; by default all.
    """
    runs = ms.runs
    if segments is None:
        segments = [(0, int(runs.row0[-1] + runs.nrow[-1]))] if len(runs) else []
    parts = []
    for ddid, row0, nrow in _same_shape(ms, segments):
        dd = ms.metadata.ddids[ddid]
        pol, nchan = ms.metadata.pols[dd.pol], ms.metadata.spws[dd.spw].nchan
        one = nchan * pol.ncorr * _FILL_VALUE_BYTES
        what = f"spw {dd.spw} of {ms.path}"
        step = max(1, block_bytes(for_data(), one, what, blocks=IN_FLIGHT, cap=2 * _FILL_BYTES) // one)
        for start in range(row0, row0 + nrow, step):
            parts.append((start, min(step, row0 + nrow - start), nchan, pol.corr_types))

    def fill(part: tuple[int, int, int, tuple[int, ...]]) -> None:
        row0, nrow, nchan, corr_types = part
        ms.write(column, [(row0, nrow)], _starting_values(ms, column, like, (row0, nrow), nchan, corr_types))

    for _ in in_order(fill, parts):
        pass


def _same_shape(ms: MeasurementSet, segments: Sequence[Segment]) -> list[tuple[int, int, int]]:
    """Cut segments where cells change, in shape or kind: (ddid, row0, nrow)."""
    runs, md = ms.runs, ms.metadata
    kinds = [(md.spws[d.spw].nchan, md.pols[d.pol].corr_types) for d in md.ddids]
    out: list[tuple[int, int, int]] = []
    for row0, nrow in segments:
        first = int(np.searchsorted(runs.row0, row0, side="right")) - 1
        end = row0 + nrow
        while row0 < end:
            stop = min(end, int(runs.row0[first] + runs.nrow[first]))
            ddid = int(runs.ddid[first])
            if out and kinds[out[-1][0]] == kinds[ddid] and out[-1][1] + out[-1][2] == row0:
                out[-1] = (ddid, out[-1][1], stop - out[-1][1])
            else:
                out.append((ddid, row0, stop - row0))
            row0, first = stop, first + 1
    return out


def _starting_values(
    ms: MeasurementSet, column: str, like: str, part: Segment, nchan: int, corr_types: tuple[int, ...]
) -> NDArray:
    shape = (part[1], nchan, len(corr_types))
    if column == "MODEL_DATA":
        return np.broadcast_to(unit_point(corr_types), shape).copy()
    if column == "CORRECTED_DATA":
        out = np.empty(shape, np.complex64)
        ms.read(like, [part], out)
        return out
    if column == "FLOAT_DATA":
        return np.zeros(shape, np.float32)
    if column == "CORRECTED_WEIGHT_SPECTRUM" and ms.has("WEIGHT_SPECTRUM"):
        weights = np.empty(shape, np.float32)
        ms.read("WEIGHT_SPECTRUM", [part], weights)
        return weights
    row = np.empty((part[1], len(corr_types)), np.float32)
    ms.read("SIGMA" if column == "SIGMA_SPECTRUM" else "WEIGHT", [part], row)
    return np.repeat(row[:, None, :], nchan, axis=1)


def unit_point(corr_types: Sequence[int]) -> NDArray[np.complex64]:
    """Return the visibilities of an unpolarised point source of 1 Jy at the phase centre, shape (corr,).

    Parallel hands (and Stokes I) are 1, cross hands (and Q, U, V) 0.
    """
    return np.array([1 if c in (1, 5, 8, 9, 12) else 0 for c in corr_types], np.complex64)


def remove_column(ms: MeasurementSet, column: str) -> None:
    """Remove a column from the main table.

    Raises
    ------
    MissingColumn
        If there is no such column.
    WriteError
        If casacore cannot remove it.
    """
    if column not in ms.columns():
        raise MissingColumn(f"{ms.path} has no column {column}")
    ms.hold()
    try:
        ms.table.removecols(column)
    except RuntimeError as error:
        raise WriteError(f"{ms.path}: cannot remove {column}: {error}") from error

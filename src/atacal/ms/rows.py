"""The main table's rows, described compactly: runs of rows that share everything but the baseline.

A MeasurementSet is written integration by integration, so the columns that say *when* and *what* (TIME, FIELD_ID,
DATA_DESC_ID...) are constant over hundreds of rows. `RowRuns` keeps one entry for each such run; it stays small
however large the MeasurementSet is, and every selection but those on baselines and uv distance works on it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from atacal.memory import for_data
from atacal.ms._tables import opened

_COLUMNS = {
    "time": ("TIME", np.float64),
    "interval": ("INTERVAL", np.float64),
    "exposure": ("EXPOSURE", np.float64),
    "ddid": ("DATA_DESC_ID", np.int32),
    "field": ("FIELD_ID", np.int32),
    "scan": ("SCAN_NUMBER", np.int32),
    "state": ("STATE_ID", np.int32),
    "obs": ("OBSERVATION_ID", np.int32),
    "array": ("ARRAY_ID", np.int32),
}
_ROWS_AT_ONCE, _ROW_BYTES = 1_000_000, 150  # of the columns as casacore gives them and as they are kept


@dataclass(frozen=True, eq=False)
class RowRuns:
    """Runs of contiguous rows; every array has shape (run,).

    Attributes
    ----------
    row0, nrow : int64
        First row and number of rows of each run, in table order.
    time, interval, exposure : float64
        TIME [MJD s], INTERVAL and EXPOSURE [s].
    ddid, field, scan, state, obs, array : int32
        The id columns.
    """

    row0: NDArray[np.int64]
    nrow: NDArray[np.int64]
    time: NDArray[np.float64]
    interval: NDArray[np.float64]
    exposure: NDArray[np.float64]
    ddid: NDArray[np.int32]
    field: NDArray[np.int32]
    scan: NDArray[np.int32]
    state: NDArray[np.int32]
    obs: NDArray[np.int32]
    array: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.row0)

    def __getitem__(self, which: NDArray[np.bool_] | NDArray[np.intp] | slice) -> RowRuns:
        """Return the runs that a mask or an index array picks."""
        return RowRuns(*(getattr(self, f.name)[which] for f in fields(self)))


def read_row_runs(ms: str | os.PathLike[str]) -> RowRuns:
    """Read the runs of a MeasurementSet's main table, a bounded number of rows at a time.

    Parameters
    ----------
    ms : path
        The MeasurementSet.

    Returns
    -------
    RowRuns
    """
    pieces: list[dict[str, NDArray]] = []
    with opened(ms) as tab:
        total = tab.nrows()
        most = min(_ROWS_AT_ONCE, for_data() // (4 * _ROW_BYTES))
        for start in range(0, total, most):
            count = min(most, total - start)
            chunk = {k: tab.getcol(c, start, count).astype(d) for k, (c, d) in _COLUMNS.items()}
            changed = np.zeros(count, bool)
            changed[0] = True
            for values in chunk.values():
                changed[1:] |= values[1:] != values[:-1]
            first = np.flatnonzero(changed)
            piece = {k: v[first] for k, v in chunk.items()}
            piece["row0"] = first + start
            piece["nrow"] = np.diff(np.append(first, count))
            pieces.append(piece)
    if not pieces:
        return RowRuns(np.zeros(0, np.int64), np.zeros(0, np.int64), *(np.zeros(0, d) for _, d in _COLUMNS.values()))
    return RowRuns(**{name: np.concatenate([p[name] for p in pieces]) for name in ("row0", "nrow", *_COLUMNS)})

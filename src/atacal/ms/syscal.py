"""The SYSCAL subtable: system temperatures as they were measured, and the repair of their times."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import InvalidTable
from atacal.ms._tables import opened

_SAME_MEASUREMENT_S = 0.5


@dataclass(frozen=True, eq=False)
class SysCal:
    """System temperatures of one spw.

    Attributes
    ----------
    spw : int
    row : int64 (row,)
        Rows of SYSCAL.
    time, interval : float64 (row,)
        Middle [MJD s] and length [s].
    antenna : int32 (row,)
    tsys : float32 (row, chan, receptor)
        [K]; one channel where only the mean was stored.
    """

    spw: int
    row: NDArray[np.int64]
    time: NDArray[np.float64]
    interval: NDArray[np.float64]
    antenna: NDArray[np.int32]
    tsys: NDArray[np.float32]


@dataclass(frozen=True)
class TimeRepair:
    """What was found, or changed, for one spw.

    Attributes
    ----------
    spw : int
    measurements, times : int
        How many measurements there are, and how many different TIMEs they had.
    changed : int
        Rows that were given another TIME.
    """

    spw: int
    measurements: int
    times: int
    changed: int


def _path(ms: str | os.PathLike[str]) -> str:
    path = os.path.join(os.fspath(ms), "SYSCAL")
    if not os.path.isdir(path):
        raise InvalidTable(
            f"{os.fspath(ms)} has no SYSCAL table: its system temperatures were never measured or are lost"
        )
    return path


def read_syscal(ms: str | os.PathLike[str]) -> dict[int, SysCal]:
    """Read the system temperatures, spectra where there are any.

    Parameters
    ----------
    ms : path

    Returns
    -------
    dict of spw -> SysCal

    Raises
    ------
    NoSuchTable
    InvalidTable
        If there is no SYSCAL, it is empty, or has no system temperatures, or differing shapes within an spw.
    """
    path = _path(ms)
    with opened(path) as tab:
        if not tab.nrows():
            raise InvalidTable(f"{path} is empty: there are no system temperatures")
        column = next((c for c in ("TSYS_SPECTRUM", "TSYS") if c in tab.colnames() and tab.iscelldefined(c, 0)), None)
        if column is None:
            raise InvalidTable(f"{path} has no system temperatures (neither TSYS_SPECTRUM nor TSYS)")
        spws = np.asarray(tab.getcol("SPECTRAL_WINDOW_ID"), np.int32)
        ids = {c: np.asarray(tab.getcol(c)) for c in ("TIME", "INTERVAL", "ANTENNA_ID")}
        return {int(spw): _read_spw(path, tab, int(spw), spws, ids, column) for spw in np.unique(spws)}


def _read_spw(path: str, tab: Any, spw: int, spws: NDArray[np.int32], ids: dict[str, NDArray], column: str) -> SysCal:
    rows = np.flatnonzero(spws == spw)
    part = tab.selectrows(rows.tolist()) if len(rows) < tab.nrows() else tab
    try:
        tsys = np.asarray(part.getcol(column), np.float32)
    except RuntimeError as error:
        missing = [int(r) for i, r in enumerate(rows) if not part.iscelldefined(column, i)]
        why = f"there is none in its rows {missing[:8]}" if missing else "they differ in shape"
        raise InvalidTable(f"{path}: the {column} of spw {spw} cannot be read: {why}") from error
    if column == "TSYS":
        tsys = tsys.reshape(len(rows), 1, -1)
    if tsys.ndim != 3 or tsys.shape[2] > 2:
        raise InvalidTable(f"{path}: the {column} of spw {spw} has shape {tsys.shape[1:]}, not (channels, 1 or 2)")
    return SysCal(
        spw, rows, ids["TIME"][rows].astype(np.float64), ids["INTERVAL"][rows].astype(np.float64),
        ids["ANTENNA_ID"][rows].astype(np.int32), tsys,
    )  # fmt: skip


def repair_times(ms: str | os.PathLike[str], new_interval_s: float) -> list[TimeRepair]:
    """Give the antennas of each measurement one TIME, where they have several.

    A measurement's rows share their start, TIME - INTERVAL / 2; the new TIME is the mean start plus half of the new
    interval. Spws with one TIME for every measurement are left alone.

    Parameters
    ----------
    ms : path
    new_interval_s : float
        INTERVAL of the rows that are changed [s].

    Returns
    -------
    list of TimeRepair
        One for each spw.

    Raises
    ------
    NoSuchTable, InvalidTable, TableLocked, WriteError
    """
    path = _path(ms)
    report = []
    with opened(path, writable=True) as tab:
        if not tab.nrows():
            return []
        spws, time, interval = (np.asarray(tab.getcol(c)) for c in ("SPECTRAL_WINDOW_ID", "TIME", "INTERVAL"))
        changed_time, changed_interval = time.copy(), interval.copy()
        for spw in np.unique(spws):
            rows = np.flatnonzero(spws == spw)
            start = time[rows] - interval[rows] / 2
            group = same_measurement(start)
            count, times = int(group.max()) + 1, len(np.unique(time[rows]))
            changed = 0
            for number in range(count) if times != count else ():
                mine = group == number
                if len(np.unique(time[rows][mine])) > 1:
                    changed_time[rows[mine]] = np.mean(start[mine]) + new_interval_s / 2
                    changed_interval[rows[mine]] = new_interval_s
                    changed += int(mine.sum())
            report.append(TimeRepair(int(spw), count, times, changed))
        if any(r.changed for r in report):
            tab.putcol("TIME", changed_time)
            tab.putcol("INTERVAL", changed_interval)
    return report


def same_measurement(start_s: NDArray[np.float64]) -> NDArray[np.intp]:
    """Number the measurements that rows belong to, by when they start: gaps of half a second and more divide them."""
    order = np.argsort(start_s, kind="stable")
    number = np.cumsum(np.diff(start_s[order], prepend=start_s[order[:1]]) >= _SAME_MEASUREMENT_S)
    out = np.empty(len(start_s), np.intp)
    out[order] = number
    return out

"""The small tables that water vapour radiometry needs beside the main one: POINTING, SOURCE, temperature offsets."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import InvalidTable
from atacal.ms._tables import opened


@dataclass(frozen=True, eq=False)
class Pointing:
    """Where antennas pointed: time [MJD s], its interval [s] and elevation [rad] of each record, (record,), by time."""

    time: NDArray[np.float64]
    interval_s: NDArray[np.float64]
    elevation_rad: NDArray[np.float64]

    def elevation_at(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the elevation of the record whose interval covers each time, or is the nearest to it, [rad]."""
        after = np.clip(np.searchsorted(self.time, time), 0, len(self.time) - 1)
        before = np.maximum(after - 1, 0)
        missed = [np.abs(self.time[i] - time) - 0.5 * self.interval_s[i] for i in (before, after)]
        return self.elevation_rad[np.where(missed[0] < missed[1], before, after)]


def read_pointing(ms: str | os.PathLike[str], antenna: int) -> Pointing | str:
    """Read an antenna's elevations from POINTING.

    Parameters
    ----------
    ms : path
    antenna : int
        If it has no records, those of all antennas are read.

    Returns
    -------
    Pointing or str
        Why the table cannot be used, if it cannot.
    """
    path = os.path.join(ms, "POINTING")
    if not os.path.isdir(path):
        return "there is no POINTING table"
    with opened(path) as tab:
        if not tab.nrows():
            return "POINTING is empty"
        frame = str(tab.getcolkeywords("DIRECTION").get("MEASINFO", {}).get("Ref", ""))
        if not frame.startswith("AZEL"):
            return f"POINTING gives directions in {frame or 'no frame'}, not azimuth and elevation"
        mine = np.flatnonzero(tab.getcol("ANTENNA_ID") == antenna)
        part = tab.selectrows(mine.tolist()) if 0 < len(mine) < tab.nrows() else tab
        time, interval = (np.asarray(part.getcol(c), np.float64) for c in ("TIME", "INTERVAL"))
        # (record, polynomial term, axis); the constant term is the direction at TIME
        elevation = np.asarray(part.getcol("DIRECTION"), np.float64).reshape(len(time), -1, 2)[:, 0, 1]
    order = np.argsort(time, kind="stable")
    return Pointing(time[order], interval[order], elevation[order])


def read_source_names(ms: str | os.PathLike[str]) -> dict[int, str]:
    """Read the names of the sources by SOURCE_ID; empty without a SOURCE table."""
    path = os.path.join(ms, "SOURCE")
    if not os.path.isdir(path):
        return {}
    with opened(path) as tab:
        if not tab.nrows():
            return {}
        pairs = zip(tab.getcol("SOURCE_ID").tolist(), tab.getcol("NAME"), strict=True)
        return {int(i): str(name) for i, name in pairs}


@dataclass(frozen=True, eq=False)
class TemperatureOffsets:
    """Offsets of radiometer temperatures: time [MJD s], antenna id (row,) and offsets [K] (row, channel)."""

    time: NDArray[np.float64]
    antenna: NDArray[np.int32]
    offset_k: NDArray[np.float64]


def read_offsets(path: str | os.PathLike[str]) -> TemperatureOffsets:
    """Read a table of temperature offsets (columns TIME, ANTENNA, OFFSETS), as remove_cloud makes them.

    Raises
    ------
    NoSuchTable, InvalidTable
    """
    with opened(path) as tab:
        missing = {"TIME", "ANTENNA", "OFFSETS"} - set(tab.colnames())
        if missing:
            raise InvalidTable(
                f"{path} is no table of temperature offsets: it has no column {', '.join(sorted(missing))}"
            )
        if not tab.nrows():
            raise InvalidTable(f"{path}: the table of temperature offsets is empty")
        return TemperatureOffsets(
            np.asarray(tab.getcol("TIME"), np.float64),
            np.asarray(tab.getcol("ANTENNA"), np.int32),
            np.asarray(tab.getcol("OFFSETS"), np.float64).reshape(tab.nrows(), -1),
        )

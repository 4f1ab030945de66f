"""The small tables inside a calibration table: ANTENNA, FIELD, OBSERVATION, SPECTRAL_WINDOW, HISTORY.

CASA gives them the columns that a MeasurementSet must have, whatever more the MeasurementSet's own tables hold, and
keeps the ids: row numbers are the MeasurementSet's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atacal.errors import InvalidTable
from atacal.ms._tables import opened
from atacal.ms.metadata import FRAMES, Spw, read_spws

COPIED = ("OBSERVATION", "ANTENNA", "FIELD")
"""Subtables that are taken over as they are."""

SUBTABLES = (*COPIED, "SPECTRAL_WINDOW", "HISTORY")
"""CASA's order of the keywords."""

_UNDEFINED_FRAME = 64


def is_caltable(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a calibration table in CASA's present format."""
    if not os.path.isfile(os.path.join(path, "table.dat")):
        return False
    with opened(path) as tab:
        return "VisCal" in tab.keywordnames() and "ParType" in tab.keywordnames()


def write_subtables(
    folder: Path, source: Path, spws: Sequence[Spw], solved: Sequence[int], history: Sequence[str]
) -> None:
    """Write the five small tables.

    Parameters
    ----------
    folder : Path
        The new calibration table.
    source : Path
        The MeasurementSet or calibration table whose small tables are taken over.
    spws : sequence of Spw
        The solution channels of every spw.
    solved : sequence of int
        Spws that have solutions; CASA sets FLAG_ROW of the others.
    history : sequence of str
        Messages; those that ``source``, being a calibration table, has already are not written twice.

    Raises
    ------
    NoSuchTable, InvalidTable, TableLocked
    """
    from_caltable = is_caltable(source)
    for name in COPIED:
        if from_caltable and not (source / name).is_dir() and name == "OBSERVATION":
            _create(folder / name, name, 1).close()  # before CASA 4.1 there was none
        else:
            _copy(source / name, folder / name, name)
    _copy(source / "SPECTRAL_WINDOW", folder / "SPECTRAL_WINDOW", "SPECTRAL_WINDOW")
    update_spws(folder / "SPECTRAL_WINDOW", spws, solved, others=not from_caltable)
    if from_caltable and (source / "HISTORY").is_dir():
        _copy(source / "HISTORY", folder / "HISTORY", "HISTORY")
    else:
        _create(folder / "HISTORY", "HISTORY", 0).close()
    add_history(folder, history)


def read_history(folder: Path) -> list[str]:
    """Read the messages of a calibration table's HISTORY."""
    if not (folder / "HISTORY").is_dir():
        return []
    with opened(folder / "HISTORY") as tab:
        return list(tab.getcol("MESSAGE")) if tab.nrows() else []


def add_history(folder: Path, messages: Sequence[str]) -> None:
    """Append the messages beyond those already there; TIME stays 0 so that equal input gives equal tables."""
    with opened(folder / "HISTORY", writable=True) as tab:
        there = tab.nrows()
        new = list(messages)[there:]
        if not new:
            return
        tab.addrows(len(new))
        for column, value in (
            ("MESSAGE", new),
            ("APPLICATION", ["atacal"] * len(new)),
            ("PRIORITY", ["INFO"] * len(new)),
        ):
            tab.putcol(column, value, there, len(new))
        ids = np.full(len(new), -1, np.int32)
        tab.putcol("OBJECT_ID", ids, there, len(new))
        tab.putcol("OBSERVATION_ID", ids, there, len(new))
        for row in range(there, there + len(new)):
            tab.putcell("APP_PARAMS", row, [""])
            tab.putcell("CLI_COMMAND", row, [""])


def update_spws(path: Path, spws: Sequence[Spw], solved: Sequence[int], *, others: bool) -> None:
    """Make the rows of a SPECTRAL_WINDOW table agree with ``spws``; rows that agree are not touched.

    Parameters
    ----------
    path : Path
    spws : sequence of Spw
    solved : sequence of int
        Spws that have solutions.
    others : bool
        Whether FLAG_ROW of the spws without solutions is set.

    Raises
    ------
    InvalidTable
        If the number of spws differs.
    """
    there = read_spws(os.fspath(path))
    if len(there) != len(spws):
        raise InvalidTable(f"{path} has {len(there)} spws, the solutions were made for {len(spws)}")
    with opened(path, writable=True) as tab:
        for old, new in zip(there, spws, strict=True):
            if not same_spw(old, new):
                _put_spw(tab, old.id, new)
            if old.id in solved or others:
                tab.putcell("FLAG_ROW", old.id, old.id not in solved)


def same_spw(one: Spw, other: Spw) -> bool:
    """Whether two descriptions of an spw agree in everything that is stored."""
    scalars = ("name", "ref_freq_hz", "total_bandwidth_hz", "frame", "net_sideband", "freq_group")
    arrays = ("chan_freq_hz", "chan_width_hz", "effective_bw_hz", "resolution_hz")
    return all(getattr(one, s) == getattr(other, s) for s in scalars) and all(
        np.array_equal(getattr(one, a), getattr(other, a)) for a in arrays
    )


def _put_spw(tab: Any, row: int, spw: Spw) -> None:
    values = {
        "NAME": spw.name,
        "NUM_CHAN": spw.nchan,
        "CHAN_FREQ": np.asarray(spw.chan_freq_hz, np.float64),
        "CHAN_WIDTH": np.asarray(spw.chan_width_hz, np.float64),
        "EFFECTIVE_BW": np.asarray(spw.effective_bw_hz, np.float64),
        "RESOLUTION": np.asarray(spw.resolution_hz, np.float64),
        "REF_FREQUENCY": spw.ref_freq_hz,
        "TOTAL_BANDWIDTH": spw.total_bandwidth_hz,
        "NET_SIDEBAND": spw.net_sideband,
        "FREQ_GROUP": spw.freq_group,
        "MEAS_FREQ_REF": FRAMES.index(spw.frame) if spw.frame in FRAMES else _UNDEFINED_FRAME,
    }
    for column, value in values.items():
        tab.putcell(column, row, value)


def _create(path: Path, name: str, nrow: int) -> Any:
    """Make a subtable with the columns that CASA gives it."""
    from casacore.tables import required_ms_desc, table

    return table(os.fspath(path), required_ms_desc(name), nrow=nrow, ack=False)


def _copy(source: Path, target: Path, name: str) -> None:
    """Copy a subtable's required columns, cell by cell: their shapes may differ from row to row."""
    with opened(source) as old:
        new = _create(target, name, old.nrows())
        try:
            there = old.colnames()
            for column in new.colnames():
                if column not in there:
                    raise InvalidTable(f"{source} is damaged: it has no column {column}")
                if not new.isvarcol(column) and old.nrows():
                    new.putcol(column, old.getcol(column))
                    continue
                for row in range(old.nrows()):
                    if not old.iscelldefined(column, row):
                        continue
                    if old.getcoldesc(column)["valueType"] == "string":
                        new.putcell(column, row, old.getcell(column, row))
                    else:
                        new.putcell(column, row, np.asarray(old.getcell(column, row)))
        finally:
            new.close()

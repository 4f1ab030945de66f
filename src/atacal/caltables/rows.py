"""The main table of a calibration table: its columns, and its rows written from the (slot, antenna) grids."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal import __version__
from atacal.caltables.table import CalTable
from atacal.errors import WriteError

PARAM = {"Complex": ("CPARAM", np.complex64), "Float": ("FPARAM", np.float32)}
IDS = {
    "time": ("TIME", np.float64),
    "field": ("FIELD_ID", np.int32),
    "spw": ("SPECTRAL_WINDOW_ID", np.int32),
    "ant": ("ANTENNA1", np.int32),
    "refant": ("ANTENNA2", np.int32),
    "interval": ("INTERVAL", np.float64),
    "scan": ("SCAN_NUMBER", np.int32),
    "obs": ("OBSERVATION_ID", np.int32),
}
"""Scalar columns by our name, in CASA's order."""


SLOT_DTYPE = np.dtype([(k, IDS[k][1]) for k in ("time", "interval", "field", "scan", "obs")])
"""What the solutions of a slot share."""


def distinct(keys: NDArray) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the first row of each distinct key, in their ascending order, and which of them each row has.

    It does for structured keys (row,) what `numpy.unique` does, which compares them one by one in Python's way.
    """
    names = keys.dtype.names or ()
    order = np.lexsort([keys[name] for name in reversed(names)])
    new = np.zeros(len(keys), bool)
    new[:1] = True
    for name in names:
        values = keys[name][order]
        new[1:] |= values[1:] != values[:-1]
    inverse = np.empty(len(keys), np.intp)
    inverse[order] = np.cumsum(new) - 1
    return order[new], inverse


def group_slots(ids: dict[str, NDArray], rows: NDArray[np.int64], nant: int) -> tuple[NDArray[np.int64], NDArray]:
    """Group rows into slots, in the order in which they first appear.

    Parameters
    ----------
    ids : dict
        Columns by their names in `IDS`, at least those of a slot and ``ant``.
    rows : int64 (row,)
    nant : int

    Returns
    -------
    slot : int64 (row,)
    keys : structured (slot,)
        time, interval, field, scan, obs of every slot.
    """
    keys = np.empty(len(rows), SLOT_DTYPE)
    for part in SLOT_DTYPE.names or ():
        keys[part] = ids[part][rows]
    group = distinct(keys)[1]
    # an antenna that comes twice with the same key (after append) belongs to another slot
    cell = group * nant + ids["ant"][rows]
    order = np.argsort(cell, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(cell[order]) != 0])
    again = np.empty(len(rows), np.int64)
    again[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.r_[starts, len(rows)]))
    _, first, slot = np.unique(group * (again.max() + 1) + again, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return rank[slot], keys[np.sort(first)]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows to be written, in their order: spw, slot and antenna of each, all int64 (row,)."""

    spw: NDArray[np.int64]
    slot: NDArray[np.int64]
    ant: NDArray[np.int64]


def order_rows(table: CalTable) -> Rows:
    """Order the solutions as rows: as they were read; new ones by spw, time and antenna, as CASA does."""
    parts, keys = [], []
    for spw, sol in sorted(table.solutions.items()):
        known = sol.row if sol.row is not None else np.full(sol.refant.shape, np.iinfo(np.int64).max)
        slot, ant = np.nonzero(known >= 0)
        parts.append((np.full(len(slot), spw), slot, ant))
        keys.append((ant, slot, sol.time[slot], np.full(len(slot), spw), known[slot, ant]))
    if not parts:
        nothing = np.zeros(0, np.int64)
        return Rows(nothing, nothing, nothing)
    order = np.lexsort([np.concatenate(k) for k in zip(*keys, strict=True)])
    spw_, slot_, ant_ = (np.concatenate(p).astype(np.int64)[order] for p in zip(*parts, strict=True))
    return Rows(spw_, slot_, ant_)


def create_main(path: Path, table: CalTable) -> None:
    """Make the main table with its columns, keywords and rows, the rows still empty."""
    from casacore import tables as ct

    column, dtype = PARAM[table.par_type]
    manager = {"datamanagertype": "StandardStMan", "datamanagergroup": "MSMTAB"}
    descs = []
    for name, kind in IDS.values():
        keywords: dict[str, Any] = {"QuantumUnits": ["s"]} if kind is np.float64 else {}
        if name == "TIME":
            keywords["MEASINFO"] = {"type": "epoch", "Ref": "UTC"}
        zero = 0.0 if kind is np.float64 else 0
        descs.append(ct.makescacoldesc(name, zero, options=5, keywords=keywords, **manager))
    arrays = ((column, "complex" if dtype is np.complex64 else "float"), ("PARAMERR", "float"), ("FLAG", "boolean"))
    for name, valuetype in (*arrays, ("SNR", "float"), ("WEIGHT", "float")):
        descs.append(ct.makearrcoldesc(name, None, ndim=-1, valuetype=valuetype, **manager))
    tab = ct.table(str(path), ct.maketabdesc(descs), nrow=len(order_rows(table).spw), ack=False)
    try:
        tab.putinfo({"type": "Calibration", "subType": table.kind, "readme": ""})
        tab.putkeyword("ParType", table.par_type)
        tab.putkeyword("MSName", table.ms_name)
        tab.putkeyword("VisCal", table.kind)
        tab.putkeyword("PolBasis", table.pol_basis)
        tab.putkeyword("CASA_Version", table.casa_version or f"atacal {__version__}")
    finally:
        tab.close()


def put_rows(tab: Any, table: CalTable, rows: Rows, start: int) -> None:
    """Write the rows from row ``start`` on, in stretches of equal cell shape."""
    if not len(rows.spw):
        return
    for key, (column, dtype) in IDS.items():
        values = np.empty(len(rows.spw), dtype)
        for spw, sol in table.solutions.items():
            here = rows.spw == spw
            slot, ant = rows.slot[here], rows.ant[here]
            by_row = {"spw": spw, "ant": ant, "refant": sol.refant[slot, ant]}
            values[here] = by_row[key] if key in by_row else getattr(sol, key)[slot]
        tab.putcol(column, values, start, len(values))
    kinds = [(spw, (sol.param.shape[2:], sol.weight is None)) for spw, sol in table.solutions.items()]
    code = {kind: i for i, kind in enumerate(dict.fromkeys(kind for _, kind in kinds))}
    group = np.zeros(max(table.solutions) + 1, np.int64)
    for spw, kind in kinds:
        group[spw] = code[kind]
    edges = np.r_[0, np.flatnonzero(np.diff(group[rows.spw])) + 1, len(rows.spw)].tolist()
    for low, high in pairwise(edges):
        _put_arrays(tab, table, Rows(rows.spw[low:high], rows.slot[low:high], rows.ant[low:high]), start + low)


def _put_arrays(tab: Any, table: CalTable, rows: Rows, start: int) -> None:
    """Write the array columns of a stretch of rows of one cell shape."""
    param = PARAM[table.par_type][0]
    first = table.solutions[int(rows.spw[0])]
    for attribute, column in (
        ("param", param),
        ("error", "PARAMERR"),
        ("flag", "FLAG"),
        ("snr", "SNR"),
        ("weight", "WEIGHT"),
    ):
        sample = getattr(first, attribute)
        if sample is None:
            continue
        dtype = {"param": PARAM[table.par_type][1], "flag": np.bool_}.get(attribute, np.float32)
        values = np.empty((len(rows.spw), *first.param.shape[2:]), dtype)
        for spw in np.unique(rows.spw):
            here = rows.spw == spw
            values[here] = getattr(table.solutions[int(spw)], attribute)[rows.slot[here], rows.ant[here]]
        try:
            tab.putcol(column, values, start, len(values))
        except RuntimeError as error:
            raise WriteError(f"cannot write {column}: {error}; nothing was changed") from error

"""Calibration tables on disk, in CASA's format.

A table has one row for each antenna of each solution; `CalTable` holds the same numbers on a (slot, antenna) grid for
each spw. Reading and writing lose nothing: row numbers are kept, and CASA's own tasks read what is written here.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.folder import replacing
from atacal.caltables.rows import IDS, PARAM, create_main, group_slots, order_rows, put_rows
from atacal.caltables.subtables import (
    SUBTABLES,
    is_caltable,
    read_history,
    write_subtables,
)
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import CaltableError, CaltableMismatch, InvalidTable, NoSuchTable, TableExists
from atacal.ms._tables import open_table, opened
from atacal.ms.metadata import read_antennas, read_fields, read_spws

_OLD_FORMATS = ("BPOLY", "GSPLINE", "SPLINE")
_ROW_BYTES = 160
_MARGIN_BYTES = 300_000


# ---------------------------------------------------------------- reading


def read_caltable(path: str | os.PathLike[str], *, errors: bool = True) -> CalTable:
    """Read a calibration table written by CASA or by atacal.

    Parameters
    ----------
    path : path
        The table's folder.
    errors : bool
        Read ``error``, ``snr`` and ``weight``; without them these are 0 (None), which is enough for applying it.

    Returns
    -------
    CalTable
        Antennas without a row in a slot are flagged, with parameter 1 (Complex) or 0 (Float) and ``row`` -1. A BPOLY
        table comes tabulated on the channels of its spws (`bpoly_disk.read_bpoly` gives the polynomials).

    Raises
    ------
    NoSuchTable
        If there is nothing at ``path``.
    InvalidTable
        If it is not a calibration table, is damaged, or has unflagged solutions that are not finite.
    CaltableError
        If it has the old format of GSPLINE tables.
    TableLocked
        If another process holds it.
    """
    from atacal.caltables.bpoly_disk import is_bpoly, read_as_bandpass

    name = Path(os.path.normpath(os.fspath(path)))
    if is_bpoly(name):
        return read_as_bandpass(name)
    with opened(name) as tab:
        keywords = _checked_keywords(name, tab)
        column, dtype = PARAM[keywords["ParType"]]
        for needed in ("TIME", "FIELD_ID", "SPECTRAL_WINDOW_ID", "ANTENNA1", column, "PARAMERR", "FLAG", "SNR"):
            if needed not in tab.colnames():
                raise InvalidTable(f"{name} is damaged: it has no column {needed}")
        antennas, fields = read_antennas(str(name)), read_fields(str(name))
        spws = read_spws(str(name / "SPECTRAL_WINDOW"))
        ids = _read_ids(name, tab, len(antennas), len(spws))
        solutions = {
            int(spw): _read_spw(name, tab, int(spw), ids, len(antennas), column, np.dtype(dtype), errors)
            for spw in np.unique(ids["spw"])
        }
    return CalTable(
        kind=keywords["VisCal"],
        par_type=keywords["ParType"],
        pol_basis=keywords.get("PolBasis", "unknown"),
        ms_name=keywords.get("MSName", ""),
        antennas=antennas,
        fields=fields,
        spws=spws,
        solutions=solutions,
        subtables_from=name,
        path=name,
        casa_version=keywords.get("CASA_Version", ""),
        history=read_history(name),
    )


def ms_name_of(path: str | os.PathLike[str]) -> str | None:
    """Return the MeasurementSet that a calibration table says it was solved from (its name), without reading the table.

    Returns
    -------
    str or None
        None for what is no calibration table of the present format.

    Raises
    ------
    NoSuchTable, TableLocked
    """
    name = Path(os.path.normpath(os.fspath(path)))
    try:
        with opened(name) as tab:
            return str(_checked_keywords(name, tab).get("MSName", ""))
    except (InvalidTable, CaltableError):
        return None


def _checked_keywords(name: Path, tab: Any) -> dict[str, Any]:
    """Return the main table's keywords; raise unless it is a calibration table of the present format."""
    keywords, info = dict(tab.getkeywords()), tab.info()
    if info.get("subType") in _OLD_FORMATS or "CAL_DESC" in keywords:
        raise CaltableError(
            f"{name} is a {info.get('subType')} table in CASA's old calibration table format (with a CAL_DESC "
            "subtable), of which only BPOLY can be read; B, G, T, K, D, Tsys and position tables can, too"
        )
    if "VisCal" not in keywords or keywords.get("ParType") not in PARAM:
        what = f"a table of type {info['type']!r}" if info.get("type") else "a table"
        raise InvalidTable(f"{name} is {what}, but not a calibration table (no VisCal and ParType keywords)")
    for sub in SUBTABLES[1:4]:
        if not (name / sub / "table.dat").is_file():
            raise InvalidTable(f"{name} is damaged: its subtable {sub} is missing")
    return keywords


def _read_ids(name: Path, tab: Any, nant: int, nspw: int) -> dict[str, NDArray]:
    """Read the columns that say what a row is about; check that they point into the subtables."""
    there, nrow = tab.colnames(), tab.nrows()
    defaults = {"obs": 0, "scan": -1, "refant": -1, "interval": 0.0}  # columns that tables before CASA 4.1 lack
    ids = {
        k: tab.getcol(c).astype(d) if c in there and nrow else np.full(nrow, defaults.get(k, 0), d)
        for k, (c, d) in IDS.items()
    }
    for key, count, sub in (("ant", nant, "ANTENNA"), ("spw", nspw, "SPECTRAL_WINDOW")):
        wrong = np.flatnonzero((ids[key] < 0) | (ids[key] >= count))
        if len(wrong):
            row = int(wrong[0])
            raise InvalidTable(
                f"{name} is damaged: row {row} has {IDS[key][0]} {ids[key][row]}, but {sub} has {count} rows"
            )
    if not np.isfinite(ids["time"]).all():
        raise InvalidTable(f"{name} is damaged: TIME is not finite in row {int(np.argmin(np.isfinite(ids['time'])))}")
    return ids


def _read_spw(
    name: Path, tab: Any, spw: int, ids: dict[str, NDArray], nant: int, column: str, dtype: np.dtype, errors: bool
) -> SpwSolutions:
    rows = np.flatnonzero(ids["spw"] == spw)
    slot, keys = group_slots(ids, rows, nant)
    ant = ids["ant"][rows]
    together = len(rows) == rows[-1] - rows[0] + 1
    part = tab if together else tab.selectrows(rows.tolist())
    start = int(rows[0]) if together else 0
    shape: tuple[int, ...] | None = None
    grids: dict[str, NDArray] = {}
    wanted = [(column, dtype, 1 if dtype == np.complex64 else 0), ("FLAG", np.dtype(bool), True)]
    wanted += [(c, np.dtype(np.float32), 0) for c in ("PARAMERR", "SNR", "WEIGHT") if errors]
    for col, kind, empty in wanted:
        if col == "WEIGHT" and not _all_defined(part, col, start, len(rows)):
            continue
        values = _cells(name, part, col, spw, start, len(rows))
        shape = shape or values.shape[1:]
        if values.shape[1:] != shape:
            raise InvalidTable(f"{name} is damaged: in spw {spw} {col} has shape {values.shape[1:]}, {column} {shape}")
        grids[col] = np.full((len(keys), nant, *shape), empty, kind)
        grids[col][slot, ant] = values
    _refuse_not_finite(str(name), spw, grids[column], grids["FLAG"])
    refant = np.full((len(keys), nant), -1, np.int32)
    refant[slot, ant] = ids["refant"][rows]
    row = np.full((len(keys), nant), -1, np.int64)
    row[slot, ant] = rows
    none = np.broadcast_to(np.float32(0), grids[column].shape)
    return SpwSolutions(
        spw=spw,
        **{k: np.ascontiguousarray(keys[k]) for k in ("time", "interval", "field", "scan", "obs")},
        refant=refant,
        param=grids[column],
        error=grids["PARAMERR"] if errors else none,
        snr=grids["SNR"] if errors else none,
        flag=grids["FLAG"],
        weight=grids.get("WEIGHT"),
        row=row,
    )


def _cells(name: Path, part: Any, column: str, spw: int, start: int, count: int) -> NDArray:
    """Read an array column whose cells must all have one (chan, par) shape."""
    try:
        values = part.getcol(column, start, count)
    except RuntimeError as error:
        for row in range(count):
            if not part.iscelldefined(column, start + row):
                raise InvalidTable(
                    f"{name} is damaged: {column} is undefined in solution {row} of spw {spw}"
                ) from error
        raise InvalidTable(
            f"{name}: the solutions of spw {spw} differ in their number of channels or parameters, "
            f"or are damaged: {error}"
        ) from error
    if values.ndim != 3:
        raise InvalidTable(f"{name} is damaged: {column} of spw {spw} has cells of {values.ndim - 1} axes, not 2")
    return values


def _all_defined(part: Any, column: str, start: int, count: int) -> bool:
    if column not in part.colnames():
        return False
    ends = part.iscelldefined(column, start) and part.iscelldefined(column, start + count - 1)
    return ends and all(part.iscelldefined(column, row) for row in range(start, start + count))


def _refuse_not_finite(name: str, spw: int, param: NDArray, flag: NDArray[np.bool_]) -> None:
    bad = ~np.isfinite(param) & ~flag
    if bad.any():
        slot, ant, chan, par = (int(i) for i in np.argwhere(bad)[0])
        raise InvalidTable(
            f"{name}: {int(bad.sum())} unflagged solutions of spw {spw} are not finite, the first in slot {slot}, "
            f"antenna {ant}, channel {chan}, parameter {par}; flag them to use the rest"
        )


# ---------------------------------------------------------------- writing


def write_caltable(path: str | os.PathLike[str], table: CalTable, *, overwrite: bool = False) -> None:
    """Write a calibration table that CASA and atacal read; it appears whole or not at all.

    Parameters
    ----------
    path : path
        The table's folder.
    table : CalTable
    overwrite : bool
        Whether a calibration table at ``path`` is replaced. Anything else there is never touched.

    Raises
    ------
    TableExists
        If something is at ``path`` and may not be replaced.
    InvalidTable
        If unflagged solutions are not finite, or the arrays do not fit each other.
    TableLocked
        If the table to be replaced is held by another process.
    WriteError
        If the disk does not take it; what was at ``path`` is unharmed.
    """
    target = Path(os.path.normpath(os.fspath(path)))
    _check(table)
    if target.exists() or target.is_symlink():
        if not overwrite:
            raise TableExists(f"{target} is there already; remove it, or choose another name")
        if not target.is_dir() or not (is_caltable(target) or _is_old_caltable(target)):
            raise TableExists(f"{target} is there already and is not a calibration table; it is not replaced")
        open_table(target, writable=True).close()  # finds out whether another process holds it
    with replacing(target, _size_bytes(table)) as temporary:
        create_main(temporary, table)
        write_subtables(
            temporary, Path(table.subtables_from).absolute(), table.spws, sorted(table.solutions), table.history
        )
        with opened(temporary, writable=True) as tab:
            for sub in SUBTABLES:
                tab.putkeyword(sub, f"Table: {temporary / sub}")
            put_rows(tab, table, order_rows(table), 0)


def append_caltable(path: str | os.PathLike[str], table: CalTable) -> None:
    """Add a table's solutions to one that is there; on any error that one stays as it was.

    Parameters
    ----------
    path : path
        The calibration table to add to.
    table : CalTable
        Its kind, parameter type, antennas, fields and solution channels must be those of the table at ``path``.

    Raises
    ------
    NoSuchTable, InvalidTable, TableLocked, CaltableError
        As `read_caltable`.
    CaltableMismatch
        If the two do not fit.
    WriteError
        If the disk does not take it.
    """
    target = Path(os.path.normpath(os.fspath(path)))
    old = read_caltable(target)
    _check(table)
    _check_fit(old, table)
    solutions = dict(old.solutions)
    for spw, new in table.solutions.items():
        solutions[spw] = _concatenated([old.solutions[spw], new] if spw in old.solutions else [new])
    for spw in set(old.solutions) - set(table.solutions):
        solutions[spw] = _concatenated([old.solutions[spw]])
    spws = tuple(new if new.id in table.solutions else there for there, new in zip(old.spws, table.spws, strict=True))
    history = [*old.history, *table.history]
    write_caltable(target, replace(old, solutions=solutions, spws=spws, history=history), overwrite=True)


def _concatenated(parts: list[SpwSolutions]) -> SpwSolutions:
    """Join solutions of one spw, slot after slot; only whether an antenna has a row is kept of ``row``."""
    names = ("time", "interval", "field", "scan", "obs", "refant", "param", "error", "snr", "flag")
    weights = [p.weight for p in parts if p.weight is not None]
    rows = [np.zeros(p.refant.shape, np.int64) if p.row is None else np.minimum(p.row, 0) for p in parts]
    return SpwSolutions(
        parts[0].spw,
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in names},
        weight=np.concatenate(weights) if len(weights) == len(parts) else None,
        row=np.concatenate(rows),
    )


def _size_bytes(table: CalTable) -> int:
    """Estimate the size on disk: the arrays, their index, the small tables, and a margin."""
    total = _MARGIN_BYTES
    for sol in table.solutions.values():
        total += sum(a.nbytes for a in (sol.param, sol.error, sol.snr, sol.flag)) + sol.refant.size * _ROW_BYTES
    for sub in SUBTABLES[:4]:
        folder = Path(table.subtables_from) / sub
        total += sum(f.stat().st_size for f in folder.glob("*") if f.is_file())
    return total


def _is_old_caltable(path: Path) -> bool:
    with opened(path) as tab:
        return tab.info().get("type") == "Calibration"


def _check(table: CalTable) -> None:
    """Refuse what could be written but not be read again."""
    if table.kind in _OLD_FORMATS:
        raise CaltableError(f"{table.name}: {table.kind} tables cannot be changed or written channel by channel")
    if table.par_type not in PARAM:
        raise InvalidTable(f"{table.name}: par_type must be Complex or Float, not {table.par_type!r}")
    if not Path(table.subtables_from).is_dir():
        raise NoSuchTable(f"{table.subtables_from}: no such table; {table.name} takes its ANTENNA, FIELD ... from it")
    nant = len(table.antennas)
    for spw, sol in table.solutions.items():
        if not 0 <= spw < len(table.spws):
            raise InvalidTable(f"{table.name}: solutions for spw {spw}, but there are {len(table.spws)} spws")
        shape = sol.param.shape
        if len(shape) != 4 or shape[1] != nant:
            raise InvalidTable(f"{table.name}: spw {spw} has param of shape {shape}, not (slot, {nant}, chan, par)")
        for what in ("error", "snr", "flag", "weight"):
            values = getattr(sol, what)
            if values is not None and values.shape != shape:
                raise InvalidTable(f"{table.name}: spw {spw} has {what} of shape {values.shape}, param {shape}")
        for what in ("time", "interval", "field", "scan", "obs", "refant"):
            if getattr(sol, what).shape != shape[: 2 if what == "refant" else 1]:
                raise InvalidTable(f"{table.name}: spw {spw} has {what} of shape {getattr(sol, what).shape}")
        if not np.isfinite(sol.time).all():
            raise InvalidTable(f"{table.name}: a time of spw {spw} is not finite")
        _refuse_not_finite(table.name, spw, sol.param, sol.flag)


def _check_fit(old: CalTable, new: CalTable) -> None:
    """Raise unless ``new``'s solutions may stand in ``old``'s table."""
    if (old.kind, old.par_type) != (new.kind, new.par_type):
        raise CaltableMismatch(f"{old.path} holds {old.kind} solutions; {new.kind} solutions cannot be appended to it")
    if old.ms_name != new.ms_name:
        raise CaltableMismatch(f"{old.path} was solved from {old.ms_name}, {new.name} from {new.ms_name}")
    for what in ("antennas", "fields"):
        mine, theirs = ([x.name for x in getattr(t, what)] for t in (old, new))
        if mine != theirs:
            raise CaltableMismatch(f"{old.path} has the {what} {', '.join(mine)}; {new.name} has {', '.join(theirs)}")
    if len(old.spws) != len(new.spws):
        raise CaltableMismatch(f"{old.path} has {len(old.spws)} spws, {new.name} has {len(new.spws)}")
    for spw in sorted(set(old.solutions) & set(new.solutions)):
        shapes = [t.solutions[spw].param.shape[2:] for t in (old, new)]
        if shapes[0] != shapes[1]:
            raise CaltableMismatch(
                f"{old.path} has {shapes[0][0]} channels and {shapes[0][1]} parameters in spw {spw}; "
                f"{new.name} has {shapes[1][0]} and {shapes[1][1]}"
            )
        if not np.array_equal(old.spws[spw].chan_freq_hz, new.spws[spw].chan_freq_hz):
            raise CaltableMismatch(
                f"{old.path} has other solution frequencies in spw {spw} than {new.name} "
                f"({old.spws[spw].centre_freq_hz:.0f} and {new.spws[spw].centre_freq_hz:.0f} Hz in the mean); "
                "solve with the same channels to append"
            )

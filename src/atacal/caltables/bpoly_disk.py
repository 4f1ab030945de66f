"""BPOLY tables on disk, in CASA's old calibration table format (CAL_DESC, CAL_HISTORY).

CASA's columns are kept as they are, cell by cell. What atacal solves has besides the small tables of the present format
(ANTENNA, FIELD, SPECTRAL_WINDOW, OBSERVATION, HISTORY), so that it can be plotted and checked without the
MeasurementSet; CASA does not mind them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from atacal.caltables.bpoly import KIND, BPolyTable, tabulated
from atacal.caltables.bpoly_layout import CAL_DESC, CAL_HISTORY, MAIN
from atacal.caltables.bpoly_new import pol_basis
from atacal.caltables.folder import replacing
from atacal.caltables.subtables import SUBTABLES, is_caltable, read_history, write_subtables
from atacal.caltables.table import CalTable
from atacal.errors import CaltableMismatch, InvalidTable, NoSuchTable, TableExists
from atacal.ms._tables import open_table, opened
from atacal.ms.metadata import read_antennas, read_fields, read_metadata, read_spws

_OWN = ("CAL_DESC", "CAL_HISTORY")
_NEEDED = (
    "TIME", "INTERVAL", "ANTENNA1", "FIELD_ID", "OBSERVATION_ID", "SCAN_NUMBER", "CAL_DESC_ID", "SCALE_FACTOR",
    "VALID_DOMAIN", "N_POLY_AMP", "N_POLY_PHASE", "POLY_COEFF_AMP", "POLY_COEFF_PHASE", "POLY_TYPE", "PHASE_UNITS",
    "REF_ANT", "SNR",
)  # fmt: skip


def is_bpoly(path: str | os.PathLike[str]) -> bool:
    """Whether a folder is a BPOLY table."""
    if not os.path.isfile(os.path.join(path, "table.dat")):
        return False
    with opened(path) as tab:
        return bool(tab.info().get("subType") == KIND and "CAL_DESC" in tab.keywordnames())


def read_bpoly(path: str | os.PathLike[str]) -> BPolyTable:
    """Read a BPOLY table written by CASA or by atacal.

    Raises
    ------
    NoSuchTable, TableLocked
    InvalidTable
        If it is not a BPOLY table, is damaged, or its polynomials are not Chebyshev series.
    """
    name = Path(os.path.normpath(os.fspath(path)))
    with opened(name) as tab:
        if tab.info().get("subType") != KIND or "CAL_DESC" not in tab.keywordnames():
            raise InvalidTable(f"{name} is not a BPOLY table")
        if missing := [c for c in _NEEDED if c not in tab.colnames()]:
            raise InvalidTable(f"{name} is damaged: it has no column {', '.join(missing)}")
        columns, layout = _read_columns(tab), tab.getdesc()
        basis = str(tab.getkeyword("PolBasis")) if "PolBasis" in tab.keywordnames() else ""
    for row, kind in enumerate(columns["POLY_TYPE"]):
        if kind != "CHEBYSHEV":
            raise InvalidTable(f"{name}: row {row} has a polynomial of type {kind!r}; only CHEBYSHEV can be read")
    if not (name / "CAL_DESC" / "table.dat").is_file():
        raise InvalidTable(f"{name} is damaged: its subtable CAL_DESC is missing")
    with opened(name / "CAL_DESC") as tab:
        cal_desc, desc_layout = _read_columns(tab), tab.getdesc()
    cal_history: dict[str, list[Any]] = {}
    history_layout: dict[str, Any] = CAL_HISTORY
    if (name / "CAL_HISTORY" / "table.dat").is_file():
        with opened(name / "CAL_HISTORY") as tab:
            cal_history, history_layout = _read_columns(tab), tab.getdesc()
    small = (name / "ANTENNA").is_dir() and (name / "FIELD").is_dir() and (name / "SPECTRAL_WINDOW").is_dir()
    return BPolyTable(
        columns, cal_desc, cal_history, layout, desc_layout, history_layout,
        antennas=read_antennas(str(name)) if small else None,
        fields=read_fields(str(name)) if small else None,
        spws=read_spws(str(name / "SPECTRAL_WINDOW")) if small else None,
        subtables_from=name if small else None,
        path=name,
        pol_basis=basis,
        history=read_history(name),
    )  # fmt: skip


def _read_columns(tab: Any) -> dict[str, list[Any]]:
    """Read all cells; None for those that are undefined."""
    out: dict[str, list[Any]] = {}
    for column in tab.colnames():
        if tab.isscalarcol(column):
            values = tab.getcol(column) if tab.nrows() else []
            out[column] = values.tolist() if isinstance(values, np.ndarray) else list(values)
            continue
        text = tab.getcoldesc(column)["valueType"] == "string"
        cells = (
            tab.getcell(column, row) if tab.iscelldefined(column, row) else None for row in range(tab.nrows())
        )  # fmt: skip
        out[column] = [c if c is None or text else np.asarray(c) for c in cells]
    return out


def write_bpoly(path: str | os.PathLike[str], table: BPolyTable, *, overwrite: bool = False) -> None:
    """Write a BPOLY table that CASA and atacal read; it appears whole or not at all.

    Raises
    ------
    TableExists
        If something is at ``path`` that may not be replaced.
    TableLocked, WriteError
    """
    target = Path(os.path.normpath(os.fspath(path)))
    if target.exists() or target.is_symlink():
        if not overwrite:
            raise TableExists(f"{target} is there already; remove it, or choose another name")
        if not target.is_dir() or not (is_caltable(target) or is_bpoly(target)):
            raise TableExists(f"{target} is there already and is not a calibration table; it is not replaced")
        open_table(target, writable=True).close()  # finds out whether another process holds it
    with replacing(target, 2_000_000 + 2000 * table.nrow) as temporary:
        _write_table(temporary, table.layout or MAIN, table.columns, {"type": "Calibration", "subType": KIND})
        _write_table(temporary / "CAL_DESC", table.desc_layout or CAL_DESC, table.cal_desc, None)
        _write_table(temporary / "CAL_HISTORY", table.history_layout or CAL_HISTORY, table.cal_history, None)
        small = _write_small(temporary, table)
        with opened(temporary, writable=True) as tab:
            if table.pol_basis:
                tab.putkeyword("PolBasis", table.pol_basis)
            for sub in (*_OWN, *small):
                tab.putkeyword(sub, f"Table: {temporary / sub}")


def _write_small(folder: Path, table: BPolyTable) -> tuple[str, ...]:
    """Give a table the small tables of the present format, if it came with a source for them."""
    if table.subtables_from is None:
        return ()
    source = Path(table.subtables_from).absolute()
    if not source.is_dir():
        raise NoSuchTable(f"{source}: no such table; {table.name} takes its ANTENNA, FIELD ... from it")
    if is_bpoly(source):
        for sub in SUBTABLES:
            shutil.copytree(source / sub, folder / sub)
    else:
        solved = sorted({int(s) for s in table.row_spws()})
        write_subtables(folder, source, table.spws or (), solved, table.history)
    return SUBTABLES


def _write_table(
    path: Path, layout: dict[str, Any], columns: dict[str, list[Any]], info: dict[str, str] | None
) -> None:
    from casacore import tables as ct

    nrow = len(next(iter(columns.values()), []))
    described = {k: v for k, v in layout.items() if not k.startswith("_")}
    tab = ct.table(str(path), described, nrow=nrow, ack=False)
    try:
        if info is not None:
            tab.putinfo({**info, "readme": ""})
        for column, cells in columns.items():
            if tab.isscalarcol(column):
                if nrow:
                    tab.putcol(column, cells)
                continue
            for row, cell in enumerate(cells):
                if cell is not None:
                    tab.putcell(column, row, cell)
    finally:
        tab.close()


def append_bpoly(path: str | os.PathLike[str], table: BPolyTable) -> None:
    """Add a table's solutions to a BPOLY table that is there; on any error that one stays as it was.

    Raises
    ------
    CaltableMismatch
        If the two are of different MeasurementSets or antennas.
    NoSuchTable, InvalidTable, TableLocked, WriteError
    """
    old = read_bpoly(path)
    if old.ms_name != table.ms_name:
        raise CaltableMismatch(f"{old.path} was solved from {old.ms_name}, {table.name} from {table.ms_name}")
    if old.antennas and table.antennas and [a.name for a in old.antennas] != [a.name for a in table.antennas]:
        raise CaltableMismatch(f"{old.path} has other antennas than {table.name}")
    spws = [int(np.ravel(s)[0]) for s in old.cal_desc["SPECTRAL_WINDOW_ID"]]
    new_spws = [int(np.ravel(s)[0]) for s in table.cal_desc["SPECTRAL_WINDOW_ID"]]
    added = [i for i, spw in enumerate(new_spws) if spw not in spws]
    spws += [new_spws[i] for i in added]
    for column, cells in old.cal_desc.items():
        cells += [table.cal_desc[column][i] for i in added]
    number = {i: spws.index(spw) for i, spw in enumerate(new_spws)}
    for column, cells in old.columns.items():
        new = table.columns[column]
        cells += [number[int(i)] for i in new] if column == "CAL_DESC_ID" else list(new)
    write_bpoly(path, old, overwrite=True)


def read_as_bandpass(path: str | os.PathLike[str]) -> CalTable:
    """Read a BPOLY table and tabulate it on the channels of its spws, to be plotted or listed.

    The antennas, fields and channels are those kept in the table, or else those of the MeasurementSet that it names,
    beside the table or in the current folder.

    Raises
    ------
    NoSuchTable
        If neither is there.
    InvalidTable, CaltableMismatch
    """
    table = read_bpoly(path)
    if table.antennas is not None and table.fields is not None and table.spws is not None:
        return tabulated(table, table.antennas, table.fields, table.spws)
    assert table.path is not None
    for folder in (table.path.absolute().parent, Path.cwd()):
        vis = folder / table.ms_name
        if table.ms_name and (vis / "table.dat").is_file():
            meta = read_metadata(vis)
            return tabulated(table, meta.antennas, meta.fields, meta.spws, pol_basis=pol_basis(meta))
    raise NoSuchTable(
        f"{table.path} is a BPOLY table without channels and antenna names of its own; they are in the MeasurementSet "
        f"{table.ms_name or '(not named)'}, which is neither beside it nor in the current folder"
    )

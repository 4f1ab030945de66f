"""The picture sets that a calibration run leaves: of each table, and of the calibrated data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from atacal.caltables.disk import read_caltable
from atacal.caltables.table import CalTable
from atacal.errors import EmptySelection, WriteError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selected import Selected
from atacal.ms.selection import Selection, select
from atacal.plots.axes import AXES
from atacal.plots.cells import Averaging
from atacal.plots.ms_pictures import Look, picture_ms
from atacal.plots.table_pictures import TableRequest, picture_table
from atacal.plots.tables import TableSelection, kind_axis
from atacal.plots.visibilities import Request, data_column


def plot_caltable(
    path: str | os.PathLike[str], outdir: str | os.PathLike[str], *, spws: Sequence[int] = ()
) -> list[Path]:
    """Draw the pictures that show whether a calibration table is good.

    Gains: amplitude and phase against time (where the table has such variation), one picture per spw, a panel per
    antenna; bandpass and Tsys: against frequency; delays and other single values: against antenna.

    Parameters
    ----------
    path : path
        The table.
    outdir : path
        Folder for the pictures (made if it is not there); each PNG has the numbers behind it in an ``.npz`` beside it.
    spws : sequence of int
        Draw these; empty for all.

    Returns
    -------
    list of Path
        The PNG files.

    Raises
    ------
    NoSuchTable, InvalidTable, EmptySelection, WriteError
    """
    table = read_caltable(path)
    if spws:
        table = replace(table, solutions={s: one for s, one in table.solutions.items() if s in spws})
    folder = _folder(outdir)
    written: list[Path] = []
    for name, request in _table_requests(table):
        written += picture_table(table, request, folder / f"{table.name}.{name}.png", numbers=True)
    return [p for p in written if p.suffix == ".png"]


def _table_requests(table: CalTable) -> list[tuple[str, TableRequest]]:
    spws = sorted(table.solutions)
    nslot = max((s.nslot for s in table.solutions.values()), default=0)
    nchan = max((s.nchan for s in table.solutions.values()), default=1)
    ys: tuple[str, ...] = ("amp", "phase") if table.par_type == "Complex" else (kind_axis(table),)
    if table.par_type == "Complex":
        ys = tuple(y for y in ys if not _constant(table, y)) or ys[:1]
    out: list[tuple[str, TableRequest]] = []
    if nchan == 1 and (nslot <= 3 or (table.par_type == "Float" and "TSYS" not in table.kind)):
        return [(f"{y}_vs_antenna", TableRequest("antenna1", y, panels=())) for y in ys]
    x, name = ("frequency", "frequency") if nchan > 1 else ("time", "time")
    several = nchan > 1 and nslot > 1
    for spw in spws:
        for y in ys:
            request = TableRequest(
                x, y, selection=TableSelection(spw=str(spw)), colour=("pol", "time") if several else ("pol",),
                marks=nchan == 1, lines=nchan > 1 or table.solutions[spw].nslot <= 400,
            )  # fmt: skip
            out.append((f"spw{spw}.{y}_vs_{name}", request))
    return out


def _constant(table: CalTable, y: str) -> bool:
    """Whether all good solutions have unit amplitude (a phase-only table), or phase zero (an amplitude-only one)."""
    for solutions in table.solutions.values():
        good = solutions.param[~solutions.flag]
        values = np.abs(good) - 1 if y == "amp" else np.angle(good)
        if good.size and np.abs(values).max() > 1e-5:
            return False
    return True


def plot_ms(
    vis: str | os.PathLike[str],
    outdir: str | os.PathLike[str],
    *,
    datacolumn: str = "corrected",
    field: str = "",
    spw: str = "",
    scan: str = "",
    antenna: str = "",
    intent: str = "",
    correlation: str = "",
) -> list[Path]:
    """Draw amplitude and phase against time, frequency and uv distance, for each field, coloured by spw.

    Channels are averaged for the pictures against time and uv distance, times and baselines of a scan for those
    against frequency; autocorrelations are left out. With a single spw the colour tells the correlation.

    Parameters
    ----------
    vis : path
        The MeasurementSet.
    outdir : path
        Folder for the pictures (made if it is not there); each PNG has the numbers behind it in an ``.npz`` beside it.
    datacolumn : str
        ``data``, ``corrected``, ``model``, ``residual``...
    field, spw, scan, antenna, intent, correlation : str
        Selection, in CASA's language.

    Returns
    -------
    list of Path
        The PNG files.

    Raises
    ------
    NoSuchTable, InvalidTable, MissingColumn, SelectionError, EmptySelection, WriteError
    """
    column = data_column(datacolumn, parameter="datacolumn")
    folder = _folder(outdir)
    written: list[Path] = []
    with MeasurementSet(vis) as ms:
        selection = Selection(field=field, spw=spw, scan=scan, antenna=antenna, intent=intent, correlation=correlation)
        selected = select(ms, selection, autocorr=False)
        for number in np.unique(selected.runs.field).tolist():
            one = _only_field(selected, number)
            name = ms.metadata.fields[number].name
            for x, averaging in _AVERAGES:
                for y in ("amp", "phase"):
                    colour = "spw" if len({int(s) for s in ms.metadata.ddid_spw[one.runs.ddid]}) > 1 else "corr"
                    request = Request(AXES[x], AXES[y], column, column, colour=colour, averaging=averaging)
                    target = folder / f"{ms.metadata.name}.field{number}.{column}.{y}_vs_{x}.png"
                    look = Look(subtitle=_subtitle(number, name, spw, scan, antenna, correlation))
                    try:
                        written += picture_ms(ms, one, request, target, look=look, numbers=True)
                    except EmptySelection:
                        continue  # a field that is flagged altogether has no picture
    if not written:
        raise EmptySelection(f"{vis}: everything selected is flagged; there is nothing to draw")
    return [p for p in written if p.suffix == ".png"]


_ALL_CHANNELS = 1_000_000
_AVERAGES = (
    ("time", Averaging(channels=_ALL_CHANNELS)),
    ("frequency", Averaging(time_s=1e8, scan=True)),
    ("uvdist", Averaging(channels=_ALL_CHANNELS, time_s=60.0)),
)


def _subtitle(number: int, name: str, spw: str, scan: str, antenna: str, correlation: str) -> str:
    asked: Sequence[tuple[str, str]] = (("spw", spw), ("scan", scan), ("antenna", antenna), ("corr", correlation))
    return ", ".join([f"field {number} {name}", *(f"{what} {text}" for what, text in asked if text)])


def _only_field(selected: Selected, number: int) -> Selected:
    return replace(selected, runs=selected.runs[selected.runs.field == number])


def _folder(outdir: str | os.PathLike[str]) -> Path:
    folder = Path(outdir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{folder} cannot be made: {error}") from error
    return folder

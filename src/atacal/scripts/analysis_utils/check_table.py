"""What `es.checkCalTable` does: statistics of a calibration table, and its pictures in a folder beside it."""

from __future__ import annotations

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atacal.caltables.table import CalTable
from atacal.errors import CaltableError

log = logging.getLogger("atacal")

_KINDS = ("B Jones", "G Jones", "T Jones", "B TSYS")
_ROWS = 4


@dataclass(frozen=True)
class TableCheck:
    """What was found.

    Attributes
    ----------
    kind : str
    pictures : list of Path
    flagged : dict of antenna name -> dict of spw -> float
        Flagged part of the solutions; antennas and spws without any flag are left out.
    lowest, highest : dict of str -> float
        Of the unflagged ``amp``, ``phase`` [deg] or ``tsys`` [K].
    """

    kind: str
    pictures: list[Path]
    flagged: dict[str, dict[int, float]]
    lowest: dict[str, float]
    highest: dict[str, float]


def check_table(caltable: str, ms_name: str = "") -> TableCheck:
    """Draw a table into ``CALTABLE.plots`` and log its statistics.

    System temperatures: spectra of all antennas, field by field (``NAME.fieldN.spwNN.tNN.png``). Bandpass: amplitude
    and phase against frequency with the air's transmission (``NAME.ANTENNA.spwNN.tNN.png``). Gains: amplitude and
    phase against time, antenna by antenna, a panel for each spw (``NAME.amp.ANTENNA.png``, ``NAME.phase.ANTENNA.png``;
    four spws a page, then named by them). Amplitudes that are all 1 and phases that are all 0 are left out.

    Parameters
    ----------
    caltable : str
    ms_name : str
        For the weather and the water; by default the table's own MeasurementSet.

    Returns
    -------
    TableCheck

    Raises
    ------
    CaltableError
        If it is none of these kinds.
    NoSuchTable, InvalidTable, WriteError
    """
    from atacal.caltables.disk import read_caltable

    table = read_caltable(caltable)
    if table.kind not in _KINDS:
        raise CaltableError(f"{caltable} is a {table.kind} table; possible are {', '.join(_KINDS)}")
    folder = Path(f"{Path(caltable)}.plots")
    if folder.is_dir() and not folder.is_symlink():  # pictures of an earlier table of this name
        shutil.rmtree(folder)
    flagged, low, high = _statistics(table)
    if table.kind == "B TSYS":
        pictures = _tsys(table, caltable, ms_name, folder)
    elif table.kind == "B Jones":
        pictures = _bandpass(table, caltable, ms_name, folder)
    else:
        pictures = _gains(table, folder, low, high)
    for name in low:
        log.info("%s: %s from %.6g to %.6g", table.name, name, low[name], high[name])
    for antenna, spws in flagged.items():
        words = ", ".join(f"spw {spw} {100 * part:.1f} %" for spw, part in spws.items())
        log.info("%s: flagged on %s: %s", table.name, antenna, words)
    log.info("%s: %d pictures in %s", table.name, len(pictures), folder)
    return TableCheck(table.kind, pictures, flagged, low, high)


def _statistics(table: CalTable) -> tuple[dict[str, dict[int, float]], dict[str, float], dict[str, float]]:
    flagged: dict[str, dict[int, float]] = {}
    ranges: dict[str, list[float]] = {}
    for spw, s in sorted(table.solutions.items()):
        there = np.ones(s.param.shape[:2], bool) if s.row is None else s.row >= 0
        for antenna in range(s.param.shape[1]):
            part = s.flag[there[:, antenna], antenna]
            if part.size and part.any():
                flagged.setdefault(table.antennas[antenna].name, {})[spw] = float(part.mean())
        good = s.param[there & True][~s.flag[there]]
        if not good.size:
            continue
        if np.iscomplexobj(good):
            for name, values in (("amp", np.abs(good)), ("phase", np.rad2deg(np.angle(good)))):
                ranges.setdefault(name, []).extend((float(values.min()), float(values.max())))
        else:
            ranges.setdefault("tsys", []).extend((float(good.min()), float(good.max())))
    return flagged, {n: min(v) for n, v in ranges.items()}, {n: max(v) for n, v in ranges.items()}


def _tsys(table: CalTable, caltable: str, ms_name: str, folder: Path) -> list[Path]:
    from atacal.errors import EmptySelection
    from atacal.scripts.analysis_utils.spectra import plotbandpass

    made: list[Path] = []
    for field in sorted({int(f) for s in table.solutions.values() for f in s.field}):
        try:
            made += plotbandpass(
                caltable, overlay="antenna", xaxis="freq", yaxis="amp", subplot=22, field=str(field), vis=ms_name,
                figfile=str(folder / f"{table.name}.field{field}"),
            )  # fmt: skip
        except EmptySelection:
            log.warning("%s: all system temperatures of field %d are flagged", table.name, field)
    return made


def _bandpass(table: CalTable, caltable: str, ms_name: str, folder: Path) -> list[Path]:
    from atacal.scripts.analysis_utils.spectra import plotbandpass

    smooth = f"{caltable}_smooth20flat_ri"
    return plotbandpass(
        caltable, xaxis="freq", yaxis="both", subplot=22, showatm=True, pwv="auto", showBasebandNumber=True,
        vis=ms_name,
        caltable2=smooth if Path(smooth).is_dir() else "", figfile=str(folder / table.name),
    )  # fmt: skip


def _gains(table: CalTable, folder: Path, low: dict[str, float], high: dict[str, float]) -> list[Path]:
    from atacal.errors import EmptySelection
    from atacal.plots.table_pictures import TableRequest, picture_table
    from atacal.plots.tables import TableSelection, antenna_names

    folder.mkdir(parents=True, exist_ok=True)
    spws = sorted(table.solutions)
    made: list[Path] = []
    for y, nothing in (("amp", 1.0), ("phase", 0.0)):
        if y not in low or max(abs(low[y] - nothing), abs(high[y] - nothing)) <= 1e-3:
            continue
        margin = 0.05 * (high[y] - low[y]) or 0.1
        for number, name in enumerate(antenna_names(table)):
            for first in range(0, len(spws), _ROWS):
                group = spws[first : first + _ROWS]
                part = f".spw{group[0]}-{group[-1]}" if len(spws) > _ROWS else ""
                request = TableRequest(
                    "time", y, TableSelection(antenna=str(number), spw=",".join(map(str, group))), ("antenna", "spw"),
                    grid=(2, 2), window=(np.nan, np.nan, low[y] - margin, high[y] + margin),
                    lines=all(table.solutions[s].nslot <= 400 for s in group),
                )  # fmt: skip
                try:
                    made += picture_table(table, request, folder / f"{table.name}.{y}.{name}{part}.png")
                except EmptySelection:
                    log.warning("%s: no solution of %s in spw %s", table.name, name, group)
    return made

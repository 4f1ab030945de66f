"""The task plotbandpass."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

log = logging.getLogger("atacal")


def plotbandpass(
    caltable: str,
    antenna: str = "",
    field: str = "",
    spw: str = "",
    yaxis: str = "amp",
    xaxis: str = "chan",
    figfile: str = "",
    plotrange: Sequence[float] = (0.0, 0.0, 0.0, 0.0),
    overlay: str = "",
    showflagged: bool = False,
    timeranges: str = "",
    markersize: int = 3,
    density: int = 108,
    interactive: bool = False,
    showpoints: str | bool = "auto",
    showlines: str | bool = "auto",
    subplot: str | int = "22",
    poln: str = "",
    scans: str = "",
) -> list[Path]:
    """Plot bandpass solutions (or another table with channels) against channel or frequency.

    Parameters
    ----------
    caltable : str
        Calibration table with channels.
    antenna : str
        Antennas.
    field : str
        Fields.
    spw : str
        Spectral windows and channels.
    yaxis : str
        amp, phase or both; tsys for a table of system temperatures.
    xaxis : str
        chan or freq.
    figfile : str
        Picture to write; by default the table's name with ``.<yaxis>_vs_<xaxis>.png``, in the current folder. A file of
        that name is replaced; further pages get ``_2``, ``_3``...; with yaxis both, ``.amp`` and ``.phase`` are added.
    plotrange : list
        xmin, xmax, ymin, ymax; a pair of equal numbers is found from the data.
    overlay : str
        What shares a panel, in colours: antenna, spw, time (comma-separated). What is left has panels.
    showflagged : bool
        Show flagged channels, as hollow marks along the lower edge.
    timeranges : str
        Numbers of the solution times to show, from 0 (``0,1`` or ``1~3``).
    markersize : int
        Size of marks [pt].
    density : int
        Dots per inch.
    interactive : bool
        Has no effect: pictures go to files.
    showpoints : bool or str
        Draw marks; auto draws them where a solution has less than 20 channels.
    showlines : bool or str
        Draw lines; auto always does.
    subplot : str
        Rows and columns of panels on a page.
    poln : str
        Polarisations: empty for both, else X, Y, R, L.
    scans : str
        Scans.

    Returns
    -------
    list of Path
        The pictures.

    Raises
    ------
    ArgumentError, CaltableError, NoSuchTable, InvalidTable, SelectionError, EmptySelection, WriteError
    """
    from atacal.caltables.disk import read_caltable
    from atacal.errors import CaltableError
    from atacal.plots.ranges import grid_of, plot_window
    from atacal.plots.style import picture_path
    from atacal.plots.table_pictures import TableRequest, picture_table
    from atacal.plots.tables import TableSelection, table_axis

    table = read_caltable(caltable)
    nchan = max((s.nchan for s in table.solutions.values()), default=1)
    if nchan == 1:
        raise CaltableError(f"{table.path} ({table.kind}) has no channels: use plotcal")
    if timeranges.strip():
        table = _with_times(table, timeranges)
    shared = _overlay(overlay)
    x = table_axis(xaxis, table, parameter="xaxis")
    both = yaxis.strip().lower() == "both"
    written: list[Path] = []
    for y in ("amp", "phase") if both else (yaxis,):
        y = table_axis(y, table, parameter="yaxis")
        request = TableRequest(
            x, y, TableSelection(str(antenna), str(field), str(spw), str(scans), "", poln),
            panels=tuple(n for n in ("antenna", "spw", "time") if n not in shared), colour=("pol", *shared),
            flagged=showflagged, grid=grid_of(subplot), markersize=float(markersize), dpi=int(density),
            window=plot_window(plotrange, x_is_time=False) or (float("nan"),) * 4,
            marks=nchan < 20 if showpoints == "auto" else bool(showpoints),
            lines=True if showlines == "auto" else bool(showlines),
        )  # fmt: skip
        path = picture_path(figfile or f"{table.name}.{yaxis}_vs_{x}")
        if both:
            path = path.with_name(f"{path.stem}.{y}{path.suffix}")
        written += picture_table(table, request, path)
    for path in written:
        log.info("plotbandpass: wrote %s", path)
    return written


def _overlay(overlay: str) -> tuple[str, ...]:
    from atacal.errors import ArgumentError

    names = tuple(n.strip().lower() for n in overlay.split(",") if n.strip())
    possible = ("antenna", "spw", "time")
    if wrong := [n for n in names if n not in possible]:
        raise ArgumentError(f"overlay={overlay!r}: {wrong[0]!r} is not possible; choose of {', '.join(possible)}")
    return names


def _with_times(table: Any, timeranges: str) -> Any:
    """Return the table with only the solution times of these numbers."""
    from dataclasses import fields, replace

    import numpy as np

    from atacal.ms.selection import parse_scan
    from atacal.plots.tables import slot_starts

    starts = slot_starts(table)
    wanted = parse_scan(timeranges, range(len(starts)))
    cut = {}
    for spw, s in table.solutions.items():
        which = np.isin(np.searchsorted(starts, s.time, side="right") - 1, wanted)
        if which.any():
            arrays = {f.name: getattr(s, f.name) for f in fields(s) if f.name != "spw"}
            cut[spw] = replace(s, **{n: a[which] for n, a in arrays.items() if a is not None})
    return replace(table, solutions=cut)

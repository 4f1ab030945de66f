"""The task plotcal."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

log = logging.getLogger("atacal")


def plotcal(
    caltable: str,
    xaxis: str = "",
    yaxis: str = "",
    poln: str = "",
    field: str = "",
    antenna: str = "",
    spw: str = "",
    timerange: str = "",
    subplot: int | str = 111,
    overplot: bool = False,
    clearpanel: str = "Auto",
    iteration: str = "",
    plotrange: Sequence[float | str] = (),
    showflags: bool = False,
    plotsymbol: str = "o",
    plotcolor: str = "blue",
    markersize: float = 5.0,
    fontsize: float = 10.0,
    showgui: bool = True,
    figfile: str = "",
) -> list[Path]:
    """Plot a calibration table into a picture.

    Parameters
    ----------
    caltable : str
        Calibration table.
    xaxis : str
        time, freq, chan, antenna, scan, snr, or a y axis; by default time for gains, freq for bandpasses, antenna for
        delays.
    yaxis : str
        amp, phase, real, imag, snr; delay or tsys for tables of those. By default amp, or what the table holds.
    poln : str
        Polarisations: empty or RL or XY for both, else R, L, X, Y.
    field : str
        Fields.
    antenna : str
        Antennas.
    spw : str
        Spectral windows and channels.
    timerange : str
        Time range.
    subplot : int
        Rows and columns of panels on a page: 221 or 22; 111 with an iteration chooses for itself.
    overplot : bool
        Only False: a call makes one picture.
    clearpanel : str
        Has no effect.
    iteration : str
        A panel for each of these (comma-separated): antenna, spw, field, time.
    plotrange : list
        xmin, xmax, ymin, ymax; a pair of equal numbers is found from the data.
    showflags : bool
        Show flagged solutions, as hollow marks.
    plotsymbol : str
        matplotlib marker, such as ``o``, ``.`` or ``-`` for lines.
    plotcolor : str
        Has no effect: colours tell polarisations.
    markersize : float
        Size of marks [pt].
    fontsize : float
        Has no effect.
    showgui : bool
        Has no effect: pictures go to files.
    figfile : str
        Picture to write; by default the table's name with ``.<yaxis>_vs_<xaxis>.png``, in the current folder. A file of
        that name is replaced.

    Returns
    -------
    list of Path
        The pictures.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, SelectionError, EmptySelection, WriteError
    """
    from atacal.caltables.disk import read_caltable
    from atacal.errors import ArgumentError
    from atacal.plots.ranges import grid_of, plot_window
    from atacal.plots.style import picture_path
    from atacal.plots.table_pictures import ITERATIONS, TableRequest, picture_table
    from atacal.plots.tables import TableSelection, kind_axis, table_axis

    if overplot:
        raise ArgumentError(
            "overplot=True: a call makes one picture; select everything that it should show in one call"
        )
    table = read_caltable(caltable)
    nchan = max((s.nchan for s in table.solutions.values()), default=1)
    natural = (
        "freq" if nchan > 1 else "antenna" if kind_axis(table) == "delay" and table.par_type == "Float" else "time"
    )
    x = table_axis(xaxis or natural, table, parameter="xaxis")
    y = table_axis(yaxis or ("amp" if table.par_type == "Complex" else kind_axis(table)), table, parameter="yaxis")
    panels = tuple(p.strip().lower() for p in iteration.split(",") if p.strip())
    if wrong := [p for p in panels if p not in ITERATIONS]:
        raise ArgumentError(f"iteration={iteration!r}: {wrong[0]!r} is not possible; choose of {', '.join(ITERATIONS)}")
    lines = plotsymbol.startswith("-")
    marker = plotsymbol.lstrip("-") or "o"
    _check_marker(marker)
    request = TableRequest(
        x, y, TableSelection(str(antenna), str(field), str(spw), "", timerange, poln), panels=panels,
        flagged=showflags, grid=(0, 0) if panels and str(subplot) == "111" else grid_of(subplot),
        window=plot_window(plotrange, x_is_time=x == "time") or (float("nan"),) * 4,
        markersize=float(markersize) if markersize != 5.0 else 0.0, lines=lines,
        marks=not lines or bool(plotsymbol.lstrip("-")), marker=marker,
    )  # fmt: skip
    written = picture_table(table, request, picture_path(figfile or f"{table.name}.{y}_vs_{x}"))
    for path in written:
        log.info("plotcal: wrote %s", path)
    return written


def _check_marker(marker: str) -> None:
    from matplotlib.markers import MarkerStyle

    from atacal.errors import ArgumentError

    if marker not in MarkerStyle.markers:
        possible = ", ".join(str(m) for m in MarkerStyle.markers if isinstance(m, str) and len(m) == 1)
        raise ArgumentError(
            f"plotsymbol={marker!r} is not a marker; possible are {possible}, with - before it for lines"
        )

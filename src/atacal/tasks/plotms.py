"""The task plotms."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atacal.errors import InvalidTable

log = logging.getLogger("atacal")


def plotms(
    vis: str,
    caltable: str = "",
    gridrows: int = 1,
    gridcols: int = 1,
    rowindex: int = 0,
    colindex: int = 0,
    plotindex: int = 0,
    xaxis: str = "",
    xdatacolumn: str = "",
    xframe: str = "",
    xinterp: str = "",
    yaxis: str = "",
    ydatacolumn: str = "",
    yframe: str = "",
    yinterp: str = "",
    yaxislocation: str = "",
    selectdata: bool = True,
    field: str = "",
    spw: str = "",
    timerange: str = "",
    uvrange: str = "",
    antenna: str = "",
    scan: str = "",
    correlation: str = "",
    polarization: str = "",
    antpos: str = "",
    array: str = "",
    observation: str = "",
    intent: str = "",
    feed: str = "",
    msselect: str = "",
    averagedata: bool = True,
    avgchannel: str = "",
    avgtime: str = "",
    avgscan: bool = False,
    avgfield: bool = False,
    avgbaseline: bool = False,
    avgantenna: bool = False,
    avgspw: bool = False,
    scalar: bool = False,
    transform: bool = True,
    freqframe: str = "",
    restfreq: str = "",
    veldef: str = "RADIO",
    phasecenter: str = "",
    extendflag: bool = False,
    extcorr: bool = False,
    extchannel: bool = False,
    iteraxis: str = "",
    xselfscale: bool = False,
    yselfscale: bool = False,
    xsharedaxis: bool = False,
    ysharedaxis: bool = False,
    customsymbol: bool = False,
    symbolshape: str = "autoscaling",
    symbolsize: int = 2,
    symbolcolor: str = "0000ff",
    symbolfill: str = "fill",
    symboloutline: bool = False,
    coloraxis: str = "",
    customflaggedsymbol: bool = False,
    flaggedsymbolshape: str = "circle",
    flaggedsymbolsize: int = 2,
    flaggedsymbolcolor: str = "ff0000",
    flaggedsymbolfill: str = "fill",
    flaggedsymboloutline: bool = False,
    xconnector: str = "",
    timeconnector: bool = False,
    plotrange: Sequence[float | str] = (),
    title: str = "",
    titlefont: int = 0,
    xlabel: str = "",
    xaxisfont: int = 0,
    ylabel: str = "",
    yaxisfont: int = 0,
    showmajorgrid: bool = False,
    majorwidth: int = 1,
    majorstyle: str = "",
    majorcolor: str = "B0B0B0",
    showminorgrid: bool = False,
    minorwidth: int = 1,
    minorstyle: str = "",
    minorcolor: str = "D0D0D0",
    showlegend: bool = False,
    legendposition: str = "",
    plotfile: str = "",
    expformat: str = "",
    verbose: bool = True,
    exprange: str = "",
    highres: bool = False,
    dpi: int = -1,
    width: int = -1,
    height: int = -1,
    overwrite: bool = False,
    showgui: bool = True,
    clearplots: bool = True,
    callib: str = "",
    headeritems: str = "",
    showatm: bool = False,
    showtsky: bool = False,
    showimage: bool = False,
    colorizeoverlay: bool = False,
    colorizeaxis: str = "",
) -> list[Path]:
    """Plot visibilities, or a calibration table, into a picture.

    One reading pass in bounded memory. Up to 300 000 points are drawn one by one; more are counted on a grid, whose
    cells take the mean colour of their points and get darker with the logarithm of their number. Flagged data are left
    out of averages and, unless customflaggedsymbol is set, of the picture.

    Parameters
    ----------
    vis : str
        MeasurementSet or calibration table.
    caltable : str
        Not supported: give the calibration table as vis.
    gridrows : int
        Rows of panels on a page, when iterating.
    gridcols : int
        Columns of panels on a page, when iterating.
    rowindex : int
        Only 0: a call makes one picture.
    colindex : int
        Only 0: a call makes one picture.
    plotindex : int
        Only 0: a call makes one picture.
    xaxis : str
        What runs along x (default time): time, interval, scan, field, spw, observation, intent, antenna1, antenna2,
        baseline, corr, channel, frequency, uvdist, uvwave, u, v, w, uvw, uwave, vwave, wwave, amp, phase, real,
        imag, wt, wtsp, sigma, flag, elevation, azimuth, hourang, parang. Of a table: time, frequency, channel,
        antenna1, scan, field, spw, snr, gainamp, gainphase, gainreal, gainimag, delay, tsys.
    xdatacolumn : str
        Data column of x, if it is made of data; see ydatacolumn.
    xframe : str
        Not supported.
    xinterp : str
        Not supported.
    yaxis : str
        What runs along y (default amp); the names of xaxis.
    ydatacolumn : str
        data (default), corrected, model, float, residual (corrected-model), data-model, data/model, corrected/model.
    yframe : str
        Not supported.
    yinterp : str
        Not supported.
    yaxislocation : str
        Has no effect.
    selectdata : bool
        False ignores the selection parameters timerange to msselect, as in CASA.
    field : str
        Fields.
    spw : str
        Spectral windows and channels.
    timerange : str
        Time range.
    uvrange : str
        uv distances.
    antenna : str
        Antennas and baselines.
    scan : str
        Scans.
    correlation : str
        Correlations; polarisations of a calibration table.
    polarization : str
        Polarisations of a calibration table.
    antpos : str
        Not supported.
    array : str
        Arrays.
    observation : str
        Observation ids.
    intent : str
        Intents.
    feed : str
        Feeds.
    msselect : str
        TaQL condition.
    averagedata : bool
        False ignores the averages below.
    avgchannel : str
        Number of channels to average.
    avgtime : str
        Seconds to average, within a scan and a field.
    avgscan : bool
        Let time averages reach over scans.
    avgfield : bool
        Let time averages reach over fields.
    avgbaseline : bool
        Average all baselines.
    avgantenna : bool
        Average the baselines of each antenna.
    avgspw : bool
        Average spectral windows of like shape, channel by channel.
    scalar : bool
        Average amplitudes and phases instead of complex values.
    transform : bool
        Has no effect.
    freqframe : str
        Not supported: frequencies are those of the data.
    restfreq : str
        Not supported.
    veldef : str
        Has no effect.
    phasecenter : str
        Not supported.
    extendflag : bool
        Not supported: pictures flag nothing.
    extcorr : bool
        Not supported.
    extchannel : bool
        Not supported.
    iteraxis : str
        A panel for each antenna, baseline, field, spw, scan or corr.
    xselfscale : bool
        Give each panel x limits of its own.
    yselfscale : bool
        Give each panel y limits of its own.
    xsharedaxis : bool
        Has no effect: panels of the same limits share their numbers.
    ysharedaxis : bool
        Has no effect: panels of the same limits share their numbers.
    customsymbol : bool
        Has no effect.
    symbolshape : str
        Has no effect.
    symbolsize : int
        Has no effect.
    symbolcolor : str
        Has no effect.
    symbolfill : str
        Has no effect.
    symboloutline : bool
        Has no effect.
    coloraxis : str
        Colour by spw, field, scan, corr, antenna1, antenna2, baseline, observation, intent, time or channel.
    customflaggedsymbol : bool
        Show flagged data too, in grey; averages have none to show.
    flaggedsymbolshape : str
        ``nosymbol`` hides flagged data even with customflaggedsymbol.
    flaggedsymbolsize : int
        Has no effect.
    flaggedsymbolcolor : str
        Has no effect.
    flaggedsymbolfill : str
        Has no effect.
    flaggedsymboloutline : bool
        Has no effect.
    xconnector : str
        Not supported.
    timeconnector : bool
        Not supported.
    plotrange : list
        xmin, xmax, ymin, ymax; a pair of equal numbers is found from the data. Times as YYYY/MM/DD/hh:mm:ss or
        MJD seconds.
    title : str
        Title in place of our own.
    titlefont : int
        Has no effect.
    xlabel : str
        Label in place of our own.
    xaxisfont : int
        Has no effect.
    ylabel : str
        Label in place of our own.
    yaxisfont : int
        Has no effect.
    showmajorgrid : bool
        Has no effect: there is a faint grid.
    majorwidth : int
        Has no effect.
    majorstyle : str
        Has no effect.
    majorcolor : str
        Has no effect.
    showminorgrid : bool
        Has no effect.
    minorwidth : int
        Has no effect.
    minorstyle : str
        Has no effect.
    minorcolor : str
        Has no effect.
    showlegend : bool
        Has no effect: where colours mean something there is a legend.
    legendposition : str
        Has no effect.
    plotfile : str
        Picture to write (png, pdf, svg, ps, jpg; txt for the points as text); by default the MeasurementSet's name with
        ``.<yaxis>_vs_<xaxis>.png``, in the current folder. Iterations add their names, as CASA's do: ``x_Scan1.png``,
        ``x_Scan2_2.png``.
    expformat : str
        Format, in place of the one that plotfile's ending says.
    verbose : bool
        Has no effect.
    exprange : str
        Has no effect: all pages are written.
    highres : bool
        Has no effect.
    dpi : int
        Dots per inch; -1 for 100.
    width : int
        Width of the picture in pixels; -1 to choose.
    height : int
        Height of the picture in pixels; -1 to choose.
    overwrite : bool
        Replace a picture of the same name.
    showgui : bool
        Has no effect: pictures go to files.
    clearplots : bool
        Has no effect.
    callib : str
        Not supported: apply the calibration first.
    headeritems : str
        Has no effect.
    showatm : bool
        Not supported.
    showtsky : bool
        Not supported.
    showimage : bool
        Not supported.
    colorizeoverlay : bool
        Not supported.
    colorizeaxis : str
        The same as coloraxis.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, MissingColumn, SelectionError, EmptySelection, TableExists, WriteError
    """
    given = dict(locals())
    _refuse_unsupported(given)
    if not selectdata:
        given |= {name: "" for name in _SELECTION if name not in ("field", "spw")}
    try:
        from atacal.ms.measurement_set import MeasurementSet

        ms = MeasurementSet(vis)
    except InvalidTable as error:
        if "not a MeasurementSet" not in str(error):
            raise
        written = _plot_table(given)
    else:
        with ms:
            written = _plot_visibilities(ms, given)
    for path in written:
        log.info("plotms: wrote %s", path)
    return written


_UNSUPPORTED: dict[str, Any] = {
    "caltable": "", "rowindex": 0, "colindex": 0, "plotindex": 0, "xframe": "", "yframe": "", "xinterp": "",
    "yinterp": "",
    "antpos": "", "freqframe": "", "restfreq": "", "phasecenter": "", "extendflag": False, "extcorr": False,
    "extchannel": False, "xconnector": "", "timeconnector": False, "callib": "", "showatm": False, "showtsky": False,
    "showimage": False, "colorizeoverlay": False,
}  # fmt: skip
_SELECTION = (
    "field", "spw", "antenna", "scan", "timerange", "uvrange", "intent", "correlation", "observation", "array", "feed",
    "msselect",
)  # fmt: skip
_ALL_CHANNELS = 1_000_000


def _refuse_unsupported(given: dict[str, Any]) -> None:
    from atacal.errors import ArgumentError

    for name, default in _UNSUPPORTED.items():
        if given[name] != default:
            raise ArgumentError(f"{name}={given[name]!r} is not supported by atacal's plotms; leave it at {default!r}")
    for name in ("xaxis", "yaxis"):
        if not isinstance(given[name], str):
            raise ArgumentError(f"{name}={given[name]!r}: one axis a picture; call plotms once for each")


def _plot_visibilities(ms: Any, given: dict[str, Any]) -> list[Path]:
    from atacal.ms.selection import Selection, select
    from atacal.plots.axes import COLOUR_AXES, ITERATION_AXES, axis_of, one_of
    from atacal.plots.ms_pictures import Look, picture_ms
    from atacal.plots.ranges import plot_window
    from atacal.plots.style import picture_path
    from atacal.plots.visibilities import Request, data_column

    x = axis_of(given["xaxis"] or "time", parameter="xaxis")
    y = axis_of(given["yaxis"] or "amp", parameter="yaxis")
    colour, iterate = given["coloraxis"] or given["colorizeaxis"], given["iteraxis"]
    request = Request(
        x, y, data_column(given["xdatacolumn"], parameter="xdatacolumn"),
        data_column(given["ydatacolumn"], parameter="ydatacolumn"),
        colour=one_of(colour, COLOUR_AXES, parameter="coloraxis") if colour else "",
        iterate=_iteration(iterate, ITERATION_AXES) if iterate else "",
        averaging=_averaging(given),
        flagged=given["customflaggedsymbol"] and given["flaggedsymbolshape"] != "nosymbol",
    )  # fmt: skip
    selected = select(ms, Selection(**{n: given[n] for n in _SELECTION}))
    asked = ", ".join(f"{n} {given[n]}" for n in _SELECTION if str(given[n]).strip())
    look = Look(
        given["title"], asked or "all data", given["xlabel"], given["ylabel"],
        grid=(max(1, given["gridrows"]), max(1, given["gridcols"])),
        selfscale=(given["xselfscale"], given["yselfscale"]),
        size_px=(max(0, given["width"]), max(0, given["height"])), dpi=given["dpi"] if given["dpi"] > 0 else 100,
    )  # fmt: skip
    path = picture_path(given["plotfile"] or f"{ms.metadata.name}.{y.name}_vs_{x.name}", given["expformat"])
    window = plot_window(given["plotrange"], x_is_time=x.name == "time")
    return picture_ms(ms, selected, request, path, look=look, window=window, overwrite=given["overwrite"])


def _iteration(name: str, possible: tuple[str, ...]) -> str:
    from atacal.plots.axes import one_of

    key = {"correlation": "corr", "antenna1": "antenna"}.get(name.strip().lower(), name)
    return one_of(key, possible, parameter="iteraxis")


def _averaging(given: dict[str, Any]) -> Any:
    from atacal.plots.cells import Averaging
    from atacal.plots.ranges import positive_number

    if not given["averagedata"]:
        return Averaging()
    channels = positive_number(given["avgchannel"], parameter="avgchannel")
    return Averaging(
        channels=max(1, min(int(channels), _ALL_CHANNELS)),
        time_s=positive_number(given["avgtime"], parameter="avgtime"), scan=given["avgscan"], field=given["avgfield"],
        baseline=given["avgbaseline"], antenna=given["avgantenna"], spw=given["avgspw"], scalar=given["scalar"],
    )  # fmt: skip


def _plot_table(given: dict[str, Any]) -> list[Path]:
    from atacal.caltables.disk import read_caltable
    from atacal.plots.ranges import plot_window
    from atacal.plots.style import picture_path
    from atacal.plots.table_pictures import TableRequest, picture_table
    from atacal.plots.tables import TableSelection, kind_axis, table_axis

    table = read_caltable(given["vis"])
    default = "amp" if table.par_type == "Complex" else kind_axis(table)
    x = table_axis(given["xaxis"] or "time", table, parameter="xaxis")
    y = table_axis(given["yaxis"] or default, table, parameter="yaxis")
    iterate = given["iteraxis"].strip().lower()
    colour = (given["coloraxis"] or given["colorizeaxis"]).strip().lower()
    names = {"antenna1": "antenna", "corr": "pol", "correlation": "pol"}
    grid = (max(1, given["gridrows"]), max(1, given["gridcols"]))
    request = TableRequest(
        x, y,
        TableSelection(
            given["antenna"], given["field"], given["spw"], given["scan"], given["timerange"],
            given["polarization"] or given["correlation"],
        ),
        panels=(names.get(iterate, iterate),) if iterate else (),
        colour=(names.get(colour, colour),) if colour else ("pol",),
        flagged=given["customflaggedsymbol"], grid=grid, title=given["title"],
        window=plot_window(given["plotrange"], x_is_time=x == "time") or (float("nan"),) * 4,
        dpi=given["dpi"] if given["dpi"] > 0 else 100,
    )  # fmt: skip
    path = picture_path(given["plotfile"] or f"{table.name}.{y}_vs_{x}", given["expformat"])
    return picture_table(table, request, path, overwrite=given["overwrite"])

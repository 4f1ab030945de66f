"""The task plotms."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

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
    from atacal.plots.plotms import draw

    written = draw(given)
    for path in written:
        log.info("plotms: wrote %s", path)
    return written

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
    caltable2: str = "",
    overlay: str = "",
    showflagged: bool = False,
    timeranges: str = "",
    buildpdf: bool = False,
    markersize: int = 3,
    density: int = 108,
    interactive: bool = False,
    showpoints: str | bool = "auto",
    showlines: str | bool = "auto",
    subplot: str | int = "22",
    poln: str = "",
    showatm: bool = False,
    pwv: str | float = "auto",
    chanrange: str = "",
    vis: str = "",
    showtsky: bool = False,
    showfdm: bool = False,
    lo1: str | float = "",
    showimage: bool = False,
    parentms: str = "",
    basebands: str = "",
    showBasebandNumber: bool = False,
    scans: str = "",
    figfileSequential: bool = False,
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
        amp, phase or both (amplitude above phase); tsys for a table of system temperatures.
    xaxis : str
        chan or freq.
    figfile : str
        Beginning of the pictures' names; by default the table's name and ``.<yaxis>_vs_<xaxis>``, in this folder.
        The antenna, spw and number of the solution time of a page's first panel follow, as in ALMA's plotbandpass:
        ``X.DA41.spw01.t00.png``, without antenna or time where they share panels. Files of that name are replaced.
    plotrange : list
        xmin, xmax, ymin, ymax; a pair of equal numbers is found from the data.
    caltable2 : str
        A second table, drawn in grey: a smoothed bandpass.
    overlay : str
        What shares a panel, in colours: antenna, spw, baseband, time (comma-separated). What is left has panels.
    showflagged : bool
        Show flagged channels, as hollow marks along the lower edge.
    timeranges : str
        Numbers of the solution times to show, from 0 (``0,1`` or ``1~3``).
    buildpdf : bool
        Write all pages into one PDF, too.
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
    showatm : bool
        Draw the transmission of the air, for the time and elevation of the solutions.
    pwv : float or str
        Water in the air [mm]; auto takes what was measured (ASDM_CALWVR, ASDM_CALATMOSPHERE), else 1 mm.
    chanrange : str
        Channels (``5~122``) or central part of the spw (``92.1875%``) that decide the vertical range.
    vis : str
        The MeasurementSet with weather, water and receivers; by default that of the table, if it is beside it or in the
        current folder.
    showtsky : bool
        Draw the brightness of the sky instead.
    showfdm : bool
        Mark where the FDM spws lie.
    lo1 : float or str
        First local oscillator [GHz or Hz]; by default from ASDM_RECEIVER.
    showimage : bool
        Draw the image sideband's curve, too, dashed.
    parentms : str
        The MeasurementSet that ``vis`` was split from, for its receivers.
    basebands : str
        Only spws of these basebands.
    showBasebandNumber : bool
        Name the baseband of each panel.
    scans : str
        Scans.
    figfileSequential : bool
        Number the pages in place of naming what they show.

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
    from atacal.plots.bandpass_pages import SpectraRequest, picture_spectra
    from atacal.plots.ranges import grid_of, plot_window
    from atacal.plots.tables import TableSelection, table_axis

    table = read_caltable(caltable)
    nchan = max((s.nchan for s in table.solutions.values()), default=1)
    if nchan == 1:
        raise CaltableError(f"{table.path} ({table.kind}) has no channels: use plotcal")
    if timeranges.strip():
        table = _with_times(table, timeranges)
    if str(basebands).strip():
        table = _with_basebands(table, str(basebands))
    shared = _overlay(overlay)
    x = table_axis(xaxis, table, parameter="xaxis")
    both = yaxis.strip().lower() in ("both", "ap")
    ys = tuple(table_axis(y, table, parameter="yaxis") for y in (("amp", "phase") if both else (yaxis,)))
    site = _vis_of(table, vis)
    request = SpectraRequest(
        x, ys, TableSelection(str(antenna), str(field), str(spw), str(scans), "", str(poln)), shared, showflagged,
        grid_of(subplot), plot_window(plotrange, x_is_time=False) or (float("nan"),) * 4, _chanrange(chanrange),
        marks=nchan < 20 if showpoints == "auto" else bool(showpoints),
        lines=True if showlines == "auto" else bool(showlines), markersize=float(markersize), dpi=int(density),
        basebands=showBasebandNumber, pdf=buildpdf, sequential=figfileSequential,
        air=_air(table, site, pwv, lo1, showimage, parentms, showtsky) if showatm or showtsky else None,
        bars=_fdm_spws(site) if showfdm else (), second=read_caltable(caltable2) if caltable2 else None,
    )  # fmt: skip
    written = picture_spectra(table, request, Path(figfile or f"{table.name}.{yaxis}_vs_{x}"))
    for path in written:
        log.info("plotbandpass: wrote %s", path)
    return written


def _vis_of(table: Any, vis: str) -> str:
    """Return the MeasurementSet with weather, water and receivers: as named, or the table's own where it is found."""
    from atacal.ms.metadata import read_metadata

    if vis:
        read_metadata(vis)  # an error that names it
        return vis
    folder = table.path.parent if table.path else Path()
    for place in (folder / table.ms_name, Path(table.ms_name)):
        if table.ms_name and (place / "SPECTRAL_WINDOW").is_dir():
            return str(place)
    return ""


def _air(table: Any, vis: str, pwv: str | float, lo1: str | float, image: bool, parentms: str, kelvin: bool) -> Any:
    """Return what draws the air: from spw, times and fields to a curve."""
    import numpy as np

    from atacal.atmosphere.observed import air_curve, mean_airmass, observed_air
    from atacal.errors import ArgumentError

    try:
        water = float("nan") if str(pwv).strip().lower() in ("", "auto") else float(pwv)
    except ValueError:
        raise ArgumentError(f"pwv={pwv!r}: give auto, or millimetres of water") from None
    air = observed_air(vis, water)
    oscillators = _first_los(table, vis, lo1, parentms) if image else {}

    made: dict[Any, Any] = {}  # the antennas share curves

    def curve(spw: int, time: Any, field: Any) -> Any:
        key = (spw, time.tobytes(), field.tobytes())
        if key not in made:
            made[key] = one(spw, time, field)
        return made[key]

    def one(spw: int, time: Any, field: Any) -> Any:
        known = (field >= 0) & (field < len(table.fields))
        airmass = 1.0
        if known.any():
            airmass = mean_airmass(time[known], [table.fields[int(f)] for f in field[known]], table.antennas)
        return air_curve(
            air, np.asarray(table.spws[spw].chan_freq_hz), airmass=airmass, start_mjd_s=float(time.min()) - 60,
            end_mjd_s=float(time.max()) + 60, first_lo_hz=oscillators.get(spw), kelvin=kelvin,
        )  # fmt: skip

    return curve


def _first_los(table: Any, vis: str, lo1: str | float, parentms: str) -> dict[int, float]:
    """Return the first local oscillator [Hz] of each spw, from the user or ASDM_RECEIVER."""
    from atacal.errors import ArgumentError
    from atacal.ms.air_tables import read_first_lo_hz
    from atacal.ms.metadata import read_metadata

    if str(lo1).strip():
        try:
            value = float(lo1)
        except ValueError:
            raise ArgumentError(f"lo1={lo1!r} is no frequency in GHz or Hz") from None
        return {s: value if value > 1e6 else value * 1e9 for s in table.solutions}
    source = parentms or vis
    found = read_first_lo_hz(source) if source else {}
    if not found:
        log.warning("plotbandpass: no image sideband: %s has no ASDM_RECEIVER; give lo1", source or "no MeasurementSet")
        return {}
    originals = read_metadata(source).spws
    out = {}
    for spw in table.solutions:
        mine = table.spws[spw]
        same = [o.id for o in originals if o.name == mine.name and abs(o.ref_freq_hz - mine.ref_freq_hz) < 1e6]
        known = [found[i] for i in ([spw] if spw in same else same) if i in found]
        if known:
            out[spw] = known[0]
    return out


def _fdm_spws(vis: str) -> tuple[tuple[str, float, float], ...]:
    """Return name, lowest and highest frequency [Hz] of the spws that are finer than TDM."""
    from atacal.ms.metadata import read_metadata

    if not vis:
        return ()
    out = []
    for spw in read_metadata(vis).spws:
        if spw.nchan > 4 and abs(spw.chan_width_hz[0]) < 10e6:
            half = abs(spw.chan_width_hz).max() / 2
            out.append((f"spw {spw.id}", float(spw.chan_freq_hz.min() - half), float(spw.chan_freq_hz.max() + half)))
    return tuple(out)


def _chanrange(chanrange: Any) -> tuple[int, int] | float | None:
    from atacal.errors import ArgumentError

    text = chanrange.strip() if isinstance(chanrange, str) else "~".join(str(c) for c in chanrange)
    if not text:
        return None
    try:
        if text.endswith("%"):
            share = float(text[:-1])
            if not 0 < share <= 100:
                raise ValueError
            return share
        first, last = (int(part) for part in text.split("~"))
    except ValueError:
        raise ArgumentError(f"chanrange={chanrange!r}: give channels like 5~122, or a part like 92.1875%") from None
    return first, last


def _with_basebands(table: Any, basebands: str) -> Any:
    from dataclasses import replace

    from atacal.errors import ArgumentError

    there = sorted({table.spws[s].bbc_no for s in table.solutions})
    try:
        wanted = {int(b) for b in basebands.strip("[]() ").split(",")}
    except ValueError:
        raise ArgumentError(f"basebands={basebands!r}: give numbers of {there}") from None
    cut = {s: one for s, one in table.solutions.items() if table.spws[s].bbc_no in wanted}
    if not cut:
        raise ArgumentError(f"basebands={basebands!r}: {table.name} has {', '.join(map(str, there))}")
    return replace(table, solutions=cut)


def _overlay(overlay: str) -> tuple[str, ...]:
    from atacal.errors import ArgumentError

    names = tuple(n.strip().lower() for n in overlay.split(",") if n.strip())
    possible = ("antenna", "spw", "time", "baseband")
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

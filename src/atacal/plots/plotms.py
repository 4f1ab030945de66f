"""What plotms does with its parameters: pictures of a MeasurementSet or of a calibration table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atacal.caltables.disk import read_caltable
from atacal.errors import ArgumentError, InvalidTable
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.plots.axes import COLOUR_AXES, ITERATION_AXES, axis_of, one_of
from atacal.plots.cells import Averaging
from atacal.plots.ms_pictures import Look, picture_ms
from atacal.plots.ranges import plot_window, positive_number
from atacal.plots.style import picture_path
from atacal.plots.table_pictures import TableRequest, picture_table
from atacal.plots.tables import TableSelection, kind_axis, table_axis
from atacal.plots.visibilities import Request, data_column

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


def draw(given: dict[str, Any]) -> list[Path]:
    """Draw what the task's parameters ask for.

    Parameters
    ----------
    given : dict
        All parameters of `atacal.tasks.plotms` by name.

    Returns
    -------
    list of Path
        The files written.
    """
    _refuse_unsupported(given)
    if not given["selectdata"]:
        given = given | {name: "" for name in _SELECTION if name not in ("field", "spw")}
    try:
        ms = MeasurementSet(given["vis"])
    except InvalidTable as error:
        if "not a MeasurementSet" not in str(error):
            raise
        return _draw_table(given)
    with ms:
        return _draw_visibilities(ms, given)


def _refuse_unsupported(given: dict[str, Any]) -> None:
    for name, default in _UNSUPPORTED.items():
        if given[name] != default:
            raise ArgumentError(f"{name}={given[name]!r} is not supported by atacal's plotms; leave it at {default!r}")
    for name in ("xaxis", "yaxis"):
        if not isinstance(given[name], str):
            raise ArgumentError(f"{name}={given[name]!r}: one axis a picture; call plotms once for each")


def _draw_visibilities(ms: MeasurementSet, given: dict[str, Any]) -> list[Path]:
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
    key = {"correlation": "corr", "antenna1": "antenna"}.get(name.strip().lower(), name)
    return one_of(key, possible, parameter="iteraxis")


def _averaging(given: dict[str, Any]) -> Averaging:
    if not given["averagedata"]:
        return Averaging()
    channels = positive_number(given["avgchannel"], parameter="avgchannel")
    return Averaging(
        channels=max(1, min(int(channels), _ALL_CHANNELS)),
        time_s=positive_number(given["avgtime"], parameter="avgtime"), scan=given["avgscan"], field=given["avgfield"],
        baseline=given["avgbaseline"], antenna=given["avgantenna"], spw=given["avgspw"], scalar=given["scalar"],
    )  # fmt: skip


def _draw_table(given: dict[str, Any]) -> list[Path]:
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

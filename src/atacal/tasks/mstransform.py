"""mstransform: copy part of a MeasurementSet, channels averaged, smoothed or brought to another grid or frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atacal.errors import ArgumentError

_NEEDS = {"outframe": "", "mode": "channel", "nchan": -1, "start": 0, "width": 1, "phasecenter": "", "restfreq": "",
          "interpolation": "linear"}  # fmt: skip
"""Defaults of what does nothing without regridms."""


def mstransform(
    vis: str,
    outputvis: str,
    createmms: bool = False,
    separationaxis: str = "auto",
    numsubms: str | int = "auto",
    tileshape: Sequence[int] = (0,),
    field: str = "",
    spw: str = "",
    scan: str = "",
    antenna: str = "",
    correlation: str | Sequence[str] = "",
    timerange: str = "",
    intent: str = "",
    array: str = "",
    uvrange: str = "",
    observation: str | int = "",
    feed: str = "",
    datacolumn: str = "corrected",
    realmodelcol: bool = False,
    keepflags: bool = True,
    usewtspectrum: bool = False,
    combinespws: bool = False,
    chanaverage: bool = False,
    chanbin: int | Sequence[int] = 1,
    hanning: bool = False,
    regridms: bool = False,
    mode: str = "channel",
    nchan: int = -1,
    start: int | str = 0,
    width: int | str = 1,
    nspw: int = 1,
    interpolation: str = "linear",
    phasecenter: int | str = "",
    restfreq: str = "",
    outframe: str = "",
    veltype: str = "radio",
    preaverage: bool = False,
    timeaverage: bool = False,
    timebin: str = "0s",
    timespan: str = "",
    maxuvwdistance: float = 0.0,
    docallib: bool = False,
    callib: str = "",
    douvcontsub: bool = False,
    fitspw: str = "",
    fitorder: int = 0,
    want_cont: bool = False,
    denoising_lib: bool = True,
    nthreads: int = 1,
    niter: int = 1,
    disableparallel: bool = False,
    ddistart: int = -1,
    taql: str = "",
    monolithic_processing: bool = False,
    reindex: bool = True,
) -> None:
    """Copy part of a MeasurementSet, channels averaged, smoothed or brought to another grid or frame.

    Channels are averaged first, then smoothed, then regridded. The output appears under its name when it is complete.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    outputvis : str
        The new MeasurementSet; it must not exist.
    createmms : bool
        Only False.
    separationaxis : str
        Has no effect without createmms.
    numsubms : str or int
        Has no effect without createmms.
    tileshape : list of int
        Has no effect: tiles are chosen.
    field : str
        Fields, names or ids.
    spw : str
        Spectral windows and channels: '0,1:10~50'. Their order is that of the output.
    scan : str
        Scan numbers.
    antenna : str
        Antennas and baselines.
    correlation : str or list of str
        Correlations: 'XX,YY'.
    timerange : str
        Times.
    intent : str
        Scan intents.
    array : str
        Subarrays.
    uvrange : str
        uv distances.
    observation : str or int
        Observation ids.
    feed : str
        Feeds.
    datacolumn : str
        data, corrected or model: written as DATA; all: every one that exists, under its own name; several of them,
        separated by commas; float_data.
    realmodelcol : bool
        Only False.
    keepflags : bool
        Keep rows all of whose data are flagged.
    usewtspectrum : bool
        Has no effect: WEIGHT_SPECTRUM is used and written where it exists.
    combinespws : bool
        Only False (or one spw).
    chanaverage : bool
        Average channels.
    chanbin : int or list of int
        Channels to average into one: a number for all, or one for each selected spw.
    hanning : bool
        Smooth channels with 1/4, 1/2, 1/4.
    regridms : bool
        Bring the channels to another grid.
    mode : str
        What start and width of the grid are: channel, frequency, velocity.
    nchan : int
        Its number of channels; -1: as many as fit.
    start : int or str
        Its first channel: a number, '240.5GHz', '-5km/s'.
    width : int or str
        The width of its channels: a number, '20MHz', '1km/s'.
    nspw : int
        Only 1.
    interpolation : str
        nearest, linear or cubic.
    phasecenter : int or str
        The direction that frequencies are converted for, or a field's id; by default that of the first field.
    restfreq : str
        Rest frequency, for velocities.
    outframe : str
        LSRK, LSRD, BARY, TOPO, GALACTO, LGROUP, CMB; by default the frame of the data.
    veltype : str
        Only radio.
    preaverage : bool
        Has no effect: channels twice as wide as the data's or more are means over their width.
    timeaverage : bool
        Average times; not together with hanning or regridms.
    timebin : str
        Length of the time bins: '30s', '2min'.
    timespan : str
        Average times over the limits of 'scan', 'state' or 'scan,state'.
    maxuvwdistance : float
        Only 0.
    docallib : bool
        Only False: apply tables with applycal.
    callib : str
        Has no effect without docallib.
    douvcontsub : bool
        Only False.
    fitspw : str
        Has no effect without douvcontsub.
    fitorder : int
        Has no effect without douvcontsub.
    want_cont : bool
        Has no effect without douvcontsub.
    denoising_lib : bool
        Has no effect without douvcontsub.
    nthreads : int
        Has no effect without douvcontsub.
    niter : int
        Has no effect without douvcontsub.
    disableparallel : bool
        Has no effect.
    ddistart : int
        Has no effect.
    taql : str
        Only ''.
    monolithic_processing : bool
        Has no effect.
    reindex : bool
        Only True.

    Raises
    ------
    NoSuchTable, TableExists, MissingColumn, SelectionError, EmptySelection, ArgumentError, WriteError
    """
    given = {k: v for k, v in locals().items() if k in mstransform.__annotations__}
    check_unavailable("mstransform", given)
    if not regridms:
        for name, default in _NEEDS.items():
            if str(given[name]) != str(default):
                raise ArgumentError(f"mstransform: {name}={given[name]!r} does nothing without regridms=True")
    transform("mstransform", given, averaging=chanaverage, binning=timeaverage)


def check_unavailable(task: str, given: dict[str, Any]) -> None:
    """Raise for what is asked for and not available."""
    only = {
        "createmms": (False, "there are no multi-MSs here"), "realmodelcol": (False, "setjy makes MODEL_DATA"),
        "combinespws": (False, "spws are not combined"), "nspw": (1, "spws are not divided"),
        "veltype": ("radio", "only radio velocities are available"), "maxuvwdistance": (0.0, "0 is possible"),
        "docallib": (False, "apply tables with applycal"), "douvcontsub": (False, "continuum is not subtracted"),
        "taql": ("", "select with the other parameters"), "reindex": (True, "ids are always renumbered"),
    }  # fmt: skip
    for name, (possible, why) in only.items():
        if name in given and given[name] != possible:
            raise ArgumentError(f"{task}: {name}={given[name]!r} is not available: {why}")
    if given.get("mode", "channel") not in ("channel", "frequency", "velocity"):
        raise ArgumentError(f"{task}: mode={given['mode']!r}; possible are channel, frequency, velocity")


def transform(task: str, given: dict[str, Any], *, averaging: bool, binning: bool) -> None:
    """Run split with a task's parameters."""
    from atacal.ms._split_grid import RegridOptions
    from atacal.ms.history import task_messages
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection
    from atacal.ms.spectral_grid import GridOptions, frequency_hz
    from atacal.ms.split import SplitOptions, split_ms
    from atacal.tasks.split import _seconds, _width

    if not given["outputvis"].strip():
        raise ArgumentError(f"{task}: outputvis is empty; give the name of the new MeasurementSet")
    combined = frozenset(p.strip().lower() for p in given.get("timespan", "").split(",") if p.strip())
    if not combined <= {"scan", "state"}:
        raise ArgumentError(f"{task}: timespan={given['timespan']!r}; possible are '', 'scan', 'state', 'scan,state'")
    corrs = given["correlation"] if isinstance(given["correlation"], str) else ",".join(given["correlation"])
    selection = Selection(
        field=given["field"], spw=given["spw"], scan=given["scan"], antenna=given["antenna"], correlation=corrs.upper(),
        timerange=given["timerange"], intent=given["intent"], array=given["array"], uvrange=given["uvrange"],
        observation=str(given["observation"]), feed=given["feed"],
    )  # fmt: skip
    regrid = None
    if given.get("regridms", True):
        grid = GridOptions(given["mode"], int(given["nchan"]), given["start"], given["width"],
                           frequency_hz(given["restfreq"]))  # fmt: skip
        regrid = RegridOptions(grid, given["outframe"], given["interpolation"], str(given["phasecenter"]))
    options = SplitOptions(
        given["datacolumn"], given["keepflags"], _width(given["chanbin"]) if averaging else 1,
        _seconds(given["timebin"]) if binning else 0.0, combined if binning else frozenset(), given["hanning"], regrid,
    )  # fmt: skip
    with MeasurementSet(given["vis"], once=True) as ms:
        split_ms(ms, given["outputvis"], selection, options, history=task_messages(task, given), task=task)

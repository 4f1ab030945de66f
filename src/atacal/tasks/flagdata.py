"""flagdata: flag and unflag data, and count flags."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from atacal.errors import ArgumentError

_UNUSED = {
    "timecutoff": 4.0, "freqcutoff": 3.0, "timefit": "line",
    "freqfit": "poly", "maxnpieces": 7, "flagdimension": "freqtime", "usewindowstats": "none", "halfwin": 1,
    "extendflags": True, "winsize": 3, "timedev": "", "freqdev": "", "timedevscale": 5.0, "freqdevscale": 5.0,
    "spectralmax": 1000000.0, "spectralmin": 0.0, "antint_ref_antenna": "", "minchanfrac": 0.6, "verbose": False,
    "display": "", "writeflags": True,
}  # fmt: skip


def flagdata(
    vis: str = "",
    mode: str = "manual",
    autocorr: bool = False,
    inpfile: str | list[str] = "",
    reason: str | list[str] = "any",
    tbuff: float | list[float] = 0.0,
    spw: str = "",
    field: str = "",
    antenna: str = "",
    uvrange: str = "",
    timerange: str = "",
    correlation: str = "",
    scan: str = "",
    intent: str = "",
    array: str = "",
    observation: str = "",
    feed: str = "",
    clipminmax: list[float] | None = None,
    datacolumn: str = "DATA",
    clipoutside: bool = True,
    channelavg: bool = False,
    chanbin: int | list[int] = 1,
    timeavg: bool = False,
    timebin: str = "0s",
    clipzeros: bool = False,
    quackinterval: float = 1.0,
    quackmode: str = "beg",
    quackincrement: bool = False,
    tolerance: float = 0.0,
    addantenna: str | dict[str, Any] = "",
    lowerlimit: float = 0.0,
    upperlimit: float = 90.0,
    ntime: str | float = "scan",
    combinescans: bool = False,
    timecutoff: float = 4.0,
    freqcutoff: float = 3.0,
    timefit: str = "line",
    freqfit: str = "poly",
    maxnpieces: int = 7,
    flagdimension: str = "freqtime",
    usewindowstats: str = "none",
    halfwin: int = 1,
    extendflags: bool = True,
    winsize: int = 3,
    timedev: str | float | list[Any] = "",
    freqdev: str | float | list[Any] = "",
    timedevscale: float = 5.0,
    freqdevscale: float = 5.0,
    spectralmax: float = 1000000.0,
    spectralmin: float = 0.0,
    antint_ref_antenna: str = "",
    minchanfrac: float = 0.6,
    verbose: bool = False,
    extendpols: bool = True,
    growtime: float = 50.0,
    growfreq: float = 50.0,
    growaround: bool = False,
    flagneartime: bool = False,
    flagnearfreq: bool = False,
    minrel: float = 0.0,
    maxrel: float = 1.0,
    minabs: int = 0,
    maxabs: int = -1,
    spwchan: bool = False,
    spwcorr: bool = False,
    basecnt: bool = False,
    fieldcnt: bool = False,
    name: str = "Summary",
    action: str = "apply",
    display: str = "",
    flagbackup: bool = True,
    savepars: bool = False,
    cmdreason: str = "",
    outfile: str = "",
    overwrite: bool = True,
    writeflags: bool = True,
) -> dict[str, Any]:
    """Flag or unflag data, or count the flags.

    Parameters
    ----------
    vis : str
        MeasurementSet or calibration table.
    mode : str
        manual: all that is selected; clip: by value; quack: the begin or end of scans; shadow: antennas behind
        others; elevation: sources too low or too high; extend: grow the flags that are there; unflag; summary:
        count; list: many commands in one pass.
    autocorr : bool
        manual: only the autocorrelations (of correlators, not of water-vapour radiometers).
    inpfile : str or list
        list: a file of commands, a list of files, or a list of commands such as ``mode='manual' antenna='DA41'``.
    reason : str or list
        list: take only the commands of these reasons.
    tbuff : float or list
        list: seconds by which time ranges are widened; a pair for their two ends.
    spw : str
        Spectral windows and channels, such as ``0:0~7;120~127,2``.
    field : str
        Field names or ids.
    antenna : str
        Antennas or baselines.
    uvrange : str
        uv distances.
    timerange : str
        Times.
    correlation : str
        Correlations, ``XX,YY``; for clip also what is looked at: ``ABS_ALL``, ``REAL_XX``, ``ARG_YY``.
    scan : str
        Scan numbers.
    intent : str
        Scan intents.
    array : str
        Array ids.
    observation : str
        Observation ids.
    feed : str
        Feed ids.
    clipminmax : list of float
        clip: [minimum, maximum]; empty flags only what is not finite.
    datacolumn : str
        clip: DATA, CORRECTED, MODEL, RESIDUAL, RESIDUAL_DATA, FLOAT_DATA, WEIGHT_SPECTRUM, WEIGHT; calibration
        tables: CPARAM, FPARAM, SNR.
    clipoutside : bool
        clip: flag values outside the limits, otherwise those inside.
    channelavg : bool
        clip of channel averages: not built in, only False.
    chanbin : int or list
        Width of such averages.
    timeavg : bool
        clip of time averages: not built in, only False.
    timebin : str
        Width of such averages.
    clipzeros : bool
        clip: flag exact zeros, too.
    quackinterval : float
        quack: seconds.
    quackmode : str
        quack: beg (begin of the scan), endb (its end), tail (all but the begin), end (all but the end).
    quackincrement : bool
        quack: count from the first and last data of the scan that are not flagged yet.
    tolerance : float
        shadow: overlap that is allowed [m].
    addantenna : str or dict
        shadow: more antennas that may stand in the way: a file of name, diameter and position, or CASA's dictionary.
    lowerlimit : float
        elevation: flag below [deg].
    upperlimit : float
        elevation: flag above [deg].
    ntime : str or float
        extend: what is looked at together: scan, or a length of time (30.0, '30s', '5min').
    combinescans : bool
        extend: look at all scans of a field together.
    timecutoff : float
        Of the modes tfcrop and rflag, which are not built in; only its default.
    freqcutoff : float
        See timecutoff.
    timefit : str
        See timecutoff.
    freqfit : str
        See timecutoff.
    maxnpieces : int
        See timecutoff.
    flagdimension : str
        See timecutoff.
    usewindowstats : str
        See timecutoff.
    halfwin : int
        See timecutoff.
    extendflags : bool
        See timecutoff.
    winsize : int
        See timecutoff.
    timedev : str, float or list
        See timecutoff.
    freqdev : str, float or list
        See timecutoff.
    timedevscale : float
        See timecutoff.
    freqdevscale : float
        See timecutoff.
    spectralmax : float
        See timecutoff.
    spectralmin : float
        See timecutoff.
    antint_ref_antenna : str
        Of the mode antint, which is not built in; only its default.
    minchanfrac : float
        See antint_ref_antenna.
    verbose : bool
        See antint_ref_antenna.
    extendpols : bool
        extend: flag all correlations of what is flagged in one.
    growtime : float
        extend: flag a channel at all times if it is flagged at this percentage of them or more; 0: never.
    growfreq : float
        extend: flag all channels of an integration if this percentage of them or more is flagged; 0: never.
    growaround : bool
        extend: flag what has more than four flagged neighbours in time and frequency.
    flagneartime : bool
        extend: flag the integrations before and after flagged ones.
    flagnearfreq : bool
        extend: flag the channels beside flagged ones.
    minrel : float
        summary: leave out entries with a smaller flagged fraction.
    maxrel : float
        summary: leave out entries with a greater flagged fraction.
    minabs : int
        summary: leave out entries with fewer flags.
    maxabs : int
        summary: leave out entries with more flags; negative: no limit.
    spwchan : bool
        summary: counts per channel.
    spwcorr : bool
        summary: counts per spw and correlation.
    basecnt : bool
        summary: counts per baseline, and per antenna and scan.
    fieldcnt : bool
        summary: one summary a field.
    name : str
        summary: its name.
    action : str
        apply: write flags; calculate: only report; none: only save the commands.
    display : str
        Only '': pictures are plotms' task.
    flagbackup : bool
        Save the flags as version flagdata_1, flagdata_2... first.
    savepars : bool
        Save the commands to outfile, or to the table FLAG_CMD.
    cmdreason : str
        The reason to save with them.
    outfile : str
        Text file for the commands.
    overwrite : bool
        Whether outfile may be replaced.
    writeflags : bool
        Only True.

    Returns
    -------
    dict
        summary: CASA's dictionary of counts (several summaries in a list: report0, report1...). Otherwise empty.

    Raises
    ------
    ArgumentError, SelectionError, EmptySelection, MissingColumn, NoSuchTable, InvalidTable, TableLocked, WriteError
    """
    given: dict[str, Any] = dict(locals())
    given["clipminmax"] = clipminmax or []
    _check(given)
    from atacal.flags.entries import commands_of, entry_of, read_entries
    from atacal.flags.run import is_caltable
    from atacal.flags.summary import filtered

    entries = read_entries(inpfile, reason, tbuff) if mode == "list" else [entry_of(given)]
    caltable = is_caltable(vis)
    if savepars and outfile and not overwrite and os.path.exists(outfile):
        raise ArgumentError(f"flagdata: outfile={outfile!r} exists and overwrite is False")
    if savepars and not outfile and caltable:
        raise ArgumentError(f"flagdata: {vis} is a calibration table, it has no FLAG_CMD table; give outfile")
    reports = _carry_out(entries, commands_of(entries), given, caltable)
    reports = [filtered(r, minrel, maxrel, minabs, maxabs) for r in reports]
    return reports[0] if len(reports) == 1 else {f"report{i}": r for i, r in enumerate(reports)}


def _carry_out(entries: list[Any], commands: list[Any], given: Mapping[str, Any], caltable: bool) -> list[Any]:
    """Do all that was asked for; the table changes at the end, all at once."""
    from atacal.flags.run import run
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.transaction import transaction

    vis, action = given["vis"], given["action"]
    saves = given["savepars"] and given["mode"] != "summary"
    flags = action == "apply" and any(c.mode != "summary" for c in commands)
    records = saves and not given["outfile"]
    if not (flags or records):
        reports = run(vis, commands) if action in ("calculate", "apply") else []
        if saves:
            _save(vis, entries, given)
        return reports
    columns = ("FLAG", "FLAG_ROW") if flags else ()
    with transaction(vis, "flagdata", columns=columns, subtables=("HISTORY", "FLAG_CMD")[: 1 + records]) as inside:
        reports = []
        if action not in ("none", ""):
            reports = run(inside, commands, write=flags, saved=vis if given["flagbackup"] and flags else "")
        if saves:
            _save(inside, entries, given)
        if flags and not caltable:
            write_history(inside, "flagdata", task_messages("flagdata", given))
    return reports


def _check(given: Mapping[str, Any]) -> None:
    if not given["vis"]:
        raise ArgumentError("flagdata: vis is empty; it must name a MeasurementSet or a calibration table")
    if given["action"] not in ("apply", "calculate", "none", ""):
        raise ArgumentError(f"flagdata: action={given['action']!r}; it can be apply, calculate or none")
    if given["action"] in ("none", "") and not given["savepars"]:
        raise ArgumentError("flagdata: action='none' only makes sense with savepars=True")
    for key, default in _UNUSED.items():
        if given[key] != default:
            raise ArgumentError(
                f"flagdata: {key}={given[key]!r} belongs to what is not built into atacal; leave it at {default!r}"
            )


def _save(path: str | os.PathLike[str], entries: list[Any], given: Mapping[str, Any]) -> None:
    from atacal.flags.record import save_to_file, save_to_table

    if given["outfile"]:
        save_to_file(given["outfile"], entries, given["cmdreason"])
    else:
        save_to_table(path, entries, given["cmdreason"], applied=given["action"] == "apply")

"""The task `applycal`: apply calibration tables to a MeasurementSet."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")


def applycal(
    vis: str,
    field: str = "",
    spw: str = "",
    intent: str = "",
    selectdata: bool = True,
    timerange: str = "",
    uvrange: str = "",
    antenna: str = "",
    scan: str = "",
    observation: str = "",
    msselect: str = "",
    docallib: bool = False,
    callib: str = "",
    gaintable: str | Sequence[str] = (),
    gainfield: str | Sequence[str] = (),
    interp: str | Sequence[str] = (),
    spwmap: Sequence[int] | Sequence[Sequence[int]] = (),
    calwt: bool | Sequence[bool] = True,
    parang: bool = False,
    applymode: str = "",
    flagbackup: bool = True,
) -> dict[str, Any]:
    """Apply calibration tables to a MeasurementSet.

    DATA is divided by the product of the tables' antenna gains and written to CORRECTED_DATA; WEIGHT is derived anew
    from SIGMA; data without good solutions are flagged. Applying twice gives the same as applying once.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    field : str
        Fields to calibrate, names or ids; empty for all.
    spw : str
        Spectral windows to calibrate; all channels of each are done.
    intent : str
        Scan intents to calibrate.
    selectdata : bool
        Whether the selections below count; without it only field, spw and intent do.
    timerange : str
        Times to calibrate.
    uvrange : str
        uv distances to calibrate.
    antenna : str
        Antennas and baselines to calibrate.
    scan : str
        Scan numbers to calibrate.
    observation : str
        Observation ids to calibrate.
    msselect : str
        A TaQL condition on the rows.
    docallib : bool
        Take the tables from a cal library file; not available, give gaintable and its kin.
    callib : str
        The cal library file.
    gaintable : list of str
        Calibration tables to apply.
    gainfield : list of str
        For each table, the fields whose solutions are taken: '' for all, names or ids, or 'nearest' for the one
        nearest on the sky to each field of the data.
    interp : list of str
        For each table, the interpolation in time and frequency: nearest, linear, cubic in time, with PD for phases
        that scale with frequency and perobs or perscan to stay within an observation or scan; then, after a comma,
        nearest, linear, cubic, spline in frequency, with flag to flag what rests on flagged channels. Default linear.
    spwmap : list of list of int
        For each table, the table's spw for each spw of the data; [] for the same, [n] for n everywhere.
    calwt : list of bool
        For each table, whether it calibrates the weights; one value for all.
    parang : bool
        Correct for the parallactic angle.
    applymode : str
        calflag (default): calibrate, flag what has no good solution. calflagstrict: flag also spws that a table has
        nothing for. trial: only report the flags. flagonly, flagonlystrict: flag, do not calibrate. calonly:
        calibrate, do not flag.
    flagbackup : bool
        Save the flags as version applycal_N first.

    Returns
    -------
    dict
        ``mode``, ``total``, ``flagged_in``, ``flagged_out`` (visibilities), ``tables``: for each table its ``table``,
        ``kind``, ``flagged_before``, ``flagged_by`` and ``reasons``; and ``uncalibrated_spws``.

    Notes
    -----
    Flags and weights change when all is done, or not at all. A CORRECTED_DATA (and WEIGHT_SPECTRUM) that is there
    already is written in place: a run that is killed leaves it partly new, and the next run says so; applying again
    puts it right, because everything is derived from DATA and SIGMA.

    Raises
    ------
    ArgumentError, SelectionError, NoSuchTable, TableLocked, CaltableError, CaltableMismatch, DiskFull, WriteError
    """
    given = dict(locals())
    from atacal.apply.library_pass import MODES, apply_library
    from atacal.caltables.library import Library
    from atacal.flags.backup import backup
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select
    from atacal.ms.transaction import transaction

    messages = task_messages("applycal", given)
    mode = MODES.get(applymode or "calflag")
    if mode is None:
        raise ArgumentError(f"applymode={applymode!r} is not one of {', '.join(MODES)}")
    if docallib or callib:
        raise ArgumentError(
            f"docallib={docallib}, callib={callib!r}: cal library files cannot be read; give gaintable, gainfield, "
            "interp, spwmap and calwt instead"
        )
    selection = Selection(field=field, spw=spw, intent=intent)
    if selectdata:
        selection = Selection(
            field=field, spw=spw, intent=intent, timerange=timerange, uvrange=uvrange, antenna=antenna, scan=scan,
            observation=observation, msselect=msselect,
        )  # fmt: skip
    with MeasurementSet(vis) as ms:
        library = Library.build(ms, gaintable, gainfield, interp, spwmap, calwt, parang)
        selected = select(ms, selection)
        spws = {ms.metadata.ddids[int(d)].spw for d in set(selected.runs.ddid.tolist())}
    if not library.uses and not parang:
        raise ArgumentError(f"{vis}: nothing to apply; gaintable is empty and parang is False")
    if not mode.strict:
        library.check_spws(spws)
    if not mode.flag and not mode.calibrate:
        with MeasurementSet(vis) as ms:
            report = apply_library(ms, selected, library, mode)
    else:
        if flagbackup and mode.flag:
            backup(vis, "applycal")
        columns = ["FLAG"] * mode.flag + ["WEIGHT"] * mode.calibrate
        large = ["CORRECTED_DATA", "WEIGHT_SPECTRUM"] * mode.calibrate
        with transaction(vis, "applycal", columns=columns, in_place=large, subtables=("HISTORY",)) as inside:
            with MeasurementSet(inside, writable=True, like=ms) as double:
                report = apply_library(double, selected, library, mode)
            write_history(inside, "applycal", messages)
    _log_report(asdict(report))
    return asdict(report)


def _log_report(report: dict[str, Any]) -> None:
    """Say in the log what each table flagged."""
    total = max(report["total"], 1)
    log.info("applycal, %s: %d visibilities", report["mode"], report["total"])
    for table in report["tables"]:
        before, by = table["flagged_before"], table["flagged_by"]
        log.info(
            "  %s (%s): flagged before %d (%.2f %%), by this table %d (%.2f %%)%s",
            table["kind"], table["table"], before, 100.0 * before / total, by, 100.0 * by / total,
            "".join(f"; {why}: {count}" for why, count in table["reasons"].items()),
        )  # fmt: skip
    if report["uncalibrated_spws"]:
        log.warning("  spw %s had no calibration and were flagged", ", ".join(map(str, report["uncalibrated_spws"])))

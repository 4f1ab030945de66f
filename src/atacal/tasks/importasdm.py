"""importasdm: make a MeasurementSet of an ASDM."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any

from atacal.errors import ArgumentError

_log = logging.getLogger("atacal")
_MODES = {"ao": "AUTO_ONLY", "co": "CROSS_ONLY", "ac": "CROSS_AND_AUTO"}
_RESOLUTIONS = {"fr": "FULL_RESOLUTION", "ca": "CHANNEL_AVERAGE", "bw": "BASEBAND_WIDE"}
_SAMPLINGS = {"i": "INTEGRATION", "si": "SUBINTEGRATION"}


def importasdm(
    asdm: str = "",
    vis: str = "",
    createmms: bool = False,
    separationaxis: str = "auto",
    numsubms: str | int = "auto",
    corr_mode: str = "all",
    srt: str = "all",
    time_sampling: str = "all",
    ocorr_mode: str = "ca",
    compression: bool = False,
    lazy: bool = False,
    asis: str = "",
    wvr_corrected_data: str = "no",
    scans: str = "",
    ignore_time: bool = False,
    process_syspower: bool = True,
    process_caldevice: bool = True,
    process_pointing: bool = True,
    process_flags: bool = True,
    tbuff: float = 0.0,
    applyflags: bool = False,
    savecmds: bool = False,
    outfile: str | Sequence[str] = "",
    flagbackup: bool = True,
    verbose: bool = False,
    overwrite: bool = False,
    bdfflags: bool = False,
    with_pointing_correction: bool = False,
    convert_ephem2geo: bool = True,
    polyephem_tabtimestep: float = 0.0,
) -> None:
    """Make a MeasurementSet of an ASDM, ALMA's or the EVLA's raw format.

    The MeasurementSet appears under its name when it is complete. A subscan whose binary is missing or damaged is left
    out, with a warning, and HISTORY says so; a table that is announced and missing is an error.

    Parameters
    ----------
    asdm : str
        The ASDM.
    vis : str
        The new MeasurementSet; by default the ASDM's name with '.ms'.
    createmms : bool
        Only False: there are no multi-MSs here.
    separationaxis : str
        Has no effect without createmms.
    numsubms : str or int
        Has no effect without createmms.
    corr_mode : str
        Correlation modes to take: 'ao', 'co', 'ac' (auto only, cross only, cross and auto), several of them separated
        by blanks, or 'all'.
    srt : str
        Spectral resolutions to take: 'fr', 'ca', 'bw' (full resolution, channel average, baseband wide), or 'all'.
    time_sampling : str
        Samplings to take: 'i', 'si' (integration, subintegration), or 'all'.
    ocorr_mode : str
        What to write: 'ca' (cross- and autocorrelations), 'ao' (auto only), 'co' (cross only).
    compression : bool
        Only False.
    lazy : bool
        Has no effect: the data are always copied, so that the MeasurementSet does not need the ASDM.
    asis : str
        Tables of the ASDM to copy as they are, into ASDM_ANTENNA and so on: names separated by blanks, with '*'.
    wvr_corrected_data : str
        'no': the data without the correction of the atmospheric phase by the radiometers; 'yes': those with it, into a
        MeasurementSet with '-wvr-corrected' in its name; 'both': both.
    scans : str
        Scans to take: '1,3~6'; with exec blocks '0:1,3~6;1:'.
    ignore_time : bool
        Take all rows of the tables that depend on time, not only those of the scans taken.
    process_syspower : bool
        Fill SYSPOWER.
    process_caldevice : bool
        Fill CALDEVICE.
    process_pointing : bool
        Fill POINTING.
    process_flags : bool
        Put the flags that were set during the observation into FLAG_CMD.
    tbuff : float
        What is added at both ends of their time ranges [s].
    applyflags : bool
        Apply them.
    savecmds : bool
        Save them as text.
    outfile : str or list of str
        The text file (a list of two with wvr_corrected_data='both'); by default VIS_cmd.txt.
    flagbackup : bool
        Save the flags as they are after the import as the version 'Original'.
    verbose : bool
        Has no effect: the log tells what is done.
    overwrite : bool
        Replace what is there.
    bdfflags : bool
        Take the flags in the binaries into FLAG (ALMA's only).
    with_pointing_correction : bool
        Add the difference between encoders and commanded direction to DIRECTION of POINTING.
    convert_ephem2geo : bool
        Turn ephemerides of fields into geocentric ones.
    polyephem_tabtimestep : float
        Step at which polynomial ephemerides are tabulated [d]; 0 or less for none.

    Raises
    ------
    ArgumentError, AsdmError, TableExists, WriteError
    """
    from atacal.asdm.dataset import Asdm
    from atacal.asdm.importer import Options
    from atacal.asdm.main_rows import Wanted
    from atacal.asdm.online_flags import online_flags
    from atacal.ms.history import task_messages

    given = dict(locals())
    parameters = {k: given[k] for k in importasdm.__annotations__ if k != "return"}
    _check(parameters)
    source = Asdm(asdm.rstrip("/"))
    if bdfflags:
        _only_alma(source)
    outputs = _outputs(source, vis.rstrip("/") or asdm.rstrip("/") + ".ms", wvr_corrected_data)
    texts = _text_files(outfile, list(outputs.values())) if savecmds else []
    _check_outputs([*outputs.values()], texts, overwrite, flagbackup)
    commands = online_flags(source, float(tbuff)) if process_flags else []
    for i, (kind, path) in enumerate(outputs.items()):
        wanted = Wanted(
            kind, ocorr_mode, _chosen("corr_mode", corr_mode, _MODES), _chosen("srt", srt, _RESOLUTIONS),
            _chosen("time_sampling", time_sampling, _SAMPLINGS), bdfflags,
        )  # fmt: skip
        options = Options(
            wanted, scans, ignore_time, asis.split(), process_pointing, with_pointing_correction, process_caldevice,
            process_syspower, polyephem_tabtimestep, convert_ephem2geo, commands,
            task_messages("importasdm", parameters),
        )  # fmt: skip
        _make(source, path, options, flagbackup=flagbackup, overwrite=overwrite)
        if commands and applyflags:
            _apply(path, [c.line for c in commands])
        if texts and commands:
            _save(texts[i], [c.line for c in commands])


def _check(given: dict[str, Any]) -> None:
    if not str(given["asdm"]).strip():
        raise ArgumentError("importasdm: asdm is empty; give the name of the ASDM")
    for name, why in (
        ("createmms", "there are no multi-MSs here"),
        ("compression", "compressed columns are not written"),
    ):
        if given[name]:
            raise ArgumentError(f"importasdm: {name}=True; {why}")
    for name, possible in (("ocorr_mode", ("ca", "ao", "co")), ("wvr_corrected_data", ("no", "yes", "both"))):
        if given[name] not in possible:
            raise ArgumentError(f"importasdm: {name}={given[name]!r}; possible are {', '.join(possible)}")


def _chosen(name: str, text: str, codes: dict[str, str]) -> frozenset[str]:
    """Read a list of codes."""
    words = text.replace(",", " ").split()
    wrong = [w for w in words if w not in codes and w != "all"]
    if wrong or not words:
        raise ArgumentError(f"importasdm: {name}={text!r}; possible are {', '.join(codes)} and all")
    return frozenset(codes.values()) if "all" in words else frozenset(codes[w] for w in words)


def _only_alma(source: Any) -> None:
    from atacal.asdm.dataset import need

    for row in source.rows("ExecBlock")[:1]:
        telescope = need(row, "telescopeName", "ExecBlock")
        if telescope.strip().upper() not in ("ALMA", "OSF", "AOS"):
            raise ArgumentError(
                f"importasdm: bdfflags=True, but {source.path} is of {telescope}; only ALMA's can be read"
            )


def _outputs(source: Any, vis: str, wvr_corrected_data: str) -> dict[str, str]:
    """Return the MeasurementSets to make, by the correction of their data."""
    from atacal.asdm.context import CORRECTED, UNCORRECTED, corrections
    from atacal.errors import AsdmError

    there = corrections(source)
    kinds = {"no": (UNCORRECTED,), "yes": (CORRECTED,), "both": (UNCORRECTED, CORRECTED)}[wvr_corrected_data]
    outputs = {kind: vis if kind == UNCORRECTED else _corrected_name(vis) for kind in kinds if kind in there}
    if not outputs:
        raise AsdmError(
            f"{source.path}: wvr_corrected_data={wvr_corrected_data!r}, but the data are {', '.join(sorted(there))}"
        )
    return outputs


def _corrected_name(vis: str) -> str:
    return f"{vis[:-3]}-wvr-corrected.ms" if vis.endswith(".ms") else f"{vis}-wvr-corrected"


def _text_files(outfile: str | Sequence[str], outputs: list[str]) -> list[str]:
    names = [outfile] if isinstance(outfile, str) else list(outfile)
    names = [n for n in names if n]
    if not names:
        return [o[:-3] + "_cmd.txt" if o.endswith(".ms") else o + "_cmd.txt" for o in outputs]
    if len(names) != len(outputs):
        raise ArgumentError(f"importasdm: outfile has {len(names)} names for {len(outputs)} MeasurementSets")
    return names


def _check_outputs(outputs: list[str], texts: list[str], overwrite: bool, flagbackup: bool) -> None:
    from atacal.errors import TableExists

    if overwrite:
        return
    versions = [f"{o}.flagversions" for o in outputs] if flagbackup else []
    for path in (*outputs, *versions, *texts):
        if os.path.lexists(path):
            raise TableExists(f"{path} exists already; remove it, choose another name, or say overwrite=True")


def _make(source: Any, path: str, options: Any, *, flagbackup: bool, overwrite: bool) -> None:
    """Make one MeasurementSet and its first flag version."""
    import shutil

    from atacal.asdm.importer import import_asdm
    from atacal.errors import WriteError
    from atacal.flags.backup import save_version

    old = overwrite and os.path.lexists(path)
    folder, name = os.path.split(path)
    target = os.path.join(folder, f".{name}.{os.getpid()}.new") if old else path
    made = import_asdm(source, target, options)
    if old:
        aside = os.path.join(folder, f".{name}.{os.getpid()}.old")
        try:
            os.rename(path, aside)
            os.rename(target, path)
        except OSError as error:
            raise WriteError(f"{path} cannot be replaced: {error}") from error
        shutil.rmtree(aside, ignore_errors=True)
    if overwrite and flagbackup:
        shutil.rmtree(f"{path}.flagversions", ignore_errors=True)
    if flagbackup and made.nrow:
        save_version(path, "Original", "Original flags at import into CASA")
    if not made.nrow:
        _log.warning("%s has no data: none of the binaries that were asked for could be read", path)


def _apply(path: str, lines: list[str]) -> None:
    """Apply flag commands, and note in FLAG_CMD that they are."""
    from atacal.ms._tables import opened
    from atacal.tasks.flagdata import flagdata

    flagdata(path, mode="list", inpfile=lines, flagbackup=False)
    with opened(f"{path}/FLAG_CMD", writable=True) as table:
        first = table.nrows() - len(lines)
        table.putcol("APPLIED", [True] * len(lines), first, len(lines))


def _save(path: str, lines: list[str]) -> None:
    from atacal.errors import WriteError

    partial = f"{path}.{os.getpid()}.tmp"
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        os.replace(partial, path)
    except OSError as error:
        raise WriteError(f"{path}: flag commands cannot be saved: {error}") from error
    _log.info("Saved %d flag commands in %s", len(lines), path)

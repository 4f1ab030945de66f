"""One execution block brought back: imported, its final flags restored, its calls of applycal done again."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from atacal.caltables.folder import replacing
from atacal.errors import AtacalError, EmptySelection, InvalidTable, RestoreError, TableExists, WriteError
from atacal.ms.clone import clone
from atacal.ms.history import renamed, task_messages, write_history
from atacal.ms.measurement_set import MeasurementSet
from atacal.restore.archives import contents, unpack
from atacal.restore.calapply import Application, read_calapply
from atacal.restore.intents import select_intents
from atacal.restore.places import beside, put
from atacal.restore.products import Products, Raw

ASIS = "SBSummary ExecBlock Antenna Annotation Station Receiver Source CalAtmosphere CalWVR CalPointing"
"""Tables of the ASDM that hifa_restoredata keeps as they are."""
FINAL_FLAGS = "Pipeline_Final"
log = logging.getLogger("atacal")


@dataclass(frozen=True)
class Import:
    """How raw data are imported; by default as hifa_restoredata does."""

    ocorr_mode: str = "ca"
    asis: str = ASIS
    bdfflags: bool = True
    process_caldevice: bool = False


@dataclass(frozen=True)
class Plan:
    """All that restoring a block needs, found and read.

    Attributes
    ----------
    block : str
    raw : Raw or None
        None if the MeasurementSet is there already.
    flagversions : Path
    flagversion : str
    applications : tuple of Application
    tables : dict of str to Path
        By table: the archive that it is in, or the table itself where it is unpacked.
    own : bool
        Whether a run of atacal has made the products.
    """

    block: str
    raw: Raw | None
    flagversions: Path
    flagversion: str
    applications: tuple[Application, ...]
    tables: dict[str, Path]
    own: bool = False


@dataclass
class Restored:
    """A block that was brought back.

    Attributes
    ----------
    block : str
    ms : str
        The MeasurementSet, with CORRECTED_DATA.
    flagversion : str
    tables : list of str
    applied : list of dict
        For each call of applycal: field, intent, spw, and fractions of the visibilities flagged before and after it.
    split : str
        The calibrated science spws as a MeasurementSet of their own, if that was asked for.
    notes : list of str
        What is strange about it.
    done_before : bool
        An earlier run had brought it back.
    """

    block: str
    ms: str
    flagversion: str
    tables: list[str]
    applied: list[dict[str, Any]] = field(default_factory=list)
    split: str = ""
    notes: list[str] = field(default_factory=list)
    done_before: bool = False


def plan_block(
    block: str, products: Products, raw: Raw | None, *, session: str = "", flagversion: str = FINAL_FLAGS,
    without_renorm: bool = False,
) -> Plan:  # fmt: skip
    """Find and read all that restoring a block needs; nothing is written.

    Raises
    ------
    RestoreError
        Names the block, what is missing or cannot be read, and where it was looked for.
    """
    if products.entry(block).renormalized and not without_renorm:
        raise RestoreError(
            f"{block}: {products.manifest_path} says that the pipeline rescaled its amplitudes after applycal "
            "(hifa_renorm, apply=True), which atacal cannot do; `atacal restore --without-renorm` restores it as before"
        )
    path = products.calapply(block)
    applications = read_calapply(path)
    others = sorted({a.vis for a in applications if Path(a.vis).name != f"{block}.ms"})
    if others:
        raise RestoreError(f"{path} applies calibration to {', '.join(others)}, not to {block}.ms")
    tables = products.tables(block, [u.table for a in applications for u in a.uses], session)
    flags = products.flagversions(block)
    if f"{block}.ms.flagversions" not in contents(flags):
        raise RestoreError(
            f"{flags} has no folder {block}.ms.flagversions; it has {', '.join(contents(flags)) or 'nothing'}"
        )
    own = products.manifest is not None and products.manifest.pipeline_version.startswith("atacal ")
    return Plan(block, raw, flags, flagversion, tuple(applications), tables, own)


def restore_block(plan: Plan, folder: Path, importing: Import, *, overwrite: bool = False) -> Restored:
    """Bring a block back.

    The MeasurementSet and its flag versions are made in a folder beside and get their names when all is done; where
    the MeasurementSet is there already (``plan.raw`` is None) it is calibrated where it is.

    Parameters
    ----------
    plan : Plan
    folder : Path
        Where MeasurementSet, flag versions and calibration tables go.
    importing : Import
    overwrite : bool
        Do it again, and replace what is there.

    Raises
    ------
    RestoreError, TableExists, WriteError
    """
    ms, report = folder / f"{plan.block}.ms", folder / f"{plan.block}.ms.restored.json"
    earlier = _earlier(ms, report)
    if earlier is not None and not overwrite:
        log.info("%s: %s was restored by an earlier run", plan.block, ms)
        return earlier
    if plan.raw is not None and ms.exists() and not overwrite:
        raise TableExists(
            f"{ms} is there, and no run of restore has finished it; move it away, or replace it with overwrite=True"
        )
    _put_tables(plan, folder)
    if plan.raw is None:
        report.unlink(missing_ok=True)  # what is changed in place is not finished until the end
        notes = _restore_flags(plan, ms)
        restored = _report(plan, ms, _apply(plan, ms, folder), notes)
    else:
        with beside(folder, plan.block) as work:
            _import(plan, work, importing)
            if plan.own:
                _weights_as_ours(work / ms.name)
            notes = _restore_flags(plan, work / ms.name)
            restored = _report(plan, ms, _apply(plan, work / ms.name, folder), notes)
            renamed(work / ms.name, work / ms.name, ms)
            report.unlink(missing_ok=True)
            for name in (f"{ms.name}.flagversions", ms.name):
                put(work / name, folder / name)
    partial = report.with_name(f".{report.name}.{os.getpid()}")
    partial.write_text(json.dumps(asdict(restored), indent=2) + "\n", encoding="utf-8")
    partial.replace(report)
    log.info("%s: restored as %s", plan.block, ms)
    return restored


def _earlier(ms: Path, report: Path) -> Restored | None:
    """Read what a finished run has left."""
    if not (ms.is_dir() and report.is_file()):
        return None
    try:
        kept = Restored(**json.loads(report.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    kept.done_before = True
    return kept


def _report(plan: Plan, ms: Path, applied: list[dict[str, Any]], notes: list[str]) -> Restored:
    for note in notes:
        log.warning("%s", note)
    return Restored(plan.block, str(ms), plan.flagversion, sorted(plan.tables), applied, notes=notes)


def _put_tables(plan: Plan, folder: Path) -> None:
    """Put the calibration tables beside the MeasurementSet, each archive's at once."""
    archives: dict[Path, set[str]] = {}
    for name, source in plan.tables.items():
        archives.setdefault(source, set()).add(name)
    for source, names in archives.items():
        if source.is_dir():
            if source.resolve() != (folder / source.name).resolve():
                with replacing(folder / source.name) as temporary:
                    shutil.copytree(source, temporary)
            continue
        with beside(folder, f"{plan.block}.tables") as work:
            unpack(source, work, names)
            for name in sorted(names):
                if not (work / name / "table.dat").is_file():
                    raise RestoreError(f"{plan.block}: {name} in {source} is no calibration table: it has no table.dat")
                put(work / name, folder / name)


def _import(plan: Plan, work: Path, importing: Import) -> None:
    from atacal.tasks.importasdm import importasdm

    raw = plan.raw
    assert raw is not None
    if raw.is_ms:
        log.info("%s: %s is cloned", plan.block, raw.path)
        clone(raw.path, work / f"{plan.block}.ms")
        return
    asdm = raw.path
    if raw.packed:
        asdm = work / f"{plan.block}.asdm.sdm"
        unpack(raw.path, work, below=asdm.name)
    log.info("%s: importing %s", plan.block, raw.path)
    importasdm(
        asdm=str(asdm), vis=str(work / f"{plan.block}.ms"), ocorr_mode=importing.ocorr_mode, asis=importing.asis,
        bdfflags=importing.bdfflags, process_caldevice=importing.process_caldevice, with_pointing_correction=True,
        flagbackup=False,
    )  # fmt: skip
    if raw.packed:
        shutil.rmtree(asdm)


def _weights_as_ours(ms: Path) -> None:
    """Make the weights 1/SIGMA^2 to the bit, as the import of a run does: applycal leaves those of many rows alone."""
    from atacal.tasks.initweights import initweights

    initweights(vis=str(ms), wtmode="sigma")


def _restore_flags(plan: Plan, ms: Path) -> list[str]:
    """Put the delivery's flag versions in the place of those beside the MeasurementSet, and restore the final one."""
    from atacal.flags.backup import list_versions, restore_version

    name = f"{plan.block}.ms.flagversions"
    with beside(ms.parent, f"{plan.block}.flags") as work:
        unpack(plan.flagversions, work, {name})
        put(work / name, ms.parent / name)
    names = [v.name for v in list_versions(ms)]
    if plan.flagversion not in names:
        raise RestoreError(
            f"{plan.block}: {plan.flagversions} has no flag version {plan.flagversion}; "
            f"it has {', '.join(names) or 'none'}"
        )
    try:
        restore_version(ms, plan.flagversion)
    except (InvalidTable, RuntimeError) as error:
        raise RestoreError(
            f"{plan.block}: flag version {plan.flagversion} of {plan.flagversions} does not fit the data "
            f"imported: {error}. Were the raw data imported in another way (ocorr_mode), or are they of another block?"
        ) from error
    where = {"block": plan.block, "flagversion": plan.flagversion, "archive": str(plan.flagversions)}
    write_history(ms, "restore", task_messages("restore", where))
    return _strange_flags(plan, ms)


def _strange_flags(plan: Plan, ms: Path) -> list[str]:
    """Say so if autocorrelations are not flagged: the pipeline flags all, and a version's rows have only numbers."""
    from atacal.tasks.flagdata import flagdata

    spws = ",".join(dict.fromkeys(a.spw for a in plan.applications if a.spw))
    try:
        counts = flagdata(str(ms), mode="summary", spw=spws, antenna="*&&&")
    except EmptySelection:
        return []
    left = counts["total"] - counts["flagged"]
    if not left:
        return []
    return [
        f"{plan.block}: {100 * left / counts['total']:.1f} % of the autocorrelations are not flagged in "
        f"{plan.flagversion}, and the pipeline flags all: its flags may belong to rows in another order (of another "
        "importer). Look at the data before they are used"
    ]


def _apply(plan: Plan, ms: Path, tables: Path) -> list[dict[str, Any]]:
    """Do the calls of applycal."""
    from atacal.tasks.applycal import applycal

    with MeasurementSet(ms) as opened:
        metadata = opened.metadata
    done = []
    for number, one in enumerate(plan.applications, 1):
        where = f"{plan.block}, call {number} of {len(plan.applications)} of applycal"
        intent = select_intents(one.intent, metadata.state_intents, where)
        antenna = _cross(one.antenna)
        given: dict[str, Any] = dict(one.selection)
        try:
            report = applycal(
                vis=str(ms), field=one.field, spw=one.spw, intent=intent, antenna=antenna,
                gaintable=[str(tables / u.table) for u in one.uses], gainfield=[u.gainfield for u in one.uses],
                interp=[u.interp for u in one.uses], spwmap=[list(u.spwmap) for u in one.uses],
                calwt=[u.calwt for u in one.uses], parang=one.needs_parang, applymode=one.applymode,
                flagbackup=False, **given,
            )  # fmt: skip
        except WriteError:
            raise
        except AtacalError as error:
            raise RestoreError(f"{where} (field={one.field!r}, intent={one.intent!r}): {error}") from error
        total = max(report["total"], 1)
        done.append(
            {
                "field": one.field, "intent": one.intent, "spw": one.spw, "tables": len(one.uses),
                "flagged_before": report["flagged_in"] / total, "flagged_after": report["flagged_out"] / total,
            }
        )  # fmt: skip
    return done


def _cross(antenna: str) -> str:
    """Select all cross-correlations, as the pipeline does whatever ids its line has; people's words count."""
    return "*&*" if re.fullmatch(r"[\d~, ]*", antenna) else antenna


def science_spws(ms: Path) -> list[int]:
    """Return the spws of more than four channels that targets were observed in, as scriptForPI.py selects them."""
    from atacal.ms.selection import Selection, select

    with MeasurementSet(ms) as opened:
        metadata = opened.metadata
        selected = select(opened, Selection(intent="OBSERVE_TARGET*"))
        spws = {metadata.ddids[int(d)].spw for d in set(selected.runs.ddid.tolist())}
    return sorted(s for s in spws if len(metadata.spws[s].chan_freq_hz) > 4)


def split_science(ms: Path, output: Path, spw: str = "", *, overwrite: bool = False) -> None:
    """Copy the calibrated data of the science spws into a MeasurementSet of their own.

    Raises
    ------
    RestoreError, WriteError
    """
    from atacal.tasks.split import split

    if output.exists() and not overwrite and spw:
        raise TableExists(f"{output} is there; replace it with overwrite=True")
    spws: Sequence[int] = [] if spw else science_spws(ms)
    if not spw and not spws:
        raise RestoreError(
            f"{ms} has no spw with more than 4 channels that targets were observed in; name the spws with spw"
        )
    if output.exists() and not overwrite:
        with MeasurementSet(ms) as whole, MeasurementSet(output) as part:
            wanted = [whole.metadata.spws[s].chan_freq_hz.tolist() for s in spws]
            if [s.chan_freq_hz.tolist() for s in part.metadata.spws] == wanted:
                return
        raise TableExists(f"{output} is there, with other spws than {spws} of {ms}; replace it with overwrite=True")
    with replacing(output) as temporary:
        split(str(ms), str(temporary), spw=spw or ",".join(map(str, spws)), datacolumn="corrected")
        renamed(temporary, temporary, output)

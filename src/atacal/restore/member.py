"""restore: a delivered member directory brought back to calibrated data."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from atacal.errors import ArgumentError, RestoreError, TableExists
from atacal.restore.block import ASIS, FINAL_FLAGS, Import, Plan, Restored, plan_block, restore_block, split_science
from atacal.restore.delivery import Delivery, open_delivery
from atacal.restore.manual import prepare_manual
from atacal.restore.places import link, make_folder, put

log = logging.getLogger("atacal")
_LEFT_OUT = 3
"""Exit code of a script in which only pictures and reports were left out."""


@dataclass
class RestoredMember:
    """What a run of restore has brought back.

    Attributes
    ----------
    member, calibrated : str
        The delivery; the folder of the calibrated data.
    blocks : list of Restored
        Execution blocks, in the order in which they were restored.
    notes : list of str
        What was left out, and why.
    """

    member: str
    calibrated: str
    blocks: list[Restored] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [f"{self.member} restored in {self.calibrated}"]
        for block in self.blocks:
            lines.append(f"\n{block.block}: {block.split or block.ms}" + (" (by an earlier run)" * block.done_before))
            if block.flagversion:
                lines.append(f"  flags {block.flagversion}, {len(block.tables)} calibration tables")
            for one in block.applied:
                before, after = 100 * one["flagged_before"], 100 * one["flagged_after"]
                lines.append(
                    f"  {one['field']}  {one['intent'] or 'all intents'}  spw {one['spw'] or 'all'}: "
                    f"{one['tables']} tables, flagged {before:.2f} % before, {after:.2f} % after"
                )
            lines += [f"  {note}" for note in block.notes]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])


def restore(
    member_dir: str,
    output: str = "",
    blocks: str | Sequence[str] = "",
    split: bool = False,
    spw: str = "",
    spacesaving: int = 0,
    ocorr_mode: str = "ca",
    asis: str = ASIS,
    bdfflags: bool = True,
    flagversion: str = FINAL_FLAGS,
    without_renorm: bool = False,
    overwrite: bool = False,
) -> RestoredMember:
    """Bring a delivered ALMA directory back to calibrated data.

    Does what ``scriptForPI.py`` of the delivery does, without CASA and its pipeline. Of each execution block the raw
    data are imported, the pipeline's final flags restored and the calls of applycal in ``calapply.txt`` done with the
    delivered tables; blocks that were calibrated by hand are calibrated by their script. Everything is found and read
    before anything is written. A run that was stopped can be started again: blocks that are finished stay, the others
    are done anew.

    Parameters
    ----------
    member_dir : str
        The member directory: ``member.uid___A001_X1_X2`` with ``raw``, ``calibration`` and ``script``.
    output : str
        Folder of the calibrated data. Empty: ``calibrated`` in the member directory.
    blocks : str or list of str
        Execution blocks to restore: ``uid___A002_X1_X2,uid___A002_X1_X3``. Empty: all that there is a calibration for.
    split : bool
        Copy the calibrated data of the science spws into ``X.ms.split.cal`` (scriptForPI's DOSPLIT).
    spw : str
        Spectral windows to split. Empty: those of more than 4 channels that targets were observed in.
    spacesaving : int
        As scriptForPI's SPACESAVING: 0 keeps everything, 1 deletes ``X.ms.split`` of blocks calibrated by hand, 2 and
        more also ``X.ms`` when it has been split.
    ocorr_mode : str
        What is imported: ``ca`` (cross- and autocorrelations), as the pipeline does, or ``co``, ``ao``. The delivered
        flags fit only what the pipeline has imported.
    asis : str
        Tables of the ASDM to keep as they are.
    bdfflags : bool
        Take the correlator's flags; the final flags replace them.
    flagversion : str
        The flag version to restore.
    without_renorm : bool
        Restore also blocks whose amplitudes the pipeline has rescaled after applycal (hifa_renorm), without that.
    overwrite : bool
        Restore finished blocks again, and replace what is there.

    Returns
    -------
    RestoredMember
        The blocks, their calibrated data, and what was applied.

    Raises
    ------
    RestoreError
        Names the block, what is missing or cannot be read, where it was looked for, and what is there.
    ArgumentError, AsdmError, TableExists, DiskFull, WriteError
    """
    if spw and not split:
        raise ArgumentError(f"restore: spw={spw!r} is what split copies; set split=True")
    if not isinstance(spacesaving, int) or spacesaving < -1:
        raise ArgumentError(f"restore: spacesaving={spacesaving!r}; it is a number of -1 or more")
    delivery = open_delivery(member_dir)
    chosen = delivery.chosen(_names(blocks))
    if spacesaving >= 2 and not split and any(b in delivery.pipeline for b in chosen):
        raise ArgumentError(f"restore: spacesaving={spacesaving} would delete the calibrated data; set split=True")
    plans = {
        b: plan_block(
            b, delivery.products, delivery.raw(b), flagversion=flagversion, without_renorm=without_renorm
        )
        for b in chosen
        if b in delivery.pipeline
    }  # fmt: skip
    for block in chosen:
        delivery.raw(block)
    calibrated = Path(output) if output else delivery.member / "calibrated"
    _require_free(calibrated, [] if split else list(plans))
    make_folder(calibrated)
    result = RestoredMember(str(delivery.member), str(calibrated), notes=_notes(delivery, plans, without_renorm))
    for note in result.notes:
        log.warning("%s", note)
    importing = Import(ocorr_mode, asis, bdfflags)
    for block in chosen:
        if block in plans:
            done = _pipeline(plans[block], calibrated, importing, split, spw, spacesaving, overwrite)
        else:
            done = _manual(delivery, block, calibrated, spacesaving, overwrite)
        result.blocks.append(done)
    return result


def _require_free(calibrated: Path, blocks: Sequence[str]) -> None:
    """Raise if something else is where a link to a block's result will be."""
    for block in blocks:
        path = calibrated / f"{block}.ms"
        if path.exists() and not path.is_symlink():
            raise TableExists(f"{path} is there, and was not made by restore; move it away, or choose another output")


def _names(blocks: str | Sequence[str]) -> list[str]:
    words = blocks.split(",") if isinstance(blocks, str) else list(blocks)
    return [w.strip().removesuffix(".asdm.sdm").removesuffix(".ms") for w in words if w.strip()]


def _notes(delivery: Delivery, plans: dict[str, Plan], without_renorm: bool) -> list[str]:
    notes = []
    if delivery.uncalibrated:
        notes.append(
            f"{', '.join(delivery.uncalibrated)}: raw data without calibration, left out; ALMA delivers blocks that "
            "were not used for the products (QA0 semipass)"
        )
    rescaled = [b for b in plans if delivery.products.entry(b).renormalized]
    if rescaled and without_renorm:
        notes.append(
            f"{', '.join(rescaled)}: the pipeline has rescaled amplitudes after applycal (hifa_renorm); "
            "these data are as before"
        )
    return notes


def _pipeline(
    plan: Plan, calibrated: Path, importing: Import, split: bool, spw: str, spacesaving: int, overwrite: bool
) -> Restored:
    """Restore a block of the pipeline in ``calibrated/working``, and put the result where scriptForPI puts it."""
    working, ms = calibrated / "working", calibrated / "working" / f"{plan.block}.ms"
    cal = calibrated / f"{ms.name}.split.cal"
    if split and spacesaving >= 2 and cal.is_dir() and not ms.exists() and not overwrite:
        log.info("%s: %s was made by an earlier run", plan.block, cal)
        return Restored(plan.block, "", plan.flagversion, sorted(plan.tables), split=str(cal), done_before=True)
    make_folder(working)
    done = restore_block(plan, working, importing, overwrite=overwrite)
    if split:
        split_science(ms, cal, spw, overwrite=overwrite or not done.done_before)
        done.split = str(cal)
        if spacesaving >= 2:
            log.info("%s: deleting %s", plan.block, ms)
            shutil.rmtree(ms)
            done.ms = ""
    else:
        for name in (ms.name, f"{ms.name}.flagversions"):
            link(calibrated / name, working / name)
    return done


def _manual(delivery: Delivery, block: str, calibrated: Path, spacesaving: int, overwrite: bool) -> Restored:
    """Run a block's script in a folder of its own."""
    result = calibrated / f"{block}.ms.split.cal"
    if result.is_dir() and not overwrite:
        log.info("%s: %s was made by an earlier run", block, result)
        return Restored(block, "", "", [], split=str(result), done_before=True)
    run = prepare_manual(delivery, block, calibrated)
    _run_script(run.script, run.folder)
    if not run.result.is_dir():
        raise RestoreError(f"{block}: {run.script} ended without {run.result}")
    put(run.result, result)
    for kind, level in ((f"{block}.ms", 2), (f"{block}.ms.split", 1)):
        if spacesaving >= level:
            log.info("%s: deleting %s", block, run.folder / kind)
            shutil.rmtree(run.folder / kind, ignore_errors=True)
    return Restored(block, "", "", [], split=str(result))


def _run_script(script: Path, folder: Path) -> None:
    """Run a script of a manual calibration in its folder: ``atacal run``, in a process of its own."""
    words = ["run", str(script.absolute()), "--applyonly", "--cwd", str(folder.absolute())]
    sys.stdout.flush()
    # what the script prints must not mix with the result that is printed at the end
    ended = subprocess.run([sys.executable, "-m", "atacal", *words], stdout=sys.stderr.fileno(), check=False)
    if ended.returncode not in (0, _LEFT_OUT):
        raise RestoreError(
            f"{script} did not end well (exit code {ended.returncode}); what it said is above. When that is mended, "
            f"`atacal {' '.join(words)} --resume` goes on, and restore after it"
        )

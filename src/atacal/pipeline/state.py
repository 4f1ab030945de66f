"""Bringing a MeasurementSet back to how a stage left it: its flags, the models of its fields, its weights."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_MODELS = "SOURCE"


def version_name(number: int) -> str:
    """Return the name of the flag version that holds the flags after a stage."""
    return f"after_stage_{number:02d}"


def save_flags(vis: Path, number: int) -> str:
    """Save the flags after a stage; a version that a killed run has left is replaced."""
    from atacal.flags.backup import list_versions
    from atacal.tasks import flagmanager

    name = version_name(number)
    if any(v.name == name for v in list_versions(vis)):
        flagmanager(vis=os.fspath(vis), mode="delete", versionname=name)
    flagmanager(vis=os.fspath(vis), mode="save", versionname=name, comment=f"flags after stage {number}")
    return name


def save_models(vis: Path, folder: Path) -> Path | None:
    """Copy the SOURCE table, in which the models of the fields are, into a stage's folder; None if there is none."""
    if not (vis / _MODELS).is_dir():
        return None
    copy = folder / f"{vis.name}.{_MODELS}"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(vis / _MODELS, copy, ignore=shutil.ignore_patterns("table.lock"))
    return copy


def restore(vis: Path, flag_version: str, models: Path | None, *, calibrated: bool = False) -> None:
    """Bring flags, models and weights back.

    Parameters
    ----------
    vis : Path
    flag_version : str
        Empty: the flags are left alone.
    models : Path, optional
        What `save_models` has made.
    calibrated : bool
        Whether the weights are those that applycal has left. If not they are 1/SIGMA^2: solves with calibrated weights
        would have other results.
    """
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.tasks import flagmanager, initweights

    if not calibrated:
        with MeasurementSet(vis) as ms:
            applied = ms.has("CORRECTED_DATA")
        if applied:
            initweights(vis=os.fspath(vis), wtmode="sigma")
    if flag_version:
        flagmanager(vis=os.fspath(vis), mode="restore", versionname=flag_version)
    if models is not None:
        beside, old = vis / f".{_MODELS}", vis / f".{_MODELS}.old"
        for left in (beside, old):
            shutil.rmtree(left, ignore_errors=True)
        shutil.copytree(models, beside)
        if (vis / _MODELS).exists():
            (vis / _MODELS).rename(old)
        beside.rename(vis / _MODELS)
        shutil.rmtree(old, ignore_errors=True)


def forget_versions(vis: Path, after: int) -> None:
    """Delete the flag versions of the stages after one."""
    from atacal.flags.backup import list_versions, versions_folder
    from atacal.tasks import flagmanager

    if not vis.exists() or not versions_folder(vis).is_dir():
        return
    for version in list_versions(vis):
        number = version.name.removeprefix("after_stage_")
        if number != version.name and number.isdigit() and int(number) > after:
            flagmanager(vis=os.fspath(vis), mode="delete", versionname=version.name)

"""Bringing a MeasurementSet back to how a stage left it: its flags and the models of its fields."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


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


def restore(vis: Path, flag_version: str, models: Sequence[Mapping[str, Any]]) -> None:
    """Bring flags and models back.

    Parameters
    ----------
    vis : Path
    flag_version : str
        Empty: the flags are left alone.
    models : sequence of dict
        Arguments of setjy, in order; fields that none of them names have no model.
    """
    from atacal.tasks import delmod, flagmanager, setjy

    if flag_version:
        flagmanager(vis=os.fspath(vis), mode="restore", versionname=flag_version)
    delmod(vis=os.fspath(vis), otf=True)
    for given in models:
        setjy(vis=os.fspath(vis), **given)


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

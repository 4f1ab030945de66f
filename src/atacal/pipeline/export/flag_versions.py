"""The flags of a block as the pipeline delivers them: the final ones, and those of the steps before."""

from __future__ import annotations

import os
from pathlib import Path

from atacal.flags.backup import LIST_NAME, list_versions, versions_folder
from atacal.pipeline.export.packing import pack
from atacal.restore.block import FINAL_FLAGS

STEPS = {
    "Original": ("hifa_importdata", "flags as imported"),
    "after_deterministic_flagging": ("hifa_flagdata", "flags after the a-priori flags"),
    "Applycal_Final": ("hif_applycal", "flags after the calibration was applied"),
}
"""Versions beside the final one: their names, the stage they are of, what they are."""


def save_final(vis: Path) -> None:
    """Save the present flags as the final ones; those that an earlier export has saved are replaced."""
    from atacal.tasks import flagmanager

    if any(v.name == FINAL_FLAGS for v in list_versions(vis)):
        flagmanager(vis=os.fspath(vis), mode="delete", versionname=FINAL_FLAGS)
    flagmanager(vis=os.fspath(vis), mode="save", versionname=FINAL_FLAGS, comment="Final pipeline flags")


def pack_versions(vis: Path, archive: Path, versions: dict[str, str]) -> list[str]:
    """Pack the final flags and those after some stages.

    Parameters
    ----------
    vis : Path
    archive : Path
        ``X.ms.flagversions.tgz``.
    versions : dict of str to str
        The version that the run has kept, for each of `STEPS` that there is.

    Returns
    -------
    list of str
        Names of the versions that are in the archive.
    """
    folder = versions_folder(vis)
    chosen = {name: folder / f"flags.{kept}" for name, kept in versions.items() if kept}
    chosen = {name: path for name, path in chosen.items() if path.is_dir()}
    comments = {name: STEPS[name][1] for name in chosen} | {FINAL_FLAGS: "Final pipeline flags"}
    chosen[FINAL_FLAGS] = folder / f"flags.{FINAL_FLAGS}"
    lines = "".join(f"{name} : {comments[name]}\n" for name in chosen)
    top = f"{vis.name}.flagversions"
    pack(archive, {f"{top}/{LIST_NAME}": lines.encode()} | {f"{top}/flags.{n}": p for n, p in chosen.items()})
    return list(chosen)

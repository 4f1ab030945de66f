"""flagmanager: save, list, restore, delete and rename versions of the flags."""

from __future__ import annotations

import os
from typing import Any

from atacal.errors import ArgumentError

MODES = ("list", "save", "restore", "delete", "rename")


def flagmanager(
    vis: str = "",
    mode: str = "list",
    versionname: str = "",
    oldname: str = "",
    comment: str = "",
    merge: str = "replace",
) -> dict[Any, Any]:
    """Save, list, restore, delete and rename versions of a table's flags.

    Versions live beside the table in ``X.ms.flagversions``, in CASA's format; CASA reads ours and we read CASA's.

    Parameters
    ----------
    vis : str
        MeasurementSet or calibration table.
    mode : str
        list, save, restore, delete or rename.
    versionname : str
        The version to save, restore or delete; with rename, the new name.
    oldname : str
        With rename: the version's present name.
    comment : str
        With save and rename: one line that says why.
    merge : str
        With save and restore: replace, and, or. How flags combine with those of the target: the table's present
        flags (restore), or the version that had the name before (save).

    Returns
    -------
    dict
        With list, as CASA: ``{0: {"name": ..., "comment": ...}, 1: ..., "MS": path}``; otherwise empty.

    Raises
    ------
    ArgumentError, NoSuchTable, TableExists, InvalidTable, TableLocked, WriteError
    """
    from atacal.flags import backup

    if mode not in MODES:
        raise ArgumentError(f"flagmanager: mode={mode!r}; the modes are {', '.join(MODES)}")
    if mode == "list":
        versions = backup.list_versions(vis)
        listing: dict[Any, Any] = {i: {"name": v.name, "comment": v.comment} for i, v in enumerate(versions)}
        return listing | {"MS": os.path.abspath(vis)}
    if not versionname:
        raise ArgumentError(f"flagmanager: mode={mode!r} needs versionname")
    if mode == "save":
        backup.save_version(vis, versionname, comment, merge)
    elif mode == "restore":
        backup.restore_version(vis, versionname, merge)
    elif mode == "delete":
        backup.delete_version(vis, versionname)
    else:
        if not oldname:
            raise ArgumentError("flagmanager: mode='rename' needs oldname, the version's present name")
        backup.rename_version(vis, oldname, versionname, comment)
    return {}

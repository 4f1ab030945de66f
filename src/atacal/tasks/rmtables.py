"""rmtables: remove tables."""

from __future__ import annotations

import glob
import logging
import os
import shutil
from collections.abc import Sequence

from atacal.errors import ArgumentError, TableLocked, WriteError

_log = logging.getLogger("atacal")


def rmtables(tablenames: str | Sequence[str]) -> None:
    """Remove tables: MeasurementSets, calibration tables, images.

    What is no casacore table is left alone, with a warning; so are names that nothing matches.

    Parameters
    ----------
    tablenames : str or list of str
        Names; '*', '?' and '[...]' stand for what they do in a shell.

    Raises
    ------
    ArgumentError
        If no name is given.
    TableLocked
        If another process holds one of the tables; none is removed then.
    WriteError
    """
    names = [tablenames] if isinstance(tablenames, str) else list(tablenames)
    if not names or not all(n.strip() for n in names):
        raise ArgumentError("rmtables: tablenames is empty; give the names of the tables to remove")
    found = []
    for path in dict.fromkeys(os.path.normpath(p) for n in names for p in sorted(glob.glob(n))):
        if os.path.isfile(os.path.join(path, "table.dat")):
            found.append(path)
        else:
            _log.warning("rmtables: %s is no table and is left alone", path)
    for path in found:
        if _held(path):
            raise TableLocked(f"rmtables: {path} is in use by another process; nothing was removed")
    for path in found:
        try:
            os.unlink(path) if os.path.islink(path) else shutil.rmtree(path)
        except OSError as error:
            raise WriteError(f"rmtables: {path} cannot be removed: {error}") from error
        _log.info("rmtables: removed %s", path)


def _held(path: str) -> bool:
    from atacal.ms._tables import open_table

    try:
        open_table(path, writable=True).close()
    except TableLocked:
        return True
    except Exception:  # a damaged table can be removed as well
        return False
    return False

"""The task plotants."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

log = logging.getLogger("atacal")


def plotants(
    vis: str,
    figfile: str = "",
    antindex: bool = False,
    logpos: bool = False,
    exclude: str = "",
    checkbaselines: bool = False,
    title: str = "",
    showgui: bool = True,
) -> Path:
    """Draw where the antennas stand, with their names.

    Parameters
    ----------
    vis : str
        MeasurementSet.
    figfile : str
        Picture to write (png, pdf, svg); by default the MeasurementSet's name with ``.plotants.png``, in the current
        folder. A file of that name is replaced.
    antindex : bool
        Write antenna ids after the names.
    logpos : bool
        Show the distance from the centre on a logarithmic scale, the direction as on a compass.
    exclude : str
        Antennas to leave out, by name or id.
    checkbaselines : bool
        Show only antennas that are in the main table.
    title : str
        Title in place of our own.
    showgui : bool
        Has no effect: pictures go to files.

    Returns
    -------
    Path
        The picture.

    Raises
    ------
    NoSuchTable, InvalidTable, SelectionError, EmptySelection, WriteError
    """
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import parse_antenna_list, select
    from atacal.ms.stream import stream
    from atacal.plots.antennas import picture_antennas
    from atacal.plots.style import picture_path

    with MeasurementSet(vis) as ms:
        meta = ms.metadata
        used = set(range(meta.nant))
        if checkbaselines:
            used = set()
            for block in stream(ms, select(ms), []):
                used |= set(np.unique(block.antenna1).tolist()) | set(np.unique(block.antenna2).tolist())
        if str(exclude).strip():
            used -= set(parse_antenna_list(str(exclude), meta))
        path = picture_path(figfile or f"{meta.name}.plotants.png")
        picture = picture_antennas(meta, sorted(used), path, ids=antindex, log=logpos, title=title)
    log.info("plotants: %d antennas in %s", len(used), picture)
    return picture

"""fixvis: make UVW anew, or move phase centres."""

from __future__ import annotations

import logging
import math
import os
import shutil
from collections.abc import Sequence
from typing import Any

from atacal.errors import ArgumentError

_log = logging.getLogger("atacal")
_COLUMNS = {"data": "DATA", "observed": "DATA", "corrected": "CORRECTED_DATA", "model": "MODEL_DATA"}


def fixvis(
    vis: str,
    outputvis: str = "",
    field: str | Sequence[str | int] = (),
    refcode: str = "",
    reuse: bool = True,
    phasecenter: str = "",
    distances: str | Sequence[str] = (),
    datacolumn: str = "all",
) -> None:
    """Make UVW anew, or move phase centres.

    With ``phasecenter``, visibilities and UVW of the fields are turned to it, and it is written into FIELD. Without,
    and with ``reuse=False``, UVW are computed from the positions of the antennas and the phase centres in FIELD.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    outputvis : str
        The new MeasurementSet, which must not exist; by default ``vis`` itself is changed.
    field : str or list of str
        Fields, names or ids; by default all.
    refcode : str
        Only '' or the frame of the fields' phase centres (J2000, ICRS).
    reuse : bool
        Without ``phasecenter``: True leaves UVW as they are, which are in the fields' frame.
    phasecenter : str
        'J2000 9h25m00s -05d12m00s', or two offsets, '5arcsec -3arcsec' (an angle on the sky, or a time as '0.3s', and
        an angle).
    distances : list of str
        Only [].
    datacolumn : str
        What ``phasecenter`` turns: all, or some of data, corrected, model, separated by commas.

    Raises
    ------
    ArgumentError, NoSuchTable, TableExists, MissingColumn, SelectionError, DiskFull, WriteError
    """
    given = dict(locals())
    from atacal.ms.create import NewTable
    from atacal.ms.history import task_messages
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select

    messages = task_messages("fixvis", {k: v for k, v in given.items() if k in fixvis.__annotations__})
    if list(distances):
        raise ArgumentError(f"fixvis: distances={distances!r}; data are not refocussed, only [] is possible")
    wanted = field if isinstance(field, str) else ",".join(str(f) for f in field)
    with MeasurementSet(vis) as ms:
        columns = _columns(ms, datacolumn) if phasecenter.strip() else []
        fields = sorted({int(f) for f in select(ms, Selection(field=wanted)).runs.field})
        _new_directions(ms, fields, phasecenter)
        for number in fields:
            frame = ms.metadata.fields[number].frame
            if refcode and refcode != frame:
                raise ArgumentError(f"fixvis: refcode={refcode!r}, but the phase centres are in {frame}; use that")
    if not outputvis or os.path.normpath(outputvis) == os.path.normpath(vis):
        _change(vis, wanted, columns, phasecenter, messages, reuse=reuse)
        return
    with NewTable(outputvis) as new:
        shutil.copytree(vis, new.temporary)
        _change(str(new.temporary), wanted, columns, phasecenter, messages, reuse=reuse)


def _columns(ms: Any, datacolumn: str) -> list[str]:
    words = [w.strip().lower().removesuffix("_data") for w in datacolumn.split(",")] if datacolumn else ["all"]
    if words == ["all"]:
        return [c for c in dict.fromkeys(_COLUMNS.values()) if ms.has(c)]
    for word in words:
        if word not in _COLUMNS:
            raise ArgumentError(
                f"fixvis: datacolumn={datacolumn!r}; possible are all, or some of data, corrected, model"
            )
        ms.require(_COLUMNS[word])
    return [_COLUMNS[w] for w in words]


def _new_directions(ms: Any, fields: Sequence[int], phasecenter: str) -> dict[int, tuple[float, float]]:
    from atacal.ms.metadata import ephemeris_ids
    from atacal.ms.phase_centre import read_direction

    if not phasecenter.strip():
        return {}
    ids = ephemeris_ids(ms.path)
    for number in fields:
        if ids and ids[number] >= 0:
            name = ms.metadata.fields[number].name
            raise ArgumentError(f"fixvis: field {name} follows an ephemeris; its phase centre cannot be moved")
    out = {}
    for number in fields:
        old = ms.metadata.fields[number]
        ra, dec = read_direction(phasecenter, old)
        out[number] = (ra % math.tau if old.phase_dir_rad[0] >= math.pi else ra, dec)
    return out


def _change(
    vis: str, field: str, columns: Sequence[str], phasecenter: str, messages: Sequence[str], *, reuse: bool
) -> None:
    from atacal.ms.history import write_history
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.phase_centre import recalculate_uvw, set_directions, shift_phase_centre
    from atacal.ms.selection import Selection, select
    from atacal.ms.transaction import transaction

    with transaction(vis, "fixvis", columns=("UVW", *columns), subtables=("HISTORY", "FIELD")) as inside:
        with MeasurementSet(inside, writable=True) as ms:
            selected = select(ms, Selection(field=field))
            fields = sorted({int(f) for f in selected.runs.field})
            new = _new_directions(ms, fields, phasecenter)
            if new:
                shift_phase_centre(ms, selected, columns, new)
            elif not reuse:
                recalculate_uvw(ms, selected)
            else:
                _log.info("fixvis: UVW are in the frame of the phase centres: they stay as they are")
        if new:
            set_directions(str(inside), new, ("PHASE_DIR",))
        write_history(inside, "fixvis", messages)

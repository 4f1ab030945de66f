"""fixplanets: put the right directions into FIELD and SOURCE."""

from __future__ import annotations

import datetime
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from atacal.errors import ArgumentError, EmptySelection

_log = logging.getLogger("atacal")
_MJD_OF_UNIX_EPOCH_S = 40587 * 86400.0


def fixplanets(
    vis: str,
    field: str | Sequence[str | int],
    fixuvw: bool = False,
    direction: str = "",
    refant: int | str = 0,
    reftime: str = "first",
) -> None:
    """Put the right directions into FIELD and SOURCE.

    It is for observations that pointed and correlated rightly, but of which FIELD says another direction, as of
    solar-system bodies in old ALMA data. The direction comes from where an antenna pointed, or is given. Visibilities
    are not changed.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    field : str or list of str
        Fields, names or ids.
    fixuvw : bool
        Make the UVW of these fields anew.
    direction : str
        'J2000 19h30m00 -40d00m00'; by default the pointing.
    refant : int or str
        The antenna whose pointing is taken, name or id.
    reftime : str
        When it is taken: first (of the field's rows), median (of the unflagged ones), '2012/07/11/08:41:32'.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, SelectionError, EmptySelection, WriteError
    """
    given = dict(locals())
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.phase_centre import (
        leave_ephemerides,
        recalculate_uvw,
        set_directions,
        set_j2000,
        set_source_directions,
    )
    from atacal.ms.selection import Selection, select
    from atacal.ms.selection.field import parse_field
    from atacal.ms.transaction import transaction

    messages = task_messages("fixplanets", {k: v for k, v in given.items() if k in fixplanets.__annotations__})
    wanted = field if isinstance(field, str) else ",".join(str(f) for f in field)
    with MeasurementSet(vis) as ms:
        fields = list(parse_field(wanted, ms.metadata))
        names = {f: ms.metadata.fields[f].name for f in fields}
        new = {f: _direction(ms, f, direction, refant, reftime) for f in fields}
        moving = [f for f in fields if ms.metadata.fields[f].frame not in ("J2000", "ICRS")]  # those of planets
        for f in fields:  # right ascensions stay in the turn that FIELD has them in
            if ms.metadata.fields[f].phase_dir_rad[0] >= math.pi:
                new[f] = (new[f][0] % math.tau, new[f][1])
    columns = ("UVW",) if fixuvw else ()
    with transaction(vis, "fixplanets", columns=columns, subtables=("HISTORY", "FIELD", "SOURCE")) as inside:
        set_directions(str(inside), new, ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"))
        leave_ephemerides(str(inside), fields)
        if moving:
            set_j2000(str(inside), moving)
        set_source_directions(str(inside), {names[f]: new[f] for f in fields})
        if fixuvw:
            with MeasurementSet(inside, writable=True) as ms:
                recalculate_uvw(ms, select(ms, Selection(field=",".join(map(str, fields)))))
        write_history(inside, "fixplanets", messages)
    for f in fields:
        _log.info("fixplanets: field %s is at %.9f %.9f rad", names[f], *new[f])


def _direction(ms: Any, field: int, direction: str, refant: int | str, reftime: str) -> tuple[float, float]:
    from atacal.ms.phase_centre import pointed_at, read_direction, to_frame

    old = ms.metadata.fields[field]
    old = old if old.frame in ("J2000", "ICRS") else replace(old, frame="J2000")
    if direction.strip():
        words = direction.split()
        if len(words) == 1:
            raise ArgumentError(
                f"fixplanets: direction={direction!r}; ephemerides cannot be attached, give a direction: "
                "'J2000 19h30m00 -40d00m00'"
            )
        return read_direction(direction if len(words) == 3 else f"J2000 {direction}", old)
    return to_frame(pointed_at(ms, _antenna(ms, refant), _time(ms, field, reftime)), "J2000", old.frame)


def _antenna(ms: Any, refant: int | str) -> int:
    names = ms.metadata.antenna_names()
    text = str(refant).strip()
    number = names.index(text) if text in names else int(text) if text.isdigit() else -1
    if not 0 <= number < len(names):
        raise ArgumentError(f"fixplanets: refant={refant!r}: there is no such antenna; there are {', '.join(names)}")
    if ms.metadata.antennas[number].flag_row:
        raise ArgumentError(f"fixplanets: refant={refant!r}: antenna {names[number]} is flagged; choose another")
    return number


def _time(ms: Any, field: int, reftime: str) -> float:
    """Return the time whose pointing is taken [MJD s]."""
    runs = ms.runs[ms.runs.field == field]
    if not len(runs):
        raise EmptySelection(f"{ms.path}: no data of field {ms.metadata.fields[field].name}: no time of its pointing")
    kind = reftime.strip().lower()
    if kind == "first":
        return float(runs.time[0])
    if kind == "median":
        good = np.array([
            int((~ms.read_scalar("FLAG_ROW", [(int(a), int(n))]).astype(bool)).sum())
            for a, n in zip(runs.row0, runs.nrow, strict=True)
        ])  # fmt: skip
        if not good.sum():
            raise EmptySelection(f"{ms.path}: all rows of field {ms.metadata.fields[field].name} are flagged")
        return float(runs.time[int(np.searchsorted(np.cumsum(good), good.sum() // 2, side="right"))])
    try:
        parsed = datetime.datetime.strptime(reftime.strip().split(".")[0], "%Y/%m/%d/%H:%M:%S")
    except ValueError:
        raise ArgumentError(
            f"fixplanets: reftime={reftime!r}; possible are first, median, or a time: '2012/07/11/08:41:32'"
        ) from None
    unix = parsed.replace(tzinfo=datetime.UTC).timestamp()
    time_s = unix + _MJD_OF_UNIX_EPOCH_S + float(f"0.{reftime.strip().partition('.')[2] or 0}")
    if not runs.time[0] <= time_s <= runs.time[-1]:
        raise ArgumentError(f"fixplanets: reftime={reftime!r} is not within the observation of the field")
    return time_s

"""Merging the FIELD subtables of two MeasurementSets."""

from __future__ import annotations

import logging
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, InvalidTable
from atacal.ms._concat_sources import Sources
from atacal.ms._concat_tables import Row, append_rows, rows_of
from atacal.ms._tables import opened

log = logging.getLogger("atacal")

_DIRECTIONS = ("REFERENCE_DIR", "DELAY_DIR", "PHASE_DIR")
_FRAMES = ("RefDir_Ref", "DelayDir_Ref", "PhaseDir_Ref")  # where each row has a frame of its own
_DAY_S = 86400.0


def merge_fields(
    target: str,
    source: str,
    tolerance_rad: float,
    sources: Sources,
    times_s: tuple[float, float],
    *,
    respect_name: bool,
) -> NDArray[np.int32]:
    """Append the fields that have no counterpart; return the new id of each.

    Fields are the same if all three directions agree (and the names, with ``respect_name``). Of two that follow
    ephemerides, the first's is used for both only if it covers the times of the other's data.

    Parameters
    ----------
    target, source : str
        MeasurementSets.
    tolerance_rad : float
    sources : Sources
        New ids of ``source``'s sources.
    times_s : (float, float)
        First and last TIME of its data.
    respect_name : bool
    """
    _check_frames(target, source)
    with opened(f"{source}/FIELD") as other, opened(f"{target}/FIELD", writable=True) as tab:
        there, rows = rows_of(tab), rows_of(other)
        homes = [target] * len(there)
        new, added = np.empty(len(rows), np.int32), []
        for i, row in enumerate(rows):
            found = None
            for k in reversed(range(len(there))):
                if _same(there[k], row, (homes[k], source), tolerance_rad, times_s):
                    found = k  # as CASA, the last that fits is the one whose name has to
                    break
            if found is not None and respect_name and there[found]["NAME"] != row["NAME"]:
                found = None
            if found is None:
                found = len(there)
                there.append(row)
                homes.append(source)
                added.append(i)
            new[i] = found
        if added and any(_ephemeris_id(rows[i]) >= 0 for i in added) and "EPHEMERIS_ID" not in tab.colnames():
            raise InvalidTable(f"{target}: fields of {source} follow ephemerides, but FIELD has no column EPHEMERIS_ID")
        first = tab.nrows()
        numbers = [sources.ids.get(int(rows[i]["SOURCE_ID"]), int(rows[i]["SOURCE_ID"])) for i in added]
        append_rows(tab, other, added, {"SOURCE_ID": np.array(numbers, np.int32)})
        if "EPHEMERIS_ID" in tab.colnames():
            _copy_ephemerides(tab, (target, source), first, [rows[i] for i in added])
    return new


def separation(one_rad: Any, other_rad: Any) -> float:
    """Return the angle between two directions (longitude, latitude) [rad]."""
    distance = float(np.linalg.norm(_vector(one_rad) - _vector(other_rad)))
    return 2 * float(np.arcsin(min(1.0, distance / 2)))


def _vector(direction_rad: Any) -> NDArray[np.float64]:
    lon, lat = np.asarray(direction_rad, float).reshape(-1)[:2]
    return np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def _same(one: Row, other: Row, homes: tuple[str, str], tolerance_rad: float, times_s: tuple[float, float]) -> bool:
    if one["FLAG_ROW"] or one["NUM_POLY"] != 0:
        return False
    ids = _ephemeris_id(one), _ephemeris_id(other)
    if (ids[0] >= 0) != (ids[1] >= 0):
        return False
    if ids[0] >= 0:
        tables = [ephemeris_path(ms, number) for ms, number in zip(homes, ids, strict=True)]
        when = float(other["TIME"])
        places = [ephemeris_direction(t, when) for t in tables]
        if places[0] is None or places[1] is None or separation(places[0], places[1]) >= tolerance_rad:
            return False
        if any(ephemeris_direction(tables[0], t) is None for t in times_s):
            log.info("concat: the ephemeris of field %s ends before the data of %s do: it becomes a field of its own; "
                     "forcesingleephemfield joins the ephemerides", one["NAME"], homes[1])  # fmt: skip
            return False
    if any(one.get(c) != other.get(c) for c in _FRAMES):
        return False
    # PHASE_DIR... of a field with an ephemeris are offsets from it
    return all(separation(one[c], other[c]) < tolerance_rad for c in _DIRECTIONS)


def _ephemeris_id(row: Row) -> int:
    return int(row.get("EPHEMERIS_ID", -1))


def ephemeris_path(ms: str, number: int) -> Path:
    """Return the table of an ephemeris.

    Raises
    ------
    InvalidTable
        If there is none.
    """
    found = sorted(Path(ms, "FIELD").glob(f"EPHEM{number}_*.tab"))
    if not found:
        raise InvalidTable(f"{ms}: FIELD follows ephemeris {number}, but there is no table FIELD/EPHEM{number}_*.tab")
    return found[0]


def ephemeris_direction(table: Path, time_s: float) -> tuple[float, float] | None:
    """Return where an ephemeris has its body at a time [rad]; None where it has no entries."""
    with opened(table) as tab:
        mjd = np.asarray(tab.getcol("MJD"))
        at = time_s / _DAY_S
        if not len(mjd) or not mjd[0] <= at <= mjd[-1]:
            return None
        lon, lat = (np.deg2rad(np.asarray(tab.getcol(c))) for c in ("RA", "DEC"))
    vectors = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    x, y, z = (np.interp(at, mjd, v) for v in vectors)
    return float(np.arctan2(y, x)), float(np.arctan2(z, np.hypot(x, y)))


def _copy_ephemerides(tab: Any, homes: tuple[str, str], first: int, rows: list[Row]) -> None:
    """Copy the ephemerides of fields that were appended, under the next free numbers."""
    last = int(np.asarray(tab.getcol("EPHEMERIS_ID")).max(initial=-1, where=np.arange(tab.nrows()) < first))
    for k, row in enumerate(rows):
        number = _ephemeris_id(row)
        if number >= 0:
            table = ephemeris_path(homes[1], number)
            last += 1
            name = re.sub(r"^EPHEM\d+_", f"EPHEM{last}_", table.name)
            shutil.copytree(table, os.path.join(homes[0], "FIELD", name))
            number = last
        tab.putcell("EPHEMERIS_ID", first + k, number)


def _check_frames(target: str, source: str) -> None:
    frames = []
    for ms in (target, source):
        with opened(f"{ms}/FIELD") as tab:
            info = tab.getcolkeywords("PHASE_DIR").get("MEASINFO", {})
            frames.append("of each row" if "VarRefCol" in info else info.get("Ref", "J2000"))
    if frames[0] != frames[1]:
        raise ArgumentError(
            f"concat: the directions of the fields of {source} are in {frames[1]}, those of the first MeasurementSet "
            f"in {frames[0]}; only MeasurementSets in the same frame can be joined"
        )

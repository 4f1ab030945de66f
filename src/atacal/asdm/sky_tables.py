"""Subtables of the sky: FIELD and SOURCE."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.context import Context
from atacal.asdm.dataset import need
from atacal.asdm.subtables import Subtables, Values
from atacal.asdm.values import array, integer, mjd_s, seconds, start_and_duration, strings, tag
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError

DIRECTION_CODES = {
    "J2000": 0, "JMEAN": 1, "JTRUE": 2, "APP": 3, "B1950": 4, "B1950_VLA": 5, "BMEAN": 6, "BTRUE": 7, "GALACTIC": 8,
    "HADEC": 9, "AZEL": 10, "AZELNE": 10, "AZELSW": 11, "AZELGEO": 12, "AZELNEGEO": 12, "AZELSWGEO": 13, "JNAT": 14,
    "ECLIPTIC": 15, "MECLIPTIC": 16, "TECLIPTIC": 17, "SUPERGAL": 18, "ITRF": 19, "TOPO": 20, "ICRS": 21,
    "MERCURY": 32, "VENUS": 33, "MARS": 34, "JUPITER": 35, "SATURN": 36, "URANUS": 37, "NEPTUNE": 38, "PLUTO": 39,
    "SUN": 40, "MOON": 41, "COMET": 42,
}  # fmt: skip


def fill_sky(context: Context, tables: Subtables) -> None:
    """Fill FIELD and SOURCE; what moves gets its place from its ephemeris."""
    tables.fill("FIELD", _fields(context))
    tables.fill("SOURCE", _sources(context))


def field_name(name: str) -> str:
    """Return a field's name without the sign that means "and" in selections."""
    return name.replace("&", "#") if name.startswith("&") else name


def _turned(value: Any) -> NDArray[np.float64]:
    """Return directions [rad] as they come back from unit vectors, which is how the filler stores them."""
    given = array(value)
    out = np.empty_like(given)
    for lon, lat, made in zip(given[..., 0].ravel(), given[..., 1].ravel(), out.reshape(-1, 2), strict=True):
        # the C library's functions: numpy's differ in the last digit
        x, y, z = math.cos(lon) * math.cos(lat), math.sin(lon) * math.cos(lat), math.sin(lat)
        made[:] = math.atan2(y, x), math.asin(z)
    return out


def _fields(context: Context) -> Iterator[Values]:
    for row in context.asdm.by_tag("Field", "fieldId"):
        get: Any = lambda column, row=row: need(row, column, "Field")  # noqa: E731
        ephemeris = integer(row["ephemerisId"]) if "ephemerisId" in row else -1
        code = DIRECTION_CODES.get(row.get("directionCode", "J2000"))
        if code is None:
            raise AsdmError(f"{context.asdm.path}: {row['fieldId']} has the unknown frame {row['directionCode']}")
        yield {
            "NAME": field_name(get("fieldName")), "CODE": get("code"),
            "TIME": field_time(context, row),
            "NUM_POLY": integer(get("numPoly")) - 1, "SOURCE_ID": integer(row.get("sourceId", 0)),
            "EPHEMERIS_ID": ephemeris, "FLAG_ROW": False,
            "DELAY_DIR": _turned(get("delayDir")), "PHASE_DIR": _turned(get("phaseDir")),
            "REFERENCE_DIR": _turned(get("referenceDir")),
            "DelayDir_Ref": code, "PhaseDir_Ref": code, "RefDir_Ref": code,
        }  # fmt: skip


def field_time(context: Context, row: Row) -> float:
    """Return a field's time [s]: its own, or that of the second line of its ephemeris."""
    own = integer(row["time"]) if "time" in row else 0
    ephemeris = context.ephemerides.get(integer(row.get("ephemerisId", -1)))
    return ephemeris.second_time_s if own == 0 and ephemeris is not None else float(own) * 1e-9


def _moving(context: Context) -> dict[int, NDArray[np.float64]]:
    """Return the places of sources that move, at the time of their first field."""
    found: dict[int, NDArray[np.float64]] = {}
    for row in context.asdm.by_tag("Field", "fieldId"):
        ephemeris = context.ephemerides.get(integer(row.get("ephemerisId", -1)))
        if ephemeris is not None:
            source = integer(row.get("sourceId", 0))
            found.setdefault(source, np.array(ephemeris.direction(field_time(context, row))))
    return found


def _sources(context: Context) -> Iterator[Values]:
    moving = _moving(context)
    for i, row in enumerate(context.asdm.selected("Source", context.spans)):
        get: Any = lambda column, row=row: need(row, column, "Source")  # noqa: E731
        lines = integer(row.get("numLines", 0))
        for column in ("transition", "restFrequency", "sysVel"):
            if column in row and strings(row[column])[0] != (lines,):
                raise AsdmError(
                    f"{context.asdm.path}: Source row {i}: numLines is {lines}, {column} has the shape "
                    f"{strings(row[column])[0]}"
                )
        start, duration = start_and_duration(get("timeInterval"))
        interval = seconds(duration)
        yield {
            "SOURCE_ID": integer(get("sourceId")), "TIME": mjd_s(start) + interval / 2.0, "INTERVAL": interval,
            "SPECTRAL_WINDOW_ID": context.spw_ids[tag(get("spectralWindowId"))], "NUM_LINES": lines,
            "NAME": get("sourceName"), "CALIBRATION_GROUP": integer(row.get("calibrationGroup", 0)),
            "CODE": get("code"), "PROPER_MOTION": array(get("properMotion")),
            "DIRECTION": moving.get(integer(get("sourceId")), _turned(get("direction"))),
            "POSITION": array(row["position"]) if "position" in row else None,
            "TRANSITION": strings(row["transition"]) if lines and "transition" in row else None,
            "REST_FREQUENCY": array(row["restFrequency"]) if lines and "restFrequency" in row else None,
            "SYSVEL": array(row["sysVel"]) if lines and "sysVel" in row else None,
        }  # fmt: skip

"""Ephemerides of fields: tables ``FIELD/EPHEM0_Titan_57201.6.tab`` in the form CASA reads."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.dataset import Asdm, need
from atacal.asdm.values import array, integer, real, start_and_duration
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError, WriteError
from atacal.ms.measures import measures

AU_M = 499.0047837 * 299792458.0
"""Astronomical unit as CASA has it [m]."""
_DAY_NS = 86_400_000_000_000
_LEAST_STEP_NS = 1_000_000
_UNITS = {"MJD": "d", "RA": "deg", "DEC": "deg", "Rho": "AU", "RadVel": "AU/d", "diskLong": "deg", "diskLat": "deg"}


@dataclass
class Ephemeris:
    """One ephemeris: an object's places in time."""

    number: int
    name: str
    """Field."""
    step_days: float
    mjd: NDArray[np.float64]
    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    rho_au: NDArray[np.float64]
    radvel_au_per_d: NDArray[np.float64] | None
    keywords: dict[str, Any] = field(default_factory=dict)
    start_mjd: float = 0.0
    """What the table is named after."""

    @property
    def table(self) -> str:
        """The table's name."""
        return re.sub(r"[\\[\\](){}/ ]", "_", f"EPHEM{self.number}_{self.name}_{self.start_mjd:g}.tab")

    @property
    def second_time_s(self) -> float:
        """Time of the second line [s]; fields without a time of their own get it."""
        return float(int(self.mjd[1] * _DAY_NS)) * 1e-9

    def direction(self, time_s: float, offset_rad: Sequence[float] = (0.0, 0.0)) -> tuple[float, float]:
        """Return where the object is at a time, moved by a field's offset: J2000 [rad].

        Between lines the place moves on a straight line in space.

        Raises
        ------
        AsdmError
            If the ephemeris does not reach to that time.
        """
        day = time_s / 86400.0
        i = int(np.clip(np.searchsorted(self.mjd, day, side="right") - 1, 0, len(self.mjd) - 2))
        if not self.mjd[0] <= day <= self.mjd[-1]:
            raise AsdmError(
                f"the ephemeris of {self.name} reaches from MJD {self.mjd[0]:.5f} to {self.mjd[-1]:.5f}, "
                f"not to {day:.5f}"
            )
        ra, dec = np.radians(self.ra_deg[i : i + 2]), np.radians(self.dec_deg[i : i + 2])
        places = self.rho_au[i : i + 2] * np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
        part = (day - self.mjd[i]) / (self.mjd[i + 1] - self.mjd[i])
        x, y, z = places[:, 0] + part * (places[:, 1] - places[:, 0])
        lon, lat = np.arctan2(y, x), np.arctan2(z, np.hypot(x, y))
        lat = lat + offset_rad[1]
        return _icrs_to_j2000(lon + offset_rad[0] / np.cos(lat), lat)

    def made_geocentric(self) -> None:
        """Turn radial velocities from those seen at the observatory into those seen from the centre of the earth.

        Directions stay as they are, as in CASA's conversion.
        """
        if self.keywords["obsloc"] == "GEOCENTRIC":
            return
        if self.radvel_au_per_d is not None:
            self.radvel_au_per_d = _geocentric_velocity(self)
        for name in ("GeoDist", "GeoLat", "GeoLong"):
            self.keywords[name] = 0.0
        self.keywords["obsloc"] = "GEOCENTRIC"
        self.keywords["posrefsys"] = "ICRF/ICRS"


def _icrs_to_j2000(lon: float, lat: float) -> tuple[float, float]:
    dm = measures()
    turned = dm.measure(dm.direction("ICRS", _rad(lon), _rad(lat)), "J2000")
    return turned["m0"]["value"], turned["m1"]["value"]


def _rad(value: float) -> dict[str, Any]:
    return {"value": float(value), "unit": "rad"}


def _geocentric_velocity(e: Ephemeris) -> NDArray[np.float64]:
    dm = measures()
    place = e.keywords
    deg = lambda v: {"value": float(v), "unit": "deg"}  # noqa: E731
    height = {"value": float(place["GeoDist"]), "unit": "km"}
    dm.doframe(dm.position("WGS84", deg(place["GeoLong"]), deg(place["GeoLat"]), height))
    assert e.radvel_au_per_d is not None
    out, per = np.empty(len(e.mjd)), AU_M / 86400.0
    for i, day in enumerate(e.mjd):
        dm.doframe(dm.epoch("UTC", {"value": float(day), "unit": "d"}))
        dm.doframe(dm.direction("ICRS", deg(e.ra_deg[i]), deg(e.dec_deg[i])))
        seen = dm.radialvelocity("TOPO", {"value": float(e.radvel_au_per_d[i] * per), "unit": "m/s"})
        out[i] = dm.measure(seen, "GEO")["m0"]["value"] / per
    return out


def read_ephemerides(asdm: Asdm, telescope: str, step_days: float) -> list[Ephemeris]:
    """Read the ephemerides of an ASDM.

    Parameters
    ----------
    asdm : Asdm
    telescope : str
    step_days : float
        Step at which polynomials are tabulated [d].

    Raises
    ------
    AsdmError
    """
    groups: dict[int, list[Row]] = {}
    for row in asdm.rows("Ephemeris"):
        groups.setdefault(integer(need(row, "ephemerisId", "Ephemeris")), []).append(row)
    names: dict[int, str] = {}
    for row in asdm.by_tag("Field", "fieldId"):
        if "ephemerisId" in row:
            names.setdefault(integer(row["ephemerisId"]), need(row, "fieldName", "Field"))
    step_ns = int(step_days * 86400 * 1e9) or _LEAST_STEP_NS
    try:
        return [_ephemeris(asdm, telescope, n, rows, names.get(n, ""), step_ns) for n, rows in sorted(groups.items())]
    except (KeyError, IndexError, ValueError) as error:
        if isinstance(error, AsdmError):
            raise
        raise AsdmError(f"{asdm.path}: Ephemeris cannot be read: {error}") from error


@dataclass(frozen=True)
class _Line:
    """A row of Ephemeris, in degrees, AU and AU/d; coefficients from the constant term on."""

    start: int
    duration: int
    origin: int
    coefficients: tuple[NDArray[np.float64], ...]

    @property
    def mid(self) -> int:
        return self.start + self.duration // 2

    @property
    def end(self) -> int:
        return self.start + self.duration


def _line(row: Row) -> _Line:
    start, duration = start_and_duration(need(row, "timeInterval", "Ephemeris"))
    directions = array(need(row, "dir", "Ephemeris"))
    values = [directions[:, 0] / np.pi * 180.0, directions[:, 1] / np.pi * 180.0, array(row["distance"]) / AU_M]
    if "radVel" in row and "numPolyRadVel" in row:
        values.append(array(row["radVel"]) / AU_M * 24.0 * 3600.0)
    return _Line(start, duration, integer(need(row, "timeOrigin", "Ephemeris")), tuple(values))


def _ephemeris(asdm: Asdm, telescope: str, number: int, rows: list[Row], name: str, step_ns: int) -> Ephemeris:
    lines = [_line(r) for r in rows]
    scalar = [len(c) == 1 for c in lines[0].coefficients]
    for line in lines:
        if [len(c) == 1 for c in line.coefficients] != scalar:
            raise AsdmError(f"{asdm.path}: Ephemeris {number}: some rows are polynomials and some are not")
    if len(lines) == 1:
        times, columns = _one_polynomial(lines[0], step_ns)
        step = step_ns / 1e9 / 86400.0
    elif all(scalar):
        times = [line.mid for line in lines]
        columns = [np.array([line.coefficients[k][0] for line in lines]) for k in range(len(scalar))]
        step = lines[0].duration // 1_000_000_000 / 86400.0
    else:
        times, columns = _tabulated(lines, scalar, step_ns)
        step = step_ns / 1e9 / 86400.0
    mjd = np.array(times, np.float64) / _DAY_NS
    first = -(-lines[0].start // step_ns) * step_ns
    keywords = _keywords(rows[0], name, telescope, mjd[0] - step, step)
    radvel = columns[3] if len(columns) > 3 else None
    return Ephemeris(number, name, step, mjd, columns[0], columns[1], columns[2], radvel, keywords, first / _DAY_NS)


def _keywords(row: Row, name: str, telescope: str, mjd0: float, step: float) -> dict[str, Any]:
    place = array(need(row, "observerLocation", "Ephemeris"))
    now = time.strftime("%Y/%m/%d/%H:%M", time.gmtime())
    height_km = float(place[2]) / 1000.0
    return {
        "VS_CREATE": now, "VS_DATE": now, "VS_VERSION": "0001.0001", "VS_TYPE": "Table of comet/planetary positions",
        "MJD0": float(mjd0), "dMJD": float(step), "NAME": name, "GeoLong": float(place[0]) / np.pi * 180.0,
        "GeoLat": float(place[1]) / np.pi * 180.0, "GeoDist": height_km,
        "obsloc": "GEOCENTRIC" if height_km == 0.0 else telescope,
        "posrefsys": "ICRF/ICRS" if real(need(row, "equinoxEquator", "Ephemeris")) == 2000.0 else "unknown",
    }  # fmt: skip


def _horner(coefficients: NDArray[np.float64], x: float) -> float:
    value = 0.0
    for c in coefficients[::-1]:
        value = float(c) + value * x
    return value


def _one_polynomial(line: _Line, step: int) -> tuple[list[int], list[NDArray[np.float64]]]:
    """Tabulate the polynomials of a single row, a step beyond both ends; their unit of time is a day."""
    t = -(-line.start // step) * step - step
    times = [t]
    while t + step <= line.end:
        t += step
        times.append(t)
    times.append(t + step)
    origin = line.origin * 1e-9 / 86400.0
    return times, [np.array([_horner(c, t * 1e-9 / 86400.0 - origin) for t in times]) for c in line.coefficients]


def _tabulated(lines: Sequence[_Line], scalar: list[bool], step: int) -> tuple[list[int], list[NDArray[np.float64]]]:
    """Tabulate polynomials of many rows (unit of time: a second); between single values, straight lines."""
    start = lines[0].mid if any(scalar) else lines[0].start
    first = -(-start // step) * step
    last = lines[-1].mid if any(scalar) else lines[-1].end
    times = list(range(first, last, step))
    columns = []
    for k, single in enumerate(scalar):
        ends = np.array([(line.mid + line.duration) if single else line.end for line in lines])
        made = []
        for t in times:
            i = min(int(np.searchsorted(ends, t, side="right")), len(lines) - 1 - single)
            if single:
                a, b = lines[i], lines[i + 1]
                slope = (b.coefficients[k][0] - a.coefficients[k][0]) / (1e-9 * b.mid - 1e-9 * a.mid)
                made.append(_horner(np.array([a.coefficients[k][0], slope]), 1e-9 * t - 1e-9 * a.mid))
            else:
                made.append(_horner(lines[i].coefficients[k], 1e-9 * t - 1e-9 * lines[i].origin))
        columns.append(np.array(made))
    return times, columns


def write_ephemerides(found: Sequence[Ephemeris], main: Any, path: str) -> None:
    """Make the tables in FIELD, and name them in the main table's keywords as the filler does.

    Raises
    ------
    WriteError
    """
    from casacore.tables import makescacoldesc, maketabdesc, table

    for e in found:
        target = f"{path}/FIELD/{e.table}"
        columns = {"MJD": e.mjd, "RA": e.ra_deg, "DEC": e.dec_deg, "Rho": e.rho_au}
        if e.radvel_au_per_d is not None:
            columns["RadVel"] = e.radvel_au_per_d
        description = maketabdesc([makescacoldesc(name, 0.0, keywords={"UNIT": unit}) for name, unit in _UNITS.items()])
        try:
            tab = table(target, description, nrow=len(e.mjd), ack=False)
            for name, values in columns.items():
                tab.putcol(name, values)
            tab.putkeywords(e.keywords)
            tab.putinfo({"type": "IERS", "subType": "Solar System", "readme": "generated by asdm2ms"})
            tab.close()
        except RuntimeError as error:
            raise WriteError(f"{target} cannot be written: {error}") from error
        main.putkeywords({e.table: f"Table: {target}"})  # its name has a point, which putkeyword takes for a path

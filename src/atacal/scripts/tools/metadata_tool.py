"""The tool ``msmd``: what a MeasurementSet is about."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ToolError
from atacal.ms._tables import opened
from atacal.ms.observatories import observatory_itrf, spherical
from atacal.scripts.tools._msmd_base import Ids, MsFacts, matches, measure, quantity
from atacal.scripts.tools._msmd_scans import MsmdScans
from atacal.scripts.tools._msmd_spws import MsmdSpws
from atacal.scripts.tools.measures_tool import Measures
from atacal.scripts.tools.quanta_tool import Quanta

_qa = Quanta()


class MSMetaData(MsmdScans, MsmdSpws, tool="msmd"):
    """CASA's metadata tool (``casatools.msmetadata``), over atacal's own reading of the small tables.

    All is read when the MeasurementSet is opened; nothing of it stays open.

    Examples
    --------
    >>> msmd = MSMetaData()  # doctest: +SKIP
    >>> msmd.open("X.ms")  # doctest: +SKIP
    True
    >>> msmd.fieldsforintent("CALIBRATE_BANDPASS*")  # doctest: +SKIP
    array([0])
    """

    def open(self, msfile: str = "", maxcache: float = 50.0) -> bool:
        """Read a MeasurementSet; ``maxcache`` is accepted."""
        self._facts = MsFacts(str(msfile))
        return True

    def close(self) -> bool:
        """Forget the MeasurementSet."""
        self._facts = None
        return True

    def done(self) -> bool:
        """Forget the MeasurementSet."""
        return self.close()

    def name(self) -> str:
        """Return the MeasurementSet's path."""
        return self._ms.path

    # ------------------------------------------------------------ antennas

    def nantennas(self) -> int:
        """Return the number of antennas."""
        return self._ms.meta.nant

    def antennanames(self, antennaids: Any = -1) -> list[str]:
        """Return the names of antennas, of all with -1."""
        return [self._ms.meta.antennas[i].name for i in self._antenna_ids(antennaids)]

    def antennastations(self, which: Any = -1, obsid: int = -1) -> list[str]:
        """Return the stations of antennas (ids or names)."""
        return [self._ms.meta.antennas[i].station for i in self._antenna_ids(which)]

    def antennaids(self, name: Any = "", mindiameter: Any = "0m", maxdiameter: Any = "1pc", obsid: int = -1) -> Ids:
        """Return the ids of antennas by name (``*`` stands for anything) and diameter."""
        low, high = (float(_qa.convert(d, "m")["value"]) for d in (mindiameter, maxdiameter))
        antennas = self._ms.meta.antennas
        ids: list[int] = []
        for pattern in [str(n) for n in np.atleast_1d(name)]:
            found = [a.id for a in antennas if not pattern or matches(pattern, a.name)]
            if not found:
                names = ", ".join(a.name for a in antennas)
                raise ToolError(f"msmd.antennaids: there is no antenna {pattern!r}; there are {names}")
            ids += [i for i in found if i not in ids]
        return np.array([i for i in ids if low <= antennas[i].dish_diameter_m <= high], np.int64)

    def antennadiameter(self, antenna: Any = -1) -> dict[str, Any]:
        """Return the diameter of an antenna (id or name), or of all by id."""
        if not isinstance(antenna, (str, np.str_)) and int(antenna) < 0:
            return {str(a.id): quantity(a.dish_diameter_m, "m") for a in self._ms.meta.antennas}
        return quantity(self._ms.meta.antennas[self._antenna_ids(antenna)[0]].dish_diameter_m, "m")

    def antennaposition(self, which: Any = 0) -> dict[str, Any]:
        """Return the position of an antenna (id or name), a measure."""
        lon, lat, far = self._itrf(which)
        return measure("position", "ITRF", (lon, "rad"), (lat, "rad"), (far, "m"))

    def antennaoffset(self, which: Any = 0) -> dict[str, Any]:
        """Return how far east, north and above the observatory's position an antenna is, along a sphere."""
        name = self._ms.meta.telescope
        place = observatory_itrf(name)
        if place is None:
            raise ToolError(f"msmd.antennaoffset: the position of the observatory {name!r} is not known")
        lon, lat, far = self._itrf(which)
        return {
            "longitude offset": quantity((lon - place[0]) * place[2] * np.cos(place[1]), "m"),
            "latitude offset": quantity((lat - place[1]) * place[2], "m"),
            "elevation offset": quantity(far - place[2], "m"),
        }

    def antennasforscan(self, scan: int = -1, obsid: int = -1, arrayid: int = -1) -> Ids:
        """Return the antennas with data in a scan."""
        return self._antennas(self._scan_mask(scan, obsid, arrayid))

    def baselines(self) -> NDArray[np.bool_]:
        """Return which pairs of antennas have data, bool (antenna, antenna)."""
        return self._ms.pairs.copy()

    def nbaselines(self, ac: bool = False) -> int:
        """Return the number of baselines with data, autocorrelations only with ``ac``."""
        return int(np.triu(self._ms.pairs, 0 if ac else 1).sum())

    def _antenna_ids(self, which: Any) -> list[int]:
        wanted = np.atleast_1d(which)
        names = self._ms.meta.antenna_names()
        if wanted.dtype.kind not in "US":
            if wanted.size == 1 and int(wanted[0]) < 0:
                return list(range(len(names)))
            return [self._checked(i, len(names), "antenna") for i in wanted]
        for name in wanted:
            if name and str(name) not in names:
                raise ToolError(f"msmd: there is no antenna {str(name)!r}; there are {', '.join(names)}")
        if not any(wanted):
            return list(range(len(names)))
        return [len(names) - 1 - names[::-1].index(str(n)) for n in wanted]

    def _itrf(self, which: Any) -> tuple[float, float, float]:
        (number,) = self._antenna_ids(which)[:1]
        lon, lat, far = spherical(self._ms.meta.antenna_positions_m[number])
        return float(lon), float(lat), float(far)

    # ------------------------------------------------------------ observations

    def observers(self) -> list[str]:
        """Return the observers."""
        return [o.observer for o in self._ms.meta.observations]

    def projects(self) -> list[str]:
        """Return the projects."""
        return [o.project for o in self._ms.meta.observations]

    def observatorynames(self) -> list[str]:
        """Return the telescopes."""
        return [o.telescope for o in self._ms.meta.observations]

    def observatoryposition(self, which: int = 0) -> dict[str, Any]:
        """Return the position of a telescope, a measure."""
        observation = self._ms.meta.observations[self._checked(which, self.nobservations(), "observation")]
        return Measures().observatory(observation.telescope)

    def schedule(self, obsid: int = -1) -> list[str]:
        """Return the schedule of an observation: at ALMA the scheduling block and the execution block."""
        cells = self._ms.column("OBSERVATION", "SCHEDULE")
        return [str(s) for s in np.ravel(cells[self._checked(obsid, len(cells), "observation")])]

    def timerangeforobs(self, obsid: int = -1) -> dict[str, Any]:
        """Return the begin and the end of an observation, measures."""
        observation = self._ms.meta.observations[self._checked(obsid, self.nobservations(), "observation")]
        frame = self._ms.frame("OBSERVATION", "TIME_RANGE", "UTC")
        begin, end = (measure("epoch", frame, (t / 86400.0, "d")) for t in observation.time_range_mjd_s)
        return {"begin": begin, "end": end}

    # ------------------------------------------------------------ directions, sources

    def phasecenter(self, fieldid: int | str = 0, epoch: object = None) -> dict[str, Any]:
        """Return the phase centre of a field, a measure; of a moving one that of the field's own time."""
        field = self._ms.meta.fields[self._field_ids(fieldid)[0]]
        return _direction(field.frame, *field.phase_dir_rad)

    def refdir(self, field: int | str = 0, epoch: object = None) -> dict[str, Any]:
        """Return the reference direction of a field, a measure."""
        number = self._field_ids(field)[0]
        cell = np.reshape(self._ms.column("FIELD", "REFERENCE_DIR")[number], (-1, 2))[0]
        return _direction(self._ms.meta.fields[number].frame, *cell)

    def nsources(self) -> int:
        """Return the number of sources."""
        return len(set(self.sourceidsfromsourcetable().tolist()))

    def sourceidsfromsourcetable(self) -> Ids:
        """Return SOURCE_ID of every row of SOURCE."""
        return np.array(self._ms.column("SOURCE", "SOURCE_ID"), np.int64)

    def sourcenames(self) -> list[str]:
        """Return the name of every row of SOURCE."""
        return [str(n) for n in self._ms.column("SOURCE", "NAME")]

    def sourcedirs(self) -> dict[str, Any]:
        """Return the direction of every row of SOURCE, measures."""
        cells = self._ms.column("SOURCE", "DIRECTION")
        frame = self._ms.frame("SOURCE", "DIRECTION", "J2000") if cells else "J2000"
        return {str(i): _direction(frame, *cell) for i, cell in enumerate(cells)}

    def sourcetimes(self) -> dict[str, Any]:
        """Return the time of every row of SOURCE [MJD s]."""
        return {str(i): quantity(t, "s") for i, t in enumerate(self._ms.column("SOURCE", "TIME"))}

    def propermotions(self) -> dict[str, Any]:
        """Return the proper motion of every row of SOURCE."""
        return {
            str(i): {"longitude": quantity(cell[0], "rad/s"), "latitude": quantity(cell[1], "rad/s")}
            for i, cell in enumerate(self._ms.column("SOURCE", "PROPER_MOTION"))
        }

    def restfreqs(self, sourceid: int = 0, spw: int = 0) -> Any:
        """Return the rest frequencies of a source and spw, measures; False where there are none."""
        cell = self._source_cell("REST_FREQUENCY", sourceid, spw)
        if cell is None or not np.size(cell):
            return False
        frame = self._ms.frame("SOURCE", "REST_FREQUENCY", "REST")
        return {str(i): measure("frequency", frame, (float(f), "Hz")) for i, f in enumerate(np.ravel(cell))}

    def transitions(self, sourceid: int = 0, spw: int = 0) -> Any:
        """Return the names of the lines of a source and spw; False where there are none."""
        cell = self._source_cell("TRANSITION", sourceid, spw)
        return False if cell is None or not np.size(cell) else np.array(cell, dtype=str)

    def _source_cell(self, column: str, sourceid: int, spw: int) -> Any:
        ids, spws = self.sourceidsfromsourcetable(), self._ms.column("SOURCE", "SPECTRAL_WINDOW_ID")
        cells = self._ms.column("SOURCE", column)
        if int(sourceid) not in ids:
            raise ToolError(
                f"msmd: there is no source {sourceid}; there are {', '.join(map(str, sorted(set(ids.tolist()))))}"
            )
        self._spw_id(spw)
        for source, window, cell in zip(ids, spws, cells, strict=bool(cells)):
            if source == int(sourceid) and int(window) in (-1, int(spw)):
                return cell
        return None

    def pointingdirection(self, rownum: int = 0, interpolate: bool = False, initialrow: int = 0) -> dict[str, Any]:
        """Return where the antennas of a row pointed, by the entry of POINTING nearest in time."""
        if interpolate:
            raise ToolError("msmd.pointingdirection: interpolate=True is not available; the nearest entry is returned")
        row = self._checked(rownum, self._ms.meta.nrow, "row")
        with opened(self._ms.path) as tab:
            antennas = [int(tab.getcell(c, row)) for c in ("ANTENNA1", "ANTENNA2")]
            time = float(tab.getcell("TIME", row))
        with opened(f"{self._ms.path}/POINTING") as tab:
            of, times = np.asarray(tab.getcol("ANTENNA_ID")), np.asarray(tab.getcol("TIME"))
            frame = str(tab.getcolkeywords("DIRECTION").get("MEASINFO", {}).get("Ref", "J2000"))
            out: dict[str, Any] = {"time": time}
            for i, antenna in enumerate(antennas):
                mine = np.flatnonzero(of == antenna)
                if not len(mine):
                    raise ToolError(f"msmd.pointingdirection: {self._ms.path} has no POINTING of antenna {antenna}")
                nearest = int(mine[np.argmin(np.abs(times[mine] - time))])
                lon, lat = np.reshape(tab.getcell("DIRECTION", nearest), (-1, 2))[0]
                out[f"antenna{i + 1}"] = {"id": antenna, "pointingdirection": _direction(frame, lon, lat)}
        return out


def _direction(frame: str, lon: float, lat: float) -> dict[str, Any]:
    """Return a direction as CASA writes it: longitudes from -pi to pi."""
    turned = float(np.arctan2(np.sin(lon), np.cos(lon))) if abs(lon) > np.pi else float(lon)
    return measure("direction", frame, (turned, "rad"), (float(lat), "rad"))

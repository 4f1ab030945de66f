"""What a MeasurementSet is about: antennas, fields, spws, correlations, intents, observations.

Plain immutable values, read once from the subtables; the main table is described by `RowIndex`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import InvalidTable
from atacal.ms._tables import opened

CORR_NAMES = {
    1: "I", 2: "Q", 3: "U", 4: "V",
    5: "RR", 6: "RL", 7: "LR", 8: "LL",
    9: "XX", 10: "XY", 11: "YX", 12: "YY",
}  # fmt: skip
"""casacore's Stokes enumeration, as far as raw interferometer data use it."""

FRAMES = ("REST", "LSRK", "LSRD", "BARY", "GEO", "TOPO", "GALACTO", "LGROUP", "CMB")
"""casacore's frequency reference frames by code."""


@dataclass(frozen=True)
class Antenna:
    """One row of ANTENNA: position ITRF in metres, dish diameter in metres."""

    id: int
    name: str
    station: str
    position_m: tuple[float, float, float]
    dish_diameter_m: float
    mount: str
    flag_row: bool


@dataclass(frozen=True)
class Field:
    """One row of FIELD: phase centre (ra, dec) in radians, J2000 unless ``frame`` says otherwise."""

    id: int
    name: str
    code: str
    source_id: int
    phase_dir_rad: tuple[float, float]
    frame: str
    time_mjd_s: float


@dataclass(frozen=True, eq=False)
class Spw:
    """One row of SPECTRAL_WINDOW: channel centres, widths (signed as stored) in Hz, shape (chan,)."""

    id: int
    name: str
    chan_freq_hz: NDArray[np.float64]
    chan_width_hz: NDArray[np.float64]
    effective_bw_hz: NDArray[np.float64]
    resolution_hz: NDArray[np.float64]
    ref_freq_hz: float
    total_bandwidth_hz: float
    frame: str
    net_sideband: int
    bbc_no: int
    freq_group: int

    @property
    def nchan(self) -> int:
        return len(self.chan_freq_hz)

    @property
    def centre_freq_hz(self) -> float:
        """Mean of the channel centres [Hz]."""
        return float(self.chan_freq_hz.mean())


@dataclass(frozen=True)
class Polarization:
    """One row of POLARIZATION: correlation names (``XX``...) and receptor index pairs (corr, 2)."""

    id: int
    corr_types: tuple[int, ...]
    corr_product: tuple[tuple[int, int], ...]

    @property
    def corrs(self) -> tuple[str, ...]:
        return tuple(CORR_NAMES.get(c, f"?{c}") for c in self.corr_types)

    @property
    def ncorr(self) -> int:
        return len(self.corr_types)


@dataclass(frozen=True)
class DataDescription:
    """One row of DATA_DESCRIPTION: which spw and which polarization setup."""

    id: int
    spw: int
    pol: int


@dataclass(frozen=True)
class Observation:
    """One row of OBSERVATION."""

    id: int
    telescope: str
    observer: str
    project: str
    time_range_mjd_s: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Metadata:
    """All of a MeasurementSet's small tables; ids are row numbers of the subtables, as in CASA."""

    path: str
    nrow: int
    columns: tuple[str, ...]
    antennas: tuple[Antenna, ...]
    fields: tuple[Field, ...]
    spws: tuple[Spw, ...]
    pols: tuple[Polarization, ...]
    ddids: tuple[DataDescription, ...]
    state_intents: tuple[str, ...]
    observations: tuple[Observation, ...]
    time_frame: str = "UTC"
    """Frame of TIME; MeasurementSets made from UVFITS have TAI."""

    @property
    def name(self) -> str:
        """The MS's folder name."""
        return Path(self.path).name

    @property
    def nant(self) -> int:
        return len(self.antennas)

    @cached_property
    def antenna_positions_m(self) -> NDArray[np.float64]:
        """ITRF positions [m], shape (antenna, 3)."""
        return np.array([a.position_m for a in self.antennas], dtype=np.float64).reshape(-1, 3)

    @cached_property
    def ddid_spw(self) -> NDArray[np.int32]:
        """Spw of every data description, shape (ddid,)."""
        return np.array([d.spw for d in self.ddids], dtype=np.int32)

    @cached_property
    def telescope(self) -> str:
        return self.observations[0].telescope if self.observations else ""

    def ddids_of_spw(self, spw: int) -> list[int]:
        """Return the data descriptions of an spw."""
        return [d.id for d in self.ddids if d.spw == spw]

    def antenna_names(self) -> list[str]:
        return [a.name for a in self.antennas]

    def field_names(self) -> list[str]:
        return [f.name for f in self.fields]


def read_metadata(path: str | os.PathLike[str]) -> Metadata:
    """Read the small tables of a MeasurementSet.

    Parameters
    ----------
    path : path
        The MeasurementSet.

    Returns
    -------
    Metadata

    Raises
    ------
    NoSuchTable, InvalidTable, TableLocked
    """
    name = os.path.normpath(os.fspath(path))
    with opened(name) as tab:
        columns, nrow = tuple(tab.colnames()), tab.nrows()
        info = tab.getcolkeywords("TIME").get("MEASINFO", {}) if "TIME" in columns else {}
        if "ANTENNA1" not in columns or "DATA_DESC_ID" not in columns:
            raise InvalidTable(f"{name} is a table but not a MeasurementSet (no ANTENNA1, DATA_DESC_ID columns)")
    for sub in ("ANTENNA", "FIELD", "SPECTRAL_WINDOW", "POLARIZATION", "DATA_DESCRIPTION"):
        if not os.path.isdir(os.path.join(name, sub)):
            raise InvalidTable(f"{name} is damaged: its subtable {sub} is missing")
    return Metadata(
        path=name,
        nrow=nrow,
        columns=columns,
        antennas=read_antennas(name),
        fields=read_fields(name),
        spws=read_spws(os.path.join(name, "SPECTRAL_WINDOW")),
        pols=_polarizations(name),
        ddids=_data_descriptions(name),
        state_intents=_state_intents(name),
        observations=_observations(name),
        time_frame=str(info.get("Ref", "UTC")),
    )


def read_antennas(ms: str) -> tuple[Antenna, ...]:
    """Read the ANTENNA table of an MS or of a calibration table."""
    with opened(f"{ms}/ANTENNA") as tab:
        rows = zip(
            tab.getcol("NAME"), tab.getcol("STATION"), tab.getcol("POSITION").tolist(),
            tab.getcol("DISH_DIAMETER"), tab.getcol("MOUNT"), tab.getcol("FLAG_ROW"), strict=True,
        )  # fmt: skip
        return tuple(
            Antenna(i, name, station, tuple(xyz), float(dish), mount, bool(flagged))
            for i, (name, station, xyz, dish, mount, flagged) in enumerate(rows)
        )


def read_fields(ms: str) -> tuple[Field, ...]:
    """Read the FIELD table of an MS or of a calibration table."""
    with opened(f"{ms}/FIELD") as tab:
        info = tab.getcolkeywords("PHASE_DIR").get("MEASINFO", {})
        frames = [info.get("Ref", "J2000")] * tab.nrows()
        if "VarRefCol" in info and "TabRefCodes" in info:
            by_code = dict(zip(info["TabRefCodes"].tolist(), info["TabRefTypes"], strict=True))
            frames = [by_code[int(c)] for c in tab.getcol(info["VarRefCol"])]
        # PHASE_DIR cells are polynomials in time; the constant term is the direction at TIME
        directions = [np.asarray(tab.getcell("PHASE_DIR", i)).reshape(-1, 2)[0] for i in range(tab.nrows())]
        rows = zip(tab.getcol("NAME"), tab.getcol("CODE"), tab.getcol("SOURCE_ID"), tab.getcol("TIME"), strict=True)
        return tuple(
            Field(i, name, code, int(source), (float(d[0]), float(d[1])), frame, float(time))
            for i, ((name, code, source, time), d, frame) in enumerate(zip(rows, directions, frames, strict=True))
        )


def read_spws(path: str) -> tuple[Spw, ...]:
    """Read a SPECTRAL_WINDOW table (of an MS or of a calibration table)."""
    with opened(path) as tab:
        columns = tab.colnames()

        def scalar(column: str, row: int, default: int) -> int:
            return int(tab.getcell(column, row)) if column in columns else default

        return tuple(
            Spw(
                id=i,
                name=tab.getcell("NAME", i),
                chan_freq_hz=np.atleast_1d(tab.getcell("CHAN_FREQ", i)),
                chan_width_hz=np.atleast_1d(tab.getcell("CHAN_WIDTH", i)),
                effective_bw_hz=np.atleast_1d(tab.getcell("EFFECTIVE_BW", i)),
                resolution_hz=np.atleast_1d(tab.getcell("RESOLUTION", i)),
                ref_freq_hz=float(tab.getcell("REF_FREQUENCY", i)),
                total_bandwidth_hz=float(tab.getcell("TOTAL_BANDWIDTH", i)),
                frame=_frame(scalar("MEAS_FREQ_REF", i, 5)),
                net_sideband=scalar("NET_SIDEBAND", i, 1),
                bbc_no=scalar("BBC_NO", i, -1),
                freq_group=scalar("FREQ_GROUP", i, 0),
            )
            for i in range(tab.nrows())
        )


def _frame(code: int) -> str:
    return FRAMES[code] if 0 <= code < len(FRAMES) else "Undefined"


def _polarizations(ms: str) -> tuple[Polarization, ...]:
    with opened(f"{ms}/POLARIZATION") as tab:
        return tuple(
            Polarization(
                i,
                tuple(int(c) for c in np.atleast_1d(tab.getcell("CORR_TYPE", i))),
                tuple((int(a), int(b)) for a, b in np.asarray(tab.getcell("CORR_PRODUCT", i)).reshape(-1, 2)),
            )
            for i in range(tab.nrows())
        )


def _data_descriptions(ms: str) -> tuple[DataDescription, ...]:
    with opened(f"{ms}/DATA_DESCRIPTION") as tab:
        spws, pols = tab.getcol("SPECTRAL_WINDOW_ID"), tab.getcol("POLARIZATION_ID")
        return tuple(DataDescription(i, int(s), int(p)) for i, (s, p) in enumerate(zip(spws, pols, strict=True)))


def ephemeris_ids(ms: str | os.PathLike[str]) -> list[int]:
    """Return FIELD's EPHEMERIS_ID, by field: -1 where a field has no ephemeris of its own; empty without the column."""
    with opened(f"{ms}/FIELD") as tab:
        if "EPHEMERIS_ID" not in tab.colnames() or not tab.nrows():
            return []
        return [int(i) for i in tab.getcol("EPHEMERIS_ID")]


def _state_intents(ms: str) -> tuple[str, ...]:
    if not os.path.isdir(f"{ms}/STATE"):
        return ()
    with opened(f"{ms}/STATE") as tab:
        return tuple(tab.getcol("OBS_MODE")) if tab.nrows() else ()


def _observations(ms: str) -> tuple[Observation, ...]:
    if not os.path.isdir(f"{ms}/OBSERVATION"):
        return ()
    with opened(f"{ms}/OBSERVATION") as tab:
        return tuple(
            Observation(
                i,
                tab.getcell("TELESCOPE_NAME", i),
                tab.getcell("OBSERVER", i),
                tab.getcell("PROJECT", i),
                tuple(float(t) for t in np.atleast_1d(tab.getcell("TIME_RANGE", i))[:2]),  # type: ignore[arg-type]
            )
            for i in range(tab.nrows())
        )

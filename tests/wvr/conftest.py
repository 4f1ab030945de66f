"""A small MeasurementSet with radiometers: the path of each antenna is known, and the temperatures follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from atacal.wvr.water import layer, path_per_mm

START = 4942216800.0
SAMPLE_S, INTEGRATION_S = 1.152, 5.76
LAYER = (270.0, 450.0)
"""Temperature [K] and pressure [mbar] of the water."""
SCIENCE_HZ = 345e9 + 15.625e6 * np.arange(8)
CM_SITE = np.array([2225061.0, -5440057.0, -2481681.0])
ENU_M = np.array([[0, 0, 0], [30, 0, 0], [0, 60, 0], [200, 10, 0], [0, -350, 0], [2500, 0, 0]], float)
NAMES = ["DA41", "DA42", "DA43", "DV01", "DV02", "DV03"]
SCANS = ((0, 40), (1, 60), (0, 40))
"""(field, samples) of each scan."""
PWV_MM = 1.2


@dataclass
class Block:
    """The MeasurementSet and its truth: ``path_mm`` (time, antenna) at ``time``, ``field`` (time,)."""

    path: Path
    time: np.ndarray
    field: np.ndarray
    path_mm: np.ndarray
    elevation_rad: float


def paths_of(time: np.ndarray, seed: int = 5) -> np.ndarray:
    """Smooth paths [mm] beyond the mean one: waves that cross the array."""
    rng = np.random.default_rng(seed)
    out = np.zeros((len(time), len(NAMES)))
    for length, size in ((300.0, 0.05), (900.0, 0.12), (4000.0, 0.3)):
        phase = rng.uniform(0, 2 * np.pi)
        out += size * np.sin(
            2 * np.pi * (ENU_M[:, 0] + 0.6 * ENU_M[:, 1] + 9.0 * (time[:, None] - START)) / length + phase
        )
    return out


def _main_rows(names: int) -> dict:
    times, fields, rows = [], [], []
    at = START
    for scan, (field, count) in enumerate(SCANS, 1):
        stamps = at + SAMPLE_S * (np.arange(count) + 0.5)
        times.append(stamps)
        fields.append(np.full(count, field))
        for t in stamps:
            rows += [(t, SAMPLE_S, 0, field, scan, a, a) for a in range(names)]
        for t in at + INTEGRATION_S * (np.arange(int(count * SAMPLE_S / INTEGRATION_S)) + 0.5):
            pairs = [(i, j) for i in range(names) for j in range(i, names)]
            rows += [(t, INTEGRATION_S, 1, field, scan, i, j) for i, j in pairs]
        at += count * SAMPLE_S + 8.0
    return {"time": np.concatenate(times), "field": np.concatenate(fields), "rows": rows}


def _put(path: Path, values: dict) -> None:
    from casacore.tables import table

    with table(str(path), readonly=False, ack=False) as tab:
        tab.addrows(len(next(iter(values.values()))))
        for column, cells in values.items():
            if isinstance(cells, np.ndarray):
                tab.putcol(column, cells)
            else:
                for row, cell in enumerate(cells):
                    tab.putcell(column, row, cell)


def _subtables(path: Path, elevation_rad: float, time: np.ndarray) -> None:
    from casacore.tables import default_ms_subtable, table

    n = len(NAMES)
    # local east, north, up to ITRF at ALMA's longitude and latitude
    lon, lat = np.radians(-67.755), np.radians(-23.023)
    east = np.array([-np.sin(lon), np.cos(lon), 0])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    where = CM_SITE + ENU_M[:, :1] * east + ENU_M[:, 1:2] * north
    _put(path / "ANTENNA", {
        "NAME": NAMES, "STATION": [f"A{i}" for i in range(n)], "POSITION": where, "OFFSET": 0 * where,
        "DISH_DIAMETER": np.full(n, 12.0), "MOUNT": ["alt-az"] * n, "TYPE": ["GROUND-BASED"] * n,
    })  # fmt: skip
    _put(path / "FIELD", {
        "NAME": ["cal", "target"], "SOURCE_ID": np.array([0, 1]), "NUM_POLY": np.zeros(2, int),
        "TIME": np.full(2, START),
        **{c: np.array([[[1.0, -0.6]], [[1.1, -0.7]]]) for c in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR")},
    })  # fmt: skip
    wvr = np.array([184.56e9, 186.56e9, 188.81e9, 190.56e9])
    freqs = [wvr, SCIENCE_HZ, 100e9 + 2e9 * np.arange(4)]
    _put(path / "SPECTRAL_WINDOW", {
        "NAME": ["WVR#NOMINAL", "X#FULL_RES", "X#BINNED"], "NUM_CHAN": np.array([len(f) for f in freqs]),
        "REF_FREQUENCY": np.array([f[0] for f in freqs]), "MEAS_FREQ_REF": np.full(3, 5),
        "TOTAL_BANDWIDTH": np.array([np.ptp(f) for f in freqs]), "CHAN_FREQ": freqs,
        **{c: [np.full(len(f), f[1] - f[0]) for f in freqs] for c in ("CHAN_WIDTH", "EFFECTIVE_BW", "RESOLUTION")},
    })  # fmt: skip
    _put(path / "POLARIZATION", {
        "NUM_CORR": np.array([1, 2]), "CORR_TYPE": [np.array([9]), np.array([9, 12])],
        "CORR_PRODUCT": [np.array([[0, 0]]), np.array([[0, 0], [1, 1]])],
    })  # fmt: skip
    _put(path / "DATA_DESCRIPTION", {"SPECTRAL_WINDOW_ID": np.array([0, 1]), "POLARIZATION_ID": np.array([0, 1])})
    _put(path / "STATE", {"OBS_MODE": ["CALIBRATE_PHASE#ON_SOURCE", "CALIBRATE_ATMOSPHERE#OFF_SOURCE"]})
    _put(path / "OBSERVATION", {
        "TELESCOPE_NAME": ["ALMA"], "OBSERVER": ["x"], "PROJECT": ["p"], "TIME_RANGE": np.array([[START, START + 600]]),
    })  # fmt: skip
    _put(path / "FEED", {"ANTENNA_ID": np.arange(n)})
    source = default_ms_subtable("SOURCE", str(path / "SOURCE"))
    source.close()
    _put(path / "SOURCE", {"SOURCE_ID": np.array([0, 1]), "NAME": ["cal", "target"]})
    stamps = np.repeat(time, n)
    direction = np.tile(np.array([[[0.3, elevation_rad]]]), (len(stamps), 1, 1))
    _put(path / "POINTING", {
        "TIME": stamps, "INTERVAL": np.full(len(stamps), SAMPLE_S), "ANTENNA_ID": np.tile(np.arange(n), len(time)),
        "DIRECTION": direction, "TARGET": direction,
    })  # fmt: skip
    with table(str(path / "POINTING"), readonly=False, ack=False) as tab:
        tab.putcolkeyword("DIRECTION", "MEASINFO", {"type": "direction", "Ref": "AZELGEO"})
    with table(str(path), readonly=False, ack=False) as tab:
        tab.putkeyword("SOURCE", f"Table: {path / 'SOURCE'}")


def make_block(path: Path, *, elevation_deg: float = 55.0, noise_k: float = 0.0) -> Block:
    """Make the MeasurementSet; visibilities have the paths' phases, and nothing else."""
    from casacore.tables import default_ms, makearrcoldesc

    made = _main_rows(len(NAMES))
    time, field, rows = made["time"], made["field"], np.array(made["rows"], float)
    tab = default_ms(str(path), None)
    tab.addcols(makearrcoldesc("DATA", 0j, ndim=2, valuetype="complex"))
    tab.addrows(len(rows))
    for number, columns in enumerate((("TIME", "TIME_CENTROID"), ("INTERVAL", "EXPOSURE"))):
        for column in columns:
            tab.putcol(column, rows[:, number])
    for number, column in enumerate(("DATA_DESC_ID", "FIELD_ID", "SCAN_NUMBER", "ANTENNA1", "ANTENNA2"), 2):
        tab.putcol(column, rows[:, number].astype(int))
    elevation = np.radians(elevation_deg)
    warm = path_per_mm(np.float64(LAYER[0]))
    rng = np.random.default_rng(1)

    def column_mm(stamps):
        return PWV_MM / np.sin(elevation) + paths_of(stamps) / warm

    water = layer(*(np.array(v) for v in LAYER))
    for row, (stamp, _, ddid, _, _, one, two) in enumerate(rows):
        if ddid == 0:
            kelvin = water.temperatures(column_mm(np.array([stamp]))[0, [int(one)]])[0][0]
            data = (kelvin + noise_k * rng.standard_normal(4))[:, None].astype(complex)
        else:
            path_mm = paths_of(np.array([stamp]))[0]
            phase = 2 * np.pi * SCIENCE_HZ / 299792458e3 * (path_mm[int(one)] - path_mm[int(two)])
            data = np.repeat(np.exp(-1j * phase)[:, None], 2, axis=1)
        tab.putcell("DATA", row, data)
        tab.putcell("FLAG", row, np.zeros(data.shape, bool))
        for name in ("SIGMA", "WEIGHT"):
            tab.putcell(name, row, np.ones(data.shape[1], np.float32))
    tab.putcol("UVW", np.zeros((len(rows), 3)))
    tab.close()
    _subtables(path, elevation, time)
    return Block(path, time, field, column_mm(time) * warm, elevation)


@pytest.fixture(scope="session")
def block_original(tmp_path_factory) -> Block:
    """The block of this session; never write to it."""
    return make_block(tmp_path_factory.mktemp("wvr") / "block.ms")


@pytest.fixture
def block(block_original, tmp_path) -> Block:
    """A fresh copy."""
    import shutil

    target = tmp_path / "block.ms"
    shutil.copytree(block_original.path, target)
    return Block(target, *(getattr(block_original, k) for k in ("time", "field", "path_mm", "elevation_rad")))


@pytest.fixture
def change() -> Callable[..., None]:
    """Change cells of the radiometers' rows: ``change(path, "FLAG", antenna, value, times=slice(...))``."""

    def act(path: Path, column: str, antenna: int | None, value: object, times: slice = slice(None)) -> None:
        from casacore.tables import table

        with table(str(path), readonly=False, ack=False, lockoptions="user") as tab:
            tab.lock(write=True)
            ddid, ant, stamp = (tab.getcol(c) for c in ("DATA_DESC_ID", "ANTENNA1", "TIME"))
            wanted = np.unique(stamp[ddid == 0])[times]
            mine = (ddid == 0) & np.isin(stamp, wanted) & ((ant == antenna) if antenna is not None else True)
            for row in np.flatnonzero(mine):
                tab.putcell(column, int(row), np.full(np.shape(tab.getcell(column, int(row))), value))
            tab.unlock()

    return act


@pytest.fixture
def new_block() -> Callable[..., Block]:
    """`make_block`."""
    return make_block

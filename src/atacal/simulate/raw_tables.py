"""The subtables of a raw block, as ALMA's importer leaves them."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.ms.block_tables import put_columns, put_subtable
from atacal.ms.create import MSWriter
from atacal.ms.metadata import Antenna, DataDescription, Field, Observation, Polarization, Spw
from atacal.simulate.array import DISH_M, SITE_ITRF_M
from atacal.simulate.atmosphere import GROUND_K, GROUND_MBAR
from atacal.simulate.earth import azimuth_elevation
from atacal.simulate.raw_air import AMBIENT_K, HOT_K, Measured
from atacal.simulate.raw_layout import RawSubscan, RawWindow
from atacal.simulate.raw_rows import RawBlock
from atacal.simulate.timestamps import timestamp
from atacal.simulate.visibilities import CORR_RECEPTORS

_CORR_TYPES = {"XX": 9, "XY": 10, "YX": 11, "YY": 12}
_BAND_6_ANGLE_RAD = np.radians([-45.0, 45.0])
_POINTING_S = 2.016
_WEATHER_S = 60.0
_PROCESSORS = (("CORRELATOR", "ALMA_CORRELATOR_MODE"), ("RADIOMETER", "ALMA_RADIOMETER"))
Flag = tuple[str, float, float, str]


def states(subscans: tuple[RawSubscan, ...]) -> list[tuple[str, int, str]]:
    """Return the rows of STATE that the subscans need: intents, subscan number, load."""
    return sorted({(s.intents, s.subscan, s.load) for s in subscans})


def recorded(windows: tuple[RawWindow, ...]) -> list[RawWindow]:
    """Return the windows that have a data description: all but those of the antennas' own radiometers."""
    return [w for w in windows if w.kind != "wvr_antenna"]


def begin(path: str | os.PathLike[str], block: RawBlock) -> MSWriter:
    """Begin the block's MeasurementSet."""
    array, subscans = block.instrument.array, block.subscans
    span = (subscans[0].start_mjd_s, subscans[-1].end_mjd_s)
    corrs = block.corrs
    pols = [
        Polarization(0, tuple(_CORR_TYPES[c] for c in corrs), tuple(CORR_RECEPTORS[c] for c in corrs)),
        Polarization(1, (9,), ((0, 0),)),
    ]
    return MSWriter(
        path,
        antennas=[
            Antenna(i, name, pad, tuple(float(x) for x in xyz), DISH_M, "ALT-AZ", False)  # type: ignore[arg-type]
            for i, (name, pad, xyz) in enumerate(zip(array.names, array.pads, array.itrf_m, strict=True))
        ],
        fields=[
            Field(i, s.name, "none", i, (s.ra_rad, s.dec_rad), "J2000", span[0]) for i, s in enumerate(block.sources)
        ],
        spws=[_spw(w) for w in block.windows],
        pols=pols,
        ddids=[DataDescription(i, w.id, int(w.kind == "wvr")) for i, w in enumerate(recorded(block.windows))],
        states=[intents for intents, _, _ in states(subscans)],
        observations=[Observation(0, "ALMA", "atacal", "simulated", span)],
        columns=("DATA",),
    )


def _spw(w: RawWindow) -> Spw:
    reference = 183.3e9 if w.kind in ("wvr", "wvr_antenna") else float(w.chan_freq_hz[0])
    total = 7.5e9 if w.kind in ("wvr", "wvr_antenna") else float(np.abs(w.chan_width_hz).sum())
    return Spw(
        w.id, w.name, w.chan_freq_hz, w.chan_width_hz, w.effective_bw_hz, w.effective_bw_hz, reference, total, "TOPO",
        w.net_sideband, w.baseband, 0,
    )  # fmt: skip


def finish(path: str | os.PathLike[str], block: RawBlock, measured: Measured, flags: list[Flag]) -> None:
    """Write the subtables that a raw block has beside those that were begun with."""
    put_subtable(path, "PROCESSOR", len(_PROCESSORS), {
        "TYPE": [t for t, _ in _PROCESSORS], "SUB_TYPE": [s for _, s in _PROCESSORS], "TYPE_ID": -1, "MODE_ID": -1,
        "FLAG_ROW": False,
    })  # fmt: skip
    _put_states(path, block)
    _put_feeds(path, block)
    _put_sources(path, block)
    put_columns(path, "OBSERVATION", {
        "SCHEDULE_TYPE": ["ALMA"], "SCHEDULE": [["SchedulingBlock uid://A001/X0/X0", "ExecBlock uid://A002/X0/X0"]],
    })  # fmt: skip
    _put_companions(path, block.windows)
    _put_syscal(path, measured)
    _put_flag_commands(path, flags)
    put_subtable(path, "CALDEVICE", 0, {})
    put_subtable(path, "SYSPOWER", 0, {})
    _put_weather(path, block)
    _put_pointing(path, block)


def _put_states(path: str | os.PathLike[str], block: RawBlock) -> None:
    rows = states(block.subscans)
    load = {"ambient": AMBIENT_K, "hot": HOT_K}
    on_source = np.array([r[2] in ("source", "sky") for r in rows])
    put_subtable(path, "STATE", len(rows), {
        "OBS_MODE": [r[0] for r in rows], "SUB_SCAN": np.array([r[1] for r in rows], np.int32), "SIG": on_source,
        "REF": ~on_source, "CAL": 0.0, "LOAD": np.array([load.get(r[2], 0.0) for r in rows]), "FLAG_ROW": False,
    })  # fmt: skip


def _put_feeds(path: str | os.PathLike[str], block: RawBlock) -> None:
    spw = np.array([w.id for w in recorded(block.windows)], np.int32)
    nant = block.instrument.array.nant
    n = nant * len(spw)
    put_subtable(path, "FEED", n, {
        "ANTENNA_ID": np.tile(np.arange(nant, dtype=np.int32), len(spw)), "SPECTRAL_WINDOW_ID": np.repeat(spw, nant),
        "FEED_ID": 0, "TIME": block.subscans[0].start_mjd_s, "INTERVAL": 1e9, "NUM_RECEPTORS": 2, "BEAM_ID": -1,
        "BEAM_OFFSET": np.zeros((n, 2, 2)), "POLARIZATION_TYPE": [["X", "Y"]] * n,
        "POL_RESPONSE": np.zeros((n, 2, 2), np.complex64), "POSITION": np.zeros((n, 3)),
        "RECEPTOR_ANGLE": np.tile(_BAND_6_ANGLE_RAD, (n, 1)),
    })  # fmt: skip


def _put_sources(path: str | os.PathLike[str], block: RawBlock) -> None:
    spw = [w.id for w in recorded(block.windows)]
    pairs = [(i, s) for i in range(len(block.sources)) for s in spw]
    sources, n = [block.sources[i] for i, _ in pairs], len(pairs)
    put_subtable(path, "SOURCE", n, {
        "SOURCE_ID": np.array([i for i, _ in pairs], np.int32),
        "SPECTRAL_WINDOW_ID": np.array([s for _, s in pairs], np.int32),
        "NAME": [s.name for s in sources], "CODE": "none", "TIME": block.subscans[0].start_mjd_s, "INTERVAL": 1e9,
        "NUM_LINES": 0, "CALIBRATION_GROUP": 0, "DIRECTION": np.array([(s.ra_rad, s.dec_rad) for s in sources]),
        "PROPER_MOTION": np.zeros((n, 2)),
    })  # fmt: skip


def _put_companions(path: str | os.PathLike[str], windows: tuple[RawWindow, ...]) -> None:
    """Each window names those of its group."""
    partner = {w.id: [o.id for o in windows if o.of == w.id] + ([w.of] if w.of >= 0 else []) for w in windows}
    put_columns(path, "SPECTRAL_WINDOW", {
        "ASSOC_SPW_ID": [np.array(partner[w.id], np.int32) for w in windows],
        "ASSOC_NATURE": [[""] * len(partner[w.id]) for w in windows],
    })  # fmt: skip


def _put_syscal(path: str | os.PathLike[str], m: Measured) -> None:
    put_subtable(path, "SYSCAL", len(m.antenna), {
        "ANTENNA_ID": m.antenna, "FEED_ID": 0, "SPECTRAL_WINDOW_ID": m.spw, "TIME": m.time_mjd_s,
        "INTERVAL": m.interval_s, "TCAL_SPECTRUM": m.tcal_k, "TRX_SPECTRUM": m.trx_k, "TSKY_SPECTRUM": m.tsky_k,
        "TSYS_SPECTRUM": m.tsys_k, "TCAL_FLAG": True, "TRX_FLAG": True, "TSKY_FLAG": True, "TSYS_FLAG": True,
    })  # fmt: skip


def _put_flag_commands(path: str | os.PathLike[str], flags: list[Flag]) -> None:
    n = len(flags)
    put_subtable(path, "FLAG_CMD", n, {
        "COMMAND": [f"antenna='{a}&&*' timerange='{timestamp(t0)}~{timestamp(t1)}'" for a, t0, t1, _ in flags],
        "REASON": [reason for *_, reason in flags], "APPLIED": False, "TIME": 0.0, "INTERVAL": 0.0, "LEVEL": 0,
        "SEVERITY": 0, "TYPE": "",
    })  # fmt: skip


def online_flags(block: RawBlock) -> list[Flag]:
    """Return what the online system flags: antenna, begin, end [MJD s], reason.

    Every antenna slews between scans; the one that is late goes on into the scan. While the loads are in the beam the
    calibration device is not in its place, and before a change of tuning the power levels are set.
    """
    rng = np.random.default_rng([block.seed, 150])
    names, out = block.instrument.array.names, []
    late = {(f.scan, f.antenna_id): f.end_mjd_s for f in block.instrument.faults if f.kind == "late"}
    ends: dict[int, float] = {}
    starts: dict[int, float] = {}
    for s in block.subscans:
        starts.setdefault(s.scan, s.start_mjd_s)
        ends[s.scan] = s.end_mjd_s
    purpose = {s.scan: s.purpose for s in block.subscans}
    for scan, start in starts.items():
        before = ends.get(scan - 1, start - 30.0)
        arrival = start - rng.uniform(0.5, min(6.0, start - before - 0.5), len(names))
        for i, name in enumerate(names):
            out.append((name, before + 0.05, late.get((scan, i), float(arrival[i])), "Mount_is_off_source"))
            if purpose[scan] != purpose.get(scan - 1):
                out.append((name, before + 0.1, start - 0.4, "Power_levels_are_being_optimized."))
    for s in block.subscans:
        if s.load in ("ambient", "hot"):
            reason = "Calibration_device_(ACD)_is_not_in_the_correct_position."
            out += [(name, s.start_mjd_s - 0.9, s.start_mjd_s - 0.1, reason) for name in names]
    return out


def _put_weather(path: str | os.PathLike[str], block: RawBlock) -> None:
    rng = np.random.default_rng([block.seed, 160])
    start, end = block.subscans[0].start_mjd_s, block.subscans[-1].end_mjd_s
    times = np.arange(start - _WEATHER_S, end + _WEATHER_S, _WEATHER_S)
    nstation = 3
    time, station = np.repeat(times, nstation), np.tile(np.arange(nstation), len(times))
    n, t = len(time), (time - start) / 3600

    def drift(level: float, rms: float, rate: float) -> NDArray[np.float32]:
        return (level + rate * t + rng.normal(0, rms, n) + rng.normal(0, rms, nstation)[station]).astype(np.float32)

    wind = block.air.wet.wind_m_s if block.air.wet else np.array([6.0, 0.0])
    blows = float(np.arctan2(-wind[0], -wind[1]) % (2 * np.pi))  # where it comes from
    place = SITE_ITRF_M + np.outer(np.arange(nstation), [30.0, 0, 0])
    values: dict[str, Any] = {
        "PRESSURE": drift(GROUND_MBAR, 0.05, 0.1), "REL_HUMIDITY": drift(15.0, 0.5, 0.5),
        "TEMPERATURE": drift(GROUND_K, 0.2, -0.3), "DEW_POINT": np.zeros(n, np.float32),
        "WIND_SPEED": np.abs(drift(float(np.hypot(*wind)), 0.5, 0.0)), "WIND_DIRECTION": drift(blows, 0.1, 0.0),
    }  # fmt: skip
    values |= {f"{name}_FLAG": name == "DEW_POINT" for name in list(values)}
    put_subtable(path, "WEATHER", n, {
        "ANTENNA_ID": -1, "TIME": time, "INTERVAL": 0.048, "NS_WX_STATION_ID": station.astype(np.int32),
        "NS_WX_STATION_POSITION": place[station], **values,
    })  # fmt: skip


def _put_pointing(path: str | os.PathLike[str], block: RawBlock) -> None:
    """Where every antenna points, every two seconds of every subscan."""
    rng = np.random.default_rng([block.seed, 170])
    nant = block.instrument.array.nant
    times, where = [], []
    for s in block.subscans:
        t = np.arange(s.start_mjd_s + _POINTING_S / 2, s.end_mjd_s, _POINTING_S)
        source = block.sources[s.field]
        times.append(t)
        where.append(np.stack(azimuth_elevation(t, source.ra_rad, source.dec_rad), axis=1))
    time, azel = np.repeat(np.concatenate(times), nant), np.repeat(np.concatenate(where), nant, axis=0)
    n = len(time)
    direction = azel[:, None, :]
    put_subtable(path, "POINTING", n, {
        "ANTENNA_ID": np.tile(np.arange(nant, dtype=np.int32), n // nant), "TIME": time, "INTERVAL": _POINTING_S,
        "NAME": "", "NUM_POLY": 0, "TIME_ORIGIN": 0.0, "DIRECTION": direction, "TARGET": direction, "TRACKING": True,
        "ENCODER": azel + rng.normal(0, 3e-6, azel.shape), "POINTING_OFFSET": np.zeros_like(direction),
        "ON_SOURCE": True, "OVER_THE_TOP": False,
    }, direction_frame="AZELGEO")  # fmt: skip

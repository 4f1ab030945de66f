"""The subtables of a new MeasurementSet, filled from plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atacal.errors import WriteError
from atacal.ms.metadata import FRAMES, Antenna, DataDescription, Field, Observation, Polarization, Spw

SUBTABLES = (
    "ANTENNA", "DATA_DESCRIPTION", "FEED", "FIELD", "FLAG_CMD", "HISTORY", "OBSERVATION", "POINTING", "POLARIZATION",
    "PROCESSOR", "SOURCE", "SPECTRAL_WINDOW", "STATE",
)  # fmt: skip
Row = Mapping[str, Any]


def fill_subtables(
    main: Any,
    *,
    antennas: Sequence[Antenna],
    fields: Sequence[Field],
    spws: Sequence[Spw],
    pols: Sequence[Polarization],
    ddids: Sequence[DataDescription],
    states: Sequence[str],
    observations: Sequence[Observation],
    sources: Sequence[Row] | None,
    feeds: Sequence[Row] | None,
) -> None:
    """Make the required subtables (and SOURCE) of a main table and fill them; see `atacal.ms.create.MSWriter`."""
    frames = {f.frame for f in fields} or {"J2000"}
    if len(frames) > 1:
        raise WriteError(f"{main.name()}: all fields must be in one frame, not in {', '.join(sorted(frames))}")
    frame = frames.pop()
    rows: dict[str, Sequence[Row]] = {
        "ANTENNA": [_antenna(a) for a in antennas],
        "DATA_DESCRIPTION": [
            {"SPECTRAL_WINDOW_ID": d.spw, "POLARIZATION_ID": d.pol, "FLAG_ROW": False} for d in ddids
        ],
        "FEED": list(feeds) if feeds is not None else [_feed(i, pols) for i in range(len(antennas))],
        "FIELD": [_field(f) for f in fields],
        "OBSERVATION": [_observation(o) for o in observations],
        "POLARIZATION": [
            {"CORR_TYPE": np.array(p.corr_types, np.int32), "CORR_PRODUCT": np.array(p.corr_product, np.int32),
             "NUM_CORR": p.ncorr, "FLAG_ROW": False}
            for p in pols
        ],
        "PROCESSOR": [{"TYPE": "CORRELATOR", "SUB_TYPE": "", "TYPE_ID": -1, "MODE_ID": -1, "FLAG_ROW": False}],
        "SOURCE": list(sources) if sources is not None else _sources(fields),
        "SPECTRAL_WINDOW": [_spw(s) for s in spws],
        "STATE": [
            {"OBS_MODE": s, "SIG": True, "REF": False, "CAL": 0.0, "LOAD": 0.0, "SUB_SCAN": 0, "FLAG_ROW": False}
            for s in states
        ],
    }  # fmt: skip
    for name in SUBTABLES:
        _make(main, name, rows.get(name, ()), frame)


def _make(main: Any, name: str, rows: Sequence[Row], frame: str) -> None:
    from casacore.tables import complete_ms_desc, makedminfo, required_ms_desc, table

    description = required_ms_desc(name)
    complete = complete_ms_desc(name)
    for column in {c for row in rows for c in row} | ({"BBC_NO"} if name == "SPECTRAL_WINDOW" else set()):
        if column not in description and column in complete:
            description[column] = complete[column]
        elif column == "BBC_NO" and column not in description:
            description[column] = {
                "valueType": "int", "dataManagerType": "StandardStMan", "dataManagerGroup": "StandardStMan",
                "option": 0, "maxlen": 0, "comment": "Baseband converter number", "keywords": {},
            }  # fmt: skip
    if name == "FIELD":
        for column in ("DELAY_DIR", "PHASE_DIR", "REFERENCE_DIR"):
            keywords = dict(description[column]["keywords"])
            description[column]["keywords"] = keywords | {"MEASINFO": {"type": "direction", "Ref": frame}}
    if name == "SPECTRAL_WINDOW":
        for column in ("CHAN_FREQ", "REF_FREQUENCY"):
            keywords = dict(description[column]["keywords"])
            info = {
                "type": "frequency",
                "VarRefCol": "MEAS_FREQ_REF",
                "TabRefTypes": [*FRAMES, "Undefined"],
                "TabRefCodes": np.array([*range(len(FRAMES)), 64], np.uint32),
            }
            description[column]["keywords"] = keywords | {"MEASINFO": info}
    path = f"{main.name()}/{name}"
    sub = table(path, description, dminfo=makedminfo(description), nrow=len(rows), ack=False)
    try:
        for i, row in enumerate(rows):
            for column, value in row.items():
                sub.putcell(column, i, value)
    except RuntimeError as error:
        raise WriteError(f"{path}: cannot write {column} of row {i}: {error}") from error
    finally:
        sub.close()
    main.putkeyword(name, f"Table: {path}")


def _antenna(a: Antenna) -> Row:
    return {
        "NAME": a.name, "STATION": a.station, "TYPE": "GROUND-BASED", "MOUNT": a.mount or "ALT-AZ",
        "POSITION": np.array(a.position_m, float), "OFFSET": np.zeros(3), "DISH_DIAMETER": a.dish_diameter_m,
        "FLAG_ROW": a.flag_row,
    }  # fmt: skip


def _feed(antenna: int, pols: Sequence[Polarization]) -> Row:
    circular = any(5 <= c <= 8 for p in pols for c in p.corr_types)
    return {
        "ANTENNA_ID": antenna, "FEED_ID": 0, "SPECTRAL_WINDOW_ID": -1, "TIME": 0.0, "INTERVAL": 1e30,
        "NUM_RECEPTORS": 2, "BEAM_ID": -1, "BEAM_OFFSET": np.zeros((2, 2)),
        "POLARIZATION_TYPE": {"shape": [2], "array": ["R", "L"] if circular else ["X", "Y"]},
        "POL_RESPONSE": np.eye(2, dtype=np.complex64), "POSITION": np.zeros(3), "RECEPTOR_ANGLE": np.zeros(2),
    }  # fmt: skip


def _field(f: Field) -> Row:
    direction = np.array([f.phase_dir_rad], float)
    return {
        "NAME": f.name, "CODE": f.code, "TIME": f.time_mjd_s, "NUM_POLY": 0, "SOURCE_ID": f.source_id,
        "DELAY_DIR": direction, "PHASE_DIR": direction, "REFERENCE_DIR": direction, "FLAG_ROW": False,
    }  # fmt: skip


def _sources(fields: Sequence[Field]) -> list[Row]:
    first = {f.source_id: f for f in reversed(fields) if f.source_id >= 0}
    return [
        {"SOURCE_ID": number, "NAME": f.name, "CODE": f.code, "SPECTRAL_WINDOW_ID": -1, "TIME": f.time_mjd_s,
         "INTERVAL": 1e30, "NUM_LINES": 0, "CALIBRATION_GROUP": 0, "DIRECTION": np.array(f.phase_dir_rad, float),
         "PROPER_MOTION": np.zeros(2)}
        for number, f in sorted(first.items())
    ]  # fmt: skip


def _observation(o: Observation) -> Row:
    return {
        "TELESCOPE_NAME": o.telescope, "OBSERVER": o.observer, "PROJECT": o.project,
        "TIME_RANGE": np.array(o.time_range_mjd_s, float), "RELEASE_DATE": 0.0, "SCHEDULE_TYPE": "",
        "FLAG_ROW": False,
    }  # fmt: skip


def _spw(s: Spw) -> Row:
    return {
        "NAME": s.name, "NUM_CHAN": s.nchan, "CHAN_FREQ": s.chan_freq_hz, "CHAN_WIDTH": s.chan_width_hz,
        "EFFECTIVE_BW": s.effective_bw_hz, "RESOLUTION": s.resolution_hz, "REF_FREQUENCY": s.ref_freq_hz,
        "TOTAL_BANDWIDTH": s.total_bandwidth_hz, "MEAS_FREQ_REF": FRAMES.index(s.frame) if s.frame in FRAMES else 64,
        "NET_SIDEBAND": s.net_sideband, "IF_CONV_CHAIN": 0, "FREQ_GROUP": s.freq_group, "FREQ_GROUP_NAME": "",
        "FLAG_ROW": False, "BBC_NO": s.bbc_no,
    }  # fmt: skip

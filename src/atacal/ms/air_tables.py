"""What a MeasurementSet says of the air and the receivers: weather, precipitable water, first local oscillators."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.ms._tables import opened

_WEATHER = {
    "temperature": "TEMPERATURE", "dew_point": "DEW_POINT", "pressure": "PRESSURE", "humidity": "REL_HUMIDITY",
    "wind_speed": "WIND_SPEED", "wind_direction": "WIND_DIRECTION",
}  # fmt: skip


@dataclass(frozen=True)
class Weather:
    """Medians of WEATHER: pressure [hPa], temperature [K]."""

    pressure_hpa: float
    temperature_k: float


def read_weather(ms: str | os.PathLike[str]) -> Weather | None:
    """Read the median weather; None where there is no WEATHER table or it has no plausible values.

    Raises
    ------
    InvalidTable, TableLocked
    """
    path = os.path.join(ms, "WEATHER")
    if not os.path.isdir(path):
        return None
    with opened(path) as tab:
        if not tab.nrows() or not {"PRESSURE", "TEMPERATURE"} <= set(tab.colnames()):
            return None
        pressure, temperature = (np.asarray(tab.getcol(c), np.float64) for c in ("PRESSURE", "TEMPERATURE"))
    # stations without a sensor leave zeros
    pressure, temperature = pressure[(pressure > 300) & (pressure < 1100)], temperature[temperature > 200]
    if not len(pressure) or not len(temperature):
        return None
    return Weather(float(np.median(pressure)), float(np.median(temperature)))


def read_pwv_mm(ms: str | os.PathLike[str], start_mjd_s: float = -np.inf, end_mjd_s: float = np.inf) -> float | None:
    """Read the median precipitable water [mm] of the observatory's own retrieval during a time.

    Parameters
    ----------
    ms : path
    start_mjd_s, end_mjd_s : float
        [MJD s]. Where no measurement lies between, that nearest to the middle counts.

    Returns
    -------
    float or None
        None without ASDM_CALWVR and ASDM_CALATMOSPHERE (``importasdm(asis='CalWVR CalAtmosphere')``).

    Raises
    ------
    InvalidTable, TableLocked
    """
    for name in ("ASDM_CALWVR", "ASDM_CALATMOSPHERE"):
        path = os.path.join(ms, name)
        if not os.path.isdir(path):
            continue
        with opened(path) as tab:
            if not tab.nrows() or not {"water", "startValidTime"} <= set(tab.colnames()):
                continue
            time = np.asarray(tab.getcol("startValidTime"), np.float64)
            cells = [np.ravel(tab.getcell("water", row)) for row in range(tab.nrows())]
        water = np.array([np.median(c[c > 0]) if np.any(c > 0) else np.nan for c in cells], np.float64)
        time, water = time[np.isfinite(water)], water[np.isfinite(water)]
        if not len(water):
            continue
        inside = (time >= start_mjd_s) & (time <= end_mjd_s)
        if not inside.any():
            middle = np.clip((start_mjd_s + end_mjd_s) / 2, time.min(), time.max())
            distance = np.abs(time - middle)
            inside = distance <= distance.min() + 1.0
        return float(1e3 * np.median(water[inside]))
    return None


def read_weather_records(ms: str | os.PathLike[str]) -> dict[int, dict[str, NDArray[np.float64]]]:
    """Read the weather stations' records.

    Returns
    -------
    dict of int to dict of str to float64 (record,)
        By station: ``time`` [MJD s], and those of temperature [K], dew_point [K], pressure [hPa], humidity [%],
        wind_speed [m/s] and wind_direction [deg] that were measured (nan where flagged). By time.

    Raises
    ------
    InvalidTable, TableLocked
    """
    path = os.path.join(ms, "WEATHER")
    if not os.path.isdir(path):
        return {}
    with opened(path) as tab:
        if not tab.nrows() or "TIME" not in tab.colnames():
            return {}
        there = set(tab.colnames())
        time = np.asarray(tab.getcol("TIME"), np.float64)
        station = next((c for c in ("NS_WX_STATION_ID", "ANTENNA_ID") if c in there), "")
        ids = np.asarray(tab.getcol(station), np.int64) if station else np.zeros(len(time), np.int64)
        columns: dict[str, NDArray[np.float64]] = {}
        for name, column in _WEATHER.items():
            if column in there:
                value = np.asarray(tab.getcol(column), np.float64)
                if f"{column}_FLAG" in there:
                    value = np.where(np.asarray(tab.getcol(f"{column}_FLAG"), bool), np.nan, value)
                columns[name] = np.degrees(value) if name == "wind_direction" else value
    out = {}
    for one in np.unique(ids).tolist():
        rows = np.flatnonzero(ids == one)
        rows = rows[np.argsort(time[rows], kind="stable")]
        measured = {
            n: v[rows] for n, v in columns.items() if np.isfinite(v[rows]).any() and np.nanmax(abs(v[rows])) > 0
        }
        out[int(one)] = {"time": time[rows], **measured}
    return out


def read_pwv_records(ms: str | os.PathLike[str]) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Read the water of the observatory's own retrievals.

    Returns
    -------
    dict of str to (float64 (time,), float64 (time,))
        By table (``CALWVR``, ``CALATMOSPHERE``): times [MJD s] and the median precipitable water [mm] at each.

    Raises
    ------
    InvalidTable, TableLocked
    """
    out = {}
    for name in ("CALWVR", "CALATMOSPHERE"):
        path = os.path.join(ms, f"ASDM_{name}")
        if not os.path.isdir(path):
            continue
        with opened(path) as tab:
            if not tab.nrows() or not {"water", "startValidTime"} <= set(tab.colnames()):
                continue
            time = np.asarray(tab.getcol("startValidTime"), np.float64)
            cells = [np.ravel(tab.getcell("water", row)) for row in range(tab.nrows())]
        water = np.array([np.median(c[c > 0]) if np.any(c > 0) else np.nan for c in cells], np.float64)
        at = np.unique(time[np.isfinite(water)])
        if len(at):
            out[name] = (at, np.array([1e3 * np.nanmedian(water[time == t]) for t in at]))
    return out


def read_first_lo_hz(ms: str | os.PathLike[str]) -> dict[int, float]:
    """Read the frequency of each spw's first local oscillator [Hz] from ASDM_RECEIVER; empty where there is none.

    The spws are those of the MeasurementSet that was imported, not of one that was split from it.

    Raises
    ------
    InvalidTable, TableLocked
    """
    path = os.path.join(ms, "ASDM_RECEIVER")
    if not os.path.isdir(path):
        return {}
    out: dict[int, float] = {}
    with opened(path) as tab:
        if not {"freqLO", "spectralWindowId"} <= set(tab.colnames()):
            return {}
        for row in range(tab.nrows()):
            match = re.search(r"(\d+)$", str(tab.getcell("spectralWindowId", row)))
            oscillators = np.ravel(tab.getcell("freqLO", row))
            if match and len(oscillators) and float(oscillators[0]) > 0:
                out.setdefault(int(match[1]), float(oscillators[0]))
    return out

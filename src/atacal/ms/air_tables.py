"""What a MeasurementSet says of the air and the receivers: weather, precipitable water, first local oscillators."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

import numpy as np

from atacal.ms._tables import opened


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

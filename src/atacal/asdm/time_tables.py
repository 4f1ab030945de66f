"""Subtables of what changes with time: POINTING, SYSCAL, CALDEVICE, SYSPOWER, WEATHER, FLAG_CMD, HISTORY."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.context import Context
from atacal.asdm.dataset import need
from atacal.asdm.pointing import pointings
from atacal.asdm.subtables import Subtables, Values
from atacal.asdm.values import array, boolean, integer, mid_time_s, mjd_s, real, seconds, start_and_duration, tag, words
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError

_SYSCAL = {
    "tcal": "TCAL", "trx": "TRX", "tsky": "TSKY", "tsys": "TSYS", "tant": "TANT", "tantTsys": "TANT_TSYS",
}  # fmt: skip
_WEATHER = {
    "pressure": "PRESSURE", "relHumidity": "REL_HUMIDITY", "temperature": "TEMPERATURE",
    "windDirection": "WIND_DIRECTION", "windSpeed": "WIND_SPEED", "dewPoint": "DEW_POINT",
}  # fmt: skip


def fill_times(
    context: Context,
    tables: Subtables,
    *,
    pointing: bool,
    pointing_correction: bool,
    caldevice: bool,
    syspower: bool,
) -> Iterator[None]:
    """Fill the tables, those that are switched off excepted; pause after each."""
    tables.fill("SYSCAL", _syscals(context))
    yield
    if pointing:
        tables.fill_columns("POINTING", pointings(context, pointing_correction))
        yield
    if caldevice:
        tables.fill("CALDEVICE", _caldevices(context))
    if syspower:
        tables.fill("SYSPOWER", _syspowers(context))
    yield
    tables.fill("WEATHER", _weathers(context))
    tables.fill("FLAG_CMD", _flag_commands(context))
    yield


def _who(context: Context, row: Row, table: str) -> dict[str, int]:
    return {
        "ANTENNA_ID": tag(need(row, "antennaId", table)),
        "FEED_ID": integer(need(row, "feedId", table)),
        "SPECTRAL_WINDOW_ID": context.spw_ids[tag(need(row, "spectralWindowId", table))],
    }


def _syscals(context: Context) -> Iterator[Values]:
    for row in context.asdm.selected("SysCal", context.spans):
        time, interval = mid_time_s(row["timeInterval"])
        made: dict[str, Any] = _who(context, row, "SysCal") | {"TIME": time, "INTERVAL": interval}
        for name, column in _SYSCAL.items():
            if f"{name}Spectrum" in row:
                made[f"{column}_FLAG"] = boolean(row.get(f"{name}Flag", False))
                spectrum = array(row[f"{name}Spectrum"]).astype(np.float32)
                made[f"{column}_SPECTRUM"] = np.ascontiguousarray(spectrum.T)
        yield made


def _mjd_mid(row: Row) -> tuple[float, float]:
    start, duration = start_and_duration(row["timeInterval"])
    interval = seconds(duration)
    return mjd_s(start) + interval / 2.0, interval


def _caldevices(context: Context) -> Iterator[Values]:
    for i, row in enumerate(context.asdm.selected("CalDevice", context.spans)):
        loads = integer(need(row, "numCalload", "CalDevice"))
        names = words(need(row, "calLoadNames", "CalDevice"))
        receptors = integer(row.get("numReceptor", 0))
        if loads <= 0 or len(names) < loads:
            raise AsdmError(f"{context.asdm.path}: CalDevice row {i}: numCalload is {loads}, calLoadNames {names}")
        efficiency = _per_receptor(row, "calEff", receptors, loads)
        noise = _per_receptor(row, "coupledNoiseCal", receptors, loads)
        if "coupledNoiseCal" not in row and "noiseCal" in row:
            one = array(row["noiseCal"])
            if len(one) < loads:
                context.notes.append(
                    f"CalDevice row {i}: noiseCal has {len(one)} values for {loads} loads; row left out"
                )
                continue
            receptors = 2
            noise = np.tile(one[:loads].astype(np.float32), (2, 1))
        time, interval = _mjd_mid(row)
        yield _who(context, row, "CalDevice") | {
            "TIME": time, "INTERVAL": interval, "NUM_CAL_LOAD": loads, "CAL_LOAD_NAMES": names,
            "NUM_RECEPTOR": receptors, "CAL_EFF": efficiency, "NOISE_CAL": noise,
            "TEMPERATURE_LOAD": _temperatures(row, loads),
        }  # fmt: skip


def _temperatures(row: Row, loads: int) -> NDArray[np.float64] | None:
    if "temperatureLoad" not in row:
        return None
    return array(row["temperatureLoad"], np.float32)[:loads].astype(np.float64)  # the filler takes them for floats


def _per_receptor(row: Row, column: str, receptors: int, loads: int) -> NDArray[Any] | None:
    if column not in row or receptors == 0:
        return None
    values = array(row[column], np.float32)
    if values.ndim != 2 or len(values) < receptors or values.shape[1] < loads:
        raise AsdmError(f"CalDevice: {column} has the shape {values.shape} for {receptors} receptors, {loads} loads")
    return np.ascontiguousarray(values[:receptors, :loads])


def _syspowers(context: Context) -> Iterator[Values]:
    for row in context.asdm.selected("SysPower", context.spans):
        start, duration = start_and_duration(row["timeInterval"])
        made: dict[str, Any] = _who(context, row, "SysPower")
        made |= {"TIME": mjd_s(start) + float(duration) / 1e9 / 2.0, "INTERVAL": float(duration) / 1e9}
        for name, column in (
            ("switchedPowerDifference", "SWITCHED_DIFF"), ("switchedPowerSum", "SWITCHED_SUM"),
            ("requantizerGain", "REQUANTIZER_GAIN"),
        ):  # fmt: skip
            if name in row:
                made[column] = array(row[name], np.float32)
        yield made


def _weathers(context: Context) -> Iterator[Values]:
    stations = {need(r, "stationId", "Station"): r for r in context.asdm.rows("Station")}
    for row in context.asdm.selected("Weather", context.spans):
        time, interval = mid_time_s(row["timeInterval"])
        station = need(row, "stationId", "Weather")
        if station not in stations:
            raise AsdmError(f"{context.asdm.path}: Weather names {station}, which Station has not")
        made: dict[str, Any] = {
            "ANTENNA_ID": -1, "TIME": time, "INTERVAL": interval, "NS_WX_STATION_ID": tag(station),
            "NS_WX_STATION_POSITION": array(need(stations[station], "position", "Station")),
        }  # fmt: skip
        for name, column in _WEATHER.items():
            value = np.float32(real(row.get(name, 0.0)))
            made[column] = float(value / np.float32(100.0)) if name == "pressure" else float(value)
            made[f"{column}_FLAG"] = name not in row
        yield made


def _flag_commands(context: Context) -> Iterator[Values]:
    for row in context.asdm.selected("FlagCmd", context.spans):
        time, interval = mid_time_s(row["timeInterval"])
        yield {
            "TIME": time, "INTERVAL": interval, "TYPE": need(row, "type", "FlagCmd"),
            "REASON": need(row, "reason", "FlagCmd"), "LEVEL": integer(need(row, "level", "FlagCmd")),
            "SEVERITY": integer(need(row, "severity", "FlagCmd")), "APPLIED": boolean(need(row, "applied", "FlagCmd")),
            "COMMAND": need(row, "command", "FlagCmd"),
        }  # fmt: skip

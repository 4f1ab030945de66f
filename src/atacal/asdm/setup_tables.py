"""Subtables that describe the array and the receivers: ANTENNA, SPECTRAL_WINDOW, POLARIZATION, FEED, OBSERVATION..."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.context import Context
from atacal.asdm.dataset import need
from atacal.asdm.subtables import Subtables, Values
from atacal.asdm.values import (
    array,
    complexes,
    entity_id,
    integer,
    mid_time_s,
    mjd_s,
    real,
    strings,
    tag,
    tags,
    words,
)  # fmt: skip
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError

FRAMES = {"REST": 0, "LSRK": 1, "LSRD": 2, "BARY": 3, "GEO": 4, "TOPO": 5, "GALACTO": 6}
SIDEBANDS = {"NOSB": 0, "LSB": 1, "USB": 2, "DSB": 3}
STOKES = {
    "I": 1, "Q": 2, "U": 3, "V": 4, "RR": 5, "RL": 6, "LR": 7, "LL": 8, "XX": 9, "XY": 10, "YX": 11, "YY": 12,
    "RX": 13, "RY": 14, "LX": 15, "LY": 16, "XR": 17, "XL": 18, "YR": 19, "YL": 20, "PP": 21, "PQ": 22, "QP": 23,
    "QQ": 24,
}  # fmt: skip
_PRODUCTS = {1: [[0, 0]], 2: [[0, 0], [1, 1]], 4: [[0, 0], [0, 1], [1, 0], [1, 1]]}
_LINEAR, _CIRCULAR = [9, 10, 11, 12], [5, 6, 7, 8]
_BASEBANDS = [
    "NOBB", *(f"BB_{i}" for i in range(1, 9)), "BB_ALL", "A1C1_3BIT", "A2C2_3BIT", "AC_8BIT", "B1D1_3BIT",
    "B2D2_3BIT", "BD_8BIT",
]  # fmt: skip


def fill_setup(context: Context, tables: Subtables) -> None:
    """Fill the tables; the context learns the numbers of polarisations and data descriptions."""
    tables.fill("ANTENNA", _antennas(context))
    bandwidths: dict[int, float] = {}
    tables.fill("SPECTRAL_WINDOW", _spws(context, bandwidths))
    tables.fill("POLARIZATION", _polarizations(context))
    tables.fill("DATA_DESCRIPTION", _data_descriptions(context, bandwidths))
    tables.fill("OBSERVATION", _observations(context))
    tables.fill("PROCESSOR", _processors(context))
    tables.fill("FEED", _feeds(context))


def pad_positions(context: Context) -> NDArray[np.float64]:
    """Return the positions of the pads [m, ITRF], (antenna, 3); UVWs are made of these."""
    stations = {need(r, "stationId", "Station"): r for r in context.asdm.rows("Station")}
    found = []
    for row in context.asdm.by_tag("Antenna", "antennaId"):
        station = stations.get(need(row, "stationId", "Antenna"))
        if station is None:
            raise AsdmError(f"{context.asdm.path}: {row['antennaId']} stands on {row['stationId']}, not in Station")
        found.append(array(need(station, "position", "Station")))
    return np.array(found).reshape(-1, 3)


def antenna_positions(context: Context) -> NDArray[np.float64]:
    """Return the positions of the antennas, those of the pads and what is added to them [m, ITRF], (antenna, 3)."""
    found = []
    for row, pad in zip(context.asdm.by_tag("Antenna", "antennaId"), pad_positions(context), strict=True):
        local = array(need(row, "position", "Antenna"))
        found.append(pad + _to_itrf(pad, local) if local.any() else pad)
    return np.array(found).reshape(-1, 3)


def _antennas(context: Context) -> Iterator[Values]:
    stations = {need(r, "stationId", "Station"): r for r in context.asdm.rows("Station")}
    for row, place in zip(context.asdm.by_tag("Antenna", "antennaId"), antenna_positions(context), strict=True):
        yield {
            "NAME": need(row, "name", "Antenna").replace("&", "#"),
            "STATION": need(stations[row["stationId"]], "name", "Station"),
            "TYPE": "GROUND-BASED", "MOUNT": "ALT-AZ", "FLAG_ROW": False,
            "POSITION": place,
            "OFFSET": array(need(row, "offset", "Antenna")),
            "DISH_DIAMETER": float(np.float32(real(need(row, "dishDiameter", "Antenna")))),
        }  # fmt: skip


def _to_itrf(pad: NDArray[np.float64], local: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn east, north, up at a pad (geocentric vertical) into ITRF."""
    lon, lat = np.arctan2(pad[1], pad[0]), np.arctan2(pad[2], np.sqrt(pad[0] * pad[0] + pad[1] * pad[1]))
    cl, sl, cp, sp = np.cos(lon), np.sin(lon), np.cos(lat), np.sin(lat)
    turned: NDArray[np.float64] = np.array([[-sl, -sp * cl, cp * cl], [cl, -cp * 0 - sp * sl, cp * sl], [0, cp, sp]])
    out: NDArray[np.float64] = turned @ local
    return out


def _channels(row: Row, count: int, per_channel: str, one: str) -> NDArray[np.float64]:
    if per_channel in row:
        values = array(row[per_channel])
        if len(values) != count:
            raise AsdmError(f"SpectralWindow: {per_channel} has {len(values)} values, numChan is {count}")
        return values
    if one not in row:
        raise AsdmError(f"SpectralWindow: {row['spectralWindowId']} has neither {per_channel} nor {one}")
    return np.full(count, real(row[one]))


def _frequencies(row: Row, count: int) -> NDArray[np.float64]:
    if "chanFreqArray" in row:
        return _channels(row, count, "chanFreqArray", "")
    if "chanFreqStart" not in row or "chanFreqStep" not in row:
        raise AsdmError(
            f"SpectralWindow: {row['spectralWindowId']} has neither chanFreqArray nor chanFreqStart and -Step"
        )
    made: NDArray[Any] = real(row["chanFreqStart"]) + np.arange(count) * real(row["chanFreqStep"])
    return made


def _num_bin(row: Row, telescope: str) -> int:
    """Return how many channels were averaged on line: told, or seen in the widths (Hills's memo on Hanning windows)."""
    if "numBin" in row:
        return integer(row["numBin"])
    if "chanWidth" not in row or "resolution" not in row:
        return 1
    width, resolution = real(row["chanWidth"]), real(row["resolution"])
    if telescope == "EVLA":
        return max(int(np.rint(width / resolution)), 1)
    if telescope == "ALMA" and row.get("windowFunction") == "HANNING" and "effectiveBw" in row and resolution != width:
        ratio = real(row["effectiveBw"]) / abs(width)
        for bins, expected in ((1, 2.667), (2, 3.2), (4, 4.923), (8, 8.828), (16, 16.787)):
            if abs(expected - ratio * bins) <= 5e-4:
                return bins
    return 1


def _spws(context: Context, bandwidths: dict[int, float]) -> Iterator[Values]:
    rows = {tag(need(r, "spectralWindowId", "SpectralWindow")): r for r in context.asdm.rows("SpectralWindow")}
    for number in context.spw_ids:
        row = rows[number]
        count = integer(need(row, "numChan", "SpectralWindow"))
        freq, width = _frequencies(row, count), _channels(row, count, "chanWidthArray", "chanWidth")
        if freq[-1] < freq[0]:
            width = -width
        effective = _channels(row, count, "effectiveBwArray", "effectiveBw")
        resolution = _channels(row, count, "resolutionArray", "resolution")
        bins = _num_bin(row, context.telescope)
        if context.telescope == "EVLA" and bins > 1 and "numBin" not in row:
            resolution = width
        bandwidths[number] = float(effective[0])
        assoc = tags(row["assocSpectralWindowId"]) if "assocSpectralWindowId" in row else []
        yield {
            "NAME": row.get("name", ""), "NUM_CHAN": count, "CHAN_FREQ": freq, "CHAN_WIDTH": width,
            "EFFECTIVE_BW": effective, "RESOLUTION": resolution,
            "REF_FREQUENCY": real(need(row, "refFreq", "SpectralWindow")),
            "TOTAL_BANDWIDTH": real(need(row, "totBandwidth", "SpectralWindow")),
            "MEAS_FREQ_REF": FRAMES.get(row.get("measFreqRef", "TOPO"), 5),
            "NET_SIDEBAND": SIDEBANDS.get(need(row, "netSideband", "SpectralWindow"), 0),
            "BBC_NO": _baseband(need(row, "basebandName", "SpectralWindow")), "IF_CONV_CHAIN": 0,
            "FREQ_GROUP": integer(row.get("freqGroup", 0)), "FREQ_GROUP_NAME": row.get("freqGroupName", ""),
            "FLAG_ROW": False, "SDM_WINDOW_FUNCTION": row.get("windowFunction", ""), "SDM_NUM_BIN": bins,
            "SDM_CORR_BIT": row.get("correlationBit", "UNKNOWN"),
            "ASSOC_SPW_ID": np.array([context.spw_ids[a] for a in assoc], np.int32) if assoc else None,
            "ASSOC_NATURE": [""] * len(assoc) if assoc else None,
        }  # fmt: skip


def _baseband(name: str) -> int:
    return _BASEBANDS.index(name) if name in _BASEBANDS else 0


def _unique(values: list[Any], new: Any) -> tuple[int, bool]:
    if new in values:
        return values.index(new), False
    values.append(new)
    return len(values) - 1, True


def _polarizations(context: Context) -> Iterator[Values]:
    known: list[Any] = []
    context.pol_ids.clear()
    for row in context.asdm.by_tag("Polarization", "polarizationId"):
        names = words(need(row, "corrType", "Polarization"))
        count = integer(need(row, "numCorr", "Polarization"))
        if count not in (1, 2, 3, 4) or any(n not in STOKES for n in names):
            raise AsdmError(
                f"{context.asdm.path}: {row['polarizationId']}: {count} correlations {names} cannot be used"
            )
        types = [STOKES[n] for n in names]
        if count == 3:  # autocorrelations of two polarisations: the fourth is the conjugate of the second
            types, count = _CIRCULAR if types[0] in _CIRCULAR else _LINEAR, 4
        number, new = _unique(known, types)
        context.pol_ids.append(number)
        if new:
            yield {"NUM_CORR": count, "CORR_TYPE": np.array(types, np.int32), "FLAG_ROW": False,
                   "CORR_PRODUCT": np.array(_PRODUCTS[count], np.int32)}  # fmt: skip


def _data_descriptions(context: Context, bandwidths: dict[int, float]) -> Iterator[Values]:
    known: list[Any] = []
    context.dd_ids.clear()
    for row in context.asdm.by_tag("DataDescription", "dataDescriptionId"):
        spw = tag(need(row, "spectralWindowId", "DataDescription"))
        pol = tag(need(row, "polOrHoloId", "DataDescription"))
        if spw not in context.spw_ids or pol >= len(context.pol_ids):
            raise AsdmError(f"{context.asdm.path}: {row['dataDescriptionId']} names a spectral window or polarisation "
                            "that is not there")  # fmt: skip
        number, new = _unique(known, (context.spw_ids[spw], context.pol_ids[pol]))
        context.dd_ids.append(number)
        context.bandwidth_hz[number] = bandwidths[spw]
        if new:
            yield {"SPECTRAL_WINDOW_ID": known[number][0], "POLARIZATION_ID": known[number][1], "FLAG_ROW": False}


def _observations(context: Context) -> Iterator[Values]:
    summaries = {need(r, "sBSummaryId", "SBSummary"): r for r in context.asdm.rows("SBSummary")}
    blocks = {block for block, _ in context.scans}
    for row in context.asdm.rows("ExecBlock"):
        get: Any = lambda column, row=row: need(row, column, "ExecBlock")  # noqa: E731
        if tag(get("execBlockId")) not in blocks:
            continue
        summary = summaries.get(get("sBSummaryId"))
        if summary is None:
            raise AsdmError(f"{context.asdm.path}: ExecBlock names {get('sBSummaryId')}, which SBSummary has not")
        log = words(row["observingLog"]) if "observingLog" in row else []
        yield {
            "TELESCOPE_NAME": get("telescopeName"), "SCHEDULE_TYPE": get("telescopeName"),
            "TIME_RANGE": np.array([mjd_s(integer(get("startTime"))), mjd_s(integer(get("endTime")))]),
            "OBSERVER": get("observerName"), "LOG": log or [""], "PROJECT": entity_id(get("projectUID")),
            "SCHEDULE": [f"SchedulingBlock {entity_id(need(summary, 'sbSummaryUID', 'SBSummary'))}",
                         f"ExecBlock {entity_id(get('execBlockUID'))}"],
            "RELEASE_DATE": mjd_s(integer(row["releaseDate"])) / 86400.0 if "releaseDate" in row else 0.0,
            "FLAG_ROW": False,
        }  # fmt: skip


def _processors(context: Context) -> Iterator[Values]:
    correlators = {r.get("correlatorModeId"): r.get("correlatorName", "") for r in context.asdm.rows("CorrelatorMode")}
    for row in context.asdm.by_tag("Processor", "processorId"):
        yield {
            "TYPE": need(row, "processorType", "Processor"),
            "SUB_TYPE": correlators.get(row.get("modeId"), row.get("processorSubType", "")),
            "TYPE_ID": -1, "MODE_ID": tag(need(row, "modeId", "Processor")), "FLAG_ROW": False,
        }  # fmt: skip


def _feeds(context: Context) -> Iterator[Values]:
    for row in context.asdm.selected("Feed", context.spans):
        get: Any = lambda column, row=row: need(row, column, "Feed")  # noqa: E731
        start_mid, interval = mid_time_s(get("timeInterval"))
        yield {
            "ANTENNA_ID": tag(get("antennaId")), "FEED_ID": integer(get("feedId")),
            "SPECTRAL_WINDOW_ID": context.spw_ids[tag(get("spectralWindowId"))],
            "TIME": start_mid, "INTERVAL": interval, "NUM_RECEPTORS": integer(get("numReceptor")), "BEAM_ID": -1,
            "BEAM_OFFSET": array(get("beamOffset")), "POLARIZATION_TYPE": strings(get("polarizationTypes")),
            "POL_RESPONSE": complexes(get("polResponse")), "RECEPTOR_ANGLE": array(get("receptorAngle")),
            "POSITION": array(row["position"]) if "position" in row else np.zeros(3), "FOCUS_LENGTH": 0.0,
        }  # fmt: skip

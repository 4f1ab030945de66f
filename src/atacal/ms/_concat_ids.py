"""Merging the subtables of one MeasurementSet into another's, and what becomes of its ids.

What counts as the same antenna, window, field... is what CASA's concat takes for the same (casacore's MSConcat): the
rows of the first MeasurementSet stay as they are, those of the others that have no counterpart are appended.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import InvalidTable
from atacal.ms._concat_fields import merge_fields
from atacal.ms._concat_sources import merge_sources
from atacal.ms._concat_tables import Row, append_rows, equal, rows_of
from atacal.ms._tables import opened

log = logging.getLogger("atacal")

_STATION_TOLERANCE_M = 1.0
_TEMPERATURE_TOLERANCE_K = 1.0
_STATE = ("OBS_MODE", "REF", "SIG", "SUB_SCAN")
_OBSERVATION = ("FLAG_ROW", "OBSERVER", "PROJECT", "RELEASE_DATE", "TELESCOPE_NAME", "TIME_RANGE")
_PROCESSOR = ("FLAG_ROW", "MODE_ID", "TYPE", "TYPE_ID", "SUB_TYPE", "PASS_ID")
_FEED = ("FEED_ID", "NUM_RECEPTORS", "POSITION", "BEAM_OFFSET", "POLARIZATION_TYPE", "RECEPTOR_ANGLE", "POL_RESPONSE")
_FOR_EVER_S = 1e18  # what an INTERVAL of 0 stands for
_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, eq=False)
class Tolerances:
    """How much may differ in what is taken for the same.

    Attributes
    ----------
    freq_hz : float
    direction_rad : float
    respect_name : bool
        Fields of different names stay apart.
    """

    freq_hz: float = 1.0
    direction_rad: float = float(np.deg2rad(1e-3 / 3600))
    respect_name: bool = False


@dataclass(frozen=True, eq=False)
class Ids:
    """New ids of a MeasurementSet's rows; int32 arrays with the old ids as their index.

    Attributes
    ----------
    antenna, ddid, field, obs : int32
    state, processor : int32
        Ids beyond them (or -1) stay.
    reversed_ddids : frozenset of int
        Data descriptions (old ids) whose channels are in the opposite order.
    """

    antenna: NDArray[np.int32]
    ddid: NDArray[np.int32]
    field: NDArray[np.int32]
    obs: NDArray[np.int32]
    state: NDArray[np.int32]
    processor: NDArray[np.int32]
    reversed_ddids: frozenset[int] = frozenset()


def merge_subtables(
    target: str, source: str, tolerances: Tolerances, times_s: tuple[float, float], *, pointing: bool
) -> Ids:
    """Add the subtables of a MeasurementSet to those of another.

    Parameters
    ----------
    target : str
        The MeasurementSet whose subtables grow.
    source : str
        The other; it is only read.
    tolerances : Tolerances
    times_s : (float, float)
        First and last TIME of the other's rows, for ephemerides.
    pointing : bool
        Take POINTING too.

    Returns
    -------
    Ids
        Of the other's rows.
    """
    state = _merge_states(target, source)
    spw, reverse = _merge_spws(target, source, tolerances)
    ddid, reversed_ddids = _merge_ddids(target, source, spw, reverse)
    sources = merge_sources(target, source, spw)
    antenna = _merge_antennas(target, source)
    _merge_feeds(target, source, antenna, spw)
    field = merge_fields(target, source, tolerances.direction_rad, sources, times_s,
                         respect_name=tolerances.respect_name)  # fmt: skip
    sources.drop_unused(target)
    obs = _matched(target, source, "OBSERVATION", _same(_OBSERVATION))
    processor = _matched(target, source, "PROCESSOR", _same(_PROCESSOR))
    if pointing:
        _append_all(target, source, "POINTING", {"ANTENNA_ID": antenna}, both=True)
    _append_all(target, source, "SYSCAL", {"ANTENNA_ID": antenna, "SPECTRAL_WINDOW_ID": spw})
    _append_all(target, source, "WEATHER", {"ANTENNA_ID": antenna})
    _append_all(target, source, "HISTORY", {})
    return Ids(antenna, ddid, field, obs, state, processor, reversed_ddids)


def _same(columns: Sequence[str]) -> Callable[[Row, Row], bool]:
    return lambda one, other: all(equal(one.get(c), other.get(c)) for c in columns)


def _matched(
    target: str, source: str, name: str, match: Callable[[Row, Row], bool], *, last: bool = False
) -> NDArray[np.int32]:
    """Append the rows of a subtable that have no match; return the new number of each.

    With ``last``, the last match counts, otherwise the first.
    """
    with opened(f"{source}/{name}") as other, opened(f"{target}/{name}", writable=True) as tab:
        there = rows_of(tab)
        new = np.empty(other.nrows(), np.int32)
        added: list[int] = []
        for i, row in enumerate(rows_of(other)):
            order = range(len(there))
            found = next((k for k in (reversed(order) if last else order) if match(there[k], row)), None)
            if found is None:
                found = len(there)
                there.append(row)
                added.append(i)
            new[i] = found
        append_rows(tab, other, added, {})
    return new


def _merge_states(target: str, source: str) -> NDArray[np.int32]:
    """Merge STATE; -1 for all states where one of the two has none (the caller sees to the first's rows)."""
    with opened(f"{source}/STATE") as other, opened(f"{target}/STATE") as tab:
        here, there = tab.nrows(), other.nrows()
    if not here or not there:
        return np.full(there, -1, np.int32)
    same = _same(_STATE)

    def match(one: Row, other: Row) -> bool:
        near = all(abs(one[c] - other[c]) < _TEMPERATURE_TOLERANCE_K for c in ("CAL", "LOAD"))
        return bool(not one["FLAG_ROW"] and near and same(one, other))

    return _matched(target, source, "STATE", match, last=True)


def _merge_spws(target: str, source: str, tolerances: Tolerances) -> tuple[NDArray[np.int32], set[int]]:
    """Merge SPECTRAL_WINDOW: the new number of each window, and those whose channels run the other way."""
    backwards: list[int] = []
    tolerance = tolerances.freq_hz

    def near(one: Any, other: Any, by: float) -> bool:
        return bool(np.all(np.abs(np.asarray(one) - np.asarray(other)) <= by))

    def match(one: Row, other: Row) -> bool:
        nchan = int(other["NUM_CHAN"])
        like = (
            not one["FLAG_ROW"] and int(one["NUM_CHAN"]) == nchan
            and one["IF_CONV_CHAIN"] == other["IF_CONV_CHAIN"] and one["MEAS_FREQ_REF"] == other["MEAS_FREQ_REF"]
            and near(one["TOTAL_BANDWIDTH"], other["TOTAL_BANDWIDTH"], nchan * tolerance / 40)
            and near(one["REF_FREQUENCY"], other["REF_FREQUENCY"], tolerance)
        )  # fmt: skip
        if not like:
            return False
        if nchan == 1 or near(one["CHAN_FREQ"], other["CHAN_FREQ"], tolerance):
            return True
        if near(one["CHAN_FREQ"], other["CHAN_FREQ"][::-1], tolerance):
            backwards.append(id(other))
            return True
        return False

    with opened(f"{source}/SPECTRAL_WINDOW") as other, opened(f"{source}/DATA_DESCRIPTION") as dds:
        rows = rows_of(other)
        described = list(dict.fromkeys(np.asarray(dds.getcol("SPECTRAL_WINDOW_ID")).tolist() if dds.nrows() else []))
    order = [*described, *(i for i in range(len(rows)) if i not in described)]
    new, reverse = np.empty(len(rows), np.int32), set()
    with opened(f"{source}/SPECTRAL_WINDOW") as other, opened(f"{target}/SPECTRAL_WINDOW", writable=True) as tab:
        there = rows_of(tab)
        added: list[int] = []
        for i in order:
            found = next((k for k, one in enumerate(there) if match(one, rows[i])), None)
            if found is None:
                found = len(there)
                there.append(rows[i])
                added.append(i)
            elif id(rows[i]) in backwards:
                reverse.add(i)
            new[i] = found
        first = tab.nrows()
        append_rows(tab, other, added, {})
        _renumber_associations(tab, first, new)
    return new, reverse


def _renumber_associations(tab: Any, first: int, new: NDArray[np.int32]) -> None:
    """Give the windows that appended ones name (those with their channel averages...) their new numbers."""
    if "ASSOC_SPW_ID" not in tab.colnames():
        return
    for i in range(first, tab.nrows()):
        if tab.iscelldefined("ASSOC_SPW_ID", i):
            old = np.asarray(tab.getcell("ASSOC_SPW_ID", i), np.int64)
            valid = (old >= 0) & (old < len(new))
            tab.putcell("ASSOC_SPW_ID", i, np.where(valid, new[np.where(valid, old, 0)], old).astype(np.int32))


def _merge_ddids(
    target: str, source: str, spw: NDArray[np.int32], reverse: set[int]
) -> tuple[NDArray[np.int32], frozenset[int]]:
    pol = _matched(target, source, "POLARIZATION", _same(("CORR_TYPE",)), last=True)
    with opened(f"{source}/DATA_DESCRIPTION") as other, opened(f"{target}/DATA_DESCRIPTION", writable=True) as tab:
        pairs = [(r["SPECTRAL_WINDOW_ID"], r["POLARIZATION_ID"]) for r in rows_of(tab)]
        new, added = np.empty(other.nrows(), np.int32), []
        olds = rows_of(other)
        for i, row in enumerate(olds):
            pair = (int(spw[row["SPECTRAL_WINDOW_ID"]]), int(pol[row["POLARIZATION_ID"]]))
            if pair not in pairs:
                pairs.append(pair)
                added.append(i)
            new[i] = pairs.index(pair)
        append_rows(tab, other, added, {
            "SPECTRAL_WINDOW_ID": np.array([pairs[new[i]][0] for i in added], np.int32),
            "POLARIZATION_ID": np.array([pairs[new[i]][1] for i in added], np.int32),
        })  # fmt: skip
    return new, frozenset(i for i, row in enumerate(olds) if int(row["SPECTRAL_WINDOW_ID"]) in reverse)


def _merge_antennas(target: str, source: str) -> NDArray[np.int32]:
    def match(one: Row, other: Row) -> bool:
        distance = np.linalg.norm(np.asarray(one["POSITION"]) - np.asarray(other["POSITION"]))
        return bool(
            not one["FLAG_ROW"] and one["NAME"] == other["NAME"] and one["STATION"] == other["STATION"]
            and distance < _STATION_TOLERANCE_M
        )  # fmt: skip

    with opened(f"{target}/ANTENNA") as tab:
        before = {r["NAME"]: (i, r["STATION"]) for i, r in enumerate(rows_of(tab))}
    new = _matched(target, source, "ANTENNA", match, last=True)
    with opened(f"{target}/ANTENNA") as tab:
        for i, row in enumerate(rows_of(tab)):
            number, station = before.get(row["NAME"], (i, ""))
            if number != i and i in new:
                log.info("concat: antenna %s (%d, on %s) is on %s in %s and gets the id %d there",
                         row["NAME"], number, station, row["STATION"], source, i)  # fmt: skip
    return new


def _merge_feeds(target: str, source: str, antenna: NDArray[np.int32], spw: NDArray[np.int32]) -> None:
    """Append the feeds that have no counterpart; those that have cover the times of both then."""
    same = _same(_FEED)
    with opened(f"{source}/FEED") as other, opened(f"{target}/FEED", writable=True) as tab:
        there, changed, added, ids = rows_of(tab), set(), [], []
        by_id: dict[tuple[int, int], list[int]] = {}
        for k, row in enumerate(there):
            by_id.setdefault((int(row["ANTENNA_ID"]), int(row["SPECTRAL_WINDOW_ID"])), []).append(k)
        for i, row in enumerate(rows_of(other)):
            old = int(row["SPECTRAL_WINDOW_ID"])
            key = (int(antenna[row["ANTENNA_ID"]]), int(spw[old]) if old >= 0 else old)
            found = next((k for k in by_id.get(key, []) if same(there[k], row)), None)
            if found is None:
                added.append(i)
                ids.append(key)
            elif _extend(there[found], row):
                changed.add(found)
        for k in sorted(changed):
            for column in ("TIME", "INTERVAL"):
                tab.putcell(column, k, there[k][column])
        append_rows(tab, other, added, {
            "ANTENNA_ID": np.array([a for a, _ in ids], np.int32),
            "SPECTRAL_WINDOW_ID": np.array([s for _, s in ids], np.int32),
        })  # fmt: skip


def _extend(one: Row, other: Row) -> bool:
    """Let a row's TIME and INTERVAL cover another's as well; False if they do already."""
    ranges = []
    for row in (one, other):
        half = (float(row["INTERVAL"]) or _FOR_EVER_S) / 2
        ranges.append((float(row["TIME"]) - half, float(row["TIME"]) + half))
    first, last = min(r[0] for r in ranges), max(r[1] for r in ranges)
    if (first, last) == ranges[0]:
        return False
    one["TIME"], one["INTERVAL"] = (first + last) / 2, last - first
    return True


def _append_all(
    target: str, source: str, name: str, ids: Mapping[str, NDArray[np.int32]], *, both: bool = False
) -> None:
    """Append a table's rows, with new ids; without a table in the first there is none in the end.

    With ``both``, there is none either if the other MeasurementSet has none.
    """
    here, there = os.path.join(target, name), os.path.join(source, name)
    if not os.path.isdir(here):
        if os.path.isdir(there):
            log.warning("concat: %s has a table %s, the first MeasurementSet has none: it is left out", source, name)
        return
    rows = 0
    if os.path.isdir(there):
        with opened(there) as other:
            rows = other.nrows()
    with opened(here, writable=True) as tab:
        had = tab.nrows()
        if name != "HISTORY" and bool(had) != bool(rows):
            if rows:
                log.warning("concat: %s of %s is left out: the first MeasurementSet's is empty", name, source)
            elif both:
                log.warning("concat: %s of %s is empty: there will be no rows in the end", name, source)
                tab.removerows(list(range(had)))
            return
        if not rows:
            return
        with opened(there) as other:
            tab.addrows(rows)
            for start in range(0, rows, _ROWS_AT_ONCE):
                count = min(_ROWS_AT_ONCE, rows - start)
                other.copyrows(tab, start, had + start, count)
                for column, new in ids.items():
                    _put_ids(tab, column, new, (other, start, had + start, count), source)


def _put_ids(tab: Any, column: str, new: NDArray[np.int32], where: tuple[Any, int, int, int], source: str) -> None:
    other, start, row0, count = where
    if column not in other.colnames() or column not in tab.colnames():
        return
    old = np.asarray(other.getcol(column, start, count))
    if old.max() >= len(new):
        raise InvalidTable(f"{source}: {other.name()} has {column} {old.max()}, but there are only {len(new)}")
    tab.putcol(column, np.where(old >= 0, new[np.maximum(old, 0)], old).astype(np.int32), row0, count)

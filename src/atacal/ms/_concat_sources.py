"""Merging the SOURCE subtables of two MeasurementSets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.ms._concat_tables import Row, append_rows, equal, rows_of
from atacal.ms._tables import opened

_SOURCE = ("NAME", "CODE", "CALIBRATION_GROUP", "PROPER_MOTION", "PULSAR_ID")
_PLACE = ("DIRECTION", "POSITION")
_PER_SPW = ("NUM_LINES", "REST_FREQUENCY", "SYSVEL", "TRANSITION")


@dataclass(frozen=True, eq=False)
class Sources:
    """What becomes of a MeasurementSet's sources.

    Attributes
    ----------
    ids : dict of old id -> new id
    added : frozenset of int
        The new ids that are not among the first MeasurementSet's.
    """

    ids: dict[int, int]
    added: frozenset[int]

    def drop_unused(self, target: str) -> None:
        """Take away the sources that came with a MeasurementSet and belong to no field: theirs have a counterpart."""
        path = os.path.join(target, "SOURCE")
        if not self.added:
            return
        with opened(f"{target}/FIELD") as fields:
            used = set(np.asarray(fields.getcol("SOURCE_ID")).tolist())
        with opened(path, writable=True) as tab:
            number = np.asarray(tab.getcol("SOURCE_ID"))
            tab.removerows(np.flatnonzero(np.isin(number, sorted(self.added - used))).tolist())


def merge_sources(target: str, source: str, spw: NDArray[np.int32]) -> Sources:
    """Append the rows of SOURCE that have no counterpart.

    A source is the same as one that is there if name, code, direction, proper motion agree in some row; its rows for
    windows that the other has not are appended under the other's id. Directions of solar-system bodies differ anyway.

    Parameters
    ----------
    target, source : str
        MeasurementSets.
    spw : int32 (spw,)
        New number of each window of ``source``.
    """
    if not all(os.path.isdir(os.path.join(ms, "SOURCE")) for ms in (target, source)):
        return Sources({}, frozenset())
    moving = _moving(target), _moving(source)

    def same(one: Row, other: Row) -> bool:
        bodies = int(one["SOURCE_ID"]) in moving[0] and int(other["SOURCE_ID"]) in moving[1]
        columns = _SOURCE if bodies else (*_SOURCE, *_PLACE)
        return all(equal(one.get(c), other.get(c)) for c in columns)

    with opened(f"{source}/SOURCE") as other, opened(f"{target}/SOURCE", writable=True) as tab:
        there, rows = rows_of(tab), rows_of(other)
        ids: dict[int, int] = {}
        for row in rows:
            old = int(row["SOURCE_ID"])
            found = next((int(one["SOURCE_ID"]) for one in there if same(one, row)), None)
            if old not in ids and found is not None:
                ids[old] = found
        last = max((int(one["SOURCE_ID"]) for one in there), default=-1)
        fresh = [i for i in dict.fromkeys(int(row["SOURCE_ID"]) for row in rows) if i not in ids]
        ids |= {old: last + 1 + k for k, old in enumerate(fresh)}
        added, numbers, spws = [], [], []
        for i, row in enumerate(rows):
            old = int(row["SPECTRAL_WINDOW_ID"])
            window, number = int(spw[old]) if old >= 0 else old, ids[int(row["SOURCE_ID"])]
            twin = next((k for k, one in enumerate(there) if _is(one, number, window) and _same_lines(one, row)), None)
            if twin is None:
                added.append(i)
                numbers.append(number)
                spws.append(window)
            else:
                _extend(tab, twin, row)
        append_rows(tab, other, added, {
            "SOURCE_ID": np.array(numbers, np.int32), "SPECTRAL_WINDOW_ID": np.array(spws, np.int32),
        })  # fmt: skip
    return Sources(ids, frozenset(ids[i] for i in fresh))


def _is(row: Row, source: int, spw: int) -> bool:
    return int(row["SOURCE_ID"]) == source and int(row["SPECTRAL_WINDOW_ID"]) == spw


def _same_lines(one: Row, other: Row) -> bool:
    return all(equal(one.get(c), other.get(c)) for c in _PER_SPW)


def _extend(tab: Any, k: int, row: Row) -> None:
    """Let a row's TIME and INTERVAL cover another's."""
    ranges = [(row["TIME"] - row["INTERVAL"] / 2, row["TIME"] + row["INTERVAL"] / 2)]
    time, interval = tab.getcell("TIME", k), tab.getcell("INTERVAL", k)
    ranges.append((time - interval / 2, time + interval / 2))
    first, last = min(r[0] for r in ranges), max(r[1] for r in ranges)
    if (first, last) != ranges[1]:
        tab.putcell("TIME", k, (first + last) / 2)
        tab.putcell("INTERVAL", k, last - first)


def _moving(ms: str) -> set[int]:
    """Return the sources of fields that follow an ephemeris."""
    with opened(f"{ms}/FIELD") as tab:
        if "EPHEMERIS_ID" not in tab.colnames() or not tab.nrows():
            return set()
        follows = np.asarray(tab.getcol("EPHEMERIS_ID")) >= 0
        return set(np.asarray(tab.getcol("SOURCE_ID"))[follows].tolist())

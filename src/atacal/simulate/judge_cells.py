"""Which cells of some rows a selection names: the part of flagdata's language that faults are recorded in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.simulate.timestamps import seconds

_KEYS = ("antenna", "spw", "correlation", "scan", "timerange", "field")


@dataclass(eq=False)
class Rows:
    """Some rows of one spw, of a MeasurementSet or of a table of corrections.

    Attributes
    ----------
    spw : int
    antenna1, antenna2 : int32 (row,)
        Of a table of corrections both are its antenna.
    scan, field : int32 (row,)
        -1 where a table knows of none.
    time_mjd_s : float64 (row,)
    corrs : tuple of str
        Of a table of corrections ``Sol1`` and ``Sol2``, its receptors.
    before : bool (row, chan, corr)
        Flags before any stage.
    after : list of bool (row, chan, corr)
        Flags after each stage in turn.
    """

    spw: int
    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    scan: NDArray[np.int32]
    field: NDArray[np.int32]
    time_mjd_s: NDArray[np.float64]
    corrs: tuple[str, ...]
    before: NDArray[np.bool_]
    after: list[NDArray[np.bool_]]


Part = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]
"""Rows, channels, correlations: all their combinations."""


@dataclass(frozen=True)
class Selected:
    """A selection, read.

    Attributes
    ----------
    antennas : frozenset of int or None
    baseline : bool
        Both antennas have to be of them, not one.
    spws : dict of spw id -> ranges of channels, or None
        An empty list for all channels.
    corrs : frozenset of str or None
    scans, fields : frozenset of int or None
    times : tuple of (first, last) [MJD s]
    """

    antennas: frozenset[int] | None
    baseline: bool
    spws: Mapping[int, list[tuple[int, int]]] | None
    corrs: frozenset[str] | None
    scans: frozenset[int] | None
    fields: frozenset[int] | None
    times: tuple[tuple[float, float], ...]

    def part(self, rows: Rows) -> Part | None:
        """Return the cells that the selection names of some rows; None if there are none."""
        if self.spws is not None and rows.spw not in self.spws:
            return None
        hit = np.ones(len(rows.antenna1), bool)
        if self.antennas is not None:
            first, second = (np.isin(a, list(self.antennas)) for a in (rows.antenna1, rows.antenna2))
            hit &= (first & second) if self.baseline else (first | second)
        if self.scans is not None:
            hit &= np.isin(rows.scan, list(self.scans))
        if self.fields is not None:
            hit &= np.isin(rows.field, list(self.fields))
        if self.times:
            hit &= np.logical_or.reduce([(rows.time_mjd_s >= a) & (rows.time_mjd_s <= b) for a, b in self.times])
        corrs = [i for i, c in enumerate(rows.corrs) if self.corrs is None or c in self.corrs]
        nchan = rows.before.shape[1]
        ranges = (self.spws or {}).get(rows.spw) or [(0, nchan - 1)]
        channels = np.unique(np.concatenate([np.arange(max(a, 0), min(b, nchan - 1) + 1) for a, b in ranges]))
        if not hit.any() or not corrs or not len(channels):
            return None
        return np.flatnonzero(hit), channels.astype(np.intp), np.array(corrs, np.intp)


def read_selection(selection: Mapping[str, str], antennas: Sequence[str], fields: Sequence[str]) -> Selected:
    """Read a selection.

    Parameters
    ----------
    selection : mapping of str
        ``antenna`` (names with commas, or ``A&B`` for a baseline), ``spw`` (ids with channels, ``13:4~7;9~9,15``),
        ``correlation``, ``scan`` (numbers), ``timerange``, ``field`` (names or ids); empty strings for all.
    antennas, fields : sequence of str
        Names by id.

    Raises
    ------
    ArgumentError
        If it has something else.
    """
    unknown = set(selection) - set(_KEYS)
    if unknown:
        raise ArgumentError(
            f"selection {dict(selection)}: {sorted(unknown)[0]} cannot be judged; {', '.join(_KEYS)} can"
        )
    try:
        text = {k: selection.get(k, "").replace(" ", "") for k in _KEYS}
        names = {n: i for i, n in enumerate(antennas)}
        wanted = text["antenna"].replace("&&*", "")
        spans = [t.split("~") for t in text["timerange"].split(",") if t]
        field_ids = {n: i for i, n in enumerate(fields)} | {str(i): i for i in range(len(fields))}
        return Selected(
            _some(names[n] for n in wanted.replace("&", ",").split(",") if n), "&" in wanted, _spws(text["spw"]),
            frozenset(text["correlation"].split(",")) if text["correlation"] else None,
            _some(int(s) for s in text["scan"].split(",") if s),
            _some(field_ids[f] for f in text["field"].split(",") if f),
            tuple((seconds(a), seconds(b)) for a, b in spans),
        )  # fmt: skip
    except (KeyError, ValueError) as error:
        raise ArgumentError(f"selection {dict(selection)} cannot be judged: {error}") from error


def _some(ids: Iterable[int]) -> frozenset[int] | None:
    return frozenset(ids) or None


def _spws(text: str) -> dict[int, list[tuple[int, int]]] | None:
    """Read ``13:4~7;9,15``; the same window may come twice."""
    found: dict[int, list[tuple[int, int]]] = {}
    whole = set()
    for word in (w for w in text.split(",") if w):
        number, _, channels = word.partition(":")
        ranges = [r.split("~") for r in channels.split(";") if r]
        found.setdefault(int(number), []).extend((int(r[0]), int(r[-1])) for r in ranges)
        if not ranges:
            whole.add(int(number))
    return {spw: [] if spw in whole else ranges for spw, ranges in found.items()} or None

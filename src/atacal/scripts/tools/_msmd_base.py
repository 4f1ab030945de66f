"""What the parts of ``msmd`` share: the open MeasurementSet, what was read of it, and how ids are asked for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ToolError
from atacal.ms._tables import opened
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata
from atacal.ms.rows import RowRuns
from atacal.scripts.tools._tool import Tool

Ids = NDArray[np.int64]


class MsFacts:
    """A MeasurementSet's small tables and runs of rows, read when it is opened; nothing stays open."""

    def __init__(self, path: str) -> None:
        with MeasurementSet(os.path.abspath(path)) as ms:  # a script may change its folder
            self.path = str(ms.path)
            self.meta: Metadata = ms.metadata
            self.runs: RowRuns = ms.runs
        ddid = np.clip(self.runs.ddid, 0, max(len(self.meta.ddids) - 1, 0))
        self.spw = self.meta.ddid_spw[ddid] if len(self.meta.ddids) else np.zeros(len(self.runs), np.int32)
        self.state_intents = [[i for i in mode.split(",") if i] for mode in self.meta.state_intents]
        self._pairs: NDArray[np.bool_] | None = None

    @property
    def pairs(self) -> NDArray[np.bool_]:
        """Which antennas have data in which scan: (run of the scan, antenna) is read once, in `scan_antennas`."""
        if self._pairs is None:
            self._pairs = self._read_pairs(np.ones(len(self.runs), bool))
        return self._pairs

    def pairs_of(self, runs: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which pairs of antennas have rows in some runs, bool (antenna, antenna)."""
        return self._read_pairs(runs)

    def _read_pairs(self, runs: NDArray[np.bool_]) -> NDArray[np.bool_]:
        out = np.zeros((self.meta.nant, self.meta.nant), bool)
        with opened(self.path) as tab:
            for row0, count in zip(*_stretches(self.runs, runs), strict=True):
                one, two = (np.asarray(tab.getcol(c, int(row0), int(count))) for c in ("ANTENNA1", "ANTENNA2"))
                out[one, two] = out[two, one] = True
        return out

    def column(self, subtable: str, column: str) -> list[Any]:
        """Return the cells of a subtable's column; empty where there is none."""
        from casacore.tables import tableexists

        if not tableexists(f"{self.path}/{subtable}"):
            return []
        with opened(f"{self.path}/{subtable}") as tab:
            if column not in tab.colnames():
                return []
            return [tab.getcell(column, i) if tab.iscelldefined(column, i) else None for i in range(tab.nrows())]

    def frame(self, subtable: str, column: str, default: str) -> str:
        """Return the frame of a column of measures."""
        with opened(f"{self.path}/{subtable}") as tab:
            return str(tab.getcolkeywords(column).get("MEASINFO", {}).get("Ref", default))


def _stretches(runs: RowRuns, mask: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Join the runs that touch each other, a million rows at most."""
    row0, nrow = runs.row0[mask], runs.nrow[mask]
    if not len(row0):
        return row0, nrow
    end = row0 + nrow
    new = np.concatenate([[True], row0[1:] != end[:-1]])
    new |= np.concatenate([[True], np.diff(np.cumsum(nrow) // 1_000_000) > 0])
    first = np.flatnonzero(new)
    last = np.concatenate([first[1:], [len(row0)]]) - 1
    return row0[first], end[last] - row0[first]


class MsmdBase(Tool):
    """The open MeasurementSet of ``msmd``."""

    tool = "msmd"
    _facts: MsFacts | None = None

    @property
    def _ms(self) -> MsFacts:
        if self._facts is None:
            raise ToolError("msmd: no MeasurementSet is open (msmd.open comes first)")
        return self._facts

    def _mask(self, obsid: int = -1, arrayid: int = -1, **wanted: Any) -> NDArray[np.bool_]:
        """Return the runs of an observation and array (-1: any) with the ids that are given."""
        runs = self._ms.runs
        mask = np.ones(len(runs), bool)
        for name, value in (("obs", obsid), ("array", arrayid)):
            if int(value) >= 0:
                mask &= getattr(runs, name) == int(value)
        for name, value in wanted.items():
            ids = self._ms.spw if name == "spw" else getattr(runs, name)
            mask &= np.isin(ids, np.atleast_1d(value))
        return mask

    def _unique(self, name: str, mask: NDArray[np.bool_]) -> Ids:
        ids = self._ms.spw if name == "spw" else getattr(self._ms.runs, name)
        return np.unique(ids[mask]).astype(np.int64)

    def _states(self, intent: str) -> list[int]:
        """Return the states that have an intent, in which ``*`` stands for anything."""
        return [s for s, names in enumerate(self._ms.state_intents) if any(matches(intent, n) for n in names)]

    def _field_ids(self, field: int | str) -> list[int]:
        """Return the ids of a field that is given by id or by its exact name."""
        names = self._ms.meta.field_names()
        if isinstance(field, (str, np.str_)):
            found = [i for i, name in enumerate(names) if name == field]
            if not found:
                raise ToolError(f"msmd: there is no field {field!r}; there are {', '.join(names)}")
            return found
        return [self._checked(field, len(names), "field")]

    def _checked(self, number: Any, count: int, what: str) -> int:
        if not 0 <= int(number) < count:
            raise ToolError(f"msmd: {what} {int(number)} does not exist: {self._ms.path} has 0 to {count - 1}")
        return int(number)

    def _spw_id(self, spw: Any) -> int:
        return self._checked(spw, len(self._ms.meta.spws), "spw")

    def _scan_mask(self, scan: Any, obsid: int, arrayid: int) -> NDArray[np.bool_]:
        wanted = [int(s) for s in np.atleast_1d(scan)]
        mask = self._mask(obsid, arrayid, scan=wanted)
        missing = sorted(set(wanted) - set(self._ms.runs.scan[mask].tolist()))
        if missing:
            there = ", ".join(map(str, self._unique("scan", self._mask(obsid, arrayid)).tolist()))
            raise ToolError(f"msmd: there is no scan {', '.join(map(str, missing))}; there are {there}")
        return mask

    def _named(self, fields: Iterable[int], asnames: bool) -> Any:
        names = self._ms.meta.field_names()
        ids = [int(f) for f in fields]
        return np.array(sorted({names[f] for f in ids}), dtype=str) if asnames else np.array(ids, np.int64)


def matches(pattern: str, text: str) -> bool:
    """Whether a text is the pattern, in which ``*`` stands for anything."""
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


def quantity(value: float, unit: str) -> dict[str, Any]:
    """Return a quantity as CASA's tools give it."""
    return {"unit": unit, "value": float(value)}


def measure(kind: str, refer: str, *values: tuple[float, str]) -> dict[str, Any]:
    """Return a measure as CASA's tools give it."""
    parts = {f"m{i}": quantity(value, unit) for i, (value, unit) in enumerate(values)}
    return {**parts, "refer": refer, "type": kind}

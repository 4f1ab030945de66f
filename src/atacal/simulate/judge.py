"""How well flagging stages find the faults of a simulated block: injected, found, missed and false, by fault and stage.

A cell is one channel and correlation of a row. Of every fault the cells count that a perfect stage would flag and that
were not flagged before its stage. *False* is what a stage flags that is no part of any fault, as a fraction of the good
cells: neither part of a fault nor flagged before.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.measurement_set import MeasurementSet, joined
from atacal.simulate.fault import Fault
from atacal.simulate.judge_cells import Part, Rows, Selected, read_selection
from atacal.simulate.truth import Truth

_CELLS_AT_ONCE = 8 << 20
Selections = Sequence[Mapping[str, str]]


@dataclass
class FaultTally:
    """How much of a fault was found.

    Attributes
    ----------
    kind, antenna, stage : str
    already : int
        Cells that were flagged before the fault's stage.
    injected : int
        Cells that it had to flag; of a fault without a stage or whose stage was not judged, those not flagged at first.
    found : int
        Those that its stage flagged.
    elsewhere : int
        Those that it left and a later stage flagged.
    """

    kind: str
    antenna: str
    stage: str
    already: int = 0
    injected: int = 0
    found: int = 0
    elsewhere: int = 0

    @property
    def missed(self) -> int:
        return self.injected - self.found

    @property
    def found_fraction(self) -> float:
        """NaN if there was nothing to find."""
        return self.found / self.injected if self.injected else float("nan")


@dataclass
class StageTally:
    """What a stage did.

    Attributes
    ----------
    stage : str
    injected, found : int
        Cells of its own faults, each once.
    flagged : int
        Cells that it flagged.
    others : int
        Those of them that are part of other stages' faults, or tolerated.
    false : int
        Those that are good.
    good : int
        Cells that are no part of a fault and were not flagged before.
    """

    stage: str
    injected: int = 0
    found: int = 0
    flagged: int = 0
    others: int = 0
    false: int = 0
    good: int = 0

    @property
    def false_fraction(self) -> float:
        return self.false / self.good if self.good else 0.0


@dataclass
class Judgement:
    """Tallies of faults and stages of one table (``ms``, ``tsys`` or ``wvr``)."""

    table: str
    faults: list[FaultTally]
    stages: list[StageTally]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, fractions among them; None where there was nothing to find."""
        faults = [
            asdict(f) | {"missed": f.missed, "found_fraction": f.found_fraction if f.injected else None}
            for f in self.faults
        ]
        stages = [asdict(s) | {"false_fraction": s.false_fraction} for s in self.stages]
        return {"table": self.table, "faults": faults, "stages": stages}

    def __str__(self) -> str:
        """Tell it as two tables of text."""
        lines = [f"{'fault':<20}{'antenna':<10}{'stage':<24}{'injected':>12}{'found':>8}{'later':>8}"]
        for f in self.faults:
            shares = [f"{100 * n / f.injected:.1f}%" if f.injected else "-" for n in (f.found, f.elsewhere)]
            lines.append(f"{f.kind:<20}{f.antenna:<10}{f.stage or '-':<24}{f.injected:>12}{shares[0]:>8}{shares[1]:>8}")
        lines += ["", f"{'stage':<24}{'injected':>12}{'found':>8}{'flagged':>12}{'false':>12}{'of good':>10}"]
        for s in self.stages:
            share = f"{100 * s.found / s.injected:.1f}%" if s.injected else "-"
            lines.append(
                f"{s.stage:<24}{s.injected:>12}{share:>8}{s.flagged:>12}{s.false:>12}{100 * s.false_fraction:>9.3f}%"
            )
        return "\n".join(lines)


class Judge:
    """Counts, given rows with their flags before and after stages.

    Parameters
    ----------
    truth : Truth
    stages : sequence of str
        In their order.
    table : str
        ``ms``, ``tsys`` or ``wvr``: faults of other tables count as neither injected nor false.
    """

    def __init__(self, truth: Truth, stages: Sequence[str], table: str = "ms") -> None:
        self.stages = list(stages)
        repeated = {s for s in self.stages if self.stages.count(s) > 1}
        if repeated:
            raise ArgumentError(f"stages: {sorted(repeated)[0]} is given twice; each stage is judged once")
        self._fields = [s.name for s in truth.sources]
        self._antennas = truth.antennas
        mine = [f for f in truth.faults if f.table == table and f.selections]
        self._must = [(f, self._read(f.selections)) for f in mine]
        self._may = [s for f in mine for s in self._read(f.tolerated)]
        if table == "ms":
            self._may += [s for f in truth.faults for s in self._read(f.entails)]
        self._faults = [FaultTally(f.kind, ",".join(f.antennas), f.stage) for f in mine]
        self._stages = [StageTally(s) for s in self.stages]
        self._table = table

    def _read(self, selections: Iterable[Mapping[str, str]]) -> list[Selected]:
        return [read_selection(s, self._antennas, self._fields) for s in selections]

    def add(self, rows: Rows) -> None:
        """Count some rows.

        Raises
        ------
        ArgumentError
            If there are not as many states of flags as stages.
        """
        if len(rows.after) != len(self.stages):
            raise ArgumentError(f"flags after {len(rows.after)} stages are given; judged are {len(self.stages)}")
        states = [rows.before, *rows.after]
        any_fault = np.zeros(rows.before.shape, bool)
        own = [np.zeros(rows.before.shape, bool) for _ in self.stages]
        for (fault, selections), tally in zip(self._must, self._faults, strict=True):
            parts = [p for p in (s.part(rows) for s in selections) if p is not None]
            if not parts:
                continue
            hit, cells = _union(parts, rows.before.shape)
            self._count(fault, tally, cells, [s[hit] for s in states])
            any_fault[hit] |= cells
            if fault.stage in self.stages:
                own[self.stages.index(fault.stage)][hit] |= cells
        for selected in self._may:
            part = selected.part(rows)
            if part is not None:
                any_fault[np.ix_(*part)] = True
        self._count_stages(states, own, any_fault)

    def _count_stages(
        self, states: list[NDArray[np.bool_]], own: list[NDArray[np.bool_]], any_fault: NDArray[np.bool_]
    ) -> None:
        for k, tally in enumerate(self._stages):
            open_before = ~states[k]
            newly = open_before & states[k + 1]
            tally.injected += int((own[k] & open_before).sum())
            mine, false = int((own[k] & newly).sum()), int((newly & ~any_fault).sum())
            tally.found += mine
            tally.flagged += int(newly.sum())
            tally.false += false
            tally.others += int(newly.sum()) - mine - false
            tally.good += int((open_before & ~any_fault).sum())

    def _count(
        self, fault: Fault, tally: FaultTally, cells: NDArray[np.bool_], states: list[NDArray[np.bool_]]
    ) -> None:
        at = self.stages.index(fault.stage) if fault.stage in self.stages else None
        before = states[at or 0]
        injected = cells & ~before
        found = injected & states[at + 1] if at is not None else np.zeros_like(injected)
        tally.already += int((cells & before).sum())
        tally.injected += int(injected.sum())
        tally.found += int(found.sum())
        tally.elsewhere += int((injected & ~found & states[-1]).sum())

    def result(self) -> Judgement:
        """Return the tallies so far."""
        return Judgement(self._table, self._faults, self._stages)


def _union(parts: list[Part], shape: tuple[int, ...]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return the rows that some parts are in, and which of their cells, bool (those rows, chan, corr)."""
    hit = np.unique(np.concatenate([rows for rows, _, _ in parts]))
    cells = np.zeros((len(hit), *shape[1:]), bool)
    for rows, channels, corrs in parts:
        cells[np.ix_(np.searchsorted(hit, rows), channels, corrs)] = True
    return hit, cells


def judge_versions(
    truth: Truth, before: str | os.PathLike[str], after: Mapping[str, str | os.PathLike[str]]
) -> Judgement:
    """Judge stages by the flags that they left in a MeasurementSet, in bounded memory.

    Parameters
    ----------
    truth : Truth
        Of the raw block; ``truth.ms`` is read.
    before : path
        Flags before the first stage: a flag version's table (``X.ms.flagversions/flags.NAME``), or the MeasurementSet
        itself for the flags that it has.
    after : mapping of stage -> path
        The same after each stage, in their order.

    Returns
    -------
    Judgement
        Of the science windows' cross-correlations in the science scans.

    Raises
    ------
    ArgumentError
    NoSuchTable
    """
    judge = Judge(truth, list(after))
    with MeasurementSet(truth.ms) as ms:
        tables = [MeasurementSet(path, like=ms) for path in (before, *after.values())]
        try:
            for segments, rows in _science_rows(truth, ms):
                states = []
                for table in tables:
                    flags = np.empty(rows.before.shape, bool)
                    table.read("FLAG", segments, flags)
                    states.append(flags)
                rows.before, rows.after = states[0], states[1:]
                judge.add(_cross(rows))
        finally:
            for table in tables:
                table.close()
    return judge.result()


def judge_selections(truth: Truth, after: Mapping[str, Selections]) -> Judgement:
    """Judge stages by the selections that they flagged, one after the other, beside the flags that the data have.

    Parameters
    ----------
    truth : Truth
        Of the raw block; rows and flags of ``truth.ms`` are read, in bounded memory.
    after : mapping of stage -> sequence of dict
        What each flagged, as arguments of flagdata; see `atacal.simulate.judge_cells.read_selection`.

    Returns
    -------
    Judgement
    """
    judge = Judge(truth, list(after))
    fields = [s.name for s in truth.sources]
    read = [[read_selection(s, truth.antennas, fields) for s in selections] for selections in after.values()]
    with MeasurementSet(truth.ms) as ms:
        for segments, rows in _science_rows(truth, ms):
            ms.read("FLAG", segments, rows.before)
            state = rows.before
            for selections in read:
                state = state.copy()
                for part in (s.part(rows) for s in selections):
                    if part is not None:
                        state[np.ix_(*part)] = True
                rows.after.append(state)
            judge.add(_cross(rows))
    return judge.result()


def judge_table(
    truth: Truth,
    table: str,
    columns: Mapping[str, NDArray],
    before: NDArray[np.bool_],
    after: Mapping[str, NDArray[np.bool_]],
) -> Judgement:
    """Judge stages by the flags that they left in a table of corrections.

    Parameters
    ----------
    truth : Truth
    table : str
        ``tsys`` or ``wvr``.
    columns : mapping of str -> array
        ``antenna``, ``spw``, ``time_mjd_s`` (row,).
    before : bool (row, chan, receptor)
    after : mapping of stage -> bool (row, chan, receptor)

    Returns
    -------
    Judgement
    """
    if table not in ("tsys", "wvr"):
        raise ArgumentError(f"table = {table!r} is not possible; choose one of tsys, wvr")
    judge = Judge(truth, list(after), table)
    unknown = np.full(len(before), -1, np.int32)
    for spw in np.unique(columns["spw"]):
        at = np.flatnonzero(columns["spw"] == spw)
        antenna = np.asarray(columns["antenna"], np.int32)[at]
        corrs = ("Sol1", "Sol2")[: before.shape[2]]
        judge.add(
            Rows(int(spw), antenna, antenna, unknown[at], unknown[at], np.asarray(columns["time_mjd_s"])[at], corrs,
                 before[at], [flags[at] for flags in after.values()])
        )  # fmt: skip
    return judge.result()


def _science_rows(truth: Truth, ms: MeasurementSet) -> Iterator[tuple[list[tuple[int, int]], Rows]]:
    """Yield the rows of the science windows in the science scans, without their flags yet."""
    scans = sorted({s["scan"] for s in truth.raw.get("subscans", []) if s["purpose"] == "science"})
    if not scans:
        raise ArgumentError(f"{truth.ms} is no raw block; only those have faults that stages should find")
    spw_of = {d.id: d.spw for d in ms.metadata.ddids}
    runs = ms.runs
    runs = runs[np.isin(runs.scan, scans)]
    corrs = tuple(c for c in ("XX", "XY", "YX", "YY") if c in str(truth.arguments["corrs"]).upper())
    for ddid, spw in spw_of.items():
        if spw not in truth.raw["science_spws"]:
            continue
        mine = runs[runs.ddid == ddid]
        nchan = truth.spws[spw]["nchan"]
        step = max(1, _CELLS_AT_ONCE // (int(mine.nrow.max(initial=1)) * nchan * len(corrs)))
        for start in range(0, len(mine), step):
            part = mine[start : start + step]
            segments = joined(zip(part.row0.tolist(), part.nrow.tolist(), strict=True))
            first, second = (ms.read_scalar(c, segments).astype(np.int32) for c in ("ANTENNA1", "ANTENNA2"))
            scan, field = (np.repeat(a, part.nrow) for a in (part.scan, part.field))
            time = np.repeat(part.time, part.nrow)
            flags = np.empty((len(first), nchan, len(corrs)), bool)
            yield segments, Rows(spw, first, second, scan, field, time, corrs, flags, [])


def _cross(rows: Rows) -> Rows:
    """Leave the autocorrelations out: no stage has to look at them."""
    keep = rows.antenna1 != rows.antenna2
    return Rows(
        rows.spw, rows.antenna1[keep], rows.antenna2[keep], rows.scan[keep], rows.field[keep], rows.time_mjd_s[keep],
        rows.corrs, rows.before[keep], [a[keep] for a in rows.after],
    )  # fmt: skip


def version_path(ms: str | os.PathLike[str], name: str) -> Path:
    """Return where a flag version is."""
    path = Path(os.path.normpath(os.fspath(ms)))
    return path.with_name(path.name + ".flagversions") / f"flags.{name}"

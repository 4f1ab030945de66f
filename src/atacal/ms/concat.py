"""Joining MeasurementSets into one."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from atacal.errors import MissingColumn, WriteError
from atacal.ms._concat_ephemerides import join_ephemerides
from atacal.ms._concat_ids import Ids, Tolerances, merge_subtables
from atacal.ms._concat_rows import Input, append_inputs
from atacal.ms._new_rows import NewRows, require_room
from atacal.ms._tables import opened
from atacal.ms.create import NewTable, cube_tiles, main_table
from atacal.ms.history import write_history
from atacal.ms.measurement_set import MeasurementSet

log = logging.getLogger("atacal")

_CUBES = ("DATA", "FLOAT_DATA", "CORRECTED_DATA", "MODEL_DATA", "WEIGHT_SPECTRUM", "SIGMA_SPECTRUM")
_SCRATCH = ("CORRECTED_DATA", "MODEL_DATA")
_MEASURES = ("TIME", "TIME_CENTROID", "UVW", "INTERVAL", "EXPOSURE")


@dataclass(frozen=True)
class ConcatOptions:
    """How MeasurementSets are joined.

    Attributes
    ----------
    tolerances : Tolerances
    timesort : bool
        Rows in the order of TIME, not one MeasurementSet after the other.
    pointing : bool
        Take POINTING; otherwise it will have no rows.
    joined_ephemerides : tuple of str or int
        Fields (names or ids) whose ephemerides are joined, so that they become one field.
    """

    tolerances: Tolerances = field(default_factory=Tolerances)
    timesort: bool = False
    pointing: bool = True
    joined_ephemerides: tuple[str | int, ...] = ()


def concat_ms(
    paths: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    options: ConcatOptions | None = None,
    *,
    weight_scales: Sequence[float] = (),
    history: Sequence[str] = (),
) -> int:
    """Join MeasurementSets.

    Parameters
    ----------
    paths : sequence of path
        The MeasurementSets, in the order of their rows in the output; they are only read.
    output : path
        The new MeasurementSet. It may be the first of ``paths``, which it then replaces.
    options : ConcatOptions, optional
    weight_scales : sequence of float
        Factors of the weights of each; none: 1.
    history : sequence of str
        Lines for HISTORY.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    TableExists, MissingColumn, InvalidTable, ArgumentError, WriteError
    """
    how = options or ConcatOptions()
    replaces = os.path.exists(output) and os.path.samefile(paths[0], output)
    new = NewTable(Path(f"{os.path.normpath(output)}.concatenated") if replaces else output)
    scales = list(weight_scales) or [1.0] * len(paths)
    with ExitStack() as stack:
        sets = [stack.enter_context(MeasurementSet(p, once=True)) for p in paths]
        with new:
            nrow = _write(sets, new, how, scales)
            write_history(new.temporary, "concat", history)
    if replaces:
        _replace(Path(os.path.normpath(output)), new.path)
    log.info("concat: %d rows of %d MeasurementSets written to %s", nrow, len(paths), output)
    return nrow


def _write(sets: Sequence[MeasurementSet], new: NewTable, how: ConcatOptions, scales: Sequence[float]) -> int:
    cubes = _columns(sets)
    rows = _row_counts(sets)
    require_room(new.path, cubes, rows, beside=_subtable_bytes(sets))
    nchan, ncorr = max(rows, key=lambda cell: rows[cell] * cell[0] * cell[1], default=(64, 2))
    others = [c for c in cubes if c != "FLAG"]
    keywords = {c: sets[0].table.getcolkeywords(c) for c in _MEASURES}
    tab = main_table(
        new.temporary, others, cube_tiles(others, ncorr, nchan), ncorr=ncorr, column_keywords=keywords
    )  # fmt: skip
    out = NewRows(tab, new.temporary, new.path, cubes, rows)
    try:
        tab.putinfo(sets[0].table.info())
        _copy_subtables(sets[0], new.temporary, tab, pointing=how.pointing)
        join_ephemerides(str(new.temporary), [str(ms.path) for ms in sets[1:]], how.joined_ephemerides)
        append_inputs(out, _inputs(sets, str(new.temporary), how, scales), cubes, timesort=how.timesort)
        out.close()
    except BaseException:
        out.abandon()
        raise
    return out.nrow


def _columns(sets: Sequence[MeasurementSet]) -> list[str]:
    """Return the columns of the output: the first's; CORRECTED_DATA and MODEL_DATA if any has them."""
    filled = [s for s in sets if len(s.runs)] or [sets[0]]
    first = [c for c in _CUBES if filled[0].has(c)]
    for ms in filled[1:]:
        for column in ("DATA", "FLOAT_DATA"):
            if (column in first) != ms.has(column):
                raise MissingColumn(f"{filled[0].path} and {ms.path} cannot be joined: only one of them has {column}")
        for column in ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM"):
            if column not in first and ms.has(column):
                log.warning("concat: %s of %s is left out: %s has none", column, ms.path, filled[0].path)
    scratch = [c for c in _SCRATCH if c not in first and any(s.has(c) for s in filled)]
    return ["FLAG", *first, *scratch]


def _row_counts(sets: Sequence[MeasurementSet]) -> dict[tuple[int, ...], int]:
    counts: dict[tuple[int, ...], int] = {}
    for ms in sets:
        md = ms.metadata
        total = np.bincount(ms.runs.ddid, weights=ms.runs.nrow, minlength=len(md.ddids)).astype(int)
        for dd in md.ddids:
            if total[dd.id]:
                cell = (md.spws[dd.spw].nchan, md.pols[dd.pol].ncorr)
                counts[cell] = counts.get(cell, 0) + int(total[dd.id])
    return counts


def _subtable_bytes(sets: Sequence[MeasurementSet]) -> int:
    files = (f for ms in sets for sub in ms.path.iterdir() if sub.is_dir() for f in sub.rglob("*"))
    return sum(f.stat().st_size for f in files if f.is_file())


def _copy_subtables(ms: MeasurementSet, target: Path, main: Any, *, pointing: bool) -> None:
    """Copy the first MeasurementSet's subtables."""
    for name, value in ms.table.getkeywords().items():
        if not isinstance(value, str) or not value.startswith("Table: ") or not (ms.path / name).is_dir():
            continue
        try:
            if name == "POINTING" and not pointing:
                with opened(ms.path / name) as tab:
                    empty = tab.selectrows([])
                    empty.copy(str(target / name), deep=True).close()
                    empty.close()
            else:
                shutil.copytree(ms.path / name, target / name)
        except (OSError, RuntimeError) as error:
            raise WriteError(f"{target}: cannot copy {name}: {error}") from error
        main.putkeyword(name, f"Table: {target / name}")


def _inputs(sets: Sequence[MeasurementSet], target: str, how: ConcatOptions, scales: Sequence[float]) -> list[Input]:
    """Merge the subtables of each, in turn; find the new ids and scan numbers."""
    empty_state = any(not ms.metadata.state_intents for ms in sets)
    first = Input(sets[0], _same_ids(sets[0], empty_state=empty_state), scales[0], {})
    inputs = [first]
    if empty_state:
        _no_rows(f"{target}/STATE")
    for ms, scale in zip(sets[1:], scales[1:], strict=True):
        times = ms.runs.time
        span = (float(times.min(initial=np.inf)), float(times.max(initial=-np.inf)))
        ids = merge_subtables(target, str(ms.path), how.tolerances, span, pointing=how.pointing)
        inputs.append(Input(ms, ids, scale, _scan_offsets(inputs, ms, ids)))
    return inputs


def _no_rows(path: str) -> None:
    if os.path.isdir(path):
        with opened(path, writable=True) as tab:
            if tab.nrows():
                log.warning("concat: one of the MeasurementSets has no STATE: there will be no states in the end")
                tab.removerows(list(range(tab.nrows())))


def _same_ids(ms: MeasurementSet, *, empty_state: bool) -> Ids:
    md = ms.metadata

    def all_of(count: int) -> np.ndarray[Any, np.dtype[np.int32]]:
        return np.arange(count, dtype=np.int32)

    with opened(ms.path / "PROCESSOR") as tab:
        processors = all_of(tab.nrows())
    states = all_of(len(md.state_intents))
    return Ids(
        all_of(len(md.antennas)), all_of(len(md.ddids)), all_of(len(md.fields)), all_of(len(md.observations)),
        np.full_like(states, -1) if empty_state else states, processors,
    )  # fmt: skip


def _scan_offsets(before: Sequence[Input], ms: MeasurementSet, ids: Ids) -> dict[int, int]:
    """Return what is added to the scan numbers of each (new) observation, so that they do not repeat.

    Scans of an observation that gets another id start after all that are there, as in CASA's concat.
    """
    if not len(ms.runs):
        return {}
    lowest = int(ms.runs.scan.min())
    spans = _scan_spans(before)
    highest = max((last for _, _, last in spans), default=0)
    offsets = {}
    for old in np.unique(ms.runs.obs).tolist():
        obs = int(ids.obs[old]) if old >= 0 else old
        at = next((k for k, (o, _, _) in enumerate(spans) if o == obs), None)
        if obs == old:
            continue
        if at is None:
            offsets[obs] = highest + 1 - lowest
        elif at == 0:
            offsets[obs] = spans[0][1] - 1
        else:  # part of it is there: it was put behind the observation before it
            offsets[obs] = spans[at - 1][2] + 1 - lowest
    return {obs: max(0, offset) for obs, offset in offsets.items()}


def _scan_spans(inputs: Sequence[Input]) -> list[tuple[int, int, int]]:
    """Return the observations in the order of their rows: (id, first scan, last scan)."""
    obs = np.concatenate([i.new_obs for i in inputs])
    scan = np.concatenate([i.new_scan for i in inputs])
    order = list(dict.fromkeys(obs.tolist()))
    return [(o, int(scan[obs == o].min()), int(scan[obs == o].max())) for o in order]


def _replace(old: Path, new: Path) -> None:
    """Put the new MeasurementSet in the place of the old one."""
    aside = old.with_name(f".{old.name}.{os.getpid()}.old")
    try:
        os.rename(old, aside)
        os.rename(new, old)
    except OSError as error:
        raise WriteError(f"{old} cannot be replaced by {new}: {error}") from error
    shutil.rmtree(aside, ignore_errors=True)

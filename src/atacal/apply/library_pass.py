"""One streaming pass that applies a calibration library to a MeasurementSet: read, divide, weigh, flag, write.

DATA, SIGMA are only read; CORRECTED_DATA, WEIGHT, FLAG are derived from them and written. So applying twice gives the
same as applying once, and a run that was killed is put right by running it again.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.apply.block import (
    block_spectrum,
    block_weights,
    correct_block,
    flag_block,
    receptors_of,
)
from atacal.caltables.library import Factors, Library
from atacal.errors import ArgumentError
from atacal.ms.columns import ensure_column, fill_column
from atacal.ms.measurement_set import MeasurementSet, Segment
from atacal.ms.selected import Selected
from atacal.ms.stream import Block, each_block
from atacal.progress import track

log = logging.getLogger("atacal")

_NO_SEGMENT = np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class Mode:
    """What a pass writes.

    Attributes
    ----------
    name : str
        CASA's applymode.
    calibrate : bool
        Write CORRECTED_DATA and WEIGHT.
    flag : bool
        Write FLAG.
    strict : bool
        Flag spws that a table has nothing for, instead of refusing them.
    """

    name: str
    calibrate: bool
    flag: bool
    strict: bool = False


MODES = {
    m.name: m
    for m in (
        Mode("calflag", True, True),
        Mode("calflagstrict", True, True, strict=True),
        Mode("trial", False, False),
        Mode("flagonly", False, True),
        Mode("flagonlystrict", False, True, strict=True),
        Mode("calonly", True, False),
    )
}


@dataclass
class TableReport:
    """What one table did: visibilities that came to it flagged, and those it flagged besides."""

    table: str
    kind: str
    flagged_before: int = 0
    flagged_by: int = 0
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass
class ApplyReport:
    """What a pass did; numbers count visibilities (row x chan x corr)."""

    mode: str
    total: int = 0
    flagged_in: int = 0
    flagged_out: int = 0
    tables: list[TableReport] = field(default_factory=list)
    uncalibrated_spws: list[int] = field(default_factory=list)

    def add(self, block: _BlockReport) -> None:
        """Count in what was done to a block."""
        self.total += block.total
        self.flagged_in += block.before
        self.flagged_out += block.after
        flagged = block.before
        for table, counts in zip(self.tables, block.by_table, strict=False):  # none for a block without calibration
            table.flagged_before += flagged
            for reason, count in counts.items():
                table.reasons[reason] = table.reasons.get(reason, 0) + count
                table.flagged_by += count
                flagged += count


def apply_library(ms: MeasurementSet, selected: Selected, library: Library, mode: Mode) -> ApplyReport:
    """Apply a library to the selected rows.

    Parameters
    ----------
    ms : MeasurementSet
        Open for writing, unless the mode is trial.
    selected : Selected
        All channels and correlations of the selected rows are done, as in CASA.
    library : Library
    mode : Mode

    Returns
    -------
    ApplyReport

    Raises
    ------
    CaltableMismatch
        If a table lacks a selected spw and the mode is not strict.
    WriteError
    """
    spws = sorted({ms.metadata.ddids[int(d)].spw for d in np.unique(selected.runs.ddid)})
    missing = [s for s in spws if not all(use.covers(s) for use in library.uses)]
    if missing and not mode.strict:
        library.check_spws(spws)
    check_receptors(ms, library, spws)
    report = ApplyReport(mode.name, uncalibrated_spws=missing)
    report.tables = [TableReport(str(u.table.path or u.table.name), u.table.kind) for u in library.uses]
    new_column = mode.calibrate and ensure_column(ms, "CORRECTED_DATA", fill=False)
    columns = ["FLAG"]
    if mode.calibrate:
        columns += ["DATA", "SIGMA"]
    spectrum = mode.calibrate and library.weighs and ms.has("WEIGHT_SPECTRUM")
    if spectrum and ms.has("SIGMA_SPECTRUM"):
        columns.append("SIGMA_SPECTRUM")
    work = partial(_apply_block, ms, library, mode, missing, spectrum)
    blocks = each_block(ms, selected, columns, work)
    done: list[NDArray[np.int64]] = []
    for one in track(blocks, float(selected.runs.nrow.sum()), "applycal", size=lambda b: b.nrow):
        report.add(one)
        if new_column:
            done.append(np.array(one.segments, np.int64).reshape(-1, 2))
    if new_column:
        fill_column(ms, "CORRECTED_DATA", segments=complement(np.concatenate([_NO_SEGMENT, *done]), ms.metadata.nrow))
    ms.flush()
    return report


def check_receptors(ms: MeasurementSet, library: Library, spws: list[int]) -> None:
    """Refuse correlations that no diagonal Jones matrix applies to (Stokes parameters)."""
    for dd in ms.metadata.ddids:
        pol = ms.metadata.pols[dd.pol]
        if dd.spw in spws and library.uses and any(c in ("I", "Q", "U", "V") for c in pol.corrs) and pol.ncorr > 1:
            raise ArgumentError(f"spw {dd.spw} has correlations {', '.join(pol.corrs)}; only feeds can be calibrated")


@dataclass
class _BlockReport:
    """What was done to one block: rows, those changed, visibilities flagged before, by each table, after."""

    nrow: int
    segments: list[Segment] = field(default_factory=list)
    total: int = 0
    before: int = 0
    by_table: list[dict[str, int]] = field(default_factory=list)
    after: int = 0


def _apply_block(
    ms: MeasurementSet, library: Library, mode: Mode, uncalibrated: list[int], spectrum: bool, whole: Block
) -> _BlockReport:
    """Calibrate one block and write what the mode writes; blocks are done by several threads."""
    block = wanted_rows(whole)
    if block.nrow == 0:
        return _BlockReport(whole.nrow)
    receptors = receptors_of(ms.metadata.pols[block.pol])
    flag = block["FLAG"]
    report = _BlockReport(whole.nrow, block.segments, flag.size, int(np.count_nonzero(flag)))
    if block.spw in uncalibrated:
        flag[:] = True
        report.after = flag.size
    else:
        factors = library.factors(block)
        report.by_table = flag_block(block, factors, receptors)
        if factors.matrix is not None:
            flag |= flag.any(axis=2, keepdims=True)  # each correlation is made of all four
        report.after = int(np.count_nonzero(flag))
        if mode.calibrate:
            correct_block(block, factors, receptors)
            if library.weighs:
                _write_weights(ms, block, factors, receptors, spectrum=spectrum)
    if mode.calibrate:
        ms.write("CORRECTED_DATA", block.segments, block["DATA"])
    if mode.flag and report.after != report.before:
        ms.write("FLAG", block.segments, flag)
    return report


def _write_weights(
    ms: MeasurementSet, block: Block, factors: Factors, receptors: NDArray[np.int32], *, spectrum: bool
) -> None:
    """Write WEIGHT, and WEIGHT_SPECTRUM where there is one: WEIGHT is then its median over channels."""
    if not spectrum:
        ms.write("WEIGHT", block.segments, block_weights(block, factors, receptors))
        return
    weights, medians = block_spectrum(block, factors, receptors)
    ms.write("WEIGHT_SPECTRUM", block.segments, weights)
    ms.write("WEIGHT", block.segments, medians)


def wanted_rows(block: Block) -> Block:
    """Return a block without the rows that baseline or uv selections leave out."""
    if block.wanted.all():
        return block
    keep = np.flatnonzero(block.wanted)
    numbers = np.concatenate([np.arange(row0, row0 + count) for row0, count in block.segments])[keep]
    edges = np.flatnonzero(np.diff(numbers) != 1) + 1
    segments = [(int(part[0]), len(part)) for part in np.split(numbers, edges) if len(part)]
    names = ("run", "wanted", "time", "interval", "exposure", "antenna1", "antenna2", "field", "scan", "state", "obs")
    kept: dict[str, Any] = {name: np.ascontiguousarray(getattr(block, name)[keep]) for name in names}
    data = {name: np.ascontiguousarray(values[keep]) for name, values in block.data.items()}
    return replace(block, segments=segments, data=data, **kept)


def complement(segments: Sequence[Segment] | NDArray[np.int64], nrow: int) -> list[Segment]:
    """Return the stretches of a table of ``nrow`` rows that some segments (segment, 2) leave out."""
    segments = np.asarray(segments, np.int64).reshape(-1, 2)
    order = np.argsort(segments[:, 0])
    start = np.append(segments[order, 0], nrow)
    stop = np.maximum.accumulate(np.append(0, segments[order].sum(1)))
    gaps = np.flatnonzero(start > stop)
    return list(zip(stop[gaps].tolist(), (start - stop)[gaps].tolist(), strict=True))

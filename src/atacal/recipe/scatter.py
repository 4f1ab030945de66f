"""Phase scatter of calibrators, before and after calibration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.memory import for_data
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selected import Selected
from atacal.ms.selection import Selection, select
from atacal.ms.stream import Block, stream

_SAMPLE_BYTES = 120  # a channel average of one correlation, and what its phase is made of
PARALLEL = frozenset({"XX", "YY", "RR", "LL", "I"})


@dataclass(frozen=True)
class PhaseScatter:
    """Root mean square phases of a calibrator [deg], the median over its baselines.

    Attributes
    ----------
    field : int
    name : str
    before_deg, after_deg : float
        About each baseline's mean, in DATA and in CORRECTED_DATA; NaN where too little is unflagged.
    baselines : int
        How many baselines, spws and polarisations have been measured.
    """

    field: int
    name: str
    before_deg: float
    after_deg: float
    baselines: int


def phase_scatter(ms: MeasurementSet, fields: Sequence[int], spw: str = "") -> list[PhaseScatter]:
    """Measure the phase scatter of calibrators from channel averages (of the central half) of every integration.

    Parameters
    ----------
    ms : MeasurementSet
        With a CORRECTED_DATA column.
    fields : sequence of int
    spw : str
        Spw selection.
    """
    out = []
    for field in fields:
        selected = select(ms, Selection(field=str(field), spw=spw), autocorr=False)
        passes = 1 + 2 * int(selected.runs.nrow.sum()) * _SAMPLE_BYTES // (for_data() // 2)
        found = [_of_share(ms, selected, share, passes) for share in range(passes)]
        before, after = (np.concatenate([rms[i] for rms in found]) for i in (0, 1))
        used = np.isfinite(after)
        medians = [float(np.median(x[used])) if used.any() else float("nan") for x in (before, after)]
        out.append(PhaseScatter(field, ms.metadata.fields[field].name, medians[0], medians[1], int(used.sum())))
    return out


def _of_share(ms: MeasurementSet, selected: Selected, share: int, passes: int) -> tuple[NDArray, NDArray]:
    """Return the rms phases before and after [deg] of every ``passes``-th baseline, with one reading of the data."""
    pieces = []
    for block in stream(ms, selected, ["DATA", "CORRECTED_DATA", "FLAG"], memory=for_data() // 2):
        rows = np.flatnonzero(block.wanted & ((block.antenna1 + block.antenna2) % passes == share))
        pieces.append(_averages(block, rows, ms.metadata.pols[block.pol].corrs))
    key = np.concatenate([p[0] for p in pieces])
    before, after = (baseline_rms_deg(key, np.concatenate([p[i] for p in pieces])) for i in (1, 2))
    return before, after


def _averages(block: Block, rows: NDArray[np.intp], corrs: tuple[str, ...]) -> tuple[NDArray, NDArray, NDArray]:
    """Average the central channels of rows of a block: (key of spw, polarisation, baseline; DATA; CORRECTED_DATA)."""
    nchan = block["FLAG"].shape[1]
    middle = slice(nchan // 4, max(nchan // 4 + 1, nchan - nchan // 4))
    keep = ~block["FLAG"][rows, middle]
    columns = []
    for name in ("DATA", "CORRECTED_DATA"):
        vis = block[name][rows, middle]
        columns.append(np.where(keep & np.isfinite(vis), vis, 0).sum(axis=1))
    baseline = block.antenna1[rows].astype(np.int64) * 100_000 + block.antenna2[rows]
    hands = [c for c, name in enumerate(corrs) if name in PARALLEL]
    key = np.concatenate([(block.spw * 4 + c) * 10**10 + baseline for c in hands])
    before, after = (np.concatenate([column[:, c] for c in hands]) for column in columns)
    return key, before, after


def baseline_rms_deg(key: NDArray[np.int64], vis: NDArray[np.complex64]) -> NDArray[np.float64]:
    """Return the rms phase about each group's mean [deg]; NaN for groups of fewer than 3 visibilities other than zero.

    Parameters
    ----------
    key : int64 (sample,)
        What a sample belongs to.
    vis : complex64 (sample,)
        A zero stands for no data.
    """
    groups, index = np.unique(key, return_inverse=True)
    good = vis != 0
    unit = np.where(good, vis / np.where(good, np.abs(vis), 1), 0)
    count = np.bincount(index, good, len(groups))
    mean = np.bincount(index, unit.real, len(groups)) + 1j * np.bincount(index, unit.imag, len(groups))
    angle = np.angle(unit * np.conj(mean[index]), deg=True)
    square = np.bincount(index, np.where(good, angle**2, 0), len(groups))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= 3, np.sqrt(square / (count - 1)), np.nan)

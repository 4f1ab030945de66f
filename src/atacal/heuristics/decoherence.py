"""How much coherence the phases of a cycle cost: their scatter on the longest baselines.

What varies more slowly than the visits to the phase calibrator is corrected by them; what varies within a cycle stays.
The method is that of hifa_spwphaseup of ALMA's pipeline (PL2026, hifa/heuristics/phasemetrics.py): the phases of the
bandpass calibrator's first scan, solved for every integration, differenced to baselines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError

_AVERAGED_S = 10.0
_FLAG_TOLERANCE = 0.3
_WILD_DEG = 180.0
_POOR_DEG = 50.0
_MOST_OUTLIERS = 11
_SHRUNK = 0.85
_SHORTER_POWER = 0.3

BAND_GHZ = {
    1: (35, 51), 2: (67, 85), 3: (84, 116), 4: (125, 163), 5: (157, 212), 6: (211, 275), 7: (275, 373), 8: (385, 500),
    9: (602, 720), 10: (787, 950),
}  # fmt: skip
"""Frequencies of ALMA's bands [GHz]; band 2 ends where band 3 begins."""
_CYCLE_S = (
    (0, (660, 660, 660, 480, 540, 480, 480, 360, 360)), (44, (660, 630, 630, 450, 510, 390, 390, 270, 270)),
    (160, (660, 630, 630, 450, 510, 390, 390, 270, 270)), (313, (660, 630, 630, 450, 510, 270, 270, 210, 210)),
    (499, (660, 630, 630, 450, 510, 270, 270, 210, 210)), (783, (390, 390, 390, 270, 210, 130, 130, 130, 130)),
    (1399, (390, 390, 390, 270, 210, 130, 130, 130, 130)), (2499, (80,) * 9),
    (3599, (80, 80, 80, 80, 80, 80, 65, 58, 45)),
)  # fmt: skip
"""Usual cycle times [s] by longest baseline [m] for bands 1, 3, 4, ... 10, where a block has one visit only."""


@dataclass(frozen=True, eq=False)
class PhaseScatter:
    """Scatter of the phases of antennas and baselines.

    Attributes
    ----------
    antenna1, antenna2 : int32 (baseline,)
    length_m : float64 (baseline,)
    total_deg, cycle_deg : float64 (baseline,)
        Over the scan, and over the cycle time [deg]; NaN where more than 30 % of the solutions are flagged.
    antenna_total_deg, antenna_cycle_deg : float64 (antenna,)
        The same for antennas, against the reference antenna.
    """

    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    length_m: NDArray[np.float64]
    total_deg: NDArray[np.float64]
    cycle_deg: NDArray[np.float64]
    antenna_total_deg: NDArray[np.float64]
    antenna_cycle_deg: NDArray[np.float64]


@dataclass(frozen=True)
class Decoherence:
    """What the scatter says.

    Attributes
    ----------
    phase_rms_deg : float
        Median over the baselines longer than `p80_m`, within the cycle time [deg].
    total_rms_deg : float
        The same over the whole scan.
    p80_m : float
        80th percentile of the lengths of baselines with phases [m].
    p80_all_m : float
        Of all baselines.
    outliers : list of int
        Antennas whose phases scatter more.
    left_out : bool
        Whether the medians are without the outliers' baselines.
    scatter : PhaseScatter
    """

    phase_rms_deg: float
    total_rms_deg: float
    p80_m: float
    p80_all_m: float
    outliers: list[int]
    left_out: bool
    scatter: PhaseScatter = field(repr=False, compare=False)


def cycle_time_s(starts: Sequence[float], longest_m: float, freq_hz: float) -> tuple[float, bool]:
    """Return the time between visits to the phase calibrator, and whether it was measured.

    Parameters
    ----------
    starts : sequence of float
        When the scans of the phase calibrator begin [s].
    longest_m : float
        Longest baseline, for a usual cycle time where there are fewer than two scans [m].
    freq_hz : float
        For the same [Hz].

    Returns
    -------
    float, bool
        [s]

    Raises
    ------
    ArgumentError
        Fewer than two scans, and the frequency is in none of ALMA's bands (or in band 2).
    """
    if len(starts) > 1:
        return float(np.median(np.diff(sorted(starts)))), True
    bands = [b for b, (low, high) in BAND_GHZ.items() if low <= freq_hz / 1e9 <= high and b != 2]
    if not bands:
        raise ArgumentError(f"no usual cycle time is known for {freq_hz / 1e9:.1f} GHz")
    row = [times for longer, times in _CYCLE_S if longest_m >= longer][-1]
    return float(row[max(0, bands[0] - 2)]), False


def phase_scatter(
    phase_rad: NDArray[np.float64], refant: int, step_s: float, cycle_s: float, length_m: NDArray[np.float64],
    flagged: NDArray[np.bool_] | None = None,
) -> PhaseScatter:  # fmt: skip
    """Measure the scatter of phases of a scan.

    Parameters
    ----------
    phase_rad : float64 (time, antenna)
        Solutions of one polarisation [rad]; NaN where flagged.
    refant : int
        The reference antenna.
    step_s : float
        Time between solutions [s]; those of 10 s are averaged first.
    cycle_s : float
        Cycle time [s]; if it is not shorter than the scan, the scatter within it is that of the scan.
    length_m : float64 (antenna, antenna)
        Projected lengths of the baselines [m]; baselines of length NaN are left out.
    flagged : bool (antenna, antenna), optional
        Baselines whose visibilities are all flagged.

    Returns
    -------
    PhaseScatter

    Raises
    ------
    ArgumentError
        There are fewer than two times.
    """
    ntime, nant = phase_rad.shape
    if ntime < 2:
        raise ArgumentError(f"{ntime} time of phase solutions: no scatter can be measured")
    unwrapped = _unwrapped(phase_rad)
    first, second = np.triu_indices(nant, 1)
    kept = np.isfinite(length_m[first, second])
    first, second = first[kept], second[kept]
    window = round(cycle_s / step_s) if cycle_s < step_s * (ntime - 1) else 0
    averaged = round(_AVERAGED_S / step_s)
    antenna = [_scatter(unwrapped[:, a] - unwrapped[:, refant], averaged, window) for a in range(nant)]
    baseline = np.full((len(first), 2), np.nan)
    for k, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
        if flagged is None or not flagged[i, j]:
            baseline[k] = _scatter(unwrapped[:, i] - unwrapped[:, j], averaged, window)
    by_antenna = np.degrees(np.array(antenna))
    total, cycle = np.degrees(baseline).T
    if not np.isfinite(cycle).any():
        cycle = total * (cycle_s / (step_s * (ntime - 1))) ** _SHORTER_POWER
    return PhaseScatter(
        first.astype(np.int32), second.astype(np.int32), length_m[first, second], total, cycle, *by_antenna.T
    )


def _unwrapped(phase: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each antenna's phases without jumps of a turn between the times that are not flagged."""
    out = phase.copy()
    for column in out.T:
        good = np.isfinite(column)
        column[good] = np.unwrap(column[good])
    return out


def _scatter(phase: NDArray[np.float64], averaged: int, window: int) -> tuple[float, float]:
    """Return the standard deviation of a series, and its mean over all windows of some solutions [rad]."""
    if np.isnan(phase).sum() > _FLAG_TOLERANCE * len(phase):
        return math.nan, math.nan
    smooth = _means(phase, averaged) if averaged > 1 and len(phase) > averaged else phase
    total = float(np.nanstd(smooth))
    if not window:
        return total, total
    pieces = np.lib.stride_tricks.sliding_window_view(smooth, min(window, len(smooth)))
    some = np.isfinite(pieces).any(axis=1)
    return total, float(np.nanstd(pieces[some], axis=1).mean())


def _means(phase: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the means of all runs of some solutions, without those that are flagged."""
    pieces = np.lib.stride_tricks.sliding_window_view(phase, count)
    good = np.isfinite(pieces)
    number = good.sum(axis=1)
    return np.where(number > 0, np.where(good, pieces, 0.0).sum(axis=1) / np.maximum(number, 1), np.nan)


def assess(scatter: PhaseScatter) -> Decoherence:
    """Find the scatter on the longest fifth of the baselines, and the antennas that stand out.

    Parameters
    ----------
    scatter : PhaseScatter

    Returns
    -------
    Decoherence

    Raises
    ------
    ArgumentError
        No baseline has phases.

    Notes
    -----
    Outliers are antennas above 180 degrees over the scan, and those above the median by 6 median absolute deviations
    and by its double; where it exceeds 50 degrees, by 4, and then their baselines are left out, unless there are more
    than ten of them.
    """
    good = np.isfinite(scatter.total_deg)
    if not good.any():
        raise ArgumentError("no baseline has enough phase solutions for their scatter to be measured")
    p80_all, p80 = (float(np.percentile(scatter.length_m[m], 80)) for m in (np.ones_like(good), good))
    longest = scatter.length_m > p80
    if not (longest & good).any():
        longest = scatter.length_m >= p80
    cycle = scatter.cycle_deg[longest & np.isfinite(scatter.cycle_deg)]
    rms, total = float(np.median(cycle)), float(np.median(scatter.total_deg[longest & good]))
    spread = float(np.median(np.abs(cycle - rms)))
    limit = rms + 4 * spread if rms > _POOR_DEG else max(rms + 6 * spread, 2 * rms)
    with np.errstate(invalid="ignore"):
        bad = (scatter.antenna_total_deg > _WILD_DEG) | (scatter.antenna_cycle_deg > limit)
    outliers = np.flatnonzero(bad)
    left_out = False
    if rms > _POOR_DEG and 0 < len(outliers) < _MOST_OUTLIERS:
        kept = longest & ~np.isin(scatter.antenna1, outliers) & ~np.isin(scatter.antenna2, outliers)
        if (kept & np.isfinite(scatter.cycle_deg)).any():
            left_out = True
            rms = float(np.nanmedian(scatter.cycle_deg[kept]))
            total = float(np.nanmedian(scatter.total_deg[kept]))
    return Decoherence(rms, total, p80, p80_all, outliers.tolist(), left_out, scatter)


def score_decoherence(found: Decoherence) -> float:
    """Score the scatter within a cycle: 1 below 30 degrees, 0.9 to 50, 1 - rms / 100 above (at least 0).

    An outlier antenna, or longest baselines that flags shorten by more than 15 %, make 0.9 of 1.

    Parameters
    ----------
    found : Decoherence

    Returns
    -------
    float
    """
    score = 1.0 - found.phase_rms_deg / 100.0
    if score <= 0.5:
        return max(0.0, score)
    shortened = found.p80_m < _SHRUNK * found.p80_all_m
    return 1.0 if score > 0.7 and not found.outliers and not shortened else 0.9

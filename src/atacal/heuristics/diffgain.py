"""Differential gains: which reference window serves which signal window, groups of scans, and what is scored.

A weak phase calibrator is observed in other spectral windows than the target: wide ones (bandwidth switching), or a low
band (band to band). A differential gain calibrator, observed in both by turns, tells the two setups apart.

Sources: ALMA's pipeline PL2026, hifa/tasks/diffgaincal/, hifa/heuristics/phasespwmap.py, qa/scorecalculator.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.heuristics.scores import BLUE, YELLOW
from atacal.heuristics.spw_maps import Window

FLAGGED_LIMIT, MISSING_LIMIT = 0.5, 0.7
"""From these fractions of flagged solutions and of missing scans a window's solutions are in doubt."""
GROUP_STEP = 3
"""Scans of a group are at most so many numbers apart: those between are in the other setup."""
LOW_SNR = 5.0
RESIDUAL_DEG = ((30.0, 1.0), (50.0, BLUE), (70.0, YELLOW + 0.01), (math.inf, YELLOW))
"""Residual phases up to so many degrees, and their score."""


def reference_windows(signal: Sequence[Window], reference: Sequence[Window]) -> dict[int, int]:
    """Map every signal window to the reference window that serves it.

    Parameters
    ----------
    signal, reference : sequence of Window

    Returns
    -------
    dict of spw -> spw
        Of those of the same baseband the one with the nearest centre; of all where the baseband has none.

    Raises
    ------
    ArgumentError
        There is no reference window.
    """
    if not reference:
        raise ArgumentError("there is no reference window to map signal windows to")

    def distance(one: Window, other: Window) -> tuple[bool, float, int]:
        return other.baseband != one.baseband, abs(other.centre_hz - one.centre_hz), other.spw

    return {w.spw: min(reference, key=lambda o, w=w: distance(w, o)).spw for w in signal}  # type: ignore[misc]


def scan_groups(scans: Sequence[int]) -> list[tuple[int, ...]]:
    """Divide the scans on the differential gain calibrator in the signal setup into visits.

    ``[5, 7, 9, 79, 81]`` are two groups, ``(5, 7, 9)`` and ``(79, 81)``.
    """
    groups: list[list[int]] = []
    for scan in sorted(set(scans)):
        if groups and scan - groups[-1][-1] <= GROUP_STEP:
            groups[-1].append(scan)
        else:
            groups.append([scan])
    return [tuple(g) for g in groups]


@dataclass(frozen=True)
class Doubt:
    """Why a window's solutions are not to be relied on.

    Attributes
    ----------
    spw : int
    rule : str
        ``absent``, ``scans missing`` or ``flagged``.
    value, limit : float
        Fractions.
    """

    spw: int
    rule: str
    value: float
    limit: float


def doubts(
    flags: Mapping[int, NDArray[np.bool_]], scans: Mapping[int, Sequence[int]], wanted: Sequence[int], expected: int,
    *, flagged_limit: float = FLAGGED_LIMIT, missing_limit: float = MISSING_LIMIT,
) -> list[Doubt]:  # fmt: skip
    """Find windows whose solutions are missing or mostly flagged: these are a reason to combine the windows.

    Parameters
    ----------
    flags : mapping of spw -> bool (slot, antenna, receptor)
    scans : mapping of spw -> sequence of int
        Scan of each slot.
    wanted : sequence of int
        The windows that should have solutions.
    expected : int
        Scans, or groups of scans, that should have one.
    flagged_limit, missing_limit : float
        From these fractions on: of the flagged solutions of the worse receptor, and of the missing scans.

    Returns
    -------
    list of Doubt
        At most one a window.
    """
    found = []
    for spw in wanted:
        flag = flags.get(spw)
        if flag is None or not flag.size:
            found.append(Doubt(spw, "absent", 1.0, 1.0))
            continue
        missing = 1.0 - len(set(scans[spw])) / expected
        flagged = float(flag.mean(axis=(0, 1)).max())
        if missing >= missing_limit:
            found.append(Doubt(spw, "scans missing", missing, missing_limit))
        elif flagged >= flagged_limit:
            found.append(Doubt(spw, "flagged", flagged, flagged_limit))
    return found


def score_combined(combined: bool, in_doubt: bool) -> float:
    """Score a table: combined windows are less than perfect, missing ones that are not combined a warning."""
    return BLUE if combined else (YELLOW if in_doubt else 1.0)


@dataclass(frozen=True)
class Residuals:
    """Phases of the signal windows that are left when all is applied.

    Attributes
    ----------
    mean_deg, rms_deg, most_deg : float
        Over all solutions of a window without the reference antenna: mean, standard deviation, largest absolute value.
    snr : float
        Mean signal to noise of the solutions.
    worst : int
        Antenna of the largest.
    """

    mean_deg: float
    rms_deg: float
    most_deg: float
    snr: float
    worst: int


def residuals(
    phase_deg: NDArray[np.floating], snr: NDArray[np.floating], flag: NDArray[np.bool_], refant: int
) -> Residuals | None:
    """Measure one window's residual phases.

    Parameters
    ----------
    phase_deg, snr : float (slot, antenna, receptor)
    flag : bool, same shape
    refant : int
        Left out.

    Returns
    -------
    Residuals or None
        None without solutions.
    """
    use = ~np.asarray(flag, bool)
    use[:, refant] = False
    if not use.any():
        return None
    value = np.asarray(phase_deg, float)[use]
    most = np.where(use, np.abs(phase_deg), -1.0).max(axis=(0, 2))
    return Residuals(
        float(value.mean()), float(value.std()), float(most.max()), float(np.asarray(snr, float)[use].mean()),
        int(most.argmax()),
    )  # fmt: skip


def score_residual(degrees: float, snr: float) -> float:
    """Score a mean, an rms or a largest residual phase; solutions with too little signal to noise tell nothing."""
    if snr < LOW_SNR:
        return BLUE
    return next(score for limit, score in RESIDUAL_DEG if abs(degrees) <= limit)

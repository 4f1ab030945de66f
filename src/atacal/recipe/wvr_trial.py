"""Whether the radiometers' correction does good: phases of the calibrators solved with it and without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable

_LEAST_RADIOMETERS = 3
_LEAST_SHARE = 0.2
"""Fewer radiometers than these: hifa_wvrgcalflag does not use them."""
_STILL_DEG = 1e-3


@dataclass(frozen=True)
class Improvement:
    """Phase scatter of a calibrator within its scans [deg], the median over antennas, polarisations and scans.

    Attributes
    ----------
    name : str
    without_deg, with_deg : float
    """

    name: str
    without_deg: float
    with_deg: float

    @property
    def ratio(self) -> float:
        """By how much the scatter falls."""
        return self.without_deg / self.with_deg if self.with_deg > 0 else float("nan")


def too_few(answer: Mapping[str, Any]) -> str:
    """Say why the radiometers that work are too few, from wvrgcal's answer; empty if they are enough."""
    good = sum(has and not bad for has, bad in zip(answer["WVR"], answer["Flag"], strict=True))
    total = len(answer["Name"])
    if good >= _LEAST_RADIOMETERS and good >= _LEAST_SHARE * total:
        return ""
    return f"only {good} of {total} antennas have a radiometer that works"


def improvements(without: CalTable, corrected: CalTable) -> list[Improvement]:
    """Compare two tables of phases, one solution an integration, solved from the same data.

    Parameters
    ----------
    without, corrected : CalTable
        Solved without and with the radiometers' table.

    Returns
    -------
    list of Improvement
        One for each field, of the solutions that are good in both.
    """
    out = []
    spws = sorted(set(without.solutions) & set(corrected.solutions))
    fields = np.unique(np.concatenate([without.solutions[s].field for s in spws])).tolist() if spws else []
    for field in fields:
        pairs = [_scatter(without, corrected, spw, field) for spw in spws]
        before, after = (np.concatenate([p[i] for p in pairs]) for i in (0, 1))
        if len(before):
            name = without.fields[field].name
            out.append(Improvement(name, float(np.median(before)), float(np.median(after))))
    return out


def _scatter(without: CalTable, corrected: CalTable, spw: int, field: int) -> tuple[NDArray, NDArray]:
    """Return the rms phases [deg] of every antenna and polarisation in every scan of a field, in both tables."""
    one, two = without.solutions[spw], corrected.solutions[spw]
    rms: tuple[list[NDArray], list[NDArray]] = ([], [])
    for scan in np.unique(one.scan[one.field == field]).tolist():
        picks = [np.flatnonzero((t.field == field) & (t.scan == scan)) for t in (one, two)]
        _, i, j = np.intersect1d(one.time[picks[0]], two.time[picks[1]], return_indices=True)
        first, second = picks[0][i], picks[1][j]
        good = ~one.flag[first] & ~two.flag[second]  # (slot, antenna, 1, pol)
        before, after = _rms_deg(one.param[first], good), _rms_deg(two.param[second], good)
        used = (good.sum(axis=0) >= 3) & (np.minimum(before, after) > _STILL_DEG)  # not the reference antenna
        rms[0].append(before[used])
        rms[1].append(after[used])
    return (np.concatenate(rms[0]), np.concatenate(rms[1])) if rms[0] else (np.zeros(0), np.zeros(0))


def _rms_deg(gain: NDArray[np.complex64], good: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the rms phase about the mean over the first axis [deg]."""
    unit = np.where(good, gain / np.where(gain == 0, 1, np.abs(gain)), 0)
    angle = np.where(good, np.angle(unit * np.conj(unit.sum(axis=0)), deg=True), 0.0)
    rms: NDArray[np.float64] = np.sqrt((angle**2).sum(axis=0) / np.maximum(good.sum(axis=0) - 1, 1))
    return rms


def verdict(found: list[Improvement]) -> tuple[bool, str]:
    """Decide whether the correction is used: it must not raise the phase scatter (the median over the calibrators).

    Returns
    -------
    bool, str
        And why.
    """
    if not found:
        return True, "it could not be judged: no calibrator has phases of every integration"
    ratio = float(np.median([i.ratio for i in found]))
    if ratio >= 1:
        return True, f"it lowers the phase scatter of the calibrators {ratio:.1f}-fold"
    return False, f"it raises the phase scatter of the calibrators {1 / ratio:.2f}-fold"

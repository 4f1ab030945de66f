"""Scores of the radiometers' correction, as ALMA's pipeline gives them today and gave them in Cycle 4."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from atacal.errors import ArgumentError
from atacal.heuristics.scores import linear_score
from atacal.heuristics.wvr_views import Noise

LARGE_UM = 500.0
"""RMS and Disc of an antenna's path above this are large [um]."""
TOO_FEW_LEFT = 0.1
"""The score where flagging leaves too few radiometers."""


@dataclass(frozen=True)
class Radiometer:
    """What wvrgcal says of one antenna.

    Attributes
    ----------
    antenna : str
    has : bool
        Whether it has a radiometer.
    flagged : bool
    rms_um, disc_um : float
        Scatter of the path, and of the difference of the paths by two channels [um]; NaN where there is none.
    """

    antenna: str
    has: bool
    flagged: bool
    rms_um: float
    disc_um: float


@dataclass(frozen=True)
class WvrScore:
    """A score and what lowered it.

    Attributes
    ----------
    score : float
        In [0, 1].
    improvement : float
    reasons : list of str
    remove_cloud : bool
        No improvement, and the paths scatter or the channels disagree: clouds may have to be removed first.
    """

    score: float
    improvement: float
    reasons: list[str]
    remove_cloud: bool = False


def score_wvr(improvement: float, radiometers: Sequence[Radiometer], noise: Noise, recipe: str = "today") -> WvrScore:
    """Score the correction.

    Parameters
    ----------
    improvement : float
        By how much the phases' scatter falls, `overall_improvement`.
    radiometers : sequence of Radiometer
    noise : Noise
    recipe : {'today', 'cycle4'}

    Returns
    -------
    WvrScore
        Cycle 4: 0 below 1, else a line from 0.5 at 1 to 1 at 2. Today: see Notes.

    Raises
    ------
    ArgumentError
        The improvement is not a number, or the recipe is not known.

    Notes
    -----
    Today an improvement scores 1; each flagged antenna, each Disc and each RMS above 500 um takes a tenth from 0.9,
    and that is put into 0.67 to 0.9, or into 0.34 to 0.66 where the air is unstable. Without an improvement it is at
    most 0.66, or 0.9 where the phases are steady and no path is suspicious, and 0.33 where the median Disc or RMS is
    large.
    """
    if math.isnan(improvement):
        raise ArgumentError("the correction cannot be scored: no calibrator has phases with and without it")
    if recipe == "cycle4":
        value = 0.0 if improvement < 1 else linear_score(improvement, 1.0, 0.5, 2.0, 1.0)
        return WvrScore(value, improvement, [] if improvement >= 1 else ["no improvement"])
    if recipe != "today":
        raise ArgumentError(f"no recipe {recipe!r}: cycle4, today")
    flagged = [r.antenna for r in radiometers if r.flagged]
    disc = [r.antenna for r in radiometers if r.disc_um > LARGE_UM]
    rms = [r.antenna for r in radiometers if r.rms_um > LARGE_UM]
    lists = (("flagged", flagged), (f"Disc above {LARGE_UM:.0f} um", disc), (f"RMS above {LARGE_UM:.0f} um", rms))
    reasons = [f"{what}: {', '.join(names)}" for what, names in lists if names]
    tenths = 0.1 * (len(flagged) + len(disc) + len(rms))
    if noise.phase_noisy:
        reasons.append("the phase calibrators' phases are noise: judged by the bandpass calibrator alone")
    if improvement > 1:
        return WvrScore(_better(tenths, noise, reasons), improvement, reasons)
    if improvement == 1:
        return WvrScore(1.0, improvement, reasons)
    reasons.insert(0, "no improvement")
    cloudy = _median([r.disc_um for r in radiometers]) > LARGE_UM or _median([r.rms_um for r in radiometers]) > LARGE_UM
    if cloudy:
        reasons.append("Disc or RMS are large altogether: look at the stability of the air, or remove clouds")
        lowered = 0.33 - (0.1 * len(disc) if flagged else 0.0)
        return WvrScore(linear_score(lowered, 0.0, 0.0, 0.33, 0.33), improvement, reasons, remove_cloud=True)
    if not disc and not rms and noise.bandpass_good:
        reasons.append(f"the phases of {_steady(noise)} are steady without it")
        return WvrScore(linear_score(0.9 - tenths, 0.0, 0.67, 0.9, 0.9), improvement, reasons)
    reasons.append("look at the stability of the air")
    return WvrScore(linear_score(0.66 - tenths, 0.0, 0.34, 0.66, 0.66), improvement, reasons)


def _better(tenths: float, noise: Noise, reasons: list[str]) -> float:
    """Score an improvement, lowered by what is suspicious in spite of it."""
    if not tenths and not noise.phase_noisy:
        return 1.0
    if noise.bandpass_noisy:
        reasons.append("the air is unstable")
        return linear_score(0.66 - tenths, 0.0, 0.34, 0.66, 0.66)
    return linear_score(0.9 - tenths, 0.0, 0.67, 0.9, 0.9)


def _steady(noise: Noise) -> str:
    return "the bandpass and the phase calibrators" if noise.phase_good else "the bandpass calibrator"


def _median(values: Sequence[float]) -> float:
    """Return the median of what is a number; 0 without any."""
    some = [v for v in values if not math.isnan(v)]
    return float(np.median(some)) if some else 0.0

"""Scores of phases against time: path lengths (Cycle 4), offsets between spws (today), achieved signal to noise.

Sources: ALMA's pipeline, qa/gpcal.py and qa/utility/filters.py (Cycle 4); hifa/tasks/gaincal/qa.py,
qa/scorecalculator.py (PL2026).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.heuristics.scores import BLUE, RED, YELLOW, erf_score

C_M_S = 299_792_458.0
XY_GOOD_M, XY_BAD_M = 4.25e-6, 8.4e-5
STEP_GOOD_M, STEP_BAD_M = 3.08e-5, 2.24e-4

NOISY_DEG, NOISY_SCORE = 15.0, 0.82
MEAN_DEG, SPREAD_DEG, MOST_DEG = (5.0, 30.0), (15.0, 30.0), (15.0, 30.0)
MEAN_SIGMAS, SPREAD_SIGMAS, MOST_SIGMAS = 6.0, (2.0, 4.0), 6.0
OUTLIER_SCORES = {False: (0.8, 0.75), True: (0.7, 0.5)}
"""Scores of an offset beyond the first and the second limit, for spws with phases of their own and for mapped ones."""
_LEAST_FOR_SPREAD = 4


def path_spread_m(phase_rad: NDArray[np.floating], freq_hz: float, *, sigmas: float) -> float:
    """Return the standard deviation of phases as a path [m], without outliers; nan without phases.

    Parameters
    ----------
    phase_rad : float (n,)
        Finite ones.
    freq_hz : float
    sigmas : float
        Phases further from the median than so many scaled MADs are left out.
    """
    phase = np.unwrap(np.asarray(phase_rad, float))
    if not len(phase):
        return math.nan
    middle = np.median(phase)
    scale = np.median(np.abs(phase - middle)) / 0.6745
    kept = phase[np.abs(phase - middle) <= sigmas * scale] if scale > 0 else phase
    return float(np.std(kept) * C_M_S / (2 * np.pi * freq_hz))


def xy_path_m(phase_rad: NDArray[np.floating], flag: NDArray[np.bool_], freq_hz: float) -> float:
    """Return how much the phases of the two polarisations go apart with time, as a path [m]; nan where unknown.

    Parameters
    ----------
    phase_rad : float (time, 2)
    flag : bool, same shape
    freq_hz : float
    """
    good = ~flag.any(axis=1)
    return path_spread_m(phase_rad[good, 0] - phase_rad[good, 1], freq_hz, sigmas=5.0)


def step_path_m(phase_rad: NDArray[np.floating], flag: NDArray[np.bool_], freq_hz: float) -> float:
    """Return how much the first polarisation's phase changes between solutions, as a path [m]; nan where unknown.

    Parameters
    ----------
    phase_rad : float (time, pol)
    flag : bool, same shape
    freq_hz : float
    """
    phase = np.unwrap(phase_rad[~flag[:, 0], 0])
    return path_spread_m(np.diff(phase), freq_hz, sigmas=3.0)


def score_xy_path(path_m: float) -> float:
    """Return the score of `xy_path_m`; 1 where it is unknown."""
    return 1.0 if math.isnan(path_m) else erf_score(path_m, XY_GOOD_M, XY_BAD_M)


def score_step_path(path_m: float) -> float:
    """Return the score of `step_path_m`; 1 where it is unknown."""
    return 1.0 if math.isnan(path_m) else erf_score(path_m, STEP_GOOD_M, STEP_BAD_M)


@dataclass(frozen=True)
class OffsetScore:
    """What an antenna's and polarisation's phase offsets in an spw look like.

    Attributes
    ----------
    antenna, pol : int
    number : int
        Solutions.
    mean_deg, spread_deg, most_deg : float
        Mean, standard deviation and largest absolute value; nan without solutions (the spread without two).
    score : float
        The lowest of the three tests'.
    worst : str
        ``mean``, ``spread`` or ``most``; empty where all are within range.
    """

    antenna: int
    pol: int
    number: int
    mean_deg: float
    spread_deg: float
    most_deg: float
    score: float
    worst: str


def offset_scores(
    offset_deg: NDArray[np.floating], flag: NDArray[np.bool_], refant: int, *, mapped: bool
) -> tuple[float, list[OffsetScore]]:
    r"""Score the phase offsets of one spw that are left when the phases of all spws together are taken out.

    Parameters
    ----------
    offset_deg : float (time, antenna, pol)
        One a scan of the phase calibrators [deg].
    flag : bool, same shape
    refant : int
        Left out.
    mapped : bool
        Whether the spw takes the phases of others: then its own offset goes into the data.

    Returns
    -------
    noise_deg : float
        S, 1.4826 MAD of all offsets; nan without solutions.
    list of OffsetScore
        Of every antenna but the reference antenna; all 0.82 where S is above 15 degrees.

    Notes
    -----
    Beyond :math:`\max(5°, 6 S/\sqrt N)` in the mean, :math:`\max(15°, 2 S)` in the spread of four or more, or
    :math:`\max(15°, 6 S)` at most, an offset is an outlier of the first kind; with 30 degrees and 4 S in place of 5, 15
    and 2 S, of the second.
    """
    offset, bad = np.asarray(offset_deg, float), np.asarray(flag, bool)
    others = [a for a in range(offset.shape[1]) if a != refant]
    values = offset[:, others][~bad[:, others]]
    if not len(values):
        return math.nan, []
    noise = float(1.4826 * np.median(np.abs(values - np.median(values))))
    out = []
    for antenna in others:
        for pol in range(offset.shape[2]):
            one = offset[~bad[:, antenna, pol], antenna, pol]
            out.append(_offset_score(antenna, pol, one, noise, mapped))
    return noise, out


def _offset_score(antenna: int, pol: int, values: NDArray[np.floating], noise: float, mapped: bool) -> OffsetScore:
    n = len(values)
    mean = float(values.mean()) if n else math.nan
    spread = float(values.std(ddof=1)) if n > 1 else math.nan
    most = float(np.abs(values).max()) if n else math.nan
    if noise > NOISY_DEG:
        return OffsetScore(antenna, pol, n, mean, spread, most, NOISY_SCORE, "")
    if not n:
        return OffsetScore(antenna, pol, n, mean, spread, most, 1.0, "")
    tests = {"mean": _kind(abs(mean), [max(x, MEAN_SIGMAS * noise / math.sqrt(n)) for x in MEAN_DEG])}
    if n >= _LEAST_FOR_SPREAD:
        limits = [max(x, s * noise) for x, s in zip(SPREAD_DEG, SPREAD_SIGMAS, strict=True)]
        tests["spread"] = _kind(spread, limits)
    tests["most"] = _kind(most, [max(x, MOST_SIGMAS * noise) for x in MOST_DEG])
    worst = max(tests, key=lambda name: tests[name])
    kind = tests[worst]
    score = OUTLIER_SCORES[mapped][kind - 1] if kind else 1.0
    return OffsetScore(antenna, pol, n, mean, spread, most, score, worst if kind else "")


def _kind(value: float, limits: list[float]) -> int:
    """Return 0 within the limits, 1 beyond the first, 2 beyond the second (which counts where both are the same)."""
    return 2 if value > limits[1] else int(value > limits[0])


def score_achieved_snr(snr: float, limit: float, *, check: bool = False) -> float:
    """Return the score of the median signal to noise that was reached, against the one asked for.

    Parameters
    ----------
    snr, limit : float
    check : bool
        Of a check source, which is never worse than blue.

    Returns
    -------
    float
        0.33, 0.66 and 0.9 up to 30, 50 and 75 % of the limit (check sources 0.7, 0.8, 0.9), else 1.
    """
    steps = (0.7, 0.8, 0.9) if check else (RED, YELLOW, BLUE)
    for part, score in zip((0.3, 0.5, 0.75), steps, strict=True):
        if snr <= part * limit:
            return score
    return 1.0

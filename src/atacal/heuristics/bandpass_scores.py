"""Scores of bandpasses: missing solutions, signal to noise of the amplitudes, jumps of the phases.

Source: ALMA's pipeline, qa/bpcal.py, hif/tasks/bandpass/qa.py (Cycle 4 and PL2026).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOLERATED = 0.01
_OUTLIER_MADS = 5.0
_MAD_TO_SIGMA = 0.6745
_ALL_ZERO = 1e-4


@dataclass(frozen=True)
class AntennaScore:
    """A score of one antenna and polarisation in an spw.

    Attributes
    ----------
    antenna, pol : int
    value : float
        What was scored: a signal-to-noise ratio, or a fraction of channels.
    score : float
    """

    antenna: int
    pol: int
    value: float
    score: float


def score_missing(expected: int, found: int) -> float:
    """Return the score of missing solutions: the fraction that was found, 0 where none was expected."""
    return found / expected if expected > 0 else 0.0


def amplitude_snr(amplitude: NDArray[np.floating], flag: NDArray[np.bool_]) -> float:
    """Return a bandpass's mean amplitude over the rms of its amplitudes about it; nan without solutions."""
    values = np.asarray(amplitude, float)[~flag]
    if not len(values):
        return math.nan
    rms = math.sqrt(np.mean((values - values.mean()) ** 2))
    return math.inf if rms == 0 else float(values.mean() / rms)


def phase_outliers(phase_rad: NDArray[np.floating], flag: NDArray[np.bool_]) -> float:
    """Return the fraction of channels whose phase jumps to the next one's.

    A jump is a difference of neighbours, both with a solution, that is more than 5 scaled MADs off the median
    difference. Phases that are all zero, as the reference antenna's, have none. The pipeline counts differences above
    5 MADs of one sign, without the median taken off, so that a delay of an antenna looks like jumps.
    """
    good = ~np.asarray(flag, bool)
    phase = np.asarray(phase_rad, float)
    if not good.any() or np.abs(phase[good]).sum() < _ALL_ZERO:
        return 0.0
    step = phase[:-1] - phase[1:]
    step = step[good[:-1] & good[1:]]
    if not len(step):
        return 0.0
    away = np.abs(step - np.median(step))
    return float((away > _OUTLIER_MADS * np.median(away) / _MAD_TO_SIGMA).sum() / len(phase))


def score_amplitude_snr(snr: float) -> float:
    """Return erf(snr / sqrt 2); 1 for no solutions, which `score_missing` tells of."""
    return 1.0 if math.isnan(snr) else max(0.0, math.erf(snr / math.sqrt(2.0)))


def score_phase_outliers(fraction: float) -> float:
    """Return erf(0.03 / (f sqrt 2)) for a fraction f of outlying channels, 1 for none."""
    return 1.0 if fraction <= 0 else math.erf(3 * _TOLERATED / (fraction * math.sqrt(2.0)))


def antenna_scores(
    bandpass: NDArray[np.complexfloating], flag: NDArray[np.bool_]
) -> tuple[list[AntennaScore], list[AntennaScore]]:
    """Score every antenna's and polarisation's bandpass of one spw.

    Parameters
    ----------
    bandpass : complex (antenna, chan, pol)
    flag : bool, same shape

    Returns
    -------
    amplitude, phase : list of AntennaScore
        Those with solutions.
    """
    amplitude, phase = [], []
    for antenna in range(bandpass.shape[0]):
        for pol in range(bandpass.shape[2]):
            values, bad = bandpass[antenna, :, pol], flag[antenna, :, pol]
            if bad.all():
                continue
            snr = amplitude_snr(np.abs(values), bad)
            fraction = phase_outliers(np.unwrap(np.angle(values)), bad)
            amplitude.append(AntennaScore(antenna, pol, snr, score_amplitude_snr(snr)))
            phase.append(AntennaScore(antenna, pol, fraction, score_phase_outliers(fraction)))
    return amplitude, phase

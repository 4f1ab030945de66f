"""Power laws through measured flux densities, and what their errors mean elsewhere in frequency."""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import CatalogueError

_SEED = 20150629
_CLIP = 6.0
_MAD_TO_SIGMA = 1.482602218505602


@dataclass(frozen=True)
class Used:
    """A measurement as it is used: ``age_d`` [d] is positive before the date; without an error, 10 % are assumed."""

    date: datetime.date
    age_d: int
    freq_hz: float
    flux_jy: float
    error_jy: float
    error_assumed: bool = False


@dataclass(frozen=True, eq=False)
class LogLine:
    """log10(S/Jy) = intercept + slope (log10(nu/Hz) - pivot), with the covariance (2, 2) of intercept and slope."""

    intercept: float
    slope: float
    pivot: float
    covariance: NDArray[np.float64]

    @property
    def slope_error(self) -> float:
        return float(np.sqrt(self.covariance[1, 1]))


def fit_line(used: Sequence[Used]) -> LogLine:
    """Fit a power law, weighted by the measurements' errors.

    Parameters
    ----------
    used : sequence of Used
        Of two frequencies at least.

    Notes
    -----
    Least squares of log10 S with errors sigma/(S ln 10); the covariance is that of the errors, whatever the residuals
    (two points have none). The older analysisUtils took sigma/S for the error of log10 S: its index is the same, its
    errors are larger by ln 10.
    """
    x = np.log10([u.freq_hz for u in used])
    y = np.log10([u.flux_jy for u in used])
    weight = np.array([(u.flux_jy * math.log(10) / u.error_jy) ** 2 for u in used])
    pivot = float(x.mean())
    if np.ptp(x) == 0:
        raise CatalogueError(f"the measurements have one frequency ({10**pivot / 1e9:g} GHz): no spectral index")
    design = np.stack([np.ones_like(x), x - pivot], axis=1)
    covariance = np.linalg.inv(design.T @ (weight[:, None] * design))
    intercept, slope = covariance @ (design.T @ (weight * y))
    return LogLine(float(intercept), float(slope), pivot, covariance)


def draw(line: LogLine, freq_hz: float, *, trials: int = 10000) -> tuple[float, float]:
    """Draw lines of a fit and return the median and the scatter of their flux densities at a frequency [Jy].

    The draws are the same every time. Draws further above the median than 6 (scaled) median absolute deviations are
    left out of the scatter, as analysisUtils does.
    """
    root = np.linalg.cholesky(line.covariance)
    drawn = root @ np.random.default_rng(_SEED).standard_normal((2, trials))
    logs = line.intercept + drawn[0] + (line.slope + drawn[1]) * (math.log10(freq_hz) - line.pivot)
    flux = 10**logs
    median = float(np.median(flux))
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(flux - median)))
    return median, float(np.std(flux[flux < median + _CLIP * spread])) if spread > 0 else 0.0


def mean_line(lines: list[LogLine]) -> tuple[LogLine, float]:
    """Average lines by their errors, as analysisUtils does; the error of the mean slope is the slopes' scatter."""
    if len(lines) == 1:
        return lines[0], lines[0].slope_error
    slopes = np.array([line.slope for line in lines])
    slope = float(np.average(slopes, weights=[line.slope_error**-2 for line in lines]))
    weights = [1 / line.covariance[0, 0] for line in lines]
    intercept = float(np.average([line.intercept for line in lines], weights=weights))
    pivot = float(np.average([line.pivot for line in lines], weights=weights))
    covariance = np.mean([line.covariance for line in lines], axis=0)
    scatter = _MAD_TO_SIGMA * float(np.median(np.abs(slopes - np.median(slopes))))
    return LogLine(intercept, slope, pivot, covariance), scatter

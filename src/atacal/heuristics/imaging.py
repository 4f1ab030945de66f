"""What a pipeline decides about an image: pixels, size, weights, masks, how deep to clean, and what it is worth.

Plain functions of numbers. `recipe` is 'today' (ALMA's pipeline PL2026) or 'cycle4' (CASA 4.7), where they differ.

Sources: ALMA's pipeline, hif/heuristics/imageparams_base.py and imageparams_alma.py (PL2026), hif/heuristics/
makeimlist.py and hif/tasks/tclean (Cycle 4), qa/scorecalculator.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from atacal.errors import ArgumentError
from atacal.heuristics.scores import Recipe, erf_score

Kind = Literal["calibrator", "check", "target"]
"""What an image is of: a bandpass, phase or flux calibrator, a check source, or a target."""

ARCSEC = math.pi / 648000
LIGHT_M_PER_S = 299792458.0
GAIN, KAPPA = 0.1, 5
MASK_FRACTION = 0.45
"""Radius of the region that is cleaned, of the longer side of the image."""
MOST_PIXELS = 300
"""Pixels along a side of a calibrator's image, at most."""
MOST_CALIBRATOR_ITERATIONS = 3000
PB_MASK = 0.3
"""Level of the primary beam that a mask of Cycle 4 reaches to."""
THRESHOLD_SIGMAS: dict[str, float] = {"cycle4": 4.0, "today": 2.0}
"""tlimit: how many times the theoretical noise CLEAN goes down to."""
ROBUST = 0.5
_TARGET_12M = ((20.0, 1.0), (50.0, 1.5), (100.0, 2.0), (math.inf, 2.5))
_TARGET_7M = ((4.0, 1.0), (10.0, 1.5), (20.0, 2.0), (40.0, 2.5), (math.inf, 3.0))


@dataclass(frozen=True)
class AutoMask:
    """Parameters of auto-multithresh (Kepley et al. 2020, PASP 132, 024505), by CASA's names and with its defaults."""

    sidelobethreshold: float = 3.0
    noisethreshold: float = 5.0
    lownoisethreshold: float = 1.5
    negativethreshold: float = 0.0
    smoothfactor: float = 1.0
    minbeamfrac: float = 0.3
    cutthreshold: float = 0.01
    growiterations: int = 75
    dogrowprune: bool = True
    minpercentchange: float = -1.0
    fastnoise: bool = True


def cell_arcsec(*, recipe: Recipe = "today", beam_minor_arcsec: float = 0.0, longest_uv_lambda: float = 0.0) -> float:
    """Return the width of a pixel.

    Parameters
    ----------
    recipe : {'today', 'cycle4'}
    beam_minor_arcsec : float
        'today': the minor axis of the synthesised beam, of which a pixel is a fifth [arcsec].
    longest_uv_lambda : float
        'cycle4': the longest uv distance; what CASA's imager advises, 1 / (2 uv), divided by 2.5.

    Returns
    -------
    float
        [arcsec], of two significant digits.

    Raises
    ------
    ArgumentError
    """
    if recipe == "cycle4":
        _positive("longest_uv_lambda", longest_uv_lambda)
        return _digits(0.5 / longest_uv_lambda / ARCSEC / 2.5, 2)
    _positive("beam_minor_arcsec", beam_minor_arcsec)
    return _digits(beam_minor_arcsec / 5, 2)


def image_size(
    cell: float,
    freq_hz: float,
    dish_m: float,
    *,
    spread_arcsec: tuple[float, float] = (0.0, 0.0),
    most: int = MOST_PIXELS,
) -> tuple[int, int]:
    """Return the pixels along both sides: (1.5 r + spread of the fields) / cell, r = 1.22 lambda / D.

    Parameters
    ----------
    cell : float
        Width of a pixel [arcsec].
    freq_hz, dish_m : float
    spread_arcsec : (float, float)
        Extent of the fields' centres along right ascension and declination [arcsec].
    most : int
        Pixels at most, before rounding; 0 for no limit.

    Returns
    -------
    (int, int)
        Even numbers with no factors but 2, 3, 5, 7.

    Raises
    ------
    ArgumentError
    """
    for name, value in (("cell", cell), ("freq_hz", freq_hz), ("dish_m", dish_m)):
        _positive(name, value)
    radius = first_null_arcsec(freq_hz, dish_m)
    sides = [int((1.5 * radius + spread) / cell) for spread in spread_arcsec]
    nx, ny = (good_size(min(side, most) if most else side) for side in sides)
    return nx, ny


def first_null_arcsec(freq_hz: float, dish_m: float) -> float:
    """Return the radius of the primary beam's first null, 1.22 lambda / D [arcsec]."""
    return 1.22 * LIGHT_M_PER_S / freq_hz / dish_m / ARCSEC


def good_size(least: int) -> int:
    """Return the smallest even number from ``least``, and 32, on whose only factors are 2, 3, 5 and 7."""
    size = max(32, least + least % 2)
    while True:
        left = size
        for factor in (2, 3, 5, 7):
            while left % factor == 0:
                left //= factor
        if left == 1:
            return size
        size += 2


def combined_sensitivity(sensitivities_jy: Sequence[float]) -> float:
    """Return the noise of an image made of several parts: 1 / sqrt(sum of 1 / sigma^2) [Jy/beam]."""
    if not sensitivities_jy or any(not s > 0 for s in sensitivities_jy):
        raise ArgumentError(f"noises are positive numbers; given were {list(sensitivities_jy)}")
    return 1 / math.sqrt(sum(1 / s**2 for s in sensitivities_jy))


def clean_threshold(
    sensitivity_jy: float,
    dirty_peak_jy: float,
    dish_m: float,
    kind: Kind,
    *,
    recipe: Recipe = "today",
    blocks: int = 1,
) -> float:
    """Return the level to clean down to.

    Parameters
    ----------
    sensitivity_jy : float
        Theoretical noise [Jy/beam].
    dirty_peak_jy : float
        Largest absolute value of the dirty image [Jy/beam].
    dish_m : float
        Diameter of the antennas [m].
    kind : {'calibrator', 'check', 'target'}
    recipe : {'today', 'cycle4'}
    blocks : int
        Execution blocks that are imaged together.

    Returns
    -------
    float
        [Jy/beam].

    Raises
    ------
    ArgumentError

    Notes
    -----
    tlimit sigma, raised by what dynamic range can be expected. Calibrators, antennas of 12 m: to tlimit peak / 1000,
    and today where that is more than 3 times as high to (2 + tlimit peak / (3000 threshold)) thresholds, the lower of
    the two; 7 m: to tlimit peak / 200. Targets and check sources by the dirty dynamic range: 1, 1.5, 2, 2.5 times up
    to 20, 50, 100, 150 and then the larger of 2.5 times and tlimit peak / 150 (12 m); 1, 1.5, 2, 2.5, 3 times up to
    4, 10, 20, 40, and beyond 30 (several blocks: 75) the larger of 2.5 (3.5) times and tlimit peak / 30 (55) (7 m).
    """
    _positive("sensitivity_jy", sensitivity_jy)
    tlimit = THRESHOLD_SIGMAS[recipe]
    base = tlimit * sensitivity_jy
    big = dish_m >= 10
    if kind != "calibrator":
        return base * _target_factor(dirty_peak_jy, sensitivity_jy, tlimit, big=big, blocks=blocks)
    if not big:
        return max(base, tlimit * dirty_peak_jy / 200)
    high = tlimit * dirty_peak_jy / 1000 / base
    if recipe == "today":
        high = min(high, 2 + tlimit * dirty_peak_jy / 3000 / base)
    return base * max(1.0, high)


def _target_factor(peak: float, sensitivity: float, tlimit: float, *, big: bool, blocks: int) -> float:
    dynamic_range = peak / sensitivity
    if big:
        limit, most, factor = 150.0, 150.0, 2.5
    else:
        limit, most, factor = (30.0, 30.0, 2.5) if blocks == 1 else (75.0, 55.0, 3.5)
    if dynamic_range > limit:
        return max(factor, dynamic_range / most)
    return next(f for upper, f in (_TARGET_12M if big else _TARGET_7M) if dynamic_range <= upper)


def clean_iterations(
    dirty_peak_jy: float,
    threshold_jy: float,
    imsize: tuple[int, int],
    cell: float,
    beam_arcsec: float,
    kind: Kind,
    *,
    recipe: Recipe = "today",
) -> int:
    """Return niter: (5 / gain) (r / beam)^2 peak / threshold, r = 0.45 of the longer side, of one significant digit.

    Parameters
    ----------
    dirty_peak_jy, threshold_jy : float
        [Jy/beam].
    imsize : (int, int)
        Pixels.
    cell, beam_arcsec : float
        [arcsec].
    kind : {'calibrator', 'check', 'target'}
    recipe : {'today', 'cycle4'}
        Today calibrators and check sources get 3000 at most.

    Returns
    -------
    int
    """
    for name, value in (("threshold_jy", threshold_jy), ("beam_arcsec", beam_arcsec)):
        _positive(name, value)
    radius = mask_radius_arcsec(imsize, cell)
    number = int(KAPPA / GAIN * (radius / beam_arcsec) ** 2 * dirty_peak_jy / threshold_jy)
    niter = int(_digits(number, 1)) if number > 0 else 0
    return min(niter, MOST_CALIBRATOR_ITERATIONS) if recipe == "today" and kind != "target" else niter


def mask_radius_arcsec(imsize: tuple[int, int], cell: float) -> float:
    """Return the radius of the region that is cleaned [arcsec]."""
    return MASK_FRACTION * max(imsize) * cell


def auto_mask_parameters(dish_m: float, kind: Kind, baseline_p75_m: float) -> AutoMask:
    """Return today's parameters of auto-multithresh for a continuum image of ALMA's.

    Parameters
    ----------
    dish_m : float
        Smallest antenna [m].
    kind : {'calibrator', 'check', 'target'}
    baseline_p75_m : float
        75th percentile of the baselines' lengths [m].
    """
    big = dish_m >= 10
    fast = big and baseline_p75_m > 400
    if kind == "calibrator":
        sidelobe, noise, low, beams = (2.0, 7.0, 3.0, 0.1) if big else (1.5, 6.0, 2.0, 0.1)
    elif not big:
        sidelobe, noise, low, beams = 1.25, 5.0, 2.0, 0.1
    elif baseline_p75_m < 300:
        sidelobe, noise, low, beams = 2.0, 4.25, 1.5, 0.3
    elif kind == "check":
        sidelobe, noise, low, beams = 3.0, 5.0, 1.5, 0.3
    else:
        sidelobe, noise, low, beams = 2.0 if baseline_p75_m < 400 else 2.5, 5.0, 1.5, 0.3
    return AutoMask(
        sidelobethreshold=sidelobe, noisethreshold=noise, lownoisethreshold=low, minbeamfrac=beams,
        minpercentchange=1.0, fastnoise=fast,
    )  # fmt: skip


def score_image(rms_jy: float, expected_jy: float, *, recipe: Recipe = "today") -> float:
    """Return an image's score: 1 where its noise is what was expected, falling to the floor at five times that.

    Parameters
    ----------
    rms_jy : float
        Noise of the image [Jy/beam].
    expected_jy : float
        'cycle4': the threshold that was cleaned to, four times the noise that was expected; 'today': the theoretical
        noise, corrected for the dynamic range (`clean_threshold` / tlimit) [Jy/beam].
    recipe : {'today', 'cycle4'}
        Today the floor is 0.34, in Cycle 4 it was 0.
    """
    _positive("expected_jy", expected_jy)
    if recipe == "cycle4":
        return erf_score(4 * rms_jy / expected_jy, 1.0, 5.0)
    return erf_score(rms_jy / expected_jy, 1.0, 5.0, lowest=0.34)


@dataclass(frozen=True)
class CheckScore:
    """The score of a check source's image, and what is to be said of it."""

    score: float
    warnings: tuple[str, ...]


def score_check_source(
    offset_beams: float | None, peak_jy: float | None = None, flux_jy: float | None = None
) -> CheckScore:
    """Score a check source by its offset and by how its peak compares with its fitted flux density.

    Parameters
    ----------
    offset_beams : float, optional
        Distance from where it should be, in beams; None where no Gaussian could be fitted.
    peak_jy, flux_jy : float, optional
        Fitted peak [Jy/beam] and flux density [Jy].

    Returns
    -------
    CheckScore
        min(max(0.33, 1 - offset), max(0.33, 1 - abs(1 - peak / flux))); 0.34 where the fit failed.
    """
    if offset_beams is None or peak_jy is None or not flux_jy:
        return CheckScore(0.34, ("no Gaussian could be fitted to the check source",))
    ratio = peak_jy / flux_jy
    warnings = []
    if offset_beams > 0.3:
        warnings.append(f"the check source is {offset_beams:.2f} beams from where it should be")
    if ratio < 0.7:
        warnings.append(f"the check source's peak is {ratio:.2f} of its flux density: decorrelated, or resolved")
    score = min(max(0.33, 1 - offset_beams), max(0.33, 1 - abs(1 - ratio)))
    return CheckScore(score, tuple(warnings))


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ArgumentError(f"{name} is a positive number, not {value}")


def _digits(value: float, digits: int) -> float:
    """Round to significant digits."""
    return round(value, digits - 1 - math.floor(math.log10(abs(value))))

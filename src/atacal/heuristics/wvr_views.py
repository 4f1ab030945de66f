"""Whether the radiometers' correction lowers the scatter of the phases, antenna by antenna, and who spoils it.

Views compare the phases of every integration solved with and without the correction. Definitions, limits and scores
are those of hifa_wvrgcalflag of ALMA's pipeline (PL2026 and Cycle 4; hifa/tasks/wvrgcal/wvrg_qa.py,
hifa/tasks/wvrgcalflag/, qa/scorecalculator.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError

_REFERENCES = 8
_GAP_S = 30.0
_PHASE_NOISY_DEG = 90.0
_BANDPASS_NOISY_DEG = (85.0, 90.0)
_GOOD_DEG = 57.1


def time_chunks(time: NDArray[np.float64], gap_s: float = _GAP_S) -> list[slice]:
    """Split times where they are interrupted: by ``gap_s``, or by 1.5 times their median step if that is longer.

    Parameters
    ----------
    time : float64 (time,)
        Ascending [s].
    gap_s : float
        [s]

    Returns
    -------
    list of slice
    """
    if not len(time):
        return []
    step = np.diff(time)
    longest = max(1.5 * float(np.median(step)), gap_s) if len(step) else gap_s
    starts = [0, *(np.flatnonzero(step >= longest) + 1).tolist()]
    return [slice(a, b) for a, b in zip(starts, [*starts[1:], len(time)], strict=True)]


def phase_rms(gain: NDArray[np.complex64], flag: NDArray[np.bool_], chunks: Sequence[slice]) -> NDArray[np.float64]:
    r"""Return the scatter of each antenna's phase in each chunk of time.

    Parameters
    ----------
    gain : complex64 (time, antenna)
        Phase solutions of one polarisation.
    flag : bool (time, antenna)
    chunks : sequence of slice
        From `time_chunks`.

    Returns
    -------
    float64 (antenna, chunk)
        [deg]; NaN without solutions.

    Notes
    -----
    With the phases referred to antenna r, the scatter is
    :math:`\sqrt{\langle \arg^2 (g_i \bar g_r / m_{ir}) \rangle}`, m being the complex median (of real and imaginary
    parts apart). The view is the median over up to eight r, the first that have solutions, so that no antenna is
    still because it is the reference (an antenna among the eight counts itself, with a scatter of 0).
    """
    references = np.flatnonzero(~flag.all(axis=0))[:_REFERENCES]
    every = np.full((len(references), gain.shape[1], len(chunks)), np.nan)
    for k, reference in enumerate(references.tolist()):
        good = ~flag & ~flag[:, [reference]]
        turned = np.where(good, gain.astype(np.complex128) * np.conj(gain[:, [reference]]), complex(np.nan, np.nan))
        for c, chunk in enumerate(chunks):
            part = turned[chunk]
            some = good[chunk].any(axis=0)
            middle = np.nanmedian(part[:, some].real, axis=0) + 1j * np.nanmedian(part[:, some].imag, axis=0)
            away = np.angle(part[:, some] * np.conj(middle), deg=True)
            every[k, some, c] = np.sqrt(np.nanmean(away**2, axis=0))
    return _nanmedian(every)


def _nanmedian(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median over the first axis of what is not NaN; NaN where nothing is."""
    out = np.full(values.shape[1:], np.nan)
    some = np.isfinite(values).any(axis=0)
    if some.any():
        out[some] = np.nanmedian(values[:, some], axis=0)
    return out


@dataclass(frozen=True, eq=False)
class View:
    """Scatter of the phases of one intent and spw, without and with the correction.

    Attributes
    ----------
    intent : str
        ``BANDPASS``, ``PHASE``...
    spw : int
    without_deg, with_deg : float64 (antenna, chunk)
        [deg]; NaN without solutions.
    time : float64 (chunk,)
        First time of each chunk [MJD s].
    flag : bool (antenna, chunk)
        Cells that take no part: no ratio can be made, or the antenna's radiometer is not used.
    """

    intent: str
    spw: int
    without_deg: NDArray[np.float64]
    with_deg: NDArray[np.float64]
    time: NDArray[np.float64]
    flag: NDArray[np.bool_]

    @classmethod
    def of(
        cls, intent: str, spw: int, without_deg: NDArray[np.float64], with_deg: NDArray[np.float64],
        time: NDArray[np.float64],
    ) -> View:  # fmt: skip
        """Make a view; cells without a finite ratio are flagged."""
        flag = ~(np.isfinite(without_deg) & np.isfinite(with_deg) & (without_deg > 0))
        return cls(intent, spw, without_deg, with_deg, time, flag)

    @property
    def ratio(self) -> NDArray[np.float64]:
        """Scatter with over scatter without, (antenna, chunk): below 1 is better; NaN where there is none."""
        some = np.isfinite(self.without_deg) & (self.without_deg > 0)
        return np.where(some, self.with_deg / np.where(some, self.without_deg, 1.0), np.nan)

    @property
    def improvement(self) -> float:
        """By how much the scatter falls: 1 over the median ratio of the unflagged cells; NaN without any."""
        ratios = self.ratio[~self.flag]
        middle = float(np.median(ratios)) if len(ratios) else math.nan
        return 1.0 / middle if middle > 0 else math.inf if middle == 0 else math.nan

    def without_antennas(self, antennas: Sequence[int]) -> View:
        """Return the view with all cells of some antennas flagged."""
        flag = self.flag.copy()
        flag[list(antennas)] = True
        return replace(self, flag=flag)


@dataclass(frozen=True)
class Outlier:
    """A cell of a view that is too high.

    Attributes
    ----------
    antenna, chunk : int
    ratio, limit : float
    """

    antenna: int
    chunk: int
    ratio: float
    limit: float


def high_outliers(view: View, fhi_limit: float = 10.0, fhi_minsample: int = 5) -> list[Outlier]:
    """Find cells whose ratio exceeds the median by more than ``fhi_limit`` median absolute deviations.

    Parameters
    ----------
    view : View
    fhi_limit : float
    fhi_minsample : int
        With fewer unflagged cells nothing is found.

    Returns
    -------
    list of Outlier
        The radiometers of their antennas are not to be trusted.
    """
    good = ~view.flag
    ratio = view.ratio
    if good.sum() < fhi_minsample:
        return []
    middle = float(np.median(ratio[good]))
    limit = middle + fhi_limit * float(np.median(np.abs(ratio[good] - middle)))
    cells = np.argwhere(good & (np.where(good, ratio, 0.0) > limit))
    return [Outlier(int(a), int(c), float(ratio[a, c]), limit) for a, c in cells]


@dataclass(frozen=True)
class Noise:
    """How much the phases scatter altogether.

    Attributes
    ----------
    phase_noisy : bool
        The phase calibrators' phases are pure noise (80th percentile of the scatter with the correction above 90
        degrees): they say nothing on the correction.
    bandpass_noisy : bool
        The bandpass calibrator's: the air is unstable (80th percentile above 85 degrees and the largest above 90).
    phase_good, bandpass_good : bool
        80th percentile of the scatter without the correction below a radian.
    percentiles_deg : dict of str -> (float, float)
        For each intent the 80th percentiles without and with the correction.
    """

    phase_noisy: bool = False
    bandpass_noisy: bool = False
    phase_good: bool = False
    bandpass_good: bool = False
    percentiles_deg: Mapping[str, tuple[float, float]] | None = None


def noise_of(views: Sequence[View]) -> Noise:
    """Say how much the phases scatter.

    Parameters
    ----------
    views : sequence of View

    Returns
    -------
    Noise
    """
    out, percentiles = Noise(), {}
    for view in views:
        good = np.isfinite(view.ratio)
        if not good.any():
            continue
        before, after = (float(np.percentile(v[good], 80)) for v in (view.without_deg, view.with_deg))
        percentiles[view.intent] = (before, after)
        if view.intent == "PHASE":
            noisy = out.phase_noisy or after > _PHASE_NOISY_DEG
            out = replace(out, phase_noisy=noisy, phase_good=out.phase_good or before < _GOOD_DEG)
        elif view.intent == "BANDPASS":
            p80, most = _BANDPASS_NOISY_DEG
            noisy = out.bandpass_noisy or (after > p80 and float(view.with_deg[good].max()) > most)
            out = replace(out, bandpass_noisy=noisy, bandpass_good=out.bandpass_good or before < _GOOD_DEG)
    return replace(out, percentiles_deg=percentiles)


def overall_improvement(views: Sequence[View], noise: Noise, recipe: str = "today") -> float:
    """Return by how much the scatter falls altogether.

    Parameters
    ----------
    views : sequence of View
    noise : Noise
    recipe : {'today', 'cycle4'}
        Today, phase calibrators that are pure noise leave the bandpass calibrator alone to decide.

    Returns
    -------
    float
        The median over the views; NaN without any.

    Raises
    ------
    ArgumentError
    """
    if recipe not in ("today", "cycle4"):
        raise ArgumentError(f"no recipe {recipe!r}: cycle4, today")
    each = {id(v): v.improvement for v in views}
    of_bandpass = [each[id(v)] for v in views if v.intent == "BANDPASS" and not math.isnan(each[id(v)])]
    if recipe == "today" and noise.phase_noisy and of_bandpass:
        return of_bandpass[-1]
    values = [v for v in each.values() if not math.isnan(v)]
    return float(np.median(values)) if values else math.nan


def too_few_radiometers(working: int, antennas: int, least: int = 3, least_share: float = 0.2) -> str:
    """Say why radiometers are too few to be used; empty if they are enough.

    Parameters
    ----------
    working, antennas : int
        Antennas with a radiometer that works, and all.
    least : int
        ants_with_wvr_nr_thresh.
    least_share : float
        ants_with_wvr_thresh.

    Returns
    -------
    str
    """
    if working < least:
        return f"{working} antennas have a radiometer that works; {least} are needed"
    if working < least_share * antennas:
        return f"{working} of {antennas} antennas have a radiometer that works; {least_share:.0%} are needed"
    return ""

"""Straight lines through calibrated spectra, and which antennas' differ from the others'.

After the calibration a calibrator's amplitude is the same for all antennas, and its phase zero, at all frequencies. Of
every antenna and polarisation lines are fitted to both; one that is significantly and noticeably off is an outlier.

Source: ALMA's pipeline PL2026, hifa/tasks/applycal/ampphase_vs_freq_qa.py and qa.py (limits, statistics, scores).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIGMAS = {"amp_slope": 25.0, "amp_offset": 53.0, "phase_slope": 40.0, "phase_offset": 60.5}
"""How significant an outlier is at least."""
LIMITS = {"amp_slope": 0.05, "amp_offset": 0.1, "phase_slope": 3.0, "phase_offset": 6.0}
"""How large it is at least: fraction per GHz, fraction, deg per GHz, deg."""
_LEAST_SNR = 3.0
_UNKNOWN_SLOPE = 1e6
_LARGE_PHASE_DEG = 90.0
_SCORE_SCALE = 1.55
LOWEST_SCORES = {"CHECK": 0.85, "": 0.34}
"""Lowest score by intent; that of all others under the empty name."""
_SYMMETRIC_LOWEST = 0.8


@dataclass(frozen=True)
class Line:
    """A line y = offset + slope (nu - nu_mid), nu in GHz.

    Attributes
    ----------
    slope, slope_error : float
        Per GHz.
    offset, offset_error : float
    """

    slope: float
    slope_error: float
    offset: float
    offset_error: float


@dataclass(frozen=True)
class AntennaLines:
    """Lines of one antenna and polarisation: amplitude in the data's unit, phase in degrees."""

    antenna: int
    pol: int
    amp: Line
    phase: Line


@dataclass(frozen=True)
class Outlier:
    """An antenna's polarisation that differs from the others.

    Attributes
    ----------
    antenna, pol : int
    what : str
        ``amp_slope`` [1/GHz], ``amp_offset`` [fraction], ``phase_slope`` [deg/GHz] or ``phase_offset`` [deg].
    value : float
        By how much, in the unit of ``what``.
    sigmas : float
    both_pols : bool
        Of an amplitude offset: whether the mean of the polarisations is off as well.
    """

    antenna: int
    pol: int
    what: str
    value: float
    sigmas: float
    both_pols: bool = True

    @property
    def large(self) -> bool:
        """Whether it is a phase offset of more than 90 degrees."""
        return self.what == "phase_offset" and abs(self.value) > _LARGE_PHASE_DEG


def fit_lines(
    vis: NDArray[np.complexfloating], sigma: NDArray[np.floating], freq_hz: NDArray[np.float64], antenna: int, pol: int
) -> AntennaLines | None:
    r"""Fit lines to the amplitude and the phase of a spectrum.

    Parameters
    ----------
    vis : complex (chan,)
        Averaged over time and an antenna's baselines; nan where there are no data.
    sigma : float (chan,)
        Noise of the real (and of the imaginary) part.
    freq_hz : float64 (chan,)
    antenna, pol : int

    Returns
    -------
    AntennaLines or None
        None without data. Below a median signal to noise of 3 medians are given and the slopes are left open.

    Notes
    -----
    Amplitudes have the error sigma, phases sigma/A. Phases are taken about those of a line found from the spectrum
    itself (the phase of :math:`\sum v_{k+1} v_k^*` is its slope), so that a wrap does no harm.
    """
    good = np.isfinite(vis) & np.isfinite(sigma) & (sigma > 0) & (np.abs(vis) > 0)
    if not good.any():
        return None
    v, s = np.asarray(vis)[good], np.asarray(sigma, float)[good]
    x = (freq_hz[good] - (freq_hz.max() + freq_hz.min()) / 2) / 1e9
    amplitude = np.abs(v)
    if len(v) < 3 or np.median(amplitude / s) <= _LEAST_SNR:
        root = math.sqrt(len(v))
        phase = np.degrees(np.angle(v))
        return AntennaLines(
            antenna, pol,
            Line(0.0, _UNKNOWN_SLOPE, float(np.median(amplitude)), float(amplitude.std() / root)),
            Line(0.0, _UNKNOWN_SLOPE, float(np.median(phase)), float(phase.std() / root)),
        )  # fmt: skip
    return AntennaLines(antenna, pol, _line(x, amplitude, s), _phase_line(x, v, s))


def _line(x: NDArray[np.float64], y: NDArray[np.floating], s: NDArray[np.float64]) -> Line:
    """Fit a weighted line."""
    w = 1.0 / s**2
    total, sx, sxx = w.sum(), (w * x).sum(), (w * x * x).sum()
    sy, sxy = (w * y).sum(), (w * x * y).sum()
    det = total * sxx - sx**2
    return Line(
        float((total * sxy - sx * sy) / det), math.sqrt(total / det),
        float((sxx * sy - sx * sxy) / det), math.sqrt(sxx / det),
    )  # fmt: skip


def _phase_line(x: NDArray[np.float64], v: NDArray[np.complexfloating], s: NDArray[np.float64]) -> Line:
    """Fit a line to phases [deg], about a first line that the spectrum gives by itself."""
    steps = np.diff(x)
    usual = np.median(steps)
    pairs = (v[1:] * v[:-1].conj())[np.abs(steps - usual) < 1e-3 * abs(usual)]
    slope = float(np.angle(pairs.sum()) / usual) if len(pairs) else 0.0
    turned = v * np.exp(-1j * slope * x)
    middle = float(np.angle(turned.sum()))
    left = np.angle(turned * np.exp(-1j * middle))
    fit = _line(x, left, s / np.abs(v))
    degrees = np.degrees
    offset = float(degrees((fit.offset + middle + np.pi) % (2 * np.pi) - np.pi))
    return Line(
        float(degrees(fit.slope + slope)), float(degrees(fit.slope_error)), offset, float(degrees(fit.offset_error))
    )


def find_outliers(lines: Sequence[AntennaLines]) -> list[Outlier]:
    r"""Find antennas and polarisations whose lines differ from the others'.

    Parameters
    ----------
    lines : sequence of AntennaLines
        Of one spw.

    Returns
    -------
    list of Outlier
        By antenna, polarisation and kind.

    Notes
    -----
    Amplitudes are compared with the median of all antennas in their polarisation, phases with zero. An outlier is off
    by more than `LIMITS` and by more than `SIGMAS` times :math:`\sqrt{\sigma_{ref}^2 + \sigma^2}`, with
    :math:`\sigma_{ref} = \sqrt{\pi/2}\,\sigma_{sample}/\sqrt N`.
    """
    out: list[Outlier] = []
    for what in SIGMAS:
        away: dict[int, list[tuple[int, float, float]]] = {}
        for pol in sorted({one.pol for one in lines}):
            for antenna, value, error in _differences([one for one in lines if one.pol == pol], what):
                away.setdefault(antenna, []).append((pol, value, error))
        for antenna, found in away.items():
            mean = float(np.mean([value for _, value, _ in found]))
            error = 1.0 / math.sqrt(sum(e**-2 for *_, e in found)) if all(e > 0 for *_, e in found) else 0.0
            both = what != "amp_offset" or _off(what, mean, error)
            out += [
                Outlier(antenna, pol, what, value, value / e if e > 0 else math.inf, both)
                for pol, value, e in found
                if _off(what, value, e)
            ]
    return sorted(out, key=lambda o: (o.antenna, o.pol, o.what))


def _off(what: str, value: float, error: float) -> bool:
    return abs(value) > LIMITS[what] and abs(value) > SIGMAS[what] * error


def _differences(lines: Sequence[AntennaLines], what: str) -> list[tuple[int, float, float]]:
    """Return antenna, difference from the reference and its error, in the unit of ``what``, of one polarisation."""
    quantity, kind = what.split("_")
    values = np.array([getattr(getattr(one, quantity), kind) for one in lines])
    errors = np.array([getattr(getattr(one, quantity), f"{kind}_error") for one in lines])
    reference, sample = robust(values) if quantity == "amp" else (0.0, 0.0)
    flux = float(np.median([one.amp.offset for one in lines]))
    unit = 1.0 / flux if quantity == "amp" and flux > 0 else 1.0
    sigma = np.hypot(math.sqrt(math.pi / 2) * sample / math.sqrt(len(lines)), errors)
    return [
        (one.antenna, float((v - reference) * unit), float(e * unit))
        for one, v, e in zip(lines, values, sigma, strict=True)
    ]


def robust(values: NDArray[np.floating]) -> tuple[float, float]:
    """Return the median, and a standard deviation by the median deviation, corrected for small samples."""
    n = len(values)
    middle = float(np.median(values))
    correction = 1.0 - 1.0 / (1.32 * n + (-1.5 if n % 2 == 0 else -0.9)) if n > 1 else 1.0
    return middle, float(1.482602218505602 * np.median(np.abs(values - middle)) / correction)


def score_outliers(outliers: Sequence[Outlier], intent: str = "PHASE") -> float:
    r"""Return the score of outliers of one kind.

    Parameters
    ----------
    outliers : sequence of Outlier
    intent : str
        Check sources are not scored below 0.85, others not below 0.34; amplitude offsets that go away in the mean of
        the polarisations, as those of a polarised source do, not below 0.8.

    Returns
    -------
    float
        1 without outliers.

    Notes
    -----
    .. math:: s = 0.33 + \frac{0.67}{2} \left[1 - \mathrm{erf}\left(\log_{10}\frac{q}{1.55}\right)\right]

    with q the largest significance over its limit in `SIGMAS` (hifa/tasks/applycal/qa.py).
    """
    if not outliers:
        return 1.0
    worst = max(abs(o.sigmas) / SIGMAS[o.what] for o in outliers)
    fall = 1.0 if math.isinf(worst) else math.erf(math.log10(worst / _SCORE_SCALE))
    lowest = LOWEST_SCORES.get(intent, LOWEST_SCORES[""])
    if all(o.what == "amp_offset" and not o.both_pols for o in outliers):
        lowest = _SYMMETRIC_LOWEST
    return max(lowest, 0.33 + 0.5 * 0.67 * (1.0 - fall))

"""How precisely gains can be solved for: the pipeline's noise model, and the intervals that reach a signal to noise.

The model scales ALMA's nominal sensitivities to a calibrator's system temperature, exposure, bandwidth and array. It
says what one antenna's gain in one polarisation would be known to; from that follow how long the phases before the
bandpass must be averaged, and over how many channels the bandpass.

Sources: ALMA's pipeline PL2026, hifa/heuristics/snr.py, hifa/tasks/bpsolint/bpsolint.py and
hifa/tasks/bandpass/almaphcorbandpass.py; Cycle 4: the same files in 2016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError

BANDS: dict[int, tuple[float, float]] = {
    1: (56.0, 0.16), 2: (65.0, 0.19), 3: (75.0, 0.20), 4: (86.0, 0.24), 5: (120.0, 0.37),
    6: (90.0, 0.27), 7: (150.0, 0.50), 8: (387.0, 1.29), 9: (1200.0, 5.32), 10: (1515.0, 8.85),
}  # fmt: skip
"""Of each receiver band the nominal system temperature [K], and the sensitivity [mJy] of 16 antennas of 12 m in one
minute, 8 GHz and two polarisations."""

_EDGES_GHZ = {
    1: (31.0, 50.0), 2: (67.0, 84.0), 3: (84.0, 120.0), 4: (120.0, 160.0), 5: (160.0, 211.0),
    6: (211.0, 275.0), 7: (275.0, 380.0), 8: (380.0, 510.0), 9: (590.0, 730.0), 10: (780.0, 960.0),
}  # fmt: skip

_FIDUCIAL_ANTENNAS = 16
_FIDUCIAL_BANDWIDTH_HZ = 8.0e9
_FIDUCIAL_SECONDS = 60.0
_SMALL_DISH = (12.0 / 7.0) ** 2
_LOST_ANTENNAS = {"today": 3, "cycle4": 1}
"""Antennas that a solution for amplitude and phase takes out of the array: N - 3 (Cornwell 1981, VLA memo 135) since
PL2026, N - 1 before."""

PHASEUP_SNR, PHASEUP_SOLUTIONS, PHASEUP_LONGEST_S = 20.0, 2, 60.0
BANDPASS_SNR, BANDPASS_SNR_LINES, BANDPASS_SOLUTIONS, MOST_CHANNELS = 50.0, 20.0, 8, 240

_LINE_STRENGTH, _LINE_SIGMAS, _LINE_CHANNELS = 0.1, 8.0, 3
_ROUNDING = 1e-9


def receiver_band(freq_hz: float) -> int:
    """Return the ALMA band of a sky frequency.

    Parameters
    ----------
    freq_hz : float
        Sky frequency [Hz].

    Returns
    -------
    int
        1 to 10.

    Raises
    ------
    ArgumentError
        The frequency lies in no band.
    """
    for band, (low, high) in _EDGES_GHZ.items():
        if low <= freq_hz / 1e9 < high:
            return band
    raise ArgumentError(f"{freq_hz / 1e9:.3f} GHz lies in none of ALMA's bands 1 to 10 (31 to 960 GHz)")


def gain_noise_jy(
    freq_hz: float,
    *,
    tsys_k: float,
    seconds: float,
    bandwidth_hz: float,
    n12m: int,
    n7m: int = 0,
    flagged: float = 0.0,
    recipe: str = "today",
) -> float:
    r"""Return the noise of one antenna's gain in one polarisation, as a flux density.

    Parameters
    ----------
    freq_hz : float
        Sky frequency [Hz]; chooses the band.
    tsys_k : float
        Median system temperature [K]; 0 or less for the band's nominal one.
    seconds : float
        Exposure of a solution [s].
    bandwidth_hz : float
        Bandwidth of a solution [Hz].
    n12m, n7m : int
        Antennas with dishes of 12 m and of 7 m.
    flagged : float
        Fraction of the data that is flagged.
    recipe : {'today', 'cycle4'}

    Returns
    -------
    float
        [Jy]; infinite where too few antennas are left to solve.

    Raises
    ------
    ArgumentError
        No exposure or bandwidth, or a frequency outside of ALMA's bands.

    Notes
    -----
    .. math:: \sigma = S_b \frac{T}{T_b} \sqrt{\frac{60\,s}{t (1 - f)}} \sqrt{\frac{16 \cdot 15}{2 (N - n)}}\; A
              \sqrt{\frac{8\,GHz}{\Delta\nu}} \sqrt 2

    with the band's :math:`S_b, T_b`, n = 3 (today; Cornwell 1981) or 1 (cycle4), and A the antennas' mean loss of
    area, 1 for 12 m and (12/7)^2 for 7 m (arXiv:2306.07420, eq. 6).
    """
    if not seconds > 0 or not bandwidth_hz > 0:
        raise ArgumentError(f"a noise needs an exposure and a bandwidth, not {seconds} s and {bandwidth_hz} Hz")
    nominal_k, sensitivity_mjy = BANDS[receiver_band(freq_hz)]
    effective = n12m + n7m - _LOST_ANTENNAS[recipe]
    good = 1.0 - flagged
    if effective <= 0 or good <= 0:
        return math.inf
    array = _FIDUCIAL_ANTENNAS * (_FIDUCIAL_ANTENNAS - 1) / (2.0 * effective)
    area = (n12m + n7m * _SMALL_DISH) / (n12m + n7m)
    time = _FIDUCIAL_SECONDS / (seconds * good)
    scale = math.sqrt(array * time * _FIDUCIAL_BANDWIDTH_HZ / bandwidth_hz * 2.0)
    return 1e-3 * sensitivity_mjy * (tsys_k / nominal_k if tsys_k > 0 else 1.0) * area * scale


def combined_snr(snrs: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the signal to noise of spws solved together: the root of the sum of squares.

    Parameters
    ----------
    snrs : sequence of float
        Of the spws; nan (unknown) counts as nothing.
    """
    values = np.asarray(snrs, float)
    return float(np.sqrt(np.sum(values[np.isfinite(values)] ** 2)))


@dataclass(frozen=True)
class PhaseUp:
    """How the phases before a bandpass are solved.

    Attributes
    ----------
    solint : str
        ``int`` or seconds, as gaincal takes it.
    combine : bool
        Whether spws are combined; then phase offsets between them are taken out before.
    snr : float
        What is expected of a solution; of the weakest spw where they are not combined.
    reason : str
    """

    solint: str
    combine: bool
    snr: float
    reason: str


def choose_phaseup(
    snr_integration: Sequence[float],
    bandwidth_hz: Sequence[float],
    integration_s: float,
    exposure_s: float,
    *,
    wanted: float = PHASEUP_SNR,
    least_solutions: int = PHASEUP_SOLUTIONS,
    longest_s: float = PHASEUP_LONGEST_S,
    combine: str = "snr",
    recipe: str = "today",
) -> PhaseUp:
    """Choose the solution interval of the phases before the bandpass, and whether to combine spws.

    Parameters
    ----------
    snr_integration : sequence of float
        Signal to noise per integration of each spw (one tuning); nan where unknown.
    bandwidth_hz : sequence of float
        Of each spw [Hz].
    integration_s, exposure_s : float
        One integration, and all the time on the bandpass calibrator [s].
    wanted : float
    least_solutions : int
        There are to be at least so many intervals.
    longest_s : float
        The longest interval [s].
    combine : {'snr', 'always', 'never'}
        Of the recipe today: combine spws where one needs more than an integration, always, or never.
    recipe : {'today', 'cycle4'}
        Cycle 4 does not combine spws here.

    Returns
    -------
    PhaseUp

    Notes
    -----
    An spw needs (wanted / snr)^2 integrations. Combined, the smallest of these intervals shrinks by its spw's part of
    the bandwidth, and is rounded up to whole integrations.
    """
    snr = np.asarray(snr_integration, float)
    known = np.isfinite(snr) & (snr > 0)
    force = combine == "always" and recipe == "today"
    if not known.any():
        return PhaseUp("int", force, math.nan, "no signal-to-noise estimate: every integration")
    needed = (wanted / snr[known]) ** 2 * integration_s
    too_few = np.floor(math.ceil(exposure_s / integration_s - _ROUNDING) / np.ceil(needed / integration_s - _ROUNDING))
    needed = np.where(too_few < least_solutions, exposure_s / least_solutions, needed)
    together = combined_snr(snr)
    if needed.max() <= integration_s * (1 + _ROUNDING):
        expected = together if force else float(snr[known].min())
        return PhaseUp("int", force, expected, "every integration reaches the signal to noise")
    if recipe == "cycle4" or combine == "never":
        return _uncombined(needed, snr[known], integration_s, longest_s, recipe)
    widths = np.asarray(bandwidth_hz, float)
    best = int(np.argmin(needed))
    if needed[best] <= integration_s * (1 + _ROUNDING):
        return PhaseUp("int", True, together, "spws combined: one of them alone reaches the signal to noise")
    number = math.ceil(needed[best] * widths[known][best] / widths.sum() / integration_s - _ROUNDING)
    if number * integration_s > longest_s:
        number = max(1, round(longest_s / integration_s))
        reason = f"spws combined; what is needed is longer than {longest_s:g} s"
    else:
        reason = "spws combined"
    return PhaseUp(interval_text(number, integration_s), True, math.sqrt(number) * together, reason)


def _uncombined(
    needed: NDArray[np.float64], snr: NDArray[np.float64], each_s: float, longest: float, recipe: str
) -> PhaseUp:
    """Take the longest of the spws' intervals, up to a limit."""
    want = float(needed.max())
    if want > longest:
        # Cycle 4 takes whole integrations off until the interval is short enough; today the limit itself is rounded
        number = math.floor(longest / each_s + _ROUNDING) if recipe == "cycle4" else round(longest / each_s)
        reason = f"{want:.1f} s would be needed, {longest:g} s is the longest"
    else:
        number, reason = math.ceil(want / each_s - _ROUNDING), "the interval of the weakest spw"
    number = max(1, number)
    return PhaseUp(interval_text(number, each_s), False, math.sqrt(number) * float(snr.min()), reason)


def interval_text(integrations: int, integration_s: float) -> str:
    """Spell a number of integrations as gaincal's solint: ``int`` for one, else seconds."""
    return "int" if integrations <= 1 else f"{integrations * integration_s:.3f}s"


@dataclass(frozen=True)
class ChannelInterval:
    """Over how many channels a bandpass is averaged.

    Attributes
    ----------
    channels : int
        Channels of a solution.
    solutions : int
        Solutions across the spw.
    snr : float
        What is expected of a solution.
    reason : str
    """

    channels: int
    solutions: int
    snr: float
    reason: str


def choose_channels(
    snr_channel: float,
    nchan: int,
    *,
    ncorr: int = 2,
    wanted: float = BANDPASS_SNR,
    least_solutions: int = BANDPASS_SOLUTIONS,
    most_channels: int = MOST_CHANNELS,
    even: bool = True,
) -> ChannelInterval:
    """Choose over how many channels the bandpass of an spw is averaged.

    Parameters
    ----------
    snr_channel : float
        Signal to noise of one channel in all the exposure; nan where unknown.
    nchan, ncorr : int
        Channels and correlations of the spw.
    wanted : float
        The signal to noise of a solution.
    least_solutions : int
        There are to be at least so many solutions.
    most_channels : int
        Where there is no estimate: solutions across an FDM spw; 0 for one a channel.
    even : bool
        Choose a number that divides the spw.

    Returns
    -------
    ChannelInterval

    Raises
    ------
    ArgumentError
        There are no channels.
    """
    if nchan < 1:
        raise ArgumentError("an spw without channels has no bandpass")
    if not np.isfinite(snr_channel) or snr_channel <= 0:
        size = nchan // most_channels if ncorr * nchan > 256 and most_channels else 1
        return _interval(max(1, size), nchan, snr_channel, "no signal-to-noise estimate")
    needed = (wanted / snr_channel) ** 2
    size = max(1, math.ceil(min(needed, nchan) - _ROUNDING))
    if even:
        size = next(d for d in range(size, nchan + 1) if nchan % d == 0)
    reason = "one a channel" if size == 1 else "to reach the signal to noise"
    if nchan // size < least_solutions:
        # rounded down as bandpass does with a width
        size, reason = (
            max(1, nchan // least_solutions),
            f"{needed:.0f} channels would be needed; {least_solutions} solutions kept",
        )
    return _interval(size, nchan, snr_channel, reason)


def _interval(size: int, nchan: int, snr: float, reason: str) -> ChannelInterval:
    return ChannelInterval(size, math.ceil(nchan / size), math.sqrt(size) * snr, reason)


def has_strong_line(tsys_k: NDArray[np.float64]) -> bool:
    """Whether a spectrum of system temperatures shows a strong atmospheric line.

    Parameters
    ----------
    tsys_k : float64 (chan,)
        Median over antennas, polarisations and times [K]; nan where flagged, which is bridged linearly.

    Returns
    -------
    bool

    Notes
    -----
    What is left after a running mean over nchan/16 channels is taken off peaks above 10 % of the median, and exceeds 8
    scaled MADs in at least 3 channels in a row.
    """
    spectrum = np.array(tsys_k, float)
    good = np.isfinite(spectrum)
    if not good.any():
        return False
    channel = np.arange(len(spectrum))
    spectrum = np.interp(channel, channel[good], spectrum[good])
    width = len(spectrum) // 16
    if width < 1:
        return False
    smooth = np.convolve(spectrum, np.full(width, 1.0 / width), "same")
    inside = slice(width // 2, width // 2 + len(spectrum) - width + 1)
    left = np.abs(spectrum - smooth)[inside]
    if left.max() < _LINE_STRENGTH * np.median(spectrum[inside]):
        return False
    scatter = 1.4826 * np.median(np.abs(left - np.median(left)))
    return _longest_run(left >= _LINE_SIGMAS * scatter) >= _LINE_CHANNELS


def _longest_run(mask: NDArray[np.bool_]) -> int:
    """Return the length of the longest stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))

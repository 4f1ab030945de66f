"""The flux density of a calibrator between ALMA's measurements of it: getALMAFlux of ALMA's analysisUtils."""

from __future__ import annotations

import dataclasses
import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from atacal.errors import ArgumentError, CatalogueError
from atacal.flux.catalogue import CatalogueSource, Measurement
from atacal.flux.power_law import LogLine, Used, draw, fit_line, mean_line
from atacal.flux.source_names import position

BANDS_GHZ = {
    1: (35.0, 50.0), 2: (67.0, 84.0), 3: (84.0, 116.0), 4: (125.0, 163.0), 5: (163.0, 211.0), 6: (211.0, 275.0),
    7: (275.0, 373.0), 8: (385.0, 500.0), 9: (602.0, 720.0), 10: (787.0, 950.0),
}  # fmt: skip
"""ALMA's bands as they are told apart here: they do not overlap."""
FITS = ("closest", "contemporaneous", "mean")
"""Which measurements give the spectral index; see `estimate`."""
ORIGINS = ("lowband", "highband", "closestInTime", "closestInFrequency")
"""Which band's measurements the flux density is carried over from."""

_PAIR_WINDOW_D = 1800
_ASSUMED_ERROR = 0.1
_STEEPEST = 10


@dataclass(frozen=True)
class FluxEstimate:
    """A source's flux density at a date and frequency.

    Attributes
    ----------
    source : str
        As asked for; ``name`` is the catalogue's.
    date : datetime.date
    freq_hz, flux_jy, flux_error_jy : float
    monte_carlo_jy : float
        The median of the draws from the fit, whose scatter is ``flux_error_jy``.
    spectral_index, spectral_index_error : float
    bands : tuple of 2 ints
        The low and the high band.
    low, high : tuple of Used
        The measurements nearest to the date in both bands.
    pairs : tuple of tuples of Used
        The measurements that the spectral index was fitted to, each pair of days by itself; empty if it was not.
    pair_separation_d : int, optional
        Between the two bands' measurements of a pair.
    mean_age_d, age_difference_d : float
        Of the measurements that the flux density is from, and between those of the two bands.
    origin : str
        The catalogue.
    warnings : list of str
    """

    source: str
    name: str
    date: datetime.date
    freq_hz: float
    flux_jy: float
    flux_error_jy: float
    monte_carlo_jy: float
    spectral_index: float
    spectral_index_error: float
    bands: tuple[int, int]
    low: tuple[Used, ...]
    high: tuple[Used, ...]
    pairs: tuple[tuple[Used, ...], ...]
    pair_separation_d: int | None
    mean_age_d: float
    age_difference_d: float
    origin: str = ""
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def field(self) -> str:
        """The name of the source's field: as it was asked for; if that was a position, as the catalogue has it."""
        return self.name if position(self.source) else self.source

    @property
    def setjy(self) -> str:
        """The command that sets this model."""
        return (
            f"atacal setjy X.ms --field '{self.field}' --standard manual --fluxdensity {self.flux_jy:.6f},0,0,0 "
            f"--spix {self.spectral_index:.6f} --reffreq {self.freq_hz / 1e9:.9g}GHz"
        )


def of_band(source: CatalogueSource, band: int, date: datetime.date) -> list[Used]:
    """Return a source's measurements in a band, the nearest to a date first, of one day the highest frequency."""
    low, high = BANDS_GHZ[band]
    used = [_use(m, date) for m in source.measurements if low * 1e9 <= m.freq_hz <= high * 1e9]
    return sorted(used, key=lambda u: (abs(u.age_d), -u.freq_hz))


def _use(m: Measurement, date: datetime.date) -> Used:
    error = m.error_jy if m.error_jy is not None else _ASSUMED_ERROR * m.flux_jy
    return Used(m.date, (date - m.date).days, m.freq_hz, m.flux_jy, error, m.error_jy is None)


def estimate(
    source: CatalogueSource,
    date: datetime.date,
    freq_hz: float,
    *,
    lowband: int = 3,
    highband: int = 7,
    ignore_low: bool = False,
    ignore_high: bool = False,
    given_low: Measurement | None = None,
    given_high: Measurement | None = None,
    fit: str = "closest",
    interpolate_from: str = "lowband",
    day_window: int = 0,
    default_index: float = -0.7,
    default_index_error: float = 0.2,
    trials: int = 10000,
    separation_threshold_d: float = 14.0,
    greatest_sensible_index: float = 0.0,
) -> FluxEstimate:
    """Estimate a source's flux density at a date and frequency from its measurements in two bands.

    Parameters
    ----------
    source : CatalogueSource
    date : datetime.date
    freq_hz : float
    lowband, highband : int
        ALMA's bands.
    ignore_low, ignore_high : bool
        Leave a band's measurements out.
    given_low, given_high : Measurement, optional
        Taken for the band's nearest measurement, whatever its frequency and date; the catalogue's still give the
        spectral index of ``closest`` and ``mean``.
    fit : str
        ``closest``: the spectral index is that of the two days, one with measurements in the low and one in the high
        band, that are the least apart (of those the nearest to the date); ``mean``: the weighted mean of the indices of
        all pairs of days that are the least apart; ``contemporaneous``: of the measurements nearest to the date.
    interpolate_from : str
        The band (`ORIGINS`) whose measurements nearest to the date are carried over to the frequency.
    day_window : int
        Measurements up to this many days from a band's nearest one are averaged with it.
    default_index, default_index_error : float
        The spectral index if only one band has measurements.
    trials : int
        Draws for the error.
    separation_threshold_d, greatest_sensible_index : float
        Older or more separate measurements, and larger indices, are warned of.

    Returns
    -------
    FluxEstimate

    Raises
    ------
    ArgumentError
    CatalogueError
        If the source has no measurements in either band.

    Notes
    -----
    S = <S_low> (nu / <nu_low>)^alpha with plain means of the low band's measurements of the nearest day (both
    sidebands); alpha is fitted (`fit_line`) to all low measurements of one day and the first high one of the other,
    within 1800 days of the bands' nearest measurements. This is getALMAFlux of ALMA's analysisUtils 1.3984. With one
    band only, it takes the nearest measurement (of one day, the highest frequency) and the default index; our error
    then has that of the index too.
    """
    _check(lowband, highband, fit, interpolate_from, freq_hz, day_window, trials, ignore_low, ignore_high)
    if not abs(default_index) <= _STEEPEST or not 0 <= default_index_error <= _STEEPEST:
        raise ArgumentError(
            f"the spectral index {default_index} +- {default_index_error}: it lies between -{_STEEPEST} and "
            f"{_STEEPEST}, with an error that is not negative"
        )
    every_low = [] if ignore_low else of_band(source, lowband, date)
    every_high = [] if ignore_high else of_band(source, highband, date)
    low = _nearest(every_low, day_window) if given_low is None else [_use(given_low, date)]
    high = _nearest(every_high, day_window) if given_high is None else [_use(given_high, date)]
    if not low and not high:
        raise CatalogueError(
            f"{source.name} has no measurements in Band {lowband} or {highband} to use"
            f"{_has(source, ignore_low, ignore_high)}"
        )
    common = FluxEstimate(
        source.name, source.name, date, freq_hz, 0.0, 0.0, 0.0, default_index, default_index_error, (lowband, highband),
        tuple(low), tuple(high), (), None, 0.0, 0.0,
    )  # fmt: skip
    if low and high:
        found = _of_two_bands(common, every_low or low, every_high or high, fit, interpolate_from, trials)
    else:
        found = _of_one_band(common, trials)
    found.warnings.extend(_warnings(found, separation_threshold_d, greatest_sensible_index, fit))
    return found


def _nearest(every: list[Used], window: int) -> list[Used]:
    """Return those within a window around the first, which is the nearest to the date."""
    return [u for u in every if abs(u.age_d - every[0].age_d) <= window]


def _of_one_band(common: FluxEstimate, trials: int) -> FluxEstimate:
    nearest = (common.low or common.high)[0]
    to_log = 1 / (nearest.flux_jy * math.log(10))
    covariance = np.diag([(nearest.error_jy * to_log) ** 2, common.spectral_index_error**2 + 1e-300])
    line = LogLine(math.log10(nearest.flux_jy), common.spectral_index, math.log10(nearest.freq_hz), covariance)
    _, error = draw(line, common.freq_hz, trials=trials)
    flux = nearest.flux_jy * (common.freq_hz / nearest.freq_hz) ** common.spectral_index
    return replace(
        common, flux_jy=flux, flux_error_jy=error, monte_carlo_jy=flux, mean_age_d=float(nearest.age_d), warnings=[]
    )


def _of_two_bands(
    common: FluxEstimate, every_low: list[Used], every_high: list[Used], fit: str, interpolate_from: str, trials: int
) -> FluxEstimate:
    low, high = common.low, common.high
    apart: int | None = None
    if fit == "contemporaneous":
        pairs = [(*low, *high)]
        age = float(np.mean([abs(u.age_d) for u in pairs[0]]))
    else:
        pairs, apart = _least_apart(every_low, every_high, only_nearest=fit == "closest")
        age = float(np.mean([u.age_d for u in low]))
    lines = [fit_line(p) for p in pairs]
    line, index_error = mean_line(lines)
    start = _start(low, high, common.freq_hz, interpolate_from)
    ratio = common.freq_hz / np.mean([u.freq_hz for u in start])
    median, error = draw(line, common.freq_hz, trials=trials)
    return replace(
        common, flux_jy=float(np.mean([u.flux_jy for u in start]) * ratio**line.slope), flux_error_jy=error,
        monte_carlo_jy=median, spectral_index=line.slope, spectral_index_error=index_error, pairs=tuple(pairs),
        pair_separation_d=apart, mean_age_d=age, age_difference_d=abs(_mean_age(low) - _mean_age(high)), warnings=[],
    )  # fmt: skip


def _mean_age(used: Sequence[Used]) -> float:
    return float(np.mean([u.age_d for u in used]))


def _least_apart(
    every_low: list[Used], every_high: list[Used], *, only_nearest: bool
) -> tuple[list[tuple[Used, ...]], int]:
    """Return the measurements of each pair of days that are the least apart, or of the pair nearest to the date."""
    low, high = _nearest(every_low, _PAIR_WINDOW_D), _nearest(every_high, _PAIR_WINDOW_D)
    by_age: dict[int, list[Used]] = {}
    for u in low:
        by_age.setdefault(u.age_d, []).append(u)
    first_of_day: dict[int, Used] = {}
    for u in high:
        first_of_day.setdefault(u.age_d, u)
    gaps = {(a, b): abs(a - b) for a in sorted(by_age) for b in first_of_day}
    least = min(gaps.values())
    days = [pair for pair, gap in gaps.items() if gap == least]
    if only_nearest:
        days = [min(days, key=lambda pair: abs(pair[0]))]
    return [(*by_age[a], first_of_day[b]) for a, b in days], least


def _start(low: Sequence[Used], high: Sequence[Used], freq_hz: float, interpolate_from: str) -> Sequence[Used]:
    if interpolate_from == "closestInTime":
        return high if abs(_mean_age(low)) > abs(_mean_age(high)) else low
    if interpolate_from == "closestInFrequency":
        far = [abs(freq_hz - m) / (freq_hz + m) for m in (np.mean([u.freq_hz for u in b]) for b in (low, high))]
        return high if far[0] > far[1] else low
    return high if interpolate_from == "highband" else low


def _warnings(found: FluxEstimate, threshold_d: float, greatest: float, fit: str) -> list[str]:
    out = []
    low, high = found.bands
    if not found.low or not found.high:
        missing = low if not found.low else high
        out.append(f"no Band {missing} measurements: spectral index assumed, {found.spectral_index:g}")
    if abs(found.mean_age_d) > threshold_d:
        out.append(f"the measurements are {abs(found.mean_age_d):.0f} days from the date")
    apart = found.age_difference_d if fit == "contemporaneous" else found.pair_separation_d or 0
    if apart > threshold_d:
        out.append(f"Band {low} and {high} were measured {apart:.0f} days apart: the spectral index can be wrong")
    if found.spectral_index > greatest:
        out.append(f"the spectral index, {found.spectral_index:+.2f}, is unusual for a quasar")
    fitted = [u for pair in found.pairs for u in pair]
    if any(u.error_assumed for u in (*found.low, *found.high, *fitted)):
        out.append("some measurements have no error: 10 % assumed")
    if not min(_edge(low), _edge(high)) <= found.freq_hz <= max(_edge(low, 1), _edge(high, 1)):
        out.append(f"extrapolated: {found.freq_hz / 1e9:g} GHz is outside Band {low} to {high}")
    return out


def _edge(band: int, end: int = 0) -> float:
    return BANDS_GHZ[band][end] * 1e9


def _has(source: CatalogueSource, ignore_low: bool, ignore_high: bool) -> str:
    counts = {
        b: sum(lo * 1e9 <= m.freq_hz <= hi * 1e9 for m in source.measurements) for b, (lo, hi) in BANDS_GHZ.items()
    }
    there = ", ".join(f"Band {b} ({n})" for b, n in counts.items() if n)
    ignored = " (one is ignored)" if ignore_low or ignore_high else ""
    return f"{ignored}; it has {there or 'none in any band'}"


def _check(
    lowband: int, highband: int, fit: str, interpolate_from: str, freq_hz: float, day_window: int, trials: int,
    ignore_low: bool, ignore_high: bool,
) -> None:  # fmt: skip
    for name, band in (("lowband", lowband), ("highband", highband)):
        if band not in BANDS_GHZ:
            raise ArgumentError(f"{name}={band!r} is no ALMA band; there are {', '.join(map(str, BANDS_GHZ))}")
    if lowband >= highband:
        raise ArgumentError(f"lowband={lowband} must be below highband={highband}")
    if fit not in FITS:
        raise ArgumentError(f"fit={fit!r}: choose one of {', '.join(FITS)}")
    if interpolate_from not in ORIGINS:
        raise ArgumentError(f"interpolate_from={interpolate_from!r}: choose one of {', '.join(ORIGINS)}")
    if not (math.isfinite(freq_hz) and freq_hz > 0):
        raise ArgumentError(f"a frequency must be positive, not {freq_hz} Hz")
    if day_window < 0 or trials < 2:
        raise ArgumentError(f"day_window={day_window}, trials={trials}: 0 days and 2 trials are the least")
    if ignore_low and ignore_high:
        raise ArgumentError("both bands are ignored: there is nothing to estimate from")

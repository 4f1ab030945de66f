"""Lines of the target in its system temperatures, found by comparison with those of the bandpass calibrator.

The purpose, the limits in sigma and kelvin, and the kinds of features are those of the pipeline's
hifa_tsysflagcontamination (extern/tsys_contamination.py, version 3.5, PL2026). How the air between two elevations is
taken out is this module's own: for each antenna and polarisation the difference of the two spectra is fitted by a cubic
and by the bandpass calibrator's own spectrum and its square (the air's lines grow alike in both), instead of by a model
of the atmosphere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import legendre
from numpy.typing import NDArray

from atacal.errors import ArgumentError

_ROUNDS = 10
"""Fits, each without the channels in which the one before left a line."""
_MOST = 0.6
"""Share of the channels that may be left out of a fit."""
_LIGHT_KM_S = 299792.458


@dataclass(frozen=True)
class ContaminationLimits:
    """Limits of hifa_tsysflagcontamination.

    Attributes
    ----------
    remove_n_extreme : int
        Spectra left out at each end, channel by channel, when antennas and polarisations are averaged.
    relative_detection_factor : float
        Lines below this fraction of the median Tsys do no harm.
    nsigma, nsigma_many : float
        Height of a peak that is a line, with 128 channels and with 4096; between, by the number of channels.
    edge : float
        Fraction of the channels at each end that is not searched.
    wide_fraction, wide_km_s : float
        Features wider than this fraction of the spw, or than this velocity, are told, not flagged.
    common_ratio : float
        A feature that the bandpass calibrator has, too, with at least this ratio of the heights, is the air's.
    """

    remove_n_extreme: int = 2
    relative_detection_factor: float = 0.005
    nsigma: float = 5.0
    nsigma_many: float = 6.0
    edge: float = 0.025
    wide_fraction: float = 0.25
    wide_km_s: float = 520.0
    common_ratio: float = 0.4

    def detection(self, nchan: int) -> float:
        """Return the height of a line in sigma for so many channels."""
        return self.nsigma + (self.nsigma_many - self.nsigma) * _many(nchan)


@dataclass(frozen=True)
class Feature:
    """Channels in which the source's Tsys is above what the air explains.

    Attributes
    ----------
    kind : {'line', 'telluric', 'low', 'wide', 'beside'}
        Only a 'line' is to be flagged.
    first, last : int
        Channels.
    peak : int
        Channel of the peak.
    nsigma, kelvin : float
        Height of the peak.
    width_km_s : float
        Width of the channels together.
    """

    kind: str
    first: int
    last: int
    peak: int
    nsigma: float
    kelvin: float
    width_km_s: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two fields' Tsys of one spw compared.

    Attributes
    ----------
    source, reference : float64 (chan,)
        Means of the spectra [K].
    residual : float64 (chan,)
        Mean of source - reference - fit [K].
    sigma : float64 (chan,)
        Its noise [K].
    features : list of Feature
    limit : float
        Height of a line in sigma.
    """

    source: NDArray[np.float64]
    reference: NDArray[np.float64]
    residual: NDArray[np.float64]
    sigma: NDArray[np.float64]
    features: list[Feature]
    limit: float

    def flag(self) -> NDArray[np.bool_]:
        """Return the channels of lines, bool (chan,)."""
        hit = np.zeros(len(self.residual), bool)
        for f in self.features:
            if f.kind == "line":
                hit[f.first : f.last + 1] = True
        return hit


def compare(
    source: NDArray[np.float64],
    reference: NDArray[np.float64],
    chan_freq_hz: NDArray[np.float64],
    limits: ContaminationLimits | None = None,
    telluric: NDArray[np.bool_] | None = None,
) -> Comparison:
    """Find what the Tsys of a field has and that of the bandpass calibrator has not.

    Parameters
    ----------
    source : float64 (n, chan)
        Spectra of the field [K], nan where flagged; one for each antenna, polarisation and measurement.
    reference : float64 (n, chan)
        For each of them the bandpass calibrator's, of the same antenna and polarisation.
    chan_freq_hz : float64 (chan,)
        [Hz].
    limits : ContaminationLimits, optional
        The pipeline's by default.
    telluric : bool (chan,), optional
        Channels of lines of the air, where nothing is taken for the target's.

    Returns
    -------
    Comparison
        Residual, noise and features.

    Raises
    ------
    ArgumentError
        The shapes differ, or no spectrum has 16 channels that are unflagged in both.
    """
    limits = limits or ContaminationLimits()
    if source.shape != reference.shape or source.shape[1] != len(chan_freq_hz):
        raise ArgumentError(
            f"Tsys to compare: {source.shape} and {reference.shape} spectra, {len(chan_freq_hz)} channels"
        )
    nchan = source.shape[1]
    if nchan < 16:
        raise ArgumentError(f"lines cannot be found in Tsys of {nchan} channels; at least 16 are needed")
    usable = np.isfinite(source - reference).sum(axis=1) >= 16
    if not usable.any():
        raise ArgumentError("Tsys to compare: no spectrum has 16 channels unflagged in both fields")
    source, reference = source[usable], reference[usable]
    telluric = np.zeros(nchan, bool) if telluric is None else telluric
    limit, base = limits.detection(nchan), 2.0 - _many(nchan)
    difference = _trimmed_mean(source - reference, limits.remove_n_extreme)
    mean_s = _trimmed_mean(source, limits.remove_n_extreme)
    mean_r = _trimmed_mean(reference, limits.remove_n_extreme)
    air = telluric | _common(mean_s, mean_r, limits.common_ratio)
    left_out = np.zeros(nchan, bool)
    for _ in range(_ROUNDS):
        residual = _trimmed_mean(_residuals(source, reference, left_out), limits.remove_n_extreme)
        lines = _strongest(residual / _neighbours(residual, left_out), left_out, base, limit, air)
        if (lines == left_out).all() or lines.mean() > _MOST:
            break
        left_out = lines
    sigma = _noise(residual, left_out, difference)
    runs = _runs(residual / sigma, base, limit, limits.edge)
    features = [_feature(run, residual, sigma, mean_s, chan_freq_hz, limits, air) for run in runs]
    return Comparison(mean_s, mean_r, residual, sigma, _widened(_beside(features), nchan), limit)


def _many(nchan: int) -> float:
    """Return 0 for 128 channels (and fewer), 1 for 4096 (and more), by which limits change with the channels."""
    return float(np.clip((nchan - 128) / (4096 - 128), 0.0, 1.0))


def _residuals(
    source: NDArray[np.float64], reference: NDArray[np.float64], left_out: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return source - reference less a cubic and multiples of the reference and its square, spectrum by spectrum."""
    nchan = source.shape[1]
    difference = source - reference
    smooth = legendre.legvander(np.linspace(-1, 1, nchan), 3)
    scale = np.nanmedian(reference, axis=1, keepdims=True)
    shape = np.nan_to_num(reference / scale - 1.0)
    terms = np.concatenate(
        [np.broadcast_to(smooth, (len(source), nchan, 4)), shape[..., None], shape[..., None] ** 2], axis=2
    )
    weight = (np.isfinite(difference) & ~left_out).astype(float)
    known = np.nan_to_num(difference)
    normal = np.einsum("nc,nci,ncj->nij", weight, terms, terms)
    right = np.einsum("nc,nci,nc->ni", weight, terms, known)
    ridge = 1e-9 * np.trace(normal, axis1=1, axis2=2)[:, None, None] * np.eye(terms.shape[2])  # a flat reference
    found = np.linalg.solve(
        normal + ridge + (normal.sum(axis=(1, 2)) == 0)[:, None, None] * np.eye(terms.shape[2]), right[..., None]
    )
    return difference - (terms @ found)[..., 0]


def _trimmed_mean(spectra: NDArray[np.float64], extreme: int) -> NDArray[np.float64]:
    """Return the mean over spectra without the lowest and highest in each channel; nan where none is left."""
    order = np.sort(spectra, axis=0)  # nan last
    count = np.isfinite(spectra).sum(axis=0)
    cut = np.where(count > 4 * extreme, extreme, 0)
    at = np.arange(len(spectra))[:, None]
    keep = (at >= cut) & (at < count - cut)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(keep, np.nan_to_num(order), 0.0).sum(axis=0) / keep.sum(axis=0)


def _neighbours(residual: NDArray[np.float64], left_out: NDArray[np.bool_]) -> float:
    """Return the noise of channels against their neighbours [K]."""
    steps = np.diff(np.where(left_out, np.nan, residual))
    floor = 1e-6 * max(float(np.nanmax(np.abs(residual))), 1e-6)
    return max(1.4826 * float(np.nanmedian(np.abs(steps - np.nanmedian(steps)))) / np.sqrt(2), floor)


def _noise(
    residual: NDArray[np.float64], left_out: NDArray[np.bool_], difference: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the noise of the residual: against neighbours or as a whole, and 1 % of the difference's structure."""
    good = np.where(left_out, np.nan, residual)
    whole = 1.4826 * float(np.nanmedian(np.abs(good - np.nanmedian(good))))
    structure = np.nan_to_num(difference - np.nanmedian(difference))
    return np.hypot(max(_neighbours(residual, left_out), whole), 0.01 * structure * ~left_out)


def _strongest(
    height: NDArray[np.float64], left_out: NDArray[np.bool_], base: float, limit: float, air: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return the channels to be left out of the next fit.

    Those left out before that still stand out, and of what is new the strongest: a broad line bends the first fits, and
    what seems to stand out elsewhere is gone when the line is left out. The air's lines stay: the fit is to be of them.
    """
    mask = np.zeros(len(height), bool)
    new = []
    for first, last in _runs(height, base, limit, 0.0):
        if air[first + int(np.nanargmax(height[first : last + 1]))]:
            continue
        if left_out[first : last + 1].any():
            mask[first : last + 1] = True
        else:
            new.append((float(np.nanmax(height[first : last + 1])), first, last))
    strongest = max((peak for peak, _, _ in new), default=0.0)
    for peak, first, last in new:
        if peak > 0.5 * strongest:
            mask[first : last + 1] = True
    return mask


def _runs(height: NDArray[np.float64], base: float, limit: float, edge: float) -> list[tuple[int, int]]:
    """Return the channels in a row above `base` with a peak above `limit`, without the edges of the spectrum."""
    nchan = len(height)
    inner = np.abs(np.arange(nchan) - (nchan - 1) / 2) <= (0.5 - edge) * nchan
    above = inner & (np.nan_to_num(height, nan=-np.inf) > base)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], above, [False]]).astype(int))).reshape(-1, 2)
    return [(a, b - 1) for a, b in edges.tolist() if np.nanmax(height[a:b]) > limit]


def _feature(
    run: tuple[int, int],
    residual: NDArray[np.float64],
    sigma: NDArray[np.float64],
    source: NDArray[np.float64],
    freq_hz: NDArray[np.float64],
    limits: ContaminationLimits,
    air: NDArray[np.bool_],
) -> Feature:
    """Tell what kind of feature a run of channels is."""
    first, last = run
    chans = np.arange(first, last + 1)
    peak = int(chans[np.nanargmax(residual[chans])])
    kelvin = float(residual[peak])
    width = len(chans) * abs(freq_hz[1] - freq_hz[0]) / freq_hz[peak] * _LIGHT_KM_S
    kind = "line"
    if air[peak]:
        kind = "telluric"
    elif kelvin < limits.relative_detection_factor * float(np.nanmedian(source)):
        kind = "low"
    elif len(chans) > limits.wide_fraction * len(residual) or width >= limits.wide_km_s:
        kind = "wide"
    return Feature(kind, first, last, peak, kelvin / float(sigma[peak]), kelvin, float(width))


def _common(source: NDArray[np.float64], reference: NDArray[np.float64], ratio: float) -> NDArray[np.bool_]:
    """Return the channels at which the reference rises above its surroundings, not much less than the source does.

    Surroundings of several widths are tried, as lines of the air are narrow (ozone) or wide (water).
    """
    nchan = len(source)
    tolerance = 1 + int(31 * _many(nchan))
    noise = _neighbours(reference, np.zeros(nchan, bool))
    found = np.zeros(nchan, bool)
    for reach in (nchan // 32, nchan // 16, nchan // 8, nchan // 4):
        rise_s, rise_r = (_rise(spectrum, reach) for spectrum in (source, reference))
        with np.errstate(invalid="ignore"):
            found |= (rise_r > 4 * noise) & (rise_s > 0) & (rise_r > ratio * rise_s)
    wide = np.convolve(found, np.ones(2 * tolerance + 1), mode="same")
    return wide > 0


def _rise(spectrum: NDArray[np.float64], reach: int) -> NDArray[np.float64]:
    """Return how far each channel is above the line between the channels `reach` before and after it."""
    at = np.arange(len(spectrum))
    before, after = np.maximum(at - reach, 0), np.minimum(at + reach, len(spectrum) - 1)
    share = (at - before) / np.maximum(after - before, 1)
    return spectrum - (spectrum[before] * (1 - share) + spectrum[after] * share)


def _beside(features: list[Feature]) -> list[Feature]:
    """Return the features, those lower than a wide one told apart: such a line bends the fit everywhere."""
    wide = max((f.kelvin for f in features if f.kind == "wide"), default=0.0)
    return [replace(f, kind="beside") if f.kind == "line" and f.kelvin < wide else f for f in features]


def _widened(features: list[Feature], nchan: int) -> list[Feature]:
    """Return the features, lines with many channels widened for their wings."""
    wing = int(16 * _many(nchan))
    return [
        replace(f, first=max(f.first - wing, 0), last=min(f.last + wing, nchan - 1)) if f.kind == "line" else f
        for f in features
    ]

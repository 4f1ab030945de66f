"""Deviant spectra of system temperatures: the six metrics of the pipeline's hifa_tsysflag.

Each metric makes views, judges them, and flags; the next sees the flags of those before. What one polarisation
deserves both get. Sources: ALMA's pipeline, h/tasks/tsysflag/tsysflag.py and hifa/tasks/tsysflag/tsysflag.py (Cycle 4
and PL2026), h/tasks/common/viewflaggers.py.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from atacal.heuristics.gain_views import checked_order
from atacal.heuristics.view_rules import MaxAbs, NMedian, TooManyEntirely, TooManyFlags
from atacal.heuristics.views import Proposal, Rule, View, flag_view

METRICS = ("nmedian", "derivative", "edgechans", "fieldshape", "birdies", "toomany")
REFERENCE_LINE = 0.05
"""Steps between channels of a normalised reference spectrum above which it is thought to have a line there."""


@dataclass(frozen=True)
class TsysLimits:
    """Parameters of hifa_tsysflag, by their names and with today's defaults.

    Attributes
    ----------
    flag_nmedian, fnm_limit, fnm_byfield
        Medians above `fnm_limit` times the median of the view, in views for each field or for all together.
    flag_derivative, fd_max_limit
        100 times the MAD of the differences of neighbouring channels (of the spectrum over its median).
    flag_edgechans, fe_edge_limit, edge_by_intent
        Edge channels that differ from their neighbour by more than `fe_edge_limit` times the median difference, in the
        median spectrum of all, and (`edge_by_intent`) of those of the bandpass and the amplitude calibrator alone.
    flag_fieldshape, ff_refintent, ff_max_limit
        100 times the mean deviation from the antenna's median spectrum in the fields of an intent.
    flag_birdies, fb_sharps_limit
        Steps between channels of the antenna's median spectrum less that of all antennas.
    flag_toomany, tmf1_limit, tmef1_limit
        Fractions of antennas flagged at a time, and of antennas flagged at all times.
    metric_order : str
        In which order the metrics are used.
    """

    flag_nmedian: bool = True
    fnm_limit: float = 2.0
    fnm_byfield: bool = True
    flag_derivative: bool = True
    fd_max_limit: float = 13.0
    flag_edgechans: bool = True
    fe_edge_limit: float = 3.0
    edge_by_intent: bool = True
    flag_fieldshape: bool = True
    ff_refintent: str = "BANDPASS"
    ff_max_limit: float = 13.0
    flag_birdies: bool = True
    fb_sharps_limit: float = 0.15
    flag_toomany: bool = True
    tmf1_limit: float = 0.666
    tmef1_limit: float = 0.666
    metric_order: str = ", ".join(METRICS)

    def order(self) -> list[str]:
        """Return the metrics that are used, in their order."""
        return checked_order(self.metric_order, {m: getattr(self, f"flag_{m}") for m in METRICS})


TSYS: dict[str, TsysLimits] = {
    "today": TsysLimits(),
    "cycle4": TsysLimits(
        fnm_byfield=False, fd_max_limit=5.0, edge_by_intent=False, ff_max_limit=5.0, fb_sharps_limit=0.05
    ),
}
"""Defaults by recipe."""


@dataclass(frozen=True, eq=False)
class TsysSpectra:
    """The spectra of one spw.

    Attributes
    ----------
    spw : int
    value : float64 (time, antenna, chan, pol)
        System temperatures [K].
    flag : bool (time, antenna, chan, pol)
    present : bool (time, antenna)
        Whether there is a measurement.
    time_mjd_s : float64 (time,)
    field : int (time,)
        Field ids.
    pols : tuple of str
    field_names : tuple of str, optional
        By id, for the views' identity; ids otherwise.
    """

    spw: int
    value: NDArray[np.float64]
    flag: NDArray[np.bool_]
    present: NDArray[np.bool_]
    time_mjd_s: NDArray[np.float64]
    field: NDArray[np.int64]
    pols: tuple[str, ...]
    field_names: tuple[str, ...] = ()

    def normalised(self) -> NDArray[np.float64]:
        """Return the spectra over their medians, nan where flagged, float64 (time, antenna, chan, pol)."""
        good = np.where(self.flag, np.nan, self.value)
        with np.errstate(divide="ignore", invalid="ignore"):
            return good / _median(good, axis=2, keepdims=True)


@dataclass(frozen=True, eq=False)
class MetricFlags:
    """What one metric saw and found.

    Attributes
    ----------
    metric : str
    views : list of View
    proposals : list of Proposal
    flag : bool (time, antenna, chan, pol)
        Newly flagged by this metric.
    """

    metric: str
    views: list[View]
    proposals: list[Proposal]
    flag: NDArray[np.bool_]


def flag_tsys(
    spectra: TsysSpectra,
    limits: TsysLimits,
    *,
    reference_fields: Iterable[int],
    edge_fields: Mapping[str, Iterable[int]] | None = None,
    exempt: NDArray[np.bool_] | None = None,
) -> list[MetricFlags]:
    """Judge the spectra of an spw by all metrics that are used.

    Parameters
    ----------
    spectra : TsysSpectra
        Of one spw.
    limits : TsysLimits
        Metrics and limits.
    reference_fields : iterable of int
        Fields of the reference intent (fieldshape).
    edge_fields : mapping of str to iterable of int, optional
        Fields of intents of which edgechans looks at the median spectrum, beside that of all fields.
    exempt : bool (chan,), optional
        Channels in which sharp features are the air's (ozone), left alone by birdies.

    Returns
    -------
    list of MetricFlags
        One for each metric, in their order.
    """
    found = []
    for metric in limits.order():
        if metric == "edgechans":
            groups = {"all": None, **({k: tuple(v) for k, v in (edge_fields or {}).items()})}
            result = _edges(spectra, limits, groups if limits.edge_by_intent else {"all": None})
        elif metric == "birdies":
            result = _birdies(spectra, limits, exempt)
        else:
            result = _matrix(metric, spectra, limits, tuple(reference_fields))
        found.append(result)
        spectra = replace(spectra, flag=spectra.flag | result.flag)
    return found


def _matrix(metric: str, spectra: TsysSpectra, limits: TsysLimits, reference: tuple[int, ...]) -> MetricFlags:
    """Judge a metric that is one number for each antenna and time."""
    rules: dict[str, list[Rule]] = {
        "nmedian": [NMedian(0.0, limits.fnm_limit)],
        "derivative": [MaxAbs(limits.fd_max_limit)],
        "fieldshape": [MaxAbs(limits.ff_max_limit)],
        "toomany": [TooManyFlags("antenna", limits.tmf1_limit), TooManyEntirely("antenna", limits.tmef1_limit)],
    }
    if metric in ("nmedian", "toomany"):
        number, quantity, unit = _median(np.where(spectra.flag, np.nan, spectra.value), axis=2), "median Tsys", "K"
    elif metric == "derivative":
        number, quantity, unit = derivative(spectra), "100 MAD of steps", ""
    else:
        number, quantity, unit = field_shape(spectra, reference), "100 |shape - reference|", ""
    by_field = metric == "nmedian" and limits.fnm_byfield
    views, proposals, new = [], [], np.zeros_like(spectra.flag)
    for field in np.unique(spectra.field).tolist() if by_field else [None]:
        times = np.arange(len(spectra.field)) if field is None else np.flatnonzero(spectra.field == field)
        for p, pol in enumerate(spectra.pols):
            values = number[times, :, p].T
            about = {"metric": metric, "spw": spectra.spw, "pol": pol, "quantity": quantity, "unit": unit}
            view = View(
                values, ~np.isfinite(values), ("antenna", "time"),
                (range(values.shape[0]), spectra.time_mjd_s[times].tolist()),
                about if field is None else {**about, "field": _field(spectra, field)}, ~spectra.present[times].T,
            )  # fmt: skip
            judged = flag_view(view, rules[metric])
            views.append(view)
            proposals += judged.proposals
            for hit in judged.proposals:
                new[np.ix_(times[hit.y], hit.x)] = True
    return MetricFlags(metric, views, proposals, new & ~spectra.flag)


def _field(spectra: TsysSpectra, field: int) -> str | int:
    return spectra.field_names[field] if spectra.field_names else field


def derivative(spectra: TsysSpectra) -> NDArray[np.float64]:
    """Return 100 times the MAD of the differences of neighbouring channels of Tsys / median, (time, antenna, pol)."""
    steps = np.diff(spectra.normalised(), axis=2)
    return 100 * _median(np.abs(steps - _median(steps, axis=2, keepdims=True)), axis=2)


def field_shape(spectra: TsysSpectra, reference_fields: tuple[int, ...]) -> NDArray[np.float64]:
    """Return 100 times the mean deviation of Tsys / median from the antenna's reference, float64 (time, antenna, pol).

    The reference is the antenna's median over the times of the reference fields, without the channels where it makes
    steps above `REFERENCE_LINE`; nan where there is none.
    """
    shape = spectra.normalised()
    reference = _median(shape[np.isin(spectra.field, reference_fields)], axis=0)
    with np.errstate(invalid="ignore"):
        step = np.abs(np.diff(reference, axis=1)) > REFERENCE_LINE
    line = np.zeros(reference.shape, bool)
    line[:, :-1] |= step
    line[:, 1:] |= step
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # all nan: nan
        return 100 * np.nanmean(np.abs(shape - np.where(line, np.nan, reference)), axis=2)


def _edges(spectra: TsysSpectra, limits: TsysLimits, groups: Mapping[str, tuple[int, ...] | None]) -> MetricFlags:
    """Judge the edges of median spectra; what is found in any is flagged in the whole spw."""
    shape, names, medians = spectra.normalised(), [], []
    for name, fields in groups.items():
        times = slice(None) if fields is None else np.isin(spectra.field, fields)
        median = _median(np.moveaxis(shape[times], 2, -1).reshape(-1, shape.shape[2]), axis=0)
        if np.isfinite(median).any():
            names.append(name)
            medians.append(median)
    values = np.array(medians).reshape(-1, shape.shape[2]).T
    about = {"metric": "edgechans", "spw": spectra.spw, "quantity": "median Tsys / median", "unit": ""}
    view = View(values, ~np.isfinite(values), ("channel", "intent"), (range(len(values)), names), about)
    proposals, new = [], np.zeros_like(spectra.flag)
    for j in range(len(names)):
        for backwards in (False, True):
            spectrum = values[::-1, j] if backwards else values[:, j]
            width, step = edge_channels(spectrum, limits.fe_edge_limit)
            if width:
                chans = np.arange(len(values) - width, len(values)) if backwards else np.arange(width)
                proposals.append(
                    Proposal("edges", chans, np.array([j]), step, limits.fe_edge_limit,
                             "step to the next channel / median step", view)
                )  # fmt: skip
                new[:, :, chans] = True
    return MetricFlags("edgechans", [view], proposals, new & ~spectra.flag)


def edge_channels(spectrum: NDArray[np.float64], limit: float) -> tuple[int, float]:
    """Return how many channels at the start of a spectrum belong to its edge, and the largest step among them.

    From the outside inwards in the first quarter, until the step to the next channel is below `limit` times the median
    step of that quarter.

    Parameters
    ----------
    spectrum : float64 (chan,)
        nan where flagged.
    limit : float
        In median steps.

    Returns
    -------
    int, float
        Channels of the edge, the largest step in median steps. One channel where no step is small enough.
    """
    quarter = spectrum[: len(spectrum) // 4]
    at = np.flatnonzero(np.isfinite(quarter))
    if len(at) < 2:
        return 0, 0.0
    steps = np.abs(np.diff(quarter[at]))
    usual = float(np.median(steps))
    small = np.flatnonzero(steps < limit * usual)
    if not usual:
        return 0, 0.0
    width = int(at[small[0]]) if small.size else 1
    return width, float(steps[: max(width, 1)].max() / usual)


def _birdies(spectra: TsysSpectra, limits: TsysLimits, exempt: NDArray[np.bool_] | None) -> MetricFlags:
    """Judge antennas' median spectra less that of all; what is found is flagged for the antenna at all times."""
    shape = spectra.normalised()  # (time, antenna, chan, pol)
    nchan = shape.shape[2]
    everything = _median(np.moveaxis(shape, 2, -1).reshape(-1, nchan), axis=0)
    by_antenna = _median(np.moveaxis(shape, 1, 0).swapaxes(2, 3).reshape(shape.shape[1], -1, nchan), axis=1)
    values = (by_antenna - everything).T
    leave = ~np.isfinite(values) if exempt is None else ~np.isfinite(values) | exempt[:, None]
    about = {"metric": "birdies", "spw": spectra.spw, "quantity": "shape less that of all", "unit": ""}
    view = View(values, leave, ("channel", "antenna"), (range(nchan), range(values.shape[1])), about)
    proposals, new = [], np.zeros_like(spectra.flag)
    for antenna in range(values.shape[1]):
        for chans, step in sharp_features(
            np.where(leave[:, antenna], np.nan, values[:, antenna]), limits.fb_sharps_limit
        ):
            proposals.append(
                Proposal("sharps", chans, np.array([antenna]), step, limits.fb_sharps_limit,
                         "largest step between channels", view)
            )  # fmt: skip
            new[:, antenna, chans] = True
    return MetricFlags("birdies", [view], proposals, new & ~spectra.flag)


def sharp_features(spectrum: NDArray[np.float64], limit: float) -> list[tuple[NDArray[np.int64], float]]:
    """Return the channels of each sharp feature and its largest step.

    A feature has a step between channels above `limit`; it takes in the neighbours whose steps are above twice the
    median of all steps that are below the limit.

    Parameters
    ----------
    spectrum : float64 (chan,)
        nan where not judged.
    limit : float
        Of the steps.

    Returns
    -------
    list of (int64 (n,), float)
        Channels in a row, largest step.
    """
    steps = np.abs(np.diff(spectrum))
    known = np.isfinite(steps)
    sharp = known & (np.where(known, steps, 0.0) > limit)
    if not sharp.any():
        return []
    rest = steps[known & ~sharp]
    wide = known & (np.where(known, steps, 0.0) > 2 * np.median(rest)) if rest.size else sharp
    edges = np.flatnonzero(np.diff(np.concatenate([[False], wide | sharp, [False]]).astype(int)))
    found = []
    for first, after in edges.reshape(-1, 2).tolist():
        if sharp[first:after].any():
            found.append((np.arange(first, after + 1), float(steps[first:after].max())))
    return found


def _median(values: NDArray[np.float64], axis: int, keepdims: bool = False) -> NDArray[np.float64]:
    """Return medians of what is not nan; nan where nothing is."""
    if not values.shape[axis]:
        shape = [n for i, n in enumerate(values.shape) if i != axis]
        return np.full(shape, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=axis, keepdims=keepdims))

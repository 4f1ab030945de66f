"""Antennas whose gain amplitudes stand out: the views and rules of the pipeline's hif_lowgainflag and hif_gainflag.

Sources: ALMA's pipeline, hif/tasks/lowgainflag/lowgainflag.py (Cycle 4 and PL2026) and, of Cycle 4, hif/tasks/gainflag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.heuristics.view_rules import MaxAbs, NMedian, TooManyEntirely
from atacal.heuristics.views import Rule, View


@dataclass(frozen=True)
class LowGainLimits:
    """Parameters of hif_lowgainflag, by their names.

    Attributes
    ----------
    flag_nmedian : bool
        Flag gains outside of `fnm_lo_limit` to `fnm_hi_limit` times the median of the view.
    fnm_lo_limit, fnm_hi_limit : float
        Factors of the median.
    tmef1_limit : float
        With at least this fraction of antennas without any solution, the whole spw is flagged; above 1 never.
    min_nants_threshold : int
        Antennas of one diameter that are needed for a view.
    niter : int
        Rounds of solving, looking and flagging.
    least_snr : float
        Typical signal to noise of the gains of an spw below which nothing can be said of them. Not of the pipeline,
        which flags nearly everything then.
    """

    flag_nmedian: bool = True
    fnm_lo_limit: float = 0.5
    fnm_hi_limit: float = 1.5
    tmef1_limit: float = 0.666
    min_nants_threshold: int = 5
    niter: int = 2
    least_snr: float = 10.0

    def rules(self) -> list[Rule]:
        """Return the rules, in their order."""
        rules: list[Rule] = [NMedian(self.fnm_lo_limit, self.fnm_hi_limit)] if self.flag_nmedian else []
        if self.tmef1_limit <= 1.0:
            rules.append(TooManyEntirely("antenna", self.tmef1_limit, even_all=True))
        return rules


LOW_GAIN: dict[str, LowGainLimits] = {
    "today": LowGainLimits(),
    "cycle4": LowGainLimits(
        fnm_lo_limit=0.7, fnm_hi_limit=1.3, tmef1_limit=np.inf, min_nants_threshold=1, niter=1, least_snr=0.0
    ),
}
"""Defaults by recipe."""


def gain_view(
    amplitude: NDArray[np.float64],
    flag: NDArray[np.bool_],
    antennas: Sequence[int],
    scans: Sequence[int],
    identity: Mapping[str, Any],
) -> View:
    """Return the view of gain amplitudes of one spw.

    Parameters
    ----------
    amplitude : float64 (antenna, scan)
        Gain amplitudes, one a scan, of both polarisations together (gaintype T).
    flag : bool (antenna, scan)
        No solution.
    antennas, scans : sequence of int
        Antenna ids and scan numbers.
    identity : mapping
        spw, intent, diameter.

    Returns
    -------
    View
        'antenna' by 'scan'.
    """
    about = {"quantity": "gain amplitude", "unit": "", **identity}
    return View(np.asarray(amplitude, float), flag, ("antenna", "scan"), (list(antennas), list(scans)), about)


@dataclass(frozen=True)
class GainLimits:
    """Parameters of hif_gainflag (Cycle 4), by their names and with their defaults.

    Attributes
    ----------
    flag_mediandeviant, flag_rmsdeviant, flag_nrmsdeviant : bool
        Which metrics are used.
    fmeddev_limit, frmsdev_limit, fnrmsdev_limit : float
        Values of the metrics above which an antenna is flagged.
    metric_order : str
        In which order they are used.
    """

    flag_mediandeviant: bool = False
    fmeddev_limit: float = 3.0
    flag_rmsdeviant: bool = False
    frmsdev_limit: float = 8.0
    flag_nrmsdeviant: bool = True
    fnrmsdev_limit: float = 6.0
    metric_order: str = "mediandeviant, rmsdeviant, nrmsdeviant"

    def rules(self) -> list[tuple[str, Rule]]:
        """Return metrics and their rules, in the order asked for.

        Raises
        ------
        ArgumentError
            `metric_order` names what is no metric, or leaves out one that is to be used.
        """
        used = {
            "mediandeviant": (self.flag_mediandeviant, self.fmeddev_limit),
            "rmsdeviant": (self.flag_rmsdeviant, self.frmsdev_limit),
            "nrmsdeviant": (self.flag_nrmsdeviant, self.fnrmsdev_limit),
        }
        order = checked_order(self.metric_order, {m: on for m, (on, _) in used.items()})
        return [(m, MaxAbs(used[m][1], signed=True)) for m in order]


def checked_order(metric_order: str, used: Mapping[str, bool]) -> list[str]:
    """Return the metrics that are used, in the order of a comma-separated list.

    Parameters
    ----------
    metric_order : str
        Names, each of which must be known.
    used : mapping of str to bool
        Whether each metric is used.

    Returns
    -------
    list of str
        The names of the used metrics.

    Raises
    ------
    ArgumentError
        A name is not known, or a metric that is used has no place in the order.
    """
    order = [m.strip() for m in metric_order.split(",") if m.strip()]
    if strange := [m for m in order if m not in used]:
        raise ArgumentError(f"metric_order: {', '.join(strange)}: no such metric; there are {', '.join(used)}")
    if missing := [m for m, on in used.items() if on and m not in order]:
        raise ArgumentError(f"metric_order={metric_order!r} leaves out {', '.join(missing)}, which is to be used")
    return [m for m in order if used[m]]


def deviation(metric: str, amplitude: NDArray[np.float64], flag: NDArray[np.bool_]) -> NDArray[np.float64]:
    r"""Return how much each antenna's gains deviate from those of all, by one of gainflag's metrics.

    Parameters
    ----------
    metric : {'mediandeviant', 'rmsdeviant', 'nrmsdeviant'}
        See Notes.
    amplitude : float64 (antenna, time)
        Gain amplitudes of one spw.
    flag : bool (antenna, time)
        No solution.

    Returns
    -------
    float64 (antenna,)
        The metric; nan for an antenna without gains, and for all where the spread of the array is 0.

    Raises
    ------
    ArgumentError
        There is no such metric.

    Notes
    -----
    With m and s an antenna's median and standard deviation over time, M and D the median and the MAD of all gains:

    .. math:: \mathrm{mediandeviant} = |m - M| / D,\quad \mathrm{rmsdeviant} = s / D,\quad
              \mathrm{nrmsdeviant} = \frac{s/m - \mathrm{median}(s/m)}{1.4826\,\mathrm{MAD}(s/m)}
    """
    gains = [a[~f] for a, f in zip(amplitude, flag, strict=True)]
    median = np.array([np.median(g) if g.size else np.nan for g in gains])
    std = np.array([np.std(g) if g.size else np.nan for g in gains])
    together = amplitude[~flag]
    spread = _mad(together) if together.size else 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        if metric == "mediandeviant":
            found = np.abs(median - np.median(together)) / spread if together.size else median
        elif metric == "rmsdeviant":
            found = std / spread
        elif metric == "nrmsdeviant":
            share = std / median
            known = share[np.isfinite(share)]
            found = (share - np.median(known)) / (1.4826 * _mad(known)) if known.size else share
        else:
            raise ArgumentError(f"no metric {metric!r}: mediandeviant, rmsdeviant, nrmsdeviant")
    return np.where(np.isfinite(found), found, np.nan)


def deviation_view(
    metric: str,
    amplitude: NDArray[np.float64],
    flag: NDArray[np.bool_],
    antennas: Sequence[int],
    time_mjd_s: float,
    identity: Mapping[str, Any],
) -> View:
    """Return the view of a metric of gainflag: one number for each antenna.

    Parameters
    ----------
    metric, amplitude, flag
        As for `deviation`.
    antennas : sequence of int
        Antenna ids.
    time_mjd_s : float
        The one label of the second axis, the first time [MJD s].
    identity : mapping
        spw, intent.

    Returns
    -------
    View
        'antenna' by 'time', of one time.
    """
    number = deviation(metric, amplitude, flag)[:, None]
    about = {"metric": metric, "quantity": metric, "unit": "", **identity}
    return View(number, ~np.isfinite(number), ("antenna", "time"), (list(antennas), [time_mjd_s]), about)


def _mad(values: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(values - np.median(values))))

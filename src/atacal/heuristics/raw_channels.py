"""Channels of baselines that stand out in raw data: the views and rules of the pipeline's hif_rawflagchans.

Sources: ALMA's pipeline, hif/tasks/rawflagchans/rawflagchans.py and docs/source/heuristics/FlaggingTasks.md.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.heuristics.view_rules import BadQuadrant, Outlier
from atacal.heuristics.views import Rule, View


@dataclass(frozen=True)
class RawChannelLimits:
    """Parameters of hif_rawflagchans, by their names and with their defaults, the same in Cycle 4 and today.

    Attributes
    ----------
    flag_hilo, flag_bad_quadrant : bool
        Which rules are used.
    fhl_limit, fhl_minsample : float, int
        Outliers: farther from the median than this many MADs, in views of at least so many points.
    fbq_hilo_limit : float
        Suspect points of a quadrant (a quarter of the channels), in MADs.
    fbq_antenna_frac_limit, fbq_baseline_frac_limit : float
        Suspect fractions above which a quadrant of an antenna, or of a baseline, is flagged.
    niter : int
        Rounds of looking and flagging.
    """

    flag_hilo: bool = True
    fhl_limit: float = 20.0
    fhl_minsample: int = 5
    flag_bad_quadrant: bool = True
    fbq_hilo_limit: float = 8.0
    fbq_antenna_frac_limit: float = 0.2
    fbq_baseline_frac_limit: float = 1.0
    niter: int = 1

    def rules(self) -> list[Rule]:
        """Return the rules, the quadrants first, as they count what was good before."""
        rules: list[Rule] = []
        if self.flag_bad_quadrant:
            rules.append(BadQuadrant(self.fbq_hilo_limit, self.fbq_antenna_frac_limit, self.fbq_baseline_frac_limit))
        if self.flag_hilo:
            rules.append(Outlier(self.fhl_limit, self.fhl_minsample))
        return rules


def exempt_channels(
    chan_freq_hz: NDArray[np.float64], chan_width_hz: NDArray[np.float64], ranges_hz: Sequence[tuple[float, float]]
) -> NDArray[np.bool_]:
    """Return which channels reach into ranges in which features are the air's and no fault.

    Parameters
    ----------
    chan_freq_hz, chan_width_hz : float64 (chan,)
        Centres and widths (of any sign) [Hz].
    ranges_hz : sequence of (float, float)
        Lower and upper ends [Hz].

    Returns
    -------
    bool (chan,)
        True for the channels to be left alone.
    """
    half = np.abs(chan_width_hz) / 2
    hit = np.zeros(len(chan_freq_hz), bool)
    for low, high in ranges_hz:
        hit |= (chan_freq_hz + half > low) & (chan_freq_hz - half < high)
    return hit


def centred(values: NDArray[np.floating], flag: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return a channel by baseline view less the median of each baseline, then less the median of each channel.

    Parameters
    ----------
    values : float32 or float64 (chan, baseline)
        Amplitudes of the time-mean of complex visibilities.
    flag : bool (chan, baseline)
        Left out of the medians; nan in the result.

    Returns
    -------
    array (chan, baseline)
        The view that is judged.
    """
    view = np.where(flag, np.array(np.nan, values.dtype), values)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing good in a baseline or channel: its median is nan
        view = view - np.nanmedian(view, axis=0)
        return view - np.nanmedian(view, axis=1)[:, None]


def raw_channel_view(
    mean_amplitude: NDArray[np.floating],
    flag: NDArray[np.bool_],
    baselines: Sequence[tuple[int, int]],
    identity: Mapping[str, Any],
    exempt: NDArray[np.bool_] | None = None,
) -> View:
    """Return the view of one spw and polarisation.

    Parameters
    ----------
    mean_amplitude : float32 or float64 (chan, baseline)
        Absolute value of the mean over time of the unflagged raw visibilities of the bandpass calibrator.
    flag : bool (chan, baseline)
        Nothing unflagged at any time.
    baselines : sequence of (int, int)
        antenna1, antenna2; cross-correlations only.
    identity : mapping
        spw, pol, intent.
    exempt : bool (chan,), optional
        Channels that are not judged one by one (ozone lines); they go with a quadrant that is bad.

    Returns
    -------
    View
        'channel' by 'baseline', centred.
    """
    leave = flag if exempt is None else flag | exempt[:, None]
    labels = (range(len(mean_amplitude)), list(baselines))
    about = {"quantity": "amplitude less medians", "unit": "raw", **identity}
    return View(centred(mean_amplitude, leave), leave, ("channel", "baseline"), labels, about)

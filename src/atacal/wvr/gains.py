"""From extra paths to a calibration table of phases."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.ms.metadata import Metadata, Spw
from atacal.wvr.dispersion import dispersion
from atacal.wvr.measured import Measured

C_MM_S = 299792458e3
LIBAIR_C_MM_S = 3e11
"""The speed of light as LibAIR has it."""


@dataclass(frozen=True)
class PhaseOptions:
    """How paths become phases.

    Attributes
    ----------
    scale : float
        Factor on all paths.
    disperse : bool
        Correct for the dispersion of the wet path.
    reversed_spws : frozenset of int
        Spws whose phases have the other sign.
    libair : bool
        Take LibAIR's speed of light.
    """

    scale: float = 1.0
    disperse: bool = False
    reversed_spws: frozenset[int] = frozenset()
    libair: bool = False


def phase_per_mm(spw: Spw, options: PhaseOptions) -> float:
    """Return the phase [rad] of a gain for 1 mm of extra path: -2 pi f / c at the spw's middle channel."""
    freq = solution_freq_hz(spw)
    factor = -2 * np.pi * freq / (LIBAIR_C_MM_S if options.libair else C_MM_S) * options.scale
    if options.disperse:
        factor *= 1 + dispersion(freq)
    return float(-factor if spw.id in options.reversed_spws else factor)


def solution_freq_hz(spw: Spw) -> float:
    """Return the frequency [Hz] for which an spw's phases hold."""
    return float(spw.chan_freq_hz[spw.nchan // 2])


def smoothed_mm(
    path_mm: NDArray[np.float64], time: NDArray[np.float64], field: NDArray[np.int32], width_s: float
) -> NDArray[np.float64]:
    """Return running means of the paths over ``width_s``, each field by itself.

    Parameters
    ----------
    path_mm : float64 (time, antenna)
        NaN where there is none; a gap takes the mean of what is within reach.
    time : float64 (time,)
        [MJD s]
    field : int32 (time,)
    width_s : float

    Notes
    -----
    A sample at t takes those with t - width/2 < t' <= t + width/2, as CASA's smoothcal does.
    """
    out = np.full_like(path_mm, np.nan)
    for one in np.unique(field):
        mine = np.flatnonzero(field == one)
        at = time[mine]
        low = np.searchsorted(at, at - width_s / 2, side="right")
        high = np.searchsorted(at, at + width_s / 2, side="right")
        there = np.isfinite(path_mm[mine])
        shift = np.where(there, path_mm[mine], 0.0).sum(0) / np.maximum(there.sum(0), 1)
        sums = np.cumsum(np.r_[np.zeros((1, path_mm.shape[1])), np.where(there, path_mm[mine] - shift, 0.0)], axis=0)
        counts = np.cumsum(np.r_[np.zeros((1, path_mm.shape[1]), np.int64), there], axis=0)
        count = counts[high] - counts[low]
        mean = (sums[high] - sums[low]) / np.maximum(count, 1) + shift
        out[mine] = np.where(count > 0, mean, np.nan)
    return out


def phase_table(
    metadata: Metadata,
    measured: Measured,
    path_mm: NDArray[np.float64],
    spws: Sequence[int],
    options: PhaseOptions,
    history: Collection[str] = (),
) -> CalTable:
    """Make the table: T Jones, one phase for each time, spw and antenna.

    Parameters
    ----------
    metadata : Metadata
    measured : Measured
        Its times, fields and observations are the solutions'.
    path_mm : float64 (time, antenna)
        NaN for a flagged solution.
    spws : sequence of int
        Spws that get solutions.
    options : PhaseOptions
    history : messages for the table
    """
    ntime, nant = path_mm.shape
    flag = ~np.isfinite(path_mm)[:, :, None, None]
    path = np.where(flag, 0.0, path_mm[:, :, None, None])
    interval = float(np.diff(measured.time[:2])[0]) if options.libair and ntime > 1 else measured.interval_s
    solutions = {
        spw: SpwSolutions(
            spw=spw,
            time=measured.time,
            interval=np.full(ntime, interval),
            field=measured.field,
            scan=np.full(ntime, -1, np.int32),
            obs=measured.obs,
            refant=np.full((ntime, nant), -1, np.int32),
            param=np.exp(1j * phase_per_mm(metadata.spws[spw], options) * path).astype(np.complex64),
            error=np.zeros(flag.shape, np.float32),
            snr=np.full(flag.shape, 3.0, np.float32),
            flag=flag,
        )
        for spw in sorted(set(spws))
    }
    return CalTable(
        kind="T Jones",
        par_type="Complex",
        pol_basis="unknown",
        ms_name=metadata.name,
        antennas=metadata.antennas,
        fields=metadata.fields,
        spws=tuple(_one_channel(s) for s in metadata.spws),
        solutions=solutions,
        subtables_from=Path(metadata.path),
        history=list(history),
    )


def _one_channel(spw: Spw) -> Spw:
    """Describe an spw by one channel as wide as all of it."""
    width = np.array([spw.total_bandwidth_hz])
    return replace(
        spw,
        chan_freq_hz=np.array([solution_freq_hz(spw)]),
        chan_width_hz=width,
        effective_bw_hz=width,
        resolution_hz=width,
    )

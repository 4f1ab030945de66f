"""The outcome of a selection: which runs, baselines, channels and correlations take part."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atacal.ms.rows import RowRuns

C_M_S = 299792458.0


@dataclass(frozen=True, eq=False)
class UVLimits:
    """uv distances that are wanted: any of the ranges.

    Attributes
    ----------
    ranges : tuple of (low, high, unit)
        ``unit`` is ``"m"`` or ``"lambda"``; both ends inclusive. An empty tuple means everything.
    negate : bool
        Wanted are the distances outside the ranges.
    """

    ranges: tuple[tuple[float, float, str], ...]
    negate: bool = False

    def mask(self, uvw_m: NDArray[np.float64], ref_freq_hz: float) -> NDArray[np.bool_]:
        """Return which rows are within the limits.

        Parameters
        ----------
        uvw_m : float64, (row, 3)
        ref_freq_hz : float
            Frequency that turns metres into wavelengths (CASA: the spw's reference frequency).
        """
        dist = np.hypot(uvw_m[:, 0], uvw_m[:, 1])
        wanted = np.zeros(len(dist), bool)
        for low, high, unit in self.ranges:
            d = dist if unit == "m" else dist * (ref_freq_hz / C_M_S)
            wanted |= (d >= low) & (d <= high)
        return ~wanted if self.negate else wanted


@dataclass(frozen=True, eq=False)
class Selected:
    """What a selection picks from one MeasurementSet.

    Attributes
    ----------
    runs : RowRuns
        The runs that survive field, spw, scan, time, intent, observation and array selection.
    baselines : bool (antenna, antenna)
        ``baselines[antenna1, antenna2]`` for the order stored in the rows; its diagonal holds the autocorrelations.
    channels : dict of spw -> bool (chan,)
        For every selected spw, the channels that take part.
    corrs : dict of polarization id -> bool (corr,)
        For every polarization setup, the correlations that take part.
    uv : UVLimits, optional
    channel_groups : dict of spw -> list of slices
        The channel ranges as they were written, in order (``0:0~9;20~29`` has two); split and plots need them.
    """

    runs: RowRuns
    baselines: NDArray[np.bool_]
    channels: dict[int, NDArray[np.bool_]]
    corrs: dict[int, NDArray[np.bool_]]
    uv: UVLimits | None = None
    channel_groups: dict[int, list[slice]] = field(default_factory=dict)

    @property
    def spws(self) -> list[int]:
        """The selected spws, ascending."""
        return sorted(self.channels)

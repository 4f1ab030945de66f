"""Visibilities ready to be plotted: one batch of (row, chan, corr) values after selection and channel averaging."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from atacal.ms.selected import C_M_S
from atacal.plots.axes import SKY_AXES, Axis

ROW_IDS = ("scan", "field", "spw", "obs", "state", "antenna1", "antenna2")


@dataclass(frozen=True)
class Averaging:
    """What is averaged before plotting; see `atacal.plots.averaging` for how.

    Attributes
    ----------
    channels : int
        Number of selected channels in a bin; 1 leaves them alone.
    time_s : float
        Length of a time bin [s]; 0 leaves integrations alone.
    scan, field : bool
        Let time bins reach over the ends of scans, over changes of field.
    baseline, antenna, spw : bool
        Average over all baselines, over the baselines of each antenna, over spws.
    scalar : bool
        Average amplitudes and unit phasors separately instead of the complex values.
    """

    channels: int = 1
    time_s: float = 0.0
    scan: bool = False
    field: bool = False
    baseline: bool = False
    antenna: bool = False
    spw: bool = False
    scalar: bool = False

    @property
    def of_rows(self) -> bool:
        """Whether rows are averaged with one another."""
        return self.time_s > 0 or self.baseline or self.antenna or self.spw

    @property
    def any(self) -> bool:
        return self.of_rows or self.channels > 1

    def describe(self) -> str:
        """Return what a title should say, for example ``avg 8 chan, 30 s``; empty without averaging."""
        parts = []
        if self.channels > 1:
            parts.append("all chan" if self.channels >= 1_000_000 else f"{self.channels} chan")
        if self.time_s > 0:
            parts.append("all times" if self.time_s >= 1e6 else f"{self.time_s:g} s")
        names = ("scan", "field", "baseline", "antenna", "spw")
        parts += [f"{n}s" for n in names if getattr(self, n)]
        if not parts:
            return ""
        return f"{'scalar ' if self.scalar else ''}average of {', '.join(parts)}"


@dataclass(eq=False)
class Cells:
    """A batch of values of one shape.

    Attributes
    ----------
    rows : dict of name -> array (row,)
        ``time`` [MJD s] and ``interval`` [s] float64, the ids in `ROW_IDS` int32 (-1: several).
    uvw_m : float64 (row, 3), optional
    channel : float64 (chan,)
        Channel numbers, the mean of the bin where channels are averaged.
    freq_hz : float64 (chan,)
        Centre frequencies [Hz].
    corrs : int (corr,)
        casacore's Stokes codes.
    vis : dict of data column -> complex (row, chan, corr)
    flag : bool (row, chan, corr)
    weight : float (row, 1, corr), optional
        The WEIGHT column, or the sum of it over the rows that were averaged.
    weight_spectrum : float (row, chan, corr), optional
        WEIGHT_SPECTRUM, or the sum of weights in each bin.
    sigma : float (row, 1, corr), optional
    """

    rows: dict[str, NDArray]
    channel: NDArray[np.float64]
    freq_hz: NDArray[np.float64]
    corrs: NDArray[np.int64]
    vis: dict[str, NDArray]
    flag: NDArray[np.bool_]
    uvw_m: NDArray[np.float64] | None = None
    weight: NDArray | None = None
    weight_spectrum: NDArray | None = None
    sigma: NDArray | None = None
    sky: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def values(axis: Axis, cells: Cells, column: str, *, nant: int) -> NDArray:
    """Return an axis' values, shape broadcastable to (row, chan, corr).

    Parameters
    ----------
    axis : Axis
    cells : Cells
    column : str
        Which entry of ``cells.vis`` a data axis takes.
    nant : int
        Number of antennas, for baseline numbers: antenna1 x nant + antenna2.
    """
    if axis.of_data:
        return _of_vis(axis.name, cells.vis[column])
    if "UVW" in axis.needs:
        return _of_uvw(axis.name, cells)
    if axis.name in SKY_AXES:
        return cells.sky[axis.name][:, None, None]
    if axis.name == "channel":
        return cells.channel[None, :, None]
    if axis.name == "frequency":
        return cells.freq_hz[None, :, None] / 1e9
    if axis.name == "corr":
        return cells.corrs[None, None, :]
    if axis.name == "flag":
        return cells.flag.astype(np.float32)
    if axis.name == "baseline":
        return (cells.rows["antenna1"] * nant + cells.rows["antenna2"])[:, None, None]
    array = {"wt": cells.weight, "wtsp": cells.weight_spectrum, "sigma": cells.sigma}.get(axis.name)
    if array is not None:
        return array
    return cells.rows[{"observation": "obs", "intent": "state"}.get(axis.name, axis.name)][:, None, None]


def _of_vis(name: str, vis: NDArray) -> NDArray:
    if name == "amp":
        return np.abs(vis)
    if name == "phase":
        return np.rad2deg(np.angle(vis))
    return vis.real if name == "real" else vis.imag


def _of_uvw(name: str, cells: Cells) -> NDArray:
    assert cells.uvw_m is not None
    u, v, w = cells.uvw_m.T
    metres = {
        "uvdist": np.hypot(u, v), "uvwave": np.hypot(u, v), "u": u, "uwave": u, "v": v, "vwave": v, "w": w, "wwave": w,
        "uvw": np.sqrt(u * u + v * v + w * w),
    }[name]  # fmt: skip
    if name.endswith("wave"):
        return (metres[:, None] * (cells.freq_hz / C_M_S)[None, :])[:, :, None]
    return metres[:, None, None]


def channel_bins(wanted: NDArray[np.bool_], per_bin: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Group the selected channels into bins of ``per_bin``.

    Parameters
    ----------
    wanted : bool (chan,)
    per_bin : int

    Returns
    -------
    index : intp (selected chan,)
        The selected channels.
    starts : intp (bin,)
        Where in ``index`` each bin begins. A bin never bridges a gap in the selection.
    """
    index = np.flatnonzero(wanted)
    if per_bin <= 1 or len(index) == 0:
        return index, np.arange(len(index))
    edges = np.flatnonzero(np.diff(index) > 1) + 1
    bounds = np.concatenate([[0], edges, [len(index)]])
    starts = [np.arange(a, b, per_bin) for a, b in pairwise(bounds.tolist())]
    return index, np.concatenate(starts)


def bin_means(values: NDArray, index: NDArray[np.intp], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the mean of a per-channel quantity in each bin, shape (bin,)."""
    chosen = np.asarray(values, np.float64)[index]
    if len(starts) == len(index):
        return chosen
    return np.add.reduceat(chosen, starts) / np.diff(np.append(starts, len(index)))

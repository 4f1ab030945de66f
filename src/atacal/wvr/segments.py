"""Stretches of time that share one set of phase correction coefficients, and the coefficients in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from atacal.ms.rows import RowRuns
from atacal.wvr.measured import Measured


@dataclass(frozen=True)
class Segment:
    """Time stamps [MJD s] of a stretch's first and last data, and the sources in it, in the order they come."""

    first: float
    last: float
    sources: tuple[int, ...]


def source_segments(runs: RowRuns, sources: NDArray[np.int32], tied: Sequence[frozenset[int]] = ()) -> list[Segment]:
    """Cut an observation where the source changes, but not between sources that are tied.

    Parameters
    ----------
    runs : RowRuns
        Of all the data.
    sources : int32 (field,)
        Source of every field.
    tied : sequence of sets of source ids
    """
    order = np.argsort(runs.time, kind="stable")
    time, source = runs.time[order], sources[runs.field[order]]
    changes = np.flatnonzero(np.diff(source)) + 1
    cuts = [int(c) for c in changes if not any({int(source[c - 1]), int(source[c])} <= t for t in tied)]
    edges = [0, *cuts, len(time)]
    return [
        Segment(float(time[low]), float(time[high - 1]), tuple(dict.fromkeys(source[low:high].tolist())))
        for low, high in pairwise(edges)
    ]


def sample_near_middle(measured: Measured, segment: Segment, antenna: int) -> int | None:
    """Return the sample of an antenna from which a segment's coefficients are retrieved.

    It is the first good one in the second half of the segment, else the last one before; None if there is none.
    """
    middle = 0.5 * (segment.first + segment.last)
    inside = (measured.time >= segment.first) & (measured.time <= segment.last)
    good = np.flatnonzero(measured.good[:, antenna] & inside & np.isin(measured.source, segment.sources))
    if not len(good):
        return None
    at = int(np.searchsorted(measured.time[good], middle))
    return int(good[min(at, len(good) - 1)])


def evenly(measured: Measured, count: int, antenna: int) -> list[int]:
    """Return samples of an antenna spread evenly over the observation, to retrieve coefficients from."""
    good = np.flatnonzero(measured.good[:, antenna])
    step = len(measured.time) // (count + 1)
    at = np.searchsorted(good, step * np.arange(1, count + 1))
    return list(dict.fromkeys(int(good[min(i, len(good) - 1)]) for i in at)) if len(good) else []


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Phase correction coefficients in time: linear between the knots, constant beyond them.

    Attributes
    ----------
    time : float64 (knot,)
        [MJD s], ascending.
    dtdl_k_mm : float64 (knot, channel)
    """

    time: NDArray[np.float64]
    dtdl_k_mm: NDArray[np.float64]

    def at(self, time: NDArray[np.float64]) -> NDArray[np.float64]:
        """Interpolate to times, (time, channel)."""
        return np.stack([np.interp(time, self.time, column) for column in self.dtdl_k_mm.T], axis=-1)


def held_over_segments(segments: Sequence[Segment], dtdl_k_mm: Sequence[NDArray[np.float64]]) -> Coefficients:
    """Return coefficients that hold from the first to the last time stamp of each segment."""
    time = np.array([t for s in segments for t in (s.first, s.last)])
    values = np.repeat(np.array(dtdl_k_mm), 2, axis=0)
    order = np.argsort(time, kind="stable")
    return Coefficients(time[order], values[order])

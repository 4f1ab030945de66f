"""The metric by which corrected amplitudes are judged: |corrected| - |model|, averaged over channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError

PARALLEL = ("XX", "YY", "RR", "LL")


@dataclass(frozen=True, eq=False)
class Metric:
    """Amplitudes less their model of one field, intent and spw, on a grid of times and baselines.

    Attributes
    ----------
    value : float64 (time, baseline, pol)
        ``|mean over channels of the corrected visibilities| - |mean of the model|`` [Jy]; NaN without unflagged data.
    observed : bool (time, baseline)
        Whether there is a visibility, flagged or not.
    time : float64 (time,)
        Ascending [MJD s].
    antenna1, antenna2 : int32 (baseline,)
    uvdist_m : float64 (time, baseline), optional
        [m]; needed for targets.
    corrs : tuple of str
        What ``pol`` is: correlations (``XX``), or means of two (``XX,YY``).
    """

    value: NDArray[np.float64]
    observed: NDArray[np.bool_]
    time: NDArray[np.float64]
    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    uvdist_m: NDArray[np.float64] | None = None
    corrs: tuple[str, ...] = ()

    @property
    def ntime(self) -> int:
        return self.value.shape[0]

    @property
    def npol(self) -> int:
        return self.value.shape[2]

    def without(self, flag: NDArray[np.bool_]) -> Metric:
        """Return the metric with some visibilities (time, baseline) flagged, as values without data."""
        return replace(self, value=np.where(flag[:, :, None], np.nan, self.value))

    def some(self, baselines: NDArray[np.bool_]) -> Metric:
        """Return the part of some baselines, bool (baseline,)."""
        uv = None if self.uvdist_m is None else self.uvdist_m[:, baselines]
        return replace(
            self, value=self.value[:, baselines], observed=self.observed[:, baselines], uvdist_m=uv,
            antenna1=self.antenna1[baselines], antenna2=self.antenna2[baselines],
        )  # fmt: skip

    def joined(self) -> Metric:
        """Return the mean over the parallel hands, and the mean over the crossed hands where there are four.

        A mean is of those values that have data; with one correlation there is nothing to join.
        """
        pairs = [[k for k, c in enumerate(self.corrs) if (c in PARALLEL) is same] for same in (True, False)]
        kept = [pair for pair in pairs if pair]
        if all(len(pair) == 1 for pair in kept):
            return self
        values = []
        for pair in kept:
            part = self.value[:, :, pair]
            good = np.isfinite(part)
            total, count = np.where(good, part, 0.0).sum(axis=2), good.sum(axis=2)
            values.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
        names = tuple(",".join(self.corrs[k] for k in pair) for pair in kept)
        return replace(self, value=np.stack(values, axis=2), corrs=names)


class MetricSums:
    """Fills a metric from visibilities that come in any order, averaged over channels already.

    Parameters
    ----------
    time : float64 (time,)
        Distinct times [MJD s], ascending.
    nant : int
    corrs : sequence of str
        Correlations in the order of the data.
    uvdist : bool
        Keep the baselines' projected lengths.

    Notes
    -----
    It takes ``ntime * nant * (nant - 1) / 2 * (8 ncorr + 1)`` bytes whatever the number of channels, and eight more
    a baseline and time with `uvdist`.
    """

    def __init__(self, time: NDArray[np.float64], nant: int, corrs: Sequence[str], *, uvdist: bool = False) -> None:
        if len(time) > 1 and not (np.diff(time) > 0).all():
            raise ArgumentError("the times of a metric must ascend, each once")
        self._time, self._corrs = time, tuple(corrs)
        self._antenna1, self._antenna2 = (a.astype(np.int32) for a in np.triu_indices(nant, 1))
        self._index = np.full((nant, nant), -1, np.int32)
        self._index[self._antenna1, self._antenna2] = np.arange(len(self._antenna1))
        self._index[self._antenna2, self._antenna1] = np.arange(len(self._antenna1))
        shape = (len(time), len(self._antenna1))
        self._value = np.full((*shape, len(self._corrs)), np.nan)
        self._observed = np.zeros(shape, bool)
        self._uvdist = np.full(shape, np.nan) if uvdist else None

    def add(
        self, time: NDArray[np.float64], antenna1: NDArray[np.int32], antenna2: NDArray[np.int32],
        corrected: NDArray[np.complex128], model: NDArray[np.complex128], count: NDArray[np.int64],
        uvdist_m: NDArray[np.float64] | None = None,
    ) -> None:  # fmt: skip
        """Add rows.

        Parameters
        ----------
        time : float64 (row,)
            [MJD s]
        antenna1, antenna2 : int32 (row,)
            Autocorrelations are left out.
        corrected, model : complex128 (row, corr)
            Sums over unflagged channels [Jy].
        count : int64 (row, corr)
            Unflagged channels.
        uvdist_m : float64 (row,), optional
            [m]
        """
        row = np.flatnonzero(antenna1 != antenna2)
        slot = np.searchsorted(self._time, time[row])
        baseline = self._index[antenna1[row], antenna2[row]]
        some = count[row] > 0
        safe = np.where(some, count[row], 1)
        difference = np.abs(corrected[row] / safe) - np.abs(model[row] / safe)
        self._value[slot, baseline] = np.where(some, difference, np.nan)
        self._observed[slot, baseline] = True
        if self._uvdist is not None and uvdist_m is not None:
            self._uvdist[slot, baseline] = uvdist_m[row]

    def metric(self) -> Metric:
        """Return the metric of what was added; baselines that were never observed are left out."""
        whole = Metric(
            self._value, self._observed, self._time, self._antenna1, self._antenna2, self._uvdist, self._corrs
        )
        return whole.some(np.asarray(self._observed.any(axis=0)))

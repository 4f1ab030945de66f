"""How much the channels of each row scatter, and the scatter of rows together."""

from __future__ import annotations

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray


@dataclass(eq=False)
class Scatter:
    """Samples of visibilities, summarised.

    Attributes
    ----------
    samples, good : int64 (..., bin, corr)
        Samples that count, all and unflagged.
    unflagged : int64, same shape
        Unflagged channels, those that do not count for the scatter, too.
    weight : float64, same shape
        Sum of the exposures of the good ones [s].
    mean : float64 (..., bin, corr, 2)
        Weighted mean, real and imaginary.
    squares : float64, same shape as ``mean``
        Weighted sum of squares of the deviations from it.
    """

    samples: NDArray[np.int64]
    good: NDArray[np.int64]
    unflagged: NDArray[np.int64]
    weight: NDArray[np.float64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]

    def merged(self, axis: int) -> Scatter:
        """Summarise all samples along an axis."""
        last = axis - 1 if axis < 0 else axis  # mean and squares have one more
        weight = self.weight.sum(axis)
        total = np.expand_dims(np.where(weight > 0, weight, 1), -1)
        mean = (self.weight[..., None] * self.mean).sum(last) / total
        off = self.mean - np.expand_dims(mean, last)
        squares = (self.squares + self.weight[..., None] * off**2).sum(last)
        return Scatter(
            self.samples.sum(axis), self.good.sum(axis), self.unflagged.sum(axis), weight, mean, squares
        )  # fmt: skip

    def __getitem__(self, which: slice | NDArray[np.intp]) -> Scatter:
        return Scatter(*(v[which] for v in self.arrays()))

    def arrays(self) -> tuple[NDArray, ...]:
        """Return all of it, in the order of the attributes."""
        return self.samples, self.good, self.unflagged, self.weight, self.mean, self.squares

    @classmethod
    def zeros(cls, shape: tuple[int, ...]) -> Scatter:
        """Make summaries of nothing."""
        samples, good, unflagged = (np.zeros(shape, np.int64) for _ in range(3))
        return cls(samples, good, unflagged, np.zeros(shape), np.zeros((*shape, 2)), np.zeros((*shape, 2)))

    def put(self, at: tuple[NDArray[np.intp], ...], values: Scatter) -> None:
        """Set some summaries."""
        for mine, new in zip(self.arrays(), values.arrays(), strict=True):
            mine[at] = new

    def variance(self, least: int) -> NDArray[np.float64]:
        """Return the mean of the real and the imaginary variance times exposure; 0 for less than ``least`` samples."""
        count = np.where(self.good > 0, self.good, 1)
        value = self.squares.sum(-1) / count / 2
        return np.where((self.samples < least) | (self.good < least), 0.0, value)


def row_scatter(
    vis: NDArray[np.complex64],
    flag: NDArray[np.bool_],
    bins: NDArray[np.int64],
    counts: NDArray[np.bool_],
    exposure_s: NDArray[np.float64],
) -> Scatter:
    """Summarise the channels of each row.

    Parameters
    ----------
    vis : complex64 (row, chan, corr)
    flag : bool (row, chan, corr)
    bins : int64 (chan,)
        The bin of each channel, ascending from 0.
    counts : bool (chan,)
        Whether it counts for the scatter.
    exposure_s : float64 (row,)

    Returns
    -------
    Scatter
        (row, bin, corr).
    """
    out = Scatter.zeros((len(vis), int(bins[-1]) + 1, vis.shape[2]))
    _rows(np.ascontiguousarray(vis), np.ascontiguousarray(flag), bins, counts, out.good, out.unflagged, out.mean,
          out.squares)  # fmt: skip
    out.samples[:] = np.bincount(bins, minlength=out.samples.shape[1])[None, :, None]
    out.weight[:] = out.good * exposure_s[:, None, None]
    out.squares *= exposure_s[:, None, None, None]
    return out


@nb.njit(
    nb.void(
        nb.complex64[:, :, ::1], nb.boolean[:, :, ::1], nb.int64[::1], nb.boolean[::1], nb.int64[:, :, ::1],
        nb.int64[:, :, ::1], nb.float64[:, :, :, ::1], nb.float64[:, :, :, ::1],
    ),
    nogil=True, cache=True,
)  # fmt: skip
def _rows(vis, flag, bins, counts, good, unflagged, mean, squares):
    nrow, nchan, ncorr = vis.shape
    for row in range(nrow):
        for chan in range(nchan):
            b = bins[chan]
            for corr in range(ncorr):
                if flag[row, chan, corr]:
                    continue
                unflagged[row, b, corr] += 1
                if counts[chan]:
                    good[row, b, corr] += 1
                    mean[row, b, corr, 0] += vis[row, chan, corr].real
                    mean[row, b, corr, 1] += vis[row, chan, corr].imag
        for b in range(good.shape[1]):
            for corr in range(ncorr):
                if good[row, b, corr]:
                    mean[row, b, corr, 0] /= good[row, b, corr]
                    mean[row, b, corr, 1] /= good[row, b, corr]
        for chan in range(nchan):
            if not counts[chan]:
                continue
            b = bins[chan]
            for corr in range(ncorr):
                if not flag[row, chan, corr]:
                    squares[row, b, corr, 0] += (vis[row, chan, corr].real - mean[row, b, corr, 0]) ** 2
                    squares[row, b, corr, 1] += (vis[row, chan, corr].imag - mean[row, b, corr, 1]) ** 2

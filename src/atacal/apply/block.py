"""Applying the factors of a library to one block of data in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.apply import kernels
from atacal.caltables.library import Factors
from atacal.ms.metadata import Polarization
from atacal.ms.stream import Block

_NO_CHAN = np.zeros((0, 0, 0), np.complex64)
_NO_FULL = np.zeros((0, 0, 0, 0), np.complex64)


def receptors_of(pol: Polarization) -> NDArray[np.int32]:
    """Return which receptor of each antenna a correlation pairs, int32 (corr, 2).

    Data of one correlation take the first receptor's solutions whichever it is: that is where the solvers put them.
    """
    if pol.ncorr == 1:
        return np.zeros((1, 2), np.int32)
    return np.array(pol.corr_product, np.int32)


class Team:
    """Threads that share the rows of a block; kernels release the GIL."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or max(1, len(os.sched_getaffinity(0)))
        self._pool = ThreadPoolExecutor(self.workers, thread_name_prefix="atacal-kernel")

    def __enter__(self) -> Team:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def run(self, kernel: Callable[..., Any], nrow: int, *arguments: Any) -> list[Any]:
        """Call ``kernel(*arguments, first, last)`` for shares of the rows, and return what the calls return."""
        edges = np.linspace(0, nrow, self.workers + 1).astype(int)
        jobs = [self._pool.submit(kernel, *arguments, int(a), int(b)) for a, b in pairwise(edges) if b > a]
        return [job.result() for job in jobs]


def correct_block(block: Block, factors: Factors, receptors: NDArray[np.int32], team: Team) -> None:
    """Divide the block's DATA by the factors, in place."""
    chan_inv, full_inv = _NO_CHAN, _NO_FULL
    if factors.chan_gain is not None:
        chan_inv = np.ascontiguousarray(np.complex64(1) / factors.chan_gain)
    if factors.full_gain is not None:
        full_inv = np.ascontiguousarray(np.complex64(1) / factors.full_gain)
    time_inv = np.ascontiguousarray(np.complex64(1) / factors.time_gain)
    vis = block["DATA"]
    team.run(
        kernels.correct, block.nrow, vis, block.antenna1, block.antenna2, factors.slot, receptors,
        time_inv, chan_inv, full_inv,
    )  # fmt: skip
    if factors.matrix is not None:
        inverse = np.ascontiguousarray(np.linalg.inv(factors.matrix).astype(np.complex64))
        team.run(kernels.rotate, block.nrow, vis, block.antenna1, block.antenna2, factors.slot, inverse)


NO_SOLUTION = "no solution for the antenna"
FLAGGED_SOLUTION = "flagged solution"


def flag_block(block: Block, factors: Factors, receptors: NDArray[np.int32], team: Team) -> list[dict[str, int]]:
    """Flag what rests on flagged or missing solutions, in the block's FLAG.

    Returns
    -------
    list of dict
        For each table its new flags by reason.
    """
    out = []
    for good in factors.by_table:
        counts: dict[str, int] = {}
        out.append(counts)
        if good.ok.all():
            continue
        which = np.ascontiguousarray(good.which[factors.slot], np.int64)
        missing = np.repeat(~good.found[:, :, None, None], 2, axis=3)
        for reason, bad in ((NO_SOLUTION, missing), (FLAGGED_SOLUTION, ~good.ok)):
            if bad.any():
                bad = np.ascontiguousarray(bad)
                new = team.run(
                    kernels.flag_by, block.nrow, block["FLAG"], block.antenna1, block.antenna2, which, receptors, bad
                )
                if sum(new):
                    counts[reason] = sum(new)
    return out


def block_weights(block: Block, factors: Factors, receptors: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return w_ij = weight_i weight_j / SIGMA^2, float32 (row, corr); 0 where SIGMA is 0."""
    weight = inverse_square(block["SIGMA"])
    scale_i = factors.weight[factors.slot, block.antenna1]
    scale_j = factors.weight[factors.slot, block.antenna2]
    weight *= scale_i[:, receptors[:, 0]]
    weight *= scale_j[:, receptors[:, 1]]
    return weight


def inverse_square(sigma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1 / sigma^2, 0 where sigma is not positive."""
    good = sigma > 0
    return np.where(good, 1.0 / np.where(good, sigma, 1.0) ** 2, 0.0).astype(np.float32)


def block_spectrum(
    block: Block, factors: Factors, receptors: NDArray[np.int32], team: Team
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return WEIGHT_SPECTRUM, float32 (row, chan, corr), from SIGMA_SPECTRUM (or SIGMA), and its `channel_median`."""
    shape = block["DATA"].shape
    weights, medians = np.empty(shape, np.float32), np.empty((shape[0], shape[2]), np.float32)

    def share(first: int, last: int) -> None:
        rows = slice(first, last)
        out = weights[rows]
        if "SIGMA_SPECTRUM" in block.data:
            out[:] = inverse_square(block["SIGMA_SPECTRUM"][rows])
        else:
            out[:] = inverse_square(block["SIGMA"][rows])[:, None, :]
        for end, antenna in enumerate((block.antenna1[rows], block.antenna2[rows])):
            out *= factors.spectrum_weight[factors.slot[rows], antenna][:, None, receptors[:, end]]
            if factors.chan_weight is not None:
                out *= factors.chan_weight[factors.slot[rows], antenna][:, :, receptors[:, end]]
        medians[rows] = channel_median(out)

    team.run(share, shape[0])  # NumPy lets the other threads run meanwhile
    return weights, medians


_CASA_EVEN_MEAN = 100  # casacore averages the middle two of an even number of values up to this many


def channel_median(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the median over channels of (row, chan, corr), flagged ones included, as CASA makes WEIGHT.

    Of an even number of channels above 100 it is the lower one of the middle two.
    """
    nchan = weights.shape[1]
    if nchan <= _CASA_EVEN_MEAN:
        return np.median(weights, axis=1).astype(np.float32)
    middle = (nchan - 1) // 2
    return np.ascontiguousarray(np.partition(weights, middle, axis=1)[:, middle])

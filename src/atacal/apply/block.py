"""Applying the factors of a library to one block of data in memory."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.apply import kernels
from atacal.caltables.library import Factors
from atacal.ms.metadata import Polarization
from atacal.ms.stream import Block

_NO_CHAN_WEIGHT = np.zeros((0, 0, 0, 0), np.float32)


def receptors_of(pol: Polarization) -> NDArray[np.int32]:
    """Return which receptor of each antenna a correlation pairs, int32 (corr, 2).

    Data of one correlation take the first receptor's solutions whichever it is: that is where the solvers put them.
    """
    if pol.ncorr == 1:
        return np.zeros((1, 2), np.int32)
    return np.array(pol.corr_product, np.int32)


def correct_block(block: Block, factors: Factors, receptors: NDArray[np.int32]) -> None:
    """Divide the block's DATA by the factors, in place."""
    vis = block["DATA"]
    inverse = _inverse(factors)
    left = _planes(inverse, receptors[:, 0], vis.shape[1])
    right = left if (receptors[:, 0] == receptors[:, 1]).all() else _planes(inverse, receptors[:, 1], vis.shape[1])
    flat = vis.view(np.float32).reshape(len(vis), -1)
    kernels.correct(flat, block.antenna1, block.antenna2, factors.slot, *left, *right)
    if factors.matrix is not None:
        matrix = np.ascontiguousarray(np.linalg.inv(factors.matrix).astype(np.complex64))
        kernels.rotate(vis, block.antenna1, block.antenna2, factors.slot, matrix)


def _inverse(factors: Factors) -> NDArray[np.complex64]:
    """Return the product of all inverse factors, (slot, antenna, chan or 1, receptor)."""
    inverse = (np.complex64(1) / factors.time_gain)[:, :, None]
    if factors.chan_gain is not None:
        inverse = inverse * (np.complex64(1) / factors.chan_gain)
    if factors.full_gain is not None:
        inverse = inverse * (np.complex64(1) / factors.full_gain)
    return inverse


def _planes(
    inverse: NDArray[np.complex64], receptor: NDArray[np.int32], nchan: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return real and imaginary parts of each correlation's factors, (slot, antenna, chan * corr)."""
    nslot, nant = inverse.shape[:2]
    of_corr = np.broadcast_to(inverse[..., receptor], (nslot, nant, nchan, len(receptor)))
    re, im = (np.ascontiguousarray(part).reshape(nslot, nant, -1) for part in (of_corr.real, of_corr.imag))
    return re, im


NO_SOLUTION = "no solution for the antenna"
FLAGGED_SOLUTION = "flagged solution"


def flag_block(block: Block, factors: Factors, receptors: NDArray[np.int32]) -> list[dict[str, int]]:
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
                new = kernels.flag_by(block["FLAG"], block.antenna1, block.antenna2, which, receptors, bad)
                if new:
                    counts[reason] = new
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
    block: Block, factors: Factors, receptors: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return WEIGHT_SPECTRUM, float32 (row, chan, corr), from SIGMA_SPECTRUM (or SIGMA), and its `channel_median`."""
    weights = np.empty(block["DATA"].shape, np.float32)
    by_chan = "SIGMA_SPECTRUM" in block.data
    inverse = inverse_square(block["SIGMA_SPECTRUM"]) if by_chan else inverse_square(block["SIGMA"])[:, None]
    chan_weight = _NO_CHAN_WEIGHT if factors.chan_weight is None else np.ascontiguousarray(factors.chan_weight)
    weight = np.ascontiguousarray(factors.spectrum_weight)
    kernels.weigh(weights, inverse, block.antenna1, block.antenna2, factors.slot, receptors, weight, chan_weight)
    if not by_chan and factors.chan_weight is None:
        return weights, weights[:, 0].copy()
    return weights, channel_median(weights)


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

"""The compiled inner loops of applying calibration.

Arrays are C-contiguous. Factors are inverse Jones factors (reciprocals of the forward ones). Each thread does a
block of its own.
"""

from __future__ import annotations

import numba as nb
import numpy as np

_C64 = nb.complex64
_ROWS = nb.int32[::1]

_PLANES = nb.float32[:, :, ::1]


@nb.njit(
    nb.void(nb.float32[:, ::1], _ROWS, _ROWS, _ROWS, _PLANES, _PLANES, _PLANES, _PLANES),
    nogil=True, cache=True, fastmath={"contract"},
)  # fmt: skip
def correct(vis, antenna1, antenna2, slot, left_re, left_im, right_re, right_im):
    """Multiply visibilities by inverse Jones factors, in place: V_ij -> l_i V_ij conj(r_j).

    Real and imaginary parts stand apart, so that the processor does several visibilities at a time.

    Parameters
    ----------
    vis : float32 (row, chan * corr * 2)
        Visibilities, real and imaginary parts in turn.
    antenna1, antenna2, slot : int32 (row,)
    left_re, left_im, right_re, right_im : float32 (slot, antenna, chan * corr)
        Factors of the receptor of antenna1 and of antenna2 that each correlation pairs.
    """
    for row in range(vis.shape[0]):
        i, j, s = antenna1[row], antenna2[row], slot[row]
        for k in range(left_re.shape[2]):
            a, b, c, d = left_re[s, i, k], left_im[s, i, k], right_re[s, j, k], right_im[s, j, k]
            re, im = a * c + b * d, b * c - a * d
            x, y = vis[row, 2 * k], vis[row, 2 * k + 1]
            vis[row, 2 * k], vis[row, 2 * k + 1] = x * re - y * im, x * im + y * re


@nb.njit(
    nb.int64(nb.boolean[:, :, ::1], _ROWS, _ROWS, nb.int64[::1], nb.int32[:, ::1], nb.boolean[:, :, :, ::1]),
    nogil=True,
    cache=True,
)
def flag_by(flag, antenna1, antenna2, which, receptors, bad):
    """Flag the visibilities that rest on a bad factor of one table, in place.

    Parameters
    ----------
    flag : bool (row, chan, corr)
    antenna1, antenna2 : int32 (row,)
    which : int64 (row,)
        First index of ``bad`` for each row.
    receptors : int32 (corr, 2)
    bad : bool (distinct, antenna, chan or 1, receptor)

    Returns
    -------
    int
        Visibilities newly flagged.
    """
    nchan, ncorr, single = flag.shape[1], flag.shape[2], bad.shape[2] == 1
    count = 0
    for row in range(flag.shape[0]):
        i, j, s = antenna1[row], antenna2[row], which[row]
        for corr in range(ncorr):
            p, q = receptors[corr, 0], receptors[corr, 1]
            if single:
                if bad[s, i, 0, p] or bad[s, j, 0, q]:
                    for chan in range(nchan):
                        count += not flag[row, chan, corr]
                        flag[row, chan, corr] = True
            else:
                for chan in range(nchan):
                    if bad[s, i, chan, p] or bad[s, j, chan, q]:
                        count += not flag[row, chan, corr]
                        flag[row, chan, corr] = True
    return count


@nb.njit(
    nb.void(_C64[:, :, ::1], _ROWS, _ROWS, _ROWS, _C64[:, :, :, ::1]),
    nogil=True,
    cache=True,
)
def rotate(vis, antenna1, antenna2, slot, inverse):
    """Multiply by full 2 x 2 Jones matrices, in place: V_ij -> P_i V_ij P_j^H, for four correlations.

    Parameters
    ----------
    vis : complex64 (row, chan, 4)
        Correlations in the order pp, pq, qp, qq.
    antenna1, antenna2, slot : int32 (row,)
    inverse : complex64 (slot, antenna, 2, 2)
    """
    for row in range(vis.shape[0]):
        i, j, s = antenna1[row], antenna2[row], slot[row]
        a00, a01, a10, a11 = inverse[s, i, 0, 0], inverse[s, i, 0, 1], inverse[s, i, 1, 0], inverse[s, i, 1, 1]
        b00, b01 = np.conj(inverse[s, j, 0, 0]), np.conj(inverse[s, j, 0, 1])
        b10, b11 = np.conj(inverse[s, j, 1, 0]), np.conj(inverse[s, j, 1, 1])
        for chan in range(vis.shape[1]):
            v00, v01, v10, v11 = vis[row, chan, 0], vis[row, chan, 1], vis[row, chan, 2], vis[row, chan, 3]
            l00, l01 = a00 * v00 + a01 * v10, a00 * v01 + a01 * v11
            l10, l11 = a10 * v00 + a11 * v10, a10 * v01 + a11 * v11
            vis[row, chan, 0] = l00 * b00 + l01 * b01
            vis[row, chan, 1] = l00 * b10 + l01 * b11
            vis[row, chan, 2] = l10 * b00 + l11 * b01
            vis[row, chan, 3] = l10 * b10 + l11 * b11


@nb.njit(
    nb.void(
        nb.float32[:, :, ::1], nb.float32[:, :, ::1], _ROWS, _ROWS, _ROWS, nb.int32[:, ::1], nb.float32[:, :, ::1],
        nb.float32[:, :, :, ::1],
    ),
    nogil=True,
    cache=True,
)  # fmt: skip
def weigh(weights, inverse, antenna1, antenna2, slot, receptors, weight, chan_weight):
    """Fill the weights of visibilities, w_ij = w_i(c) w_j(c) / sigma^2.

    Parameters
    ----------
    weights : float32 (row, chan, corr)
        Filled here.
    inverse : float32 (row, 1 or chan, corr)
        1/sigma^2.
    antenna1, antenna2, slot : int32 (row,)
    receptors : int32 (corr, 2)
    weight : float32 (slot, antenna, receptor)
    chan_weight : float32 (slot, antenna, chan, receptor)
        Empty (no slots) where weights do not depend on the channel.
    """
    nchan, ncorr = weights.shape[1], weights.shape[2]
    by_chan, single = chan_weight.shape[0] > 0, inverse.shape[1] == 1
    for row in range(weights.shape[0]):
        i, j, s = antenna1[row], antenna2[row], slot[row]
        for corr in range(ncorr):
            p, q = receptors[corr, 0], receptors[corr, 1]
            wi, wj = weight[s, i, p], weight[s, j, q]
            for chan in range(nchan):
                w = inverse[row, 0 if single else chan, corr] * wi * wj
                if by_chan:
                    w *= chan_weight[s, i, chan, p] * chan_weight[s, j, chan, q]
                weights[row, chan, corr] = w


@nb.njit(
    nb.void(
        _C64[:, :, ::1], _C64[:, :, ::1], nb.boolean[:, :, ::1], nb.complex128[:, ::1], nb.complex128[:, ::1],
        nb.int64[:, ::1],
    ),
    nogil=True,
    cache=True,
)  # fmt: skip
def sum_channels(vis, model, flag, vis_sum, model_sum, count):
    """Add up visibilities and their model over the unflagged channels.

    Parameters
    ----------
    vis : complex64 (row, chan, corr)
    model : complex64 (row or 1, chan, corr)
        One row where it is the same for all.
    flag : bool (row, chan, corr)
    vis_sum, model_sum : complex128 (row, corr)
        Added to here.
    count : int64 (row, corr)
        Unflagged channels, added to here.
    """
    nchan, ncorr, single = vis.shape[1], vis.shape[2], model.shape[0] == 1
    for row in range(vis.shape[0]):
        of_model = 0 if single else row
        for chan in range(nchan):
            for corr in range(ncorr):
                if not flag[row, chan, corr]:
                    vis_sum[row, corr] += vis[row, chan, corr]
                    model_sum[row, corr] += model[of_model, chan, corr]
                    count[row, corr] += 1

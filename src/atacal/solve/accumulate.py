"""Sums over visibilities that are all a gain solver needs to know about them.

For every solution interval, channel group, polarisation and baseline the model ``V = g_i M conj(g_j)`` is fitted by
weighted least squares. Its chi-squared depends on the data only through

``A = sum w V conj(M)``, ``B = sum w |M|^2``, ``C = sum w |V|^2``

(for ``M`` constant in a sum, chi-squared is ``B |A/B - g_i conj(g_j)|^2 + C - |A|^2/B``), so the data are read once and
the solver never sees them again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray


@dataclass(eq=False)
class Sums:
    """Accumulated sums.

    Attributes
    ----------
    a : complex128 (slot, baseline, group, pol)
        ``sum w V conj(M)`` with ``V`` already corrected by the pre-applied tables.
    b : float64, same shape
        ``sum w |M|^2``.
    time : float64 (slot, baseline, 2)
        ``sum w |M|^2 (t - time0)`` [s] and ``sum w |M|^2``, over every channel and correlation.
    time0 : float64 (slot,)
        First time of every slot [MJD s].
    """

    a: NDArray[np.complex128]
    b: NDArray[np.float64]
    time: NDArray[np.float64]
    time0: NDArray[np.float64]

    @classmethod
    def zeros(cls, nslot: int, nbaseline: int, ngroup: int, npol: int) -> Sums:
        shape = (nslot, nbaseline, ngroup, npol)
        return cls(np.zeros(shape, np.complex128), np.zeros(shape), np.zeros((nslot, nbaseline, 2)), np.zeros(nslot))


def baseline_index(nant: int) -> NDArray[np.int32]:
    """Number the baselines: (antenna, antenna) -> index of the unordered pair, -1 for autocorrelations."""
    index = np.full((nant, nant), -1, np.int32)
    upper = np.triu_indices(nant, 1)
    index[upper] = np.arange(len(upper[0]), dtype=np.int32)
    index.T[upper] = index[upper]
    return index


NCLASS = 8
"""Baselines are dealt out to this many threads at most, whatever the machine, so that sums never change."""


def planes(values: NDArray[np.complex64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split (..., chan, corr) into real and imaginary parts (..., corr, chan), channels next to each other."""
    turned = np.moveaxis(values, -1, -2)
    return np.ascontiguousarray(turned.real), np.ascontiguousarray(turned.imag)


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _row_mask(mask, flag, wanted, corr_dep_flags):
    """Weight 1 or 0 of every channel of a row, (corr, chan)."""
    nchan, ncorr = flag.shape
    for c in range(nchan):
        anyflag = False
        for k in range(ncorr):
            anyflag |= flag[c, k]
        for k in range(ncorr):
            bad = flag[c, k] if corr_dep_flags else anyflag
            mask[k, c] = 1.0 if wanted[c] and not bad else 0.0


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def _products(out_re, out_im, out_b, vis, k, mask, weight, has_chan, iok, ire, iim, jok, jre, jim, mre, mim):
    """Per-channel terms of the sums: w V conj(M) (real, imaginary) and w |M|^2 of one row and correlation."""
    wchan = weight.shape[0] > 1
    w0 = weight[0, k]
    for c in range(vis.shape[0]):
        vr, vi = vis[c, 2 * k], vis[c, 2 * k + 1]
        w = weight[c, k] if wchan else w0
        # NaN and infinities (times zero they are NaN) and weights that are not positive count as flagged
        good = mask[c] > 0 and vr * 0 == 0 and vi * 0 == 0 and w > 0
        if has_chan:
            good = good and iok[c] and jok[c]
        w = w if good else np.float32(0)
        vr = vr if good else np.float32(0)
        vi = vi if good else np.float32(0)
        if has_chan:
            xr = ire[c] * jre[c] + iim[c] * jim[c]
            xi = iim[c] * jre[c] - ire[c] * jim[c]
            vr, vi = vr * xr - vi * xi, vr * xi + vi * xr
        out_re[c] = w * (vr * mre[c] + vi * mim[c])
        out_im[c] = w * (vi * mre[c] - vr * mim[c])
        out_b[c] = w * (mre[c] * mre[c] + mim[c] * mim[c])


@njit(nogil=True, cache=True, parallel=True, fastmath={"contract", "reassoc"})
def accumulate_rows(
    a, b, time_sum, slot, baseline, swap, time, vis, flag, flag_row, weight, pols, receptors, group,
    chan_re, chan_im, chan_ok, time_slot, time_inverse, time_ok, time_weight, antenna1, antenna2,
    model_re, model_im, corr_dep_flags,
):  # fmt: skip
    """Add a block's rows to the sums.

    Parameters
    ----------
    a, b, time_sum : the arrays of `Sums`, changed in place
    slot : int32 (row,)
        Solution interval of the row, -1 to skip it.
    baseline : int32 (row,)
    swap : bool (row,)
        True where antenna1 > antenna2: the conjugate is added.
    time : float64 (row,)
        Seconds since the slot's first time.
    vis : float32 (row, chan, 2 corr)
        Real and imaginary parts in turn (a view of complex64).
    flag : bool (row, chan, corr); flag_row : bool (row,)
    weight : float32 (row, 1 or chan, corr)
    pols, receptors : int64 (pol,)
        Correlation index and receptor (0 or 1) of every polarisation.
    group : int32 (chan,)
        Channel group of the channel, -1 to skip it.
    chan_re, chan_im : float32 (1 or time slot, 1 or antenna, 2, chan)
        Inverse of the pre-applied factors with a channel axis; one antenna long when there is none.
    chan_ok : bool, same shape
        False where there is no solution.
    time_slot : int32 (row,); time_inverse, time_ok : complex64, bool (time slot, 1 or antenna, 2);
    time_weight : float32, same shape
        Inverse and weight factors of the pre-applied tables that change with time.
    model_re, model_im : float32 (1 or row, corr, chan)
    corr_dep_flags : bool
        Let a correlation take part although another one of the same channel is flagged.

    Notes
    -----
    A visibility takes part only when none of its correlations is flagged in the data, as in CASA, unless
    ``corr_dep_flags``; a pre-applied table without a solution for one receptor takes out that receptor alone. Each
    thread owns the baselines of one residue class, so the result depends neither on the rows of a block nor on timing.
    """
    nrow, nchan, _ = vis.shape
    ncorr = flag.shape[2]
    npol = len(pols)
    ngroup = a.shape[2]
    wanted = group >= 0
    has_chan = chan_re.shape[1] > 1
    chan_time = chan_re.shape[0] > 1
    has_time = time_inverse.shape[1] > 1
    mrow = model_re.shape[0] > 1
    for thread in prange(NCLASS):
        mask = np.zeros((ncorr, nchan), np.float32)
        term = np.zeros((3, nchan), np.float32)
        for row in range(nrow):
            s = slot[row]
            if s < 0 or baseline[row] % NCLASS != thread or flag_row[row]:
                continue
            i, j, t = antenna1[row], antenna2[row], time_slot[row]
            tc = t if chan_time else 0
            ic, jc = (i, j) if has_chan else (0, 0)
            _row_mask(mask, flag[row], wanted, corr_dep_flags)
            m = row if mrow else 0
            bl = baseline[row]
            for p in range(npol):
                k, q = pols[p], receptors[p]
                if has_time and not (time_ok[t, i, q] and time_ok[t, j, q]):
                    continue
                _products(
                    term[0], term[1], term[2], vis[row], k, mask[k], weight[row], has_chan,
                    chan_ok[tc, ic, q], chan_re[tc, ic, q], chan_im[tc, ic, q],
                    chan_ok[tc, jc, q], chan_re[tc, jc, q], chan_im[tc, jc, q],
                    model_re[m, k], model_im[m, k],
                )  # fmt: skip
                factor, wf = np.complex128(1.0), np.float64(1.0)
                if has_time:
                    wf = np.float64(time_weight[t, i, q] * time_weight[t, j, q])
                    factor = np.complex128(time_inverse[t, i, q] * np.conj(time_inverse[t, j, q])) * wf
                wsum = 0.0
                if ngroup == 1:
                    re, im = 0.0, 0.0
                    for c in range(nchan):
                        re += term[0, c]
                        im += term[1, c]
                        wsum += term[2, c]
                    value = complex(re, im) * factor
                    a[s, bl, 0, q] += value.conjugate() if swap[row] else value
                    b[s, bl, 0, q] += wsum * wf
                else:
                    for c in range(nchan):
                        g = group[c]
                        if g >= 0:
                            value = complex(term[0, c], term[1, c]) * factor
                            a[s, bl, g, q] += value.conjugate() if swap[row] else value
                            b[s, bl, g, q] += term[2, c] * wf
                            wsum += term[2, c]
                time_sum[s, bl, 0] += wsum * wf * time[row]
                time_sum[s, bl, 1] += wsum * wf

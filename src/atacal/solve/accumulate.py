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
    time : float64 (slot, 2)
        ``sum w (t - time0)`` [s] and ``sum w``, over every baseline, channel and correlation.
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
        return cls(np.zeros(shape, np.complex128), np.zeros(shape), np.zeros((nslot, 2)), np.zeros(nslot))


def baseline_index(nant: int) -> NDArray[np.int32]:
    """Number the baselines: (antenna, antenna) -> index of the unordered pair, -1 for autocorrelations."""
    index = np.full((nant, nant), -1, np.int32)
    upper = np.triu_indices(nant, 1)
    index[upper] = np.arange(len(upper[0]), dtype=np.int32)
    index.T[upper] = index[upper]
    return index


@njit(nogil=True, cache=True, parallel=True, fastmath={"contract", "reassoc"})
def accumulate_rows(
    a, b, time_sum, slot, baseline, swap, time, vis, flag, flag_row, weight, pols, receptors, group,
    chan_inverse, chan_ok, time_slot, time_inverse, time_ok, time_weight, antenna1, antenna2, model, corr_dep_flags,
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
    vis : complex64 (row, chan, corr); flag : bool; flag_row : bool (row,)
    weight : float32 (row, 1 or chan, corr)
    pols : int64 (pol,)
        Correlation index of every polarisation that is solved.
    receptors : int64 (pol,)
        Receptor (0 or 1) of every polarisation.
    group : int32 (chan,)
        Channel group of the channel, -1 to skip it.
    chan_inverse, chan_ok : complex64, bool (1 or time slot, 1 or antenna, chan, 2)
        Inverse of the pre-applied factors with a channel axis; one antenna long when there is none.
    time_slot : int32 (row,); time_inverse, time_ok : complex64, bool (time slot, 1 or antenna, 2);
    time_weight : float32, same shape
        Inverse and weight factors of the pre-applied tables that change with time.
    model : complex64 (1 or row, chan, corr)
    corr_dep_flags : bool
        Let a correlation take part although another one of the same channel is flagged.

    Notes
    -----
    A visibility takes part only when none of its correlations is flagged, as in CASA, unless ``corr_dep_flags``. Each
    thread owns the baselines of one residue class, so the result depends neither on the rows of a block nor on timing.
    """
    nrow, nchan, ncorr = vis.shape
    npol = len(pols)
    ngroup = a.shape[2]
    wchan = weight.shape[1] > 1
    has_chan = chan_inverse.shape[1] > 1
    chan_time = chan_inverse.shape[0] > 1
    has_time = time_inverse.shape[1] > 1
    mrow = model.shape[0] > 1
    nthread = 2
    part = np.zeros((nthread, time_sum.shape[0], 2))
    for thread in prange(nthread):
        sum_a = np.zeros((ngroup, npol), np.complex128)
        sum_b = np.zeros((ngroup, npol))
        for row in range(nrow):
            s = slot[row]
            if s < 0 or baseline[row] % nthread != thread or flag_row[row]:
                continue
            i, j = antenna1[row], antenna2[row]
            t = time_slot[row]
            tc = t if chan_time else 0
            good = True
            if has_time:
                for p in range(2):
                    if not (time_ok[t, i, p] and time_ok[t, j, p]):
                        good = False
            if not good:
                continue
            sum_a[:] = 0.0
            sum_b[:] = 0.0
            wsum = 0.0
            m = row if mrow else 0
            for c in range(nchan):
                g = group[c]
                if g < 0:
                    continue
                bad = False
                if not corr_dep_flags:
                    for k in range(ncorr):
                        if flag[row, c, k]:
                            bad = True
                if has_chan:
                    for p in range(2):
                        if not (chan_ok[tc, i, c, p] and chan_ok[tc, j, c, p]):
                            bad = True
                if bad:
                    continue
                wc = c if wchan else 0
                for p in range(npol):
                    k = pols[p]
                    v = vis[row, c, k]
                    w = weight[row, wc, k]
                    if flag[row, c, k] or not (w > 0.0) or not np.isfinite(v.real) or not np.isfinite(v.imag):
                        continue
                    if has_chan:
                        q = receptors[p]
                        v = v * (chan_inverse[tc, i, c, q] * np.conj(chan_inverse[tc, j, c, q]))
                    mod = model[m, c, k]
                    sum_a[g, p] += w * (v * np.conj(mod))
                    sum_b[g, p] += w * (mod.real * mod.real + mod.imag * mod.imag)
                    wsum += w
            bl = baseline[row]
            for p in range(npol):
                factor = np.complex128(1.0)
                q = receptors[p]
                if has_time:
                    wf = time_weight[t, i, q] * time_weight[t, j, q]
                    factor = np.complex128(time_inverse[t, i, q] * np.conj(time_inverse[t, j, q])) * wf
                else:
                    wf = np.float32(1.0)
                for g in range(ngroup):
                    value = sum_a[g, p] * factor
                    if swap[row]:
                        value = np.conj(value)
                    a[s, bl, g, q] += value
                    b[s, bl, g, q] += sum_b[g, p] * wf
            if has_time:
                wsum *= 0.5 * (
                    time_weight[t, i, 0] * time_weight[t, j, 0] + time_weight[t, i, 1] * time_weight[t, j, 1]
                )
            part[thread, s, 0] += wsum * time[row]
            part[thread, s, 1] += wsum
    for thread in range(nthread):
        time_sum += part[thread]

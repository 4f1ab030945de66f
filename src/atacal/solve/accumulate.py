"""Sums over visibilities that are all a gain solver needs to know about them.

For every solution interval, channel group, polarisation and baseline the model ``V = g_i M conj(g_j)`` is fitted by
weighted least squares. Its chi-squared depends on the data only through

``A = sum w V conj(M)``, ``B = sum w |M|^2``, ``C = sum w |V|^2``

(for ``M`` constant in a sum, chi-squared is ``B |A/B - g_i conj(g_j)|^2 + C - |A|^2/B``), so the data are read once and
the solver never sees them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
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


def planes(values: NDArray[np.complex64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Split (..., chan, corr) into real and imaginary parts (..., corr, chan), channels next to each other."""
    turned = np.moveaxis(values, -1, -2)
    return np.ascontiguousarray(turned.real), np.ascontiguousarray(turned.imag)


class Rows(NamedTuple):
    """What `accumulate_rows` needs to know of each row.

    Attributes
    ----------
    slot : int32 (row,)
        Solution interval, -1 to skip the row.
    baseline : int32 (row,)
    swap : bool (row,)
        True where antenna1 > antenna2: the conjugate is added.
    since : float64 (row,)
        Seconds since the slot's first time.
    antenna1, antenna2 : int32 (row,)
    time_slot : int32 (row,)
        First index of the inverse factors.
    flagged : bool (row,)
    """

    slot: NDArray[np.int32]
    baseline: NDArray[np.int32]
    swap: NDArray[np.bool_]
    since: NDArray[np.float64]
    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    time_slot: NDArray[np.int32]
    flagged: NDArray[np.bool_]


class Cubes(NamedTuple):
    """The data of the rows.

    Attributes
    ----------
    vis : float32 (row, chan corr 2)
        Real and imaginary parts in turn (a view of complex64).
    flag : uint8 (row, chan corr)
    weight : float32 (row, corr or chan corr)
    model_re, model_im : float32 (1 or row, corr, chan)
    """

    vis: NDArray[np.float32]
    flag: NDArray[np.uint8]
    weight: NDArray[np.float32]
    model_re: NDArray[np.float32]
    model_im: NDArray[np.float32]


class Chosen(NamedTuple):
    """What takes part.

    Attributes
    ----------
    pols, receptors : int64 (pol,)
        Correlation index and receptor (0 or 1) of every polarisation.
    group : int32 (chan,)
        Channel group of the channel, -1 to skip it.
    corr_dep_flags : bool
        Let a correlation take part although another one of the same channel is flagged.
    """

    pols: NDArray[np.int64]
    receptors: NDArray[np.int64]
    group: NDArray[np.int32]
    corr_dep_flags: bool


class Inverse(NamedTuple):
    """Inverse of the factors of the pre-applied tables; one antenna long where there is none.

    Attributes
    ----------
    chan_re, chan_im : float32 (1 or time slot, 1 or antenna, 2, chan)
        Of those with a channel axis.
    chan_ok : bool, same shape
        False where there is no solution.
    time : complex64 (time slot, 1 or antenna, 2)
        Of those that change with time alone.
    time_ok : bool, time_weight : float32, same shape
    """

    chan_re: NDArray[np.float32]
    chan_im: NDArray[np.float32]
    chan_ok: NDArray[np.bool_]
    time: NDArray[np.complex64]
    time_ok: NDArray[np.bool_]
    time_weight: NDArray[np.float32]


# The loops over channels run from 0 over plain vectors with strides that the compiler knows: only so does it make SIMD
# code of them (4 times faster, measured). NaN must survive, so no "nnan" among the liberties.
_loops = njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz", "arcp"})


@_loops
def _load(re, im, wt, vis, weight, by_chan):
    """Spread a row's visibilities and weights over planes, (corr, chan)."""
    ncorr, nchan = re.shape
    if ncorr == 2:
        re0, im0, re1, im1, wt0, wt1 = re[0], im[0], re[1], im[1], wt[0], wt[1]
        for c in range(nchan):
            re0[c], im0[c], re1[c], im1[c] = vis[4 * c], vis[4 * c + 1], vis[4 * c + 2], vis[4 * c + 3]
        if by_chan:
            for c in range(nchan):
                wt0[c], wt1[c] = weight[2 * c], weight[2 * c + 1]
    else:
        for k in range(ncorr):
            rek, imk, wtk = re[k], im[k], wt[k]
            for c in range(nchan):
                rek[c], imk[c] = vis[2 * (ncorr * c + k)], vis[2 * (ncorr * c + k) + 1]
            if by_chan:
                for c in range(nchan):
                    wtk[c] = weight[ncorr * c + k]
    if not by_chan:
        for k in range(ncorr):
            wt[k, :] = weight[k]


@_loops
def _mask(wt, flag, corr_dep_flags):
    """Take the weight of flagged channels; return False if none is left."""
    ncorr, nchan = wt.shape
    count = 0
    for n in range(ncorr * nchan):
        count += flag[n]
    if count == 0:
        return True
    if count == ncorr * nchan:
        return False
    for c in range(nchan):
        anyflag = False
        for k in range(ncorr):
            anyflag |= flag[c * ncorr + k] != 0
        for k in range(ncorr):
            if flag[c * ncorr + k] if corr_dep_flags else anyflag:
                wt[k, c] = np.float32(0)
    return True


@_loops
def _clean(re, im, wt, wanted):
    """Take the weight of channels not wanted, of NaN and infinities, and weights that are not positive."""
    zero = np.float32(0)
    for c in range(len(re)):
        w = wt[c] * wanted[c]
        good = (re[c] * zero == zero) & (im[c] * zero == zero) & (w > zero)
        wt[c] = w if good else zero
        re[c] = re[c] if good else zero
        im[c] = im[c] if good else zero


@_loops
def _correct(re, im, wt, iok, ire, iim, jok, jre, jim):
    """Multiply by the inverse factors of both antennas; channels without a factor lose their weight."""
    for c in range(len(re)):
        xr = ire[c] * jre[c] + iim[c] * jim[c]
        xi = iim[c] * jre[c] - ire[c] * jim[c]
        vr, vi = re[c], im[c]
        re[c], im[c] = vr * xr - vi * xi, vr * xi + vi * xr
        wt[c] = wt[c] if iok[c] & jok[c] else np.float32(0)


@_loops
def _terms(re, im, wt, mre, mim):
    """Turn the planes of a correlation into the terms of the sums, in place: w V conj(M) and w |M|^2."""
    for c in range(len(re)):
        w, vr, vi, mr, mi = wt[c], re[c], im[c], mre[c], mim[c]
        re[c], im[c] = w * (vr * mr + vi * mi), w * (vi * mr - vr * mi)
        wt[c] = w * (mr * mr + mi * mi)


@_loops
def _sum(values):
    total = 0.0
    for c in range(len(values)):
        total += values[c]
    return total


@njit(nogil=True, cache=True, fastmath={"contract", "reassoc"})
def accumulate_rows(a, b, time_sum, rows, cubes, chosen, inverse, low, high):
    """Add a block's rows of some baselines to the sums.

    Parameters
    ----------
    a, b, time_sum : the arrays of `Sums`, changed in place
    rows : Rows
    cubes : Cubes
    chosen : Chosen
    inverse : Inverse
    low, high : int
        Baselines from ``low`` to ``high`` - 1 are done: those of one thread, so that the result depends neither on the
        rows of a block nor on timing.

    Notes
    -----
    A visibility takes part only when none of its correlations is flagged in the data, as in CASA, unless
    ``corr_dep_flags``; a pre-applied table without a solution for one receptor takes out that receptor alone.
    """
    nrow, nchan = len(rows.slot), len(chosen.group)
    ncorr = cubes.flag.shape[1] // nchan
    npol = len(chosen.pols)
    ngroup = a.shape[2]
    picked = np.flatnonzero(chosen.group >= 0)
    first, last = (picked[0], picked[-1] + 1) if len(picked) else (0, 0)
    wanted = (chosen.group[first:last] >= 0).astype(np.float32)
    by_chan = cubes.weight.shape[1] > ncorr
    has_chan = inverse.chan_re.shape[1] > 1
    chan_time = inverse.chan_re.shape[0] > 1
    has_time = inverse.time.shape[1] > 1
    chan_re, chan_im, chan_ok = inverse.chan_re, inverse.chan_im, inverse.chan_ok
    mrow = cubes.model_re.shape[0] > 1
    shape = (ncorr, last - first)
    re, im, wt = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for row in range(nrow):
        s, bl = rows.slot[row], rows.baseline[row]
        if s < 0 or bl < low or bl >= high or rows.flagged[row]:
            continue
        i, j, t = rows.antenna1[row], rows.antenna2[row], rows.time_slot[row]
        tc = t if chan_time else 0
        ic, jc = (i, j) if has_chan else (0, 0)
        m = row if mrow else 0
        weights = cubes.weight[row, ncorr * first : ncorr * last] if by_chan else cubes.weight[row]
        _load(re, im, wt, cubes.vis[row, 2 * ncorr * first : 2 * ncorr * last], weights, by_chan)
        if not _mask(wt, cubes.flag[row, ncorr * first : ncorr * last], chosen.corr_dep_flags):
            continue
        for p in range(npol):
            k, q = chosen.pols[p], chosen.receptors[p]
            if has_time and not (inverse.time_ok[t, i, q] and inverse.time_ok[t, j, q]):
                continue
            rek, imk, wtk = re[k], im[k], wt[k]
            _clean(rek, imk, wtk, wanted)
            if has_chan:
                _correct(
                    rek, imk, wtk,
                    chan_ok[tc, ic, q, first:last], chan_re[tc, ic, q, first:last], chan_im[tc, ic, q, first:last],
                    chan_ok[tc, jc, q, first:last], chan_re[tc, jc, q, first:last], chan_im[tc, jc, q, first:last],
                )  # fmt: skip
            _terms(rek, imk, wtk, cubes.model_re[m, k, first:last], cubes.model_im[m, k, first:last])
            factor, wf = np.complex128(1.0), np.float64(1.0)
            if has_time:
                wf = np.float64(inverse.time_weight[t, i, q] * inverse.time_weight[t, j, q])
                factor = np.complex128(inverse.time[t, i, q] * np.conj(inverse.time[t, j, q])) * wf
            wsum = _sum(wtk)
            if ngroup == 1:
                value = complex(_sum(rek), _sum(imk)) * factor
                a[s, bl, 0, q] += value.conjugate() if rows.swap[row] else value
                b[s, bl, 0, q] += wsum * wf
            else:
                for c in range(last - first):
                    g = chosen.group[first + c]
                    if g >= 0:
                        value = complex(rek[c], imk[c]) * factor
                        a[s, bl, g, q] += value.conjugate() if rows.swap[row] else value
                        b[s, bl, g, q] += wtk[c] * wf
            time_sum[s, bl, 0] += wsum * wf * rows.since[row]
            time_sum[s, bl, 1] += wsum * wf

"""Rows of a raw block: correlation coefficients with thermal noise, channel averages, radiometer temperatures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.atmosphere import FORWARD, GROUND_K, rayleigh_jeans
from atacal.simulate.earth import antenna_uvw, towards_itrf
from atacal.simulate.raw_air import AMBIENT_K, HOT_K, RawAir, system_temperature
from atacal.simulate.raw_instrument import RawInstrument, kelvin_per_jy
from atacal.simulate.raw_layout import WVR_SAMPLE_S, RawSubscan, RawWindow, windows_of
from atacal.simulate.sky import C_M_S, Source
from atacal.simulate.visibilities import CORR_RECEPTORS, baselines
from atacal.threads import in_order


@dataclass(frozen=True, eq=False)
class RawBlock:
    """Everything that the rows are made from."""

    windows: tuple[RawWindow, ...]
    subscans: tuple[RawSubscan, ...]
    sources: tuple[Source, ...]
    instrument: RawInstrument
    air: RawAir
    corrs: tuple[str, ...]
    noise: bool
    seed: int
    wvr_k: NDArray[np.float32]

    @property
    def delay_m(self) -> NDArray[np.float64]:
        """Offset of each antenna towards the source [m], shape (time, antenna)."""
        found = [
            towards_itrf(s.time_mjd_s, self.sources[s.field].ra_rad, self.sources[s.field].dec_rad)
            for s in self.subscans
        ]
        out: NDArray[np.float64] = np.concatenate(found) @ self.instrument.offset_m.T
        return out


@dataclass(eq=False)
class RawRows:
    """Rows of one subscan and spw, integration after integration.

    ``time_mjd_s``, ``antenna1``, ``antenna2`` (row,); ``uvw_m`` (row, 3); ``vis`` complex64 and ``flag`` bool
    (row, chan, corr); ``weight`` float32 (row,); ``interval_s``.
    """

    subscan: int
    spw: int
    interval_s: float
    time_mjd_s: NDArray[np.float64]
    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    uvw_m: NDArray[np.float64]
    vis: NDArray[np.complex64]
    flag: NDArray[np.bool_]
    weight: NDArray[np.float32]


@dataclass(frozen=True)
class _Job:
    """An item of rows to make: of a window, or of the radiometers (None) with their samples ``span``.

    ``at`` is the subscan's first integration in the block; ``last`` says that the subscan's item is the window's last.
    """

    subscan: int
    window: RawWindow | None
    span: slice
    at: int
    last: bool = False


def raw_rows(block: RawBlock, max_bytes: int) -> Iterator[RawRows]:
    """Yield the rows: subscan, then the radiometers, then each window with its channel average.

    Parameters
    ----------
    block : RawBlock
    max_bytes : int
        Bound on the visibilities of one item; items are whole integrations, made ahead by threads.
    """
    average = {w.of: w for w in block.windows if w.kind == "average"}
    delay = block.delay_m

    def made(job: _Job) -> tuple[RawRows, RawRows | None]:
        if job.window is None:
            return _radiometer_rows(block, job.subscan, block.wvr_k[job.span]), None
        rows = _correlator_rows(block, job.subscan, job.window, job.span, job.at, delay)
        return rows, _average(rows, job.window, average[job.window.id], block.subscans[job.subscan])

    jobs = list(_jobs(block, max_bytes))
    averaged: list[RawRows] = []
    for job, (rows, mean) in zip(jobs, in_order(made, jobs), strict=True):
        yield rows
        if mean is not None:
            averaged.append(mean)
        if job.last:
            yield _joined(averaged)
            averaged = []


def _jobs(block: RawBlock, max_bytes: int) -> Iterator[_Job]:
    nbase = len(baselines(block.instrument.array.nant, True)[0])
    at = sample = 0
    for number, subscan in enumerate(block.subscans):
        nwvr, nint = len(subscan.wvr_time_mjd_s), len(subscan.time_mjd_s)
        yield _Job(number, None, slice(sample, sample + nwvr), at)
        for w in windows_of(subscan, block.windows):
            step = max(1, max_bytes // (nbase * w.nchan * len(block.corrs) * 8))
            for start in range(0, nint, step):
                stop = min(nint, start + step)
                yield _Job(number, w, slice(start, stop), at, stop == nint)
        at, sample = at + nint, sample + nwvr


def _radiometer_rows(block: RawBlock, number: int, kelvin: NDArray[np.float32]) -> RawRows:
    subscan, nant = block.subscans[number], block.instrument.array.nant
    times = subscan.wvr_time_mjd_s
    antenna = np.tile(np.arange(nant, dtype=np.int32), len(times))
    vis = kelvin.reshape(-1, 4, 1).astype(np.complex64)
    flag = np.zeros(vis.shape, bool)
    dead = [f.antenna_id for f in block.instrument.faults if f.kind == "dead_wvr"]
    flag[np.isin(antenna, dead)] = True
    weight = np.full(len(antenna), block.windows[0].effective_bw_hz[0] * WVR_SAMPLE_S, np.float32)
    return RawRows(
        number,
        0,
        WVR_SAMPLE_S,
        np.repeat(times, nant),
        antenna,
        antenna,
        np.zeros((len(antenna), 3)),
        vis,
        flag,
        weight,
    )


def antenna_factors(
    block: RawBlock, number: int, w: RawWindow, span: slice, delay_m: NDArray[np.float64], *, tsys: bool = True
) -> NDArray[np.complex64]:
    """Return what each antenna does to a jansky, complex64 (time, antenna, chan, receptor).

    Parameters
    ----------
    number : int
        Index of the subscan.
    w : RawWindow
    span : slice
        Integrations, of the whole block.
    delay_m : float64 (time, antenna)
        Of the whole block; see `RawBlock.delay_m`.
    tsys : bool
        Divide by sqrt(Tsys): the correlator measures shares of the system's power.

    Notes
    -----
    x = g B sqrt(Gamma / Tsys) exp(2 pi i nu (s.offset - L) / c) times the shares of the source that are seen; a
    correlation coefficient is x_i conj(x_j) M.
    """
    ins, air = block.instrument, block.air
    metres = (delay_m - air.wet_path_m - air.dry_path_m)[span]
    # one phase at the centre and one step a channel: exact, for channels of one width
    turn = np.exp(2j * np.pi / C_M_S * metres[:, :, None] * w.chan_freq_hz).astype(np.complex64)
    share = (ins.source_share * ins.shadow)[span]
    out: NDArray[np.complex64] = (ins.gain[w.id][span] * share[:, :, None])[:, :, None, :] * turn[..., None]
    band = ins.bandpass[w.id] * np.float32(np.sqrt(kelvin_per_jy(w.centre_freq_hz)))
    if tsys:
        kelvin = system_temperature(ins.trx_k[w.id], air.sky_k[w.id][number], air.tau[w.id], float(air.airmass[number]))
        band = band / np.sqrt(kelvin)
    out *= band[None]
    return out


def _correlator_rows(
    block: RawBlock, number: int, w: RawWindow, span: slice, at: int, delay_m: NDArray[np.float64]
) -> RawRows:
    subscan = block.subscans[number]
    source, time = block.sources[subscan.field], subscan.time_mjd_s[span]
    a1, a2 = baselines(block.instrument.array.nant, True)
    nant, n = block.instrument.array.nant, len(time)
    positions = antenna_uvw(block.instrument.array.itrf_m, time, source.ra_rad, source.dec_rad)
    uvw = positions[:, a1] - positions[:, a2]
    vis = np.zeros((n, len(a1), w.nchan, len(block.corrs)), np.complex64)
    if subscan.amplitude > 0:
        whole = slice(at + span.start, at + span.stop)
        x = antenna_factors(block, number, w, whole, delay_m)
        model = np.asarray(source.visibility(uvw[:, nant:], w.chan_freq_hz), np.complex64)
        for c, corr in enumerate(block.corrs):
            p, q = CORR_RECEPTORS[corr]
            if p == q:
                _multiply(vis[:, nant:, :, c], x[..., p], model, a1[nant:], a2[nant:])
    _autocorrelations(block, number, w, vis[:, :nant])
    weight = np.where(a1 == a2, 1.0, 2.0) * w.effective_bw_hz[0] * subscan.integration_s
    if block.noise:
        sigma = (1 / np.sqrt(weight)).astype(np.float32)
        for k in range(n):
            rng = np.random.default_rng([block.seed, 140, number, w.id, span.start + k])
            draws = rng.standard_normal((*vis.shape[1:3], 2 * vis.shape[3]), np.float32)
            draws *= sigma[:, None, None]
            draws[:nant, :, 1::2] = 0  # a power is real
            vis[k] += draws.view(np.complex64)
    _digital_faults(block, number, w, vis, slice(at + span.start, at + span.stop), (a1, a2))
    flag = np.zeros(vis.shape, bool)
    for f in block.instrument.faults:
        if f.kind == "flagged":
            hit = (time >= f.start_mjd_s) & (time <= f.end_mjd_s)
            flag[np.ix_(hit, (a1 == f.antenna_id) | (a2 == f.antenna_id))] = True
    cell = vis.shape[2:]
    return RawRows(
        number, w.id, subscan.integration_s, np.repeat(time, len(a1)), np.tile(a1, n), np.tile(a2, n),
        uvw.reshape(-1, 3), vis.reshape(-1, *cell), flag.reshape(-1, *cell), np.tile(weight, n).astype(np.float32),
    )  # fmt: skip


def _digital_faults(
    block: RawBlock, number: int, w: RawWindow, vis: NDArray[np.complex64], whole: slice, pairs: tuple[NDArray, NDArray]
) -> None:
    """Put in what is wrong after the digitisers: scales of signal and noise, products of baselines."""
    ins, (a1, a2) = block.instrument, pairs
    receptors = np.array([CORR_RECEPTORS[c] for c in block.corrs])
    scale = ins.scale[whole]
    for k in np.flatnonzero((scale != 1).any(axis=(1, 2))):
        vis[k] *= (scale[k, a1][:, receptors[:, 0]] * scale[k, a2][:, receptors[:, 1]])[:, None]
    channels = ins.channel_scale.get(w.id)
    if channels is not None:
        for c in np.flatnonzero((channels != 1).any(axis=(0, 2))):
            vis[:, :, c] *= channels[a1, c][:, receptors[:, 0]] * channels[a2, c][:, receptors[:, 1]]
    subscan = block.subscans[number]
    if subscan.purpose == "science":
        for fault in ins.placed:
            fault.on_baselines(vis, w, subscan.scan, pairs, block.corrs)


def _multiply(
    out: NDArray[np.complex64], x: NDArray[np.complex64], model: NDArray[np.complex64], a1: NDArray, a2: NDArray
) -> None:
    """Put x_i conj(x_j) M into ``out`` (time, baseline, chan), antenna by antenna to need no copies of it."""
    for i, (low, high) in enumerate(pairwise(np.searchsorted(a1, np.arange(x.shape[1] + 1)))):
        if high > low:
            others = x[:, a2[low] : a2[high - 1] + 1]
            np.multiply(x[:, i, None], np.conj(others), out=out[:, low:high])
            out[:, low:high] *= model[:, low:high] if model.ndim == 3 else model


def _autocorrelations(block: RawBlock, number: int, w: RawWindow, out: NDArray[np.complex64]) -> None:
    """Fill in the power of each receiver, relative to its power on the sky: 1 times the bandpass."""
    subscan, ins, air = block.subscans[number], block.instrument, block.air
    trx = ins.trx_k[w.id]
    sky = FORWARD * air.sky_k[w.id][number] + (1 - FORWARD) * GROUND_K
    power = np.ones(trx.shape, np.float32)
    if subscan.load in ("ambient", "hot"):
        load = rayleigh_jeans(HOT_K if subscan.load == "hot" else AMBIENT_K, w.chan_freq_hz)
        power = ((trx + load[None, :, None]) / (trx + sky[None, :, None])).astype(np.float32)
    power = power * np.abs(ins.bandpass[w.id]) ** 2
    for c, corr in enumerate(block.corrs):
        p, q = CORR_RECEPTORS[corr]
        if p == q:
            out[..., c] = power[..., p]


def _average(rows: RawRows, w: RawWindow, into: RawWindow, subscan: RawSubscan) -> RawRows:
    """Average the channels in the middle of the band."""
    inside = np.flatnonzero(np.abs(w.chan_freq_hz - w.centre_freq_hz) < into.chan_width_hz[0] / 2)
    part = slice(int(inside[0]), int(inside[-1]) + 1)
    one = np.where(rows.antenna1 == rows.antenna2, 1.0, 2.0)
    weight = one * len(inside) * w.effective_bw_hz[0] * subscan.integration_s
    return RawRows(
        rows.subscan, into.id, rows.interval_s, rows.time_mjd_s, rows.antenna1, rows.antenna2, rows.uvw_m,
        rows.vis[:, part].mean(axis=1, keepdims=True), rows.flag[:, :1].copy(), weight.astype(np.float32),
    )  # fmt: skip


def _joined(parts: list[RawRows]) -> RawRows:
    if len(parts) == 1:
        return parts[0]
    names = ("time_mjd_s", "antenna1", "antenna2", "uvw_m", "vis", "flag", "weight")
    merged = {n: np.concatenate([getattr(p, n) for p in parts]) for n in names}
    return RawRows(parts[0].subscan, parts[0].spw, parts[0].interval_s, **merged)

"""Visibilities with noise, a stretch of integrations of one spw at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.earth import antenna_uvw
from atacal.simulate.instrument import SEFD_JY, Instrument
from atacal.simulate.presets import Subscan, Window
from atacal.simulate.sky import Source

CORR_RECEPTORS = {"XX": (0, 0), "XY": (0, 1), "YX": (1, 0), "YY": (1, 1)}
"""The receptors of antenna1 and antenna2 that a correlation multiplies."""


@dataclass(frozen=True)
class Recording:
    """What is recorded, beside the sky and the instrument.

    Attributes
    ----------
    corrs : tuple of str
        Of XX, XY, YX, YY.
    autocorr : bool
        Autocorrelations too.
    noise : bool
        Thermal noise.
    weight_spectrum : bool
        A WEIGHT_SPECTRUM column, the row's weight in every channel.
    integration_s : float
    seed : int
    """

    corrs: tuple[str, ...]
    autocorr: bool
    noise: bool
    weight_spectrum: bool
    integration_s: float
    seed: int


@dataclass(eq=False)
class Rows:
    """Rows of one field and spw in table order: integration after integration, baselines within it.

    ``time_mjd_s``, ``antenna1``, ``antenna2`` (row,); ``uvw_m`` (row, 3); ``vis`` complex64 and ``flag`` bool
    (row, chan, corr); ``weight``, ``sigma`` float32 (row, corr).
    """

    subscan: Subscan
    spw: int
    time_mjd_s: NDArray[np.float64]
    antenna1: NDArray[np.int32]
    antenna2: NDArray[np.int32]
    uvw_m: NDArray[np.float64]
    vis: NDArray[np.complex64]
    flag: NDArray[np.bool_]
    weight: NDArray[np.float32]
    sigma: NDArray[np.float32]


def baselines(nant: int, autocorr: bool) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return antenna1 and antenna2 of an integration's rows: the autocorrelations, then each pair once."""
    first, second = np.triu_indices(nant, 1)
    if autocorr:
        own = np.arange(nant)
        first, second = np.concatenate([own, first]), np.concatenate([own, second])
    return first.astype(np.int32), second.astype(np.int32)


def generate(
    sources: tuple[Source, ...],
    instrument: Instrument,
    subscans: tuple[Subscan, ...],
    recording: Recording,
    max_bytes: int,
) -> Iterator[Rows]:
    """Yield the block's rows in table order: subscan, spw, integration, baseline.

    Parameters
    ----------
    sources : tuple of Source
        By field id.
    instrument : Instrument
    subscans : tuple of Subscan
    recording : Recording
    max_bytes : int
        Bound on the visibilities of one item; items are whole integrations.
    """
    first, _ = baselines(instrument.array.nant, recording.autocorr)
    at = 0
    for number, subscan in enumerate(subscans):
        nint = len(subscan.time_mjd_s)
        for window in instrument.windows:
            per_integration = len(first) * window.nchan * len(recording.corrs) * 8
            step = max(1, max_bytes // per_integration)
            for start in range(0, nint, step):
                stop = min(nint, start + step)
                yield _rows(sources[subscan.field], instrument, subscan, window, (start, stop), at, number, recording)
        at += nint


def _rows(
    source: Source,
    instrument: Instrument,
    subscan: Subscan,
    window: Window,
    span: tuple[int, int],
    at: int,
    number: int,
    recording: Recording,
) -> Rows:
    time = subscan.time_mjd_s[slice(*span)]
    a1, a2 = baselines(instrument.array.nant, recording.autocorr)
    positions = antenna_uvw(instrument.array.itrf_m, time, source.ra_rad, source.dec_rad)
    uvw = positions[:, a1] - positions[:, a2]
    gain = instrument.gain[window.id][at + span[0] : at + span[1]]
    weight, sigma = thermal(instrument, window, recording, a1, a2)
    model = source.visibility(uvw, window.chan_freq_hz).astype(np.complex64)
    vis = np.zeros((len(time), len(a1), window.nchan, len(recording.corrs)), np.complex64)
    for c, corr in enumerate(recording.corrs):
        p, q = CORR_RECEPTORS[corr]
        if p == q:  # unpolarised sources and no leakage: the cross-hands hold noise alone
            shape = instrument.bandpass[window.id]
            band = shape[a1, :, p] * np.conj(shape[a2, :, q])
            product = gain[:, a1, p] * np.conj(gain[:, a2, q])
            np.multiply(product[:, :, None], band[None], out=vis[..., c])
            vis[..., c] *= model
    if recording.noise:
        for k in range(len(time)):
            # one generator an integration: the same numbers however the rows are cut into items
            rng = np.random.default_rng([recording.seed, 7, number, window.id, span[0] + k])
            draws = rng.standard_normal((*vis.shape[1:3], 2 * vis.shape[3]), np.float32).view(np.complex64)
            vis[k] += draws * sigma[:, None, :]
    _add_autocorrelation_power(vis, a1, a2, recording.corrs)
    flag = np.zeros(vis.shape, bool)
    for fault in instrument.faults:
        if fault.kind == "flagged":
            hit = (time >= fault.start_mjd_s) & (time <= fault.end_mjd_s)
            flag[np.ix_(hit, (a1 == fault.antenna_id) | (a2 == fault.antenna_id))] = True
    n, cell = len(time), vis.shape[2:]
    return Rows(
        subscan, window.id, np.repeat(time, len(a1)), np.tile(a1, n), np.tile(a2, n), uvw.reshape(-1, 3),
        vis.reshape(-1, *cell), flag.reshape(-1, *cell), np.tile(weight, (n, 1)), np.tile(sigma, (n, 1)),
    )  # fmt: skip


def _add_autocorrelation_power(
    vis: NDArray[np.complex64], a1: NDArray[np.int32], a2: NDArray[np.int32], corrs: tuple[str, ...]
) -> None:
    """Autocorrelations of one receptor hold the system's own power, a real number [Jy]."""
    own = np.flatnonzero(a1 == a2)
    for c, corr in enumerate(corrs):
        if corr in ("XX", "YY"):
            vis[:, own, :, c] = vis[:, own, :, c].real + np.float32(SEFD_JY)


def thermal(
    instrument: Instrument, window: Window, recording: Recording, a1: NDArray[np.int32], a2: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return WEIGHT and SIGMA of one integration's rows, float32 (baseline, corr).

    Notes
    -----
    sigma = sqrt(SEFD_1 SEFD_2) / sqrt(2 dnu dt) for each of the real and the imaginary part of a channel (an
    autocorrelation: sqrt(dnu dt)), and WEIGHT = 1 / sigma^2: after the a-priori calibration ALMA's weights are
    2 dnu dt / (Tsys_1 Tsys_2).
    """
    sefd = instrument.sefd_jy[window.id]
    weight = np.empty((len(a1), len(recording.corrs)))
    samples = np.where(a1 == a2, 1.0, 2.0) * abs(window.chan_width_hz) * recording.integration_s
    for c, corr in enumerate(recording.corrs):
        p, q = CORR_RECEPTORS[corr]
        weight[:, c] = samples / (sefd[a1, p] * sefd[a2, q])
    return weight.astype(np.float32), (1 / np.sqrt(weight)).astype(np.float32)

"""The air over a raw block: one frozen screen of water delays the signal and fills the radiometers.

The screen is a thin layer at `SCREEN_M` that moves with the wind; an antenna that looks at elevation e sees the place
h / tan(e) away from it and a path 1 / sin(e) longer than at the zenith. A second, weaker screen is dry air: it delays,
and the radiometers do not see it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.atmosphere import (
    FORWARD,
    GROUND_K,
    PATH_PER_WATER,
    WVR_NOISE_K,
    Air,
    air,
    radiometer,
    rayleigh_jeans,
)
from atacal.simulate.earth import azimuth_elevation
from atacal.simulate.fault_site import Site
from atacal.simulate.raw_instrument import RawInstrument
from atacal.simulate.raw_layout import WVR_SAMPLE_S, RawSubscan, RawWindow, windows_of
from atacal.simulate.sky import Source
from atacal.simulate.turbulence import Screen, make_screen

SCREEN_M = 900.0
DRY_SHARE = 0.1
HOT_K, AMBIENT_K = 358.0, 292.0
_WVR_OFFSET_K = 0.3
_TSYS_SCALE, _TSYS_NOISE = 0.005, 0.003
_POINTS_PER_CHANNEL = 5


@dataclass(eq=False)
class RawAir:
    """The air of a block.

    Attributes
    ----------
    pwv_mm : float
        Precipitable water towards the zenith.
    wet, dry : Screen
        Zenith path; None in still air.
    azimuth_rad, elevation_rad : float64 (time,)
        Of the correlator's integrations.
    airmass : float64 (subscan,)
        1 / sin(elevation) at its middle.
    wet_path_m, dry_path_m : float64 (time, antenna)
        Extra path along the line of sight, averaged over each integration.
    tau : dict of spw id -> float64 (chan,)
        Zenith opacity.
    sky_k : dict of spw id -> float64 (subscan, chan)
        Brightness of the sky.
    """

    pwv_mm: float
    wet: Screen | None
    dry: Screen | None
    azimuth_rad: NDArray[np.float64]
    elevation_rad: NDArray[np.float64]
    airmass: NDArray[np.float64]
    wet_path_m: NDArray[np.float64]
    dry_path_m: NDArray[np.float64]
    tau: dict[int, NDArray[np.float64]]
    sky_k: dict[int, NDArray[np.float64]]


def make_air(
    windows: tuple[RawWindow, ...],
    subscans: tuple[RawSubscan, ...],
    sources: tuple[Source, ...],
    instrument: RawInstrument,
    *,
    pwv_mm: float,
    rms_300m_m: float,
    seed: int,
) -> RawAir:
    """Draw the air.

    Parameters
    ----------
    rms_300m_m : float
        Rms path between two antennas 300 m apart, towards the zenith [m].
    """
    wet = make_screen(rms_300m_m, np.random.default_rng([seed, 110])) if rms_300m_m else None
    dry = make_screen(rms_300m_m * DRY_SHARE, np.random.default_rng([seed, 111])) if rms_300m_m else None
    azimuth, elevation, airmass = [], [], []
    wets: list[NDArray[np.float64]] = []
    dries: list[NDArray[np.float64]] = []
    for s in subscans:
        source = sources[s.field]
        az, el = azimuth_elevation(s.time_mjd_s, source.ra_rad, source.dec_rad)
        azimuth.append(az)
        elevation.append(el)
        for screen, paths in ((wet, wets), (dry, dries)):
            paths.append(slant_path(screen, s, source, instrument, s.time_mjd_s, s.integration_s))
        middle = azimuth_elevation(np.array([(s.start_mjd_s + s.end_mjd_s) / 2]), source.ra_rad, source.dec_rad)[1]
        airmass.append(1 / np.sin(middle[0]))
    airmasses = np.array(airmass)
    tau, sky = {}, {}
    for w in windows:
        if w.kind in ("pointing", "tdm", "fdm"):
            layers = air(w.chan_freq_hz)
            tau[w.id] = layers.zenith_opacity(pwv_mm)
            sky[w.id] = _sky(layers, pwv_mm, airmasses)
    return RawAir(
        pwv_mm, wet, dry, np.concatenate(azimuth), np.concatenate(elevation), airmasses, np.concatenate(wets),
        np.concatenate(dries), tau, sky,
    )  # fmt: skip


def _sky(layers: Air, pwv_mm: float, airmass: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([layers.sky_k(pwv_mm * a, a) for a in airmass])


def slant_path(
    screen: Screen | None,
    subscan: RawSubscan,
    source: Source,
    instrument: RawInstrument,
    time_mjd_s: NDArray[np.float64],
    average_s: float,
) -> NDArray[np.float64]:
    """Return a screen's path along the line of sight [m], shape (time, antenna)."""
    enu = instrument.array.enu_m[:, :2]
    if screen is None:
        return np.zeros((len(time_mjd_s), len(enu)))
    start = instrument.time_mjd_s[0]
    # the direction moves by less than the screen's grain within a subscan: one place for all its integrations
    middle = np.array([(subscan.start_mjd_s + subscan.end_mjd_s) / 2])
    (az,), (el,) = azimuth_elevation(middle, source.ra_rad, source.dec_rad)
    seen = enu + SCREEN_M / np.tan(el) * np.array([np.sin(az), np.cos(az)])
    return screen.path_m(time_mjd_s - start, seen, average_s) / np.sin(el)


def system_temperature(
    trx_k: NDArray, sky_k: NDArray[np.float64], tau: NDArray[np.float64], airmass: float
) -> NDArray[np.float32]:
    """Return the system temperature above the air [K], float32 (antenna, chan, receptor).

    Parameters
    ----------
    trx_k : float32 (antenna, chan, receptor)
    sky_k, tau : float64 (chan,)
        At one elevation, and towards the zenith.
    airmass : float

    Notes
    -----
    Tsys = (Trx + eta Tsky + (1 - eta) Tground) exp(tau airmass) / eta (ALMA Technical Handbook, ch. 9).
    """
    added = FORWARD * sky_k + (1 - FORWARD) * GROUND_K
    scale = np.exp(tau * airmass) / FORWARD
    return ((trx_k + added[None, :, None]) * scale[None, :, None]).astype(np.float32)


@dataclass(eq=False)
class Measured:
    """System temperatures as ALMA measures and records them, one row an antenna, TDM window and measurement.

    ``time_mjd_s``, ``interval_s``, ``antenna``, ``spw``, ``subscan`` (row,); ``tsys_k``, ``trx_k``, ``tsky_k``,
    ``tcal_k`` float32 (row, chan, receptor).
    """

    time_mjd_s: NDArray[np.float64]
    interval_s: NDArray[np.float64]
    antenna: NDArray[np.int32]
    spw: NDArray[np.int32]
    subscan: NDArray[np.int32]
    tsys_k: NDArray[np.float32]
    trx_k: NDArray[np.float32]
    tsky_k: NDArray[np.float32]
    tcal_k: NDArray[np.float32]


def measure_tsys(site: Site, instrument: RawInstrument, block_air: RawAir, *, noise: bool, seed: int) -> Measured:
    """Measure system temperatures in atmosphere scans: right but for 0.5 % a measurement, 0.3 % a channel, faults."""
    windows, subscans = site.windows, site.subscans
    rng = np.random.default_rng([seed, 120])
    first = [i for i, s in enumerate(subscans) if s.purpose == "atmosphere" and s.load == "sky"]
    nant, out = instrument.array.nant, []
    fine = {w.id: _fine_air(w) for w in windows if w.kind == "tdm"}
    for k in first:
        start, airmass = subscans[k].start_mjd_s, float(block_air.airmass[k])
        end = max(s.end_mjd_s for s in subscans if s.scan == subscans[k].scan)
        for w in windows_of(subscans[k], windows):
            layers = fine[w.id]
            tau = layers.zenith_opacity(block_air.pwv_mm)
            sky = layers.sky_k(block_air.pwv_mm * airmass, airmass)
            trx = np.repeat(instrument.trx_k[w.id], _POINTS_PER_CHANNEL, axis=1)
            tsys = system_temperature(trx, sky, tau, airmass)
            tsys = tsys.reshape(nant, w.nchan, _POINTS_PER_CHANNEL, 2).mean(axis=2)
            tsky = np.repeat(sky.reshape(-1, _POINTS_PER_CHANNEL).mean(axis=1)[:, None], 2, axis=1)
            if noise:
                scale = 1 + rng.normal(0, _TSYS_SCALE, (nant, 1, 2)) + rng.normal(0, _TSYS_NOISE, tsys.shape)
                tsys = tsys * scale
            for fault in instrument.placed:
                fault.on_tsys(tsys, w, k, block_air, site)
            shape = (nant, w.nchan, 2)
            tcal = rayleigh_jeans(AMBIENT_K, w.chan_freq_hz)[:, None] - tsky
            out.append((
                np.full(nant, (start + end) / 2), np.full(nant, end - start), np.arange(nant), np.full(nant, w.id),
                np.full(nant, k), tsys, instrument.trx_k[w.id], np.broadcast_to(tsky, shape),
                np.broadcast_to(tcal, shape),
            ))  # fmt: skip
    kinds = (np.float64, np.float64, np.int32, np.int32, np.int32, *(np.float32,) * 4)
    return Measured(*(np.concatenate(c).astype(kind) for c, kind in zip(zip(*out, strict=True), kinds, strict=True)))


def _fine_air(w: RawWindow) -> Air:
    within = (np.arange(_POINTS_PER_CHANNEL) + 0.5) / _POINTS_PER_CHANNEL - 0.5
    return air((w.chan_freq_hz[:, None] + w.chan_width_hz[:, None] * within).ravel())


def wvr_temperatures(
    subscans: tuple[RawSubscan, ...],
    sources: tuple[Source, ...],
    instrument: RawInstrument,
    block_air: RawAir,
    *,
    noise: bool,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return what the radiometers record, for all subscans in turn.

    Returns
    -------
    kelvin : float32 (sample, antenna, 4)
        With noise and a constant offset of each radiometer; a radiometer that is dead records 0.
    water_mm : float64 (sample, antenna)
        True water along the line of sight.
    """
    rng = np.random.default_rng([seed, 130])
    nant, receiver = instrument.array.nant, radiometer()
    offset = rng.normal(0, _WVR_OFFSET_K, (nant, 4)) if noise else np.zeros((nant, 4))
    kelvin, water = [], []
    for k, s in enumerate(subscans):
        times = s.wvr_time_mjd_s
        if not len(times):
            continue
        path = slant_path(block_air.wet, s, sources[s.field], instrument, times, WVR_SAMPLE_S)
        extra, base = path * 1e3 / PATH_PER_WATER, block_air.pwv_mm * float(block_air.airmass[k])
        powers = receiver.around(base, float(block_air.airmass[k]), max(float(np.abs(extra).max()) * 1.2, 0.05))
        samples = np.polynomial.polynomial.polyval(extra, powers).transpose(1, 2, 0) + offset
        if noise:
            samples = samples + rng.normal(0, 1, samples.shape) * WVR_NOISE_K
        kelvin.append(samples.astype(np.float32))
        water.append(base + extra)
    if not kelvin:
        return np.zeros((0, nant, 4), np.float32), np.zeros((0, nant))
    out = np.concatenate(kelvin)
    all_times = np.concatenate([s.wvr_time_mjd_s for s in subscans])
    for fault in instrument.placed:
        fault.on_wvr(out, all_times)
    for f in instrument.faults:
        if f.kind == "dead_wvr":
            out[:, f.antenna_id] = 0
    return out, np.concatenate(water)

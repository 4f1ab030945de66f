"""Antennas of a raw block: positions that are a little wrong, receivers, gains, bandpasses, faults, shadows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.array import DISH_M, SITE_ITRF_M, Array, enu_axes, make_array
from atacal.simulate.earth import antenna_uvw, azimuth_elevation
from atacal.simulate.fault import Fault
from atacal.simulate.fault_choice import place
from atacal.simulate.fault_kinds import RawFault
from atacal.simulate.fault_site import Site
from atacal.simulate.fault_standard import described
from atacal.simulate.instrument import amplitude_drift, apply_faults, bandpass_shape, phase_drift
from atacal.simulate.presets import Window
from atacal.simulate.raw_layout import LO_HZ, RawSize, RawSubscan, RawWindow
from atacal.simulate.sky import Source

_POSITION_ERROR_M = 0.4e-3
_EFFICIENCY, _SURFACE_M = 0.72, 25e-6
_BOLTZMANN_JY = 1380.649  # Jy m^2 / K
_BEYOND_M = 14.8  # between the two antennas that shadow each other
_LATE_S = 4.5


def kelvin_per_jy(freq_hz: float) -> float:
    """Return the sensitivity of a 12 m antenna [K/Jy]: eta A / 2k, with Ruze's loss for 25 micrometres of roughness."""
    efficiency = _EFFICIENCY * np.exp(-((4 * np.pi * _SURFACE_M * freq_hz / 299792458.0) ** 2))
    return float(efficiency * np.pi * (DISH_M / 2) ** 2 / (2 * _BOLTZMANN_JY))


@dataclass(eq=False)
class RawInstrument:
    """What the antennas of a raw block do.

    Attributes
    ----------
    array : Array
        As the MeasurementSet has it.
    reference : int
        An antenna near the middle without faults.
    offset_m : float64 (antenna, 3)
        True minus recorded position, ITRF.
    time_mjd_s : float64 (time,)
        All integrations of the correlator, and ``subscan`` (time,) the index of the subscan of each.
    gain : dict of spw id -> complex64 (time, antenna, receptor)
        Of every correlated window with full resolution: efficiency and its drifts, electronic phase, faults.
    bandpass : dict of spw id -> complex64 (antenna, chan, receptor)
    trx_k : dict of spw id -> float32 (antenna, chan, receptor)
        Receiver temperatures [K].
    source_share : float32 (time, antenna)
        Share of the source's amplitude that an antenna sees: 1, less while slewing or beside the source, 0 on loads.
    shadow : float32 (time, antenna)
        Share of the amplitude that passes an antenna in front: 1 where there is none.
    faults : tuple of Fault
    placed : tuple of RawFault
        Those of them beside the standard ones.
    scale : float32 (time, antenna, receptor)
        Wrong scale of signal and noise after the digitisers, in all windows: 1 where nothing is wrong.
    channel_scale : dict of spw id -> float32 (antenna, chan, receptor)
        The same by channel, of the windows where something is wrong.
    constant_phase_rad : dict of spw id -> float64 (antenna, receptor)
        The part of the gains' phase that lasts: what sets windows and setups apart.
    """

    array: Array
    reference: int
    offset_m: NDArray[np.float64]
    time_mjd_s: NDArray[np.float64]
    subscan: NDArray[np.int32]
    gain: dict[int, NDArray[np.complex64]]
    bandpass: dict[int, NDArray[np.complex64]]
    trx_k: dict[int, NDArray[np.float32]]
    source_share: NDArray[np.float32]
    shadow: NDArray[np.float32]
    faults: tuple[Fault, ...]
    placed: tuple[RawFault, ...]
    scale: NDArray[np.float32]
    channel_scale: dict[int, NDArray[np.float32]]
    constant_phase_rad: dict[int, NDArray[np.float64]]


def make_raw_instrument(
    size: RawSize,
    windows: tuple[RawWindow, ...],
    subscans: tuple[RawSubscan, ...],
    sources: tuple[Source, ...],
    corrs: tuple[str, ...],
    *,
    faults: tuple[str, ...],
    seed: int,
) -> tuple[RawInstrument, Site]:
    """Draw a raw block's instrument, and the site that its faults were placed in.

    Parameters
    ----------
    faults : tuple of str
        Kinds.
    """
    rng = {k: np.random.default_rng([seed, 100 + i]) for i, k in enumerate(("array", "offsets", "faults", "gains"))}
    array = make_array(size.nant, size.max_radius_m, rng["array"])
    if "shadowing" in faults and size.nant >= 6:
        array = _close_pair(array, subscans, sources)
    shadow = _shadow(array, subscans, sources)
    reference = _reference(array, shadow)
    site = Site(array.names, windows, subscans, corrs)
    index = np.repeat(np.arange(len(subscans), dtype=np.int32), [len(s.time_mjd_s) for s in subscans])
    found = _shadow_faults(array, subscans, index, shadow)
    order: list[int] = []
    if faults:
        standard, order = _faults(
            array, subscans, reference, set(np.flatnonzero((shadow < 1).any(axis=0))), rng["faults"]
        )
        found = tuple(f for f in standard if f.kind in faults) + found
    found = tuple(described(f, site) for f in found)
    placed = place(faults, site, order, found, np.random.default_rng([seed, 105]))
    share = _source_share(subscans, index, size.nant, site.time_mjd_s, found)
    offset = np.round(rng["offsets"].normal(0, _POSITION_ERROR_M, (size.nant, 3)), 7)
    for f in placed:
        f.on_position(offset)
    offset[reference] = 0  # what the others are measured against
    gain, bandpass, trx, constants = _signal_path(site, found, placed, rng["gains"])
    scale, channel_scale = _scales(site, placed)
    instrument = RawInstrument(
        array, reference, offset, site.time_mjd_s, index, gain, bandpass, trx, share, shadow,
        found + tuple(f.record(site) for f in placed), placed, scale, channel_scale, constants,
    )  # fmt: skip
    return instrument, site


def _signal_path(
    site: Site, faults: tuple[Fault, ...], placed: tuple[RawFault, ...], rng: np.random.Generator
) -> tuple[dict[int, NDArray], ...]:
    time, nant = site.time_mjd_s, len(site.names)
    t = time - time[0]
    amplitude, electronic = amplitude_drift(t, nant, rng), phase_drift(t, nant, rng)
    delay = rng.normal(0, 0.15e-9, (nant, 2))
    correlated = [w for w in site.windows if w.kind in ("pointing", "tdm", "fdm")]
    receivers = {chain: _receiver(chain[0], nant, rng) for chain in sorted({w.chain for w in correlated})}
    gain, bandpass, trx, constants = {}, {}, {}, {}
    for w in correlated:
        turn = np.exp(1j * electronic * w.centre_freq_hz / LO_HZ)[:, :, None]
        constants[w.id] = rng.uniform(-np.pi, np.pi, (nant, 2))
        gains = apply_faults(amplitude * turn * np.exp(1j * constants[w.id]), time, faults)
        plain = Window(w.id, w.name, w.chan_freq_hz, float(w.chan_width_hz[0]), w.net_sideband, w.baseband)
        band = bandpass_shape(plain, delay, rng)
        for f in placed:
            f.on_gain(gains, w, site)
            f.on_bandpass(band, w)
        gain[w.id], bandpass[w.id] = gains.astype(np.complex64), band.astype(np.complex64)
        level, curve, ripple, phase = receivers[w.chain]
        x = ((w.chan_freq_hz - w.centre_freq_hz) / 1e9)[None, :, None]
        wave = np.sin(2 * np.pi * x / 0.35 + phase[:, None, :])
        shape = 1 + curve[:, 0, None, :] * x + curve[:, 1, None, :] * x**2 + ripple[:, None, :] * wave
        trx[w.id] = (level[:, None, :] * shape).astype(np.float32)
    return gain, bandpass, trx, constants


def _scales(site: Site, placed: tuple[RawFault, ...]) -> tuple[NDArray[np.float32], dict[int, NDArray[np.float32]]]:
    nant = len(site.names)
    scale = np.ones((len(site.time_mjd_s), nant, 2), np.float32)
    channels: dict[int, NDArray[np.float32]] = {}
    for f in placed:
        f.on_scale(scale, site)
    for w in site.science:
        one = np.ones((nant, w.nchan, 2), np.float32)
        for f in placed:
            f.on_channel_scale(one, w)
        if (one != 1).any():
            channels[w.id] = one
    return scale, channels


_RECEIVERS = {4: 0.9, 6: 1.0, 8: 2.8}
"""How noisy the receivers of a band are, relative to Band 6."""


def _receiver(band: int, nant: int, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    level = _RECEIVERS[band] * rng.uniform(38, 62, (nant, 2))
    return level, rng.normal(0, 0.05, (nant, 2, 2)), rng.uniform(0, 0.02, (nant, 2)), rng.uniform(0, 6.3, (nant, 2))


def _reference(array: Array, shadow: NDArray[np.float32]) -> int:
    """Return the antenna nearest to the middle that is never in a shadow."""
    horizontal = array.enu_m[:, :2]
    distance = np.hypot(*(horizontal - np.median(horizontal, axis=0)).T)
    return int(np.argmin(np.where((shadow < 1).any(axis=0), np.inf, distance)))


def _faults(
    array: Array, subscans: tuple[RawSubscan, ...], reference: int, shadowed: set[int], rng: np.random.Generator
) -> tuple[tuple[Fault, ...], list[int]]:
    """Choose the standard faults: those that last hit neither the reference antenna nor, if possible, one in a shadow.

    Returns the antennas that faults may hit as well, those in a shadow last.
    """
    others = sorted((int(i) for i in rng.permutation(array.nant) if i != reference), key=lambda i: i in shadowed)
    names, out = array.names, []
    science = [s for s in subscans if s.purpose == "science"]
    if array.nant >= 6:
        dead, low, jump = others[:3]
        middle = next(s for s in science if s.role == "target")
        out = [
            Fault("dead_polarization", names[dead], dead, polarization="Y"),
            Fault("low_gain", names[low], low, factor=0.45),
            Fault("phase_jump", names[jump], jump, phase_deg=70.0, scan=middle.scan,
                  start_mjd_s=float(middle.time_mjd_s.mean()), end_mjd_s=subscans[-1].end_mjd_s + 60.0),
        ]  # fmt: skip
    if array.nant >= 8:
        out.append(Fault("dead_wvr", names[others[3]], others[3]))
    for s in science:
        if s.subscan == 1:
            slow, lost = (int(i) for i in rng.choice(array.nant, 2, replace=False))
            out.append(Fault("late", names[slow], slow, start_mjd_s=s.start_mjd_s, scan=s.scan,
                             end_mjd_s=s.start_mjd_s + _LATE_S))  # fmt: skip
            end = s.start_mjd_s + s.integration_s
            out.append(Fault("flagged", names[lost], lost, start_mjd_s=s.start_mjd_s, end_mjd_s=end, scan=s.scan))
    return tuple(out), others


def _close_pair(array: Array, subscans: tuple[RawSubscan, ...], sources: tuple[Source, ...]) -> Array:
    """Put the outermost antenna so near to another that it is in its shadow when the target is lowest."""
    last = [s for s in subscans if s.purpose == "science" and s.role == "target"][-1]
    source = sources[last.field]
    azimuth, _ = azimuth_elevation(last.time_mjd_s[-1:], source.ra_rad, source.dec_rad)
    towards = np.array([np.sin(azimuth[0]), np.cos(azimuth[0])])
    radius = np.hypot(*array.enu_m[:, :2].T)
    behind, *free = (int(i) for i in np.argsort(-radius))
    enu = array.enu_m.copy()
    for front in free:
        place = enu[front, :2] - _BEYOND_M * towards
        gaps = np.hypot(*(np.delete(enu, [front, behind], axis=0)[:, :2] - place).T)
        if gaps.min() > 2 * DISH_M:
            enu[behind, :2], enu[behind, 2] = place, enu[front, 2]
            break
    enu = np.round(enu, 4)
    return replace(array, enu_m=enu, itrf_m=np.round(SITE_ITRF_M + enu @ enu_axes(), 6))


def _source_share(
    subscans: tuple[RawSubscan, ...], index: NDArray[np.int32], nant: int, time: NDArray, faults: tuple[Fault, ...]
) -> NDArray[np.float32]:
    share = np.repeat(np.array([s.amplitude for s in subscans], np.float32)[index][:, None], nant, axis=1)
    half = np.array([s.integration_s for s in subscans])[index] / 2
    for f in faults:
        if f.kind == "late":
            lost = np.clip(np.minimum(time + half, f.end_mjd_s) - np.maximum(time - half, f.start_mjd_s), 0, None)
            share[:, f.antenna_id] *= (1 - lost / (2 * half)).astype(np.float32)
    return share


def _shadow(array: Array, subscans: tuple[RawSubscan, ...], sources: tuple[Source, ...]) -> NDArray[np.float32]:
    """Return the share of the amplitude that is left, float32 (time, antenna).

    Two dishes of diameter D overlap by 2 arccos(x) - 2 x sqrt(1 - x^2) of pi, x = d/D, where they are d apart as seen
    from the source; the one farther from it loses that area.
    """
    out = []
    for s in subscans:
        source = sources[s.field]
        uvw = antenna_uvw(array.itrf_m, s.time_mjd_s, source.ra_rad, source.dec_rad)
        apart = uvw[:, :, None] - uvw[:, None]  # (time, this, that, 3)
        x = np.clip(np.hypot(apart[..., 0], apart[..., 1]) / DISH_M, 0, 1)
        area = 2 / np.pi * (np.arccos(x) - x * np.sqrt(1 - x**2))
        behind = apart[..., 2] < -DISH_M / 4
        out.append((1 - np.where(behind, area, 0)).prod(axis=2))
    return np.concatenate(out).astype(np.float32)


def _shadow_faults(
    array: Array, subscans: tuple[RawSubscan, ...], index: NDArray[np.int32], shadow: NDArray[np.float32]
) -> tuple[Fault, ...]:
    out = []
    for antenna in np.flatnonzero((shadow < 1).any(axis=0)):
        for scan in sorted({subscans[i].scan for i in index[shadow[:, antenna] < 1]}):
            parts = [s for s in subscans if s.scan == scan]
            hit = np.isin(index, [k for k, s in enumerate(subscans) if s.scan == scan])
            times = np.concatenate([s.time_mjd_s for s in parts])[shadow[hit, antenna] < 1]
            half = parts[0].integration_s / 2
            out.append(
                Fault("shadowing", array.names[antenna], int(antenna), scan=scan, start_mjd_s=float(times[0]) - half,
                      end_mjd_s=float(times[-1]) + half, factor=float(shadow[hit, antenna].min()))
            )  # fmt: skip
    return tuple(out)

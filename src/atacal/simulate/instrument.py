"""Antenna gains, bandpasses and sensitivities of a synthetic array, and its faults."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.simulate.array import Array
from atacal.simulate.fault import Fault
from atacal.simulate.presets import REF_FREQ_HZ, Subscan, Window
from atacal.simulate.sky import C_M_S
from atacal.simulate.turbulence import Screen

SEFD_JY = 3300.0
"""System equivalent flux density of an antenna and polarisation: Tsys 100 K at 0.03 K/Jy."""


def make_faults(array: Array, subscans: tuple[Subscan, ...], rng: np.random.Generator) -> tuple[Fault, ...]:
    """Choose the faults: never the central antenna, which is the reference."""
    others = [int(i) for i in rng.permutation(array.nant) if i != array.centre]
    names = array.names
    faults = []
    if array.nant >= 6:
        dead, low, jump = others[:3]
        targets = [s for s in subscans if s.role == "target"]
        middle = targets[len(targets) // 2]
        faults += [
            Fault("dead_polarization", names[dead], dead, polarization="Y"),
            Fault("low_gain", names[low], low, factor=0.45),
            Fault("phase_jump", names[jump], jump, phase_deg=70.0, scan=middle.scan,
                  start_mjd_s=float(middle.time_mjd_s.mean()), end_mjd_s=float(subscans[-1].time_mjd_s[-1]) + 60.0),
        ]  # fmt: skip
    first = [s for s in subscans if s.subscan == 1]
    for s in first:
        late = int(rng.choice(array.nant))
        half = float(np.diff(s.time_mjd_s[:2])[0]) / 2 if len(s.time_mjd_s) > 1 else 1.0
        start, end = float(s.time_mjd_s[0]) - half, float(s.time_mjd_s[0]) + half
        faults.append(Fault("flagged", names[late], late, start_mjd_s=start, end_mjd_s=end, scan=s.scan))
    return tuple(faults)


@dataclass(eq=False)
class Instrument:
    """What the array does to the signal.

    Measurement equation: V_ij = g_i B_i M_ij conj(g_j B_j) + noise, per receptor, with g (time) and B (channel) of each
    spw.

    Attributes
    ----------
    array : Array
    windows : tuple of Window
    time_mjd_s : float64 (time,)
        All integrations of the block.
    gain : list of complex64 (time, antenna, 2), one a spw
        g: amplitude drifts, atmospheric and electronic phase, faults.
    bandpass : list of complex64 (antenna, chan, 2), one a spw
        B: shape in amplitude and phase, delay.
    sefd_jy : list of float64 (antenna, 2), one a spw
    delay_s : float64 (antenna, 2)
    faults : tuple of Fault
    """

    array: Array
    windows: tuple[Window, ...]
    time_mjd_s: NDArray[np.float64]
    gain: list[NDArray[np.complex64]]
    bandpass: list[NDArray[np.complex64]]
    sefd_jy: list[NDArray[np.float64]]
    delay_s: NDArray[np.float64]
    faults: tuple[Fault, ...]


def make_instrument(
    array: Array,
    windows: tuple[Window, ...],
    time_mjd_s: NDArray[np.float64],
    integration_s: float,
    screen: Screen | None,
    faults: tuple[Fault, ...],
    rng: np.random.Generator,
) -> Instrument:
    """Draw an instrument.

    Parameters
    ----------
    array : Array
    windows : tuple of Window
    time_mjd_s : float64 (time,)
    integration_s : float
    screen : Screen, optional
        Atmospheric path; None for a still atmosphere.
    faults : tuple of Fault
    rng : numpy.random.Generator
    """
    t = time_mjd_s - time_mjd_s[0]
    nant = array.nant
    path_m = np.zeros((len(t), nant)) if screen is None else screen.path_m(t, array.enu_m[:, :2], integration_s)
    amplitude = amplitude_drift(t, nant, rng)
    electronic = phase_drift(t, nant, rng)
    delay = rng.normal(0, 0.15e-9, (nant, 2))
    gains, bandpasses, sefds = [], [], []
    for window in windows:
        scale = window.centre_freq_hz / REF_FREQ_HZ
        phase = electronic * scale - 2 * np.pi * window.centre_freq_hz / C_M_S * path_m
        constant = (1 + rng.normal(0, 0.02, (nant, 1))) * np.exp(1j * rng.uniform(-np.pi, np.pi, (nant, 2)))
        gain = amplitude * np.exp(1j * phase)[:, :, None] * constant
        gains.append(apply_faults(gain, time_mjd_s, faults).astype(np.complex64))
        bandpasses.append(bandpass_shape(window, delay, rng).astype(np.complex64))
        sefds.append(SEFD_JY * (1 + rng.uniform(-0.12, 0.12, (nant, 2))))
    return Instrument(array, windows, time_mjd_s, gains, bandpasses, sefds, delay, faults)


def amplitude_drift(t: NDArray[np.float64], nant: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Efficiency of each antenna with slow drifts of one per cent, shape (time, antenna, 2).

    The receptors differ by a tenth of a per cent: what the system temperatures, measured for each, would leave.
    """
    level = (1 + rng.normal(0, 0.06, (nant, 1))) * (1 + rng.normal(0, 0.001, (nant, 2)))
    period, phase = rng.uniform(3000, 7000, (nant, 1)), rng.uniform(0, 2 * np.pi, (nant, 1))
    common = 0.010 * np.sin(2 * np.pi * t[:, None, None] / period + phase)
    period, phase = rng.uniform(2500, 6000, (nant, 2)), rng.uniform(0, 2 * np.pi, (nant, 2))
    return level * (1 + common + 0.0005 * np.sin(2 * np.pi * t[:, None, None] / period + phase))


def phase_drift(t: NDArray[np.float64], nant: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Slow drift of the electronics' phase at the reference frequency [rad], shape (time, antenna)."""
    period, phase = rng.uniform(2500, 7000, nant), rng.uniform(0, 2 * np.pi, nant)
    return rng.normal(0, 0.25, nant) * np.sin(2 * np.pi * t[:, None] / period + phase) + rng.normal(0, 0.15, nant) * t[
        :, None
    ] / max(float(t[-1]), 1800.0)


def bandpass_shape(window: Window, delay_s: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.complex128]:
    """Smooth shapes, a small standing wave and the delay's slope, shape (antenna, chan, 2)."""
    nant, nu = len(delay_s), window.chan_freq_hz - window.centre_freq_hz
    x = 2 * nu / (abs(window.chan_width_hz) * window.nchan)
    order = np.arange(1, 6)
    legendre = np.polynomial.legendre.legvander(x, 5)[:, 1:] / order
    ripple = rng.uniform(180e6, 420e6, (nant, 1, 1))

    def wave() -> NDArray[np.float64]:
        return np.sin(2 * np.pi * nu[None, :, None] / ripple + rng.uniform(0, 2 * np.pi, (nant, 1, 2)))

    amplitude = 1 + np.einsum("co,aor->acr", legendre, rng.normal(0, 0.030, (nant, 5, 2))) + 0.006 * wave()
    phase = np.einsum("co,aor->acr", legendre, rng.normal(0, 0.08, (nant, 5, 2))) + 0.012 * wave()
    phase += 2 * np.pi * nu[None, :, None] * delay_s[:, None, :]
    return np.maximum(amplitude, 0.2) * np.exp(1j * phase)


def apply_faults(
    gain: NDArray[np.complex128], time: NDArray[np.float64], faults: tuple[Fault, ...]
) -> NDArray[np.complex128]:
    """Put faults into gains (time, antenna, receptor), in place."""
    for fault in faults:
        if fault.kind == "dead_polarization":
            gain[:, fault.antenna_id, fault.receptors] = 0
        elif fault.kind == "low_gain":
            gain[:, fault.antenna_id, fault.receptors] *= fault.factor
        elif fault.kind == "phase_jump":
            hit = (time >= fault.start_mjd_s) & (time <= fault.end_mjd_s)
            gain[hit, fault.antenna_id] *= np.exp(1j * np.radians(fault.phase_deg))
    return gain

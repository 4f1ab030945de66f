"""Antenna delays from baseline spectra."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_SMALL = 1e-10
"""Steps below this end the fit [rad, at the edge of the band]."""


def solve_antenna_delays(
    d: NDArray[np.complex128],
    b: NDArray[np.float64],
    freq_hz: NDArray[np.float64],
    ant1: NDArray[np.int32],
    ant2: NDArray[np.int32],
    nant: int,
    refant: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Fit one delay and one phase an antenna to the spectra of all baselines.

    Parameters
    ----------
    d : complex128 (baseline, chan)
        Data divided by the model.
    b : float64 (baseline, chan)
        Weights (1/sigma^2 of the real and of the imaginary part, in units of ``d``).
    freq_hz : float64 (chan,)
    ant1, ant2 : int32 (baseline,)
    nant, refant : int

    Returns
    -------
    delay_s : float64 (antenna,)
        Relative to the reference antenna [s]; 0 for antennas without data.
    error_s : float64 (antenna,)
        From the weights [s].
    good : bool (antenna,)
        Antennas with data on a baseline to the reference.

    Notes
    -----
    The model is ``D_ij(nu) = A_ij exp(i (p_i - p_j) + 2 pi i (t_i - t_j) (nu - nu_0))``. The baselines to the reference
    antenna give a first guess (the peak of their padded Fourier transform); Gauss-Newton steps on the phases of all
    baselines refine it, halved until they explain no less of the data than before. CASA stops at the first guess,
    interpolated between the points of the transform.
    """
    offset = freq_hz - freq_hz.mean()
    guess, phase, good = _first_guess(d, b, offset, ant1, ant2, nant, refant)
    delay = guess
    use = good[ant1] & good[ant2] & (b.sum(1) > 0)
    a1, a2, data, weight = ant1[use], ant2[use], d[use], b[use]
    free = np.flatnonzero(good & (np.arange(nant) != refant))
    place = np.full(nant, -1)
    place[free] = np.arange(len(free))
    error = np.zeros(nant)
    if not len(free):
        return delay * 0.0, error, good
    scale = 2 * np.pi * np.abs(offset).max()
    x = offset / np.abs(offset).max()

    def turned(phase: NDArray, delay: NDArray) -> tuple[NDArray, NDArray]:
        """Return the data without the phases of the fit, and the amplitude of every baseline that is left."""
        angle = (phase[a1] - phase[a2])[:, None] + 2 * np.pi * (delay[a1] - delay[a2])[:, None] * offset
        value = data * np.exp(-1j * angle)
        # amplitudes from the data, so that a resolved source or a weak antenna weighs as it should
        return value, np.maximum((weight * value.real).sum(1) / np.maximum(weight.sum(1), 1e-300), 0.0)

    value, amplitude = turned(phase, delay)
    for _ in range(20):
        normal, right = _normal_equations(value, weight, amplitude, x, place[a1], place[a2], len(free))
        step = np.linalg.lstsq(normal, right, rcond=1e-12)[0]
        explained = (amplitude**2 * weight.sum(1)).sum()
        while np.abs(step).max() >= _SMALL:
            next_phase, next_delay = phase.copy(), delay.copy()
            next_phase[free] += step[0::2]
            next_delay[free] += step[1::2] / scale
            next_value, next_amplitude = turned(next_phase, next_delay)
            if (next_amplitude**2 * weight.sum(1)).sum() >= explained:
                phase, delay, value, amplitude = next_phase, next_delay, next_value, next_amplitude
                break
            step = step / 2
        if np.abs(step).max() < _SMALL:
            break
    variance = np.diag(np.linalg.pinv(normal))[1::2]
    error[free] = np.sqrt(np.maximum(variance, 0.0)) / scale
    delay[~good] = 0.0
    return delay, error, good


def _first_guess(
    d: NDArray, b: NDArray, offset: NDArray, ant1: NDArray, ant2: NDArray, nant: int, refant: int
) -> tuple[NDArray, NDArray, NDArray]:
    """Peak of the Fourier transform of every baseline to the reference antenna."""
    delay, phase, good = np.zeros(nant), np.zeros(nant), np.zeros(nant, bool)
    step = float(np.median(np.abs(np.diff(offset)))) if len(offset) > 1 else 1.0
    bins = np.round((offset - offset.min()) / step).astype(int)
    npad = 1 << int(np.ceil(np.log2(max(8 * (bins.max() + 1), 64))))
    for k in np.flatnonzero(((ant1 == refant) | (ant2 == refant)) & (b.sum(1) > 0)):
        spectrum = b[k] * (d[k] if ant2[k] == refant else d[k].conj())
        other = ant1[k] if ant2[k] == refant else ant2[k]
        padded = np.zeros(npad, complex)
        np.add.at(padded, bins, spectrum)
        lag = np.fft.fft(padded)
        peak = int(np.argmax(np.abs(lag)))
        delay[other] = np.fft.fftfreq(npad, step)[peak]
        phase[other] = np.angle((spectrum * np.exp(-2j * np.pi * delay[other] * offset)).sum())
        good[other] = good[refant] = True
    return delay, phase, good


def _normal_equations(
    value: NDArray, weight: NDArray, amplitude: NDArray, x: NDArray, i: NDArray, j: NDArray, n: int
) -> tuple[NDArray, NDArray]:
    """Gauss-Newton normal equations in (phase, scaled delay) of the free antennas; index -1 is the reference."""
    normal, right = np.zeros((2 * n, 2 * n)), np.zeros(2 * n)
    residual = np.stack([(weight * value.imag).sum(1), (weight * value.imag * x).sum(1)]) * amplitude
    moment = np.stack([(weight * x**power).sum(1) for power in range(3)]) * amplitude**2
    for k in range(len(i)):
        for antenna, sign in ((i[k], 1), (j[k], -1)):
            if antenna < 0:
                continue
            right[2 * antenna : 2 * antenna + 2] += sign * residual[:, k]
            for other, other_sign in ((i[k], 1), (j[k], -1)):
                if other >= 0:
                    block = np.array([[moment[0, k], moment[1, k]], [moment[1, k], moment[2, k]]])
                    normal[2 * antenna : 2 * antenna + 2, 2 * other : 2 * other + 2] += sign * other_sign * block
    return normal, right

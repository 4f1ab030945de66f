"""A first guess of antenna phases and delays, from which polynomials of the phase are fitted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.solve.gains import solve_gains

_SWEEPS = 3
_CLEARLY = 1.1
"""By how much delays must make the data more coherent than no delays."""


def first_phases(
    d: NDArray[np.complex128],
    w: NDArray[np.float64],
    freq_hz: NDArray[np.float64],
    domain_hz: tuple[float, float],
    ant1: NDArray[np.int32],
    ant2: NDArray[np.int32],
    antennas: NDArray[np.int64],
    reference: int,
) -> NDArray[np.float64]:
    """Guess a phase and a delay for each antenna, the delays only if they make the data clearly more coherent.

    In noise the peak of a transform may be anywhere, so that no delay at all is the better guess.

    Parameters
    ----------
    d : complex128 (baseline, chan)
    w : float64 (baseline, chan)
        Weights.
    freq_hz : float64 (chan,)
    domain_hz : (float, float)
    ant1, ant2 : int32 (baseline,)
    antennas : int64 (n,)
        Those that have a solution.
    reference : int
        Whose phase is 0.

    Returns
    -------
    float64 (n, 2)
        Chebyshev coefficients of the phase [rad] over the domain: the constant term, which counts half, and the linear.
    """
    spectra = _Spectra(w * np.exp(1j * np.angle(d)), freq_hz - sum(domain_hz) / 2, ant1, ant2)
    total, nant = w.sum(1), int(antennas.max()) + 1
    mean = spectra.unit.sum(1) / np.maximum(total, 1e-300)
    gain = solve_gains(mean[None], total[None], ant1, ant2, nant, minblperant=1)[0][0]
    phase, delay = np.angle(gain * np.conj(gain[reference])), np.zeros(nant)
    phase[reference] = 0.0
    other = spectra.delays(total, antennas, reference, nant)
    if spectra.coherence(*other) > _CLEARLY * spectra.coherence(phase, delay):
        phase, delay = other
    return np.stack([2.0 * phase[antennas], np.pi * (domain_hz[1] - domain_hz[0]) * delay[antennas]], axis=1)


class _Spectra:
    """Weighted phasors (baseline, chan), at frequencies from the middle of the domain [Hz]."""

    def __init__(self, unit: NDArray, offset_hz: NDArray, ant1: NDArray, ant2: NDArray) -> None:
        self.unit, self.offset_hz, self.ant1, self.ant2 = unit, offset_hz, ant1, ant2
        grid = np.unique(offset_hz)
        self.step_hz = float(np.diff(grid).min()) if len(grid) > 1 else 0.0
        self.bins = np.round((offset_hz - grid[0]) / (self.step_hz or 1.0)).astype(int)
        self.npad = 1 << int(np.ceil(np.log2(max(8 * (self.bins.max() + 1), 64))))

    def coherence(self, phase: NDArray, delay: NDArray) -> float:
        """Return the real part of the sum of the phasors, corrected for antenna phases [rad] and delays [s]."""
        gain = np.exp(1j * (phase[:, None] + 2 * np.pi * delay[:, None] * self.offset_hz))
        return float((self.unit * gain[self.ant1].conj() * gain[self.ant2]).real.sum())

    def delays(
        self, total: NDArray, antennas: NDArray, reference: int, nant: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return phases [rad] and delays [s] of the antennas.

        Each antenna's come from the peak of the Fourier transform of its baselines' spectra, corrected for the other
        antennas': first with those that have been placed already, beginning at the reference, then with all.
        """
        phase, delay = np.zeros(nant), np.zeros(nant)
        gain = np.ones((nant, len(self.offset_hz)), np.complex128)
        placed = np.arange(nant) == reference

        def place(ant: int) -> None:
            phase[ant], delay[ant] = self._place(ant, gain, placed)
            gain[ant] = np.exp(1j * (phase[ant] + 2 * np.pi * delay[ant] * self.offset_hz))

        while not placed[antennas].all():
            tie = np.zeros(nant)
            np.add.at(tie, self.ant1, total * placed[self.ant2])
            np.add.at(tie, self.ant2, total * placed[self.ant1])
            new = int(np.argmax(np.where(placed, -1.0, tie)))
            place(new)
            placed[new] = True
        for _ in range(_SWEEPS):
            for ant in antennas[antennas != reference]:
                place(int(ant))
        return phase, delay

    def _place(self, ant: int, gain: NDArray[np.complex128], placed: NDArray[np.bool_]) -> tuple[float, float]:
        """Return one antenna's phase [rad] and delay [s] from its baselines to the antennas that are placed."""
        one = np.flatnonzero((self.ant1 == ant) & placed[self.ant2])
        two = np.flatnonzero((self.ant2 == ant) & placed[self.ant1])
        spectrum = (self.unit[one] * gain[self.ant2[one]]).sum(0)
        spectrum += (self.unit[two].conj() * gain[self.ant1[two]]).sum(0)
        if not self.step_hz:
            return float(np.angle(spectrum.sum())), 0.0
        padded = np.zeros(self.npad, np.complex128)
        np.add.at(padded, self.bins, spectrum)
        lag = float(np.fft.fftfreq(self.npad, self.step_hz)[np.argmax(np.abs(np.fft.fft(padded)))])
        return float(np.angle((spectrum * np.exp(-2j * np.pi * lag * self.offset_hz)).sum())), lag

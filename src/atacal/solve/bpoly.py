"""Polynomial bandpasses: antenna polynomials in frequency, fitted to the spectra of all baselines.

The gain of antenna i is ``g_i(nu) = exp(a_i(x) + i p_i(x))`` with a and p Chebyshev series of the frequency x, scaled
to [-1, 1] over the domain; the constant term counts half (``T_0 / 2``), as in CASA's BPOLY tables. For baselines
``V_ij = g_i conj(g_j)`` the amplitudes are fitted by linear least squares of ``log|V_ij|`` on ``a_i + a_j``, the phases
by the p that solve ``sum w T_k sin(arg V_ij - p_i + p_j) = 0`` (the minimum of ``sum w (1 - cos)``), both with the
weights of the visibilities. This is what CASA does (R. Lucas' antenna-based fits of IRAM's CLIC).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.solve.delay import solve_antenna_delays
from atacal.solve.gains import solve_gains, usable_antennas

MAX_ITERATIONS = 200
TOLERANCE = 1e-11
"""Change of any coefficient at which a fit has converged."""
_SINGULAR = 1e-10
_EULER = 0.57721566490153286061


@dataclass(eq=False)
class PolynomialGains:
    """Polynomial gains of one solution interval and receptor.

    Attributes
    ----------
    amplitude : float64 (antenna, degree + 1)
        Chebyshev coefficients of the logarithm of the amplitude; 0 without a solution.
    phase : float64 (antenna, degree + 1)
        [rad]
    good : bool (antenna,)
    snr : float64 (antenna,)
        One over the error of the mean log amplitude, the noise taken from the scatter about the fit; 0 without a
        solution.
    log_rms, phase_rms_rad : float64 (baseline,)
        Scatter of log amplitude and phase about the fit; NaN without data.
    used : int64 (antenna, chan)
        Number of the antenna's baselines with data that took part.
    """

    amplitude: NDArray[np.float64]
    phase: NDArray[np.float64]
    good: NDArray[np.bool_]
    snr: NDArray[np.float64]
    log_rms: NDArray[np.float64]
    phase_rms_rad: NDArray[np.float64]
    used: NDArray[np.int64]


def scaled(freq_hz: NDArray[np.float64], low_hz: float, high_hz: float) -> NDArray[np.float64]:
    """Scale frequencies to [-1, 1] over a domain; what lies outside takes the value at the domain's edge."""
    width = high_hz - low_hz
    x = ((freq_hz - low_hz) - (high_hz - freq_hz)) / width if width > 0 else np.zeros(np.shape(freq_hz))
    return np.clip(x, -1.0, 1.0)


def chebyshev(x: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return T_0/2, T_1, ... T_(count-1) at x, float64 (count, *x.shape)."""
    out = np.cos(np.arange(count).reshape(-1, *[1] * np.ndim(x)) * np.arccos(x))
    out[0] = 0.5
    return out


def evaluate(coefficients: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Evaluate series (..., count) at x (chan,): float64 (..., chan)."""
    return coefficients @ chebyshev(x, coefficients.shape[-1])


def solve_polynomial_gains(
    d: NDArray[np.complex128],
    b: NDArray[np.float64],
    freq_hz: NDArray[np.float64],
    domain_hz: tuple[float, float],
    ant1: NDArray[np.int32],
    ant2: NDArray[np.int32],
    nant: int,
    *,
    degree_amplitude: int,
    degree_phase: int,
    minblperant: int,
    references: list[int],
) -> PolynomialGains:
    """Fit antenna polynomials to baseline spectra.

    Parameters
    ----------
    d : complex128 (baseline, chan)
        Data divided by the model.
    b : float64 (baseline, chan)
        Weights; 0 for what is to be left out.
    freq_hz : float64 (chan,)
    domain_hz : (float, float)
        Lowest and highest frequency that the polynomials are for.
    ant1, ant2 : int32 (baseline,)
    nant : int
    degree_amplitude, degree_phase : int
    minblperant : int
        Antennas with fewer baselines get no solution.
    references : list of int
        Antennas in the order in which they are tried as the phases' reference; the phase polynomial of the first one
        that has a solution is 0. Empty: the first antenna with a solution.

    Returns
    -------
    PolynomialGains
    """
    b = np.where((b > 0) & (np.abs(d) > 0), b, 0.0)
    ok = _solvable(b, ant1, ant2, nant, minblperant, 1 + max(degree_amplitude, degree_phase))
    keep = ok[ant1] & ok[ant2]
    b = np.where(keep[:, None], b, 0.0)
    na, npha = degree_amplitude + 1, degree_phase + 1
    empty = np.full(len(d), np.nan)
    out = PolynomialGains(
        np.zeros((nant, na)), np.zeros((nant, npha)), ok, np.zeros(nant), empty, empty.copy(),
        np.zeros((nant, d.shape[1]), np.int64),
    )  # fmt: skip
    if not ok.any():
        return out
    x = scaled(freq_hz, *domain_hz)
    problem = _Problem(d[keep], b[keep] / b.max(), ant1[keep], ant2[keep], np.flatnonzero(ok), nant)
    reference = next((r for r in references if ok[r]), int(np.flatnonzero(ok)[0]))
    out.phase[ok] = problem.phase(chebyshev(x, npha), freq_hz, domain_hz, reference)
    out.amplitude[ok], variance = problem.amplitude(chebyshev(x, na), _noise_power(d[keep], problem.w, freq_hz))
    out.snr[ok] = np.where(variance > 0, 1 / np.sqrt(np.where(variance > 0, variance, 1.0)), np.finfo("f4").max)
    out.good = ok & np.isfinite(out.amplitude).all(1) & np.isfinite(out.phase).all(1)
    out.used = np.zeros_like(out.used)
    np.add.at(out.used, ant1, b > 0)
    np.add.at(out.used, ant2, b > 0)
    fit = (out.amplitude @ chebyshev(x, na)), (out.phase @ chebyshev(x, npha))
    out.log_rms[keep], out.phase_rms_rad[keep] = problem.scatter(*fit)
    return out


def _solvable(
    b: NDArray, ant1: NDArray, ant2: NDArray, nant: int, minblperant: int, ncoefficient: int
) -> NDArray[np.bool_]:
    """Antennas that have baselines and channels enough, and hang together with the largest group of antennas."""
    use = np.ones(nant, bool)
    while True:
        inside = np.where((use[ant1] & use[ant2])[:, None], b, 0.0)
        # two baselines an antenna at least: amplitudes of a single baseline cannot be told apart
        enough = usable_antennas(inside.sum(1), ant1, ant2, nant, max(minblperant, 2))
        channels = np.zeros((nant, b.shape[1]), bool)
        np.logical_or.at(channels, ant1, inside > 0)
        np.logical_or.at(channels, ant2, inside > 0)
        enough &= channels.sum(1) >= ncoefficient
        enough &= _largest_group(inside.sum(1) > 0, ant1, ant2, enough)
        if (enough == use).all():
            return use
        use = enough


def _largest_group(there: NDArray, ant1: NDArray, ant2: NDArray, use: NDArray) -> NDArray[np.bool_]:
    label = np.arange(len(use))
    edges = np.flatnonzero(there & use[ant1] & use[ant2])
    for _ in range(len(use)):
        low = np.minimum(label[ant1[edges]], label[ant2[edges]])
        before = label.copy()
        np.minimum.at(label, ant1[edges], low)
        np.minimum.at(label, ant2[edges], low)
        if (label == before).all():
            break
    found, count = np.unique(label[use], return_counts=True)
    return use & (label == found[np.argmax(count)]) if len(found) else use


class _Problem:
    """The spectra of the baselines among the antennas that can be solved for."""

    def __init__(self, d: NDArray, w: NDArray, ant1: NDArray, ant2: NDArray, antennas: NDArray, nant: int) -> None:
        place = np.full(nant, -1)
        place[antennas] = np.arange(len(antennas))
        self.d, self.w, self.ant1, self.ant2, self.nant = d, w, ant1.astype(np.int32), ant2.astype(np.int32), nant
        self.antennas = antennas
        self.first = np.zeros((len(d), len(antennas)))
        self.second = np.zeros_like(self.first)
        rows = np.arange(len(d))
        self.first[rows, place[ant1]] = 1.0
        self.second[rows, place[ant2]] = 1.0
        amplitude = np.abs(d)
        self.log = np.log(np.where(amplitude > 0, amplitude, 1.0))

    def _inverse(self, design: NDArray, basis: NDArray) -> NDArray:
        """Invert the normal matrix; (antenna, coefficient) are its rows, what the data do not determine stays 0."""
        nant, count = design.shape[1], len(basis)
        normal = np.empty((nant, count, nant, count))
        for k in range(count):
            for m in range(k, count):
                moment = self.w @ (basis[k] * basis[m])
                normal[:, k, :, m] = normal[:, m, :, k] = (design * moment[:, None]).T @ design
        return np.linalg.pinv(normal.reshape(nant * count, -1), rcond=_SINGULAR, hermitian=True)

    def amplitude(self, basis: NDArray, noise: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fit the log amplitudes; ``noise`` is the noise's power at weight 1.

        Returns the coefficients (antenna, count), and the variance of each antenna's mean log amplitude.

        Noise makes |V| too large on average: E[log|V|] = log|<V>| + E1(S) / 2, S = |<V>|^2 / (2 sigma^2) with sigma
        that of one component. The term is subtracted; it is nothing for S > 10.
        """
        design = self.first + self.second
        inverse = self._inverse(design, basis)
        shape = (design.shape[1], len(basis))
        observed, excess = self.log, np.zeros_like(self.log)
        coefficients = np.zeros(shape)
        ndata = int((self.w > 0).sum())
        free = max(ndata - 2 * coefficients.size, 1)
        for _ in range(MAX_ITERATIONS):
            right = design.T @ ((self.w * (observed - excess)) @ basis.T)
            new = (inverse @ right.ravel()).reshape(shape)
            change = np.abs(new - coefficients).max()
            coefficients = new
            fit = design @ (coefficients @ basis)
            if change < TOLERANCE:
                break
            signal = self.w * np.exp(2 * np.minimum(fit, 300.0)) / max(noise, 1e-300)
            excess = 0.5 * exponential_integral(signal)
        residual = self.log - excess - fit
        response = 1.0 - np.average(np.exp(-signal), weights=self.w)  # d E[log|V|] / d log|<V>|
        variance = (self.w * residual**2).sum() / free * np.diag(inverse).reshape(shape)[:, 0] / 4.0
        return coefficients, np.maximum(variance, 0.0) / max(response, 1e-3) ** 2

    def phase(
        self, basis: NDArray, freq_hz: NDArray, domain_hz: tuple[float, float], reference: int
    ) -> NDArray[np.float64]:
        """Fit the phases [rad]: coefficients (antenna, count), those of the reference antenna 0."""
        free = self.antennas != reference
        design = (self.first - self.second)[:, free]
        inverse = self._inverse(design, basis)
        coefficients = np.zeros((len(self.antennas), len(basis)))
        start = self._start(freq_hz, domain_hz, reference)
        coefficients[:, : min(2, len(basis))] = start[:, : min(2, len(basis))]
        observed = np.angle(self.d)
        for _ in range(MAX_ITERATIONS):
            model = (self.first - self.second) @ (coefficients @ basis)
            right = design.T @ ((self.w * np.sin(observed - model)) @ basis.T)
            step = (inverse @ right.ravel()).reshape(-1, len(basis))
            coefficients[free] += step
            if np.abs(step).max(initial=0.0) < TOLERANCE:
                break
        return coefficients

    def _start(self, freq_hz: NDArray, domain_hz: tuple[float, float], reference: int) -> NDArray[np.float64]:
        """Guess the constant and the linear term from a delay and a phase an antenna, so that phases may wrap."""
        low, high = domain_hz
        middle = (low + high) / 2
        delay = np.zeros(self.nant)
        if len(np.unique(freq_hz)) > 1:
            delay, _, _ = solve_antenna_delays(
                self.d, self.w, freq_hz, self.ant1, self.ant2, self.nant, reference
            )  # fmt: skip
        turn = np.exp(-2j * np.pi * (delay[self.ant1] - delay[self.ant2])[:, None] * (freq_hz - middle))
        amplitude = np.where(self.w > 0, np.abs(self.d), 1.0)
        total = self.w.sum(1)
        mean = (self.w * turn * self.d / np.where(amplitude > 0, amplitude, 1.0)).sum(1) / np.maximum(total, 1e-300)
        gain = solve_gains(mean[None], total[None], self.ant1, self.ant2, self.nant, minblperant=1)[0][0]
        angle = np.angle(gain * np.conj(gain[reference]))[self.antennas]
        return np.stack([2.0 * angle, np.pi * (high - low) * (delay - delay[reference])[self.antennas]], axis=1)

    def scatter(self, log_gain: NDArray, phase: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the weighted rms of log amplitude and phase [rad] of every baseline about antenna gains."""
        total = np.maximum(self.w.sum(1), 1e-300)
        log = self.log - log_gain[self.ant1] - log_gain[self.ant2]
        turn = np.angle(self.d * np.exp(-1j * (phase[self.ant1] - phase[self.ant2])))
        return np.sqrt((self.w * log**2).sum(1) / total), np.sqrt((self.w * turn**2).sum(1) / total)


def _noise_power(d: NDArray[np.complex128], w: NDArray[np.float64], freq_hz: NDArray[np.float64]) -> float:
    """Return the power of the noise (of both components) at weight 1; 0 where there are too few channels to tell.

    It is taken from second differences along frequency, so that it does not matter how well the polynomials fit, and
    from their median, so that steps between spws do not matter.
    """
    order = np.argsort(freq_hz, kind="stable")
    d, w = d[:, order], w[:, order]
    there = (w[:, 2:] > 0) & (w[:, 1:-1] > 0) & (w[:, :-2] > 0)
    if d.shape[1] < 3 or not there.any():
        return 0.0
    inverse = 1.0 / np.where(w > 0, w, 1.0)
    power = np.abs(d[:, 2:] - 2 * d[:, 1:-1] + d[:, :-2]) ** 2
    scaled_power = (power / (inverse[:, 2:] + 4 * inverse[:, 1:-1] + inverse[:, :-2]))[there]
    return float(np.median(scaled_power) / np.log(2.0))  # the power of Gaussian noise is distributed exponentially


def exponential_integral(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return E1(x) for x >= 0, to 2e-7 (Abramowitz & Stegun 5.1.53, 5.1.56).

    At 0, where E1 is infinite, the value at 1e-6 is returned.
    """
    x = np.maximum(x, 1e-6)
    small = np.minimum(x, 1.0)
    series = np.polyval([0.00107857, -0.00976004, 0.05519968, -0.24991055, 0.99999193, -_EULER], small)
    large = np.clip(x, 1.0, 700.0)
    top = np.polyval([1.0, 8.5733287401, 18.0590169730, 8.6347608925, 0.2677737343], large)
    bottom = np.polyval([1.0, 9.5733223454, 25.6329561486, 21.0996530827, 3.9584969228], large)
    return np.where(x <= 1.0, series - np.log(small), np.exp(-large) / large * top / bottom)


def normalised(
    amplitude: NDArray[np.float64], phase: NDArray[np.float64], x: NDArray[np.float64], used: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Bring one antenna's mean amplitude to 1 and the phase of its mean phasor to 0, over the channels that were used.

    Parameters
    ----------
    amplitude, phase : float64 (count,)
    x : float64 (chan,)
        Scaled frequencies.
    used : bool (chan,)

    Returns
    -------
    amplitude, phase
    """
    amplitude, phase = amplitude.copy(), phase.copy()
    if used.any():
        # the constant term counts half
        amplitude[0] -= 2.0 * np.log(np.exp(evaluate(amplitude, x[used])).mean())
        phase[0] -= 2.0 * np.angle(np.exp(1j * evaluate(phase, x[used])).mean())
    return amplitude, phase

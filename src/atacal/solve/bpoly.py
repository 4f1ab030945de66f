"""Polynomial bandpasses: antenna polynomials in frequency, fitted to the spectra of all baselines.

The gain of antenna i is ``g_i(nu) = exp(a_i(x) + i p_i(x))`` with a and p Chebyshev series of the frequency x, scaled
to [-1, 1] over the domain; the constant term counts half (``T_0 / 2``), as in CASA's BPOLY tables. For baselines
``V_ij = g_i conj(g_j)`` the amplitudes are fitted by linear least squares of ``log|V_ij|`` on ``a_i + a_j``, the phases
by the p that solve ``sum w T_k sin(arg V_ij - p_i + p_j) = 0`` (the minimum of ``sum w (1 - cos)``), both with the
weights of the visibilities. This is what CASA does (R. Lucas' antenna-based fits of IRAM's CLIC).

Logarithms and phases of noise are not noise with a mean of 0: where the signal of a baseline and channel does not stand
out, the same polynomials are fitted to the visibilities themselves, by least squares of ``V_ij - g_i conj(g_j)``, which
is unbiased. Phases start from delays, so that they may wrap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.solve.bpoly_start import first_phases
from atacal.solve.gains import usable_antennas

MAX_ITERATIONS = 200
TOLERANCE = 1e-11
"""Change of any coefficient at which a fit has converged."""
_SINGULAR = 1e-10
_CLEAR = 5.0
"""|V|^2 over the noise's power from which on logarithms are good: their mean is then off by less than 6e-4."""
_FEW = 0.05
"""Fraction of the data that may be noisier than that."""


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
    noisy : bool
        Whether the visibilities themselves were fitted, not their logarithms and phases.
    """

    amplitude: NDArray[np.float64]
    phase: NDArray[np.float64]
    good: NDArray[np.bool_]
    snr: NDArray[np.float64]
    log_rms: NDArray[np.float64]
    phase_rms_rad: NDArray[np.float64]
    used: NDArray[np.int64]
    noisy: bool = False


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
    phase = problem.phase(chebyshev(x, npha), freq_hz, domain_hz, reference)
    amplitude, variance = problem.amplitude(chebyshev(x, na))
    noise = _noise_power(problem.turned(phase @ chebyshev(x, npha)), problem.w, freq_hz)
    if problem.faint(amplitude @ chebyshev(x, na), noise):
        out.noisy = True
        amplitude, phase, variance = problem.visibilities(amplitude, phase, x, reference)
    out.amplitude[ok], out.phase[ok] = amplitude, phase
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

    @staticmethod
    def _inverse(design: NDArray, basis: NDArray, weight: NDArray) -> NDArray:
        """Invert the normal matrix; (antenna, coefficient) are its rows, what the data do not determine stays 0."""
        nant, count = design.shape[1], len(basis)
        normal = np.empty((nant, count, nant, count))
        for k in range(count):
            for m in range(k, count):
                moment = weight @ (basis[k] * basis[m])
                normal[:, k, :, m] = normal[:, m, :, k] = (design * moment[:, None]).T @ design
        matrix = normal.reshape(nant * count, -1)
        try:
            pivots = np.diag(np.linalg.cholesky(matrix))
        except np.linalg.LinAlgError:
            pivots = np.zeros(1)
        if pivots.min() ** 2 > _SINGULAR * pivots.max() ** 2:
            return np.linalg.inv(matrix)
        return np.linalg.pinv(matrix, rcond=_SINGULAR, hermitian=True)

    def amplitude(self, basis: NDArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fit the log amplitudes: coefficients (antenna, count), and the variance of each antenna's mean."""
        design = self.first + self.second
        inverse = self._inverse(design, basis, self.w)
        shape = (design.shape[1], len(basis))
        coefficients = (inverse @ (design.T @ ((self.w * self.log) @ basis.T)).ravel()).reshape(shape)
        residual = self.log - design @ (coefficients @ basis)
        spread = (self.w * residual**2).sum() / self._freedom(shape[1])
        return coefficients, _mean_variance(inverse, shape, basis) * spread

    def turned(self, phase: NDArray[np.float64]) -> NDArray[np.complex128]:
        """Return the data corrected for phases (antenna, chan) [rad]."""
        return self.d * np.exp(-1j * ((self.first - self.second) @ phase))

    def _freedom(self, count: int) -> int:
        return max(int((self.w > 0).sum()) - len(self.antennas) * count, 1)

    def faint(self, log_gain: NDArray[np.float64], noise: float) -> bool:
        """Whether too many data hardly stand out of noise of a power, given log gains (antenna, chan)."""
        power = self.w * np.exp(2 * np.clip((self.first + self.second) @ log_gain, -300, 300))
        return bool(noise > 0 and (power[self.w > 0] < _CLEAR * noise).mean() > _FEW)

    def visibilities(
        self, amplitude: NDArray[np.float64], phase: NDArray[np.float64], x: NDArray[np.float64], reference: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Fit the visibilities themselves, from a first guess, by damped Gauss-Newton steps.

        With V = g_i conj(g_j) and weights w |V|^2 the real part of (D - V)/V is linear in the changes of the log
        amplitudes, the imaginary part in those of the phases: each step is two fits like the others.
        """
        plus, minus = self.first + self.second, self.first - self.second
        free = self.antennas != reference
        ba, bp = chebyshev(x, amplitude.shape[1]), chebyshev(x, phase.shape[1])

        def model(a: NDArray, p: NDArray) -> NDArray:
            return np.exp(np.clip(plus @ (a @ ba), -300, 300) + 1j * (minus @ (p @ bp)))

        def misfit(v: NDArray) -> float:
            return float((self.w * np.abs(self.d - v) ** 2).sum())

        amplitude, phase = amplitude.copy(), phase.copy()
        v = model(amplitude, phase)
        best = misfit(v)
        damping = 1.0
        for _ in range(MAX_ITERATIONS):
            weight = self.w * np.abs(v) ** 2
            ratio = weight * (self.d / v - 1.0)
            inverse = self._inverse(plus, ba, weight)
            da = (inverse @ (plus.T @ (ratio.real @ ba.T)).ravel()).reshape(amplitude.shape)
            dp = np.zeros_like(phase)
            inverse_phase = self._inverse(minus[:, free], bp, weight)
            dp[free] = (inverse_phase @ (minus[:, free].T @ (ratio.imag @ bp.T)).ravel()).reshape(-1, len(bp))
            largest = max(np.abs(da).max(), np.abs(dp).max())
            damping = min(1.0, 2 * damping, 1.0 / max(largest, 1e-300))
            while damping > 1e-6:
                trial = model(amplitude + damping * da, phase + damping * dp)
                if misfit(trial) <= best:
                    break
                damping /= 2
            else:
                break
            amplitude, phase, v = amplitude + damping * da, phase + damping * dp, trial
            best = misfit(v)
            if damping * largest < 1e-8:
                break
        spread = best / (2 * self._freedom(max(len(ba), len(bp))))
        inverse = self._inverse(plus, ba, self.w * np.abs(v) ** 2)
        return amplitude, phase, _mean_variance(inverse, amplitude.shape, ba) * spread

    def phase(
        self, basis: NDArray, freq_hz: NDArray, domain_hz: tuple[float, float], reference: int
    ) -> NDArray[np.float64]:
        """Fit the phases [rad]: coefficients (antenna, count), those of the reference antenna 0."""
        free = self.antennas != reference
        design = (self.first - self.second)[:, free]
        inverse = self._inverse(design, basis, self.w)
        coefficients = np.zeros((len(self.antennas), len(basis)))
        start = first_phases(self.d, self.w, freq_hz, domain_hz, self.ant1, self.ant2, self.antennas, reference)
        coefficients[:, : min(2, len(basis))] = start[:, : min(2, len(basis))]
        observed = np.angle(self.d)
        for _ in range(MAX_ITERATIONS):
            model = (self.first - self.second) @ (coefficients @ basis)
            residual = observed - model
            right = design.T @ ((self.w * np.sin(residual)) @ basis.T)
            slope = max(float((self.w * np.cos(residual)).sum() / self.w.sum()), 0.3)  # of the sine, on average
            step = (inverse @ right.ravel()).reshape(-1, len(basis)) / slope
            coefficients[free] += step
            if np.abs(step).max(initial=0.0) < TOLERANCE:
                break
        return coefficients

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


def _mean_variance(inverse: NDArray, shape: tuple[int, ...], basis: NDArray) -> NDArray[np.float64]:
    """Variance of the mean over the channels of each antenna's series, from an inverse normal matrix."""
    nant, count = shape
    own = inverse.reshape(nant, count, nant, count)[np.arange(nant), :, np.arange(nant)]
    mean = basis.mean(1)
    return np.maximum(np.einsum("k,akm,m->a", mean, own, mean), 0.0)


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

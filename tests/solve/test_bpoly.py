"""Polynomial gains: exact on noiseless data, at the noise's limit on noisy ones, and only where the data allow them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.polynomial import chebyshev as numpy_chebyshev

from atacal.solve.bpoly import chebyshev, evaluate, normalised, scaled, solve_polynomial_gains

NANT, NCHAN = 7, 48
FREQ = 100e9 + 2e6 * np.arange(NCHAN)
DOMAIN = (FREQ[0], FREQ[-1])
X = scaled(FREQ, *DOMAIN)
ANT1, ANT2 = (i.astype(np.int32) for i in np.triu_indices(NANT, 1))
REFERENCE = 2


def truth(rng: np.random.Generator, *, turns: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of log amplitude and phase, (antenna, 4); ``turns`` across the band are a delay."""
    amplitude, phase = rng.normal(0, 0.1, (NANT, 4)), rng.normal(0, 0.2, (NANT, 4))
    phase[:, 0] = rng.uniform(-6, 6, NANT)
    phase[:, 1] += np.pi * rng.uniform(-turns, turns, NANT)
    return amplitude, phase - phase[REFERENCE]


def spectra(amplitude: np.ndarray, phase: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    gain = np.exp(evaluate(amplitude, X) + 1j * evaluate(phase, X))
    d = gain[ANT1] * gain[ANT2].conj()
    return d + sigma * (rng.normal(size=d.shape) + 1j * rng.normal(size=d.shape))


def solve(d: np.ndarray, b: np.ndarray | None = None, **options):
    chosen = {"degree_amplitude": 3, "degree_phase": 3, "minblperant": 2, "references": [REFERENCE], **options}
    return solve_polynomial_gains(d, np.ones(d.shape) if b is None else b, FREQ, DOMAIN, ANT1, ANT2, NANT, **chosen)


def gains(fit) -> np.ndarray:
    return np.exp(evaluate(fit.amplitude, X) + 1j * evaluate(fit.phase, X))


@given(arrays(np.float64, 6, elements=st.floats(-10, 10)), st.floats(-1, 1))
def test_series_are_numpys_with_half_the_constant_term(coefficients, x):
    expected = numpy_chebyshev.chebval(x, np.r_[coefficients[0] / 2, coefficients[1:]])
    assert evaluate(coefficients, np.array([x]))[0] == pytest.approx(expected, abs=1e-12)


def test_outside_the_domain_the_edge_holds():
    x = scaled(np.array([DOMAIN[0] - 1e9, DOMAIN[0], DOMAIN[1], DOMAIN[1] + 5.0]), *DOMAIN)
    np.testing.assert_array_equal(x, [-1, -1, 1, 1])
    assert chebyshev(x, 5).shape == (5, 4)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 6))
def test_noiseless_gains_come_back(seed, turns):
    rng = np.random.default_rng(seed)
    amplitude, phase = truth(rng, turns=turns)
    fit = solve(spectra(amplitude, phase, 0.0, rng))
    assert fit.good.all()
    assert not fit.noisy
    np.testing.assert_allclose(fit.amplitude, amplitude, atol=1e-9)
    expected = np.exp(evaluate(amplitude, X) + 1j * evaluate(phase, X))
    np.testing.assert_allclose(gains(fit), expected, rtol=1e-8)
    np.testing.assert_array_equal(fit.phase[REFERENCE], 0)


def test_phases_that_wrap_several_times_are_followed():
    rng = np.random.default_rng(3)
    amplitude, phase = truth(rng, turns=8)
    fit = solve(spectra(amplitude, phase, 0.2, rng))
    error = np.angle(gains(fit) / np.exp(1j * evaluate(phase, X)))
    assert np.rad2deg(error.std()) < 4


@pytest.mark.parametrize(("sigma", "noisy"), [(0.05, False), (1.0, True)])
def test_errors_are_those_of_the_noise_without_bias(sigma, noisy):
    """Per-channel S/N 20 and 1 a baseline: the error is sigma sqrt(parameters / data), its mean is 0."""
    errors, claimed = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        amplitude, phase = truth(rng)
        fit = solve(spectra(amplitude, phase, sigma, rng))
        assert fit.noisy == noisy
        errors.append((evaluate(fit.amplitude, X) - evaluate(amplitude, X)).mean(1))
        claimed.append(1 / fit.snr)
    errors, claimed = np.array(errors), np.array(claimed)
    limit = sigma / np.sqrt((NANT - 1) * NCHAN)
    assert errors.std() == pytest.approx(limit, rel=0.25)
    assert abs(errors.mean()) < 3 * limit / np.sqrt(12 * NANT)
    np.testing.assert_allclose(claimed.mean(), errors.std(), rtol=0.25)


def test_the_fit_is_the_least_squares_one():
    """Against a plain least-squares solver, with uneven weights and gaps."""
    rng = np.random.default_rng(1)
    d = spectra(*truth(rng), 0.05, rng)
    b = rng.uniform(0.2, 2, d.shape) * (rng.uniform(size=d.shape) > 0.2)
    fit = solve(d, b, degree_amplitude=2)
    basis = chebyshev(X, 3)
    rows = [
        np.einsum("c,k->ck", np.sqrt(b[k]), np.ones(1))[:, :1]
        * np.concatenate([((a in (ANT1[k], ANT2[k])) * basis) for a in range(NANT)]).T
        for k in range(len(d))
    ]
    right = np.concatenate([np.sqrt(b[k]) * np.log(np.abs(d[k])) for k in range(len(d))])
    expected = np.linalg.lstsq(np.concatenate(rows), right, rcond=None)[0].reshape(NANT, 3)
    np.testing.assert_allclose(fit.amplitude, expected, atol=1e-9)
    residual = np.angle(d * np.exp(-1j * (evaluate(fit.phase, X)[ANT1] - evaluate(fit.phase, X)[ANT2])))
    for ant in range(NANT):
        sign = (ant == ANT1) * 1.0 - (ant == ANT2)
        np.testing.assert_allclose((sign[:, None] * b * np.sin(residual)).sum(0) @ chebyshev(X, 4).T, 0, atol=1e-7)


def test_misfit_is_not_taken_for_noise():
    """Bright spectra that a low degree cannot follow are fitted in the logarithm all the same."""
    rng = np.random.default_rng(2)
    d = spectra(*truth(rng, turns=0.2), 1e-3, rng)
    assert not solve(d, degree_amplitude=0, degree_phase=0).noisy


def test_antennas_without_enough_have_no_solution():
    rng = np.random.default_rng(4)
    d = spectra(*truth(rng), 0.01, rng)
    b = np.ones(d.shape)
    b[(ANT1 == 5) | (ANT2 == 5)] = 0  # no data
    few = (ANT1 == 6) | (ANT2 == 6)
    b[np.ix_(few, np.arange(3, NCHAN))] = 0  # 3 channels for 4 coefficients
    fit = solve(d, b)
    np.testing.assert_array_equal(fit.good, [True] * 5 + [False] * 2)
    assert (fit.amplitude[5:] == 0).all()
    assert (fit.phase[5:] == 0).all()
    assert (fit.snr[5:] == 0).all()
    assert not solve(d, b, minblperant=5).good.any()


def test_two_groups_of_antennas_are_not_joined():
    rng = np.random.default_rng(5)
    d = spectra(*truth(rng), 0.01, rng)
    b = np.ones(d.shape)
    b[(ANT1 < 4) & (ANT2 >= 4)] = 0
    np.testing.assert_array_equal(solve(d, b).good, [True] * 4 + [False] * 3)


def test_the_reference_is_the_first_candidate_with_a_solution():
    rng = np.random.default_rng(6)
    d = spectra(*truth(rng), 0.01, rng)
    b = np.where(((ANT1 == 0) | (ANT2 == 0))[:, None], 0.0, np.ones(d.shape))
    fit = solve(d, b, references=[0, 3, 1])
    assert (fit.phase[3] == 0).all()
    assert (fit.phase[1] != 0).any()


def test_normalised():
    rng = np.random.default_rng(7)
    amplitude, phase = (c[1] for c in truth(rng))
    used = np.arange(NCHAN) > 10
    a, p = normalised(amplitude, phase, X, used)
    assert np.exp(evaluate(a, X[used])).mean() == pytest.approx(1)
    assert np.angle(np.exp(1j * evaluate(p, X[used])).mean()) == pytest.approx(0, abs=1e-12)
    np.testing.assert_array_equal(a[1:], amplitude[1:])
    assert normalised(amplitude, phase, X, used & False)[0] == pytest.approx(amplitude)

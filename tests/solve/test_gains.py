"""The fast gain solver against truth, against the slow one, and against perturbations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.solve.gains import gain_errors, solve_gains, solve_gains_slowly, usable_antennas


def problem(seed: int, nant: int, noise: float, missing: float = 0.0):
    rng = np.random.default_rng(seed)
    ant1, ant2 = (x.astype(np.int32) for x in np.triu_indices(nant, 1))
    gain = rng.uniform(0.5, 2, nant) * np.exp(2j * np.pi * rng.random(nant))
    d = gain[ant1] * gain[ant2].conj()
    d = d + noise * (rng.normal(size=d.shape) + 1j * rng.normal(size=d.shape))
    b = rng.uniform(0.5, 2, d.shape) * (rng.random(d.shape) >= missing)
    return gain, d, b, ant1, ant2


def referred(gain, reference=0):
    return gain * np.exp(-1j * np.angle(gain[..., reference]))[..., None]


def chi2(d, b, ant1, ant2, gain):
    return (b * np.abs(d - gain[ant1] * gain[ant2].conj()) ** 2).sum()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), nant=st.integers(4, 16))
def test_noiseless_gains_are_found(seed, nant):
    gain, d, b, ant1, ant2 = problem(seed, nant, 0.0)
    found, good, value, _, _ = solve_gains(d[None], b[None], ant1, ant2, nant, minblperant=1)
    assert good.all()
    np.testing.assert_allclose(referred(found[0]), referred(gain), rtol=1e-6, atol=1e-7)
    assert value[0] < 1e-10


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), nant=st.integers(5, 12), noise=st.floats(0.01, 0.3))
def test_agrees_with_the_slow_solver(seed, nant, noise):
    _, d, b, ant1, ant2 = problem(seed, nant, noise)
    found = solve_gains(d[None], b[None], ant1, ant2, nant, minblperant=1)[0][0]
    slow = solve_gains_slowly(d, b, ant1, ant2, nant)
    assert chi2(d, b, ant1, ant2, found) <= chi2(d, b, ant1, ant2, slow) * (1 + 1e-9)


def test_no_small_step_lowers_chi_squared():
    _, d, b, ant1, ant2 = problem(3, 10, 0.5)
    found, _, value, _, _ = solve_gains(d[None], b[None], ant1, ant2, 10)
    rng = np.random.default_rng(0)
    for _ in range(200):
        step = 1e-4 * (rng.normal(size=10) + 1j * rng.normal(size=10))
        assert chi2(d, b, ant1, ant2, found[0] + step) >= value[0]


def test_antennas_with_few_baselines_are_left_out_in_turn():
    nant = 6
    ant1, ant2 = (x.astype(np.int32) for x in np.triu_indices(nant, 1))
    b = np.ones(len(ant1))
    # antenna 5 hears only 0 and 4; without it antenna 4 still has enough
    b[(ant2 == 5) & ~np.isin(ant1, (0, 4))] = 0
    ok = usable_antennas(b, ant1, ant2, nant, 4)
    assert list(ok) == [True] * 5 + [False]
    # one baseline less and antenna 4 falls too, and with it all the others
    b[(ant1 == 3) & (ant2 == 4)] = 0
    assert not usable_antennas(b, ant1, ant2, nant, 4).any()


def test_problems_without_data_have_no_solution():
    _, d, b, ant1, ant2 = problem(1, 6, 0.1)
    found, good, value, _, _ = solve_gains(d[None], 0 * b[None], ant1, ant2, 6)
    assert not good.any()
    assert (found == 1).all()
    assert value[0] == 0


def test_errors_are_the_scatter_of_the_solutions():
    nant, noise, n = 12, 0.2, 400
    rng = np.random.default_rng(5)
    ant1, ant2 = (x.astype(np.int32) for x in np.triu_indices(nant, 1))
    d = 1 + noise * (rng.normal(size=(n, len(ant1))) + 1j * rng.normal(size=(n, len(ant1))))
    b = np.full(d.shape, noise**-2)
    gain, _, value, hess, _ = solve_gains(d, b, ant1, ant2, nant)
    error = gain_errors(hess, value, np.full(n, len(ant1)), np.full(n, nant))
    # CASA's error is that of |g| treated as complex: the amplitude scatters by error / sqrt(2)
    scatter = np.abs(gain).std(0).mean()
    assert scatter == pytest.approx(error.mean() / np.sqrt(2), rel=0.1)

"""Reference antenna, normalisation, gaps, delays."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.solve.conditioning import enforce_mode, fill_gaps, normalise, remove_mean_phase
from atacal.solve.delay import _first_guess, solve_antenna_delays
from atacal.solve.refant import apply_refant, choices


def gains(shape, seed=0):
    rng = np.random.default_rng(seed)
    return (rng.uniform(0.5, 2, shape) * np.exp(2j * np.pi * rng.random(shape))).astype(np.complex64)


def test_refant_phase_is_zero_and_relative_phases_stay():
    g = gains((5, 4, 1, 2))
    out, flag, used = apply_refant(g, np.zeros(g.shape, bool), [2, 0, 1, 3])
    assert np.allclose(np.angle(out[:, 2]), 0, atol=1e-6)
    assert (used == 2).all()
    assert not flag.any()
    before, after = g[:, 0] / g[:, 1], out[:, 0] / out[:, 1]
    np.testing.assert_allclose(after, before, rtol=1e-5)


def test_an_alternate_keeps_its_phase_when_it_takes_over():
    g = gains((3, 4, 1, 2))
    flag = np.zeros(g.shape, bool)
    flag[1, 2] = True
    out, outflag, used = apply_refant(g, flag, [2, 0, 1, 3])
    assert list(used) == [2, 0, 0]
    np.testing.assert_allclose(np.angle(out[1, 0]), np.angle(out[0, 0]), atol=1e-5)
    np.testing.assert_array_equal(outflag, flag)


def test_strict_flags_the_interval_without_its_refant():
    g = gains((3, 4, 1, 2))
    flag = np.zeros(g.shape, bool)
    flag[1, 2] = True
    _, out, used = apply_refant(g, flag, choices([2, 0], np.zeros((4, 3)), "strict"))
    assert list(used) == [2, -1, 2]
    assert out[1].all()
    assert not out[[0, 2]].any()


def test_choices_are_the_users_then_the_nearest():
    positions = np.array([[0, 0, 0], [100, 0, 0], [10, 0, 0], [50, 0, 0]], float)
    assert choices([3, 1], positions, "flex") == [3, 1, 2, 0]


def test_modes():
    g = gains((10,)).astype(complex)
    np.testing.assert_allclose(np.abs(enforce_mode(g, "p")), 1)
    np.testing.assert_allclose(enforce_mode(g, "a"), np.abs(g))
    np.testing.assert_array_equal(enforce_mode(g, "ap"), g)


def test_normalise_and_mean_phase_leave_flagged_values_alone():
    g = gains((1, 3, 20, 2))
    flag = np.zeros(g.shape, bool)
    flag[:, :, :3] = True
    out = normalise(remove_mean_phase(g, flag, 2), flag, (2,))
    np.testing.assert_array_equal(out[flag], g[flag])
    good = np.ma.array(out, mask=flag)
    np.testing.assert_allclose((np.abs(good) ** 2).mean(2), 1, rtol=1e-5)
    np.testing.assert_allclose(np.angle((good / np.abs(good)).sum(2)), 0, atol=1e-5)


def test_gaps_are_filled_up_to_the_widest():
    chan = np.arange(12)
    g = ((1 + 0.1 * chan) * np.exp(0.2j * chan)).astype(np.complex64)[None, None, :, None]
    flag = np.zeros(g.shape, bool)
    flag[0, 0, [0, 3, 4, 7, 8, 9]] = True
    out, after = fill_gaps(np.where(flag, 1, g), flag, 2)
    assert list(np.flatnonzero(after[0, 0, :, 0])) == [0, 7, 8, 9]
    np.testing.assert_allclose(out[0, 0, 3:5], g[0, 0, 3:5], rtol=1e-5)


@pytest.mark.parametrize("noise", [0.0, 0.5])
def test_delays_are_found(noise):
    rng = np.random.default_rng(4)
    nant, nchan = 8, 64
    ant1, ant2 = (x.astype(np.int32) for x in np.triu_indices(nant, 1))
    freq = 100e9 + 1e6 * np.arange(nchan)
    tau = rng.uniform(-30e-9, 30e-9, nant)
    phase = rng.uniform(-np.pi, np.pi, nant)
    theta = phase[:, None] + 2 * np.pi * tau[:, None] * (freq - freq.mean())
    d = np.exp(1j * (theta[ant1] - theta[ant2]))
    d = d + noise * (rng.normal(size=d.shape) + 1j * rng.normal(size=d.shape))
    b = np.full(d.shape, max(noise, 0.1) ** -2)
    b[:, 20:23] = 0
    found, error, good = solve_antenna_delays(d, b, freq, ant1, ant2, nant, 3)
    assert good.all()
    miss = found - (tau - tau[3])
    if noise:
        others = np.arange(nant) != 3
        assert np.abs(miss[others] / error[others]).max() < 4
        assert np.sqrt(np.mean((miss[others] / error[others]) ** 2)) == pytest.approx(1, abs=0.6)
    else:
        assert np.abs(miss).max() < 1e-15


@pytest.mark.parametrize("seed", range(20))
def test_delays_of_hopeless_spectra_explain_no_less_than_the_first_guess(seed):
    """Noise, and one channel a thousand times too high, as a correlator may leave it at the edge of its band."""
    rng = np.random.default_rng(seed)
    freq = 85e9 + 31.25e6 * np.arange(64)
    ant1, ant2 = np.triu_indices(3, 1)
    d = rng.standard_normal((3, 64)) + 1j * rng.standard_normal((3, 64))
    d[:, 63] *= 1000
    b = np.ones(d.shape)
    found, error, good = solve_antenna_delays(d, b, freq, ant1, ant2, 3, 0)
    guess, phase, _ = _first_guess(d, b, freq - freq.mean(), ant1, ant2, 3, 0)

    def power(delay, phases):
        turned = np.exp(-2j * np.pi * (delay[ant1] - delay[ant2])[:, None] * (freq - freq.mean()))
        sums = (d * turned).sum(1)
        return sum((sums[k] * np.exp(1j * (phases[ant2[k]] - phases[ant1[k]]))).real.clip(0) ** 2 for k in range(3))

    grid = np.linspace(0, 2 * np.pi, 181)
    anything = np.stack([np.zeros((181, 181)), *np.meshgrid(grid, grid)])
    assert good.all()
    assert power(found, anything).max() > 0.999 * power(guess, phase)
    assert (error[1:] > 0).all()

"""The scatter of phases on long baselines within a cycle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.heuristics.decoherence import (
    Decoherence,
    PhaseScatter,
    assess,
    cycle_time_s,
    phase_scatter,
    score_decoherence,
)


def lengths(nant, seed=1):
    at = np.random.default_rng(seed).uniform(-500, 500, (nant, 2))
    return np.linalg.norm(at[:, None] - at[None], axis=2)


def walk(nant=12, ntime=100, deg=3.0, seed=1):
    """Phases that walk at random, wrapped."""
    steps = np.random.default_rng(seed).normal(0, np.radians(deg), (ntime, nant))
    return np.angle(np.exp(1j * np.cumsum(steps, axis=0)))


def scattered(cycle_deg, antenna_deg=None, antenna_total=None):
    """A scatter whose baselines are as long as their number."""
    nbaseline = len(cycle_deg)
    nant = int((1 + np.sqrt(1 + 8 * nbaseline)) / 2)
    i, j = (a.astype(np.int32) for a in np.triu_indices(nant, 1))
    cycle = np.asarray(cycle_deg, float)
    antenna = np.full(nant, 10.0) if antenna_deg is None else np.asarray(antenna_deg, float)
    total = 1.2 * antenna if antenna_total is None else np.asarray(antenna_total, float)
    return PhaseScatter(i, j, np.arange(nbaseline) * 10.0, 1.2 * cycle, cycle, total, antenna)


def test_scatter_of_white_noise_after_averaging():
    rng = np.random.default_rng(2)
    phase = rng.normal(0, 0.2, (2000, 3))
    found = phase_scatter(phase, 0, 5.0, 1e9, lengths(3))
    expected = np.degrees(0.2)  # of the difference of two, averaged by twos: sqrt(2) / sqrt(2)
    np.testing.assert_allclose(found.total_deg, expected, rtol=0.05)
    np.testing.assert_array_equal(found.cycle_deg, found.total_deg)
    np.testing.assert_allclose(found.antenna_total_deg, [0.0, *[expected] * 2], rtol=0.05)


def test_slow_changes_are_taken_out_within_a_cycle():
    drift = np.linspace(0, 6, 200)
    found = phase_scatter(np.stack([0 * drift, drift, -drift], axis=1), 0, 6.0, 120.0, lengths(3))
    assert (found.total_deg > 90).all()
    assert (found.cycle_deg < 20).all()


def test_windows_are_as_the_definition_says():
    phase = walk(nant=4, ntime=40)
    phase[5:9, 2] = np.nan
    found = phase_scatter(phase, 1, 6.048, 60.0, lengths(4))
    for k, (i, j) in enumerate(zip(found.antenna1, found.antenna2, strict=True)):
        columns = []
        for a in (i, j):
            column, good = phase[:, a].copy(), np.isfinite(phase[:, a])
            column[good] = np.unwrap(column[good])
            columns.append(column)
        d = columns[0] - columns[1]
        d = np.array([np.nanmean(d[t : t + 2]) if np.isfinite(d[t : t + 2]).any() else np.nan for t in range(39)])
        assert found.total_deg[k] == pytest.approx(np.degrees(np.nanstd(d)))
        expected = np.mean([np.nanstd(d[t : t + 10]) for t in range(30)])
        assert found.cycle_deg[k] == pytest.approx(np.degrees(expected))


def test_flags():
    phase = walk(nant=5, ntime=20)
    phase[:7, 3] = np.nan
    dead = np.zeros((5, 5), bool)
    dead[0, 2] = dead[2, 0] = True
    length = lengths(5)
    length[1, 2] = np.nan
    found = phase_scatter(phase, 0, 6.0, 60.0, length, dead)
    missing = {
        (int(i), int(j)) for i, j, r in zip(found.antenna1, found.antenna2, found.total_deg, strict=True) if r != r
    }
    assert missing == {(0, 2), (0, 3), (1, 3), (2, 3), (3, 4)}
    assert len(found.antenna1) == 9
    assert np.isnan(found.antenna_cycle_deg[3])
    assert np.isfinite(found.antenna_cycle_deg[[0, 1, 2, 4]]).all()


@given(st.integers(0, 2**20), st.floats(-np.pi, np.pi))
def test_constant_phases_change_nothing(seed, offset):
    phase = walk(seed=seed, nant=6, ntime=30)
    turned = phase.copy()
    turned[:, 3] = np.angle(np.exp(1j * (turned[:, 3] + offset)))
    one, two = (phase_scatter(p, 0, 6.0, 60.0, lengths(6)) for p in (phase, turned))
    np.testing.assert_allclose(one.cycle_deg, two.cycle_deg, atol=1e-6)


def test_the_longest_fifth_decides():
    cycle = np.full(45, 5.0)
    cycle[36:] = 25.0
    found = assess(scattered(cycle))
    assert (found.phase_rms_deg, found.total_rms_deg) == (25.0, pytest.approx(30.0))
    assert found.p80_m == found.p80_all_m == pytest.approx(352.0)
    assert found.outliers == []
    assert score_decoherence(found) == 1.0


def test_an_antenna_stands_out():
    antenna = np.full(10, 8.0)
    antenna[6] = 60.0
    found = assess(scattered(np.full(45, 20.0), antenna))
    assert (found.outliers, found.left_out) == ([6], False)
    assert score_decoherence(found) == 0.9
    wild = np.full(10, 12.0)
    wild[2] = 190.0
    assert assess(scattered(np.full(45, 20.0), antenna_total=wild)).outliers == [2]


def test_outliers_are_left_out_where_the_scatter_is_poor():
    base = scattered(np.full(45, 40.0), np.full(10, 40.0))
    theirs = (base.antenna1 == 9) | (base.antenna2 == 9) | (base.antenna1 == 8) | (base.antenna2 == 8)
    cycle = np.where(theirs, 90.0, 40.0)
    cycle[base.length_m > 352] = np.where(theirs, 90.0, 40.0)[base.length_m > 352]
    antenna = np.full(10, 40.0)
    antenna[8:] = 200.0
    one = scattered(cycle, antenna)
    longest = one.length_m > 352
    assert theirs[longest].mean() > 0.5  # the medians are theirs at first
    found = assess(one)
    assert (found.outliers, found.left_out) == ([8, 9], True)
    assert found.phase_rms_deg == 40.0
    assert score_decoherence(found) == 0.9


def test_flagged_long_baselines_shorten():
    cycle = np.full(45, 20.0)
    cycle[25:] = np.nan
    found = assess(scattered(cycle))
    assert found.p80_m < 0.85 * found.p80_all_m
    assert score_decoherence(found) == 0.9


@pytest.mark.parametrize(
    ("rms", "score"), [(29.0, 1.0), (31.0, 0.9), (49.0, 0.9), (60.0, 0.4), (80.0, 0.2), (130.0, 0.0)]
)
def test_scores(rms, score):
    found = Decoherence(rms, rms, 400.0, 400.0, [], False, scattered(np.full(3, rms)))
    assert score_decoherence(found) == pytest.approx(score)


def test_cycle_times():
    assert cycle_time_s([0.0, 400.0, 810.0, 1190.0], 300.0, 100e9) == (400.0, True)
    assert cycle_time_s([7.0], 300.0, 100e9) == (630.0, False)
    assert cycle_time_s([], 20.0, 40e9) == (660.0, False)
    assert cycle_time_s([], 5000.0, 850e9) == (45.0, False)
    assert cycle_time_s([], 900.0, 345e9) == (130.0, False)
    with pytest.raises(ArgumentError, match=r"380\.0 GHz"):
        cycle_time_s([1.0], 100.0, 380e9)


def test_nothing_to_measure():
    with pytest.raises(ArgumentError, match="1 time"):
        phase_scatter(np.zeros((1, 3)), 0, 6.0, 60.0, lengths(3))
    with pytest.raises(ArgumentError, match="no baseline"):
        assess(phase_scatter(np.full((10, 3), np.nan), 0, 6.0, 30.0, lengths(3)))

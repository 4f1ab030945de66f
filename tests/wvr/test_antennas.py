"""Neighbours, segments, paths: pure functions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError, InvalidTable, NoSuchTable
from atacal.ms.metadata import Spw
from atacal.wvr.antennas import neighbours
from atacal.wvr.dispersion import dispersion
from atacal.wvr.gains import PhaseOptions, phase_per_mm, smoothed_mm
from atacal.wvr.paths import greatest_baseline_scatter_mm, path_weights, scatter_mm, thermal_error_mm
from atacal.wvr.segments import Coefficients, Segment, held_over_segments

LINE_M = np.array([[0, 0, 0], [10, 0, 0], [30, 0, 0], [60, 0, 0], [1000, 0, 0]], float)
ALL = np.ones(5, bool)
DTDL = np.array([9.0, 8.0, 5.0, 3.0])


def test_the_nearest_lend_by_inverse_distance():
    lent = neighbours(0, LINE_M, ALL, max_distance_m=500, at_least=2)
    assert lent.antennas == (1, 2, 3)
    np.testing.assert_allclose(lent.weights, np.array([1 / 10, 1 / 30, 1 / 60]) / (1 / 10 + 1 / 30 + 1 / 60))


def test_libairs_weights_grow_with_distance():
    lent = neighbours(0, LINE_M, ALL, max_distance_m=500, at_least=2, libair=True)
    np.testing.assert_allclose(lent.weights, [0.1, 0.3, 0.6])


def test_too_few_neighbours():
    near = ALL & (np.arange(5) != 1)
    assert neighbours(0, LINE_M, near, max_distance_m=20, at_least=1) is None
    assert neighbours(0, LINE_M, near, max_distance_m=40, at_least=2) is None
    assert neighbours(0, LINE_M, near, max_distance_m=40, at_least=1).antennas == (2,)


def test_antennas_at_one_place():
    assert np.isfinite(neighbours(1, np.zeros((3, 3)), np.ones(3, bool), max_distance_m=1, at_least=2).weights).all()


@given(st.lists(st.floats(0.1, 30.0), min_size=4, max_size=4), st.floats(-5, 5))
def test_a_change_of_path_comes_out(dtdl, path):
    dtdl = np.array(dtdl)
    assert float(path_weights(dtdl) @ (dtdl * path)) == pytest.approx(path, abs=1e-9)
    assert float(path_weights(dtdl, (1,)) @ (dtdl * path)) == pytest.approx(path, abs=1e-9)


def test_these_weights_have_the_least_noise():
    best = thermal_error_mm(DTDL)
    noise = np.array([0.1, 0.08, 0.08, 0.09])
    for k in range(4):
        assert best < noise[k] / DTDL[k]


def test_dead_coefficients_count_nothing():
    np.testing.assert_array_equal(path_weights(np.zeros(4)), 0)
    assert path_weights(np.array([0.0, 8, 5, 3]))[0] == 0


def test_coefficients_in_time():
    held = held_over_segments([Segment(0, 10, (0,)), Segment(20, 30, (1,))], [DTDL, 2 * DTDL])
    np.testing.assert_allclose(
        held.at(np.array([-5.0, 5, 12.5, 20, 40])) / DTDL, np.outer([1, 1, 1.25, 2, 2], np.ones(4))
    )
    between = Coefficients(np.array([0.0, 10]), np.stack([DTDL, 3 * DTDL]))
    np.testing.assert_allclose(between.at(np.array([5.0]))[0], 2 * DTDL)


def test_scatters():
    rng = np.random.default_rng(0)
    path = rng.normal(7, [0.1, 0.2, 0.3], (200, 3))
    path[5, 0] = np.nan
    path = np.c_[path, np.full(200, np.nan)]
    np.testing.assert_allclose(scatter_mm(path), [*np.nanstd(path[:, :3], axis=0), 0])
    expected = max(np.nanstd(path[:, i] - path[:, j]) for i in range(3) for j in range(i))
    assert greatest_baseline_scatter_mm(path) == pytest.approx(expected)


def test_running_means():
    time, field = np.arange(10.0), np.r_[np.zeros(6, int), np.ones(4, int)].astype(np.int32)
    path = np.c_[time**2, time].astype(float)
    path[3, 1] = np.nan
    out = smoothed_mm(path, time, field, 3.0)
    assert out[2, 0] == pytest.approx((1 + 4 + 9) / 3)
    assert out[5, 0] == pytest.approx((16 + 25) / 2)  # the next sample is another field's
    assert out[6, 0] == pytest.approx((36 + 49) / 2)
    assert out[3, 1] == pytest.approx((2 + 4) / 2)
    assert np.isnan(smoothed_mm(np.full((10, 1), np.nan), time, field, 3.0)).all()


def spw(number, freq_hz):
    f = np.array(freq_hz)
    return Spw(number, "", f, 0 * f + 1e6, 0 * f, 0 * f, f[0], 1e6, "TOPO", 1, 0, 0)


def test_phase_of_a_path():
    there = spw(3, [299.792458e9])
    assert phase_per_mm(there, PhaseOptions()) == pytest.approx(-2 * np.pi)
    assert phase_per_mm(there, PhaseOptions(scale=1.5, reversed_spws=frozenset({3}))) == pytest.approx(3 * np.pi)
    assert phase_per_mm(there, PhaseOptions(libair=True)) == pytest.approx(-2 * np.pi * 0.99930819)
    more = phase_per_mm(there, PhaseOptions(disperse=True)) / phase_per_mm(there, PhaseOptions())
    assert more == pytest.approx(1 + dispersion(299.792458e9))


def test_dispersion():
    assert dispersion(900e9) == pytest.approx(0.396431)
    assert 0.1 < dispersion(345e9) < 0.2  # on the flank of the line at 325 GHz
    assert abs(dispersion(90e9)) < 0.01
    for outside in (20e9, 950e9):
        with pytest.raises(ArgumentError, match=r"30\.5 to 900 GHz"):
            dispersion(outside)


def test_a_dispersion_table_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("WVRGCAL_DISPDIR", str(tmp_path))
    with pytest.raises(NoSuchTable, match="libair-ddefault"):
        dispersion(345e9)
    (tmp_path / "libair-ddefault.csv").write_text("3e11, 0.1\n4e11, 0.3\n")
    assert dispersion(350e9) == pytest.approx(0.2)
    other = tmp_path / "other"
    other.mkdir()
    (other / "libair-ddefault.csv").write_text("freq, value\n")
    monkeypatch.setenv("WVRGCAL_DISPDIR", str(other))
    with pytest.raises(InvalidTable, match="no dispersion table"):
        dispersion(345e9)

"""Interpolating solutions in time and frequency."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.caltables.interpolate import bracket, in_time, register
from atacal.caltables.resample import flags_in_frequency, in_frequency

T0 = 4.9e9  # MJD seconds of 2014: a float64 resolves one microsecond there


def times(*offsets: float) -> np.ndarray:
    return T0 + np.array(offsets, np.float64)


def value_at(solution_time, values, time, mode):
    index, weight, _ = bracket(solution_time, time, mode)
    return (np.asarray(values)[index] * weight).sum(axis=1)


def test_linear_is_a_straight_line_between_solutions_and_flat_beyond():
    got = value_at(times(0, 10, 30), [1.0, 2.0, 6.0], times(-5, 0, 5, 10, 15, 30, 99), "linear")
    np.testing.assert_allclose(got, [1, 1, 1.5, 2, 3, 6, 6])


def test_nearest_takes_the_earlier_of_two_equally_near():
    got = value_at(times(0, 10), [1.0, 2.0], times(4.9, 5.0, 5.1, -3, 12), "nearest")
    np.testing.assert_array_equal(got, [1, 1, 2, 1, 2])


def test_cubic_reproduces_a_cubic():
    nodes = times(0, 7, 15, 22, 40)
    f = lambda t: 1 + 0.3 * (t - T0) - 0.02 * (t - T0) ** 2 + 1e-3 * (t - T0) ** 3  # noqa: E731
    wanted = times(3, 8, 20, 33)
    np.testing.assert_allclose(value_at(nodes, f(nodes), wanted, "cubic"), f(wanted), rtol=1e-9)


def test_cubic_with_three_solutions_is_linear():
    np.testing.assert_allclose(value_at(times(0, 10, 20), [0.0, 1.0, 0.0], times(5), "cubic"), [0.5])


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_times_a_microsecond_apart_are_the_same_time(mode):
    """The neighbours of a solution play no part at its own time, though CASA writes it a microsecond off."""
    _, weight, flags = bracket(times(0, 10 + 1e-6, 20, 30, 40), times(10), mode)
    assert weight[0, 0] == 1.0
    assert flags.tolist() == [[1, 1]]


@given(
    st.lists(st.floats(0, 1e4), min_size=1, max_size=8, unique_by=lambda x: round(x, 2)),
    st.floats(-100, 1.1e4),
    st.sampled_from(["nearest", "linear", "cubic"]),
)
def test_weights_sum_to_one_and_nothing_is_extrapolated(nodes, at, mode):
    nodes = np.sort(times(*nodes))
    index, weight, _ = bracket(nodes, times(at), mode)
    assert weight.sum() == pytest.approx(1.0, abs=1e-6)
    assert index.min() >= 0
    assert index.max() < len(nodes)
    if mode != "cubic":
        mean = (np.arange(len(nodes))[index] * weight).sum()
        assert 0 <= mean <= len(nodes) - 1


def test_phases_take_the_short_way_round():
    param = np.exp(1j * np.radians([170.0, -170.0])).reshape(2, 1, 1, 1).astype(np.complex64)
    reg = register(times(0, 10), np.ones((2, 1), bool), times(5), "linear")
    amplitude, phase, ok = in_time(reg, param, np.zeros(param.shape, bool))
    assert amplitude.item() == pytest.approx(1.0)
    assert np.degrees(phase.item()) % 360 == pytest.approx(180.0, abs=1e-4)
    assert ok.all()


def test_a_flagged_neighbour_flags_an_interpolated_value_but_not_an_exact_one():
    param = np.ones((3, 1, 1, 2), np.complex64)
    flag = np.zeros(param.shape, bool)
    flag[1, :, :, 0] = True
    reg = register(times(0, 10, 20), np.ones((3, 1), bool), times(0, 5, 10, 20), "linear")
    _, _, ok = in_time(reg, param, flag)
    assert ok[:, 0, 0, 0].tolist() == [True, False, False, True]
    assert ok[..., 1].all()


def test_an_antenna_without_rows_is_interpolated_over_its_own():
    present = np.array([[True, True], [True, False], [True, True]])
    param = np.array([[1, 1], [5, 99], [3, 3]], np.float32).reshape(3, 2, 1, 1)
    reg = register(times(0, 10, 20), present, times(10), "linear")
    value, phase, ok = in_time(reg, param, np.zeros(param.shape, bool))
    assert phase is None
    assert ok.all()
    np.testing.assert_allclose(value[0, :, 0, 0], [5, 2])


def test_an_antenna_without_any_row_is_not_ok():
    reg = register(times(0), np.array([[True, False]]), times(3), "nearest")
    _, _, ok = in_time(reg, np.ones((1, 2, 1, 1), np.complex64), np.zeros((1, 2, 1, 1), bool))
    assert ok[0, :, 0, 0].tolist() == [True, False]


def spectrum(values, flags=None):
    """One time, antenna and polarisation."""
    values = np.asarray(values, np.float64).reshape(1, 1, -1, 1)
    ok = np.ones(values.shape, bool) if flags is None else ~np.asarray(flags, bool).reshape(values.shape)
    return values, ok


@pytest.mark.parametrize("order", [1, -1])
def test_flagged_channels_are_bridged(order):
    freq = 1e11 + 1e6 * np.arange(5)[::order]
    amplitude, ok = spectrum([0, 1, 77, 3, 4], [0, 0, 1, 0, 0])
    got, _, good = in_frequency(amplitude, None, ok, freq, freq)
    np.testing.assert_allclose(got.ravel(), [0, 1, 2, 3, 4], atol=1e-9)
    assert good.all()


def test_flagged_edges_take_the_outermost_good_channel():
    freq = 1e11 + 1e6 * np.arange(4)
    got, _, _ = in_frequency(*_with_phase([9, 1, 2, 9], [1, 0, 0, 1]), freq, freq)
    np.testing.assert_allclose(got.ravel(), [1, 1, 2, 2])


def _with_phase(values, flags):
    amplitude, ok = spectrum(values, flags)
    return amplitude, np.zeros_like(amplitude), ok


def test_all_channels_flagged_gives_nothing():
    freq = 1e11 + 1e6 * np.arange(3)
    _, _, ok = in_frequency(*_with_phase([1, 2, 3], [1, 1, 1]), freq, freq)
    assert not ok.any()


def test_phase_is_unwrapped_along_frequency():
    coarse, fine = 1e11 + 4e6 * np.arange(4), 1e11 + 1e6 * np.arange(13)
    slope = np.radians(100.0)  # a coarse channel
    phase = np.angle(np.exp(1j * slope * np.arange(4))).reshape(1, 1, -1, 1)
    _, got, _ = in_frequency(np.ones_like(phase), phase, np.ones(phase.shape, bool), coarse, fine)
    np.testing.assert_allclose(np.exp(1j * got.ravel()), np.exp(1j * slope * np.arange(13) / 4), atol=1e-9)


@pytest.mark.parametrize("method", ["linear", "cubic", "spline"])
def test_a_straight_line_survives_every_method(method):
    coarse, fine = 1e11 + 4e6 * np.arange(6), 1e11 + 1e6 * np.arange(21)
    amplitude, ok = spectrum(np.arange(6))
    got, _, _ = in_frequency(amplitude, None, ok, coarse, fine, method=method)
    np.testing.assert_allclose(got.ravel(), np.arange(21) / 4, atol=1e-6)


def test_linearflag_flags_what_touches_a_flagged_channel():
    freq = 1e11 + 4e6 * np.arange(4)
    out = 1e11 + 1e6 * np.array([0, 2, 4, 6, 8, 10, 12, 14])
    flag = np.array([False, False, True, False])
    got = flags_in_frequency(flag, freq, out, "linear")
    assert got.tolist() == [False, False, False, True, True, True, False, True]

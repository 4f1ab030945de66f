from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.ms._regrid import Regrid, hanning
from atacal.ms.spectral_grid import GridOptions, frequency_hz, new_grid

FREQ = 100e9 + 1e6 * np.arange(100)
WIDTH = np.full(100, 1e6)
C = 299792458.0


def test_the_grid_of_the_data_is_itself():
    for freq, width in ((FREQ, WIDTH), (FREQ[::-1], -WIDTH)):
        new, new_width = new_grid(freq, width, GridOptions())
        np.testing.assert_allclose(new, freq)
        np.testing.assert_allclose(new_width, width)


def test_channels():
    new, width = new_grid(FREQ, WIDTH, GridOptions(start=10, width=3, nchan=4))
    np.testing.assert_allclose(new, 100e9 + 1e6 * (11 + 3 * np.arange(4)))
    np.testing.assert_allclose(width, 3e6)
    falling, width = new_grid(FREQ[::-1], WIDTH, GridOptions(start=10, width=3))
    np.testing.assert_allclose(falling, FREQ[::-1][11 + 3 * np.arange(30)])
    assert (width < 0).all()


def test_frequencies():
    new, width = new_grid(FREQ, WIDTH, GridOptions("frequency", 5, "100.02GHz", "4MHz"))
    np.testing.assert_allclose(new, 100.02e9 + 4e6 * np.arange(5))
    down, _ = new_grid(FREQ, WIDTH, GridOptions("frequency", 5, "100.02GHz", "-4MHz"))
    np.testing.assert_allclose(down, 100.004e9 + 4e6 * np.arange(5))
    np.testing.assert_allclose(width, 4e6)


@given(st.floats(-50, -20), st.floats(4, 8), st.integers(1, 8))
def test_velocities_start_at_the_highest_frequency(start, width, nchan):
    how = GridOptions("velocity", nchan, f"{start!r}km/s", f"{width!r}km/s", restfreq_hz=100.04e9)
    freq, _ = new_grid(FREQ, WIDTH, how)
    velocity = (1 - freq[::-1] / 100.04e9) * C / 1e3
    np.testing.assert_allclose(velocity, start + width * np.arange(nchan), rtol=1e-9, atol=1e-6)


def test_what_fits():
    freq, _ = new_grid(FREQ, WIDTH, GridOptions("frequency", -1, "", "7MHz"))
    assert len(freq) == 14
    np.testing.assert_allclose(freq[0] - 3.5e6, FREQ[0] - 0.5e6)
    one, width = new_grid(FREQ, WIDTH, GridOptions("frequency", -1, "", "1GHz"))
    np.testing.assert_allclose((one, width), ([FREQ.mean()], [100e6]))


def test_what_cannot_be_made():
    for how in (
        GridOptions(start=100), GridOptions(start="x"), GridOptions(width=0), GridOptions("velocity", 3, "0km/s"),
        GridOptions("frequency", 3, "5km/s"), GridOptions("frequency", 3, "100.02GHz", "10kHz"),
        GridOptions("frequency", -1, "90THz"),
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            new_grid(FREQ, WIDTH, how)
    with pytest.raises(ArgumentError, match="neither"):
        new_grid(np.array([1.0, 3, 2]), WIDTH[:3], GridOptions())
    assert frequency_hz("230.538GHz") == pytest.approx(230.538e9)


def slope(freq):
    return (((freq - 100e9) / 1e6)[None, :, None] * (1 + 0.5j)).astype(np.complex64)


@pytest.mark.parametrize("method", ["linear", "cubic"])
@pytest.mark.parametrize("wide", [1.3, 2.5, 7.0])
@pytest.mark.parametrize("turn", [1, -1])
def test_a_slope_stays_a_slope(method, wide, turn):
    """Values lie on the line that the data are, at the centres of the new channels: nothing moves by part of one."""
    ratio = 1.0001
    target = 100.012e9 * ratio + wide * 1e6 * np.arange(8)
    regrid = Regrid(FREQ[::turn], target[::turn], turn * wide * 1e6, {5.0: ratio}, method, wide)
    flag = np.zeros((1, 100, 1), bool)
    out, bad = regrid.apply(np.array([5.0]), {"DATA": slope(FREQ[::turn])}, flag)
    np.testing.assert_allclose(out["DATA"], slope(target[::turn] / ratio), atol=2e-4)
    assert not bad.any()


def test_flags_and_edges():
    target = 100e9 + 1e6 * np.array([-3.0, 0.0, 4.5, 10.0, 98.9, 120.0])
    regrid = Regrid(FREQ, target, 1e6, {0.0: 1.0}, "linear", 1.0)
    flag = np.zeros((1, 100, 1), bool)
    flag[0, [5, 11], 0] = True
    out, bad = regrid.apply(np.array([0.0]), {"DATA": slope(FREQ)}, flag)
    assert bad[0, :, 0].tolist() == [True, False, True, False, False, True]
    np.testing.assert_allclose(out["DATA"].real.ravel(), [0, 0, 4.5, 10, 98.9, 99], atol=1e-4)


def test_each_time_has_its_own_frame():
    regrid = Regrid(FREQ, FREQ[40:60], 1e6, {0.0: 1.0, 1.0: 1 + 1e-5}, "linear", 1.0)
    data, flag = np.repeat(slope(FREQ), 2, axis=0), np.zeros((2, 100, 1), bool)
    out, _ = regrid.apply(np.array([1.0, 0.0]), {"DATA": data}, flag)
    np.testing.assert_allclose(out["DATA"][1:], slope(FREQ[40:60]), atol=1e-4)
    np.testing.assert_allclose(out["DATA"][:1], slope(FREQ[40:60] / (1 + 1e-5)), atol=1e-4)


def test_hanning():
    data = np.array([0, 0, 4, 0, 0, 0], np.complex64)[None, :, None]
    flag = np.array([0, 0, 0, 0, 1, 0], bool)[None, :, None]
    out, bad = hanning({"DATA": data}, flag)
    np.testing.assert_array_equal(out["DATA"].ravel(), [0, 1, 2, 1, 0, 0])
    np.testing.assert_array_equal(bad.ravel(), [True, False, False, True, True, True])

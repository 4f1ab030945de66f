"""The simulator's signals as functions of arrays."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError
from atacal.simulate import presets, sky
from atacal.simulate.array import SITE_ITRF_M, enu_axes, make_array
from atacal.simulate.earth import antenna_uvw, elevation
from atacal.simulate.turbulence import make_screen

T0 = presets.START_MJD_S


def test_array_has_alma_names_and_room_between_dishes():
    array = make_array(36, 420.0, np.random.default_rng(1))
    assert len(set(array.names)) == 36
    assert {name[:2] for name in array.names} <= {"DA", "DV", "PM"}
    between = np.linalg.norm(array.enu_m[:, None, :2] - array.enu_m[None, :, :2], axis=-1)
    assert between[np.triu_indices(36, 1)].min() > 12.0
    np.testing.assert_allclose((array.itrf_m - SITE_ITRF_M) @ enu_axes().T, array.enu_m, atol=1e-5)


def test_the_site_is_where_its_longitude_and_latitude_say():
    up = enu_axes()[2]
    towards = SITE_ITRF_M / np.linalg.norm(SITE_ITRF_M)
    assert np.degrees(np.arccos(up @ towards)) < 0.2  # geodetic and geocentric latitude differ by 0.14 degrees here


def test_uvw_keeps_lengths_and_w_points_to_the_source():
    rng = np.random.default_rng(3)
    itrf = SITE_ITRF_M + rng.normal(0, 300, (5, 3))
    times = T0 + np.arange(4) * 900.0
    ra, dec = 4.1, -0.4
    uvw = antenna_uvw(itrf, times, ra, dec)
    baseline = itrf[0] - itrf[3]
    np.testing.assert_allclose(np.linalg.norm(uvw[:, 0] - uvw[:, 3], axis=1), np.linalg.norm(baseline), rtol=1e-12)
    # an antenna displaced upwards is nearer to the source by the sine of the elevation
    lifted = itrf.copy()
    lifted[1] += 100.0 * enu_axes()[2]
    moved = antenna_uvw(lifted, times, ra, dec) - uvw
    w = (moved[:, 1] - moved[:, 0])[:, 2]
    np.testing.assert_allclose(w, 100.0 * np.sin(elevation(times, ra, dec)), atol=1e-6)


def test_elevation_agrees_with_astropy():
    coordinates = pytest.importorskip("astropy.coordinates")
    from astropy import units as u
    from astropy.time import Time
    from astropy.utils import iers

    with iers.conf.set_temp("auto_download", False):
        place = coordinates.EarthLocation.from_geocentric(*SITE_ITRF_M, unit=u.m)
        there = coordinates.SkyCoord(4.1 * u.rad, -0.4 * u.rad)
        frame = coordinates.AltAz(obstime=Time(T0 / 86400, format="mjd"), location=place)
        expected = there.transform_to(frame).alt.rad
    # aberration (20") and UT1 - UTC (below 14") are left out
    assert abs(elevation(np.array([T0]), 4.1, -0.4)[0] - expected) < np.radians(40 / 3600)


def test_a_source_to_the_east_leads_the_phase_with_positive_u():
    east = sky.Source("s", 0.0, 0.0, "target", (sky.Component(2.0, 0.0, l_arcsec=1.0),), 230e9)
    freq = np.array([230e9])
    uvw = np.array([[100.0, 0.0, 0.0]])
    expected = 2 * np.pi * 100.0 * np.radians(1 / 3600) * 230e9 / sky.C_M_S
    v = east.visibility(uvw, freq)[0, 0]
    assert abs(v) == pytest.approx(2.0)
    assert np.angle(v) == pytest.approx(expected, rel=1e-6)


def test_spectral_index_of_the_total_flux():
    s = sky.Source("s", 0.0, 0.0, "flux", (sky.Component(1.5, -0.7),), 230e9)
    assert float(s.flux_jy(230e9 * 1.1)) == pytest.approx(1.5 * 1.1**-0.7)
    assert s.at_centre
    np.testing.assert_allclose(s.visibility(np.zeros((1, 3)), np.array([230e9 * 1.1])).real, 1.5 * 1.1**-0.7)


def test_sexagesimal_signs():
    assert sky.dms("-00:30:00") == pytest.approx(-np.radians(0.5))
    assert sky.hms("01:00:00") == pytest.approx(np.radians(15))


def test_lower_sideband_windows_descend():
    windows = presets.windows(4, 16)
    steps = [np.diff(w.chan_freq_hz) for w in windows]
    assert all(np.allclose(d, w.chan_width_hz) for d, w in zip(steps, windows, strict=True))
    assert {int(np.sign(w.chan_width_hz)) for w in windows} == {-1, 1}
    assert [w.net_sideband for w in windows if w.chan_width_hz < 0] == [1, 1]


def test_schedule_never_overlaps_and_begins_and_ends_with_the_phase_calibrator():
    size = presets.PRESETS["small"]
    subscans = presets.schedule(size, ("bandpass", "flux", "phase", "check", "target"))
    times = np.concatenate([s.time_mjd_s for s in subscans])
    assert np.all(np.diff(times) > size.integration_s - 1e-3)
    cycle = [s.role for s in subscans if s.role in ("phase", "target")]
    assert cycle[0] == cycle[-1] == "phase"


def test_the_benchmark_has_as_many_rows_as_it_says():
    size = presets.PRESETS["bench"]
    integrations = sum(nsub * nint for _, nsub, nint in size.visits)
    assert integrations * size.nspw * size.nant * (size.nant - 1) // 2 == 733_320


@pytest.mark.parametrize(("key", "value"), [("nant", 2), ("nant", 1000), ("nspw", 0), ("nspw", 99), ("nchan", 0)])
def test_sizes_out_of_range_are_refused(key, value):
    with pytest.raises(ArgumentError, match=f"{key} = {value}"):
        presets.sized("tiny", **{key: value})


def test_turbulence_has_the_size_and_the_slope_asked_for():
    along = np.stack([np.array([0.0, 30.0, 60.0, 300.0]), np.zeros(4)], axis=1)
    squares = []
    for seed in range(40):
        path = make_screen(100e-6, np.random.default_rng(seed)).path_m(np.arange(0, 3000, 60.0), along, 0.0)
        squares.append(((path[:, 1:] - path[:, :1]) ** 2).mean(axis=0))
    near, twice, far = np.mean(squares, axis=0)
    assert np.sqrt(far) == pytest.approx(100e-6, rel=0.15)
    assert np.log2(twice / near) == pytest.approx(5 / 3, abs=0.35)  # a thick Kolmogorov layer


def test_longer_integrations_smooth_the_turbulence():
    screen = make_screen(100e-6, np.random.default_rng(5))
    place, times = np.zeros((1, 2)), np.arange(0.0, 2000.0, 5.0)
    assert screen.path_m(times, place, 60.0).std() < screen.path_m(times, place, 0.0).std()


def test_the_average_over_an_integration_is_the_mean_of_its_parts():
    screen = make_screen(100e-6, np.random.default_rng(6))
    place = np.array([[10.0, 20.0]])
    parts = screen.path_m(1000.0 + (np.arange(400) + 0.5) / 400 * 10.0, place, 0.0)
    whole = screen.path_m(np.array([1005.0]), place, 10.0)
    assert whole[0, 0] == pytest.approx(parts.mean(), rel=1e-3, abs=1e-9)


@pytest.mark.parametrize("nchan", [1, 30, 64, 480, 3840])
@pytest.mark.parametrize("sign", [1, -1])
def test_waves_of_many_channels_are_those_of_each(nchan, sign):
    freq = 231e9 + sign * 2e9 / nchan * np.arange(nchan)
    path = np.array([[0.0, 1.3e-3], [-2.7e-2, 0.4]])
    expected = np.exp(2j * np.pi / 299792458.0 * path[..., None] * freq)
    np.testing.assert_allclose(sky.waves(path, freq), expected, rtol=0, atol=1e-10)

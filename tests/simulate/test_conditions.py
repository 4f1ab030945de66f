"""Conditions under which a raw block is observed: windows, calibrators, radiometers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.ms.measurement_set import MeasurementSet
from atacal.simulate import read_truth, simulate, true_factors
from atacal.simulate.raw_layout import raw_size, raw_windows
from atacal.simulate.raw_schedule import raw_schedule


def spw_rows(path: Path, spw: int, columns: tuple[str, ...]):
    with table(str(path), ack=False) as tab, tab.query(f"DATA_DESC_ID=={spw}") as part:
        return [part.getcol(c) for c in columns]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    path = tmp_path_factory.mktemp("mixed") / "X.ms"
    simulate(path, raw=True, nant=5, spws="mixed", nchan=48, seed=2, faults=False, calibrator_flux=0.02)
    return path, read_truth(path)


def test_one_wide_window_and_three_narrow_ones_in_their_basebands(mixed):
    path, truth = mixed
    science = truth.raw["science_spws"]
    width = [abs(truth.spws[s]["chan_width_hz"]) * truth.spws[s]["nchan"] for s in science]
    np.testing.assert_allclose(width, [1.875e9, 58.59375e6, 58.59375e6, 58.59375e6])
    with MeasurementSet(path) as ms:
        md = ms.metadata
        for s in science:
            tsys = truth.raw["tsys_spw_of"][str(s)]
            assert md.spws[s].bbc_no == md.spws[tsys].bbc_no
            edges = [np.abs(md.spws[i].chan_freq_hz - md.spws[tsys].centre_freq_hz).max() for i in (s, tsys)]
            assert edges[0] < edges[1]
            average = md.spws[s + 1]
            assert average.nchan == 1
            assert average.total_bandwidth_hz == pytest.approx(0.95833 * md.spws[s].total_bandwidth_hz, rel=1e-3)


@pytest.mark.parametrize("which", [0, 2])
def test_factors_of_narrow_windows_are_true(mixed, which):
    path, truth = mixed
    a, spw = truth.arrays(), truth.raw["science_spws"][which]
    data, sigma, a1, a2, time, uvw = spw_rows(path, spw, ("DATA", "SIGMA", "ANTENNA1", "ANTENNA2", "TIME", "UVW"))
    total = count = 0.0
    for k, subscan in enumerate(truth.raw["subscans"]):
        if subscan["purpose"] != "science":
            continue
        at = np.flatnonzero(a["subscan"] == k)
        rows = np.flatnonzero(np.isin(time, a["time_mjd_s"][at]) & (a1 != a2))
        x, when = true_factors(truth, spw, at), np.searchsorted(a["time_mjd_s"][at], time[rows])
        model = truth.visibility(subscan["field"], uvw[rows], a[f"freq_hz_{spw}"])
        model = np.broadcast_to(model, data[rows].shape[:2])[..., None]
        residual = data[rows] - x[when, a1[rows]] * np.conj(x[when, a2[rows]]) * model
        total += float((np.abs(residual / sigma[rows][:, None]) ** 2).sum() / 2)
        count += residual.size
    assert total / count == pytest.approx(1.0, abs=5 / np.sqrt(count))


def test_a_weak_phase_calibrator_is_lost_in_the_noise_of_a_narrow_window(mixed):
    _, truth = mixed
    (phase,) = truth.fields("phase")
    assert truth.sources[truth.roles["phase"][0]].components[0].flux_jy == 0.02
    spw = truth.raw["science_spws"][1]
    assert truth.flux_jy[phase][spw] == pytest.approx(0.02, rel=0.03)
    a = truth.arrays()
    k = next(k for k, s in enumerate(truth.raw["subscans"]) if truth.sources[s["field"]].name == phase
             and s["purpose"] == "science")  # fmt: skip
    x = np.abs(true_factors(truth, spw, np.flatnonzero(a["subscan"] == k)))
    signal = 0.02 * float(np.median(x)) ** 2
    noise = 1 / np.sqrt(2 * 58.6e6 * 4 * truth.integration_s)  # of a baseline, the whole scan
    assert signal / noise < 0.5
    wide = 1 / np.sqrt(2 * 1.875e9 * 4 * truth.integration_s)
    assert signal / wide > 1.5


def test_a_block_without_radiometers(tmp_path):
    path = tmp_path / "X.ms"
    truth = simulate(path, raw=True, nant=14, wvr=False, faults="all", nchan=None)
    assert not {"dead_wvr", "noisy_wvr"} & {f.kind for f in truth.faults}
    (ddid,) = [np.unique(table(str(path), ack=False).getcol("DATA_DESC_ID"))]
    assert 0 not in ddid
    with MeasurementSet(path) as ms:
        names = [s.name for s in ms.metadata.spws]
        assert not any("CALIBRATE_WVR" in i for i in ms.metadata.state_intents)
        assert any("CALIBRATE_BANDPASS" in i for i in ms.metadata.state_intents)
    assert not any(n.startswith("WVR#Antenna") for n in names)
    assert truth.arrays()["water_mm"].shape == (0, 14)
    assert (truth.arrays()["wet_path_m"] != 0).any()  # the air is as wet as before


@pytest.mark.parametrize("absent", ["flux", "bandpass", "check", "bandpass,flux", "flux,check"])
def test_a_block_without_some_calibrators(tmp_path, absent):
    path = tmp_path / "X.ms"
    simulate(path, raw=True, nant=4, without=absent, noise=False)
    truth = read_truth(path)
    gone = set(absent.split(","))
    assert {s.role for s in truth.sources} == {"bandpass", "flux", "phase", "check", "target"} - gone
    words = {"flux": "CALIBRATE_FLUX", "bandpass": "CALIBRATE_BANDPASS", "check": "OBSERVE_CHECK_SOURCE"}
    with MeasurementSet(path) as ms:
        intents = ",".join(ms.metadata.state_intents)
        assert ms.metadata.nrow == truth.nrow
    for role, word in words.items():
        assert (word in intents) == (role not in gone)
    assert bool(truth.raw["expected_flux_ratio"]) == ("flux" not in gone)
    assert ("--flux-density" in str(truth)) == ("flux" not in gone)


def test_the_targets_components_are_in_the_truth(tmp_path):
    path = tmp_path / "X.ms"
    simulate(path, raw=True, nant=4, noise=False)
    (target,) = [s for s in read_truth(path).sources if s.role == "target"]
    assert len(target.components) >= 2
    places = [(c.l_arcsec, c.m_arcsec) for c in target.components]
    assert len(set(places)) == len(places)
    # what the components say is what the visibilities are: the sum of their waves
    uvw, freq = np.array([[80.0, -50.0, 3.0]]), np.array([231e9])
    expected = sum(
        c.flux_jy * (231 / 238) ** c.spix
        * np.exp(2j * np.pi * 231e9 / 299792458.0 * np.radians([c.l_arcsec / 3600, c.m_arcsec / 3600]) @ uvw[0, :2])
        for c in target.components
    )  # fmt: skip
    assert target.visibility(uvw, freq)[0, 0] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("nchan", "low", "high"), [(None, 7.0e9, 8.0e9), (128, 1.2e9, 2.0e9)])
def test_sn1987a_is_as_long_and_as_large_as_the_real_one(nchan, low, high):
    size = raw_size("sn1987a", None, nchan)
    subscans = raw_schedule(size, ("bandpass", "flux", "phase", "check", "target"))
    windows = [w for w in raw_windows(size) if w.kind == "fdm"]
    assert (size.nant, len(windows), windows[0].nchan) == (36, 4, nchan or 3840)
    minutes = (subscans[-1].end_mjd_s - subscans[0].start_mjd_s) / 60
    assert minutes == pytest.approx(40, abs=2)
    cells = sum(len(s.time_mjd_s) for s in subscans if s.purpose == "science") * sum(w.nchan for w in windows)
    assert low < cells * 36 * 37 / 2 * 2 * 8.125 < high

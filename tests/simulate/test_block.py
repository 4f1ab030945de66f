"""A simulated MeasurementSet: what it holds, and whether its truth is true."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from atacal.errors import ArgumentError, InvalidTable, NoSuchTable, TableExists
from atacal.ms.measurement_set import MeasurementSet
from atacal.simulate import read_truth, simulate


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("block") / "X.ms"
    return path, simulate(path, seed=3, nchan=16)


def read(path: Path, *columns: str):
    with MeasurementSet(path) as ms:
        return [ms.table.getcol(c) for c in columns]


def test_same_seed_same_block_and_another_seed_another(tmp_path, made):
    path, _ = made
    simulate(tmp_path / "again.ms", seed=3, nchan=16)
    simulate(tmp_path / "other.ms", seed=4, nchan=16)
    again, other = tmp_path / "again.ms", tmp_path / "other.ms"
    for column in ("DATA", "FLAG", "UVW", "WEIGHT"):
        np.testing.assert_array_equal(*(read(p, column)[0] for p in (path, again)))
    assert not np.array_equal(read(path, "DATA")[0], read(other, "DATA")[0])
    assert (again.parent / "again.ms.truth.json").read_text() == (path.parent / "X.ms.truth.json").read_text().replace(
        "X.ms", "again.ms"
    )


def test_metadata_is_alma_like(made):
    path, truth = made
    with MeasurementSet(path) as ms:
        md = ms.metadata
        assert md.telescope == "ALMA"
        assert md.antenna_names() == truth.antennas
        assert [s.nchan for s in md.spws] == [16, 16]
        assert md.spws[0].chan_width_hz[0] < 0 < md.spws[1].chan_width_hz[0]
        assert np.all(md.spws[0].effective_bw_hz > 0)
        assert md.field_names() == [s.name for s in truth.sources]
        assert any("CALIBRATE_BANDPASS#ON_SOURCE" in intent for intent in md.state_intents)
        assert md.nrow == truth.nrow == 79 * 2 * 28


def test_weights_are_the_radiometer_equation(made):
    path, truth = made
    weight, sigma, a1, a2, ddid, interval = read(
        path, "WEIGHT", "SIGMA", "ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "INTERVAL"
    )
    np.testing.assert_allclose(weight, 1 / sigma**2, rtol=1e-6)
    arrays = truth.arrays()
    for row in (0, len(a1) // 2, len(a1) - 1):
        sefd = arrays[f"sefd_jy_{ddid[row]}"]
        samples = 2 * abs(truth.spws[ddid[row]]["chan_width_hz"]) * interval[row]
        np.testing.assert_allclose(weight[row], samples / (sefd[a1[row]] * sefd[a2[row]]), rtol=1e-5)


def test_residuals_from_the_truth_are_noise_of_the_size_sigma_says(made):
    path, truth = made
    with MeasurementSet(path) as ms:
        freq = [s.chan_freq_hz for s in ms.metadata.spws]
    columns = read(path, "DATA", "SIGMA", "ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "FIELD_ID", "TIME", "UVW")
    data, sigma, a1, a2, ddid, field, time, uvw = columns
    arrays = read_truth(path).arrays()
    at = np.searchsorted(arrays["time_mjd_s"], time)
    total = count = 0.0
    for spw in (0, 1):
        for f in range(len(truth.sources)):
            rows = np.flatnonzero((ddid == spw) & (field == f))
            gain, band = arrays[f"gain_{spw}"], arrays[f"bandpass_{spw}"]
            factor = gain[at[rows], a1[rows]] * np.conj(gain[at[rows], a2[rows]])
            model = truth.visibility(f, uvw[rows], freq[spw])
            signal = factor[:, None, :] * band[a1[rows]] * np.conj(band[a2[rows]]) * np.asarray(model)[..., None]
            residual = (data[rows] - signal) / sigma[rows][:, None, :]
            total += (np.abs(residual) ** 2).sum() / 2
            count += residual.size
    assert total / count == pytest.approx(1.0, abs=4 / np.sqrt(count))


def test_without_noise_the_calibrator_is_its_gains(tmp_path):
    truth = simulate(tmp_path / "q.ms", noise=False, turbulence_um=0.0, faults=False, nchan=8, nspw=1, nant=4)
    data, a1, a2 = read(tmp_path / "q.ms", "DATA", "ANTENNA1", "ANTENNA2")
    arrays = truth.arrays()
    x = arrays["gain_0"][0][:, None, :] * arrays["bandpass_0"]
    model = truth.visibility(0, np.zeros((1, 3)), np.array([truth.spws[0]["centre_freq_hz"]]))
    expected = x[a1[:6]] * np.conj(x[a2[:6]])
    ratio = data[:6] / expected
    np.testing.assert_allclose(ratio.real, model.real[0], rtol=6e-3)  # the spectral index over one spw
    np.testing.assert_allclose(np.angle(ratio), 0, atol=1e-5)


def test_faults_are_in_the_data_and_in_the_truth(made):
    path, truth = made
    kinds = {f.kind: f for f in truth.faults}
    assert set(kinds) == {"dead_polarization", "low_gain", "phase_jump", "flagged"}
    arrays = truth.arrays()
    dead, low = kinds["dead_polarization"], kinds["low_gain"]
    assert not arrays["gain_0"][:, dead.antenna_id, 1].any()
    assert arrays["gain_0"][:, dead.antenna_id, 0].all()
    assert np.abs(arrays["gain_0"][:, low.antenna_id]).max() < 0.7
    assert truth.refant not in {f.antenna for f in truth.faults if f.kind != "flagged"}
    flag, a1, a2, time = read(path, "FLAG", "ANTENNA1", "ANTENNA2", "TIME")
    expected = np.zeros(len(a1), bool)
    for f in truth.faults:
        if f.kind == "flagged":
            hit = (time >= f.start_mjd_s) & (time <= f.end_mjd_s)
            expected |= hit & ((a1 == f.antenna_id) | (a2 == f.antenna_id))
    assert expected.any()
    np.testing.assert_array_equal(flag.all(axis=(1, 2)), expected)
    np.testing.assert_array_equal(flag.any(axis=(1, 2)), expected)


def test_correlations_come_in_their_order(tmp_path):
    """CASA takes the first and the last of four correlations for the parallel hands."""
    simulate(tmp_path / "any.ms", corrs="XX,YY,YX,XY", nant=4, nspw=1, nchan=8)
    with MeasurementSet(tmp_path / "any.ms") as ms:
        assert ms.metadata.pols[0].corrs == ("XX", "XY", "YX", "YY")


def test_correlations_autocorrelations_and_weight_spectrum(tmp_path):
    path = tmp_path / "full.ms"
    truth = simulate(path, corrs="XX,XY,YX,YY", autocorr=True, weight_spectrum=True, nant=4, nspw=1, nchan=8)
    data, spectrum, weight, a1, a2 = read(path, "DATA", "WEIGHT_SPECTRUM", "WEIGHT", "ANTENNA1", "ANTENNA2")
    assert data.shape == (truth.nrow, 8, 4)
    own = a1 == a2
    assert own.sum() == truth.nrow * 4 // 10
    assert not data[own][..., 0].imag.any()
    np.testing.assert_array_equal(spectrum, np.repeat(weight[:, None], 8, axis=1))
    with MeasurementSet(path) as ms:
        assert ms.metadata.pols[0].corrs == ("XX", "XY", "YX", "YY")
    cross = data[~own]
    assert np.abs(cross[..., 1].mean()) < 0.1 * np.abs(cross[..., 0]).mean()


def test_fewer_antennas_than_faults_need_leave_them_out(tmp_path):
    truth = simulate(tmp_path / "three.ms", nant=3, nspw=1, nchan=4)
    assert {f.kind for f in truth.faults} <= {"flagged"}


def test_an_existing_block_is_kept_unless_told_otherwise(tmp_path):
    path = tmp_path / "X.ms"
    simulate(path, nant=3, nspw=1, nchan=4)
    before = read(path, "DATA")[0]
    with pytest.raises(TableExists, match="overwrite"):
        simulate(path, nant=3, nspw=1, nchan=4, seed=2)
    np.testing.assert_array_equal(read(path, "DATA")[0], before)
    simulate(path, nant=3, nspw=1, nchan=4, seed=2, overwrite=True)
    assert not np.array_equal(read(path, "DATA")[0], before)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"preset": "huge"}, "tiny, small, bench"),
        ({"corrs": "RR"}, "XX, XY, YX, YY"),
        ({"corrs": "XX,XX"}, "name each once"),
        ({"corrs": ""}, "corrs"),
        ({"seed": -1}, "seed"),
        ({"turbulence_um": -5.0}, "turbulence_um"),
    ],
)
def test_bad_arguments_say_what_is_possible(tmp_path, arguments, words):
    with pytest.raises(ArgumentError, match=words):
        simulate(tmp_path / "X.ms", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    from atacal.errors import WriteError
    from atacal.simulate import block

    def broken(*args):
        raise OSError("no space left on device")

    monkeypatch.setattr(block, "generate", broken)
    with pytest.raises(WriteError, match="no space"):
        simulate(tmp_path / "X.ms")
    assert not list(tmp_path.iterdir())


def test_truth_reads_back_and_other_files_are_refused(tmp_path, made):
    path, truth = made
    back = read_truth(path)
    assert back.sources == truth.sources
    assert back.faults == truth.faults
    assert back.flux_jy == truth.flux_jy
    assert back.roles == truth.roles == {"bandpass": [0], "flux": [1], "phase": [2], "check": [3], "target": [4]}
    assert back.fields("target") == ["IRAS_16293-2422"]
    assert "J1517-2422" in str(back)
    with pytest.raises(NoSuchTable):
        read_truth(tmp_path / "nothing.ms")
    (tmp_path / "a.ms.truth.json").write_text(json.dumps({"format": "something else"}))
    with pytest.raises(InvalidTable, match="format"):
        read_truth(tmp_path / "a.ms")
    (tmp_path / "a.ms.truth.json").write_text("{")
    with pytest.raises(InvalidTable, match="JSON"):
        read_truth(tmp_path / "a.ms")

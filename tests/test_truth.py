"""The standard calibration of simulated data against their truth.

Gains, bandpasses and noise are known, so that the calibrated data must agree with the model within the noise that their
weights promise, and the flux densities within their errors.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe import calibrate
from atacal.recipe.summary import Summary
from atacal.simulate import Truth, read_truth, simulate

SIZE = {"preset": "tiny", "nant": 12, "nspw": 2, "nchan": 32}


def calibrated(folder: Path, **more) -> tuple[Summary, Truth]:
    path = folder / "X.ms"
    truth = simulate(path, **{**SIZE, **more})
    flux = truth.sources[truth.roles["flux"][0]]
    model = flux.components[0]
    summary = calibrate(
        str(path), flux_density=model.flux_jy, spix=model.spix, reffreq=f"{flux.ref_freq_hz / 1e9}GHz", pictures=False
    )
    return summary, truth


@pytest.fixture(scope="module")
def quiet(tmp_path_factory):
    """Calibrated data of an array under a still atmosphere, without faults."""
    return calibrated(tmp_path_factory.mktemp("quiet"), seed=13, turbulence_um=0.0, faults=False)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Calibrated data with turbulence and faults."""
    return calibrated(tmp_path_factory.mktemp("real"), seed=3)


def rows_of(path: str | Path, field: str):
    """Read columns of one field's rows, in the order of ``names``, and the frequencies of each spw."""
    with MeasurementSet(path) as ms:
        number = ms.metadata.field_names().index(field)
        rows = np.flatnonzero(ms.table.getcol("FIELD_ID") == number)
        names = ("DATA", "FLAG", "WEIGHT", "UVW", "DATA_DESC_ID", "ANTENNA1", "ANTENNA2")
        columns = [ms.table.getcol(c)[rows] for c in names]
        freq = {d.id: ms.metadata.spws[d.spw].chan_freq_hz for d in ms.metadata.ddids}
    return columns, freq


def chi_squared(summary: Summary, truth: Truth, field_id: int) -> tuple[float, int]:
    """Return chi-squared of a field's calibrated data against its model, and the number of real values.

    The weights hold for the mean over a spw's channels (CASA's meaning of WEIGHT), and the bandpass makes some channels
    noisier than others: the true bandpass amplitudes say by how much.
    """
    (data, flag, weight, uvw, ddid, a1, a2), freq = rows_of(summary.calibrated, truth.sources[field_id].name)
    total, count = 0.0, 0
    for spw in np.unique(ddid):
        here = ddid == spw
        model = np.broadcast_to(truth.visibility(field_id, uvw[here], freq[spw])[..., None], data[here].shape)
        band = np.abs(truth.arrays()[f"bandpass_{spw}"]) ** 2
        band = band / band.mean(axis=1, keepdims=True)
        scale = band[a1[here]] * band[a2[here]]
        squares = weight[here][:, None, :] * scale * np.abs(data[here] - model) ** 2
        good = ~flag[here]
        total += float(squares[good].sum())
        count += 2 * int(good.sum())
    return total, count


def solved_parameters(summary: Summary, truth: Truth, field_id: int) -> int:
    """Count the real numbers that were fitted to a field's own data; only the bandpass has enough to count."""
    if field_id not in truth.roles["bandpass"]:
        return 0
    nant, nspw, nchan = len(truth.antennas), len(truth.spws), truth.spws[0]["nchan"]
    return 2 * 2 * nant * nspw * nchan


@pytest.mark.parametrize("role", ["bandpass", "flux", "phase", "check", "target"])
def test_corrected_data_are_at_the_thermal_limit(quiet, role):
    summary, truth = quiet
    field = truth.roles[role][0]
    total, count = chi_squared(summary, truth, field)
    assert total / (count - solved_parameters(summary, truth, field)) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("role", ["bandpass", "flux", "target"])
def test_turbulence_and_faults_are_calibrated_out(real, role):
    """Phases of every integration take the turbulence out of calibrators; on the faint target noise hides it."""
    summary, truth = real
    field = truth.roles[role][0]
    total, count = chi_squared(summary, truth, field)
    assert total / (count - solved_parameters(summary, truth, field)) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("which", ["quiet", "real"])
def test_flux_densities_agree_with_the_truth(which, request):
    summary, truth = request.getfixturevalue(which)
    assert len(summary.fluxes) == 2 * len(truth.spws)  # the bandpass and the phase calibrator
    for flux in summary.fluxes:
        true = truth.flux_jy[flux.field][flux.spw]
        assert abs(flux.flux_jy - true) < 2 * flux.error_jy
        assert flux.error_jy < 0.02 * true


def test_the_mean_of_the_check_source_is_its_flux(quiet):
    summary, truth = quiet
    (data, flag, weight, *_), _ = rows_of(summary.calibrated, truth.fields("check")[0])
    w = np.where(flag, 0, weight[:, None, :])
    mean = (w * data).sum() / w.sum()
    error = 1 / np.sqrt(w.sum())
    true = np.mean(truth.flux_jy[truth.fields("check")[0]])
    assert mean.real == pytest.approx(true, abs=4 * error + 0.01 * true)
    assert abs(mean.imag) < 4 * error + 0.01 * true


def test_phase_scatter_falls_to_the_noise(real):
    summary, truth = real
    by_name = {s.name: s for s in summary.scatter}
    bandpass = by_name[truth.fields("bandpass")[0]]
    assert bandpass.after_deg < 0.25 * bandpass.before_deg
    phase = by_name[truth.fields("phase")[0]]
    assert phase.after_deg < phase.before_deg


def test_the_bandpass_is_the_true_one(quiet):
    from atacal.caltables.disk import read_caltable

    summary, truth = quiet
    table = read_caltable(next(t.path for t in summary.tables if t.name == "bandpass"))
    for spw, solved in table.solutions.items():
        true = truth.arrays()[f"bandpass_{spw}"]
        reference = true[truth.antennas.index(summary.refant)]
        ratio = solved.param[0] / (true * np.conj(reference) / np.abs(reference))  # phases are the reference's own
        ratio = ratio / np.mean(ratio, axis=1, keepdims=True)  # the mean over the channels is the gain's
        error = solved.error[0] / np.abs(solved.param[0])
        assert np.abs(ratio - 1).mean() < 2 * error.mean()


def test_a_dead_polarisation_and_nothing_else_is_lost(real):
    summary, truth = real
    dead = {f.antenna: "XY".index(f.polarization) for f in truth.faults if f.kind == "dead_polarization"}
    (_, flag, *_, a1, a2), _ = rows_of(summary.calibrated, truth.fields("target")[0])
    lost = np.zeros((len(a1), 2), bool)
    for name, receptor in dead.items():
        number = truth.antennas.index(name)
        lost[:, receptor] |= (a1 == number) | (a2 == number)
    lost = np.broadcast_to(lost[:, None, :], flag.shape)
    assert flag[lost].all()
    assert flag[~lost].mean() < 0.05


def test_truth_reads_back_beside_the_data(quiet):
    summary, truth = quiet
    assert read_truth(summary.vis).refant == truth.refant

"""The whole recipe on a small block: what it leaves, how it is called, what happens when it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from atacal.errors import ArgumentError, EmptySelection, ModelError, NoSuchTable, TableExists
from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe import calibrate, demo
from atacal.simulate import simulate

FLUX = {"flux_density": 1.15, "spix": -0.62, "reffreq": "233GHz"}


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "X.ms"
    simulate(path, nant=6, nspw=1, nchan=8, faults=False)
    return path


def test_products_summary_and_pictures(small):
    summary = calibrate(str(small), **FLUX)
    folder = small.parent / "X.calibrate"
    assert Path(summary.outdir) == folder
    names = {p.name for p in folder.iterdir()}
    tables = {"X.ap_pre_bandpass", "X.bandpass", "X.phase_int", "X.ampli_inf", "X.flux_inf", "X.phase_inf"}
    assert tables | {"X.calibrated.ms", "pictures", "summary.json", "summary.txt"} <= names
    content = json.loads((folder / "summary.json").read_text())
    assert content["refant"] == summary.refant == content["ranking"][0]["name"]
    assert {t["name"] for t in content["tables"]} == {
        "phase_up", "bandpass", "phase_int", "ampli_inf", "flux_inf", "phase_inf",
    }  # fmt: skip
    assert {f["field"] for f in content["fluxes"]} == {"J1517-2422", "J1650-2943"}
    assert len(content["scatter"]) == 4
    assert summary.pictures
    assert all(Path(p).suffix == ".png" and Path(p).is_file() for p in summary.pictures)
    assert str(summary).strip() == (folder / "summary.txt").read_text().strip()
    with MeasurementSet(summary.calibrated) as out, MeasurementSet(small) as ms:
        assert out.metadata.nrow == ms.metadata.nrow
        assert ms.has("CORRECTED_DATA")


def test_the_flux_scale_of_a_catalogue(small, tmp_path):
    """The simulated flux calibrator has 1.15 Jy at 233 GHz and the index -0.62."""
    catalogue = tmp_path / "fluxes.csv"
    rows = [f"J1550+0527,2024-06-19,{ghz},{1.15 * (ghz / 233) ** -0.62!r},0.03" for ghz in (97.5, 343.5)]
    catalogue.write_text("\n".join(["source,date,freq_GHz,flux_Jy,error_Jy", *rows]))
    with pytest.raises(ArgumentError, match="give one of them"):
        calibrate(str(small), catalogue=str(catalogue), **FLUX)
    with pytest.raises(NoSuchTable, match="no such catalogue"):
        calibrate(str(small), catalogue="none.csv")
    by_hand = calibrate(str(small), pictures=False, outdir=str(tmp_path / "by_hand"), **FLUX)
    found = calibrate(str(small), catalogue=str(catalogue), pictures=False, outdir=str(tmp_path / "found"))
    assert "J1550+0527 1." in found.flux_model
    assert "spectral index -0.62" in found.flux_model
    assert [f.flux_jy for f in found.fluxes] == pytest.approx([f.flux_jy for f in by_hand.fluxes], rel=5e-4)


def test_a_second_run_is_made_anew_and_keeps_its_own_flag_version(small):
    first = calibrate(str(small), pictures=False, **FLUX)
    again = calibrate(str(small), pictures=False)  # the model is there now
    assert first.flag_version == "before_calibrate"
    assert again.flag_version == "before_calibrate_2"
    for one, two in zip(first.fluxes, again.fluxes, strict=True):
        assert two.flux_jy == pytest.approx(one.flux_jy, rel=1e-3)


def test_one_calibrator_for_everything_needs_no_flux_scale(small):
    summary = calibrate(
        str(small), bandpass="0", flux="0", phase="0", target="4", flux_density=[3.2, 0, 0, 0], pictures=False
    )
    assert summary.fluxes == []
    assert "flux_inf" not in {t.name for t in summary.tables}
    with MeasurementSet(summary.calibrated) as out:
        names = {out.metadata.fields[f].name for f in np.unique(out.runs.field)}
    assert names == {"J1517-2422", "J1700-2610", "IRAS_16293-2422"}  # the check source by its intent


def test_autocorrelations_are_flagged(tmp_path):
    path = tmp_path / "A.ms"
    simulate(path, nant=5, nspw=1, nchan=8, faults=False, autocorr=True)
    calibrate(str(path), pictures=False, **FLUX)
    with MeasurementSet(path) as ms:
        flag, a1, a2 = (ms.table.getcol(c) for c in ("FLAG", "ANTENNA1", "ANTENNA2"))
    assert flag[a1 == a2].all()
    assert not flag[a1 != a2].any()


def test_bad_input_is_refused_before_anything_is_written(small, tmp_path):
    with pytest.raises(ModelError, match="flux_density"):
        calibrate(str(small))
    with pytest.raises(ArgumentError, match="interp"):
        calibrate(str(small), interp="spline", **FLUX)
    with pytest.raises(ArgumentError, match="gaintype_amp"):
        calibrate(str(small), gaintype_amp="K", **FLUX)
    with pytest.raises(ArgumentError, match="EA99"):
        calibrate(str(small), refant="EA99", **FLUX)
    with pytest.raises(NoSuchTable):
        calibrate(str(tmp_path / "nothing.ms"), **FLUX)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("long")
    with pytest.raises(TableExists):
        calibrate(str(small), outdir=str(tmp_path / "mine"), **FLUX)
    assert not (small.parent / "X.calibrate").exists()
    with MeasurementSet(small) as ms:
        assert not ms.has("CORRECTED_DATA")


@pytest.mark.parametrize("stage", ["X.bandpass", "X.flux_inf", "X.calibrated.ms"])
def test_a_killed_run_leaves_the_data_usable_and_can_be_run_again(tmp_path, stage):
    path = tmp_path / "X.ms"
    simulate(path, nant=6, nspw=2, nchan=32, faults=False)
    with MeasurementSet(path) as ms:
        before = ms.table.getcol("DATA")
    code = f"from atacal.recipe import calibrate; calibrate({str(path)!r}, pictures=False, **{FLUX!r})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / "X.calibrate"
    while process.poll() is None and not any(stage in p.name for p in folder.glob("*") if p.name != "calibrate.json"):
        time.sleep(0.001)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with MeasurementSet(path) as ms:
        np.testing.assert_array_equal(ms.table.getcol("DATA"), before)
        assert ms.metadata.nrow == len(ms.table.getcol("FLAG"))
    summary = calibrate(str(path), pictures=False, **FLUX)
    assert Path(summary.calibrated).is_dir()
    assert len(summary.fluxes) == 4


def test_an_spw_without_calibrator_data_is_left_out(tmp_path):
    from atacal.tasks import flagdata

    path = tmp_path / "X.ms"
    simulate(path, nant=6, nspw=3, nchan=8, faults=False)
    flagdata(str(path), spw="1", field="0", flagbackup=False)
    summary = calibrate(str(path), pictures=False, **FLUX)
    assert any("spw 1 is left out" in note and "bandpass" in note for note in summary.notes)
    assert {f.spw for f in summary.fluxes} == {0, 2}
    with MeasurementSet(summary.calibrated) as ms:
        assert len(ms.metadata.spws) == 2
    flagdata(str(path), field="0", flagbackup=False)
    with pytest.raises(EmptySelection, match="bandpass"):
        calibrate(str(path), pictures=False, **FLUX)


def test_the_demo_agrees_with_its_truth(tmp_path):
    result = demo(str(tmp_path / "d"), preset="tiny", pictures=False)
    assert len(result.fluxes) == 4
    assert all(abs(f.derived_jy / f.true_jy - 1) < 0.02 for f in result.fluxes)
    assert "sigma" in str(result)
    report = json.loads((tmp_path / "d" / "demo.json").read_text())
    assert report["fluxes"][0]["true_jy"] == result.fluxes[0].true_jy
    demo(str(tmp_path / "d"), preset="tiny", pictures=False)  # replaces its own
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "thesis.tex").write_text("long")
    with pytest.raises(TableExists):
        demo(str(tmp_path / "e"))

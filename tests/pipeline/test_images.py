"""The list of images, and the images with their scores, on data that need no calibration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from atacal.errors import ArgumentError
from atacal.pipeline.run import Run
from atacal.pipeline.stages.makeimlist import _cell, _name, hif_makeimlist
from atacal.simulate import read_truth, simulate
from atacal.tasks import applycal, bandpass, gaincal, setjy


@pytest.fixture(scope="module")
def imaged(tmp_path_factory) -> tuple[Path, Path]:
    """A calibrated block of known truth, and the run directory in which it was imaged."""
    folder = tmp_path_factory.mktemp("images")
    vis = str(folder / "X.ms")
    simulate(vis, seed=2, faults=False)
    truth = read_truth(vis)
    common = {"vis": vis, "refant": truth.refant, "minblperant": 3}
    for field, name in ((0, "J1517-2422"), (2, "J1650-2943")):
        for spw, flux in enumerate(truth.flux_jy[name]):
            setjy(vis, field=str(field), spw=str(spw), standard="manual", fluxdensity=[flux, 0, 0, 0], usescratch=False)
    gaincal(caltable=f"{vis}.up", field="0", solint="int", calmode="p", **common)
    bandpass(caltable=f"{vis}.b", field="0", gaintable=[f"{vis}.up"], **common)
    gaincal(caltable=f"{vis}.p", field="2", solint="int", calmode="p", gaintable=[f"{vis}.b"], **common)
    gaincal(caltable=f"{vis}.a", field="2", solint="inf", calmode="a", gaintable=[f"{vis}.b", f"{vis}.p"], **common)
    applycal(vis, field="2,3,4", gaintable=[f"{vis}.b", f"{vis}.p", f"{vis}.a"], flagbackup=False)
    with Run(folder / "run", workers=1) as run:
        run.call("hifa_importdata", {"vis": [vis]})
        run.call("hif_makeimlist", {"intent": "PHASE,CHECK,TARGET"})
        run.call("hif_makeimages", {})
    return Path(vis), folder / "run"


def result(run: Path, number: int) -> dict:
    (path,) = (run / "stages").glob(f"{number:02d}-*/result.json")
    return json.loads(path.read_text())


def test_every_source_and_spw_has_its_image(imaged):
    vis, run = imaged
    images = result(run, 3)["run"]["decisions"]["images"]
    nspw = len(read_truth(str(vis)).spws)
    assert len(images) == 3 * nspw
    assert all("failed" not in image for image in images)
    for image in images:
        name = run / "images" / image["name"]
        with fits.open(f"{name}.image.fits") as file:
            assert file[0].header["BMAJ"] * 3600 == pytest.approx(image["beam_major_arcsec"], rel=1e-6)
            assert np.nanmax(file[0].data) == pytest.approx(image["peak_jy"], rel=1e-5)
        assert Path(f"{name}.image.png").stat().st_size > 5000


def test_sources_are_at_their_places_with_their_flux_densities(imaged):
    vis, run = imaged
    truth = read_truth(str(vis))
    for image in result(run, 3)["run"]["decisions"]["images"]:
        true = truth.flux_jy[image["source"]][int(image["spw"])]
        if image["intent"] == "PHASE":
            assert image["fit"]["offset_beams"] < 0.01
            assert image["peak_jy"] == pytest.approx(true, rel=0.01)
        elif image["intent"] == "CHECK":  # its phases come from another source, through other air
            assert image["fit"]["offset_beams"] < 0.3
            assert image["fit"]["flux_jy"] == pytest.approx(true, rel=0.25)
        else:
            assert image["flux_model_jy"] == pytest.approx(true, rel=0.25)
        assert image["rms_jy"] < 1.5 * image["expected_rms_jy"]
        assert image["cell_arcsec"] == pytest.approx(image["beam_minor_arcsec"] / 5, rel=0.25)
        # eight antennas: nothing stands out of the sidelobes
        assert image["masking"] == ("centralregion" if image["intent"] == "TARGET" else "middle")


def test_scores_and_check_sources(imaged):
    _, run = imaged
    scores = result(run, 3)["run"]["scores"]
    assert {s["metric"] for s in scores} == {"image_rms", "check_source"}
    assert all(0.3 < s["value"] <= 1 for s in scores)


def test_names_of_sources_cannot_lead_out_of_the_folder():
    planned = {
        "source": "../../<script>/x' é",
        "parts": [{"vis": "A.ms", "fields": [3]}],
        "spw": "17",
        "intent": "PHASE",
    }
    name = _name({"prefix": "../", "number": 22}, planned)
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-")
    assert not name.startswith("/")
    assert name.endswith("_ph.spw17.mfs.I")


@pytest.mark.parametrize(("given", "out"), [("", {}), ("0.1arcsec", {"arcsec": 0.1}), (["3ppb"], {"ppb": 3.0})])
def test_cells(given, out):
    assert _cell(given) == out


def test_what_is_not_there_is_named():
    with pytest.raises(ArgumentError, match="hm_cell = '5 pixels' cannot be read"):
        _cell("5 pixels")
    with pytest.raises(ArgumentError, match="specmode='cube' is not there"):
        hif_makeimlist(None, specmode="cube")

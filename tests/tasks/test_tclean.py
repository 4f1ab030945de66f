"""The task tclean: its parameters, files and answers."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from atacal.errors import ArgumentError, TableExists
from atacal.tasks import tclean
from atacal.tasks._imaging import image_spec

_SKIES = importlib.util.spec_from_file_location("skies", Path(__file__).parents[1] / "images" / "conftest.py")
skies = importlib.util.module_from_spec(_SKIES)
_SKIES.loader.exec_module(skies)


@pytest.fixture
def sky_ms(tmp_path):
    return str(skies.write_sky(tmp_path / "sky.ms", [(0.5, 1.05, 0.7)], sigma=0.05, nant=8, ntime=3))


def defaults(**given):
    import inspect

    values = {n: p.default for n, p in inspect.signature(tclean).parameters.items()}
    return values | {"vis": "x.ms", "imagename": "x", "cell": "0.1arcsec"} | given


def test_files_and_answer(sky_ms, tmp_path):
    answer = tclean(
        sky_ms, imagename=str(tmp_path / "X"), imsize=160, cell="0.35arcsec", weighting="briggs", niter=100,
        threshold="20mJy", mask="circle[[77pix,82pix],5pix]", pbcor=True,
    )  # fmt: skip
    names = ["image", "residual", "model", "psf", "mask", "pb", "image.pbcor"]
    assert {Path(f).name for f in answer["files"]} == {
        f"X.{n}.{e}" for n in names for e in ("fits", "png")
    } | {"X.sumwt.fits"}  # fmt: skip
    assert all(Path(f).stat().st_size for f in answer["files"])
    assert answer["peak_jy"] == pytest.approx(0.5, rel=0.05)
    assert (answer["stopcode"], answer["stopDescription"]) == (2, "threshold")
    assert answer["iterdone"] > 10
    before = {f: Path(f).read_bytes() for f in answer["files"]}
    with pytest.raises(TableExists):
        tclean(sky_ms, imagename=str(tmp_path / "X"), imsize=160, cell="0.35arcsec")
    again = tclean(
        sky_ms, imagename=str(tmp_path / "X"), imsize=160, cell="0.35arcsec", weighting="briggs", niter=100,
        threshold="20mJy", mask="circle[[77pix,82pix],5pix]", pbcor=True, overwrite=True,
    )  # fmt: skip
    assert again == answer
    assert {f: Path(f).read_bytes() for f in answer["files"]} == before


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"specmode": "cube"}, "specmode='cube' is not supported; possible: 'mfs'"),
        ({"gridder": "mosaic"}, "gridder='mosaic' is not supported; possible: 'standard', 'widefield', 'wproject'"),
        ({"deconvolver": "mtmfs"}, "deconvolver='mtmfs'"),
        ({"startmodel": "m"}, "startmodel"),
        ({"uvtaper": ["1arcsec"]}, "uvtaper"),
        ({"restoringbeam": ["1arcsec"]}, "restoringbeam"),
        ({"savemodel": "modelcolumn"}, "savemodel"),
        ({"outframe": "BARY"}, "outframe"),
        ({"weighting": "briggsbwtaper"}, "possible: natural, uniform, briggs"),
        ({"usemask": "pb"}, "needs a pbmask"),
        ({"imagename": " "}, "imagename is empty"),
        ({"cell": ()}, "cell is empty"),
        ({"cell": ["0.1arcsec", "0.2arcsec"]}, "pixels are square"),
        ({"cell": "wide"}, "cannot be read"),
        ({"threshold": "low"}, "threshold='low' is no flux density"),
        ({"imsize": [1, 2, 3]}, "one number of pixels, or two"),
        ({"field": ["0", "1"]}, "field has 2 selections for 1 MeasurementSets"),
    ],
)
def test_what_is_not_supported_is_said(given, message):
    with pytest.raises(ArgumentError, match=message):
        image_spec(defaults(**given))


def test_parameters_are_read():
    spec = image_spec(defaults(
        vis=["a.ms", "b.ms"], field=["0", "1"], spw="2", scan="4", selectdata=False, cell=[0.2], imsize=[64, 96],
        threshold="50uJy/beam", mask=["box[[1pix,1pix],[3pix,3pix]]", "circle[[9pix,9pix],2pix]"], growiterations=50,
        robust=1.0, restoringbeam="common", phasecenter=1,
    ))  # fmt: skip
    assert spec.vis == ("a.ms", "b.ms")
    assert [(s.field, s.spw, s.scan) for s in spec.selection] == [("0", "2", ""), ("1", "2", "")]
    assert (spec.cell_arcsec, spec.imsize, spec.threshold_jy) == (0.2, (64, 96), pytest.approx(5e-5))
    assert spec.mask.count(";") == 1
    assert spec.auto_mask.growiterations == 50
    assert spec.phasecenter == "1"
    assert image_spec(defaults(cell="100mas", threshold=0.01)).cell_arcsec == pytest.approx(0.1)

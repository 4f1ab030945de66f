"""Images against CASA's tclean: dirty images, beams, weights, CLEAN, masks, primary beams, headers."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from atacal.heuristics.imaging import AutoMask
from atacal.images import ImageSpec, fit_gaussian, make_image, write_products
from atacal.tasks import tclean
from atacal.tasks._imaging import image_spec

SCRIPT = """
result = {}
for name, (vis, arguments) in cases.items():
    told = tclean(vis=vis, imagename=name, specmode="mfs", **arguments)
    result[name] = {k: told.get(k) for k in ("iterdone", "nmajordone", "stopcode")} if told else {}
    import glob
    for image in glob.glob(name + ".*"):
        if not image.endswith(".fits"):
            exportfits(imagename=image, fitsimage=image + ".fits", overwrite=True)
"""
TARGET = {"field": "IRAS*", "imsize": [240], "cell": "0.15arcsec"}
CLEANED = {"weighting": "briggs", "robust": 0.5, "niter": 400, "threshold": "1.5mJy"}
AUTO = {"usemask": "auto-multithresh", "sidelobethreshold": 1.0, "noisethreshold": 5.0, "minbeamfrac": 0.3}
CASES = {
    "natural": {**TARGET, "weighting": "natural"},
    "uniform": {**TARGET, "weighting": "uniform"},
    "briggs": {**TARGET, "weighting": "briggs", "robust": 0.5},
    "robust": {**TARGET, "weighting": "briggs", "robust": -1.0, "spw": "1:10~40"},
    "hogbom": {**TARGET, **CLEANED, "usemask": "pb", "pbmask": 0.3, "pbcor": True},
    "clark": {**TARGET, **CLEANED, "usemask": "pb", "pbmask": 0.3, "deconvolver": "clark"},
    "user": {**TARGET, **CLEANED, "mask": "circle[[120pix,120pix],25pix]"},
    "auto": {**TARGET, **CLEANED, **AUTO},
    "check": {**TARGET, **CLEANED, "field": "3", "threshold": "4mJy", "usemask": "pb", "pbmask": 0.5},
}  # fmt: skip


def ours(vis: str, arguments: dict) -> ImageSpec:
    """The spec of a CASA call."""
    values = {n: p.default for n, p in inspect.signature(tclean).parameters.items()}
    return image_spec(values | {"vis": vis, "imagename": "x"} | arguments)


def plane(path: Path) -> np.ndarray:
    return np.squeeze(fits.getdata(path)).astype(float)


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory) -> str:
    """A calibrated block of twenty antennas."""
    from atacal.recipe import calibrate
    from atacal.simulate import simulate

    place = tmp_path_factory.mktemp("calibrated")
    simulate(place / "block.ms", preset="tiny", seed=2, nant=20, faults=False)
    calibrate(str(place / "block.ms"), outdir=str(place / "out"), flux_density=1.175)
    return str(place / "block.ms")


@pytest.fixture(scope="module")
def casas(casa_once, calibrated, tmp_path_factory):
    place = tmp_path_factory.mktemp("tclean")
    told = casa_once(SCRIPT, cases={str(place / k): [calibrated, v] for k, v in CASES.items()})
    return {name: (place, told[str(place / name)]) for name in CASES}


@pytest.fixture(scope="module")
def pair(casas, calibrated):
    """``pair(case) -> (our result, their product's plane by name, what CASA's task told)``."""
    made: dict[str, object] = {}

    def get(case):
        place, told = casas[case]
        if case not in made:
            made[case] = make_image(ours(calibrated, CASES[case]))
        return made[case], lambda product: plane(place / f"{case}.{product}.fits"), told

    return get


def same_beam(result, place: Path) -> None:
    head = fits.getheader(place)
    assert result.beam.major_arcsec == pytest.approx(head["BMAJ"] * 3600, rel=0.005)
    assert result.beam.minor_arcsec == pytest.approx(head["BMIN"] * 3600, rel=0.005)
    assert abs((result.beam.pa_deg - head["BPA"] + 90) % 180 - 90) < 0.5


@pytest.mark.parametrize("case", ["natural", "uniform", "briggs", "robust"])
def test_dirty_images_and_beams(pair, casas, case):
    """CASA's gridding function folds the sky beyond the edge back in: the inner half is compared closely."""
    result, theirs, _ = pair(case)
    inner = np.s_[60:180, 60:180]
    residual, psf = theirs("residual"), theirs("psf")
    peak = np.nanmax(np.abs(residual))
    assert np.abs(result.psf - psf)[inner].max() < 2e-4
    assert np.abs(result.residual - residual)[inner].max() < 5e-4 * peak
    there = np.isfinite(residual)
    assert np.abs(result.psf - psf).max() < 0.03
    assert np.std((result.residual - residual)[there]) < 2e-3 * peak
    same_beam(result, casas[case][0] / f"{case}.image.fits")
    sumwt = float(theirs("sumwt"))
    assert result.sumwt == pytest.approx(sumwt / (2 if case == "uniform" else 1), rel=1e-3)


@pytest.mark.parametrize("case", ["hogbom", "clark", "user", "check"])
def test_cleaned_images(pair, casas, case):
    result, theirs, told = pair(case)
    image, residual = theirs("image"), theirs("residual")
    there = np.isfinite(image)
    peak = np.nanmax(image)
    assert result.peak_jy == pytest.approx(peak, rel=0.01)
    assert np.unravel_index(np.nanargmax(image), image.shape) == result.peak_pixel[::-1]
    both = there & result.valid
    outside = both & ~result.mask if (both & ~result.mask).sum() > 2000 else both
    assert result.residual[outside].std() == pytest.approx(residual[outside].std(), rel=0.01)
    assert np.abs(result.image - image)[both].max() < 0.02 * peak
    same_beam(result, casas[case][0] / f"{case}.image.fits")
    assert result.flux_model_jy == pytest.approx(theirs("model").sum(), rel=0.02)
    assert result.niter_done == pytest.approx(told["iterdone"], rel=0.15, abs=10)
    assert told["stopcode"] == {"threshold": 2, "niter": 1}[result.stop_reason]


@pytest.mark.parametrize("case", ["hogbom", "user", "check"])
def test_masks_are_the_same(pair, case):
    result, theirs, _ = pair(case)
    assert (result.mask != (theirs("mask") > 0)).sum() < 0.002 * result.mask.sum() + 1


def test_automatic_masks_overlap(pair):
    result, theirs, _ = pair("auto")
    mask = theirs("mask") > 0
    assert mask.any()
    assert (result.mask & mask).sum() / (result.mask | mask).sum() > 0.98
    assert result.peak_jy == pytest.approx(np.nanmax(theirs("image")), rel=0.01)


def test_primary_beam_and_corrected_image(pair, tmp_path):
    result, theirs, _ = pair("hogbom")
    pb = theirs("pb")
    there = np.isfinite(pb)
    assert (there != result.valid).mean() < 1e-3
    assert np.abs(result.pb / pb - 1)[there].max() < 0.01
    paths = write_products(result, tmp_path / "x", pbcor=True)
    corrected = theirs("image.pbcor")
    both = there & result.valid
    assert np.abs(plane(paths["image.pbcor"]) - corrected)[both].max() < 0.03 * np.nanmax(corrected)


def test_headers(pair, casas, tmp_path):
    result, _, _ = pair("hogbom")
    mine = fits.getheader(write_products(result, tmp_path / "x")["image"])
    casa = fits.getheader(casas["hogbom"][0] / "hogbom.image.fits")
    for key in ("NAXIS1", "NAXIS2", "NAXIS3", "NAXIS4", "CTYPE1", "CTYPE2", "CTYPE3", "CTYPE4", "CUNIT1", "CUNIT3",
                "OBJECT", "RADESYS", "SPECSYS", "TELESCOP", "OBSERVER", "DATE-OBS", "TIMESYS", "BTYPE",
                "VELREF"):  # fmt: skip
        assert mine[key] == casa[key], key
    assert mine["BUNIT"] == casa["BUNIT"].strip()
    for key in ("CRVAL1", "CRVAL2", "CDELT1", "CDELT2", "CRPIX1", "CRPIX2", "CRVAL4", "OBSRA", "OBSDEC", "LATPOLE",
                "EQUINOX", "OBSGEO-X", "OBSGEO-Y", "OBSGEO-Z"):  # fmt: skip
        assert mine[key] == pytest.approx(casa[key], rel=1e-9), key
    for key in ("CRVAL3", "RESTFRQ"):
        assert mine[key] == pytest.approx(casa[key], rel=1e-7), key
    assert mine["CDELT3"] == pytest.approx(casa["CDELT3"], rel=1e-5)


def test_a_fitted_source_is_imfits(pair, casa, tmp_path):
    result, _, _ = pair("check")
    path = write_products(result, tmp_path / "x")["image"]
    half = round(1.5 * result.beam.major_arcsec / 0.15)
    x, y = result.peak_pixel
    told = casa(
        "r = imfit(image, box=box, rms=rms)['results']['component0']\n"
        "result = {'peak': [r['peak']['value'], r['peak']['error']],"
        " 'flux': [r['flux']['value'][0], r['flux']['error'][0]],"
        " 'size': [r['shape']['majoraxis']['value'], r['shape']['minoraxis']['value']],"
        " 'at': [r['shape']['direction']['m0']['value'], r['shape']['direction']['m1']['value']]}",
        image=str(path), box=f"{x - half},{y - half},{x + half},{y + half}", rms=result.rms_jy,
    )  # fmt: skip
    fit = fit_gaussian(result)
    assert fit.peak_jy == pytest.approx(told["peak"][0], rel=1e-3)
    assert fit.flux_jy == pytest.approx(told["flux"][0], rel=1e-3)
    assert fit.peak_error_jy == pytest.approx(told["peak"][1], rel=0.1)
    assert fit.flux_error_jy == pytest.approx(told["flux"][1], rel=0.1)
    assert [fit.size.major_arcsec, fit.size.minor_arcsec] == pytest.approx(told["size"], rel=1e-3)
    ra, dec = result.centre_rad
    there = ((told["at"][0] - ra + np.pi) % (2 * np.pi) - np.pi) * np.cos(dec), told["at"][1] - dec
    assert (fit.east_arcsec, fit.north_arcsec) == pytest.approx([a * 206264.806 for a in there], abs=2e-3)


def test_targets_are_where_and_as_bright_as_they_were_made(pair, calibrated):
    """Two components of the simulated target; what is lost by calibration is in the tolerance."""
    result, _, _ = pair("hogbom")
    truth = json.loads(Path(calibrated + ".truth.json").read_text())
    target = next(f for f in truth["fields"] if f["role"] == "target")
    for component in target["components"]:
        east, north = component["l_arcsec"], component["m_arcsec"]
        fit = fit_gaussian(result, at_pixel=(round(120 - east / 0.15), round(120 + north / 0.15)))
        assert (fit.east_arcsec, fit.north_arcsec) == pytest.approx((east, north), abs=0.1)
        assert fit.flux_jy == pytest.approx(component["flux_jy"], rel=0.1)


VLA = {"field": "0", "datacolumn": "data", "imsize": [256], "cell": "15arcsec", "pblimit": -0.2, "antenna": "*&"}
REAL = {
    "dirty": VLA,
    "briggs": VLA | {"weighting": "briggs", "robust": 0.5},
}


@pytest.mark.parametrize("case", REAL)
def test_real_data_of_the_vla(casa, ngc5921, tmp_path, case):
    """RR and LL, autocorrelations, TAI times: a bright calibrator, not calibrated.

    As CASA's standard gridder makes it. CASA counts autocorrelations in the density of Briggs' weights unless
    they are left out (``*&``): its beam is 4 % larger then.
    """
    casa(SCRIPT, cases={case: [str(ngc5921), REAL[case]]})
    theirs = tmp_path / "casa"
    result = make_image(replace(ours(str(ngc5921), REAL[case]), exact=False))
    same_beam(result, theirs / f"{case}.image.fits")
    inner = np.s_[64:192, 64:192]
    residual = plane(theirs / f"{case}.residual.fits")
    assert np.abs(result.psf - plane(theirs / f"{case}.psf.fits"))[inner].max() < 3e-4
    assert np.abs(result.residual - residual)[inner].max() < 1e-3 * np.abs(residual).max()
    assert result.freq_hz == pytest.approx(fits.getheader(theirs / f"{case}.image.fits")["CRVAL3"], rel=1e-8)


@pytest.mark.parametrize("weighting", ["natural", "briggs"])
def test_real_data_of_alma(casa, alma_ms, tmp_path, weighting):
    """XX XY YX YY of thirteen antennas with baselines to 7.7 km, Band 3, raw; as CASA's gridder makes it."""
    arguments = {"field": "1", "spw": "1", "datacolumn": "data", "imsize": [256], "cell": "0.03arcsec",
                 "weighting": weighting, "pblimit": -0.2}  # fmt: skip
    casa(SCRIPT, cases={"x": [str(alma_ms), arguments]})
    result = make_image(replace(ours(str(alma_ms), arguments), exact=False))
    theirs = tmp_path / "casa"
    same_beam(result, theirs / "x.image.fits")
    inner = np.s_[64:192, 64:192]
    residual = plane(theirs / "x.residual.fits")
    assert np.abs(result.psf - plane(theirs / "x.psf.fits"))[inner].max() < 2e-3
    assert np.abs(result.residual - residual)[inner].max() < 2e-3 * np.abs(residual).max()


def test_the_primary_beam_of_small_dishes(casa, calibrated, tmp_path):
    """Antennas of 7 m."""
    import shutil

    from casacore.tables import table

    path = tmp_path / "seven.ms"
    shutil.copytree(calibrated, path)
    with table(str(path / "ANTENNA"), readonly=False, ack=False) as tab:
        tab.putcol("DISH_DIAMETER", np.full(tab.nrows(), 7.0))
    arguments = {"field": "0", "imsize": [240], "cell": "0.25arcsec"}
    casa(SCRIPT, cases={"x": [str(path), arguments]})
    pb = plane(tmp_path / "casa" / "x.pb.fits")
    result = make_image(ours(str(path), arguments))
    there = np.isfinite(pb)
    assert np.abs(result.pb / pb - 1)[there].max() < 0.01


def test_automask_defaults_are_casas():
    parameters = inspect.signature(tclean).parameters
    assert all(parameters[n].default == getattr(AutoMask(), n) for n in AutoMask.__dataclass_fields__)

"""Whole images of known skies."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from atacal.errors import ArgumentError, EmptySelection, MissingColumn, NoSuchTable
from atacal.heuristics.imaging import AutoMask
from atacal.images import ImageSpec, fit_gaussian, make_image
from atacal.ms.selection import Selection

COMPONENTS = [(0.5, 3.1, -2.3), (0.2, -4.0, 3.7)]


def spec_of(path, **how):
    standard = {
        "weighting": "briggs", "niter": 500, "threshold_jy": 0.02, "usemask": "pb", "pbmask": 0.3, "cell_arcsec": 0.35,
        "imsize": (180, 180),
    }  # fmt: skip
    return ImageSpec((str(path),), **(standard | how))


@pytest.mark.parametrize("deconvolver", ["hogbom", "clark"])
@pytest.mark.parametrize("weighting", ["natural", "briggs"])
def test_components_at_the_right_place_and_flux(sky, deconvolver, weighting):
    path = sky(COMPONENTS, sigma=0.05, ntime=8)
    result = make_image(spec_of(path, deconvolver=deconvolver, weighting=weighting))
    assert result.stop_reason == "threshold"
    for flux, east, north in COMPONENTS:
        pixel = (round(90 - east / 0.35), round(90 + north / 0.35))
        fit = fit_gaussian(result, at_pixel=pixel)
        assert fit.flux_jy == pytest.approx(flux, abs=5 * fit.flux_error_jy)
        assert fit.peak_jy == pytest.approx(flux, rel=0.05)
        assert fit.east_arcsec == pytest.approx(east, abs=6 * fit.east_error_arcsec)
        assert fit.north_arcsec == pytest.approx(north, abs=6 * fit.north_error_arcsec)
    assert result.peak_pixel == (81, 83)
    assert result.peak_offset_arcsec == pytest.approx((3.15, -2.45))
    assert np.abs(result.residual[result.mask]).max() <= 0.02
    assert result.dynamic_range == pytest.approx(result.peak_jy / result.rms_jy)


def test_rms_is_the_theoretical_noise(sky):
    path = sky([(0.5, 0.0, 0.0)], sigma=0.2, nant=14, ntime=10)
    result = make_image(spec_of(path, weighting="natural", usemask="user", mask="circle[[90pix,90pix],6pix]"))
    assert result.rms_jy == pytest.approx(result.sensitivity_jy, rel=0.1)
    assert result.std_jy == pytest.approx(result.sensitivity_jy, rel=0.1)


def test_dirty_images(sky):
    result = make_image(spec_of(sky(COMPONENTS), niter=0))
    assert result.niter_done == 0
    assert result.stop_reason == "no iterations asked for"
    assert (result.image == result.residual).all()
    assert (result.model == 0).all()


def test_stops(sky):
    path = sky(COMPONENTS, sigma=0.05)
    assert make_image(spec_of(path, niter=15, threshold_jy=0)).niter_done == 15
    one = make_image(spec_of(path, threshold_jy=0, niter=4000, nsigma=5.0))
    assert one.stop_reason == "nsigma"
    assert np.abs(one.residual[one.mask]).max() <= one.threshold_jy
    limited = make_image(spec_of(path, threshold_jy=0, nmajor=2))
    assert (limited.stop_reason, limited.nmajor_done) == ("nmajor", 3)
    short = make_image(spec_of(path, cycleniter=4, niter=20, threshold_jy=0))
    assert short.nmajor_done >= 6
    nothing = make_image(spec_of(path, usemask="auto-multithresh", auto_mask=AutoMask(noisethreshold=1e4)))
    assert (nothing.stop_reason, nothing.niter_done) == ("the mask is empty", 0)


def test_automatic_masks_find_the_sources(sky):
    path = sky([(0.5, 6.0, -5.0), (0.2, -8.0, 7.0)], sigma=0.05, nant=20, ntime=10)
    automatic = AutoMask(sidelobethreshold=1.0, noisethreshold=5.0, minpercentchange=1.0)
    result = make_image(spec_of(path, usemask="auto-multithresh", auto_mask=automatic, weighting="natural"))
    assert result.mask[90 - 14, 90 - 17]
    assert result.mask[90 + 20, 90 + 23]
    assert result.mask.mean() < 0.05
    assert result.flux_model_jy == pytest.approx(0.7, rel=0.05)


def test_several_measurement_sets(sky):
    paths = [sky(COMPONENTS, sigma=0.1, seed=k, name=f"{k}.ms") for k in (1, 2)]
    one = make_image(spec_of(paths[0], weighting="natural", niter=0))
    both = make_image(replace(spec_of(paths[0], weighting="natural", niter=0), vis=tuple(map(str, paths))))
    assert both.nvis == 2 * one.nvis
    assert both.sumwt == pytest.approx(2 * one.sumwt)
    assert both.sensitivity_jy == pytest.approx(one.sensitivity_jy / np.sqrt(2))
    assert np.abs(both.psf).std() < np.abs(one.psf).std()
    chosen = replace(both.spec, selection=(Selection(spw="0:0~3"), Selection(spw="0:4~7")))
    assert make_image(chosen).nvis == one.nvis


def test_another_phase_centre(sky):
    """The image's centre is moved onto a component: it is found there, as bright as it was."""
    from atacal.images.spec import ARCSEC

    path = sky([(0.5, 30.0, -20.0)], sigma=0.01)
    ra = 1.2 + 30 * ARCSEC / np.cos(-0.4 - 20 * ARCSEC)
    where = f"J2000 {float(ra)!r}rad {float(-0.4 - 20 * ARCSEC)!r}rad"
    result = make_image(spec_of(path, phasecenter=where, niter=0))
    assert result.peak_pixel == (90, 90)
    assert result.peak_jy == pytest.approx(0.5, rel=0.01)
    assert make_image(spec_of(path, phasecenter="0", niter=0)).centre_rad == (1.2, -0.4)


def test_the_same_spec_gives_the_same_bytes(sky):
    path = sky(COMPONENTS, sigma=0.05)
    one, two = (make_image(spec_of(path)) for _ in range(2))
    for name in ("image", "residual", "model", "psf", "pb", "mask"):
        assert getattr(one, name).tobytes() == getattr(two, name).tobytes()
    assert json.dumps(one.numbers()) == json.dumps(two.numbers())


def test_small_dishes_see_more(sky):
    wide, narrow = (
        make_image(spec_of(sky(COMPONENTS, dish_m=d, name=f"{d}.ms"), niter=0, imsize=(300, 300))) for d in (7.0, 12.0)
    )
    assert wide.valid.sum() > 1.5 * narrow.valid.sum()
    assert wide.dish_m == 7.0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"weighting": "radial"}, "weighting='radial' is not available; possible are natural, uniform, briggs"),
        ({"deconvolver": "mtmfs"}, "possible are hogbom, clark"),
        ({"imsize": (101, 100)}, r"imsize=\[101, 100\]: the numbers of pixels are even"),
        ({"imsize": (16, 16)}, "32 at least"),
        ({"cell_arcsec": 0.0}, "a pixel's width is a positive number"),
        ({"gain": 0.0}, "gain=0"),
        ({"robust": 3.0}, "robust=3"),
        ({"niter": -1}, "niter=-1"),
        ({"stokes": "IQUV"}, "possible are I, pseudoI"),
        ({"selection": (Selection(), Selection())}, "2 selections for 1 MeasurementSets"),
        ({"phasecenter": "7"}, "has fields 0 to 0"),
        ({"phasecenter": "somewhere"}, "cannot be read"),
    ],
)
def test_what_cannot_be_made(sky, how, message):
    path = sky(COMPONENTS, nant=5, ntime=1)
    with pytest.raises(ArgumentError, match=message):
        make_image(spec_of(path, **how))


def test_data_that_are_not_there(sky, tmp_path):
    path = sky(COMPONENTS, nant=5, ntime=1)
    with pytest.raises(NoSuchTable):
        make_image(spec_of(tmp_path / "none.ms"))
    with pytest.raises(EmptySelection):
        make_image(spec_of(path, selection=Selection(scan="99")))
    from casacore.tables import table

    with table(str(path), readonly=False, ack=False) as tab:
        tab.renamecol("DATA", "OTHER_DATA")
    with pytest.raises(MissingColumn, match="no column DATA"):
        make_image(spec_of(path))

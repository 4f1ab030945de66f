"""FITS files."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from atacal.errors import TableExists, WriteError
from atacal.images import ImageSpec, make_image, write_products


@pytest.fixture
def result(sky):
    path = sky([(0.5, 3.5, -2.45)], sigma=0.02)
    return make_image(ImageSpec((str(path),), 0.35, (240, 200), niter=50, usemask="pb", pbmask=0.5))


def test_what_is_written(result, tmp_path):
    paths = write_products(result, tmp_path / "X", pbcor=True)
    names = ["image", "residual", "model", "psf", "mask", "pb", "sumwt", "image.pbcor"]
    assert [p.name for p in paths.values()] == [f"X.{n}.fits" for n in names]
    assert sorted(p.name for p in tmp_path.glob("*.fits")) == sorted(f"X.{n}.fits" for n in names)
    image, pb, pbcor, residual = (fits.getdata(paths[n])[0, 0] for n in ("image", "pb", "image.pbcor", "residual"))
    assert image.shape == (200, 240)
    there = np.isfinite(image)
    assert (there == result.valid).all()
    assert (there == (result.pb > 0.2)).all()
    assert pbcor[there] == pytest.approx(image[there] / pb[there])
    assert (np.isfinite(residual) == there).all()
    assert np.isfinite(fits.getdata(paths["psf"])).all()
    assert fits.getdata(paths["mask"]).sum() == result.mask.sum()
    assert fits.getdata(paths["sumwt"])[0, 0, 0, 0] == pytest.approx(result.sumwt)


def test_headers_are_read_by_others(result, tmp_path):
    head = fits.getheader(write_products(result, tmp_path / "X")["image"])
    wcs = WCS(head).celestial
    ra, dec = wcs.pixel_to_world_values(*result.peak_pixel)
    east = (np.radians(ra) - 1.2) * np.cos(-0.4) * 206264.806
    assert (east, (np.radians(dec) + 0.4) * 206264.806) == pytest.approx((3.5, -2.45), abs=0.01)
    assert head["BMAJ"] * 3600 == pytest.approx(result.beam.major_arcsec)
    assert (head["BUNIT"], head["OBJECT"], head["TELESCOP"]) == ("Jy/beam", "sky", "ALMA")
    assert (head["SPECSYS"], head["CTYPE3"], head["CTYPE4"]) == ("LSRK", "FREQ", "STOKES")
    assert head["CRVAL3"] == pytest.approx(100e9, rel=1.2e-4)
    assert head["CDELT3"] == pytest.approx(1e9, rel=1e-2)
    assert head["DATE-OBS"] == "2020-05-31T06:00:00.000000"
    assert "DATE" not in head


def test_the_same_bytes_again(result, tmp_path):
    one, two = (write_products(result, tmp_path / name) for name in "XY")
    for name in one:
        assert one[name].read_bytes() == two[name].read_bytes()


def test_what_is_there_stays(result, tmp_path):
    (tmp_path / "X.pb.fits").write_text("mine")
    with pytest.raises(TableExists, match=r"X.pb.fits exists already"):
        write_products(result, tmp_path / "X")
    assert [p.name for p in tmp_path.glob("X.*")] == ["X.pb.fits"]
    write_products(result, tmp_path / "X", overwrite=True)
    assert fits.getdata(tmp_path / "X.pb.fits").shape == (1, 1, 200, 240)
    with pytest.raises(WriteError, match="no folder"):
        write_products(result, tmp_path / "nowhere" / "X")

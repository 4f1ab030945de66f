"""Masks as text, files and arrays."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from atacal.errors import ArgumentError
from atacal.images.masks import user_mask


def test_regions():
    mask = user_mask("box[[2pix,3pix],[5pix,4pix]]; circle[[20pix, 10pix], 2pix]", (24, 32))
    assert mask[3:5, 2:6].all()
    assert mask.sum() == 8 + 13
    assert mask[10, 22]
    assert not mask[12, 22]


def test_nothing_is_everything():
    assert user_mask("", (4, 6)).all()


def test_files_and_arrays(tmp_path):
    values = np.zeros((1, 1, 8, 10), np.float32)
    values[0, 0, 2, 3], values[0, 0, 5, 5] = 1, np.nan
    fits.writeto(tmp_path / "m.fits", values)
    for mask in (str(tmp_path / "m.fits"), tmp_path / "m.fits", np.nan_to_num(values[0, 0])):
        assert np.argwhere(user_mask(mask, (8, 10))).tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ("nothing.fits", "neither a FITS file nor a region"),
        ("circle[[3pix,3pix]]", r"region 'circle\[\[3pix,3pix\]\]' cannot be read"),
        ("circle[[19h,3deg],2arcsec]", "cannot be read"),
        ("box[[50pix,50pix],[60pix,60pix]]", "has no pixel of the image"),
        (np.ones((3, 3), bool), r"shape \(3, 3\)"),
    ],
)
def test_what_cannot_be_read(mask, message):
    with pytest.raises(ArgumentError, match=message):
        user_mask(mask, (8, 10))


def test_a_file_that_is_no_image(tmp_path):
    (tmp_path / "m.fits").write_text("no image")
    with pytest.raises(ArgumentError, match="cannot be read as a FITS image"):
        user_mask(tmp_path / "m.fits", (8, 10))

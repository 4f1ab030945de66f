"""Pictures of images of the sky."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import imread

from atacal.errors import TableExists, WriteError
from atacal.plots.images import SkyPicture, picture_sky


def picture(**how):
    y, x = np.mgrid[:64, :80]
    values = 0.04 * np.exp(-((x - 30) ** 2 + (y - 40) ** 2) / 20) + 1e-4 * np.sin(x + y)
    values[:4] = np.nan
    return SkyPicture(values, 0.2, "A source: image", "230 GHz\npeak", "Jy/beam", **how)


def test_the_same_picture_gives_the_same_bytes(tmp_path):
    how = {"beam": (1.2, 0.8, 30.0), "mask": np.eye(64, 80, 5, bool), "noise": 1e-4, "centre": "A source"}
    one, two = (picture_sky(picture(**how), tmp_path / n) for n in ("one.png", "two.png"))
    assert one.read_bytes() == two.read_bytes()
    assert imread(one).shape == (660, 700, 4)


def test_north_is_up_and_east_is_left(tmp_path):
    """The brightest place of the picture is that of the source: right ascension falls along x."""
    values = np.zeros((64, 64))
    values[50, 10] = 1.0
    pixels = imread(picture_sky(SkyPicture(values, 1.0, "x"), tmp_path / "x.png"))[..., :3]
    yellow = (pixels[..., 0] > 0.95) & (pixels[..., 1] > 0.85) & (pixels[..., 2] < 0.4)
    ys, xs = np.nonzero(yellow[110:600, 90:570])
    assert np.median(xs) / 480 == pytest.approx(10 / 64, abs=0.03)
    assert np.median(ys) / 490 == pytest.approx(1 - 50 / 64, abs=0.03)


@pytest.mark.parametrize("values", [np.zeros((40, 40)), np.full((40, 40), np.nan), np.full((40, 40), 3.0)])
def test_images_of_nothing(values, tmp_path):
    assert picture_sky(SkyPicture(values, 1.0, "x", unit="Jy/beam"), tmp_path / "x.png").exists()


def test_what_is_there_stays(tmp_path):
    (tmp_path / "x.png").write_text("mine")
    with pytest.raises(TableExists):
        picture_sky(picture(), tmp_path / "x.png", overwrite=False)
    with pytest.raises(WriteError):
        picture_sky(picture(), tmp_path / "no" / "x.png")

"""Gaussians fitted to sources, and their errors."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError
from atacal.images.beam import convolve, gaussian
from atacal.images.fit import fit_plane
from atacal.images.spec import Beam

BEAM, CELL, N = Beam(1.5, 1.0, -35.0), 0.15, 96


def placed(size: Beam, peak: float, east: float, north: float) -> np.ndarray:
    """A Gaussian between pixels."""
    y, x = np.mgrid[:N, :N]
    e, n = -(x - N // 2) * CELL - east, (y - N // 2) * CELL - north
    pa = np.radians(size.pa_deg)
    along, across = e * np.sin(pa) + n * np.cos(pa), e * np.cos(pa) - n * np.sin(pa)
    return peak * np.exp(-4 * np.log(2) * ((along / size.major_arcsec) ** 2 + (across / size.minor_arcsec) ** 2))


@pytest.mark.parametrize("size", [BEAM, Beam(2.2, 1.4, 70.0), Beam(1.6, 1.5, 5.0)])
def test_a_source_is_found_again(size):
    image = placed(size, 0.8, -0.52, 0.33)
    y, x = np.unravel_index(image.argmax(), image.shape)
    fit = fit_plane(image, CELL, BEAM, 0.01, at_pixel=(int(x), int(y)))
    assert fit.peak_jy == pytest.approx(0.8, rel=1e-5)
    assert (fit.east_arcsec, fit.north_arcsec) == pytest.approx((-0.52, 0.33), abs=1e-4)
    assert fit.size.major_arcsec == pytest.approx(size.major_arcsec, rel=1e-4)
    assert fit.size.minor_arcsec == pytest.approx(size.minor_arcsec, rel=1e-4)
    assert fit.size.pa_deg == pytest.approx(size.pa_deg, abs=0.01)
    assert fit.flux_jy == pytest.approx(0.8 * size.major_arcsec * size.minor_arcsec / 1.5, rel=1e-4)
    assert fit.offset_arcsec == pytest.approx(np.hypot(0.52, 0.33), abs=1e-4)
    assert fit.offset_beams == pytest.approx(fit.offset_arcsec / np.sqrt(1.5), rel=1e-6)


def test_errors_are_those_of_many_fits():
    """Of a point source in an image's noise, whose autocorrelation is the beam.

    Condon's formula is an approximation; for positions a least-squares fit does 4/3 of it: with s the variance of both
    Gaussians, var(x) = sigma^2 / A^2 * 4 s * s^2 / (3 s / 2)^2.
    """
    kernel = gaussian(Beam(BEAM.major_arcsec / np.sqrt(2), BEAM.minor_arcsec / np.sqrt(2), BEAM.pa_deg), (N, N), CELL)
    kernel *= 0.04 / np.sqrt((kernel**2).sum())
    rng, true = np.random.default_rng(3), placed(BEAM, 1.0, 0.0, 0.0)
    fits = []
    for _ in range(300):
        image = true + convolve(rng.normal(size=(N, N)), kernel)
        fits.append(fit_plane(image, CELL, BEAM, 0.04, at_pixel=(N // 2, N // 2)))

    def ratio(name: str, error: str) -> float:
        return float(np.std([getattr(f, name) for f in fits]) / np.mean([getattr(f, error) for f in fits]))

    assert ratio("peak_jy", "peak_error_jy") == pytest.approx(1.1, abs=0.15)
    assert ratio("flux_jy", "flux_error_jy") == pytest.approx(1.0, abs=0.25)
    assert ratio("east_arcsec", "east_error_arcsec") == pytest.approx(4 / 3, abs=0.15)
    assert ratio("north_arcsec", "north_error_arcsec") == pytest.approx(4 / 3, abs=0.15)


def test_negative_sources():
    fit = fit_plane(placed(BEAM, -0.5, 0.0, 0.0), CELL, BEAM, 0.01, at_pixel=(N // 2, N // 2))
    assert fit.peak_jy == pytest.approx(-0.5, rel=1e-5)


@pytest.mark.parametrize(
    ("image", "pixel", "message"),
    [
        (np.zeros((N, N)), (3, 4), "x, y = 3, 4: its value is 0"),
        (np.full((N, N), np.nan), (3, 4), "its value is nan"),
        (np.ones((N, N)), (N, 4), "is not in the image"),
    ],
)
def test_nothing_to_fit(image, pixel, message):
    with pytest.raises(ArgumentError, match=message):
        fit_plane(image, CELL, BEAM, 0.01, at_pixel=pixel)

"""The beam that is fitted, sidelobes, convolution."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.images.beam import convolve, fit_beam, gaussian, sidelobe_level
from atacal.images.spec import Beam


@given(st.floats(0.9, 3.0), st.floats(0.45, 0.95), st.floats(-89, 89))
def test_a_gaussian_is_found_again(major, ratio, pa):
    """Interpolation between pixels is what limits it."""
    beam = Beam(major, major * ratio, pa)
    found = fit_beam(gaussian(beam, (64, 64), 0.15), 0.15)
    assert found.major_arcsec == pytest.approx(beam.major_arcsec, rel=0.02)
    assert found.minor_arcsec == pytest.approx(beam.minor_arcsec, rel=0.03)
    assert abs((found.pa_deg - pa + 90) % 180 - 90) < 1.5


def test_position_angles_turn_from_north_to_east():
    """East is to the left: a beam at 45 degrees runs from the lower right to the upper left."""
    image = gaussian(Beam(3.0, 1.0, 45.0), (64, 64), 0.2)
    assert image[32 + 6, 32 - 6] > 10 * image[32 + 6, 32 + 6]


def test_a_psf_that_is_nothing():
    with pytest.raises(ArgumentError, match="peak of 0"):
        fit_beam(np.zeros((32, 32)), 0.1)


def test_sidelobes_negative_and_positive():
    beam = Beam(1.0, 1.0, 0.0)
    psf = gaussian(beam, (64, 64), 0.2)
    assert sidelobe_level(psf, beam, 0.2) == pytest.approx(0, abs=1e-9)
    psf[10, 10] = 0.3
    psf[50, 50] = -0.4
    assert sidelobe_level(psf, beam, 0.2) == pytest.approx(0.4)
    psf[50, 50] = 0
    assert sidelobe_level(psf, beam, 0.2) == pytest.approx(0.3)


def test_convolution_does_not_go_around_the_edge():
    image = np.zeros((32, 40))
    image[2, 37] = 2.0
    out = convolve(image, gaussian(Beam(1.0, 1.0, 0.0), (32, 40), 0.25))
    assert out[2, 37] == pytest.approx(2)
    assert out[2, 35] == pytest.approx(2 * 0.5)
    assert np.abs(out[16:]).max() < 1e-9
    assert np.abs(out[:, :20]).max() < 1e-9


def test_area():
    beam = Beam(1.3, 0.8, 20.0)
    assert beam.area_pix(0.1) == pytest.approx(gaussian(beam, (128, 128), 0.1).sum(), rel=1e-6)

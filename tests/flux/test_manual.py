from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.flux.manual import frequency_hz, manual_flux


@given(st.floats(0.1, 100), st.floats(-3, 3), st.floats(1, 500))
def test_power_law(flux, index, reference):
    freqs = np.array([reference, 2 * reference]) * 1e9
    stokes = manual_flux([flux, flux / 10], spix=index, reffreq=f"{reference!r}GHz").at(freqs)
    np.testing.assert_allclose(stokes[0], [flux, flux * 2**index], rtol=1e-9)
    np.testing.assert_allclose(stokes[1], stokes[0] / 10, rtol=1e-9)


def test_curvature():
    stokes = manual_flux(2.0, spix=[-0.7, 0.2], reffreq="1GHz").at(np.array([1e10]))
    assert stokes[0, 0] == pytest.approx(2 * 10 ** (-0.7 + 0.2))


def test_polarised_spectrum():
    # what CASA 6.7's setjy returned for these arguments at 1412.665 MHz
    flux = manual_flux(
        [14.76, 0.0, 0.0, 0.05], spix=[-0.7, 0.1], reffreq="1.4GHz",
        polindex=[0.1, 0.01, 0.5], polangle=[0.3, 0.02, 0.7],
    )  # fmt: skip
    found = flux.at(np.array([1412665073.7684999]))[:, 0]
    np.testing.assert_allclose(found, [14.66729634023, 1.21173944079, 0.82984335095, 0.04968596321], rtol=1e-9)
    turned = manual_flux([14.76, 0.5, 0.1, 0.05], spix=[-0.7, 0.1], reffreq="1.4GHz", rotmeas=5.0)
    found = turned.at(np.array([1412665073.7684999]))[:, 0]
    np.testing.assert_allclose(found[1:3], [0.49765636409586, 0.09530171597717], rtol=1e-9)


def test_minus_one_is_one_jansky():
    assert manual_flux(-1, spix=-0.7).at(np.array([1e9, 9e9])).tolist() == [[1, 1], [0, 0], [0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fluxdensity": 0}, "positive"),
        ({"fluxdensity": [1, 2, 3, 4, 5]}, "I, Q, U, V"),
        ({"fluxdensity": "bright"}, "bright"),
        ({"fluxdensity": float("nan")}, "finite"),
        ({"fluxdensity": 1, "spix": 11}, "spectral index"),
        ({"fluxdensity": 1, "reffreq": "1.4"}, "1.4GHz"),
        ({"fluxdensity": 1, "reffreq": "-1GHz"}, "reffreq"),
        ({"fluxdensity": 1, "polindex": [0.1]}, "belong together"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ArgumentError, match=message):
        manual_flux(**arguments)


def test_frequencies():
    assert frequency_hz("345 GHz") == 345e9
    assert frequency_hz("1420.4MHz") == pytest.approx(1.4204e9)
    assert frequency_hz("1e9Hz") == 1e9

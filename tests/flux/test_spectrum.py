"""Spectra through flux densities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.flux.spectrum import Spectrum, fit_spectrum

FREQ_HZ = np.array([90e9, 92e9, 102e9, 104e9])


@given(flux=st.floats(1e-3, 1e3), index=st.floats(-3, 3), curvature=st.floats(-2, 2), order=st.integers(1, 2))
@settings(max_examples=50, deadline=None)
def test_a_power_law_comes_back(flux: float, index: float, curvature: float, order: int) -> None:
    x = np.log10(FREQ_HZ) - np.log10(FREQ_HZ).mean()
    y = np.log10(flux) + index * x + (curvature * x**2 if order == 2 else 0)
    fit = fit_spectrum(FREQ_HZ, 10**y, 0.01 * 10**y, order=order)
    assert fit.flux_jy == pytest.approx(flux, rel=1e-9)
    assert fit.coefficients[1] == pytest.approx(index, abs=1e-9)
    if order == 2:
        assert fit.coefficients[2] == pytest.approx(curvature, abs=1e-6)
    assert fit.ref_freq_hz == pytest.approx(np.exp(np.log(FREQ_HZ).mean()), rel=1e-12)


def test_errors_are_those_of_least_squares() -> None:
    """Against numpy's own fit, whose covariance is scaled by the reduced chi-squared too."""
    flux = np.array([1.0, 1.1, 0.9, 1.2])
    error = np.array([0.01, 0.02, 0.01, 0.03])
    fit = fit_spectrum(FREQ_HZ, flux, error)
    x = np.log10(FREQ_HZ) - np.log10(FREQ_HZ).mean()
    numpy_fit, covariance = np.polyfit(x, np.log10(flux), 1, w=flux / error, cov=True)
    assert fit.coefficients == pytest.approx(numpy_fit[::-1], rel=1e-9)
    assert fit.errors == pytest.approx(np.sqrt(np.diag(covariance))[::-1], rel=1e-9)
    assert fit.flux_error_jy == pytest.approx(np.log(10) * fit.flux_jy * fit.errors[0], rel=1e-12)


def test_weights_count() -> None:
    fit = fit_spectrum(FREQ_HZ, np.array([1.0, 1.0, 1.0, 2.0]), np.array([0.01, 0.01, 0.01, 100.0]), order=0)
    assert fit.flux_jy == pytest.approx(1.0, rel=1e-6)


def test_unknown_errors_weigh_alike() -> None:
    flux = np.array([1.0, 1.1, 0.9, 1.2])
    fit = fit_spectrum(FREQ_HZ, flux, np.array([0.1, 0.0, 0.1, 0.1]))
    assert fit.coefficients == pytest.approx(fit_spectrum(FREQ_HZ, flux, flux).coefficients, rel=1e-12)


def test_no_freedom_no_error() -> None:
    fit = fit_spectrum(FREQ_HZ[:2], np.array([1.0, 2.0]), np.array([0.1, 0.1]), pad_to=3)
    assert fit.errors.tolist() == [0, 0, 0, 0]
    assert fit.covariance.shape == (2, 2)


def test_wrong_orders() -> None:
    with pytest.raises(ArgumentError, match="order 4 needs more than 4"):
        fit_spectrum(FREQ_HZ, np.ones(4), np.ones(4), order=4)
    with pytest.raises(ArgumentError, match="fitorder=-1"):
        fit_spectrum(FREQ_HZ, np.ones(4), np.ones(4), order=-1)


def test_single_flux_is_not_fitted() -> None:
    fit = Spectrum.single(90e9, 1.5, 1)
    assert (fit.flux_jy, fit.ref_freq_hz, fit.fitted) == (1.5, 90e9, False)
    assert fit.coefficients.tolist() == [0, 0]

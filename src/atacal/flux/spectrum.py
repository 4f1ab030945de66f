"""A spectrum through flux densities: a polynomial of log flux against log frequency."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError


@dataclass(frozen=True, eq=False)
class Spectrum:
    """log10 S = c0 + c1 x + c2 x**2 ..., x = log10(freq / ref_freq).

    Attributes
    ----------
    order : int
        Order of the fit, 0 for a single flux density.
    ref_freq_hz : float
        10 to the mean log10 of the frequencies.
    flux_jy, flux_error_jy : float
        ``10**c0`` and its error; the error is 0 where nothing was fitted.
    coefficients, errors : float64 (n,)
        c0, c1... padded with zeros; c1 is the spectral index.
    covariance : float64 (order + 1, order + 1)
        Of the coefficients, from the errors of the flux densities; (0, 0) where nothing was fitted.
    """

    order: int
    ref_freq_hz: float
    flux_jy: float
    flux_error_jy: float
    coefficients: NDArray[np.float64]
    errors: NDArray[np.float64]
    covariance: NDArray[np.float64]

    @property
    def fitted(self) -> bool:
        return self.covariance.size > 0

    @classmethod
    def single(cls, freq_hz: float, flux_jy: float, order: int) -> Spectrum:
        """One flux density, nothing fitted: coefficients are zero, as CASA leaves them."""
        _check_order(order)
        zeros = np.zeros(order + 1)
        return cls(0, freq_hz, flux_jy, 0.0, zeros, zeros.copy(), np.zeros((0, 0)))


def fit_spectrum(
    freq_hz: NDArray[np.float64],
    flux_jy: NDArray[np.float64],
    error_jy: NDArray[np.float64],
    *,
    order: int = 1,
    pad_to: int | None = None,
) -> Spectrum:
    """Fit a spectrum by weighted least squares.

    Parameters
    ----------
    freq_hz, flux_jy, error_jy : float64 (n,)
        Frequencies [Hz], flux densities and their errors [Jy]. Errors of 0 mean unknown: if any is, all weigh alike.
    order : int
        Order of the polynomial, below n.
    pad_to : int, optional
        Pad the coefficients with zeros to this order.

    Returns
    -------
    Spectrum

    Raises
    ------
    ArgumentError
        If the order is negative or too high.

    Notes
    -----
    Minimises ``sum ((log10 S - p(x)) S / error)**2``. The errors of the coefficients are the roots of the covariance's
    diagonal times the root of the reduced chi-squared, as in CASA's fluxscale; the flux density's error is
    ``ln(10) S error(c0)``. CASA takes error / S for the error of log10 S, without 1 / ln(10): this scales the
    covariance, but neither the coefficients nor their errors.
    """
    n = len(freq_hz)
    _check_order(order)
    if order >= n:
        raise ArgumentError(f"a fit of order {order} needs more than {n} flux densities")
    log_freq, log_flux = np.log10(freq_hz), np.log10(flux_jy)
    centre = float(log_freq.mean())
    sigma = error_jy / flux_jy if (error_jy > 0).all() else np.ones(n)
    design = np.vander(log_freq - centre, order + 1, increasing=True) / sigma[:, None]
    scale = np.linalg.norm(design, axis=0)
    inverse = np.linalg.pinv(design / scale) / scale[:, None]
    solution = inverse @ (log_flux / sigma)
    covariance = inverse @ inverse.T
    residual = log_flux / sigma - design @ solution
    freedom = n - order - 1
    reduced = float(residual @ residual) / freedom if freedom else 0.0
    size = max(order, pad_to or 0) + 1
    coefficients, errors = np.zeros(size), np.zeros(size)
    coefficients[: order + 1] = solution
    errors[: order + 1] = np.sqrt(np.diag(covariance) * reduced)
    flux = float(10.0 ** solution[0])
    return Spectrum(
        order=order,
        ref_freq_hz=float(10.0**centre),
        flux_jy=flux,
        flux_error_jy=float(np.log(10.0) * flux * errors[0]),
        coefficients=coefficients,
        errors=errors,
        covariance=covariance,
    )


def _check_order(order: int) -> None:
    if order < 0:
        raise ArgumentError(f"fitorder={order}: a polynomial has an order of 0 or more")

r"""An elliptical Gaussian fitted to a source of an image, as imfit does, with errors after Condon (1997)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.images.least_squares import fit_least_squares
from atacal.images.spec import Beam, ImageResult

_HALF_BEAMS = 1.5  # half the width of the box that is fitted, in beams
_LN2 = float(np.log(2))


@dataclass(frozen=True)
class GaussianFit:
    """A source.

    Attributes
    ----------
    peak_jy, peak_error_jy : float
        [Jy/beam].
    flux_jy, flux_error_jy : float
        Integrated flux density [Jy].
    east_arcsec, north_arcsec : float
        Offset from the image's centre [arcsec].
    east_error_arcsec, north_error_arcsec : float
        Standard errors [arcsec].
    size : Beam
        As it is in the image, convolved with the beam.
    major_error_arcsec, minor_error_arcsec, pa_error_deg : float
    offset_arcsec, offset_beams : float
        Distance from the image's centre, the second in units of the geometric mean of the beam's axes.
    rms_jy : float
        Noise that the errors were made of [Jy/beam].
    """

    peak_jy: float
    peak_error_jy: float
    flux_jy: float
    flux_error_jy: float
    east_arcsec: float
    north_arcsec: float
    east_error_arcsec: float
    north_error_arcsec: float
    size: Beam
    major_error_arcsec: float
    minor_error_arcsec: float
    pa_error_deg: float
    offset_arcsec: float
    offset_beams: float
    rms_jy: float


def fit_gaussian(
    result: ImageResult, *, at_pixel: tuple[int, int] | None = None, radius_arcsec: float | None = None
) -> GaussianFit:
    """Fit a Gaussian to an image at its peak.

    Parameters
    ----------
    result : ImageResult
    at_pixel : (int, int), optional
        x, y of the source, from 0; by default the image's peak.
    radius_arcsec : float, optional
        Half the width of the box that is fitted; by default one and a half times the beam's major axis.

    Returns
    -------
    GaussianFit

    Raises
    ------
    ArgumentError
        If no Gaussian can be fitted there.
    """
    return fit_plane(
        result.image, result.spec.cell_arcsec, result.beam, result.rms_jy, at_pixel=at_pixel or result.peak_pixel,
        radius_arcsec=radius_arcsec,
    )  # fmt: skip


def fit_plane(
    image: NDArray,
    cell_arcsec: float,
    beam: Beam,
    rms_jy: float,
    *,
    at_pixel: tuple[int, int],
    radius_arcsec: float | None = None,
) -> GaussianFit:
    r"""Fit a Gaussian to a plane of pixels (y, x); see `fit_gaussian`.

    Notes
    -----
    With the fitted height A and widths a, b (FWHM), the flux density is A a b / (a0 b0) for a beam a0, b0. The noise of
    pixels is correlated over the beam; Condon (1997, PASP 109, 166, eq. 21, 41) gives for an effective signal to noise

    .. math::
        \rho^2 = \frac{a b}{4 a_0 b_0} \left[1 + (a_0/a)^2\right]^{\alpha} \left[1 + (b_0/b)^2\right]^{\beta}
                 \frac{A^2}{\sigma^2}

    (:math:`\alpha, \beta` = 3/2, 3/2 for the height, 5/2, 1/2 for the major axis, 1/2, 5/2 for the minor axis and the
    angle) the relative errors :math:`\sqrt 2 / \rho`, and positions along the axes errors of
    :math:`a / (\rho \sqrt{4 \ln 2})`, :math:`b / (\rho \sqrt{4 \ln 2})`. They are approximations: in noise whose
    autocorrelation is the beam, positions of point sources scatter by 4/3 of that.
    """
    half = max(3, round((radius_arcsec or _HALF_BEAMS * beam.major_arcsec) / cell_arcsec))
    x0, y0 = at_pixel
    ny, nx = image.shape
    if not (0 <= x0 < nx and 0 <= y0 < ny):
        raise ArgumentError(f"pixel x, y = {x0}, {y0} is not in the image of {nx} x {ny} pixels")
    ys, xs = np.mgrid[max(0, y0 - half) : min(ny, y0 + half + 1), max(0, x0 - half) : min(nx, x0 + half + 1)]
    values = np.asarray(image, np.float64)[ys, xs]
    there = np.isfinite(values)
    height = float(image[y0, x0])
    if not np.isfinite(height) or height == 0:
        raise ArgumentError(f"no source can be fitted at pixel x, y = {x0}, {y0}: its value is {height}")
    east, north, values = -(xs[there] - x0).astype(float), (ys[there] - y0).astype(float), values[there] / height

    def residual(p: NDArray[np.float64]) -> NDArray[np.float64]:
        de, dn = east - p[1], north - p[2]
        with np.errstate(over="ignore"):
            return p[0] * np.exp(-(p[3] * de**2 + 2 * p[4] * de * dn + p[5] * dn**2)) - values

    found, converged = fit_least_squares(residual, np.array([1.0, 0.0, 0.0, *_form(beam, cell_arcsec)]))
    size = _ellipse(found[3], found[4], found[5], cell_arcsec)
    if not converged or size is None or max(abs(found[1]), abs(found[2])) > half:
        raise ArgumentError(f"no Gaussian can be fitted at pixel x, y = {x0}, {y0}: there is none of one peak")
    place = ((nx // 2 - x0 + found[1]) * cell_arcsec, (y0 - ny // 2 + found[2]) * cell_arcsec)
    return _with_errors(height * float(found[0]), place, size, beam, rms_jy)


def _form(beam: Beam, cell_arcsec: float) -> tuple[float, float, float]:
    """Return a, b, c of a beam exp(-(a e^2 + 2 b e n + c n^2)), e to the east, n to the north [pixels]."""
    along, across = (4 * _LN2 * (cell_arcsec / w) ** 2 for w in (beam.major_arcsec, beam.minor_arcsec))
    sine, cosine = float(np.sin(np.radians(beam.pa_deg))), float(np.cos(np.radians(beam.pa_deg)))
    return (
        along * sine**2 + across * cosine**2, (along - across) * sine * cosine, along * cosine**2 + across * sine**2,
    )  # fmt: skip


def _ellipse(a: float, b: float, c: float, cell_arcsec: float) -> Beam | None:
    """Return the beam of such a form; None where it is none."""
    if not np.isfinite([a, b, c]).all():
        return None
    values, vectors = np.linalg.eigh(np.array([[a, b], [b, c]]))
    if values[0] <= 0:
        return None
    major, minor = (float(cell_arcsec * np.sqrt(4 * _LN2 / v)) for v in values)
    angle = float(np.degrees(np.arctan2(vectors[0, 0], vectors[1, 0])))
    return Beam(major, minor, (angle + 90) % 180 - 90)


def _with_errors(height: float, place: tuple[float, float], size: Beam, beam: Beam, rms_jy: float) -> GaussianFit:
    areas = size.major_arcsec * size.minor_arcsec / (beam.major_arcsec * beam.minor_arcsec)
    flux = height * areas
    wide, narrow = (beam.major_arcsec / size.major_arcsec) ** 2, (beam.minor_arcsec / size.minor_arcsec) ** 2

    def relative(alpha: float, beta: float) -> float:
        rho2 = areas / 4 * (1 + wide) ** alpha * (1 + narrow) ** beta * (height / rms_jy) ** 2 if rms_jy else np.inf
        return float(np.sqrt(2 / rho2))

    of_height, of_major, of_minor = relative(1.5, 1.5), relative(2.5, 0.5), relative(0.5, 2.5)
    along = of_major * size.major_arcsec / np.sqrt(8 * _LN2)
    across = of_minor * size.minor_arcsec / np.sqrt(8 * _LN2)
    sine, cosine = np.sin(np.radians(size.pa_deg)), np.cos(np.radians(size.pa_deg))
    difference = size.major_arcsec**2 - size.minor_arcsec**2
    turn = 2 * of_minor * size.major_arcsec * size.minor_arcsec / difference if difference > 0 else np.inf
    offset = float(np.hypot(*place))
    return GaussianFit(
        peak_jy=float(height), peak_error_jy=float(abs(height) * of_height), flux_jy=float(flux),
        flux_error_jy=float(abs(flux) * np.sqrt(of_height**2 + (of_major**2 + of_minor**2) / areas)),
        east_arcsec=float(place[0]), north_arcsec=float(place[1]),
        east_error_arcsec=float(np.hypot(along * sine, across * cosine)),
        north_error_arcsec=float(np.hypot(along * cosine, across * sine)), size=size,
        major_error_arcsec=of_major * size.major_arcsec, minor_error_arcsec=of_minor * size.minor_arcsec,
        pa_error_deg=float(min(np.degrees(turn / 2), 90.0)), offset_arcsec=offset,
        offset_beams=offset / float(np.sqrt(beam.major_arcsec * beam.minor_arcsec)), rms_jy=rms_jy,
    )  # fmt: skip

"""The restoring beam: a Gaussian that is fitted to the main lobe of the point spread function."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.images.least_squares import fit_least_squares
from atacal.images.spec import Beam

_ROWS = 20  # how far from its peak the main lobe is looked for [pixels]
_AROUND_PIX, _POINTS = 5, 3001  # pixels around the main lobe that are interpolated; points to make of them
_LOWER, _TRIES = 1.5, 10  # the level is lowered by this where the fit fails, so many times


def fit_beam(psf: NDArray, cell_arcsec: float, *, cutoff: float = 0.35) -> Beam:
    r"""Fit the beam.

    Parameters
    ----------
    psf : float (y, x)
        Its peak is 1.
    cell_arcsec : float
    cutoff : float
        Level of the main lobe above which values count.

    Returns
    -------
    Beam

    Raises
    ------
    ArgumentError
        If there is no main lobe to fit to.

    Notes
    -----
    As in CASA's StokesImageUtil::FitGaussianPSF: a square with the main lobe and five pixels around it is interpolated
    (bicubic, slopes from central differences) to about 3000 points; to the main lobe's, equally weighted,

    .. math:: \exp(-4 \ln 2\,(a^2 / a_0^2 + b^2 / b_0^2))

    is fitted, with centre and height fixed; a, b are coordinates along the axes.
    """
    peak = float(psf.max())
    if not (np.isfinite(peak) and peak > 0):
        raise ArgumentError(f"the point spread function has a peak of {peak}: no beam can be fitted to it")
    for _ in range(_TRIES):
        east, north, value = _main_lobe(np.asarray(psf, np.float64) / peak, cutoff)
        found = _fit(east, north, value)
        if found is not None:
            return _beam(found[:2], found[2], cell_arcsec)
        cutoff /= _LOWER
    raise ArgumentError("no beam can be fitted to the point spread function: its main lobe is too small or not convex")


def _main_lobe(psf: NDArray[np.float64], cutoff: float) -> tuple[NDArray, NDArray, NDArray]:
    """Return offsets to the east and north [pixels] and values of the interpolated main lobe."""
    y0, x0 = (int(i) for i in np.unravel_index(int(psf.argmax()), psf.shape))
    ys, xs = np.nonzero(_lobe(psf, y0, x0, _ROWS, cutoff))
    low, high = min(ys.min(), xs.min()) - _AROUND_PIX, max(ys.max(), xs.max()) + _AROUND_PIX + 1
    window = psf[max(0, low) : high, max(0, low) : high]
    finer = max(1, int(np.sqrt(_POINTS / window.size)))
    fine = _cubic(window.shape[0], finer) @ window @ _cubic(window.shape[1], finer).T
    yc, xc = (int(i) for i in np.unravel_index(int(fine.argmax()), fine.shape))
    fine /= fine[yc, xc]
    ys, xs = np.nonzero(_lobe(fine, yc, xc, (finer * min(window.shape) - 1) // 2, cutoff))
    return (xc - xs) / finer, (ys - yc) / finer, fine[ys, xs]


@numba.njit(cache=True)
def _lobe(psf: NDArray[np.float64], y0: int, x0: int, rows: int, cutoff: float) -> NDArray[np.bool_]:
    """Return the pixels of the main lobe, as CASA finds them.

    Each row is walked from the column of the peak outwards, to both sides, until values fall below the cutoff again;
    in a row whose middle is below it the first lobe that is met counts, too.
    """
    ny, nx = psf.shape
    out = np.zeros((ny, nx), np.bool_)
    for y in range(max(0, y0 - rows), min(ny, y0 + rows + 1)):
        for sign in (-1, 1):
            inside = psf[y, x0] > cutoff
            for i in range(rows + 1):
                x = x0 + sign * i
                if x < 0 or x >= nx or (inside and psf[y, x] < cutoff):
                    break
                if psf[y, x] > cutoff:
                    inside = True
                    out[y, x] = True
    return out


def _cubic(size: int, finer: int) -> NDArray[np.float64]:
    """Return the matrix that interpolates ``size`` points to ``finer`` times as many, by cubics between them."""
    at = np.arange((size - 1) * finer + 1) / finer
    cell = np.minimum(at.astype(int), size - 2)
    t = at - cell
    weights = (
        -0.5 * t + t**2 - 0.5 * t**3,
        1 - 2.5 * t**2 + 1.5 * t**3,
        0.5 * t + 2 * t**2 - 1.5 * t**3,
        -0.5 * t**2 + 0.5 * t**3,
    )
    out = np.zeros((len(at), size))
    for k, w in enumerate(weights):
        np.add.at(out, (np.arange(len(at)), np.clip(cell + k - 1, 0, size - 1)), w)
    return out


def _fit(east: NDArray, north: NDArray, value: NDArray) -> tuple[float, float, float] | None:
    """Fit a Gaussian of height 1 at the origin: its widths [pixels] and position angle [rad]; None where that fails.

    It starts where CASA's fit does: where sidelobes are high there is more than one minimum.
    """
    if len(value) < 4:
        return None

    def residual(p: NDArray[np.float64]) -> NDArray[np.float64]:
        along = np.sin(p[2]) * east + np.cos(p[2]) * north
        across = np.cos(p[2]) * east - np.sin(p[2]) * north
        return np.exp(-4 * np.log(2) * (along**2 / p[0] ** 2 + across**2 / (p[0] * p[1]) ** 2)) - value

    for turn in range(_TRIES):
        found, converged = fit_least_squares(residual, np.array([2.5, 0.5, 1.0 + turn * np.pi / _TRIES]))
        if converged and np.isfinite(found).all():
            return float(abs(found[0])), float(abs(found[0] * found[1])), float(found[2])
    return None


def _beam(widths_pix: tuple[float, float], angle_rad: float, cell_arcsec: float) -> Beam:
    first, second = (w * cell_arcsec for w in widths_pix)
    angle = np.degrees(angle_rad) + (90 if second > first else 0)
    return Beam(max(first, second), min(first, second), float((angle + 90) % 180 - 90))


def gaussian(beam: Beam, shape: tuple[int, int], cell_arcsec: float) -> NDArray[np.float64]:
    """Return a beam of height 1 at the pixel (ny // 2, nx // 2), float64 (y, x)."""
    ny, nx = shape
    north = (np.arange(ny) - ny // 2)[:, None] * cell_arcsec
    east = -(np.arange(nx) - nx // 2)[None, :] * cell_arcsec
    pa = np.radians(beam.pa_deg)
    along = east * np.sin(pa) + north * np.cos(pa)
    across = east * np.cos(pa) - north * np.sin(pa)
    out: NDArray[np.float64] = np.exp(
        -4 * np.log(2) * ((along / beam.major_arcsec) ** 2 + (across / beam.minor_arcsec) ** 2)
    )
    return out


def convolve(image: NDArray, kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Convolve an image (y, x) with a kernel of its shape, whose centre is at (ny // 2, nx // 2); zeros are beyond."""
    ny, nx = image.shape
    shape = (2 * ny, 2 * nx)
    product = np.fft.rfft2(np.asarray(image, np.float64), shape) * np.fft.rfft2(kernel, shape)
    full = np.fft.irfft2(product, shape)
    out: NDArray[np.float64] = full[ny // 2 : ny // 2 + ny, nx // 2 : nx // 2 + nx]
    return out


def sidelobe_level(psf: NDArray, beam: Beam, cell_arcsec: float) -> float:
    """Return the highest sidelobe: the largest of -psf, and of psf less the beam (as CASA's SIImageStore)."""
    left = psf - gaussian(beam, psf.shape, cell_arcsec)
    return float(max(-psf.min(), left.max()))

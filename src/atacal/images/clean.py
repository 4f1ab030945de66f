"""Minor cycles of CLEAN: Hogbom's, and Clark's for large images.

Hogbom (1974, A&AS 15, 417) takes the highest pixel away with the whole point spread function; Clark (1980, A&A 89,
377) does so with its centre, for a list of the brightest pixels, and corrects for the rest by a Fourier transform.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from atacal.images.beam import convolve

_PATCH_PIX = 51
_MOST_ACTIVE = 200_000


@dataclass(frozen=True)
class MinorCycle:
    """What a minor cycle did: iterations, and the highest absolute residual in the mask that it left [Jy/beam]."""

    iterations: int
    peak_jy: float


def hogbom(
    residual: NDArray[np.float64],
    model: NDArray[np.float64],
    psf: NDArray[np.float64],
    mask: NDArray[np.bool_],
    *,
    gain: float,
    threshold: float,
    niter: int,
) -> MinorCycle:
    """Clean with the whole point spread function; ``residual`` and ``model`` (y, x) are changed.

    Parameters
    ----------
    residual, model, psf : float64 (y, x)
        Jy/beam, Jy/pixel, 1; the peak of psf is at (ny // 2, nx // 2).
    mask : bool (y, x)
    gain : float
    threshold : float
        Stop when no pixel in the mask is above it [Jy/beam].
    niter : int
        Iterations at most.

    Returns
    -------
    MinorCycle
    """
    iterations, peak = _hogbom(residual, model, psf, mask, gain, threshold, niter)
    return MinorCycle(iterations, peak)


def clark(
    residual: NDArray[np.float64],
    model: NDArray[np.float64],
    psf: NDArray[np.float64],
    mask: NDArray[np.bool_],
    *,
    gain: float,
    threshold: float,
    niter: int,
) -> MinorCycle:
    """Clean with the centre of the point spread function and Fourier transforms; parameters as for `hogbom`."""
    ny, nx = psf.shape
    half = min(_PATCH_PIX, ny // 2 - 1, nx // 2 - 1)
    patch = np.ascontiguousarray(psf[ny // 2 - half : ny // 2 + half + 1, nx // 2 - half : nx // 2 + half + 1])
    outside = psf.copy()
    outside[ny // 2 - half : ny // 2 + half + 1, nx // 2 - half : nx // 2 + half + 1] = 0
    exterior = float(np.abs(outside).max())
    done = 0
    while True:
        strength = np.where(mask, np.abs(residual), 0.0)
        peak = float(strength.max())
        if done >= niter or peak <= threshold:
            return MinorCycle(done, peak)
        level = max(threshold, peak * min(max(exterior, 0.05), 0.9))
        ys, xs = np.nonzero(strength >= min(level, peak))
        if len(ys) > _MOST_ACTIVE:
            strongest = np.sort(np.argsort(strength[ys, xs], kind="stable")[-_MOST_ACTIVE:])
            ys, xs = ys[strongest], xs[strongest]
            level = float(strength[ys, xs].min())
        values = residual[ys, xs].copy()
        components = np.zeros(len(ys))
        count = _clark(values, components, ys, xs, patch, gain, level, exterior, niter - done)
        added = np.zeros_like(model)
        added[ys, xs] = components
        model += added
        residual -= convolve(added, psf)
        done += count


@numba.njit(nogil=True, cache=True)
def _hogbom(
    residual: NDArray[np.float64],
    model: NDArray[np.float64],
    psf: NDArray[np.float64],
    mask: NDArray[np.bool_],
    gain: float,
    threshold: float,
    niter: int,
) -> tuple[int, float]:
    ny, nx = residual.shape
    yc, xc = ny // 2, nx // 2
    iteration = 0
    while True:
        peak, y0, x0 = 0.0, -1, -1
        for y in range(ny):
            for x in range(nx):
                if mask[y, x] and abs(residual[y, x]) > peak:
                    peak, y0, x0 = abs(residual[y, x]), y, x
        if iteration >= niter or peak <= threshold or y0 < 0:
            return iteration, peak
        step = gain * residual[y0, x0]
        model[y0, x0] += step
        dy, dx = yc - y0, xc - x0
        for y in range(max(0, -dy), min(ny, ny - dy)):
            for x in range(max(0, -dx), min(nx, nx - dx)):
                residual[y, x] -= step * psf[y + dy, x + dx]
        iteration += 1


@numba.njit(nogil=True, cache=True)
def _clark(
    values: NDArray[np.float64],
    components: NDArray[np.float64],
    ys: NDArray[np.int64],
    xs: NDArray[np.int64],
    patch: NDArray[np.float64],
    gain: float,
    level: float,
    exterior: float,
    niter: int,
) -> int:
    """Clean the active pixels until what is left out may be as high as they are (Clark 1980, section 3)."""
    half = patch.shape[0] // 2
    iteration, limit = 0, level
    while iteration < niter:
        best = 0
        for k in range(len(values)):
            if abs(values[k]) > abs(values[best]):
                best = k
        peak = abs(values[best])
        if peak <= limit:
            break
        step = gain * values[best]
        components[best] += step
        for k in range(len(values)):
            dy, dx = ys[k] - ys[best], xs[k] - xs[best]
            if abs(dy) <= half and abs(dx) <= half:
                values[k] -= step * patch[dy + half, dx + half]
        iteration += 1
        limit += exterior * abs(step)
    return max(iteration, 1)

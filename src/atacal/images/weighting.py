r"""Imaging weights: natural, uniform and Briggs, with the density of samples on the image's uv grid.

Notes
-----
As in CASA's VisImagingWeight: samples and their conjugates are counted, with their weights, in cells of
:math:`1 / (N \Delta)` wavelengths (N pixels of width :math:`\Delta`), all channels together. With the density W of a
sample's cell its weight w becomes :math:`w / W` (uniform), or

.. math:: w / (1 + W f^2), \quad f^2 = (5 \cdot 10^{-R})^2 / (\sum W^2 / \sum W)

(Briggs 1995, PhD thesis, New Mexico Tech, eq. 3.16). Samples beyond the grid get no weight. Cells are those of the
frequencies in LSRK, as in CASA: where few samples share cells, what falls on which side of an edge is seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from atacal.images.spec import ARCSEC, ImageSpec
from atacal.images.visibilities import Batch
from atacal.ms.selected import C_M_S


@dataclass(frozen=True, eq=False)
class Weighting:
    """Turns a batch's weights into imaging weights.

    Attributes
    ----------
    density : float64 (v, u), optional
        None for natural weights.
    f2, d2 : float
        The imaging weight is w / (density f2 + d2).
    scale : (float, float)
        Cells per wavelength along u and v.
    """

    density: NDArray[np.float64] | None
    f2: float
    d2: float
    scale: tuple[float, float]

    def of(self, batch: Batch) -> NDArray[np.float64]:
        """Return the imaging weights of a batch, float64 (row, chan)."""
        if self.density is None:
            return batch.weight.astype(np.float64)
        out = np.empty(batch.weight.shape, np.float64)
        _divide(_lsrk(batch), batch.freq_hz, batch.weight, self.density, *self.scale, self.f2, self.d2, out)
        return out


def make_weighting(spec: ImageSpec, batches: Iterable[Batch]) -> Weighting:
    """Count the density of all samples where the weighting needs it.

    Parameters
    ----------
    spec : ImageSpec
    batches : iterable of Batch
        All samples; not looked at for natural weights.

    Returns
    -------
    Weighting
    """
    nx, ny = spec.imsize
    scale = (nx * spec.cell_arcsec * ARCSEC, ny * spec.cell_arcsec * ARCSEC)
    if spec.weighting == "natural":
        return Weighting(None, 0.0, 1.0, scale)
    density = np.zeros((ny, nx))
    for batch in batches:
        _count(_lsrk(batch), batch.freq_hz, batch.weight, *scale, density)
    if spec.weighting == "uniform":
        return Weighting(density, 1.0, 0.0, scale)
    squares, total = float((density**2).sum()), float(density.sum())
    f2 = (5 * 10**-spec.robust) ** 2 * total / squares if squares else 0.0
    return Weighting(density, f2, 1.0, scale)


def _lsrk(batch: Batch) -> NDArray[np.float64]:
    """Return uvw, scaled so that sky frequencies make wavelengths in LSRK of it."""
    return batch.uvw_m * batch.lsrk[:, None]


@numba.njit(nogil=True, cache=True)
def _cell(coordinate: float, origin: int, size: int) -> int:
    """Return the cell of a coordinate [cells], or -1 for one that is not inside."""
    cell = int(coordinate + origin)
    return cell if 0 < cell < size else -1


@numba.njit(nogil=True, cache=True)
def _count(
    uvw: NDArray[np.float64],
    freq: NDArray[np.float64],
    weight: NDArray[np.float32],
    scale_u: float,
    scale_v: float,
    density: NDArray[np.float64],
) -> None:
    ny, nx = density.shape
    for row in range(weight.shape[0]):
        for chan in range(weight.shape[1]):
            w = weight[row, chan]
            if w <= 0:
                continue
            per_m = freq[chan] / C_M_S
            u, v = uvw[row, 0] * per_m * scale_u, uvw[row, 1] * per_m * scale_v
            for sign in (1, -1):
                x, y = _cell(sign * u, nx // 2, nx), _cell(sign * v, ny // 2, ny)
                if x >= 0 and y >= 0:
                    density[y, x] += w


@numba.njit(nogil=True, cache=True)
def _divide(
    uvw: NDArray[np.float64],
    freq: NDArray[np.float64],
    weight: NDArray[np.float32],
    density: NDArray[np.float64],
    scale_u: float,
    scale_v: float,
    f2: float,
    d2: float,
    out: NDArray[np.float64],
) -> None:
    ny, nx = density.shape
    for row in range(weight.shape[0]):
        for chan in range(weight.shape[1]):
            w = weight[row, chan]
            out[row, chan] = 0.0
            if w <= 0:
                continue
            per_m = freq[chan] / C_M_S
            x = _cell(uvw[row, 0] * per_m * scale_u, nx // 2, nx)
            y = _cell(uvw[row, 1] * per_m * scale_v, ny // 2, ny)
            if x >= 0 and y >= 0 and density[y, x] > 0:
                out[row, chan] = w / (density[y, x] * f2 + d2)

r"""Images from visibilities and back, by ducc0's w-gridder (Arras et al. 2021, A&A 646, A58).

Notes
-----
A MeasurementSet's visibilities are
:math:`V = \int I(l, m) \exp(2 \pi i (u l + v m + w (n - 1)))`, l to the east, m to the north; an image has l falling
along x. No factor n is applied, as in CASA.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection, MissingLibrary
from atacal.images.spec import ARCSEC, ImageSpec
from atacal.images.visibilities import Batch, Visibilities
from atacal.images.weighting import Weighting
from atacal.ms.selected import C_M_S
from atacal.threads import in_order

_EPSILON = 1e-6
_NEGLIGIBLE_RAD = 5e-3
"""Phase of the w term, at the image's corner, that is passed over: it spoils a source there by less than its sidelobes
times that, and to follow it takes several times as long."""


def wgridder() -> Any:
    """Import ducc0's gridder.

    Raises
    ------
    MissingLibrary
        If it is not installed.
    """
    try:
        import ducc0
    except ImportError as error:
        raise MissingLibrary(
            "images need the library ducc0, which is not installed: pip install 'atacal[images]'"
        ) from error
    return ducc0.wgridder


@dataclass(frozen=True, eq=False)
class Dirty:
    """The dirty image, its point spread function, and sums of weights.

    Attributes
    ----------
    image, psf : float64 (y, x)
        Both divided by ``sumwt`` [Jy/beam, 1].
    sumwt : float
        Sum of the imaging weights.
    variance_jy2 : float
        Theoretical variance of a pixel: sum(W^2 / w) / sum(W)^2, for imaging weights W and weights w = 1/sigma^2.
    nvis : int
    """

    image: NDArray[np.float64]
    psf: NDArray[np.float64]
    sumwt: float
    variance_jy2: float
    nvis: int


class Gridder:
    """Both directions between an image and the samples of some MeasurementSets.

    Parameters
    ----------
    spec : ImageSpec
    samples : Visibilities
    weighting : Weighting
    """

    def __init__(self, spec: ImageSpec, samples: Visibilities, weighting: Weighting) -> None:
        self._ducc = wgridder()
        self._spec, self._samples, self._weighting = spec, samples, weighting
        self._sumwt = 0.0

    def dirty(self) -> Dirty:
        """Grid the data and their point spread function.

        Raises
        ------
        EmptySelection
            If all data are flagged or have no weight.
        """
        nx, ny = self._spec.imsize
        image, psf = np.zeros((nx, ny)), np.zeros((nx, ny))
        sumwt = square = 0.0
        nvis = 0

        def work(batch: Batch) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float, int]:
            weights = self._weighting.of(batch)
            assert batch.vis is not None
            part = self._to_image(batch, batch.vis.astype(np.complex128), weights)
            spread = self._to_image(batch, np.ones(weights.shape, np.complex128), weights)
            there = weights > 0
            noise = float((weights[there] ** 2 / batch.weight[there]).sum())
            return part, spread, float(weights.sum()), noise, int(there.sum())

        for part, spread, weight, noise, number in in_order(work, self._samples.batches()):
            image += part
            psf += spread
            sumwt, square, nvis = sumwt + weight, square + noise, nvis + number
        if not nvis:
            names = ", ".join(self._spec.vis)
            raise EmptySelection(f"{names}: all selected data are flagged, have no weight, or are beyond the uv grid")
        self._sumwt = sumwt
        return Dirty(_rows(image) / sumwt, _rows(psf) / sumwt, sumwt, square / sumwt**2, nvis)

    def seen(self, model: NDArray) -> NDArray[np.float64]:
        """Return the dirty image that the instrument makes of a model (y, x) [Jy/pixel]."""
        nx, ny = self._spec.imsize
        out, sky = np.zeros((nx, ny)), np.ascontiguousarray(np.asarray(model, np.float64).T)

        def work(batch: Batch) -> NDArray[np.float64]:
            vis = self._ducc.dirty2vis(dirty=sky, **self._how(batch))
            return self._to_image(batch, vis, self._weighting.of(batch))

        for part in in_order(work, self._batches()):
            out += part
        return _rows(out) / self._sumwt

    def _batches(self) -> Iterator[Batch]:
        return self._samples.batches(vis=False)

    def _to_image(self, batch: Batch, vis: NDArray[np.complex128], weights: NDArray[np.float64]) -> NDArray[np.float64]:
        nx, ny = self._spec.imsize
        out: NDArray[np.float64] = self._ducc.vis2dirty(vis=vis, wgt=weights, npix_x=nx, npix_y=ny, **self._how(batch))
        return out

    def _how(self, batch: Batch) -> dict[str, Any]:
        cell = self._spec.cell_arcsec * ARCSEC
        # one thread each, results added in the order of the data: the same bytes whatever the number of threads
        return {
            "uvw": batch.uvw_m, "freq": batch.freq_hz, "pixsize_x": cell, "pixsize_y": cell, "epsilon": _EPSILON,
            "do_wgridding": self._spec.exact and self._w_matters(batch), "nthreads": 1, "divide_by_n": False,
            "flip_v": True, "flip_w": False,
        }  # fmt: skip

    def _w_matters(self, batch: Batch) -> bool:
        cell = self._spec.cell_arcsec * ARCSEC
        square = sum((n / 2 * cell) ** 2 for n in self._spec.imsize)
        far = 1 - np.sqrt(max(0.0, 1 - square))
        w = float(np.abs(batch.uvw_m[:, 2]).max()) * float(batch.freq_hz.max()) / C_M_S
        return bool(2 * np.pi * w * far > _NEGLIGIBLE_RAD)


def _rows(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn (x, y) into (y, x)."""
    return np.ascontiguousarray(image.T)

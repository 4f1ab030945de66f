"""The mask of auto-multithresh (Kepley et al. 2020, PASP 132, 024505), as in CASA's SDMaskHandler."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from atacal.heuristics.imaging import AutoMask
from atacal.images.beam import convolve, gaussian
from atacal.images.regions import grow, prune
from atacal.images.spec import Beam
from atacal.images.statistics import middle_and_rms, rms_without_outliers


class AutoMasker:
    """Makes the mask anew before each minor cycle.

    Parameters
    ----------
    parameters : AutoMask
    beam : Beam
    cell_arcsec : float
    sidelobe : float
        Highest sidelobe of the point spread function.
    allowed : bool (y, x)
        Where the mask may be.
    valid : bool (y, x)
        Whose pixels tell the noise.
    """

    def __init__(
        self,
        parameters: AutoMask,
        beam: Beam,
        cell_arcsec: float,
        sidelobe: float,
        allowed: NDArray[np.bool_],
        valid: NDArray[np.bool_],
    ) -> None:
        self.parameters, self.sidelobe, self.allowed, self.valid = parameters, sidelobe, allowed, valid
        wide = Beam(
            beam.major_arcsec * parameters.smoothfactor, beam.minor_arcsec * parameters.smoothfactor, beam.pa_deg
        )
        self._kernel = gaussian(wide, allowed.shape, cell_arcsec)
        self._least_pix = parameters.minbeamfrac * beam.area_pix(cell_arcsec)
        self.positive = np.zeros(allowed.shape, bool)
        self.mask = np.zeros(allowed.shape, bool)
        self._settled = False

    def update(self, residual: NDArray, *, first: bool) -> NDArray[np.bool_]:
        """Return the mask for a residual image (y, x); ``first`` before anything was cleaned.

        Notes
        -----
        With m and s the residual's median and 1.4826 MAD, P its largest absolute value and L the highest sidelobe,
        pixels above ``m + max(sidelobethreshold L P, noisethreshold s)`` are masked, regions smaller than
        ``minbeamfrac`` beams taken out, the rest smoothed by the beam and cut at ``cutthreshold`` of its peak. The mask
        of the cycle before grows, at most ``growiterations`` pixels, where the residual is above the same level with
        ``lownoisethreshold``, and is pruned and smoothed in the same way. Negative regions count without pruning.
        """
        if self._settled:
            return self.mask
        p = self.parameters
        middle, noise = self._noise(residual)
        strongest = p.sidelobethreshold * self.sidelobe * float(np.abs(residual[self.valid]).max())
        level = middle + max(strongest, p.noisethreshold * noise)
        new = self._smooth(self._prune((residual > level) & self.allowed))
        grown = np.zeros_like(new)
        if not first and p.growiterations > 0 and self.mask.any():
            inside = residual > middle + max(strongest, p.lownoisethreshold * noise)
            grown = grow(self.mask, inside, p.growiterations) & inside
            grown = self._smooth(self._prune(grown) if p.dogrowprune else grown)
        negative = np.zeros_like(new)
        if p.negativethreshold > 0:
            negative = self._smooth(residual < middle - max(strongest, p.negativethreshold * noise))
        before = self.mask
        self.positive = (self.positive | grown | new) & self.allowed
        self.mask = (before | self.positive | negative) & self.allowed
        self._settle(before)
        return self.mask

    def _settle(self, before: NDArray[np.bool_]) -> None:
        """Stop changing the mask when it has changed by fewer than minpercentchange of its pixels."""
        if self.parameters.minpercentchange < 0 or not before.any():
            return
        change = np.count_nonzero(self.mask ^ before) / np.count_nonzero(before)
        self._settled = bool(change < self.parameters.minpercentchange / 100)

    def _noise(self, residual: NDArray) -> tuple[float, float]:
        if self.parameters.fastnoise:
            return middle_and_rms(residual[self.valid])
        outside = self.valid & ~self.mask
        return rms_without_outliers(residual[outside if outside.any() else self.valid])

    def _prune(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return prune(mask, self._least_pix) if self.parameters.minbeamfrac > 0 else mask

    def _smooth(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        if not mask.any():
            return mask
        smooth = convolve(mask, self._kernel)
        return np.asarray(smooth > self.parameters.cutthreshold * smooth.max())

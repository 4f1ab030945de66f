"""One image from MeasurementSets: weights, dirty image, CLEAN in cycles, restoration, statistics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atacal.images.auto_mask import AutoMasker
from atacal.images.beam import convolve, fit_beam, gaussian, sidelobe_level
from atacal.images.clean import MinorCycle, clark, hogbom
from atacal.images.gridding import Dirty, Gridder, wgridder
from atacal.images.masks import user_mask
from atacal.images.primary_beam import primary_beam
from atacal.images.spec import Beam, ImageResult, ImageSpec
from atacal.images.statistics import middle_and_rms
from atacal.images.visibilities import Visibilities
from atacal.images.weighting import make_weighting
from atacal.ms.observatories import observatory_itrf

log = logging.getLogger("atacal")

_MINOR: dict[str, Callable[..., MinorCycle]] = {"hogbom": hogbom, "clark": clark}
_WORSE = 3.0  # a peak so many times higher than before is divergence, as in tclean
_SAME = 1e-6
_DISH_TELESCOPES = ("ALMA", "ACA")


def make_image(spec: ImageSpec) -> ImageResult:
    """Make a continuum image.

    Parameters
    ----------
    spec : ImageSpec

    Returns
    -------
    ImageResult
        Nothing is written; `atacal.images.products.write_products` does that.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, MissingColumn, SelectionError, EmptySelection

    Notes
    -----
    The cycles are tclean's: a minor cycle cleans down to ``max(threshold, peak * f)`` with f the highest sidelobe times
    cyclefactor, within minpsffraction and maxpsffraction; then the model is seen with the data's weights and samples
    and taken off the dirty image, without reading the visibilities again.
    """
    wgridder()  # what is missing is said before anything is read
    ny_nx = (spec.imsize[1], spec.imsize[0])
    given = user_mask(spec.mask, ny_nx)
    with Visibilities(spec) as samples:
        gridder = Gridder(spec, samples, make_weighting(spec, samples.batches(vis=False)))
        dirty = gridder.dirty()
        low, high = samples.frequency_range()
        sky = _Sky(samples, (low + high) / 2, ny_nx)
        beam = fit_beam(dirty.psf, spec.cell_arcsec, cutoff=spec.psfcutoff)
        valid = sky.pb > spec.pblimit if spec.pblimit > 0 else np.ones(ny_nx, bool)
        cycles = _Cycles(spec, gridder, dirty, beam, _Masks(spec, given, sky.pb, valid, beam, dirty.psf))
        cycles.run()
        return _result(spec, samples, sky, dirty, beam, valid, cycles, high - low)


class _Sky:
    """What is known of the image's place: its primary beam and its observatory."""

    def __init__(self, samples: Visibilities, freq_hz: float, shape: tuple[int, int]) -> None:
        ms, selected, _ = samples.sources[0]
        self.metadata, self.freq_hz = ms.metadata, freq_hz
        used = np.flatnonzero(selected.baselines.any(axis=0) | selected.baselines.any(axis=1))
        self.dish_m = float(np.median([ms.metadata.antennas[int(a)].dish_diameter_m for a in used]))
        telescope = ms.metadata.telescope
        if telescope.upper() not in _DISH_TELESCOPES:
            log.warning("the primary beam of %s is taken as that of an evenly lit dish of %g m", telescope, self.dish_m)
        self.pb = primary_beam(shape, samples.spec.cell_arcsec, freq_hz, self.dish_m)

    def observatory_m(self) -> tuple[float, float, float]:
        """Return the array's ITRF position [m]."""
        place = observatory_itrf(self.metadata.telescope)
        if place is None:
            x, y, z = (float(v) for v in self.metadata.antenna_positions_m.mean(axis=0))
            return x, y, z
        lon, lat, r = place
        return (
            float(r * np.cos(lat) * np.cos(lon)), float(r * np.cos(lat) * np.sin(lon)), float(r * np.sin(lat)),
        )  # fmt: skip


class _Masks:
    """Gives the mask for each minor cycle."""

    def __init__(
        self,
        spec: ImageSpec,
        given: NDArray[np.bool_],
        pb: NDArray[np.float64],
        valid: NDArray[np.bool_],
        beam: Beam,
        psf: NDArray[np.float64],
    ) -> None:
        self.valid = valid
        self.sidelobe = sidelobe_level(psf, beam, spec.cell_arcsec)
        self._fixed = pb > spec.pbmask if spec.usemask == "pb" else given
        self._auto: AutoMasker | None = None
        if spec.usemask == "auto-multithresh":
            allowed = valid & (pb > spec.pbmask)
            self._auto = AutoMasker(spec.auto_mask, beam, spec.cell_arcsec, self.sidelobe, allowed, valid)

    def update(self, residual: NDArray[np.float64], *, first: bool) -> NDArray[np.bool_]:
        return self._fixed if self._auto is None else self._auto.update(residual, first=first)


@dataclass(eq=False)
class _Cycles:
    """The major and minor cycles, and where they have come."""

    spec: ImageSpec
    gridder: Gridder
    dirty: Dirty
    beam: Beam
    masks: _Masks
    iterations: int = 0
    majors: int = 1
    reason: str = "no iterations asked for"
    threshold_jy: float = 0.0
    used: NDArray[np.bool_] | None = None
    residual: NDArray[np.float64] = field(init=False)
    model: NDArray[np.float64] = field(init=False)
    mask: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.residual = self.dirty.image.copy()
        self.model = np.zeros_like(self.residual)
        self.threshold_jy = self.spec.threshold_jy
        self.mask = self.masks.update(self.residual, first=True)

    def last_mask(self) -> NDArray[np.bool_]:
        """Return the mask of the last minor cycle, as CASA keeps it; without any, that of the dirty image."""
        return self.mask if self.used is None else self.used

    def run(self) -> None:
        """Clean until there is a reason to stop."""
        spec = self.spec
        if spec.niter == 0:
            return
        before = lowest = np.inf
        while True:
            peak = float(np.abs(self.residual[self.mask]).max()) if self.mask.any() else 0.0
            self.threshold_jy, of_noise = self._threshold()
            if reason := self._finished(peak, before, lowest, of_noise):
                self.reason = reason
                return
            before, lowest = peak, min(lowest, peak)
            self._cycle(peak)
            self.mask = self.masks.update(self.residual, first=False)

    def _finished(self, peak: float, before: float, lowest: float, of_noise: bool) -> str:
        spec = self.spec
        if not self.mask.any():
            return "the mask is empty"
        if self.iterations >= spec.niter:
            return "niter"
        if peak <= self.threshold_jy:
            return "nsigma" if of_noise else "threshold"
        if 0 <= spec.nmajor <= self.majors - 1:
            return "nmajor"
        if np.isfinite(before) and abs(before - peak) < _SAME * before:
            return "the peak residual does not change"
        if peak > _WORSE * lowest:
            return "the peak residual grows: CLEAN diverges"
        return ""

    def _threshold(self) -> tuple[float, bool]:
        """Return the level to stop at, and whether nsigma says it."""
        noise = 0.0
        if self.spec.nsigma > 0:
            middle, rms = middle_and_rms(self.residual[self.masks.valid])
            noise = middle + self.spec.nsigma * rms
        return max(self.spec.threshold_jy, noise), noise > self.spec.threshold_jy

    def _cycle(self, peak: float) -> None:
        """Do one minor and one major cycle."""
        spec = self.spec
        fraction = float(np.clip(self.masks.sidelobe * spec.cyclefactor, spec.minpsffraction, spec.maxpsffraction))
        left = spec.niter - self.iterations
        done = _MINOR[spec.deconvolver](
            self.residual, self.model, self.dirty.psf, self.mask, gain=spec.gain,
            threshold=max(self.threshold_jy, peak * fraction),
            niter=min(left, spec.cycleniter) if spec.cycleniter > 0 else left,
        )  # fmt: skip
        self.used = self.mask
        self.iterations += done.iterations
        self.majors += 1
        self.residual = self.dirty.image - self.gridder.seen(self.model)
        log.debug("major cycle %d: %d iterations, peak %.4g -> %.4g", self.majors, self.iterations, peak, done.peak_jy)


def _result(
    spec: ImageSpec,
    samples: Visibilities,
    sky: _Sky,
    dirty: Dirty,
    beam: Beam,
    valid: NDArray[np.bool_],
    cycles: _Cycles,
    bandwidth_hz: float,
) -> ImageResult:
    residual, model, mask = cycles.residual, cycles.model, cycles.last_mask()
    image = residual + convolve(model, gaussian(beam, model.shape, spec.cell_arcsec))
    outside = valid & ~mask
    quiet = residual[outside if outside.any() else valid]
    _, rms = middle_and_rms(quiet)
    peaks = np.where(valid, image, -np.inf)
    y, x = (int(i) for i in np.unravel_index(int(peaks.argmax()), image.shape))
    ny, nx = image.shape
    observations = sky.metadata.observations
    return ImageResult(
        spec=spec, image=image.astype(np.float32), residual=residual.astype(np.float32),
        model=model.astype(np.float32), psf=dirty.psf.astype(np.float32), pb=sky.pb.astype(np.float32),
        mask=mask, valid=valid, dirty_peak_jy=float(np.abs(dirty.image[valid]).max()),
        dirty_rms_jy=middle_and_rms(dirty.image[valid])[1], beam=beam, sumwt=dirty.sumwt,
        sensitivity_jy=float(np.sqrt(dirty.variance_jy2)), peak_jy=float(image[y, x]), peak_pixel=(x, y),
        peak_offset_arcsec=((nx // 2 - x) * spec.cell_arcsec, (y - ny // 2) * spec.cell_arcsec),
        rms_jy=rms, std_jy=float(quiet.std()), dynamic_range=float(image[y, x] / rms) if rms > 0 else float("inf"),
        threshold_jy=cycles.threshold_jy, psf_sidelobe=cycles.masks.sidelobe, niter_done=cycles.iterations,
        nmajor_done=cycles.majors, stop_reason=cycles.reason, flux_model_jy=float(model.sum()),
        centre_rad=samples.centre_rad, frame=samples.frame, freq_hz=sky.freq_hz, bandwidth_hz=bandwidth_hz,
        telescope=sky.metadata.telescope, observer=observations[0].observer if observations else "",
        field_name=samples.field.name, time_mjd_s=samples.first_time_s(), dish_m=sky.dish_m,
        observatory_m=sky.observatory_m(), nvis=dirty.nvis,
    )  # fmt: skip

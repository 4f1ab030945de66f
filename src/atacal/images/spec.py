"""What image is wanted, and what came out: plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.heuristics.imaging import AutoMask
from atacal.ms.selection import Selection

ARCSEC = np.pi / 648000
WEIGHTINGS = ("natural", "uniform", "briggs")
DECONVOLVERS = ("hogbom", "clark")
USE_MASKS = ("user", "pb", "auto-multithresh")
DATA_COLUMNS = {"corrected": "CORRECTED_DATA", "data": "DATA"}
STOKES = ("I", "pseudoI")


@dataclass(frozen=True)
class Beam:
    """An elliptical Gaussian beam.

    Attributes
    ----------
    major_arcsec, minor_arcsec : float
        Full widths at half maximum [arcsec].
    pa_deg : float
        Position angle of the major axis, from north through east [deg].
    """

    major_arcsec: float
    minor_arcsec: float
    pa_deg: float

    def area_pix(self, cell_arcsec: float) -> float:
        """Return its solid angle in pixels: pi a b / (4 ln 2)."""
        return float(np.pi / (4 * np.log(2)) * self.major_arcsec * self.minor_arcsec / cell_arcsec**2)


@dataclass(frozen=True, eq=False)
class ImageSpec:
    """One continuum image (mfs, one plane of Stokes I) of some MeasurementSets.

    Attributes
    ----------
    vis : tuple of str
        MeasurementSets.
    selection : Selection or tuple of Selection
        What of them; one for all, or one for each.
    cell_arcsec : float
        Width of a pixel [arcsec].
    imsize : (int, int)
        Pixels along right ascension and declination, even, 32 at least.
    datacolumn : {'corrected', 'data'}
        Where there is no CORRECTED_DATA, DATA is taken, with a warning, as CASA does.
    stokes : {'I', 'pseudoI'}
        Visibilities of which one parallel hand is flagged: left out (I), or made of what is there (pseudoI).
    phasecenter : str
        Empty: that of the first selected field; a field's number; or ``J2000 19h30m00 -40d00m00``.
    weighting : {'natural', 'uniform', 'briggs'}
    robust : float
        For Briggs, -2 to 2.
    exact : bool
        Whether w is taken into account, where it matters, and wavelengths are those observed; False for an image as
        CASA's standard gridder makes it: w left out, wavelengths in LSRK.
    niter, gain, threshold_jy, nsigma, cycleniter, cyclefactor, minpsffraction, maxpsffraction, nmajor
        Of CLEAN, as in tclean: iterations, loop gain, flux density to stop at [Jy/beam], the same in units of the
        residual's robust rms, iterations of one minor cycle, and what fraction of the peak a minor cycle goes down to.
    deconvolver : {'hogbom', 'clark'}
    usemask : {'user', 'pb', 'auto-multithresh'}
    mask : str, path or bool array (y, x)
        For ``user``: see `atacal.images.masks.user_mask`.
    pbmask : float
        For ``pb``: level of the primary beam. For ``auto-multithresh``: level below which nothing is masked.
    auto_mask : AutoMask
    pblimit : float
        Images are blank where the primary beam is lower; a negative one blanks nothing.
    psfcutoff : float
        Level of the point spread function's main lobe that the beam is fitted to.
    """

    vis: tuple[str, ...]
    cell_arcsec: float
    imsize: tuple[int, int]
    selection: Selection | tuple[Selection, ...] = field(default_factory=Selection)
    datacolumn: str = "corrected"
    stokes: str = "I"
    phasecenter: str = ""
    weighting: str = "natural"
    robust: float = 0.5
    exact: bool = True
    niter: int = 0
    gain: float = 0.1
    threshold_jy: float = 0.0
    nsigma: float = 0.0
    cycleniter: int = -1
    cyclefactor: float = 1.0
    minpsffraction: float = 0.05
    maxpsffraction: float = 0.8
    nmajor: int = -1
    deconvolver: str = "hogbom"
    usemask: str = "user"
    mask: str | Path | NDArray[np.bool_] = ""
    pbmask: float = 0.0
    auto_mask: AutoMask = field(default_factory=AutoMask)
    pblimit: float = 0.2
    psfcutoff: float = 0.35

    def __post_init__(self) -> None:
        for name, possible in (
            ("weighting", WEIGHTINGS), ("deconvolver", DECONVOLVERS), ("usemask", USE_MASKS),
            ("datacolumn", tuple(DATA_COLUMNS)), ("stokes", STOKES),
        ):  # fmt: skip
            if (value := getattr(self, name)) not in possible:
                raise ArgumentError(f"{name}={value!r} is not available; possible are {', '.join(possible)}")
        if not self.vis:
            raise ArgumentError("vis is empty: give at least one MeasurementSet")
        if isinstance(self.selection, tuple) and len(self.selection) != len(self.vis):
            raise ArgumentError(f"{len(self.selection)} selections for {len(self.vis)} MeasurementSets: one for each")
        if not (np.isfinite(self.cell_arcsec) and self.cell_arcsec > 0):
            raise ArgumentError(f"cell={self.cell_arcsec!r} arcsec: a pixel's width is a positive number")
        if len(self.imsize) != 2 or any(n < 32 or n % 2 for n in self.imsize):
            raise ArgumentError(f"imsize={list(self.imsize)}: the numbers of pixels are even and 32 at least")
        if not 0 < self.gain <= 1:
            raise ArgumentError(f"gain={self.gain}: it is more than 0 and at most 1")
        if not -2 <= self.robust <= 2:
            raise ArgumentError(f"robust={self.robust}: it is from -2 (uniform) to 2 (natural)")
        if self.niter < 0:
            raise ArgumentError(f"niter={self.niter}: it is 0 (no CLEAN) or a number of iterations")
        if not 0 < self.psfcutoff < 1:
            raise ArgumentError(f"psfcutoff={self.psfcutoff}: it is between 0 and 1")


@dataclass(frozen=True, eq=False)
class ImageResult:
    """An image and what is to be said of it.

    Attributes
    ----------
    spec : ImageSpec
    image, residual, model, psf, pb : float32 (y, x)
        Jy/beam, Jy/beam, Jy/pixel, 1, 1; declination grows along y, right ascension falls along x. Nothing is blanked.
    mask : bool (y, x)
        Where CLEAN could put components in its last minor cycle.
    valid : bool (y, x)
        Where the primary beam is above pblimit.
    dirty_peak_jy, dirty_rms_jy : float
        Largest absolute value and robust rms of the dirty image, where valid [Jy/beam].
    beam : Beam
    sumwt : float
        Sum of the imaging weights.
    sensitivity_jy : float
        Theoretical noise of the image, from the weights [Jy/beam].
    peak_jy : float
        Largest value of the image, where valid [Jy/beam].
    peak_pixel : (int, int)
        Its x, y, from 0.
    peak_offset_arcsec : (float, float)
        Its offset from the image's centre, east and north [arcsec].
    rms_jy, std_jy : float
        1.4826 MAD, and standard deviation, of the residual where valid and outside the mask [Jy/beam]; where the mask
        leaves nothing, of all that is valid.
    dynamic_range : float
        peak / rms.
    threshold_jy : float
        Level that CLEAN was to stop at [Jy/beam].
    psf_sidelobe : float
        Highest sidelobe of the point spread function.
    niter_done, nmajor_done : int
    stop_reason : str
    flux_model_jy : float
        Sum of the model [Jy].
    centre_rad : (float, float)
        Right ascension and declination of the image's reference pixel (x, y) = (nx // 2, ny // 2) [rad].
    frame : str
        J2000 or ICRS.
    freq_hz, bandwidth_hz : float
        Centre and width of the band in LSRK [Hz].
    telescope, observer, field_name : str
    time_mjd_s : float
        Middle of the first integration [MJD s, in the frame of the data].
    dish_m : float
        Diameter of the antennas [m].
    observatory_m : (float, float, float)
        ITRF position of the array [m].
    nvis : int
        Visibilities (row, channel) that were gridded.
    """

    spec: ImageSpec
    image: NDArray[np.float32]
    residual: NDArray[np.float32]
    model: NDArray[np.float32]
    psf: NDArray[np.float32]
    pb: NDArray[np.float32]
    mask: NDArray[np.bool_]
    valid: NDArray[np.bool_]
    dirty_peak_jy: float
    dirty_rms_jy: float
    beam: Beam
    sumwt: float
    sensitivity_jy: float
    peak_jy: float
    peak_pixel: tuple[int, int]
    peak_offset_arcsec: tuple[float, float]
    rms_jy: float
    std_jy: float
    dynamic_range: float
    threshold_jy: float
    psf_sidelobe: float
    niter_done: int
    nmajor_done: int
    stop_reason: str
    flux_model_jy: float
    centre_rad: tuple[float, float]
    frame: str
    freq_hz: float
    bandwidth_hz: float
    telescope: str
    observer: str
    field_name: str
    time_mjd_s: float
    dish_m: float
    observatory_m: tuple[float, float, float]
    nvis: int

    def numbers(self) -> dict[str, object]:
        """Return what is no array, by name, ready for JSON."""
        out: dict[str, object] = {
            "beam_major_arcsec": self.beam.major_arcsec, "beam_minor_arcsec": self.beam.minor_arcsec,
            "beam_pa_deg": self.beam.pa_deg,
        }  # fmt: skip
        for name, value in vars(self).items():
            if isinstance(value, str | int | float):
                out[name] = value
            elif isinstance(value, tuple):
                out[name] = list(value)
        return out

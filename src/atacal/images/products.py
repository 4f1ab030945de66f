"""Images on disk: FITS files with the headers that CASA's exportfits writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import TableExists, WriteError
from atacal.images.spec import ImageResult

PRODUCTS = ("image", "residual", "model", "psf", "mask", "pb", "sumwt")
"""What is written of every image; image.pbcor is one more, where it is asked for."""
_UNITS = {"image": "Jy/beam", "residual": "Jy/beam", "image.pbcor": "Jy/beam", "model": "Jy/pixel"}
_WITH_BEAM = ("image", "residual", "psf", "image.pbcor")
_BLANKED = ("image", "residual", "pb", "image.pbcor")


def product_paths(imagename: str | os.PathLike[str], *, pbcor: bool = False) -> dict[str, Path]:
    """Return the files of an image by their kind."""
    names = (*PRODUCTS, "image.pbcor") if pbcor else PRODUCTS
    return {name: Path(f"{os.fspath(imagename)}.{name}.fits") for name in names}


def check_products(imagename: str | os.PathLike[str], *, pbcor: bool = False, overwrite: bool = False) -> None:
    """Raise `TableExists` if a file is in the way, `WriteError` if there is no folder for them."""
    for path in product_paths(imagename, pbcor=pbcor).values():
        if path.exists() and not overwrite:
            raise TableExists(f"{path} exists already; give another imagename, or overwrite=True")
        if not path.parent.is_dir():
            raise WriteError(f"{path} cannot be written: there is no folder {path.parent}")


def write_products(
    result: ImageResult, imagename: str | os.PathLike[str], *, pbcor: bool = False, overwrite: bool = False
) -> dict[str, Path]:
    """Write an image's FITS files, each under another name first.

    Parameters
    ----------
    result : ImageResult
    imagename : path
        Beginning of their names: ``X`` gives ``X.image.fits``, ``X.residual.fits``...
    pbcor : bool
        Write the image divided by the primary beam, too.
    overwrite : bool

    Returns
    -------
    dict of str -> Path

    Raises
    ------
    TableExists, WriteError

    Notes
    -----
    The same result gives the same bytes: headers have no time of writing.
    """
    check_products(imagename, pbcor=pbcor, overwrite=overwrite)
    paths = product_paths(imagename, pbcor=pbcor)
    for name, path in paths.items():
        _write(path, plane(result, name), header(result, name))
    return paths


def plane(result: ImageResult, name: str) -> NDArray[np.float32]:
    """Return a product's pixels, float32 (y, x), not a number where it is blank."""
    if name == "sumwt":
        return np.full((1, 1), result.sumwt, np.float32)
    if name == "image.pbcor":
        values = result.image / np.where(result.valid, result.pb, 1)
    else:
        values = getattr(result, name).astype(np.float32)
    if name in _BLANKED:
        values = np.where(result.valid, values, np.float32(np.nan))
    return np.asarray(values, np.float32)


def header(result: ImageResult, name: str) -> Any:
    """Return the FITS header of a product."""
    from astropy.io import fits
    from astropy.time import Time

    head = fits.Header()
    if name in _WITH_BEAM:
        head["BMAJ"] = (result.beam.major_arcsec / 3600, "[deg]")
        head["BMIN"] = (result.beam.minor_arcsec / 3600, "[deg]")
        head["BPA"] = (result.beam.pa_deg, "[deg]")
    head["BTYPE"] = "Intensity"
    head["OBJECT"] = result.field_name
    head["BUNIT"] = _UNITS.get(name, "")
    if result.frame == "J2000":
        head["EQUINOX"] = 2000.0
    head["RADESYS"] = "ICRS" if result.frame == "ICRS" else "FK5"
    head["LONPOLE"] = 180.0
    head["LATPOLE"] = float(np.degrees(result.centre_rad[1]))
    for key, value in _axes(result, name).items():
        head[key] = value
    head["RESTFRQ"] = (result.freq_hz, "Rest frequency (Hz)")
    head["SPECSYS"] = ("LSRK", "Spectral reference frame")
    head["VELREF"] = (257, "1 LSR, +256 radio")
    head["TELESCOP"] = result.telescope
    head["OBSERVER"] = result.observer
    head["DATE-OBS"] = Time(result.time_mjd_s / 86400, format="mjd", scale="utc", precision=6).isot
    head["TIMESYS"] = "UTC"
    head["OBSRA"] = float(np.degrees(result.centre_rad[0]) % 360)
    head["OBSDEC"] = float(np.degrees(result.centre_rad[1]))
    for axis, position in zip("XYZ", result.observatory_m, strict=True):
        head[f"OBSGEO-{axis}"] = position
    head["INSTRUME"] = result.telescope
    for key, value in _about(result).items():
        head[key] = value
    head["ORIGIN"] = "atacal"
    return head


def _axes(result: ImageResult, name: str) -> dict[str, Any]:
    nx, ny = result.spec.imsize if name != "sumwt" else (1, 1)
    cell = result.spec.cell_arcsec / 3600
    return {
        "CTYPE1": "RA---SIN", "CRVAL1": float(np.degrees(result.centre_rad[0]) % 360), "CDELT1": -cell,
        "CRPIX1": nx // 2 + 1.0, "CUNIT1": "deg",
        "CTYPE2": "DEC--SIN", "CRVAL2": float(np.degrees(result.centre_rad[1])), "CDELT2": cell,
        "CRPIX2": ny // 2 + 1.0, "CUNIT2": "deg",
        "CTYPE3": "FREQ", "CRVAL3": result.freq_hz, "CDELT3": result.bandwidth_hz, "CRPIX3": 1.0, "CUNIT3": "Hz",
        "CTYPE4": "STOKES", "CRVAL4": 1.0, "CDELT4": 1.0, "CRPIX4": 1.0, "CUNIT4": "",
        "PV2_1": 0.0, "PV2_2": 0.0,
    }  # fmt: skip


def _about(result: ImageResult) -> dict[str, Any]:
    """Return how the image was made, in keywords of our own."""
    spec = result.spec
    return {
        "WEIGHTNG": spec.weighting, "ROBUST": (spec.robust, "for Briggs weights"),
        "NITER": (result.niter_done, "iterations of CLEAN"), "NMAJOR": (result.nmajor_done, "major cycles"),
        "STOPPED": (result.stop_reason[:60], "why CLEAN stopped"),
        "SENSITIV": (result.sensitivity_jy, "theoretical noise [Jy/beam]"),
        "THRESHLD": (result.threshold_jy, "level CLEAN was to stop at [Jy/beam]"),
    }  # fmt: skip


def _write(path: Path, values: NDArray[np.float32], head: Any) -> None:
    from astropy.io import fits

    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fits.PrimaryHDU(values[None, None], header=head).writeto(temporary, overwrite=True, output_verify="silentfix")
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)

"""Masks that CLEAN is given: boxes and circles as text, FITS files, arrays, levels of the primary beam."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError

_NUMBER = r"\s*(-?\d+(?:\.\d*)?)\s*(?:pix)?\s*"
_PAIR = rf"\[{_NUMBER},{_NUMBER}\]"
_BOX = re.compile(rf"box\s*\[\s*{_PAIR}\s*,\s*{_PAIR}\s*\]", re.IGNORECASE)
_CIRCLE = re.compile(rf"circle\s*\[\s*{_PAIR}\s*,{_NUMBER}\]", re.IGNORECASE)
_POSSIBLE = "write 'circle[[120pix,120pix],10pix]', 'box[[100pix,100pix],[140pix,140pix]]', several separated by ';'"


def user_mask(mask: str | Path | NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Make the mask that a user describes.

    Parameters
    ----------
    mask : str, path or array (y, x)
        Empty for everything; regions in CASA's text format, pixels only: ``circle[[x,y],r]``, ``box[[x0,y0],[x1,y1]]``,
        several separated by ``;``; the name of a FITS image of the image's shape, or an array of it: what is not 0.
    shape : (int, int)
        ny, nx.

    Returns
    -------
    bool (y, x)

    Raises
    ------
    ArgumentError
    """
    if isinstance(mask, np.ndarray):
        return _of_shape(mask, shape, "the mask array")
    text = str(mask).strip()
    if not text:
        return np.ones(shape, bool)
    if text.lower().startswith(("box", "circle")):
        return _regions(text, shape)
    path = Path(text)
    if not path.is_file():
        raise ArgumentError(f"mask={text!r} is neither a FITS file nor a region in pixels; {_POSSIBLE}")
    from astropy.io import fits

    try:
        values = np.squeeze(fits.getdata(path))
    except OSError as error:
        raise ArgumentError(f"mask={text!r} cannot be read as a FITS image: {error}") from error
    return _of_shape(np.nan_to_num(values), shape, text)


def _of_shape(values: NDArray, shape: tuple[int, int], what: str) -> NDArray[np.bool_]:
    if values.shape != shape:
        raise ArgumentError(f"{what} has the shape {values.shape} (y, x); that of the image is {shape}")
    return np.asarray(values != 0)


def _regions(text: str, shape: tuple[int, int]) -> NDArray[np.bool_]:
    y, x = np.ogrid[: shape[0], : shape[1]]
    out = np.zeros(shape, bool)
    for region in filter(None, (part.strip() for part in text.split(";"))):
        if found := _BOX.fullmatch(region):
            x0, y0, x1, y1 = (float(g) for g in found.groups())
            inside = (x >= min(x0, x1)) & (x <= max(x0, x1)) & (y >= min(y0, y1)) & (y <= max(y0, y1))
        elif found := _CIRCLE.fullmatch(region):
            xc, yc, r = (float(g) for g in found.groups())
            inside = (x - xc) ** 2 + (y - yc) ** 2 <= r * r
        else:
            raise ArgumentError(f"mask={text!r}: the region {region!r} cannot be read; {_POSSIBLE}")
        if not inside.any():
            raise ArgumentError(f"mask={text!r}: {region!r} has no pixel of the image ({shape[1]} x {shape[0]})")
        out |= inside
    return out

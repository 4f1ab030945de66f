"""What tclean does with its parameters, and the pictures of an image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atacal.errors import ArgumentError

if TYPE_CHECKING:
    from atacal.images.spec import ImageResult, ImageSpec
    from atacal.ms.selection import Selection

_ONLY: dict[str, tuple[Any, ...]] = {
    "specmode": ("mfs",), "projection": ("SIN",), "outframe": ("LSRK", "lsrk"), "facets": (1,), "startmodel": ("",),
    "reffreq": ("",), "psfphasecenter": ("",), "vptable": ("",), "usepointing": (False,), "psterm": (False,),
    "normtype": ("flatnoise",), "restoration": (True,), "restoringbeam": ("", "common"), "outlierfile": ("",),
    "npixels": (0,), "uvtaper": ("",), "interactive": (False, 0), "savemodel": ("none",), "calcres": (True,),
    "calcpsf": (True,), "gridder": ("standard", "widefield", "wproject"),
}  # fmt: skip
"""Values that can be given; everything else is an error."""
_SELECTION = ("field", "spw", "timerange", "uvrange", "antenna", "scan", "observation", "intent")


def image_spec(given: dict[str, Any]) -> ImageSpec:
    """Turn the task's parameters into an `atacal.images.ImageSpec`, or say what cannot be done.

    Raises
    ------
    ArgumentError
    """
    from atacal.heuristics.imaging import AutoMask
    from atacal.images.spec import ImageSpec

    for name, possible in _ONLY.items():
        if _single(given[name]) not in possible:
            listed = ", ".join(repr(p) for p in possible)
            raise ArgumentError(f"tclean: {name}={given[name]!r} is not supported; possible: {listed}")
    if not str(given["imagename"]).strip():
        raise ArgumentError("tclean: imagename is empty; give the beginning of the files' names")
    if given["usemask"] == "pb" and not 0 < given["pbmask"] < 1:
        raise ArgumentError(f"tclean: usemask='pb' needs a pbmask between 0 and 1, not {given['pbmask']}")
    if given["weighting"] in ("briggsabs", "briggsbwtaper", "superuniform", "radial"):
        raise ArgumentError(
            f"tclean: weighting={given['weighting']!r} is not supported; possible: natural, uniform, briggs"
        )
    vis = (given["vis"],) if isinstance(given["vis"], str) else tuple(given["vis"])
    mask = given["mask"]
    names = (
        "datacolumn", "stokes", "weighting", "robust", "niter", "gain", "nsigma", "cycleniter", "cyclefactor",
        "minpsffraction", "maxpsffraction", "nmajor", "deconvolver", "usemask", "pbmask", "pblimit", "psfcutoff",
    )  # fmt: skip
    automatic = {f: given[f] for f in AutoMask.__dataclass_fields__}
    return ImageSpec(
        vis=vis, selection=_selections(given, len(vis)), cell_arcsec=_cell(given["cell"]),
        imsize=_size(given["imsize"]), phasecenter=str(given["phasecenter"]), threshold_jy=_flux_jy(given["threshold"]),
        mask=mask if isinstance(mask, str) else ";".join(mask), auto_mask=AutoMask(**automatic),
        **{name: given[name] for name in names},
    )  # fmt: skip


def _single(value: Any) -> Any:
    """Return the element of a list of one, '' for an empty one."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return value[0] if len(value) == 1 else "" if not value else list(value)


def _selections(given: dict[str, Any], count: int) -> tuple[Selection, ...]:
    from atacal.ms.selection import Selection

    names = _SELECTION if given["selectdata"] else ("field", "spw")
    out = []
    for i in range(count):
        texts = {}
        for name in names:
            value = given[name]
            if isinstance(value, str | int):
                texts[name] = str(value)
                continue
            if len(value) not in (1, count):
                raise ArgumentError(f"tclean: {name} has {len(value)} selections for {count} MeasurementSets")
            texts[name] = str(value[i if len(value) == count else 0])
        out.append(Selection(**texts))
    return tuple(out)


def _size(value: Any) -> tuple[int, int]:
    sides = [value] if isinstance(value, int) else list(value)
    if len(sides) not in (1, 2):
        raise ArgumentError(f"tclean: imsize={value!r}: it is one number of pixels, or two")
    return int(sides[0]), int(sides[-1])


def _cell(value: Any) -> float:
    """Read the width of a pixel [arcsec]."""
    from atacal.images.spec import ARCSEC
    from atacal.ms.phase_centre import angle_rad

    sides = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not sides or sides == [""]:
        raise ArgumentError("tclean: cell is empty; give the width of a pixel, such as '0.1arcsec'")
    widths = [angle_rad(s.replace(" ", "")) / ARCSEC if _has_unit(s) else float(s) for s in sides]
    if len(widths) > 2 or abs(widths[0] - widths[-1]) > 1e-9 * abs(widths[0]):
        raise ArgumentError(f"tclean: cell={value!r}: pixels are square; give one width")
    return widths[0]


def _has_unit(text: Any) -> bool:
    return isinstance(text, str) and not text.replace(".", "", 1).strip().isdigit()


def _flux_jy(value: Any) -> float:
    units = {"mJy": 1e-3, "uJy": 1e-6, "µJy": 1e-6, "Jy": 1.0}
    text = str(value).strip().removesuffix("/beam")
    unit = next((u for u in units if text.endswith(u)), "")
    try:
        return float(text.removesuffix(unit)) * units.get(unit, 1.0)
    except ValueError:
        raise ArgumentError(f"tclean: threshold={value!r} is no flux density; write 1mJy, 50uJy or 0.001") from None


def picture_paths(imagename: str, *, pbcor: bool) -> dict[str, Path]:
    """Return the pictures of an image by what they show."""
    names = ["image", "residual", "model", "psf", "mask", "pb", *(["image.pbcor"] if pbcor else [])]
    return {name: Path(f"{imagename}.{name}.png") for name in names}


def draw(result: ImageResult, name: str, path: Path, *, overwrite: bool = True) -> Path:
    """Draw one product of an image.

    Parameters
    ----------
    result : ImageResult
    name : str
        image, residual, model, psf, mask, pb, image.pbcor.
    path : Path
    overwrite : bool

    Returns
    -------
    Path

    Raises
    ------
    TableExists, WriteError
    """
    from atacal.images.products import plane
    from atacal.plots.images import SkyPicture, picture_sky

    beam = result.beam
    with_beam = name in ("image", "residual", "psf", "image.pbcor")
    units = {"image": "Jy/beam", "residual": "Jy/beam", "image.pbcor": "Jy/beam", "model": "Jy/pixel"}
    subtitle = (
        f"{result.freq_hz / 1e9:.3f} GHz (LSRK), {result.spec.weighting}"
        f"{f' {result.spec.robust:g}' if result.spec.weighting == 'briggs' else ''}; "
        f"beam {beam.major_arcsec:.3g}\u2033 x {beam.minor_arcsec:.3g}\u2033, {beam.pa_deg:.0f}\u00b0\n"
        f"peak {_short(result.peak_jy)}, rms {_short(result.rms_jy)}, theory {_short(result.sensitivity_jy)}; "
        f"{result.niter_done} iterations"
    )
    return picture_sky(
        SkyPicture(
            plane(result, name), result.spec.cell_arcsec, f"{result.field_name}: {name}", subtitle,
            units.get(name, ""), (beam.major_arcsec, beam.minor_arcsec, beam.pa_deg) if with_beam else None,
            result.mask if name in ("image", "residual", "image.pbcor") else None,
            result.rms_jy if name in ("image", "image.pbcor") else 0.0, result.field_name,
        ),
        path, overwrite=overwrite,
    )  # fmt: skip


def _short(jy: float) -> str:
    """Write a brightness with the prefix that fits."""
    for scale, unit in ((1.0, "Jy/beam"), (1e-3, "mJy/beam")):
        if abs(jy) >= scale:
            return f"{jy / scale:.4g} {unit}"
    return f"{jy / 1e-6:.4g} µJy/beam"

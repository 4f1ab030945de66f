"""Stage makeimages: the images that were listed, cleaned and scored."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from atacal.errors import AtacalError
from atacal.heuristics.imaging import (
    PB_MASK,
    THRESHOLD_SIGMAS,
    Kind,
    auto_mask_parameters,
    clean_iterations,
    clean_threshold,
    score_check_source,
    score_image,
)
from atacal.images.fit import fit_gaussian
from atacal.images.make import make_image
from atacal.images.products import write_products
from atacal.images.spec import ImageResult
from atacal.pipeline.block import Whole
from atacal.pipeline.charts import Axis, Chart, Matrix
from atacal.pipeline.results import in_words
from atacal.pipeline.stage import stage
from atacal.pipeline.stages.makeimlist import image_spec
from atacal.plots.images import SkyPicture, picture_sky
from atacal.results import plain

IMAGES = "images"
_KIND: dict[str, Kind] = {"CHECK": "check", "TARGET": "target"}
_CLEAR = 2.0
"""So many times the threshold is a peak that must be cleaned, whether or not a mask was found."""
_AROUND = 1.5
"""Radius of the region around a calibrator, in beams."""
_AS_BRIGHT = 0.8
"""Of sidelobes and a calibrator's place, the latter is believed from this share of the peak on."""
_SHOWN = 128
"""Pixels of an image's data that a chart has at most along a side: its middle."""


@stage("hif_makeimages", "Images", scope="run")
def hif_makeimages(
    whole: Whole,
    target_list: Mapping[str, Any] | None = None,
    hm_masking: str = "",
    hm_cleaning: str = "rms",
    tlimit: float | None = None,
    hm_weighting: str = "briggs",
    hm_cyclefactor: float = 1.0,
    drcorrect: float | None = None,
) -> None:
    """Make the images that makeimlist has listed, down to the noise that is expected or to what their beam allows.

    Parameters
    ----------
    target_list
        Accepted; the list of the context counts.
    hm_masking : {'', 'auto', 'centralregion', 'none'}
        Where to clean: auto-multithresh (today's), or inside 0.3 of the primary beam (Cycle 4's).
    hm_cleaning : {'rms'}
    tlimit : float, optional
        Clean to so many times the expected noise: 2, in Cycle 4 4.
    hm_weighting : {'briggs'}
    hm_cyclefactor : float
    drcorrect : float, optional
        By how much the threshold is raised, in place of the rule.
    """
    listed = whole.get("imlist", [])
    (whole.folder / IMAGES).mkdir(exist_ok=True)
    masking = hm_masking or ("centralregion" if whole.recipe == "cycle4" else "auto")
    options = {
        "recipe": whole.recipe, "masking": masking, "tlimit": tlimit or THRESHOLD_SIGMAS[whole.recipe],
        "cyclefactor": hm_cyclefactor, "drcorrect": drcorrect,
    }  # fmt: skip
    done = whole.map(image_one, [(os.fspath(whole.folder), planned, options) for planned in listed])
    shown = []
    for planned, found in zip(listed, done, strict=True):
        shown.append({**{k: v for k, v in planned.items() if k != "parts"}, **found["numbers"]})
        _report(whole, planned, found)
    whole.out.decisions["images"] = shown
    whole.set("imlist", [])
    made = [s for s in shown if "failed" not in s]
    whole.out.summary = _summary(made) if made else "nothing to image"


def image_one(folder: str, planned: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Make one image with its files and picture.

    Returns
    -------
    dict
        ``numbers`` (plain), ``files`` (relative to the run directory) and ``middle``, the pixels for a chart.
    """
    kind: Kind = _KIND.get(planned["intent"], "calibrator")
    sigma, peak, dish = planned["sensitivity_jy"], planned["dirty_peak_jy"], planned["dish_m"]
    threshold = (
        clean_threshold(
            sigma,
            peak,
            dish,
            kind,
            recipe=options["recipe"],
            blocks=len(planned["parts"]),
        )
        * options["tlimit"]
        / THRESHOLD_SIGMAS[options["recipe"]]
    )
    if options["drcorrect"]:
        threshold = options["tlimit"] * sigma * options["drcorrect"]
    beam = float(np.sqrt(planned["beam"][0] * planned["beam"][1]))
    niter = clean_iterations(
        peak,
        threshold,
        tuple(planned["imsize"]),
        planned["cell_arcsec"],
        beam,
        kind,
        recipe=options["recipe"],
    )
    masks: dict[str, dict[str, Any]] = {
        "auto": {"usemask": "auto-multithresh",
                 "auto_mask": auto_mask_parameters(dish, kind, planned["baseline_p75_m"])},
        "centralregion": {"usemask": "pb", "pbmask": PB_MASK},
        "none": {"usemask": "user"},
    }  # fmt: skip
    spec = image_spec(
        folder, planned, cell=planned["cell_arcsec"], imsize=planned["imsize"], robust=planned["robust"],
        phasecenter=planned["phasecenter"], uvrange=planned["uvrange"], datacolumn=planned["datacolumn"],
        niter=niter, threshold_jy=threshold, cyclefactor=options["cyclefactor"], **masks[options["masking"]],
    )  # fmt: skip
    masking = options["masking"]
    try:
        result = make_image(spec)
        if masking == "auto" and not result.mask.any() and result.dirty_peak_jy > _CLEAR * threshold:
            # few antennas: sidelobes nearly as high as the source leave nothing that stands out of them
            masking, mask = _fallback(result, kind)
            result = make_image(replace(spec, **mask))
        paths = write_products(result, f"{folder}/{IMAGES}/{planned['name']}", pbcor=True, overwrite=True)
    except AtacalError as error:
        return {"numbers": {"failed": in_words(error, folder)}, "files": [], "middle": None}
    numbers: dict[str, Any] = result.numbers() | {
        "threshold_over_sensitivity": threshold / sigma,
        "expected_rms_jy": threshold / options["tlimit"],
        "masking": masking,
        "niter": niter,
    }
    numbers |= _fit(result, within=masking == "middle")
    files = [p.relative_to(folder).as_posix() for p in paths.values()]
    files.append(_picture(result, planned, Path(folder)))
    return {"numbers": numbers, "files": files, "middle": _middle(result)}


def _fallback(result: ImageResult, kind: Kind) -> tuple[str, dict[str, Any]]:
    """Choose where to clean without a mask: around the middle if a calibrator's peak is there, else inside 0.3."""
    ny, nx = result.image.shape
    y, x = np.ogrid[:ny, :nx]
    from_middle = np.hypot(y - ny // 2, x - nx // 2) * result.spec.cell_arcsec
    middle = from_middle < _AROUND * result.beam.major_arcsec
    if kind != "target" and result.image[middle].max() > _AS_BRIGHT * result.peak_jy:
        return "middle", {"usemask": "user", "mask": middle}
    return "centralregion", {"usemask": "pb", "pbmask": PB_MASK}


def _fit(result: ImageResult, *, within: bool) -> dict[str, Any]:
    """Fit a Gaussian at the peak, or at that within the mask."""
    at: tuple[int, int] | None = None
    if within:
        y, x = np.unravel_index(int(np.where(result.mask, result.image, -np.inf).argmax()), result.image.shape)
        at = int(x), int(y)
    try:
        fit = fit_gaussian(result, at_pixel=at)
    except AtacalError as error:
        return {"fit_failed": in_words(error)}
    return {"fit": plain(fit)}


def _picture(result: ImageResult, planned: Mapping[str, Any], folder: Path) -> str:
    path = folder / IMAGES / f"{planned['name']}.image.png"
    beam = result.beam
    picture_sky(
        SkyPicture(
            np.where(result.valid, result.image, np.nan), result.spec.cell_arcsec,
            f"{planned['source']} ({planned['intent']}), spw {planned['spw']}",
            f"peak {1e3 * result.peak_jy:.4g} mJy/beam, rms {1e3 * result.rms_jy:.3g} mJy/beam, "
            f"beam {beam.major_arcsec:.3g} x {beam.minor_arcsec:.3g} arcsec",
            "Jy/beam", (beam.major_arcsec, beam.minor_arcsec, beam.pa_deg), result.mask, result.rms_jy, "phase centre",
        ),
        path,
    )  # fmt: skip
    return path.relative_to(folder).as_posix()


def _middle(result: ImageResult) -> dict[str, Any]:
    """Return the image's middle for a chart."""
    ny, nx = result.image.shape
    step = max(1, -(-max(nx, ny) // _SHOWN))
    y, x = slice(0, ny, step), slice(0, nx, step)
    cell = result.spec.cell_arcsec
    return {
        "x": (-(np.arange(nx)[x] - nx // 2) * cell).tolist(),
        "y": ((np.arange(ny)[y] - ny // 2) * cell).tolist(),
        "z": np.where(result.valid, result.image, np.nan)[y, x].astype(np.float64),
    }


def _report(whole: Whole, planned: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    numbers = found["numbers"]
    what = f"{planned['source']} ({planned['intent']}), spw {planned['spw']}"
    where = {"field": planned["source"], "spw": planned["spw"], "intent": planned["intent"]}
    if "failed" in numbers:
        whole.out.say("error", f"{what}: no image: {numbers['failed']}", "look at the flags of this source")
        whole.out.score(0.0, "image", None, "", "no image", f"{what}: {numbers['failed']}", hidden=False, **where)
        return
    whole.out.tables += found["files"]
    whole.chart(
        Chart(
            planned["name"], what, Axis("relative right ascension", "arcsec"), Axis("relative declination", "arcsec"),
            matrices=[Matrix(where, **found["middle"])], z=Axis("brightness", "Jy/beam"),
            caption="The whole image, thinned; the FITS file has every pixel.",
        )
    )  # fmt: skip
    expected = numbers["threshold_jy"] if whole.recipe == "cycle4" else numbers["expected_rms_jy"]
    text = f"{what}: rms {1e3 * numbers['rms_jy']:.3g} mJy/beam, expected {1e3 * numbers['expected_rms_jy']:.3g}"
    value = score_image(numbers["rms_jy"], expected, recipe=whole.recipe)
    whole.out.score(value, "image_rms", numbers["rms_jy"], "Jy/beam", "noise", text, hidden=False, **where)
    if planned["intent"] == "CHECK":
        _check(whole, numbers, what, where)


def _check(whole: Whole, numbers: dict[str, Any], what: str, where: dict[str, str]) -> None:
    fit = numbers.get("fit")
    if fit is None:
        verdict = score_check_source(None)
    else:
        verdict = score_check_source(fit["offset_beams"], fit["peak_jy"], fit["flux_jy"])
    for warning in verdict.warnings:
        whole.out.say("warning", f"{what}: {warning}", "the phase transfer may be bad: look at the phase calibrator")
    text = f"{what}: " + ("; ".join(verdict.warnings) or "at its place, with its flux density")
    whole.out.score(verdict.score, "check_source", verdict.score, "", "check source", text, hidden=False, **where)


def _summary(made: list[dict[str, Any]]) -> str:
    peaks = [1e3 * m["peak_jy"] for m in made]
    noise = max(m["rms_jy"] / m["expected_rms_jy"] for m in made)
    return (
        f"{len(made)} images, peaks {min(peaks):.3g} to {max(peaks):.3g} mJy/beam, "
        f"noise at most {noise:.2f} of what is expected"
    )

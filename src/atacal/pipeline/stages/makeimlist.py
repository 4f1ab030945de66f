"""Stage makeimlist: which images will be made, with cell, size and the noise to be expected."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atacal.errors import ArgumentError, AtacalError
from atacal.heuristics.imaging import ROBUST, cell_arcsec, combined_sensitivity, image_size
from atacal.images.gridding import wgridder
from atacal.images.make import make_image
from atacal.images.spec import ImageSpec
from atacal.ms.selection import Selection
from atacal.pipeline.block import Block, Whole
from atacal.pipeline.results import in_words
from atacal.pipeline.stage import stage

KINDS = {
    "PHASE": "ph", "BANDPASS": "bp", "AMPLITUDE": "flux", "CHECK": "chk", "POLARIZATION": "pol", "TARGET": "sci",
    "DIFFGAINREF": "dgr", "DIFFGAINSRC": "dgs",
}  # fmt: skip
"""The pipeline's endings of image names by intent."""
_LIGHT_M_S = 299_792_458.0
_PLAN_PIXELS = 128
_ARCSEC = np.pi / 648000


@stage("hif_makeimlist", "List of images", scope="run")
def hif_makeimlist(
    whole: Whole,
    imagename: str = "",
    intent: str = "TARGET",
    field: str = "",
    spw: str = "",
    contfile: str = "",
    linesfile: str = "",
    uvrange: str = "",
    specmode: str = "",
    outframe: str = "LSRK",
    hm_imsize: Sequence[int] | str = "",
    hm_cell: Sequence[str] | str = "",
    calmaxpix: int = 300,
    phasecenter: str = "",
    nchan: int = -1,
    start: str = "",
    width: str = "",
    nbins: str = "",
    robust: float | None = None,
    uvtaper: Sequence[str] | str = "",
    clearlist: bool = True,
    per_eb: bool = False,
    calcsb: bool = False,
    datacolumn: str = "corrected",
) -> None:
    """List the continuum images of some intents: one for each source and spw, all blocks together or each by itself.

    The cell is a fifth of the synthesised beam (Cycle 4: half of what CASA's imager advises), the size one and a half
    primary beams, `calmaxpix` at most for calibrators. A small dirty image of each tells the beam and the noise.

    Parameters
    ----------
    imagename : str
        Beginning of the images' names.
    intent : str
    field, spw, uvrange : str
        Only these.
    specmode : {'', 'mfs', 'cont'}
        An image of each spw, or of all together.
    hm_imsize : list of int
        Pixels, in place of the rule.
    hm_cell : str
        ``0.1arcsec``, or ``3ppb`` for three pixels a beam.
    calmaxpix : int
    phasecenter : str
    robust : float, optional
        0.5 by default.
    clearlist : bool
        Drop what an earlier call has listed.
    per_eb : bool
    datacolumn : {'corrected', 'data'}
    contfile, linesfile, outframe, nchan, start, width, nbins, uvtaper, calcsb
        Of cubes and tapers, which are not there: at their defaults.
    """
    if specmode not in ("", "mfs", "cont"):
        raise ArgumentError(f"hif_makeimlist: specmode={specmode!r} is not there; mfs and cont are")
    if contfile or linesfile or uvtaper or nbins or start or width or nchan != -1:
        raise ArgumentError("hif_makeimlist: contfile, linesfile, uvtaper, nbins, nchan, start, width are not there")
    wanted = [
        _Wanted(source, one, spws, blocks)
        for one in intent.split(",")
        for source, spws, blocks in _sources(whole, one, field, spw, specmode, per_eb)
    ]
    if wanted:
        wgridder()  # a library that is missing is said once
    options = {
        "robust": ROBUST if robust is None else robust, "cell": _cell(hm_cell), "imsize": _imsize(hm_imsize),
        "most": calmaxpix, "phasecenter": phasecenter, "uvrange": uvrange, "datacolumn": datacolumn,
        "recipe": whole.recipe, "prefix": imagename, "number": whole.number,
    }  # fmt: skip
    planned = whole.map(plan_image, [(os.fspath(whole.folder), w.plain(), options) for w in wanted])
    listed = [] if clearlist else list(whole.get("imlist", []))
    listed += [p for p in planned if "failed" not in p]
    for p in (p for p in planned if "failed" in p):
        whole.out.say("warning", f"{p['source']} ({p['intent']}), spw {p['spw']}: no image: {p['failed']}")
    whole.set("imlist", listed)
    whole.out.decisions["images"] = listed
    sources = ", ".join(dict.fromkeys(f"{w.source} ({w.intent})" for w in wanted))
    whole.out.summary = f"{len(listed)} images: {sources}" if listed else f"no data of intent {intent}: no images"


class _Wanted:
    """An image that is wanted: of a source, with an intent, of spws of some blocks."""

    def __init__(self, source: str, intent: str, spws: tuple[int, ...], blocks: list[Block]) -> None:
        self.source, self.intent, self.spws, self.blocks = source, intent, spws, blocks

    def plain(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "intent": self.intent,
            "spws": list(self.spws),
            "parts": [_part(b, self.source, self.intent) for b in self.blocks],
        }


def _part(block: Block, source: str, intent: str) -> dict[str, Any]:
    names = block.facts.metadata.field_names()
    fields = [f for f in block.facts.fields(intent) if names[f] == source]
    scans = [s.number for s in block.facts.science_scans(intent) if set(s.fields) & set(fields)]
    positions = block.facts.metadata.antenna_positions_m
    lengths = np.linalg.norm(positions[:, None] - positions[None], axis=2)[np.triu_indices(len(positions), 1)]
    return {
        "vis": block.name, "fields": fields, "scans": scans, "longest_m": float(lengths.max()),
        "baseline_p75_m": float(np.percentile(lengths, 75)),
        "dish_m": float(min(a.dish_diameter_m for a in block.facts.metadata.antennas)),
    }  # fmt: skip


def _sources(
    whole: Whole, intent: str, field: str, spw: str, specmode: str, per_eb: bool
) -> list[tuple[str, tuple[int, ...], list[Block]]]:
    """Return source, spws and blocks of each image."""
    only = {s.strip() for s in field.split(",") if s.strip()}
    spws_wanted = {int(s) for s in spw.split(",") if s.strip()}
    by_source: dict[str, list[Block]] = {}
    for block in whole.blocks:
        for name in block.facts.field_names(intent):
            if not only or name in only:
                by_source.setdefault(name, []).append(block)
    out: list[tuple[str, tuple[int, ...], list[Block]]] = []
    for name, blocks in by_source.items():
        for group in [[b] for b in blocks] if per_eb else [blocks]:
            there = set.intersection(*(set(b.facts.spws_of(intent)) & set(b.facts.science_spws) for b in group))
            chosen = tuple(s for s in sorted(there) if not spws_wanted or s in spws_wanted)
            out += [(name, chosen, group)] if specmode == "cont" and chosen else [(name, (s,), group) for s in chosen]
    return out


def plan_image(folder: str, wanted: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Decide an image's cell, size and name, from a small dirty image.

    Returns
    -------
    dict
        Of plain values; ``failed`` says why if there can be no image.
    """
    from atacal.ms.measurement_set import MeasurementSet

    parts, spws = wanted["parts"], wanted["spws"]
    first = f"{folder}/{parts[0]['vis']}"
    with MeasurementSet(first) as ms:
        freq = max(ms.metadata.spws[s].centre_freq_hz for s in spws)
        lowest = min(ms.metadata.spws[s].centre_freq_hz for s in spws)
        spread = _spread(ms, parts[0]["fields"])
    uv = max(p["longest_m"] for p in parts) * freq / _LIGHT_M_S
    dish = min(p["dish_m"] for p in parts)
    base = {"source": wanted["source"], "intent": wanted["intent"], "spw": ",".join(map(str, spws)), "parts": parts}
    spec = image_spec(
        folder, base, cell=0.5 / uv / _ARCSEC / 1.5, imsize=(_PLAN_PIXELS, _PLAN_PIXELS), robust=options["robust"],
        phasecenter=options["phasecenter"], uvrange=options["uvrange"], datacolumn=options["datacolumn"], pblimit=-0.1,
    )  # fmt: skip
    try:
        seen = make_image(spec)
    except AtacalError as error:
        return base | {"failed": in_words(error, folder)}
    cell = options["cell"].get("arcsec") or cell_arcsec(
        recipe=options["recipe"], beam_minor_arcsec=seen.beam.minor_arcsec * 5 / options["cell"].get("ppb", 5.0),
        longest_uv_lambda=uv,
    )  # fmt: skip
    most = options["most"] if wanted["intent"] != "TARGET" else 0
    size = options["imsize"] or image_size(cell, lowest, dish, spread_arcsec=spread, most=most)
    return base | {
        "name": _name(options, base), "cell_arcsec": cell, "imsize": list(size), "robust": options["robust"],
        "phasecenter": options["phasecenter"], "uvrange": options["uvrange"], "datacolumn": options["datacolumn"],
        "dish_m": dish, "baseline_p75_m": max(p["baseline_p75_m"] for p in parts),
        "beam": [seen.beam.major_arcsec, seen.beam.minor_arcsec, seen.beam.pa_deg],
        "sensitivity_jy": combined_sensitivity([seen.sensitivity_jy]), "dirty_peak_jy": seen.dirty_peak_jy,
    }  # fmt: skip


def image_spec(
    folder: str, planned: Mapping[str, Any], *, cell: float, imsize: Sequence[int], robust: float, phasecenter: str,
    uvrange: str, datacolumn: str, **clean: Any,
) -> ImageSpec:  # fmt: skip
    """Make the specification of an image that was planned."""
    parts = planned["parts"]
    return ImageSpec(
        vis=tuple(f"{folder}/{p['vis']}" for p in parts),
        selection=tuple(
            Selection(
                field=",".join(map(str, p["fields"])), spw=planned["spw"], scan=",".join(map(str, p["scans"])),
                uvrange=uvrange,
            )
            for p in parts
        ),
        cell_arcsec=cell, imsize=(int(imsize[0]), int(imsize[1])), weighting="briggs", robust=robust,
        phasecenter=phasecenter, datacolumn=datacolumn, **clean,
    )  # fmt: skip


def _spread(ms: Any, fields: Sequence[int]) -> tuple[float, float]:
    directions = np.array([ms.metadata.fields[f].phase_dir_rad for f in fields])
    ra = np.unwrap(directions[:, 0]) * np.cos(directions[:, 1].mean())
    return float(np.ptp(ra) / _ARCSEC), float(np.ptp(directions[:, 1]) / _ARCSEC)


def _name(options: Mapping[str, Any], planned: Mapping[str, Any]) -> str:
    """Name an image's files: nothing of a source's name can lead out of the folder."""
    source = re.sub(r"[^A-Za-z0-9+_.-]", "_", planned["source"]).strip(".")[:80] or "source"
    prefix = re.sub(r"[^A-Za-z0-9+_.-]", "_", options["prefix"])
    parts = planned["parts"]
    block = f"{parts[0]['vis'].removesuffix('.ms')}." if len(parts) == 1 else "all."
    spw = planned["spw"].replace(",", "_")
    field = parts[0]["fields"][0]
    return f"{prefix}{block}s{options['number']:02d}.{field}_{source}_{KINDS[planned['intent']]}.spw{spw}.mfs.I"


def _cell(given: Sequence[str] | str) -> dict[str, float]:
    text = given if isinstance(given, str) else (given[0] if given else "")
    found = re.fullmatch(r"\s*([\d.]+)\s*(arcsec|ppb)\s*", text) if text else None
    if text and not found:
        raise ArgumentError(f"hm_cell = {given!r} cannot be read; it can be 0.1arcsec or 5ppb")
    return {found.group(2): float(found.group(1))} if found else {}


def _imsize(given: Sequence[int] | str) -> list[int]:
    if isinstance(given, str):
        if given:
            raise ArgumentError(f"hm_imsize = {given!r} cannot be read; it can be [120, 120]")
        return []
    return [int(n) for n in given]

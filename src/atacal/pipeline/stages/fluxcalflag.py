"""Stage fluxcalflag: lines in the spectra of moons and planets that calibrate fluxes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.flux.solar_lines import LINES_GHZ
from atacal.heuristics.raw_channels import exempt_channels
from atacal.heuristics.scores import score_newly_flagged
from atacal.ms.metadata import Spw
from atacal.pipeline.block import Block
from atacal.pipeline.charts import Axis, Chart, Series
from atacal.pipeline.spw_choice import chosen_spws
from atacal.pipeline.stage import stage
from atacal.recipe.channels import ranges

_MAPPED = 0.66
Lines = dict[str, dict[str, list[tuple[float, float]]]]


def _files(block: Block, given: Mapping[str, Any]) -> dict[str, Path]:
    return {"lines": _lines_file(block, given["linesfile"])} if given["appendlines"] else {}


def _lines_file(block: Block, linesfile: str) -> Path:
    return block.folder / (linesfile or f"{block.stem}_.txt")


@stage("hifa_fluxcalflag", "Lines of flux calibrators", files=_files)
def hifa_fluxcalflag(
    block: Block,
    field: str = "",
    intent: str = "AMPLITUDE",
    spw: str = "",
    threshold: float = 0.75,
    appendlines: bool = False,
    linesfile: str = "",
    applyflags: bool = True,
) -> None:
    """Flag channels in known lines of solar system bodies; map spws that are mostly lines to others.

    Parameters
    ----------
    field, intent, spw : str
        Whose data; the science spws by default. ``field`` has names or ids with commas.
    threshold : float
        An spw with a larger share of its channels in lines is not flagged: its flux scale comes from the nearest spw
        in frequency that has less (refspwmap).
    appendlines, linesfile
        Read more lines from a file (``X_.txt`` by default): body, species, first and last frequency [GHz] in a line.
    applyflags : bool
        False: only find out.
    """
    lines = _known(block, appendlines, linesfile)
    spws = [block.facts.metadata.spws[s] for s in chosen_spws(block, spw, intent)] if block.facts.has(intent) else []
    found: list[dict[str, Any]] = []
    masks: dict[tuple[int, int], NDArray[np.bool_]] = {}
    for number in _fields(block, field, intent):
        body = block.facts.metadata.fields[number].name
        for one in spws:
            mask = _in_lines(lines.get(body.strip().lower(), {}), one, body, found)
            if mask.any():
                masks[number, one.id] = mask
    share = {s.id: max((float(m.mean()) for (_, n), m in masks.items() if n == s.id), default=0.0) for s in spws}
    refspwmap = _reference(spws, share, threshold)
    commands = _commands(block, masks, share, threshold, refspwmap)
    flagged = block.flag({"lines": commands if applyflags else []}, {"lines": found})
    block.set("refspwmap", refspwmap)
    _report(block, found, share, refspwmap, flagged[0].newly / flagged[0].total if flagged[0].total else 0.0)
    _draw(block, masks)


def _known(block: Block, append: bool, linesfile: str) -> Lines:
    """Return the lines by body (in small letters) and species [GHz]."""
    known: Lines = {b.lower(): {s: list(r) for s, r in of.items()} for b, of in LINES_GHZ.items()}
    if not append:
        return known
    path = _lines_file(block, linesfile)
    if not path.is_file():
        raise ArgumentError(f"hifa_fluxcalflag: appendlines: there is no file {path.name} in the run directory")
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split("#")[0].split()
        if not words:
            continue
        try:
            body, species, low, high = words[0], words[1], float(words[2]), float(words[3])
        except (IndexError, ValueError) as error:
            raise ArgumentError(f"{path.name}, line {number}: {line.strip()!r} is not: body species first_GHz "
                                "last_GHz") from error  # fmt: skip
        known.setdefault(body.lower(), {}).setdefault(species, []).append((low, high))
    return known


def _fields(block: Block, field: str, intent: str) -> list[int]:
    there = block.facts.fields(intent)
    wanted = {w.strip() for w in field.split(",") if w.strip()}
    names = block.facts.metadata.field_names()
    return [f for f in there if not wanted or wanted & {str(f), names[f]}]


def _in_lines(
    species: Mapping[str, Sequence[tuple[float, float]]], spw: Spw, body: str, found: list[dict[str, Any]]
) -> NDArray[np.bool_]:
    """Return which channels reach into lines, bool (chan,); note each line that is met."""
    mask = np.zeros(spw.nchan, bool)
    for name, spans in species.items():
        for low, high in spans:
            hit = exempt_channels(spw.chan_freq_hz, spw.chan_width_hz, [(low * 1e9, high * 1e9)])
            if hit.any():
                found.append({
                    "field": body, "spw": spw.id, "line": name, "freq_ghz": [low, high], "channels": ranges(hit),
                    "value": round(float(hit.mean()), 6), "measure": "share of channels",
                })  # fmt: skip
                mask |= hit
    return mask


def _reference(spws: Sequence[Spw], share: Mapping[int, float], threshold: float) -> list[int]:
    """Return fluxscale's refspwmap; [-1] where no spw, or every one, is mostly lines."""
    bad = [s for s in spws if share[s.id] > threshold]
    good = [s for s in spws if share[s.id] <= threshold]
    if not bad or not good:
        return [-1]
    mapped = list(range(max(s.id for s in spws) + 1))
    for spw in bad:
        mapped[spw.id] = min(good, key=lambda g: (abs(g.centre_freq_hz - spw.centre_freq_hz), g.id)).id
    return mapped


def _commands(
    block: Block, masks: Mapping[tuple[int, int], NDArray[np.bool_]], share: Mapping[int, float], threshold: float,
    refspwmap: list[int],
) -> list[str]:  # fmt: skip
    names, mapped = block.facts.metadata.field_names(), refspwmap != [-1]
    scans = block.facts.scan_list("AMPLITUDE")
    return [
        f"mode='manual' field='{names[field]}' scan='{scans}' spw='{spw}:{ranges(mask)}' reason='fluxcalflag:line'"
        for (field, spw), mask in sorted(masks.items())
        if not (mapped and share[spw] > threshold)
    ]


def _report(
    block: Block, found: Sequence[Mapping[str, Any]], share: Mapping[int, float], refspwmap: list[int], newly: float
) -> None:
    mapped = {str(s): t for s, t in enumerate(refspwmap) if t not in (s, -1)}
    block.out.decisions |= {
        "lines": list(found), "share_in_lines": {str(s): v for s, v in share.items() if v}, "refspwmap": refspwmap,
        "newly_flagged": newly,
    }  # fmt: skip
    block.out.score(score_newly_flagged(newly), "newly_flagged", newly, "share", "lines flagged",
                    f"{block.name}: {100 * newly:.2f} % of the science data newly flagged")  # fmt: skip
    if mapped:
        text = "; ".join(f"spw {s} takes the flux scale of spw {t}" for s, t in mapped.items())
        block.out.score(_MAPPED, "mapped_spws", len(mapped), "spws", "spws mapped", f"{block.name}: {text}")
        block.out.say("attention", f"mostly lines of the flux calibrator: {text}")
    elif refspwmap == [-1] and share and min(share.values()) > 0 and not newly:
        block.out.say(
            "warning", "every spw lies in lines of the flux calibrator", "compare its fluxes with a catalogue"
        )
    names = sorted({f"{f['line']} of {f['field']} in spw {f['spw']}" for f in found})
    block.out.summary = "; ".join(names) or "no lines of flux calibrators"


def _draw(block: Block, masks: Mapping[tuple[int, int], NDArray[np.bool_]]) -> None:
    if not masks:
        return
    meta, series = block.facts.metadata, []
    for (field, number), mask in sorted(masks.items()):
        spw = meta.spws[number]
        keys = {"spw": str(number), "field": meta.fields[field].name}
        freq = spw.chan_freq_hz / 1e9
        series.append(Series({**keys, "role": "kept"}, freq, np.where(mask, np.nan, float(number)), line=True))
        series.append(Series({**keys, "role": "line"}, freq, np.where(mask, float(number), np.nan), line=True))
    x, y = Axis("frequency", "GHz"), Axis("spw")
    caption = "Channels in lines of the body that calibrates fluxes."
    block.chart(Chart("flux_calibrator_lines", "Lines of flux calibrators", x, y, series=series, caption=caption))

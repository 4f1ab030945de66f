"""Where the data went, and one antenna through all stages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from atacal.weblog.attribution import Attribution
from atacal.weblog.charts import ChartInfo, natural
from atacal.weblog.findings import band, link_to, part_number
from atacal.weblog.names import stage_page
from atacal.weblog.site import Site

_WORD = re.compile(r"[A-Za-z0-9_.-]+")


def flag_pages(site: Site, flags: Sequence[Attribution], charts: Mapping[int, Sequence[ChartInfo]]) -> None:
    """Write the pages of flags and of single antennas."""
    pages = {str(s.number): stage_page(s.number, s.task) + "#flags" for s in site.run.stages}
    data = {"blocks": [f.plain() for f in flags], "pages": pages}
    site.page("flags.html", "flags.html", blocks=flags, flag_data=data)
    site.attempt("antennas.html", _antenna_page, flags, charts, data)


def _antenna_page(
    site: Site, flags: Sequence[Attribution], charts: Mapping[int, Sequence[ChartInfo]], data: dict[str, Any]
) -> None:
    antennas = sorted({a for f in flags for a in f.antennas}, key=natural)
    by_stage = [(stage, [c for c in charts.get(stage.number, []) if "antenna" in c.keys]) for stage in site.run.stages]
    by_stage = [(stage, listed) for stage, listed in by_stage if listed]
    chosen = [c for _, listed in by_stage for c in listed]
    keys = site.controls(chosen)
    keys["antenna"] = sorted({*antennas, *keys.get("antenna", [])}, key=natural)
    if len(site.run.blocks) > 1:
        keys["block"] = site.run.blocks
    site.page(
        "antennas.html", "antennas.html", flag_data=data, antenna_data=_about(site, keys["antenna"]), by_stage=by_stage,
        keys=keys, chart_index=[c.plain() for c in chosen], field_names=site.field_names,
    )  # fmt: skip


def _about(site: Site, antennas: Sequence[str]) -> list[dict[str, Any]]:
    """Return scores and messages with the antennas they name."""
    known = set(antennas)
    out = []
    for stage, part, i, s in site.run.every("scores"):
        text = str(s.get("long") or s.get("short"))
        where = str((s.get("where") or {}).get("antenna", ""))
        named = known & {*_WORD.findall(where), *_WORD.findall(text)}
        if named:
            link = link_to(stage, f"score-{part_number(stage, part.block)}-{i}")
            out.append(
                _item(stage.number, part.block, f"score {s['value']:.2f}", band(float(s["value"])), text, link, named)
            )
    for stage, part, i, m in site.run.every("messages"):
        named = known & set(_WORD.findall(str(m.get("text"))))
        if named:
            link = link_to(stage, f"message-{part_number(stage, part.block)}-{i}")
            out.append(
                _item(
                    stage.number, part.block, str(m.get("level")), str(m.get("level")), str(m.get("text")), link, named
                )
            )
    return out


def _item(stage: int, block: str, kind: str, colour: str, text: str, link: str, named: set[str]) -> dict[str, Any]:
    return {
        "stage": stage,
        "block": block,
        "kind": kind,
        "band": colour,
        "text": text,
        "link": link,
        "antennas": sorted(named),
    }

"""A page for each execution block: what was observed, when, where, with what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atacal.weblog.charts import ChartInfo
from atacal.weblog.names import block_page, slug
from atacal.weblog.overview_pages import holdings
from atacal.weblog.read import StageResult
from atacal.weblog.site import Site
from atacal.weblog.values import Shown, Value, cell, label, show

IMPORT = "hifa_importdata"
_FIRST = (
    "project", "observer", "ous", "scheduling_block", "execution_block", "session", "telescope", "receivers", "mode",
    "start_mjd_s", "end_mjd_s", "on_target_s", "integration_s", "antennas", "dish_diameters_m", "size_bytes",
)  # fmt: skip
_LISTOBS_BYTES = 400_000


@dataclass
class Group:
    """A part of the page: which charts of the import, by the beginning of their names, and which decisions it shows."""

    anchor: str
    title: str
    names: tuple[str, ...]
    decisions: tuple[str, ...]
    charts: list[ChartInfo] = field(default_factory=list)
    shown: Shown | None = None


def _groups() -> list[Group]:
    return [
        Group("scans", "Scans, intents and fields against time", ("intents", "fields_time"), ("scans",)),
        Group("spatial", "Spatial setup", ("spatial", "pointings"), ("fields", "separations")),
        Group("spectral", "Spectral setup", ("spectral",), ("spws",)),
        Group("antennas", "Antennas", ("antennas", "uv", "baselines"), ("antenna_table", "baselines")),
        Group("sky", "Sky", ("elevation", "azimuth", "sun"), ("sky",)),
        Group("weather", "Weather and water", ("weather", "pwv"), ("weather",)),
    ]


def block_pages(site: Site, charts: Mapping[int, Sequence[ChartInfo]]) -> None:
    """Write the blocks' pages."""
    imported = next((s for s in site.run.stages if s.task == IMPORT), None)
    for block in site.run.blocks:
        of_block = [c for c in charts.get(imported.number, []) if c.block == block] if imported else []
        site.attempt(block_page(site.run.blocks, block), _block_page, block, imported, of_block)


def _block_page(site: Site, block: str, imported: StageResult | None, charts: list[ChartInfo]) -> None:
    held = holdings(site.run, block)
    groups, left = _groups(), list(charts)
    for group in groups:
        group.charts = [c for c in left if c.name.startswith(group.names)]
        left = [c for c in left if c not in group.charts]
        found = {k: held[k] for k in group.decisions if held.get(k)}
        group.shown = show(group.title, found) if found else None
    groups = [g for g in groups if g.charts or g.shown]
    if left:
        groups.append(Group("more", "More", (), (), left))
    shown = [c for g in groups for c in g.charts]
    page, text = _listobs(site, imported, block)
    site.page(
        block_page(site.run.blocks, block), "block.html", block=block, facts=_facts(held, groups), groups=groups,
        charts=shown, keys=site.controls(shown), chart_index=[c.plain() for c in shown], field_names=site.field_names,
        sections=[("facts", "In short"), *((g.anchor, g.title) for g in groups), *([("listobs",) * 2] if text else [])],
        others=[(block_page(site.run.blocks, b), b) for b in site.run.blocks if b != block], listobs=page,
        listobs_text=text,
    )  # fmt: skip


def _facts(held: Mapping[str, Any], groups: Sequence[Group]) -> list[tuple[str, list[Value]]]:
    taken = {name for g in groups for name in g.decisions}
    out = []
    for name in [*(n for n in _FIRST if n in held), *(n for n in held if n not in _FIRST)]:
        value = held[name]
        if (
            name not in taken
            and not isinstance(value, Mapping)
            and not (isinstance(value, list) and any(isinstance(v, (Mapping, list)) for v in value))
        ):
            out.append((label(name), cell(value, name)))
    return out


def _listobs(site: Site, imported: StageResult | None, block: str) -> tuple[str, str]:
    """Return the page of the listing, and its text."""
    path = imported.folder / f"{block}.listobs.txt" if imported else Path()
    if imported is None or path.parent != imported.folder or not path.is_file():
        return "", ""
    data = path.read_bytes()
    page = f"logs/{slug(block)}.listobs.txt"
    site.write(page, data)
    return page, data[:_LISTOBS_BYTES].decode("utf-8", "replace")

"""The benchmark's table and the description of the machine, written into a page between its markers."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path
from typing import Any

RECIPE, RAW, PIPELINE = "benchmark", "raw benchmark", "pipeline benchmark"
"""Names of the sections in the page's markers."""
AIMS = {
    "phase-up": 10,
    "bandpass": 10,
    "phase int": 10,
    "amplitude inf": 10,
    "phase inf": 10,
    "applycal": 8,
    "split": 4,
}
RAW_AIMS = {"importasdm": 5, "wvrgcal": 5, "applycal": 8}
"""How many times faster than CASA each step should be."""
TOTAL_AIM, MEMORY_AIM_MB = 10, 1000


def machine() -> str:
    """Describe this machine in a line."""
    model = "unknown processor"
    if Path("/proc/cpuinfo").is_file():
        lines = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores of {model}, {memory:.0f} GiB memory, {platform.system()} {platform.release().split('-')[0]}"


def table(
    casa: dict[str, Any] | None, atacal: dict[str, Any] | None, aims: dict[str, int], total_aim: int | None
) -> str:
    """Write the steps as a Markdown table of seconds, ratios and peak memory."""
    lines = [
        "| step | CASA [s] | atacal [s] | ratio | aim | CASA peak [MB] | atacal peak [MB] |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    by_name = [{s["step"]: s for s in run["steps"]} if run else {} for run in (casa, atacal)]
    names = list(by_name[0] or by_name[1])
    for name in names:
        lines.append(_row(name, *(steps.get(name) for steps in by_name), aim=aims.get(name)))
    sums = [
        {"seconds": sum(s["seconds"] for s in steps.values()), "peak_mb": max(s["peak_mb"] for s in steps.values())}
        if steps
        else None
        for steps in by_name
    ]
    lines.append(_row("**total**", *sums, aim=total_aim))
    return "\n".join(lines)


def _row(name: str, casa: dict[str, Any] | None, atacal: dict[str, Any] | None, aim: int | None) -> str:
    cells = [name]
    cells += [f"{x['seconds']:.2f}" if x else "-" for x in (casa, atacal)]
    cells.append(f"{casa['seconds'] / atacal['seconds']:.1f}" if casa and atacal else "-")
    cells.append(f"{aim}" if aim else "")
    cells += [f"{x['peak_mb']:.0f}" if x else "-" for x in (casa, atacal)]
    return "| " + " | ".join(cells) + " |"


def flux_table(casa: dict[str, Any] | None, atacal: dict[str, Any] | None, truth: dict[str, list[float]]) -> str:
    """Write the fluxes that both find, and the truth, as a Markdown table."""
    runs = [r["fluxes"] for r in (casa, atacal) if r]
    names = [r["engine"].replace("casa", "CASA") for r in (casa, atacal) if r]
    lines = [
        f"| field | spw | truth [Jy] | {' | '.join(f'{n} [Jy]' for n in names)} |",
        "|---|---:|---:|" + "---:|" * len(names),
    ]
    for field, spws in runs[0].items():
        for spw in spws:
            values = " | ".join(f"{run[field][spw]:.6f}" for run in runs)
            lines.append(f"| {field} | {spw} | {truth[field][int(spw)]:.6f} | {values} |")
    return "\n".join(lines)


def page(
    casa: dict[str, Any] | None, atacal: dict[str, Any] | None, truth: dict[str, Any], build_s: float, size_gb: float
) -> str:
    """Write what stands between the markers."""
    spws = truth["spws"]
    versions = " against ".join(r["version"] for r in (atacal, casa) if r)
    return "\n\n".join(
        [
            f"{versions}, {datetime.date.today()}, on {machine()}; Python {platform.python_version()} for atacal.",
            f"The MeasurementSet: {len(truth['antennas'])} antennas, {len(spws)} spws of {spws[0]['nchan']} channels, "
            f"{truth['nrow']} rows, {size_gb:.1f} GB, made by `atacal simulate` in {build_s:.0f} s.",
            table(casa, atacal, AIMS, TOTAL_AIM),
            "The flux densities that `fluxscale` found on the way:",
            flux_table(casa, atacal, truth["flux_jy"]),
        ]
    )


def raw_page(casa: dict[str, Any] | None, atacal: dict[str, Any] | None, about: str) -> str:
    """Write what stands between the markers of the raw block's section; ``about``: a line on the data."""
    versions = " against ".join(r["version"] for r in (atacal, casa) if r)
    first = f"{versions}, {datetime.date.today()}, on {machine()}; Python {platform.python_version()} for atacal."
    return "\n\n".join([first, about, table(casa, atacal, RAW_AIMS, None)])


def pipeline_page(found: list[tuple[int, float, dict[str, Any]]]) -> str:
    """Write the pipeline's section: channels of a window, size [GB] and result of each block."""
    lines = [f"{datetime.date.today().isoformat()}, {machine()}", ""]
    lines += [
        "| block | size [GB] | time [min] | peak of all processes [GB] | lowest score |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| 36 antennas, 4 windows of {nchan} channels, 40 min | {size:.1f} | {r['seconds'] / 60:.1f} "
        f"| {r['peak_mb'] / 1e3:.2f} | {r['score']:.2f} |"
        for nchan, size, r in found
    ]
    lines += ["", "| stage | " + " | ".join(f"{nchan} channels [s]" for nchan, _, _ in found) + " |"]
    lines.append("|---|" + "---:|" * len(found))
    for name in found[0][2]["stages"]:
        lines.append(f"| {name} | " + " | ".join(f"{r['stages'].get(name, 0.0):.1f}" for _, _, r in found) + " |")
    return "\n".join(lines)


def write(path: Path, section: str, text: str) -> None:
    """Replace what stands between the markers of a page's section.

    Raises
    ------
    ValueError
        If the page has no markers.
    """
    first, last = f"<!-- {section}: begin -->", f"<!-- {section}: end -->"
    old = path.read_text(encoding="utf-8")
    head, begin, rest = old.partition(first)
    _, end, tail = rest.partition(last)
    if not begin or not end:
        raise ValueError(f"{path} has no markers {first} and {last}")
    path.write_text(f"{head}{first}\n\n{text}\n\n{last}{tail}", encoding="utf-8")

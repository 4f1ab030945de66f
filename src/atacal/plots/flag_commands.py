"""Which antenna was flagged when, and why: bars over time, a line an antenna, a colour a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atacal.errors import EmptySelection
from atacal.plots.style import TimeAxis, check_free, class_colours, new_figure, save_figure

ANTENNAS_A_PAGE = 28
_DPI = 150


@dataclass(frozen=True)
class Bar:
    """One flag: antenna, reason, begin and end [MJD s]."""

    antenna: str
    reason: str
    begin_mjd_s: float
    end_mjd_s: float


def picture_flag_commands(
    bars: Sequence[Bar], path: Path, within_mjd_s: tuple[float, float], *, title: str = "", overwrite: bool = True
) -> list[Path]:
    """Draw flags.

    Parameters
    ----------
    bars : sequence of Bar
    path : Path
        With more than 28 antennas there are several pictures, ``NAME-001.png``...
    within_mjd_s : (float, float)
        Begin and end of the data; flags are cut there.
    title : str
    overwrite : bool

    Returns
    -------
    list of Path

    Raises
    ------
    EmptySelection, TableExists, WriteError
    """
    low, high = within_mjd_s
    shown = [
        Bar(b.antenna, b.reason, max(b.begin_mjd_s, low), min(b.end_mjd_s, high))
        for b in bars
        if b.begin_mjd_s <= high and b.end_mjd_s >= low
    ]
    if not shown:
        raise EmptySelection(f"none of the {len(bars)} flags is within the time of the data; nothing to draw")
    antennas = sorted({b.antenna for b in shown})
    reasons = list(dict.fromkeys(b.reason for b in shown))
    pages = [antennas[i : i + ANTENNAS_A_PAGE] for i in range(0, len(antennas), ANTENNAS_A_PAGE)]
    names = [path] if len(pages) == 1 else [
        path.with_name(f"{path.stem}-{i + 1:03d}{path.suffix}") for i in range(len(pages))
    ]  # fmt: skip
    for name in names:
        check_free(name, overwrite=overwrite)
    for name, page in zip(names, pages, strict=True):
        _page([b for b in shown if b.antenna in page], page, reasons, name, (low, high), title, overwrite)
    return names


def _page(
    bars: list[Bar], antennas: list[str], reasons: list[str], path: Path, within: tuple[float, float], title: str,
    overwrite: bool,
) -> None:  # fmt: skip
    times = TimeAxis(*within)
    colours = dict(zip(reasons, class_colours(len(reasons)), strict=True))
    used = [r for r in reasons if any(b.reason == r for b in bars)]
    figure = new_figure(10.0, 2.2 + 0.22 * len(antennas) + 0.22 * len(used), _DPI)
    axes = figure.add_subplot()
    figure.subplots_adjust(left=0.14, right=0.97)
    height = 0.8 / len(used)
    seen = (within[1] - within[0]) / 600  # what is shorter than a dot is drawn as wide as a dot
    for i, reason in enumerate(used):
        chosen = [b for b in bars if b.reason == reason]
        begin = times.offsets(np.array([b.begin_mjd_s for b in chosen]))
        width = np.maximum(np.array([b.end_mjd_s - b.begin_mjd_s for b in chosen]), seen)
        lines = np.array([antennas.index(b.antenna) for b in chosen]) - 0.4 + height * (i + 0.5)
        axes.barh(lines, width, height, left=begin, color=colours[reason], label=reason.replace("_", " "), linewidth=0)
    axes.set_yticks(range(len(antennas)), antennas)
    axes.set_ylim(len(antennas) - 0.4, -0.6)
    margin = 0.01 * (within[1] - within[0])
    left, right = times.offsets(np.array(within))
    axes.set_xlim(left - margin, right + margin)
    times.dress(axes.xaxis)
    axes.set_xlabel(times.label)
    axes.grid(axis="x", alpha=0.3)
    figure.suptitle(title)
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), frameon=False)
    save_figure(figure, path, overwrite=overwrite)

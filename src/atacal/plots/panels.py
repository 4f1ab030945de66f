"""Drawing: pages of panels with shared axes, one legend, one title."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.plots.style import TimeAxis, new_figure

Drawing = Callable[[Any], None]
"""Draws into a matplotlib Axes."""


@dataclass(eq=False)
class Panel:
    """One panel: a name in its corner and what draws its content."""

    name: str
    draw: Drawing
    xlim: tuple[float, float] | None = None
    ylim: tuple[float, float] | None = None
    phase: bool = False


@dataclass(eq=False)
class Page:
    """What all panels of a picture share.

    Attributes
    ----------
    title : str
        First line: what is shown; second line (after a line break): selection and averaging.
    xlabel, ylabel : str
    legend : list of (label, colour, marker)
        Marker is matplotlib's; an entry whose marker starts with ``o`` and ends with ``none`` is hollow.
    scale : (axis label, labels), optional
        A colour scale from ``labels[0]`` to ``labels[-1]`` in place of a legend.
    time : TimeAxis, optional
        Ticks for a horizontal axis of times.
    integer_x, integer_y : bool
        Ticks at whole numbers only.
    phase_y : bool
        The vertical axis is a phase over the full circle: ticks at multiples of 90 degrees.
    """

    title: str
    xlabel: str
    ylabel: str
    legend: list[tuple[str, str, str]] = field(default_factory=list)
    scale: tuple[str, list[str]] | None = None
    time: TimeAxis | None = None
    time_y: TimeAxis | None = None
    integer_x: bool = False
    integer_y: bool = False
    phase_y: bool = False
    xticks: tuple[list[float], list[str]] | None = None
    grid: bool = False
    note: str = ""


def layout(npanel: int, *, most: int = 36) -> tuple[int, int]:
    """Return (rows, columns) that hold up to ``most`` panels a page."""
    count = min(npanel, most)
    columns = math.ceil(math.sqrt(count))
    return math.ceil(count / columns), columns


def page_size(rows: int, columns: int) -> tuple[float, float]:
    """Return the size of a page [inch] that keeps its panels readable."""
    if rows * columns == 1:
        return 10.0, 6.5
    return min(max(3.2 * columns, 9.0), 18.0), min(max(2.1 * rows + 1.6, 6.0), 14.0)


def draw_page(
    panels: Sequence[Panel | None],
    page: Page,
    *,
    rows: int,
    columns: int,
    size_in: tuple[float, float] | None = None,
    dpi: int = 100,
    share: tuple[bool, bool] = (True, True),
) -> Any:
    """Draw one page.

    Parameters
    ----------
    panels : sequence of Panel or None
        At most ``rows x columns``; None leaves a place empty.
    page : Page
    rows, columns : int
    size_in : (width, height), optional
        [inch].
    dpi : int
    share : (bool, bool)
        Whether the panels' x, y limits are the same, so that only the outer ones carry numbers.

    Returns
    -------
    matplotlib.figure.Figure
    """
    width, height = size_in or page_size(rows, columns)
    figure = new_figure(width, height, dpi)
    present = [p for p in panels if p]
    powers = _powers(present, page)
    many = rows * columns > 1
    small = 7 if rows * columns > 9 else 8 if many else 9
    right = _legend_width(page) / width
    head = (0.78 if "\n" in page.title else 0.5) + (0.12 if any(p.name for p in present) else 0)
    low = 0.62 + (0.15 if page.note else 0) + (0.3 if page.xticks and len(page.xticks[0]) > 8 else 0)
    left, bottom, top = 0.85 / width, low / height, 1 - head / height
    spec = figure.add_gridspec(
        rows, columns, left=left, right=1 - 0.2 / width - right, bottom=bottom, top=top,
        wspace=0.06 if share[1] else 0.32, hspace=0.14 if share[0] else 0.38,
    )  # fmt: skip
    for k, panel in enumerate(panels):
        if panel is None:
            continue
        row, column = divmod(k, columns)
        axes = figure.add_subplot(spec[row, column])
        panel.draw(axes)
        if panel.xlim:
            axes.set_xlim(panel.xlim)
        if panel.ylim:
            axes.set_ylim(panel.ylim)
        phase = page.phase_y or panel.phase
        _dress(axes, replace(page, phase_y=phase), rows, columns, small, powers)
        bottommost = k + columns >= len(panels)
        axes.tick_params(labelsize=small, labelbottom=bottommost or not share[0], labelleft=column == 0 or not share[1])
        if panel.name:
            axes.set_title(panel.name, loc="left", fontsize=small + 1, fontweight="bold", pad=2.5, y=1.0)
    _write_around(figure, page, width, height, left, right, powers)
    return figure


def _powers(panels: Sequence[Panel], page: Page) -> tuple[int, int]:
    """Return the powers of ten that the numbers along x, y are written in."""
    out = []
    for spans, special in (
        ([p.xlim for p in panels if p.xlim], page.time is not None or page.xticks is not None),
        ([p.ylim for p in panels if p.ylim], page.time_y is not None),
    ):
        top = max((max(abs(a), abs(b)) for a, b in spans), default=1.0)
        plain = special or top == 0 or 1e-2 <= top < 1e5
        out.append(0 if plain else math.floor(math.log10(top)))
    return out[0], out[1]


def _dress(axes: Any, page: Page, rows: int, columns: int, small: int, powers: tuple[int, int]) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator, ScalarFormatter

    axes.grid(visible=True, color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
    xcount = {1: 8, 2: 5, 3: 4}.get(columns, 3)
    ycount = {1: 8, 2: 6, 3: 5}.get(rows, 4)
    sides = ((axes.xaxis, xcount, page.integer_x, powers[0]), (axes.yaxis, ycount, page.integer_y, powers[1]))
    for axis, count, integer, power in sides:
        axis.set_major_locator(MaxNLocator(count, integer=integer, min_n_ticks=2))
        axis.set_major_formatter(ScalarFormatter(useOffset=False))
        if power:
            axis.set_major_formatter(FuncFormatter(lambda v, _, unit=10.0**power: f"{v / unit:.6g}"))
    low, high = axes.get_ylim()
    if page.phase_y and high - low > 250:
        axes.yaxis.set_major_locator(MultipleLocator(90 if rows <= 4 else 180))
    if page.time:
        page.time.dress(axes.xaxis, nticks=xcount)
    if page.time_y:
        page.time_y.dress(axes.yaxis, nticks=ycount)
    if page.xticks:
        axes.set_xticks(page.xticks[0], page.xticks[1], rotation=90 if len(page.xticks[0]) > 8 else 0)


def _legend_width(page: Page) -> float:
    """Return the width [inch] that the legend or the colour scale takes."""
    if page.scale:
        return 1.05
    if not page.legend:
        return 0.0
    longest = max(len(label) for label, _, _ in page.legend)
    return _legend_columns(page) * (0.42 + 0.072 * min(longest, 26)) + 0.1


def _legend_columns(page: Page) -> int:
    return 1 if len(page.legend) <= 28 else 2 if len(page.legend) <= 56 else 3


def _write_around(
    figure: Any, page: Page, width: float, height: float, left: float, right: float, powers: tuple[int, int]
) -> None:
    labels = [f"{t} [$10^{{{p}}}$]" if p else t for t, p in zip((page.xlabel, page.ylabel), powers, strict=True)]
    head, _, rest = page.title.partition("\n")
    figure.text(left, 1 - 0.12 / height, head, va="top", ha="left", fontsize=11.5, fontweight="bold")
    if rest:
        figure.text(left, 1 - 0.40 / height, rest, va="top", ha="left", fontsize=9, color="#333333")
    middle = (left + 1 - 0.2 / width - right) / 2
    figure.text(middle, (0.12 + (0.15 if page.note else 0)) / height, labels[0], ha="center", va="bottom", fontsize=10)
    figure.text(0.12 / width, 0.5, labels[1], ha="left", va="center", rotation=90, fontsize=10)
    if page.note:
        figure.text(left, 0.05 / height, page.note, ha="left", va="bottom", fontsize=7.5, color="#555555")
    if page.scale:
        _draw_scale(figure, page.scale, width, right)
    elif page.legend:
        _draw_legend(figure, page, width, height, right)


def _draw_legend(figure: Any, page: Page, width: float, height: float, right: float) -> None:
    from matplotlib.lines import Line2D

    most = 84
    shown = page.legend[:most]
    handles = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=m.split()[0],
            color=c,
            markersize=6,
            markerfacecolor="none" if m.endswith("none") else c,
        )
        for _, c, m in shown
    ]
    names = [label if len(label) <= 26 else f"{label[:25]}…" for label, _, _ in shown]
    if len(page.legend) > most:
        handles.append(Line2D([], [], linestyle=""))
        names.append(f"… {len(page.legend) - most} more")
    figure.legend(
        handles, names, loc="upper left", bbox_to_anchor=(1 - right - 0.1 / width, 1 - 0.7 / height), frameon=False,
        fontsize=8, ncols=_legend_columns(page), handletextpad=0.2, borderaxespad=0, columnspacing=0.8,
    )  # fmt: skip


def _draw_scale(figure: Any, scale: tuple[str, list[str]], width: float, right: float) -> None:
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    name, labels = scale
    axes = figure.add_axes((1 - right, 0.2, 0.16 / width, 0.6))
    bar = figure.colorbar(ScalarMappable(Normalize(0, len(labels) - 1), colormaps["cividis"]), cax=axes)
    ticks = sorted({0, (len(labels) - 1) // 2, len(labels) - 1})
    bar.set_ticks(ticks, labels=[labels[i] for i in ticks])
    axes.tick_params(labelsize=8)
    axes.set_title(name, fontsize=9, loc="left", y=1.0)


def limits(values: NDArray, *, margin: float = 0.04, least: float = 0.0) -> tuple[float, float]:
    """Return limits that hold the finite values with a margin; never of zero size.

    Parameters
    ----------
    values : array
    margin : float
        Fraction of the range left free on both sides.
    least : float
        Smallest range, in units of ``values``.
    """
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    size = max(high - low, least, abs(high) * 1e-9)
    if size == 0 or high == low:
        size = max(least, abs(high) * 0.1, 1e-3) if high != low or least else max(abs(high) * 0.1, 1.0)
        middle = (low + high) / 2
        low, high = middle - size / 2, middle + size / 2
    return low - margin * size, high + margin * size

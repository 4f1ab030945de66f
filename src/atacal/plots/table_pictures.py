"""Pictures of calibration tables: panels of antennas (or spws, fields, times), coloured by polarisation and more."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable
from atacal.errors import ArgumentError, EmptySelection
from atacal.plots.panels import Page, Panel, draw_page, layout, limits, page_size
from atacal.plots.style import FLAGGED, TimeAxis, class_colours, save_figure, save_numbers, utc_text
from atacal.plots.tables import (
    LABELS,
    TablePoints,
    TableSelection,
    antenna_names,
    pol_names,
    table_axis,
    table_points,
)

COLOURINGS = ("pol", "spw", "field", "time", "antenna")
ITERATIONS = ("antenna", "spw", "field", "time")


@dataclass(frozen=True)
class TableRequest:
    """What is drawn of a table, and how.

    Attributes
    ----------
    x, y : str
        Names from `table_axis`.
    selection : TableSelection
    panels : tuple of str
        Each combination of these (from `ITERATIONS`) has a panel.
    colour : tuple of str
        Each combination of these (from `COLOURINGS`) has a colour.
    flagged : bool
        Show flagged solutions as hollow marks.
    grid : (rows, columns)
        (0, 0) chooses.
    window : (xmin, xmax, ymin, ymax)
        nan for a side to be found.
    markersize : float
        [pt]; 0 chooses.
    marks, lines : bool
        What solutions are drawn with.
    title : str
        In place of our own first line.
    marker : str
    """

    x: str
    y: str
    selection: TableSelection = field(default_factory=TableSelection)
    panels: tuple[str, ...] = ("antenna",)
    colour: tuple[str, ...] = ("pol",)
    flagged: bool = True
    grid: tuple[int, int] = (0, 0)
    window: tuple[float, float, float, float] = (np.nan, np.nan, np.nan, np.nan)
    markersize: float = 0.0
    marks: bool = True
    lines: bool = False
    title: str = ""
    marker: str = "o"
    dpi: int = 100


def picture_table(
    table: CalTable, request: TableRequest, path: Path, *, overwrite: bool = True, numbers: bool = False
) -> list[Path]:
    """Draw a calibration table; more pages than one get ``_2``, ``_3``... in their names.

    Parameters
    ----------
    table : CalTable
    request : TableRequest
    path : Path
    overwrite : bool
    numbers : bool
        Write the solutions that are shown beside the picture as ``.npz``.

    Returns
    -------
    list of Path

    Raises
    ------
    ArgumentError, EmptySelection, TableExists, WriteError
    """
    for name, possible in (("xaxis", request.x), ("yaxis", request.y)):
        table_axis(possible, table, parameter=name)
    points = table_points(table, request.x, request.y, request.selection)
    if points.flag.all() and not request.flagged:
        raise EmptySelection(f"{table.path or table.name}: all {len(points)} selected solutions are flagged")
    content = _Content(table, request, points)
    rows, columns = request.grid if request.grid != (0, 0) else layout(len(content.panel_keys))
    per_page = rows * columns
    written = []
    for number, first in enumerate(range(0, len(content.panel_keys), per_page)):
        target = path if number == 0 else path.with_name(f"{path.stem}_{number + 1}{path.suffix}")
        panels = [content.panel(k) for k in range(first, min(first + per_page, len(content.panel_keys)))]
        figure = draw_page(
            panels, content.page, rows=rows, columns=columns, size_in=page_size(rows, columns), dpi=request.dpi,
            share=(content.share_x, True),
        )  # fmt: skip
        written.append(save_figure(figure, target, overwrite=overwrite))
    if numbers:
        written.append(save_numbers(path.with_suffix(".npz"), **numbers_of(table, request, points)))
    return written


_FAR = 4.0


def far_above(points: TablePoints) -> NDArray[np.bool_]:
    """Return the unflagged solutions of antennas and polarisations whose median is many times that of the rest.

    A dead receiver would press all others to the floor.
    """
    out = np.zeros(len(points), bool)
    good = ~points.flag & np.isfinite(points.y)
    if not good.any():
        return out
    limit = _FAR * float(np.median(points.y[good]))
    _, code = np.unique(np.stack([points.antenna, points.pol]), axis=1, return_inverse=True)
    for one in np.unique(code[good]):
        mine = good & (code == one)
        if np.median(points.y[mine]) > limit:
            out |= mine
    return out


def numbers_of(table: CalTable, request: TableRequest, points: TablePoints) -> dict[str, Any]:
    """Return the numbers behind a picture, ready for an ``.npz``: one entry a solution."""
    return {
        "table": table.name, "kind": table.kind, "xaxis": request.x, "yaxis": request.y, "x": points.x, "y": points.y,
        "flag": points.flag, "antenna": points.antenna, "spw": points.spw, "field": points.field, "pol": points.pol,
        "time_mjd_s": points.time, "antenna_names": np.array(antenna_names(table)),
    }  # fmt: skip


class _Content:
    """Panels, colours, limits of one picture of a table."""

    def __init__(self, table: CalTable, request: TableRequest, points: TablePoints) -> None:
        self.table, self.request, self.points = table, request, points
        self.polarisations = pol_names(table)
        shown = np.ones(len(points), bool) if request.flagged else ~points.flag
        keys, self.panel_code = combinations(points, request.panels)
        self.drawn = np.unique(self.panel_code[shown])  # panels without anything to see are left out
        self.panel_keys = [keys[k] for k in self.drawn]
        self.colour_keys, self.colour_code = combinations(points, request.colour)
        self.colours = class_colours(len(self.colour_keys))
        self.time = None
        if request.x == "time":
            self.time = TimeAxis(float(points.x.min()), float(points.x.max()))
            points.x = self.time.offsets(points.x)
        self.side_by_side = request.x == "antenna1" and "spw" not in (*request.panels, *request.colour)
        if self.side_by_side:
            spws, place = np.unique(points.spw, return_inverse=True)
            self.side_by_side = len(spws) > 1
            points.x = points.x + (place - (len(spws) - 1) / 2) * (0.7 / len(spws))
        # spws side by side in one page have frequencies of their own
        self.share_x = not (request.x == "frequency" and "spw" in request.panels and len(np.unique(points.spw)) > 1)
        self.above = np.zeros(len(points), bool)
        if request.y == "tsys" and np.isnan(request.window[3]):
            self.above = far_above(points)
        self.xlim = self._xlim(slice(None))
        self.ylim = self._ylim()
        self.page = self._page()

    def _xlim(self, which: Any) -> tuple[float, float]:
        request = self.request
        least = {"time": 10.0, "antenna1": 1.0, "scan": 1.0, "spw": 1.0}.get(request.x, 0.0)
        low, high = limits(self.points.x[which], margin=0.03, least=least)
        if request.x == "antenna1":
            low, high = -0.8, len(self.table.antennas) - 0.2
        return bounded((low, high), request.window[:2], self.time.origin_mjd_s if self.time else 0.0)

    def _ylim(self) -> tuple[float, float]:
        good = self.points.y[~self.points.flag & ~self.above] if not self.points.flag.all() else self.points.y
        low, high = limits(good, margin=0.08)
        finite = good[np.isfinite(good)]
        if self.request.y == "phase":
            low, high = (-188.0, 188.0) if high - low > 180 else at_least((low, high), 10.0)
        elif self.request.y in ("amp", "snr", "tsys") and finite.size and finite.min() < 0.45 * finite.max():
            low = 0.0
        elif self.request.y == "amp":
            low, high = at_least((low, high), 0.02 * abs(high + low) / 2)
        return bounded((low, high), self.request.window[2:], 0.0)

    def _page(self) -> Page:
        request, table, points = self.request, self.table, self.points
        xlabel = self.time.label if self.time else LABELS[request.x]
        if self.side_by_side:
            xlabel += f" (its {len(np.unique(points.spw))} spws side by side, ascending)"
        title = request.title or f"{table.name} ({table.kind}): {request.y} vs {request.x.rstrip('1')}"
        good = int((~points.flag).sum())
        subtitle = [request.selection.describe(), _one_value(points, table, request)]
        subtitle.append(f"{good:,} solutions{_channels_text(request)}, {len(points) - good:,} flagged")
        legend = [
            (self._colour_name(k), c, request.marker) for k, c in zip(self.colour_keys, self.colours, strict=True)
        ]
        note = ""
        if request.flagged and points.flag.any():
            legend.append(("flagged", FLAGGED, "o none"))
            note = "Hollow: flagged solutions; at the lower edge where they have no value within the panel."
        if self.above.any():
            note = f"{note} {self._above_text()}".strip()
        ticks = None
        if request.x == "antenna1":
            ticks = ([float(i) for i in range(len(table.antennas))], antenna_names(table))
        legend = [] if len(legend) == 1 and self.polarisations == ["both pol"] else legend
        return Page(
            f"{title}\n{'; '.join(s for s in subtitle if s)}", xlabel, LABELS[request.y], legend=legend, time=self.time,
            integer_x=request.x in ("scan", "spw", "field"), phase_y=request.y == "phase", xticks=ticks, note=note,
        )  # fmt: skip

    def _above_text(self) -> str:
        """Say whose solutions lie above the panels."""
        found = []
        for antenna, pol in sorted(set(zip(self.points.antenna[self.above], self.points.pol[self.above], strict=True))):
            theirs = self.points.y[self.above & (self.points.antenna == antenna) & (self.points.pol == pol)]
            found.append(f"{self._name('antenna', antenna)} {self._name('pol', pol)} ({np.median(theirs):.0f})")
        return f"Above the panels: {', '.join(found[:6])}{' ...' if len(found) > 6 else ''}."

    def _name(self, kind: str, number: int) -> str:
        if kind == "antenna":
            return antenna_names(self.table)[number]
        if kind == "pol":
            return self.polarisations[number]
        if kind == "field":
            known = 0 <= number < len(self.table.fields)
            return f"{number}: {self.table.fields[number].name}" if known else f"field {number}"
        if kind == "time":
            times = self.points.time[self.points.slot == number]
            return utc_text(float(times[0]))[11:] if len(times) else ""
        return f"spw {number}"

    def _colour_name(self, key: tuple[int, ...]) -> str:
        return ", ".join(self._name(kind, number) for kind, number in zip(self.request.colour, key, strict=True))

    def panel(self, number: int) -> Panel:
        """Return one panel."""
        key = self.panel_keys[number]
        name = ", ".join(self._name(kind, value) for kind, value in zip(self.request.panels, key, strict=True))
        mine = np.flatnonzero(self.panel_code == self.drawn[number])
        xlim = self.xlim if self.share_x else self._xlim(mine)
        return Panel(name, lambda axes: self._draw(axes, mine), xlim, self.ylim)

    def _draw(self, axes: Any, mine: NDArray[np.intp]) -> None:
        request, points = self.request, self.points
        codes = self.colour_code[mine]
        size = request.markersize or (4.0 if len(mine) < 400 else 2.6 if len(mine) < 4000 else 1.5)
        if request.flagged:
            bad = mine[points.flag[mine]]
            if len(bad):
                # a spectrum's flagged channels would make bars across the curves
                inside = (points.y[bad] > self.ylim[0]) & (points.y[bad] < self.ylim[1]) & points.filled[bad]
                inside &= request.x not in ("frequency", "channel")
                y = np.where(inside, points.y[bad], self.ylim[0])
                axes.plot(
                    points.x[bad], y, linestyle="", marker="o", markersize=max(size, 2.5), markerfacecolor="none",
                    markeredgecolor=FLAGGED, markeredgewidth=0.7, zorder=2, clip_on=False,
                )  # fmt: skip
        for k, colour in enumerate(self.colours):
            here = mine[codes == k]
            here = here[~points.flag[here]]
            if not len(here):
                continue
            if request.lines:
                axes.plot(*with_gaps(points, here), color=colour, linewidth=0.9, alpha=0.9, zorder=3)
            if request.marks:
                axes.plot(
                    points.x[here], points.y[here], linestyle="", marker=request.marker, markersize=size,
                    markeredgewidth=0, color=colour, alpha=0.9, zorder=3,
                )  # fmt: skip


def with_gaps(points: TablePoints, here: NDArray[np.intp]) -> tuple[NDArray, NDArray]:
    """Return x, y with a nan wherever a line should break: at another solution, or across flagged ones."""
    jump = np.flatnonzero(np.diff(here) != 1) + 1
    for name in ("slot", "antenna", "pol", "spw"):
        values = getattr(points, name)[here]
        jump = np.union1d(jump, np.flatnonzero(np.diff(values) != 0) + 1)
    return np.insert(points.x[here], jump, np.nan), np.insert(points.y[here], jump, np.nan)


def combinations(points: TablePoints, names: tuple[str, ...]) -> tuple[list[tuple[int, ...]], NDArray[np.intp]]:
    """Return the combinations of ids that are there, ascending, and each point's."""
    for name in names:
        if name not in COLOURINGS:
            raise ArgumentError(f"{name!r} is nothing to sort solutions by; possible are {', '.join(COLOURINGS)}")
    if not names:
        return [()], np.zeros(len(points), np.intp)
    columns = [getattr(points, {"time": "slot"}.get(n, n)) for n in names]
    code = np.zeros(len(points), np.int64)
    for column in columns:
        code = code * (int(column.max()) + 2) + column + 1
    _, first, number = np.unique(code, return_index=True, return_inverse=True)
    return [tuple(int(c[i]) for c in columns) for i in first], number.reshape(-1)


def _one_value(points: TablePoints, table: CalTable, request: TableRequest) -> str:
    """Say which spw and field it is, where there is only one and the selection does not say so."""
    parts = []
    spws = np.unique(points.spw)
    if len(spws) == 1 and not request.selection.spw:
        parts.append(f"spw {spws[0]}")
    found = np.unique(points.field)
    if len(found) == 1 and 0 <= found[0] < len(table.fields) and not request.selection.field:
        parts.append(f"field {table.fields[int(found[0])].name}")
    return ", ".join(parts)


def _channels_text(request: TableRequest) -> str:
    return " x channels" if request.x in ("frequency", "channel") else ""


def at_least(span: tuple[float, float], size: float) -> tuple[float, float]:
    low, high = span
    if high - low >= size:
        return span
    middle = (low + high) / 2
    return middle - size / 2, middle + size / 2


def bounded(found: tuple[float, float], asked: tuple[float, ...], shift: float) -> tuple[float, float]:
    low, high = asked
    return (found[0] if np.isnan(low) else low - shift), (found[1] if np.isnan(high) else high - shift)


def with_selection(request: TableRequest, **changes: str) -> TableRequest:
    """Return a request with parts of its selection changed."""
    return replace(request, selection=replace(request.selection, **changes))

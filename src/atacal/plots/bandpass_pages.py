"""Pages of spectra as ALMA's plotbandpass draws them: a panel for each antenna, spw and time, and the air above."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable
from atacal.errors import EmptySelection, WriteError
from atacal.plots.panels import Page, Panel, draw_page, limits, page_size
from atacal.plots.style import FLAGGED, class_colours, save_figure, utc_text
from atacal.plots.table_pictures import at_least, bounded, with_gaps
from atacal.plots.tables import LABELS, TablePoints, TableSelection, antenna_names, pol_names, table_points

AIR = "#8A2BA8"
"""Colour of the air's curve."""
_SECOND = "#555555"
_LONGEST_LEGEND = 40
"""Nobody tells more colours apart."""


class Curve(Protocol):
    """The air's curve across an spw, as `atacal.atmosphere` makes it."""

    freq_hz: NDArray[np.float64]
    value: NDArray[np.float64]
    image: NDArray[np.float64] | None
    label: str
    kelvin: bool


AirOf = Callable[[int, NDArray[np.float64], NDArray[np.int32]], Curve | None]
"""From an spw, times [MJD s] and fields of the solutions in a panel to the air's curve."""


@dataclass(frozen=True)
class SpectraRequest:
    """What is drawn of a table's spectra, and how.

    Attributes
    ----------
    x : str
        ``frequency`` or ``channel``.
    ys : tuple of str
        Names from `table_axis`; two stand one above the other.
    selection : TableSelection
    overlay : tuple of str
        What shares a panel, in colours: antenna, spw, time, baseband.
    flagged : bool
        Show flagged channels.
    grid : (rows, columns)
    window : (xmin, xmax, ymin, ymax)
        nan for a side to be found.
    central : (first, last) or float, optional
        Channels, or the central part of the spw [%], that decide the vertical range.
    marks, lines : bool
    markersize : float
    dpi : int
    basebands : bool
        Name the baseband of each panel.
    air : callable, optional
    bars : list of (label, low, high)
        Frequencies [Hz] of spws to mark at the bottom of the panels that they overlap.
    second : CalTable, optional
        A table whose spectra are drawn beside, in grey.
    pdf : bool
        All pages in one PDF, too.
    sequential : bool
        Number the pages in place of naming what they show.
    """

    x: str
    ys: tuple[str, ...]
    selection: TableSelection = field(default_factory=TableSelection)
    overlay: tuple[str, ...] = ()
    flagged: bool = False
    grid: tuple[int, int] = (2, 2)
    window: tuple[float, float, float, float] = (np.nan, np.nan, np.nan, np.nan)
    central: tuple[int, int] | float | None = None
    marks: bool = False
    lines: bool = True
    markersize: float = 0.0
    dpi: int = 108
    basebands: bool = False
    air: AirOf | None = None
    bars: tuple[tuple[str, float, float], ...] = ()
    second: CalTable | None = None
    pdf: bool = False
    sequential: bool = False


def picture_spectra(table: CalTable, request: SpectraRequest, path: Path) -> list[Path]:
    """Draw the spectra of a table.

    Parameters
    ----------
    table : CalTable
    request : SpectraRequest
    path : Path
        The pages are named after it and after their first panel, as ALMA's are: ``path.DA41.spw01.t00.png``, without
        the parts that share a panel.

    Returns
    -------
    list of Path

    Raises
    ------
    EmptySelection, WriteError
    """
    spectra = _Spectra(table, request)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WriteError(f"{path.parent} cannot be made: {error}") from error
    ending = path.suffix if path.suffix in (".png", ".pdf", ".svg", ".jpg", ".ps") else ".png"
    base = path.with_suffix("") if path.suffix == ending else path
    written: list[Path] = []
    figures = []
    for number, (name, figure) in enumerate(spectra.pages()):
        part = f".{number:03d}" if request.sequential else name
        target = base.with_name(f"{base.name}{part}{ending}")
        if target in written:  # two pages that begin with the same antenna, spw and time
            target = target.with_name(f"{target.stem}_{written.count(target) + 1}{ending}")
        written.append(save_figure(figure, target))
        if request.pdf:
            figures.append(figure)
    if request.pdf:
        written.append(_one_pdf(figures, base.with_name(f"{base.name}.pdf")))
    return written


def _one_pdf(figures: list[Any], path: Path) -> Path:
    from matplotlib.backends.backend_pdf import PdfPages

    temporary = path.with_name(f".{path.name}.part")
    try:
        with PdfPages(temporary, metadata={"CreationDate": None}) as pages:
            for figure in figures:
                pages.savefig(figure)
        temporary.replace(path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


class _Spectra:
    """The panels of a table's spectra in their order: antenna, spw, time."""

    def __init__(self, table: CalTable, request: SpectraRequest) -> None:
        self.table, self.request = table, request
        self.points = {y: table_points(table, request.x, y, request.selection) for y in request.ys}
        self.first = self.points[request.ys[0]]
        shown = np.ones(len(self.first), bool) if request.flagged else ~self.first.flag
        if not shown.any():
            raise EmptySelection(f"{table.path or table.name}: all {len(self.first)} selected solutions are flagged")
        self.polarisations = pol_names(table)
        bands = np.array([s.bbc_no for s in table.spws], np.int32)
        # spws that say nothing of their baseband are basebands of their own
        self.band_of = np.where(bands > 0, bands, -1 - np.arange(len(bands)))
        columns = [] if "antenna" in request.overlay else [self.first.antenna]
        if "baseband" in request.overlay:
            columns.append(self.band_of[self.first.spw])
        elif "spw" not in request.overlay:
            columns.append(self.first.spw)
        if "time" not in request.overlay:
            columns.append(self.first.slot)
        self.keys, self.panel_of = _distinct(columns, len(self.first))
        self.drawn = np.unique(self.panel_of[shown])
        kinds = ["pol", *("spw" if o == "baseband" else o for o in request.overlay)]
        colours = [getattr(self.first, {"time": "slot"}.get(k, k)) for k in kinds]
        self.colour_keys, self.colour_of = _distinct(colours, len(self.first))
        self.colour_kinds = kinds
        self.colours = class_colours(len(self.colour_keys))
        self.beside = self._beside()
        self.air_label = ""

    def _beside(self) -> dict[str, TablePoints]:
        second = self.request.second
        if second is None:
            return {}
        return {y: table_points(second, self.request.x, y, self.request.selection) for y in self.request.ys}

    def pages(self) -> Iterator[tuple[str, Any]]:
        """Yield what each page is named after, and its figure."""
        rows, columns = self.request.grid
        deep = len(self.request.ys)
        rows = max(rows // deep, 1)
        for start in range(0, len(self.drawn), rows * columns):
            mine = self.drawn[start : start + rows * columns]
            used = math.ceil(len(mine) / columns) if start == 0 and len(mine) < rows * columns else rows
            wide = min(columns, len(mine)) if start == 0 else columns
            panels: list[Panel | None] = []
            for row in range(used):
                row_panels = mine[row * wide : (row + 1) * wide]
                for y in self.request.ys:
                    panels += [self._panel(int(k), y) for k in row_panels]
                    panels += [None] * (wide - len(row_panels))
            page = self._page()
            figure = draw_page(
                panels, page, rows=used * deep, columns=wide, size_in=page_size(used * deep, wide),
                dpi=self.request.dpi, share=(False, False),
            )  # fmt: skip
            yield self._page_name(int(mine[0])), figure

    def _page_name(self, panel: int) -> str:
        at = int(np.argmax(self.panel_of == panel))
        antenna, spw, slot = (int(getattr(self.first, n)[at]) for n in ("antenna", "spw", "slot"))
        parts = [] if "antenna" in self.request.overlay else [antenna_names(self.table)[antenna]]
        parts.append(f"spw{spw:02d}")
        if "time" not in self.request.overlay:
            parts.append(f"t{slot:02d}")
        return "." + ".".join(parts)

    def _page(self) -> Page:
        request, table = self.request, self.table
        head = f"{table.name} ({table.kind}): {' and '.join(request.ys)} vs {request.x}"
        good = int((~self.first.flag).sum())
        parts = [request.selection.describe(), f"{good:,} channels of solutions, {len(self.first) - good:,} flagged"]
        legend = [(self._colour_name(k), c, "o") for k, c in zip(self.colour_keys, self.colours, strict=True)]
        if len(legend) > _LONGEST_LEGEND:
            parts.append(f"{len(legend)} curves a panel: {' x '.join(('polarisation', *request.overlay))}")
            legend = []
        if len(legend) == 1 and self.polarisations == ["both pol"]:
            legend = []
        if request.second is not None:
            legend.append((request.second.name[-26:], _SECOND, "o"))
        note = f"Purple, right axis: {self.air_label}." if self.air_label else ""
        return Page(
            f"{head}\n{'; '.join(p for p in parts if p)}", LABELS[request.x],
            " / ".join(LABELS[y] for y in reversed(request.ys)), legend=legend, note=note,
        )  # fmt: skip

    def _colour_name(self, key: tuple[int, ...]) -> str:
        words = []
        for kind, number in zip(self.colour_kinds, key, strict=True):
            if kind == "pol":
                words.append(self.polarisations[number])
            elif kind == "antenna":
                words.append(antenna_names(self.table)[number])
            elif kind == "time":
                words.append(self._when(self.first.slot == number))
            else:
                words.append(f"spw {number}")
        return ", ".join(words)

    def _when(self, which: NDArray[np.bool_]) -> str:
        times, fields = self.first.time[which], np.unique(self.first.field[which])
        name = self.table.fields[int(fields[0])].name if 0 <= fields[0] < len(self.table.fields) else ""
        return f"{utc_text(float(times[0]))[11:]} {name}".strip()

    def _panel(self, number: int, y: str) -> Panel:
        mine = np.flatnonzero(self.panel_of == number)
        points = self.points[y]
        curve = self._curve(mine)
        ylim = self._ylim(points, mine, y)
        xlim = bounded(limits(points.x[mine], margin=0.02), self.request.window[:2], 0.0)
        name = self._panel_name(mine) if y == self.request.ys[0] else ""
        return Panel(name, lambda axes: self._draw(axes, y, mine, ylim, curve), xlim, ylim, phase=y == "phase")

    def _panel_name(self, mine: NDArray[np.intp]) -> str:
        spw = int(self.first.spw[mine[0]])
        words = [] if "antenna" in self.request.overlay else [antenna_names(self.table)[self.first.antenna[mine[0]]]]
        band = self.table.spws[spw].bbc_no
        if "baseband" in self.request.overlay:
            words.append(f"baseband {band}")
        elif "spw" not in self.request.overlay:
            words.append(f"spw {spw}" + (f" (bb {band})" if self.request.basebands and band > 0 else ""))
        if "time" not in self.request.overlay:
            words.append(self._when(self.first.slot == self.first.slot[mine[0]]))
        return ", ".join(words)

    def _curve(self, mine: NDArray[np.intp]) -> Curve | None:
        if self.request.air is None:
            return None
        _, at = np.unique(self.first.slot[mine], return_index=True)
        at = mine[at]
        curve = self.request.air(int(self.first.spw[mine[0]]), self.first.time[at], self.first.field[at])
        if curve is not None and not self.air_label:
            self.air_label = curve.label + ("; dashed: image sideband" if curve.image is not None else "")
            self.air_label += " (of the first panel)" if len(self.drawn) > 1 else ""
        return curve

    def _ylim(self, points: TablePoints, mine: NDArray[np.intp], y: str) -> tuple[float, float]:
        good = mine[~points.flag[mine]]
        if self.request.central is not None and len(good):
            inside = self._central(points, good)
            good = good[inside] if inside.any() else good
        values = points.y[good if len(good) else mine]
        low, high = limits(values, margin=0.08)
        if y == "phase":
            low, high = (-188.0, 188.0) if high - low > 180 else at_least((low, high), 10.0)
        elif y in ("amp", "tsys"):
            low, high = at_least((low, high), 0.02 * abs(high + low) / 2)
            low = 0.0 if y == "amp" and len(values) and values.min() < 0.3 * values.max() else low
        return bounded((low, high), self.request.window[2:], 0.0)

    def _central(self, points: TablePoints, good: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of these points lie in the channels that decide the range."""
        central = self.request.central
        out = np.zeros(len(good), bool)
        for spw in np.unique(points.spw[good]):
            here = points.spw[good] == spw
            freq = self.table.spws[spw].chan_freq_hz
            if isinstance(central, tuple):
                first, last = max(central[0], 0), min(central[1], len(freq) - 1)
            else:
                left_out = round(len(freq) * (100 - float(central or 100)) / 200)
                first, last = left_out, len(freq) - 1 - left_out
            x = points.x[good][here]
            ends = (freq[first] / 1e9, freq[last] / 1e9) if self.request.x == "frequency" else (first, last)
            out[here] = (x >= min(ends) - 1e-9) & (x <= max(ends) + 1e-9)
        return out

    def _draw(self, axes: Any, y: str, mine: NDArray[np.intp], ylim: tuple[float, float], curve: Curve | None) -> None:
        request, points = self.request, self.points[y]
        size = request.markersize or 2.5
        if curve is not None:
            self._draw_air(axes, curve, int(points.spw[mine[0]]))
        if request.bars and request.x == "frequency":
            self._draw_bars(axes, points.x[mine])
        if request.flagged and (bad := mine[points.flag[mine]]).size:
            axes.plot(
                points.x[bad], np.full(len(bad), ylim[0]), linestyle="", marker="o", markersize=max(size, 2.5),
                markerfacecolor="none", markeredgecolor=FLAGGED, markeredgewidth=0.7, zorder=2, clip_on=False,
            )  # fmt: skip
        if self.beside:
            self._draw_beside(axes, self.beside[y], mine)
        for k, colour in enumerate(self.colours):
            here = mine[(self.colour_of[mine] == k) & ~points.flag[mine]]
            if not len(here):
                continue
            if request.lines:
                axes.plot(*with_gaps(points, here), color=colour, linewidth=0.9, alpha=0.9, zorder=3)
            if request.marks:
                axes.plot(points.x[here], points.y[here], ".", markersize=size, color=colour, alpha=0.9, zorder=3)

    def _draw_beside(self, axes: Any, other: TablePoints, mine: NDArray[np.intp]) -> None:
        same = np.isin(other.spw, np.unique(self.first.spw[mine])) & ~other.flag
        same &= np.isin(other.antenna, np.unique(self.first.antenna[mine]))
        here = np.flatnonzero(same)
        if len(here):
            axes.plot(*with_gaps(other, here), color=_SECOND, linewidth=0.7, zorder=4)

    def _draw_air(self, axes: Any, curve: Curve, spw: int) -> None:
        right = axes.twinx()
        x = curve.freq_hz / 1e9
        if self.request.x == "channel":
            freq = self.table.spws[spw].chan_freq_hz
            order = np.argsort(freq)
            x = np.interp(curve.freq_hz, freq[order], np.arange(len(freq))[order])
        right.plot(x, curve.value, color=AIR, linewidth=0.8, alpha=0.85)
        if curve.image is not None:
            right.plot(x, curve.image, color=AIR, linewidth=0.8, alpha=0.6, linestyle="--")
        if not curve.kelvin:
            right.set_ylim(0, 103)
        right.tick_params(labelsize=6, colors=AIR, length=2, pad=1)

    def _draw_bars(self, axes: Any, x: NDArray[np.float64]) -> None:
        low, high = float(x.min()), float(x.max())
        place = axes.get_xaxis_transform()
        inside = [(label, a / 1e9, b / 1e9) for label, a, b in self.request.bars if b / 1e9 > low and a / 1e9 < high]
        for number, (label, a, b) in enumerate(inside):
            height = 0.03 + 0.05 * (number % 3)
            axes.plot(
                [max(a, low), min(b, high)], [height] * 2, color="#CC7A00", linewidth=2.2, transform=place, zorder=1
            )
            middle = (max(a, low) + min(b, high)) / 2
            axes.text(middle, height + 0.012, label, transform=place, fontsize=5.5, ha="center", color="#8A5300")


def _distinct(columns: list[NDArray], count: int) -> tuple[list[tuple[int, ...]], NDArray[np.intp]]:
    """Return the distinct rows of some columns, ascending, and each point's."""
    if not columns:
        return [()], np.zeros(count, np.intp)
    rows, number = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return [tuple(int(v) for v in row) for row in rows], number.reshape(-1)

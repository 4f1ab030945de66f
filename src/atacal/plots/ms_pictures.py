"""Pictures of a MeasurementSet's visibilities: gathered points drawn on pages and written to files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selected import Selected
from atacal.plots.axes import Axis
from atacal.plots.panels import Page, Panel, draw_page, layout, limits, page_size
from atacal.plots.style import FLAGGED, OKABE_ITO, TimeAxis, check_free, class_colours, save_figure, save_numbers
from atacal.plots.visibilities import Gathered, Request, gather

_MOST_PAGES = 1000


@dataclass(frozen=True)
class Look:
    """How a picture looks.

    Attributes
    ----------
    title : str
        In place of our own first line.
    subtitle : str
        What was selected; the averaging is added to it.
    xlabel, ylabel : str
        In place of the axes' own labels.
    grid : (rows, columns)
        Panels of a page; (0, 0) chooses.
    selfscale : (bool, bool)
        Each panel its own x, y limits.
    size_px : (width, height)
        0 chooses.
    dpi : int
    legend : bool
    """

    title: str = ""
    subtitle: str = ""
    xlabel: str = ""
    ylabel: str = ""
    grid: tuple[int, int] = (0, 0)
    selfscale: tuple[bool, bool] = (False, False)
    size_px: tuple[int, int] = (0, 0)
    dpi: int = 100
    legend: bool = True


def picture_ms(
    ms: MeasurementSet,
    selected: Selected,
    request: Request,
    path: Path,
    *,
    look: Look | None = None,
    window: tuple[float, float, float, float] | None = None,
    overwrite: bool = True,
    numbers: bool = False,
    max_points: int | None = None,
) -> list[Path]:
    """Draw the selected visibilities.

    Parameters
    ----------
    ms : MeasurementSet
    selected : Selected
    request : Request
    path : Path
        Its ending names the format (``txt`` writes the points as text); iterations add their names to it, as CASA's do.
    look : Look, optional
    window : (xmin, xmax, ymin, ymax), optional
        Limits of the axes; nan for a side to be found.
    overwrite : bool
    numbers : bool
        Write the points or counts beside the picture as ``.npz``.
    max_points : int, optional

    Returns
    -------
    list of Path
        The pictures, and the ``.npz`` files if asked for.

    Raises
    ------
    EmptySelection, ArgumentError, MissingColumn, TableExists, WriteError
    """
    look = look or Look()
    if not request.iterate:
        check_free(path, overwrite=overwrite)

    def cells(npanel: int) -> tuple[int, int]:
        # twice as many as are shown: a grid that has grown keeps enough of them
        rows, columns = _grid(look, npanel)
        width, height = _size(look, rows, columns)
        return max(32, int(width * look.dpi / columns / 2)), max(32, int(height * look.dpi / rows / 2))

    gathered = gather(ms, selected, request, window=window, cells=cells, max_points=max_points)
    if path.suffix == ".txt":
        return [_write_text(gathered, path, overwrite=overwrite)]
    return _pages(ms, gathered, path, look, window, overwrite=overwrite, numbers=numbers)


def _grid(look: Look, npanel: int) -> tuple[int, int]:
    return look.grid if look.grid != (0, 0) else layout(npanel)


def _size(look: Look, rows: int, columns: int) -> tuple[float, float]:
    width, height = page_size(rows, columns)
    wide, high = look.size_px
    return (wide / look.dpi if wide > 0 else width), (high / look.dpi if high > 0 else height)


def _pages(
    ms: MeasurementSet,
    gathered: Gathered,
    path: Path,
    look: Look,
    window: tuple[float, float, float, float] | None,
    *,
    overwrite: bool,
    numbers: bool,
) -> list[Path]:
    used = np.flatnonzero(gathered.collector.total.sum(axis=1))
    rows, columns = _grid(look, len(used))
    per_page = rows * columns
    count = -(-len(used) // per_page)
    if count > _MOST_PAGES:
        raise ArgumentError(
            f"iteraxis={gathered.request.iterate!r} would make {count} files; select less or use a larger grid"
        )
    content = _Content(ms, gathered, look, window)
    written = []
    for number in range(count):
        which = used[number * per_page : (number + 1) * per_page].tolist()
        target = path.with_name(_iterated_name(path, gathered, which, number))
        panels = [content.panel(k, alone=len(used) == 1 and not gathered.request.iterate) for k in which]
        figure = draw_page(
            panels, content.page, rows=rows, columns=columns, size_in=_size(look, rows, columns), dpi=look.dpi,
            share=(not look.selfscale[0], not look.selfscale[1]),
        )  # fmt: skip
        written.append(save_figure(figure, target, overwrite=overwrite))
        if numbers:
            written.append(save_numbers(target.with_suffix(".npz"), **numbers_of(gathered, which)))
    return written


def _iterated_name(path: Path, gathered: Gathered, which: list[int], number: int) -> str:
    """Return CASA's name of a page: ``x_Antenna1@DA41,2@DA42_2.png``, short enough for a file system."""
    if not gathered.request.iterate:
        return path.name
    tags = [gathered.panels.tags[k].replace("/", "_") for k in which]
    kind = gathered.request.iterate.capitalize()
    text = ",".join([tags[0], *(t.removeprefix(kind) for t in tags[1:])])
    if len(text) > 120:
        text = f"{tags[0]}-{tags[-1].removeprefix(kind)}"
    return f"{path.stem}_{text}{f'_{number + 1}' if number else ''}{path.suffix}"


def numbers_of(gathered: Gathered, which: list[int]) -> dict[str, Any]:
    """Return the numbers behind the panels ``which``, ready for an ``.npz``."""
    collector, request = gathered.collector, gathered.request
    common = {
        "xaxis": request.x.name, "yaxis": request.y.name, "xlabel": request.x.label, "ylabel": request.y.label,
        "panels": np.array([gathered.panels.labels[k] for k in which]), "classes": np.array(_class_names(gathered)),
        "averaging": request.averaging.describe(),
    }  # fmt: skip
    if collector.grid is not None:
        grid = collector.grid
        return common | {"counts": grid.counts[which], "low": grid.low, "high": grid.high}
    panel, klass, x, y = collector.points()
    position = np.full(collector.npanel, -1)
    position[which] = np.arange(len(which))
    keep = position[panel] >= 0
    return common | {"panel": position[panel[keep]], "class": klass[keep], "x": x[keep], "y": y[keep]}


def _class_names(gathered: Gathered) -> list[str]:
    return [*gathered.classes.labels, *(["flagged"] if gathered.request.flagged else [])]


def _write_text(gathered: Gathered, path: Path, *, overwrite: bool) -> Path:
    check_free(path, overwrite=overwrite)
    if gathered.collector.grid is not None:
        raise ArgumentError(
            f"{int(gathered.collector.total.sum())} points are too many for a text file "
            f"(at most {gathered.collector.max_points}); average or select less"
        )
    panel, klass, x, y = gathered.collector.points()
    names, panels = _class_names(gathered), gathered.panels.labels
    lines = [f"# {gathered.request.x.name} {gathered.request.y.name} class panel"]
    lines += [
        f"{a!r} {b!r} {names[k] or '-'} {panels[p] or '-'}"
        for a, b, k, p in zip(x.tolist(), y.tolist(), klass.tolist(), panel.tolist(), strict=True)
    ]
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_text("\n".join(lines) + "\n")
    temporary.replace(path)
    return path


class _Content:
    """What is the same on all pages of one call: colours, limits, time origins, title."""

    def __init__(
        self, ms: MeasurementSet, gathered: Gathered, look: Look, window: tuple[float, float, float, float] | None
    ) -> None:
        self.gathered, self.look, self.window = gathered, look, window
        request, collector = gathered.request, gathered.collector
        self.colours = _colours(gathered)
        self.panel_number, self.klass, self.x, self.y = collector.points()
        spans = self._spans(None)
        self.time = [
            TimeAxis(*span, ms.metadata.time_frame) if axis.name == "time" else None
            for axis, span in zip((request.x, request.y), spans, strict=True)
        ]
        if self.time[0]:
            self.x = self.time[0].offsets(self.x)
        if self.time[1]:
            self.y = self.time[1].offsets(self.y)
        self.common = self._limits(None)
        self.page = self._page(ms)

    def _spans(self, panel: int | None) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return the lowest and highest x, y; of all panels if ``panel`` is None. Grids know them to a cell."""
        grid = self.gathered.collector.grid
        if grid is None:
            keep = slice(None) if panel is None else self.panel_number == panel
            return (_span(self.x[keep]), _span(self.y[keep]))
        counts = grid.counts.sum(axis=(0, 1)) if panel is None else grid.counts[panel].sum(axis=0)
        out = []
        for k in (0, 1):
            full = np.flatnonzero(counts.any(axis=k))
            cell = (grid.high[k] - grid.low[k]) / counts.shape[1 - k]
            out.append((grid.low[k] + full[0] * cell, grid.low[k] + (full[-1] + 1) * cell))
        return out[0], out[1]

    def _limits(self, panel: int | None) -> list[tuple[float, float]]:
        out = []
        request = self.gathered.request
        for k, (axis, span) in enumerate(zip((request.x, request.y), self._spans(panel), strict=True)):
            shift = self._shift(k)
            least = 1.0 if axis.integer else 10.0 if axis.name == "time" else 0.0
            low, high = limits(np.array(span) - shift, least=least)
            if axis.name in ("amp", "uvdist", "uvwave", "wt", "wtsp", "sigma") and span[0] >= 0 and low < 0.45 * high:
                low = 0.0  # amplitudes are read against zero
            if axis.limits and axis.name == "phase" and high - low > 180:
                low, high = -188.0, 188.0
            if self.window is not None:
                want_low, want_high = self.window[2 * k] - shift, self.window[2 * k + 1] - shift
                low = low if np.isnan(want_low) else want_low
                high = high if np.isnan(want_high) else want_high
            out.append((low, high))
        return out

    def _shift(self, k: int) -> float:
        """Return the origin of a time axis that is still in the grid's (or the window's) numbers."""
        time = self.time[k]
        return time.origin_mjd_s if time is not None and self.gathered.collector.grid is not None else 0.0

    def _page(self, ms: MeasurementSet) -> Page:
        gathered, look = self.gathered, self.look
        request, collector = gathered.request, gathered.collector
        labels = [
            _label(axis, column, ms) for axis, column in ((request.x, request.x_column), (request.y, request.y_column))
        ]
        labels = [t.label if t else label for t, label in zip(self.time, labels, strict=True)]
        total = int(collector.total.sum())
        parts = [look.subtitle, request.averaging.describe()]
        if collector.grid is not None:
            parts.append(f"density of {total:,} points, darker = more (log)")
        else:
            parts.append(f"{total:,} points")
        lost = [
            f"{n:,} {w}"
            for n, w in ((collector.outside, "outside the range"), (collector.not_finite, "not finite"))
            if n
        ]
        title = look.title or f"{ms.metadata.name}: {request.y.name} vs {request.x.name}"
        page = Page(
            f"{title}\n{'; '.join(p for p in [*parts, *lost] if p)}",
            look.xlabel or labels[0], look.ylabel or labels[1],
            time=self.time[0], time_y=self.time[1], integer_x=request.x.integer, integer_y=request.y.integer,
            phase_y=request.y.name == "phase",
        )  # fmt: skip
        present = np.flatnonzero(collector.total.sum(axis=0))
        if gathered.classes.continuous and look.legend:
            by = gathered.classes.axis
            page.scale = (ms.metadata.time_frame if by == "time" else by, gathered.classes.labels)
        elif look.legend and (len(gathered.classes) > 1 or request.flagged):
            names = _class_names(gathered)
            page.legend = [(names[k] or "data", self.colours[k], "o") for k in present]
        return page

    def panel(self, number: int, *, alone: bool) -> Panel:
        """Return one panel of the picture."""
        own = self._limits(number) if any(self.look.selfscale) else self.common
        xlim = own[0] if self.look.selfscale[0] else self.common[0]
        ylim = own[1] if self.look.selfscale[1] else self.common[1]
        draw = self._draw_points if self.gathered.collector.grid is None else self._draw_density
        name = "" if alone else self.gathered.panels.labels[number]
        return Panel(name, lambda axes: draw(axes, number), xlim, ylim)

    def _draw_points(self, axes: Any, number: int) -> None:
        here = np.flatnonzero(self.panel_number == number)
        count = len(here)
        size = 4.0 if count < 500 else 2.6 if count < 5000 else 1.8 if count < 50_000 else 1.2
        order = list(range(len(self.colours)))
        if self.gathered.request.flagged:
            order = [order[-1], *order[:-1]]  # flagged data, the last class, lie below the others
        # the classes take turns in being on top, so that the last one does not hide the others
        turns = 1 if len(self.colours) > 12 or count < 500 else 3 if len(self.gathered.panels) > 4 else 8
        here = np.random.default_rng(1).permutation(here) if turns > 1 else here
        for part in np.array_split(here, turns):
            for klass in order:
                mine = part[self.klass[part] == klass]
                if len(mine):
                    axes.plot(
                        self.x[mine], self.y[mine], linestyle="", marker="o", markersize=size, markeredgewidth=0,
                        color=self.colours[klass], alpha=0.85 if count > 500 else 1.0, rasterized=count > 20_000,
                    )  # fmt: skip

    def _draw_density(self, axes: Any, number: int) -> None:
        grid = self.gathered.collector.grid
        assert grid is not None
        counts = grid.counts[number]
        low = [grid.low[k] - self._shift(k) for k in (0, 1)]
        high = [grid.high[k] - self._shift(k) for k in (0, 1)]
        axes.imshow(
            blend(counts, self.colours), origin="lower", aspect="auto", interpolation="nearest",
            extent=(low[0], high[0], low[1], high[1]), zorder=2,
        )  # fmt: skip


def blend(counts: NDArray[np.uint32], colours: list[str]) -> NDArray[np.float32]:
    """Return the picture of a density: a cell has the mean colour of its points, and is more opaque the more they are.

    Parameters
    ----------
    counts : uint32 (class, y, x)
    colours : list of str

    Returns
    -------
    float32 (y, x, 4)
    """
    from matplotlib.colors import to_rgb

    rgb = np.array([to_rgb(c) for c in colours], np.float32)
    total = counts.sum(axis=0, dtype=np.float32)
    out = np.zeros((*total.shape, 4), np.float32)
    some = total > 0
    out[some, :3] = np.tensordot(counts.astype(np.float32), rgb, axes=(0, 0))[some] / total[some, None]
    top = max(float(np.quantile(total[some], 0.995)), 2.0) if some.any() else 2.0
    out[..., 3] = np.where(some, 0.4 + 0.6 * np.clip(np.log(np.maximum(total, 1.0)) / np.log(top), 0, 1), 0)
    return out


def _colours(gathered: Gathered) -> list[str]:
    count = len(gathered.classes)
    if gathered.classes.continuous:
        from matplotlib import colormaps
        from matplotlib.colors import to_hex

        colours = [to_hex(c) for c in colormaps["cividis"](np.linspace(0, 1, count))]
    else:
        present = np.flatnonzero(gathered.collector.total[:, :count].sum(axis=0))
        colours = [OKABE_ITO[0]] * count
        for k, colour in zip(present, class_colours(len(present)), strict=True):
            colours[k] = colour
    return [*colours, FLAGGED] if gathered.request.flagged else colours


def _label(axis: Axis, column: str, ms: MeasurementSet) -> str:
    if not axis.of_data:
        return axis.label
    # CORRECTED_DATA and the model are on the flux scale; what DATA is on is not recorded
    unit = " (Jy)" if axis.name != "phase" and column not in ("data", "float") and "/" not in column else ""
    return (
        f"{axis.label}{unit}, {column} column"
        if column in ("data", "corrected", "model")
        else f"{axis.label}{unit}, {column}"
    )


def _span(values: NDArray) -> tuple[float, float]:
    return (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)

"""Collecting points within a bounded memory: a list while they are few, a density on a grid when they are many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.memory import for_data

MAX_POINTS = 300_000
"""More points than this are shown as a density: markers would only hide one another."""

_GRID_BYTES = 96 << 20


@dataclass(eq=False)
class Grid:
    """Counts of points on a regular grid, per panel and colour class.

    Attributes
    ----------
    counts : uint32 (panel, class, y, x)
    low, high : float64 (2,)
        Outer edges of the grid in x and y.
    """

    counts: NDArray[np.uint32]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def add(self, panel: NDArray, klass: NDArray, x: NDArray, y: NDArray) -> None:
        """Count points; the grid grows (by powers of two, so that cells merge exactly) until they all fit."""
        if len(x) == 0:
            return
        for k, values in enumerate((x, y)):
            low, high = float(values.min()), float(values.max())
            while low < self.low[k] or high > self.high[k]:
                self._double(k, upwards=high > self.high[k])
        _, nclass, ny, nx = self.counts.shape
        size = self.high - self.low
        ix = np.minimum(((x - self.low[0]) * (nx / size[0])).astype(np.intp), nx - 1)
        iy = np.minimum(((y - self.low[1]) * (ny / size[1])).astype(np.intp), ny - 1)
        cell = ((panel * nclass + klass) * ny + iy) * nx + ix
        flat = self.counts.reshape(-1)
        if len(cell) * 4 > flat.size:
            flat += np.bincount(cell, minlength=flat.size).astype(np.uint32)
        else:
            np.add.at(flat, cell, np.uint32(1))

    def _double(self, k: int, *, upwards: bool) -> None:
        axis = 3 - k
        count = self.counts.shape[axis]
        shape = list(self.counts.shape)
        shape[axis : axis + 1] = [count // 2, 2]
        half = self.counts.reshape(shape).sum(axis=axis + 1, dtype=np.uint32)
        self.counts[...] = 0
        where = [slice(None)] * 4
        where[axis] = slice(0, count // 2) if upwards else slice(count // 2, count)
        self.counts[tuple(where)] = half
        size = self.high[k] - self.low[k]
        if upwards:
            self.high[k] += size
        else:
            self.low[k] -= size


class Collector:
    """Takes points batch by batch.

    Parameters
    ----------
    npanel, nclass : int
        Points carry a panel and a colour class below these.
    window : (xmin, xmax, ymin, ymax), optional
        Points outside are counted as out of sight and not kept; nan for a side without bound.
    cells : (nx, ny)
        Size of the grid that would show the points well.
    max_points : int
        From how many points on they become a density.
    """

    def __init__(
        self,
        npanel: int,
        nclass: int,
        *,
        window: tuple[float, float, float, float] | None = None,
        cells: tuple[int, int] = (512, 512),
        max_points: int = MAX_POINTS,
    ) -> None:
        self.npanel, self.nclass, self.max_points = npanel, nclass, max_points
        self.window = window
        self.total = np.zeros((npanel, nclass), np.int64)
        self.outside = self.not_finite = 0
        self.grid: Grid | None = None
        self._parts: list[tuple[NDArray, ...]] = []
        scale = min(1.0, (min(_GRID_BYTES, for_data() // 8) / (4.0 * npanel * nclass * cells[0] * cells[1])) ** 0.5)
        # an even number, for cells are merged two by two
        self._cells = tuple(max(32, int(n * scale) // 2 * 2) for n in cells)

    def add(self, panel: NDArray, klass: NDArray, x: NDArray, y: NDArray) -> None:
        """Take points; all arrays (point,), panel and class integers."""
        keep = np.isfinite(x) & np.isfinite(y)
        self.not_finite += int(len(keep) - keep.sum())
        if self.window is not None:
            x0, x1, y0, y1 = self.window
            seen = keep & ~(x < x0) & ~(x > x1) & ~(y < y0) & ~(y > y1)
            self.outside += int(keep.sum() - seen.sum())
            keep = seen
        if not keep.all():
            panel, klass, x, y = panel[keep], klass[keep], x[keep], y[keep]
        np.add.at(self.total, (panel, klass), 1)
        if self.grid is not None:
            self.grid.add(panel, klass, x, y)
            return
        self._parts.append((panel.astype(np.int32), klass.astype(np.int32), x.astype(np.float64), y.astype(np.float64)))
        if self.total.sum() > self.max_points:
            self._to_grid()

    def points(self) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Return all points (panel, class, x, y) while they are kept one by one."""
        if not self._parts:
            return np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0), np.zeros(0)
        if len(self._parts) > 1:
            self._parts = [tuple(np.concatenate([p[i] for p in self._parts]) for i in range(4))]
        return self._parts[0]  # type: ignore[return-value]

    def _to_grid(self) -> None:
        panel, klass, x, y = self.points()
        low = np.array([x.min(), y.min()])
        high = np.array([x.max(), y.max()])
        empty = high <= low
        high[empty] = low[empty] + np.maximum(np.abs(low[empty]) * 1e-6, 1e-6)
        nx, ny = self._cells
        self.grid = Grid(np.zeros((self.npanel, self.nclass, ny, nx), np.uint32), low, high)
        self._parts = []
        self.grid.add(panel, klass, x, y)

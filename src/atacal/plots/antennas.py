"""The array on the ground: antennas east and north of the centre, linear or log-polar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection
from atacal.ms.metadata import Metadata
from atacal.plots.style import OKABE_ITO, new_figure, save_figure

_CIRCLES_M = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)


def local_positions(positions_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return antenna positions east, north and up of their median.

    Parameters
    ----------
    positions_m : float64 (antenna, 3)
        ITRF [m].

    Returns
    -------
    float64 (antenna, 3)
        [m], in the tangent plane at the median position (geodetic vertical).
    """
    from astropy.coordinates import EarthLocation

    centre = np.median(positions_m, axis=0)
    place = EarthLocation.from_geocentric(*centre, unit="m")
    lon, lat = float(place.lon.rad), float(place.lat.rad)
    east = np.array([-np.sin(lon), np.cos(lon), 0.0])
    north = np.array([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    up = np.array([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    local = (positions_m - centre) @ np.column_stack([east, north, up])
    local -= np.median(local, axis=0)
    return local


def picture_antennas(
    meta: Metadata,
    antennas: list[int],
    path: Path,
    *,
    ids: bool = False,
    log: bool = False,
    title: str = "",
    overwrite: bool = True,
) -> Path:
    """Draw where antennas stand.

    Parameters
    ----------
    meta : Metadata
    antennas : list of int
        Those to be drawn.
    path : Path
    ids : bool
        Write ids after the names.
    log : bool
        Distance from the centre on a logarithmic scale, direction as on a compass.
    title : str
    overwrite : bool

    Returns
    -------
    Path

    Raises
    ------
    EmptySelection
    """
    if not antennas:
        raise EmptySelection(f"{meta.path}: no antenna is left to draw")
    east, north, _ = local_positions(meta.antenna_positions_m[antennas]).T
    names = [meta.antennas[i].name.strip() or f"antenna {i}" for i in antennas]
    labels = [f"{n} ({i})" if ids else n for n, i in zip(names, antennas, strict=True)]
    figure = new_figure(8.5, 8.5, 110)
    axes = figure.add_axes((0.11, 0.08, 0.85, 0.83))
    if log:
        _draw_log(axes, east, north, labels)
    else:
        _draw_linear(axes, east, north, labels)
    head = title or f"Antenna positions for {meta.name}"
    figure.text(0.11, 0.965, head, fontsize=12, fontweight="bold", va="top")
    size = np.hypot(east[:, None] - east, north[:, None] - north).max()
    text = f"{meta.telescope}, {len(antennas)} antennas, longest baseline {size:,.0f} m"
    figure.text(0.11, 0.935, text + (", distance from the centre on a log scale" if log else ""), fontsize=9, va="top")
    return save_figure(figure, path, overwrite=overwrite)


def _draw_linear(axes: Any, east: NDArray, north: NDArray, labels: list[str]) -> None:
    far = max(np.ptp(east), np.ptp(north)) > 2e4
    scale, unit = (1e3, "km") if far else (1.0, "m")
    x, y = east / scale, north / scale
    half = 0.55 * max(np.ptp(x), np.ptp(y), 1.0 / scale)
    axes.set_aspect("equal", adjustable="box")
    axes.set_xlim(x.min() / 2 + x.max() / 2 - half * 1.08, x.min() / 2 + x.max() / 2 + half * 1.08)
    axes.set_ylim(y.min() / 2 + y.max() / 2 - half * 1.08, y.min() / 2 + y.max() / 2 + half * 1.08)
    axes.grid(visible=True, color="#E4E4E4", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.plot(x, y, "o", color=OKABE_ITO[1], markersize=5)
    axes.set_xlabel(f"East of the array's median ({unit})")
    axes.set_ylabel(f"North of the array's median ({unit})")
    _name(axes, x, y, labels)


def _draw_log(axes: Any, east: NDArray, north: NDArray, labels: list[str]) -> None:
    distance = np.hypot(east, north)
    positive = distance[distance > 0]
    inner = max(1.0, 0.8 * float(positive.min())) if len(positive) else 1.0
    radius = np.log(np.maximum(distance, inner) / inner) + 0.15
    angle = np.arctan2(east, north)
    x, y = radius * np.sin(angle), radius * np.cos(angle)
    outer = float(radius.max()) * 1.12
    choices = np.deg2rad(np.arange(22.5, 360.0, 15.0))
    gap = np.abs((choices[:, None] - angle[None, :] + np.pi) % (2 * np.pi) - np.pi).min(axis=1)
    free = float(choices[np.argmax(gap)])  # where the circles' labels are least in the way
    turn = np.linspace(0, 2 * np.pi, 361)
    for circle in _CIRCLES_M:
        r = np.log(circle / inner) + 0.15
        if 0.3 < r <= outer * 1.1:
            axes.plot(r * np.sin(turn), r * np.cos(turn), ":", color="#888888", linewidth=0.9, zorder=1)
            text = f"{circle / 1000:g} km" if circle >= 1000 else f"{circle} m"
            axes.text(r * np.sin(free), r * np.cos(free), text, fontsize=8, color="#555555", ha="center", va="bottom")
    axes.plot(x, y, "o", color=OKABE_ITO[1], markersize=5, zorder=4)
    axes.set_aspect("equal")
    axes.set_xlim(-outer * 1.12, outer * 1.12)
    axes.set_ylim(-outer * 1.12, outer * 1.12)
    axes.set_xticks([])
    axes.set_yticks([])
    for text, where in (("N", (0.5, 0.985)), ("E", (0.985, 0.5)), ("S", (0.5, 0.015)), ("W", (0.015, 0.5))):
        axes.text(*where, text, transform=axes.transAxes, ha="center", va="center", fontweight="bold", color="#555555")
    _name(axes, x, y, labels)


def _name(axes: Any, x: NDArray, y: NDArray, labels: list[str]) -> None:
    """Write the names, each on the side where fewest others are in its way."""
    figure = axes.figure
    figure.canvas.draw()  # fixes the transformation from data to pixels
    points = axes.transData.transform(np.column_stack([x, y]))
    point = figure.dpi / 72.0
    taken: list[tuple[float, float, float, float]] = [(px - 4, py - 4, px + 4, py + 4) for px, py in points]
    for (px, py), label, px_x, px_y in zip(points, labels, x, y, strict=True):
        width, height = (0.62 * len(label) * 7.5 + 2) * point, 8.5 * point
        best, cost = None, np.inf
        for reach in (6.0, 14.0, 24.0, 36.0):
            for side, (dx, dy) in enumerate(((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))):
                cx = px + dx * (reach * point * (0.7 if dy else 1) + width / 2)
                cy = py + dy * (reach * point * 0.8 + height / 2)
                box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
                price = sum(_overlap(box, other) for other in taken) + 0.2 * side + reach
                if price < cost:
                    best, cost = (cx, cy, box, reach), price
        assert best is not None
        cx, cy, box, reach = best
        taken.append(box)
        axes.annotate(
            label, (px_x, px_y), xytext=axes.transData.inverted().transform((cx, cy)), fontsize=7.5, ha="center",
            va="center", zorder=5,
            arrowprops={"arrowstyle": "-", "color": "#AAAAAA", "linewidth": 0.5} if reach > 10 else None,
        )  # fmt: skip


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0.0

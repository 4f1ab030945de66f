"""Pictures of images of the sky: colours, a scale, the beam, the mask, offsets from the centre."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.plots.style import check_free, new_figure, save_figure

_COLOURS = "cividis"  # its lightness grows steadily, and colour-blind readers see what others see
_BLANK = "#E8E8E8"
_MASK, _BEAM = "#D55E00", "#FFFFFF"
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))


@dataclass(frozen=True, eq=False)
class SkyPicture:
    """What is drawn.

    Attributes
    ----------
    values : float (y, x)
        Declination grows along y, right ascension falls along x; not a number where it is blank.
    cell_arcsec : float
    title, subtitle : str
        First line, and the lines below it.
    unit : str
        Of the values; one that begins with Jy is shown with the prefix that fits.
    beam : (float, float, float), optional
        Axes [arcsec] and position angle [deg] of the ellipse in the corner.
    mask : bool (y, x), optional
        Region whose edge is drawn.
    noise : float
        Where it is more than 0, colours are linear within three times this and logarithmic beyond (asinh).
    centre : str
        What offsets are counted from.
    """

    values: NDArray
    cell_arcsec: float
    title: str
    subtitle: str = ""
    unit: str = ""
    beam: tuple[float, float, float] | None = None
    mask: NDArray[np.bool_] | None = None
    noise: float = 0.0
    centre: str = ""


def picture_sky(picture: SkyPicture, path: Path, *, dpi: int = 100, overwrite: bool = True) -> Path:
    """Draw an image into a file.

    Parameters
    ----------
    picture : SkyPicture
    path : Path
        Its ending names the format.
    dpi : int
    overwrite : bool

    Returns
    -------
    Path

    Raises
    ------
    TableExists, WriteError
    """
    check_free(path, overwrite=overwrite)
    figure = new_figure(7.0, 6.6, dpi)
    axes = figure.add_axes((0.12, 0.09, 0.70, 0.75))
    ny, nx = picture.values.shape
    cell = picture.cell_arcsec
    extent = ((nx // 2 + 0.5) * cell, (nx // 2 + 0.5 - nx) * cell, -(ny // 2 + 0.5) * cell, (ny - ny // 2 - 0.5) * cell)
    scale, unit = _prefix(picture)
    shown = axes.imshow(
        np.asarray(picture.values, np.float64) / scale, origin="lower", extent=extent, cmap=_colour_map(),
        norm=_norm(picture, scale), interpolation="nearest",
    )  # fmt: skip
    if picture.mask is not None and picture.mask.any() and not picture.mask.all():
        _draw_mask(axes, picture.mask, extent)
    if picture.beam is not None:
        _draw_beam(axes, picture.beam, extent)
    of = f" from {picture.centre}" if picture.centre else ""
    axes.set_xlabel("Offset to the east [arcsec]" + of, fontsize=9)
    axes.set_ylabel("Offset to the north [arcsec]", fontsize=9)
    axes.tick_params(labelsize=8, direction="out")
    box = axes.get_position()
    bar = figure.colorbar(shown, cax=figure.add_axes((box.x1 + 0.02, box.y0, 0.025, box.height)))
    bar.set_label(unit, fontsize=9)
    _tick(bar)
    bar.ax.tick_params(labelsize=8)
    figure.text(0.12, 0.975, picture.title, fontsize=11, fontweight="bold", va="top")
    figure.text(0.12, 0.940, picture.subtitle, fontsize=8.5, va="top", linespacing=1.4)
    return save_figure(figure, path, overwrite=overwrite)


def _colour_map() -> Any:
    from matplotlib import colormaps

    return colormaps[_COLOURS].with_extremes(bad=_BLANK)


def _norm(picture: SkyPicture, scale: float) -> Any:
    from matplotlib.colors import AsinhNorm, Normalize

    there = picture.values[np.isfinite(picture.values)]
    low, high = (float(there.min()) / scale, float(there.max()) / scale) if len(there) else (0.0, 1.0)
    if high <= low:
        high = low + 1
    if picture.noise > 0 and high > 6 * picture.noise / scale:
        return AsinhNorm(3 * picture.noise / scale, vmin=max(low, -3 * picture.noise / scale), vmax=high)
    return Normalize(low, high)


def _tick(bar: Any) -> None:
    """Give a scale seven numbers at even distances, of two digits."""
    from matplotlib.ticker import FixedLocator, NullLocator

    values = bar.norm.inverse(np.linspace(0, 1, 7))
    step = np.diff(values).min()
    digits = max(0, 1 - int(np.floor(np.log10(step))))
    rounded = [round(float(v), digits) for v in values[:-1]] + [float(values[-1])]
    bar.ax.yaxis.set_major_locator(FixedLocator(rounded))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(lambda value, _: f"{value:.3g}" if abs(value) > step / 100 else "0")


def _prefix(picture: SkyPicture) -> tuple[float, str]:
    """Return what values are divided by, and the unit with its prefix."""
    if not picture.unit.startswith("Jy"):
        return 1.0, picture.unit
    there = np.abs(picture.values[np.isfinite(picture.values)])
    most = float(there.max()) if len(there) else 1.0
    scale, prefix = next(((s, p) for s, p in _PREFIXES if most >= s), _PREFIXES[-1] if most > 0 else _PREFIXES[0])
    return scale, prefix + picture.unit


def _draw_mask(axes: Any, mask: NDArray[np.bool_], extent: tuple[float, float, float, float]) -> None:
    ny, nx = mask.shape
    east = np.linspace(extent[0], extent[1], 2 * nx + 1)[1::2]
    north = np.linspace(extent[2], extent[3], 2 * ny + 1)[1::2]
    axes.contour(east, north, mask.astype(float), levels=[0.5], colors=_MASK, linewidths=1.0)
    axes.plot([], [], color=_MASK, linewidth=1.0, label="mask")
    axes.legend(loc="upper right", fontsize=8, framealpha=0.85)


def _draw_beam(axes: Any, beam: tuple[float, float, float], extent: tuple[float, float, float, float]) -> None:
    from matplotlib.patches import Ellipse, Rectangle

    major, minor, pa = beam
    side = 1.6 * major
    corner = (extent[0] - side / 2, extent[2] + side / 2)
    axes.add_patch(
        Rectangle((corner[0] - side / 2, corner[1] - side / 2), side, side, facecolor="#00000099", edgecolor="none")
    )
    # east is to the left: an angle from north through east turns the other way in the axes' numbers
    axes.add_patch(Ellipse(corner, minor, major, angle=-pa, facecolor=_BEAM, edgecolor="#000000", linewidth=0.8))

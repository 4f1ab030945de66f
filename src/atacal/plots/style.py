"""How pictures look and how they reach the disk: colours, figures, time axes, saving.

Figures are drawn with matplotlib's Agg and PDF canvases directly; no display and no pyplot state is ever touched.
"""

from __future__ import annotations

import itertools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, TableExists, WriteError
from atacal.memory import give_back

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind readers tell apart (Okabe & Ito 2008), without the yellow that white paper swallows."""

FLAGGED = "#9A9A9A"
"""Colour of flagged data and solutions."""

FORMATS = ("png", "pdf", "ps", "svg", "jpg")
SECONDS_PER_DAY = 86400.0
_STEPS_S = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
    3600, 7200, 10800, 21600, 43200, 86400, 2 * 86400, 5 * 86400, 10 * 86400, 30 * 86400, 100 * 86400, 365 * 86400,
)  # fmt: skip


def class_colours(count: int) -> list[str]:
    """Return ``count`` colours that can be told apart: Okabe-Ito while they last, else steps of cividis."""
    if count <= len(OKABE_ITO):
        return list(OKABE_ITO[:count])
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(c) for c in colormaps["cividis"](np.linspace(0.0, 0.97, count))]


def new_figure(width_in: float, height_in: float, dpi: int) -> Any:
    """Return an empty matplotlib Figure with our text sizes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=dpi, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def picture_path(plotfile: str | os.PathLike[str], expformat: str = "") -> Path:
    """Return the path of a picture, its ending completed from ``expformat`` (default png).

    Raises
    ------
    ArgumentError
        If neither the name nor ``expformat`` names a format that we can write.
    """
    path = Path(plotfile)
    if path.name in ("", ".", ".."):
        raise ArgumentError(f"plotfile={os.fspath(plotfile)!r} is no file name")
    known = (*FORMATS, "txt")
    ending = path.suffix[1:].lower()
    if expformat:
        if expformat.lower() not in known:
            raise ArgumentError(f"expformat={expformat!r} is not known; possible are {', '.join(known)}")
        return path if ending == expformat.lower() else path.with_name(f"{path.name}.{expformat.lower()}")
    return path if ending in known else path.with_name(f"{path.name}.png")


_saved = itertools.count(1)
_GIVE_BACK_AFTER = 6
"""Figures that may wait to be freed: to look for them takes a third as long as to draw one."""


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise `TableExists` if a file is there and may not be replaced, `WriteError` if its folder is not there."""
    if path.exists() and not overwrite:
        raise TableExists(f"{path} exists already; give overwrite=True or another plotfile")
    if not path.parent.is_dir():
        raise WriteError(f"{path} cannot be written: there is no folder {path.parent}")


def save_figure(figure: Any, path: Path, *, overwrite: bool = True) -> Path:
    """Write a figure under a temporary name beside ``path``, then rename; the same figure gives the same bytes.

    Raises
    ------
    TableExists, WriteError
    """
    check_free(path, overwrite=overwrite)
    form = path.suffix[1:].lower()
    metadata = {"png": {"Software": "atacal"}, "pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(form)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    if next(_saved) % _GIVE_BACK_AFTER == 0:
        give_back()  # the figures before
    try:
        figure.savefig(temporary, format=form, metadata=metadata)
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def save_numbers(path: Path, **arrays: Any) -> Path:
    """Write the numbers behind a picture as a compressed ``.npz`` (temporary name, then rename).

    Raises
    ------
    WriteError
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(temporary, path)
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return path


def calendar_date(mjd: float) -> str:
    """Return the date of a Modified Julian Day as ``2015-06-28``."""
    return str(np.datetime64("1858-11-17", "D") + math.floor(mjd))


def utc_text(mjd_s: float, *, decimals: int = 0) -> str:
    """Return a time [MJD s] as ``2015-06-28 14:00:02`` UTC."""
    ticks = round(mjd_s * 10**decimals)
    day, rest = divmod(ticks, 86400 * 10**decimals)
    seconds, fraction = divmod(rest, 10**decimals)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{calendar_date(day)} {text}" + (f".{fraction:0{decimals}d}" if decimals else "")


class TimeAxis:
    """Ticks of a time axis whose numbers are seconds since a midnight.

    Parameters
    ----------
    low_mjd_s, high_mjd_s : float
        First and last time that will be shown [MJD s].
    frame : str
        The frame they are in.
    """

    def __init__(self, low_mjd_s: float, high_mjd_s: float, frame: str = "UTC") -> None:
        self.frame = frame
        self.origin_mjd_s = math.floor(low_mjd_s / SECONDS_PER_DAY) * SECONDS_PER_DAY
        self.several_days = high_mjd_s - self.origin_mjd_s > SECONDS_PER_DAY

    @property
    def label(self) -> str:
        """Axis label with the date."""
        date = calendar_date(self.origin_mjd_s / SECONDS_PER_DAY)
        return f"Time ({self.frame}, from {date}; day/hh:mm)" if self.several_days else f"Time ({self.frame}, {date})"

    def offsets(self, mjd_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return seconds since the axis' midnight."""
        return np.asarray(mjd_s) - self.origin_mjd_s

    def dress(self, axis: Any, *, nticks: int = 6) -> None:
        """Give a matplotlib axis our tick places and hh:mm labels."""
        from matplotlib.ticker import FuncFormatter

        axis.set_major_locator(_locator(nticks))
        axis.set_major_formatter(FuncFormatter(lambda value, _: self._text(value, axis)))

    def _text(self, value: float, axis: Any) -> str:
        ticks = axis.get_majorticklocs()
        step = abs(float(ticks[1] - ticks[0])) if len(ticks) > 1 else 1.0
        if step >= 1:
            whole = round(value)
            fraction = ""
        else:
            digits = 1 if step >= 0.1 else 2 if step >= 0.01 else 3
            whole = math.floor(round(value, digits))
            fraction = f"{value - whole:.{digits}f}"[1:]
        text = f"{whole // 3600 % 24:02d}:{whole // 60 % 60:02d}"
        if step < 60:
            text += f":{whole % 60:02d}{fraction}"
        if not self.several_days:
            return text
        date = np.datetime64("1858-11-17", "D") + int(self.origin_mjd_s // SECONDS_PER_DAY + whole // 86400)
        return f"{str(date)[5:]}/{text}" if step < 86400 else str(date)[2:]


def _step(minimum_s: float) -> float:
    return next((float(s) for s in _STEPS_S if s >= minimum_s), float(_STEPS_S[-1]))


def _locator(nticks: int) -> Any:
    """Return a matplotlib locator for seconds of time: steps that clocks have."""
    from matplotlib.ticker import Locator

    class ClockLocator(Locator):
        def __call__(self) -> Any:
            assert self.axis is not None
            return self.tick_values(*self.axis.get_view_interval())

        def tick_values(self, vmin: float, vmax: float) -> Any:
            low, high = min(vmin, vmax), max(vmin, vmax)
            step = _step((high - low) / max(nticks, 2))
            for finer in sorted((s for s in _STEPS_S if s <= step), reverse=True):
                ticks = np.arange(math.ceil(low / finer), math.floor(high / finer) + 1) * finer
                if len(ticks) >= 2:  # one number alone says nothing of the scale
                    return ticks
            return np.array([low, high])

    return ClockLocator()

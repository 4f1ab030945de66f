"""Reading what users write for limits, times, sizes of averages and layouts of panels."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np

from atacal.errors import ArgumentError

Window = tuple[float, float, float, float]
_UNITS_S = {"": 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def plot_window(plotrange: Sequence[float | str], *, x_is_time: bool) -> Window | None:
    """Return (xmin, xmax, ymin, ymax) with nan where the data decide; None where they decide everything.

    Parameters
    ----------
    plotrange : sequence
        CASA's ``[xmin, xmax, ymin, ymax]``; two equal values leave a pair open. Times may be written
        ``YYYY/MM/DD/hh:mm:ss``.
    x_is_time : bool

    Raises
    ------
    ArgumentError
    """
    if plotrange is None or len(plotrange) == 0:
        return None
    if len(plotrange) != 4:
        raise ArgumentError(f"plotrange={list(plotrange)!r} must be four values: xmin, xmax, ymin, ymax")
    numbers = [_number(v, x_is_time=x_is_time and k < 2) for k, v in enumerate(plotrange)]
    for low in (0, 2):
        if numbers[low] == numbers[low + 1]:
            numbers[low] = numbers[low + 1] = math.nan
        elif numbers[low] > numbers[low + 1]:
            raise ArgumentError(f"plotrange={list(plotrange)!r}: {plotrange[low]} is above {plotrange[low + 1]}")
    return None if all(math.isnan(n) for n in numbers) else (numbers[0], numbers[1], numbers[2], numbers[3])


def _number(value: float | str, *, x_is_time: bool) -> float:
    text = str(value).strip()
    try:
        return float(text)
    except ValueError:
        pass
    if x_is_time and re.fullmatch(r"\d{4}/\d{1,2}/\d{1,2}(/\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?", text):
        year, month, day, *clock = text.split("/")
        parts = [float(p) for p in clock[0].split(":")] if clock else []
        try:
            date = np.datetime64(f"{year}-{int(month):02d}-{int(day):02d}")
        except ValueError as error:
            raise ArgumentError(f"plotrange: {text!r} is no date") from error
        days = int((date - np.datetime64("1858-11-17")).astype(int))
        return days * 86400.0 + sum(p * f for p, f in zip(parts, (3600.0, 60.0, 1.0), strict=False))
    hint = "a number or YYYY/MM/DD/hh:mm:ss" if x_is_time else "a number"
    raise ArgumentError(f"plotrange: {value!r} is not {hint}")


def positive_number(value: float | str, *, parameter: str) -> float:
    """Return the number in ``8``, ``"8"``, ``"30s"`` or ``"2min"``; 0 for nothing.

    Raises
    ------
    ArgumentError
    """
    text = str(value).strip().lower()
    if not text:
        return 0.0
    match = re.fullmatch(r"(\d+\.?\d*(?:e\+?\d+)?|\.\d+)\s*([a-z]*)", text)
    units = _UNITS_S if parameter == "avgtime" else {"": 1.0}
    if not match or match[2] not in units:
        raise ArgumentError(f"{parameter}={value!r} is not a positive number{' of seconds' if len(units) > 1 else ''}")
    return float(match[1]) * units[match[2]]


def grid_of(subplot: int | str, *, parameter: str = "subplot") -> tuple[int, int]:
    """Return (rows, columns) of CASA's ``subplot``: 22, "42", 111, 231 (a third digit is not used).

    Raises
    ------
    ArgumentError
    """
    text = str(subplot).strip()
    if re.fullmatch(r"[1-9][1-9]\d?", text):
        return int(text[0]), int(text[1])
    raise ArgumentError(f"{parameter}={subplot!r}: two digits are needed, rows and columns of panels, such as 22 or 42")

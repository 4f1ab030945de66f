"""Channels of a new spectral grid: equidistant in frequency, from a start, a width and a number of channels."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")

MODES = ("channel", "frequency", "velocity")
_LIGHT_M_PER_S = 299792458.0
_EDGE = 0.01  # of a channel: what a grid may lack of a whole channel and still have it
_HZ = 1.0  # what numbers in the frame of the data may differ by
_HZ_UNITS = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "THz": 1e12}
_SPEED_UNITS = {"m/s": 1.0, "km/s": 1e3}


@dataclass(frozen=True)
class GridOptions:
    """The grid that is asked for.

    Attributes
    ----------
    mode : str
        channel, frequency, velocity.
    nchan : int
        -1: as many as fit.
    start : int or str
        The first channel: its number, its frequency ('240.5GHz') or its velocity ('-5km/s'); 0 or '' in the last two
        modes: the first of the data.
    width : int or str
        Its width, of the same kind; 1 or '': that of the data.
    restfreq_hz : float
        For velocities.
    """

    mode: str = "channel"
    nchan: int = -1
    start: int | str = 0
    width: int | str = 1
    restfreq_hz: float = 0.0


def new_grid(
    freq_hz: NDArray[np.float64], width_hz: NDArray[np.float64], how: GridOptions, *, spw: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return centres and (signed) widths of the channels of a grid.

    Parameters
    ----------
    freq_hz, width_hz : float64 (chan,)
        The channels of the data in the new frame.
    how : GridOptions
    spw : int
        For messages.

    Returns
    -------
    freq_hz, width_hz : float64 (new chan,)
        In the order of the data's: descending ones stay descending.

    Raises
    ------
    ArgumentError

    Notes
    -----
    What start, width and their signs mean is what they mean in CASA's mstransform: a positive velocity width starts at
    the channel of the lowest velocity, which is the highest frequency, and goes down in frequency.
    """
    steps = np.diff(freq_hz)
    if len(steps) and not ((steps > 0).all() or (steps < 0).all()):
        raise ArgumentError(f"the channels of spw {spw} neither ascend nor descend: they cannot be regridded")
    descending = len(steps) > 0 and bool(steps[0] < 0)
    freq, width = (freq_hz[::-1], np.abs(width_hz)[::-1]) if descending else (freq_hz, np.abs(width_hz))
    edge, channel, from_top = _start_edge(freq, width, how, descending=descending, spw=spw)
    if channel < width.min() - _HZ:
        raise ArgumentError(
            f"channels of {channel:.6g} Hz are narrower than those of spw {spw}, of which the narrowest has "
            f"{width.min():.6g} Hz"
        )
    centre, total = _extent(freq, width, edge, channel, how.nchan, from_top=from_top)
    channel = min(channel, total)
    count = int(np.floor((total + _EDGE * channel) / channel))
    new = centre + channel * (np.arange(count, dtype=np.float64) - (count - 1) / 2)
    if descending:
        return new[::-1], np.full(count, -channel)
    return new, np.full(count, channel)


def _start_edge(
    freq: NDArray[np.float64], width: NDArray[np.float64], how: GridOptions, *, descending: bool, spw: int
) -> tuple[float | None, float, bool]:
    """Return the frequency where the grid starts, None for the data's own; a channel's width; whether it goes down."""
    if how.mode == "channel":
        start, number = _channels(how)
        if start >= len(freq):
            raise ArgumentError(f"start={how.start!r}: spw {spw} has the channels 0 to {len(freq) - 1}")
        down = (number < 0) != descending
        at = len(freq) - 1 - start if descending else start
        half = width[at] / 2
        return float(freq[at] + half if down else freq[at] - half), float(abs(number) * width[0]), down
    units = _HZ_UNITS if how.mode == "frequency" else _SPEED_UNITS
    first = _quantity("start", how.start, units) if str(how.start) not in ("", "0") else None
    given = _quantity("width", how.width, units) if str(how.width) not in ("", "1") else None
    if how.mode == "frequency":
        channel = abs(given) if given else float(width[0])
        down = given is not None and given < 0
        return None if first is None else first + (channel / 2 if down else -channel / 2), channel, down
    if not how.restfreq_hz > 0:
        raise ArgumentError("mode='velocity' needs restfreq, the rest frequency: '230.538GHz'")
    per_speed = how.restfreq_hz / _LIGHT_M_PER_S
    channel = abs(given) * per_speed if given else float(width[0])
    down = given is None or given >= 0
    if first is None:
        return None, channel, down
    centre = how.restfreq_hz - first * per_speed
    return centre + (channel / 2 if down else -channel / 2), channel, down


def _channels(how: GridOptions) -> tuple[int, int]:
    try:
        start = 0 if how.start == "" else int(how.start)
        number = 1 if how.width == "" else int(how.width)
    except ValueError:
        start, number = -1, 0
    if start < 0 or number == 0:
        raise ArgumentError(f"start={how.start!r}, width={how.width!r}: in mode 'channel' they are numbers of channels")
    return start, number


def _extent(
    freq: NDArray[np.float64], width: NDArray[np.float64], edge: float | None, channel: float, nchan: int, *,
    from_top: bool,
) -> tuple[float, float]:  # fmt: skip
    """Return the centre and the width of the whole grid."""
    low, high = float(freq[0] - width[0] / 2), float(freq[-1] + width[-1] / 2)
    if edge is None:
        total = _whole(high - low, channel, nchan)
        return low + total / 2, total
    inside = min(max(edge, low), high)
    if abs(inside - edge) > _HZ:
        log.warning("the grid starts outside of the data, at %.9g Hz; it is made to start at %.9g Hz", edge, inside)
    room = inside - low if from_top else high - inside
    if room < _HZ:
        raise ArgumentError("the grid starts at the end of the data: there is no room for a channel")
    total = _whole(room, channel, nchan)
    return inside - total / 2 if from_top else inside + total / 2, total


def _whole(room: float, channel: float, nchan: int) -> float:
    """Return the width of so many channels, or of as many as there is room for; of one, cut to the room, at least."""
    if nchan > 0:
        return nchan * channel
    return channel * float(np.floor((room + _EDGE * channel) / channel)) or room


def frequency_hz(text: str) -> float:
    """Read a frequency: '230.538GHz'; '' is 0."""
    return _quantity("restfreq", text, _HZ_UNITS) if str(text).strip() else 0.0


def _quantity(name: str, value: int | str, units: dict[str, float]) -> float:
    found = re.fullmatch(r"\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*([A-Za-z/]+)\s*", str(value))
    if not found or found[2] not in units:
        raise ArgumentError(f"{name}={value!r}; write a number and one of {', '.join(units)}")
    return float(found[1]) * units[found[2]]

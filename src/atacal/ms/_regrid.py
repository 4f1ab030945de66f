"""Visibilities at other frequencies: interpolation along the channels, and Hanning smoothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

METHODS = ("nearest", "linear", "cubic")
HANNING_WEIGHT = 1 / 0.375
"""By what smoothing multiplies weights: noise of independent channels goes down to the square root of 3/8."""
_WIDE = 2.0 - 1e-6  # from here on a channel is the mean of several places in it
_FIRST_SAMPLE = 0.5  # place of the first of them in its part of the channel
_ON_A_CHANNEL = 1e-6  # of a channel: so near the flag of the neighbour does not matter


@dataclass(frozen=True, eq=False)
class Regrid:
    """How channels of one spw become those of another.

    Attributes
    ----------
    source_hz : float64 (chan,)
        Frequencies of the data's channels, in their frame.
    target_hz : float64 (new chan,)
        In the new frame.
    target_width_hz : float
    ratios : dict of time -> float
        By what frequencies are multiplied from one frame to the other.
    method : str
        nearest, linear, cubic.
    weight : float
        By what weights are multiplied: the ratio of the widths.
    """

    source_hz: NDArray[np.float64]
    target_hz: NDArray[np.float64]
    target_width_hz: float
    ratios: dict[float, float]
    method: str
    weight: float

    def places_hz(self) -> NDArray[np.float64]:
        """Return the frequencies that are interpolated to, (sample, new chan); their mean is a channel's value."""
        ratio = (
            abs(self.target_width_hz) / float(np.abs(np.diff(self.source_hz)).mean()) if len(self.source_hz) > 1 else 1
        )
        if ratio < _WIDE:
            return self.target_hz[None]
        number = 2 * (int(np.floor(ratio + 1e-6)) + 1)
        part = (np.arange(number) + _FIRST_SAMPLE) / number - 0.5
        return self.target_hz[None] + part[:, None] * self.target_width_hz

    def apply(
        self, time_s: NDArray[np.float64], cubes: dict[str, NDArray], flag: NDArray[np.bool_]
    ) -> tuple[dict[str, NDArray], NDArray[np.bool_]]:
        """Interpolate rows.

        Parameters
        ----------
        time_s : float64 (row,)
        cubes : dict of arrays (row, chan, corr)
        flag : bool (row, chan, corr)

        Returns
        -------
        cubes, flag
            (row, new chan, corr). Flagged is what rests on a flagged channel or lies outside of the data.
        """
        shape = (flag.shape[0], len(self.target_hz), flag.shape[2])
        out = {name: np.empty(shape, cube.dtype) for name, cube in cubes.items()}
        out_flag = np.empty(shape, bool)
        places = self.places_hz()
        for time in np.unique(time_s):
            rows = np.flatnonzero(time_s == time)
            source = self.source_hz * self.ratios[float(time)]
            taps = _joined([_Taps.at(source, sample, self.method) for sample in places])
            out_flag[rows] = taps.flags(flag[rows])
            for name, cube in cubes.items():
                out[name][rows] = taps.values(cube[rows])
        return out, out_flag


@dataclass(frozen=True, eq=False)
class _Taps:
    """Which channels a value is made of.

    Attributes
    ----------
    chan : int (tap, new chan)
    factor : float32 (tap, new chan)
    flagged_by : int (any, new chan)
        Channels whose flags count.
    outside : bool (new chan,)
    """

    chan: NDArray[np.intp]
    factor: NDArray[np.float32]
    flagged_by: NDArray[np.intp]
    outside: NDArray[np.bool_]

    @classmethod
    def at(cls, source: NDArray[np.float64], place: NDArray[np.float64], method: str) -> _Taps:
        count = len(source)
        reverse = count > 1 and source[0] > source[-1]
        x = source[::-1] if reverse else source
        slack = _ON_A_CHANNEL * (x[1] - x[0] if count > 1 else 1.0)
        outside = (place < x[0] - slack) | (place > x[-1] + slack)
        place = np.clip(place, x[0], x[-1])
        left = np.clip(np.searchsorted(x, place, side="right") - 1, 0, max(count - 2, 0))
        right = np.minimum(left + 1, count - 1)
        step = np.where(right > left, x[right] - x[left], 1.0)
        part = np.where(right > left, (place - x[left]) / step, 0.0)
        near = np.where(part > 0.5, right, left)
        # a place on a channel is that channel
        pair = np.where(np.abs(part - np.round(part)) < _ON_A_CHANNEL, np.stack([near, near]), np.stack([left, right]))
        if method == "nearest":
            chan, factor, pair = near[None], np.ones((1, len(place))), np.stack([near, near])
        elif method == "cubic" and count > 3:
            chan, factor = _cubic(x, place, left)
        else:
            chan, factor = np.stack([left, right]), np.stack([1 - part, part])
        if reverse:
            chan, pair = count - 1 - chan, count - 1 - pair
        return cls(chan, factor.astype(np.float32), pair, outside)

    def values(self, cube: NDArray) -> NDArray:
        out = cube[:, self.chan[0]] * self.factor[0][:, None]
        for chan, factor in zip(self.chan[1:], self.factor[1:], strict=True):
            out += cube[:, chan] * factor[:, None]
        return out

    def flags(self, flag: NDArray[np.bool_]) -> NDArray[np.bool_]:
        out = np.broadcast_to(self.outside[:, None], (len(flag), len(self.outside), flag.shape[2])).copy()
        for chan in self.flagged_by:
            out |= flag[:, chan]
        return out


def _joined(taps: list[_Taps]) -> _Taps:
    """Return the mean of several places in the same channels as one set of channels and factors."""
    if len(taps) == 1:
        return taps[0]
    chan, by = np.concatenate([t.chan for t in taps]), np.concatenate([t.flagged_by for t in taps])
    factor = np.concatenate([t.factor.astype(np.float64) for t in taps]) / len(taps)
    first = chan.min(axis=0)
    new = np.arange(chan.shape[1])
    summed = np.zeros((int((chan - first).max()) + 1, chan.shape[1]))
    for c, f in zip(chan, factor, strict=True):
        summed[c - first, new] += f
    last = chan.max(axis=0)
    window = np.minimum(first + np.arange(len(summed))[:, None], last)  # beyond the last the factors are 0
    count = int((by.max(axis=0) - by.min(axis=0)).max()) + 1
    flagged = np.minimum(by.min(axis=0) + np.arange(count)[:, None], by.max(axis=0))
    return _Taps(window, summed.astype(np.float32), flagged, np.any([t.outside for t in taps], axis=0))


def _cubic(
    x: NDArray[np.float64], place: NDArray[np.float64], left: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Return the four channels around each place and the factors of the polynomial through them (Lagrange)."""
    first = np.clip(left - 1, 0, len(x) - 4)
    chan = first[None] + np.arange(4)[:, None]
    factor = np.ones(chan.shape)
    for a in range(4):
        for b in range(4):
            if a != b:
                factor[a] *= (place - x[chan[b]]) / (x[chan[a]] - x[chan[b]])
    return chan, factor


def hanning(
    cubes: dict[str, NDArray], flag: NDArray[np.bool_]
) -> tuple[dict[str, NDArray], NDArray[np.bool_]]:  # fmt: skip
    """Smooth channels with 1/4, 1/2, 1/4.

    Parameters
    ----------
    cubes : dict of arrays (row, chan, corr)
    flag : bool (row, chan, corr)

    Returns
    -------
    cubes, flag
        What rests on a flagged channel is flagged, as are the first and the last channel, which stay as they are.
    """
    out = {}
    for name, cube in cubes.items():
        smooth = cube.copy()
        smooth[:, 1:-1] = (
            np.float32(0.25) * cube[:, :-2] + np.float32(0.5) * cube[:, 1:-1] + np.float32(0.25) * cube[:, 2:]
        )  # fmt: skip
        out[name] = smooth
    new = flag.copy()
    new[:, 1:-1] |= flag[:, :-2] | flag[:, 2:]
    new[:, [0, -1]] = True
    return out, new

"""Visibilities, autocorrelations and flags of a BDF as arrays in the order of a MeasurementSet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.bdf import Bdf, Part, Window
from atacal.errors import BdfError

_WVR_APC = 2
_WVR_APC_AND_BLANKED = 3
_FLOATS_OF_AUTO = {0: 0, 1: 1, 2: 2, 3: 4, 4: 4}
"""Products of an autocorrelation -> real numbers a channel: XX, Re XY, Im XY, YY for three."""


@lru_cache(16)
def baseline_order(nant: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return first antennas, second antennas, and places in a BDF of the baselines in the order of the rows.

    Rows: 0-1, 0-2 ... 0-n, 1-2...; BDF: 0-1, 0-2, 1-2, 0-3...
    """
    first, second = np.triu_indices(nant, 1)
    made = first, second, second * (second - 1) // 2 + first
    for numbers in made:
        numbers.flags.writeable = False  # they are kept and shared
    return made


@dataclass(frozen=True)
class Layout:
    """Where the numbers of each window lie within an antenna or a baseline."""

    cross_start: list[int]
    cross_step: int
    """Real numbers of a baseline."""
    auto_start: list[int]
    auto_step: int
    flag_cross: list[tuple[int, int]]
    """First flag and number of flags of each window, within a baseline."""
    flag_auto: list[tuple[int, int]]
    flag_cross_step: int
    flag_auto_step: int


def layout(bdf: Bdf, napc: int) -> Layout:
    """Work out the layout.

    Parameters
    ----------
    bdf : Bdf
    napc : int
        Kinds of data of the cross-correlations: 2 if they are there with and without atmospheric correction.
    """
    cross = [2 * napc * w.nchan * len(w.cross) for w in bdf.windows]
    auto = [w.nchan * _FLOATS_OF_AUTO[len(w.auto)] for w in bdf.windows]
    per_window = _flags_per_window(bdf)
    flag_cross, step_cross = _flag_places(bdf.windows, [len(w.cross) for w in bdf.windows], per_window)
    flag_auto, step_auto = _flag_places(bdf.windows, [len(w.auto) for w in bdf.windows], per_window)
    return Layout(_starts(cross), sum(cross), _starts(auto), sum(auto), flag_cross, flag_auto, step_cross, step_auto)


def _starts(sizes: list[int]) -> list[int]:
    return [0, *accumulate(sizes)][:-1]


def _flags_per_window(bdf: Bdf) -> bool:
    """Whether each window has flags, or each baseband: told by the axes, or by the number of flags."""
    if "SPW" in bdf.flag_axes:
        return True
    nant, size = bdf.num_antenna, 0
    for w in bdf.windows:
        if bdf.correlation_mode != "CROSS_ONLY":
            size += len(w.auto) * nant
        if bdf.correlation_mode != "AUTO_ONLY":
            size += len(w.cross) * nant * (nant - 1) // 2
    return bdf.sizes.get("flags") == size


def _flag_places(windows: list[Window], counts: list[int], per_window: bool) -> tuple[list[tuple[int, int]], int]:
    places: list[tuple[int, int]] = []
    position = 0
    for i, (window, count) in enumerate(zip(windows, counts, strict=True)):
        if i and not per_window and windows[i - 1].baseband == window.baseband:
            places.append(places[-1])
            continue
        places.append((position, count))
        position += count
    return places, position


def cross_block(bdf: Bdf, parts: list[Part], window: int, at: Layout, apc: int, nant: int) -> NDArray[np.complex64]:
    """Return cross-correlations (time * baseline, chan, corr) of one window.

    Raises
    ------
    BdfError
    """
    w = bdf.windows[window]
    count = 2 * w.nchan * len(w.cross)
    start = at.cross_start[window] + apc * count
    order = baseline_order(nant)[2]
    out = np.empty((len(parts), len(order), count), np.float32)
    scaled = np.empty((len(order), count), np.float32)
    for t, part in enumerate(parts):
        values = _attached(bdf, part, "crossData", len(order) * at.cross_step).reshape(len(order), -1)
        scaled[...] = values[:, start : start + count]
        if w.scale != 1:
            np.divide(scaled, np.float32(w.scale), out=scaled)
        np.take(scaled, order, axis=0, out=out[t], mode="clip")  # with its check of the indices it would copy once more
    return out.view(np.complex64).reshape(-1, w.nchan, len(w.cross))


def auto_block(
    bdf: Bdf, parts: list[Part], window: int, at: Layout, nant: int, first_dump: int = 0
) -> NDArray[np.complex64]:
    """Return autocorrelations (time * antenna, chan, corr) of one window; three products become XX, XY, YX, YY.

    Parts of several dumps (radiometers) give the dumps from ``first_dump`` on.

    Raises
    ------
    BdfError
    """
    w = bdf.windows[window]
    products = len(w.auto)
    per_channel = _FLOATS_OF_AUTO[products]
    start, count = at.auto_start[window], w.nchan * per_channel
    dumps = max(bdf.num_time, 1)
    found = []
    for part in parts:
        values = _attached(bdf, part, "autoData", dumps * nant * at.auto_step).reshape(dumps, nant, -1)
        found.append(values[first_dump:, :, start : start + count])
    real = np.concatenate(found).astype(np.float32).reshape(-1, w.nchan, per_channel)
    if products < 3:
        return real.astype(np.complex64)
    out = np.empty((*real.shape[:2], 4), np.complex64)
    out[..., 0], out[..., 3] = real[..., 0], real[..., 3]
    out[..., 1].real, out[..., 1].imag = real[..., 1], real[..., 2]
    out[..., 2] = out[..., 1].conj()
    return out


def check_parts(bdf: Bdf, parts: list[Part], at: Layout, nant: int, *, cross: bool, flags: bool) -> None:
    """Raise if an integration lacks what `cross_block` or `auto_block`, and `flags_block`, will look for.

    Raises
    ------
    BdfError
    """
    nbl, dumps = nant * (nant - 1) // 2, max(bdf.num_time, 1)
    for part in parts:
        if cross:
            _attached(bdf, part, "crossData", nbl * at.cross_step)
        else:
            _attached(bdf, part, "autoData", dumps * nant * at.auto_step)
        if flags and _has_flags(part):
            _attached(bdf, part, "flags", dumps * sum(_flag_counts(bdf, at, nant)))


def _has_flags(part: Part) -> bool:
    return "flags" in part.places and part.places["flags"][1] > 0


def _flag_counts(bdf: Bdf, at: Layout, nant: int) -> tuple[int, int]:
    """Return how many flags of cross- and of autocorrelations a dump has."""
    crosses = nant * (nant - 1) // 2 * at.flag_cross_step if bdf.correlation_mode != "AUTO_ONLY" else 0
    return crosses, nant * at.flag_auto_step if bdf.correlation_mode != "CROSS_ONLY" else 0


def _attached(bdf: Bdf, part: Part, name: str, count: int) -> NDArray:
    if name not in part.places:
        raise BdfError(f"{bdf.path}: an integration has no {name}")
    values = bdf.values(part, name)
    if len(values) != count:
        raise BdfError(f"{bdf.path}: {name} has {len(values)} values, its description makes {count}")
    return values


def flags_block(
    bdf: Bdf,
    parts: list[Part],
    window: int,
    at: Layout,
    nant: int,
    *,
    cross: bool,
    corrected: bool,
    first_dump: int = 0,
) -> NDArray[np.bool_]:
    """Return the BDF's flags (time * antenna or baseline, corr): they hold for all channels.

    Uncorrected data are not flagged where only the correction of the phase failed.

    Raises
    ------
    BdfError
    """
    nbl, dumps = nant * (nant - 1) // 2, max(bdf.num_time, 1)
    crosses, autos = _flag_counts(bdf, at, nant)
    place, count = (at.flag_cross if cross else at.flag_auto)[window]
    who = nbl if cross else nant
    out = np.zeros((len(parts), dumps, who, count), bool)
    for t, part in enumerate(parts):
        if not _has_flags(part):
            continue
        words = _attached(bdf, part, "flags", dumps * (crosses + autos)).reshape(dumps, -1)
        mine = words[:, :crosses] if cross else words[:, crosses:]
        mine = mine.reshape(dumps, who, -1)[:, :, place : place + count]
        if mine.any():
            out[t] = (mine != 0) if corrected else ((mine & ~np.uint32(_WVR_APC)) != 0) & (mine != _WVR_APC_AND_BLANKED)
    if cross:
        out = out[:, :, baseline_order(nant)[2]]
    elif count == 3:
        out = out[..., [0, 0, 1, 2]]  # so does the filler: the first flag counts for XY, too
    return out[:, first_dump:].reshape(-1, out.shape[-1])

"""Averaging visibilities over channels and over time, with flags and weights, as CASA's split does.

Unflagged data are averaged with their weights; where everything is flagged the flagged data are averaged instead, and
stay flagged. Weights add up.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

Cube = NDArray


def sigma_to_weight(sigma: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1/sigma^2, 0 where sigma is not positive."""
    out = np.zeros_like(sigma)
    np.divide(np.float32(1), sigma * sigma, out=out, where=sigma > np.finfo(np.float32).tiny)
    return out


def weight_to_sigma(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return 1/sqrt(weight), -1 where the weight is not positive."""
    bad = weight <= np.finfo(np.float32).tiny
    out = np.sqrt(np.where(bad, np.float32(1), weight) if bad.any() else weight)
    np.divide(np.float32(1), out, out=out)
    out[bad] = -1
    return out


def average_channels(
    values: dict[str, Cube], weights: dict[str, Cube], flag: NDArray[np.bool_], width: int
) -> tuple[dict[str, Cube], dict[str, Cube], NDArray[np.bool_]]:
    """Average bins of adjacent channels; channels that do not fill a last bin are dropped.

    Parameters
    ----------
    values : dict of name -> complex or float (row, chan, corr)
    weights : dict of name -> float32 (row, chan, corr)
        Weight of each of ``values``, under the same names.
    flag : bool (row, chan, corr)
    width : int
        Channels a bin.

    Returns
    -------
    values, weights, flag : as given, (row, chan // width, corr)
        Averages, summed weights, and True where all of a bin was flagged.
    """
    nrow, nchan, ncorr = flag.shape
    nbin = nchan // width
    shape = (nrow, nbin, width, ncorr)

    def binned(cube: Cube) -> Cube:
        return cube[:, : nbin * width].reshape(shape)

    flags = binned(flag)
    none: NDArray[np.bool_] = np.asarray(flags.all(axis=2))
    use = ~flags | none[:, :, None, :]
    out, sums = {}, {}
    for name, cube in values.items():
        w = np.where(use, binned(weights[name]), np.float32(0))
        total = w.sum(axis=2)
        bins = binned(cube)
        if not use.all():  # what is flagged may be no number, which no weight of 0 puts right
            bins = np.where(use, bins, cube.dtype.type(0))
        # zero weights average plainly: the flagged, weightless data of a bin are still worth showing
        plain = total <= 0
        if plain.any():
            w = np.where(plain[:, :, None, :] & use, np.float32(1), w)
        norm = w.sum(axis=2)
        with np.errstate(invalid="ignore"):  # infinite data stay infinite or become NaN
            total_value = (bins * w).sum(axis=2)
            out[name] = np.divide(total_value, norm, where=norm > 0, out=np.zeros((nrow, nbin, ncorr), cube.dtype))
        sums[name] = total
    return out, sums, none


@dataclass
class _Sums:
    """Weighted sums of one cube, unflagged and flagged data apart; (baseline, chan, corr)."""

    good: Cube
    good_weight: NDArray[np.float64]
    seen: NDArray[np.bool_]
    bad: Cube
    bad_weight: NDArray[np.float64]


@dataclass
class TimeSums:
    """Sums over time bins, baseline by baseline; a baseline's bin begins with its first row.

    Attributes
    ----------
    shape : (int, int)
        (chan, corr).
    names : tuple of str
        The data columns.
    most : int, optional
        Baselines that there will be at most.
    """

    CELL_BYTES: ClassVar[int] = 49  # of `_Sums`, for each baseline, channel, correlation and data column

    shape: tuple[int, int]
    names: tuple[str, ...]
    most: int | None = None
    _baseline: dict[tuple[int, int, int, int], int] = field(default_factory=dict)
    _sums: dict[str, _Sums] = field(default_factory=dict)
    _rows: dict[str, NDArray] = field(default_factory=dict)
    _size: int = 0

    def ready(self, time: float, span_s: float) -> NDArray[np.intp]:
        """Return the baselines whose bins began more than ``span_s`` [s] before a time [MJD s]."""
        if not self._size:
            return np.zeros(0, np.intp)
        begun = self._rows["first_half"] > 0
        return np.flatnonzero(begun & (time - self._rows["first"] > span_s))

    def begun(self) -> NDArray[np.intp]:
        """Return the baselines that have a bin."""
        return np.flatnonzero(self._rows["first_half"] > 0) if self._size else np.zeros(0, np.intp)

    def add(
        self,
        keys: NDArray[np.int32],
        values: dict[str, Cube],
        weights: dict[str, Cube],
        flag: NDArray[np.bool_],
        *,
        row_weight: NDArray[np.float64],
        time: float,
        centroid: NDArray[np.float64],
        interval: float,
        exposure: float,
        uvw: NDArray[np.float64],
        origin: int = 0,
    ) -> None:
        """Add the rows of one integration.

        Parameters
        ----------
        keys : int32 (row, 4)
            antenna1, antenna2, feed1, feed2; no baseline twice.
        values, weights : dict of name -> (row, chan, corr)
        flag : bool (row, chan, corr)
        row_weight : float64 (row,)
            Weight of the row's uvw and time.
        time, interval, exposure : float
            [MJD s], [s].
        centroid : float64 (row,)
            TIME_CENTROID [MJD s].
        uvw : float64 (row, 3)
        origin : int
            A number that the averaged rows that begin here carry.
        """
        at = self._places(keys)
        new = at[self._rows["first_half"][at] == 0]
        # the bin begins with a baseline's first row, be it flagged or not; it ends with its last unflagged one
        self._rows["first"][new] = time
        self._rows["first_half"][new] = interval / 2
        self._rows["origin"][new] = origin
        dead = flag.all(axis=(1, 2))
        for name, cube in values.items():
            sums = self._sums[name]
            w = weights[name].astype(np.float64)
            good = np.where(flag, 0.0, w)
            # flagged data may be no numbers, which no weight of 0 puts right
            sums.good[at] += np.where(flag, 0, cube) * good
            sums.good_weight[at] += good
            sums.seen[at] |= ~flag
            if flag.any():
                bad = w - good
                sums.bad[at] += np.where(flag, cube, 0) * bad
                sums.bad_weight[at] += bad
        self._add_rows(at[~dead], "", time, centroid[~dead], interval, exposure, uvw[~dead], row_weight[~dead])
        self._add_rows(at[dead], "bad_", time, centroid[dead], interval, exposure, uvw[dead], row_weight[dead])

    def _add_rows(
        self, at: NDArray[np.intp], which: str, time: float, centroid: NDArray, interval: float, exposure: float,
        uvw: NDArray, weight: NDArray,
    ) -> None:  # fmt: skip
        if not len(at):
            return
        rows = self._rows
        rows[f"{which}last"][at] = time
        rows[f"{which}last_half"][at] = interval / 2
        rows[f"{which}count"][at] += 1
        rows[f"{which}exposure"][at] += exposure
        rows[f"{which}weight"][at] += weight
        rows[f"{which}centroid"][at] += (centroid - rows["first"][at]) * weight
        rows[f"{which}plain"][at] += centroid - rows["first"][at]
        rows[f"{which}uvw"][at] += uvw * weight[:, None]
        rows[f"{which}plain_uvw"][at] += uvw

    def _places(self, keys: NDArray[np.int32]) -> NDArray[np.intp]:
        known = self._baseline
        found = np.array([known.setdefault(tuple(k), len(known)) for k in keys.tolist()], np.intp)
        if len(known) > self._size:
            size = 2 * self._size if self.most is None else min(2 * self._size, self.most)
            self._grow(max(len(known), size))
        return found

    def _grow(self, size: int) -> None:
        def grown(old: NDArray | None, tail: tuple[int, ...], kind: type) -> NDArray:
            new: NDArray = np.zeros((size, *tail), kind)
            if old is not None:
                new[: len(old)] = old
            return new

        for name in self.names:
            old = self._sums.get(name)
            self._sums[name] = _Sums(
                grown(old.good if old else None, self.shape, np.complex128),
                grown(old.good_weight if old else None, self.shape, np.float64),
                grown(old.seen if old else None, self.shape, np.bool_),
                grown(old.bad if old else None, self.shape, np.complex128),
                grown(old.bad_weight if old else None, self.shape, np.float64),
            )
        for name in ("first", "first_half", "origin"):
            self._rows[name] = grown(self._rows.get(name), (), np.float64)
        for which in ("", "bad_"):
            for name in (
                "first",
                "first_half",
                "last",
                "last_half",
                "count",
                "exposure",
                "weight",
                "centroid",
                "plain",
            ):
                self._rows[which + name] = grown(self._rows.get(which + name), (), np.float64)
            for name in ("uvw", "plain_uvw"):
                self._rows[which + name] = grown(self._rows.get(which + name), (3,), np.float64)
        self._size = size

    def take(self, at: NDArray[np.intp]) -> TimeAverage:
        """Return the averages of some baselines, and begin anew with them."""
        out = self._averages(at)
        for sums in self._sums.values():
            for array in (sums.good, sums.good_weight, sums.seen, sums.bad, sums.bad_weight):
                array[at] = 0
        for array in self._rows.values():
            array[at] = 0
        return out

    def _averages(self, at: NDArray[np.intp]) -> TimeAverage:
        keys = np.array(list(self._baseline), np.int32).reshape(-1, 4)[at]
        values, weights = {}, {}
        flag = np.zeros((len(at), *self.shape), bool)
        for name in self.names:
            sums = self._sums[name]
            good, bad = sums.good_weight[at], sums.bad_weight[at]
            flag = ~sums.seen[at]
            weight = np.where(flag, bad, good)
            total = np.where(flag, sums.bad[at], sums.good[at])
            mean = np.divide(total, weight, where=weight > 0, out=np.zeros_like(total))
            values[name], weights[name] = mean.astype(np.complex64), weight.astype(np.float32)
        rows = {name: self._rows[name][at] for name in self._rows}
        dead = rows["count"] == 0

        def pick(name: str) -> NDArray[np.float64]:
            mask = dead if rows[name].ndim == 1 else dead[:, None]
            return np.where(mask, rows[f"bad_{name}"], rows[name])

        weight = pick("weight")
        weighted = (weight > 0) & ~dead  # the plain mean where all is flagged, as CASA
        safe = np.where(weighted, weight, 1)
        centroid = np.where(weighted, pick("centroid") / safe, pick("plain") / pick("count"))
        uvw = np.where(weighted[:, None], pick("uvw") / safe[:, None], pick("plain_uvw") / pick("count")[:, None])
        first, last = rows["first"], pick("last")
        return TimeAverage(
            keys=keys,
            values=values,
            weights=weights,
            flag=flag,
            time=(first + last) / 2,
            centroid=first + centroid,
            # CASA keeps the span between the centres in single precision
            interval=(last - first).astype(np.float32).astype(np.float64) + rows["first_half"] + pick("last_half"),
            exposure=pick("exposure"),
            uvw=uvw,
            origin=rows["origin"].astype(np.int64),
        )


@dataclass(frozen=True, eq=False)
class TimeAverage:
    """The rows that a time bin became; all arrays have one entry a baseline.

    Attributes
    ----------
    keys : int32 (row, 4)
        antenna1, antenna2, feed1, feed2.
    values, weights, flag : (row, chan, corr)
    time, centroid, interval, exposure : float64 (row,)
    uvw : float64 (row, 3)
    origin : int64 (row,)
    """

    keys: NDArray[np.int32]
    values: dict[str, Cube]
    weights: dict[str, Cube]
    flag: NDArray[np.bool_]
    time: NDArray[np.float64]
    centroid: NDArray[np.float64]
    interval: NDArray[np.float64]
    exposure: NDArray[np.float64]
    uvw: NDArray[np.float64]
    origin: NDArray[np.int64]


def row_weight(weights: Cube, flag: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the WEIGHT of rows, (row, corr), that belongs to weights (row, chan, corr).

    The mean of the unflagged channels; of all channels where none is unflagged.
    """
    good = ~flag
    count = good.sum(axis=1)
    mean = weights.mean(axis=1, dtype=np.float64)
    total = np.where(flag, 0, weights).sum(axis=1, dtype=np.float64)
    return np.where(count > 0, total / np.maximum(count, 1), mean).astype(np.float32)

"""Pieces of the main table: the rows of one window of some integrations, their data read when they are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.bdf import Bdf, Part
from atacal.asdm.blocks import Layout, auto_block, cross_block
from atacal.asdm.context import Config

GROUP_ROWS = 1 << 15
GROUP_PIECES = 64
"""So many rows or pieces go to the main table at a time: each call there costs more than a row does."""
FIRST_PIECES = 8
"""At first it is fewer, so that there is something to read and write."""
Columns = dict[str, NDArray]


@dataclass
class Subscan:
    """A row of Main on its way."""

    config: Config
    bdf: Bdf
    layout: Layout
    apc: int
    common: dict[str, int]
    """Columns that are the same in all its rows."""
    field: int


@dataclass(frozen=True)
class Stretch:
    """Some integrations of a subscan, one after the other."""

    parts: list[Part]
    times_s: list[float]
    lengths_s: list[float]
    interval_s: float
    first_dump: int = 0


@dataclass(frozen=True)
class Piece:
    """Rows of one window: times, and within them antennas or baselines.

    Attributes
    ----------
    columns : dict of column -> array (row, ...)
        All but those of (chan, corr) or (corr,) cells.
    cell : (int, int)
        Channels and correlations.
    weight : float64 (row,)
    flags : bool (row, corr) or None
        What is flagged, if anything is.
    data : callable
        Reads DATA, complex64 (row, chan, corr).
    """

    columns: Columns
    cell: tuple[int, int]
    weight: NDArray[np.float64]
    flags: NDArray[np.bool_] | None
    data: Callable[[], NDArray[np.complex64]]

    def __len__(self) -> int:
        return len(self.weight)

    def shapes(self, column: str) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the cells that `load` fills; ``column``: DATA or FLOAT_DATA."""
        return {"WEIGHT": self.cell[1:], "SIGMA": self.cell[1:], "FLAG": self.cell, column: self.cell}

    def load(self, column: str) -> Columns:
        """Return the arrays of these cells; FLAG is left out where nothing is flagged."""
        ncorr = self.cell[1]
        data = self.data()
        made: Columns = {
            column: data if column == "DATA" else np.ascontiguousarray(data.real),
            "WEIGHT": np.repeat(self.weight.astype(np.float32)[:, None], ncorr, axis=1),
            "SIGMA": np.repeat((1.0 / np.sqrt(self.weight)).astype(np.float32)[:, None], ncorr, axis=1),
        }
        if self.flags is not None:
            nchan = self.cell[0]
            as_one = np.ascontiguousarray(self.flags).view(f"u{ncorr}")[:, 0]  # a row's 1, 2 or 4 flags as one number
            made["FLAG"] = np.repeat(as_one, nchan).view(bool).reshape(len(self), nchan, ncorr)
        return made


def read_cross(s: Subscan, window: int, parts: list[Part]) -> Callable[[], NDArray[np.complex64]]:
    """Return what reads cross-correlations."""
    return partial(_read, s.bdf, parts, partial(cross_block, s.bdf, parts, window, s.layout, s.apc, _nant(s)))


def read_auto(s: Subscan, window: int, parts: list[Part], first_dump: int) -> Callable[[], NDArray[np.complex64]]:
    """Return what reads autocorrelations."""
    return partial(_read, s.bdf, parts, partial(auto_block, s.bdf, parts, window, s.layout, _nant(s), first_dump))


def _nant(s: Subscan) -> int:
    return len(s.config.antennas)


def _read(bdf: Bdf, parts: list[Part], make: Callable[[], NDArray[np.complex64]]) -> NDArray[np.complex64]:
    data = make()
    bdf.forget(parts)
    return data


def frame(
    s: Subscan, stretch: Stretch, pairs: tuple[NDArray[np.int32], NDArray[np.int32]], uvw: NDArray[np.float64]
) -> Columns:
    """Return the columns that all windows of some integrations share.

    Parameters
    ----------
    s : Subscan
    stretch : Stretch
    pairs : int32 (2, antenna or baseline), twice
        Antennas and feeds.
    uvw : float64 (row, 3)
        [m]
    """
    per_time, ntime = pairs[0].shape[1], len(stretch.times_s)
    nrow = ntime * per_time
    stamp = np.repeat(stretch.times_s, per_time)
    columns: Columns = {
        "TIME": stamp, "TIME_CENTROID": stamp, "EXPOSURE": np.repeat(stretch.lengths_s, per_time),
        "INTERVAL": np.full(nrow, stretch.interval_s), "UVW": uvw, "FLAG_ROW": np.zeros(nrow, bool),
    }  # fmt: skip
    for i in (0, 1):
        columns[f"ANTENNA{i + 1}"] = np.tile(pairs[0][i], ntime)
        columns[f"FEED{i + 1}"] = np.tile(pairs[1][i], ntime)
    for name, value in s.common.items():
        columns[name] = np.full(nrow, value, np.int32)
    return columns


def grouped(pieces: Iterator[Piece]) -> Iterator[tuple[Columns, list[Piece]]]:
    """Put pieces together, so that few and long columns are written."""
    waiting: list[Piece] = []
    rows, most = 0, FIRST_PIECES
    for piece in pieces:
        waiting.append(piece)
        rows += len(piece)
        if rows >= GROUP_ROWS or len(waiting) >= most:
            yield _together(waiting), waiting
            waiting, rows, most = [], 0, GROUP_PIECES
    if waiting:
        yield _together(waiting), waiting


def _together(pieces: list[Piece]) -> Columns:
    return {name: np.concatenate([p.columns[name] for p in pieces]) for name in pieces[0].columns}

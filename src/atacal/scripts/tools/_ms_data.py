"""The items that ``ms.getdata`` and ``ms.range`` give of rows of one data description."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ToolError
from atacal.ms.metadata import Metadata
from atacal.scripts.tools._values import widened

_PARTS: dict[str, Any] = {"amplitude": np.abs, "phase": np.angle, "real": np.real, "imaginary": np.imag}
_COLUMNS = {
    "": "DATA", "observed_": "DATA", "corrected_": "CORRECTED_DATA", "model_": "MODEL_DATA",
}  # fmt: skip
_PLAIN = (
    "antenna1", "antenna2", "array_id", "data_desc_id", "exposure", "feed1", "feed2", "field_id", "flag_row",
    "interval", "observation_id", "processor_id", "scan_number", "state_id", "time", "time_centroid",
)  # fmt: skip
_ARRAYS = ("flag", "weight", "sigma", "uvw", "weight_spectrum", "sigma_spectrum", "float_data")
_GEOMETRY = ("u", "v", "w", "uvdist")
ITEMS = (
    *_PLAIN, *_ARRAYS, *_GEOMETRY, "ifr_number", "axis_info",
    *(f"{which}data" for which in _COLUMNS if which != "observed_"),
    *(f"{which}{part}" for which in _COLUMNS if which != "observed_" for part in _PARTS),
    "residual_data", "ratio_data",
)  # fmt: skip


class Channels:
    """Channels and correlations as ``ms.selectchannel`` and ``ms.selectpolarization`` choose them.

    Parameters
    ----------
    groups : list of slice, optional
        Each becomes one channel, the mean of what is not flagged; None for all as they are.
    corrs : list of str
        Correlations to keep, or ``I`` for half the sum of the parallel hands; all if empty.
    """

    def __init__(self, groups: Sequence[slice] | None = None, corrs: Sequence[str] = ()) -> None:
        self.groups, self.corrs = groups, list(corrs)

    def frequencies(self, values: NDArray[np.float64], *, width: bool = False) -> NDArray[np.float64]:
        """Return what becomes of a row of numbers by channel: means, or sums of widths."""
        if self.groups is None:
            return values
        return np.array([np.abs(values[g]).sum() if width else values[g].mean() for g in self.groups])

    def cube(self, values: NDArray, flag: NDArray[np.bool_], names: Sequence[str]) -> NDArray:
        """Return a (corr, chan, row) array of what was chosen; flags themselves are all-flagged."""
        if self.groups is not None:
            values, flag = self._averaged(values, flag)
        if not self.corrs:
            return values
        parts = []
        for name in self.corrs:
            if name == "I":
                hands = [i for i, n in enumerate(names) if n in ("XX", "YY", "RR", "LL")]
                pair = values[hands]
                parts.append(pair.any(axis=0) if values.dtype == bool else pair.mean(axis=0))
            elif name in names:
                parts.append(values[list(names).index(name)])
            else:
                raise ToolError(f"ms.selectpolarization: {name!r} cannot be made of {', '.join(names)}; I can")
        return np.stack(parts)

    def _averaged(self, values: NDArray, flag: NDArray[np.bool_]) -> tuple[NDArray, NDArray[np.bool_]]:
        assert self.groups is not None
        flags = np.stack([flag[:, g].all(axis=1) for g in self.groups], axis=1)
        if values.dtype == bool:
            return flags, flags
        good = [~flag[:, g] for g in self.groups]
        sums = [
            (values[:, g] * w).sum(axis=1) / np.maximum(w.sum(axis=1), 1)
            for g, w in zip(self.groups, good, strict=True)
        ]
        return np.stack(sums, axis=1), flags


class RowData:
    """The rows of a table as items.

    Parameters
    ----------
    table : casacore.tables.table
        Rows whose arrays have one shape.
    meta : Metadata
    ddid : int
        Their data description.
    chosen : Channels
    """

    def __init__(self, table: Any, meta: Metadata, ddid: int, chosen: Channels) -> None:
        self._table, self._meta, self._chosen = table, meta, chosen
        self._spw = meta.spws[meta.ddids[ddid].spw]
        self._names = meta.pols[meta.ddids[ddid].pol].corrs
        self._flag: NDArray[np.bool_] | None = None

    def item(self, name: str) -> Any:
        """Return an item; None for a name that there is not, an empty array for a column that the data lack."""
        if name in _PLAIN:
            return widened(np.asarray(self._table.getcol(name.upper())))
        if name in _GEOMETRY:
            uvw = self._column("UVW")
            return np.hypot(uvw[0], uvw[1]) if name == "uvdist" else uvw["uvw".index(name)]
        if name == "ifr_number":
            return np.unique(self.ifr())
        if name == "axis_info":
            return self.axis_info()
        if name in ("weight", "sigma"):
            return self._per_corr(self._column(name.upper()))
        if name == "uvw":
            return self._column("UVW")
        if name in _ARRAYS:
            values = self._column(name.upper())
            return values if not values.size else self._chosen.cube(values, self.flags(), self._names)
        for which, column in _COLUMNS.items():
            if name == f"{which}data":
                return self._cube(column)
            for part, how in _PARTS.items():
                if name == f"{which}{part}":
                    values = self._cube(column)
                    return widened(how(values)) if values.size else values.real
        if name in ("residual_data", "ratio_data"):
            one, two = self._cube("CORRECTED_DATA"), self._cube("MODEL_DATA")
            return one - two if name == "residual_data" else one / two
        return None

    def flags(self) -> NDArray[np.bool_]:
        """Return FLAG as it is stored, (corr, chan, row)."""
        if self._flag is None:
            self._flag = self._column("FLAG")
        return self._flag

    def ifr(self) -> NDArray[np.int64]:
        """Return 1000 times the first antenna and the second one, by row."""
        return 1000 * np.asarray(self._table.getcol("ANTENNA1"), np.int64) + self._table.getcol("ANTENNA2")

    def axis_info(self) -> dict[str, Any]:
        """Return names of correlations and frequencies of channels."""
        freq = self._chosen.frequencies(self._spw.chan_freq_hz)
        width = self._chosen.frequencies(self._spw.resolution_hz, width=True)
        return {
            "corr_axis": np.array(self._chosen.corrs or list(self._names), dtype=str),
            "freq_axis": {"chan_freq": freq[:, None], "resolution": width[:, None]},
        }

    def ifr_axes(self, gap: int) -> tuple[dict[str, Any], NDArray[np.int64], NDArray[np.int64]]:
        """Return the baseline and time axes, and where each row lies on them."""
        if gap:
            raise ToolError(f"ms.getdata: ifraxisgap={gap}: gaps between antennas are not available")
        ifr, which = np.unique(self.ifr(), return_inverse=True)
        times, when = np.unique(self._table.getcol("TIME"), return_inverse=True)
        pairs = [(int(n) // 1000, int(n) % 1000) for n in ifr]
        names = self._meta.antenna_names()
        xyz = self._meta.antenna_positions_m
        axes = {
            "ifr_axis": {
                "baseline": np.array([np.linalg.norm(xyz[a] - xyz[b]) for a, b in pairs]),
                "ifr_name": np.array([f"{names[a]}-{names[b]}" for a, b in pairs]),
                "ifr_number": ifr,
                "ifr_shortname": np.array([f"{names[a][-2:]}-{names[b][-2:]}" for a, b in pairs]),
            },
            "time_axis": {"MJDseconds": times},
        }
        return axes, which.astype(np.int64), when.astype(np.int64)

    def _column(self, name: str) -> NDArray:
        if name not in self._table.colnames():
            return np.zeros(0)
        return widened(np.asarray(self._table.getcol(name)).T)

    def _cube(self, column: str) -> NDArray:
        values = self._column(column)
        return values.astype(complex) if not values.size else self._chosen.cube(values, self.flags(), self._names)

    def _per_corr(self, values: NDArray) -> NDArray:
        """Return weights of the chosen correlations."""
        if not values.size or not self._chosen.corrs:
            return values
        return self._chosen.cube(values[:, None], np.zeros((len(values), 1, values.shape[-1]), bool), self._names)[:, 0]


def gridded(values: NDArray, which: NDArray[np.int64], when: NDArray[np.int64], shape: tuple[int, int]) -> NDArray:
    """Put rows on the axes of baselines and times; where there is none flags are set and the rest is 0."""
    out = np.zeros((*values.shape[:-1], *shape), values.dtype, order="F")
    if values.dtype == bool:
        out[...] = True
    out[..., which, when] = values
    return out


def limits(values: NDArray, flag: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    """Return the smallest and the largest value of what is not flagged."""
    kept = values if flag is None else values[~flag]
    if not kept.size:
        return np.zeros(0)
    return np.array([kept.min(), kept.max()], np.float64)

"""Mode summary: how much is flagged, by antenna, field, spw..., as CASA's dictionary."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.flags.commands import Command
from atacal.ms.metadata import Metadata
from atacal.ms.stream import Block

Counts = dict[str, dict[str, list[int]]]


class Summary:
    """Counts flags block by block; `result` gives the dictionary."""

    columns: tuple[str, ...] = ()

    def __init__(self, command: Command, meta: Metadata) -> None:
        self.options = command.parameters
        self.meta = meta
        self._by_field: dict[str, Counts] = defaultdict(lambda: defaultdict(lambda: defaultdict(lambda: [0, 0])))

    def count(
        self, block: Block, flag: NDArray[np.bool_], rows: NDArray[np.intp], chan: NDArray[np.intp],
        corr: NDArray[np.intp], array: NDArray[np.int32],
    ) -> None:  # fmt: skip
        """Add some rows of a block: ``flag`` is (rows, chan, corr) of the chosen rows, channels and correlations."""
        corrs = self.meta.pols[block.pol].corrs
        fields = block.field[rows]
        for field in np.unique(fields).tolist() if self.options["fieldcnt"] else [None]:
            pick = slice(None) if field is None else fields == field
            key = "" if field is None else self.meta.fields[field].name
            names = [corrs[c] for c in corr.tolist()]
            self._count(self._by_field[key], block, flag[pick], rows[pick], names, array[rows[pick]])

    def _count(
        self, into: Counts, block: Block, flag: NDArray[np.bool_], rows: NDArray[np.intp], corrs: list[str],
        array: NDArray[np.int32],
    ) -> None:  # fmt: skip
        nrow, nchan, ncorr = flag.shape
        counts = flags_by_row(flag)
        per_corr, per_row = counts.sum(axis=0), counts.sum(axis=1)
        cells, spw = nchan * ncorr, str(block.spw)
        for name, count in zip(corrs, per_corr.tolist(), strict=True):
            _add(into["correlation"][name], count, nrow * nchan)
            if self.options["spwcorr"]:
                _add(into["spw:correlation"][f"{spw}:{name}"], count, nrow * nchan)
        if self.options["spwchan"]:
            for i, count in enumerate(flag.sum(axis=(0, 2), dtype=np.int64).tolist()):
                _add(into["spw:channel"][f"{spw}:{i}"], count, nrow * ncorr)
        _add(into["spw"][spw], int(per_row.sum()), nrow * cells)
        field_names = [f.name for f in self.meta.fields]
        _group(into["scan"], block.scan[rows], per_row, cells, str)
        _group(into["field"], block.field[rows], per_row, cells, field_names.__getitem__)
        _group(into["observation"], block.obs[rows], per_row, cells, str)
        _group(into["array"], array, per_row, cells, str)
        self._antennas(into, block, rows, per_row, cells)

    def _antennas(
        self, into: Counts, block: Block, rows: NDArray[np.intp], per_row: NDArray[np.int64], cells: int
    ) -> None:
        names = self.meta.antenna_names()
        ant1, ant2, scan = block.antenna1[rows], block.antenna2[rows], block.scan[rows].astype(np.int64)
        cross = ant1 != ant2
        both = np.concatenate([ant1, ant2[cross]])
        counts = np.concatenate([per_row, per_row[cross]])
        _group(into["antenna"], both, counts, cells, names.__getitem__)
        if self.options["basecnt"]:
            _group(into["baseline"], ant1.astype(np.int64) << 32 | ant2, per_row, cells,
                   lambda key: f"{names[key >> 32]}&&{names[key & 0xFFFFFFFF]}")  # fmt: skip
            _group(into["antenna:scan"], both.astype(np.int64) << 32 | np.concatenate([scan, scan[cross]]), counts,
                   cells, lambda key: f"{names[key >> 32]}:{key & 0xFFFFFFFF}")  # fmt: skip

    def result(self) -> dict[str, Any]:
        """Return CASA's dictionary."""
        ends: dict[str, Any] = {"name": self.options["name"], "type": "summary"}
        if self.options["fieldcnt"]:
            return {key: _finished(counts) for key, counts in sorted(self._by_field.items())} | ends
        return _finished(self._by_field[""]) | ends


def flags_by_row(flag: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Count the flags of each row and correlation.

    Parameters
    ----------
    flag : bool (row, chan, corr)

    Returns
    -------
    int64 (row, corr)

    Notes
    -----
    Eight flags at a time: added up as words of 64 bits, each byte counts by itself, up to 255; byte k is of correlation
    k modulo the number of correlations. Some sixty times as fast as a sum over single flags.
    """
    nrow, nchan, ncorr = flag.shape
    if 8 % max(ncorr, 1) or (nchan * ncorr) % 8 or not flag.size:
        return flag.sum(axis=1, dtype=np.int64)
    words = np.ascontiguousarray(flag).view(np.uint8).reshape(nrow, -1).view(np.uint64)
    out = np.zeros((nrow, ncorr), np.int64)
    for start in range(0, words.shape[1], 255):
        lanes = words[:, start : start + 255].sum(axis=1, dtype=np.uint64).view(np.uint8)
        out += lanes.reshape(nrow, -1, ncorr).sum(axis=1, dtype=np.int64)
    return out


def _add(pair: list[int], flagged: int, total: int) -> None:
    pair[0] += flagged
    pair[1] += total


def _group(into: dict[str, list[int]], keys: NDArray, counts: NDArray[np.int64], cells: int, name: Any) -> None:
    unique, index = np.unique(keys, return_inverse=True)
    flagged = np.bincount(index, counts, len(unique))
    total = np.bincount(index, minlength=len(unique)) * cells
    for key, f, t in zip(unique.tolist(), flagged.tolist(), total.tolist(), strict=True):
        _add(into[name(key)], int(f), int(t))


def _finished(counts: Counts) -> dict[str, Any]:
    out: dict[str, Any] = {
        kind: {name: {"flagged": float(f), "total": float(t)} for name, (f, t) in sorted(groups.items())}
        for kind, groups in sorted(counts.items())
    }
    out["flagged"] = float(sum(f for f, _ in counts["spw"].values())) if "spw" in counts else 0.0
    out["total"] = float(sum(t for _, t in counts["spw"].values())) if "spw" in counts else 0.0
    return out


def filtered(summary: dict[str, Any], minrel: float, maxrel: float, minabs: float, maxabs: float) -> dict[str, Any]:
    """Drop the entries whose flagged count or fraction is outside the limits, as CASA does (``maxabs`` < 0: none)."""

    def keep(entry: dict[str, Any]) -> bool:
        flagged, fraction = entry["flagged"], entry["flagged"] / entry["total"] if entry["total"] else 0.0
        return minabs <= flagged and (maxabs < 0 or flagged <= maxabs) and minrel <= fraction <= maxrel

    out: dict[str, Any] = {}
    for key, value in summary.items():
        if isinstance(value, dict) and {"flagged", "total"} <= set(value) and "type" not in value:
            if keep(value):
                out[key] = value
        else:
            out[key] = filtered(value, minrel, maxrel, minabs, maxabs) if isinstance(value, dict) else value
    return out

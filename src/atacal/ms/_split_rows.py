"""The rows that split writes: read in the output's order, cut, averaged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from atacal.errors import MissingColumn
from atacal.memory import block_bytes, for_data, size_text, too_small
from atacal.ms._new_rows import BLOCKS_IN_FLIGHT
from atacal.ms._regrid import HANNING_WEIGHT, Regrid, hanning
from atacal.ms._split_plan import Plan, SplitOptions, SpwPlan
from atacal.ms.average import (
    TimeAverage,
    TimeSums,
    average_channels,
    row_weight,
    sigma_to_weight,
    weight_to_sigma,
)
from atacal.ms.measurement_set import MeasurementSet, Segment, joined
from atacal.ms.metadata import DataDescription
from atacal.ms.rows import RowRuns
from atacal.ms.selected import Selected
from atacal.threads import WORKERS, in_order

_BLOCK_BYTES = 16 << 20
_READERS = 2 * WORKERS  # some of them wait for the disk
_BLOCKS = _READERS + 2 + BLOCKS_IN_FLIGHT  # read or being read, and being written
_DATA = {"DATA", "CORRECTED_DATA", "MODEL_DATA", "FLOAT_DATA"}
_SCALARS = ("ANTENNA1", "ANTENNA2", "FEED1", "FEED2", "FLAG_ROW", "PROCESSOR_ID", "TIME_CENTROID")
_RUN_COLUMNS = {
    "TIME": "time", "INTERVAL": "interval", "EXPOSURE": "exposure", "FIELD_ID": "field", "SCAN_NUMBER": "scan",
    "STATE_ID": "state", "OBSERVATION_ID": "obs", "ARRAY_ID": "array",
}  # fmt: skip
_KINDS = {"ANTENNA1": np.int32, "ANTENNA2": np.int32, "FEED1": np.int32, "FEED2": np.int32, "FLAG_ROW": np.bool_,
          "PROCESSOR_ID": np.int32, "TIME_CENTROID": np.float64}  # fmt: skip
_BIN_FILL = 0.999  # CASA, measured: 9.990 s go into a bin of 10 s, 9.9905 s do not
_ROW_IDS_BYTES = 200
_SORT_KEYS = ("obs", "array", "scan", "state", "field", "ddid")


class SplitRows:
    """Reads the selected rows in the output's order, averages them, hands out what is to be written."""

    def __init__(
        self,
        ms: MeasurementSet,
        selected: Selected,
        plan: Plan,
        columns: dict[str, str],
        how: SplitOptions,
    ) -> None:
        self.ms, self.selected, self.plan, self.outputs, self.how = ms, selected, plan, columns, how
        self.spectra = ms.has("WEIGHT_SPECTRUM")
        self._sigma_spectrum = self.spectra and ms.has("SIGMA_SPECTRUM")
        # CASA: data that were calibrated carry their noise in WEIGHT, others in SIGMA
        self._calibrated = columns.get("CORRECTED_DATA") == "DATA"
        self._raw = columns.get("DATA") == "DATA" and len(columns) == 1
        self._averages = any(p.width > 1 for p in plan.spws.values())
        self.runs = self._sorted(selected.runs)
        self._baseline_count = int(np.triu(selected.baselines | selected.baselines.T).sum())

    def rows(self) -> Iterator[dict[str, NDArray]]:
        """Yield the output's rows, block by block: column -> values (row, ...)."""
        if self.how.timebin_s > 0:
            yield from self._time_bins()
            return
        pieces = (p for first, last in self._stretches(self.runs) for p in self._pieces(self.runs, first, last))
        yield from (
            block for block in in_order(self._rows_of, pieces, ahead=_READERS, workers=_READERS) if block is not None
        )

    def _rows_of(self, piece: tuple[list[int], list[Segment]]) -> dict[str, NDArray] | None:
        """Make the output's rows from some stretches of the input's; None if nothing of them is wanted."""
        block = self._read(self.runs, *piece)
        return None if block is None else self._finish(block)

    def row_counts(self) -> dict[tuple[int, ...], int] | None:
        """Return how many rows of each cell shape (chan, corr) there will be; None where only reading them tells."""
        if self.how.timebin_s > 0 or not self.how.keepflags or self.selected.uv is not None:
            return None
        if not self.selected.baselines.all():
            return None
        counts: dict[tuple[int, ...], int] = {}
        for ddid, nrow in zip(self.runs.ddid.tolist(), self.runs.nrow.tolist(), strict=True):
            cell = self._cell_shape(ddid)
            counts[cell] = counts.get(cell, 0) + nrow
        return counts

    def _cell_shape(self, ddid: int) -> tuple[int, int]:
        """Shape (chan, corr) of the output's cells."""
        dd = self.ms.metadata.ddids[ddid]
        corrs = self.plan.corrs.get(dd.pol)
        ncorr = self.ms.metadata.pols[dd.pol].ncorr if corrs is None else len(corrs)
        return self.plan.spws[dd.spw].nchan, ncorr

    def _sorted(self, runs: RowRuns) -> RowRuns:
        keys = [k for k in _SORT_KEYS if not (self.how.timebin_s > 0 and k in self.how.combine)]
        order = np.lexsort([runs.time, *(getattr(runs, k) for k in reversed(keys))])
        return runs[order]

    def _stretches(self, runs: RowRuns) -> Iterator[tuple[int, int]]:
        """Yield ranges of runs that share the data description."""
        edges = np.flatnonzero(np.diff(runs.ddid)) + 1
        yield from zip([0, *edges.tolist()], [*edges.tolist(), len(runs)], strict=True)

    def _pieces(self, runs: RowRuns, first: int, last: int) -> Iterator[tuple[list[int], list[Segment]]]:
        """Cut a range of runs of one data description into blocks of bounded size."""
        limit = self._rows_at_once(int(runs.ddid[first]))
        numbers: list[int] = []
        segments: list[Segment] = []
        count = 0
        for i in range(first, last):
            row0, left = int(runs.row0[i]), int(runs.nrow[i])
            while left:
                take = min(left, limit - count)
                numbers.append(i)
                segments.append((row0, take))
                count, row0, left = count + take, row0 + take, left - take
                if count == limit:
                    yield numbers, segments
                    numbers, segments, count = [], [], 0
        if count:
            yield numbers, segments

    def _rows_at_once(self, ddid: int) -> int:
        dd = self.ms.metadata.ddids[ddid]
        cell = self.ms.metadata.spws[dd.spw].nchan * self.ms.metadata.pols[dd.pol].ncorr
        bytes_each = 8 * len(self.outputs) + 1 + (8 if self.spectra else 0)
        one = cell * bytes_each + _ROW_IDS_BYTES
        memory, cap = for_data(), _BLOCK_BYTES
        if self.how.timebin_s > 0:
            memory -= self._bins_bytes(dd)
        if self._averages or self.how.timebin_s > 0:
            cap //= 4  # a block and its weighted sums should fit into the processor's cache
        return block_bytes(memory, one, f"spw {dd.spw} of {self.ms.path}", blocks=_BLOCKS, cap=cap) // one

    def _bins_bytes(self, dd: DataDescription) -> int:
        """Return how much the sums of the time bins of all baselines take, half of the memory at most [bytes]."""
        spw, corrs = self.ms.metadata.spws[dd.spw], self.plan.corrs.get(dd.pol)
        channels = self.plan.spws[dd.spw].channels
        nchan = spw.nchan if channels is None else len(np.arange(spw.nchan)[channels])
        ncorr = self.ms.metadata.pols[dd.pol].ncorr if corrs is None else len(corrs)
        nbaseline = self._baseline_count
        needed = nbaseline * nchan * ncorr * len(self.outputs) * TimeSums.CELL_BYTES
        if needed > for_data() // 2:
            raise too_small(
                2 * needed - for_data(),
                f"{self.ms.path}: the time bins of spw {dd.spw} ({nbaseline} baselines x {nchan} channels x {ncorr} "
                f"correlations) take {size_text(needed)}",
            )
        return needed

    def _read(self, runs: RowRuns, numbers: list[int], pieces: list[Segment]) -> dict[str, NDArray] | None:
        """Read rows of one data description, cut to the selected baselines, channels and correlations."""
        ddid = int(runs.ddid[numbers[0]])
        dd = self.ms.metadata.ddids[ddid]
        spw, ncorr = self.ms.metadata.spws[dd.spw], self.ms.metadata.pols[dd.pol].ncorr
        segments = joined(pieces)
        nrow = sum(count for _, count in segments)
        out = {c: self._scalar(c, segments) for c in _SCALARS}
        uvw = np.empty((nrow, 3))
        self.ms.read("UVW", segments, uvw)
        wanted = self.selected.baselines[out["ANTENNA1"], out["ANTENNA2"]]
        if self.selected.uv is not None:
            wanted &= self.selected.uv.mask(uvw, spw.ref_freq_hz)
        if not wanted.any():
            return None
        run = np.repeat(np.array(numbers), [count for _, count in pieces])
        for column, name in _RUN_COLUMNS.items():
            out[column] = getattr(runs, name)[run]
        out |= {"UVW": uvw, "_run": run, "DATA_DESC_ID": np.full(nrow, ddid, np.int32)}
        for column in ("WEIGHT", "SIGMA"):
            out[column] = np.empty((nrow, ncorr), np.float32)
            self.ms.read(column, segments, out[column])
        for column in ("FLAG", *self.outputs, *self._spectrum_columns()):
            kind = np.bool_ if column == "FLAG" else np.complex64 if column in _DATA else np.float32
            if column == "FLOAT_DATA":
                kind = np.float32
            cube = np.empty((nrow, spw.nchan, ncorr), kind)
            try:
                self.ms.read(column, segments, cube)
            except RuntimeError as error:
                raise MissingColumn(f"{self.ms.path}: {column} cannot be read for spw {spw.id}: {error}") from error
            out[column] = cube
        if not self.how.keepflags:
            wanted &= ~(out["FLAG_ROW"] | out["FLAG"].all(axis=(1, 2)))
            if not wanted.any():
                return None
        return self._cut(out, wanted, self.plan.spws[dd.spw], self.plan.corrs.get(dd.pol))

    def _spectrum_columns(self) -> tuple[str, ...]:
        if not self.spectra:
            return ()
        return ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM") if self._sigma_spectrum else ("WEIGHT_SPECTRUM",)

    def _scalar(self, column: str, segments: list[Segment]) -> NDArray:
        return self.ms.read_scalar(column, segments).astype(_KINDS[column], copy=False)

    def _cut(
        self, block: dict[str, NDArray], wanted: NDArray[np.bool_], spw: SpwPlan, corrs: NDArray[np.intp] | None
    ) -> dict[str, NDArray]:
        if not wanted.all():
            block = {c: v[wanted] for c, v in block.items()}
        for column, values in block.items():
            if values.ndim == 3 and spw.channels is not None:
                values = values[:, spw.channels]
            if corrs is not None and (values.ndim == 3 or column in ("WEIGHT", "SIGMA")):
                values = values[..., corrs]
            block[column] = values
        return block

    def _weights(self, block: dict[str, NDArray]) -> dict[str, NDArray]:
        """Return what each data column is averaged with, (row, chan, corr)."""
        shape = block["FLAG"].shape
        weight = block.get("WEIGHT_SPECTRUM")
        if weight is None:
            weight = np.broadcast_to(block["WEIGHT"][:, None], shape)
        if self._sigma_spectrum:
            noise = sigma_to_weight(block["SIGMA_SPECTRUM"])
        else:
            noise = np.broadcast_to(sigma_to_weight(block["SIGMA"])[:, None], shape)
        return {c: noise if c in ("DATA", "FLOAT_DATA") else weight for c in self.outputs}

    def _finish(self, block: dict[str, NDArray]) -> dict[str, NDArray]:
        """Turn rows that were read into rows to write."""
        ddid = int(block["DATA_DESC_ID"][0])
        spw = self.plan.spws[self.ms.metadata.ddids[ddid].spw]
        if self.spectra and not self._sigma_spectrum:
            block["SIGMA_SPECTRUM"] = np.repeat(block["SIGMA"][:, None], block["FLAG"].shape[1], axis=1)
        if spw.width > 1:
            self._average_channels(block, spw.width)
        elif self._calibrated:
            block["SIGMA"] = weight_to_sigma(block["WEIGHT"])
            if self.spectra:
                block["SIGMA_SPECTRUM"] = weight_to_sigma(block["WEIGHT_SPECTRUM"])
        elif self._raw:
            block["WEIGHT"] = sigma_to_weight(block["SIGMA"])
        if self.how.hanning:  # after the averaging, as in CASA
            self._smooth(block)
            self._scale_weights(block, HANNING_WEIGHT)
        if spw.regrid is not None:
            self._regrid(block, spw.regrid)
        return self._named(block, ddid)

    def _smooth(self, block: dict[str, NDArray]) -> None:
        """Smooth the channels of the data."""
        smooth, block["FLAG"] = hanning({c: block[c] for c in self.outputs}, block["FLAG"])
        block |= smooth

    def _regrid(self, block: dict[str, NDArray], regrid: Regrid) -> None:
        """Interpolate data and spectra of weights to the new channels."""
        cubes = {c: v for c, v in block.items() if v.ndim == 3 and c != "FLAG"}
        made, flag = regrid.apply(block["TIME"], cubes, block["FLAG"])
        block |= made | {"FLAG": flag}
        self._scale_weights(block, regrid.weight)

    def _scale_weights(self, block: dict[str, NDArray], factor: float) -> None:
        """Multiply weights; those that come from SIGMA go with it."""
        for weight, sigma in (("WEIGHT", "SIGMA"), ("WEIGHT_SPECTRUM", "SIGMA_SPECTRUM")):
            if weight in block:
                block[weight] = block[weight] * np.float32(factor)
                block[sigma] = block[sigma] * np.float32(factor**-0.5)

    def _named(self, block: dict[str, NDArray], ddid: int) -> dict[str, NDArray]:
        """Give columns and ids the output's names and numbers."""
        out = {self.outputs.get(c, c): v for c, v in block.items() if c != "_run"}
        out["DATA_DESC_ID"] = np.full(len(out["TIME"]), self.plan.ddids[ddid], np.int32)
        for column, ids in (("FIELD_ID", self.plan.field_ids), ("STATE_ID", self.plan.state_ids)):
            if ids is not None:
                out[column] = ids[out[column]]
        return {c: np.ascontiguousarray(v) for c, v in out.items()}

    def _average_channels(self, block: dict[str, NDArray], width: int) -> None:
        values = {c: block[c] for c in self.outputs}
        means, sums, flag = average_channels(values, self._weights(block), block["FLAG"], width)
        weight, noise = _output_weights(sums)
        block |= means | {"FLAG": flag, "WEIGHT": row_weight(weight, flag)}
        sigma = weight_to_sigma(noise)
        block["SIGMA"] = row_weight(sigma, flag)
        if self.spectra:
            block |= {"WEIGHT_SPECTRUM": weight, "SIGMA_SPECTRUM": sigma}

    def _time_bins(self) -> Iterator[dict[str, NDArray]]:
        runs, span = self.runs, _BIN_FILL * self.how.timebin_s
        for first, last in _groups(runs, [k for k in _SORT_KEYS if k not in self.how.combine]):
            sums: TimeSums | None = None
            ddid = int(runs.ddid[first])
            for numbers, segments in self._pieces(runs, first, last):
                block = self._read(runs, numbers, segments)
                if block is None:
                    continue
                sums = sums or TimeSums(block["FLAG"].shape[1:], tuple(self.outputs), self._baseline_count)
                for rows in _integrations(block):
                    done = sums.ready(float(block["TIME"][rows.start]), span)
                    yield from self._taken(sums, done, ddid)
                    self._add_to(sums, {c: v[rows] for c, v in block.items()})
            if sums is not None:
                yield from self._taken(sums, sums.begun(), ddid)

    def _taken(self, sums: TimeSums, done: NDArray[np.intp], ddid: int) -> Iterator[dict[str, NDArray]]:
        """Take finished baselines out of the sums, a few at a time."""
        step = max(1, _BLOCK_BYTES // (int(np.prod(sums.shape)) * len(self.outputs) * TimeSums.CELL_BYTES))
        for start in range(0, len(done), step):
            yield self._averaged(sums.take(done[start : start + step]), ddid)

    def _averaged(self, averaged: TimeAverage, ddid: int) -> dict[str, NDArray]:
        """Turn averages of time bins into rows to write."""
        runs, spw = self.runs, self.plan.spws[self.ms.metadata.ddids[ddid].spw]
        n, run = len(averaged.time), averaged.origin
        block = {
            "TIME": averaged.time, "TIME_CENTROID": averaged.centroid, "INTERVAL": averaged.interval,
            "EXPOSURE": averaged.exposure, "UVW": averaged.uvw, "FLAG": averaged.flag, "FLAG_ROW": np.zeros(n, bool),
            "PROCESSOR_ID": self._processors(run), **averaged.values,
        }  # fmt: skip
        block |= {c: averaged.keys[:, i].copy() for i, c in enumerate(("ANTENNA1", "ANTENNA2", "FEED1", "FEED2"))}
        for column in ("FIELD_ID", "SCAN_NUMBER", "STATE_ID", "OBSERVATION_ID", "ARRAY_ID"):
            block[column] = getattr(runs, _RUN_COLUMNS[column])[run]
        sums_of = averaged.weights
        if spw.width > 1:
            means, sums_of, flag = average_channels(averaged.values, averaged.weights, averaged.flag, spw.width)
            block |= means | {"FLAG": flag}
        weight, noise = _output_weights(sums_of)
        block["WEIGHT"] = row_weight(weight, block["FLAG"])
        # as CASA: averaged over channels, SIGMA is the mean of the channels'; otherwise it follows from the mean weight
        if spw.width > 1:
            block["SIGMA"] = row_weight(weight_to_sigma(noise), block["FLAG"])
        else:
            block["SIGMA"] = weight_to_sigma(row_weight(noise, block["FLAG"]))
        if self.spectra:
            block |= {"WEIGHT_SPECTRUM": weight, "SIGMA_SPECTRUM": weight_to_sigma(noise)}
        return self._named(block, ddid)

    def _processors(self, run: NDArray[np.int64]) -> NDArray[np.int32]:
        numbers, inverse = np.unique(run, return_inverse=True)
        first = [int(self.ms.table.getcell("PROCESSOR_ID", int(self.runs.row0[i]))) for i in numbers]
        return np.array(first, np.int32)[inverse]

    def _add_to(self, sums: TimeSums, block: dict[str, NDArray]) -> None:
        """Add the rows of one integration."""
        noise = block["WEIGHT"] if "CORRECTED_DATA" in self.outputs else sigma_to_weight(block["SIGMA"])
        sums.add(
            np.stack([block[c] for c in ("ANTENNA1", "ANTENNA2", "FEED1", "FEED2")], axis=1),
            {c: block[c] for c in self.outputs},
            self._weights(block),
            block["FLAG"],
            row_weight=noise.sum(axis=1, dtype=np.float64),
            time=float(block["TIME"][0]),
            centroid=block["TIME_CENTROID"],
            interval=float(block["INTERVAL"][0]),
            exposure=float(block["EXPOSURE"][0]),
            uvw=block["UVW"],
            origin=int(block["_run"][0]),
        )


def _integrations(block: dict[str, NDArray]) -> Iterator[slice]:
    """Yield the rows of each run of a block."""
    edges = np.flatnonzero(np.diff(block["_run"])) + 1
    for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(block["_run"])], strict=True):
        yield slice(start, stop)


def _output_weights(sums: dict[str, NDArray]) -> tuple[NDArray, NDArray]:
    """Return the summed weights that WEIGHT and SIGMA come from."""
    noise = sums.get("DATA", next(iter(sums.values())))
    return sums.get("CORRECTED_DATA", noise), noise


def _groups(runs: RowRuns, keys: Sequence[str]) -> Iterator[tuple[int, int]]:
    changed = np.zeros(len(runs), bool)
    for key in keys:
        values = getattr(runs, key)
        changed[1:] |= values[1:] != values[:-1]
    edges = np.flatnonzero(changed).tolist()
    yield from zip([0, *edges], [*edges, len(runs)], strict=True)

"""The rows of the main table: which BDFs, in which order, and all columns of blocks of rows."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.bdf import Bdf, Part
from atacal.asdm.blocks import Layout, auto_block, baseline_order, cross_block, flags_block, layout
from atacal.asdm.context import CORRECTED, UNCORRECTED, Config, Context, read_configs
from atacal.asdm.dataset import need
from atacal.asdm.setup_tables import antenna_positions, pad_positions
from atacal.asdm.states import States
from atacal.asdm.uvw import Uvw
from atacal.asdm.values import array, entity_id, integer, mjd_s, tag, words
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError, BdfError

_log = logging.getLogger("atacal")
SLICE_BYTES = 500 << 20
"""Integrations that the filler takes at a time; within them the rows are ordered by data description."""
BLOCK_BYTES = 16 << 20
_SRT = {"FULL_RESOLUTION", "CHANNEL_AVERAGE", "BASEBAND_WIDE"}
Block = dict[str, NDArray]


@dataclass(frozen=True)
class Wanted:
    """Which data go into the MeasurementSet."""

    correction: str = UNCORRECTED
    output: str = "ca"
    """ca: cross- and autocorrelations, ao: auto only, co: cross only."""
    modes: frozenset[str] = frozenset({"AUTO_ONLY", "CROSS_ONLY", "CROSS_AND_AUTO"})
    resolutions: frozenset[str] = frozenset(_SRT)
    samplings: frozenset[str] = frozenset({"INTEGRATION", "SUBINTEGRATION"})
    bdf_flags: bool = False


@dataclass
class _Subscan:
    """A row of Main on its way."""

    config: Config
    bdf: Bdf
    layout: Layout
    apc: int
    common: dict[str, int]
    field: int


def slices(count: int, nbytes: int, limit: int = SLICE_BYTES) -> list[int]:
    """Share integrations among slices of at most about ``limit`` bytes, as the filler does: no small rest."""
    if count <= 0:
        return []
    if nbytes < limit:
        return [count]
    each = max(limit // max(nbytes // count, 1), 1)
    made = [each] * (count // each)
    rest = count % each
    if not made or rest > len(made) * each // 5:
        return [*made, rest] if rest else made
    for i in range(rest):
        made[i % len(made)] += 1
    return made


class MainRows:
    """The rows of the main table of one MeasurementSet.

    Parameters
    ----------
    context : Context
    wanted : Wanted
    """

    def __init__(self, context: Context, wanted: Wanted) -> None:
        self.context, self.wanted = context, wanted
        self.states = States(context)
        self._configs = read_configs(context.asdm)
        self._uvw = Uvw(pad_positions(context))
        self._moving_uvw = Uvw(antenna_positions(context))  # CASA makes UVW of these again where there is an ephemeris
        self._last: dict[str, float] = {}
        self._fields = [
            (
                array(need(r, "phaseDir", "Field"))[0].tolist(),
                context.ephemerides.get(integer(r.get("ephemerisId", -1))),
            )
            for r in context.asdm.by_tag("Field", "fieldId")
        ]

    def is_complex(self) -> bool:
        """Whether the data to write are complex: cross-correlations, or autocorrelations of all products."""
        pols = [
            integer(need(r, "numCorr", "Polarization"))
            for r in self.context.asdm.by_tag("Polarization", "polarizationId")
        ]
        dds = self.context.asdm.by_tag("DataDescription", "dataDescriptionId")
        used = {need(r, "configDescriptionId", "Main") for r in self.context.asdm.rows("Main")}
        for name in used:
            config = self._configs[name]
            if config.correlation_mode != "AUTO_ONLY" and self.wanted.output != "ao":
                return True
            if any(pols[tag(dds[d]["polOrHoloId"])] > 2 for d in config.dds):
                return True
        return not used

    def size_bytes(self) -> int:
        """Return how much room the data and flags of the selected rows take at most [bytes]."""
        spws = {tag(r["spectralWindowId"]): integer(r["numChan"]) for r in self.context.asdm.rows("SpectralWindow")}
        pols = [integer(r["numCorr"]) for r in self.context.asdm.by_tag("Polarization", "polarizationId")]
        dds = self.context.asdm.by_tag("DataDescription", "dataDescriptionId")
        total = 0
        for row in self.selected():
            config = self._configs.get(need(row, "configDescriptionId", "Main"))
            if config is None or not self.context.asdm.binary(entity_id(need(row, "dataUID", "Main"))).is_file():
                continue
            nant = len(config.antennas)
            each = nant if config.correlation_mode == "AUTO_ONLY" else nant * (nant + 1) // 2
            values = sum(spws[tag(dds[d]["spectralWindowId"])] * pols[tag(dds[d]["polOrHoloId"])] for d in config.dds)
            total += each * values * integer(need(row, "numIntegration", "Main")) * 65 // 8
        return total

    def selected(self) -> list[Row]:
        """Return the rows of Main that belong to the selected scans."""
        chosen = self.context.scans
        return [
            r
            for r in self.context.asdm.rows("Main")
            if (tag(need(r, "execBlockId", "Main")), integer(need(r, "scanNumber", "Main"))) in chosen
        ]

    def blocks(self) -> Iterator[Block]:
        """Yield the rows in order, in blocks of bounded size; what cannot be read is noted, logged and left out."""
        for number, row in enumerate(self.selected()):
            if integer(need(row, "numIntegration", "Main")) == 0 or integer(need(row, "dataSize", "Main")) == 0:
                continue
            where = f"Main row {number} (scan {row['scanNumber']}, subscan {row['subscanNumber']})"
            try:
                yield from self._row(row)
            except AsdmError as error:
                self.context.notes.append(f"{where} left out: {error}")
                _log.warning("%s left out: %s", where, error)

    def _row(self, row: Row) -> Iterator[Block]:
        state = self.states.number(row)
        config = self._configs.get(need(row, "configDescriptionId", "Main"))
        if config is None:
            raise AsdmError(f"{row['configDescriptionId']} is not in ConfigDescription")
        if not self._accepts(row, config):
            return
        with Bdf(self.context.asdm.binary(entity_id(need(row, "dataUID", "Main")))) as bdf:
            if len(bdf.windows) != len(config.dds) or bdf.num_antenna not in (0, len(config.antennas)):
                raise BdfError(
                    f"{bdf.path}: {len(bdf.windows)} spectral windows and {bdf.num_antenna} antennas; "
                    f"{config.name} has {len(config.dds)} and {len(config.antennas)}"
                )
            if any(w.bins > 1 for w in bdf.windows):
                raise BdfError(f"{bdf.path}: data in several bins cannot be imported")
            if len(config.feeds) > len(config.antennas):
                raise BdfError(f"{bdf.path}: data of several feeds an antenna cannot be imported")
            radiometer = config.processor_type == "RADIOMETER"
            field = tag(need(row, "fieldId", "Main"))
            common = {
                "PROCESSOR_ID": config.processor, "FIELD_ID": field, "SCAN_NUMBER": integer(row["scanNumber"]),
                "ARRAY_ID": 0, "OBSERVATION_ID": tag(row["execBlockId"]), "STATE_ID": state,
            }  # fmt: skip
            kinds = config.corrections
            apc = kinds.index(self.wanted.correction) if not radiometer and self.wanted.correction in kinds else 0
            subscan = _Subscan(config, bdf, layout(bdf, len(kinds)), apc, common, field)
            if radiometer:
                yield from self._radiometer(subscan)
            else:
                yield from self._correlator(subscan, row)

    def _accepts(self, row: Row, config: Config) -> bool:
        """Whether the data are asked for, by their kind."""
        wanted = self.wanted
        assoc = (
            set(words(config_row["assocNature"]))
            if "assocNature" in (config_row := self._config_row(config))
            else set()
        )
        return (
            config.correlation_mode in wanted.modes
            and bool((_SRT - assoc) & wanted.resolutions or not _SRT - assoc)
            and need(row, "timeSampling", "Main") in wanted.samplings
            and not (wanted.output == "co" and config.correlation_mode == "AUTO_ONLY")
            and not (wanted.output == "ao" and config.correlation_mode == "CROSS_ONLY")
            and (config.processor_type == "RADIOMETER" or wanted.correction in config.corrections)
        )

    def _config_row(self, config: Config) -> Row:
        rows = self.context.asdm.rows("ConfigDescription")
        return next(r for r in rows if r["configDescriptionId"] == config.name)

    def _radiometer(self, subscan: _Subscan) -> Iterator[Block]:
        """Yield the rows of a radiometer's subscan; a dump that the one before had is left out."""
        bdf, config = subscan.bdf, subscan.config
        parts = bdf.parts()
        times, intervals = _dump_times(bdf, parts)
        if not times:
            return
        skip = int(self._last.get(config.name) == times[0])
        self._last[config.name] = times[-1]
        for k in range(len(config.dds)):
            if not parts[0].places:
                raise BdfError(f"{bdf.path}: no data")
            first = skip if bdf.num_time else 0
            used = parts if bdf.num_time else parts[skip:]
            yield self._autos(subscan, k, used, times[skip:], intervals[skip:], intervals[0], first)

    def _correlator(self, subscan: _Subscan, row: Row) -> Iterator[Block]:
        config, bdf = subscan.config, subscan.bdf
        count = integer(row["numIntegration"])
        parts = bdf.parts(count)[:count]
        if len(parts) < count:
            self.context.notes.append(f"{bdf.path.name}: {len(parts)} of {count} announced integrations are there")
            _log.warning("%s: %d of %d announced integrations are there", bdf.path, len(parts), count)
        has_auto = config.correlation_mode != "CROSS_ONLY" and self.wanted.output != "co"
        has_cross = config.correlation_mode != "AUTO_ONLY" and self.wanted.output != "ao"
        done = 0
        for size in slices(count, integer(row["dataSize"])):
            members = parts[done : done + size]
            done += size
            if not members:
                break
            first_interval = float(members[0].interval_ns) / 1e9
            for k in range(len(config.dds)):
                for cross in [False] * has_auto + [True] * has_cross:
                    yield from self._times(subscan, k, members, first_interval, cross)

    def _times(self, subscan: _Subscan, k: int, parts: list[Part], interval: float, cross: bool) -> Iterator[Block]:
        nant = len(subscan.config.antennas)
        window = subscan.bdf.windows[k]
        each = (nant * (nant - 1) // 2 if cross else nant) * window.nchan * 8 * max(len(window.cross), 1)
        step = max(BLOCK_BYTES // max(each, 1), 1)
        for begin in range(0, len(parts), step):
            some = parts[begin : begin + step]
            times = [mjd_s(p.time_ns) for p in some]
            lengths = [float(p.interval_ns) / 1e9 for p in some]
            if cross:
                yield self._crosses(subscan, k, some, times, lengths, interval)
            else:
                yield self._autos(subscan, k, some, times, lengths, interval, 0)

    def _autos(
        self,
        s: _Subscan,
        k: int,
        parts: list[Part],
        times: list[float],
        lengths: list[float],
        interval: float,
        first: int,
    ) -> Block:
        antennas = np.array(s.config.antennas, np.int32)
        nant = len(antennas)
        data = auto_block(s.bdf, parts, k, s.layout, nant, first)
        flags = None
        if self.wanted.bdf_flags:
            flags = flags_block(
                s.bdf,
                parts,
                k,
                s.layout,
                nant,
                cross=False,
                corrected=self.wanted.correction == CORRECTED,
                first_dump=first,
            )
        feeds = np.array(s.config.feeds[:nant], np.int32)
        pairs = np.stack([antennas, antennas]), np.stack([feeds, feeds])
        return self._columns(s, k, data, flags, times, lengths, interval, pairs, 1.0, np.zeros((len(data), 3)))

    def _crosses(
        self, s: _Subscan, k: int, parts: list[Part], times: list[float], lengths: list[float], interval: float
    ) -> Block:
        members, feeds = np.array(s.config.antennas, np.int32), np.array(s.config.feeds, np.int32)
        nant = len(members)
        i, j, _ = baseline_order(nant)
        data = cross_block(s.bdf, parts, k, s.layout, s.apc, nant)
        flags = None
        if self.wanted.bdf_flags:
            flags = flags_block(
                s.bdf, parts, k, s.layout, nant, cross=True, corrected=self.wanted.correction == CORRECTED
            )
        uvw = np.empty((len(times), len(i), 3))
        for t, time in enumerate(times):
            seen = self._seen(s, time)
            uvw[t] = seen[i] - seen[j]
        pairs = np.stack([members[i], members[j]]), np.stack([feeds[i], feeds[j]])
        return self._columns(s, k, data, flags, times, lengths, interval, pairs, 2.0, uvw.reshape(-1, 3))

    def _seen(self, s: _Subscan, time: float) -> NDArray[np.float64]:
        key = (time, s.field, tuple(s.config.antennas))
        if key not in self._cache:
            if len(self._cache) > 4096:
                self._cache.clear()
            (ra, dec), ephemeris = self._fields[s.field]
            made = self._uvw
            if ephemeris is not None:
                (ra, dec), made = ephemeris.direction(time, (ra, dec)), self._moving_uvw
            self._cache[key] = made.antennas(time, ra, dec, s.config.antennas)
        return self._cache[key]

    @property
    def _cache(self) -> dict[Any, NDArray[np.float64]]:
        return self.__dict__.setdefault("_uvws", {})

    def _columns(
        self, s: _Subscan, k: int, data: NDArray, flags: NDArray | None, times: list[float], lengths: list[float],
        interval: float, pairs: tuple[NDArray, NDArray], factor: float, uvw: NDArray,
    ) -> Block:  # fmt: skip
        """Return all columns of a block of rows: times, and within them antennas or baselines."""
        nrow, per_time = len(data), pairs[0].shape[1]
        dd = self.context.dd_ids[s.config.dds[k]]
        if nrow != len(times) * per_time:
            raise BdfError(f"{s.bdf.path}: {nrow} rows of data for {len(times)} times of {per_time}")
        exposure = np.repeat(lengths, per_time)
        weight = exposure * self.context.bandwidth_hz[dd] * factor
        weight[weight == 0] = 1.0
        ncorr = data.shape[2]
        stamp = np.repeat(times, per_time)
        block: Block = {
            "TIME": stamp, "TIME_CENTROID": stamp, "EXPOSURE": exposure, "INTERVAL": np.full(nrow, interval),
            "UVW": uvw,
            "DATA_DESC_ID": np.full(nrow, dd, np.int32), "DATA": data,
            "WEIGHT": np.repeat(weight.astype(np.float32)[:, None], ncorr, axis=1),
            "SIGMA": np.repeat((1.0 / np.sqrt(weight)).astype(np.float32)[:, None], ncorr, axis=1),
        }  # fmt: skip
        for i in (1, 2):
            block[f"ANTENNA{i}"] = np.tile(pairs[0][i - 1], len(times))
            block[f"FEED{i}"] = np.tile(pairs[1][i - 1], len(times))
        for name, value in s.common.items():
            block[name] = np.full(nrow, value, np.int32)
        block["FLAG"] = np.zeros(data.shape, bool) if flags is None else np.ascontiguousarray(flags)
        block["FLAG_ROW"] = np.zeros(nrow, bool) if flags is None else np.asarray(flags[:, 0].all(axis=1))
        return block


def merged(blocks: Iterator[Block], limit: int = BLOCK_BYTES // 4) -> Iterator[Block]:
    """Put small blocks whose cells have one shape together, so that fewer and larger ones are written."""
    waiting: list[Block] = []
    size = 0
    for block in blocks:
        if waiting and (block["DATA"].shape[1:] != waiting[0]["DATA"].shape[1:] or size > limit):
            yield _together(waiting)
            waiting, size = [], 0
        waiting.append(block)
        size += block["DATA"].nbytes
    if waiting:
        yield _together(waiting)


def _together(blocks: list[Block]) -> Block:
    if len(blocks) == 1:
        return blocks[0]
    return {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}


def _dump_times(bdf: Bdf, parts: list[Part]) -> tuple[list[float], list[float]]:
    """Return the times and lengths [s] of the dumps of a radiometer."""
    if not bdf.num_time:
        return [mjd_s(p.time_ns) for p in parts], [float(p.interval_ns) / 1e9 for p in parts]
    times, lengths = [], []
    for part in parts[:1]:
        step = part.interval_ns // bdf.num_time
        first = part.time_ns - part.interval_ns // 2 - step // 2
        times += [mjd_s(first + (n + 1) * step) for n in range(bdf.num_time)]
        lengths += [float(step) / 1e9] * bdf.num_time
    return times, lengths

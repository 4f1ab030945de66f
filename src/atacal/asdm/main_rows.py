"""The rows of the main table: which BDFs, in which order, and what their columns hold."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.asdm.bdf import Bdf, Part, span_bytes
from atacal.asdm.blocks import baseline_order, check_parts, flags_block, layout
from atacal.asdm.context import CORRECTED, UNCORRECTED, Config, Context, read_configs
from atacal.asdm.dataset import need
from atacal.asdm.pieces import Columns, Piece, Stretch, Subscan, frame, read_auto, read_cross
from atacal.asdm.setup_tables import antenna_positions, pad_positions
from atacal.asdm.states import States
from atacal.asdm.values import array, entity_id, integer, mjd_s, tag, words
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError, BdfError
from atacal.memory import WORK_COPIES, for_data
from atacal.ms._new_rows import WRITERS
from atacal.ms.uvw import Uvw

_log = logging.getLogger("atacal")
SLICE_BYTES = 500 << 20
"""Integrations that the filler takes at a time; within them the rows are ordered by data description."""
PIECE_BYTES = 16 << 20
"""Data of a window that are read and written at a time, where the memory bound allows it."""
SPANS = 4
"""So much longer may be the stretch of a binary in which they lie."""
_UVW_KEPT, _FRAMES_KEPT = 4096, 8
_SRT = {"FULL_RESOLUTION", "CHANNEL_AVERAGE", "BASEBAND_WIDE"}


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
        self._piece_bytes = min(PIECE_BYTES, for_data() // (WORK_COPIES * WRITERS))
        self._configs = read_configs(context.asdm)
        self._uvw = Uvw(pad_positions(context))
        self._moving_uvw = Uvw(antenna_positions(context))  # CASA makes UVW of these again where there is an ephemeris
        self._last: dict[str, float] = {}
        self._seen_before: dict[Any, NDArray[np.float64]] = {}
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

    def counts(self) -> dict[tuple[int, ...], int]:
        """Return how many rows of each shape (chan, corr) there will be at most."""
        spws = {tag(r["spectralWindowId"]): integer(r["numChan"]) for r in self.context.asdm.rows("SpectralWindow")}
        pols = [integer(r["numCorr"]) for r in self.context.asdm.by_tag("Polarization", "polarizationId")]
        dds = self.context.asdm.by_tag("DataDescription", "dataDescriptionId")
        found: dict[tuple[int, ...], int] = {}
        for row in self.selected():
            config = self._configs.get(need(row, "configDescriptionId", "Main"))
            if config is None or not self._accepts(row, config):
                continue
            if not self.context.asdm.binary(entity_id(need(row, "dataUID", "Main"))).is_file():
                continue
            nant = len(config.antennas)
            auto = nant if config.correlation_mode != "CROSS_ONLY" and self.wanted.output != "co" else 0
            cross = (
                nant * (nant - 1) // 2 if config.correlation_mode != "AUTO_ONLY" and self.wanted.output != "ao" else 0
            )
            for d in config.dds:
                npol = pols[tag(dds[d]["polOrHoloId"])]
                cell = spws[tag(dds[d]["spectralWindowId"])], 4 if npol == 3 else npol
                count = (auto + cross) * integer(need(row, "numIntegration", "Main"))
                found[cell] = found.get(cell, 0) + count
        return {cell: count for cell, count in found.items() if count}

    def selected(self) -> list[Row]:
        """Return the rows of Main that belong to the selected scans."""
        chosen = self.context.scans
        return [
            r
            for r in self.context.asdm.rows("Main")
            if (tag(need(r, "execBlockId", "Main")), integer(need(r, "scanNumber", "Main"))) in chosen
        ]

    def pieces(self) -> Iterator[Piece]:
        """Yield the rows in order, in pieces of bounded size; what cannot be read is noted, logged and left out."""
        for number, row in enumerate(self.selected()):
            if integer(need(row, "numIntegration", "Main")) == 0 or integer(need(row, "dataSize", "Main")) == 0:
                continue
            where = f"Main row {number} (scan {row['scanNumber']}, subscan {row['subscanNumber']})"
            try:
                yield from self._row(row)
            except AsdmError as error:
                self.context.notes.append(f"{where} left out: {error}")
                _log.warning("%s left out: %s", where, error)

    def _row(self, row: Row) -> Iterator[Piece]:
        state = self.states.number(row)
        config = self._configs.get(need(row, "configDescriptionId", "Main"))
        if config is None:
            raise AsdmError(f"{row['configDescriptionId']} is not in ConfigDescription")
        if not self._accepts(row, config):
            return
        field = tag(need(row, "fieldId", "Main"))
        common = {
            "PROCESSOR_ID": config.processor, "FIELD_ID": field, "SCAN_NUMBER": integer(row["scanNumber"]),
            "ARRAY_ID": 0, "OBSERVATION_ID": tag(row["execBlockId"]), "STATE_ID": state,
        }  # fmt: skip
        bdf = self._bdf(row, config)
        radiometer = config.processor_type == "RADIOMETER"
        kinds = config.corrections
        apc = kinds.index(self.wanted.correction) if not radiometer and self.wanted.correction in kinds else 0
        subscan = Subscan(config, bdf, layout(bdf, len(kinds)), apc, common, field)
        yield from self._radiometer(subscan) if radiometer else self._correlator(subscan, row)

    def _bdf(self, row: Row, config: Config) -> Bdf:
        """Open a binary. Pieces hold it; it is closed when the last of them is written."""
        bdf = Bdf(self.context.asdm.binary(entity_id(need(row, "dataUID", "Main"))))
        if len(bdf.windows) != len(config.dds) or bdf.num_antenna not in (0, len(config.antennas)):
            raise BdfError(
                f"{bdf.path}: {len(bdf.windows)} spectral windows and {bdf.num_antenna} antennas; "
                f"{config.name} has {len(config.dds)} and {len(config.antennas)}"
            )
        if any(w.bins > 1 for w in bdf.windows):
            raise BdfError(f"{bdf.path}: data in several bins cannot be imported")
        if len(config.feeds) > len(config.antennas):
            raise BdfError(f"{bdf.path}: data of several feeds an antenna cannot be imported")
        return bdf

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

    def _radiometer(self, s: Subscan) -> Iterator[Piece]:
        """Yield the rows of a radiometer's subscan; a dump that the one before had is left out."""
        bdf, config = s.bdf, s.config
        parts = bdf.parts()
        times, intervals = _dump_times(bdf, parts)
        if not times:
            return
        if not parts[0].places:
            raise BdfError(f"{bdf.path}: no data")
        skip = int(self._last.get(config.name) == times[0])
        first, used = (skip, parts) if bdf.num_time else (0, parts[skip:])
        check_parts(bdf, used, s.layout, len(config.antennas), cross=False, flags=self.wanted.bdf_flags)
        self._last[config.name] = times[-1]
        stretch = Stretch(used, times[skip:], intervals[skip:], intervals[0], first)
        if stretch.times_s:
            shared = self._auto_frame(s, stretch)
            for k in range(len(config.dds)):
                yield self._piece(s, k, stretch, shared, cross=False)

    def _correlator(self, s: Subscan, row: Row) -> Iterator[Piece]:
        config, bdf = s.config, s.bdf
        count = integer(row["numIntegration"])
        parts = bdf.parts(count)[:count]
        if len(parts) < count:
            self.context.notes.append(f"{bdf.path.name}: {len(parts)} of {count} announced integrations are there")
            _log.warning("%s: %d of %d announced integrations are there", bdf.path, len(parts), count)
        has_auto = config.correlation_mode != "CROSS_ONLY" and self.wanted.output != "co"
        has_cross = config.correlation_mode != "AUTO_ONLY" and self.wanted.output != "ao"
        kinds = [False] * has_auto + [True] * has_cross
        for cross in kinds:
            check_parts(bdf, parts, s.layout, len(config.antennas), cross=cross, flags=self.wanted.bdf_flags)
        done = 0
        for size in slices(count, integer(row["dataSize"])):
            members = parts[done : done + size]
            done += size
            if not members:
                break
            frames: dict[tuple[int, int, bool], Columns] = {}
            for k in range(len(config.dds)):
                for cross in kinds:
                    yield from self._window(s, k, members, cross, frames)

    def _window(
        self, s: Subscan, k: int, parts: list[Part], cross: bool, frames: dict[tuple[int, int, bool], Columns]
    ) -> Iterator[Piece]:
        """Yield the pieces of one window; those of other windows at the same times share ``frames``."""
        nant, window = len(s.config.antennas), s.bdf.windows[k]
        each = (nant * (nant - 1) // 2 if cross else nant) * window.nchan * 8 * max(len(window.cross), 1)
        step = max(min(self._piece_bytes // max(each, 1), SPANS * self._piece_bytes // max(span_bytes(parts[0]), 1)), 1)
        for begin in range(0, len(parts), step):
            some = parts[begin : begin + step]
            stretch = Stretch(
                some, [mjd_s(p.time_ns) for p in some], [float(p.interval_ns) / 1e9 for p in some],
                float(parts[0].interval_ns) / 1e9,
            )  # fmt: skip
            key = (begin, len(some), cross)
            if key not in frames:
                if len(frames) >= _FRAMES_KEPT:
                    frames.clear()
                frames[key] = (self._cross_frame if cross else self._auto_frame)(s, stretch)
            yield self._piece(s, k, stretch, frames[key], cross=cross)

    def _auto_frame(self, s: Subscan, stretch: Stretch) -> Columns:
        nant = len(s.config.antennas)
        antennas, feeds = np.array(s.config.antennas, np.int32), np.array(s.config.feeds[:nant], np.int32)
        pairs = np.stack([antennas, antennas]), np.stack([feeds, feeds])
        return frame(s, stretch, pairs, np.zeros((nant * len(stretch.times_s), 3)))

    def _cross_frame(self, s: Subscan, stretch: Stretch) -> Columns:
        members, feeds = np.array(s.config.antennas, np.int32), np.array(s.config.feeds, np.int32)
        i, j, _ = baseline_order(len(members))
        uvw = np.empty((len(stretch.times_s), len(i), 3))
        for t, time in enumerate(stretch.times_s):
            seen = self._seen(s, time)
            uvw[t] = seen[i] - seen[j]
        pairs = np.stack([members[i], members[j]]), np.stack([feeds[i], feeds[j]])
        return frame(s, stretch, pairs, uvw.reshape(-1, 3))

    def _piece(self, s: Subscan, k: int, stretch: Stretch, shared: Columns, *, cross: bool) -> Piece:
        dd, window = self.context.dd_ids[s.config.dds[k]], s.bdf.windows[k]
        products = window.cross if cross else window.auto
        cell = (window.nchan, 4 if len(products) == 3 else len(products))
        columns = shared | {"DATA_DESC_ID": np.full(len(shared["TIME"]), dd, np.int32)}
        weight = shared["EXPOSURE"] * self.context.bandwidth_hz[dd] * (2.0 if cross else 1.0)
        weight[weight == 0] = 1.0
        flags = None
        if self.wanted.bdf_flags:
            flags = flags_block(
                s.bdf, stretch.parts, k, s.layout, len(s.config.antennas), cross=cross,
                corrected=self.wanted.correction == CORRECTED, first_dump=stretch.first_dump,
            )  # fmt: skip
            if flags.any():
                columns["FLAG_ROW"] = np.asarray(flags.all(axis=1))
            else:
                flags = None
        read = read_cross(s, k, stretch.parts) if cross else read_auto(s, k, stretch.parts, stretch.first_dump)
        return Piece(columns, cell, weight, flags, read)

    def _seen(self, s: Subscan, time: float) -> NDArray[np.float64]:
        """Return UVW of the antennas at a time."""
        key = (time, s.field, tuple(s.config.antennas))
        if key not in self._seen_before:
            if len(self._seen_before) >= _UVW_KEPT:
                self._seen_before.clear()
            (ra, dec), ephemeris = self._fields[s.field]
            made = self._uvw
            if ephemeris is not None:
                (ra, dec), made = ephemeris.direction(time, (ra, dec)), self._moving_uvw
            self._seen_before[key] = made.antennas(time, ra, dec, s.config.antennas)
        return self._seen_before[key]


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

"""The whole way: read the radiometers, flag and interpolate, retrieve, turn temperatures into phases."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable
from atacal.errors import ArgumentError, NoWvrData
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata
from atacal.ms.wvr_tables import read_offsets
from atacal.wvr.antennas import antenna_ids, too_few_good, without_radiometer
from atacal.wvr.coefficients import Plan, Solved, solve
from atacal.wvr.gains import PhaseOptions, phase_table, smoothed_mm
from atacal.wvr.measured import Measured, choose_spws, read_measured, sky_states
from atacal.wvr.paths import INNER, OUTER, greatest_baseline_scatter_mm, paths_mm, scatter_mm, thermal_error_mm
from atacal.wvr.report import CLOUDY_UM, Found, Statistics
from atacal.wvr.segments import source_segments
from atacal.wvr.sources import Sources, fields_named, find_sources

log = logging.getLogger("atacal")


@dataclass(frozen=True)
class Options:
    """What the user wants; the task wvrgcal explains each."""

    time_offset_s: float = 0.0
    by_source: bool = True
    flagged_sources: Sequence[str] = ()
    tied: Sequence[str] = ()
    count: int = 1
    flagged_antennas: Sequence[str | int] = ()
    stat_field: str = ""
    stat_source: str = ""
    smooth_s: float = 0.0
    spws: Sequence[int] = ()
    wvr_spws: Sequence[int] = ()
    cloud: bool = False
    max_distance_m: float = 500.0
    min_neighbours: int = 2
    min_good_fraction: float = 0.8
    use_field: bool = False
    refants: Sequence[str | int] = ()
    offsets: str = ""
    phases: PhaseOptions = field(default_factory=PhaseOptions)


@dataclass(frozen=True, eq=False)
class Derived:
    """A table, ready to be written, and what is to be told about it."""

    table: CalTable
    metadata: Metadata
    found: list[Found]
    statistics: Statistics


def derive(vis: str, options: Options) -> Derived:
    """Derive phases from the radiometers of a MeasurementSet.

    Raises
    ------
    NoWvrData
        If there are no usable radiometer data.
    ArgumentError
        For names and numbers that the MeasurementSet does not have.
    NoSuchTable, InvalidTable, TableLocked, MissingColumn
    """
    with MeasurementSet(vis) as ms:
        meta = ms.metadata
        sources = find_sources(meta)
        spws = _chosen_spws(meta, options.spws)
        counted = fields_named(meta, sources, options.stat_field, options.stat_source)
        flagged = set(antenna_ids(meta, options.flagged_antennas, "wvrflag"))
        refants = antenna_ids(meta, options.refants, "refant")
        tied = [sources.ids(t.split(","), "tie") for t in options.tied]
        offsets = read_offsets(options.offsets) if options.offsets else None
        read = read_measured(ms, choose_spws(meta, options.wvr_spws), sources.of_field, offsets)
        segments = source_segments(ms.runs, sources.of_field, tied) if options.by_source else []
    missing = without_radiometer(meta, read)
    bad = flagged | missing | too_few_good(meta, read, options.min_good_fraction)
    if len(bad) == meta.nant:
        raise NoWvrData(
            f"{meta.path}: no antenna has good radiometer data (wvrflag={list(options.flagged_antennas)}, "
            f"mingoodfrac={options.min_good_fraction:g})"
        )
    plan = Plan(
        segments=segments,
        count=options.count,
        candidates=refants or [a for a in range(meta.nant) if a not in missing],
        cloud=options.cloud,
        use_field=options.use_field,
        max_distance_m=options.max_distance_m,
        at_least=options.min_neighbours,
        libair=options.phases.libair,
    )
    sky = _on_sky(meta, sources, read, options).later(options.time_offset_s)
    solved = solve(meta, sources, sky, bad, plan)
    path = paths_mm(solved.sky, solved.coefficients)
    statistics = _statistics(meta, read, solved, path, counted, missing)
    if options.smooth_s > 0:
        path = smoothed_mm(path, sky.time, sky.field, options.smooth_s)
    return Derived(phase_table(meta, sky, path, spws, options.phases), meta, solved.found, statistics)


def _chosen_spws(metadata: Metadata, wanted: Sequence[int]) -> list[int]:
    """Return the spws that get solutions; all of them unless some are asked for."""
    for spw in wanted:
        if not 0 <= spw < len(metadata.spws):
            raise ArgumentError(f"spw {spw}: {metadata.path} has the spws 0 to {len(metadata.spws) - 1}")
    return list(wanted) or [s.id for s in metadata.spws]


def _on_sky(metadata: Metadata, sources: Sources, read: Measured, options: Options) -> Measured:
    """Return the samples beside sources; those of flagged sources have no temperatures."""
    states = sky_states(metadata)
    sky = read.at(np.isin(read.state, states))
    if not len(sky.time):
        raise NoWvrData(f"{metadata.path}: no radiometer sample was taken on the sky beside a source")
    dropped = np.isin(sky.source, list(sources.ids(options.flagged_sources, "sourceflag")))
    return replace(sky, temperature_k=np.where(dropped[:, None, None], np.nan, sky.temperature_k))


def _statistics(
    metadata: Metadata,
    read: Measured,
    solved: Solved,
    path_mm: NDArray[np.float64],
    counted: NDArray[np.int32] | None,
    missing: set[int],
) -> Statistics:
    sky = solved.sky
    used = np.ones(len(sky.time), bool) if counted is None else np.isin(sky.field, counted)
    if not used.any():
        raise ArgumentError("statfield, statsource: there are no radiometer samples beside what they name")
    inner, outer = (paths_mm(sky, solved.coefficients, (k,))[used] for k in (INNER, OUTER))
    discrepancy = scatter_mm(inner - outer)
    if discrepancy.size and (discrepancy[discrepancy > 0] * 1e3 > CLOUDY_UM).all():
        log.warning(
            "the paths by single channels disagree by more than %g um for all antennas: clouds? Do not apply the "
            "table without a look at what it does", CLOUDY_UM,
        )  # fmt: skip
    middle = solved.found[len(solved.found) // 2].retrieval
    greatest = greatest_baseline_scatter_mm(path_mm[used])
    unusable = {a.id for a in metadata.antennas if a.flag_row} | solved.bad
    return Statistics(
        has_radiometer=np.array([a not in missing for a in range(metadata.nant)]),
        flagged=np.array([a in unusable for a in range(metadata.nant)]),
        good_fraction=read.ngood / np.maximum(read.ntotal, 1),
        rms_mm=scatter_mm(path_mm[used] * np.sin(solved.elevation_rad[used])[:, None]),
        discrepancy_mm=discrepancy,
        thermal_mm=thermal_error_mm(middle.dtdl_k_mm),
        greatest_mm=greatest,
        coefficient_mm=greatest * float(middle.dtdl_error_k_mm[INNER] / middle.dtdl_k_mm[INNER]),
    )

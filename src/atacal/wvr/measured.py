"""The radiometers' temperatures of a MeasurementSet, on a (time, antenna) grid."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, NoWvrData
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata
from atacal.ms.rows import RowRuns
from atacal.ms.wvr_tables import Pointing, TemperatureOffsets, read_pointing
from atacal.wvr.water import LINE_GHZ, NCHAN

log = logging.getLogger("atacal")

VALID_K = (2.7, 300.0)
"""A temperature outside these limits is no measurement."""

_NEAR_LINE_GHZ = 12.0


@dataclass(frozen=True, eq=False)
class Measured:
    """Temperatures of all antennas.

    Attributes
    ----------
    time : float64 (time,)
        [MJD s]
    interval_s : float
        Of one sample.
    field, source, state, obs : int32 (time,)
    temperature_k : float64 (time, antenna, channel)
        NaN where there is no good measurement.
    ntotal, ngood : int64 (antenna,)
        Samples, and those that are not flagged and have temperatures that can be.
    """

    time: NDArray[np.float64]
    interval_s: float
    field: NDArray[np.int32]
    source: NDArray[np.int32]
    state: NDArray[np.int32]
    obs: NDArray[np.int32]
    temperature_k: NDArray[np.float64]
    ntotal: NDArray[np.int64]
    ngood: NDArray[np.int64]

    @property
    def good(self) -> NDArray[np.bool_]:
        """Where all channels of an antenna are good, (time, antenna)."""
        return np.asarray(np.isfinite(self.temperature_k).all(-1))

    def at(self, mask: NDArray[np.bool_]) -> Measured:
        """Return the samples that a mask (time,) picks; the counts stay."""
        names = ("time", "field", "source", "state", "obs", "temperature_k")
        return replace(self, **{name: getattr(self, name)[mask] for name in names})

    def later(self, offset_s: float) -> Measured:
        """Return the same with time stamps shifted."""
        return replace(self, time=self.time + offset_s)


def wvr_spws(metadata: Metadata) -> list[int]:
    """Return the spws that hold radiometer data: four channels, by name or by frequency of the 183 GHz line."""

    def is_wvr(name: str, freq_hz: NDArray[np.float64]) -> bool:
        near = np.abs(freq_hz * 1e-9 - LINE_GHZ).max() < _NEAR_LINE_GHZ
        return len(freq_hz) == NCHAN and (name.upper().startswith("WVR") or bool(near))

    return [s.id for s in metadata.spws if is_wvr(s.name, s.chan_freq_hz)]


def choose_spws(metadata: Metadata, wanted: Sequence[int]) -> list[int]:
    """Return the radiometer spws to be read.

    Raises
    ------
    NoWvrData
        If there are none.
    ArgumentError
        If one that was asked for is none.
    """
    there = wvr_spws(metadata)
    if not there:
        raise NoWvrData(f"{metadata.path} has no spw of a water vapour radiometer (4 channels around {LINE_GHZ} GHz)")
    for spw in wanted:
        if spw not in there:
            known = ", ".join(str(s) for s in there)
            raise ArgumentError(f"wvrspw {spw} is no spw of a water vapour radiometer; {metadata.path} has {known}")
    return list(wanted) or there


def read_measured(
    ms: MeasurementSet, spws: Sequence[int], sources: NDArray[np.int32], offsets: TemperatureOffsets | None
) -> Measured:
    """Read the temperatures.

    Parameters
    ----------
    ms : MeasurementSet
    spws : sequence of int
        Radiometer spws.
    sources : int32 (field,)
        Source of every field.
    offsets : TemperatureOffsets, optional
        Subtracted from the temperatures.

    Returns
    -------
    Measured
        Times at which some antenna has a sample that is not flagged.

    Raises
    ------
    NoWvrData
        If there are no samples, or all are flagged.
    """
    runs = _runs_of(ms, spws)
    nant = ms.metadata.nant
    time, first, index = np.unique(runs.time, return_index=True, return_inverse=True)
    segments = _joined(runs)
    ant1, ant2 = (ms.read_scalar(c, segments) for c in ("ANTENNA1", "ANTENNA2"))
    slot = np.repeat(index, runs.nrow)
    values, flagged = _cells(ms, segments, len(ant1))
    auto = ant1 == ant2
    ant1, slot, values, flagged = ant1[auto], slot[auto], values[auto], flagged[auto]
    if not (~flagged).any():
        raise NoWvrData(
            f"{ms.path}: all {len(flagged)} radiometer samples of spw {', '.join(map(str, spws))} are flagged"
        )
    if offsets is not None:
        values = values - _offsets_of(offsets, time[slot], ant1)
    bad = flagged | ~((values > VALID_K[0]) & (values < VALID_K[1])).all(-1)
    temperature = np.full((len(time), nant, NCHAN), np.nan)
    temperature[slot[~bad], ant1[~bad]] = values[~bad]
    used = np.zeros(len(time), bool)
    used[slot[~flagged]] = True
    counted = used[slot]
    return Measured(
        time=time,
        interval_s=float(np.median(runs.interval)),
        field=runs.field[first],
        source=sources[runs.field[first]],
        state=runs.state[first],
        obs=runs.obs[first],
        temperature_k=temperature,
        ntotal=np.bincount(ant1[counted], minlength=nant),
        ngood=np.bincount(ant1[counted & ~bad], minlength=nant),
    ).at(used)


def _runs_of(ms: MeasurementSet, spws: Sequence[int]) -> RowRuns:
    ddids = [d for spw in spws for d in ms.metadata.ddids_of_spw(spw)]
    runs = ms.runs[np.flatnonzero(np.isin(ms.runs.ddid, ddids))]
    if not len(runs):
        raise NoWvrData(f"{ms.path} has no rows of its radiometer spws {', '.join(map(str, spws))}")
    return runs


def _joined(runs: RowRuns) -> list[tuple[int, int]]:
    """Return the runs' rows as (first row, number), neighbours joined."""
    starts = np.flatnonzero(np.r_[True, runs.row0[1:] != runs.row0[:-1] + runs.nrow[:-1]])
    counts = np.add.reduceat(runs.nrow, starts)
    return [(int(row), int(count)) for row, count in zip(runs.row0[starts], counts, strict=True)]


def _cells(
    ms: MeasurementSet, segments: list[tuple[int, int]], nrow: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return temperatures (row, channel) and whether any of a row's is flagged (row,)."""
    ms.require("DATA")
    shape = _cell_shape(ms, segments[0][0])
    data, flag = np.empty((nrow, *shape), np.complex64), np.empty((nrow, *shape), np.bool_)
    ms.read("DATA", segments, data)
    ms.read("FLAG", segments, flag)
    flagged = flag.any(axis=(1, 2)) | ms.read_scalar("FLAG_ROW", segments).astype(bool)
    return data[:, :, 0].real.astype(np.float64), flagged


def _cell_shape(ms: MeasurementSet, row: int) -> tuple[int, int]:
    ddid = ms.metadata.ddids[int(ms.read_scalar("DATA_DESC_ID", [(row, 1)])[0])]
    return ms.metadata.spws[ddid.spw].nchan, ms.metadata.pols[ddid.pol].ncorr


def _offsets_of(
    offsets: TemperatureOffsets, time: NDArray[np.float64], antenna: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Return the offsets of samples, 0 for those that the table does not have."""
    code = {(t, a): i for i, (t, a) in enumerate(zip(offsets.time.tolist(), offsets.antenna.tolist(), strict=True))}
    row = np.array([code.get(key, -1) for key in zip(time.tolist(), antenna.tolist(), strict=True)])
    missing = int((row < 0).sum())
    if missing == len(row):
        raise ArgumentError("offsetstable has none of the times and antennas of the radiometer samples")
    if missing:
        log.warning(
            "offsetstable has no offsets for %d of %d radiometer samples: they are used as they are", missing, len(row)
        )
    return np.where((row < 0)[:, None], 0.0, offsets.offset_k[np.maximum(row, 0), :NCHAN])


def sky_states(metadata: Metadata) -> NDArray[np.int32]:
    """Return the states in which the radiometers look at the sky beside a source.

    Raises
    ------
    NoWvrData
        If no state has such an intent.
    """
    words = ("ON_SOURCE", "REFERENCE", "SIGNAL")
    states = [
        i
        for i, mode in enumerate(metadata.state_intents)
        if any(w in mode for w in words) and "CALIBRATE_ATMOSPHERE" not in mode
    ]
    if not states:
        raise NoWvrData(f"{metadata.path} has no state with the intent {', '.join(words)} outside atmosphere scans")
    return np.array(states, np.int32)


def elevations(metadata: Metadata, measured: Measured, antenna: int, *, use_field: bool = False) -> NDArray[np.float64]:
    """Return the elevation of each sample, (time,) [rad].

    Parameters
    ----------
    metadata : Metadata
    measured : Measured
    antenna : int
        Whose pointing counts.
    use_field : bool
        Compute it from the fields' positions; so it is, with a warning, too, if POINTING cannot be used.
    """
    if not use_field:
        pointing = read_pointing(Path(metadata.path), antenna)
        if isinstance(pointing, Pointing):
            return pointing.elevation_at(measured.time)
        log.warning("elevations are computed from the fields' positions: %s", pointing)
    from atacal.jones.horizon import elevations as above_horizon

    fields = [metadata.fields[f] for f in measured.field]
    return above_horizon(measured.time, fields, metadata.antenna_positions_m[[antenna]], metadata.time_frame)[:, 0]

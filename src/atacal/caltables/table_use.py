"""One calibration table in use: which of its solutions a block of data takes, and the factors they give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.interpolate import Registration, in_time, register
from atacal.caltables.resample import in_frequency
from atacal.caltables.specs import Interp
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.jones import Parameters, Sky, Term
from atacal.ms.metadata import Metadata


@dataclass(frozen=True, eq=False)
class Evaluated:
    """One table's factors for a block.

    Attributes
    ----------
    gain, ok : complex128, bool (distinct, antenna, chan or 1, receptor)
    found : bool (distinct, antenna)
        Whether there is any solution, good or flagged.
    which : intp (slot,)
        Which of the distinct ones each slot takes.
    weight : float64 (distinct, antenna, receptor), or None
    channel_weight : float64 (distinct, antenna, chan, receptor), or None
    """

    gain: NDArray[np.complex128]
    ok: NDArray[np.bool_]
    found: NDArray[np.bool_]
    which: NDArray[np.intp]
    weight: NDArray[np.float64] | None
    channel_weight: NDArray[np.float64] | None


@dataclass(eq=False)
class TableUse:
    """One calibration table and how it is applied.

    Attributes
    ----------
    table : CalTable
    term : Term
    interp : Interp
    fields : list, by field of the data
        The table's fields to take solutions from, None for all.
    spws : int32, by spw of the data
        The table's spw.
    calwt : bool
    """

    table: CalTable
    term: Term
    interp: Interp
    fields: list[NDArray[np.int32] | None]
    spws: NDArray[np.int32]
    calwt: bool

    def covers(self, spw: int) -> bool:
        """Whether the table has solutions for an spw of the data."""
        solutions = self.table.solutions.get(int(self.spws[spw]))
        return solutions is not None and solutions.nslot > 0

    def ref_freq_hz(self, spw: int) -> float:
        """Frequency at which the table's phases for a data spw are meant [Hz]: the middle channel (n // 2)."""
        source = self.table.spws[int(self.spws[spw])]
        return float(source.chan_freq_hz[source.nchan // 2])

    def register(self, spw: int, key: NDArray[Any]) -> tuple[Registration, NDArray[np.intp]]:
        """Return the distinct ways to make up solutions at times, and which of them each time takes.

        Parameters
        ----------
        spw : int
            Of the data.
        key : structured (slot,)
            Time [s], field, scan and observation.
        """
        solutions = self.table.solutions[int(self.spws[spw])]
        nant = solutions.param.shape[1]
        present = np.ones((solutions.nslot, nant), bool) if solutions.row is None else solutions.row >= 0
        group = self._groups(key)
        pieces: list[tuple[NDArray[np.intp], Registration]] = []
        for number in np.unique(group):
            members = np.flatnonzero(group == number)
            usable = self._usable(solutions, key[members[0]])
            reg = register(solutions.time, present & usable[:, None], key["time"][members], self.interp.time)
            pieces.append((members, reg))
        if len(pieces) == 1:
            return pieces[0][1].unique()
        return _joined(pieces, len(key)).unique()

    def _groups(self, key: NDArray[Any]) -> NDArray[np.intp]:
        """Number the slots by which subset of the solutions they may use."""
        labels = np.zeros((len(key), 2), np.int64)
        distinct = {id(f): n for n, f in enumerate(self.fields)}
        labels[:, 0] = [distinct[id(self.fields[f])] for f in key["field"]]
        if self.interp.slices:
            labels[:, 1] = key[self.interp.slices]
        if (labels == labels[:1]).all():
            return np.zeros(len(key), np.intp)
        return np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)

    def _usable(self, solutions: SpwSolutions, key: Any) -> NDArray[np.bool_]:
        fields = self.fields[key["field"]]
        usable = np.ones(solutions.nslot, bool) if fields is None else np.isin(solutions.field, fields)
        if self.interp.slices:
            of_slice = getattr(solutions, self.interp.slices)
            # CASA's BPOLY tables do not say which observation or scan a solution is of
            anonymous = (of_slice < 0) & (self.table.kind == "BPOLY")
            usable &= (of_slice == key[self.interp.slices]) | anonymous
        return usable

    def evaluate(self, spw: int, key: NDArray[Any], freq_hz: NDArray[np.float64], sky: Sky | None = None) -> Evaluated:
        """Interpolate the table to times and channels and turn it into Jones factors.

        Parameters
        ----------
        spw : int
            Of the data.
        key : structured (slot,)
        freq_hz : float64 (chan,)
            Channel centres of the data.
        sky : Sky, optional
            Where the sources stand at those times, for the terms that depend on it.
        """
        reg, which = self.register(spw, key)
        solutions = self.table.solutions[int(self.spws[spw])]
        amplitude, phase, ok = in_time(reg, solutions.param, solutions.flag)
        found = reg.found
        if self.term.of_sky:
            amplitude, ok, found = amplitude[which], ok[which], found[which]
            which = np.arange(len(key))
        if self.interp.phase_delay and phase is not None and not self.term.per_channel:
            phase = phase * (freq_hz[len(freq_hz) // 2] / self.ref_freq_hz(spw))
        table_amplitude, table_ok = amplitude, ok
        if self.term.per_channel:
            source = self.table.spws[int(self.spws[spw])].chan_freq_hz
            target = freq_hz
            if self.interp.freq_relative:
                source, target = _relative(source), _relative(freq_hz)
            amplitude, phase, ok = in_frequency(
                amplitude, phase, ok, source, target, method=self.interp.freq, with_flags=self.interp.freq_flags
            )
        par = Parameters(amplitude, phase, ok, table_amplitude, table_ok, freq_hz, self.ref_freq_hz(spw), sky)
        gain, good = self.term.factor(par)
        weight = self.term.weight(par) if self.calwt and self.term.weight else None
        channel_weight = self.term.channel_weight(par) if self.calwt and self.term.channel_weight else None
        return Evaluated(gain, good, found, which, weight, channel_weight)


def sky_of(metadata: Metadata, key: NDArray[Any], needs: set[str]) -> Sky:
    """Compute where the sources stand; directions are those seen by the first antenna, as in CASA."""
    from atacal.jones.horizon import elevations, itrf_directions

    positions = np.array([a.position_m for a in metadata.antennas], np.float64)
    fields = [metadata.fields[f] for f in key["field"]]
    time, frame = key["time"], metadata.time_frame
    return Sky(
        itrf_directions(time, fields, positions[0], frame) if "direction" in needs else None,
        elevations(time, fields, positions, frame) if "elevation" in needs else None,
    )


def _relative(freq_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Frequencies relative to their mean, ascending in the sense of an upper sideband."""
    offset = freq_hz - freq_hz.mean()
    return -offset if len(offset) > 1 and offset[0] > offset[1] else offset


def _joined(pieces: list[tuple[NDArray[np.intp], Registration]], count: int) -> Registration:
    """Put registrations of subsets of the slots together."""
    nant = pieces[0][1].found.shape[1]
    points = max(reg.index.shape[2] for _, reg in pieces)
    out = Registration(
        np.zeros((count, nant, points), np.intp),
        np.zeros((count, nant, points)),
        np.zeros((count, nant, 2), np.intp),
        np.zeros((count, nant), bool),
    )
    for members, reg in pieces:
        k = reg.index.shape[2]
        out.index[members, :, :k] = reg.index
        out.weight[members, :, :k] = reg.weight
        out.flag_index[members] = reg.flag_index
        out.found[members] = reg.found
    return out

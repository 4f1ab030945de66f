"""The calibration library: the tables to apply, and the factors they give for a block of data.

``Library.build`` reads and checks the tables once; ``Library.factors`` interpolates them to a block's times and
channels and multiplies them. What has no time axis or no channel axis is kept without it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.bpoly import BPolyTable, outside_domain, tabulated
from atacal.caltables.bpoly_disk import is_bpoly, read_bpoly
from atacal.caltables.kept import table_to_apply
from atacal.caltables.rows import distinct
from atacal.caltables.specs import (
    Interp,
    as_list,
    map_fields,
    map_spws,
    parse_interp,
    per_table,
    per_table_calwt,
    per_table_spwmap,
)
from atacal.caltables.table import CalTable
from atacal.caltables.table_use import Evaluated, TableUse, sky_of
from atacal.errors import ArgumentError, CaltableMismatch
from atacal.jones import Sky, Term, term_of
from atacal.ms._tables import opened
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata
from atacal.ms.stream import Block

log = logging.getLogger("atacal")

_SKIES_KEPT = 16

KEY = np.dtype([("time", np.float64), ("field", np.int32), ("scan", np.int32), ("obs", np.int32)])


@dataclass(frozen=True, eq=False)
class Goodness:
    """Which of one table's factors are good.

    Attributes
    ----------
    ok : bool (distinct, antenna, chan or 1, receptor)
    found : bool (distinct, antenna)
        Whether the antenna has any solution, good or flagged, that could be taken.
    which : intp (slot,)
        Which of the distinct ones each slot takes.
    """

    ok: NDArray[np.bool_]
    found: NDArray[np.bool_]
    which: NDArray[np.intp]


@dataclass(eq=False)
class Factors:
    """Forward Jones factors g of all tables together, for one block: V_ij = g_i M_ij conj(g_j).

    A factor that is not good is 1. Where there is no table of a sort, its arrays are None (``time_gain`` never is).

    Attributes
    ----------
    slot : int32 (row,)
        Which distinct (time, field, scan, observation) each row belongs to.
    time_gain, time_ok : complex64, bool (slot, antenna, receptor)
        Terms without a channel axis.
    chan_gain, chan_ok : complex64, bool (antenna, chan, receptor), or None
        Terms that are the same at all times of the block.
    full_gain, full_ok : complex64, bool (slot, antenna, chan, receptor), or None
        Terms that depend on both.
    weight : float32 (slot, antenna, receptor)
        Weights are w_ij = weight_i weight_j / SIGMA^2.
    chan_weight : float32 (slot, antenna, chan, receptor), or None
        The part of the weights' scale that depends on the channel, for a WEIGHT_SPECTRUM; where there is one,
        `spectrum_weight` is to be multiplied with it instead of `weight`.
    spectrum_weight : float32 (slot, antenna, receptor)
    by_table : list of Goodness
        For every table what is good, to say which table flags what.
    matrix : complex64 (slot, antenna, 2, 2), or None
        Terms that mix the receptors, on the sky's side of all others.
    """

    slot: NDArray[np.int32]
    time_gain: NDArray[np.complex64]
    time_ok: NDArray[np.bool_]
    chan_gain: NDArray[np.complex64] | None
    chan_ok: NDArray[np.bool_] | None
    full_gain: NDArray[np.complex64] | None
    full_ok: NDArray[np.bool_] | None
    weight: NDArray[np.float32]
    chan_weight: NDArray[np.float32] | None
    spectrum_weight: NDArray[np.float32]
    by_table: list[Goodness] = field(default_factory=list)
    matrix: NDArray[np.complex64] | None = None


def slots_of(block: Block) -> tuple[NDArray[np.int32], NDArray[Any]]:
    """Return each row's slot and the distinct (time, field, scan, observation) of a block."""
    first, by_row = block.stretches()
    runs = np.empty(len(first), KEY)
    for name in ("time", "field", "scan", "obs"):
        runs[name] = getattr(block, name)[first]
    firsts, by_run = distinct(runs)
    return by_run[by_row.reshape(-1)].astype(np.int32), runs[firsts]


@dataclass(eq=False)
class Library:
    """The tables to apply, in order.

    Attributes
    ----------
    metadata : Metadata
        Of the MeasurementSet they are applied to.
    uses : list of TableUse
    parang : bool
        Whether the parallactic angle is corrected too.
    """

    metadata: Metadata
    uses: list[TableUse]
    parang: bool = False
    _skies: dict[bytes, Sky] = field(default_factory=dict, repr=False)

    @classmethod
    def build(
        cls,
        ms: MeasurementSet | Metadata,
        gaintable: str | CalTable | Sequence[str | CalTable] = (),
        gainfield: str | Sequence[str] = (),
        interp: str | Sequence[str] = (),
        spwmap: Sequence[int] | Sequence[Sequence[int]] = (),
        calwt: bool | Sequence[bool] = True,
        parang: bool = False,
    ) -> Library:
        """Read the tables and check that they fit the data.

        Parameters
        ----------
        ms : MeasurementSet or Metadata
        gaintable, gainfield, interp, spwmap, calwt
            As in CASA's tasks, one entry for each table; a table may be a `CalTable` in memory.
        parang : bool
            Correct for the parallactic angle.

        Returns
        -------
        Library

        Raises
        ------
        ArgumentError, NoSuchTable, InvalidTable, CaltableError, CaltableMismatch
        """
        metadata = ms if isinstance(ms, Metadata) else ms.metadata
        names = [t for t in as_list(gaintable) if not (isinstance(t, str) and t == "")]
        count = len(names)
        fields = [_gainfield(f) for f in per_table("gainfield", gainfield, count, "")]
        interps = [parse_interp(i) for i in per_table("interp", interp, count, "")]
        uses = []
        for name, gain_field, how, spws, weigh in zip(
            names, fields, interps, per_table_spwmap(spwmap, count), per_table_calwt(calwt, count), strict=True
        ):
            table, mapped = _table_and_spws(name, spws, metadata, how)
            term = term_of(table.kind, table.name)
            if term.of_array:
                mapped = _the_same_everywhere(term, table, spws, mapped)
            uses.append(
                TableUse(
                    table=table,
                    term=term,
                    interp=how,
                    fields=map_fields(gain_field, table, metadata),
                    spws=mapped,
                    calwt=weigh,
                )
            )
        return cls(metadata, uses, parang)

    @property
    def weighs(self) -> bool:
        """Whether any table changes the weights; if none does, applying leaves WEIGHT alone."""
        return any(use.calwt and use.term.weight is not None for use in self.uses)

    def check_spws(self, spws: Iterable[int]) -> None:
        """Raise `CaltableMismatch` unless every table has solutions for all of some spws of the data."""
        wanted = sorted({int(s) for s in spws})
        for use in self.uses:
            missing = [s for s in wanted if not use.covers(s)]
            if missing:
                mapped = sorted({int(use.spws[s]) for s in missing})
                there = sorted(s for s, v in use.table.solutions.items() if v.nslot)
                raise CaltableMismatch(
                    f"{use.table.name} has no solutions for spw {_listed(missing)}"
                    + (f" (mapped to its spw {_listed(mapped)})" if mapped != missing else "")
                    + f"; it has them for spw {_listed(there)}. Select those with spw=, or map them with spwmap="
                )

    def factors(self, block: Block) -> Factors:
        """Evaluate the library for a block.

        Parameters
        ----------
        block : Block

        Returns
        -------
        Factors

        Raises
        ------
        CaltableMismatch
            If a table has nothing for the block's spw.
        """
        self.check_spws([block.spw])
        slot, key = slots_of(block)
        freq_hz = self.metadata.spws[block.spw].chan_freq_hz
        sky = self._sky(key)
        tables = [use.evaluate(block.spw, key, freq_hz, sky) for use in self.uses]
        factors = combine(slot, len(key), len(self.metadata.antennas), tables)
        if self.parang:
            self._turn(factors, block, key)
        return factors

    def _sky(self, key: NDArray[Any]) -> Sky | None:
        """Return where the sources stand at some times, as far as a term needs it.

        Spws share their times: the last few answers are kept.
        """
        needs = {use.term.of_sky for use in self.uses} - {""}
        if not needs:
            return None
        name = key[["time", "field"]].tobytes()
        if name not in self._skies:
            while len(self._skies) >= _SKIES_KEPT:
                self._skies.pop(next(iter(self._skies), b""), None)
            self._skies[name] = sky_of(self.metadata, key, needs)
        return self._skies[name] if name in self._skies else sky_of(self.metadata, key, needs)

    def _turn(self, factors: Factors, block: Block, key: NDArray[Any]) -> None:
        """Add the parallactic angle to a block's factors."""
        from atacal.jones.parang import parallactic_angles, parang_matrix

        corrs = self.metadata.pols[block.pol].corrs
        circular = any(c in ("RR", "LL") for c in corrs)
        if not circular and len(corrs) != 4:
            raise ArgumentError(
                f"parang=True: the parallactic angle of linear feeds mixes all four correlations, and spw {block.spw} "
                f"has {', '.join(corrs)} only"
            )
        fields = [self.metadata.fields[f] for f in key["field"]]
        angle = parallactic_angles(key["time"], fields, self.metadata.antennas, self.metadata.time_frame)
        angle += feed_angles(self.metadata, block.spw)
        matrix = parang_matrix(angle, "circular" if circular else "linear").astype(np.complex64)
        if circular:
            factors.time_gain *= np.stack([matrix[..., 0, 0], matrix[..., 1, 1]], axis=-1)
        else:
            factors.matrix = matrix


def _table_and_spws(
    name: str | CalTable, spwmap: Sequence[int], metadata: Metadata, how: Interp
) -> tuple[CalTable, NDArray[np.int32]]:
    """Return a table that fits the data, and its spw for every spw of the data."""
    if not isinstance(name, CalTable) and is_bpoly(name):
        log.info("%s: a BPOLY table; it does not change weights, whatever calwt says (as in CASA)", name)
        return polynomials_for(read_bpoly(name), spwmap, metadata, relative=how.freq_relative)
    table = name if isinstance(name, CalTable) else table_to_apply(name)
    check_antennas(table, metadata)
    return table, map_spws(spwmap, table, len(metadata.spws))


def _the_same_everywhere(
    term: Term, table: CalTable, spwmap: Sequence[int], mapped: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Map every spw to the table's spw 0; say so if something else was asked for."""
    if spwmap and set(spwmap) not in ({0}, {-1}):
        log.warning("%s: %s solutions are the same in all spws; spwmap %s is not used", table.name, term.kind, spwmap)
    return np.zeros_like(mapped)


def polynomials_for(
    poly: BPolyTable, spwmap: Sequence[int], metadata: Metadata, *, relative: bool
) -> tuple[CalTable, NDArray[np.int32]]:
    """Tabulate polynomials at the very channels of the data, whatever spw they were solved in.

    With frequencies relative to the spws' centres (``rel``) they are tabulated where they were solved.
    """
    table = tabulated(poly, metadata.antennas, metadata.fields, metadata.spws)
    check_antennas(table, metadata)
    mapped = map_spws(spwmap, table, len(metadata.spws))
    solved = poly.polynomials(len(table.antennas))
    for spw in metadata.spws:
        one = solved.get(int(mapped[spw.id]))
        outside = outside_domain(one, spw.chan_freq_hz) if one is not None and not relative else 0
        if outside:
            log.warning(
                "%s: %d of %d channels of spw %d lie outside the frequencies that it was solved for; they take its "
                "value at the nearest one", poly.name, outside, spw.nchan, spw.id,
            )  # fmt: skip
    if relative:
        return table, mapped
    table = tabulated(poly, metadata.antennas, metadata.fields, metadata.spws, source_spw=mapped)
    return table, np.arange(len(metadata.spws), dtype=np.int32)


def combine(slot: NDArray[np.int32], nslot: int, nant: int, tables: Sequence[Evaluated]) -> Factors:
    """Multiply the factors of several tables, keeping apart what has no time or no channel axis."""
    time_gain = np.ones((nslot, nant, 2), np.complex128)
    time_ok = np.ones((nslot, nant, 2), bool)
    weight, spectrum_weight = np.ones((nslot, nant, 2)), np.ones((nslot, nant, 2))
    chan: list[tuple[NDArray, NDArray]] = []
    full: list[tuple[NDArray, NDArray]] = []
    channel_weights: list[NDArray] = []
    for one in tables:
        gain, ok = one.gain[:, :nant], one.ok[:, :nant]
        if gain.shape[2] == 1:
            time_gain *= gain[one.which, :, 0]
            time_ok &= ok[one.which, :, 0]
        elif len(gain) == 1:
            chan.append((gain[0], ok[0]))
        else:
            every = len(gain) == nslot and np.array_equal(one.which, np.arange(nslot))
            full.append((gain, ok) if every else (gain[one.which], ok[one.which]))
        if one.weight is not None:
            weight *= one.weight[one.which][:, :nant]
        if one.channel_weight is not None:
            channel_weights.append(one.channel_weight[one.which][:, :nant])
        elif one.weight is not None:
            spectrum_weight *= one.weight[one.which][:, :nant]
    chan_gain, chan_ok = _product(chan)
    full_gain, full_ok = _product(full)
    chan_weight = np.prod(channel_weights, axis=0).astype(np.float32) if channel_weights else None
    return Factors(
        slot, time_gain.astype(np.complex64), time_ok, chan_gain, chan_ok, full_gain, full_ok,
        weight.astype(np.float32), chan_weight, spectrum_weight.astype(np.float32),
        [Goodness(one.ok[:, :nant], one.found[:, :nant], one.which) for one in tables],
    )  # fmt: skip


def _product(parts: list[tuple[NDArray, NDArray]]) -> tuple[NDArray[np.complex64] | None, NDArray[np.bool_] | None]:
    if not parts:
        return None, None
    gain, ok = parts[0]
    for other, other_ok in parts[1:]:
        gain, ok = gain * other, ok & other_ok
    return gain.astype(np.complex64), ok.copy() if ok is parts[0][1] else ok


def feed_angles(metadata: Metadata, spw: int) -> NDArray[np.float64]:
    """Return the angle of each antenna's first receptor for an spw [rad], (antenna,), from the FEED table."""
    out = np.zeros(len(metadata.antennas))
    with opened(f"{metadata.path}/FEED") as tab:
        ids = zip(tab.getcol("ANTENNA_ID"), tab.getcol("SPECTRAL_WINDOW_ID"), tab.getcol("FEED_ID"), strict=True)
        for row, (antenna, feed_spw, feed) in enumerate(ids):
            if feed_spw in (-1, spw) and feed == 0 and 0 <= antenna < len(out):
                out[antenna] = np.asarray(tab.getcell("RECEPTOR_ANGLE", row)).reshape(-1)[0]
    return out


def _gainfield(value: Any) -> str:
    """Read one table's gainfield, which may be a list of names or ids."""
    if isinstance(value, (list, tuple)):
        return ",".join(str(v) for v in value)
    return str(value)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(n) for n in numbers)


def check_antennas(table: CalTable, metadata: Metadata) -> None:
    """Raise `CaltableMismatch` unless a table's antennas are those of a MeasurementSet."""
    theirs, ours = [a.name for a in table.antennas], metadata.antenna_names()
    if theirs[: len(ours)] == ours:
        return
    missing = [name for name in ours if name not in theirs]
    if missing:
        what = f"it lacks {', '.join(missing[:8])}{' ...' if len(missing) > 8 else ''}"
    else:
        what = "they stand in another order"
    raise CaltableMismatch(
        f"{table.name} was solved from {table.ms_name or 'another MeasurementSet'}, whose antennas are not those of "
        f"{metadata.name}: {what}"
    )

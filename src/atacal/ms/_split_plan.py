"""What split makes of each spw, data description, polarization setup and field."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms._regrid import Regrid
from atacal.ms._split_grid import RegridOptions, regridded
from atacal.ms._subtables import Renumbering, SpwOut
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Spw
from atacal.ms.rows import RowRuns
from atacal.ms.selected import Selected
from atacal.ms.selection import Selection, parse_correlation, parse_field, parse_intent, parse_spw

log = logging.getLogger("atacal")


@dataclass(frozen=True)
class SplitOptions:
    """What `split_ms` makes of the selected rows.

    Attributes
    ----------
    datacolumn : str
        data, corrected, model, float_data: written as DATA (float_data as FLOAT_DATA); all, or several with commas:
        written under their own names.
    keepflags : bool
        Keep rows all of whose data are flagged.
    width : int or sequence of int
        Channels to average, one number for all spws or one for each selected spw.
    timebin_s : float
        Length of the time bins [s]; 0: no time averaging.
    combine : frozenset of str
        scan, state: average over their limits.
    hanning : bool
        Smooth channels, after averaging them.
    regrid : RegridOptions, optional
        A new grid of channels, made last.
    """

    datacolumn: str = "corrected"
    keepflags: bool = True
    width: int | Sequence[int] = 1
    timebin_s: float = 0.0
    combine: frozenset[str] = field(default_factory=frozenset)
    hanning: bool = False
    regrid: RegridOptions | None = None


@dataclass(frozen=True, eq=False)
class SpwPlan:
    """Which channels of an spw are read, and how many become one.

    Attributes
    ----------
    channels : slice or int array, optional
        None for all.
    nchan : int
        Channels of the output.
    width : int
    regrid : Regrid, optional
    """

    channels: slice | NDArray[np.intp] | None
    nchan: int
    width: int
    regrid: Regrid | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """How input ids map to the output's.

    Attributes
    ----------
    spws : dict of input spw -> SpwPlan
    ddids : dict of input ddid -> output ddid
    corrs : dict of pol -> int array
        Correlations to take, for the setups that lose some.
    field_ids : int32 (field,), optional
        Output id of every input field, -1 for those that are dropped; None if none is.
    state_ids : int32 (state,), optional
        The same for states.
    """

    spws: dict[int, SpwPlan]
    ddids: dict[int, int]
    corrs: dict[int, NDArray[np.intp]]
    field_ids: NDArray[np.int32] | None
    state_ids: NDArray[np.int32] | None
    renumbering: Renumbering

    def dominant_shape(self, ms: MeasurementSet, runs: RowRuns) -> tuple[int, int]:
        """Return the (corr, chan) of the data description that holds most of the output's data."""
        rows = np.bincount(runs.ddid, weights=runs.nrow, minlength=len(ms.metadata.ddids))
        best = (2, 64)
        most = -1.0
        for ddid in self.ddids:
            dd = ms.metadata.ddids[ddid]
            ncorr = len(self.corrs.get(dd.pol, range(ms.metadata.pols[dd.pol].ncorr)))
            size = rows[ddid] * ncorr * self.spws[dd.spw].nchan
            if size > most:
                most, best = size, (ncorr, self.spws[dd.spw].nchan)
        return best


def make_plan(
    ms: MeasurementSet,
    what: Selection,
    selected: Selected,
    width: int | Sequence[int],
    regrid: RegridOptions | None = None,
) -> Plan:
    """Work out the output's shape.

    Parameters
    ----------
    ms : MeasurementSet
    what : Selection
        As the user wrote it: its order of spws is the output's.
    selected : Selected
        Its outcome.
    width : int or sequence of int
        Channels to average.
    regrid : RegridOptions, optional
        A new grid of channels.

    Raises
    ------
    ArgumentError
        If ``width`` or the grid does not fit the spws.
    """
    md = ms.metadata
    chosen = parse_spw(what.spw, md)
    masks, ddids_with_corrs = parse_correlation(what.correlation, md)
    order = list(chosen.channels)
    widths = _widths(width, order)
    spws, outs = {}, []
    for number, each in zip(order, widths, strict=True):
        plan, out = _spw_plan(md.spws[number], chosen.channels[number], each)
        if regrid is not None:
            grid, out = regridded(ms, selected, out, regrid)
            plan = replace(plan, nchan=len(out.freq_hz), regrid=grid)
        spws[number] = plan
        outs.append(out)
    kept = [
        (d.id, i, d.pol)
        for i, number in enumerate(order)
        for d in md.ddids
        if d.spw == number and d.id in set(ddids_with_corrs)
    ]
    corrs = {}
    if what.correlation.strip():
        corrs = {p.id: np.flatnonzero(masks[p.id]) if p.id in masks else np.zeros(0, np.intp) for p in md.pols}
    fields = tuple(sorted(set(parse_field(what.field, md)))) if what.field.strip() else None
    states = tuple(sorted(set(parse_intent(what.intent, md)))) if what.intent.strip() else None
    renumbering = Renumbering(
        spws=tuple(outs),
        all_spws=order == [s.id for s in md.spws],
        ddids=tuple(kept),
        pols=corrs,
        fields=fields,
        states=states,
    )
    used = {p: c for p, c in corrs.items() if len(c) != md.pols[p].ncorr}
    return Plan(spws, {old: new for new, (old, _, _) in enumerate(kept)}, used, _new_ids(fields, len(md.fields)),
                _new_ids(states, len(md.state_intents)), renumbering)  # fmt: skip


def _new_ids(kept: tuple[int, ...] | None, count: int) -> NDArray[np.int32] | None:
    if kept is None:
        return None
    ids = np.full(count, -1, np.int32)
    ids[list(kept)] = np.arange(len(kept))
    return ids


def _widths(width: int | Sequence[int], spws: list[int]) -> list[int]:
    given = [width] * len(spws) if isinstance(width, (int, np.integer)) else [int(w) for w in width]
    if len(given) == 1:
        given *= len(spws)
    if len(given) != len(spws):
        raise ArgumentError(f"width={list(given)} has {len(given)} numbers, but {len(spws)} spws are selected: {spws}")
    if any(w < 1 for w in given):
        raise ArgumentError(f"width={width}: a number of channels to average is at least 1")
    return [int(w) for w in given]


def _spw_plan(spw: Spw, mask: NDArray[np.bool_], width: int) -> tuple[SpwPlan, SpwOut]:
    index = np.flatnonzero(mask)
    channels: slice | NDArray[np.intp] | None = index
    if len(index) == spw.nchan:
        channels = None
    elif index[-1] - index[0] + 1 == len(index):
        channels = slice(int(index[0]), int(index[-1]) + 1)
    if width > len(index):
        log.warning("split: spw %d has %d selected channels, fewer than width %d", spw.id, len(index), width)
        width = len(index)
    bins = index.reshape(-1, 1)
    if width > 1:
        # bins do not reach over gaps in the selection
        stretches = np.split(index, np.flatnonzero(np.diff(index) > 1) + 1)
        bins = np.concatenate([s[: len(s) // width * width].reshape(-1, width) for s in stretches])
        if not len(bins):
            raise ArgumentError(f"width={width}: no selected stretch of channels of spw {spw.id} is that wide")
        if bins.size < len(index):
            log.warning(
                "split: %d channels of spw %d do not fill a bin of %d and are dropped",
                len(index) - bins.size, spw.id, width,
            )  # fmt: skip
            channels = bins.ravel()
    nchan = len(bins)
    freq, chan_width = spw.chan_freq_hz, spw.chan_width_hz
    if width == 1:
        out = SpwOut(
            spw.id,
            channels is None,
            freq[index],
            chan_width[index],
            spw.effective_bw_hz[index],
            spw.resolution_hz[index],
        )
        return SpwPlan(channels, nchan, 1), out
    first, last = bins[:, 0], bins[:, -1]

    def span(size: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance between the outer edges of a bin's first and last channel, as if they were ``size`` wide."""
        return np.abs(freq[last] - freq[first]) + (np.abs(size[first]) + np.abs(size[last])) / 2

    sign = np.sign(chan_width[first])
    low = freq[first] - sign * np.abs(chan_width[first]) / 2
    high = freq[last] + sign * np.abs(chan_width[last]) / 2
    out = SpwOut(
        spw.id, False, (low + high) / 2, sign * span(chan_width), span(spw.effective_bw_hz), span(spw.resolution_hz)
    )
    return SpwPlan(channels, nchan, width), out

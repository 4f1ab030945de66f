"""Calibrated visibilities averaged on the fly: read once, with the registered tables applied, nothing written."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.calibrater.gather import Gathered, gather
from atacal.calibrater.solve import ConstantModel
from atacal.caltables.library import Library
from atacal.errors import EmptySelection
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel
from atacal.ms.selection import Selection, select
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied, CalLibrary, Unit, arguments
from atacal.solve.intervals import Slots, channel_groups, make_slots, parse_solint


@dataclass(frozen=True, eq=False)
class Averages:
    """Averages of a batch of intervals of a unit's data.

    Attributes
    ----------
    unit : Unit
    slots : Slots
        All intervals of the unit.
    sums : Gathered
        ``d`` complex128 and ``b`` float64 (interval, baseline, channel group, receptor): averages of corrected
        visibilities over the model, and their weights.
    freq_hz : dict of spw -> float64 (group,)
    """

    unit: Unit
    slots: Slots
    sums: Gathered
    freq_hz: dict[int, NDArray[np.float64]]


def averages(
    block: Block, intents: Sequence[str], *, fields: Sequence[int] | None = None, spws: Sequence[int] | None = None,
    extra: Sequence[Applied] = (), solint_s: float = 0.0, channels: int = 0, over_model: bool = False,
) -> Iterator[Averages]:  # fmt: skip
    """Average the calibrated visibilities of some intents.

    Parameters
    ----------
    block : Block
    intents : sequence of str
    fields, spws : sequence of int, optional
    extra : sequence of Applied
        Tables besides those registered; they replace those of their terms.
    solint_s : float
        Length of an interval [s]; 0 for integrations, inf for scans.
    channels : int
        Channels that are averaged; 0 for all of an spw.
    over_model : bool
        Divide by the models of the fields.

    Yields
    ------
    Averages
    """
    library = CalLibrary([*block.library.entries, *extra])
    units = library.units(block.facts, intents, block.facts.science_spws if spws is None else spws, fields=fields)
    with MeasurementSet(block.vis) as ms:
        model: Any = SkyModel.of(ms) if over_model else ConstantModel([1.0, 0.0, 0.0, 0.0], ms.metadata)
        for unit in units:
            yield from _of_unit(ms, block, unit, model, solint_s, channels)


def _of_unit(
    ms: MeasurementSet, block: Block, unit: Unit, model: Any, solint_s: float, channels: int
) -> Iterator[Averages]:
    try:
        selected = select(ms, Selection(**unit.selection()), autocorr=False)
    except EmptySelection:
        return
    applied = Library.build(ms, calwt=[e.calwt for e in unit.stack], **arguments(unit.stack, str(block.folder)))
    slots = make_slots(selected.runs, ms.metadata.ddid_spw[selected.runs.ddid], solint_s, frozenset())
    groups, freqs = {}, {}
    for spw in selected.channels:
        one = ms.metadata.spws[spw]
        size = channels if 0 < channels < one.nchan else one.nchan
        number, count = channel_groups(
            selected.channels[spw], one.chan_width_hz, parse_solint(f"inf,{size}ch"), per_channel=True
        )
        groups[spw] = (number, count)
        freqs[spw] = np.array([one.chan_freq_hz[number == g].mean() for g in range(count)])
    if unit.stack:
        batches = gather(ms, selected, slots, groups, library=applied, model=model, parts=False)
    else:
        batches = gather(ms, selected, slots, groups, model=model, parts=False)
    for sums in batches:
        yield Averages(unit, slots, sums, freqs)


@dataclass(frozen=True)
class MeanFlux:
    """The flux density of a field in an spw from its calibrated visibilities [Jy], and its error."""

    flux_jy: float
    error_jy: float
    visibilities: int


def mean_fluxes(
    block: Block, intents: Sequence[str], fields: Sequence[int], extra: Sequence[Applied]
) -> dict[int, dict[int, MeanFlux]]:
    r"""Average calibrated visibilities to flux densities, by field and spw.

    Parameters
    ----------
    block : Block
    intents, fields
        Of what.
    extra : sequence of Applied
        The tables of phases and scaled amplitudes.

    Returns
    -------
    dict of field -> spw -> MeanFlux

    Notes
    -----
    .. math:: S = \left|\frac{\sum w V}{\sum w}\right|, \quad
              \sigma = \sqrt{\frac{\sum w (|V| - S)^2}{\sum w} \Big/ \frac{N + n_{int} n_{ant}}{2}}

    over baselines, integrations and polarisations, the channels averaged before (hifa_gfluxscale,
    hif/tasks/fluxscale: compute_mean_flux).
    """
    first: dict[tuple[int, int], list[Any]] = {}
    for average in averages(block, intents, fields=fields, extra=extra):
        for i, slot in enumerate(average.sums.slots.tolist()):
            key = (int(average.slots.field[slot]), int(average.slots.spw[slot]))
            d, b = average.sums.d[i, :, 0], average.sums.b[i, :, 0]
            use = b > 0
            first.setdefault(key, []).append((d[use], b[use], int(use.any(axis=1).sum())))
    nant = len(block.facts.metadata.antennas)
    out: dict[int, dict[int, MeanFlux]] = {}
    for (number, spw), parts in sorted(first.items()):
        d, b = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
        if not len(d):
            continue
        flux = abs(complex((b * d).sum() / b.sum()))
        spread = float((b * (np.abs(d) - flux) ** 2).sum() / b.sum())
        times = sum(p[2] > 0 for p in parts)
        effective = (len(d) + times * nant) / 2
        out.setdefault(number, {})[spw] = MeanFlux(flux, math.sqrt(spread / effective), len(d))
    return out

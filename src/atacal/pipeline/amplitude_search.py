"""Corrected amplitudes of a block searched for outliers: the data read once, corrected on the fly, nothing written.

Three stages do it (bandpassflag, gfluxscaleflag, targetflag), each with tables of its own. The rules are
`atacal.heuristics.corrected_amp`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.apply.averages import corrected_sums
from atacal.caltables.library import Library
from atacal.heuristics.corrected_amp import Judgement, Limits, PolNumbers, judge
from atacal.heuristics.corrected_amp_metric import Metric, MetricSums
from atacal.memory import for_data, size_text, too_small
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Antenna
from atacal.ms.selection import Selection, select
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import CalLibrary, Unit, arguments
from atacal.pipeline.facts import Facts

_SEVEN, _TWELVE = 7.0, 12.0
_VALUE_BYTES, _CELL_BYTES, _POINT_BYTES = 8, 17, 60
"""Of a value, of what is kept of a time and baseline beside, and of a point while it is judged."""


@dataclass(frozen=True)
class Place:
    """What is judged together.

    Attributes
    ----------
    intent : str
        The pipeline's word.
    fields : tuple of int
        Of one name; of targets a single pointing.
    name : str
        Of the field.
    spw : int
    scans : tuple of int
        Scans of the fields and the intent.
    nscan : int
        Scans of the intent in the spw, of whatever field.
    """

    intent: str
    fields: tuple[int, ...]
    name: str
    spw: int
    scans: tuple[int, ...]
    nscan: int

    def where(self) -> dict[str, str]:
        """Return it in words, for scores and reasons."""
        return {"intent": self.intent, "field": self.name, "spw": str(self.spw)}


@dataclass(frozen=True, eq=False)
class Searched:
    """A place and what was found among its baselines of a kind.

    Attributes
    ----------
    place : Place
    baselines : str
        ``7m-12m``, ``7m-7m``, ``12m-12m``; empty where antennas are all alike.
    metric : Metric
        Of the correlations as they were judged; without values when it has been `forgotten`.
    interval_s : float
        Integration time [s].
    judgement : Judgement
    """

    place: Place
    baselines: str
    metric: Metric
    interval_s: float
    judgement: Judgement

    def numbers(self) -> dict[str, Any]:
        """Return what decided, as plain values."""
        return {
            **self.place.where(), "field_ids": list(self.place.fields), "baselines": self.baselines,
            "scans": list(self.place.scans), "found": len(self.judgement.findings),
            "iterations": [[_plain(n) for n in one] for one in self.judgement.numbers],
        }  # fmt: skip

    def forgotten(self) -> Searched:
        """Return it without the values of the metric, which are most of it."""
        none, nowhere = np.zeros((0, 0, 0)), np.zeros((0, 0), bool)
        return replace(self, metric=replace(self.metric, value=none, observed=nowhere, uvdist_m=None))


def _plain(numbers: PolNumbers) -> dict[str, Any]:
    return {k: v if k != "bins" else len(v) for k, v in asdict(numbers).items()}


def places(facts: Facts, intent: str, spws: Sequence[int], names: Sequence[str] = ()) -> list[Place]:
    """Divide the data of an intent into what is judged together.

    Parameters
    ----------
    facts : Facts
    intent : str
    spws : sequence of int
    names : sequence of str
        Only these fields; all of the intent if empty.

    Returns
    -------
    list of Place
        Calibrators by name, targets by pointing; spw by spw.
    """
    groups: dict[str, list[int]] = {}
    for f in facts.fields(intent):
        name = facts.metadata.fields[f].name
        if not names or name in names or str(f) in names:
            groups.setdefault(f"{f}" if intent == "TARGET" else name, []).append(f)
    out = []
    for fields in groups.values():
        for spw in spws:
            of_spw = [s for s in facts.science_scans(intent) if spw in s.spws]
            scans = tuple(s.number for s in of_spw if set(s.fields) & set(fields))
            if scans:
                name = facts.metadata.fields[fields[0]].name
                out.append(Place(intent, tuple(fields), name, spw, scans, len(of_spw)))
    return out


def baseline_kinds(antennas: Sequence[Antenna], telescope: str) -> list[tuple[str, tuple[float, float]]]:
    """Return the kinds of baselines that are judged apart: by pairs of diameters, where ALMA's antennas are mixed.

    Returns
    -------
    list of (str, (float, float))
        Names and diameters [m]; a single one without a name for antennas that are alike.
    """
    diameters = [a.dish_diameter_m for a in antennas]
    if telescope != "ALMA" or set(diameters) != {_SEVEN, _TWELVE}:
        return [("", (0.0, 0.0))]
    kinds = [("7m-12m", (_SEVEN, _TWELVE))]
    kinds += [(f"{d:.0f}m-{d:.0f}m", (d, d)) for d in (_SEVEN, _TWELVE) if diameters.count(d) > 1]
    return kinds


def _of_kind(metric: Metric, antennas: Sequence[Antenna], pair: tuple[float, float]) -> Metric:
    if pair == (0.0, 0.0):
        return metric
    diameter = np.array([a.dish_diameter_m for a in antennas])
    first, second = diameter[metric.antenna1], diameter[metric.antenna2]
    return metric.some((np.minimum(first, second) == min(pair)) & (np.maximum(first, second) == max(pair)))


def search(
    block: Block, library: CalLibrary, intents: Sequence[str], spws: Sequence[int], limits: Limits,
    names: Sequence[str] = (), seen: Callable[[Searched], None] | None = None,
) -> list[Searched]:  # fmt: skip
    """Search the corrected amplitudes of some intents, place after place.

    Parameters
    ----------
    block : Block
    library : CalLibrary
        What the data are corrected by; flagged solutions count as flagged data.
    intents : sequence of str
    spws : sequence of int
    limits : Limits
    names : sequence of str
        Fields; all of the intents if empty.
    seen : callable, optional
        Gets each `Searched` with its metric, for plots; afterwards the metric is forgotten.

    Returns
    -------
    list of Searched
        Of each place and kind of baselines with unflagged data; without the metrics.

    Raises
    ------
    ArgumentError
        The metric of a place does not fit into the memory.
    """
    meta = block.facts.metadata
    out = []
    with MeasurementSet(block.vis) as ms:
        for place in (p for intent in intents for p in places(block.facts, intent, spws, names)):
            metric, interval_s = gather_metric(ms, block, library, place)
            for label, pair in baseline_kinds(meta.antennas, meta.telescope):
                part = _of_kind(metric, meta.antennas, pair)
                if not np.isfinite(part.value).any():
                    continue
                found = judge(part, meta.nant, place.nscan, limits, target=place.intent == "TARGET")
                one = Searched(place, label, part.joined() if place.nscan > 1 else part, interval_s, found)
                if seen is not None:
                    seen(one)
                out.append(one.forgotten())
    return out


def gather_metric(ms: MeasurementSet, block: Block, library: CalLibrary, place: Place) -> tuple[Metric, float]:
    """Read a place's data once, and return the metric and the integration time [s]."""
    meta = block.facts.metadata
    runs = ms.runs
    of_spw = meta.ddid_spw[runs.ddid] == place.spw
    here = runs[of_spw & np.isin(runs.field, place.fields) & np.isin(runs.scan, place.scans)]
    times: NDArray[np.float64] = np.unique(here.time)
    pol = next(d.pol for d in meta.ddids if d.spw == place.spw)
    _require_memory(len(times), meta.nant, meta.pols[pol].ncorr, place)
    sums = MetricSums(times, meta.nant, meta.pols[pol].corrs, uvdist=True)
    units = library.units(block.facts, [place.intent], [place.spw], fields=place.fields)
    for unit in units:
        for part in corrected_sums(ms, select(ms, Selection(**unit.selection())), _library(ms, block, unit)):
            sums.add(
                part.time, part.antenna1, part.antenna2, part.corrected, part.model, part.count,
                uvdist_m=part.uvdist_m,
            )  # fmt: skip
    return sums.metric(), float(np.median(here.interval))


def _require_memory(ntime: int, nant: int, ncorr: int, place: Place) -> None:
    """Refuse a metric that does not fit into half the memory bound, with what judging it takes."""
    needed = ntime * (nant * (nant - 1) // 2) * (ncorr * (_VALUE_BYTES + _POINT_BYTES) + _CELL_BYTES)
    if needed > for_data() // 2:
        what = f"the amplitudes of {place.intent} {place.name}, spw {place.spw} ({ntime} times)"
        raise too_small(2 * needed - for_data(), f"{what} take {size_text(needed)}")


def _library(ms: MeasurementSet, block: Block, unit: Unit) -> Library:
    return Library.build(ms, **arguments(unit.stack, os.fspath(block.folder)))

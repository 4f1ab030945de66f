"""What calibrated data look like against time, frequency and baseline: averages made while they are read once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.ms.stream import stream
from atacal.pipeline.block import Block
from atacal.pipeline.calibrated import averages
from atacal.solve.accumulate import baseline_index
from atacal.solve.intervals import Slots

_POINTS = 96
"""Points of a spectrum, at most twice as many."""


@dataclass(eq=False)
class View:
    """The calibrated data of a field with an intent in an spw; sums of w V and w, V over its model.

    Attributes
    ----------
    intent : str
    number, spw : int
        Ids of the field and the spw.
    freq_hz : float64 (chan,)
    time : list of float
        Of the intervals [MJD s].
    in_time : list of (complex128, float64) (antenna, pol)
        Of every interval.
    by_scan : dict of scan -> [complex128, float64] (antenna, chan, pol)
    by_baseline : [complex128, float64] (baseline, pol)
    """

    intent: str
    number: int
    spw: int
    freq_hz: NDArray[np.float64]
    time: list[float] = field(default_factory=list)
    scan: list[int] = field(default_factory=list)
    in_time: list[tuple[NDArray[np.complex128], NDArray[np.float64]]] = field(default_factory=list)
    by_scan: dict[int, list[NDArray]] = field(default_factory=dict)
    by_baseline: list[NDArray] = field(default_factory=list)

    def spectrum(self, scans: Iterable[int] | None = None) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
        """Return mean spectra (antenna, chan, pol), nan without data, and their weights; of some scans or all."""
        parts = [self.by_scan[s] for s in (self.by_scan if scans is None else scans)]
        return mean_of(*(np.sum([p[k] for p in parts], axis=0) for k in (0, 1)))


def mean_of(total: NDArray, weight: NDArray) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Divide sums by weights; nan without weight."""
    out = np.full(total.shape, np.nan + 0j)
    np.divide(total, weight, out=out, where=weight > 0)
    return out, weight


def look_at(block: Block, intent: str, *, solint_s: float, over_model: bool = True) -> list[View]:
    """Read the data of an intent once, with the registered tables applied, into views by field and spw.

    Parameters
    ----------
    block : Block
    intent : str
    solint_s : float
        Intervals of the points in time [s]: 0 for integrations, inf for scans.
    over_model : bool
        Divide by the fields' models; without, by 1 Jy.
    """
    metadata = block.facts.metadata
    nant = len(metadata.antennas)
    first, second = np.triu_indices(nant, 1)
    of_first, of_second = (np.eye(nant)[:, x] for x in (first, second))
    views: dict[tuple[int, int], View] = {}
    for spw in block.facts.science_spws:
        size = max(1, metadata.spws[spw].nchan // _POINTS)
        for average in averages(block, [intent], spws=[spw], solint_s=solint_s, channels=size, over_model=over_model):
            sums, slots = average.sums, average.slots
            for i, slot in enumerate(sums.slots.tolist()):
                number = int(slots.field[slot])
                ngroup = len(average.freq_hz[spw])
                b = sums.b[i, :, :ngroup]
                if not b.any():
                    continue
                view = views.setdefault((number, spw), View(intent, number, spw, average.freq_hz[spw]))
                _add(view, slots, slot, float(sums.time[i]), b * sums.d[i, :, :ngroup], b, of_first, of_second)
    return [views[k] for k in sorted(views)]


def _add(
    view: View, slots: Slots, slot: int, time: float, total: NDArray, weight: NDArray, of_first: NDArray,
    of_second: NDArray,
) -> None:  # fmt: skip
    """Add an interval's sums (baseline, chan, pol) to a view."""
    shape = (len(of_first), *total.shape[1:])
    flat, w = total.reshape(len(total), -1), weight.reshape(len(weight), -1)
    antenna = (of_first @ flat + of_second @ flat.conj()).reshape(shape)
    antenna_weight = ((of_first + of_second) @ w).reshape(shape)
    scan = int(slots.scan[slot])
    view.time.append(time)
    view.scan.append(scan)
    view.in_time.append((antenna.sum(1), antenna_weight.sum(1)))
    if scan in view.by_scan:
        view.by_scan[scan][0] += antenna
        view.by_scan[scan][1] += antenna_weight
    else:
        view.by_scan[scan] = [antenna, antenna_weight]
    if view.by_baseline:
        view.by_baseline[0] += total.sum(1)
        view.by_baseline[1] += weight.sum(1)
    else:
        view.by_baseline += [total.sum(1), weight.sum(1)]


def uv_lengths_m(block: Block, intent: str) -> dict[int, NDArray[np.float64]]:
    """Return the mean projected length of every baseline by field [m], nan where there are no rows."""
    facts = block.facts
    nant = len(facts.metadata.antennas)
    index = baseline_index(nant)
    sums: dict[int, NDArray[np.float64]] = {}
    spw = next((s for s in facts.science_spws if s in facts.spws_of(intent)), None)
    if spw is None:
        return {}
    with MeasurementSet(block.vis) as ms:
        where = Selection(spw=str(spw), scan=facts.scan_list(intent), field=",".join(map(str, facts.fields(intent))))
        for one in stream(ms, select(ms, where, autocorr=False), ["UVW"]):
            use = one.wanted & (one.antenna1 != one.antenna2)
            length = np.hypot(one["UVW"][use, 0], one["UVW"][use, 1])
            baseline = index[one.antenna1[use], one.antenna2[use]]
            for number in np.unique(one.field[use]).tolist():
                mine = one.field[use] == number
                total = sums.setdefault(number, np.zeros((2, nant * (nant - 1) // 2)))
                np.add.at(total[0], baseline[mine], length[mine])
                np.add.at(total[1], baseline[mine], 1.0)
    with np.errstate(invalid="ignore"):
        return {f: t[0] / t[1] for f, t in sums.items()}

"""Sorting values into panels (iteration) and colours: which classes there are, and the class of every value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import CORR_NAMES, Metadata
from atacal.ms.selected import Selected
from atacal.plots.cells import Cells
from atacal.plots.style import utc_text

_STEPS = 24
"""Number of colours along a continuous axis."""


@dataclass(eq=False)
class Classes:
    """Named classes of values.

    Attributes
    ----------
    axis : str
        What they are classes of; empty for a single class.
    labels : list of str
        For people: ``spw 3``, ``DA41``.
    tags : list of str
        For file names, after CASA's: ``Spw3``, ``Antenna0@DA41``.
    of_cells : function
        Codes of a batch, shape broadcastable to (row, chan, corr); -1 for none.
    second : function, optional
        Second code of the same values: a baseline belongs to two antennas.
    continuous : bool
        The classes are steps along a scale from ``labels[0]`` to ``labels[-1]``.
    """

    axis: str
    labels: list[str]
    tags: list[str]
    of_cells: Callable[[Cells], NDArray]
    second: Callable[[Cells], NDArray] | None = None
    continuous: bool = False

    def __len__(self) -> int:
        return len(self.labels)

    def codes(self, cells: Cells) -> NDArray:
        return self.of_cells(cells)

    def several_codes(self, cells: Cells) -> Iterator[NDArray]:
        """Yield the codes, and the second codes where there are any."""
        yield self.of_cells(cells)
        if self.second is not None:
            codes = self.second(cells)
            if (codes >= 0).any():
                yield codes


_ZERO = np.zeros((1, 1, 1), np.int64)


def single() -> Classes:
    """Return the one class of everything."""
    return Classes("", [""], [""], lambda cells: _ZERO)


def _looked_up(ids: NDArray, size: int) -> NDArray[np.int64]:
    """Return a table from id to class, -1 where there is none; its last entry serves id -1."""
    table = np.full(size + 1, -1, np.int64)
    table[ids] = np.arange(len(ids))
    return table


def panel_classes(ms: MeasurementSet, selected: Selected, axis: str) -> Classes:
    """Return the panels of an iteration axis (`ITERATION_AXES`, or empty for one panel)."""
    if not axis:
        return single()
    if axis == "antenna":
        present = np.flatnonzero(selected.baselines.any(axis=0) | selected.baselines.any(axis=1))
        classes = _of_antennas(ms.metadata, present, "antenna1", axis)
        table = _looked_up(present, ms.metadata.nant)

        def other(cells: Cells) -> NDArray:
            a1, a2 = cells.rows["antenna1"], cells.rows["antenna2"]
            return np.where(a1 == a2, -1, table[a2])[:, None, None]

        classes.second = other
        return classes
    return colour_classes(ms, selected, axis)


def colour_classes(ms: MeasurementSet, selected: Selected, axis: str) -> Classes:
    """Return the colour classes of an axis (`COLOUR_AXES`, or empty for one class)."""
    meta, runs = ms.metadata, selected.runs
    if not axis:
        return single()
    if axis == "corr":
        return _of_corrs(selected, meta)
    if axis in ("antenna1", "antenna2"):
        along = 1 if axis == "antenna1" else 0
        return _of_antennas(meta, np.flatnonzero(selected.baselines.any(axis=along)), axis, axis)
    if axis == "baseline":
        return _of_baselines(selected, meta)
    if axis == "time":
        return _of_times(float(runs.time.min()), float(runs.time.max()))
    if axis == "channel":
        return _of_channels(max(len(c) for c in selected.channels.values()))
    column = {"observation": "obs", "intent": "state"}.get(axis, axis)
    ids = np.unique(meta.ddid_spw[runs.ddid] if axis == "spw" else getattr(runs, column))
    table = _looked_up(ids, int(ids.max(initial=0)) + 1)
    labels = [_label(meta, axis, int(i)) for i in ids]
    tags = [f"{axis.capitalize()}{i}" for i in ids]
    return Classes(axis, labels, tags, lambda cells: table[cells.rows[column]][:, None, None])


def _label(meta: Metadata, axis: str, number: int) -> str:
    if axis == "field" and number < len(meta.fields):
        return f"{number}: {meta.fields[number].name}"
    if axis == "intent":
        text = meta.state_intents[number] if 0 <= number < len(meta.state_intents) else ""
        return text.split(",")[0] or f"state {number}"
    return f"{axis} {number}"


def _of_antennas(meta: Metadata, ids: NDArray, column: str, axis: str) -> Classes:
    table = _looked_up(ids, meta.nant)
    names = [meta.antennas[i].name.strip() or f"antenna {i}" for i in ids]
    tags = [f"Antenna{i}@{n}" for i, n in zip(ids, names, strict=True)]
    return Classes(axis, names, tags, lambda cells: table[cells.rows[column]][:, None, None])


def _of_baselines(selected: Selected, meta: Metadata) -> Classes:
    number = (np.cumsum(selected.baselines) - 1).reshape(selected.baselines.shape)
    table = np.where(selected.baselines, number, -1)
    names = [
        f"{meta.antennas[i].name} & {meta.antennas[j].name}"
        for i, j in zip(*np.nonzero(selected.baselines), strict=True)
    ]
    tags = [f"Baseline{i}&{j}" for i, j in zip(*np.nonzero(selected.baselines), strict=True)]

    def codes(cells: Cells) -> NDArray:
        return table[cells.rows["antenna1"], cells.rows["antenna2"]][:, None, None]

    return Classes("baseline", names, tags, codes)


def _of_corrs(selected: Selected, meta: Metadata) -> Classes:
    present = sorted({meta.pols[p].corr_types[i] for p, mask in selected.corrs.items() for i in np.flatnonzero(mask)})
    table = _looked_up(np.array(present), max(present, default=0) + 1)
    names = [CORR_NAMES.get(c, str(c)) for c in present]
    return Classes("corr", names, [f"Corr{n}" for n in names], lambda cells: table[cells.corrs][None, None, :])


def _of_times(first: float, last: float) -> Classes:
    size = max(last - first, 1e-3)

    def codes(cells: Cells) -> NDArray:
        step = np.floor((cells.rows["time"] - first) / size * _STEPS)
        return np.clip(step, 0, _STEPS - 1).astype(np.int64)[:, None, None]

    labels = [utc_text(first + size * i / (_STEPS - 1))[11:] for i in range(_STEPS)]
    return Classes("time", labels, labels, codes, continuous=True)


def _of_channels(nchan: int) -> Classes:
    steps = min(_STEPS, nchan)

    def codes(cells: Cells) -> NDArray:
        return np.minimum(cells.channel * steps / nchan, steps - 1).astype(np.int64)[None, :, None]

    labels = [f"{round(i * (nchan - 1) / max(steps - 1, 1))}" for i in range(steps)]
    return Classes("channel", labels, labels, codes, continuous=True)

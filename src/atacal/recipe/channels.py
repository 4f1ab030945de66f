"""Which spws and channels are for science."""

from __future__ import annotations

import logging
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Spw
from atacal.ms.rows import RowRuns
from atacal.ms.selection import Selection, select
from atacal.ms.stream import stream
from atacal.recipe.roles import Roles

log = logging.getLogger("atacal")

_NOT_SCIENCE = ("WVR", "CH_AVG", "SQLD")
"""In names of ALMA's spws that hold no spectra for science."""


def is_science(spw: Spw) -> bool:
    """Whether an spw holds spectra, not radiometers' or detectors' data or channel averages."""
    return spw.nchan > 1 and not any(word in spw.name for word in _NOT_SCIENCE)


def science_channels(ms: MeasurementSet, spw: str, roles: Roles, runs: RowRuns) -> dict[int, NDArray[np.bool_]]:
    """Return the channels to calibrate, by spw.

    Parameters
    ----------
    ms : MeasurementSet
    spw : str
        The user's selection; empty for the spws that the bandpass and phase calibrators and the targets share.
    roles : Roles
    runs : RowRuns
        Where to look.

    Raises
    ------
    SelectionError, EmptySelection
    """

    def spws_of(field: int) -> set[int]:
        return {ms.metadata.ddids[int(d)].spw for d in np.unique(runs.ddid[runs.field == field])}

    fields = {*roles.bandpass, *roles.phase}
    if spw:
        selected = select(ms, Selection(field=",".join(str(f) for f in sorted(fields)), spw=spw))
        return {s: selected.channels[s] for s in selected.spws}
    shared = set.intersection(*(spws_of(f) for f in fields)) if fields else set()
    of_targets = {s for f in roles.target for s in spws_of(f)}
    shared = shared & of_targets or shared
    spws = [ms.metadata.spws[s] for s in sorted(shared)]
    science = [s for s in spws if is_science(s)] or spws
    if not science:
        raise EmptySelection(f"{ms.path}: the bandpass and the phase calibrator have no spectral window in common")
    left_out = [s.id for s in spws if s not in science]
    if left_out:
        log.info("spws %s hold no spectra for science and are left out; spw=... names them", left_out)
    return {s.id: np.ones(s.nchan, bool) for s in science}


def without_data(ms: MeasurementSet, channels: Iterable[int], roles: Roles) -> dict[int, str]:
    """Find the spws that cannot be calibrated because calibrators are wholly flagged in them: spw -> whose data."""
    out = {}
    for spw in channels:
        flagged = [
            role
            for role, fields in (("bandpass", roles.bandpass), ("phase", roles.phase))
            if not _any_data(ms, fields, spw)
        ]
        if flagged:
            out[spw] = " and ".join(flagged)
    return out


def _any_data(ms: MeasurementSet, fields: Iterable[int], spw: int) -> bool:
    """Whether any cross-correlation of some fields is not flagged."""
    where = Selection(field=",".join(map(str, fields)), spw=str(spw))
    blocks = stream(ms, select(ms, where, autocorr=False), ["FLAG"])
    return any(not b["FLAG"][b.wanted & (b.antenna1 != b.antenna2)].all() for b in blocks)


def central_channels(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the central quarter of the selected channels, one at least."""
    chosen = np.flatnonzero(mask)
    n = len(chosen)
    low = int(n * 0.375)
    out = np.zeros_like(mask)
    out[chosen[low : max(low + 1, int(n * 0.625) + 1)]] = True
    return out


def ranges(mask: NDArray[np.bool_]) -> str:
    """Spell a channel mask as a selection: ``3~17;20~22``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    return ";".join(f"{a}~{b - 1}" for a, b in zip(edges[::2], edges[1::2], strict=True))

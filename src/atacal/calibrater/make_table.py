"""From solutions of all slots to a calibration table."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.calibrater.solutions import Solved
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.ms.metadata import Metadata, Spw
from atacal.solve.intervals import Slots

BASES = {"R": "circular", "L": "circular", "X": "linear", "Y": "linear"}


def spw_solutions(solved: Solved, slots: Slots, spw: int, ngroup: int) -> SpwSolutions | None:
    """Collect one spw's solved slots in the order of time; slots without any good solution are left out.

    Returns
    -------
    SpwSolutions or None
        None when the spw has no solution.
    """
    mine = (slots.spw[solved.slots] == spw) & ~solved.flag.all(axis=(1, 2, 3))
    if not mine.any():
        return None
    pick = np.flatnonzero(mine)
    pick = pick[np.argsort(solved.time[pick], kind="stable")]
    number = solved.slots[pick]
    nant = solved.param.shape[1]
    return SpwSolutions(
        spw=spw,
        time=solved.time[pick],
        interval=np.zeros(len(pick)),
        field=slots.field[number],
        scan=slots.scan[number],
        obs=slots.obs[number],
        refant=np.full((len(pick), nant), -1, np.int32),
        param=solved.param[pick][:, :, :ngroup],
        error=solved.error[pick][:, :, :ngroup],
        snr=solved.snr[pick][:, :, :ngroup],
        flag=solved.flag[pick][:, :, :ngroup],
    )


def solution_spw(spw: Spw, group: NDArray[np.int32], ngroup: int) -> Spw:
    """Describe an spw by its solution channels.

    Parameters
    ----------
    spw : Spw
    group : int32 (chan,)
        Solution channel of every data channel, -1 for none.
    ngroup : int
    """

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([values[group == g].mean() for g in range(ngroup)])

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([values[group == g].sum() for g in range(ngroup)])

    width = total(spw.chan_width_hz)
    return replace(
        spw,
        chan_freq_hz=mean(spw.chan_freq_hz),
        chan_width_hz=width,
        effective_bw_hz=total(spw.effective_bw_hz),
        resolution_hz=total(spw.resolution_hz),
        total_bandwidth_hz=float(np.abs(width).sum()),
    )


def pol_basis(metadata: Metadata) -> str:
    """Return ``linear`` or ``circular``, by the MeasurementSet's correlations."""
    letters = {c[0] for p in metadata.pols for c in p.corrs if c in ("RR", "LL", "XX", "YY")}
    return BASES[min(letters)] if letters else "unknown"


def make_table(
    kind: str,
    metadata: Metadata,
    solutions: dict[int, SpwSolutions],
    groups: dict[int, tuple[NDArray[np.int32], int]],
) -> CalTable:
    """Make a table of solutions.

    Parameters
    ----------
    kind : str
        ``G Jones``...
    metadata : Metadata
    solutions : dict of spw -> SpwSolutions
    groups : dict of spw -> (group of every channel, number of groups)
    """
    spws = tuple(solution_spw(s, *groups[s.id]) if s.id in solutions else s for s in metadata.spws)
    return CalTable(
        kind=kind,
        par_type="Float" if kind == "K Jones" else "Complex",
        pol_basis=pol_basis(metadata),
        ms_name=metadata.name,
        antennas=metadata.antennas,
        fields=metadata.fields,
        spws=spws,
        solutions=solutions,
        subtables_from=Path(metadata.path),
    )

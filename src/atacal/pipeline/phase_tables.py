"""Phases that serve other spws than they were solved on, written out for each of them.

gaincal's and applycal's way is a map of spws and interp ``linearPD``. What CASA makes of it jumps where phases wrap
(`atacal.heuristics.phase_scaling`), so the table that is applied holds the solutions of every spw, followed in time and
scaled with frequency: it needs no map, and means the same to every program.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from atacal.calibrater.make_table import make_table
from atacal.caltables.disk import read_caltable, write_caltable
from atacal.caltables.table import SpwSolutions
from atacal.heuristics.phase_scaling import followed_phases, mean_frequency_hz, scaled_gains
from atacal.ms.metadata import Metadata


def write_for_spws(
    solved: Path, target: Path, metadata: Metadata, chosen: Mapping[int, int], together: Mapping[int, Sequence[int]]
) -> dict[str, int]:
    """Write the phases of a table for all spws that take them.

    Parameters
    ----------
    solved : Path
        A table of phases: G or T Jones.
    target : Path
    metadata : Metadata
    chosen : mapping of spw -> spw
        Whose solutions each spw takes.
    together : mapping of spw -> sequence of int
        The spws that were solved together under one; missing for those solved alone.

    Returns
    -------
    dict
        ``series``, antennas and polarisations with phases, and ``wrapped``, those that cross half a turn: CASA's
        linearPD would have jumped there.
    """
    table = read_caltable(solved)
    solutions: dict[int, SpwSolutions] = {}
    wrapped = series = 0
    for spw, source in chosen.items():
        there = table.solutions.get(source)
        if there is None:
            continue
        order = np.argsort(there.time, kind="stable")
        one = _ordered(there, order)
        phase, over = followed_phases(one.param, one.flag)
        if spw == source:
            series += int((~one.flag).any(axis=0).sum())
            wrapped += int(over.sum())
        members = together.get(source, [source])
        centres = np.array([metadata.spws[s].centre_freq_hz for s in members])
        widths = np.array([np.abs(metadata.spws[s].chan_width_hz).sum() for s in members])
        ratio = metadata.spws[spw].centre_freq_hz / mean_frequency_hz(centres, widths)
        param = np.where(one.flag, np.complex64(1), scaled_gains(phase, ratio))
        solutions[spw] = replace(one, spw=spw, param=param.astype(np.complex64))
    groups = {s: (np.zeros(metadata.spws[s].nchan, np.int32), 1) for s in solutions}
    made = make_table(table.kind, metadata, solutions, groups)
    write_caltable(target, made, overwrite=True)
    return {"series": series, "wrapped": wrapped}


def _ordered(one: SpwSolutions, order: np.ndarray) -> SpwSolutions:
    """Return solutions in another order of slots, without the rows of the file that they were read from."""
    return SpwSolutions(
        spw=one.spw, time=one.time[order], interval=one.interval[order], field=one.field[order], scan=one.scan[order],
        obs=one.obs[order], refant=one.refant[order], param=one.param[order], error=one.error[order],
        snr=one.snr[order], flag=one.flag[order],
    )  # fmt: skip

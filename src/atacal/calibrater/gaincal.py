"""How gaincal's tables are solved."""

from __future__ import annotations

import logging

import numpy as np

from atacal.calibrater.delays import DELAY_BYTES, solve_delay_batch
from atacal.calibrater.gather import Gathered
from atacal.calibrater.solutions import Solved, solve_batch
from atacal.calibrater.solve import Groups, SolveSetup, channel_freqs
from atacal.caltables.table import SpwSolutions
from atacal.ms.metadata import Metadata
from atacal.solve.conditioning import normalise
from atacal.solve.intervals import Slots

log = logging.getLogger("atacal")


def gain_setup(
    metadata: Metadata,
    *,
    gaintype: str,
    calmode: str,
    solint: str,
    combine: str,
    refant: list[int],
    refantmode: str,
    minblperant: int,
    minsnr: float,
    solnorm: bool,
    normtype: str,
    corr_dep_flags: bool,
) -> SolveSetup:
    """Describe a gaincal solve; the parameters are the task's, ``refant`` as antenna ids."""

    def solve(gathered: Gathered, slots: Slots, groups: Groups) -> Solved:
        if gaintype == "K":
            freq_hz = [channel_freqs(metadata, int(spw), groups) for spw in slots.spw[gathered.slots]]
            return solve_delay_batch(gathered, metadata.nant, freq_hz, refant)
        return solve_batch(
            gathered,
            metadata.nant,
            calmode=calmode,
            scalar=gaintype == "T",
            minblperant=minblperant,
            minsnr=minsnr,
        )

    def finish(solutions: dict[int, SpwSolutions]) -> None:
        if not solnorm or calmode == "p" or gaintype == "K":
            return
        for s in solutions.values():
            s.param = normalise(s.param, s.flag, (0, 1, 2, 3), normtype).astype(np.complex64)
        log.info("Normalizing solution amplitudes per spw with %s", normtype.upper())

    return SolveSetup(
        kind=f"{gaintype} Jones",
        solint=solint,
        combine=combine,
        per_channel=gaintype == "K",
        solve=solve,
        refant=[] if gaintype == "K" else refant,
        refantmode=refantmode,
        corr_dep_flags=corr_dep_flags,
        finish=finish,
        solver_bytes=DELAY_BYTES if gaintype == "K" else 0,
    )

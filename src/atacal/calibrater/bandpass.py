"""How bandpass's tables are solved."""

from __future__ import annotations

import logging

import numpy as np

from atacal.calibrater.gather import Gathered
from atacal.calibrater.solutions import Solved, solve_batch
from atacal.calibrater.solve import Groups, SolveSetup
from atacal.caltables.table import SpwSolutions
from atacal.ms.metadata import Metadata
from atacal.solve.conditioning import fill_gaps, normalise, remove_mean_phase
from atacal.solve.intervals import Slots

log = logging.getLogger("atacal")


def bandpass_setup(
    metadata: Metadata,
    *,
    solint: str,
    combine: str,
    refant: list[int],
    minblperant: int,
    minsnr: float,
    solnorm: bool,
    fillgaps: int,
    corr_dep_flags: bool,
) -> SolveSetup:
    """Describe a bandpass solve; the parameters are the task's, ``refant`` as antenna ids."""

    def solve(gathered: Gathered, slots: Slots, groups: Groups) -> Solved:
        return solve_batch(gathered, metadata.nant, calmode="ap", scalar=False, minblperant=minblperant, minsnr=minsnr)

    def finish(solutions: dict[int, SpwSolutions]) -> None:
        for s in solutions.values():
            if fillgaps:
                s.param, s.flag = fill_gaps(s.param, s.flag, fillgaps)
            if solnorm:
                s.param = normalise(remove_mean_phase(s.param, s.flag, 2), s.flag, (2,)).astype(np.complex64)
        if solnorm:
            log.info("Normalizing solutions per spw, pol, ant, time.")

    return SolveSetup(
        kind="B Jones",
        solint=solint,
        combine=combine,
        per_channel=True,
        solve=solve,
        refant=refant,
        refantmode="flex",
        corr_dep_flags=corr_dep_flags,
        finish=finish,
    )

"""Calibration tables that carry a derived flux scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.flux.fluxscale import FluxScale


def scaled_table(table: CalTable, scale: FluxScale) -> CalTable:
    """Divide the gains of the transfer fields by their ratio m, so that they no longer hold the flux density.

    Parameters
    ----------
    table : CalTable
    scale : FluxScale

    Returns
    -------
    CalTable
        A new table; spws without a flux density, and all other fields, are as they were.
    """
    solutions = {}
    for spw, sol in table.solutions.items():
        param = sol.param.copy()
        for f, flux in scale.fields.items():
            if spw in flux.spws:
                param[sol.field == f] /= np.float32(flux.spws[spw].ratio)
        solutions[spw] = replace(sol, param=param)
    return replace(table, solutions=solutions, path=None, history=list(table.history))


def incremental_table(table: CalTable, scale: FluxScale) -> CalTable:
    """Make a table that holds 1/m alone, to be applied together with the unscaled one.

    As CASA's, it has rows for every spw and every field of ``table``, 1 where nothing was derived, all at one time:
    choose the field with gainfield when it is applied.
    """
    present = sorted({int(f) for sol in table.solutions.values() for f in sol.field})
    npar = next(iter(table.solutions.values())).param.shape[3]
    shape = (len(present), len(table.antennas), 1, npar)
    solutions = {}
    for spw in range(len(table.spws)):
        param = np.ones(shape, np.complex64)
        for i, f in enumerate(present):
            if f in scale.fields and spw in scale.fields[f].spws:
                param[i] = 1.0 / scale.fields[f].spws[spw].ratio
        solutions[spw] = SpwSolutions(
            spw=spw,
            time=np.full(len(present), scale.step_time),
            interval=np.zeros(len(present)),
            field=np.array(present, np.int32),
            scan=np.full(len(present), -1, np.int32),
            obs=np.zeros(len(present), np.int32),
            refant=np.full(shape[:2], -1, np.int32),
            param=param,
            error=np.zeros(shape, np.float32),
            snr=np.zeros(shape, np.float32),
            flag=np.zeros(shape, bool),
        )
    return replace(table, solutions=solutions, path=None, history=list(table.history))

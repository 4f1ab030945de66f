"""A cross-check of the flux scale: the flux density that each antenna by itself finds for a calibrator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError, CaltableError

_SIGMA_PER_MAD = 1 / 0.6745
_OUTLIER = 3.0


@dataclass(frozen=True, eq=False)
class AntennaFluxes:
    """What the antennas find for a field in an spw.

    Attributes
    ----------
    field, spw : int
    name : str
    freq_hz : float
    flux_jy, error_jy : float
        Mean and standard deviation of the antennas' values that are kept.
    median_jy : float
        Of all values.
    values_jy : float64 (n,)
    antenna, pol : int (n,)
    kept : bool (n,)
    """

    field: int
    spw: int
    name: str
    freq_hz: float
    flux_jy: float
    error_jy: float
    median_jy: float
    values_jy: NDArray[np.float64]
    antenna: NDArray[np.intp]
    pol: NDArray[np.intp]
    kept: NDArray[np.bool_]


def antenna_fluxes(
    table: CalTable, reference: Sequence[int], *, remove_outliers: bool = True, average_s: float = 0.0
) -> list[AntennaFluxes]:
    """Derive flux densities antenna by antenna.

    Parameters
    ----------
    table : CalTable
        Amplitude gains (``G Jones`` or ``T Jones``), of fields whose model was 1 Jy but for the reference's.
    reference : sequence of int
        Fields with a right model.
    remove_outliers : bool
        Leave out values more than three sigma from the median, sigma = MAD / 0.6745.
    average_s : float
        Average amplitudes over this time first [s].

    Returns
    -------
    list of AntennaFluxes
        By spw and field.

    Raises
    ------
    ArgumentError
        If the reference has no solutions.
    CaltableError
        If it is another kind of table.

    Notes
    -----
    For each solution, S = (|g| / |g_ref|)^2, g_ref interpolated in time (the nearest beyond the ends); an antenna's
    value is the mean of its solutions'.
    """
    if table.kind not in ("G Jones", "T Jones") or table.par_type != "Complex":
        raise CaltableError(f"{table.path or table.name} is a {table.kind} table: gains (G or T Jones) are needed")
    there = {int(f) for s in table.solutions.values() for f in s.field}
    if not there & set(reference):
        raise ArgumentError(
            f"{table.path or table.name} has no solutions of the reference {list(reference)}; "
            f"it has fields {sorted(there)}"
        )
    out = []
    for spw, solutions in sorted(table.solutions.items()):
        for field in sorted({int(f) for f in solutions.field} - set(reference)):
            found = _ratios(solutions, field, reference, average_s)
            if len(found[0]):
                out.append(_summary(table, spw, field, *found, remove_outliers=remove_outliers))
    return out


def _ratios(
    solutions: SpwSolutions, field: int, reference: Sequence[int], average_s: float
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.intp]]:
    values, antennas, pols = [], [], []
    mine, others = solutions.field == field, np.isin(solutions.field, list(reference))
    for antenna in range(solutions.param.shape[1]):
        for pol in range(solutions.param.shape[3]):
            amplitude = np.abs(solutions.param[:, antenna, 0, pol]).astype(np.float64)
            good = ~solutions.flag[:, antenna, 0, pol] & (amplitude > 0)
            if solutions.row is not None:
                good &= solutions.row[:, antenna] >= 0
            if not (good & mine).any() or not (good & others).any():
                continue
            time, gain = _averaged(solutions.time[good & mine], amplitude[good & mine], average_s)
            at, ref = _averaged(solutions.time[good & others], amplitude[good & others], average_s)
            values.append(float(np.mean((gain / np.interp(time, at, ref)) ** 2)))
            antennas.append(antenna)
            pols.append(pol)
    return np.array(values), np.array(antennas, np.intp), np.array(pols, np.intp)


def _averaged(time: NDArray, values: NDArray, average_s: float) -> tuple[NDArray, NDArray]:
    order = np.argsort(time, kind="stable")
    time, values = time[order], values[order]
    if average_s <= 0:
        return time, values
    number = np.floor((time - time[0]) / average_s).astype(int)
    count = np.bincount(number)
    filled = count > 0
    return tuple((np.bincount(number, x)[filled] / count[filled]) for x in (time, values))  # type: ignore[return-value]


def _summary(
    table: CalTable, spw: int, field: int, values: NDArray, antenna: NDArray, pol: NDArray, *, remove_outliers: bool
) -> AntennaFluxes:
    median = float(np.median(values))
    sigma = float(np.median(np.abs(values - median))) * _SIGMA_PER_MAD
    kept = np.abs(values - median) <= _OUTLIER * sigma if remove_outliers and sigma > 0 else np.ones(len(values), bool)
    name = table.fields[field].name if 0 <= field < len(table.fields) else str(field)
    return AntennaFluxes(
        field, spw, name, float(np.mean(table.spws[spw].chan_freq_hz)), float(values[kept].mean()),
        float(values[kept].std()), median, values, antenna, pol, kept,
    )  # fmt: skip

"""A table of system temperatures from the SYSCAL table of a MeasurementSet."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.calibrater.make_table import solution_spw
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import InvalidTable
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata, Spw
from atacal.ms.rows import RowRuns
from atacal.ms.syscal import SysCal, read_syscal

log = logging.getLogger("atacal")

LEAST_K = float(np.finfo(np.float32).tiny)
"""What is below is no temperature."""
_ERROR, _SNR, _SNR_OF_ROWS = 0.1, 1.0, 0.1  # CASA's; without "uniform" it writes the error as the SNR, too
_TIME_MARGIN_S = 1e-5


def tsys_table(ms: MeasurementSet, *, uniform: bool = True) -> CalTable:
    """Make a table of system temperatures.

    A solution stands at the start of its measurement, TIME - INTERVAL / 2. What is not a positive number is flagged.

    Parameters
    ----------
    ms : MeasurementSet
    uniform : bool
        Give every antenna a row for every time; antennas that were not measured then are flagged.

    Returns
    -------
    CalTable
        ``B TSYS``, temperatures [K].

    Raises
    ------
    InvalidTable
        If there is no SYSCAL, or it does not fit the data.
    """
    metadata = ms.metadata
    measured = read_syscal(ms.path)
    solutions = {spw: _spw_solutions(metadata, one, uniform=uniform) for spw, one in measured.items()}
    starts = np.unique(np.concatenate([s.time for s in solutions.values()]))
    field, scan, obs = scan_of_times(ms.runs, starts)
    for one in solutions.values():
        at = np.searchsorted(starts, one.time)
        one.field[:], one.scan[:], one.obs[:] = field[at], scan[at], obs[at]
    report(metadata, measured)
    return CalTable(
        kind="B TSYS",
        par_type="Float",
        pol_basis="unknown",
        ms_name=metadata.name,
        antennas=metadata.antennas,
        fields=metadata.fields,
        spws=tuple(_table_spw(s, measured.get(s.id)) for s in metadata.spws),
        solutions=solutions,
        subtables_from=Path(os.path.abspath(metadata.path)),
    )


def _table_spw(spw: Spw, measured: SysCal | None) -> Spw:
    """Describe an spw by the channels of its temperatures."""
    if measured is None or measured.tsys.shape[1] == spw.nchan:
        return spw
    return solution_spw(spw, np.zeros(spw.nchan, np.int32), 1)


def _spw_solutions(metadata: Metadata, one: SysCal, *, uniform: bool) -> SpwSolutions:
    """Lay out one spw's temperatures on the grid of times and antennas."""
    _check(metadata, one)
    # a slot is one TIME; the first of its rows says when the measurement began
    times, first, slot = np.unique(one.time, return_index=True, return_inverse=True)
    slot = slot.reshape(-1)
    nslot, nant, nchan, npol = len(times), metadata.nant, one.tsys.shape[1], one.tsys.shape[2]
    shape = (nslot, nant, nchan, 2)
    param, flag = np.zeros(shape, np.float32), np.ones(shape, bool)
    param[slot, one.antenna, :, :npol] = one.tsys
    with np.errstate(invalid="ignore"):
        flag[slot, one.antenna, :, :npol] = ~(one.tsys >= LEAST_K) | ~np.isfinite(one.tsys)
    row = None
    if not uniform:  # 0 for the antennas that have a row; rows stand in the order of spw, time and antenna
        row = np.full((nslot, nant), -1, np.int64)
        row[slot, one.antenna] = 0
    nothing = np.full(nslot, -1, np.int32)
    return SpwSolutions(
        spw=one.spw, time=one.time[first] - one.interval[first] / 2.0, interval=np.zeros(nslot),
        field=nothing, scan=nothing.copy(), obs=nothing.copy(), refant=np.full((nslot, nant), -1, np.int32),
        param=param, error=np.full(shape, _ERROR, np.float32),
        snr=np.full(shape, _SNR if uniform else _SNR_OF_ROWS, np.float32), flag=flag, row=row,
    )  # fmt: skip


def _check(metadata: Metadata, one: SysCal) -> None:
    path = f"{metadata.path}/SYSCAL"
    if not 0 <= one.spw < len(metadata.spws):
        raise InvalidTable(f"{path} has temperatures of spw {one.spw}; there are spws 0 to {len(metadata.spws) - 1}")
    wrong = one.antenna[(one.antenna < 0) | (one.antenna >= metadata.nant)]
    if len(wrong):
        raise InvalidTable(
            f"{path} has temperatures of antenna {wrong[0]}; there are antennas 0 to {metadata.nant - 1}"
        )
    nchan, wanted = one.tsys.shape[1], metadata.spws[one.spw].nchan
    if nchan not in (1, wanted):
        raise InvalidTable(f"{path}: the spectra of spw {one.spw} have {nchan} channels, the spw has {wanted}")
    if not (np.isfinite(one.time).all() and np.isfinite(one.interval).all()):
        raise InvalidTable(f"{path}: a TIME or INTERVAL of spw {one.spw} is not finite")


def scan_of_times(
    runs: RowRuns, times: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return field, scan and observation of times, int32 (time,) each.

    A time between two scans belongs to the later, one after the last to the last; a scan has the field and
    observation of its first row.
    """
    scans, first = np.unique(runs.scan, return_index=True)
    low, high = (np.array([f(runs.time[runs.scan == s]) for s in scans]) for f in (np.min, np.max))
    order = np.argsort(high, kind="stable")
    low, high = low[order] - _TIME_MARGIN_S, high[order] + _TIME_MARGIN_S
    at = np.clip(np.searchsorted(high, times), 0, len(scans) - 1)
    at[times > low[-1]] = len(scans) - 1
    at[times < high[0]] = 0
    row = first[order[at]]
    return runs.field[row], runs.scan[row], runs.obs[row]


def report(metadata: Metadata, measured: dict[int, SysCal]) -> None:
    """Say in the log how many temperatures there are, and warn of those that are missing or no temperatures."""
    for spw, one in measured.items():
        spectra = np.bincount(one.antenna, minlength=metadata.nant)
        log.info(
            "Spw %d: %d Tsys spectra of %d antennas, %d channels, %d times",
            spw, len(one.row), np.count_nonzero(spectra), one.tsys.shape[1], len(np.unique(one.time)),
        )  # fmt: skip
        missing = [metadata.antennas[a].name for a in np.flatnonzero(spectra == 0)]
        if missing:
            log.warning(
                "Spw %d: no Tsys for antennas %s; applycal will flag their data in that spw", spw, ", ".join(missing)
            )
        with np.errstate(invalid="ignore"):
            bad = ~(one.tsys >= LEAST_K) | ~np.isfinite(one.tsys)
        for antenna in np.unique(one.antenna[bad.any(axis=(1, 2))]):
            mine = bad[one.antenna == antenna]
            whole = int(mine.all(axis=1).sum())
            log.warning(
                "Spw %d, antenna %s: %d of %d Tsys values are not positive and are flagged%s",
                spw, metadata.antennas[antenna].name, int(mine.sum()), mine.size,
                f" ({whole} whole spectra of one polarisation)" if whole else "",
            )  # fmt: skip

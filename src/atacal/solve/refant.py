"""Refer the phases of a table's solutions to a reference antenna."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def choices(refants: list[int], positions_m: NDArray[np.float64], mode: str) -> list[int]:
    """Order the antennas that may serve as reference.

    The user's list comes first; in mode ``flex`` the others follow, nearest first to the last of the user's.

    Parameters
    ----------
    refants : list of int
    positions_m : float64 (antenna, 3)
    mode : {'flex', 'strict'}
    """
    if mode == "strict":
        return refants[:1]
    distance = np.linalg.norm(positions_m - positions_m[refants[-1]], axis=1)
    others = [int(i) for i in np.argsort(distance, kind="stable") if i not in refants]
    return refants + others


def apply_refant(
    param: NDArray[np.complex64], flag: NDArray[np.bool_], order: list[int]
) -> tuple[NDArray[np.complex64], NDArray[np.bool_], NDArray[np.int32]]:
    """Refer phases to a reference antenna, slot after slot.

    Parameters
    ----------
    param : complex (slot, antenna, chan, pol)
        Solutions of one spw in the order of time.
    flag : bool, same shape
    order : list of int
        Candidates from `choices`: the first is preferred, then the one used last, then the others.

    Returns
    -------
    param, flag : as given, changed
    refant : int32 (slot,)
        The antenna used; -1 where there was none and all were flagged.

    Notes
    -----
    A candidate must have solutions in all polarisations in this slot and the one before. An alternate keeps the phase
    that it had in the slot before, so that changing the reference leaves no step (CASA's refantmode 'flex').
    """
    param, flag = param.copy(), flag.copy()
    nslot, _, _, npol = param.shape
    pols = [p for p in range(npol) if p == 0 or not flag[..., p].all()]
    refant = np.full(nslot, -1, np.int32)
    before, last = -1, order[0]
    for s in range(nslot):
        tried = [order[0], last, *order[1:]] if len(order) > 1 else order
        has = [(~flag[s, :, :, p]).any(1) for p in pols]
        if before >= 0:
            has += [(~flag[before, :, :, p]).any(1) for p in pols]
        good = np.all(has, axis=0)
        found = next((i for i in tried if good[i]), -1)
        if found < 0:
            flag[s] = True
            continue
        phasor = _phasor(param[s, found])
        if before >= 0:
            phasor = phasor * _phasor(param[before, found]).conj()
        param[s] = param[s] * phasor.conj()
        refant[s], last, before = found, found, s
    return param, flag, refant


def _phasor(gain: NDArray) -> NDArray:
    amplitude = np.abs(gain)
    return np.where(amplitude > 1e-7, gain / np.where(amplitude > 1e-7, amplitude, 1.0), 1.0)

"""From gathered sums to solutions: G, T and B Jones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.calibrater.gather import Gathered
from atacal.solve.conditioning import enforce_mode
from atacal.solve.gains import gain_errors, solve_gains


@dataclass(eq=False)
class Solved:
    """Solutions of a batch of slots.

    Attributes
    ----------
    slots : int64 (n,)
        Their numbers in the list of slots.
    time : float64 (n,)
        [MJD s]
    param : complex64 (float32 for delays) (n, antenna, group, par)
    error, snr : float32, same shape
    flag : bool, same shape
    attempted : int
        Slots that had enough data to try.
    low_snr : int
        Solutions flagged for their signal-to-noise ratio.
    few_baselines : int
        Solutions flagged because the antenna had fewer baselines than were asked for, or no data.
    unconverged : int
        Problems that the solver gave up on.
    """

    slots: NDArray[np.int64]
    time: NDArray[np.float64]
    param: NDArray
    error: NDArray[np.float32]
    snr: NDArray[np.float32]
    flag: NDArray[np.bool_]
    attempted: int
    low_snr: int
    few_baselines: int
    unconverged: int


_SHAPED = ("param", "error", "snr", "flag")
_COUNTS = ("low_snr", "few_baselines", "unconverged")
_CELLS_AT_ONCE = 1 << 18
"""Cells (part, baseline, group, receptor) that are solved at a time where a slot has many groups: copies for the solver
take 100 bytes each."""


@dataclass(eq=False)
class _Groups:
    """Solutions of some groups of a batch; axes as in `Solved`.

    ``weight`` (part, baseline) is what the solve gave to the data, ``tried`` bool (n, group) where there were enough.
    """

    param: NDArray[np.complex64]
    error: NDArray[np.float32]
    snr: NDArray[np.float32]
    flag: NDArray[np.bool_]
    weight: NDArray[np.float64]
    tried: NDArray[np.bool_]
    low_snr: int
    few_baselines: int
    unconverged: int


def condition_data(
    d: NDArray[np.complex128], b: NDArray[np.float64], calmode: str
) -> tuple[NDArray[np.complex128], NDArray[np.float64]]:
    """Prepare averaged data for a phase-only (``p``) or amplitude-only (``a``) solve.

    Phase-only: ``D/|D|`` with weight ``w |D|^2``; amplitude-only: ``|D|``, as CASA does.
    """
    amplitude = np.abs(d)
    if calmode == "p":
        return np.where(amplitude > 0, d / np.where(amplitude > 0, amplitude, 1.0), 0.0), b * amplitude**2
    if calmode == "a":
        return amplitude.astype(np.complex128), b
    return d, b


def _merged(
    d: NDArray[np.complex128], b: NDArray[np.float64], axis: int
) -> tuple[NDArray[np.complex128], NDArray[np.float64], NDArray[np.float64]]:
    """Average data over an axis, which stays with length 1; also return the chi-squared that averaging takes away."""
    total = b.sum(axis, keepdims=True)
    mean = np.where(total > 0, (b * d).sum(axis, keepdims=True) / np.where(total > 0, total, 1.0), 0.0)
    lost = (b * np.abs(d) ** 2).sum(axis, keepdims=True) - total * np.abs(mean) ** 2
    return mean, total, lost


def _together(
    d: NDArray[np.complex128], b: NDArray[np.float64], part: NDArray[np.int64], n: int
) -> tuple[NDArray[np.complex128], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Average the parts of each of ``n`` slots.

    Returns
    -------
    d, b : (n, baseline, group, 2)
    constant : float64 (n, group)
        The chi-squared that averaging takes away.
    nvis : int64 (n, group)
        Visibilities with weight, of all parts.
    """
    shape = (n, *d.shape[1:])
    nvis = np.zeros((n, d.shape[2]), np.int64)
    np.add.at(nvis, part, (b > 0).sum((1, 3)))
    constant = np.zeros(nvis.shape)
    if len(part) == n:
        return d, b, constant, nvis
    total, mean = np.zeros(shape), np.zeros(shape, np.complex128)
    np.add.at(total, part, b)
    np.add.at(mean, part, b * d)
    mean = np.where(total > 0, mean / np.where(total > 0, total, 1.0), 0.0)
    np.add.at(constant, part, (b * np.abs(d - mean[part]) ** 2).sum((1, 3)))
    return mean, total, constant, nvis


def solve_batch(
    gathered: Gathered,
    nant: int,
    *,
    calmode: str,
    scalar: bool,
    minblperant: int,
    minsnr: float,
) -> Solved:
    """Solve a batch of slots for antenna gains.

    Parameters
    ----------
    gathered : Gathered
        Every part is conditioned by itself; then the parts of a slot are solved together.
    nant : int
    calmode : {'p', 'a', 'ap'}
    scalar : bool
        One gain for both polarisations (T Jones) instead of one each.
    minblperant : int
    minsnr : float

    Returns
    -------
    Solved
    """
    nparts, nbaseline, ngroup, _ = gathered.d.shape
    step = max(1, _CELLS_AT_ONCE // max(1, nparts * nbaseline * 2))
    found = [
        _solve_groups(
            gathered, slice(g, g + step), nant,
            calmode=calmode, scalar=scalar, minblperant=minblperant, minsnr=minsnr,
        )
        for g in range(0, ngroup, step)
    ]  # fmt: skip
    shaped: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in found], axis=2) for name in _SHAPED}
    return Solved(
        slots=gathered.slots,
        time=gathered.mean_time(np.sum([one.weight for one in found], axis=0)),
        **shaped,
        attempted=int(np.any([one.tried.any(1) for one in found], axis=0).sum()),
        **{name: sum(getattr(one, name) for one in found) for name in _COUNTS},
    )


def _solve_groups(
    gathered: Gathered, which: slice, nant: int, *, calmode: str, scalar: bool, minblperant: int, minsnr: float
) -> _Groups:
    """Solve some groups of a batch."""
    ant1, ant2 = (x.astype(np.int32) for x in np.triu_indices(nant, 1))
    d, b = condition_data(gathered.d[:, :, which], gathered.b[:, :, which], calmode)
    weight = b.sum((2, 3))
    n, nbaseline, ngroup = len(gathered.slots), d.shape[1], d.shape[2]
    d, b, constant, nvis = _together(d, b, gathered.part, n)
    if scalar:
        d, b, lost = _merged(d, b, axis=3)
        constant += lost.sum((1, 3))
    npar = d.shape[3]
    flat_d = np.ascontiguousarray(d.transpose(0, 2, 3, 1)).reshape(-1, nbaseline)
    flat_b = np.ascontiguousarray(b.transpose(0, 2, 3, 1)).reshape(-1, nbaseline)
    gain, good, chi2, hess, iterations = solve_gains(flat_d, flat_b, ant1, ant2, nant, minblperant=minblperant)
    together = chi2.reshape(n, ngroup, npar).sum(2) + constant
    ngood = good.reshape(n, ngroup, npar, nant).sum((2, 3))
    error = gain_errors(hess, *(np.repeat(x.ravel(), npar) for x in (together, nvis, ngood)))
    amplitude = np.abs(gain)
    # a perfect fit (noiseless data) has no error and any signal-to-noise ratio
    perfect = good & (error <= 0) & (amplitude > 0)
    snr = np.where(error > 0, amplitude / np.where(error > 0, error, 1.0), np.where(perfect, np.finfo("f4").max, 0.0))
    kept = good & (snr >= minsnr)
    gain = np.where(kept, enforce_mode(gain, calmode), 1.0)

    def shaped(values: NDArray, dtype: type) -> NDArray:
        return values.reshape(n, ngroup, npar, nant).transpose(0, 3, 1, 2).astype(dtype)

    return _Groups(
        param=shaped(gain, np.complex64),
        error=shaped(np.where(kept, error, 0.0), np.float32),
        snr=shaped(np.where(kept, snr, 0.0), np.float32),
        flag=shaped(~kept, np.bool_),
        weight=weight,
        tried=ngood > 0,
        low_snr=int((good & ~kept).sum()),
        few_baselines=int((~good).sum()),
        unconverged=int((iterations < 0).sum()),
    )


def joined(parts: list[Solved]) -> Solved:
    """Put batches together."""
    values: dict[str, Any] = {
        name: np.concatenate([getattr(p, name) for p in parts]) for name in ("slots", "time", *_SHAPED)
    }
    return Solved(**values, **{name: sum(getattr(p, name) for p in parts) for name in ("attempted", *_COUNTS)})

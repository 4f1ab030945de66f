"""Calibration tables from values that a user gives: gains, phases, delays, opacities, antenna positions."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.calibrater.make_table import solution_spw
from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError, CaltableError, CaltableMismatch
from atacal.ms.metadata import Metadata
from atacal.ms.selection import parse_antenna, parse_spw

log = logging.getLogger("atacal")


@dataclass(frozen=True)
class Specified:
    """What a caltype means: CASA's VisCal, parameters an antenna, how values join those there, and their unit."""

    kind: str
    npar: int
    unit: str

    @property
    def is_complex(self) -> bool:
        return self.kind == "G Jones"

    @property
    def by_polarisation(self) -> bool:
        return self.kind in ("G Jones", "K Jones")


CALTYPES = {
    "amp": Specified("G Jones", 2, ""),
    "ph": Specified("G Jones", 2, "deg"),
    "sbd": Specified("K Jones", 2, "ns"),
    "mbd": Specified("K Jones", 2, "ns"),
    "opac": Specified("TOpac", 1, ""),
    "antpos": Specified("KAntPos Jones", 3, "m"),
}
"""The caltypes whose values are given, by CASA's names."""

_POLS = {"": [], "R": [0], "X": [0], "L": [1], "Y": [1], "R,L": [0, 1], "X,Y": [0, 1], "L,R": [1, 0], "Y,X": [1, 0]}


@dataclass(frozen=True)
class Target:
    """Where values go: antennas, spws and polarisations in the order of the values; empty for all alike."""

    antennas: tuple[int, ...] = ()
    spws: tuple[int, ...] = ()
    pols: tuple[int, ...] = ()


def read_target(caltype: str, metadata: Metadata, spw: str, antenna: str, pol: str) -> Target:
    """Read gencal's selections.

    Parameters
    ----------
    caltype : str
    metadata : Metadata
    spw, antenna, pol : str
        CASA's selection language; the order in which antennas and spws are written is that of the values.

    Returns
    -------
    Target

    Raises
    ------
    ArgumentError, SelectionError
    """
    what = CALTYPES[caltype]
    if pol.replace(" ", "") not in _POLS:
        raise ArgumentError(f"pol={pol!r} is none of {', '.join(repr(p) for p in _POLS)}")
    ignored = [f"{n}={v!r}" for n, v, used in (
        ("spw", spw, what.kind != "KAntPos Jones"), ("pol", pol, what.by_polarisation)) if v and not used]  # fmt: skip
    if ignored:
        log.warning("gencal: %s has no meaning for caltype=%r and is not used", " and ".join(ignored), caltype)
    return Target(
        _antennas(antenna, metadata),
        () if spw.strip() in ("", "*") or what.kind == "KAntPos Jones" else tuple(parse_spw(spw, metadata).channels),
        tuple(_POLS[pol.replace(" ", "")]) if what.by_polarisation else (),
    )


def _antennas(antenna: str, metadata: Metadata) -> tuple[int, ...]:
    """Return the antennas in the order written."""
    if not antenna.strip():
        return ()
    if any(sign in antenna for sign in "!&;"):
        raise ArgumentError(f"antenna={antenna!r}: values belong to antennas; list those, without '!', '&' and ';'")
    selection = parse_antenna(antenna, metadata)
    named = list(selection.antennas)
    if selection.unmatched:
        raise ArgumentError(f"antenna={antenna!r}: there is no antenna {', '.join(selection.unmatched)}")
    if len(set(named)) < len(named):
        raise ArgumentError(f"antenna={antenna!r} names an antenna twice; which of the values is meant?")
    return tuple(named)


def specify(
    caltype: str, metadata: Metadata, target: Target, values: Sequence[float], old: CalTable | None = None
) -> CalTable:
    """Make a table of given values, or add them to one made so.

    Amplitudes and phases multiply what is there; delays, opacities and positions are added.

    Parameters
    ----------
    caltype : str
        One of `CALTYPES`.
    metadata : Metadata
    target : Target
    values : sequence of float
        One (three for ``antpos``) for all alike, or one for each polarisation, antenna, spw that ``target`` lists,
        polarisations fastest. Phases in degrees, delays in ns, positions in m (ITRF).
    old : CalTable, optional
        A table to be added to.

    Returns
    -------
    CalTable

    Raises
    ------
    ArgumentError
        If the number of values fits neither.
    CaltableError, CaltableMismatch
        If ``old`` is no table of given values of the same kind.
    """
    what = CALTYPES[caltype]
    numbers = np.asarray(values, np.float64).reshape(-1)
    if not np.isfinite(numbers).all():
        raise ArgumentError(f"parameter: {numbers[~np.isfinite(numbers)][0]} is no value of {caltype!r}")
    by_spw = _laid_out(caltype, what, numbers, target)
    in_table = [0] if what.kind == "KAntPos Jones" else list(range(len(metadata.spws)))
    if old is not None:
        _check_old(old, what, metadata, in_table)
    chosen = target.spws or tuple(in_table)
    solutions = {s: _solutions(s, what, metadata.nant, old) for s in in_table}
    for number, spw in enumerate(chosen):
        part = by_spw[number if len(by_spw) > 1 else 0]  # (antenna or 1, par or 1)
        _join(caltype, solutions[spw].param[0, :, 0], part, target)
    return _table(what, metadata, solutions, old)


def _laid_out(caltype: str, what: Specified, numbers: NDArray[np.float64], target: Target) -> NDArray[np.float64]:
    """Return the values as (spw or 1, antenna or 1, polarisation or 1 (positions: axis))."""
    nant, npol, nspw = max(len(target.antennas), 1), max(len(target.pols), 1), max(len(target.spws), 1)
    if what.kind == "KAntPos Jones":
        npol = 3
        if len(numbers) not in (3, 3 * nant):
            raise ArgumentError(
                f"parameter has {len(numbers)} values; antenna positions need 3 [m] for all antennas alike"
                + (f", or 3 for each of the {nant} antennas, {3 * nant} in all" if nant > 1 else "")
            )
        return numbers.reshape(1, -1, 3)
    count = nspw * nant * npol
    if len(numbers) not in (1, count):
        raise ArgumentError(
            f"parameter has {len(numbers)} values; {caltype!r} needs one for all alike"
            + (f", or {count}: {npol} polarisation(s) x {nant} antenna(s) x {nspw} spw(s)" if count > 1 else "")
        )
    return np.broadcast_to(numbers.reshape((nspw, nant, npol) if len(numbers) > 1 else (1, 1, 1)), (nspw, nant, npol))


def _join(caltype: str, param: NDArray, values: NDArray[np.float64], target: Target) -> None:
    """Multiply or add values (antenna or 1, par or 1) to the parameters (antenna, par) of one spw, in place."""
    antennas = np.array(target.antennas or range(len(param)), np.intp)
    pars = np.array(target.pols or range(param.shape[1]), np.intp)
    cell = np.ix_(antennas, pars)
    if caltype == "ph":
        param[cell] *= np.exp(1j * np.deg2rad(values)).astype(np.complex64)
    elif caltype == "amp":
        param[cell] *= values.astype(np.complex64)
    else:
        param[cell] += values.astype(np.float32)


def _solutions(spw: int, what: Specified, nant: int, old: CalTable | None) -> SpwSolutions:
    shape = (1, nant, 1, what.npar)
    param: NDArray = np.ones(shape, np.complex64) if what.is_complex else np.zeros(shape, np.float32)
    error, snr, flag = np.zeros(shape, np.float32), np.ones(shape, np.float32), np.zeros(shape, bool)
    if old is not None:
        there = old.solutions[spw]
        param, error, snr, flag = there.param.copy(), there.error.copy(), there.snr.copy(), there.flag.copy()
    # CASA says observation 0 in a new table, -1 in one that was added to
    return SpwSolutions(
        spw=spw, time=np.zeros(1), interval=np.zeros(1), field=np.full(1, -1, np.int32), scan=np.full(1, -1, np.int32),
        obs=np.full(1, 0 if old is None else -1, np.int32), refant=np.full((1, nant), -1, np.int32),
        param=param, error=error, snr=snr, flag=flag,
    )  # fmt: skip


def _table(what: Specified, metadata: Metadata, solutions: dict[int, SpwSolutions], old: CalTable | None) -> CalTable:
    spws = tuple(solution_spw(s, np.zeros(s.nchan, np.int32), 1) for s in metadata.spws)
    return CalTable(
        kind=what.kind,
        par_type="Complex" if what.is_complex else "Float",
        pol_basis="unknown",
        ms_name=metadata.name,
        antennas=metadata.antennas,
        fields=metadata.fields,
        spws=spws,
        solutions=solutions,
        subtables_from=Path(os.path.abspath(metadata.path)),
        history=[] if old is None else list(old.history),
    )


def _check_old(old: CalTable, what: Specified, metadata: Metadata, spws: Sequence[int]) -> None:
    """Raise unless values of this kind may be added to a table."""
    if old.kind != what.kind:
        raise CaltableError(f"{old.name} holds {old.kind} solutions; {what.kind} ones cannot be added to them")
    if [a.name for a in old.antennas] != metadata.antenna_names() or len(old.spws) != len(metadata.spws):
        raise CaltableMismatch(f"{old.name} was made for {old.ms_name}, not for {metadata.name}")
    wanted = (1, metadata.nant, 1, what.npar)
    if sorted(old.solutions) != list(spws) or any(old.solutions[s].param.shape != wanted for s in spws):
        raise CaltableError(
            f"{old.name} was not made by gencal (it has solutions at several times, or not for all spws): values "
            "cannot be added to it; choose another name, and apply both tables"
        )

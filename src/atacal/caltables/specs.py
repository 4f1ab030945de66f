"""Reading what a user says about the tables to apply: interp, gainfield, spwmap, calwt, table by table."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.resample import METHODS
from atacal.caltables.table import CalTable
from atacal.errors import ArgumentError, CaltableMismatch
from atacal.ms.metadata import Field, Metadata

_TIME = re.compile(r"(nearest|linear|cubic)(PD)?(perobs|perscan)?", re.IGNORECASE)
_FREQ = re.compile(r"(nearest|linear|cubic|spline)(flag)?(rel)?(flag)?", re.IGNORECASE)


@dataclass(frozen=True)
class Interp:
    """How a table is interpolated.

    Attributes
    ----------
    time : {"nearest", "linear", "cubic"}
    phase_delay : bool
        Phases scale with frequency (``PD``).
    slices : {"", "obs", "scan"}
        Solutions are not interpolated across observations or scans (``perobs``, ``perscan``).
    freq : {"nearest", "linear", "cubic", "spline"}
    freq_flags : bool
        Channels that rest on a flagged solution are flagged (``flag``).
    freq_relative : bool
        Frequencies are taken relative to the centre of each spw (``rel``).
    """

    time: str = "linear"
    phase_delay: bool = False
    slices: str = ""
    freq: str = "linear"
    freq_flags: bool = False
    freq_relative: bool = False


def parse_interp(text: str) -> Interp:
    """Read CASA's ``interp``: ``time[PD][perobs|perscan][,frequency[flag]]``.

    Parameters
    ----------
    text : str
        Empty means ``linear,linear``.

    Returns
    -------
    Interp

    Raises
    ------
    ArgumentError
    """
    parts = [p.strip() for p in text.split(",")]
    time = _TIME.fullmatch(parts[0] or "linear")
    freq = _FREQ.fullmatch((parts[1] if len(parts) > 1 else "") or "linear")
    if time is None or freq is None or len(parts) > 2:
        raise ArgumentError(
            f"interp={text!r} cannot be read; it is TIME[PD][perobs|perscan][,FREQUENCY[flag]] with TIME nearest, "
            f"linear or cubic and FREQUENCY {', '.join(METHODS)}"
        )
    return Interp(
        time=time[1].lower(),
        phase_delay=bool(time[2]),
        slices=(time[3] or "").lower().removeprefix("per"),
        freq=freq[1].lower(),
        freq_flags=bool(freq[2] or freq[4]),
        freq_relative=bool(freq[3]),
    )


def as_list(value: Any) -> list[Any]:
    """Return a task argument that may be one value or a list of them as a list; ``''`` and None are empty."""
    if value is None or (isinstance(value, str) and value == ""):
        return []
    if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
        return [value]
    return list(value)


def per_table(name: str, values: Any, count: int, default: Any) -> list[Any]:
    """Spread a list over ``count`` tables: what is missing at its end takes the default.

    Raises
    ------
    ArgumentError
        If the list has more entries than there are tables.
    """
    given = as_list(values)
    if len(given) > count and any(v not in ("", []) for v in given[count:]):
        raise ArgumentError(f"{name} has {len(given)} entries for {count} calibration tables: {given!r}")
    given = given[:count]
    return given + [default] * (count - len(given))


def per_table_spwmap(spwmap: Any, count: int) -> list[list[int]]:
    """Spread ``spwmap`` over the tables: a flat list of numbers belongs to the first, as in CASA."""
    given = as_list(spwmap)
    if given and not isinstance(given[0], (list, tuple)):
        given = [given]
    if len(given) > count and any(len(v) for v in given[count:]):
        raise ArgumentError(f"spwmap has {len(given)} lists for {count} calibration tables")
    return [[int(s) for s in v] for v in given[:count]] + [[] for _ in range(count - len(given))]


def per_table_calwt(calwt: Any, count: int) -> list[bool]:
    """Spread ``calwt`` over the tables: a single value holds for all."""
    given = [bool(v) for v in (calwt if isinstance(calwt, (list, tuple)) else [calwt])] or [True]
    if len(given) == 1:
        return given * count
    if len(given) != count:
        raise ArgumentError(f"calwt has {len(given)} values for {count} calibration tables; give one, or one for each")
    return given


def map_spws(spwmap: Sequence[int], table: CalTable, nspw: int) -> NDArray[np.int32]:
    """Return the table's spw for every spw of the data.

    Parameters
    ----------
    spwmap : sequence of int
        Empty or [-1]: each spw takes its own. One number: all take that one. Else entry by entry; spws beyond the
        list's end take their own.
    table : CalTable
    nspw : int
        Spws of the MeasurementSet.

    Returns
    -------
    int32 (nspw,)

    Raises
    ------
    ArgumentError
    """
    out = np.arange(nspw, dtype=np.int32)
    values = list(spwmap)
    if not values or values == [-1]:
        return out
    if len(values) > nspw:
        raise ArgumentError(f"spwmap {values} has {len(values)} entries, the MeasurementSet has {nspw} spws")
    if min(values) < 0 or max(values) >= len(table.spws):
        raise ArgumentError(
            f"spwmap {values} names spws that {table.name} does not have: it has 0 to {len(table.spws) - 1}"
        )
    if len(values) == 1:
        out[:] = values[0]
    else:
        out[: len(values)] = values
    return out


def map_fields(gainfield: str, table: CalTable, metadata: Metadata) -> list[NDArray[np.int32] | None]:
    """Return, for every field of the data, the table's fields whose solutions it takes.

    Parameters
    ----------
    gainfield : str
        ``''`` for all, ``nearest`` for the one nearest on the sky, else names and ids of fields of the table.
    table : CalTable
    metadata : Metadata
        Of the MeasurementSet.

    Returns
    -------
    list of int32 arrays, or None for all
        The same object for fields that share them.

    Raises
    ------
    CaltableMismatch
        If the table has no solutions on the fields asked for.
    """
    count = len(metadata.fields)
    if not gainfield.strip():
        return [None] * count
    solved = np.unique(np.concatenate([s.field for s in table.solutions.values()] or [np.zeros(0, np.int32)]))
    if gainfield.strip().lower() == "nearest":
        return _nearest_fields(solved, table.fields, metadata.fields)
    wanted = match_fields(gainfield, table.fields)
    found = np.intersect1d(wanted, solved).astype(np.int32)
    if len(found) == 0:
        names = ", ".join(f"{i} ({table.fields[i].name})" for i in solved if 0 <= i < len(table.fields))
        names = names or "no field in particular: leave its gainfield empty"
        raise CaltableMismatch(f"{table.name} has no solutions on gainfield {gainfield!r}; it has them on {names}")
    return [found] * count


def _nearest_fields(
    solved: NDArray[np.int32], table_fields: Sequence[Field], data_fields: Sequence[Field]
) -> list[NDArray[np.int32] | None]:
    choices = [np.array([s], np.int32) for s in solved]
    if len(choices) == 1:
        return [choices[0]] * len(data_fields)
    there = np.array([_unit_vector(table_fields[s]) for s in solved])
    out: list[NDArray[np.int32] | None] = []
    for field in data_fields:
        separation = np.linalg.norm(there - _unit_vector(field), axis=1)
        out.append(choices[int(np.argmin(separation))])
    return out


def _unit_vector(field: Field) -> NDArray[np.float64]:
    ra, dec = field.phase_dir_rad
    return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])


def match_fields(expression: str, fields: Sequence[Field]) -> NDArray[np.int32]:
    """Return the ids of the fields that a gainfield expression names: ids, ranges ``2~4``, names, patterns.

    Raises
    ------
    ArgumentError
        If a part of it matches no field.
    """
    out: set[int] = set()
    for part in (p.strip() for p in expression.split(",")):
        if not part:
            continue
        named = {f.id for f in fields if f.name == part} or {f.id for f in fields if fnmatch.fnmatchcase(f.name, part)}
        span = re.fullmatch(r"(\d+)(?:~(\d+))?", part)
        if not named and span:
            named = {f.id for f in fields if int(span[1]) <= f.id <= int(span[2] or span[1])}
        if not named:
            known = ", ".join(f"{f.id} ({f.name})" for f in fields)
            raise ArgumentError(f"gainfield {part!r} is none of the table's fields: {known}")
        out |= named
    return np.array(sorted(out), np.int32)

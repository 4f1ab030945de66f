"""Calibration tables as points: which solutions are selected, and their values along each axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError, EmptySelection
from atacal.ms.metadata import DataDescription, Metadata
from atacal.ms.selection import TimeReference, parse_antenna_list, parse_field, parse_scan, parse_spw, parse_timerange
from atacal.plots.style import utc_text

LABELS = {
    "time": "Time (UTC)", "frequency": "Frequency (GHz)", "channel": "Channel", "antenna1": "Antenna", "scan": "Scan",
    "field": "Field ID", "spw": "Spectral window", "snr": "Signal-to-noise ratio", "amp": "Gain amplitude",
    "phase": "Gain phase (deg)", "real": "Gain, real part", "imag": "Gain, imaginary part", "delay": "Delay (ns)",
    "tsys": "System temperature (K)", "position": "Position correction (mm)", "value": "Value",
    "error": "Solution error",
}  # fmt: skip
_SYNONYMS = {
    "freq": "frequency", "chan": "channel", "antenna": "antenna1", "ant": "antenna1", "gainamp": "amp",
    "gainphase": "phase",
    "gainreal": "real", "gainimag": "imag", "amplitude": "amp", "imaginary": "imag", "paramerr": "error",
}  # fmt: skip
_OF_COMPLEX = ("amp", "phase", "real", "imag")


def kind_axis(table: CalTable) -> str:
    """Return the axis that a real-valued table holds: ``delay`` (K), ``tsys`` (B TSYS), ``position`` or ``value``."""
    if table.kind.startswith("KAntPos"):
        return "position"
    if table.kind.startswith("K Jones") or table.kind.startswith("Kcross"):
        return "delay"
    return "tsys" if "TSYS" in table.kind else "value"


def table_axis(name: str, table: CalTable, *, parameter: str) -> str:
    """Return the canonical name of an axis that this table has.

    Raises
    ------
    ArgumentError
        If there is no such axis, or this kind of table does not have it.
    """
    key = name.strip().lower()
    key = _SYNONYMS.get(key, key)
    possible = ["time", "frequency", "channel", "antenna1", "scan", "field", "spw", "snr", "error"]
    possible += list(_OF_COMPLEX) if table.par_type == "Complex" else [kind_axis(table)]
    if key == "amp" and table.par_type != "Complex":
        key = kind_axis(table)  # what CASA shows when asked for the amplitude of a delay or Tsys table
    if key not in possible:
        raise ArgumentError(f"{parameter}={name!r}: {table.name} ({table.kind}) has the axes {', '.join(possible)}")
    return key


@dataclass(frozen=True)
class TableSelection:
    """What is wanted of a table, in CASA's selection language; empty means everything.

    Attributes
    ----------
    antenna, field, spw, scan, timerange : str
    poln : str
        Polarisations: ``X``, ``Y``, ``R``, ``L``, ``XX,YY``..., empty or ``RL`` for both.
    """

    antenna: str = ""
    field: str = ""
    spw: str = ""
    scan: str = ""
    timerange: str = ""
    poln: str = ""

    def describe(self) -> str:
        """Return what a title should say of it."""
        given = {f.name: getattr(self, f.name).strip() for f in fields(self)}
        return ", ".join(f"{name} {_brief(text)}" for name, text in given.items() if text)


def _brief(text: str, most: int = 60) -> str:
    """Put the number of its parts in the place of a long selection."""
    begun = text[:20].rpartition(",")[0] or text[: most - 10]
    return text if len(text) <= most else f"{begun}... ({text.count(',') + 1})"


@dataclass(eq=False)
class TablePoints:
    """Selected solutions, one entry each; all arrays (point,).

    Attributes
    ----------
    x, y : float64
    flag : bool
    filled : bool
        False where a flagged solution holds only the placeholder 1+0j (or 0).
    antenna, spw, field, pol, slot, scan : int32
        ``slot`` numbers the solution intervals of all spws in time order.
    time : float64
        [MJD s]
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flag: NDArray[np.bool_]
    filled: NDArray[np.bool_]
    antenna: NDArray[np.int32]
    spw: NDArray[np.int32]
    field: NDArray[np.int32]
    pol: NDArray[np.int32]
    slot: NDArray[np.int32]
    scan: NDArray[np.int32]
    time: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.x)

    def pick(self, which: NDArray) -> TablePoints:
        """Return the points that a mask or an index array picks."""
        return TablePoints(*(getattr(self, f.name)[which] for f in fields(self)))


def metadata_of(table: CalTable) -> Metadata:
    """Return the table's small tables in the form that the selection parsers take."""
    ddids = tuple(DataDescription(i, i, 0) for i in range(len(table.spws)))
    return Metadata(
        str(table.path or table.name), 0, (), table.antennas, table.fields, table.spws, (), ddids, (), (),
    )  # fmt: skip


def antenna_names(table: CalTable) -> list[str]:
    """Return the antennas' names; ``antenna 3`` for one without."""
    return [a.name.strip() or f"antenna {a.id}" for a in table.antennas]


def pol_names(table: CalTable) -> list[str]:
    """Return the names of the table's polarisations: X Y, R L, or numbers where the basis is not known."""
    if table.kind.startswith("KAntPos"):
        return ["x", "y", "z"]
    count = max((s.param.shape[3] for s in table.solutions.values()), default=1)
    if count == 1:
        return ["both pol"] if table.kind.startswith("T ") else ["pol 0"]
    names = {"linear": ["X", "Y"], "circular": ["R", "L"]}.get(table.pol_basis.lower(), ["pol 0", "pol 1"])
    return names + [f"par {i}" for i in range(2, count)] if count > 2 else names


def table_points(table: CalTable, x: str, y: str, selection: TableSelection | None = None) -> TablePoints:
    """Return the selected solutions along two axes.

    Parameters
    ----------
    table : CalTable
    x, y : str
        Names from `table_axis`.
    selection : TableSelection, optional

    Returns
    -------
    TablePoints
        Sorted by spw, time, antenna, polarisation, channel.

    Raises
    ------
    SelectionError, EmptySelection
    """
    selection = selection or TableSelection()
    meta = metadata_of(table)
    channels = parse_spw(selection.spw, meta).channels if selection.spw.strip() else None
    antennas = (
        parse_antenna_list(selection.antenna, meta) if selection.antenna.strip() else list(range(len(table.antennas)))
    )
    wanted_fields = parse_field(selection.field, meta) if selection.field.strip() else None
    pols = _pols(selection.poln, table)
    starts = slot_starts(table)
    parts = []
    for spw in sorted(table.solutions):
        if channels is not None and spw not in channels:
            continue
        solutions = table.solutions[spw]
        slots = _slots(solutions, wanted_fields, selection)
        chans = _channels(solutions, None if channels is None else channels[spw])
        part = _of_spw(table, solutions, x, y, slots, np.array(antennas, np.intp), chans, pols)
        part.slot = (np.searchsorted(starts, part.time, side="right") - 1).astype(np.int32)
        parts.append(part)
    parts = [p for p in parts if len(p)]
    if not parts:
        raise EmptySelection(f"{table.path or table.name}: no solution is selected; {_there(table)}")
    return TablePoints(*(np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(TablePoints)))


def slot_starts(table: CalTable) -> NDArray[np.float64]:
    """Return the first time [MJD s] of each solution interval; spws whose times differ a little share an interval."""
    times = np.unique(np.concatenate([s.time for s in table.solutions.values()] or [np.zeros(0)]))
    spacing = [np.diff(np.unique(s.time)).min() for s in table.solutions.values() if len(np.unique(s.time)) > 1]
    tolerance = min([30.0, *(0.5 * float(d) for d in spacing)])  # 30 s: as CASA's plotbandpass
    return times[np.concatenate([[True], np.diff(times) > tolerance])] if len(times) else times


def _there(table: CalTable) -> str:
    found = sorted({int(f) for s in table.solutions.values() for f in s.field})
    spws = ", ".join(str(s) for s in sorted(table.solutions))
    named = ", ".join(f"{f} ({table.fields[f].name})" if 0 <= f < len(table.fields) else str(f) for f in found)
    times = np.concatenate([s.time for s in table.solutions.values()] or [np.zeros(0)])
    when = f"{utc_text(times.min())} to {utc_text(times.max())}" if len(times) else "no time"
    return f"the table holds spws {spws}, fields {named}, {when}, antennas {', '.join(antenna_names(table))}"


def _pols(poln: str, table: CalTable) -> NDArray[np.intp]:
    names = pol_names(table)
    text = poln.strip().upper()
    if text in ("", "RL", "XY", "BOTH"):
        return np.arange(len(names))
    index = {"X": 0, "R": 0, "XX": 0, "RR": 0, "0": 0, "Y": 1, "L": 1, "YY": 1, "LL": 1, "1": 1}
    asked = [index.get(part.strip(), -1) for part in text.split(",")]
    if any(i < 0 or i >= len(names) for i in asked):
        raise ArgumentError(f"poln={poln!r}: {table.name} has the polarisations {', '.join(names)}")
    return np.array(sorted(set(asked)))


def _slots(solutions: SpwSolutions, wanted_fields: Sequence[int] | None, selection: TableSelection) -> NDArray[np.intp]:
    keep = np.ones(solutions.nslot, bool)
    if wanted_fields is not None:
        keep &= np.isin(solutions.field, wanted_fields)
    if selection.scan.strip():
        keep &= np.isin(solutions.scan, parse_scan(selection.scan, np.unique(solutions.scan).tolist()))
    if selection.timerange.strip() and keep.any():
        first = int(np.argmax(keep))
        reference = TimeReference(float(solutions.time[first]), float(solutions.interval[first]))
        windows = parse_timerange(selection.timerange, reference)
        keep &= np.logical_or.reduce([w.mask(solutions.time) for w in windows])
    return np.flatnonzero(keep)


def _channels(solutions: SpwSolutions, wanted: NDArray[np.bool_] | None) -> NDArray[np.intp]:
    if wanted is None or len(wanted) != solutions.nchan:
        return np.arange(solutions.nchan)
    return np.flatnonzero(wanted)


def _of_spw(
    table: CalTable,
    solutions: SpwSolutions,
    x: str,
    y: str,
    slots: NDArray[np.intp],
    antennas: NDArray[np.intp],
    chans: NDArray[np.intp],
    pols: NDArray[np.intp],
) -> TablePoints:
    pols = pols[pols < solutions.param.shape[3]]
    # points run along the channels of one solution: (slot, antenna, pol, chan)
    grid = np.ix_(slots, antennas, chans, pols)

    def cut(array: NDArray) -> NDArray:
        return array[grid].swapaxes(2, 3)

    param, flag = cut(solutions.param), cut(solutions.flag)
    shape = param.shape
    there = np.ones(shape, bool)
    if solutions.row is not None:
        there &= (solutions.row[np.ix_(slots, antennas)] >= 0)[:, :, None, None]
    placeholder = 1.0 if table.par_type == "Complex" else 0.0
    ids: dict[str, NDArray] = {
        "time": solutions.time[slots][:, None, None, None], "field": solutions.field[slots][:, None, None, None],
        "scan": solutions.scan[slots][:, None, None, None], "antenna1": antennas[None, :, None, None],
        "pol": pols[None, None, :, None], "channel": chans[None, None, None, :],
        "spw": np.full((1, 1, 1, 1), solutions.spw),
    }  # fmt: skip

    def axis(name: str) -> NDArray:
        if name in ids:
            return ids[name]
        if name == "frequency":
            return _frequencies(table, solutions)[chans][None, None, None, :] / 1e9
        if name in ("snr", "error"):
            return cut(solutions.snr if name == "snr" else solutions.error)
        return _of_param(name, param)

    def flat(values: NDArray, dtype: type) -> NDArray:
        return np.broadcast_to(values, shape)[there].astype(dtype)

    return TablePoints(
        x=flat(axis(x), np.float64), y=flat(axis(y), np.float64), flag=flat(flag, np.bool_),
        filled=flat(~flag | (np.abs(param - placeholder) > 1e-5), np.bool_), antenna=flat(ids["antenna1"], np.int32),
        spw=flat(ids["spw"], np.int32), field=flat(ids["field"], np.int32), pol=flat(ids["pol"], np.int32),
        slot=np.zeros(int(there.sum()), np.int32), scan=flat(ids["scan"], np.int32), time=flat(ids["time"], np.float64),
    )  # fmt: skip


def _of_param(name: str, param: NDArray) -> NDArray:
    if name == "position":
        return 1e3 * param  # millimetres
    if name == "amp":
        return np.abs(param)
    if name == "phase":
        return np.rad2deg(np.angle(param))
    return param.imag if name == "imag" else param.real


def _frequencies(table: CalTable, solutions: SpwSolutions) -> NDArray[np.float64]:
    """Return the frequencies [Hz] of the solution channels."""
    known = table.spws[solutions.spw].chan_freq_hz
    if len(known) == solutions.nchan:
        return known
    return np.full(solutions.nchan, known.mean())

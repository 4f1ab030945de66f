"""Solution intervals: which run of rows belongs to which slot."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.rows import RowRuns

_UNITS_S = {"": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "hr": 3600.0, "d": 86400.0, "ms": 1e-3}
_GRID_SHIFT_S = 0.01
_SAME_TIME_S = 1e-3
_COMBINE = ("obs", "scan", "field", "spw")


@dataclass(frozen=True)
class Solint:
    """How long a solution interval is.

    Attributes
    ----------
    seconds : float
        Infinite for ``inf``, 0 for ``int`` (every integration).
    channels : int
        Channels averaged into one solution channel, 0 for all as they are.
    width_hz : float
        The same in Hz; 0 when it is given in channels.
    """

    seconds: float
    channels: int = 0
    width_hz: float = 0.0


def parse_solint(text: str | float) -> Solint:
    """Read CASA's solint: ``inf``, ``int``, ``60s``, ``2min``, seconds; for bandpass ``inf,20ch``, ``inf,4MHz`` too.

    Raises
    ------
    ArgumentError
    """
    time_text, _, freq_text = str(text).strip().partition(",")
    return Solint(_seconds(time_text.strip(), text), *_channels(freq_text.strip(), text))


def _seconds(text: str, whole: object) -> float:
    low = text.lower()
    if low in ("inf", "infinite", "-1") or low.startswith("inf"):
        return float("inf")
    if low.startswith("int"):
        return 0.0
    match = re.fullmatch(r"([0-9.]+(?:e[+-]?\d+)?)\s*([a-z]*)", low)
    if not match or match[2] not in _UNITS_S:
        raise ArgumentError(f"solint {whole!r} is not 'inf', 'int' or a time such as '60s' or '2min'")
    return float(match[1]) * _UNITS_S[match[2]]


def _channels(text: str, whole: object) -> tuple[int, float]:
    if not text:
        return 0, 0.0
    match = re.fullmatch(r"([0-9.]+)\s*(ch|chan|channels?|hz|khz|mhz|ghz)", text.lower())
    if not match:
        raise ArgumentError(
            f"solint {whole!r}: after the comma stand channels or a width, as in 'inf,20ch', 'inf,4MHz'"
        )
    if match[2].startswith("ch"):
        return max(int(float(match[1])), 1), 0.0
    return 0, float(match[1]) * {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}[match[2]]


def parse_combine(combine: str) -> frozenset[str]:
    """Read CASA's combine: any of obs, scan, field, spw, separated by commas.

    Raises
    ------
    ArgumentError
    """
    words = frozenset(w.strip().lower() for w in combine.replace(" ", ",").split(",") if w.strip())
    if unknown := words - set(_COMBINE):
        names = ", ".join(sorted(unknown))
        raise ArgumentError(f"combine {combine!r}: unknown {names}; possible are {', '.join(_COMBINE)}")
    return words


@dataclass(eq=False)
class Slots:
    """Solution intervals and the runs that belong to them.

    Attributes
    ----------
    of_run : int64 (run,)
        Slot of every run.
    spw, field, scan, obs : int32 (slot,)
        Of the first run of the slot.
    time0 : float64 (slot,)
        First TIME of the slot [MJD s]
    """

    of_run: NDArray[np.int64]
    spw: NDArray[np.int32]
    field: NDArray[np.int32]
    scan: NDArray[np.int32]
    obs: NDArray[np.int32]
    time0: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.spw)


def make_slots(runs: RowRuns, run_spw: NDArray[np.int32], solint_s: float, combine: frozenset[str]) -> Slots:
    """Divide runs into solution intervals.

    Parameters
    ----------
    runs : RowRuns
    run_spw : int32 (run,)
        Spw of every run.
    solint_s : float
        Length of an interval [s]; 0 for every integration.
    combine : set of str
        Boundaries that do not end an interval: obs, scan, field, spw.

    Returns
    -------
    Slots
        Sorted by spw, then time.

    Notes
    -----
    Intervals lie on a grid that begins 0.01 s before the first integration of the scan (or of what is combined), as
    measured with CASA 6.7 by varying solint; data of different arrays (subarrays) never share an interval.
    """
    nrun = len(runs)
    spw_key = np.zeros(nrun, np.int32) if "spw" in combine else run_spw
    keys: list[NDArray] = [runs.array, spw_key]
    keys += [getattr(runs, name) for name in ("obs", "scan", "field") if name not in combine]
    order = np.lexsort([runs.time, *keys[::-1]])
    new_group = np.ones(nrun, bool)
    if nrun:
        new_group[1:] = np.any([k[order][1:] != k[order][:-1] for k in keys], axis=0)
    times = runs.time[order]
    origin = times[np.maximum.accumulate(np.where(new_group, np.arange(nrun), 0))] if nrun else times
    offset = times - origin
    if np.isinf(solint_s):
        number = np.zeros(nrun, np.int64)
    elif solint_s <= _SAME_TIME_S:
        number = np.cumsum(np.diff(times, prepend=times[:1]) > _SAME_TIME_S)
    else:
        number = np.floor((offset + _GRID_SHIFT_S) / solint_s).astype(np.int64)
    new_group[1:] |= number[1:] != number[:-1]
    slot_sorted = np.cumsum(new_group) - 1
    of_run = np.empty(nrun, np.int64)
    of_run[order] = slot_sorted
    first = order[np.flatnonzero(np.diff(slot_sorted, prepend=-1))]
    spw = run_spw[first].copy()
    if "spw" in combine:
        np.minimum.at(spw, of_run, run_spw)
    rank = np.lexsort((runs.time[first], spw))
    back = np.empty(len(rank), np.int64)
    back[rank] = np.arange(len(rank))
    first = first[rank]
    return Slots(back[of_run], spw[rank], runs.field[first], runs.scan[first], runs.obs[first], runs.time[first])


def split_slots(slots: Slots, runs: RowRuns, run_spw: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide slots that combine spws or fields into parts of one spw and field.

    CASA averages each part by itself, makes it phase- or amplitude-only by itself, and only then solves all together.

    Returns
    -------
    of_run : int64 (run,)
        Part of every run.
    slot : int64 (part,)
        Slot of every part, ascending.
    """
    nspw, nfield = (int(x.max(initial=0)) + 1 for x in (run_spw, runs.field))
    key = (slots.of_run * nspw + run_spw) * nfield + runs.field
    parts, of_run = np.unique(key, return_inverse=True)
    return of_run.reshape(-1), parts // (nspw * nfield)


def channel_groups(
    wanted: NDArray[np.bool_], chan_width_hz: NDArray[np.float64], solint: Solint, *, per_channel: bool
) -> tuple[NDArray[np.int32], int]:
    """Number the solution channel of every data channel.

    Parameters
    ----------
    wanted : bool (chan,)
        Selected channels.
    chan_width_hz : float64 (chan,)
    solint : Solint
    per_channel : bool
        True for a bandpass, False to average all channels into one solution.

    Returns
    -------
    group : int32 (chan,)
        -1 for channels that are not selected.
    ngroup : int
    """
    nchan = len(wanted)
    group = np.full(nchan, -1, np.int32)
    if not per_channel:
        group[wanted] = 0
        return group, 1
    size = solint.channels
    if solint.width_hz > 0:
        size = max(int(solint.width_hz / abs(float(chan_width_hz[0])) + 1e-6), 1)
    # CASA closes the gaps of a selection before it groups, so a group may reach across one
    number = (np.cumsum(wanted) - 1) // max(size, 1)
    group[wanted] = number[wanted]
    return group, int(group.max(initial=-1) + 1)

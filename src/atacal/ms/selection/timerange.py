"""Time selection: ``t0~t1``, ``>t``, ``<t``, ``t0+dt``, ``t``; ``t`` is ``YYYY/MM/DD/hh:mm:ss.s`` or a part of it."""

from __future__ import annotations

import calendar
import math
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from atacal.ms.selection.scanner import Cursor, Grammar, rule

GRAMMAR = Grammar(
    "timerange",
    (
        rule("float", r"[0-9]+\.[0-9]*|\.[0-9]+"), rule("int", "[0-9]+"),
        rule("/", "/"), rule(":", ":"), rule("*", r"\*"), rule("~", "~"), rule("+", r"\+"), rule(",", ","),
        rule("lt", "<"), rule("gt", ">"), rule("[", r"\["), rule("]", r"\]"),
    ),
    "Write a time, t0~t1, t0+duration, <t, >t or [t0~t1], joined by ','; a time is YYYY/MM/DD/hh:mm:ss.s, hh:mm:ss.s "
    "or YYYY/MM/DD (mm:ss with a single colon, hh:mm: with two); what is left out comes from the first selected row.",
)  # fmt: skip

_MJD_EPOCH = date(1858, 11, 17)
_DAY_S = 86400.0


@dataclass(frozen=True)
class _Fields:
    """A time as written; None stands for what was left out."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    hour: int | None = None
    minute: int | None = None
    second: float | None = None

    def completed(self, other: _Fields) -> _Fields:
        """Fill what was left out from another time."""
        missing = {k: getattr(other, k) for k, v in self.__dict__.items() if v is None}
        return replace(self, **missing)


@dataclass(frozen=True)
class TimeReference:
    """The row that completes partial times: its TIME [MJD s] and EXPOSURE [s]."""

    time_mjd_s: float
    exposure_s: float

    @property
    def fields(self) -> _Fields:
        day, seconds = divmod(self.time_mjd_s, _DAY_S)
        when = _MJD_EPOCH + timedelta(days=int(day))
        hour, rest = divmod(seconds, 3600.0)
        minute, second = divmod(rest, 60.0)
        # as in CASA the reference is known to a millisecond
        return _Fields(when.year, when.month, when.day, int(hour), int(minute), math.floor(second * 1e3) / 1e3)


@dataclass(frozen=True)
class TimeWindow:
    """``low <= TIME <= high`` [MJD s]; ``open_ends`` excludes the very ends."""

    low: float
    high: float
    open_ends: bool = False

    def mask(self, time: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which times [MJD s] lie in the window."""
        return (time > self.low) & (time < self.high) if self.open_ends else (time >= self.low) & (time <= self.high)


def parse_timerange(text: str, reference: TimeReference) -> list[TimeWindow]:
    """Read a time expression.

    Parameters
    ----------
    text : str
        Not empty.
    reference : TimeReference
        The first row that the other selections leave: it completes what a time leaves out, and half its exposure
        is how near a row must be to a single time.

    Returns
    -------
    list of TimeWindow
        Any of which a row's TIME must lie in.

    Raises
    ------
    SelectionError
    """
    cursor = Cursor(GRAMMAR, text)
    windows: list[TimeWindow] = []
    while True:
        windows.append(_term(cursor, reference))
        if not cursor.take(","):
            break
    cursor.end()
    return windows


def _term(cursor: Cursor, reference: TimeReference) -> TimeWindow:
    sign = cursor.take("lt", "gt")
    if sign:
        at = _mjd_s(cursor, _time(cursor).completed(reference.fields))
        return TimeWindow(-np.inf, at) if sign.kind == "lt" else TimeWindow(at, np.inf)
    edge: float | None = None
    if cursor.peek() in ("int", "float") and cursor.peek(1) == "[":
        edge = float(cursor.expect("int", "float", what="a number of seconds").text)
    bracket = cursor.take("[")
    if bracket and edge is None:
        edge = reference.exposure_s / 2
    first = _time(cursor)
    low_fields = first.completed(reference.fields)
    low = _mjd_s(cursor, low_fields)
    if cursor.take("~"):
        high = _mjd_s(cursor, _time(cursor).completed(low_fields))
    elif cursor.take("+"):
        high = low + _duration(cursor)
    elif bracket:
        cursor.fail("expected '~' and the end of the range")
    else:
        return TimeWindow(low - reference.exposure_s / 2, low + reference.exposure_s / 2)
    if bracket:
        cursor.expect("]", what="']'")
    if low > high:
        cursor.fail(f"the start {_text(low)} is after the end {_text(high)}")
    return TimeWindow(low, high) if edge is None else TimeWindow(low - edge, high + edge, open_ends=True)


def _time(cursor: Cursor) -> _Fields:
    """``Y/M/D/h:m:s``, ``Y/M/D`` or ``h:m:s``."""
    if cursor.peek() == "/" or cursor.peek(1) == "/":
        year, month = _slashed(cursor), _slashed(cursor)
        day = _number(cursor, "the day")
        dated = _Fields(year, month, _whole(day))
        if not cursor.take("/"):
            return dated
        clock = _clock(cursor)
        return replace(clock, year=dated.year, month=dated.month, day=dated.day)
    return _clock(cursor)


def _slashed(cursor: Cursor) -> int | None:
    value = 0.0 if cursor.peek() == "/" else _number(cursor, "a year or month")
    cursor.expect("/", what="'/' (dates are YYYY/MM/DD)")
    return _whole(value)


def _number(cursor: Cursor, what: str, *kinds: str) -> float | None:
    """Read a number, or ``*``, which leaves it out."""
    token = cursor.expect("int", "*", *kinds, what=what)
    return None if token.kind == "*" else float(token.text)


def _clock(cursor: Cursor) -> _Fields:
    """``h:m:s``, ``h:m:`` (two colons), ``m:s`` (one colon), ``s:`` or a bare second."""
    parts: list[float | None] = []
    colons = 0
    while colons < 2 and (cursor.peek() == ":" or cursor.peek(1) == ":"):
        value = 0.0 if cursor.peek() == ":" else _number(cursor, "hours or minutes")
        cursor.expect(":", what="':'")
        parts.append(value)
        colons += 1
    if cursor.peek() in ("int", "float", "*"):
        if not colons and cursor.peek() == "float":
            cursor.fail("seconds with a fraction need 'mm:' before them")
        last = _number(cursor, "seconds", "float")
        parts.append(last)
        if colons == 0:
            return _Fields(second=last)
        if colons == 1:
            parts.insert(0, 0.0)
    elif colons == 2:
        parts.append(0.0)
    elif colons == 1:
        parts = [0.0, 0.0, parts[0]]
    else:
        cursor.fail("expected a time")
    hour, minute, second = parts
    return _Fields(None, None, None, _whole(hour), _whole(minute), second)


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _duration(cursor: Cursor) -> float:
    """A length of time [s], written as a time of day."""
    length = _time(cursor)
    if length.year is not None or length.month is not None or length.day is not None:
        cursor.fail("a duration is written hh:mm:ss, without a date")
    return (length.hour or 0) * 3600.0 + (length.minute or 0) * 60.0 + (length.second or 0.0)


def _mjd_s(cursor: Cursor, when: _Fields) -> float:
    """Turn a complete time into MJD seconds; hours beyond 24 run into the next days, as in CASA."""
    year, month, day = when.year or 0, when.month or 0, when.day or 0
    if not 1858 <= year <= 9999 or not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year, month)[1]:
        cursor.fail(f"there is no date {year}/{month}/{day}")
    days = (date(year, month, day) - _MJD_EPOCH).days
    return days * _DAY_S + (when.hour or 0) * 3600.0 + (when.minute or 0) * 60.0 + (when.second or 0.0)


def _text(mjd_s: float) -> str:
    """Write MJD seconds as YYYY/MM/DD/hh:mm:ss.s."""
    day, seconds = divmod(round(mjd_s, 1), _DAY_S)
    try:
        when = (_MJD_EPOCH + timedelta(days=int(day))).strftime("%Y/%m/%d")
    except OverflowError:
        return f"MJD {mjd_s / _DAY_S:.6f}"
    hour, rest = divmod(seconds, 3600.0)
    minute, second = divmod(rest, 60.0)
    return f"{when}/{int(hour):02d}:{int(minute):02d}:{second:04.1f}"


time_text = _text

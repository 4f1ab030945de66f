"""Times and angles as text, in the forms that ``qa`` knows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence

import numpy as np

from atacal.errors import ToolError

_MJD_EPOCH = dt.date(1858, 11, 17)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_TIME_FORMS = (
    "time", "angle", "clean", "no_time", "ymd", "dmy", "mjd", "fits", "boost", "day", "no_h", "no_hm", "usuf", "local",
    "hms", "ymd_only", "mjd_only", "alpha",
)  # fmt: skip
_ANGLE_FORMS = ("time", "angle", "clean", "fits", "dig2", "no_d", "no_dm", "no_h", "no_hm", "tim", "ang", "+deg", "+0")


def forms(form: str | Sequence[str], known: Sequence[str] = _TIME_FORMS) -> set[str]:
    """Return the words of a form, of which ``form`` is one, a list of them, or a text with commas.

    Raises
    ------
    ToolError
        If a word is not known.
    """
    words = {w.strip().lower() for part in ([form] if isinstance(form, str) else form) for w in part.split(",")} - {""}
    if words - set(known):
        raise ToolError(f"form {sorted(words - set(known))}: the words are {', '.join(known)}")
    return words


def time_text(mjd: float, form: str | Sequence[str] = (), prec: int = 0) -> str:
    """Write a time.

    Parameters
    ----------
    mjd : float
        Days; without a date's form only the fraction matters.
    form : str or sequence of str
        ``ymd``, ``dmy``, ``mjd``, ``fits`` or ``boost`` for a date before the time, ``day`` for the day of the week,
        ``no_time`` for the date alone, ``clean`` to leave out parts that ``prec`` does not reach.
    prec : int
        Digits of the time: 6 for seconds, 9 for milliseconds, 4 for minutes; 0 for 6.
    """
    words = forms(form)
    digits = prec or 6
    decimals = max(0, digits - 6)
    unit = 10**decimals
    day = math.floor(mjd)
    ticks = round((mjd - day) * 86400 * unit)
    if ticks >= 86400 * unit:
        day, ticks = day + 1, ticks - 86400 * unit
    clock = _sexagesimal(ticks, decimals, ":", digits, clean="clean" in words)
    date = _date(day, words)
    if not date:
        return clock
    if words & {"no_time", "ymd_only", "mjd_only"}:
        return date
    separator = "T" if "fits" in words else " " if "boost" in words else "/"
    return f"{date}{separator}{clock}"


def _date(day: int, words: set[str]) -> str:
    date = _MJD_EPOCH + dt.timedelta(days=day)
    name = f"{_DAYS[date.weekday()]}-" if "day" in words else ""
    if "fits" in words:
        return f"{date.year:04d}-{date.month:02d}-{date.day:02d}"
    if words & {"ymd", "ymd_only"}:
        return f"{name}{date.year:04d}/{date.month:02d}/{date.day:02d}"
    if words & {"dmy", "boost"}:
        return f"{name}{date.day:02d}-{_MONTHS[date.month - 1]}-{date.year:04d}"
    return f"{name}{day}" if words & {"mjd", "mjd_only"} else name.rstrip("-")


def _sexagesimal(ticks: int, decimals: int, mark: str, digits: int, *, clean: bool = False, lead: int = 2) -> str:
    """Write whole ``ticks`` of 10**-decimals seconds as hours (or degrees), minutes, seconds."""
    seconds, part = divmod(ticks, 10**decimals)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    text = f"{hours:0{lead}d}"
    if not clean or digits > 2:
        text += f"{mark}{minute:02d}"
    if not clean or digits > 4:
        text += f"{mark}{second:02d}"
    return text + (f".{part:0{decimals}d}" if decimals else "")


def angle_text(rad: float, form: str | Sequence[str] = (), prec: int = 0) -> str:
    """Write an angle.

    Parameters
    ----------
    rad : float
        The angle [rad].
    form : str or sequence of str
        ``time`` for hours, minutes, seconds from 0 to 24 h; ``dig2`` for a declination with two digits of degrees;
        ``clean`` to leave out parts that ``prec`` does not reach.
    prec : int
        Digits: 6 for whole seconds, 9 for three digits after the point; 0 for 6.
    """
    words = forms(form, _ANGLE_FORMS)
    digits = prec or 6
    decimals = max(0, digits - 6)
    turns = rad / (2 * math.pi)
    if words & {"time", "tim"}:
        ticks = round(turns % 1.0 * 86400 * 10**decimals) % (86400 * 10**decimals)
        return _sexagesimal(ticks, decimals, ":", digits, clean="clean" in words)
    folded = (turns + 0.5) % 1.0 - 0.5 if "dig2" in words else turns  # from -180 to 180 deg
    ticks = round(abs(folded) * 1296000 * 10**decimals)
    lead = 2 if "dig2" in words else 3
    sign = "-" if folded < 0 else "+"
    return sign + _sexagesimal(ticks, decimals, ".", digits, clean="clean" in words, lead=lead)


def form_angle(rad: float, kind: str, prec: int) -> str:
    """Write an angle as ``qa.formxxx`` does: ``dms``, ``hms``, ``deg``, ``rad``, ``+deg`` (from 0 to 360 degrees).

    Raises
    ------
    ToolError
        If there is no such kind.
    """
    if kind == "hms":
        return angle_text(rad, "time", 6 + prec)
    if kind == "dms":
        return angle_text(rad, "", 7 + prec)
    values = {"deg": math.degrees(rad), "rad": rad, "+deg": math.degrees(rad) % 360.0}
    if kind not in values:
        raise ToolError(f"qa.formxxx: format={kind!r}: it is dms, hms, deg, rad or +deg")
    return repr(float(np.round(values[kind], prec)))

"""Days as people, CASA and catalogues write them."""

from __future__ import annotations

import datetime
import re

from atacal.errors import ArgumentError

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_CLOCK = r"(?:[T\s/]\s*\d{1,2}(?::?\d{2}(?::?\d{2}(?:\.\d*)?)?)?\s*(?:Z|UTC?|[+-]00:?00)?)?"
_ORDERED = re.compile(rf"(\d{{4}})([-/.\s]?)(\d{{1,2}})\2(\d{{1,2}}){_CLOCK}", re.IGNORECASE)
_NAMED = re.compile(rf"(\d{{1,2}})[-/\s]([a-z]{{3,9}})[-/\s](\d{{4}}){_CLOCK}", re.IGNORECASE)
_MJD_0 = datetime.date(1858, 11, 17)


def parse_day(text: str, name: str = "date") -> datetime.date:
    """Read a day: ``2015-06-29``, ``2015/06/29``, ``20150629``, ``29-Jun-2015``; a time of day after it is ignored.

    Raises
    ------
    ArgumentError
    """
    written = text.strip()
    year = month = day = 0
    if found := _ORDERED.fullmatch(written):
        compact = found[2] == ""
        if not compact or re.match(r"\d{8}(?!\d)", written):
            year, month, day = int(found[1]), int(found[3]), int(found[4])
    elif (found := _NAMED.fullmatch(written)) and found[2][:3].lower() in _MONTHS:
        year, month, day = int(found[3]), _MONTHS.index(found[2][:3].lower()) + 1, int(found[1])
    try:
        return datetime.date(year, month, day)
    except ValueError:
        raise ArgumentError(f"{name}={text!r} is no date; write it as 2015-06-29 (year, month, day)") from None


def day_of_mjd(mjd: float) -> datetime.date:
    """Return the day of a modified Julian date."""
    return _MJD_0 + datetime.timedelta(days=int(mjd // 1))


def today() -> datetime.date:
    """Return the day it is, UTC."""
    return datetime.datetime.now(datetime.UTC).date()

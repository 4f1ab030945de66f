"""casacore's measures, without its remark that its leap seconds are old where they are not."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import time
from functools import cache
from typing import Any

_log = logging.getLogger("atacal")
_UNIX_MJD_S = 40587 * 86400.0
_REMARK = "MeasTable::dUTC"


@cache
def _check_leap_seconds() -> None:
    """Have casacore read its leap seconds; say so if erfa, which astropy keeps, knows others.

    When its table is older than half a year casacore writes three lines marked SEVERE to the terminal, in every
    process, whether there were new leap seconds or not. There is no way to ask it not to.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            tai_utc = _tai_utc_s()
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)
        said.seek(0)
        lines = said.read().decode(errors="replace").splitlines(keepends=True)
    sys.stderr.writelines(line for line in lines if _REMARK not in line)
    import erfa

    known = float(erfa.leap_seconds.get()["tai_utc"][-1])
    if known != tai_utc:
        _log.warning(
            "casacore's leap seconds are old: TAI - UTC is %g s, not %g s; UVW of recent data are wrong by the turn of "
            "the Earth in between; a newer python-casacore has newer tables",
            known, tai_utc,
        )  # fmt: skip


def _tai_utc_s() -> float:
    from casacore.measures import measures

    tool = measures()
    utc = tool.epoch("utc", {"value": time.time() + _UNIX_MJD_S, "unit": "s"})
    return round((tool.measure(utc, "tai")["m0"]["value"] - utc["m0"]["value"]) * 86400.0, 3)


def measures() -> Any:
    """Return a new measures tool of casacore."""
    from casacore.measures import measures as tool

    _check_leap_seconds()
    return tool()

"""Times as flag commands spell them."""

from __future__ import annotations

from datetime import UTC, datetime

_MJD_UNIX = 40587


def timestamp(mjd_s: float) -> str:
    """Spell a time as flag commands do: ``2019/06/15/05:45:36.000``."""
    moment = datetime.fromtimestamp(round(mjd_s - _MJD_UNIX * 86400.0, 3), UTC)
    return moment.strftime("%Y/%m/%d/%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def seconds(text: str) -> float:
    """Read a time that `timestamp` wrote [MJD s]."""
    moment = datetime.strptime(text, "%Y/%m/%d/%H:%M:%S.%f").replace(tzinfo=UTC)
    return moment.timestamp() + _MJD_UNIX * 86400.0

"""Time intervals of rows that describe the same thing: the earlier one ends when the later begins."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from atacal.asdm.values import start_and_duration
from atacal.asdm.xml_table import Row

KEYS = {
    "CalDevice": ("antennaId", "spectralWindowId", "feedId"),
    "Ephemeris": ("ephemerisId",),
    "Feed": ("antennaId", "spectralWindowId", "feedId"),
    "FlagCmd": (),
    "Focus": ("antennaId",),
    "FreqOffset": ("antennaId", "spectralWindowId", "feedId"),
    "GainTracking": ("antennaId", "spectralWindowId", "feedId"),
    "Pointing": ("antennaId",),
    "Receiver": ("receiverId", "spectralWindowId"),
    "Source": ("sourceId", "spectralWindowId"),
    "SysCal": ("antennaId", "spectralWindowId", "feedId"),
    "SysPower": ("antennaId", "spectralWindowId", "feedId"),
    "Weather": ("stationId",),
}
"""XML tables whose rows are told apart by a time interval and these columns."""


def without_overlaps(rows: Iterable[Row], key: tuple[str, ...]) -> Iterator[Row]:
    """Yield rows with time intervals (start, duration) [ns] that do not overlap within a key.

    A row that equals an earlier one of the same key and start is left out. All rows are read first.
    """
    kept: list[Row] = []
    groups: dict[tuple[str, ...], tuple[list[int], list[Row]]] = {}
    for row in rows:
        if "timeInterval" not in row:
            kept.append(row)
            continue
        row["timeInterval"] = start_and_duration(row["timeInterval"])
        starts, members = groups.setdefault(tuple(str(row.get(k)) for k in key), ([], []))
        if _insert(row, starts, members):
            kept.append(row)
    yield from kept


def _insert(row: Row, starts: list[int], members: list[Row]) -> bool:
    """Put a row among those of its key; return whether it is a new one."""
    start, duration = row["timeInterval"]
    place = bisect_left(starts, start)
    if place < len(starts) and starts[place] == start:
        if all(members[place].get(k) == v for k, v in row.items() if k != "timeInterval"):
            return False
    else:
        if place > 0:
            before, length = members[place - 1]["timeInterval"]
            members[place - 1]["timeInterval"] = (before, min(length, start - before))
        if place < len(starts):
            row["timeInterval"] = (start, min(duration, starts[place] - start))
    starts.insert(place, start)
    members.insert(place, row)
    return True

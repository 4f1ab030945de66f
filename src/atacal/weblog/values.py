"""Plain values of a result put into words and tables; every number keeps its full value beside what is shown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

MOST_ROWS = 400
"""Rows of a table on a page; the rest is in the files beside it."""
_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
_DEEPEST = 5
_SCALED = {"hz": (1e-9, "GHz"), "kms": (1.0, "km/s"), "jy": (1.0, "Jy"), "mjy": (1.0, "mJy"), "m": (1.0, "m"),
           "mm": (1.0, "mm"), "um": (1.0, "um"), "s": (1.0, "s"), "k": (1.0, "K"), "deg": (1.0, "deg"),
           "arcsec": (1.0, "arcsec"), "bytes": (1e-6, "MB"), "pc": (1.0, "%"), "hpa": (1.0, "hPa"),
           "rad": (1.0, "rad"), "mhz": (1.0, "MHz"), "ghz": (1.0, "GHz"), "ms": (1.0, "m/s")}  # fmt: skip
_FIRST = ("", "of", "stage", "task", "cause", "rule", "scan", "antenna", "spw", "name", "field", "from", "to", "intent",
          "intents", "start_mjd_s", "end_mjd_s", "middle_mjd_s", "value", "limit")  # fmt: skip
"""Columns that come first."""
_WORDS = {"spw": "spw", "spws": "spws", "ra": "RA", "dec": "Dec", "snr": "S/N", "pwv": "PWV", "uv": "uv",
          "npol": "polarisations", "nchan": "channels", "id": "id"}  # fmt: skip


@dataclass(frozen=True)
class Value:
    """What is shown, and the number behind it.

    Attributes
    ----------
    text : str
    number : str
        The number as JSON writes it; empty if it is none.
    """

    text: str
    number: str = ""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    title : str
    columns : list of str
    rows : list of list of list of Value
        A cell is one value, or several.
    left : int
        Rows that are not shown.
    """

    title: str
    columns: list[str]
    rows: list[list[list[Value]]]
    left: int = 0


@dataclass(frozen=True)
class Shown:
    """Something in a form for pages: facts (name and value), tables, and parts with titles of their own."""

    title: str
    facts: list[tuple[str, list[Value]]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    parts: list[Shown] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        return not (self.facts or self.tables or self.parts)


def show(title: str, value: Mapping[str, Any], depth: int = 0) -> Shown:
    """Put a dictionary of plain values into facts and tables."""
    out = Shown(title)
    for key, item in value.items():
        name = str(key)
        if not isinstance(item, (Mapping, list)) or depth >= _DEEPEST or not item:
            out.facts.append((label(name), cell(item, name)))
        elif isinstance(item, list):
            if all(isinstance(row, Mapping) for row in item):
                out.tables.append(records(label(name), item))
            else:
                out.facts.append((label(name), cell(item, name)))
        elif _two_levels(item):
            rows = [{"": k, "of": j, **row} for k, of in item.items() for j, row in of.items()]
            out.tables.append(records(label(name), rows))
        elif all(isinstance(row, Mapping) for row in item.values()) and _alike(list(item.values())):
            out.tables.append(records(label(name), [{"": k, **row} for k, row in item.items()]))
        elif not any(isinstance(row, (Mapping, list)) for row in item.values()) and len(item) > 3:
            _add_pairs(out, name, item)
        elif not any(isinstance(row, Mapping) for row in item.values()) and len(item) <= 3:
            out.facts.append((label(name), cell(item, name)))
        else:
            out.parts.append(show(label(name), item, depth + 1))
    return out


def _add_pairs(out: Shown, name: str, item: Mapping[str, Any]) -> None:
    rows = [[cell(_key(str(k))), cell(v, str(k) if _united(str(k)) else name)] for k, v in item.items()]
    out.tables.append(Table(label(name), ["", "value"], rows[:MOST_ROWS], max(0, len(rows) - MOST_ROWS)))


def _two_levels(item: Mapping[str, Any]) -> bool:
    """Whether a dictionary holds dictionaries of like dictionaries: flux densities by field and spw."""
    inner = [row for of in item.values() if isinstance(of, Mapping) for row in of.values()]
    return (
        all(isinstance(of, Mapping) for of in item.values())
        and len(inner) > 0
        and all(isinstance(row, Mapping) and row for row in inner)
        and _alike(inner)
    )


def _alike(rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether dictionaries have few names, and no deep values: a table can hold them."""
    names = {k for row in rows for k in row}
    if len(names) > 16:
        return False
    return not any(_deep(v) for row in rows for v in row.values())


def _deep(value: Any) -> bool:
    if isinstance(value, Mapping):
        return len(value) > 12 or any(isinstance(v, (Mapping, list)) for v in value.values())
    return isinstance(value, list) and any(isinstance(v, (Mapping, list)) for v in value) and len(value) > 12


def records(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Put like dictionaries into a table; a column a name, what a row is about first."""
    names = list(dict.fromkeys(str(k) for row in rows for k in row))
    names.sort(key=lambda n: _FIRST.index(n) if n in _FIRST else len(_FIRST))
    shown = [[cell(row[n], n) if n in row else [] for n in names] for row in rows[:MOST_ROWS]]
    return Table(title, [label(n) for n in names], shown, max(0, len(rows) - MOST_ROWS))


def label(name: str) -> str:
    """Turn a name of the code into words with a unit.

    Examples
    --------
    >>> label("on_target_s"), label("centre_hz"), label("start_mjd_s"), label("good_share")
    ('on target [s]', 'centre [GHz]', 'start [UTC]', 'good share')
    """
    if name.endswith("mjd_s"):
        words, unit = name[: -len("mjd_s")].split("_"), "UTC"
    else:
        words = name.split("_")
        unit = ""
        if len(words) > 1 and words[-1] in _SCALED and name not in ("ra_rad", "dec_rad"):
            unit = _SCALED[words[-1]][1]
            words = words[:-1]
        elif name in ("ra_rad", "dec_rad"):
            words = words[:1]
    text = " ".join(_WORDS.get(w, w) for w in words if w) or name
    return f"{text} [{unit}]" if unit else text


def cell(value: Any, name: str = "") -> list[Value]:
    """Show a value in a cell; ``name`` tells its unit."""
    if isinstance(value, Mapping) and value:
        out: list[Value] = []
        for i, (key, item) in enumerate(value.items()):
            out += [
                Value(f"{'; ' if i else ''}{_key(str(key))} "),
                *cell(item, str(key) if _united(str(key)) else name),
            ]
        return out
    if isinstance(value, (list, tuple, Mapping)) and not value:
        return [Value("–")]
    if isinstance(value, (list, tuple)):
        out = []
        for i, item in enumerate(value):
            out += [*([Value("; " if isinstance(item, Mapping) else ", ")] if i else []), *cell(item, name)]
        return out
    return [one(value, name)]


def _key(name: str) -> str:
    """Put a name that tells a unit into words; others may be names of sources, and stay as they are."""
    return label(name) if name.islower() and _united(name) else name


def _united(name: str) -> bool:
    return name.endswith("mjd_s") or name.rsplit("_", 1)[-1] in _SCALED


def one(value: Any, name: str = "") -> Value:
    """Show a single value."""
    if value is None:
        return Value("–")
    if isinstance(value, bool):
        return Value("yes" if value else "no")
    if not isinstance(value, (int, float)):
        return Value(str(value) if value != "" else "–")
    exact = str(value) if isinstance(value, int) else repr(value)
    if name.endswith("mjd_s"):
        return Value(utc(value), exact)
    if name == "ra_rad":
        return Value(sexagesimal(math.degrees(value) % 360 / 15, 3), exact)
    if name == "dec_rad":
        return Value(sexagesimal(math.degrees(value), 2, sign=True), exact)
    last = name.rsplit("_", 1)[-1]
    if last in _SCALED and "_" in name and _SCALED[last][0] != 1.0:
        return Value(number(value * _SCALED[last][0], 7 if last == "hz" else 4), exact)
    return Value(number(value), exact)


def number(value: float, digits: int = 5) -> str:
    """Write a number with some significant digits.

    Examples
    --------
    >>> number(0.0123456789), number(12345678), number(230123456789.5), number(-0.5), number(float("nan"))
    ('0.012346', '12345678', '230123456790', '-0.5', '–')
    """
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    size = math.floor(math.log10(abs(value)))
    if size < -4 or size > 12:
        return f"{value:.{digits - 1}e}"
    text = f"{value:.{max(digits - 1 - size, 0)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def utc(mjd_s: float, *, day: bool = True) -> str:
    """Write MJD seconds as UTC."""
    try:
        time = _MJD_EPOCH + timedelta(seconds=round(float(mjd_s), 1))
    except (OverflowError, ValueError):
        return number(mjd_s)
    return time.strftime("%Y-%m-%d %H:%M:%S" if day else "%H:%M:%S") + f".{time.microsecond // 100000}"


def duration(seconds: float | None) -> str:
    """Write seconds as people say them.

    Examples
    --------
    >>> duration(3.21), duration(75), duration(8100), duration(None)
    ('3.2 s', '1 min 15 s', '2 h 15 min', '–')
    """
    if seconds is None:
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def sexagesimal(value: float, digits: int, *, sign: bool = False) -> str:
    """Write hours or degrees with colons.

    Examples
    --------
    >>> sexagesimal(-0.5, 1, sign=True)
    '-00:30:00.0'
    """
    scale = 10**digits
    ticks = round(abs(value) * 3600 * scale)
    minutes, seconds = divmod(ticks, 60 * scale)
    hours, minutes = divmod(minutes, 60)
    width = digits + 3
    return (
        f"{('-' if value < 0 else '+') if sign else ''}{hours:02d}:{minutes:02d}:{seconds / scale:0{width}.{digits}f}"
    )


def percent(share: float | None) -> str:
    """Write a share in percent."""
    if share is None:
        return "–"
    value = 100 * share
    return f"{value:.1f}" if value == 0 or value >= 0.05 else "<0.1"

"""Flag commands: what flagdata is asked to do, from keyword arguments or from the lines of a list.

A line reads ``mode='manual' antenna='DA41' spw='0:0~7' reason='birdie'``: CASA's parameter names, blanks between
them, quotes around text. ``#`` begins a comment.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from atacal.errors import ArgumentError
from atacal.ms.selection import Selection

MODES = ("manual", "clip", "quack", "shadow", "elevation", "unflag", "summary")
SELECTION_KEYS = (
    "field", "spw", "antenna", "uvrange", "timerange", "scan", "intent", "array", "observation", "feed",
)  # fmt: skip
MODE_KEYS: dict[str, dict[str, Any]] = {
    "manual": {"autocorr": False},
    "unflag": {},
    "clip": {
        "clipminmax": [], "datacolumn": "DATA", "clipoutside": True, "channelavg": False, "chanbin": 1,
        "timeavg": False, "timebin": "0s", "clipzeros": False,
    },
    "quack": {"quackinterval": 1.0, "quackmode": "beg", "quackincrement": False},
    "shadow": {"tolerance": 0.0, "addantenna": ""},
    "elevation": {"lowerlimit": 0.0, "upperlimit": 90.0},
    "summary": {"spwchan": False, "spwcorr": False, "basecnt": False, "fieldcnt": False, "name": "Summary"},
}  # fmt: skip
"""Every mode's own parameters and CASA's defaults."""

_OTHER_MODES = ("tfcrop", "rflag", "antint", "extend")
_ALL_KEYS = {key for keys in MODE_KEYS.values() for key in keys}
_WORD = re.compile(r"\s*(\w+)\s*=\s*")


@dataclass(frozen=True)
class Command:
    """One thing to do to the flags.

    Attributes
    ----------
    mode : str
        One of `MODES`.
    selection : Selection
        The rows and channels it looks at; ``correlation`` is kept apart, as it may name a function (``ABS_ALL``).
    correlation : str
    parameters : dict
        The mode's own parameters, complete (see `MODE_KEYS`).
    reason : str
    """

    mode: str = "manual"
    selection: Selection = field(default_factory=Selection)
    correlation: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    def __str__(self) -> str:
        words = {"mode": self.mode}
        words |= {key: getattr(self.selection, key) for key in SELECTION_KEYS if getattr(self.selection, key)}
        if self.correlation:
            words["correlation"] = self.correlation
        defaults = MODE_KEYS[self.mode]
        words |= {key: value for key, value in self.parameters.items() if value != defaults[key]}
        if self.reason:
            words["reason"] = self.reason
        return " ".join(f"{key}={value!r}" for key, value in words.items())


def make_command(values: Mapping[str, Any], *, where: str = "flagdata", strict: bool = False) -> Command:
    """Build a command from CASA's parameters.

    Parameters
    ----------
    values : mapping
        Parameter names and values.
    where : str
        What an error message begins with: the task, or the line of a list.
    strict : bool
        Refuse names that no flag command has (a list's lines); otherwise they are passed over.

    Raises
    ------
    ArgumentError
        For a mode that does not exist, a parameter that no mode has, a value that cannot be.
    """
    mode = str(values.get("mode") or "manual")
    mode = "manual" if mode == "manualflag" else mode
    if mode not in MODES:
        extra = " (not built into atacal)" if mode in _OTHER_MODES else ""
        raise ArgumentError(f"{where}: mode={mode!r}{extra}; the modes are {', '.join(MODES)} and list")
    known = {"mode", "reason", "correlation", *SELECTION_KEYS}
    if strict and (unknown := [key for key in values if key not in known | _ALL_KEYS]):
        raise ArgumentError(f"{where}: no flag command has a parameter {unknown[0]!r}")
    parameters = {key: values.get(key, default) for key, default in MODE_KEYS[mode].items()}
    selection = Selection(**{key: values[key] for key in SELECTION_KEYS if key in values})
    command = Command(mode, selection, str(values.get("correlation", "")).upper(), parameters,
                      str(values.get("reason", "")))  # fmt: skip
    _check(command, where)
    return command


def _check(command: Command, where: str) -> None:
    p = command.parameters
    if command.mode == "quack":
        if p["quackmode"] not in ("beg", "endb", "end", "tail"):
            raise ArgumentError(f"{where}: quackmode={p['quackmode']!r}; it can be beg, endb, end or tail")
        if float(p["quackinterval"]) <= 0:
            raise ArgumentError(f"{where}: quackinterval={p['quackinterval']!r} must be greater than zero seconds")
    if command.mode == "clip":
        limits = p["clipminmax"]
        if not isinstance(limits, (list, tuple)) or len(limits) not in (0, 2):
            raise ArgumentError(f"{where}: clipminmax={limits!r} must be [minimum, maximum] or []")
        for key, default in (("channelavg", False), ("timeavg", False)):
            if p[key] != default:
                raise ArgumentError(f"{where}: {key}={p[key]!r}: clipping of averaged data is not built into atacal")


def parse_line(line: str, where: str = "flag command") -> dict[str, Any]:
    """Read one line of a list into parameter names and values.

    Parameters
    ----------
    line : str
        ``key=value`` words; values are Python literals, or bare text without blanks.
    where : str
        What an error message begins with.

    Returns
    -------
    dict

    Raises
    ------
    ArgumentError
    """
    values: dict[str, Any] = {}
    at = 0
    while line[at:].strip():
        match = _WORD.match(line, at)
        if not match:
            raise ArgumentError(f"{where}: expected parameter=value at {line[at:].strip()!r}")
        text, at = _value(line, match.end(), where)
        values[match.group(1)] = _typed(text)
    return values


def _value(line: str, start: int, where: str) -> tuple[str, int]:
    """Return the value that starts here, and where it ends."""
    opening = line[start : start + 1]
    closing = {"'": "'", '"': '"', "[": "]", "{": "}"}.get(opening)
    if closing is None:
        end = re.compile(r"\S*").match(line, start).end()  # type: ignore[union-attr]
        return line[start:end], end
    if closing == opening:
        end = line.find(closing, start + 1)
    else:
        depth, end = 0, -1
        for i in range(start, len(line)):
            depth += (line[i] == opening) - (line[i] == closing)
            if depth == 0:
                end = i
                break
    if end < 0:
        raise ArgumentError(f"{where}: {line[start:]!r} has no closing {closing}")
    return line[start : end + 1], end + 1


def _typed(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text.strip("'\"")
    return value.strip() if isinstance(value, str) else value


def read_commands(
    inpfile: str | os.PathLike[str] | Sequence[str | Mapping[str, Any]],
    reason: str | Sequence[str] = "any",
    tbuff: float | Sequence[float] = 0.0,
) -> list[Command]:
    """Read a list of commands.

    Parameters
    ----------
    inpfile : str or list
        A file, a list of files, or the commands themselves (a list of strings).
    reason : str or list of str
        Take only commands of these reasons; ``any`` takes all.
    tbuff : float or pair of float
        Seconds by which every ``t0~t1`` time range is widened at its begin and its end.

    Raises
    ------
    ArgumentError
    """
    lines = list(_lines(inpfile))
    reasons = None if reason == "any" else {reason} if isinstance(reason, str) else set(reason)
    commands = []
    for where, line in lines:
        values = dict(line) if isinstance(line, Mapping) else parse_line(line, where)
        if reasons is not None and values.get("reason", "") not in reasons:
            continue
        if tbuff not in (0, 0.0, None, []) and "~" in str(values.get("timerange", "")):
            values["timerange"] = _widened(str(values["timerange"]), tbuff, where)
        commands.append(make_command(values, where=where, strict=True))
    if not commands:
        wanted = "" if reasons is None else f" with reason {', '.join(sorted(reasons))}"
        raise ArgumentError(f"flagdata: no flag command{wanted} among the {len(lines)} lines of {inpfile!r}")
    if len(commands) > 1 and any(c.parameters.get("quackincrement") for c in commands):
        raise ArgumentError("flagdata: quackincrement=True looks at the flags so far: it must run alone, not in a list")
    return commands


def _lines(inpfile: Any) -> Iterable[tuple[str, Any]]:
    if not isinstance(inpfile, (list, tuple)):
        if not inpfile or not os.path.isfile(inpfile):
            raise ArgumentError(f"flagdata: inpfile={inpfile!r} is neither a file nor a list of commands")
        inpfile = [os.fspath(inpfile)]
    for i, item in enumerate(inpfile):
        if isinstance(item, str) and os.path.isfile(item):
            with open(item) as file:
                text = file.read().splitlines()
            for n, line in enumerate(text, 1):
                if line.strip() and not line.lstrip().startswith("#"):
                    yield f"{item} line {n}", line
        elif isinstance(item, Mapping) or (item.strip() and not item.lstrip().startswith("#")):
            yield f"flag command {i}", item


def _widened(text: str, tbuff: float | Sequence[float], where: str) -> str:
    """Widen ``t0~t1``; a time without a date stays without."""
    from atacal.ms.selection import TimeReference, parse_timerange

    pair = tuple(tbuff) if isinstance(tbuff, (list, tuple)) else (tbuff,)
    if len(pair) not in (1, 2):
        raise ArgumentError(f"{where}: tbuff={tbuff!r} must be one or two numbers of seconds")
    # times without a date belong to day 1, so that widening across midnight stays positive
    ends = text.split("~")
    if len(ends) != 2:
        raise ArgumentError(f"{where}: tbuff widens a range t0~t1, not timerange={text!r}")
    (window,) = parse_timerange(text, TimeReference(86400.0, 0.0))
    low, high = window.low - float(pair[0]), window.high + float(pair[-1])
    return "~".join(_clock(at, dated="/" in end) for at, end in zip((low, high), ends, strict=True))


def _clock(time_mjd_s: float, *, dated: bool) -> str:
    micro = datetime(1858, 11, 17) + timedelta(microseconds=round(time_mjd_s * 1e6))
    return micro.strftime("%Y/%m/%d/%H:%M:%S.%f" if dated else "%H:%M:%S.%f")

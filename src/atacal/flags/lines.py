"""Lines of flag commands, read and written: ``mode='manual' antenna='DA41' spw='0:0~7' reason='birdie'``.

CASA's parameter names, blanks between the words, quotes around text. ``#`` at the begin of a line, or after a blank
and outside quotes, begins a comment. A value without quotes ends where the next ``name=`` begins.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from atacal.errors import ArgumentError

_WORD = re.compile(r"\s*(\w+)\s*=\s*")
_BARE = re.compile(r"(?:(?!\s+\w+\s*=|\s+#).)*", re.S)
_END = re.compile(r"\s*(#|$)")
_CLOSING = {"'": "'", '"': '"', "[": "]", "{": "}"}


def parse_line(line: str, where: str = "flag command") -> dict[str, Any]:
    """Read one line of a list into parameter names and values.

    Parameters
    ----------
    line : str
        ``key=value`` words; values are numbers, true or false, lists, dictionaries, or text.
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
    while not _END.match(line, at):
        match = _WORD.match(line, at)
        if not match:
            raise ArgumentError(f"{where}: expected parameter=value at {line[at:].strip()!r}")
        name, start = match.group(1), match.end()
        end = _value_end(line, start, where)
        values[name] = _typed(line[start:end].strip(), f"{where}: {name}")
        at = end
    return values


def _value_end(line: str, start: int, where: str) -> int:
    """Return where the value that starts here ends."""
    opening = line[start : start + 1]
    closing = _CLOSING.get(opening)
    if closing is None:
        match = _BARE.match(line, start)
        return match.end() if match else len(line)
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
    return end + 1


def _typed(text: str, where: str) -> Any:
    """Give a value its type as CASA does: bool, list, dict, int, float, else text without its quotes."""
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text[:1] in ("[", "{"):
        try:
            return ast.literal_eval(text)
        except (ValueError, SyntaxError) as error:
            raise ArgumentError(f"{where}={text} cannot be read: {error}") from error
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        text = text[1:-1]
    return text.strip()


def line_text(words: Mapping[str, Any], *, quoted: bool = True) -> str:
    """Write a command as CASA does; without quotes it reads as in flagcmd's records, with a blank at its end."""

    def value(v: Any) -> str:
        if not isinstance(v, str) or not quoted:
            return str(v)
        text = v.strip("'")
        return f'"{text}"' if "'" in text and '"' not in text else f"'{text}'"

    text = " ".join(f"{key}={value(v)}" for key, v in words.items())
    return text if quoted or not text else text + " "


def widened(text: str, tbuff: float | Sequence[float], where: str) -> str:
    """Widen every ``t0~t1`` of a time range by ``tbuff`` [s]; a time without a date stays without.

    Raises
    ------
    ArgumentError, SelectionError
    """
    before, after = buffer_pair(tbuff, where)
    return ",".join(_widened(part, before, after) if "~" in part else part for part in text.split(","))


def _widened(text: str, before: float, after: float) -> str:
    from atacal.ms.selection import TimeReference, parse_timerange

    # times without a date belong to day 1, so that widening across midnight stays positive
    ends = text.split("~")
    (window,) = parse_timerange(text, TimeReference(86400.0, 0.0))
    pair = (window.low - before, window.high + after)
    return "~".join(clock_text(at, dated="/" in end) for at, end in zip(pair, ends, strict=True))


def buffer_pair(tbuff: float | Sequence[float], where: str) -> tuple[float, float]:
    """Return the seconds to add before and after; ``tbuff`` is a number, or one or two in a list.

    Raises
    ------
    ArgumentError
    """
    pair = tuple(tbuff) if isinstance(tbuff, (list, tuple)) else (tbuff,)
    try:
        numbers = [float(x) for x in pair]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) not in (1, 2):
        raise ArgumentError(f"{where}: tbuff={tbuff!r} must be one or two numbers of seconds")
    return numbers[0], numbers[-1]


def clock_text(time_mjd_s: float, *, dated: bool = True) -> str:
    """Write MJD seconds as ``YYYY/MM/DD/hh:mm:ss.sss``, or the time of day alone."""
    milli = datetime(1858, 11, 17) + timedelta(milliseconds=round(time_mjd_s * 1e3))
    return milli.strftime("%Y/%m/%d/%H:%M:%S.%f" if dated else "%H:%M:%S.%f")[:-3]

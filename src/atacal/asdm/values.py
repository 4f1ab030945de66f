"""Values of ASDM tables: text of XML (or what a binary table already holds as numbers) turned into numbers."""

from __future__ import annotations

import re
from math import prod
from typing import Any

import numpy as np
import orjson
from numpy.typing import DTypeLike, NDArray

from atacal.errors import AsdmError

LAST_NS = (1 << 63) - 1
"""Where open intervals end [ns]."""
_NOT_NUMBERS = '"[{lu,'
"""Letters of what JSON knows besides numbers: strings, arrays, objects, true, false, null; and what parts them."""
_QUOTED = re.compile(r'"([^"]*)"|(\S+)')
_ENTITY_ID = re.compile(r'entityId="([^"]*)"')


def integer(value: Any) -> int:
    """Return an integer; raise `AsdmError` if the text is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        raise AsdmError(f"{value!r} is not an integer") from None


def real(value: Any) -> float:
    """Return a float; raise `AsdmError` if the text is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise AsdmError(f"{value!r} is not a number") from None


def boolean(value: Any) -> bool:
    """Return a truth value: ``true``, ``false``, 1, 0."""
    if isinstance(value, str):
        text = value.strip()
        if text not in ("true", "false", "1", "0"):
            raise AsdmError(f"{value!r} is neither true nor false")
        return text in ("true", "1")
    return bool(value)


def tag(value: Any) -> int:
    """Return the number of an identifier: 3 of ``Antenna_3``."""
    number = str(value).strip().rpartition("_")[2]
    if not (number.isascii() and number.isdigit()):
        raise AsdmError(f"{value!r} is not an identifier such as Antenna_3")
    return int(number)


def _head(text: str) -> tuple[tuple[int, ...], str]:
    """Read the number of axes and their lengths; return them and the rest."""
    try:
        ndim, _, rest = text.strip().partition(" ")
        shape = []
        for _axis in range(int(ndim)):
            length, _, rest = rest.lstrip().partition(" ")
            shape.append(int(length))
    except ValueError:
        raise AsdmError(f"{text[:60]!r} is not an array: number of axes, lengths, values are needed") from None
    return tuple(shape), rest


def _floats(text: str) -> NDArray[np.float64]:
    """Return the numbers of a text; they are most of what there is to read in SysCal, hence the fast way first.

    Raises
    ------
    ValueError
    """
    if not any(c in text for c in _NOT_NUMBERS):
        try:
            return np.array(orjson.loads(f"[{text.strip().replace(' ', ',')}]"), np.float64)
        except orjson.JSONDecodeError:
            pass  # numbers that are none in JSON (nan, 1., +1), or set apart by more than a space
    return np.array(text.split(), np.float64)


def array(value: Any, dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Return an array of numbers; the last index runs fastest, as in the text."""
    if not isinstance(value, str):
        return np.asarray(value, dtype)
    shape, rest = _head(value)
    kind = np.dtype(dtype)
    try:
        if kind.kind in "iu":
            flat: NDArray[Any] = np.array(rest.split(), dtype=kind) if rest else np.zeros(0, kind)
        elif kind.kind == "b":
            flat = np.array([boolean(word) for word in rest.split()], bool)
        else:
            flat = _floats(rest).astype(kind, copy=False)
    except (ValueError, OverflowError):
        raise AsdmError(f"{value[:60]!r} holds something that is not a number") from None
    count = prod(shape)
    if len(flat) < count:
        raise AsdmError(f"{value[:60]!r} announces the shape {shape} but has {len(flat)} values")
    return flat[:count].reshape(shape)


def complexes(value: Any) -> NDArray[np.complex64]:
    """Return an array of complex numbers, written as pairs."""
    if not isinstance(value, str):
        return np.asarray(value, np.complex64)
    shape, rest = _head(value)
    flat = np.array(rest.replace(",", " ").split(), np.float64)
    count = prod(shape)
    if len(flat) < 2 * count:
        raise AsdmError(f"{value[:60]!r} announces {count} complex numbers but has {len(flat)} values")
    pairs = flat[: 2 * count].reshape(count, 2)
    return (pairs[:, 0] + 1j * pairs[:, 1]).astype(np.complex64).reshape(shape)


def strings(value: Any) -> tuple[tuple[int, ...], list[str]]:
    """Return the shape and the words of an array of strings, quoted or not."""
    if not isinstance(value, str):
        words = np.asarray(value, dtype=object)
        return words.shape, [str(w) for w in words.ravel()]
    shape, rest = _head(value)
    count = prod(shape)
    found = [bare or quoted for quoted, bare in _QUOTED.findall(rest)] if '"' in rest else rest.split()
    if len(found) < count:
        raise AsdmError(f"{value[:60]!r} announces {count} strings but has {len(found)}")
    return shape, found[:count]


def words(value: Any) -> list[str]:
    """Return the words of an array of strings."""
    return strings(value)[1]


def tags(value: Any) -> list[int]:
    """Return the numbers of an array of identifiers."""
    return [tag(word) for word in words(value)]


def entity_id(value: str) -> str:
    """Return the identifier in a reference to a document: ``uid://A002/X1/X2``."""
    found = _ENTITY_ID.search(value)
    if not found:
        raise AsdmError(f"{value[:80]!r} is not a reference to a document (it has no entityId)")
    return found.group(1)


def start_and_duration(value: Any) -> tuple[int, int]:
    """Return the start and the duration [ns] of a time interval, which XML gives as midpoint and duration."""
    if isinstance(value, str):
        try:
            mid, duration = (int(word) for word in value.split())
        except ValueError:
            raise AsdmError(f"{value!r} is not a time interval: two integers are needed") from None
        start = mid - duration // 2
        return start, min(duration, LAST_NS - start)
    start, duration = (int(v) for v in value)
    return start, min(duration, LAST_NS - start)


def seconds(ns: int) -> float:
    """Return nanoseconds as seconds, rounded once."""
    return float(ns) / 1e9


def mid_time_s(value: Any) -> tuple[float, float]:
    """Return the midpoint and the length [s] of a time interval, rounded as the filler rounds them."""
    start, duration = start_and_duration(value)
    interval = seconds(duration)
    return seconds(start) + interval / 2.0, interval


def mjd_s(ns: int) -> float:
    """Return a time [ns] in seconds, by way of days as the filler goes."""
    return float(ns) / 8.64e13 * 86400.0

"""What a translated script finds in place of Python 2's builtins and operators.

Stands alone: the standard library, and numpy if the script has it.
"""

from __future__ import annotations

import builtins
import functools
import math
import numbers
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any


class StringException(TypeError):
    """``raise 'text'``: a TypeError, which is what Python 2.6 and 2.7 raise for it, that keeps the text."""


def _integers(*values: Any) -> bool:
    """Whether all are integers, or arrays of them: what Python 2 divides without a remainder."""
    for value in values:
        if isinstance(value, numbers.Integral):
            continue
        kind = getattr(getattr(value, "dtype", None), "kind", None)
        if kind is None or kind not in "iub":
            return False
    return True


def div(left: Any, right: Any) -> Any:
    """Divide as Python 2's ``/`` does: integers, numpy's too, give the floor."""
    if _integers(left, right):
        return left // right
    method = getattr(type(left), "__div__", None)
    return method(left, right) if method is not None else left / right


class divisor:
    """The right-hand side of ``a /= b``: arrays are divided in place."""

    def __init__(self, value: Any) -> None:
        self._value = value.value if isinstance(value, divisor) else value

    @property
    def value(self) -> Any:
        """The divisor itself."""
        return self._value

    def __rtruediv__(self, left: Any) -> Any:
        return div(left, self._value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **keywords: Any) -> Any:
        """Divide an array of numpy's, in place where it is asked to."""
        left = inputs[0]
        if out is None:
            return div(left, self._value)
        if _integers(left, self._value):
            left //= self._value
        else:
            left /= self._value
        return left


def _rank(value: Any) -> tuple[int, str]:
    """Python 2's order of values that cannot be compared: None, numbers, then by the name of the type."""
    if value is None:
        return 0, ""
    if isinstance(value, numbers.Number):
        return 1, ""
    return 2, type(value).__name__


def cmp(left: Any, right: Any) -> int:
    """Compare as Python 2's cmp: -1, 0 or 1."""
    try:
        return (left > right) - (left < right)
    except TypeError:
        pass
    if type(left) is type(right) and isinstance(left, (list, tuple)):
        for a, b in builtins.zip(left, right, strict=False):
            if a != b:
                return cmp(a, b)
        return (len(left) > len(right)) - (len(left) < len(right))
    first, second = _rank(left), _rank(right)
    return (first > second) - (first < second)


def _ordering(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def ordered(left: Any, right: Any) -> Any:
        try:
            return compare(left, right)
        except TypeError:
            return compare(cmp(left, right), 0)

    return ordered


lt, le, gt, ge = (_ordering(f) for f in (operator.lt, operator.le, operator.gt, operator.ge))


def sorted(
    iterable: Iterable[Any], cmp: Callable[[Any, Any], int] | None = None, key: Any = None, reverse: bool = False
) -> list[Any]:
    """Sort as Python 2 does: values of any types, by a comparison function too."""
    values = list(iterable)
    sort(values, "sort", cmp, key, reverse)
    return values


def sort(values: Any, name: str, *args: Any, **keywords: Any) -> Any:
    """``values.sort(cmp, key, reverse)``."""
    if not isinstance(values, list):
        return getattr(values, name)(*args, **keywords)
    given = dict(zip(("cmp", "key", "reverse"), args)) | keywords
    compare, key = given.get("cmp") or cmp, given.get("key")
    order = functools.cmp_to_key(compare)
    values.sort(key=(lambda v: order(key(v))) if key else order, reverse=bool(given.get("reverse")))
    return None


def listed(value: Any, name: str) -> Any:
    """``d.keys()``: a list."""
    found = getattr(value, name)()
    return list(found) if isinstance(value, Mapping) else found


def iterated(value: Any, name: str) -> Any:
    """``d.iterkeys()``."""
    return getattr(value, name)() if hasattr(value, name) else iter(getattr(value, name[4:])())


def viewed(value: Any, name: str) -> Any:
    """``d.viewkeys()``."""
    return getattr(value, name)() if hasattr(value, name) else getattr(value, name[4:])()


def has_key(value: Any, name: str, key: Any = None) -> Any:
    """``d.has_key(k)``."""
    return value.has_key(key) if hasattr(value, name) else key in value


def advanced(value: Any, name: str) -> Any:
    """``iterator.next()``."""
    return getattr(value, name)() if hasattr(value, name) else builtins.next(value)


def map(function: Any, *iterables: Iterable[Any]) -> list[Any]:
    """Python 2's map: a list, short iterables filled up with None, None for the identity."""
    if len(iterables) == 1:
        return list(iterables[0]) if function is None else [function(v) for v in iterables[0]]
    import itertools

    rows = list(itertools.zip_longest(*iterables))
    return rows if function is None else [function(*row) for row in rows]


def filter(function: Any, iterable: Any) -> Any:
    """Python 2's filter: strings and tuples stay what they are."""
    kept = [v for v in iterable if (v if function is None else function(v))]
    if isinstance(iterable, str):
        return "".join(kept)
    return tuple(kept) if isinstance(iterable, tuple) else kept


def zip(*iterables: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Python 2's zip: a list."""
    return list(builtins.zip(*iterables, strict=False))


def range(*args: Any) -> list[int]:
    """Python 2's range: a list."""
    return list(xrange(*args))


def xrange(*args: Any) -> builtins.range:
    """Python 2's xrange; floats are cut off, as Python 2 did (with a warning)."""
    return builtins.range(*(int(a) if isinstance(a, float) else a for a in args))


def round(number: Any, ndigits: int = 0) -> float:
    """Python 2's round: halves away from zero, a float."""
    if not isinstance(number, (int, float)) or not math.isfinite(number):
        return builtins.round(number, ndigits)
    from decimal import ROUND_HALF_UP, Context, Decimal

    step = Decimal(1).scaleb(-ndigits)
    return float(Decimal(number).quantize(step, ROUND_HALF_UP, Context(prec=400)))


def _extreme(native: Callable[..., Any], sign: int) -> Callable[..., Any]:
    def extreme(*args: Any, **keywords: Any) -> Any:
        try:
            return native(*args, **keywords)
        except TypeError:
            values = list(args[0]) if len(args) == 1 else list(args)
            key = keywords.get("key") or (lambda v: v)
            order = functools.cmp_to_key(lambda a, b: cmp(key(a), key(b)))
            ordered = builtins.sorted(values, key=order, reverse=sign > 0)
            return ordered[0]

    return extreme


def apply(function: Callable[..., Any], args: Iterable[Any] = (), keywords: Mapping[str, Any] | None = None) -> Any:
    """Python 2's apply."""
    return function(*args, **(keywords or {}))


def input(prompt: str = "") -> Any:
    """Python 2's input: what is typed is evaluated."""
    caller = sys._getframe(1)
    return eval(builtins.input(prompt), caller.f_globals, caller.f_locals)


def open(file: Any, mode: str = "r", *args: Any, **keywords: Any) -> Any:
    """Open text of any encoding: bytes that are no UTF-8 come and go unharmed."""
    if "b" not in mode and not args and "encoding" not in keywords:
        keywords = {"encoding": "utf-8", "errors": "surrogateescape"} | keywords
    return builtins.open(file, mode.replace("U", "") or "r", *args, **keywords)


def coerce(left: Any, right: Any) -> tuple[Any, Any]:
    """Python 2's coerce, for numbers."""
    kind = type(left + right)
    return kind(left), kind(right)


def reload(module: Any) -> Any:
    """Python 2's reload."""
    import importlib

    return importlib.reload(module)


def _next(iterator: Iterator[Any], *default: Any) -> Any:
    """Python 2's next: iterators of Python 2 classes too."""
    if not hasattr(iterator, "__next__") and hasattr(iterator, "next"):
        return iterator.next()
    return builtins.next(iterator, *default)


BUILTINS: dict[str, Any] = {
    "cmp": cmp,
    "sorted": sorted,
    "map": map,
    "filter": filter,
    "zip": zip,
    "range": range,
    "xrange": xrange,
    "round": round,
    "apply": apply,
    "input": input,
    "raw_input": builtins.input,
    "open": open,
    "file": open,
    "coerce": coerce,
    "max": _extreme(max, 1),
    "min": _extreme(min, -1),
    "reload": reload,
    "next": _next,
    "reduce": functools.reduce,
    "intern": sys.intern,
    "long": int,
    "unicode": str,
    "basestring": str,
    "unichr": chr,
    "buffer": memoryview,
    "StandardError": Exception,
}
"""Python 2's builtins that Python 3 lacks, or has with another meaning."""

OPERATORS: dict[str, Any] = {
    f"__py2_{f.__name__}": f for f in (div, divisor, sort, listed, iterated, viewed, has_key, advanced, StringException)
} | {"__py2_lt": lt, "__py2_le": le, "__py2_gt": gt, "__py2_ge": ge}
"""What the changed nodes of a tree call (see `atacal.scripts.semantics`)."""

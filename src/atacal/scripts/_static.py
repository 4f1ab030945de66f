"""What can be known of a script's values without running it: constants, and CASA's own objects."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any


class _UnknownValue:
    """A value that depends on data, or on what was not followed."""

    def __repr__(self) -> str:
        return "<...>"


UNKNOWN = _UnknownValue()
_CONSTANT = (str, int, float, bool, complex, bytes, type(None), list, tuple, dict, set, range)
_METHODS = {
    "format", "join", "replace", "strip", "lstrip", "rstrip", "split", "lower", "upper", "keys", "values",
    "items", "index", "count", "zfill", "rsplit", "capitalize", "title", "startswith", "endswith", "get", "copy",
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "str": str, "int": int, "float": float, "len": len, "list": list, "tuple": tuple, "sorted": sorted, "range": range,
    "xrange": range, "repr": repr, "dict": dict, "set": set, "bool": bool, "abs": abs, "round": round, "min": min,
    "max": max, "sum": sum, "enumerate": lambda v: list(enumerate(v)), "zip": lambda *v: list(zip(*v, strict=False)),
    "reversed": lambda v: list(reversed(v)),
}  # fmt: skip
_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: lambda a, b: a + b, ast.Sub: lambda a, b: a - b, ast.Mod: lambda a, b: a % b,
    ast.Mult: lambda a, b: a * b if not (isinstance(a, int) and isinstance(b, int) and abs(a * b) > 10**9) else UNKNOWN,
}  # fmt: skip
LONGEST = 10_000
"""Longer texts and lists are not followed."""


def is_known(value: Any) -> bool:
    """Whether a value is a constant, all of it."""
    if isinstance(value, (list, tuple, set)):
        return all(is_known(v) for v in value)
    if isinstance(value, dict):
        return all(is_known(k) and is_known(v) for k, v in value.items())
    return isinstance(value, _CONSTANT)


def operated(node: ast.BinOp, left: Any, right: Any) -> Any:
    """Work a binary operation out; a text with unknown parts keeps the rest."""
    function = _OPERATORS.get(type(node.op))
    if function is None:
        return UNKNOWN
    if isinstance(node.op, ast.Mod) and isinstance(left, str):
        right = tuple(_shown(v) for v in right) if isinstance(right, tuple) else _shown(right)
    elif isinstance(node.op, ast.Add) and (isinstance(left, str) != isinstance(right, str)):
        left, right = _shown(left), _shown(right)
        if not (isinstance(left, str) and isinstance(right, str)):
            return UNKNOWN
    return _limited(lambda: function(left, right))


def _shown(value: Any) -> Any:
    return repr(value) if value is UNKNOWN else value


def called(name: str, args: list[Any], keywords: dict[str, Any]) -> Any:
    """Work out a call of a builtin function."""
    if name == "str" and len(args) == 1 and args[0] is UNKNOWN:
        return repr(UNKNOWN)
    if name not in _FUNCTIONS or not all(is_known(a) for a in args) or keywords:
        return UNKNOWN
    value = _limited(lambda: _FUNCTIONS[name](*args))
    return list(value) if isinstance(value, range) and len(value) <= LONGEST else value


def method_called(owner: Any, name: str, args: list[Any], keywords: dict[str, Any]) -> Any:
    """Work out a call of a method of a constant."""
    if name not in _METHODS or not is_known(owner) or not all(is_known(a) for a in [*args, *keywords.values()]):
        if name == "join" and isinstance(owner, str) and len(args) == 1 and isinstance(args[0], list):
            return owner.join(str(_shown(a)) for a in args[0])
        return UNKNOWN
    value = _limited(lambda: getattr(owner, name)(*args, **keywords))
    return list(value) if name in ("keys", "values", "items") and value is not UNKNOWN else value


def _limited(work: Callable[[], Any]) -> Any:
    try:
        value = work()
    except Exception:  # the script's expression fails: what it would be is not known
        return UNKNOWN
    if isinstance(value, (str, list, tuple, dict, range)) and len(value) > LONGEST:
        return UNKNOWN
    return value


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Join what is known after two branches: what differs is unknown."""
    out = {}
    for name in first.keys() | second.keys():
        a, b = first.get(name, UNKNOWN), second.get(name, UNKNOWN)
        out[name] = a if a is b or (is_known(a) and is_known(b) and type(a) is type(b) and a == b) else UNKNOWN
    return out

"""uv distance selection: ``<100m``, ``>20klambda``, ``0.1~1km``, ``100:10%``, lists of them."""

from __future__ import annotations

from atacal.ms.selected import UVLimits
from atacal.ms.selection.scanner import Cursor, Grammar, rule

GRAMMAR = Grammar(
    "uvrange",
    (
        rule("number", r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[DdEe][+-]?[0-9]+)?"),
        rule("unit", r"[a-zA-Z]+"),
        rule("~", "~"), rule(",", ","), rule("lt", "<"), rule("gt", ">"), rule(":", ":"), rule("%", "%"),
        rule("!", "!"),
    ),
    "Write <value, >value, value~value or value:percent%, joined by ','; units are m (the default), km, lambda, "
    "klambda and Mlambda; a leading ! excludes.",
)  # fmt: skip

_UNITS = {"m": (1.0, "m"), "km": (1e3, "m"), "lambda": (1.0, "lambda"), "klambda": (1e3, "lambda"),
          "mlambda": (1e6, "lambda")}  # fmt: skip
_EDGE = 1e-10


def parse_uvrange(text: str) -> UVLimits | None:
    """Read a uv distance expression.

    Parameters
    ----------
    text : str
        Empty means all.

    Returns
    -------
    UVLimits or None
        None when there is no limit. ``<`` includes its bound, ``>`` does not, as in CASA.

    Raises
    ------
    SelectionError
    """
    if not text.strip():
        return None
    cursor = Cursor(GRAMMAR, text)
    negate = cursor.take("!") is not None
    found: list[tuple[float, float, str]] = []
    while True:
        found.append(_term(cursor))
        if not cursor.take(","):
            break
    cursor.end()
    return UVLimits(tuple(found), negate)


def _term(cursor: Cursor) -> tuple[float, float, str]:
    sign = cursor.take("lt", "gt")
    value, unit = _quantity(cursor)
    if sign:
        factor, kind = _UNITS[unit or "m"]
        return (0.0, value * factor, kind) if sign.kind == "lt" else ((value + _EDGE) * factor, float("inf"), kind)
    if cursor.take(":"):
        factor, kind = _UNITS[unit or "m"]
        part = 0.01 * _quantity(cursor)[0]
        cursor.expect("%", what="'%'")
        return value * (1 - part) * factor, value * (1 + part) * factor, kind
    if not cursor.take("~"):
        factor, kind = _UNITS[unit or "m"]
        return value * factor, value * factor, kind
    other, other_unit = _quantity(cursor)
    low_factor, low_kind = _UNITS[unit or other_unit or "m"]
    factor, kind = _UNITS[other_unit or "m"]
    if low_kind != kind:
        cursor.fail("both ends of a range must be distances, or both be numbers of wavelengths")
    if value * low_factor > other * factor:
        cursor.fail(f"the range {value:g}~{other:g} runs backwards")
    return value * low_factor, other * factor, kind


def _quantity(cursor: Cursor) -> tuple[float, str]:
    token = cursor.expect("number", what="a number")
    value = float(token.text.replace("d", "e").replace("D", "e"))
    if cursor.peek() != "unit":
        return value, ""
    name = cursor._tokens[cursor._at].text.lower()
    if name not in _UNITS:
        cursor.fail(f"{name!r} is no unit of uv distance")
    cursor.take("unit")
    return value, name

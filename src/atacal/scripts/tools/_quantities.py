"""Numbers with units: reading, converting and comparing them, over casacore's units."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atacal.errors import ToolError

Quantity = dict[str, Any]
"""``{'unit': str, 'value': float or array}``, as CASA's tools give it."""

C_M_S = 299792458.0
PLANCK_J_S = 6.6260755e-34
CONSTANTS = {
    "pi": (np.pi, ""), "ee": (np.e, ""), "c": (C_M_S, "m/s"), "G": (6.67259e-11, "N.m2/kg2"),
    "h": (PLANCK_J_S, "J.s"), "HI": (1420.405751786, "MHz"), "R": (8.3145107, "J/K/mol"),
    "NA": (6.0221367e23, "mol-1"), "e": (1.60217733e-19, "C"), "mp": (1.6726231e-27, "kg"),
    "mp_me": (1836.152701, ""), "mu0": (4e-7 * np.pi, "H/m"), "eps0": (1 / (4e-7 * np.pi * C_M_S**2), "F/m"),
    "k": (1.3806577987510647e-23, "J/K"), "F": (96485.309, "C/mol"), "me": (9.1093897e-31, "kg"),
    "re": (2.8179e-15, "m"), "a0": (5.2918e-11, "m"), "R0": (6.9599e8, "m"), "k2": (0.01720209895**2, "AU3/d2/S0"),
}  # fmt: skip
"""casacore's constants: CODATA 1986, which CASA still has."""


def made(value: Any, unit: str) -> Quantity:
    return {"unit": unit, "value": np.asarray(value, np.float64) if np.ndim(value) else float(value)}


def one_number(given: Quantity) -> float:
    """Return the number of a quantity that has to have one."""
    if np.size(given["value"]) != 1:
        raise ToolError(f"qa: {given!r} has several values; one is needed")
    return float(np.ravel(given["value"])[0])


def read(v: Any, unit: str = "") -> Quantity:
    """Read a quantity in any of the forms that a script may give it in."""
    if isinstance(v, Mapping):
        if not {"value", "unit"} <= set(v):
            raise ToolError(f"qa: {dict(v)!r} is no quantity: it needs 'value' and 'unit'")
        return made(v["value"], str(v["unit"]))
    if isinstance(v, (str, np.str_)):
        return read_text(str(v))
    try:
        return made(np.asarray(v, np.float64) if np.ndim(v) else float(v), unit)
    except (TypeError, ValueError) as error:
        raise ToolError(f"qa: {v!r} is no quantity such as '1.5GHz', 1.5 or {{'value': 1.5, 'unit': 'GHz'}}") from error


def read_text(text: str) -> Quantity:
    from casacore.quanta import quantity

    if not text.strip():
        return made(0.0, "")
    try:
        found = quantity(text.strip())
    except RuntimeError as error:
        if re.fullmatch(r"[A-Za-z_./\d*'\"-]+", text) and is_unit(text):
            return made(0.0, text)
        raise ToolError(f"qa: {text!r} is no quantity such as '1.5GHz', '12h30m' or '2014/05/06/12:30'") from error
    return made(found.get_value(), found.get_unit())


def is_unit(text: str) -> bool:
    """Whether a text is a unit."""
    try:
        casacore_quantity(1.0, text)
    except RuntimeError:
        return False
    return True


def casacore_quantity(value: float, unit: str) -> Any:
    from casacore.quanta import quantity

    return quantity(float(value), unit)


def conforms(one: Quantity, unit: str) -> bool:
    return bool(casacore_quantity(1.0, one["unit"]).conforms(casacore_quantity(1.0, unit)))


def convert(one: Quantity, unit: str) -> Quantity:
    if conforms(one, "s") and conforms(made(1.0, unit), "rad"):  # a day is a turn
        one = made(np.multiply(convert(one, "d")["value"], 2 * np.pi), "rad")
    elif conforms(one, "rad") and conforms(made(1.0, unit), "s"):
        one = as_time(one)
    if not conforms(one, unit):
        raise ToolError(f"qa: {one['value']} {one['unit']!r} cannot be converted to {unit!r}: of another kind")
    factor = casacore_quantity(1.0, one["unit"]).get_value(unit)
    if np.ndim(one["value"]):
        return made(np.multiply(one["value"], factor), unit)
    return made(casacore_quantity(one["value"], one["unit"]).get_value(unit), unit)


def as_time(one: Quantity) -> Quantity:
    """Turn an angle into a time, a turn being a day."""
    if conforms(one, "rad"):
        return made(np.divide(convert(one, "rad")["value"], 2 * np.pi), "d")
    return one


def in_unit(two: Quantity, one: Quantity, method: str) -> Any:
    if not conforms(two, one["unit"]):
        raise ToolError(f"qa.{method}: the units {one['unit']!r} and {two['unit']!r} are of different kinds")
    return convert(two, one["unit"])["value"]


def plain(v: Any, unit: str, method: str) -> Any:
    one = read(v)
    if unit == "rad" and one["unit"] == "":
        return one["value"]
    return in_unit(one, made(1.0, unit), method)


def compared(v: Any, a: Any, how: Callable[..., Any], method: str) -> bool:
    one = read(v)
    return bool(np.all(how(one["value"], in_unit(read(a), one, method))))


def frequency_hz(one: Quantity) -> Any:
    for kind, turn in (
        ("Hz", lambda x: x), ("s", lambda x: 1 / x), ("m", lambda x: C_M_S / x), ("J", lambda x: x / PLANCK_J_S),
    ):  # fmt: skip
        if conforms(one, kind):
            return turn(convert(one, kind)["value"])
    raise ToolError(f"qa.convertfreq: {one['unit']!r} is no unit of frequency, length, time or energy")

"""The tool ``qa``: numbers with units, over casacore's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ToolError
from atacal.scripts.tools._angles import angle_text, form_angle, time_text
from atacal.scripts.tools._tool import Tool

Quantity = dict[str, Any]
"""``{'unit': str, 'value': float or array}``, as CASA's tools give it."""

_C_M_S = 299792458.0
_PLANCK_J_S = 6.6260755e-34
_CONSTANTS = {
    "pi": (np.pi, ""), "ee": (np.e, ""), "c": (_C_M_S, "m/s"), "G": (6.67259e-11, "N.m2/kg2"),
    "h": (_PLANCK_J_S, "J.s"), "HI": (1420.405751786, "MHz"), "R": (8.3145107, "J/K/mol"),
    "NA": (6.0221367e23, "mol-1"), "e": (1.60217733e-19, "C"), "mp": (1.6726231e-27, "kg"),
    "mp_me": (1836.152701, ""), "mu0": (4e-7 * np.pi, "H/m"), "eps0": (1 / (4e-7 * np.pi * _C_M_S**2), "F/m"),
    "k": (1.3806577987510647e-23, "J/K"), "F": (96485.309, "C/mol"), "me": (9.1093897e-31, "kg"),
    "re": (2.8179e-15, "m"), "a0": (5.2918e-11, "m"), "R0": (6.9599e8, "m"), "k2": (0.01720209895**2, "AU3/d2/S0"),
}  # fmt: skip
"""casacore's constants: CODATA 1986, which CASA still has."""


class Quanta(Tool, tool="qa"):
    """CASA's quanta tool (``casatools.quanta``).

    A quantity is given as a number, a text (``1.5GHz``, ``12h30m``, ``2014/05/06/12:30``) or a dictionary
    ``{'value': 1.5, 'unit': 'GHz'}``, and comes back as such a dictionary.

    Examples
    --------
    >>> qa = Quanta()
    >>> qa.convert("1.5GHz", "MHz")
    {'unit': 'MHz', 'value': 1500.0}
    """

    # ------------------------------------------------------------ making and taking apart

    def quantity(self, v: Any, unitname: str = "", keepshape: bool = False) -> Quantity:
        """Make a quantity of a number and a unit, a text or another quantity."""
        return _quantity(v, unitname)

    def unit(self, v: Any, unitname: str = "", keepshape: bool = False) -> Quantity:
        """Make a quantity, as `quantity` does."""
        return _quantity(v, unitname)

    def getvalue(self, v: Any) -> NDArray[np.float64]:
        """Return the number, an array of one or more."""
        return np.atleast_1d(np.asarray(_quantity(v)["value"], np.float64))

    def getunit(self, v: Any) -> str:
        """Return the unit."""
        return str(_quantity(v)["unit"])

    def isquantity(self, v: Any) -> bool:
        """Whether ``v`` can be read as a quantity; a dictionary's value has to be a float, as in CASA."""
        if isinstance(v, Mapping):
            value = v.get("value")
            return isinstance(v.get("unit"), str) and isinstance(value, (float, np.floating, np.ndarray, list))
        try:
            _quantity(v)
        except ToolError:
            return False
        return True

    def isangle(self, v: Any) -> bool:
        """Whether ``v`` is an angle, or a time that can be read as one."""
        return _conforms(_quantity(v), "rad") or _conforms(_quantity(v), "s")

    def check(self, v: str) -> bool:
        """Whether a text is a unit."""
        try:
            _casacore(1.0, v)
        except (RuntimeError, ToolError):
            return False
        return True

    # ------------------------------------------------------------ converting

    def convert(self, v: Any, outunit: Any = "") -> Quantity:
        """Convert to another unit, or to the canonical one.

        Raises
        ------
        ToolError
            If the units are of different kinds (CASA makes up a unit).
        """
        given = _quantity(v)
        unit = outunit if isinstance(outunit, str) else _quantity(outunit)["unit"] if outunit else ""
        return _convert(given, unit) if unit else self.canonical(given)

    def canonical(self, v: Any) -> Quantity:
        """Convert to metres, kilograms, seconds, radians ..."""
        given = _quantity(v)
        one = _casacore(1.0, given["unit"]).canonical()
        return _made(np.multiply(given["value"], one.get_value()), one.get_unit())

    def canon(self, v: Any) -> Quantity:
        """Convert to canonical units, as `canonical` does."""
        return self.canonical(v)

    def convertfreq(self, v: Any, outunit: str = "Hz") -> Quantity:
        """Convert a frequency, wavelength, period or photon energy to any of them."""
        hz = _frequency_hz(_quantity(v))
        for kind, value in (("Hz", hz), ("s", 1 / hz), ("m", _C_M_S / hz), ("J", _PLANCK_J_S * hz)):
            if _conforms(_made(1.0, kind), outunit):
                return _convert(_made(value, kind), outunit)
        raise ToolError(f"qa.convertfreq: outunit={outunit!r} is no unit of frequency, length, time or energy")

    def checkfreq(self, cm: Any) -> bool:
        """Whether `convertfreq` can convert it."""
        return any(_conforms(_quantity(cm), kind) for kind in ("Hz", "s", "m", "J"))

    def convertdop(self, v: Any, outunit: str = "km/s") -> Quantity:
        """Convert a velocity, or a fraction of the speed of light, to a unit of velocity."""
        given = _quantity(v)
        if given["unit"] == "":
            given = _made(np.multiply(given["value"], _C_M_S), "m/s")
        return _convert(given, outunit)

    def totime(self, v: Any) -> Quantity:
        """Read a time or an angle as a time [d]."""
        return _convert(_as_time(_quantity(v)), "d")

    def toangle(self, v: Any) -> Quantity:
        """Read an angle or a time as an angle [deg]."""
        given = _quantity(v)
        if _conforms(given, "rad"):
            return _convert(given, "deg")
        return _made(np.multiply(_convert(given, "d")["value"], 360.0), "deg")

    def norm(self, v: Any, a: float = -0.5) -> Quantity:
        """Bring an angle between ``a`` and ``a + 1`` turns."""
        given = self.toangle(v)
        turns = np.divide(given["value"], 360.0)
        return _made((turns - np.floor(turns - a)) * 360.0, "deg")

    # ------------------------------------------------------------ writing

    def time(self, v: Any, prec: int = 0, form: str | Sequence[str] = (), showform: bool = False) -> list[str]:
        """Write times: one text for each value of the quantity.

        Parameters
        ----------
        v : quantity
            A time or an angle.
        prec : int
            Digits: 6 for whole seconds, 9 for milliseconds.
        form : str or sequence of str
            ``ymd``, ``dmy``, ``mjd``, ``fits``, ``boost``, ``day``, ``no_time``, ``clean``.
        showform : bool
            Accepted; nothing changes.
        """
        days = _convert(_as_time(_quantity(v)), "d")["value"]
        return [time_text(float(d), form, int(prec)) for d in np.atleast_1d(days)]

    def angle(self, v: Any, prec: int = 0, form: str | Sequence[str] = (), showform: bool = False) -> list[str]:
        """Write angles, as `time` writes times; ``form='time'`` for hours, ``dig2`` for declinations."""
        angles = _convert(self.toangle(v), "rad")["value"]
        return [angle_text(float(a), form, int(prec)) for a in np.atleast_1d(angles)]

    def formxxx(self, v: Any, format: str = "dms", prec: int = 2) -> str:
        """Write an angle as ``dms``, ``hms``, ``deg``, ``rad`` or ``+deg``."""
        return form_angle(_one(_convert(self.toangle(v), "rad")), format, int(prec))

    def tos(self, v: Any, prec: int = 9) -> str:
        """Write a quantity with ``prec`` digits after the point."""
        given = _quantity(v)
        if np.ndim(given["value"]):
            return "[" + ", ".join(f"{x:.{prec}f}" for x in given["value"]) + f"] {given['unit']}"
        return f"{given['value']:.{prec}f}{given['unit']}"

    def splitdate(self, v: Any) -> dict[str, Any]:
        """Return year, month, day, hour ... of a time."""
        import datetime as dt

        mjd = _one(_convert(_as_time(_quantity(v)), "d"))
        date = dt.date(1858, 11, 17) + dt.timedelta(days=int(np.floor(mjd)))
        seconds = (mjd - np.floor(mjd)) * 86400.0
        minutes, second = divmod(seconds, 60.0)
        hour, minute = divmod(int(minutes), 60)
        return {
            "mjd": mjd, "year": date.year, "yearday": date.timetuple().tm_yday, "month": date.month,
            "monthday": date.day, "week": date.isocalendar().week, "weekday": date.isoweekday(), "hour": hour,
            "min": minute, "sec": int(second), "s": float(second), "msec": int(second % 1 * 1e3),
            "usec": int(second % 1 * 1e6),
        }  # fmt: skip

    # ------------------------------------------------------------ arithmetic

    def add(self, v: Any, a: Any = "0") -> Quantity:
        """``v + a``, in the unit of ``v``."""
        one = _quantity(v)
        return _made(np.add(one["value"], _in_unit(_quantity(a), one, "add")), one["unit"])

    def sub(self, v: Any, a: Any = "0") -> Quantity:
        """``v - a``, in the unit of ``v``."""
        one = _quantity(v)
        return _made(np.subtract(one["value"], _in_unit(_quantity(a), one, "sub")), one["unit"])

    def mul(self, v: Any, a: Any = "1") -> Quantity:
        """``v * a``."""
        one, two = _quantity(v), _quantity(a)
        unit = ".".join(u for u in (one["unit"], two["unit"]) if u)
        return _made(np.multiply(one["value"], two["value"]), unit)

    def div(self, v: Any, a: Any = "1") -> Quantity:
        """``v / a``."""
        one, two = _quantity(v), _quantity(a)
        unit = f"{one['unit']}/({two['unit']})" if two["unit"] else one["unit"]
        return _made(np.divide(one["value"], two["value"]), unit)

    def pow(self, v: Any, a: int = 1) -> Quantity:
        """``v`` to the power ``a``."""
        one = _quantity(v)
        return _made(np.power(one["value"], int(a)), f"({one['unit']}){int(a)}" if one["unit"] else "")

    def neg(self, v: Any) -> Quantity:
        """``-v``."""
        one = _quantity(v)
        return _made(np.negative(one["value"]), one["unit"])

    def abs(self, v: Any) -> Quantity:
        """Return the absolute value."""
        one = _quantity(v)
        return _made(np.abs(one["value"]), one["unit"])

    def floor(self, v: Any) -> Quantity:
        """Round down."""
        one = _quantity(v)
        return _made(np.floor(one["value"]), one["unit"])

    def ceil(self, v: Any) -> Quantity:
        """Round up."""
        one = _quantity(v)
        return _made(np.ceil(one["value"]), one["unit"])

    def sqrt(self, v: Any) -> Quantity:
        """Return the square root."""
        from casacore import quanta

        one = _quantity(v)
        unit = quanta.sqrt(_casacore(1.0, one["unit"])).get_unit()
        return _made(np.sqrt(one["value"]), unit)

    def sin(self, v: Any) -> Quantity:
        """Return the sine of an angle."""
        return _made(np.sin(_plain(v, "rad", "sin")), "")

    def cos(self, v: Any) -> Quantity:
        """Return the cosine of an angle."""
        return _made(np.cos(_plain(v, "rad", "cos")), "")

    def tan(self, v: Any) -> Quantity:
        """Return the tangent of an angle."""
        return _made(np.tan(_plain(v, "rad", "tan")), "")

    def asin(self, v: Any) -> Quantity:
        """Return the angle [rad] of a sine."""
        return _made(np.arcsin(_plain(v, "", "asin")), "rad")

    def acos(self, v: Any) -> Quantity:
        """Return the angle [rad] of a cosine."""
        return _made(np.arccos(_plain(v, "", "acos")), "rad")

    def atan(self, v: Any) -> Quantity:
        """Return the angle [rad] of a tangent."""
        return _made(np.arctan(_plain(v, "", "atan")), "rad")

    def atan2(self, v: Any, a: Any) -> Quantity:
        """Return the angle [rad] whose sine and cosine are as ``v`` to ``a``."""
        return _made(np.arctan2(_plain(v, "", "atan2"), _plain(a, "", "atan2")), "rad")

    def exp(self, v: Any) -> Quantity:
        """Return e to the power ``v``."""
        return _made(np.exp(_plain(v, "", "exp")), "")

    def log(self, v: Any) -> Quantity:
        """Return the natural logarithm."""
        return _made(np.log(_plain(v, "", "log")), "")

    def log10(self, v: Any) -> Quantity:
        """Return the decimal logarithm."""
        return _made(np.log10(_plain(v, "", "log10")), "")

    # ------------------------------------------------------------ comparing

    def compare(self, v: Any, a: Any) -> bool:
        """Whether two quantities are of one kind."""
        return _conforms(_quantity(v), _quantity(a)["unit"])

    def lt(self, v: Any, a: Any) -> bool:
        """``v < a``."""
        return _compared(v, a, np.less, "lt")

    def le(self, v: Any, a: Any) -> bool:
        """``v <= a``."""
        return _compared(v, a, np.less_equal, "le")

    def gt(self, v: Any, a: Any) -> bool:
        """``v > a``."""
        return _compared(v, a, np.greater, "gt")

    def ge(self, v: Any, a: Any) -> bool:
        """``v >= a``."""
        return _compared(v, a, np.greater_equal, "ge")

    def eq(self, v: Any, a: Any) -> bool:
        """``v == a``."""
        return _compared(v, a, np.equal, "eq")

    def ne(self, v: Any, a: Any) -> bool:
        """``v != a``."""
        return _compared(v, a, np.not_equal, "ne")

    def constants(self, v: str = "pi") -> Quantity:
        """Return a constant of nature: pi, c, h, k, G, e, me, mp, NA ...

        Raises
        ------
        ToolError
            If it is not known (CASA returns 0).
        """
        if v not in _CONSTANTS:
            raise ToolError(f"qa.constants: {v!r} is not known; there are {', '.join(_CONSTANTS)}")
        return _made(*_CONSTANTS[v])

    def type(self) -> str:
        """Return ``quanta``."""
        return "quanta"

    def done(self, kill: bool = False) -> bool:
        """Nothing to do."""
        return True


def _made(value: Any, unit: str) -> Quantity:
    return {"unit": unit, "value": np.asarray(value, np.float64) if np.ndim(value) else float(value)}


def _one(given: Quantity) -> float:
    """Return the number of a quantity that has to have one."""
    if np.size(given["value"]) != 1:
        raise ToolError(f"qa: {given!r} has several values; one is needed")
    return float(np.ravel(given["value"])[0])


def _quantity(v: Any, unit: str = "") -> Quantity:
    """Read a quantity in any of the forms that a script may give it in."""
    if isinstance(v, Mapping):
        if not {"value", "unit"} <= set(v):
            raise ToolError(f"qa: {dict(v)!r} is no quantity: it needs 'value' and 'unit'")
        return _made(v["value"], str(v["unit"]))
    if isinstance(v, (str, np.str_)):
        return _read(str(v))
    try:
        return _made(np.asarray(v, np.float64) if np.ndim(v) else float(v), unit)
    except (TypeError, ValueError) as error:
        raise ToolError(f"qa: {v!r} is no quantity such as '1.5GHz', 1.5 or {{'value': 1.5, 'unit': 'GHz'}}") from error


def _read(text: str) -> Quantity:
    from casacore.quanta import quantity

    if not text.strip():
        return _made(0.0, "")
    try:
        found = quantity(text.strip())
    except RuntimeError as error:
        if re.fullmatch(r"[A-Za-z_./\d*'\"-]+", text) and Quanta().check(text):
            return _made(0.0, text)
        raise ToolError(f"qa: {text!r} is no quantity such as '1.5GHz', '12h30m' or '2014/05/06/12:30'") from error
    return _made(found.get_value(), found.get_unit())


def _casacore(value: float, unit: str) -> Any:
    from casacore.quanta import quantity

    return quantity(float(value), unit)


def _conforms(one: Quantity, unit: str) -> bool:
    return bool(_casacore(1.0, one["unit"]).conforms(_casacore(1.0, unit)))


def _convert(one: Quantity, unit: str) -> Quantity:
    if _conforms(one, "s") and _conforms(_made(1.0, unit), "rad"):  # a day is a turn
        one = _made(np.multiply(_convert(one, "d")["value"], 2 * np.pi), "rad")
    elif _conforms(one, "rad") and _conforms(_made(1.0, unit), "s"):
        one = _as_time(one)
    if not _conforms(one, unit):
        raise ToolError(f"qa: {one['value']} {one['unit']!r} cannot be converted to {unit!r}: of another kind")
    factor = _casacore(1.0, one["unit"]).get_value(unit)
    if np.ndim(one["value"]):
        return _made(np.multiply(one["value"], factor), unit)
    return _made(_casacore(one["value"], one["unit"]).get_value(unit), unit)


def _as_time(one: Quantity) -> Quantity:
    """Turn an angle into a time, a turn being a day."""
    if _conforms(one, "rad"):
        return _made(np.divide(_convert(one, "rad")["value"], 2 * np.pi), "d")
    return one


def _in_unit(two: Quantity, one: Quantity, method: str) -> Any:
    if not _conforms(two, one["unit"]):
        raise ToolError(f"qa.{method}: the units {one['unit']!r} and {two['unit']!r} are of different kinds")
    return _convert(two, one["unit"])["value"]


def _plain(v: Any, unit: str, method: str) -> Any:
    one = _quantity(v)
    if unit == "rad" and one["unit"] == "":
        return one["value"]
    return _in_unit(one, _made(1.0, unit), method)


def _compared(v: Any, a: Any, how: Callable[..., Any], method: str) -> bool:
    one = _quantity(v)
    return bool(np.all(how(one["value"], _in_unit(_quantity(a), one, method))))


def _frequency_hz(one: Quantity) -> Any:
    for kind, turn in (
        ("Hz", lambda x: x), ("s", lambda x: 1 / x), ("m", lambda x: _C_M_S / x), ("J", lambda x: x / _PLANCK_J_S),
    ):  # fmt: skip
        if _conforms(one, kind):
            return turn(_convert(one, kind)["value"])
    raise ToolError(f"qa.convertfreq: {one['unit']!r} is no unit of frequency, length, time or energy")

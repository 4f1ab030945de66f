"""The tool ``qa``: numbers with units, over casacore's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ToolError
from atacal.scripts.tools import _quantities as _q
from atacal.scripts.tools._angles import angle_text, form_angle, time_text
from atacal.scripts.tools._quantities import Quantity
from atacal.scripts.tools._tool import Tool


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
        return _q.read(v, unitname)

    def unit(self, v: Any, unitname: str = "", keepshape: bool = False) -> Quantity:
        """Make a quantity, as `quantity` does."""
        return _q.read(v, unitname)

    def getvalue(self, v: Any) -> NDArray[np.float64]:
        """Return the number, an array of one or more."""
        return np.atleast_1d(np.asarray(_q.read(v)["value"], np.float64))

    def getunit(self, v: Any) -> str:
        """Return the unit."""
        return str(_q.read(v)["unit"])

    def isquantity(self, v: Any) -> bool:
        """Whether ``v`` can be read as a quantity; a dictionary's value has to be a float, as in CASA."""
        if isinstance(v, Mapping):
            value = v.get("value")
            return isinstance(v.get("unit"), str) and isinstance(value, (float, np.floating, np.ndarray, list))
        try:
            _q.read(v)
        except ToolError:
            return False
        return True

    def isangle(self, v: Any) -> bool:
        """Whether ``v`` is an angle, or a time that can be read as one."""
        return _q.conforms(_q.read(v), "rad") or _q.conforms(_q.read(v), "s")

    def check(self, v: str) -> bool:
        """Whether a text is a unit."""
        return _q.is_unit(v)

    # ------------------------------------------------------------ converting

    def convert(self, v: Any, outunit: Any = "") -> Quantity:
        """Convert to another unit, or to the canonical one.

        Raises
        ------
        ToolError
            If the units are of different kinds (CASA makes up a unit).
        """
        given = _q.read(v)
        unit = outunit if isinstance(outunit, str) else _q.read(outunit)["unit"] if outunit else ""
        return _q.convert(given, unit) if unit else self.canonical(given)

    def canonical(self, v: Any) -> Quantity:
        """Convert to metres, kilograms, seconds, radians ..."""
        given = _q.read(v)
        one = _q.casacore_quantity(1.0, given["unit"]).canonical()
        return _q.made(np.multiply(given["value"], one.get_value()), one.get_unit())

    def canon(self, v: Any) -> Quantity:
        """Convert to canonical units, as `canonical` does."""
        return self.canonical(v)

    def convertfreq(self, v: Any, outunit: str = "Hz") -> Quantity:
        """Convert a frequency, wavelength, period or photon energy to any of them."""
        hz = _q.frequency_hz(_q.read(v))
        for kind, value in (("Hz", hz), ("s", 1 / hz), ("m", _q.C_M_S / hz), ("J", _q.PLANCK_J_S * hz)):
            if _q.conforms(_q.made(1.0, kind), outunit):
                return _q.convert(_q.made(value, kind), outunit)
        raise ToolError(f"qa.convertfreq: outunit={outunit!r} is no unit of frequency, length, time or energy")

    def checkfreq(self, cm: Any) -> bool:
        """Whether `convertfreq` can convert it."""
        return any(_q.conforms(_q.read(cm), kind) for kind in ("Hz", "s", "m", "J"))

    def convertdop(self, v: Any, outunit: str = "km/s") -> Quantity:
        """Convert a velocity, or a fraction of the speed of light, to a unit of velocity."""
        given = _q.read(v)
        if given["unit"] == "":
            given = _q.made(np.multiply(given["value"], _q.C_M_S), "m/s")
        return _q.convert(given, outunit)

    def totime(self, v: Any) -> Quantity:
        """Read a time or an angle as a time [d]."""
        return _q.convert(_q.as_time(_q.read(v)), "d")

    def toangle(self, v: Any) -> Quantity:
        """Read an angle or a time as an angle [deg]."""
        given = _q.read(v)
        if _q.conforms(given, "rad"):
            return _q.convert(given, "deg")
        return _q.made(np.multiply(_q.convert(given, "d")["value"], 360.0), "deg")

    def norm(self, v: Any, a: float = -0.5) -> Quantity:
        """Bring an angle between ``a`` and ``a + 1`` turns."""
        given = self.toangle(v)
        turns = np.divide(given["value"], 360.0)
        return _q.made((turns - np.floor(turns - a)) * 360.0, "deg")

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
        days = _q.convert(_q.as_time(_q.read(v)), "d")["value"]
        return [time_text(float(d), form, int(prec)) for d in np.atleast_1d(days)]

    def angle(self, v: Any, prec: int = 0, form: str | Sequence[str] = (), showform: bool = False) -> list[str]:
        """Write angles, as `time` writes times; ``form='time'`` for hours, ``dig2`` for declinations."""
        angles = _q.convert(self.toangle(v), "rad")["value"]
        return [angle_text(float(a), form, int(prec)) for a in np.atleast_1d(angles)]

    def formxxx(self, v: Any, format: str = "dms", prec: int = 2) -> str:
        """Write an angle as ``dms``, ``hms``, ``deg``, ``rad`` or ``+deg``."""
        return form_angle(_q.one_number(_q.convert(self.toangle(v), "rad")), format, int(prec))

    def tos(self, v: Any, prec: int = 9) -> str:
        """Write a quantity with ``prec`` digits after the point."""
        given = _q.read(v)
        if np.ndim(given["value"]):
            return "[" + ", ".join(f"{x:.{prec}f}" for x in given["value"]) + f"] {given['unit']}"
        return f"{given['value']:.{prec}f}{given['unit']}"

    def splitdate(self, v: Any) -> dict[str, Any]:
        """Return year, month, day, hour ... of a time."""
        import datetime as dt

        mjd = _q.one_number(_q.convert(_q.as_time(_q.read(v)), "d"))
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
        one = _q.read(v)
        return _q.made(np.add(one["value"], _q.in_unit(_q.read(a), one, "add")), one["unit"])

    def sub(self, v: Any, a: Any = "0") -> Quantity:
        """``v - a``, in the unit of ``v``."""
        one = _q.read(v)
        return _q.made(np.subtract(one["value"], _q.in_unit(_q.read(a), one, "sub")), one["unit"])

    def mul(self, v: Any, a: Any = "1") -> Quantity:
        """``v * a``."""
        one, two = _q.read(v), _q.read(a)
        unit = ".".join(u for u in (one["unit"], two["unit"]) if u)
        return _q.made(np.multiply(one["value"], two["value"]), unit)

    def div(self, v: Any, a: Any = "1") -> Quantity:
        """``v / a``."""
        one, two = _q.read(v), _q.read(a)
        unit = f"{one['unit']}/({two['unit']})" if two["unit"] else one["unit"]
        return _q.made(np.divide(one["value"], two["value"]), unit)

    def pow(self, v: Any, a: int = 1) -> Quantity:
        """``v`` to the power ``a``."""
        one = _q.read(v)
        return _q.made(np.power(one["value"], int(a)), f"({one['unit']}){int(a)}" if one["unit"] else "")

    def neg(self, v: Any) -> Quantity:
        """``-v``."""
        one = _q.read(v)
        return _q.made(np.negative(one["value"]), one["unit"])

    def abs(self, v: Any) -> Quantity:
        """Return the absolute value."""
        one = _q.read(v)
        return _q.made(np.abs(one["value"]), one["unit"])

    def floor(self, v: Any) -> Quantity:
        """Round down."""
        one = _q.read(v)
        return _q.made(np.floor(one["value"]), one["unit"])

    def ceil(self, v: Any) -> Quantity:
        """Round up."""
        one = _q.read(v)
        return _q.made(np.ceil(one["value"]), one["unit"])

    def sqrt(self, v: Any) -> Quantity:
        """Return the square root."""
        from casacore import quanta

        one = _q.read(v)
        unit = quanta.sqrt(_q.casacore_quantity(1.0, one["unit"])).get_unit()
        return _q.made(np.sqrt(one["value"]), unit)

    def sin(self, v: Any) -> Quantity:
        """Return the sine of an angle."""
        return _q.made(np.sin(_q.plain(v, "rad", "sin")), "")

    def cos(self, v: Any) -> Quantity:
        """Return the cosine of an angle."""
        return _q.made(np.cos(_q.plain(v, "rad", "cos")), "")

    def tan(self, v: Any) -> Quantity:
        """Return the tangent of an angle."""
        return _q.made(np.tan(_q.plain(v, "rad", "tan")), "")

    def asin(self, v: Any) -> Quantity:
        """Return the angle [rad] of a sine."""
        return _q.made(np.arcsin(_q.plain(v, "", "asin")), "rad")

    def acos(self, v: Any) -> Quantity:
        """Return the angle [rad] of a cosine."""
        return _q.made(np.arccos(_q.plain(v, "", "acos")), "rad")

    def atan(self, v: Any) -> Quantity:
        """Return the angle [rad] of a tangent."""
        return _q.made(np.arctan(_q.plain(v, "", "atan")), "rad")

    def atan2(self, v: Any, a: Any) -> Quantity:
        """Return the angle [rad] whose sine and cosine are as ``v`` to ``a``."""
        return _q.made(np.arctan2(_q.plain(v, "", "atan2"), _q.plain(a, "", "atan2")), "rad")

    def exp(self, v: Any) -> Quantity:
        """Return e to the power ``v``."""
        return _q.made(np.exp(_q.plain(v, "", "exp")), "")

    def log(self, v: Any) -> Quantity:
        """Return the natural logarithm."""
        return _q.made(np.log(_q.plain(v, "", "log")), "")

    def log10(self, v: Any) -> Quantity:
        """Return the decimal logarithm."""
        return _q.made(np.log10(_q.plain(v, "", "log10")), "")

    # ------------------------------------------------------------ comparing

    def compare(self, v: Any, a: Any) -> bool:
        """Whether two quantities are of one kind."""
        return _q.conforms(_q.read(v), _q.read(a)["unit"])

    def lt(self, v: Any, a: Any) -> bool:
        """``v < a``."""
        return _q.compared(v, a, np.less, "lt")

    def le(self, v: Any, a: Any) -> bool:
        """``v <= a``."""
        return _q.compared(v, a, np.less_equal, "le")

    def gt(self, v: Any, a: Any) -> bool:
        """``v > a``."""
        return _q.compared(v, a, np.greater, "gt")

    def ge(self, v: Any, a: Any) -> bool:
        """``v >= a``."""
        return _q.compared(v, a, np.greater_equal, "ge")

    def eq(self, v: Any, a: Any) -> bool:
        """``v == a``."""
        return _q.compared(v, a, np.equal, "eq")

    def ne(self, v: Any, a: Any) -> bool:
        """``v != a``."""
        return _q.compared(v, a, np.not_equal, "ne")

    def constants(self, v: str = "pi") -> Quantity:
        """Return a constant of nature: pi, c, h, k, G, e, me, mp, NA ...

        Raises
        ------
        ToolError
            If it is not known (CASA returns 0).
        """
        if v not in _q.CONSTANTS:
            raise ToolError(f"qa.constants: {v!r} is not known; there are {', '.join(_q.CONSTANTS)}")
        return _q.made(*_q.CONSTANTS[v])

    def type(self) -> str:
        """Return ``quanta``."""
        return "quanta"

    def done(self, kill: bool = False) -> bool:
        """Nothing to do."""
        return True

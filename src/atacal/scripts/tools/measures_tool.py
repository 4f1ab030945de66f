"""The tool ``me``: times, directions, positions, frequencies and velocities in their frames, over casacore's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atacal.errors import ToolError
from atacal.scripts.tools._tool import Tool
from atacal.scripts.tools.quanta_tool import Quanta

Measure = dict[str, Any]
"""``{'type': str, 'refer': str, 'm0': quantity, ...}``, as CASA's tools give it."""

_PARTS = {
    "epoch": ("m0",), "direction": ("m0", "m1"), "position": ("m0", "m1", "m2"), "frequency": ("m0",),
    "doppler": ("m0",), "radialvelocity": ("m0",), "baseline": ("m0", "m1", "m2"), "uvw": ("m0", "m1", "m2"),
}  # fmt: skip
_qa = Quanta()
_C_M_S = 299792458.0

_RATIO: dict[str, Callable[[float], float]] = {
    "RADIO": lambda d: 1 - d,
    "Z": lambda d: 1 / (1 + d),
    "BETA": lambda d: float(np.sqrt((1 - d) / (1 + d))),
    "RATIO": lambda d: d,
}
"""Frequency over rest frequency, by the kind of a Doppler shift that is given as a part of the speed of light."""

_SHIFT: dict[str, Callable[[float], float]] = {
    "RADIO": lambda f: 1 - f,
    "Z": lambda f: 1 / f - 1,
    "BETA": lambda f: (1 - f * f) / (1 + f * f),
    "RATIO": lambda f: f,
}
"""The other way round."""


class Measures(Tool, tool="me"):
    """CASA's measures tool (``casatools.measures``). Each tool has a frame of its own (`doframe`).

    Examples
    --------
    >>> me = Measures()
    >>> me.separation(me.direction("J2000", "0deg", "0deg"), me.direction("J2000", "0deg", "2deg"))
    {'unit': 'deg', 'value': 2.0}
    """

    def __init__(self) -> None:
        self._own: Any = None

    @property
    def _me(self) -> Any:
        if self._own is None:
            from casacore.measures import measures

            self._own = measures()
        return self._own

    # ------------------------------------------------------------ making

    def epoch(self, rf: str = "UTC", v0: Any = "0d", off: Measure | None = None) -> Measure:
        """Make a time: ``rf`` is UTC, TAI, LAST ...; ``v0`` a time such as ``2014/05/06/12:30``."""
        return self._made("epoch", rf, off, v0)

    def direction(self, rf: str = "J2000", v0: Any = "0deg", v1: Any = "90deg", off: Measure | None = None) -> Measure:
        """Make a direction: two angles in a frame (J2000, ICRS, AZEL, GALACTIC ...), or a planet by its name."""
        return self._made("direction", rf, off, v0, v1)

    def position(
        self, rf: str = "WGS84", v0: Any = "0m", v1: Any = "0m", v2: Any = "0m", off: Measure | None = None
    ) -> Measure:
        """Make a position: longitude, latitude, height (WGS84) or distance (ITRF), or x, y, z."""
        return self._made("position", rf, off, v0, v1, v2)

    def frequency(self, rf: str = "LSRK", v0: Any = "0Hz", off: Measure | None = None) -> Measure:
        """Make a frequency in a frame: LSRK, TOPO, BARY, REST ..."""
        return self._made("frequency", rf, off, _qa.convertfreq(v0, "Hz"))

    def doppler(self, rf: str = "RADIO", v0: Any = "0m/s", off: Measure | None = None) -> Measure:
        """Make a Doppler shift: RADIO, OPTICAL, Z, BETA ..."""
        return self._made("doppler", rf, off, _qa.convertdop(v0, "m/s"))

    def radialvelocity(self, rf: str = "LSRK", v0: Any = "0m/s", off: Measure | None = None) -> Measure:
        """Make a radial velocity in a frame."""
        return self._made("radialvelocity", rf, off, v0)

    def baseline(
        self, rf: str = "ITRF", v0: Any = "0m", v1: Any = "0m", v2: Any = "0m", off: Measure | None = None
    ) -> Measure:
        """Make a baseline: x, y, z."""
        return self._made("baseline", rf, off, v0, v1, v2)

    def uvw(
        self, rf: str = "ITRF", v0: Any = "0m", v1: Any = "0m", v2: Any = "0m", off: Measure | None = None
    ) -> Measure:
        """Make a uvw coordinate."""
        return self._made("uvw", rf, off, v0, v1, v2)

    def observatory(self, name: str = "ALMA") -> Measure:
        """Return the position of an observatory.

        Raises
        ------
        ToolError
            If it is not known (CASA returns an empty dictionary).
        """
        if name.upper() not in {n.upper() for n in self._me.get_observatories()}:
            raise ToolError(
                f"me.observatory: {name!r} is not known; there are {', '.join(self._me.get_observatories())}"
            )
        return _ordered(self._me.observatory(name))

    def obslist(self) -> list[str]:
        """Names of the observatories."""
        return list(self._me.get_observatories())

    def spectralline(self, name: str = "HI") -> Measure:
        """Return the rest frequency of a line."""
        return _ordered(self._me.line(name))

    def source(self, name: str) -> Measure:
        """Return the direction of a source of casacore's catalogue."""
        return _ordered(self._me.source(name))

    def _made(self, kind: str, rf: str, off: Measure | None, *values: Any) -> Measure:
        if off:
            raise ToolError(f"me.{kind}: off={off!r}: offsets are not available; add them to the values with qa.add")
        given = [_casacore(v) for v in values]
        return _ordered(getattr(self._me, kind)(rf, *given))

    # ------------------------------------------------------------ converting

    def doframe(self, v: Measure) -> bool:
        """Set a part of the frame: the time, the place, or the direction that conversions need."""
        return bool(self._me.doframe(_measure(v, "doframe")))

    def framenow(self) -> bool:
        """Set the frame's time to now."""
        self._me.framenow()
        return True

    def measure(self, v: Measure, rf: str, off: Measure | None = None) -> Measure:
        """Convert to another frame.

        Raises
        ------
        ToolError
            If the frame lacks a time, a place or a direction that is needed.
        """
        if off:
            raise ToolError(f"me.measure: off={off!r}: offsets are not available")
        return _ordered(self._me.measure(_measure(v, "measure"), rf))

    def todoppler(self, rf: str, v0: Measure, rfq: Any = None) -> Measure:
        """Convert a radial velocity, or a frequency and its rest frequency, to a Doppler shift."""
        one = _measure(v0, "todoppler")
        if one["type"] == "radialvelocity":
            ratio = _RATIO["BETA"](one["m0"]["value"] / _C_M_S)
        elif one["type"] == "frequency":
            ratio = one["m0"]["value"] / self._rest_hz(rfq, "todoppler")
        else:
            raise ToolError(f"me.todoppler: a {one['type']} is neither a frequency nor a radial velocity")
        return self.doppler(rf, _m_s(_SHIFT[_shift_kind(rf)](ratio)))

    def tofrequency(self, rf: str, v0: Measure, rfq: Any) -> Measure:
        """Convert a Doppler shift and a rest frequency to a frequency."""
        return self.frequency(
            rf, {"value": self._rest_hz(rfq, "tofrequency") * _ratio(v0, "tofrequency"), "unit": "Hz"}
        )

    def torestfrequency(self, v0: Measure, d0: Measure) -> Measure:
        """Convert a frequency and a Doppler shift to the rest frequency."""
        hz = _measure(v0, "torestfrequency")["m0"]["value"] / _ratio(d0, "torestfrequency")
        return self.frequency("REST", {"value": hz, "unit": "Hz"})

    def toradialvelocity(self, rf: str, v0: Measure) -> Measure:
        """Convert a Doppler shift to a radial velocity."""
        return self.radialvelocity(rf, _m_s(_SHIFT["BETA"](_ratio(v0, "toradialvelocity"))))

    def _rest_hz(self, rfq: Any, method: str) -> float:
        if isinstance(rfq, Mapping) and "type" in rfq:
            return float(_measure(rfq, method)["m0"]["value"])
        if rfq is None:
            raise ToolError(f"me.{method}: the rest frequency is missing")
        return float(_qa.convertfreq(rfq, "Hz")["value"])

    # ------------------------------------------------------------ on the sky

    def separation(self, m1: Measure, m2: Measure) -> dict[str, Any]:
        """Return the angle [deg] between two directions."""
        found = self._me.separation(_measure(m1, "separation"), _measure(m2, "separation"))
        return {"unit": "deg", "value": float(found.get_value("deg"))}

    def posangle(self, m1: Measure, m2: Measure) -> dict[str, Any]:
        """Return the position angle [deg] from one direction to another."""
        found = self._me.posangle(_measure(m1, "posangle"), _measure(m2, "posangle"))
        return {"unit": "deg", "value": float(found.get_value("deg"))}

    def shift(self, v: Measure, offset: Any, pa: Any) -> Measure:
        """Return a direction an ``offset`` away towards the position angle ``pa``."""
        lon, lat = (float(_qa.convert(v[m], "rad")["value"]) for m in ("m0", "m1"))
        far, towards = (float(_qa.convert(q, "rad")["value"]) for q in (offset, pa))
        sine = np.sin(lat) * np.cos(far) + np.cos(lat) * np.sin(far) * np.cos(towards)
        east = np.sin(far) * np.sin(towards)
        along = np.cos(lat) * np.cos(far) - np.sin(lat) * np.sin(far) * np.cos(towards)
        there = {"value": lon + np.arctan2(east, along), "unit": "rad"}, {"value": np.arcsin(sine), "unit": "rad"}
        return self.direction(v["refer"], *there)

    def riseset(self, crd: Measure, ev: Any = "0deg") -> Any:
        """Return when a direction rises and sets, in sidereal time and UTC."""
        return self._me.riseset(_measure(crd, "riseset"), _casacore(ev))

    # ------------------------------------------------------------ taking apart

    def getvalue(self, v: Measure) -> dict[str, Any]:
        """Return the quantities m0, m1 ... of a measure."""
        one = _ordered(_measure(v, "getvalue"))
        return {m: one[m] for m in _PARTS[one["type"]]}

    def getref(self, v: Measure) -> str:
        """Return the frame of a measure."""
        return str(v["refer"])

    def gettype(self, v: Measure) -> str:
        """Return what a measure is: Direction, Epoch ..."""
        return str(v["type"]).capitalize()

    def ismeasure(self, v: Any) -> bool:
        """Whether ``v`` is a measure."""
        return isinstance(v, Mapping) and v.get("type") in _PARTS and set(_PARTS[v["type"]]) <= set(v)

    def dirshow(self, v: Measure) -> str:
        """Write a direction."""
        lon, lat = (float(_qa.convert(v[m], "deg")["value"]) for m in ("m0", "m1"))
        return f"[{lon:.6g}, {lat:.6g}] deg  {v['refer']}"

    def show(self, v: Measure, refcode: bool = True) -> str:
        """Write a measure in casacore's units."""
        one = _ordered(_measure(v, "show"))
        values = [one[m]["value"] for m in _PARTS[one["type"]]]
        text = f"{values[0]:.6g}" if len(values) == 1 else f"[{', '.join(f'{x:.6g}' for x in values)}]"
        if one["type"] == "position":
            text = f"[{values[2]:.6g}, {values[0]:.6g}, {values[1]:.6g}]"
        unit = f" {one['m0']['unit']}" if one["type"] in ("frequency", "doppler", "radialvelocity") else ""
        return text + unit + (f" {one['refer']}" if refcode else "")

    def type(self) -> str:
        """Return ``measures``."""
        return "measures"

    def done(self) -> bool:
        """Forget the frame."""
        self._own = None
        return True


def _shift_kind(rf: str) -> str:
    kind = {"OPTICAL": "Z", "RELATIVISTIC": "BETA", "TRUE": "BETA"}.get(rf.upper(), rf.upper())
    if kind not in _SHIFT:
        raise ToolError(f"me: {rf!r} is no kind of Doppler shift; there are RADIO, OPTICAL, Z, BETA, TRUE, RATIO")
    return kind


def _ratio(doppler: Measure, method: str) -> float:
    one = _measure(doppler, method)
    if one["type"] != "doppler":
        raise ToolError(f"me.{method}: a {one['type']} is no Doppler shift, such as me.doppler makes it")
    return _RATIO[_shift_kind(one["refer"])](one["m0"]["value"] / _C_M_S)


def _m_s(shift: float) -> dict[str, Any]:
    return {"value": shift * _C_M_S, "unit": "m/s"}


def _casacore(value: Any) -> Any:
    """Read a quantity and make it casacore's."""
    from casacore.quanta import quantity

    one = _qa.quantity(value)
    if np.size(one["value"]) != 1:
        raise ToolError(f"me: {value!r} has several values; measures have one each")
    return quantity(float(np.ravel(one["value"])[0]), one["unit"])


def _measure(v: Any, method: str) -> dict[str, Any]:
    """Check that ``v`` is a measure; its numbers become floats, as casacore wants them."""
    if not isinstance(v, Mapping) or v.get("type") not in _PARTS:
        raise ToolError(f"me.{method}: {v!r} is no measure, such as me.direction makes it")
    one = dict(v)
    for m in _PARTS[one["type"]]:
        if m not in one:
            raise ToolError(f"me.{method}: the measure {v!r} lacks {m}")
        given = _qa.quantity(one[m])
        one[m] = {"unit": given["unit"], "value": float(np.ravel(given["value"])[0])}
    return one


def _ordered(v: Mapping[str, Any]) -> Measure:
    """Return a measure in the order in which CASA prints it."""
    return {key: v[key] for key in sorted(v)}

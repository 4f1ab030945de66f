"""The flux standards of quasars and other radio sources: polynomials in the logarithm of frequency.

Coefficients: `data/quasars.json` (the tables of CASA's data package, made by ``tools/refresh_solar_system.py``) and,
for the older standards, the papers named below. Sources are taken to be points: CASA's model images are not available.
"""

from __future__ import annotations

import datetime
import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError, ModelError

INTERPOLATIONS = ("nearest", "linear", "cubic", "spline")
_SAME_PLACE_RAD = np.radians(1 / 3600)
_NINETEEN34 = (  # Reynolds 1994 below 10 GHz; Sault 2003 above
    (1.170418, 0.248618, -1.649694, 0.605334), 10.0, (-2.5739, 10.0707, -10.0595, 2.9372),
)  # fmt: skip
_OLD: dict[str, dict[str, Any]] = {
    # Baars et al. 1977, A&A 61, 99: frequencies in MHz
    "Baars": {
        "3C286": (1.480, 0.292, -0.124), "3C48": (2.345, 0.071, -0.138), "3C147": (1.766, 0.447, -0.184),
        "3C138": (2.009, -0.07176, -0.0862), "1934-638": (-23.839, 19.569, -4.8168, 0.35836),
        "3C295": (1.485, 0.759, -0.255),
    },
    "Perley 90": {
        "3C286": (1.35899, 0.3599, -0.13338), "3C48": (2.0868, 0.20889, -0.15498),
        "3C147": (1.92641, 0.36072, -0.17389), "3C138": (2.009, -0.07176, -0.0862),
        "1934-638": (-30.7667, 26.4908, -7.0977, 0.605334), "3C295": (1.485, 0.759, -0.255),
    },
    "Perley-Taylor 95": {
        "3C286": (0.50344, 1.05026, -0.31666, 0.01602), "3C48": (1.16801, 1.07526, -0.42254, 0.02699),
        "3C147": (0.05702, 2.09340, -0.7076, 0.05477), "3C138": (1.97498, -0.23918, 0.01333, -0.01389),
        "1934-638": (-30.7667, 26.4908, -7.0977, 0.605334), "3C295": (1.28872, 0.94172, -0.31113, 0.00569),
    },
    "Perley-Taylor 99": {
        "3C286": (1.23734, -0.43276, -0.14223, 0.00345), "3C48": (1.31752, -0.74090, -0.16708, 0.01525),
        "3C147": (1.44856, -0.67252, -0.21124, 0.04077), "3C138": (1.00761, -0.55629, -0.11134, -0.0146),
        "1934-638": _NINETEEN34, "3C295": (1.46744, -0.7735, -0.25912, 0.00752),
    },
    # Perley & Butler 2013, ApJS 204, 19, before its publication
    "Perley-Butler 2010": {
        "3C286": (1.2361, -0.4127, -0.1864, 0.0294), "3C48": (1.3197, -0.7253, -0.2023, 0.0540),
        "3C147": (1.4428, -0.6300, -0.3142, 0.1032), "3C138": (1.0053, -0.4384, -0.1855, 0.0511),
        "1934-638": _NINETEEN34, "3C295": (1.4605, -0.7043, -0.3951, 0.0815),
        "3C196": (1.2753, -0.7971, -0.2255, 0.0380),
    },
    # Partridge et al. 2016, ApJ 821, 61, above the break
    "Stevens-Reynolds 2016": {"1934-638": (_NINETEEN34[0], 11.1496, (1.7581, -1.3763))},
}  # fmt: skip
_IN_MHZ = {"Baars", "Perley 90", "Perley-Taylor 95"}


@functools.cache
def _tables() -> dict[str, Any]:
    text = (files("atacal.flux") / "data" / "quasars.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


def standards() -> list[str]:
    """Return the names of the standards that there are."""
    return [*_tables()["standards"], *_OLD]


def sources(standard: str) -> list[str]:
    """Return the names of a standard's sources."""
    tables = _tables()["standards"]
    return list(tables[standard]["sources"] if standard in tables else _OLD[standard])


@dataclass(frozen=True, eq=False)
class Quasar:
    """A source of a flux standard.

    Attributes
    ----------
    name : str
    standard : str
    mjd : float
        The time for which it is wanted, UTC [d].
    interpolation : str
        Between the epochs of a source that varies: one of `INTERPOLATIONS`.
    """

    name: str
    standard: str
    mjd: float
    interpolation: str = "nearest"

    @property
    def range_ghz(self) -> tuple[float, float] | None:
        """The frequencies for which the standard is meant, if it says so."""
        table = _tables()["standards"].get(self.standard)
        limits = table["sources"][self.name]["range_ghz"] if table else None
        return (float(limits[0]), float(limits[1])) if limits else None

    def flux_jy(self, freq_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return Stokes I [Jy] at frequencies (n,).

        Notes
        -----
        log10 S = sum a_k log10(nu/GHz)^k; in Scaife-Heald 2012, S = a_0 10^(sum a_k log10(nu/150 MHz)^k).
        """
        freqs = np.asarray(freq_hz, np.float64)
        table = _tables()["standards"].get(self.standard)
        if table is None:
            return self._old(freqs)
        rows = table["sources"][self.name]["coefficients"]
        if self.standard.startswith("Scaife-Heald"):
            first, *rest = rows[0]
            return np.asarray(first * 10 ** _polynomial((0.0, *rest), np.log10(freqs / 0.15e9)))
        at_epochs = np.array([10 ** _polynomial(row, np.log10(freqs / 1e9)) for row in rows])
        if len(rows) == 1:
            return np.asarray(at_epochs[0])
        return interpolate(_epochs_mjd(self.standard), at_epochs, self.mjd, self.interpolation)

    def _old(self, freqs: NDArray[np.float64]) -> NDArray[np.float64]:
        given = _OLD[self.standard][self.name]
        logs = np.log10(freqs / (1e6 if self.standard in _IN_MHZ else 1e9))
        if isinstance(given[0], tuple):
            low, turn_ghz, high = given
            return np.asarray(10 ** np.where(freqs > turn_ghz * 1e9, _polynomial(high, logs), _polynomial(low, logs)))
        return np.asarray(10 ** _polynomial(given, logs))


def quasar(
    field: str, direction_rad: tuple[float, float], standard: str, mjd: float, interpolation: str = "nearest"
) -> Quasar:
    """Find the source of a standard that a field is, by its name, else within 1 arcsec of a position.

    Parameters
    ----------
    field : str
        The field's name; a source's name may be part of it.
    direction_rad : tuple of 2 floats
        J2000.
    standard : str
        One of `standards`.
    mjd : float
        UTC [d].
    interpolation : str

    Raises
    ------
    ArgumentError
        If there is no such standard, or no such interpolation.
    ModelError
        If the field is none of the standard's sources.
    """
    if standard not in standards():
        raise ArgumentError(f"standard={standard!r}: there are {', '.join(standards())}")
    if interpolation not in INTERPOLATIONS:
        raise ArgumentError(f"interpolation={interpolation!r}: choose one of {', '.join(INTERPOLATIONS)}")
    known = sources(standard)
    found = _by_name(field) or _by_place(direction_rad)
    if found not in known:
        who = f"{field} is" if found is None else f"{field} ({found}) is"
        raise ModelError(
            f"{who} none of the sources of {standard}: {', '.join(known)}. Other standards are "
            f"{', '.join(standards())}; or give the flux density with standard='manual'"
        )
    assert found is not None
    return Quasar(found, standard, mjd, interpolation)


def _canonical(name: str) -> str:
    return "J0133-3629" if name == "0133-3629" else name


def _by_name(field: str) -> str | None:
    written = field.upper()
    for source in _tables()["sources"]:
        if any(name.upper() in written for name in [*source["names"], source["name"]]):
            return _canonical(source["name"])
    return None


def _by_place(direction_rad: tuple[float, float]) -> str | None:
    ra, dec = direction_rad
    for source in _tables()["sources"]:
        ra0, dec0 = source["j2000_rad"]
        apart = np.hypot(2 * np.sin((ra - ra0) / 2) * np.cos(dec), dec - dec0)
        if apart < _SAME_PLACE_RAD:
            return _canonical(source["name"])
    return None


def _polynomial(coefficients: Any, x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.polynomial.polynomial.polyval(x, coefficients), np.float64)


def _epochs_mjd(standard: str) -> NDArray[np.float64]:
    out = []
    for year in _tables()["standards"][standard]["epochs"]:
        first = datetime.date(int(year), 1, 1)
        days = datetime.date(int(year) + 1, 1, 1) - first
        out.append(first.toordinal() - datetime.date(1858, 11, 17).toordinal() + (year % 1) * days.days)
    return np.array(out)


def interpolate(days: NDArray[np.float64], values: NDArray[np.float64], mjd: float, method: str) -> NDArray[np.float64]:
    """Interpolate values (day, n) to one time; outside the days, the first or last epoch's.

    The methods are casacore's: "nearest" is the last epoch that is not later than half a day after (measured),
    "cubic" the cubic through the four nearest epochs, "spline" the natural spline.
    """
    if method == "nearest" or not days[0] <= mjd <= days[-1]:
        return np.asarray(values[max(0, int(np.searchsorted(days, mjd + 0.5, side="right")) - 1)])
    right = int(np.clip(np.searchsorted(days, mjd), 1, len(days) - 1))
    if method == "spline":
        return _natural_spline(days, values, mjd, right)
    count = 2 if method == "linear" else 4
    low = int(np.clip(right - count // 2, 0, len(days) - count))
    at = np.arange(low, low + count)
    weights = [np.prod([(mjd - days[j]) / (days[i] - days[j]) for j in at if j != i]) for i in at]
    return np.asarray(np.array(weights) @ values[at])


def _natural_spline(
    days: NDArray[np.float64], values: NDArray[np.float64], mjd: float, right: int
) -> NDArray[np.float64]:
    h = np.diff(days)
    matrix = np.eye(len(days))
    for i in range(1, len(h)):
        matrix[i, i - 1 : i + 2] = h[i - 1], 2 * (h[i - 1] + h[i]), h[i]
    wanted = np.zeros_like(values)
    wanted[1:-1] = 6 * np.diff(np.diff(values, axis=0) / h[:, None], axis=0)
    bend = np.linalg.solve(matrix, wanted)
    step = h[right - 1]
    b = (mjd - days[right - 1]) / step
    a = 1 - b
    curved = ((a**3 - a) * bend[right - 1] + (b**3 - b) * bend[right]) * step**2 / 6
    return np.asarray(a * values[right - 1] + b * values[right] + curved)

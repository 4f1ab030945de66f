"""The tables of the solar-system flux standard: what there is, and reading it.

``data/solar_system.npz`` is made by ``tools/refresh_solar_system.py`` from CASA's data package, which says how.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

QUANTA = {"RA": 1e-5, "DEC": 1e-5, "Rho": 1e-9, "RadVel": 1e-8, "NP_ang": 1e-4, "DiskLat": 1e-2}
"""Columns of an ephemeris, and the units in which they are kept: deg, deg, AU, AU/day, deg, deg."""


def row_days(rows: int, factor: int) -> NDArray[np.int64]:
    """Return which rows of an ephemeris are kept: every so many, and the last."""
    return np.unique(np.append(np.arange(0, rows, factor), rows - 1))


@dataclass(frozen=True, eq=False)
class Span:
    """An ephemeris over some years.

    Attributes
    ----------
    first_mjd, last_mjd : float
        It is good strictly between these.
    days : float64 (n,)
        UTC, MJD.
    columns : dict of str to float64 (n,)
        The names of `QUANTA`; geocentric and J2000, angles in deg (not wrapped), Rho in AU, RadVel in AU/day.
    radii_km : tuple of 3 floats
        Two equatorial radii and the polar one.
    """

    first_mjd: float
    last_mjd: float
    days: NDArray[np.float64]
    columns: dict[str, NDArray[np.float64]]
    radii_km: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Varying:
    """Brightness temperatures or flux densities against time and frequency.

    Attributes
    ----------
    is_flux : bool
        Flux densities [Jy]; else brightness temperatures [K].
    freq_hz : float64 (nfreq,)
    terms : tuple of (float64 (n,), float64 (n,))
        Days [UTC, MJD] and values: temperatures, one term for each frequency; or the coefficients of ``vectors``.
    mean, vectors : float64 (nfreq,), float64 (nterm, nfreq), optional
        log flux density = mean + sum of terms * vectors.
    """

    is_flux: bool
    freq_hz: NDArray[np.float64]
    terms: tuple[tuple[NDArray[np.float64], NDArray[np.float64]], ...]
    mean: NDArray[np.float64] | None = None
    vectors: NDArray[np.float64] | None = None


@functools.cache
def _file() -> Any:
    return np.load(str(files("atacal.flux") / "data" / "solar_system.npz"))


@functools.cache
def about() -> dict[str, Any]:
    """Return what the tables are and hold: ``source``, and ``bodies`` by name."""
    read: dict[str, Any] = json.loads(str(_file()["about"]))
    return read


def bodies() -> list[str]:
    """Return the names of the bodies that there are."""
    return list(about()["bodies"])


def span_limits(body: str) -> list[tuple[float, float]]:
    """Return the times [MJD] between which there are ephemerides of a body."""
    return [(s["first"], s["first"] + (s["rows"] - 1) * s["step"]) for s in about()["bodies"][body]["ephemerides"]]


@functools.cache
def span(body: str, number: int) -> Span:
    """Return one of the ephemerides of a body."""
    what = about()["bodies"][body]["ephemerides"][number]
    whole = np.cumsum(np.cumsum(_file()[f"ephemeris/{body}/{number}"].astype(np.int64), axis=1), axis=1)
    days = what["first"] + row_days(what["rows"], what["factor"]) * what["step"]
    columns = {name: whole[i] * quantum for i, (name, quantum) in enumerate(QUANTA.items())}
    a, b, c = what["radii_km"]
    return Span(float(days[0]), float(days[-1]), days, columns, (a, b, c))


@functools.cache
def brightness(body: str) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the frequencies [Hz] and constant brightness temperatures [K] of a body, if there are any."""
    if not about()["bodies"][body].get("brightness"):
        return None
    freq_ghz, kelvin = _file()[f"brightness/{body}"]
    return freq_ghz * 1e9, kelvin


@functools.cache
def varying(body: str) -> Varying | None:
    """Return the time-dependent model of a body, if there is one."""
    kind = about()["bodies"][body].get("varying")
    if kind is None:
        return None
    read = functools.partial(_member, f"varying/{body}/")
    freqs, start = read("freq_ghz") * 1e9, float(read("start"))
    if kind == "Tb":
        steps = np.concatenate([read("first")[None].astype(np.int64), read("packed").T.astype(np.int64)])
        kelvin = np.cumsum(np.cumsum(steps, axis=1), axis=0) / 10.0
        days = start + np.arange(len(steps)) / 24.0
        return Varying(False, freqs, tuple((days, np.asarray(column, np.float64)) for column in kelvin.T))
    terms = []
    for k in range(len(read("vectors"))):
        first, bend = read(f"first{k}").astype(np.int64), read(f"packed{k}").astype(np.int64)
        rises = np.cumsum(np.concatenate([[first[1] - first[0]], bend]))
        values = first[0] + np.concatenate([[0], np.cumsum(rises)])
        terms.append(
            (
                np.asarray(start + np.arange(len(values)) * float(read(f"step{k}")), np.float64),
                values.astype(np.float64),
            )
        )
    return Varying(True, freqs, tuple(terms), read("mean"), read("vectors"))


def _member(prefix: str, name: str) -> NDArray:
    read: NDArray = _file()[prefix + name]
    return read

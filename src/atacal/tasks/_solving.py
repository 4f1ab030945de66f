"""What gaincal and bandpass have in common: arguments to selection, library, setup and back."""

from __future__ import annotations

import os
from typing import Any

from atacal.caltables.library import Library
from atacal.errors import ArgumentError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selected import Selected
from atacal.ms.selection import Selection, select

SELECTDATA = ("timerange", "uvrange", "antenna", "scan", "observation", "msselect")


def one_of(name: str, value: str, allowed: tuple[str, ...], why: str = "") -> str:
    """Return a keyword argument if it is one of those allowed, else say what is."""
    if value not in allowed:
        raise ArgumentError(f"{name}={value!r} is not possible{why}; possible are {', '.join(map(repr, allowed))}")
    return value


def only_default(name: str, value: object, default: object, why: str) -> None:
    """Refuse a parameter that has no meaning here unless it is left alone."""
    if value != default:
        raise ArgumentError(f"{name}={value!r}: {why}; leave it at {default!r}")


def solver_selection(ms: MeasurementSet, arguments: dict[str, Any]) -> Selected:
    """Select the cross-correlations that a solving task's arguments name."""
    names = ["field", "spw", "intent"] + (list(SELECTDATA) if arguments["selectdata"] else [])
    return select(ms, Selection(**{n: str(arguments[n]) for n in names}), autocorr=False)


def solver_library(ms: MeasurementSet, arguments: dict[str, Any]) -> Library | None:
    """Build the library of pre-applied tables from a task's arguments; None when there is nothing to apply."""
    if arguments["docallib"]:
        raise ArgumentError("docallib=True: give gaintable, gainfield, interp and spwmap instead of a library file")
    if not arguments["gaintable"] and not arguments["parang"]:
        return None
    return Library.build(
        ms,
        gaintable=arguments["gaintable"],
        gainfield=arguments["gainfield"],
        interp=arguments["interp"],
        spwmap=arguments["spwmap"],
        parang=arguments["parang"],
    )


def check_paths(vis: str, caltable: str) -> None:
    """Refuse missing names, and a caltable that would lie on top of data."""
    if not vis:
        raise ArgumentError("vis is empty; it must name a MeasurementSet")
    if not caltable:
        raise ArgumentError("caltable is empty; it must name the table to write")
    if os.path.isdir(os.path.join(caltable, "SPECTRAL_WINDOW")) and os.path.isdir(
        os.path.join(caltable, "DATA_DESCRIPTION")
    ):
        raise ArgumentError(f"caltable {caltable} is a MeasurementSet; it will not be overwritten")
    if os.path.exists(caltable) and not os.path.isfile(os.path.join(caltable, "table.dat")):
        raise ArgumentError(f"caltable {caltable} exists and is not a table; it will not be overwritten")

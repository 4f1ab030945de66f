"""Catalogues of measured flux densities from files: CSV, or VOTable."""

from __future__ import annotations

import csv
import datetime
import io
import math
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError, CatalogueError, NoSuchTable
from atacal.flux.catalogue import Catalogue, CatalogueSource, Measurement, why_useless
from atacal.flux.dates import day_of_mjd, parse_day
from atacal.flux.source_names import spelled

COLUMNS = {
    "name": ("name", "names", "source", "sourcename", "sourcenames", "object", "calibrator", "field", "alias"),
    "freq": ("frequency", "freq", "nu", "measfreq", "measurementfrequency"),
    "flux": ("flux", "fluxdensity", "fluxd", "stokesi", "i", "s"),
    "error": (
        "fluxuncertainty", "fluxdensityuncertainty", "uncertainty", "error", "err", "fluxerror", "fluxdensityerror",
        "fluxerr", "efluxdensity", "eflux", "fluxdensityerr", "sigma", "dflux",
    ),
    "date": ("dateobserved", "date", "dateobs", "obsdate", "observationdate", "observed", "day", "time", "epoch"),
    "mjd": ("mjd", "mjdobs", "timemjd"),
    "ra": ("ra", "rightascension", "raj2000", "radeg"),
    "dec": ("dec", "declination", "dej2000", "decj2000", "decdeg"),
}  # fmt: skip
"""What a column can be called: without blanks, underscores and its unit, in small letters."""

_FREQ_UNITS = {"hz": 1.0, "khz": 1e3, "mhz": 1e6, "ghz": 1e9}
_FLUX_UNITS = {"jy": 1.0, "mjy": 1e-3, "ujy": 1e-6}
_UNITS = {*_FREQ_UNITS, *_FLUX_UNITS, "deg", "d", "day"}
_LEAST_HZ, _MOST_GHZ = 1e6, 2000.0
_NOTHING = ("", "-", "--", "null", "none", "n/a", "na", "masked")


@dataclass(frozen=True)
class _Column:
    """A column's name in the file, and its unit in small letters ("" if the file has none)."""

    name: str
    unit: str


def read_catalogue(path: str | os.PathLike[str]) -> Catalogue:
    """Read a catalogue of measured flux densities.

    Parameters
    ----------
    path : path
        CSV (columns separated by ``,``, ``;``, ``|`` or tabs; lines with ``#`` are skipped) or VOTable. Columns:
        source, frequency, flux density, date, and where there are any its uncertainty and the position (J2000); their
        names are `COLUMNS`, with the unit in the name (``freq_GHz``, ``flux (mJy)``), in a VOTable's unit, or none:
        then frequencies up to 2000 are GHz and from 1e6 on Hz, flux densities Jy. Several names of a source are
        separated by ``;``, ``|`` or ``=``.

    Returns
    -------
    Catalogue

    Raises
    ------
    NoSuchTable
        If there is no such file.
    CatalogueError
        If it cannot be read, lacks a column, or has a value that cannot be.
    """
    file = Path(path)
    if not file.is_file():
        raise NoSuchTable(f"{os.fspath(path)}: there is no such catalogue of flux densities")
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise CatalogueError(f"{file} cannot be read: {error}") from error
    if raw.lstrip()[:1] == b"<":
        columns, rows = _votable(raw, file)
    else:
        columns, rows = _csv(raw, file)
    return Catalogue(os.fspath(path), collect(_measured(columns, rows, file)))


Row = tuple[Sequence[str], tuple[float, float] | None, Measurement]
"""Names of a source, its position [deg] if known, a measurement."""


def collect(rows: Iterable[Row]) -> tuple[CatalogueSource, ...]:
    """Put measurements together by their sources: rows that share a name are of one source.

    The order is that of the first rows; a source's position is that of its first row that has one.
    """
    numbers: dict[str, int] = {}
    names: dict[int, dict[str, str]] = {}
    places: dict[int, tuple[float, float]] = {}
    measured: dict[int, list[Measurement]] = {}
    for given, position, measurement in rows:
        keys = {spelled(n): n for n in given}
        known = sorted({numbers[k] for k in keys if k in numbers})
        number = known[0] if known else len(names)
        while not known and number in names:
            number += 1
        for other in known[1:]:  # rows of what seemed to be two sources, until this one had names of both
            names[number] |= names.pop(other)
            measured[number] += measured.pop(other)
            if other in places:
                places.setdefault(number, places.pop(other))
        names.setdefault(number, {}).update({k: n for k, n in keys.items() if k not in names.get(number, {})})
        numbers |= dict.fromkeys(names[number], number)
        measured.setdefault(number, []).append(measurement)
        if position is not None:
            places.setdefault(number, position)
    return tuple(CatalogueSource(tuple(names[n].values()), places.get(n), tuple(measured[n])) for n in sorted(names))


def _votable(raw: bytes, file: Path) -> tuple[dict[str, str], list[Mapping[str, Any]]]:
    """Return the columns (name -> unit) and rows of a VOTable's first table."""
    from astropy.io.votable import parse_single_table

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = parse_single_table(io.BytesIO(raw), verify="ignore").to_table(use_names_over_ids=True)
    except Exception as error:  # the parser of other people's XML raises what it likes
        raise CatalogueError(f"{file} is no readable VOTable: {type(error).__name__}: {error}") from error
    names = {c.name: str(c.unit or "") for c in table.columns.values()}
    return names, [{n: _plain(row[n]) for n in names} for row in table]


def _plain(value: Any) -> Any:
    if getattr(value, "mask", False) is True or str(value) == "--":
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if hasattr(value, "item") else value


def _csv(raw: bytes, file: Path) -> tuple[dict[str, str], list[Mapping[str, Any]]]:
    """Return the columns (name -> "") and rows of a CSV file."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CatalogueError(f"{file} is neither CSV nor a VOTable: it is no text ({error.reason})") from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        raise CatalogueError(f"{file} is empty: a first line with the names of columns is missing")
    delimiter = max(",;\t|", key=lines[0].count)
    try:
        header, *rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise CatalogueError(f"{file} is no readable CSV: {error}") from error
    header = [h.strip() for h in header]
    out: list[Mapping[str, Any]] = []
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise CatalogueError(f"{file}, row {number}: {len(row)} values in {len(header)} columns")
        out.append(dict(zip(header, (v.strip() for v in row), strict=True)))
    return dict.fromkeys(header, ""), out


def _find_columns(columns: Mapping[str, str], file: Path) -> dict[str, _Column]:
    """Find which column is what."""
    found: dict[str, tuple[int, _Column]] = {}
    for name, unit in columns.items():
        plain, written = _name_and_unit(name)
        for what, known in COLUMNS.items():
            if plain in known and (what not in found or known.index(plain) < found[what][0]):
                found[what] = known.index(plain), _Column(name, (unit or written).lower().replace(" ", ""))
    missing = [w for w in ("name", "freq", "flux") if w not in found]
    missing += ["date"] if "date" not in found and "mjd" not in found else []
    if missing:
        lacking = "; ".join(f"{w} ({', '.join(COLUMNS[w][:3])} ...)" for w in missing)
        raise CatalogueError(f"{file} lacks columns: {lacking}. It has: {', '.join(columns) or 'none'}")
    return {what: column for what, (_, column) in found.items()}


def _name_and_unit(name: str) -> tuple[str, str]:
    """Split a column's name: ``Frequency [GHz]``, ``flux_mJy``, ``date_observed``."""
    parts = [p for p in re.split(r"[^a-z0-9]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()) if p]
    joined = "".join(parts)
    for unit in sorted(_UNITS, key=len, reverse=True):
        tail = next((n for n in range(1, len(parts)) if "".join(parts[n:]) == unit), None)
        if tail is not None:
            return "".join(parts[:tail]), unit
    return joined, ""


def _measured(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], file: Path) -> Iterable[Row]:
    found = _find_columns(columns, file)
    if not rows:
        raise CatalogueError(f"{file} has no rows")
    for number, row in enumerate(rows, 1):
        where = f"{file}, row {number}"
        names = [n.strip() for n in re.split(r"[;|=]", str(row[found["name"].name])) if n.strip()]
        if not names:
            raise CatalogueError(f"{where}: the source has no name ({found['name'].name} is empty)")
        measured = Measurement(
            _day(found, row, where),
            _value(found["freq"], row, where, _hertz),
            _value(found["flux"], row, where, _jansky),
            _error(found.get("error"), row, where),
        )
        if why := why_useless(measured):
            raise CatalogueError(f"{where}: {why}")
        yield names, _position(found, row, where), measured


def _value(column: _Column, row: Mapping[str, Any], where: str, convert: Callable[[float, str], float]) -> float:
    """Read a positive number with or without its unit."""
    written = row[column.name]
    value, unit = _number(written)
    out = convert(value, unit or column.unit) if math.isfinite(value) else math.nan
    if not (math.isfinite(out) and out > 0):
        raise CatalogueError(f"{where}: {column.name} = {written!r} is no positive number in a unit that is known")
    return out


def _number(written: Any) -> tuple[float, str]:
    """Read a number and the unit behind it, if there is one; NaN for what is none."""
    if isinstance(written, (int, float)) and not isinstance(written, bool):
        return float(written), ""
    found = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*([a-z]*)", str(written).strip().lower())
    return (float(found[1]), found[2]) if found else (math.nan, "")


def _hertz(value: float, unit: str) -> float:
    if unit:
        return value * _FREQ_UNITS.get(unit, math.nan)
    if value >= _LEAST_HZ:
        return value
    return value * 1e9 if value <= _MOST_GHZ else math.nan


def _jansky(value: float, unit: str) -> float:
    return value * _FLUX_UNITS.get(unit or "jy", math.nan)


def _error(column: _Column | None, row: Mapping[str, Any], where: str) -> float | None:
    """Read an uncertainty; None for what catalogues write where they have none (nothing, 0, NaN, 1.8e308)."""
    if column is None or str(row[column.name]).strip().lower() in (*_NOTHING, "nan"):
        return None
    value, unit = _number(row[column.name])
    if value == 0 or value > 1e300 or (isinstance(row[column.name], float) and math.isnan(value)):
        return None
    out = _jansky(value, unit or column.unit)
    if not out > 0:
        raise CatalogueError(f"{where}: {column.name} = {row[column.name]!r} is no positive uncertainty")
    return out


def _day(found: Mapping[str, _Column], row: Mapping[str, Any], where: str) -> datetime.date:
    if "date" in found:
        written = str(row[found["date"].name]).strip()
        try:
            return parse_day(written, found["date"].name)
        except ArgumentError as error:
            raise CatalogueError(f"{where}: {error}") from error
    value, _ = _number(row[found["mjd"].name])
    if not 0 < value < 200000:
        raise CatalogueError(f"{where}: {found['mjd'].name} = {row[found['mjd'].name]!r} is no modified Julian date")
    return day_of_mjd(value)


def _position(found: Mapping[str, _Column], row: Mapping[str, Any], where: str) -> tuple[float, float] | None:
    from atacal.flux.source_names import position

    if "ra" not in found or "dec" not in found:
        return None
    ra, dec = (str(row[found[k].name]).strip() for k in ("ra", "dec"))
    if ra.lower() in _NOTHING and dec.lower() in _NOTHING:
        return None
    at = position(f"{ra} {dec}")
    if at is None:
        raise CatalogueError(f"{where}: {ra!r}, {dec!r} is no position (degrees, or 05:38:50.4 and -44:05:08.9)")
    return at

"""Corrections of antenna positions from a file, or from ALMA's public service."""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError, InvalidTable, NoSuchTable, ServiceError
from atacal.ms._tables import opened
from atacal.ms.metadata import Metadata

log = logging.getLogger("atacal")

SERVICE = "https://asa.alma.cl/uncertainties-service/uncertainties/versions/last/measurements/casa/"
"""ALMA's public service of antenna positions (CASA's getantposalma asks the same)."""
SERVICE_VARIABLE = "ATACAL_ANTPOS_SERVICE"
"""Environment variable that names another address."""

_COLUMNS = {"ms": "name", "xoffset": "xoff", "yoffset": "yoff", "zoffset": "zoff"}
"""What newer pipelines call columns of antennapos.csv, and what older ones did."""

Offsets = dict[str, tuple[float, float, float]]
"""Corrections by antenna, x, y, z along the ITRF axes [m]."""


def read_positions_file(path: str | os.PathLike[str], metadata: Metadata) -> Offsets:
    """Read position corrections from a file.

    Parameters
    ----------
    path : path
        JSON as CASA's getantposalma writes it (positions), or ALMA's ``antennapos.csv`` (columns name, antenna, xoff,
        yoff, zoff, or as newer pipelines call them ms, antenna, xoffset, yoffset, zoffset: corrections, those of this
        MeasurementSet by its name).
    metadata : Metadata

    Returns
    -------
    Offsets

    Raises
    ------
    NoSuchTable, ArgumentError
        If the file cannot be read, is neither, or names antennas that the MeasurementSet does not have.
    """
    if not Path(path).is_file():
        raise NoSuchTable(f"infile={os.fspath(path)!r}: there is no such file")
    text = Path(path).read_text(encoding="utf-8")
    if text.lstrip().startswith("{"):
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ArgumentError(f"{os.fspath(path)} is not readable JSON: {error}") from error
        product = content.get("metadata", {}).get("product_code") if isinstance(content.get("metadata"), dict) else None
        if product != "antposalma" or not isinstance(content.get("data"), dict):
            raise ArgumentError(
                f"{os.fspath(path)} is not a file of ALMA antenna positions: product_code is {product!r}, not "
                "'antposalma', or there is no 'data'"
            )
        _require_alma(metadata, os.fspath(path))
        return offsets_from(content["data"], metadata, os.fspath(path), all_known=True)
    return _from_csv(text, metadata, os.fspath(path))


def _from_csv(text: str, metadata: Metadata, path: str) -> Offsets:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if lines:
        lines[0] = ",".join(_COLUMNS.get(word.strip(), word) for word in lines[0].split(","))
    rows = list(csv.DictReader(lines, skipinitialspace=True))
    names = ("name", "antenna", "xoff", "yoff", "zoff")
    if not rows or any(n not in rows[0] for n in names):
        raise ArgumentError(f"{path} is neither JSON nor a table with the columns {', '.join(names)}")
    stem = metadata.name.removesuffix(".ms")
    mine = [r for r in rows if (r["name"] or "").strip() in (metadata.name, stem)]
    if not mine:
        raise ArgumentError(f"{path} has no corrections for {metadata.name}; it has them for {rows[0]['name']!r} ...")
    out: Offsets = {}
    for row in mine:
        antenna = (row["antenna"] or "").strip()
        if antenna not in metadata.antenna_names():
            raise ArgumentError(f"{path}: {metadata.name} has no antenna {antenna!r}")
        try:
            x, y, z = (float(row[n]) for n in names[2:])
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"{path}: the offsets of {antenna} are no numbers: {row}") from error
        out[antenna] = (x, y, z)
    return out


def offsets_from(positions: Mapping[str, Any], metadata: Metadata, source: str, *, all_known: bool) -> Offsets:
    """Return positions less those in the ANTENNA table.

    Parameters
    ----------
    positions : mapping of antenna -> (x, y, z)
        ITRF [m].
    metadata : Metadata
    source : str
        For messages.
    all_known : bool
        Whether antennas that the MeasurementSet lacks are an error.

    Raises
    ------
    ArgumentError
    """
    there = {a.name: a.position_m for a in metadata.antennas}
    strange = [name for name in positions if name not in there]
    if strange and all_known:
        raise ArgumentError(f"{source}: {metadata.name} has no antenna {', '.join(strange[:8])}")
    out: Offsets = {}
    for name in (n for n in positions if n in there):
        try:
            x, y, z = (float(v) for v in positions[name])
        except (TypeError, ValueError) as error:
            raise ArgumentError(
                f"{source}: the position of {name} is not three numbers: {positions[name]!r}"
            ) from error
        out[name] = (x - there[name][0], y - there[name][1], z - there[name][2])
    if not out:
        raise ArgumentError(f"{source} has no position of any antenna of {metadata.name}")
    return out


def look_up(
    metadata: Metadata, *, timeout_s: float, retries: int, wait_s: float, search: str = "both_latest", snr: float = 0.0
) -> Offsets:
    """Ask ALMA's public service for the best positions of an execution block's antennas.

    Parameters
    ----------
    metadata : Metadata
    timeout_s, wait_s : float
        How long to wait for an answer, and before asking again.
    retries : int
        How often to ask again.
    search : str
        ``both_latest``, ``both_closest`` (in time to the observation) or ``auto``.
    snr : float
        Only positions that were measured better than this; 0 for all.

    Returns
    -------
    Offsets

    Raises
    ------
    ArgumentError
        For other telescopes, or if the execution block is not known.
    ServiceError
        If the service does not answer, or answers with something else.
    """
    from urllib.error import HTTPError
    from urllib.parse import urlencode
    from urllib.request import urlopen

    _require_alma(metadata, "antenna=''")
    uid = execution_block(metadata)
    asked = {"asdm": uid, "search": search, **({"snr": f"{snr:g}"} if snr else {})}
    url = f"{os.environ.get(SERVICE_VARIABLE, SERVICE)}?{urlencode(asked)}"
    log.info("gencal: asking %s for antenna positions", url)
    why = ""
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(wait_s)
        try:
            with urlopen(url, timeout=timeout_s) as answer:
                found = json.loads(answer.read().decode("utf-8"))
            if not isinstance(found, dict) or not found:
                raise ServiceError(f"{url} knows no antenna positions for {uid}; give antenna and parameter, or infile")
            return offsets_from(found, metadata, url, all_known=False)
        except HTTPError as error:
            why = f"HTTP {error.code} {error.reason}"
            if error.code < 500:
                break
        except (OSError, ValueError) as error:
            if isinstance(error, (ArgumentError, ServiceError)):
                raise
            why = str(getattr(error, "reason", error))
    raise ServiceError(
        f"no antenna positions from {url}: {why}. No table was made; give antenna and parameter, or infile (a file of "
        "CASA's getantposalma, or antennapos.csv)"
    )


def _require_alma(metadata: Metadata, what: str) -> None:
    telescopes: Sequence[str] = [o.telescope for o in metadata.observations]
    if any(t != "ALMA" for t in telescopes) or not telescopes:
        raise ArgumentError(
            f"{what}: positions can be looked up for ALMA only, {metadata.name} is of {', '.join(telescopes) or '?'}; "
            "give antenna and parameter"
        )


def execution_block(metadata: Metadata) -> str:
    """Return the uid of the execution block, ``uid://A002/X.../X...``, from ASDM_EXECBLOCK or the name.

    Raises
    ------
    ArgumentError
    """
    path = os.path.join(metadata.path, "ASDM_EXECBLOCK")
    if os.path.isdir(path):
        try:
            with opened(path) as tab:
                uid = str(tab.getcell("execBlockUID", 0)) if "execBlockUID" in tab.colnames() and tab.nrows() else ""
        except InvalidTable:
            uid = ""
        if re.fullmatch(r"uid://\w+/\w+/\w+", uid):
            return uid
    named = re.match(r"uid___([A-Z]\w*?)_(X[0-9a-f]+)_(X[0-9a-f]+)", metadata.name)
    if named:
        return f"uid://{named[1]}/{named[2]}/{named[3]}"
    raise ArgumentError(
        f"{metadata.path}: which execution block this is cannot be told (no ASDM_EXECBLOCK, no uid___... name), so "
        "positions cannot be looked up; give antenna and parameter, or infile"
    )

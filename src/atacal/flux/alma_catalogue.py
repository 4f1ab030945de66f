"""ALMA's public catalogue of calibrators: a client of its XML-RPC service, with a cache on disk."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import http.client
import json
import logging
import math
import os
import re
import time
import xmlrpc.client
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from atacal.errors import ArgumentError, ServiceError, UnknownSource
from atacal.flux.catalogue import Catalogue, Measurement, why_useless
from atacal.flux.catalogue_file import Row, collect
from atacal.flux.dates import parse_day
from atacal.flux.source_names import spelled

log = logging.getLogger("atacal")

SERVICE = "http://asa.alma.cl/sourcecat/xmlrpc"
"""ALMA's public source catalogue (analysisUtils' searchFlux asks the same)."""
SERVICE_VARIABLE = "ATACAL_SOURCE_CATALOGUE_SERVICE"
"""Environment variable that names another address."""
MAX_AGE_DAYS = 7.0
"""How old an answer in the cache may be."""

_METHOD = "sourcecat.searchMeasurements103"
_ALMA = 5
"""The service's number of ALMA's own measurements (ALMA's pipeline asks for CATALOGUE=5)."""
_MOST_ROWS = 30000
_MOST_BYTES = 64 << 20
_VERSION = 1
_NULL = 1e300  # the service writes 1.7976931348623157e308 for what it does not know


def fetch(
    name: str,
    *,
    server: str = "",
    refresh: bool = False,
    max_age_days: float = MAX_AGE_DAYS,
    timeout_s: float = 30.0,
    retries: int = 1,
    wait_s: float = 2.0,
) -> Catalogue:
    """Return what ALMA's public catalogue has of a source.

    An answer is kept in ``$XDG_CACHE_HOME/atacal/source-catalogue`` (``~/.cache`` without that variable), and taken
    from there until it is too old. If the service cannot be reached then, the old answer is taken, with a warning.

    Parameters
    ----------
    name : str
        One of the source's names.
    server : str
        Address. Empty: the environment variable ATACAL_SOURCE_CATALOGUE_SERVICE, else `SERVICE`.
    refresh : bool
        Ask the service even if the cache has an answer.
    max_age_days : float
    timeout_s, wait_s : float
        How long to wait for an answer in all, and before asking again.
    retries : int
        How often to ask again.

    Returns
    -------
    Catalogue
        With the sources that have this name: none, if the service does not know it.

    Raises
    ------
    ServiceError
        If the service does not answer, or answers with something else, and the cache has nothing.
    """
    url = server or os.environ.get(SERVICE_VARIABLE, "") or SERVICE
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).netloc:
        raise ArgumentError(f"server={url!r} is no address of a service; it begins with http:// or https://")
    file = cache_file(name, url)
    kept = _read_cache(file)
    if kept is not None and not refresh and kept[0] <= max_age_days:
        log.info("flux densities of %s: answer of %s, %.1f days old, from %s", name, url, kept[0], file)
        return Catalogue(url, collect(kept[1]))
    try:
        rows = _ask(url, name, timeout_s, retries, wait_s)
    except ServiceError as error:
        if kept is None:
            raise
        log.warning("%s. Taking the answer of %.0f days ago from %s", error, kept[0], file)
        return Catalogue(url, collect(kept[1]))
    if rows:
        _write_cache(file, url, name, rows)
    return Catalogue(url, collect(rows))


def cache_file(name: str, url: str) -> Path:
    """Return where the answer about a name is kept."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache"
    key = hashlib.sha256(f"{url}\n{spelled(name)}".encode()).hexdigest()[:12]
    readable = re.sub(r"[^A-Z0-9.+-]", "_", spelled(name))[:40]
    return root / "atacal" / "source-catalogue" / f"{readable}.{key}.json"


def _ask(url: str, name: str, timeout_s: float, retries: int, wait_s: float) -> list[Row]:
    from urllib.error import HTTPError

    log.info("asking %s for the flux densities of %s", url, name)
    why = ""
    for attempt in range(retries + 1):
        if attempt:
            time.sleep(wait_s)
        try:
            return _rows(_call(url, name, timeout_s), url)
        except HTTPError as error:
            why = f"HTTP {error.code} {error.reason}"
            if error.code < 500:
                break
        except xmlrpc.client.Fault as error:
            why = f"the service says: {error.faultString}"
            break
        except _NoXmlRpc as error:
            why = f"the answer is no XML-RPC ({error})"
        except (OSError, http.client.HTTPException) as error:
            why = str(getattr(error, "reason", "") or error) or type(error).__name__
    raise ServiceError(
        f"no flux densities of {name} from {url}: {why}. Give a catalogue file instead (catalogue=..., or the "
        "environment variable ATACAL_FLUX_CATALOGUE)"
    )


class _NoXmlRpc(Exception):
    pass


def _call(url: str, name: str, timeout_s: float) -> Any:
    """Ask for all of a source's measurements by ALMA; redirections are followed."""
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class SamePost(HTTPRedirectHandler):
        """Send what was asked to the other address, where urllib would ask it for a page."""

        def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Request | None:
            if urlsplit(newurl).scheme not in ("http", "https"):
                return None
            return Request(newurl, data=req.data, headers={"Content-Type": "text/xml"})

    none, no_angle = -1.0, -361.0
    # measurements a source and band (all), sources; catalogues, types; name; ra, dec, radius; ranges; limits of
    # frequency, flux density, degree and angle of polarisation; order; dates; only valid ones; limits of uv distance
    arguments: tuple[Any, ...] = (
        -1, _MOST_ROWS, [_ALMA], [], name, none, none, none, [], none, none, none, none, none, none, no_angle, no_angle,
        "date_observed", True, False, 0, "", True, none, none,
    )  # fmt: skip
    deadline = time.monotonic() + timeout_s
    question = xmlrpc.client.dumps(arguments, _METHOD).encode("utf-8")
    request = Request(url, data=question, headers={"Content-Type": "text/xml"})
    with build_opener(SamePost).open(request, timeout=timeout_s) as answer:
        text = _read(answer, deadline)
    try:
        (found,), _ = xmlrpc.client.loads(text, use_builtin_types=True)
    except xmlrpc.client.Fault:
        raise
    except Exception as error:  # the parser of an answer that is garbage raises what it likes
        raise _NoXmlRpc(f"{type(error).__name__}: {error}") from error
    return found


def _read(answer: Any, deadline: float) -> bytes:
    """Read an answer of a bounded size in a bounded time."""
    text = bytearray()
    while data := answer.read1(1 << 16):
        text += data
        if len(text) > _MOST_BYTES:
            raise _NoXmlRpc(f"more than {_MOST_BYTES >> 20} MB")
        if time.monotonic() > deadline:
            raise TimeoutError("no answer in time")
    return bytes(text)


def _rows(answer: Any, url: str) -> list[Row]:
    """Read the service's records; what cannot be used is left out, with a warning."""
    if not isinstance(answer, list) or not all(isinstance(r, Mapping) for r in answer):
        raise ServiceError(f"{url} answers with something else than a list of measurements: {str(answer)[:80]!r}")
    rows: list[Row] = []
    left_out = 0
    for record in answer:
        try:
            names = [str(n["source_name"]) for n in record["names"]]
            freq, flux = float(record["frequency"]), float(record["flux"])
            day = parse_day(str(record["date_observed"]), "date_observed")
        except (KeyError, TypeError, ValueError) as error:
            raise ServiceError(f"{url}: a measurement cannot be read ({type(error).__name__}: {error})") from error
        if not names or not 0 < freq < _NULL:
            raise ServiceError(f"{url}: a measurement of {day} has no source name, or the frequency {freq}")
        error_jy = _known(record.get("flux_uncertainty"))
        measured = Measurement(day, freq, flux, error_jy if error_jy and error_jy > 0 else None)
        if why_useless(measured):
            left_out += 1
            continue
        ra, dec = _known(record.get("ra")), _known(record.get("dec"))
        rows.append((names, None if ra is None or dec is None else (ra, dec), measured))
    if left_out:
        log.warning("%s: %d measurements are of nothing above their errors, and left out", url, left_out)
    return rows


def _known(value: Any) -> float | None:
    """Return a number, or None for what the service writes where it has none."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and abs(number) < _NULL else None


def _read_cache(file: Path) -> tuple[float, list[Row]] | None:
    """Return the age [d] and the rows of a kept answer; None if there is none or it is damaged."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("the kept answer %s cannot be read and is made anew: %s", file, error)
        return None
    try:
        if content["version"] != _VERSION:
            return None
        age = (time.time() - float(content["fetched_unix_s"])) / 86400.0
        if not -1.0 < age < math.inf:
            raise ValueError(f"fetched_unix_s {content['fetched_unix_s']}")
        rows: list[Row] = []
        for names, where, day, freq, flux, error_jy in content["rows"]:
            known = Measurement(
                datetime.date.fromisoformat(day),
                float(freq),
                float(flux),
                None if error_jy is None else float(error_jy),
            )
            if not names or not 0 < known.freq_hz < _NULL or why_useless(known):
                raise ValueError(f"row {names} {day}")
            rows.append(([str(n) for n in names], None if where is None else (float(where[0]), float(where[1])), known))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        log.warning("the kept answer %s is damaged and is made anew: %s: %s", file, type(error).__name__, error)
        return None
    return age, rows


def _write_cache(file: Path, url: str, name: str, rows: list[Row]) -> None:
    """Keep an answer; a cache that cannot be written is said, and no error."""
    content = {
        "version": _VERSION, "server": url, "name": name, "fetched_unix_s": time.time(),
        "rows": [[list(n), w, m.date.isoformat(), m.freq_hz, m.flux_jy, m.error_jy] for n, w, m in rows],
    }  # fmt: skip
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(content), encoding="utf-8")
        beside.replace(file)
    except OSError as error:
        log.warning("the answer about %s cannot be kept: %s", name, error)
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


def require_known(catalogue: Catalogue, name: str) -> None:
    """Refuse an answer without a source.

    Raises
    ------
    UnknownSource
    """
    if not catalogue.sources:
        raise UnknownSource(
            f"{catalogue.origin} has no ALMA measurements of {name!r}; its sources have J2000 names (J0538-4405)"
        )

"""The task listobs: what is in a MeasurementSet."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from atacal.errors import TableExists, WriteError
from atacal.ms.listobs import as_record, summarize
from atacal.ms.listobs_text import page
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.results import LISTING

log = logging.getLogger("atacal")


class Listing(dict[str, Any]):
    """What `listobs` returns: a dictionary of facts that prints as a page."""

    page = ""

    def __str__(self) -> str:
        return self.page


def listobs(
    vis: str | os.PathLike[str],
    selectdata: bool = True,
    spw: str = "",
    field: str = "",
    antenna: str = "",
    uvrange: str = "",
    timerange: str = "",
    correlation: str = "",
    scan: str = "",
    intent: str = "",
    feed: str = "",
    array: str = "",
    observation: str | int = "",
    verbose: bool = True,
    listfile: str = "",
    listunfl: bool = False,
    cachesize: float = 50.0,
    overwrite: bool = False,
) -> dict[str, Any]:
    """List what a MeasurementSet holds: scans, fields, spectral windows, sources, antennas.

    The facts come back as a dictionary, which prints as the listing (``print(listobs(vis))``) unless that went to
    ``listfile``.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    selectdata : bool
        Whether the selections below are used.
    spw : str
        Spectral windows; channels are read but do not matter here.
    field : str
        Fields, by name or id.
    antenna : str
        Antennas or baselines.
    uvrange : str
        uv distances.
    timerange : str
        Times.
    correlation : str
        Correlations: rows that have them.
    scan : str
        Scan numbers.
    intent : str
        Observing intents.
    feed : str
        Feeds.
    array : str
        Subarrays.
    observation : str or int
        Observation ids.
    verbose : bool
        With the lists of scans and sources, and with antenna positions.
    listfile : str
        A text file to write the listing to.
    listunfl : bool
        Count the unflagged rows too (reads all flags): for every row the part of its bandwidth that is not flagged.
    cachesize : float
        Accepted for CASA's sake [MB]; memory is bounded without it.
    overwrite : bool
        Whether ``listfile`` may be replaced.

    Returns
    -------
    dict
        ``numrecords``, ``BeginTime`` and ``EndTime`` [MJD, days], ``IntegrationTime`` [s] (all that elapsed),
        ``timeref``, ``nfields``, ``field_<id>`` and ``scan_<number>`` with one entry per field of the scan.

    Raises
    ------
    SelectionError, EmptySelection, NoSuchTable, TableExists, WriteError
    """
    if listfile and os.path.exists(listfile) and not overwrite:
        raise TableExists(f"{listfile} is already there; remove it, choose another listfile or set overwrite=True")
    wanted = Selection()
    if selectdata:
        wanted = Selection(
            field=field, spw=spw, antenna=antenna, scan=scan, timerange=timerange, uvrange=uvrange, intent=intent,
            correlation=correlation, observation=str(observation), array=array, feed=feed,
        )  # fmt: skip
    with MeasurementSet(vis) as ms:
        summary = summarize(ms, select(ms, wanted), count_unflagged=listunfl)
    listing = Listing(as_record(summary))
    listing.page = "\n".join(page(summary, verbose=verbose))
    if listfile:
        _write(Path(listfile), listing.page + "\n")
        listing.page = ""
        log.info("Wrote the listing of %s to %s", vis, listfile)
    else:
        log.log(LISTING, "%s", listing.page)
    return listing


def _write(path: Path, text: str) -> None:
    """Write a text file, or leave what was there before unharmed."""
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError as error:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise WriteError(f"cannot write {path}: {error}") from error

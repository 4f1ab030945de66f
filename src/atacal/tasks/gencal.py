"""The task gencal."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from atacal.errors import ArgumentError, NoSuchTable

if TYPE_CHECKING:
    from atacal.ms.metadata import Metadata

log = logging.getLogger("atacal")

_NOT_MADE = (
    "antposvla", "swpow", "swpwts", "evlagain", "rq", "swp/rq", "gc", "eff", "gceff", "tecim", "jyperk", "eop"
)  # fmt: skip


def gencal(
    vis: str,
    caltable: str,
    caltype: str,
    infile: str = "",
    endpoint: str = "asdm",
    timeout: float = 180,
    retry: int = 3,
    retry_wait_time: float = 5,
    ant_pos_time_limit: int = 0,
    spw: str = "",
    antenna: str = "",
    pol: str = "",
    parameter: float | Sequence[float] = (),
    uniform: bool = True,
) -> None:
    """Make a calibration table of system temperatures, antenna position corrections, or given values.

    Given values are added to a table of gencal's own that is there already (amplitudes and phases are multiplied);
    a table of system temperatures is made anew.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    caltable : str
        The table to be written.
    caltype : str
        ``tsys`` (from the SYSCAL table), ``antpos`` (antenna position corrections, ITRF [m]), ``amp`` (amplitude),
        ``ph`` (phase [deg]), ``sbd`` and ``mbd`` (delay [ns]), ``opac`` (opacity at the zenith).
    infile : str
        For antpos: JSON file of CASA's getantposalma, or ALMA's antennapos.csv, instead of antenna and parameter.
    endpoint : str
        Of caltype jyperk, which cannot be made; only its default.
    timeout : float
        For antpos without antenna: how long to wait for ALMA's service [s].
    retry : int
        How often to ask the service again.
    retry_wait_time : float
        How long to wait before that [s].
    ant_pos_time_limit : int
        Of VLA data, which cannot be looked up; only its default.
    spw : str
        Spws the values are for; their order is that of the values. Empty for all alike.
    antenna : str
        Antennas the values are for; their order is that of the values. Empty for all alike; for antpos, to look
        positions up in ALMA's public service.
    pol : str
        Polarisations the values are for: X, Y, R, L, or two as 'X,Y'. Empty for all alike.
    parameter : list of float
        One value (antpos: three) for all alike, or one for each polarisation, antenna and spw listed, polarisations
        fastest, then antennas.
    uniform : bool
        For tsys: a row for every antenna at every time, flagged where it was not measured.

    Raises
    ------
    ArgumentError, SelectionError, NoSuchTable, InvalidTable, CaltableError, CaltableMismatch, TableLocked, WriteError
    ServiceError
        If antenna positions cannot be had from the service.

    Examples
    --------
    >>> gencal("X.ms", "X.ms.tsys", "tsys")  # doctest: +SKIP
    >>> gencal("X.ms", "X.ms.antpos", "antpos", antenna="DA60", parameter=[1e-4, 0, -2e-4])  # doctest: +SKIP
    """
    given = dict(locals())
    from atacal.calibrater.specify import CALTYPES
    from atacal.ms.history import task_messages
    from atacal.ms.metadata import read_metadata

    values = [float(parameter)] if isinstance(parameter, (int, float)) else [float(v) for v in parameter]
    _check(vis, caltable, caltype, infile, endpoint, ant_pos_time_limit)
    if caltype == "tsys":
        _write_tsys(vis, caltable, spw, antenna, pol, values, uniform, task_messages("gencal", given))
        return
    if not uniform:
        raise ArgumentError("uniform=False belongs to caltype='tsys'")
    metadata = read_metadata(vis)
    if caltype == "antpos" and (infile or not antenna.strip()):
        if antenna.strip() or pol or values:
            raise ArgumentError("antpos takes antenna and parameter together, or infile, or looks up (with neither)")
        antenna, values = _positions(metadata, infile, timeout, retry, retry_wait_time)
    elif infile:
        raise ArgumentError(f"infile={infile!r} belongs to caltype='antpos'")
    if not values:
        raise ArgumentError(
            f"parameter is empty: caltype={caltype!r} needs values ({CALTYPES[caltype].unit or 'numbers'})"
        )
    _write_values(metadata, caltable, caltype, (spw, antenna, pol), values, task_messages("gencal", given))


def _check(vis: str, caltable: str, caltype: str, infile: str, endpoint: str, ant_pos_time_limit: int) -> None:
    from atacal.calibrater.specify import CALTYPES

    if not vis or not Path(vis).is_dir():
        raise NoSuchTable(f"vis={vis!r}: there is no such MeasurementSet")
    if not caltable:
        raise ArgumentError("caltable is missing: name the table to be written")
    if caltype not in ("tsys", *CALTYPES):
        why = "cannot be made here" if caltype in _NOT_MADE else "is no type of calibration"
        raise ArgumentError(f"caltype={caltype!r} {why}; there are tsys, {', '.join(CALTYPES)}")
    if endpoint != "asdm" or ant_pos_time_limit != 0:
        raise ArgumentError(
            f"endpoint={endpoint!r}, ant_pos_time_limit={ant_pos_time_limit}: they belong to caltypes that cannot be "
            "made here; leave them out"
        )
    if infile and caltype == "tsys":
        raise ArgumentError(f"infile={infile!r} belongs to caltype='antpos'")


def _write_tsys(
    vis: str, caltable: str, spw: str, antenna: str, pol: str, values: list[float], uniform: bool, messages: list[str]
) -> None:
    from atacal.calibrater.tsys import tsys_table
    from atacal.caltables.disk import write_caltable
    from atacal.ms.measurement_set import MeasurementSet

    if spw or antenna or pol or values:
        log.warning("gencal: spw, antenna, pol and parameter have no meaning for caltype='tsys' and are not used")
    with MeasurementSet(vis) as ms:
        table = tsys_table(ms, uniform=uniform)
    table.history.extend(messages)
    if os.path.isdir(caltable):
        log.warning("gencal: %s is made anew", caltable)
    write_caltable(caltable, table, overwrite=True)


def _positions(
    metadata: Metadata, infile: str, timeout: float, retry: int, retry_wait_time: float
) -> tuple[str, list[float]]:
    """Return antennas and their corrections from a file, or from ALMA's service."""
    from atacal.calibrater.antenna_positions import look_up, read_positions_file

    if infile:
        found = read_positions_file(infile, metadata)
    else:
        found = look_up(metadata, timeout_s=timeout, retries=retry, wait_s=retry_wait_time)
    for name, (x, y, z) in found.items():
        log.info("gencal: %s is off by %.3f, %.3f, %.3f mm", name, 1e3 * x, 1e3 * y, 1e3 * z)
    return ",".join(found), [value for offset in found.values() for value in offset]


def _write_values(
    metadata: Metadata,
    caltable: str,
    caltype: str,
    selection: tuple[str, str, str],
    values: list[float],
    messages: list[str],
) -> None:
    from atacal.calibrater.specify import read_target, specify
    from atacal.caltables.disk import read_caltable, write_caltable

    target = read_target(caltype, metadata, *selection)
    old = read_caltable(caltable) if os.path.lexists(caltable) else None
    if old is not None:
        log.info("gencal: the values are added to those in %s", caltable)
    table = specify(caltype, metadata, target, values, old)
    table.history.extend(messages)
    write_caltable(caltable, table, overwrite=True)

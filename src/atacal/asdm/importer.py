"""An ASDM becomes a MeasurementSet."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from atacal.asdm.asis import copy_tables
from atacal.asdm.context import Context, make_context
from atacal.asdm.dataset import Asdm
from atacal.asdm.ephemeris import read_ephemerides, write_ephemerides
from atacal.asdm.main_rows import MainRows, Wanted
from atacal.asdm.online_flags import OnlineFlag
from atacal.asdm.pieces import grouped
from atacal.asdm.setup_tables import fill_setup
from atacal.asdm.sky_tables import fill_sky
from atacal.asdm.subtables import Subtables
from atacal.asdm.time_tables import fill_times
from atacal.asdm.values import integer
from atacal.ms._new_rows import Later, NewRows, require_room
from atacal.ms.create import NewTable, cube_tiles, main_table
from atacal.ms.history import write_history

_log = logging.getLogger("atacal")
_MAIN_INFO = {
    "type": "Measurement Set", "subType": "UVFITS",
    "readme": "This is a MeasurementSet Table holding measurements from a Telescope\n"
              "This is a measurement set Table holding astronomical observations",
}  # fmt: skip
_UVW = {"QuantumUnits": ["m", "m", "m"], "MEASINFO": {"type": "uvw", "Ref": "ITRF"}}


@dataclass(frozen=True)
class Options:
    """What of an ASDM goes into a MeasurementSet, and how."""

    wanted: Wanted = Wanted()  # noqa: RUF009
    scans: str = ""
    ignore_time: bool = False
    asis: Sequence[str] = ()
    pointing: bool = True
    pointing_correction: bool = False
    caldevice: bool = True
    syspower: bool = True
    ephemeris_step_days: float = 0.0
    geocentric: bool = True
    online_flags: Sequence[OnlineFlag] = ()
    """Flag commands of the observatory, for FLAG_CMD."""
    history: Sequence[str] = ()
    """Lines for HISTORY."""


@dataclass(frozen=True)
class Imported:
    """What came of an import."""

    path: Path
    nrow: int
    notes: list[str]
    """What was left out, and why."""


def import_asdm(asdm: Asdm, path: str, options: Options) -> Imported:
    """Make a MeasurementSet; it appears under its name when it is complete.

    Parameters
    ----------
    asdm : Asdm
    path : str
        The MeasurementSet, which must not exist.
    options : Options

    Raises
    ------
    AsdmError, ArgumentError, TableExists, WriteError
    """
    context = make_context(asdm, options.scans, options.ignore_time)
    for ephemeris in read_ephemerides(asdm, context.telescope, options.ephemeris_step_days):
        if options.geocentric:
            ephemeris.made_geocentric()
        context.ephemerides[ephemeris.number] = ephemeris
    with NewTable(path) as new:
        rows = MainRows(context, options.wanted)
        folder, counts = str(new.temporary), rows.counts()
        column = "DATA" if rows.is_complex() else "FLOAT_DATA"
        require_room(path, ("FLAG", column), counts, beside=asdm.table_bytes())
        main = _make_main(asdm, folder, column)
        with Subtables(main, folder) as tables:
            try:
                tables.make_all()
                fill_setup(context, tables)  # it numbers the data descriptions
                writer = NewRows(main, folder, path, ("FLAG", column), counts)
            except BaseException:
                main.close()
                raise
            others = _fill_others(context, main, tables, options)
            try:
                for columns, pieces in grouped(rows.pieces()):
                    later = [Later(len(p), p.shapes(column), partial(p.load, column)) for p in pieces]
                    writer.append_later(columns, later)
                    next(others, None)  # while the threads read and write these
                deque(others, maxlen=0)
                tables.fill("STATE", rows.states.rows)
                tables.fill("FLAG_CMD", (_command(flag) for flag in options.online_flags))
                writer.close()
            except BaseException:
                writer.abandon()
                raise
        write_history(folder, "importasdm", [*options.history, *context.notes])
    _log.info("%s: %d rows of %s", path, writer.nrow, asdm.path)
    return Imported(Path(path), writer.nrow, context.notes)


def _fill_others(context: Context, main: Any, tables: Subtables, options: Options) -> Iterator[None]:
    """Fill the subtables that the rows of the main table do not need, one after the other."""
    fill_sky(context, tables)
    yield
    write_ephemerides(list(context.ephemerides.values()), main, tables.folder)
    yield
    yield from fill_times(
        context, tables, pointing=options.pointing, pointing_correction=options.pointing_correction,
        caldevice=options.caldevice, syspower=options.syspower,
    )  # fmt: skip
    copy_tables(context.asdm, tables, options.asis, context.notes)


def _command(flag: OnlineFlag) -> dict[str, Any]:
    return {
        "APPLIED": False, "COMMAND": flag.command, "INTERVAL": 0.0, "LEVEL": 0, "REASON": flag.reason, "SEVERITY": 0,
        "TIME": 0.0, "TYPE": "",
    }  # fmt: skip


def _make_main(asdm: Asdm, folder: str, column: str) -> Any:
    ncorr = max((integer(r["numCorr"]) for r in asdm.rows("Polarization")), default=1)
    nchan = max((integer(r["numChan"]) for r in asdm.rows("SpectralWindow")), default=1)
    ncorr = 4 if ncorr == 3 else ncorr
    columns = (column, "WEIGHT_SPECTRUM")
    tab = main_table(
        folder, columns, cube_tiles(columns, ncorr, nchan), ncorr=ncorr, column_keywords={"UVW": _UVW}
    )  # fmt: skip
    tab.putinfo(_MAIN_INFO)
    return tab

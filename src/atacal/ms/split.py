"""Copying part of a MeasurementSet into a new one: selection, channel and time averaging.

Rows come out as CASA's split writes them: sorted by observation, array, scan, state, field, data description and time,
in bounded memory, in one pass.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import replace

from atacal.errors import ArgumentError, EmptySelection, MissingColumn
from atacal.ms._new_rows import NewRows, require_room
from atacal.ms._split_plan import SplitOptions, make_plan
from atacal.ms._split_rows import SplitRows
from atacal.ms._subtables import copy_subtables
from atacal.ms.create import NewTable, cube_tiles, main_table
from atacal.ms.history import write_history
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select

log = logging.getLogger("atacal")

_ALMA_SUBSCAN_S = 30.0


def split_ms(
    ms: MeasurementSet,
    outputvis: str | os.PathLike[str],
    selection: Selection | None = None,
    options: SplitOptions | None = None,
    *,
    history: Sequence[str] = (),
    task: str = "split",
) -> int:
    """Copy what a selection picks into a new MeasurementSet.

    Parameters
    ----------
    ms : MeasurementSet
        It is only read.
    outputvis : path
        The new MeasurementSet, which must not exist; it appears when it is complete.
    selection : Selection, optional
    options : SplitOptions, optional
    history : sequence of str
        Lines for the new HISTORY.
    task : str
        Who writes them.

    Returns
    -------
    int
        Rows written.

    Raises
    ------
    TableExists, MissingColumn, ArgumentError, EmptySelection, SelectionError, WriteError
    """
    what, how = selection or Selection(), _for_telescope(ms, options or SplitOptions())
    if how.timebin_s > 0 and (how.hanning or how.regrid is not None):
        raise ArgumentError(
            f"{task}: times cannot be averaged while channels are smoothed or regridded; do it in two steps"
        )
    if how.regrid is not None:
        how.regrid.check()
    columns = data_columns(ms, how.datacolumn)
    new = NewTable(outputvis)
    selected = select(ms, what)
    plan = make_plan(ms, what, selected, how.width, how.regrid)
    work = SplitRows(ms, selected, plan, columns, how)
    with new:
        shape = plan.dominant_shape(ms, selected.runs)
        cubes = list(work.outputs.values()) + (["WEIGHT_SPECTRUM", "SIGMA_SPECTRUM"] if work.spectra else [])
        keywords = {c: ms.table.getcolkeywords(c) for c in ("TIME", "TIME_CENTROID", "UVW", "INTERVAL", "EXPOSURE")}
        require_room(new.path, ("FLAG", *cubes), work.row_counts())
        tab = main_table(
            new.temporary, cubes, cube_tiles(cubes, *shape), ncorr=shape[0], column_keywords=keywords
        )  # fmt: skip
        out = NewRows(tab, new.temporary, new.path, ("FLAG", *cubes), work.row_counts())
        try:
            tab.putinfo(ms.table.info())
            copy_subtables(ms.path, str(new.temporary), tab, plan.renumbering)
            for values in work.rows():
                out.append(values)
            out.close()
        except BaseException:
            out.abandon()
            raise
        nrow = out.nrow
        if not nrow:
            raise EmptySelection(f"{ms.path}: nothing is left to write to {outputvis} (all selected data are flagged)")
        write_history(new.temporary, task, history)
    log.info("%s: %d rows written to %s", task, nrow, new.path)
    return nrow


def _for_telescope(ms: MeasurementSet, how: SplitOptions) -> SplitOptions:
    """Average ALMA data over subscans when the time bins are longer than these, as CASA does."""
    if ms.metadata.telescope != "ALMA" or how.timebin_s <= _ALMA_SUBSCAN_S or "state" in how.combine:
        return how
    log.info("split: ALMA data and time bins over %g s: averaging over subscans (states) too", _ALMA_SUBSCAN_S)
    return replace(how, combine=how.combine | {"state"})


def data_columns(ms: MeasurementSet, datacolumn: str) -> dict[str, str]:
    """Return which columns are copied, and their names in the output.

    Raises
    ------
    ArgumentError, MissingColumn
    """
    names = {"data": "DATA", "corrected": "CORRECTED_DATA", "model": "MODEL_DATA", "float_data": "FLOAT_DATA"}
    wanted = [part.strip().lower().removesuffix("_data") for part in datacolumn.split(",")]
    wanted = ["float_data" if w == "float" else w for w in wanted]
    if wanted == ["all"]:
        found = {c: c for c in names.values() if ms.has(c)}
        if not found:
            raise MissingColumn(f"{ms.path} has none of the columns {', '.join(names.values())}")
        return found
    for part in wanted:
        if part not in names:
            raise ArgumentError(
                f"datacolumn={datacolumn!r}: possible are data, corrected, model, float_data, all, or several of the "
                "first three separated by commas"
            )
        ms.require(names[part])
    if len(wanted) == 1:
        column = names[wanted[0]]
        return {column: "FLOAT_DATA" if column == "FLOAT_DATA" else "DATA"}
    return {names[part]: names[part] for part in wanted}

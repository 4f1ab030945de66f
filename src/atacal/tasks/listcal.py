"""The task listcal."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from atacal.errors import ArgumentError, CaltableMismatch, EmptySelection, TableExists

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from atacal.caltables.table import CalTable


def listcal(
    vis: str,
    caltable: str,
    field: str = "",
    antenna: str = "",
    spw: str = "",
    listfile: str = "",
    pagerows: int = 50,
) -> None:
    """List the solutions of a calibration table as text: amplitude and phase, or its one number, and flags.

    Parameters
    ----------
    vis : str
        MeasurementSet that the table was solved from.
    caltable : str
        Calibration table.
    field : str
        Fields to be listed; empty for all.
    antenna : str
        Antennas to be listed; empty for all.
    spw : str
        Spws and channels of the table to be listed; empty for all.
    listfile : str
        Text file to be written; empty to print.
    pagerows : int
        Lines after which the headings are repeated; 0 for never.

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, CaltableError, CaltableMismatch, TableExists, SelectionError

    Examples
    --------
    >>> listcal("X.ms", "X.ampli_inf", antenna="DA41", listfile="X.txt")  # doctest: +SKIP
    """
    from atacal.caltables.disk import read_caltable
    from atacal.caltables.listing import list_lines
    from atacal.ms.metadata import read_metadata
    from atacal.ms.selection.antenna import parse_antenna_list
    from atacal.ms.selection.field import parse_field
    from atacal.ms.selection.spw import parse_spw

    if pagerows < 0:
        raise ArgumentError(f"pagerows={pagerows}: a number of lines, or 0 for no repeated headings")
    if listfile and os.path.exists(listfile):
        raise TableExists(f"listfile {listfile} exists; delete it or choose a different name")
    meta = read_metadata(vis)
    table = read_caltable(caltable)
    if [f.name for f in table.fields] != meta.field_names() or [a.name for a in table.antennas] != meta.antenna_names():
        raise CaltableMismatch(f"{caltable} was solved from {table.ms_name}: {vis} has other fields or antennas")
    fields = parse_field(field, meta) if field.strip() else [-1, *range(len(meta.fields))]
    channels = _channels(table, parse_spw(spw, replace(meta, spws=table.spws)).channels if spw.strip() else None)
    if not channels or not any(f in fields for s in channels for f in table.solutions[s].field.tolist()):
        raise EmptySelection(
            f"{caltable} has no solutions for field {field!r}, spw {spw!r}; it has fields "
            f"{sorted({int(f) for s in table.solutions.values() for f in s.field})} and spws {sorted(table.solutions)}"
        )
    lines = list_lines(
        table,
        fields=fields,
        antennas=parse_antenna_list(antenna, meta),
        channels=channels,
        ms_path=os.path.abspath(vis),
        page_rows=pagerows,
    )
    if not listfile:
        sys.stdout.writelines(f"{line}\n" for line in lines)
        return
    temporary = Path(listfile).with_name(f".{Path(listfile).name}.atacal")
    with temporary.open("w") as file:
        file.writelines(f"{line}\n" for line in lines)
    temporary.replace(listfile)


def _channels(table: CalTable, masks: dict[int, NDArray[np.bool_]] | None) -> dict[int, list[int]]:
    """Return the channels to be listed of each spw that has solutions."""
    if masks is None:
        return {spw: list(range(sol.nchan)) for spw, sol in table.solutions.items()}
    return {spw: [c for c, on in enumerate(mask) if on] for spw, mask in masks.items() if spw in table.solutions}

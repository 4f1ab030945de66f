"""analysisUtils' plotWVRSolutions: the phases that radiometers give, against those of a reference antenna."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

log = logging.getLogger("atacal")


def plotWVRSolutions(
    caltable: str = "",
    field: str = "",
    antenna: str | int | Sequence[str] = "",
    spw: str | int = "",
    yrange: Sequence[float] = (0, 0),
    subplot: int | str = 22,
    figfile: str = "",
    interactive: bool = False,
    unwrap: bool = False,
    vm: object = "",
    vis: str = "",
    xrange: Sequence[float] = (0, 0),
) -> list[Path]:
    """Draw the phases of a radiometers' table against time, a panel for each baseline to an antenna.

    Parameters
    ----------
    caltable : str
        From wvrgcal.
    field : str
    antenna : str
        The antenna whose phases the others' are subtracted from; by default all antennas' own phases are drawn.
    spw : str
        By default the first: the path is the same in all.
    yrange : (low, high)
        [deg]; equal values are found from the data.
    subplot : int
        Rows and columns of a page.
    figfile : str
        Name of the picture, by default the table's with ``.phases``; further pages get ``_2``...
    interactive, vm, vis
        Have no effect.
    unwrap : bool
        Let phases run beyond 180 degrees.
    xrange : (low, high)
        [MJD s]; equal values are found from the data.

    Returns
    -------
    list of Path

    Raises
    ------
    ArgumentError, NoSuchTable, InvalidTable, SelectionError, EmptySelection, WriteError
    """
    from atacal.caltables.disk import read_caltable
    from atacal.ms.selection import parse_antenna_list
    from atacal.plots.ranges import grid_of
    from atacal.plots.table_pictures import TableRequest, picture_table
    from atacal.plots.tables import TableSelection, antenna_names, metadata_of

    table = read_caltable(caltable)
    chosen = int(str(spw).split(",")[0].split(":")[0]) if str(spw).strip() else min(table.solutions)
    names = antenna_names(table)
    text = ",".join(map(str, antenna)) if isinstance(antenna, (list, tuple)) else str(antenna)
    first = [a for a in text.split(",") if not a.strip().startswith("!")]
    title = f"{Path(caltable).name}: phase of the water, each antenna's own"
    if first and first[0].strip():
        reference = parse_antenna_list(first[0], metadata_of(table))[0]
        table = _against(table, reference)
        title = f"{Path(caltable).name}: phase of the water, minus that of {names[reference]}"
        text = f"!{names[reference]}" + "".join(
            f";!{a.strip()[1:]}" for a in text.split(",") if a.strip().startswith("!")
        )
    if unwrap:
        log.warning("plotWVRSolutions: phases are drawn between -180 and 180 degrees")
    excluded = {names.index(a.strip("!; ")) for a in text.split(";") if a.strip("!; ") in names and "!" in a}
    keep = ",".join(str(k) for k in range(len(names)) if k not in excluded)
    window = tuple(
        float(v) if pair[0] != pair[1] else float("nan") for pair in (tuple(xrange), tuple(yrange)) for v in pair
    )
    request = TableRequest(
        "time", "phase", TableSelection(antenna=keep, spw=str(chosen), field=str(field)), colour=("field",),
        grid=grid_of(subplot), window=window, title=title, lines=False,  # type: ignore[arg-type]
    )  # fmt: skip
    path = Path(figfile or f"{Path(caltable).name}.phases.png")
    path = path if path.suffix == ".png" else path.with_name(f"{path.name}.png")
    path.parent.mkdir(parents=True, exist_ok=True)
    return picture_table(table, request, path)


def _against(table: Any, reference: int) -> Any:
    """Return the table with every antenna's solution divided by the reference's of the same time."""
    cut = {}
    for spw, s in table.solutions.items():
        base = s.param[:, reference : reference + 1]
        ratio = np.where(np.abs(base) > 0, s.param * np.conj(base), s.param).astype(s.param.dtype)
        cut[spw] = replace(s, param=ratio, flag=s.flag | s.flag[:, reference : reference + 1])
    return replace(table, solutions=cut)

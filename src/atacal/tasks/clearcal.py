"""clearcal: reset the calibrated data and the model."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger("atacal")


def clearcal(vis: str, field: str = "", spw: str = "", intent: str = "", addmodel: bool = False) -> None:
    """Reset CORRECTED_DATA to DATA and the model to a point source of 1 Jy.

    Where CORRECTED_DATA does not exist it is made, for all data whatever is selected.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    field : str
        Fields, names or ids.
    spw : str
        Spectral windows; all channels of each are reset.
    intent : str
        Scan intents.
    addmodel : bool
        Make a MODEL_DATA column too, if there is none.

    Raises
    ------
    NoSuchTable, TableLocked, SelectionError, EmptySelection, DiskFull, WriteError
    """
    given = dict(locals())
    from atacal.ms._virtual_model import remove_virtual_models
    from atacal.ms.add_column import add_column
    from atacal.ms.columns import fill_column
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select
    from atacal.ms.transaction import transaction

    messages = task_messages("clearcal", given)
    with MeasurementSet(vis) as ms:
        selected = select(ms, Selection(field=field, spw=spw, intent=intent))
        segments = list(zip(selected.runs.row0.tolist(), selected.runs.nrow.tolist(), strict=True))
        there = [c for c in ("CORRECTED_DATA", "MODEL_DATA") if ms.has(c)]
        whole = int(selected.runs.nrow.sum()) == ms.metadata.nrow
    written: dict[str, Any] = {"rows": dict.fromkeys(there, segments)}
    if whole:
        written = {"columns": there, "replaced": there}
    with transaction(vis, "clearcal", **written, subtables=("SOURCE", "HISTORY")) as inside:
        with MeasurementSet(inside, writable=True) as ms:
            made = add_column(ms, "CORRECTED_DATA")
            made_model = add_column(ms, "MODEL_DATA") if addmodel else False
            if made:
                log.info("clearcal: CORRECTED_DATA made from DATA for all rows; the selection does not matter")
            else:
                fill_column(ms, "CORRECTED_DATA", segments=segments)
                if ms.has("MODEL_DATA") and not made_model:
                    fill_column(ms, "MODEL_DATA", segments=segments)
                log.info("clearcal: CORRECTED_DATA and the model reset for %d rows", int(selected.runs.nrow.sum()))
        if not made or addmodel:
            fields = sorted(set(selected.runs.field.tolist()))
            remove_virtual_models(inside, None if addmodel and made_model else fields)
        write_history(inside, "clearcal", messages)

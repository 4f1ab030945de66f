"""delmod: delete models."""

from __future__ import annotations

import logging

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")


def delmod(vis: str, otf: bool = True, field: str = "", scr: bool = False) -> None:
    """Delete the models of a MeasurementSet: every field is a point source of 1 Jy again.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    otf : bool
        Delete virtual models (those that setjy keeps in the SOURCE table).
    field : str
        Fields whose virtual models are deleted, names or ids; empty for all.
    scr : bool
        Delete the MODEL_DATA column, of all fields.

    Raises
    ------
    NoSuchTable, TableLocked, SelectionError, ArgumentError, DiskFull, WriteError
    """
    given = dict(locals())
    from atacal.ms._virtual_model import remove_virtual_models
    from atacal.ms.columns import remove_column
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import parse_field
    from atacal.ms.transaction import transaction

    messages = task_messages("delmod", given)
    if not (otf or scr):
        raise ArgumentError("delmod: nothing to do; set otf=True, scr=True or both")
    with transaction(vis, "delmod", removed=("MODEL_DATA",) if scr else (), subtables=("SOURCE", "HISTORY")) as inside:
        with MeasurementSet(inside, writable=scr) as ms:
            numbers = parse_field(field, ms.metadata) if field.strip() else None
            if scr and "MODEL_DATA" in ms.columns():
                remove_column(ms, "MODEL_DATA")
                log.info("delmod: MODEL_DATA removed from %s", vis)
        if otf:
            gone = remove_virtual_models(inside, numbers)
            log.info("delmod: virtual models removed of fields %s", gone or "(none had one)")
        write_history(inside, "delmod", messages)

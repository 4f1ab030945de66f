"""delmod: remove models."""

from __future__ import annotations


def delmod(vis: str, otf: bool = True, field: str = "", scr: bool = False) -> None:
    """Remove models of a MeasurementSet.

    Parameters
    ----------
    vis : str
        Name of the MeasurementSet.
    otf : bool
        Remove virtual models.
    field : str
        Fields whose virtual models go; empty for all.
    scr : bool
        Remove the MODEL_DATA column, whatever ``field``.

    Raises
    ------
    NoSuchTable, SelectionError, WriteError
    """
    from atacal.ms._virtual_model import remove_virtual_models
    from atacal.ms.columns import remove_column
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select

    with MeasurementSet(vis, writable=True) as ms:
        if otf:
            fields = None
            if field:
                fields = {int(f) for f in select(ms, Selection(field=field)).runs.field}
            remove_virtual_models(ms.path, fields)
        if scr and "MODEL_DATA" in ms.columns():
            remove_column(ms, "MODEL_DATA")

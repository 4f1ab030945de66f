"""clearcal: go back to the data as they were before calibration."""

from __future__ import annotations


def clearcal(vis: str, field: str = "", spw: str = "", intent: str = "", addmodel: bool = False) -> None:
    """Reset CORRECTED_DATA to DATA, and the model to 1 Jy.

    Parameters
    ----------
    vis : str
        Name of the MeasurementSet.
    field, spw, intent : str
        Selection in CASA's syntax; empty for all.
    addmodel : bool
        Add a MODEL_DATA column if there is none.

    Raises
    ------
    NoSuchTable, SelectionError, WriteError

    Notes
    -----
    A MODEL_DATA column that exists is reset to 1 in the parallel hands and 0 in the cross hands; virtual models of the
    selected fields are removed. WEIGHT and FLAG are left alone, as in CASA.
    """
    import numpy as np

    from atacal.ms._virtual_model import remove_virtual_models
    from atacal.ms.columns import ensure_column, unit_point
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select
    from atacal.ms.stream import stream

    with MeasurementSet(vis, writable=True) as ms:
        selected = select(ms, Selection(field=field, spw=spw, intent=intent))
        ensure_column(ms, "CORRECTED_DATA")
        if addmodel:
            ensure_column(ms, "MODEL_DATA")
        reset_model = ms.has("MODEL_DATA")
        for block in stream(ms, selected, ["DATA"]):
            ms.write("CORRECTED_DATA", block.segments, block["DATA"])
            if reset_model:
                cell = unit_point(ms.metadata.pols[block.pol].corr_types)
                values = np.ascontiguousarray(np.broadcast_to(cell, block["DATA"].shape), np.complex64)
                ms.write("MODEL_DATA", block.segments, values)
        ms.flush()
        remove_virtual_models(ms.path, {int(f) for f in selected.runs.field})

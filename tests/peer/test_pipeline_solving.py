"""Phases of one spw for another, beside CASA; spws that are solved together are in test_solve.py."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.ms.stream import stream
from atacal.tasks import applycal, gaincal

APPLY = """
applycal(vis=vis, spw="1", gaintable=[table], interp=["linearPD"], spwmap=[[0, 0]], calwt=False, flagbackup=False)
result = {}
"""


def test_phases_for_another_spw(casa: Callable[..., dict], sim_ms: Path, tmp_path: Path) -> None:
    """linearPD scales the phases between -180 and 180 degrees, in CASA as here, whatever turns came before."""
    from casacore.tables import table as opened

    path = tmp_path / "winding.g"
    gaincal(vis=str(sim_ms), caltable=str(path), solint="int", combine="spw", calmode="p", gaintype="T", minsnr=0.0)
    with opened(str(path), readonly=False, ack=False) as tab:
        time, antenna = tab.getcol("TIME"), tab.getcol("ANTENNA1")
        turn = 0.12 * np.searchsorted(np.unique(time), time) * antenna
        tab.putcol("CPARAM", np.exp(1j * turn).astype(np.complex64)[:, None, None])
        tab.putcol("FLAG", np.zeros((len(time), 1, 1), bool))
    theirs = tmp_path / "casa.ms"
    shutil.copytree(sim_ms, theirs)
    casa(APPLY, vis=str(theirs), table=str(path))
    applycal(
        vis=str(sim_ms), spw="1", gaintable=[str(path)], interp=["linearPD"], spwmap=[[0, 0]], calwt=False,
        flagbackup=False,
    )  # fmt: skip
    columns = []
    for vis in (theirs, sim_ms):
        with MeasurementSet(vis) as ms:
            blocks = list(stream(ms, select(ms, Selection(spw="1"), autocorr=False), ["CORRECTED_DATA", "FLAG"]))
            columns.append([np.concatenate([b[c] for b in blocks]) for c in ("CORRECTED_DATA", "FLAG")])
    (casas, flags), (ours, our_flags) = columns
    np.testing.assert_array_equal(our_flags, flags)
    scale = np.abs(casas[~flags])
    assert (np.abs(ours - casas)[~flags] / scale).max() < 1e-4

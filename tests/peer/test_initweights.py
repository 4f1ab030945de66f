"""initweights against CASA's."""

from __future__ import annotations

import shutil

import numpy as np
import pytest


@pytest.mark.parametrize("mode", ["nyq", "sigma", "weight", "ones", "delwtsp"])
@pytest.mark.parametrize("which", ["sim_ms", "ngc5921"])
def test_weights(casa, request, tmp_path, which, mode):
    from casacore.tables import table

    from atacal.tasks import initweights

    path = request.getfixturevalue(which)
    ours = tmp_path / "ours.ms"
    shutil.copytree(path, ours)
    spectrum = mode == "weight"
    casa("initweights(vis=vis, wtmode=mode, dowtsp=spectrum); result = {}", vis=path, mode=mode, spectrum=spectrum)
    initweights(str(ours), wtmode=mode, dowtsp=spectrum)
    one, two = table(str(path), ack=False), table(str(ours), ack=False)
    assert ("WEIGHT_SPECTRUM" in one.colnames()) == ("WEIGHT_SPECTRUM" in two.colnames())
    for ddid in np.unique(one.getcol("DATA_DESC_ID")):
        a, b = one.query(f"DATA_DESC_ID=={ddid}"), two.query(f"DATA_DESC_ID=={ddid}")
        columns = ["WEIGHT", "SIGMA"]
        if "WEIGHT_SPECTRUM" in one.colnames() and a.iscelldefined("WEIGHT_SPECTRUM", 0):
            columns.append("WEIGHT_SPECTRUM")
        for column in columns:
            np.testing.assert_allclose(b.getcol(column), a.getcol(column), rtol=2e-7, err_msg=column)
        a.close()
        b.close()

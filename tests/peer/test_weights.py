"""Models, clearcal and delmod against CASA."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from atacal.ms.measurement_set import MeasurementSet
from atacal.tasks import applycal, clearcal, delmod, gaincal, setjy


def columns(path, names):
    with MeasurementSet(path) as ms:
        return {n: ms.table.getcol(n) for n in names if ms.has(n)}


@pytest.mark.parametrize("scratch", [True, False])
def test_models_work_both_ways(casa, ngc5921, tmp_path, scratch):
    """CASA solves with our setjy's model as we do, and reports the same flux densities."""
    other = tmp_path / "casa.ms"
    shutil.copytree(ngc5921, other)
    options = {"field": "0", "standard": "manual", "fluxdensity": [14.76, 0.2, 0.1, 0.05], "spix": -0.5}
    options |= {"reffreq": "1.4GHz", "usescratch": scratch}
    mine = setjy(str(ngc5921), **options)
    theirs = casa("result = setjy(vis=vis, **options)", vis=other, options=options)
    np.testing.assert_allclose(mine["0"]["0"]["fluxd"], theirs["0"]["0"]["fluxd"], rtol=1e-6)
    assert mine["0"]["fieldName"] == theirs["0"]["fieldName"]
    solve = """
gaincal(vis=vis, caltable="g", field="0", refant="15")
tb = casatools.table()
tb.open("g")
result = {"amp": np.abs(tb.getcol("CPARAM"))[:, 0].T}
"""
    from atacal.caltables.disk import read_caltable

    for vis in (ngc5921, other):
        gaincal(str(vis), str(tmp_path / "g"), field="0", refant="15")
        ours = np.abs(read_caltable(tmp_path / "g").solutions[0].param[0, :, 0])
        np.testing.assert_allclose(ours, casa(solve, vis=vis)["amp"], rtol=1e-4)


def test_clearcal_and_delmod(casa, ngc5921, tmp_path):
    setjy(str(ngc5921), field="0", standard="manual", fluxdensity=14.76, usescratch=True)
    setjy(str(ngc5921), field="1", standard="manual", fluxdensity=2.5, usescratch=False)
    gaincal(str(ngc5921), str(tmp_path / "g"), field="0", refant="15")
    applycal(str(ngc5921), field="0", gaintable=[str(tmp_path / "g")], flagbackup=False)
    other = tmp_path / "casa.ms"
    shutil.copytree(ngc5921, other)
    casa("clearcal(vis=vis); result = {}", vis=other)
    clearcal(str(ngc5921))
    names = ("CORRECTED_DATA", "MODEL_DATA", "WEIGHT", "FLAG")
    mine, theirs = columns(ngc5921, names), columns(other, names)
    assert mine.keys() == theirs.keys()
    for name in mine:
        np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)
    delmod(str(ngc5921), otf=True, scr=True)
    with MeasurementSet(ngc5921) as ms:
        assert "MODEL_DATA" not in ms.columns()

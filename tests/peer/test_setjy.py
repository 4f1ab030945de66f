"""setjy and models against CASA's: each reads what the other writes."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

ARGUMENTS = {
    "flat": {"fluxdensity": [14.76, 0, 0, 0]},
    "power law": {"fluxdensity": [2.0, 0.1, 0.2, 0.05], "spix": -0.7, "reffreq": "3GHz"},
    "curved": {"fluxdensity": [2.0, 0.1, 0, 0], "spix": [-0.7, 0.2, -0.1], "reffreq": "3GHz"},
    "polarised": {
        "fluxdensity": [2.0, 0, 0, 0], "spix": [-0.7, 0.1], "reffreq": "1.4GHz", "polindex": [0.1, 0.01],
        "polangle": [0.3, 0.02], "rotmeas": 5.0,
    },
    "one value": {"fluxdensity": [2.0, 0, 0, 0], "spix": [-0.7, 0.1], "reffreq": "3GHz", "scalebychan": False},
    "one value, power law": {"fluxdensity": [2.0, 0, 0, 0], "spix": -0.7, "reffreq": "3GHz", "scalebychan": False},
}  # fmt: skip


def model_column(path, field):
    from casacore.tables import table

    tab = table(str(path), ack=False)
    part = tab.query(f"FIELD_ID=={field}")
    values = np.asarray(part.getcol("MODEL_DATA"))
    part.close()
    tab.close()
    return values


def sky(path, field):
    """The model that we see in an MS."""
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.models import SkyModel
    from atacal.ms.selection import Selection, select
    from atacal.ms.stream import stream

    with MeasurementSet(path) as ms:
        model = SkyModel.of(ms)
        (block,) = list(stream(ms, select(ms, Selection(field=str(field))), ["UVW"], prefetch=False))
        vis = model.block(block)
        return np.broadcast_to(vis, (block.nrow, *vis.shape[1:])).copy()


@pytest.mark.parametrize("name", ARGUMENTS)
def test_column_and_answer(casa, ngc5921, tmp_path, name):
    from atacal.tasks import setjy

    ours = tmp_path / "ours.ms"
    shutil.copytree(ngc5921, ours)
    given = {"field": "0", "standard": "manual", "usescratch": True} | ARGUMENTS[name]
    theirs = casa("result = setjy(vis=vis, **arguments)", vis=ngc5921, arguments=given)
    answer = setjy(str(ours), **given)
    assert set(theirs) == set(answer)
    assert theirs["0"]["fieldName"] == answer["0"]["fieldName"]
    np.testing.assert_allclose(answer["0"]["0"]["fluxd"], theirs["0"]["0"]["fluxd"], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(model_column(ours, 0), model_column(ngc5921, 0), rtol=3e-7, atol=1e-9)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_we_read_casas_virtual_model(casa, ngc5921, name):
    given = {"field": "0", "standard": "manual", "usescratch": False} | ARGUMENTS[name]
    casa(
        "setjy(vis=vis, **arguments)\n"
        "mstransform(vis=vis, outputvis=out, datacolumn='all', realmodelcol=True)\nresult = {}",
        vis=ngc5921, arguments=given, out=ngc5921.with_name("real.ms"),
    )  # fmt: skip
    np.testing.assert_allclose(sky(ngc5921, 0), model_column(ngc5921.with_name("real.ms"), 0), rtol=1e-6)
    assert np.all(sky(ngc5921, 1) == 1)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_casa_reads_our_virtual_model(casa, ngc5921, name):
    from atacal.tasks import setjy

    setjy(str(ngc5921), **({"field": "0", "standard": "manual", "usescratch": False} | ARGUMENTS[name]))
    setjy(str(ngc5921), field="1", standard="manual", fluxdensity=3.0, usescratch=False)
    casa(
        "mstransform(vis=vis, outputvis=out, datacolumn='all', realmodelcol=True)\nresult = {}",
        vis=ngc5921, out=ngc5921.with_name("real.ms"),
    )  # fmt: skip
    np.testing.assert_allclose(model_column(ngc5921.with_name("real.ms"), 0), sky(ngc5921, 0), rtol=1e-6)
    np.testing.assert_allclose(model_column(ngc5921.with_name("real.ms"), 1), 3, rtol=1e-6)


def test_gaincal_takes_our_virtual_model_even_beside_a_column(casa, ngc5921):
    """A virtual model wins over MODEL_DATA, in its own field; the others keep their column."""
    from atacal.tasks import setjy

    setjy(str(ngc5921), field="0", standard="manual", fluxdensity=4.0, usescratch=True)
    setjy(str(ngc5921), field="1", standard="manual", fluxdensity=9.0, usescratch=True)
    setjy(str(ngc5921), field="0", standard="manual", fluxdensity=16.0, usescratch=False)
    assert np.all(sky(ngc5921, 0) == 16)
    assert np.all(sky(ngc5921, 1) == 9)
    script = """
def amplitude(name, field):
    gaincal(vis=vis, caltable=name, field=field, solint="inf", refant="15")
    tb = casatools.table()
    tb.open(name)
    value = float(np.abs(tb.getcol("CPARAM")[~tb.getcol("FLAG")]).mean())
    tb.close()
    return value
virtual, column1 = amplitude("a.g", "0"), amplitude("a1.g", "1")
delmod(vis=vis, otf=True)
column = amplitude("b.g", "0")
delmod(vis=vis, otf=True, scr=True)
result = {"virtual": virtual, "column": column, "column1": column1, "none1": amplitude("c1.g", "1")}
"""
    found = casa(script, vis=ngc5921)
    assert found["column"] / found["virtual"] == pytest.approx(2, rel=1e-3)
    assert found["none1"] / found["column1"] == pytest.approx(3, rel=1e-3)
    assert np.all(sky(ngc5921, 0) == 1)


def test_a_selected_scan_has_the_model_and_the_others_have_not(casa, ngc5921, tmp_path):
    from atacal.tasks import setjy

    ours = tmp_path / "ours.ms"
    shutil.copytree(ngc5921, ours)
    given = {"field": "1", "scan": "4", "selectdata": True, "standard": "manual", "fluxdensity": [3, 0, 0, 0]}
    casa("setjy(vis=vis, usescratch=False, **arguments); result = {}", vis=ngc5921, arguments=given)
    setjy(str(ours), usescratch=False, **given)
    np.testing.assert_array_equal(sky(ours, 1), sky(ngc5921, 1))
    assert set(np.unique(sky(ours, 1).real)) == {1, 3}


def test_delmod_and_clearcal(casa, ngc5921, tmp_path):
    from atacal.tasks import clearcal, delmod, setjy

    ours = tmp_path / "ours.ms"
    shutil.copytree(ngc5921, ours)
    script = """
for f in ("0", "1"):
    setjy(vis=vis, field=f, standard="manual", fluxdensity=[3, 0, 0, 0], usescratch=False)
delmod(vis=vis, field="1")
clearcal(vis=vis, addmodel=True)
setjy(vis=vis, field="2", standard="manual", fluxdensity=[5, 0, 0, 0], usescratch=True)
clearcal(vis=vis, field="0")
result = {}
"""
    casa(script, vis=ngc5921)
    for f in ("0", "1"):
        setjy(str(ours), field=f, standard="manual", fluxdensity=3.0, usescratch=False)
    delmod(str(ours), field="1")
    clearcal(str(ours), addmodel=True)
    setjy(str(ours), field="2", standard="manual", fluxdensity=5.0, usescratch=True)
    clearcal(str(ours), field="0")
    for field in range(3):
        np.testing.assert_array_equal(sky(ours, field), sky(ngc5921, field))

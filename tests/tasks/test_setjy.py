from __future__ import annotations

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError, EmptySelection, ModelError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel
from atacal.ms.selection import Selection, select
from atacal.ms.stream import stream
from atacal.tasks import clearcal, delmod, initweights, setjy


def model_of(path, field):
    """The model's Stokes I of a field in each spw, (spw -> (row, chan))."""
    out = {}
    with MeasurementSet(path) as ms:
        sky = SkyModel.of(ms)
        for block in stream(ms, select(ms, Selection(field=str(field))), ["UVW"], prefetch=False):
            vis = sky.block(block)
            out[block.spw] = vis[..., [0, -1]].mean(axis=2).real
    return out


def spws_of(path):
    with MeasurementSet(path) as ms:
        return ms.metadata.spws, sorted(set(ms.metadata.ddid_spw[ms.runs.ddid[ms.runs.field == 0]].tolist()))


@pytest.mark.parametrize("usescratch", [True, False])
def test_the_model_is_what_was_asked_for(sim_ms, usescratch):
    spws, present = spws_of(sim_ms)
    answer = setjy(
        str(sim_ms), field="0", standard="manual", fluxdensity=[2.5, 0, 0, 0], spix=-0.7, reffreq="340GHz",
        usescratch=usescratch,
    )  # fmt: skip
    for spw, values in model_of(sim_ms, 0).items():
        expected = 2.5 * (spws[spw].chan_freq_hz / 340e9) ** -0.7
        np.testing.assert_allclose(values, np.broadcast_to(expected, values.shape), rtol=1e-6)
        assert answer["0"][str(spw)]["fluxd"][0] == pytest.approx(expected[0])
    assert set(answer["0"]) == {"fieldName", *map(str, present)}
    assert "format" in answer
    assert all(np.all(v == 1) for v in model_of(sim_ms, 1).values())
    with MeasurementSet(sim_ms) as ms:
        assert ("MODEL_DATA" in ms.columns()) == usescratch


def test_one_value_an_spw(sim_ms):
    answer = setjy(
        str(sim_ms), field="0", standard="manual", fluxdensity=[2.5], spix=[-0.7, 0.1], reffreq="340GHz",
        scalebychan=False, usescratch=False,
    )  # fmt: skip
    for spw, values in model_of(sim_ms, 0).items():
        np.testing.assert_allclose(values, answer["0"][str(spw)]["fluxd"][0], rtol=1e-6)


def test_a_column_does_not_lose_the_virtual_models_of_other_fields(sim_ms):
    setjy(str(sim_ms), field="1", standard="manual", fluxdensity=7.0, usescratch=False)
    setjy(str(sim_ms), field="0", standard="manual", fluxdensity=3.0, usescratch=True)
    assert all(np.allclose(v, 7) for v in model_of(sim_ms, 1).values())
    assert all(np.allclose(v, 3) for v in model_of(sim_ms, 0).values())


def test_from_fluxscale(sim_ms):
    spws, present = spws_of(sim_ms)
    flux = {str(s): {"fluxd": np.array([4.0, 0, 0, 0])} for s in present}
    fluxdict = {
        "0": flux | {"fieldName": "x", "fitFluxd": 4.0, "fitRefFreq": 345e9, "spidx": np.array([0.6, -0.5])},
        "freq": np.zeros(9), "spwID": np.array(present),
    }  # fmt: skip
    setjy(str(sim_ms), standard="fluxscale", fluxdict=fluxdict, usescratch=False)
    for spw, values in model_of(sim_ms, 0).items():
        np.testing.assert_allclose(values[0], 4 * (spws[spw].chan_freq_hz / 345e9) ** -0.5, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"standard": "Perley-Butler 1999"}, ArgumentError, "Perley-Butler 2017"),
        ({}, ModelError, "none of the sources of Perley-Butler 2017: .*3C286"),
        ({"fluxdensity": 2.0}, ArgumentError, "standard='manual'"),
        ({"useephemdir": True}, ArgumentError, "Butler-JPL-Horizons 2012"),
        ({"standard": "manual", "interpolation": "linear"}, ArgumentError, "no meaning"),
        ({"standard": "Butler-JPL-Horizons 2012"}, ModelError, "none of the solar-system bodies.*Titan"),
        ({"standard": "manual", "model": "3C286.im"}, ArgumentError, "image models"),
        ({"standard": "manual", "field": "no such"}, Exception, "no such"),
        ({"standard": "fluxscale"}, ArgumentError, "fluxdict"),
    ],
)
def test_errors(sim_ms, arguments, error, message):
    with pytest.raises(error, match=message):
        setjy(str(sim_ms), **arguments)
    with MeasurementSet(sim_ms) as ms:
        assert "MODEL_DATA" not in ms.columns()


def test_listmodels_changes_nothing(sim_ms):
    assert setjy(str(sim_ms), listmodels=True) == {}


def test_delmod(sim_ms):
    setjy(str(sim_ms), field="0,1", standard="manual", fluxdensity=7.0, usescratch=False)
    delmod(str(sim_ms), field="0")
    assert all(np.all(v == 1) for v in model_of(sim_ms, 0).values())
    assert all(np.all(v == 7) for v in model_of(sim_ms, 1).values())
    setjy(str(sim_ms), field="0", standard="manual", fluxdensity=3.0)
    delmod(str(sim_ms), otf=False, scr=True)
    with MeasurementSet(sim_ms) as ms:
        assert "MODEL_DATA" not in ms.columns()
    with pytest.raises(ArgumentError, match="nothing to do"):
        delmod(str(sim_ms), otf=False)


def test_clearcal(sim_ms):
    clearcal(str(sim_ms))
    with MeasurementSet(sim_ms, writable=True) as ms:
        dd = ms.metadata.ddids[int(ms.runs.ddid[0])]
        shape = (int(ms.runs.nrow[0]), ms.metadata.spws[dd.spw].nchan, ms.metadata.pols[dd.pol].ncorr)
        ms.write("CORRECTED_DATA", [(0, shape[0])], np.full(shape, 5, np.complex64))
        field = int(ms.runs.field[0])
    other = next(f for f in (0, 1) if f != field)
    setjy(str(sim_ms), field=f"{field},{other}", standard="manual", fluxdensity=3.0)
    clearcal(str(sim_ms), field=str(other))
    tab = table(str(sim_ms), ack=False)
    assert np.all(tab.getcell("CORRECTED_DATA", 0) == 5)
    tab.close()
    assert all(np.all(v == 1) for v in model_of(sim_ms, other).values())
    assert all(np.all(v == 3) for v in model_of(sim_ms, field).values())
    clearcal(str(sim_ms))
    tab = table(str(sim_ms), ack=False)
    np.testing.assert_array_equal(tab.getcell("CORRECTED_DATA", 0), tab.getcell("DATA", 0))
    tab.close()
    with pytest.raises(EmptySelection):
        clearcal(str(sim_ms), intent="*NOTHING*")


def test_initweights(sim_ms):
    initweights(str(sim_ms), wtmode="ones")
    tab = table(str(sim_ms), ack=False)
    assert np.all(tab.getcell("WEIGHT", 3) == 1)
    tab.close()
    initweights(str(sim_ms), wtmode="nyq", dowtsp=True)
    with MeasurementSet(sim_ms) as ms:
        runs, md = ms.runs, ms.metadata
        i = len(runs) - 1
        spw = md.spws[md.ddids[int(runs.ddid[i])].spw]
        row = int(runs.row0[i])
        auto = ms.table.getcell("ANTENNA1", row) == ms.table.getcell("ANTENNA2", row)
        expected = (1 if auto else 2) * spw.effective_bw_hz[0] * runs.exposure[i]
        np.testing.assert_allclose(ms.table.getcell("WEIGHT", row), expected, rtol=1e-6)
        np.testing.assert_allclose(ms.table.getcell("SIGMA", row), expected**-0.5, rtol=1e-6)
        assert ms.table.getcell("WEIGHT_SPECTRUM", row).shape[0] == spw.nchan
    initweights(str(sim_ms), wtmode="delwtsp")
    with MeasurementSet(sim_ms) as ms:
        assert "WEIGHT_SPECTRUM" not in ms.columns()
    with pytest.raises(ArgumentError, match="dowtsp"):
        initweights(str(sim_ms), wtmode="weight")
    with pytest.raises(ArgumentError, match="tsys"):
        initweights(str(sim_ms), wtmode="tsys")

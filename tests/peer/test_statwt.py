"""statwt against CASA's: weights, spectra of weights, flags."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

SCRIPT = """
import shutil
result = {}
for name, (original, arguments) in cases.items():
    shutil.copytree(original, f"{name}.ms")
    result[name] = statwt(f"{name}.ms", flagbackup=False, **arguments)
"""
RAW, SPECTRA = "raw", "spectra"
CASES = {
    "default": (RAW, {"datacolumn": "data"}),
    "seconds": (RAW, {"datacolumn": "data", "timebin": "30s"}),
    "integrations": (RAW, {"datacolumn": "corrected", "timebin": 3}),
    "sliding seconds": (RAW, {"datacolumn": "corrected", "timebin": "20s", "slidetimebin": True}),
    "sliding integrations": (RAW, {"datacolumn": "corrected", "timebin": 4, "slidetimebin": True}),
    "sliding odd": (RAW, {"datacolumn": "corrected", "timebin": 3, "slidetimebin": True}),
    "channel bins": (RAW, {"datacolumn": "corrected", "timebin": "60s", "chanbin": 10, "minsamp": 20}),
    "frequency bins": (SPECTRA, {"datacolumn": "data", "timebin": "60s", "chanbin": "500MHz"}),
    "correlations": (RAW, {"datacolumn": "corrected", "timebin": "60s", "combine": "corr,scan", "wtrange": [0, 60]}),
    "channels": (RAW, {"timebin": "60s", "fitspw": "0:0~9;20~63", "excludechans": True, "field": "0,2"}),
    "residual": (RAW, {"datacolumn": "residual", "timebin": "600s", "combine": "scan,field,state"}),
    "spectra": (SPECTRA, {"datacolumn": "data", "timebin": "40s", "spw": "1", "minsamp": 100}),
    "spectra together": (SPECTRA, {"datacolumn": "data", "timebin": "40s", "combine": "corr", "chanbin": 16}),
}


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    """A block with CORRECTED_DATA and a model, and one with spectra of weights, both with exposures that differ."""
    from casacore.tables import table

    from atacal.simulate import simulate
    from atacal.tasks import clearcal, setjy

    place = tmp_path_factory.mktemp("statwt")
    simulate(place / "raw", preset="tiny", seed=4)
    simulate(place / "spectra", preset="tiny", seed=5, weight_spectrum=True, nant=5, autocorr=True)
    for name in (RAW, SPECTRA):
        rng = np.random.default_rng(0)
        if name == RAW:
            clearcal(str(place / name), addmodel=True)
            setjy(str(place / name), field="0", standard="manual", fluxdensity=[3, 0, 0, 0], usescratch=True)
        with table(str(place / name), readonly=False, ack=False) as tab:
            for row in range(tab.nrows()):
                flag = tab.getcell("FLAG", row)
                tab.putcell("FLAG", row, flag | (rng.random(flag.shape) < 0.1))
            exposure = tab.getcol("EXPOSURE")
            tab.putcol("EXPOSURE", exposure * rng.uniform(0.3, 1, len(exposure)))
    return place


@pytest.fixture(scope="module")
def casas(casa_once, blocks, tmp_path_factory):
    place = tmp_path_factory.mktemp("casa")
    cases = {str(place / k.replace(" ", "_")): [str(blocks / ms), how] for k, (ms, how) in CASES.items()}
    return {k: (f"{k}.ms", told) for k, told in casa_once(SCRIPT, cases=cases).items()}


@pytest.mark.parametrize("name", CASES)
def test_weights(casas, blocks, tmp_path, name):
    from casacore.tables import table

    from atacal.tasks import statwt

    original, arguments = CASES[name]
    theirs, told = next(v for k, v in casas.items() if k.endswith("/" + name.replace(" ", "_")))
    ours = tmp_path / "ours.ms"
    shutil.copytree(blocks / original, ours)
    answer = statwt(str(ours), flagbackup=False, **arguments)
    assert answer == pytest.approx(told, rel=1e-6)
    with table(theirs, ack=False) as one, table(str(ours), ack=False) as two:
        assert set(one.colnames()) == set(two.colnames())
        for ddid in (0, 1):
            a, b = one.query(f"DATA_DESC_ID=={ddid}"), two.query(f"DATA_DESC_ID=={ddid}")
            for column in set(one.colnames()) & {"FLAG", "FLAG_ROW"}:
                np.testing.assert_array_equal(b.getcol(column), a.getcol(column), err_msg=column)
            for column in set(one.colnames()) & {"WEIGHT", "SIGMA", "WEIGHT_SPECTRUM", "SIGMA_SPECTRUM"}:
                np.testing.assert_allclose(b.getcol(column), a.getcol(column), rtol=3e-7, err_msg=column)

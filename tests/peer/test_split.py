"""split against CASA's: every column and every subtable."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

SCRIPT = """
split(vis=vis, outputvis=out, **arguments)
result = {}
"""
# what CASA derives for spws and its own bookkeeping: it takes in channels that it drops, or writes a column of its own
IGNORED = {("SPECTRAL_WINDOW", "ASSOC_SPW_ID"), ("SPECTRAL_WINDOW", "ASSOC_NATURE")}


def prepared(path, seed=2):
    """Give an MS a CORRECTED_DATA of its own, flags and weights that differ from datum to datum."""
    from casacore.tables import table

    from atacal.tasks import clearcal

    clearcal(str(path))
    rng = np.random.default_rng(seed)
    tab = table(str(path), readonly=False, ack=False)
    for ddid in np.unique(tab.getcol("DATA_DESC_ID")):
        part = tab.query(f"DATA_DESC_ID=={ddid}")
        part.putcol("CORRECTED_DATA", (part.getcol("DATA") * (1.5 + 0.3j)).astype(np.complex64))
        flag = part.getcol("FLAG")
        flag |= rng.random(flag.shape) < 0.1
        flag[::17] = True
        part.putcol("FLAG", flag)
        weight = part.getcol("WEIGHT")
        part.putcol("WEIGHT", (weight * rng.random(weight.shape) + 0.1).astype(np.float32))
        part.close()
    tab.close()
    return path


@pytest.fixture(scope="module")
def sim_prepared(sim_original, tmp_path_factory):
    path = tmp_path_factory.mktemp("split") / "sim.ms"
    shutil.copytree(sim_original, path)
    return prepared(path)


@pytest.fixture(scope="module")
def ngc_prepared(ngc5921_original, tmp_path_factory):
    path = tmp_path_factory.mktemp("split") / "ngc.ms"
    shutil.copytree(ngc5921_original, path)
    return prepared(path)


def compare_main(casa, ours, rtol, *, any_order=False):
    from casacore.tables import table

    one, two = table(str(casa), ack=False), table(str(ours), ack=False)
    assert one.nrows() == two.nrows()
    assert set(one.colnames()) == set(two.colnames())
    if any_order:
        keys = "DATA_DESC_ID,FIELD_ID,SCAN_NUMBER,ANTENNA1,ANTENNA2,TIME"
        one, two = one.sort(keys), two.sort(keys)
    np.testing.assert_array_equal(one.getcol("DATA_DESC_ID"), two.getcol("DATA_DESC_ID"))
    for ddid in np.unique(one.getcol("DATA_DESC_ID")):
        a, b = one.query(f"DATA_DESC_ID=={ddid}"), two.query(f"DATA_DESC_ID=={ddid}")
        for column in set(one.colnames()) - {"FLAG_CATEGORY"}:
            x, y = np.asarray(a.getcol(column)), np.asarray(b.getcol(column))
            if x.dtype.kind in "fc" and column not in ("TIME", "TIME_CENTROID"):
                # averages of numbers that cancel: against the size of what was averaged
                np.testing.assert_allclose(y, x, rtol=rtol, atol=rtol * np.abs(x).max(), err_msg=column)
            elif x.dtype.kind == "f":
                np.testing.assert_allclose(y - x, 0, atol=2e-6, err_msg=column)
            else:
                np.testing.assert_array_equal(y, x, err_msg=column)
        a.close()
        b.close()


def cells(tab, column):
    return [tab.getcell(column, i) if tab.iscelldefined(column, i) else None for i in range(tab.nrows())]


def compare_subtables(casa, ours, but=()):
    from casacore.tables import table

    names = {p.name for p in casa.iterdir() if p.is_dir()}
    assert names == {p.name for p in ours.iterdir() if p.is_dir()}
    for name in names - {"HISTORY"}:
        one, two = table(str(casa / name), ack=False), table(str(ours / name), ack=False)
        assert one.nrows() == two.nrows(), name
        for column in set(one.colnames()) - {"SOURCE_MODEL"}:
            if (name, column) in IGNORED or (name, column) in but:
                continue
            for x, y in zip(cells(one, column), cells(two, column), strict=True):
                np.testing.assert_array_equal(y, x, err_msg=f"{name} {column}")


SIM = {
    "corrected": {"datacolumn": "corrected"},
    "order and gaps of channels": {"spw": "1:10~40,0:0~9;20~29", "field": "2,0", "datacolumn": "data"},
    "dropped flags": {"datacolumn": "corrected", "keepflags": False},
    "one correlation": {"correlation": "YY", "antenna": "0~3", "datacolumn": "data"},
    "intent": {"intent": "*PHASE*", "uvrange": ">30m", "datacolumn": "data"},
    "channels": {"width": 4, "datacolumn": "corrected"},
    "channels of raw data": {"width": 8, "datacolumn": "data"},
    "times": {"timebin": "20s", "datacolumn": "corrected"},
    "times and channels": {"timebin": "25s", "width": 8, "datacolumn": "data"},
    "times over scans": {"timebin": "400s", "combine": "scan", "datacolumn": "corrected"},
    "times over states": {"timebin": "60s", "combine": "scan,state", "datacolumn": "data"},
}
NGC = {
    "all": {"datacolumn": "all", "field": "0"},
    "corrected": {"datacolumn": "corrected", "spw": "0:10~20"},
    "raw": {"datacolumn": "data", "spw": "0:10~20"},
    "times and channels": {"timebin": "120s", "width": 3, "datacolumn": "corrected", "field": "0,2"},
    "times": {"timebin": "1000s", "datacolumn": "data", "combine": "scan,state", "correlation": "LL"},
    "all, times": {"timebin": "60s", "datacolumn": "all", "field": "1"},
    "all, channels": {"width": 7, "datacolumn": "all", "field": "1"},
}


def check(casa, path, tmp_path, arguments):
    from atacal.tasks import split

    theirs, ours = tmp_path / "casa.ms", tmp_path / "ours.ms"
    casa(SCRIPT, vis=path, out=theirs, arguments=arguments)
    split(str(path), str(ours), **arguments)
    averaged = "width" in arguments or "timebin" in arguments
    compare_main(theirs, ours, 3e-6 if averaged else 1e-7)
    compare_subtables(theirs, ours)


@pytest.mark.parametrize("name", SIM)
def test_simulated_block(casa, sim_prepared, tmp_path, name):
    check(casa, sim_prepared, tmp_path, SIM[name])


@pytest.mark.parametrize("name", NGC)
def test_ngc5921(casa, ngc_prepared, tmp_path, name):
    check(casa, ngc_prepared, tmp_path, NGC[name])


def test_averaging_what_is_left_after_dropping_flagged_rows(casa, sim_prepared, tmp_path):
    """Rows come out in another order then, as baselines end their time bins at different times."""
    from atacal.tasks import split

    arguments = {"timebin": "12s", "datacolumn": "corrected", "keepflags": False}
    theirs, ours = tmp_path / "casa.ms", tmp_path / "ours.ms"
    casa(SCRIPT, vis=sim_prepared, out=theirs, arguments=arguments)
    split(str(sim_prepared), str(ours), **arguments)
    compare_main(theirs, ours, 3e-6, any_order=True)

"""The tasks between calibration and imaging on a real ALMA MeasurementSet (13 antennas, XX XY YX YY), beside CASA."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

CENTRE = "J2000 14h23m43.0 -78d29m30"
VELOCITY = {"mode": "velocity", "restfreq": "95GHz", "nchan": 10, "width": "150km/s", "start": "30000km/s"}
SCRIPT = """
import os, shutil
tb = casatools.table()
tb.open(vis, nomodify=False)
for key in tb.getkeywords():  # names of tables that are not there
    if key.startswith("ASDM"):
        tb.removekeyword(key)
tb.close()
split(vis, "one.ms", scan="1", datacolumn="data")
split(vis, "two.ms", scan="3", spw="1,0", datacolumn="data")
concat(["one.ms", "two.ms"], "joined.ms")
casatasks.cvel2(vis, "frame.ms", spw="1", field="1", datacolumn="data", outframe="LSRK")
casatasks.mstransform(vis, "grid.ms", spw="1", field="1", datacolumn="data", regridms=True, outframe="BARY", **velocity)
for name in ("uvw", "weights"):
    shutil.copytree(vis, f"{name}.ms")
fixvis("uvw.ms", reuse=False)
statwt("weights.ms", datacolumn="data", timebin="30s", flagbackup=False)
phaseshift(vis, "moved.ms", field="1", phasecenter=centre, datacolumn="data")
result = {"folder": os.getcwd()}
"""


@pytest.fixture(scope="module")
def made(casa_once, alma_original, tmp_path_factory):
    path = tmp_path_factory.mktemp("alma") / "alma.ms"
    shutil.copytree(alma_original, path)
    return Path(casa_once(SCRIPT, vis=str(path), velocity=VELOCITY, centre=CENTRE)["folder"]), path


def column(path, name, where="DATA_DESC_ID==0"):
    from casacore.tables import table

    with table(str(path), ack=False) as tab, tab.query(where) as part:
        return part.getcol(name)


def close(casa, ours, names, where="DATA_DESC_ID==0", tolerance=2e-6):
    for name in names:
        x, y = column(casa, name, where), column(ours, name, where)
        if x.dtype.kind in "fc":
            np.testing.assert_allclose(y, x, rtol=0, atol=tolerance * np.abs(x).max(), err_msg=name)
        else:
            np.testing.assert_array_equal(y, x, err_msg=name)


def test_concat(made, tmp_path):
    from atacal.tasks import concat

    folder, _ = made
    concat([str(folder / "one.ms"), str(folder / "two.ms")], str(tmp_path / "out.ms"))
    names = ("DATA", "UVW", "FLAG", "WEIGHT", "ANTENNA1", "ANTENNA2", "FIELD_ID", "SCAN_NUMBER", "STATE_ID", "TIME")
    for ddid in np.unique(column(folder / "joined.ms", "DATA_DESC_ID", "True")):
        close(folder / "joined.ms", tmp_path / "out.ms", names, f"DATA_DESC_ID=={ddid}", 0)
    for sub, name in (("FIELD", "NAME"), ("FIELD", "SOURCE_ID"), ("STATE", "OBS_MODE"), ("SOURCE", "SOURCE_ID")):
        assert list(column(folder / "joined.ms" / sub, name, "True")) == list(
            column(tmp_path / "out.ms" / sub, name, "True")
        )


@pytest.mark.parametrize("name", ["frame", "grid"])
def test_grids(made, tmp_path, name):
    from atacal.tasks import cvel2, mstransform

    folder, path = made
    ours = tmp_path / "out.ms"
    if name == "frame":
        cvel2(str(path), str(ours), spw="1", field="1", datacolumn="data", outframe="LSRK")
    else:
        mstransform(
            str(path), str(ours), spw="1", field="1", datacolumn="data", regridms=True, outframe="BARY", **VELOCITY
        )
    casa = folder / f"{name}.ms"
    there, here = (column(p / "SPECTRAL_WINDOW", "CHAN_FREQ", "True") for p in (casa, ours))
    np.testing.assert_allclose(here, there, rtol=1e-9)
    good = ~column(casa, "FLAG") & ~column(ours, "FLAG")
    data = [np.where(good, column(p, "DATA"), 0) for p in (casa, ours)]
    np.testing.assert_allclose(data[1], data[0], rtol=0, atol=2e-6 * np.abs(data[0]).max())
    close(casa, ours, ("WEIGHT", "SIGMA", "ANTENNA2", "TIME"), tolerance=1e-5)


def test_uvw_and_phase_centres(made, tmp_path):
    from atacal.tasks import fixvis

    folder, path = made
    fixvis(str(path), str(tmp_path / "uvw.ms"), reuse=False)
    np.testing.assert_allclose(column(tmp_path / "uvw.ms", "UVW", "True"), column(folder / "uvw.ms", "UVW", "True"),
                               rtol=0, atol=1e-8)  # fmt: skip
    fixvis(str(path), str(tmp_path / "moved.ms"), field="1", phasecenter=CENTRE, datacolumn="data")
    keys = ("ANTENNA2", "ANTENNA1", "TIME")
    for ddid in (1, 2):
        where = f"FIELD_ID==1 && DATA_DESC_ID=={ddid}"
        a, b = (np.lexsort([column(p / "moved.ms", k, where) for k in keys]) for p in (folder, tmp_path))
        assert len(a) > 100
        for name in ("UVW", "DATA"):
            x, y = column(folder / "moved.ms", name, where)[a], column(tmp_path / "moved.ms", name, where)[b]
            np.testing.assert_allclose(y, x, rtol=0, atol=2e-6 * np.abs(x).max(), err_msg=name)


def test_statwt(made, tmp_path):
    from atacal.tasks import statwt

    folder, path = made
    shutil.copytree(path, tmp_path / "out.ms")
    statwt(str(tmp_path / "out.ms"), datacolumn="data", timebin="30s", flagbackup=False)
    for ddid in (1, 2):
        where = f"DATA_DESC_ID=={ddid}"
        close(folder / "weights.ms", tmp_path / "out.ms", ("FLAG", "FLAG_ROW"), where)
        for name in ("WEIGHT", "SIGMA"):
            x, y = column(folder / "weights.ms", name, where), column(tmp_path / "out.ms", name, where)
            none = np.isinf(column(folder / "weights.ms", "WEIGHT", where))  # flagged; CASA's weights here, ours are 0
            np.testing.assert_allclose(y[~none], x[~none], rtol=3e-7)
            assert (y[none] == (0 if name == "WEIGHT" else -1)).all()

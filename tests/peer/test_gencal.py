"""gencal's tables, and what they do to the data, against CASA's."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from atacal.ms.metadata import read_metadata
from atacal.tasks import applycal, fixsyscaltimes, gencal

CASES = {
    "tsys": {"caltype": "tsys"},
    "tsys_rows": {"caltype": "tsys", "uniform": False},
    "antpos": {"caltype": "antpos", "antenna": "3,1", "parameter": [1e-3, 2e-3, -3e-4, 0, 1e-3, 5e-4]},
    "antpos_all": {"caltype": "antpos", "antenna": "0~5", "parameter": [1e-3, 2e-3, -3e-4]},
    "amp": {"caltype": "amp", "spw": "1,0", "antenna": "2,1", "pol": "X,Y", "parameter": [1, 2, 3, 4, 5, 6, 7, 8.0]},
    "ph": {"caltype": "ph", "antenna": "1,0", "parameter": [30, 45.0]},
    "sbd": {"caltype": "sbd", "antenna": "1,0", "pol": "Y", "parameter": [0.3, 0.45]},
    "mbd": {"caltype": "mbd", "spw": "1", "parameter": [0.1]},
    "opac": {"caltype": "opac", "parameter": [0.1]},
}
TSYS_FACTOR = 40.0

_MAKE = """
import os
for name, kwargs in cases.items():
    gencal(vis=vis, caltable=os.path.join(folder, name), **kwargs)
gencal(vis=vis, caltable=os.path.join(folder, "amp"), caltype="ph", antenna="0", parameter=[90.0])
gencal(vis=vis, caltable=os.path.join(folder, "sbd"), caltype="mbd", antenna="0", parameter=[0.2])
result = {}
"""
_APPLY = """
applycal(vis=vis, gaintable=tables, interp=interp, calwt=True, flagbackup=False)
result = {}
"""


@pytest.fixture
def measured(sim_ms: Path) -> Path:
    """The simulated block with a SYSCAL table: spectra with a slope, a bad channel, bad antennas, several TIMEs."""
    from casacore.tables import default_ms_subtable, makearrcoldesc, maketabdesc, table

    meta = read_metadata(sim_ms)
    path = str(sim_ms / "SYSCAL")
    if not Path(path).is_dir():
        default_ms_subtable("SYSCAL", path).close()
    random = np.random.default_rng(1)
    with table(str(sim_ms), ack=False) as main:
        begin, end = main.getcol("TIME")[[0, -1]]
    with table(path, readonly=False, ack=False) as tab:
        tab.removerows(list(range(tab.nrows())))
        if "TSYS_SPECTRUM" not in tab.colnames():
            tab.addcols(maketabdesc([makearrcoldesc("TSYS_SPECTRUM", 0.0, ndim=2, valuetype="float")]))
        keys = [(t, s.id, a) for t in (begin, (begin + end) / 2, end) for s in meta.spws for a in range(meta.nant)]
        tab.addrows(len(keys))
        for row, (start, spw, antenna) in enumerate(keys):
            interval = 9.0 + 0.37 * antenna
            nchan = meta.spws[spw].nchan
            tsys = TSYS_FACTOR * (
                1 + antenna / 9 + 0.3 * np.arange(nchan)[:, None] / nchan + random.random((nchan, 2)) / 9
            )
            tsys[3] = -1.0 if antenna == 2 else tsys[3]
            tsys[:, 1] = 0.0 if (antenna, spw) == (4, 0) else tsys[:, 1]
            for column, value in (("TIME", start + interval / 2), ("INTERVAL", interval), ("ANTENNA_ID", antenna),
                                  ("FEED_ID", 0), ("SPECTRAL_WINDOW_ID", spw),
                                  ("TSYS_SPECTRUM", tsys.astype(np.float32))):  # fmt: skip
                tab.putcell(column, row, value)
    with table(str(sim_ms), readonly=False, ack=False) as main:
        main.putkeyword("SYSCAL", f"Table: {path}")
    fixsyscaltimes(str(sim_ms))
    return sim_ms


def make_ours(ms: Path, folder: Path) -> None:
    folder.mkdir()
    for name, kwargs in CASES.items():
        gencal(str(ms), str(folder / name), **kwargs)
    gencal(str(ms), str(folder / "amp"), "ph", antenna="0", parameter=[90.0])
    gencal(str(ms), str(folder / "sbd"), "mbd", antenna="0", parameter=[0.2])


def differences(ours: Path, theirs: Path) -> list[str]:
    """Say what differs between two tables and their subtables; HISTORY and the version may."""
    from casacore.tables import table

    out: list[str] = []
    with table(str(ours), ack=False) as a, table(str(theirs), ack=False) as b:
        if a.info() != b.info() or a.colnames() != b.colnames() or a.nrows() != b.nrows():
            return [f"{ours.name}: {a.info()} {b.info()} {a.colnames()} {b.colnames()} {a.nrows()} {b.nrows()}"]
        one, other = a.getkeywords(), b.getkeywords()
        if list(one) != list(other):
            out.append(f"keywords {list(one)} {list(other)}")
        for name in one:
            if str(one[name]).startswith("Table:"):
                out += differences(ours / name, theirs / name) if name != "HISTORY" else []
            elif name != "CASA_Version" and one[name] != other[name]:
                out.append(f"{name}: {one[name]} {other[name]}")
        for column in a.colnames():
            for row in range(a.nrows()):
                if a.iscelldefined(column, row) != b.iscelldefined(column, row):
                    out.append(f"{ours.name} {column} row {row}: defined in one only")
                elif a.iscelldefined(column, row):
                    x, y = np.asarray(a.getcell(column, row)), np.asarray(b.getcell(column, row))
                    near = np.allclose(x, y, rtol=1e-6, atol=1e-7) if x.dtype.kind in "fc" else np.array_equal(x, y)
                    if x.shape != y.shape or x.dtype != y.dtype or not near:
                        out.append(f"{ours.name} {column} row {row}: {x} {y}")
    return out


def test_tables_are_casas(measured, casa, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    casa(_MAKE, vis=str(measured), folder=str(theirs), cases=CASES)
    make_ours(measured, tmp_path / "ours")
    for name in CASES:
        assert differences(tmp_path / "ours" / name, theirs / name)[:5] == []


@pytest.mark.parametrize(
    ("names", "interp"),
    [
        (["tsys", "antpos_all"], ["linear,linear", ""]),
        (["tsys_rows", "antpos"], ["nearest,linearflag", "nearest"]),
        (["amp", "sbd", "mbd", "ph"], ["", "", "", ""]),
        (["opac"], [""]),
    ],
)
def test_data_and_weights_are_casas(measured, casa, tmp_path, names, interp):
    """Ours applied by CASA and by us: the tables are the same, so this tests both ways at once."""
    from casacore.tables import table

    make_ours(measured, tmp_path / "ours")
    tables = [str(tmp_path / "ours" / name) for name in names]
    other = tmp_path / "other.ms"
    shutil.copytree(measured, other)
    casa(_APPLY, vis=str(other), tables=tables, interp=interp)
    applycal(str(measured), gaintable=tables, interp=interp, calwt=True, flagbackup=False)
    with table(str(measured), ack=False) as a, table(str(other), ack=False) as b:
        flag = b.getcol("FLAG")
        np.testing.assert_array_equal(a.getcol("FLAG"), flag)
        ours, expected = a.getcol("CORRECTED_DATA")[~flag], b.getcol("CORRECTED_DATA")[~flag]
        assert np.abs(ours / expected - 1).max() < 1.5e-6  # CASA works in single precision
        assert np.sqrt(np.mean(np.abs(ours / expected - 1) ** 2)) < 3e-7
        np.testing.assert_allclose(a.getcol("WEIGHT"), b.getcol("WEIGHT"), rtol=5e-6)  # CASA's single-precision means

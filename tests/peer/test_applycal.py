"""applycal beside CASA's, on the same calibration tables (made by CASA)."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table as open_casacore

from atacal.caltables.disk import read_caltable
from atacal.caltables.interpolate import bracket
from atacal.tasks import applycal

pytestmark = pytest.mark.peer

TABLES = """
import os
setjy(vis, field="0", standard="manual", fluxdensity=[14.76, 0, 0, 0], usescratch=False)
gaincal(vis, "n.gp0", field="0", solint="int", calmode="p", refant="14", spw="0:10~50")
bandpass(vis, "n.B", field="0", solint="inf", refant="14", gaintable=["n.gp0"], interp=["nearest"])
bandpass(vis, "n.B8", field="0", solint="inf,8ch", refant="14", gaintable=["n.gp0"], interp=["nearest"])
bandpass(vis, "n.Bsc", field="0,1", solint="inf", refant="14", gaintable=["n.gp0"], interp=["nearest"])
gaincal(vis, "n.Gint", field="0,1", solint="int", calmode="p", refant="14", gaintable=["n.B"])
gaincal(vis, "n.G", field="0,1", solint="inf", refant="14", gaintable=["n.B"])
gaincal(vis, "n.T", field="0,1", solint="inf", calmode="a", gaintype="T", refant="14", gaintable=["n.B", "n.Gint"])
gaincal(vis, "n.G60", field="0,1", solint="60s", refant="14", gaintable=["n.B"])
gaincal(vis, "n.K", field="0", solint="inf", gaintype="K", refant="14")
fluxscale(vis, "n.G", "n.flux", reference="0", transfer="1")
result = {"folder": os.getcwd()}
"""

APPLY = """
import shutil
from casatools import table
for name, (mode, arguments) in cases.items():
    shutil.copytree(vis, "c.ms")
    applycal("c.ms", applymode=mode, flagbackup=False, **arguments)
    tb = table()
    tb.open("c.ms")
    columns = [c for c in ("CORRECTED_DATA", "WEIGHT", "FLAG", "FLAG_ROW", "WEIGHT_SPECTRUM") if c in tb.colnames()]
    np.savez(out + "/" + name + ".npz", **{c: tb.getcol(c).T for c in columns if tb.iscelldefined(c, 0)})
    tb.close()
    shutil.rmtree("c.ms")
result = {}
"""

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gain": ("calflag", {"gaintable": ["G"]}),
    "gain_nearest_no_weights": ("calflag", {"gaintable": ["G"], "interp": ["nearest"], "calwt": [False]}),
    "gain_one_field": ("calflag", {"gaintable": ["G"], "gainfield": ["1445*"]}),
    "recipe": ("calflag", {"gaintable": ["B", "Gint", "flux"], "gainfield": ["0", "nearest", "nearest"]}),
    "recipe_by_name": (
        "calflag",
        {
            "gaintable": ["B", "Gint", "flux"],
            "gainfield": ["0", "1", "1"],
            "interp": ["", "nearest", "linear"],
            "calwt": [True, True, False],
        },
    ),
    "linear_between_many": ("calflag", {"gaintable": ["G60"]}),
    "cubic_in_time": ("calflag", {"gaintable": ["G60"], "interp": ["cubic"]}),
    "cubic_in_frequency": ("calflag", {"gaintable": ["B8"], "interp": ["nearest,cubic"]}),
    "coarse_bandpass": ("calflag", {"gaintable": ["B8", "T"], "interp": ["linear,linear"]}),
    "coarse_bandpass_nearest": ("calflag", {"gaintable": ["B8", "T"], "interp": ["nearest,nearest"]}),
    "delay": ("calflag", {"gaintable": ["K", "B"]}),
    "phase_delay": ("calflag", {"gaintable": ["Gint"], "interp": ["linearPD"]}),
    "parang": ("calflag", {"gaintable": ["G"], "parang": True}),
    "flagged_gains": ("calflag", {"gaintable": ["GF"]}),
    "flagged_int_nearest": ("calflag", {"gaintable": ["GintF"], "interp": ["nearest"]}),
    "flagged_bandpass": ("calflag", {"gaintable": ["BF", "GF"]}),
    "flagged_bandpass_linearflag": ("calflag", {"gaintable": ["BF"], "interp": ["linear,linearflag"]}),
    "flagged_bandpass_nearest": ("calflag", {"gaintable": ["BF"], "interp": ["linear,nearest"]}),
    "flagged_coarse_linearflag": ("calflag", {"gaintable": ["B8F"], "interp": ["linear,linearflag"]}),
    "flagged_bandpasses_in_time": ("calflag", {"gaintable": ["BscF"], "interp": ["linear,linear"]}),
    "flagged_t_and_delay": ("calflag", {"gaintable": ["TF", "KF"]}),
    "strict": ("calflagstrict", {"gaintable": ["BF", "GF"]}),
    "calonly": ("calonly", {"gaintable": ["BF", "GF"]}),
    "flagonly": ("flagonly", {"gaintable": ["BF", "GF"]}),
    "flagonlystrict": ("flagonlystrict", {"gaintable": ["BF", "GF"]}),
    "trial": ("trial", {"gaintable": ["BF", "GF"]}),
}


def flagged_copy(source: Path, rng: np.random.Generator) -> None:
    """Copy a table to NAME + F with some of its solutions flagged, and some rows missing from an 'int' table."""
    target = source.with_name(source.name + "F")
    shutil.copytree(source, target)
    with open_casacore(str(target), readonly=False, ack=False) as tab:
        flag = tab.getcol("FLAG")
        flag |= rng.random(flag.shape) < (0.2 if ".B" in source.name else 0.08)
        if source.name.endswith(".B"):
            flag[3] = True
            flag[5, :, 1] = True
            flag[:, :4] = True
        tab.putcol("FLAG", flag)
        if source.name.endswith("Gint"):
            antenna, time = tab.getcol("ANTENNA1"), tab.getcol("TIME")
            tab.removerows(np.flatnonzero((antenna == 7) | ((antenna == 9) & (time > np.median(time)))).tolist())


@pytest.fixture(scope="module")
def setting(casa_once, ngc5921_part_original, tmp_path_factory) -> tuple[Path, Path, Path]:
    """The MS with odd weights and flags, the folder of tables, and the folder of what CASA made of each case."""
    folder = tmp_path_factory.mktemp("applycal")
    vis = folder / "n.ms"
    shutil.copytree(ngc5921_part_original, vis)
    tables = Path(casa_once(TABLES, vis=vis)["folder"])
    rng = np.random.default_rng(3)
    for name in ("G", "Gint", "B", "B8", "Bsc", "T", "K"):
        flagged_copy(tables / f"n.{name}", rng)
    with open_casacore(str(vis), readonly=False, ack=False) as tab:
        sigma, flag = tab.getcol("SIGMA"), tab.getcol("FLAG")
        tab.putcol("SIGMA", (sigma * rng.uniform(0.5, 2, sigma.shape)).astype(np.float32))
        tab.putcol("WEIGHT", tab.getcol("WEIGHT") * 3)
        tab.putcol("FLAG", flag | (rng.random(flag.shape) < 0.05))
    cases = {name: (mode, with_paths(arguments, tables)) for name, (mode, arguments) in CASES.items()}
    casa_once(APPLY, vis=vis, cases=cases, out=folder)
    return vis, tables, folder


def with_paths(arguments: dict[str, Any], tables: Path) -> dict[str, Any]:
    return arguments | {"gaintable": [str(tables / f"n.{name}") for name in arguments["gaintable"]]}


@pytest.mark.parametrize("name", CASES)
def test_same_tables_same_data(name, setting, fresh_copy):
    vis, tables, folder = setting
    casas = np.load(folder / f"{name}.npz")
    mode, arguments = CASES[name]
    mine = fresh_copy(vis)
    applycal(str(mine), applymode=mode, flagbackup=False, **with_paths(arguments, tables))
    with open_casacore(str(mine), ack=False) as tab:
        assert ("CORRECTED_DATA" in tab.colnames()) == ("CORRECTED_DATA" in casas)
        for column in ("FLAG", "FLAG_ROW"):
            np.testing.assert_array_equal(tab.getcol(column), casas[column], err_msg=column)
        for column in ("WEIGHT", "WEIGHT_SPECTRUM"):
            if column in casas:
                np.testing.assert_allclose(tab.getcol(column), casas[column], rtol=1e-5, err_msg=column)
        if name == "cubic_in_time":
            limit = rounding_of_phases(tables / "n.G60", tab.getcol("TIME"))[:, None, None]
        else:
            limit = 5e-6
        if "CORRECTED_DATA" in casas:
            ours, theirs = tab.getcol("CORRECTED_DATA"), casas["CORRECTED_DATA"]
            assert np.abs(ours - theirs).max(initial=0, where=np.abs(theirs) == 0) == 0
            relative = np.abs(ours - theirs) / np.where(np.abs(theirs) > 0, np.abs(theirs), 1)
            assert (relative < limit).all()
            if name == "cubic_in_time":
                assert np.median(relative) < 5e-7


def rounding_of_phases(table: Path, time: np.ndarray) -> np.ndarray:
    """What CASA's single precision leaves open when it interpolates phases by a cubic, by row, relative.

    It rounds the phases of two antennas, of 2 to 4 radian, to steps of 2.4e-7 (one step off at most); the cubic's
    weights, which are large in gaps between scans, multiply that.
    """
    times = np.unique(time)
    _, weight, _ = bracket(read_caltable(table).solutions[0].time, times, "cubic")
    assert np.abs(weight).sum(1).max() > 10
    return (5e-7 + 2 * 2.4e-7 * np.abs(weight).sum(1))[np.searchsorted(times, time)]

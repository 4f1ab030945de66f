"""wvrgcal beside CASA's, on a block made here whose paths are known.

CASA's retrieval is random and leaves out the best fits (docs/wvrgcal.md), so that coefficients agree within errors;
given CASA's coefficients the tables agree to their last digits.
"""

from __future__ import annotations

import importlib.util
import itertools
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atacal.tasks import applycal, wvrgcal
from atacal.wvr import coefficients

CASES: dict[str, dict[str, Any]] = {
    "plain": {"spw": [1, 0]},
    "flagged": {"wvrflag": ["DA43"], "spw": [1, 2], "scale": 1.1, "disperse": True},
    "source": {"sourceflag": ["target"], "spw": [0, 1], "reversespw": "1"},
    "nsol": {"nsol": 3, "segsource": False, "spw": [1]},
    "tied": {"smooth": "6s", "spw": [1], "tie": ["cal,target"], "statsource": "target", "refant": ["DV01"]},
    "offset": {"toffset": -1.0, "spw": [1], "usefieldtab": True},
}
COLUMNS = (
    "TIME",
    "INTERVAL",
    "SPECTRAL_WINDOW_ID",
    "ANTENNA1",
    "ANTENNA2",
    "FIELD_ID",
    "SCAN_NUMBER",
    "OBSERVATION_ID",
)


@dataclass
class Casas:
    """What CASA makes of a block: per case its dictionary, table and retrieved parameters."""

    vis: Path
    answers: dict[str, Any]

    def retrieved(self, case: str) -> np.ndarray:
        """Evidence, PWV, its error, four dT/dL; one row for each set."""
        body = re.search(r"PWV Error.*?\n(.*?)Times used", self.answers[case]["log"], re.DOTALL)
        assert body
        lines = [line.split("casa+")[-1].split() for line in body[1].split("\n")]
        return np.array([[float(v) for v in words] for words in lines if len(words) == 7])


def made_block(path: Path) -> Path:
    """Make the block of tests/wvr."""
    spec = importlib.util.spec_from_file_location("wvr_block", Path(__file__).parents[1] / "wvr" / "conftest.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["wvr_block"] = module
    spec.loader.exec_module(module)
    return Path(module.make_block(path, noise_k=0.09).path)


@pytest.fixture(scope="module")
def casas(casa_once: Callable[..., dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Casas:
    """CASA's answers to all cases."""
    script = """
import os
result = {}
tb = casatools.table()
for name, arguments in cases.items():
    casatools.logsink().setlogfile(os.path.abspath(name + ".log"))
    casalog.setlogfile(os.path.abspath(name + ".log"))
    answer = wvrgcal(vis=vis, caltable=name, **arguments)
    tb.open(name)
    columns = {c: tb.getcol(c) for c in columns_wanted}
    phase, flag = np.angle(tb.getcol("CPARAM")).ravel(), tb.getcol("FLAG").ravel()
    amplitude, snr = np.abs(tb.getcol("CPARAM")).ravel(), tb.getcol("SNR").ravel()
    tb.close()
    tb.open(name + "/SPECTRAL_WINDOW")
    spws = {c: [tb.getcell(c, i) for i in range(tb.nrows())] for c in ("NUM_CHAN", "CHAN_FREQ", "CHAN_WIDTH")}
    tb.close()
    result[name] = {"answer": answer, "columns": columns, "phase": phase, "flag": flag, "amplitude": amplitude,
                    "snr": snr, "spws": spws, "log": open(name + ".log").read()}
"""
    vis = made_block(tmp_path_factory.mktemp("wvr") / "block.ms")
    return Casas(vis, casa_once(script, vis=vis, cases=CASES, columns_wanted=COLUMNS))


@pytest.fixture
def ours(casas: Casas, tmp_path: Path) -> Callable[..., tuple[dict[str, Any], Path]]:
    """Run a case; the dictionary and the table's path."""
    count = itertools.count()

    def run(case: str, **more: Any) -> tuple[dict[str, Any], Path]:
        target = tmp_path / f"ours{next(count)}"
        return wvrgcal(str(casas.vis), str(target), **CASES[case], **more), target

    return run


@pytest.mark.parametrize("case", CASES)
def test_water_and_coefficients_agree_within_errors(case, casas, ours):
    found, _ = ours(case)
    theirs = casas.retrieved(case)
    assert len(theirs) == len(found["retrieved"])
    for one, row in zip(found["retrieved"], theirs, strict=True):
        _, pwv, error, *dtdl = row
        assert abs(one["PWV_mm"] - pwv) < error
        assert one["PWV_err_mm"] < 1.1 * error
        assert np.all(np.abs(np.array(one["dTdL_K_per_mm"]) - dtdl) < np.array(one["dTdL_err_K_per_mm"]))


def with_casas_coefficients(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any], theirs: np.ndarray) -> None:
    """Have the retrieval answer what CASA's did."""
    real = coefficients.retrieve
    known = {tuple(np.round(one["measured_K"], 4)): row for one, row in zip(found["retrieved"], theirs, strict=True)}

    def retrieve(measured_k, elevation_rad, *, cloud=False):
        row = known[tuple(np.round(measured_k, 4))]
        return replace(real(measured_k, elevation_rad, cloud=cloud), pwv_mm=row[1], dtdl_k_mm=row[3:].copy())

    monkeypatch.setattr(coefficients, "retrieve", retrieve)


@pytest.mark.parametrize("case", CASES)
def test_given_its_coefficients_the_table_is_casas(case, casas, ours, monkeypatch):
    from casacore.tables import table

    found, _ = ours(case, method="libair")
    with_casas_coefficients(monkeypatch, found, casas.retrieved(case))
    found, path = ours(case, method="libair")
    theirs = casas.answers[case]
    with table(str(path), ack=False) as tab:
        for column in COLUMNS:
            assert np.array_equal(tab.getcol(column), theirs["columns"][column]), column
        assert np.array_equal(tab.getcol("FLAG").ravel(), theirs["flag"])
        assert np.array_equal(tab.getcol("SNR").ravel(), theirs["snr"])
        gain = tab.getcol("CPARAM").ravel()
        assert tab.info()["subType"] == "T Jones"
    np.testing.assert_allclose(np.abs(gain), theirs["amplitude"], atol=1e-6)
    difference = np.angle(gain * np.exp(-1j * np.array(theirs["phase"])), deg=True)
    assert np.abs(difference).max() < 0.02
    with table(str(path / "SPECTRAL_WINDOW"), ack=False) as tab:
        for column, cells in theirs["spws"].items():
            for row, cell in enumerate(cells):
                np.testing.assert_allclose(tab.getcell(column, row), cell)


@pytest.mark.parametrize("case", ["plain", "flagged", "nsol", "tied"])
def test_given_its_coefficients_the_statistics_are_casas(case, casas, ours, monkeypatch):
    found, _ = ours(case)
    with_casas_coefficients(monkeypatch, found, casas.retrieved(case))
    found, theirs = ours(case, method="libair")[0], casas.answers[case]["answer"]
    for key in ("Name", "WVR", "Flag", "rval", "success"):
        assert found[key] == theirs[key]
    for key in ("RMS_um", "Disc_um"):  # CASA's have three digits
        np.testing.assert_allclose(found[key], theirs[key], rtol=6e-3)


def test_casa_applies_our_table(casas, ours, casa, fresh_copy):
    """And each applies the other's as its own."""
    from casacore.tables import table

    _, path = ours("plain")
    one, two = fresh_copy(casas.vis), casas.vis.with_name("other.ms")
    if not two.exists():
        import shutil

        shutil.copytree(casas.vis, two)
    arguments = {"spw": "1", "interp": ["linear"], "calwt": False, "flagbackup": False}
    applycal(str(one), gaintable=[str(path)], **arguments)
    casa("applycal(vis=vis, gaintable=[t], **a); result = {}", vis=two, t=path, a=arguments)
    data = []
    for vis in (one, two):
        with table(str(vis), ack=False) as tab:
            part = tab.selectrows(np.flatnonzero(tab.getcol("DATA_DESC_ID") == 1))
            data.append((part.getcol("CORRECTED_DATA"), part.getcol("FLAG")))
    assert np.array_equal(data[0][1], data[1][1])
    np.testing.assert_allclose(data[0][0], data[1][0], atol=2e-5)

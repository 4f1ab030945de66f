"""Flag commands on tables of system temperatures, whose rows have no reference antenna."""

from __future__ import annotations

import shutil

import pytest

from atacal.simulate import simulate
from atacal.tasks import flagdata, gencal


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tsys")
    simulate(str(folder / "X.ms"), raw=True, seed=5)
    gencal(vis=str(folder / "X.ms"), caltable=str(folder / "X.tsys"), caltype="tsys")
    return folder / "X.tsys"


@pytest.mark.parametrize("how", ["manual", "list"])
def test_an_antenna_is_flagged_as_casa_does(made, tmp_path, how):
    table = str(shutil.copytree(made, tmp_path / "X.tsys"))
    before = flagdata(table, mode="summary")["antenna"]
    name = sorted(before)[2]
    if how == "manual":
        flagdata(table, mode="manual", antenna=name, flagbackup=False)
    else:
        flagdata(table, mode="list", inpfile=[f"antenna='{name}'"], flagbackup=False)
    after = flagdata(table, mode="summary")["antenna"]
    assert after[name]["flagged"] == after[name]["total"]
    assert all(after[a]["flagged"] == before[a]["flagged"] for a in before if a != name)

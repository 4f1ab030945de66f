"""Faults of a simulated block in CASA's hands: flagdata takes their selections, the judge reads its versions."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from casacore.tables import table

from atacal.simulate import read_truth, simulate
from atacal.simulate.judge import judge_selections, judge_table, judge_versions, version_path

STAGES = ("flagdata", "rawflagchans", "lowgainflag", "gainflag", "bandpassflag", "gfluxscaleflag", "targetflag")

SCRIPT = """
import os
result = {"folder": os.getcwd()}
flagmanager(vis=vis, mode="save", versionname="before")
for number, (stage, selections) in enumerate(stages):
    for selection in selections:
        flagdata(vis=vis, mode="manual", flagbackup=False, **selection)
    flagmanager(vis=vis, mode="save", versionname=f"after_{number}")
gencal(vis=vis, caltable="tsys", caltype="tsys")
for selection in tsys:
    flagdata(vis="tsys", mode="manual", flagbackup=False, **selection)
"""


@pytest.fixture(scope="module")
def flagged(casa_once, tmp_path_factory):
    """The truth, the flagged copy, and the folder with CASA's Tsys table."""
    folder = tmp_path_factory.mktemp("faults")
    simulate(folder / "X.ms", raw=True, nant=14, seed=3, faults="all")
    truth, copy = read_truth(folder / "X.ms"), folder / "copy" / "X.ms"
    shutil.copytree(folder / "X.ms", copy)
    stages = [(s, [x for f in truth.faults if f.stage == s and f.table == "ms" for x in f.selections]) for s in STAGES]
    tsys = [  # CASA's manual flags of one element of a solution select nothing; both are tolerated
        {k: v for k, v in x.items() if k != "correlation"} for f in truth.faults if f.stage == "tsysflag"
        for x in f.selections
    ]  # fmt: skip
    said = casa_once(SCRIPT, vis=str(copy), stages=stages, tsys=tsys)
    return truth, copy, said["folder"], dict(stages)


def test_casa_flags_what_the_judge_counts(flagged):
    truth, copy, _, stages = flagged
    expected = judge_selections(truth, stages).as_dict()
    moved = read_truth(truth.ms)
    moved.ms = str(copy)
    versions = {s: version_path(copy, f"after_{i}") for i, s in enumerate(STAGES)}
    result = judge_versions(moved, version_path(copy, "before"), versions)
    assert result.as_dict() == expected
    for s in result.stages:
        assert s.found == s.injected > 0
        assert s.false == 0


def test_casa_flags_the_tsys_that_are_wrong(flagged):
    truth, _, folder, _ = flagged
    with table(f"{folder}/tsys", ack=False) as tab:
        columns = {
            "antenna": tab.getcol("ANTENNA1"),
            "spw": tab.getcol("SPECTRAL_WINDOW_ID"),
            "time_mjd_s": tab.getcol("TIME"),
        }
        flags = tab.getcol("FLAG")
    (stage,) = judge_table(truth, "tsys", columns, np.zeros_like(flags), {"tsysflag": flags}).stages
    assert stage.found == stage.injected > 0
    assert stage.false == 0

"""The products of a run in CASA's hands: its flags, tables and calls of applycal give the same calibrated data."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.ms.measurement_set import MeasurementSet
from atacal.pipeline.recipes import TODAY
from atacal.pipeline.run import Run
from atacal.restore.calapply import read_calapply
from atacal.restore.intents import select_intents
from atacal.simulate import simulate

BLOCK = "uid___A002_X1_X1"
MS = f"{BLOCK}.ms"
APPLY = """
import os, shutil, tarfile
shutil.copytree(raw, ms)
for archive in archives:
    with tarfile.open(archive, "r:gz") as tar:
        tar.extractall(filter="data")
flagmanager(ms, mode="restore", versionname="Pipeline_Final")
calls = []
def as_written(**given):
    given["intent"] = intents[given["intent"]]
    casatasks.applycal(**given, applymode="calflagstrict", flagbackup=False)
    calls.append(given["field"])
exec(open(calapply).read(), {"applycal": as_written})
result = {"folder": os.getcwd(), "calls": len(calls)}
"""


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory) -> tuple[Path, Path]:
    """The raw block, and the directory of a run that has calibrated it and exported."""
    folder = tmp_path_factory.mktemp("export")
    simulate(str(folder / MS), raw=True, fluxcal="sso", seed=7)
    tasks = [task for task, _ in TODAY]
    with Run(folder / "run") as run:
        for task in [*tasks[: tasks.index("hif_applycal") + 1], "hifa_exportdata"]:
            done = run.call(task, {"vis": [str(folder / MS)]} if task == "hifa_importdata" else {})
    assert done["score"] == 1.0
    return folder / MS, folder / "run"


def test_casa_calibrates_with_the_products(casa, calibrated):
    raw, run = calibrated
    calapply = run / "products" / f"{MS}.calapply.txt"
    calls = read_calapply(calapply)
    with MeasurementSet(run / MS) as ms:
        intents = {a.intent: select_intents(a.intent, ms.metadata.state_intents, "") for a in calls}
    done = casa(
        APPLY, raw=raw, ms=MS, calapply=calapply, intents=intents,
        archives=[str(p) for p in sorted((run / "products").glob("*.tgz")) if "weblog" not in p.name],
    )  # fmt: skip
    assert done["calls"] == len(calls) >= 3
    assert max(len(a.uses) for a in calls) >= 5
    spws = sorted({int(s) for a in calls for s in a.spw.split(",")})
    with table(str(run / MS), ack=False) as ours, table(f"{done['folder']}/{MS}", ack=False) as theirs:
        for spw in spws:
            a, b = (t.query(f"DATA_DESC_ID=={spw} && ANTENNA1!=ANTENNA2") for t in (ours, theirs))
            flag = a.getcol("FLAG")
            np.testing.assert_array_equal(flag, b.getcol("FLAG"))
            x, y = a.getcol("CORRECTED_DATA")[~flag], b.getcol("CORRECTED_DATA")[~flag]
            assert len(x) > 10_000
            assert np.max(np.abs(x - y)) < 1e-4 * np.median(np.abs(y))
            good = ~flag.all((1, 2))
            np.testing.assert_allclose(a.getcol("WEIGHT")[good], b.getcol("WEIGHT")[good], rtol=1e-5)

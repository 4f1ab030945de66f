"""CASA reads and writes a MeasurementSet at any time: after killed runs of ours, while one works, and after it."""

from __future__ import annotations

import os
import signal
import traceback

import numpy as np
import pytest

from atacal.ms import transaction
from atacal.ms.measurement_set import MeasurementSet
from atacal.tasks import delmod, flagdata, setjy

LOOK = """
tb = casatools.table()
tb.open(vis)
flag, row = tb.getcol("FLAG"), tb.getcol("FLAG_ROW")
names = tb.colnames()
tb.close()
tb.open(vis + "/HISTORY")
history = tb.nrows()
tb.close()
counts = flagdata(vis, mode="summary")
result = {"flagged": counts["flagged"], "total": counts["total"], "column": int(flag.sum()), "rows": int(row.sum()),
          "names": names, "history": history}
"""
WRITE = """
flagdata(vis, mode="manual", scan="2", flagbackup=False)
tb = casatools.table()
tb.open(vis + "/HISTORY")
result = {"flagged": flagdata(vis, mode="summary")["flagged"], "last": tb.getcol("MESSAGE")[-1], "history": tb.nrows()}
tb.close()
"""


def kill_flagdata(path, monkeypatch, function: str) -> None:
    """Flag everything in a child that is killed when it calls a function of the transaction."""
    pid = os.fork()
    if pid == 0:
        try:
            setattr(transaction, function, lambda *args: os.kill(os.getpid(), signal.SIGKILL))
            flagdata(str(path), flagbackup=False)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.mark.parametrize("function", ["_commit", "_carry_out"])
def test_after_a_kill(casa, sim_ms, monkeypatch, function):
    before = casa(LOOK, vis=str(sim_ms))
    kill_flagdata(sim_ms, monkeypatch, function)
    assert (sim_ms / transaction.WORKPLACE).is_dir()
    assert casa(LOOK, vis=str(sim_ms)) == before
    MeasurementSet(sim_ms).close()
    after = casa(LOOK, vis=str(sim_ms))
    if function == "_commit":
        assert after == before
    else:
        assert after["column"] == after["flagged"] == before["total"]
        assert after["history"] > before["history"]
    wrote = casa(WRITE, vis=str(sim_ms))
    assert wrote["history"] > after["history"]
    assert wrote["flagged"] >= after["flagged"]


def test_casa_goes_on_after_a_kill(casa, sim_ms, monkeypatch):
    """What CASA writes over the remains of a killed run of ours stays written."""
    kill_flagdata(sim_ms, monkeypatch, "_commit")
    wrote = casa(WRITE, vis=str(sim_ms))
    with MeasurementSet(sim_ms) as ms:
        assert int(ms.table.getcol("FLAG").sum()) == wrote["flagged"]
    assert not (sim_ms / transaction.WORKPLACE).exists()


def test_while_a_run_is_at_work(casa, sim_ms):
    before = casa(LOOK, vis=str(sim_ms))
    with transaction.transaction(sim_ms, "flagdata", columns=("FLAG",), subtables=("HISTORY",)) as inside:
        with MeasurementSet(inside, writable=True) as ms:
            shape = np.asarray(ms.table.getcell("FLAG", 0)).shape
            ms.write("FLAG", [(0, 100)], np.ones((100, *shape), bool))
        assert casa(LOOK, vis=str(sim_ms)) == before
    assert casa(LOOK, vis=str(sim_ms))["column"] > before["column"]


def test_columns_come_and_go(casa, sim_ms):
    setjy(str(sim_ms), standard="manual", fluxdensity=[2, 0, 0, 0])
    assert "MODEL_DATA" in casa(LOOK, vis=str(sim_ms))["names"]
    delmod(str(sim_ms), scr=True)
    assert "MODEL_DATA" not in casa(LOOK, vis=str(sim_ms))["names"]
    script = "clearcal(vis, addmodel=True)\ntb = casatools.table()\ntb.open(vis)\nresult = tb.colnames()"
    made = casa(script, vis=str(sim_ms))
    assert {"MODEL_DATA", "CORRECTED_DATA"} <= set(made)
    setjy(str(sim_ms), field="1", standard="manual", fluxdensity=[3, 0, 0, 0])
    with MeasurementSet(sim_ms) as ms:
        model = {f: ms.table.query(f"FIELD_ID=={f}").getcol("MODEL_DATA") for f in (0, 1)}
    assert np.unique(model[0]).tolist() == [1]
    assert np.unique(model[1]).tolist() == [3]

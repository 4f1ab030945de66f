"""flagmanager: CASA reads our flag versions, and we read CASA's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from casacore.tables import table

from atacal.tasks.flagdata import flagdata
from atacal.tasks.flagmanager import flagmanager

SCRIPT = """
tb = casatools.table()

def counts():
    tb.open(vis)
    cells, rows = tb.getvarcol("FLAG"), tb.getcol("FLAG_ROW")
    tb.close()
    return [int(sum(c.sum() for c in cells.values())), int(rows.sum())]

result = {"listing": flagmanager(vis, mode="list")}
flagmanager(vis, mode="restore", versionname="ours")
result["ours"] = counts()
flagdata(vis, mode="unflag", flagbackup=False)
flagdata(vis, antenna="2", flagbackup=False)
result["theirs"] = counts()
flagmanager(vis, mode="save", versionname="theirs", comment="by CASA")
flagdata(vis, scan="1")
"""


def _counts(path: Path) -> list[int]:
    with table(str(path), ack=False) as tab:
        cells = sum(int(np.sum(tab.getcell("FLAG", i))) for i in range(tab.nrows()))
        return [cells, int(tab.getcol("FLAG_ROW").sum())]


def test_versions_travel_both_ways(sim_ms: Path, casa: Callable[..., dict[str, Any]]) -> None:
    vis = str(sim_ms)
    flagdata(vis, antenna="1", flagbackup=False)
    ours = _counts(sim_ms)
    flagmanager(vis, "save", "ours", comment="by atacal")
    flagdata(vis, mode="unflag", flagbackup=False)
    answer = casa(SCRIPT, vis=sim_ms)
    assert answer["listing"]["0"] == {"name": "ours", "comment": "by atacal"}
    assert answer["ours"] == ours
    listing = flagmanager(vis)
    assert [listing[i]["name"] for i in range(3)] == ["ours", "theirs", "flagdata_1"]
    assert listing[1]["comment"] == "by CASA"
    flagmanager(vis, "restore", "theirs")
    assert _counts(sim_ms) == answer["theirs"]
    flagmanager(vis, "restore", "ours", merge="or")
    assert _counts(sim_ms)[0] > max(ours[0], answer["theirs"][0])

"""vishead against CASA's, values and keywords."""

from __future__ import annotations

import numpy as np

SCRIPT = """
import shutil

def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    return value.tolist() if hasattr(value, "tolist") else value

everything = vishead(vis, mode="list", listitems=[])
some = vishead(vis, mode="list")
single = {k: vishead(vis, mode="get", hdkey=k, hdindex="1") for k in ("field", "ptcs", "spw_name", "cal_grp")}
shutil.copytree(vis, "put.ms")
vishead("put.ms", mode="put", hdkey="field", hdindex="1", hdvalue="XYZ")
vishead("put.ms", mode="put", hdkey="observer", hdvalue=["somebody else"])
after = vishead("put.ms", mode="list", listitems=["field", "observer"])
result = plain({"all": everything, "some": some, "single": single, "after": after})
"""


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def test_what_is_read_and_written(casa, sim_ms):
    from atacal.tasks import vishead

    vis = str(sim_ms)
    there = casa(SCRIPT, vis=vis)
    here = plain(vishead(vis, mode="list", listitems=[]))
    assert here == there["all"]
    assert plain(vishead(vis, mode="list")) == there["some"]
    for key, value in there["single"].items():
        assert plain(vishead(vis, mode="get", hdkey=key, hdindex="1")) == value, key
    vishead(vis, mode="put", hdkey="field", hdindex="1", hdvalue="XYZ")
    vishead(vis, mode="put", hdkey="observer", hdvalue=["somebody else"])
    assert plain(vishead(vis, mode="list", listitems=["field", "observer"])) == there["after"]

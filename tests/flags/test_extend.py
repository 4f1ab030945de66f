"""Mode extend, against plain loops; lists in which it stands among other modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.errors import EmptySelection
from atacal.flags.backup import list_versions
from atacal.flags.commands import make_command
from atacal.flags.extend import Extend
from atacal.tasks import flagdata


def grown(flag: np.ndarray, **what: Any) -> np.ndarray:
    agent = Extend(make_command({"mode": "extend", **what}))
    return agent.grown(flag[None])[0]


ALONE = {"growtime": 0.0, "growfreq": 0.0, "extendpols": False}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_neighbours(seed: int) -> None:
    flag = np.random.default_rng(seed).random((4, 5, 2)) < 0.4
    expected = flag.copy()
    for t, c, p in np.ndindex(flag.shape):
        around = flag[max(t - 1, 0) : t + 2, max(c - 1, 0) : c + 2, p]
        expected[t, c, p] |= around.sum() > 4
    np.testing.assert_array_equal(grown(flag, growaround=True, **ALONE), expected)
    expected = flag.copy()
    for t, c, p in np.argwhere(flag).tolist():
        expected[max(t - 1, 0) : t + 2, c, p] = True
    np.testing.assert_array_equal(grown(flag, flagneartime=True, **ALONE), expected)


def test_percentages_count_the_flags_before_either() -> None:
    flag = np.zeros((4, 4, 1), bool)
    flag[0, :2] = True
    flag[1:3, 3] = True
    got = grown(flag, growtime=50.0, growfreq=50.0)
    expected = flag.copy()
    expected[0] = True  # 2 of 4 channels
    expected[:, 3] = True  # 2 of 4 times
    np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(grown(flag, growtime=0.0, growfreq=51.0), flag)


def test_the_other_correlations() -> None:
    flag = np.zeros((2, 2, 2), bool)
    flag[0, 1, 0] = True
    assert grown(flag, growtime=0.0, growfreq=0.0)[0, 1].all()
    assert grown(flag, growtime=0.0, growfreq=0.0).sum() == 2


def flags(path: Path) -> np.ndarray:
    with table(str(path), ack=False) as tab:
        return np.concatenate([tab.getcell("FLAG", i).ravel() for i in range(tab.nrows())])


@pytest.fixture
def clean(sim_ms: Path) -> Path:
    flagdata(str(sim_ms), mode="unflag", flagbackup=False)
    return sim_ms


def test_a_list_runs_in_order(clean: Path) -> None:
    lines = ["correlation='XX' antenna='1'", "mode='extend'", "correlation='XX' antenna='2&3'", "mode='summary'"]
    tried = flagdata(str(clean), mode="list", inpfile=lines, action="calculate")
    assert tried["flagged"] > 0
    assert not flags(clean).any()
    counted = flagdata(str(clean), mode="list", inpfile=lines)
    assert counted == tried
    assert [v.name for v in list_versions(clean)] == ["flagdata_1"]
    got = flags(clean)
    flagdata(str(clean), mode="unflag", flagbackup=False)
    flagdata(str(clean), antenna="1", flagbackup=False)
    flagdata(str(clean), antenna="2&3", correlation="XX", flagbackup=False)
    np.testing.assert_array_equal(got, flags(clean))


def test_nothing_matches(clean: Path) -> None:
    with pytest.raises(EmptySelection):
        flagdata(str(clean), mode="extend", antenna="NOWHERE")
    with pytest.raises(EmptySelection):
        flagdata(str(clean), mode="list", inpfile=["mode='extend' scan='99'", "scan='98'"])
    assert list_versions(clean) == []

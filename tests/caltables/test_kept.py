"""Tables that are kept to be applied again."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

import atacal
from atacal.caltables import kept
from atacal.caltables.kept import table_to_apply


@pytest.fixture
def table(sim_ms: Path, tmp_path: Path) -> Path:
    """A table whose files were changed a while ago."""
    from atacal.tasks import gencal

    path = tmp_path / "x.G"
    gencal(str(sim_ms), str(path), "amp", antenna="0,1", parameter=[0.5, 2.0])
    kept._kept.clear()
    age(path)
    return path


def age(path: Path) -> None:
    for place, _, names in os.walk(path):
        for name in names:
            os.utime(os.path.join(place, name), (time.time() - 5, time.time() - 5))


def test_it_is_read_once(table: Path) -> None:
    first = table_to_apply(table)
    assert table_to_apply(table) is first
    param = next(iter(first.solutions.values())).param
    with pytest.raises(ValueError, match="read-only"):
        param[:] = 0


def test_a_changed_table_is_read_again(table: Path) -> None:
    from casacore.tables import table as open_table

    before = next(iter(table_to_apply(table).solutions.values())).flag.copy()
    with open_table(str(table), readonly=False, ack=False) as tab:
        tab.putcol("FLAG", ~tab.getcol("FLAG"))
    after = next(iter(table_to_apply(table).solutions.values())).flag
    assert np.array_equal(after, ~before)


def test_a_table_changed_just_now_is_not_kept(table: Path) -> None:
    os.utime(table / "table.dat")
    assert table_to_apply(table) is not table_to_apply(table)


def test_nothing_is_kept_where_memory_is_bounded(table: Path) -> None:
    with atacal.memory_limit("400MB"):
        assert table_to_apply(table) is not table_to_apply(table)


def test_only_so_much_is_kept(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_KEPT_BYTES", 10)
    assert table_to_apply(table) is not table_to_apply(table)

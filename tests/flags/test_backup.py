"""Flag versions."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError, InvalidTable, NoSuchTable, TableExists
from atacal.flags import backup
from atacal.tasks.flagdata import flagdata
from atacal.tasks.flagmanager import flagmanager


def flags(path: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """FLAG, cell by cell, and FLAG_ROW."""
    with table(str(path), ack=False) as tab:
        return [tab.getcell("FLAG", i) for i in range(tab.nrows())], tab.getcol("FLAG_ROW")


def same(one: tuple[list[np.ndarray], np.ndarray], other: tuple[list[np.ndarray], np.ndarray]) -> bool:
    cells = all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))
    return cells and np.array_equal(one[1], other[1])


def test_restore_brings_back_what_was_saved(sim_ms: Path) -> None:
    before = flags(sim_ms)
    flagmanager(str(sim_ms), "save", "first", comment="as imported")
    flagdata(str(sim_ms), antenna="1,2", flagbackup=False)
    assert not same(flags(sim_ms), before)
    flagmanager(str(sim_ms), "restore", "first")
    assert same(flags(sim_ms), before)
    assert (backup.versions_folder(sim_ms) / "FLAG_VERSION_LIST").read_text() == "first : as imported\n"


@pytest.mark.parametrize("merge", ["and", "or"])
def test_merging(sim_ms: Path, merge: str) -> None:
    flagdata(str(sim_ms), mode="unflag", flagbackup=False)
    flagdata(str(sim_ms), antenna="1", flagbackup=False)
    first = flags(sim_ms)
    backup.save_version(sim_ms, "v")
    flagdata(str(sim_ms), mode="unflag", flagbackup=False)
    flagdata(str(sim_ms), antenna="2", flagbackup=False)
    second = flags(sim_ms)
    op = np.logical_and if merge == "and" else np.logical_or
    expected = [op(a, b) for a, b in zip(first[0], second[0], strict=True)], op(first[1], second[1])
    backup.save_version(sim_ms, "v", merge=merge)
    backup.restore_version(sim_ms, "v")
    assert same(flags(sim_ms), expected)
    assert sum(int(c.sum()) for c in expected[0]) > 0


def test_a_name_that_is_taken_steps_aside(sim_ms: Path) -> None:
    backup.save_version(sim_ms, "v", "old")
    backup.save_version(sim_ms, "v", "new")
    names = [(v.name, v.comment) for v in backup.list_versions(sim_ms)]
    assert names[0][0].startswith("v.old.")
    assert names[0][1] == "old"
    assert names[1] == ("v", "new")


def test_list_rename_delete(sim_ms: Path) -> None:
    flagmanager(str(sim_ms), "save", "a")
    flagmanager(str(sim_ms), "save", "b", comment="second")
    flagmanager(str(sim_ms), "rename", "c", oldname="a", comment="third")
    listing = flagmanager(str(sim_ms))
    assert listing[0] == {"name": "c", "comment": "third"}
    assert listing[1] == {"name": "b", "comment": "second"}
    with pytest.raises(TableExists):
        flagmanager(str(sim_ms), "rename", "b", oldname="c")
    flagmanager(str(sim_ms), "delete", "b")
    assert [v.name for v in backup.list_versions(sim_ms)] == ["c"]
    with pytest.raises(NoSuchTable, match="it has c"):
        flagmanager(str(sim_ms), "restore", "b")


def test_automatic_names(sim_ms: Path) -> None:
    flagdata(str(sim_ms), scan="1")
    flagdata(str(sim_ms), scan="2")
    assert [v.name for v in backup.list_versions(sim_ms)] == ["flagdata_1", "flagdata_2"]


@pytest.mark.parametrize("name", ["", "a/b", "a : b", "main"])
def test_bad_names(sim_ms: Path, name: str) -> None:
    with pytest.raises(ArgumentError):
        backup.save_version(sim_ms, name)
    assert not backup.versions_folder(sim_ms).exists()


def test_a_save_that_dies_leaves_no_version(sim_ms: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    backup.save_version(sim_ms, "v", "whole")
    monkeypatch.setattr(backup, "_copy", die)
    with pytest.raises(KeyboardInterrupt):
        backup.save_version(sim_ms, "v", "half")
    assert [(v.name, v.comment) for v in backup.list_versions(sim_ms)] == [("v", "whole")]
    assert sorted(p.name for p in backup.versions_folder(sim_ms).iterdir()) == ["FLAG_VERSION_LIST", "flags.v"]


def test_a_version_of_another_size_is_refused(sim_ms: Path) -> None:
    backup.save_version(sim_ms, "v")
    version = backup.versions_folder(sim_ms) / "flags.v"
    with table(str(version), ack=False) as tab:
        tab.query("rownumber() < 10").copy(str(version) + ".short", deep=True).close()
    shutil.rmtree(version)
    Path(str(version) + ".short").rename(version)
    with pytest.raises(InvalidTable, match="rows"):
        backup.restore_version(sim_ms, "v")

"""Archives that are the same bytes for the same content."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from atacal.errors import WriteError
from atacal.pipeline.export.packing import pack, sha256_of


def folder(path: Path, names: list[str]) -> Path:
    (path / "sub").mkdir(parents=True)
    for name in names:
        (path / name).write_text(name)
        os.utime(path / name, (len(str(path)), 12345))
    (path / "table.lock").write_text(str(path))
    return path


def test_order_times_and_locks_do_not_count(tmp_path):
    one = folder(tmp_path / "one", ["b", "a", "sub/c"])
    two = folder(tmp_path / "other place", ["sub/c", "a", "b"])
    pack(tmp_path / "1.tgz", {"t": one, "list": b"text"})
    pack(tmp_path / "2.tgz", {"list": b"text", "t": two})
    assert sha256_of(tmp_path / "1.tgz") == sha256_of(tmp_path / "2.tgz")
    with tarfile.open(tmp_path / "1.tgz") as tar:
        assert tar.getnames() == ["list", "t", "t/a", "t/b", "t/sub", "t/sub/c"]
        tar.extractall(tmp_path / "out", filter="data")
    assert (tmp_path / "out" / "t" / "sub" / "c").read_text() == "sub/c"
    (one / "a").write_text("changed")
    pack(tmp_path / "1.tgz", {"t": one, "list": b"text"})
    assert sha256_of(tmp_path / "1.tgz") != sha256_of(tmp_path / "2.tgz")


def test_what_cannot_be_packed_leaves_nothing(tmp_path):
    with pytest.raises(WriteError, match=r"x\.tgz cannot be written"):
        pack(tmp_path / "x.tgz", {"t": tmp_path / "not there"})
    assert os.listdir(tmp_path) == []

"""Blocks that were calibrated by hand: where their scripts run, and where the result goes."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from atacal.errors import RestoreError
from atacal.restore import restore

ONE, TWO = "uid___A002_X1_X1", "uid___A002_X1_X2"


@pytest.fixture
def member(tmp_path) -> Path:
    """A delivery of two blocks that were calibrated by hand; one is packed."""
    member = tmp_path / "member.uid___A001_X1_X2"
    for part in ("raw", "script", "calibration"):
        (member / part).mkdir(parents=True)
    for block in (ONE, TWO):
        (member / "script" / f"{block}.ms.scriptForCalibration.py").write_text("print 'step'\n")
        (member / "raw" / f"{block}.asdm.sdm").mkdir()
        (member / "raw" / f"{block}.asdm.sdm" / "ASDM.xml").write_text(block)
    with tarfile.open(member / "raw" / f"P_{TWO}.asdm.sdm.tar", "w") as tar:
        tar.add(member / "raw" / f"{TWO}.asdm.sdm", arcname=f"P/g/m/raw/{TWO}.asdm.sdm")
    (member / "raw" / f"{TWO}.asdm.sdm" / "ASDM.xml").unlink()
    (member / "raw" / f"{TWO}.asdm.sdm").rmdir()
    (member / "calibration" / "Titan.eph").write_text("")
    (member / "calibration" / f"{ONE}.calibration.tgz").write_bytes(b"for looking at")
    return member


@pytest.fixture
def runs(monkeypatch) -> list[Path]:
    """Scripts run by a stand-in for ``atacal run`` that leaves what they would leave; the folders it was called in."""
    called: list[Path] = []

    def run(words: list[str], **given: object) -> SimpleNamespace:
        assert words[1:4] == ["-m", "atacal", "run"]
        assert words[5:7] == ["--applyonly", "--cwd"]
        folder, block = Path(words[7]), Path(words[4]).name.split(".")[0]
        assert (folder / block / "ASDM.xml").read_text() == block
        called.append(folder)
        for name in (f"{block}.ms", f"{block}.ms.split", f"{block}.ms.split.cal"):
            (folder / name).mkdir()
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("atacal.restore.member.subprocess.run", run)
    return called


def test_scripts_run_in_folders_as_scriptforpi_makes_them(member, runs):
    result = restore(str(member))
    calibrated = member / "calibrated"
    assert runs == [calibrated / f"{b}.calibration" for b in (ONE, TWO)]
    assert os.readlink(runs[0] / ONE) == f"../../raw/{ONE}.asdm.sdm"
    assert os.readlink(runs[1] / TWO) == f"{TWO}.asdm.sdm"  # unpacked there
    assert all((folder / "Titan.eph").is_symlink() for folder in runs)
    assert [b.split for b in result.blocks] == [str(calibrated / f"{b}.ms.split.cal") for b in (ONE, TWO)]
    assert all(Path(b.split).is_dir() for b in result.blocks)
    assert (runs[0] / f"{ONE}.ms").is_dir()
    again = restore(str(member), blocks=TWO)
    assert [b.done_before for b in again.blocks] == [True]
    assert len(runs) == 2


@pytest.mark.parametrize(("spacesaving", "left"), [(0, ["ms", "ms.split"]), (1, ["ms"]), (2, [])])
def test_saving_space(member, runs, spacesaving, left):
    restore(str(member), blocks=ONE, spacesaving=spacesaving)
    assert sorted(p.name.removeprefix(f"{ONE}.") for p in runs[0].glob(f"{ONE}.ms*")) == left


@pytest.mark.parametrize("code", [0, 3])
def test_a_script_without_result(member, monkeypatch, code):
    monkeypatch.setattr("atacal.restore.member.subprocess.run", lambda *a, **k: SimpleNamespace(returncode=code))
    with pytest.raises(RestoreError, match=rf"{ONE}: .*ended without .*{ONE}\.ms\.split\.cal"):
        restore(str(member), blocks=ONE)


def test_a_script_that_fails(member):
    """With the real command: the script has nothing that it could run with."""
    (member / "script" / f"{ONE}.ms.scriptForCalibration.py").write_text("raise ValueError('no such field')\n")
    with pytest.raises(RestoreError, match=r"scriptForCalibration\.py did not end well \(exit code [12]\).*--resume"):
        restore(str(member), blocks=ONE)
    assert (member / "calibrated" / f"{ONE}.calibration" / ONE / "ASDM.xml").is_file()
    assert not (member / "calibrated" / f"{ONE}.ms.split.cal").exists()


def test_nothing_is_prepared_where_raw_data_are_missing(member, runs):
    (member / "raw" / f"P_{TWO}.asdm.sdm.tar").unlink()
    with pytest.raises(RestoreError, match=f"{TWO}: its raw data are not there"):
        restore(str(member))
    assert runs == []
    assert not (member / "calibrated").exists()

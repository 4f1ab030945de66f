"""Whole restores of a delivery of two blocks: what comes back, and what is said when a piece is missing or damaged."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError, RestoreError, TableExists
from atacal.restore import block as block_module
from atacal.restore import restore
from atacal.restore.manifest import format_manifest, read_manifest
from atacal.tasks import flagmanager, split

ONE, TWO = "uid___A002_X1_X1", "uid___A002_X1_X2"


def tidy(folder: Path) -> bool:
    """Whether nothing is left of work that is not finished."""
    return not [p for p in folder.rglob(".*") if ".restore-" in p.name or ".atacal-" in p.name]


def manifest_path(member: Path) -> Path:
    (path,) = (member / "script").glob("*manifest.xml")
    return path


@pytest.mark.parametrize(
    ("written", "selected"),
    [("", "*&*"), ("0~41", "*&*"), ("0~20,22~41", "*&*"), ("DV01", "DV01"), ("0~3&*", "0~3&*")],
)
def test_baselines_that_are_calibrated(written, selected):
    assert block_module._cross(written) == selected


def test_what_comes_back_is_what_was_delivered(delivered, delivery):
    result = restore(str(delivered.member))
    assert [b.block for b in result.blocks] == [ONE, TWO]
    for one in result.blocks:
        original, ms = delivered.original / f"{one.block}.ms", delivered.member / "calibrated" / f"{one.block}.ms"
        assert ms.is_symlink()
        assert os.readlink(ms) == f"working/{one.block}.ms"
        assert delivery.differences(original, ms) == []
        with table(str(ms), ack=False) as tab, table(f"{ms}/HISTORY", ack=False) as history:
            assert "CORRECTED_DATA" in tab.colnames()
            told = [m for m in history.getcol("MESSAGE") if m.startswith(("vis ", "taskname"))]
        final = delivered.member / "calibrated" / "working" / f"{one.block}.ms"
        calls = ["taskname=applycal", f'vis         = "{final}"']
        assert told == ["taskname=importasdm", calls[1], "taskname=restore", *calls, *calls]
        assert [v["name"] for k, v in flagmanager(str(ms)).items() if k != "MS"] == ["Pipeline_Final"]
        assert [a["intent"] for a in one.applied] == ["PHASE", "TARGET,CHECK"]
        assert [a["tables"] for a in one.applied] == [4, 3]
        assert all(0.3 < a["flagged_before"] == a["flagged_after"] < 1 for a in one.applied)
    assert result.notes == []
    assert "4 tables, flagged" in str(result)
    assert tidy(delivered.member)


def test_finished_blocks_stay_and_the_rest_can_follow(delivered, delivery):
    restore(str(delivered.member), blocks=TWO)
    made = delivered.member / "calibrated" / "working" / f"{TWO}.ms"
    before = made.stat().st_ino
    result = restore(str(delivered.member))
    assert [(b.block, b.done_before) for b in result.blocks] == [(ONE, False), (TWO, True)]
    assert made.stat().st_ino == before
    assert delivery.differences(delivered.original / f"{ONE}.ms", made.with_name(f"{ONE}.ms")) == []
    restore(str(delivered.member), blocks=[TWO], overwrite=True)
    assert made.stat().st_ino != before
    assert delivery.differences(delivered.original / f"{TWO}.ms", made) == []


@pytest.mark.parametrize("step", ["_put_tables", "_restore_flags", "_apply", "put"])
def test_a_killed_run_leaves_no_half_block_and_can_be_repeated(delivered, delivery, step):
    code = (
        "import os, sys; from atacal.restore import block; from atacal.restore import restore\n"
        f"block.{step} = lambda *a: os._exit(9)\n"
        "restore(sys.argv[1], blocks=sys.argv[2])"
    )
    done = subprocess.run([sys.executable, "-c", code, str(delivered.member), ONE], check=False, capture_output=True)
    assert done.returncode == 9
    assert not (delivered.member / "calibrated" / "working" / f"{ONE}.ms").exists()
    restore(str(delivered.member), blocks=ONE)
    assert tidy(delivered.member)
    assert delivery.differences(delivered.original / f"{ONE}.ms", delivered.member / "calibrated" / f"{ONE}.ms") == []


def test_an_error_in_the_middle_leaves_nothing_under_a_results_name(member, monkeypatch):
    def fails(*args):
        raise RestoreError("halfway")

    monkeypatch.setattr(block_module, "_apply", fails)
    with pytest.raises(RestoreError, match="halfway"):
        restore(str(member), blocks=ONE)
    assert not (member / "calibrated" / "working" / f"{ONE}.ms").exists()
    assert tidy(member)
    monkeypatch.undo()
    restore(str(member), blocks=ONE)
    monkeypatch.setattr(block_module, "_apply", fails)
    with pytest.raises(RestoreError, match="halfway"):
        restore(str(member), blocks=ONE, overwrite=True)
    assert restore(str(member), blocks=ONE).blocks[0].done_before  # the earlier one stays


def test_a_measurementset_that_is_not_its_own_stays(member):
    stranger = member / "calibrated" / "working" / f"{ONE}.ms"
    stranger.mkdir(parents=True)
    with pytest.raises(TableExists, match="overwrite=True"):
        restore(str(member), blocks=ONE)
    assert stranger.is_dir()


def test_what_is_where_the_results_link_will_be_stays(member):
    (member / "calibrated" / f"{ONE}.ms").mkdir(parents=True)
    with pytest.raises(TableExists, match="was not made by restore"):
        restore(str(member))
    assert not (member / "calibrated" / "working").exists()


def test_another_split_than_the_one_that_is_there(member):
    restore(str(member), blocks=ONE, split=True)
    result = restore(str(member), blocks=ONE, split=True)
    assert result.blocks[0].done_before
    with pytest.raises(TableExists, match="overwrite=True"):
        restore(str(member), blocks=ONE, split=True, spw="1")
    restore(str(member), blocks=ONE, split=True, spw="1", overwrite=True)
    with pytest.raises(TableExists, match=r"with other spws than \[2\]"):
        restore(str(member), blocks=ONE, split=True)


def test_split_and_saving_space(delivered, delivery, tmp_path):
    out = tmp_path / "elsewhere"
    result = restore(str(delivered.member), output=str(out), blocks=ONE, split=True, spacesaving=2)
    cal = out / f"{ONE}.ms.split.cal"
    assert result.blocks[0].split == str(cal)
    assert not (out / "working" / f"{ONE}.ms").exists()
    assert not (delivered.member / "calibrated").exists()
    with table(str(cal / "SPECTRAL_WINDOW"), ack=False) as spws:
        assert spws.getcol("NUM_CHAN").tolist() == [8]  # the spw of four channels is none for science
    split(str(delivered.original / f"{ONE}.ms"), str(tmp_path / "expected.ms"), spw="2")
    assert delivery.differences(tmp_path / "expected.ms", cal) == []
    with table(f"{cal}/HISTORY", ack=False) as history:
        assert f'outputvis   = "{cal}"' in history.getcol("MESSAGE")
    again = restore(str(delivered.member), output=str(out), blocks=ONE, split=True, spacesaving=2)
    assert again.blocks[0].done_before
    chosen = restore(str(delivered.member), output=str(out / "b"), blocks=ONE, split=True, spw="1")
    with table(f"{chosen.blocks[0].split}/SPECTRAL_WINDOW", ack=False) as spws:
        assert spws.getcol("NUM_CHAN").tolist() == [4]


@pytest.mark.parametrize(
    "given", [{"spw": "1"}, {"spacesaving": 2}, {"spacesaving": -2, "split": True}, {"spacesaving": "x"}]
)
def test_arguments(member, given):
    with pytest.raises(ArgumentError):
        restore(str(member), **given)


def test_from_the_archives_tar_files_and_from_the_script_folder(delivered, delivery, tmp_path):
    raw = delivered.member / "raw"
    with tarfile.open(raw / f"2016.1.01435.S_{ONE}.asdm.sdm.tar", "w") as tar:
        inside = f"2016.1.01435.S/science_goal.x/group.y/{delivered.member.name}/raw/{ONE}.asdm.sdm"
        tar.add(raw / f"{ONE}.asdm.sdm", arcname=inside)
    shutil.rmtree(raw / f"{ONE}.asdm.sdm")
    restore(str(delivered.member / "script"), blocks=ONE)
    assert delivery.differences(delivered.original / f"{ONE}.ms", delivered.member / "calibrated" / f"{ONE}.ms") == []
    assert tidy(delivered.member)


def test_early_deliveries_have_other_endings_and_no_manifest(delivered, delivery):
    manifest_path(delivered.member).unlink()
    for path in (delivered.member / "calibration").glob("*.tgz"):
        path.rename(path.with_name(path.name.removeprefix("member.").replace(".tgz", ".tar.gz")))
    result = restore(str(delivered.member), blocks=TWO)
    assert delivery.differences(delivered.original / f"{TWO}.ms", Path(result.blocks[0].ms)) == []


# ---- pieces that are missing or damaged: all are found before anything is written


def refused(member: Path, said: str, **given: object) -> None:
    with pytest.raises(RestoreError, match=said):
        restore(str(member), **given)
    assert not (member / "calibrated").exists()


def test_raw_data_are_missing(member):
    shutil.rmtree(member / "raw" / f"{TWO}.asdm.sdm")
    refused(member, rf"{TWO}: its raw data are not there; looked for {TWO}\.asdm\.sdm.*raw: there are {ONE}\.asdm\.sdm")
    shutil.rmtree(member / "raw")
    refused(member, rf"{ONE}: its raw data are not there.*no such folder")


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("*X1_X1.ms.flagversions.tgz", rf"{ONE}: its flag versions are not there; looked for {ONE}\.ms\.flagversions"),
        ("*X1_X1.ms.calapply.txt", rf"{ONE}: its calls of applycal are not there; looked for {ONE}\.ms\.calapply\.txt"),
        ("*session_1*", rf"{ONE}: calibration tables {ONE}\.ms\.h_tsyscal.*not there: looked in .*session_2"),
        ("*caltables*", rf"{ONE}: calibration tables {ONE}\.ms\.h_tsyscal.*no \*\.caltables\.tgz in .*calibration \("),
    ],
)
def test_products_are_missing(member, pattern, said):
    for path in (member / "calibration").glob(pattern):
        path.unlink()
    refused(member, said)


@pytest.mark.parametrize("pattern", ["*session_1.caltables.tgz", "*X1_X1.ms.flagversions.tgz"])
def test_products_are_damaged(member, pattern):
    (path,) = (member / "calibration").glob(pattern)
    path.write_bytes(path.read_bytes()[:-2000])
    refused(member, rf"{path.name} is no tar archive, or it is damaged or cut short")


def test_calapply_names_tables_that_are_not_there(member):
    path = member / "calibration" / f"{ONE}.ms.calapply.txt"
    path.write_text(path.read_text().replace("gacal.tbl", "other.tbl"))
    refused(member, rf"{ONE}: calibration tables {ONE}\S*other\.tbl, which {path.name} applies, are not there")


def test_calapply_says_what_is_not_known(member):
    path = member / "calibration" / f"{ONE}.ms.calapply.txt"
    path.write_text(path.read_text().replace("calwt=", "flatten=True, calwt="))
    refused(member, rf"{path.name}, line 2: applycal's parameters flatten are not known")
    path.write_text("applycal(vis='other.ms', gaintable=['a'])")
    refused(member, rf"applies calibration to other\.ms, not to {ONE}\.ms")


@pytest.mark.parametrize("kind", ["caltables", "flagversions"])
def test_archives_that_lead_out_of_the_folder(member, delivery, kind, tmp_path):
    (path,) = (member / "calibration").glob(f"*{'session_1' if kind == 'caltables' else 'X1_X1'}*{kind}.tgz")
    with tarfile.open(path) as tar:
        tar.extractall(tmp_path / "all", filter="data")
    with tarfile.open(path, "w:gz") as tar:
        for part in (tmp_path / "all").iterdir():
            tar.add(part, arcname=part.name)
        delivery.add_text(tar, f"../{ONE}.ms.escaped.txt", "out")
    with pytest.raises(RestoreError, match=r"was not unpacked.*leads out of the folder"):
        restore(str(member), blocks=ONE)
    assert not list(member.rglob("*escaped*"))
    assert not (member / "calibrated" / "working" / f"{ONE}.ms").exists()


def test_two_blocks_with_one_calibration(member):
    manifest_path(member).unlink()
    for path in (member / "calibration").glob("*X1_X2*"):
        if TWO in path.name:
            path.unlink()
    result = restore(str(member))
    assert [b.block for b in result.blocks] == [ONE]
    (note,) = result.notes
    assert note.startswith(f"{TWO}: raw data without calibration, left out")
    with pytest.raises(RestoreError, match=f"there is no calibration for {TWO}; there is for {ONE}"):
        restore(str(member), blocks=TWO)


def test_flags_of_other_data(member):
    with pytest.raises(
        RestoreError, match=rf"{ONE}: flag version Pipeline_Final .*does not fit the data imported.*rows"
    ):
        restore(str(member), blocks=ONE, ocorr_mode="co")
    with pytest.raises(RestoreError, match=rf"{ONE}: .*no flag version Other; it has Pipeline_Final"):
        restore(str(member), blocks=ONE, flagversion="Other")
    assert tidy(member)


def test_flags_of_rows_in_another_order(delivered, delivery, tmp_path):
    ms = tmp_path / f"{ONE}.ms"
    shutil.copytree(delivered.original / ms.name, ms)
    with table(str(ms), ack=False, readonly=False) as tab, tab.query("DATA_DESC_ID==1", sortlist="TIME DESC") as rows:
        rows.putcol("FLAG", rows.getcol("FLAG")[::-1, ...])
        rows.putcol("FLAG", np.roll(rows.getcol("FLAG"), 3, axis=0))
    flagmanager(str(ms), "save", "Pipeline_Final", comment="Final pipeline flags")
    delivery.pack_flags(ms, delivered.member / "calibration" / f"{ONE}.ms.flagversions.tgz")
    result = restore(str(delivered.member))
    first, second = result.blocks
    assert "autocorrelations are not flagged in Pipeline_Final" in first.notes[0]
    assert second.notes == []
    assert first.notes[0] in str(result)


def test_data_that_were_rescaled(member, delivered, delivery):
    path = manifest_path(member)
    path.write_text(path.read_text().replace('apply="False"', 'apply="True"'))
    assert all(b.renormalized for b in read_manifest(path).blocks)
    assert format_manifest(read_manifest(path)) == path.read_text()
    refused(member, rf"{ONE}: .*hifa_renorm.*--without-renorm")
    result = restore(str(member), blocks=ONE, without_renorm=True)
    assert "these data are as before" in result.notes[0]
    assert delivery.differences(delivered.original / f"{ONE}.ms", Path(result.blocks[0].ms)) == []


def test_no_scan_has_the_intent(member):
    path = member / "calibration" / f"{ONE}.ms.calapply.txt"
    path.write_text(path.read_text().replace("'TARGET,CHECK'", "'POLARIZATION'"))
    with pytest.raises(RestoreError, match=rf"{ONE}, call 2 of 2 of applycal: no scan has an intent of POLARIZATION"):
        restore(str(member), blocks=ONE)


def test_a_call_that_fails_says_which(member):
    path = member / "calibration" / f"{ONE}.ms.calapply.txt"
    path.write_text(path.read_text().replace("Titan", "Saturn"))
    with pytest.raises(
        RestoreError, match=rf"{ONE}, call 2 of 2 of applycal \(field='Saturn', intent='TARGET,CHECK'\)"
    ):
        restore(str(member), blocks=ONE)


def test_from_the_command_line(member):
    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "atacal", "restore", *words], capture_output=True, text=True, check=False
        )

    done = run(str(member), "--blocks", ONE, "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    assert [b["block"] for b in json.loads(done.stdout)["blocks"]] == [ONE]
    done = run(str(member / "raw" / f"{ONE}.asdm.sdm"))
    assert done.returncode == 1
    assert "is no member directory of a delivery" in done.stderr
    assert "Traceback" not in done.stderr

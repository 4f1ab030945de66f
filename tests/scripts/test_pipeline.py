"""The pipeline's own scripts: told apart, checked, run in the current folder, taken up again."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path

import pytest

from atacal.errors import ArgumentError
from atacal.scripts import run
from atacal.scripts.check import check_script
from atacal.scripts.pipeline import as_named_here, recipe_of_script, restores
from atacal.scripts.source import read_script
from atacal.simulate import simulate

FIXED = """from recipes.almahelpers import fixsyscaltimes # SACM/JAO - Fixes
__rethrow_casa_exceptions = True
context = h_init()
context.set_state('ProjectSummary', 'proposal_code', '2017.1.01355.L')
context.set_state('ProjectStructure', 'recipe_name', 'hifa_calimage')
context.set_state('ProjectStructure', 'ousstatus_entity_id', 'uid://A001/X1296/X11b')
try:
    hifa_importdata(vis=['uid___A002_X1_X1'], session=['session_1'])
    fixsyscaltimes(vis = 'uid___A002_X1_X1.ms')# SACM/JAO - Fixes
    h_save() # SACM/JAO - Finish weblog after fixes
    h_init() # SACM/JAO - Restart weblog after fixes
    hifa_importdata(vis=['uid___A002_X1_X1'], session=['session_1'])
    hifa_flagdata(pipelinemode="automatic")
    hif_refant(pipelinemode="automatic")
    h_tsyscal(pipelinemode="automatic")
    hifa_exportdata(pipelinemode="automatic")
finally:
    h_save()
"""
CYCLE_3 = """__rethrow_casa_exceptions = True
h_init()
try:
    hifa_importdata (vis=['uid___A002_X1_X1'], session=['session_1'])
    hifa_flagdata (pipelinemode="automatic")
    hifa_fluxcalflag (pipelinemode="automatic")
    hif_rawflagchans (pipelinemode="automatic")
    hif_refant (pipelinemode="automatic")
    hifa_tsyscal (pipelinemode="automatic")
    hifa_tsysflag (pipelinemode="automatic")
    hifa_antpos (pipelinemode="automatic")
    hifa_wvrgcalflag (pipelinemode="automatic")
    hif_lowgainflag (pipelinemode="automatic")
    hif_gainflag (pipelinemode="automatic")
    hif_setjy (pipelinemode="automatic")
    hifa_bandpass (pipelinemode="automatic")
    hifa_spwphaseup (pipelinemode="automatic")
    hifa_gfluxscale (pipelinemode="automatic")
    hifa_timegaincal (pipelinemode="automatic")
    hif_applycal (pipelinemode="automatic")
    hif_makecleanlist (intent='PHASE,BANDPASS,CHECK')
    hif_cleanlist (pipelinemode="automatic")
    hif_exportdata(pipelinemode="automatic")
finally:
    h_save()
"""
TODAY = """import pipeline
pipeline.initcli()
context = h_init(plotlevel='summary')
context.project_summary.proposal_code = '2026.1.00001.S'
try:
    hifa_importdata(vis=['uid___A002_X1_X1'], dbservice=False)
    hifa_flagdata()
    hifa_fluxcalflag()
    hif_rawflagchans()
    hif_refant(refantignore='CM10')
    h_tsyscal()
    hifa_tsysflag()
    hifa_tsysflagcontamination()
    hifa_antpos()
    hifa_wvrgcalflag()
    hif_lowgainflag()
    hif_setmodels()
    hifa_bandpassflag()
    hifa_bandpass()
    hifa_spwphaseup()
    hifa_gfluxscaleflag()
    hifa_gfluxscale()
    hifa_timegaincal()
    hifa_renorm(createcaltable=True, atm_auto_exclude=True)
    hifa_targetflag()
    hif_applycal()
    hif_makeimlist(intent='PHASE,BANDPASS,AMPLITUDE')
    hif_makeimages()
    hif_makeimlist(intent='CHECK', per_eb=True)
    hif_makeimages()
    hifa_imageprecheck()
    hif_checkproductsize(maxproductsize=350.0, maxcubesize=40.0, maxcubelimit=60.0)
    hifa_exportdata()
    hif_mstransform()
    hif_findcont()
    hif_selfcal()
finally:
    h_save()
"""
RESTORING = """h_init()
try:
    hifa_restoredata(vis=['uid___A002_X1_X1'], session=['session_1'], ocorr_mode='ca')
finally:
    h_save()
"""
UNKNOWN = """h_init()
try:
    hifa_importdata(vis=['uid___A002_X1_X1.ms'])
    hif_selfcal()
    hifa_flagdata()
finally:
    h_save()
"""


def tree(text: str) -> ast.Module:
    return ast.parse(text)


def checked(text: str, folder: Path):
    path = folder / "casa_pipescript.py"
    path.write_text(text)
    return check_script(read_script(path))


@pytest.mark.parametrize(
    ("text", "restoring", "recipe"),
    [
        (FIXED, False, "today"), (CYCLE_3, False, "cycle4"), (TODAY, False, "today"), (RESTORING, True, "today"),
        ("hif_restoredata(vis='x')\nhif_mstransform()", True, "today"), ("gaincal(vis='a')", None, "today"),
        ("hif_setjy()\nhifa_bandpassflag()", False, "today"),
    ],
)  # fmt: skip
def test_scripts_are_told_apart(text, restoring, recipe):
    assert restores(tree(text)) is restoring
    assert recipe_of_script(tree(text)) == recipe


@pytest.mark.parametrize("text", [FIXED, CYCLE_3, RESTORING])
def test_scripts_of_stages_that_there_are_have_no_issue(text, tmp_path):
    assert checked(text, tmp_path).unsupported == []


def test_functions_without_a_stage_are_named(tmp_path):
    found = checked(TODAY, tmp_path).unsupported
    assert [(i.kind, i.what) for i in found if i.kind == "pipeline"] == [
        ("pipeline", f"{name}()")
        for name in ("hifa_renorm", "hifa_imageprecheck", "hif_checkproductsize", "hif_mstransform", "hif_findcont",
                     "hif_selfcal")
    ]  # fmt: skip
    assert [i.what for i in found if i.kind != "pipeline"] == []


def test_parameters_of_stages_are_checked(tmp_path):
    (issue,) = checked("h_init()\nhifa_flagdata(hm_tbuf='manual')\n", tmp_path).unsupported
    assert issue.what == "hifa_flagdata(hm_tbuf=...)"


def test_the_measurement_set_of_an_asdm_has_one_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert as_named_here({"vis": "X.asdm.sdm.ms", "spw": "1"}) == {"vis": "X.ms", "spw": "1"}
    Path("X.asdm.sdm.ms").mkdir()
    assert as_named_here({"vis": "X.asdm.sdm.ms"}) == {"vis": "X.asdm.sdm.ms"}


@pytest.fixture
def working(tmp_path, monkeypatch) -> Path:
    """A working folder with raw data beside it; the current one."""
    for part in ("rawdata", "working"):
        (tmp_path / part).mkdir()
    simulate(str(tmp_path / "rawdata" / "uid___A002_X1_X1.ms"), raw=True, seed=3)
    monkeypatch.chdir(tmp_path / "working")
    return tmp_path / "working"


def test_a_script_runs_the_pipeline_in_its_folder(working):
    Path("casa_pipescript.py").write_text(FIXED.replace("['uid___A002_X1_X1']", "['uid___A002_X1_X1.ms']"))
    dry = run("casa_pipescript.py", dry_run=True)
    assert [c["call"].split("(")[0] for c in dry.calls] == [
        "h_init", "hifa_importdata", "fixsyscaltimes", "h_save", "h_init", "hifa_importdata", "hifa_flagdata",
        "hif_refant", "h_tsyscal", "hifa_exportdata", "h_save",
    ]  # fmt: skip
    assert dry.calls[1]["reads"] == ["../rawdata/uid___A002_X1_X1.ms"]
    assert not any(c["missing"] for c in dry.calls)
    assert os.listdir() == ["casa_pipescript.py"]
    done = run("casa_pipescript.py")
    assert (done.exit_code, done.error, done.refused) == (0, "", [])
    stages = sorted(p.name for p in Path("stages").iterdir())
    assert stages == ["01-hifa_importdata", "02-hifa_flagdata", "03-hif_refant", "04-h_tsyscal", "05-hifa_exportdata"]
    assert Path("products/uid___A001_X1296_X11b.hifa_calimage.casa_pipescript.py").is_file()
    assert json.loads(Path("project.json").read_text())["ProjectSummary"] == {"proposal_code": "2017.1.01355.L"}
    before = {p: p.stat().st_mtime_ns for p in Path("stages").rglob("result.json")}
    assert run("casa_pipescript.py", resume=True).exit_code == 0
    assert {p: p.stat().st_mtime_ns for p in Path("stages").rglob("result.json")} == before


def test_what_has_no_stage_ends_the_run_and_keeps_what_was_done(working):
    Path("s.py").write_text(UNKNOWN)
    done = run("s.py")
    assert done.exit_code == 1
    assert done.error.startswith("s.py, line 4: hif_selfcal() is not supported")
    assert [p.name for p in Path("stages").iterdir()] == ["01-hifa_importdata"]
    skipped = run("s.py", skip_unsupported=True)
    assert skipped.exit_code == 3
    assert [one["call"] for one in skipped.left_out] == ["hif_selfcal()"]
    assert sorted(p.name for p in Path("stages").iterdir()) == ["01-hifa_importdata", "02-hifa_flagdata"]


def test_stages_that_only_prepare_images_of_targets_are_left_out(working):
    lines = ["h_init()", "hifa_importdata(vis=['uid___A002_X1_X1.ms'])", "hif_checkproductsize(maxcubesize=30.0)"]
    Path("s.py").write_text("\n".join([*lines, "hifa_imageprecheck()", "hifa_exportdata()", "h_save()"]))
    done = run("s.py")
    assert (done.exit_code, done.error) == (3, "")
    assert [one["call"] for one in done.left_out] == ["hif_checkproductsize()", "hifa_imageprecheck()"]
    assert Path("products/MANIFEST").is_file()


def test_cycle_4s_script_follows_its_limits(working):
    Path("s.py").write_text(
        "h_init()\nhifa_importdata(vis=['uid___A002_X1_X1.ms'])\nif False:\n    hif_gainflag()\nh_save()\n"
    )
    assert run("s.py").exit_code == 0
    result = json.loads(Path("stages/01-hifa_importdata/result.json").read_text())
    assert result["asked"]["recipe"] == "cycle4"


def test_other_scripts_without_steps_are_not_resumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s.py").write_text("print('a')\n")
    with pytest.raises(ArgumentError, match="has no steps"):
        run("s.py", resume=True)

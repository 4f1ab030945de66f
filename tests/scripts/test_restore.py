"""The pipeline's functions in scripts: casa_piperestorescript.py in the forms that ALMA has delivered."""

from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

from atacal.errors import ArgumentError, RestoreError
from atacal.scripts import restore as names_of_scripts
from atacal.tasks import fixsyscaltimes

ONE, TWO = "uid___A002_X1_X1", "uid___A002_X1_X2"
CYCLE_4 = f"""__rethrow_casa_exceptions = True
h_init()
try:
    hif_restoredata (vis=['{ONE}', '{TWO}'], session=['session_1', 'session_2'], ocorr_mode='ca')
finally:
    h_save()
"""
FIXED = f"""from recipes.almahelpers import fixsyscaltimes # SACM/JAO - Fixes
__rethrow_casa_exceptions = True
h_init()
try:
    hifa_importdata (dbservice=False, bdfflags=False, vis=['../rawdata/{ONE}', '../rawdata/{TWO}'], \
session=['session_1', 'session_2'], ocorr_mode='ca')
    fixsyscaltimes(vis = '{TWO}.ms')# SACM/JAO - Fixes
    fixsyscaltimes(vis = '{ONE}.ms')# SACM/JAO - Fixes
    h_save() # SACM/JAO - Finish weblog after fixes
    h_init() # SACM/JAO - Restart weblog after fixes
    hif_restoredata (vis=['{ONE}', '{TWO}'], session=['session_1', 'session_2'], ocorr_mode='ca')
finally:
    h_save()
"""
CYCLE_6 = f"""h_init()
try:
    hifa_restoredata (vis=['{TWO}'], session=['session_2'], ocorr_mode='ca')
finally:
    h_save()
"""
SET_STATE = f"""context = h_init()
context.set_state('ProjectSummary', 'proposal_code', '2016.1.01435.S')
try:
    h_restoredata(vis='{ONE}', session='session_1', pipelinemode='automatic')
finally:
    h_save('x.context')
"""


@pytest.fixture(scope="session")
def delivery() -> ModuleType:
    if "delivery" not in sys.modules:
        where = Path(__file__).parents[1] / "restore" / "delivery.py"
        spec = importlib.util.spec_from_file_location("delivery", where)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules["delivery"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["delivery"]


@pytest.fixture(scope="session")
def delivered_original(delivery, tmp_path_factory):
    return delivery.make_delivery(tmp_path_factory.mktemp("delivery"))


@pytest.fixture
def working(delivery, delivered_original, tmp_path, monkeypatch) -> Path:
    """A working folder as scriptForPI.py makes it, and the current one."""
    member = delivery.copy(delivered_original, tmp_path).member
    calibrated = member / "calibrated"
    for part in ("rawdata", "working"):
        (calibrated / part).mkdir(parents=True)
    for block in (ONE, TWO):
        (calibrated / "rawdata" / block).symlink_to(f"../../raw/{block}.asdm.sdm")
    for manifest in (member / "script").glob("*pipeline_manifest.xml"):
        shutil.copy(manifest, member / "calibration")
    (calibrated / "products").symlink_to("../calibration")
    monkeypatch.chdir(calibrated / "working")
    return calibrated / "working"


def run(text: str) -> None:
    """Run a script's text with the functions that it is given."""
    names = {name: getattr(names_of_scripts, name) for name in names_of_scripts.__all__}
    lines = text.split("\n")
    if "import fixsyscaltimes" in lines[0]:
        names["fixsyscaltimes"], lines[0] = fixsyscaltimes, ""
    exec(compile("\n".join(lines), "casa_piperestorescript.py", "exec"), names)


@pytest.mark.parametrize(("text", "blocks"), [(CYCLE_4, [ONE, TWO]), (CYCLE_6, [TWO]), (SET_STATE, [ONE])])
def test_scripts_restore_into_the_working_folder(working, delivery, delivered_original, text, blocks):
    run(text)
    for block in blocks:
        found = delivery.differences(delivered_original.original / f"{block}.ms", working / f"{block}.ms")
        assert found == []
    assert sorted(p.name for p in working.glob("*.ms")) == [f"{b}.ms" for b in blocks]
    assert not list(working.parent.glob("rawdata/*.tgz"))


def test_scripts_that_repair_the_import_first(working, delivery, delivered_original, caplog):
    caplog.set_level(logging.INFO, "atacal")
    for _ in range(2):  # the second finds the MeasurementSets there
        run(FIXED)
        for block in (ONE, TWO):
            found = delivery.differences(delivered_original.original / f"{block}.ms", working / f"{block}.ms")
            assert found == []  # the flags of the import do not matter: the final ones take their place
    assert f"{ONE}.ms is there" in caplog.text


def test_what_was_stopped_is_not_finished(working, monkeypatch):
    names_of_scripts.hif_restoredata(vis=[TWO])
    assert (working / f"{TWO}.ms.restored.json").is_file()

    def stops(*args):
        raise RestoreError("stopped")

    monkeypatch.setattr("atacal.restore.block._apply", stops)
    with pytest.raises(RestoreError, match="stopped"):
        names_of_scripts.hif_restoredata(vis=[TWO])
    assert not (working / f"{TWO}.ms.restored.json").exists()


def test_in_the_script_folder_of_a_delivery(working, delivery, delivered_original, monkeypatch):
    member = working.parents[1]
    shutil.rmtree(member / "calibrated")
    monkeypatch.chdir(member / "script")
    run(CYCLE_6)
    found = delivery.differences(delivered_original.original / f"{TWO}.ms", member / "script" / f"{TWO}.ms")
    assert found == []


def test_products_beside_the_raw_data(working, delivery, delivered_original):
    for path in (working.parent / "products").resolve().iterdir():
        shutil.copy(path, working.parent / "rawdata")
    os.unlink(working.parent / "products")
    names_of_scripts.hif_restoredata(vis=TWO, copytoraw=False, rawdata_dir=str(working.parent / "rawdata"))
    assert delivery.differences(delivered_original.original / f"{TWO}.ms", working / f"{TWO}.ms") == []


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"vis": []}, "names no execution block"),
        ({"vis": [ONE], "session": ["a", "b"]}, "session has 2 values for 1 blocks"),
        ({"vis": [ONE], "dryrun": True}, "dryrun=True is not possible"),
    ],
)
def test_arguments(working, given, said):
    with pytest.raises(ArgumentError, match=said):
        names_of_scripts.hif_restoredata(**given)


def test_what_is_missing(working):
    with pytest.raises(RestoreError, match=r"uid___A002_X1_X9: its raw data are not there.*\.\./rawdata: there are"):
        names_of_scripts.hif_restoredata(vis=["uid___A002_X1_X9"])
    with pytest.raises(RestoreError, match=r"\.\./rawdata/none is no ASDM; \.\./rawdata: there are uid"):
        names_of_scripts.hifa_importdata(vis=["../rawdata/none"])
    with pytest.raises(ArgumentError, match="dbservice"):
        names_of_scripts.hifa_importdata(vis=[f"../rawdata/{ONE}"], dbservice=True)
    assert list(working.iterdir()) == []

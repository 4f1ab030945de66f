"""Products of a run: all there, the same bytes, and enough to bring the calibrated data back bit for bit."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied, arguments
from atacal.pipeline.export.applications import applications
from atacal.pipeline.run import Run
from atacal.pipeline.topics import TOPICS
from atacal.restore import restore
from atacal.restore.calapply import read_calapply
from atacal.restore.manifest import read_manifest
from atacal.scripts import run as run_script
from atacal.tasks import applycal

STAGES = ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hif_setmodels")


def applied(run: Run) -> None:
    """Apply what is registered, scan by scan as the stages select data."""
    for name, context in run.blocks.items():
        block = Block(run.folder, name, 6, "hif_applycal", "today", context)
        for unit in block.library.units(block.facts, (), block.facts.science_spws):
            if unit.stack:
                applycal(
                    vis=str(block.vis), **unit.selection(), antenna="*&*", calwt=[e.calwt for e in unit.stack],
                    applymode="calflagstrict", flagbackup=False, **arguments(unit.stack, str(run.folder)),
                )  # fmt: skip


def made(folder: Path, inputs: list[Path], **export) -> Path:
    with Run(folder) as run:
        for task in STAGES:
            run.call(task, {"vis": [str(i) for i in inputs]} if task == "hifa_importdata" else {})
        applied(run)
        run.call("hifa_exportdata", export)
    return folder


@pytest.fixture(scope="module")
def calibrated(raw_block, tmp_path_factory) -> Path:
    """A run directory with applied tables and products; not to be changed."""
    return made(tmp_path_factory.mktemp("export") / "run", [raw_block])


def columns(vis: Path) -> dict[tuple[str, int], bytes]:
    """All that calibration writes, by column and data description."""
    out = {}
    with table(str(vis), ack=False) as tab:
        for ddid in np.unique(tab.getcol("DATA_DESC_ID")).tolist():
            part = tab.query(f"DATA_DESC_ID=={ddid}")
            for name in ("CORRECTED_DATA", "FLAG", "FLAG_ROW", "WEIGHT"):
                out[name, ddid] = np.ascontiguousarray(part.getcol(name)).tobytes()
    return out


def delivered(run: Path, raw: Path, folder: Path) -> Path:
    """Lay products and raw data out as the pipeline has them."""
    for part in ("rawdata", "working"):
        (folder / part).mkdir(parents=True)
    shutil.copytree(run / "products", folder / "products")
    (folder / "rawdata" / raw.name).symlink_to(raw)
    return folder


def result_of(run: Path, task: str = "hifa_exportdata") -> dict:
    (path,) = (run / "stages").glob(f"*-{task}/result.json")
    return json.loads(path.read_text())


def test_all_products_are_there_with_their_digests(calibrated, raw_block):
    products, name = calibrated / "products", raw_block.name
    stem = name.removesuffix(".ms")
    assert sorted(p.name for p in products.iterdir()) == sorted([
        "MANIFEST", "casa_commands.log", "casa_pipescript.py", "casa_piperestorescript.py", "flux.csv",
        "pipeline_aquareport.xml", "pipeline_report.json", f"{name}.calapply.txt", f"{name}.flagversions.tgz",
        *(f"{stem}.{kind}.txt" for kind in ("flagtemplate", "flagtsystemplate", "flagtargetstemplate")),
        "unknown.session_1.caltables.tgz", "unknown.hifa_cal.pipeline_manifest.xml", "unknown.hifa_cal.auxproducts.tgz",
    ])  # fmt: skip
    lines = [line.split("  ") for line in (products / "MANIFEST").read_text().splitlines()]
    assert {n: hashlib.sha256((products / n).read_bytes()).hexdigest() for _, n in lines} == {n: d for d, n in lines}
    assert len(lines) == 14
    result = result_of(calibrated)
    assert result["score"] == 1.0
    assert result["run"]["decisions"]["flag_versions"] == {
        name: ["Original", "after_deterministic_flagging", "Pipeline_Final"]
    }


def test_the_same_run_elsewhere_has_the_same_products(calibrated, raw_block, tmp_path):
    other = made(tmp_path / "another_place", [raw_block])
    assert (other / "products" / "MANIFEST").read_bytes() == (calibrated / "products" / "MANIFEST").read_bytes()
    assert result_of(other) == result_of(calibrated)


def test_restoring_products_gives_the_same_data_bit_for_bit(calibrated, raw_block, tmp_path):
    member = delivered(calibrated, raw_block, tmp_path / "member")
    expected = columns(calibrated / raw_block.name)
    (block,) = restore(str(member)).blocks
    assert columns(Path(block.ms)) == expected
    script = member / "products" / "casa_piperestorescript.py"
    assert run_script(str(script), cwd=str(member / "working")).exit_code == 0
    assert columns(member / "working" / raw_block.name) == expected


def writer_of_asdms() -> ModuleType:
    where = Path(__file__).parents[1] / "asdm" / "conftest.py"
    spec = importlib.util.spec_from_file_location("asdm_writer", where)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.setdefault("asdm_writer", importlib.util.module_from_spec(spec))
    spec.loader.exec_module(module)
    return module


def test_an_asdm_is_restored_from_its_products(tmp_path):
    asdm = tmp_path / "uid___A002_X1_X7.asdm.sdm"
    writer_of_asdms().write_asdm(
        asdm, nant=7, nchan=(4, 8), integrations=3, signal=3000.0, seed=3,
        scan_intents=("CALIBRATE_PHASE CALIBRATE_WVR", "OBSERVE_TARGET CALIBRATE_WVR"),
    )  # fmt: skip
    with Run(tmp_path / "run") as run:
        run.call("hifa_importdata", {"vis": [str(asdm)]})
        run.call("hifa_flagdata", {})
        run.call("h_tsyscal", {})
        applied(run)
        done = run.call("hifa_exportdata", {})
    assert done["score"] == 1.0
    member = delivered(tmp_path / "run", asdm, tmp_path / "member")
    expected = columns(tmp_path / "run" / "uid___A002_X1_X7.ms")
    (block,) = restore(str(member)).blocks
    assert columns(Path(block.ms)) == expected
    script = member / "products" / "casa_piperestorescript.py"
    assert run_script(str(script), cwd=str(member / "working")).exit_code == 0
    assert columns(member / "working" / "uid___A002_X1_X7.ms") == expected


def test_the_script_of_a_run_does_the_same_again(calibrated, raw_block, tmp_path):
    for part in ("rawdata", "working"):
        (tmp_path / part).mkdir()
    (tmp_path / "rawdata" / raw_block.name).symlink_to(raw_block)
    script = shutil.copy(calibrated / "products" / "casa_pipescript.py", tmp_path / "working")
    assert run_script(str(script), cwd=str(tmp_path / "working")).exit_code == 0
    for path in sorted((calibrated / "stages").glob("*/result.json")):
        again = tmp_path / "working" / path.relative_to(calibrated)
        if "exportdata" in path.parent.name:  # the run of the fixture has applied tables beside its stages
            assert json.loads(again.read_text())["score"] == 1.0
        else:
            assert again.read_bytes() == path.read_bytes()


def test_calls_of_applycal_are_in_the_pipelines_words(calibrated, raw_block):
    path = calibrated / "products" / f"{raw_block.name}.calapply.txt"
    assert path.read_text().startswith(f"# Apply file for {raw_block.name}\napplycal(vis='{raw_block.name}', field='")
    found = read_calapply(path)
    intents = {i for a in found for i in a.intent.split(",")}
    assert intents == {"BANDPASS", "AMPLITUDE", "PHASE", "TARGET", "CHECK"}
    assert all(a.antenna == "0~7" and not a.selection and a.parang is None for a in found)
    assert all("/" not in u.gaintable for a in found for u in a.uses)


def library(folder: Path, name: str, *entries: Applied) -> Block:
    return Block(folder, name, 9, "x", "today", {"applied": [vars(e) for e in entries]})


@pytest.fixture
def two_of_a_name(raw_block, tmp_path) -> str:
    """A block whose check source is a second target, of the target's name; returns the name."""
    vis = Path(shutil.copytree(raw_block, tmp_path / raw_block.name))
    with table(str(vis / "STATE"), readonly=False, ack=False) as tab:
        modes = [m.replace("OBSERVE_CHECK_SOURCE", "OBSERVE_TARGET") for m in tab.getcol("OBS_MODE")]
        tab.putcol("OBS_MODE", modes)
    with table(str(vis / "FIELD"), readonly=False, ack=False) as tab:
        name = str(tab.getcell("NAME", 4))
        tab.putcell("NAME", 3, name)
    return name


def test_fields_of_one_name_that_have_other_tables_are_given_by_id(two_of_a_name, raw_block, tmp_path):
    one, two = (Applied("phase", f"caltables/{n}.tbl", gainfield="2", field=n) for n in ("3", "4"))
    found = applications(library(tmp_path, raw_block.name, one, two))
    assert [(a.field, a.intent, [u.gaintable for u in a.uses]) for a in found] == [
        ("3", "TARGET", ["3.tbl"]), ("4", "TARGET", ["4.tbl"]),
    ]  # fmt: skip


def test_fields_of_one_name_and_one_table_are_given_by_name(two_of_a_name, raw_block, tmp_path):
    (found,) = applications(library(tmp_path, raw_block.name, Applied("phase", "a.tbl", field="3,4")))
    assert (found.field, found.intent) == (two_of_a_name, "TARGET")


def test_scans_are_given_where_intents_mean_more(raw_block, tmp_path):
    """A scan of the atmosphere on the bandpass calibrator, of which some rows have the intent of bandpass scans."""
    entry = Applied("bandpass", "a.tbl", intent="BANDPASS")
    facts = Block(raw_block.parent, raw_block.name, 9, "x", "today", {}).facts
    (scan,), (field,) = facts.science_scans("BANDPASS"), facts.fields("BANDPASS")
    air = next(s.number for s in facts.scans if "ATMOSPHERE" in s.intents and field in s.fields)
    vis = Path(shutil.copytree(raw_block, tmp_path / raw_block.name))
    with table(str(vis), readonly=False, ack=False) as tab:
        scans, states = tab.getcol("SCAN_NUMBER"), tab.getcol("STATE_ID")
        rows = np.flatnonzero(scans == air)
        states[rows[: len(rows) // 2]] = states[scans == scan.number][0]
        tab.putcol("STATE_ID", states)
    (found,) = applications(library(tmp_path, raw_block.name, entry))
    assert (found.intent, found.selection) == ("BANDPASS", {"scan": str(scan.number)})
    assert found.field == facts.metadata.fields[field].name


def test_the_manifest_is_one_that_restoring_reads(calibrated, raw_block):
    manifest = read_manifest(calibrated / "products" / "unknown.hifa_cal.pipeline_manifest.xml")
    (block,) = manifest.blocks
    assert (block.name, block.session) == (raw_block.name.removesuffix(".ms"), "session_1")
    assert block.flagversions == f"{raw_block.name}.flagversions.tgz"
    assert block.calapply == f"{raw_block.name}.calapply.txt"
    assert manifest.caltables == {"session_1": "unknown.session_1.caltables.tgz"}
    assert manifest.auxproducts == "unknown.hifa_cal.auxproducts.tgz"


def test_the_aqua_report_has_every_stage_score_and_topic(calibrated):
    root = ElementTree.parse(calibrated / "products" / "pipeline_aquareport.xml").getroot()
    assert [e.tag for e in root] == ["ProjectStructure", "QaSummary", "QaPerStage", "QaPerTopic"]
    results = [json.loads(p.read_text()) for p in sorted((calibrated / "stages").glob("*/result.json"))][:-1]
    stages = root.findall("QaPerStage/Stage")
    assert [(s.get("Number"), s.get("Name")) for s in stages] == [(str(r["number"]), r["task"]) for r in results]
    assert [float(s.get("Score", "nan")) for s in stages] == pytest.approx([r["score"] for r in results], abs=1e-5)
    for stage, result in zip(stages, results, strict=True):
        outcomes = [*result["blocks"].values(), *([result["run"]] if "run" in result else [])]
        scores = [s for o in outcomes for s in o["scores"]]
        assert [m.get("Name") for m in stage] == [s["metric"] for s in scores]
        assert [m.get("Reason") for m in stage] == [s["long"] for s in scores]
        assert [m.get("Unit") for m in stage] == [s["unit"] for s in scores]
    topics = root.findall("QaPerTopic/*")
    assert [t.tag for t in topics] == list(TOPICS)
    assert [len(t.findall("Stage")) for t in topics] == [1, 1, 2, 0, 1]
    assert float(root.findtext("QaSummary/FinalScore", "")) == pytest.approx(min(r["score"] for r in results))


def test_the_json_report_says_what_was_done(calibrated, raw_block):
    report = json.loads((calibrated / "products" / "pipeline_report.json").read_text())
    assert (report["format"], report["version"]) == ("atacal pipeline report", 1)
    assert [s["task"] for s in report["stages"]] == list(STAGES)
    block = report["blocks"][raw_block.name]
    assert block["session"] == "session_1"
    assert len(block["description"]["antennas"]) == 8
    calls = read_calapply(calibrated / "products" / f"{raw_block.name}.calapply.txt")
    assert [a["field"] for a in block["applied"]] == [a.field for a in calls]
    flags = next(s for s in report["stages"] if s["task"] == "hifa_flagdata")["flags"]
    assert {f["cause"] for f in flags} >= {"online", "shadow", "autocorr"}
    assert all(0 <= f["share"] <= 1 for f in flags)
    assert sorted(n for t in report["topics"].values() for n in t["stages"]) == [1, 2, 3, 4, 5]


def test_archives_hold_no_times_and_owners(calibrated, raw_block):
    with tarfile.open(calibrated / "products" / f"{raw_block.name}.flagversions.tgz") as tar:
        members = tar.getmembers()
    names = [m.name for m in members]
    assert names == sorted(names)
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in members} == {(0, 0, 0, "", "")}
    assert not any(n.endswith("table.lock") for n in names)
    assert f"{raw_block.name}.flagversions/flags.Pipeline_Final/table.dat" in names
    assert f"{raw_block.name}.flagversions/FLAG_VERSION_LIST" in names


def test_the_log_of_calls_is_in_the_order_of_the_stages(calibrated):
    text = (calibrated / "products" / "casa_commands.log").read_text()
    places = [text.index(f"# stage {n}: {task}(") for n, task in enumerate(STAGES, 1)]
    assert places == sorted(places)
    assert "gencal(vis=" in text
    assert str(calibrated) not in text


def test_without_tables_what_is_missing_is_named(raw_block, tmp_path):
    with Run(tmp_path / "run") as run:
        run.call("hifa_importdata", {"vis": [str(raw_block)]})
        done = run.call("hifa_exportdata", {})
    assert 0 < done["score"] < 1
    (text,) = (s["long"] for s in done["run"]["scores"])
    assert f"{raw_block.name}.calapply.txt: no calibration table is registered" in text
    assert "calibration tables of session_1" in text
    assert not (tmp_path / "run" / "products" / f"{raw_block.name}.calapply.txt").exists()


def test_a_second_export_replaces_the_first(calibrated, tmp_path, raw_block):
    folder = Path(shutil.copytree(calibrated, tmp_path / "run"))
    with Run(folder) as run:
        for task in STAGES:
            run.call(task, {"vis": [str(raw_block)]} if task == "hifa_importdata" else {})
        done = run.call("hifa_exportdata", {"imaging_products_only": True})
    assert done["score"] == 1.0
    names = {p.name for p in (folder / "products").iterdir()}
    assert f"{raw_block.name}.calapply.txt" not in names
    assert "casa_piperestorescript.py" not in names
    assert "casa_pipescript.py" in names
    assert "imaging_products_only=True" in (folder / "products" / "casa_pipescript.py").read_text()


def test_pages_are_packed_where_there_are_any(raw_block, tmp_path):
    results = []
    for name, pages in (("with", True), ("without", False)):
        folder = tmp_path / name
        with Run(folder) as run:
            run.call("hifa_importdata", {"vis": [str(raw_block)]})
            if pages:
                (folder / "weblog").mkdir()
                (folder / "weblog" / "index.html").write_text("<p>pages")
            run.call("hifa_exportdata", {})
        manifest = (folder / "products" / "unknown.hifa_cal.pipeline_manifest.xml").read_text()
        assert ('<weblog name="weblog.tgz"' in manifest) is pages
        assert (folder / "products" / "weblog.tgz").is_file() is pages
        results.append(result_of(folder))
    with tarfile.open(tmp_path / "with" / "products" / "weblog.tgz") as tar:
        names = tar.getnames()
    # made anew for the archive, without what differs from run to run: logs, times
    assert {"weblog/index.html", "weblog/tasks.html", "weblog/stage-01-hifa_importdata.html"} <= set(names)
    assert not any("/logs/" in name and "listobs" not in name for name in names)
    assert results[0] == results[1]


def test_measurement_sets_are_exported_in_the_place_of_tables(raw_block, tmp_path, calibrated):
    folder = made(tmp_path / "run", [raw_block], exportmses=True, products_dir="delivery")
    assert (folder / "delivery" / f"{raw_block.name}.tgz").is_file()
    with tarfile.open(folder / "delivery" / f"{raw_block.name}.tgz") as tar:
        tar.extractall(tmp_path / "unpacked", filter="data")
    assert columns(tmp_path / "unpacked" / raw_block.name) == columns(calibrated / raw_block.name)


def test_the_project_names_the_products(raw_block, tmp_path):
    from atacal.pipeline.functions import h_init, h_save, hifa_exportdata, hifa_importdata

    context = h_init(folder=str(tmp_path / "run"))
    try:
        context.set_state("ProjectSummary", "proposal_code", "2016.1.01435.S")
        context.project_structure.ousstatus_entity_id = "uid://A001/X1296/X69d"
        context.set_state("ProjectStructure", "recipe_name", "hifa_calimage")
        assert context.project_summary.proposal_code == "2016.1.01435.S"
        with pytest.raises(ArgumentError, match="no_such_thing"):
            context.set_state("ProjectStructure", "no_such_thing", 1)
        hifa_importdata(vis=[str(raw_block)], pipelinemode="automatic")
        hifa_exportdata()
    finally:
        h_save()
    products = tmp_path / "run" / "products"
    prefix = "uid___A001_X1296_X69d.hifa_calimage"
    script = (products / f"{prefix}.casa_pipescript.py").read_text()
    assert "context.set_state('ProjectSummary', 'proposal_code', '2016.1.01435.S')" in script
    root = ElementTree.parse(products / f"{prefix}.pipeline_aquareport.xml").getroot()
    assert root.findtext("ProjectStructure/ProposalCode") == "2016.1.01435.S"
    assert root.findtext("ProjectStructure/OusStatusEntityId") == "uid://A001/X1296/X69d"
    assert (products / f"{prefix}.pipeline_manifest.xml").is_file()


def test_what_is_exported_is_checked(begun_copy, raw_block):
    def export(**given):
        with Run(begun_copy) as run:
            for task in STAGES:
                run.call(task, {"vis": [str(raw_block)]} if task == "hifa_importdata" else {})
            return run.call("hifa_exportdata", given)

    with pytest.raises(ArgumentError, match=r"other\.ms"):
        export(vis=["other.ms"])
    with pytest.raises(ArgumentError, match="2 sessions"):
        export(session=["a", "b"])
    with pytest.raises(ArgumentError, match="SKY"):
        export(calintents="SKY")
    done = export(pprfile="PPR_x.xml")
    assert "the processing request PPR_x.xml" in done["run"]["scores"][0]["long"]


def test_a_block_in_the_run_directory_is_calibrated_where_it_is(raw_block, tmp_path):
    vis = Path(shutil.copytree(raw_block, tmp_path / raw_block.name))
    for _ in range(2):
        with Run(tmp_path) as run:
            done = run.call("hifa_importdata", {"vis": [str(vis)]})
            run.call("hifa_flagdata", {})
        assert done["blocks"][raw_block.name]["decisions"]["how"] == "in place"
    assert vis.is_dir()


def test_data_that_a_run_has_not_made_are_not_replaced(raw_block, tmp_path):
    (tmp_path / "run").mkdir()
    other = Path(shutil.copytree(raw_block, tmp_path / "run" / raw_block.name))
    inode = os.stat(other / "table.dat").st_ino
    with Run(tmp_path / "run") as run, pytest.raises(Exception, match="was not made by this run"):
        run.call("hifa_importdata", {"vis": [str(raw_block)]})
    assert os.stat(other / "table.dat").st_ino == inode
    with Run(tmp_path / "run") as run:
        run.call("hifa_importdata", {"vis": [str(raw_block)], "overwrite": True})


def test_a_block_that_has_failed_is_named_and_the_others_can_be_restored(raw_block, tmp_path, monkeypatch):
    from atacal.errors import ModelError
    from atacal.pipeline import stage as registry

    def fails(block: Block) -> None:
        if block.name == "uid___A002_X1_X2.ms":
            raise ModelError("nothing is known of it")

    registry.stages()
    monkeypatch.setitem(
        registry._stages, "h_fails", registry.Stage("h_fails", "Fails", "block", fails, None, needed=True)
    )
    monkeypatch.setattr(registry, "stages", lambda: registry._stages)
    other = Path(shutil.copytree(raw_block, tmp_path / "uid___A002_X1_X2.ms"))
    with Run(tmp_path / "run", workers=1) as run:
        run.call("hifa_importdata", {"vis": [str(raw_block), str(other)], "session": ["session_1", "session_2"]})
        run.call("h_tsyscal", {})
        run.call("h_fails", {})
        done = run.call("hifa_exportdata", {})
    assert 0 < done["score"] < 1
    (text,) = (s["long"] for s in done["run"]["scores"])
    assert "all of uid___A002_X1_X2.ms, which has failed: nothing is known of it" in text
    script = (tmp_path / "run" / "products" / "casa_piperestorescript.py").read_text()
    assert f"vis=['{raw_block.name.removesuffix('.ms')}'], session=['session_1']" in script
    report = json.loads((tmp_path / "run" / "products" / "pipeline_report.json").read_text())
    assert report["blocks"][other.name]["failed"] == "nothing is known of it"

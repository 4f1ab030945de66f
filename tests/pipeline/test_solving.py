"""The stages that solve: bandpass, spwphaseup, gfluxscale, timegaincal and applycal, on tiny simulated blocks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atacal.caltables.disk import read_caltable
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.ms.stream import stream
from atacal.pipeline.run import Run
from atacal.simulate import simulate
from atacal.tasks import flagdata

FIRST = ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal")
SOLVING = ("hifa_bandpass", "hifa_spwphaseup", "hifa_gfluxscale", "hifa_timegaincal", "hif_applycal")


def flux_file(vis: Path, folder: Path) -> None:
    """Write the true flux densities of the calibrators."""
    lines = ["ms,field,spw,I,Q,U,V,spix,uvmin,uvmax,comment"]
    for number, one in enumerate(_truth(vis)["fields"]):
        if one["role"] == "target" or one["disk"]:
            continue
        for spw in _truth(vis)["raw"]["science_spws"]:
            lines.append(f"{vis.name},{number},{spw},{_truth(vis)['flux_jy'][one['name']][spw]:.6f},0,0,0,0,0,0,")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "flux.csv").write_text("\n".join(lines) + "\n")


def _truth(vis: Path) -> dict[str, Any]:
    return json.loads(Path(f"{vis}.truth.json").read_text())


def solved(vis: Path, folder: Path, recipe: str = "today", **given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Run the stages and return what each found."""
    flux_file(vis, folder)
    models = "hif_setjy" if recipe == "cycle4" else "hif_setmodels"
    out = {}
    with Run(folder, recipe=recipe, workers=1) as run:
        for task in (*FIRST, models, *SOLVING):
            parameters = {"vis": [str(vis)]} if task == "hifa_importdata" else given.get(task, {})
            out[task] = next(iter(run.call(task, parameters)["blocks"].values()))
    return out


def within(found: dict[str, Any], vis: Path, allowed: float) -> None:
    """Check derived flux densities: within two of their errors of the truth, and what Tsys of another field costs."""
    true = _truth(vis)["flux_jy"]
    for name, spws in found["decisions"]["fluxes"].items():
        for spw, one in spws.items():
            away = abs(one["flux_jy"] - true[name][int(spw)])
            assert away < 2 * one["error_jy"] + allowed * one["flux_jy"], (name, spw, one)


@pytest.fixture(scope="module")
def body(raw_block: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """A block with a resolved body as flux calibrator, calibrated."""
    folder = tmp_path_factory.mktemp("solving") / "run"
    return folder, solved(raw_block, folder)


@pytest.fixture(scope="module")
def weak_block(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A block with narrow windows and a weak phase calibrator."""
    path = tmp_path_factory.mktemp("weak") / "uid___A002_X2_X2.ms"
    simulate(str(path), raw=True, spws="narrow", calibrator_flux=0.06, seed=8, faults=False)
    return path


@pytest.fixture(scope="module")
def weak(weak_block: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    folder = tmp_path_factory.mktemp("solving_weak") / "run"
    return folder, solved(weak_block, folder)


def test_no_stage_fails(body):
    _, found = body
    assert {task: one["failed"] for task, one in found.items() if one["failed"]} == {}
    assert all(one["scores"] for task, one in found.items() if task in SOLVING)


def test_bandpass(body):
    folder, found = body
    one = found["hifa_bandpass"]
    assert one["decisions"]["phaseup"]["solint"] == "int"
    assert {v["channels"] for v in one["decisions"]["channels"].values()} == {1}
    (path,) = [t for t in one["tables"] if t.endswith(".bcal.tbl")]
    table = read_caltable(folder / path)
    assert sorted(table.solutions) == [int(s) for s in one["decisions"]["channels"]]
    good = [np.abs(s.param)[~s.flag] for s in table.solutions.values()]
    assert all(abs(np.mean(g**2) - 1) < 0.05 for g in good)  # normalised
    names = {Path(c).stem for c in one["charts"]}
    spw = next(iter(one["decisions"]["channels"]))
    assert {f"bandpass_amp_spw{spw}", f"bandpass_phase_spw{spw}", f"phaseup_spw{spw}"} <= names
    chart = json.loads((folder / next(c for c in one["charts"] if f"bandpass_amp_spw{spw}" in c)).read_text())
    air = [s for s in chart["series"] if s["keys"].get("role") == "atmosphere"]
    assert 50 < min(air[0]["y"]) <= max(air[0]["y"]) <= 100
    assert len({s["keys"]["antenna"] for s in chart["series"] if "antenna" in s["keys"]}) >= 6


def test_expected_signal_to_noise_is_about_what_is_measured(weak):
    """The noise model is for ALMA's nominal sensitivities; the simulation's antennas are as good within a factor."""
    snr = weak[1]["hifa_spwphaseup"]["decisions"]["snr"]
    for one in snr.values():
        key = "snr_scan" if one["per"] == "scan" else "snr_integration"
        for spw, measured in one["measured"].items():
            assert 0.3 < one["expected"][spw][key] / measured < 3, (one["intent"], spw)


def test_strong_spws_stand_alone(body):
    _, found = body
    solves = found["hifa_spwphaseup"]["decisions"]["solves"]
    strong = [v for v in solves.values() if v["intent"] in ("BANDPASS", "AMPLITUDE")]
    assert {(v["combine"], v["solint"], v["gaintype"], len(v["spwmap"])) for v in strong} == {(False, "int", "G", 0)}


def test_fluxes_of_a_resolved_body(body, raw_block):
    _, found = body
    within(found["hifa_gfluxscale"], raw_block, 0.015)
    models = found["hifa_gfluxscale"]["sets"]["models"]
    assert sum(m["standard"] == "manual" for m in models) >= 12  # three calibrators, four spws


def test_calibrated_data_agree_with_their_models(body, raw_block):
    folder, found = body
    means = found["hif_applycal"]["decisions"]["over_model"]
    for intent, lowest in (("BANDPASS", 0.99), ("AMPLITUDE", 0.98), ("PHASE", 0.9)):
        for one in means[intent].values():
            assert lowest < one["amplitude"] < 1.02, (intent, one)
            assert abs(one["phase_deg"]) < 1
    assert found["hif_applycal"]["decisions"]["spectral_outliers"]["BANDPASS"] == []
    with MeasurementSet(folder / raw_block.name) as ms:
        assert ms.has("CORRECTED_DATA")


def test_what_is_applied(body):
    _, found = body
    applied = found["hif_applycal"]["decisions"]["applied"]
    terms = {tuple(t["term"] for t in unit["tables"]) for unit in applied}
    assert terms == {("tsys", "bandpass", "offset", "phase", "amp")}
    roles = {u["field"]: {t["term"]: (t["table"], t["gainfield"]) for t in u["tables"]} for u in applied}
    (target,) = [tables for fields, tables in roles.items() if "4" in fields.split(",")]
    assert target["amp"][1] == target["phase"][1] == "2"
    assert "transfer" in target["phase"][0]
    (phase,) = [tables for fields, tables in roles.items() if "2" in fields.split(",")]
    assert phase["phase"] == target["phase"]  # phase calibrators are not corrected with phases of every integration


def test_flags_are_counted(body):
    _, found = body
    (cause,) = found["hif_applycal"]["flags"]
    assert cause["cause"] == "applycal"
    assert 0 <= cause["newly"] <= cause["total"]
    assert {r["rule"] for r in cause["reasons"]} == {"no good solution"}


def test_weak_spws_are_combined(weak, weak_block):
    folder, found = weak
    solves = found["hifa_spwphaseup"]["decisions"]["solves"]
    (phase,) = [v for v in solves.values() if v["intent"] == "PHASE"]
    assert phase["combine"]
    assert phase["gaintype"] == "T"
    assert len(set(phase["map"].values())) == 1
    tables = found["hifa_timegaincal"]["tables"]
    (applied,) = [t for t in tables if "transfer" in t and "solved" not in t]
    table = read_caltable(folder / applied)
    assert sorted(table.solutions) == sorted(int(s) for s in phase["map"])  # of every spw: no map is needed
    within(found["hifa_gfluxscale"], weak_block, 0.05)


def test_a_flagged_lowest_spw_does_not_lose_the_others(weak_block, tmp_path, fresh_copy: Callable[[Path], Path]):
    """The pipeline's PIPE-128: combined solutions were kept under an spw without data."""
    vis = Path(fresh_copy(weak_block))
    truth = Path(f"{weak_block}.truth.json").read_text()
    Path(f"{vis}.truth.json").write_text(truth)
    lowest = min(_truth(weak_block)["raw"]["science_spws"])
    flagdata(vis=str(vis), mode="manual", field="2", spw=str(lowest), flagbackup=False)
    found = solved(vis, tmp_path / "run")
    (phase,) = [v for v in found["hifa_spwphaseup"]["decisions"]["solves"].values() if v["intent"] == "PHASE"]
    assert lowest not in phase["usable"]
    assert phase["map"][str(lowest)] == min(phase["usable"])
    (applied,) = [t for t in found["hifa_timegaincal"]["tables"] if "transfer" in t and "solved" not in t]
    table = read_caltable(tmp_path / "run" / applied)
    assert all((~one.flag).any() for one in table.solutions.values())


def test_cycle4(weak_block, tmp_path):
    found = solved(weak_block, tmp_path / "run", "cycle4")
    assert {task: one["failed"] for task, one in found.items() if one["failed"]} == {}
    (phase,) = [v for v in found["hifa_spwphaseup"]["decisions"]["solves"].values() if v["intent"] == "PHASE"]
    scan = 4 * 6.048
    assert (phase["combine"], phase["gaintype"]) == (True, "T")
    assert float(phase["solint"].rstrip("s")) == pytest.approx(scan / 4, rel=0.01)
    metrics = {s["metric"] for s in found["hifa_timegaincal"]["scores"]}
    assert {"step_path", "missing_gains"} <= metrics


def test_again_after_applycal_gives_the_same(body, raw_block, tmp_path):
    """The weights that applycal leaves do not get into solves that are done again."""
    folder, found = body
    with Run(folder, workers=1) as run:
        for task in (*FIRST, "hif_setmodels"):
            run.call(task, {"vis": [str(raw_block)]} if task == "hifa_importdata" else {})
        first = next(iter(run.call("hifa_bandpass", {"phaseupmaxsolint": 61.0})["blocks"].values()))
    with MeasurementSet(folder / raw_block.name) as ms:
        where = select(ms, Selection(field="0"), autocorr=False)
        for block in stream(ms, where, ["WEIGHT", "SIGMA"]):
            np.testing.assert_allclose(block["WEIGHT"], 1 / block["SIGMA"] ** 2, rtol=1e-5)
    old = {s["long"]: s["measured"] for s in found["hifa_bandpass"]["scores"]}
    assert {s["long"]: s["measured"] for s in first["scores"]} == old


@pytest.mark.parametrize(
    ("task", "given", "words"),
    [
        ("hifa_bandpass", {"hm_bandpass": "best"}, "'snr', 'smoothed', 'fixed'"),
        ("hifa_bandpass", {"phaseupbw": "500MHz"}, "phaseupbw"),
        ("hifa_spwphaseup", {"hm_spwmapmode": "all"}, "auto, combine, simple, default"),
        ("hifa_gfluxscale", {"hm_resolvedcals": "always"}, "automatic, manual"),
        ("hif_applycal", {"intent": "SCIENCE"}, "possible are BANDPASS"),
    ],
)
def test_impossible_parameters(begun_copy, raw_block, task, given, words):
    from atacal.errors import ArgumentError

    with Run(begun_copy) as run:
        for first in (*FIRST, "hif_setmodels"):
            run.call(first, {"vis": [str(raw_block)]} if first == "hifa_importdata" else {})
        with pytest.raises(ArgumentError, match=words):
            run.call(task, given)


def test_nothing_to_apply(begun_copy, raw_block):
    with Run(begun_copy) as run:
        for first in (*FIRST, "hif_setmodels"):
            run.call(first, {"vis": [str(raw_block)]} if first == "hifa_importdata" else {})
        (found,) = run.call("hif_applycal", {})["blocks"].values()
    levels = {m["level"] for m in found["messages"]}
    assert levels & {"warning", "error"}
    assert not math.isnan(found["scores"][0]["value"])

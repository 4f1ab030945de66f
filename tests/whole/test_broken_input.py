"""Blocks that lack something: the run goes on where science allows, with a low score and a word on what to do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from atacal.pipeline import pipeline
from atacal.simulate import read_truth, simulate


def run(folder: Path, template: str = "", **given) -> tuple[dict[str, dict], Path]:
    """Simulate a block, calibrate it up to applycal, and return the stages' results by task."""
    vis = folder / "X.ms"
    if not vis.exists():
        simulate(str(vis), raw=True, **{"fluxcal": "sso", "seed": 5, "faults": "none", **given})
    out = folder / "run"
    out.mkdir(exist_ok=True)
    shutil.copy(f"{vis}.antennapos.csv", out / "antennapos.csv")
    if template:
        (out / "X.flagtemplate.txt").write_text(template)
    report = pipeline([str(vis)], outdir=str(out), stages="hif_applycal", workers=1, weblog=False)
    assert report.exit_code == bool(report.failed)
    results = [json.loads(p.read_text()) for p in sorted((out / "stages").glob("*/result.json"))]
    return {r["task"]: r for r in results}, out


def told(results: dict[str, dict]) -> list[dict]:
    return [m for r in results.values() for o in r["blocks"].values() for m in o["messages"]]


def failed(results: dict[str, dict]) -> list[str]:
    return [
        r["task"]
        for r in results.values()
        for o in r["blocks"].values()
        for s in o["scores"]
        if s["metric"] == "failed"
    ]


def calibrated(results: dict[str, dict]) -> bool:
    return "hif_applycal" in results and "hif_applycal" not in failed(results)


def test_a_whole_block_is_calibrated_without_failures(tmp_path):
    results, _ = run(tmp_path)
    assert failed(results) == []
    assert calibrated(results)
    assert min(r["score"] for r in results.values() if r["score"] is not None) > 0.5


def test_no_flux_calibrator(tmp_path):
    results, _ = run(tmp_path, without="flux")
    assert calibrated(results)
    assert results["hif_setmodels"]["score"] == 0
    assert any("flux scale is not known" in m["text"] and "flux.csv" in m["advice"] for m in told(results))


def test_no_radiometers(tmp_path):
    results, _ = run(tmp_path, wvr=False)
    assert failed(results) == []
    assert calibrated(results)
    assert any("radiometer" in m["text"] for m in told({"": results["hifa_wvrgcalflag"]}))


def test_no_bandpass_calibrator(tmp_path):
    results, _ = run(tmp_path, without="bandpass")
    assert results["hifa_importdata"]["score"] <= 0.33
    assert any("BANDPASS" in m["text"] and m["advice"] for m in told(results))
    assert results["hifa_bandpass"]["blocks"]["X.ms"]["failed"]  # it ends here, and says why
    assert "hif_applycal" not in results


def test_every_antenna_flagged_on_one_spw(tmp_path):
    simulate(str(tmp_path / "X.ms"), raw=True, fluxcal="sso", seed=5, faults="none")
    first, *others = read_truth(str(tmp_path / "X.ms")).raw["science_spws"]
    results, _ = run(tmp_path, template=f"mode='manual' spw='{first}'\n")
    assert failed(results) == []
    assert calibrated(results)
    fluxes = results["hifa_gfluxscale"]["blocks"]["X.ms"]["sets"]["fluxes"]["J1650-2943"]
    assert set(fluxes) == set(map(str, others))
    assert any(f"spw {first} cannot be calibrated" in m["text"] for m in told(results))


@pytest.mark.parametrize("field", ["1", "2", "3"])
def test_the_reference_antenna_is_flagged_on_one_calibrator(tmp_path, field):
    simulate(str(tmp_path / "X.ms"), raw=True, fluxcal="sso", seed=5, faults="none")
    refant = read_truth(str(tmp_path / "X.ms")).refant
    results, _ = run(tmp_path, template=f"mode='manual' antenna='{refant}' field='{field}'\n")
    assert failed(results) == []
    assert calibrated(results)


def test_the_check_source_is_wholly_flagged(tmp_path):
    results, _ = run(tmp_path, template="mode='manual' field='3'\n")
    assert failed(results) == []
    assert calibrated(results)

"""Switched blocks, from raw data to calibrated ones, against their truth."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError, PipelineError
from atacal.pipeline.block import Block
from atacal.pipeline.command import pipeline
from atacal.pipeline.diffgain import require_offsets
from atacal.pipeline.expected import windows_of
from atacal.pipeline.facts import read_facts
from atacal.pipeline.flux_file import FluxEntry, write_flux_file
from atacal.pipeline.recipes import CYCLE4, DIFFGAIN, TODAY, calls_for
from atacal.pipeline.run import Run
from atacal.pipeline.setups import setups_of
from atacal.recipe import calibrate
from atacal.simulate import Truth, read_truth, simulate, true_factors

KINDS: dict[str, dict[str, Any]] = {
    "bwsw": {"mode": "bwsw", "nchan": 64, "turbulence_um": 100.0},
    "b2b": {"mode": "b2b", "turbulence_um": 60.0},
}
STAGES = (
    "hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hifa_antpos", "hifa_wvrgcalflag", "hif_setmodels",
    "hifa_bandpass", "hifa_spwphaseup", "hifa_gfluxscale", "hifa_diffgaincal", "hifa_timegaincal", "hif_applycal",
)  # fmt: skip


@dataclass(frozen=True)
class Done:
    """A calibrated block with its truth, and the results of the stages."""

    folder: Path
    vis: Path
    truth: Truth
    results: dict[str, Any]

    def decisions(self, task: str) -> dict[str, Any]:
        found: dict[str, Any] = self.results[task]["decisions"]
        return found

    @property
    def setups(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = self.truth.raw["setups"]
        return found

    @property
    def spws(self) -> list[int]:
        found: list[int] = self.truth.raw["science_spws"]
        return found


@pytest.fixture(scope="module", params=list(KINDS))
def raw(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp(request.param) / "X.ms"
    simulate(path, raw=True, seed=8, faults="none", nant=9, **KINDS[request.param])
    return path


@pytest.fixture(scope="module")
def done(raw, tmp_path_factory) -> Done:
    folder, truth = tmp_path_factory.mktemp("run"), read_truth(raw)
    known = [
        FluxEntry("X.ms", i, s, true_flux(truth, i, s))
        for i, source in enumerate(truth.sources)
        for s in truth.raw["science_spws"]
        if source.role in ("flux", "bandpass")
    ]
    write_flux_file(folder / "flux.csv", known)
    shutil.copy(f"{raw}.antennapos.csv", folder / "antennapos.csv")
    results = {}
    with Run(folder, workers=1) as run:
        for task in STAGES:
            result = run.call(task, {"vis": [str(raw)]} if task == "hifa_importdata" else {})
            results[task] = result["blocks"]["X.ms"]
    return Done(folder, folder / "X.ms", truth, results)


def true_flux(truth: Truth, field: int, spw: int) -> float:
    """The flux density of a point source at a window's centre [Jy]."""
    freq = np.array([truth.spws[spw]["centre_freq_hz"]])
    return float(np.abs(truth.visibility(field, np.zeros((1, 3)), freq)).ravel()[0])


def baseline_errors(done: Done, spw: int, scan: dict[str, Any]) -> np.ndarray:
    """Corrected over true visibilities of a scan, without noise: the mean of each baseline, complex (baseline, pol)."""
    arrays = done.truth.arrays()
    k = next(i for i, s in enumerate(done.truth.raw["subscans"]) if s is scan)
    at = np.flatnonzero(arrays["subscan"] == k)
    with table(str(done.vis / "DATA_DESCRIPTION"), ack=False) as tab:
        ddid = tab.getcol("SPECTRAL_WINDOW_ID").tolist().index(spw)
    where = f"DATA_DESC_ID=={ddid} && SCAN_NUMBER=={scan['scan']} && ANTENNA1!=ANTENNA2"
    with table(str(done.vis), ack=False) as tab, tab.query(where) as part:
        names = ("DATA", "CORRECTED_DATA", "FLAG", "ANTENNA1", "ANTENNA2", "TIME")
        data, corrected, flag, a1, a2, time = (part.getcol(c) for c in names)
    x = true_factors(done.truth, spw, at)
    when = np.abs(arrays["time_mjd_s"][at][None] - time[:, None]).argmin(axis=1)
    good = ~flag & (np.abs(data) > 0)
    gain = np.where(good, corrected / np.where(good, data, 1), 0) * x[when, a1] * np.conj(x[when, a2])
    out = []
    for pair in sorted(set(zip(a1.tolist(), a2.tolist(), strict=True))):
        rows = (a1 == pair[0]) & (a2 == pair[1])
        total, count = gain[rows].sum(axis=(0, 1)), good[rows].sum(axis=(0, 1))
        out.append(total / np.maximum(count, 1))
    return np.array(out)


def scans_of(done: Done, *roles: str, setup: str) -> list[dict[str, Any]]:
    return [
        s
        for s in done.truth.raw["subscans"]
        if s["purpose"] == "science" and s["setup"] == setup and done.truth.sources[s["field"]].role in roles
    ]


def test_the_setups_are_the_simulators(done):
    setups = setups_of(read_facts(done.vis))
    assert setups is not None
    assert list(setups.signal) == done.setups["signal"]
    assert list(setups.reference) == done.setups["reference"]
    assert {str(s): r for s, r in setups.reference_of.items()} == done.truth.raw["reference_spw_of"]


def test_bandwidth_switching_scores_nothing(done):
    (score,) = [s for s in done.results["hifa_importdata"]["scores"] if s["metric"] == "mode"]
    assert score["value"] == (0.0 if done.truth.raw["mode"] == "bwsw" else 0.9)
    assert done.results["hifa_importdata"]["sets"]["mode"] == done.truth.raw["mode"].upper()


def test_every_field_takes_system_temperatures_of_its_setup(done):
    names = [s.name for s in done.truth.sources]
    chosen = done.decisions("h_tsyscal")["field_map"]
    of_role = {s.role: s.name for s in done.truth.sources}
    for role, of in done.truth.raw["tsys_fields"].items():
        assert chosen[of_role[role]] == of_role[of], role
    assert set(chosen) == set(names)


def test_flux_densities(done):
    found, expected = done.decisions("hifa_gfluxscale")["fluxes"], done.truth.raw["expected_flux_ratio"]
    names = [s.name for s in done.truth.sources]
    lit = 0
    for name, spws in found.items():
        for spw, one in spws.items():
            ratio = expected[name][done.spws.index(int(spw))]
            true = true_flux(done.truth, names.index(name), int(spw)) * (ratio or 1.0)
            limit = max(3 * one["error_jy"], 0.03 * true)
            assert one["flux_jy"] == pytest.approx(true, abs=limit), (name, spw)
            assert bool(one.get("bridged")) == (ratio is None)
            lit += ratio is not None
    assert lit >= 9


def test_targets_and_check_sources_are_in_phase(done):
    b2b = done.truth.raw["mode"] == "b2b"
    arrays = done.truth.arrays()
    first = scans_of(done, "bandpass", setup="signal")[0]
    for spw in (done.setups["signal"][0], done.setups["signal"][-1]):
        left, moved = [], []
        for scan in scans_of(done, "target", "check", "diffgain", setup="signal"):
            error = baseline_errors(done, spw, scan)
            left.append(np.sqrt((np.angle(error, deg=True) ** 2).mean()))
            # what the bandpass alone would leave: the air and the receivers since then
            k, then = (done.truth.raw["subscans"].index(s) for s in (scan, first))
            x, old = (true_factors(done.truth, spw, np.flatnonzero(arrays["subscan"] == i))[..., 0] for i in (k, then))
            drift = x.mean(axis=(0, 2)) / old.mean(axis=(0, 2))
            relative = drift[:, None] * np.conj(drift[None])
            moved.append(np.sqrt((np.angle(relative[np.triu_indices(len(drift), 1)], deg=True) ** 2).mean()))
        assert max(left) < (12 if b2b else 8), spw
        assert np.mean(left) < 0.4 * np.mean(moved), (left, moved)


def test_the_targets_flux_scale(done):
    """Amplitudes over the truth: that of the differential gain calibrator's, or the phase calibrator's, errors."""
    roles = {s.role: s.name for s in done.truth.sources}
    for spw in done.setups["signal"]:
        expected = done.truth.raw["expected_flux_ratio"][roles["target"]][done.spws.index(spw)]
        found = [np.abs(baseline_errors(done, spw, s)).mean() for s in scans_of(done, "target", setup="signal")]
        assert np.mean(found) == pytest.approx(expected, abs=0.04), spw


def test_residuals_are_small_scored_and_charted(done):
    found = done.decisions("hifa_diffgaincal")["residual"]
    assert sorted(map(int, found)) == done.setups["signal"]
    assert all(one["rms_deg"] < 6 and abs(one["mean_deg"]) < 2 for one in found.values())
    scores = [s for s in done.results["hifa_diffgaincal"]["scores"] if s["metric"].startswith("residual")]
    assert len(scores) == 3 * len(found)
    assert {s["value"] for s in scores} == {1.0}
    charts = done.results["hifa_diffgaincal"]["charts"]
    for name in ("reference", "offset", "residual"):
        spws = done.setups["reference" if name == "reference" else "signal"]
        assert all(any(c.endswith(f"{name}_spw{s}.json") for c in charts) for s in spws), charts


def test_one_offset_a_visit_or_one_of_all(done):
    visits = [[s["scan"] for s in scans_of(done, "diffgain", setup="signal")]]
    groups = done.decisions("hifa_diffgaincal")["offset"]["groups"]
    if done.truth.raw["mode"] == "b2b":
        assert [s for g in groups for s in g] == visits[0]
        assert len(groups) == 2
    else:
        assert groups == visits


def test_the_target_takes_reference_offset_and_amplitude(done):
    roles = {s.role: i for i, s in enumerate(done.truth.sources)}
    (unit,) = [u for u in done.decisions("hif_applycal")["applied"] if str(roles["target"]) in u["field"].split(",")]
    assert [int(s) for s in unit["spw"].split(",")] == done.setups["signal"]
    tables = {t["term"]: t for t in unit["tables"]}
    assert {"tsys", "antpos", "wvr", "bandpass", "offset", "phase", "diffgain", "amp"} <= set(tables)
    assert tables["phase"]["gainfield"] == str(roles["phase"])
    assert "hifa_diffgaincal" in tables["phase"]["table"]
    b2b = done.truth.raw["mode"] == "b2b"
    assert tables["amp"]["gainfield"] == str(roles["diffgain" if b2b else "phase"])
    assert ("diffgain_amp" in tables) == (not b2b)
    if not b2b:
        assert [tables["amp"]["spwmap"][s] for s in done.setups["signal"]] == list(
            done.truth.raw["reference_spw_of"].values()
        )


def test_windows_are_combined_when_asked_for(done, tmp_path):
    folder = Path(shutil.copytree(done.folder, tmp_path / "run"))
    with Run(folder, workers=1) as run:
        for task in STAGES[: STAGES.index("hifa_diffgaincal")]:
            run.call(task, {"vis": [done.truth.ms]} if task == "hifa_importdata" else {})
        result = run.call("hifa_diffgaincal", {"hm_spwmapmode": "all"})
    block = result["blocks"]["X.ms"]
    assert block["decisions"]["reference"]["combine"]
    assert block["decisions"]["offset"]["combine"]
    assert {s["value"] for s in block["scores"] if s["metric"] == "combined_spws"} == {0.9}
    assert all(one["rms_deg"] < 8 for one in block["decisions"]["residual"].values())


def test_the_recipe_of_switched_blocks():
    names = [task for task, _ in DIFFGAIN]
    assert names.index("hifa_diffgaincal") == names.index("hifa_gfluxscale") + 1 == names.index("hifa_timegaincal") - 1
    assert [t for t in names if t != "hifa_diffgaincal"] == [t for t, _ in TODAY]
    (first, check) = [given for task, given in DIFFGAIN if task == "hif_makeimlist"]
    assert first["intent"] == "PHASE,BANDPASS,AMPLITUDE,DIFFGAINREF,DIFFGAINSRC"
    assert check["intent"] == "CHECK"
    assert calls_for("today", ["", "B2B"]) is DIFFGAIN
    assert calls_for("today", [""]) is TODAY
    assert calls_for("cycle4", ["BWSW"]) is CYCLE4


def test_the_command_takes_the_recipe_by_itself(raw, tmp_path):
    with pytest.raises(ArgumentError, match="hifa_nothing"):
        pipeline(str(raw), outdir=str(tmp_path / "a"), stages="hifa_nothing")
    assert not (tmp_path / "a").exists()
    report = pipeline(str(raw), outdir=str(tmp_path / "b"), stages="hifa_importdata")
    assert [s["task"] for s in report.stages] == ["hifa_importdata"]
    old = pipeline(str(raw), outdir=str(tmp_path / "c"), stages="hifa_importdata", recipe="cycle4")
    assert any("Cycle 4 knew no differential gains" in m["text"] for m in old.messages)


def test_without_the_stage_the_target_is_not_calibrated(raw):
    block = Block(raw.parent, raw.name, 18, "hifa_timegaincal", "today", {})
    with pytest.raises(PipelineError, match="hifa_diffgaincal"):
        require_offsets(block)


def test_calibrate_points_to_the_pipeline(raw, tmp_path):
    with pytest.raises(ArgumentError, match=r"phase calibrator was observed in spw .* atacal pipeline"):
        calibrate(str(raw), outdir=str(tmp_path), flux_density=1.0)


def test_a_standard_block_has_nothing_to_do(raw_block):
    facts = read_facts(raw_block)
    assert setups_of(facts) is None
    assert len(windows_of(facts)) == len(facts.science_spws)
    assert json.dumps(facts.mode) == '""'

"""bandpassflag, gfluxscaleflag and targetflag: the metric on the fly, the commands, and faults that are found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table as open_casacore

from atacal.errors import ArgumentError
from atacal.heuristics.corrected_amp import Judgement, Limits
from atacal.heuristics.corrected_amp_flags import Finding, flagged_by
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Antenna
from atacal.pipeline.amplitude_flags import _carried, _commands, new_refants
from atacal.pipeline.amplitude_search import (
    Searched,
    baseline_kinds,
    gather_metric,
    places,
    search,
)
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied, arguments
from atacal.pipeline.results import lowest
from atacal.pipeline.run import Run
from atacal.pipeline.stages.gfluxscaleflag import hifa_gfluxscaleflag
from atacal.pipeline.stages.targetflag import hifa_targetflag
from atacal.pipeline.workplace import at_work
from atacal.results import plain
from atacal.simulate import simulate
from atacal.tasks import applycal, flagdata

KINDS = "bandpass_dip,bandpass_spikes,calibrator_spikes,bad_baseline"
FIRST = ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hif_setmodels")


@pytest.fixture(scope="session")
def spoiled(tmp_path_factory) -> Path:
    """A raw block with faults of calibrators' amplitudes."""
    path = tmp_path_factory.mktemp("spoiled") / "x.ms"
    simulate(str(path), raw=True, seed=11, faults=KINDS)
    return path


def stages_on(vis: Path, folder: Path) -> dict[str, dict]:
    """Do bandpassflag in a run, then the other two with its temporary bandpass; return their outcomes by task."""
    with Run(folder) as run:
        for task in (*FIRST, "hifa_bandpassflag"):
            run.call(task, {"vis": [str(vis)]} if task == "hifa_importdata" else {})
        first = run.done[-1]
        context = run.blocks[vis.name]
    out = {"hifa_bandpassflag": {**first["blocks"][vis.name], "folder": folder, "score": first["score"]}}
    tables = first["blocks"][vis.name]["decisions"]["temporary_tables"]
    for number, stage in ((20, hifa_gfluxscaleflag), (21, hifa_targetflag)):
        block = Block(folder, vis.name, number, stage.__name__, "today", context)
        block.register(*(Applied("bandpass", t, interp="linear,linear") for t in tables if "bcal" in t))
        with at_work(folder):
            stage(block)
        out[stage.__name__] = {**plain(block.out), "score": lowest(block.out.scores)}
    return out


@pytest.fixture(scope="session")
def searched_run(spoiled: Path, tmp_path_factory) -> dict[str, dict]:
    """The outcomes of the stages on it, by task."""
    return stages_on(spoiled, tmp_path_factory.mktemp("searched") / "run")


@pytest.fixture(scope="session")
def faults(spoiled: Path) -> dict[str, dict]:
    truth = json.loads(Path(f"{spoiled}.truth.json").read_text())
    return {f["kind"]: f for f in truth["faults"]}


def block_of(folder: Path, name: str | None = None) -> Block:
    """The block as it stands after the run's last stage."""
    context: dict = {}
    for path in sorted(folder.glob("stages/*/result.json")):
        ((name, outcome),) = json.loads(path.read_text())["blocks"].items()
        context |= outcome["sets"]
    return Block(folder, name, 99, "x", "today", context)


# ---------------------------------------------------------------------------------------------------------- the metric


def test_places(begun):
    block = block_of(begun)
    facts = block.facts
    bandpass = places(facts, "BANDPASS", facts.science_spws)
    assert [p.spw for p in bandpass] == list(facts.science_spws)
    assert {p.nscan for p in bandpass} == {len(facts.science_scans("BANDPASS"))}
    phase = places(facts, "PHASE", [facts.science_spws[0]])[0]
    assert phase.scans == tuple(s.number for s in facts.science_scans("PHASE"))
    assert places(facts, "PHASE", [facts.science_spws[0]], ["nobody"]) == []
    (target,) = places(facts, "TARGET", [facts.science_spws[0]])
    assert len(target.fields) == 1


def test_the_metric_on_the_fly_is_that_of_applied_data(begun_copy):
    block = block_of(begun_copy)
    place = places(block.facts, "PHASE", block.facts.science_spws)[-1]
    with MeasurementSet(block.vis) as ms:
        metric, interval = gather_metric(ms, block, block.library, place)
        assert not ms.has("CORRECTED_DATA")
    (unit,) = block.library.units(block.facts, ["PHASE"], [place.spw], fields=place.fields)
    applycal(vis=str(block.vis), **unit.selection(), **arguments(unit.stack, str(begun_copy)), flagbackup=False)
    scans = ",".join(map(str, place.scans))
    query = f"DATA_DESC_ID=={ddid(block, place.spw)} AND SCAN_NUMBER IN [{scans}] AND FIELD_ID=={place.fields[0]}"
    with open_casacore(str(block.vis), ack=False) as tab:
        rows = tab.query(f"{query} AND ANTENNA1!=ANTENNA2")
        vis, flag, time, a1, a2 = (rows.getcol(c) for c in ("CORRECTED_DATA", "FLAG", "TIME", "ANTENNA1", "ANTENNA2"))
        uvw = rows.getcol("UVW")
        assert interval == rows.getcol("INTERVAL")[0]
    assert metric.observed.sum() == len(vis)
    baseline = {(i, j): k for k, (i, j) in enumerate(zip(metric.antenna1, metric.antenna2, strict=True))}
    for row in range(0, len(vis), 5):
        t, b = np.searchsorted(metric.time, time[row]), baseline[a1[row], a2[row]]
        assert metric.uvdist_m[t, b] == pytest.approx(np.hypot(*uvw[row, :2]))
        for pol in range(2):
            good = ~flag[row, :, pol]
            expected = abs(vis[row, good, pol].mean()) - 1.0 if good.any() else np.nan  # without a model it is 1 Jy
            np.testing.assert_allclose(metric.value[t, b, pol], expected, rtol=1e-4, atol=1e-4)


def ddid(block: Block, spw: int) -> int:
    return block.facts.metadata.ddids_of_spw(spw)[0]


def test_a_metric_that_does_not_fit_is_refused(begun, monkeypatch):
    block = block_of(begun)
    monkeypatch.setattr("atacal.pipeline.amplitude_search.for_data", lambda: 1000)
    with pytest.raises(ArgumentError, match="PHASE"):
        search(block, block.library, ["PHASE"], block.facts.science_spws, Limits())


def test_baselines_of_mixed_arrays_are_judged_apart():
    def antennas(*diameters):
        return [Antenna(k, f"A{k}", "P", (0.0, 0.0, 0.0), d, "ALT-AZ", False) for k, d in enumerate(diameters)]

    assert baseline_kinds(antennas(12.0, 12.0), "ALMA") == [("", (0.0, 0.0))]
    assert baseline_kinds(antennas(7.0, 25.0), "ALMA") == [("", (0.0, 0.0))]
    assert baseline_kinds(antennas(7.0, 12.0), "VLA") == [("", (0.0, 0.0))]
    assert [k for k, _ in baseline_kinds(antennas(7.0, 12.0, 12.0), "ALMA")] == ["7m-12m", "12m-12m"]
    assert [k for k, _ in baseline_kinds(antennas(7.0, 7.0, 12.0), "ALMA")] == ["7m-12m", "7m-7m"]


# -------------------------------------------------------------------------------------------------------- the commands


@pytest.mark.parametrize("kind", ["", "12m-12m"])
def test_commands_flag_what_was_found_and_no_more(begun_copy, kind):
    block = block_of(begun_copy)
    place = places(block.facts, "PHASE", block.facts.science_spws)[0]
    with MeasurementSet(block.vis) as ms:
        metric, interval = gather_metric(ms, block, block.library, place)
    part = metric.some((metric.antenna1 % 2 == 0) & (metric.antenna2 % 3 == 1)) if kind else metric
    i, j = int(part.antenna1[2]), int(part.antenna2[2])
    findings = [
        Finding(1, -1, -1, "time"), Finding(3, i, -1, "antenna at a time"), Finding(5, i, -1, "antenna at a time"),
        Finding(6, int(part.antenna1[0]), int(part.antenna2[0]), "point"), Finding(-1, j, -1, "antenna"),
        Finding(-1, int(part.antenna1[1]), int(part.antenna2[1]), "baseline"),
    ]  # fmt: skip
    one = Searched(place, kind, part, interval, Judgement(findings))
    commands = [c for _, c in _commands(block, one)]
    assert len(commands) == 5
    flagdata(vis=str(block.vis), mode="unflag", flagbackup=False)
    flagdata(vis=str(block.vis), mode="list", inpfile=commands, flagbackup=False)
    bad = flagged_by(findings, part.antenna1, part.antenna2, part.ntime)
    expected = {
        (part.time[t], int(part.antenna1[b]), int(part.antenna2[b])) for t, b in np.argwhere(bad & part.observed)
    }
    names = ("FLAG_ROW", "TIME", "ANTENNA1", "ANTENNA2", "SCAN_NUMBER", "FIELD_ID", "DATA_DESC_ID")
    with open_casacore(str(block.vis), ack=False) as tab:
        rows = tab.query("ANY(FLAG)")
        flagged = {n: rows.getcol(n) for n in names}
        assert all(rows.getcell("FLAG", k).all() for k in range(0, rows.nrows(), 3))
    assert set(flagged["DATA_DESC_ID"]) == {ddid(block, place.spw)}
    assert set(flagged["FIELD_ID"]) == set(place.fields)
    got = set(zip(flagged["TIME"], flagged["ANTENNA1"].tolist(), flagged["ANTENNA2"].tolist(), strict=True))
    assert {g for g in got if g[1] != g[2]} == expected


def test_bad_baselines_of_the_phase_calibrator_are_flagged_on_targets(begun):
    block = block_of(begun)
    facts = block.facts
    names = facts.metadata.antenna_names()
    place = places(facts, "PHASE", facts.science_spws)[1]
    metric = Searched.__new__(Searched)
    found = Judgement([Finding(-1, 0, 3, "baseline"), Finding(-1, 1, 2, "baseline"), Finding(-1, 4, -1, "antenna")])
    object.__setattr__(metric, "place", place)
    object.__setattr__(metric, "judgement", found)
    (command,) = _carried(block, [metric])
    assert f"antenna='{names[0]}&{names[3]};{names[1]}&{names[2]}'" in command
    assert f"spw='{place.spw}'" in command
    assert f"scan='{facts.scan_list('TARGET', 'CHECK')}'" in command


def test_new_refants():
    order = ["A", "B", "C"]
    assert new_refants(order, {}, [1, 2]) == order
    assert new_refants(order, {"A": {1}}, [1, 2]) == ["B", "C", "A"]
    assert new_refants(order, {"A": {1, 2}, "B": {2}}, [1, 2]) == ["C", "B"]
    assert new_refants(order, {a: {1, 2} for a in order}, [1, 2]) == order
    assert new_refants(order, {a: {1} for a in order}, [1, 2]) == order


# ---------------------------------------------------------------------------------------------------------- the stages


def antennas_of(outcome: dict, intent: str) -> set[str]:
    reasons = [r for f in outcome["flags"] for r in f["reasons"] if r["intent"] == intent]
    return {a for r in reasons for a in r["antenna"].split("&")}


def test_faults_of_the_bandpass_calibrator_are_found(searched_run, faults):
    outcome = searched_run["hifa_bandpassflag"]
    bad = {a for kind in ("bandpass_dip", "bandpass_spikes") for a in faults[kind]["antennas"]}
    assert antennas_of(outcome, "BANDPASS") == bad
    assert outcome["score"] == 0.8  # antennas flagged altogether
    assert set(outcome["decisions"]["fully_flagged"]) == bad
    assert outcome["flags_changed"]
    for flags in outcome["flags"]:
        assert all(
            {"rule", "sigma", "outliers", "of", "spw", "field", "correlation"} <= set(r) for r in flags["reasons"]
        )


def test_faults_of_the_other_calibrators_are_found(searched_run, faults):
    outcome = searched_run["hifa_gfluxscaleflag"]
    spiky, pair = set(faults["calibrator_spikes"]["antennas"]), set(faults["bad_baseline"]["antennas"])
    assert outcome["decisions"]["intents"] == ["AMPLITUDE", "PHASE", "CHECK"]
    assert antennas_of(outcome, "AMPLITUDE") <= spiky | pair
    assert pair <= antennas_of(outcome, "AMPLITUDE")
    scans = set(faults["calibrator_spikes"]["scans"])
    for intent in ("AMPLITUDE", "PHASE"):
        of_intent = {s for one in outcome["decisions"]["searches"] if one["intent"] == intent for s in one["scans"]}
        if scans & of_intent:
            assert spiky <= antennas_of(outcome, intent)
        else:
            assert not spiky & antennas_of(outcome, intent)
    assert antennas_of(outcome, "PHASE") <= spiky
    assert antennas_of(outcome, "CHECK") == set()


def test_numbers_and_plots_are_kept(searched_run):
    outcome = searched_run["hifa_bandpassflag"]
    one = outcome["decisions"]["searches"][0]
    assert one["intent"] == "BANDPASS"
    assert {"median", "sigma", "times_limit", "antenna_limit", "relaxed"} <= set(one["iterations"][0][0])
    assert len(outcome["charts"]) == 2 * len(outcome["decisions"]["searches"])
    for path in outcome["charts"]:
        chart = json.loads((outcome["folder"] / path).read_text())
        roles = {s["keys"]["role"] for s in chart["series"]}
        assert {"lowest", "median", "highest"} <= roles or {"before", "after"} <= roles


def test_nothing_but_flags_is_written(searched_run):
    folder = searched_run["hifa_bandpassflag"]["folder"]
    with open_casacore(str(folder / "x.ms"), ack=False) as tab:
        assert "CORRECTED_DATA" not in tab.colnames()


def test_flags_are_counted(searched_run):
    flags = {f["cause"]: f for f in searched_run["hifa_bandpassflag"]["flags"]}
    assert flags["antenna"]["newly"] > 0
    assert all(c.startswith("mode='manual'") for c in flags["antenna"]["commands"])


def test_a_good_block_is_left_alone(tmp_path):
    path = tmp_path / "good.ms"
    simulate(str(path), raw=True, seed=31, faults=False)
    for outcome in stages_on(path, tmp_path / "run").values():
        assert outcome["flags"] == []
        assert outcome["summary"].endswith("nothing")
        assert not outcome["flags_changed"]
        assert outcome["score"] == 1.0

"""The stage wvrgcalflag: a correction that helps is used, one that does not is refused, a bad radiometer is found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from atacal.errors import ArgumentError
from atacal.pipeline.block import Block
from atacal.pipeline.run import Run
from atacal.pipeline.stages.wvrgcalflag import hifa_wvrgcalflag, tied, wvrgcal_arguments
from atacal.pipeline.workplace import at_work
from atacal.simulate import simulate

FIRST = ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal")


@pytest.fixture(scope="session")
def noisy(tmp_path_factory) -> Path:
    """A raw block with one radiometer that drifts."""
    path = tmp_path_factory.mktemp("noisy") / "x.ms"
    simulate(str(path), raw=True, seed=12, faults="noisy_wvr")
    return path


@pytest.fixture(scope="session")
def prepared(noisy: Path, tmp_path_factory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("wvr") / "run"
    with Run(folder) as run:
        for task in FIRST:
            run.call(task, {"vis": [str(noisy)]} if task == "hifa_importdata" else {})
        return folder, dict(run.blocks["x.ms"])


def made(prepared: tuple[Path, dict], number: int, recipe: str = "today", **given) -> Block:
    folder, context = prepared
    block = Block(folder, "x.ms", number, "hifa_wvrgcalflag", recipe, context)
    with at_work(folder):
        hifa_wvrgcalflag(block, **given)
    return block


@pytest.fixture(scope="session")
def done(prepared) -> Block:
    return made(prepared, 40)


def test_the_bad_radiometer_is_found_and_replaced(done, noisy):
    truth = json.loads(Path(f"{noisy}.truth.json").read_text())
    (fault,) = [f for f in truth["faults"] if f["kind"] == "noisy_wvr"]
    assert done.out.decisions["wvrflag"] == fault["antennas"]
    assert {o["antenna"] for o in done.out.decisions["outliers"]} == set(fault["antennas"])
    assert all(o["ratio"] > o["limit"] for o in done.out.decisions["outliers"])
    used = {r["antenna"]: r["flagged"] for r in done.out.decisions["radiometers"]}
    assert [a for a, flagged in used.items() if flagged] == fault["antennas"]


def test_the_correction_is_used(done):
    (entry,) = [e for e in done.library.entries if e.term == "wvr"]
    assert entry.gaintable == done.out.decisions["table"]
    assert entry.interp == "nearest"
    assert done.out.decisions["accepted"]
    assert done.out.decisions["improvement"] > 3
    (score,) = done.out.scores
    assert 0.67 <= score.value <= 0.9  # an antenna is flagged
    assert score.measured == pytest.approx(done.out.decisions["improvement"], abs=1e-4)


def test_the_data_of_plots(done):
    kinds = {Path(c).name.split(".")[0] for c in done.out.charts}
    assert kinds == {"ratio", "phase_time", "phase_distance"}
    ratio = next(c for c in done.out.charts if "ratio.flagged" in c)
    matrix = json.loads((done.folder / ratio).read_text())["matrices"][0]
    names = done.facts.metadata.antenna_names()
    bad = names.index(done.out.decisions["wvrflag"][0])
    assert all(matrix["flagged"][bad])
    assert np.nanmedian(np.array(matrix["z"], float)) < 0.5


def test_without_flagging_one_table_is_made(prepared):
    block = made(prepared, 41, flag_hi=False)
    assert block.out.decisions["wvrflag"] == []
    assert sum("wvrgcal(" in c for c in block.out.calls) == 1


def test_a_correction_that_helps_too_little_is_refused(prepared):
    block = made(prepared, 42, accept_threshold=50.0, flag_hi=False)
    assert [e.term for e in block.library.entries if e.term == "wvr"] == []
    assert block.out.messages[-1].level == "warning"
    assert "not used" in block.out.summary


def test_a_wrong_scale_makes_it_worse(prepared):
    block = made(prepared, 43, scale=3.5, flag_hi=False)
    assert block.out.decisions["improvement"] < 1
    assert not block.out.decisions["accepted"]
    assert block.out.scores[0].value <= 0.9
    assert made(prepared, 44, "cycle4", scale=3.5, flag_hi=False).out.scores[0].value == 0.0


def test_cycle_4_scores_by_the_improvement_alone(prepared):
    assert made(prepared, 45, "cycle4").out.scores[0].value == 1.0


def test_too_few_radiometers(prepared, done):
    bad = done.facts.metadata.antenna_names()[0]
    block = made(prepared, 47, ants_with_wvr_thresh=1.0, wvrflag=bad, flag_hi=False)
    assert block.out.scores[0].value == 0.1
    assert "are needed" in block.out.summary
    assert not [e for e in block.library.entries if e.term == "wvr"]


def test_no_data_of_radiometers(tmp_path):
    path = tmp_path / "dry.ms"
    simulate(str(path), raw=True, seed=3, wvr=False)
    with Run(tmp_path / "run") as run:
        for task in (*FIRST, "hifa_wvrgcalflag"):
            run.call(task, {"vis": [str(path)]} if task == "hifa_importdata" else {})
        outcome = run.done[-1]["blocks"]["dry.ms"]
    assert [s["value"] for s in outcome["scores"]] == [0.0]
    assert "no data" in outcome["summary"]


def test_arguments_as_the_data_have_it(done):
    given = {
        "hm_toffset": "automatic", "toffset": 7.0, "hm_tie": "automatic", "tie": [], "hm_smooth": "automatic",
        "smooth": "", "maxdistm": -1.0, "refant": "", "segsource": True, "sourceflag": [], "nsol": 1, "disperse": False,
        "scale": 1.0, "minnumants": 2, "mingoodfrac": 0.8, "offsetstable": "",
    }  # fmt: skip
    found = wvrgcal_arguments(done, [0], given)
    assert (found["toffset"], found["maxdistm"], found["smooth"]) == (0.0, 500.0, "6.048s")
    assert found["refant"] == done.refants
    (tie,) = tied(done)
    targets, phase = done.facts.field_names("TARGET"), done.facts.field_names("PHASE")
    assert set(tie.split(",")) == {*targets, *phase}
    manual = {
        **given,
        "hm_toffset": "manual",
        "hm_tie": "manual",
        "hm_smooth": "manual",
        "smooth": "3s",
        "refant": "A,B",
    }
    found = wvrgcal_arguments(done, [0], manual)
    assert (found["toffset"], found["tie"], found["smooth"], found["refant"]) == (7.0, [], "3s", ["A", "B"])
    with pytest.raises(ArgumentError, match="hm_tie"):
        wvrgcal_arguments(done, [0], {**given, "hm_tie": "perhaps"})

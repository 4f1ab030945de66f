"""The judge of flagging stages counts what a perfect, a blind and a wild stage do."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.errors import ArgumentError
from atacal.flags.backup import save_version
from atacal.simulate import judge as judging
from atacal.simulate import read_truth, simulate
from atacal.simulate.judge import judge_selections, judge_table, judge_versions, version_path
from atacal.tasks import flagdata, gencal

STAGES = ("flagdata", "rawflagchans", "lowgainflag", "gainflag", "bandpassflag", "gfluxscaleflag", "targetflag")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("judge") / "X.ms"
    simulate(path, raw=True, nant=14, seed=3, faults="all")
    return path


@pytest.fixture(scope="module")
def truth(made):
    return read_truth(made)


def perfect(truth, stage):
    return [s for f in truth.faults if f.stage == stage and f.table == "ms" for s in f.selections]


def by(tallies, name):
    (one,) = [t for t in tallies if name in (getattr(t, "kind", ""), t.stage)]
    return one


def test_perfect_stages_find_all_and_nothing_else(truth):
    result = judge_selections(truth, {s: perfect(truth, s) for s in STAGES})
    for f in result.faults:
        if f.stage in STAGES:
            assert f.found == f.injected, f
            assert f.injected + f.already > 0 or f.kind == "shadowing"  # that may be outside the science scans
    assert sum(f.injected > 0 for f in result.faults) > 15
    for s in result.stages:
        assert s.found == s.injected == s.flagged - s.others > 0, s
        assert s.false == 0
        assert s.good > 0


def test_stages_that_do_nothing_find_nothing(truth):
    result = judge_selections(truth, {s: [] for s in STAGES})
    assert not any(f.found or f.elsewhere for f in result.faults)
    assert not any(s.flagged for s in result.stages)


def test_false_flags_are_a_fraction_of_the_good(truth):
    faulty = {n for f in truth.faults for n in f.antennas if f.kind not in ("late", "flagged")}
    assert {*truth.antennas} - faulty == {truth.refant}  # every antenna but the reference has some fault
    wild = [{"antenna": truth.refant, "spw": "19", "scan": "4"}]
    result = judge_selections(truth, {"rawflagchans": wild})
    tally = by(result.stages, "rawflagchans")
    assert tally.flagged == tally.false + tally.others
    assert 0 < tally.false < tally.good
    nant, nint = 14, 10
    # the baselines of one antenna in one scan and window; those of dead or faulty antennas are not false
    assert tally.false <= (nant - 1) * nint * 128 * 2
    assert tally.false > 0.3 * (nant - 1) * nint * 128 * 2
    assert not by(result.faults, "bad_quadrant").found


def test_what_a_later_stage_finds_is_told_apart(truth):
    late = perfect(truth, "lowgainflag")
    result = judge_selections(truth, {"lowgainflag": [], "targetflag": late})
    tally = by(result.faults, "low_scan")
    assert tally.found == 0
    assert tally.elsewhere == tally.injected > 0
    assert by(result.stages, "targetflag").false == 0


def test_half_a_fault(truth):
    (fault,) = [f for f in truth.faults if f.kind == "bad_quadrant"]
    spw, ((first, last),) = fault.spws[0], fault.channels
    half = {**fault.selections[0], "spw": f"{spw}:{first}~{first + (last - first) // 2}"}
    tally = by(judge_selections(truth, {"rawflagchans": [half]}).faults, "bad_quadrant")
    assert tally.found_fraction == pytest.approx(0.5, abs=0.02)


def test_flag_versions_are_judged_like_the_selections_that_made_them(made, truth, tmp_path, monkeypatch):
    copy = tmp_path / "X.ms"
    shutil.copytree(made, copy)
    save_version(copy, "before")
    versions = {}
    for number, stage in enumerate(STAGES):
        for selection in perfect(truth, stage):
            flagdata(vis=str(copy), mode="manual", flagbackup=False, **selection)
        save_version(copy, f"after_{number}")
        versions[stage] = version_path(copy, f"after_{number}")
    expected = judge_selections(truth, {s: perfect(truth, s) for s in STAGES})
    truth = read_truth(made)
    truth.ms = str(copy)
    monkeypatch.setattr(judging, "_CELLS_AT_ONCE", 200_000)  # many pieces
    result = judge_versions(truth, version_path(copy, "before"), versions)
    assert result.as_dict() == expected.as_dict()
    assert judge_versions(truth, version_path(copy, "before"), {"targetflag": copy}).stages[0].flagged == sum(
        s.flagged for s in expected.stages
    )


@pytest.fixture(scope="module")
def tsys_table(made, truth, tmp_path_factory):
    """A table of Tsys whose wrong values are flagged, and its columns."""
    path = tmp_path_factory.mktemp("tables") / "tsys"
    gencal(vis=str(made), caltable=str(path), caltype="tsys")
    wrong = [s for f in truth.faults if f.stage == "tsysflag" for s in f.selections]
    commands = [" ".join(["mode='manual'", *(f"{k}='{v}'" for k, v in s.items())]) for s in wrong]
    flagdata(vis=str(path), mode="list", inpfile=commands, flagbackup=False)
    with table(str(path), ack=False) as tab:
        columns = {"antenna": tab.getcol("ANTENNA1"), "spw": tab.getcol("SPECTRAL_WINDOW_ID"),
                   "time_mjd_s": tab.getcol("TIME")}  # fmt: skip
        return columns, tab.getcol("FLAG")


def test_tables_of_corrections_are_judged(truth, tsys_table):
    columns, after = tsys_table
    before = np.zeros_like(after)
    result = judge_table(truth, "tsys", columns, before, {"tsysflag": after, "tsysflagcontamination": after})
    first, second = result.stages
    assert first.found == first.injected == first.flagged > 0
    assert first.false == 0
    assert second.injected > 0
    assert second.found == 0
    assert {f.kind for f in result.faults} == {
        "tsys_high", "tsys_ripple", "tsys_shape", "tsys_birdie", "tsys_edges", "tsys_scan", "tsys_line",
    }  # fmt: skip
    both = after | after[:, :, ::-1]  # one polarisation flags both: tolerated
    assert judge_table(truth, "tsys", columns, before, {"tsysflag": both}).stages[0].false == 0
    everything = judge_table(truth, "tsys", columns, before, {"tsysflag": ~before}).stages[0]
    assert everything.false == everything.good > 0


def test_the_tally_is_told_in_text(truth):
    text = str(judge_selections(truth, {"lowgainflag": perfect(truth, "lowgainflag")}))
    assert "low_scan" in text
    assert "100.0%" in text


@pytest.mark.parametrize(
    ("selection", "words"),
    [({"uvrange": "<10"}, "uvrange"), ({"antenna": "XX99"}, "XX99"), ({"scan": "first"}, "first"),
     ({"timerange": "noon~dusk"}, "noon")],
)  # fmt: skip
def test_selections_that_cannot_be_judged_are_refused(truth, selection, words):
    with pytest.raises(ArgumentError, match=words):
        judge_selections(truth, {"lowgainflag": [selection]})


def test_other_bad_arguments(truth, tmp_path):
    plain = simulate(tmp_path / "P.ms", noise=False)
    with pytest.raises(ArgumentError, match="no raw block"):
        judge_selections(plain, {"lowgainflag": []})
    with pytest.raises(ArgumentError, match="tsys, wvr"):
        judge_table(truth, "bandpass", {}, np.zeros((0, 1, 2), bool), {})


def test_the_tool_judges_versions_and_runs(made, truth, tmp_path):
    tool = Path(__file__).parents[2] / "tools" / "judge_pipeline.py"
    copy = tmp_path / "X.ms"
    shutil.copytree(made, copy)
    save_version(copy, "after_stage_01")
    for selection in perfect(truth, "lowgainflag"):
        flagdata(vis=str(copy), mode="manual", flagbackup=False, **selection)
    save_version(copy, "after_stage_03")
    for folder in ("01-hifa_importdata", "02-h_silent", "03-hif_lowgainflag"):
        (tmp_path / "stages" / folder).mkdir(parents=True)
    told = []
    for words in (["after_stage_01", "lowgainflag=now"], ["--run", str(tmp_path)]):
        numbers = tmp_path / "numbers.json"
        command = [sys.executable, str(tool), str(copy), *words, "--truth", str(made), "--json", str(numbers)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        assert "low_scan" in done.stdout
        told.append(json.loads(numbers.read_text()))
    assert told[0] == told[1]
    (stage,) = told[0]["stages"]
    assert stage["stage"] == "lowgainflag"
    assert stage["found"] == stage["injected"] > 0
    wrong = subprocess.run([sys.executable, str(tool), str(made)], check=False, capture_output=True, text=True)
    assert wrong.returncode != 0
    assert "STAGE=VERSION" in wrong.stderr

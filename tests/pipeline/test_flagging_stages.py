"""The stages that flag by views, on blocks with chosen faults: what is put in is found, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table

from atacal.caltables.disk import read_caltable
from atacal.errors import ArgumentError
from atacal.ms.metadata import read_metadata
from atacal.pipeline.block import Block
from atacal.pipeline.run import Run
from atacal.pipeline.tsys_table import copy_tsys, flag_copy
from atacal.simulate import simulate
from atacal.tasks import flagdata

STAGES = (
    "hifa_importdata", "hifa_flagdata", "hifa_fluxcalflag", "hif_rawflagchans", "hif_refant", "h_tsyscal",
    "hifa_tsysflag", "hifa_tsysflagcontamination", "hif_lowgainflag",
)  # fmt: skip
FAULTS = "hot_channel,hot_baseline,bad_quadrant,tsys_high,tsys_shape,tsys_birdie,tsys_line,low_scan"


def done(folder: Path, vis: Path, stages=STAGES, recipe="today", **parameters) -> dict[str, dict]:
    """Do stages; their outcomes on the one block."""
    with Run(folder, recipe=recipe, workers=1) as run:
        return {
            task: next(iter(run.call(task, {**({"vis": [str(vis)]} if task == "hifa_importdata" else {}),
                                            **parameters.get(task, {})})["blocks"].values()))
            for task in stages
        }  # fmt: skip


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    path = tmp_path_factory.mktemp("faulty") / "uid___A002_X2_X1.ms"
    simulate(str(path), raw=True, seed=14, nant=14, faults=FAULTS)
    truth = json.loads(Path(f"{path}.truth.json").read_text())
    return path, {f["kind"]: f for f in truth["faults"]}


@pytest.fixture(scope="module")
def today(faulty, tmp_path_factory):
    folder = tmp_path_factory.mktemp("today") / "run"
    return folder, done(folder, faulty[0])


def share(path, selection, more="") -> float:
    """The share of what a selection of the truth picks that is flagged."""
    given = {k: v for k, v in selection.items() if k != "correlation"}
    if more and "antenna" not in given:
        given["antenna"] = more
    words = " ".join(f"{k}='{v}'" for k, v in given.items())
    # two, as a command that stands alone looks at pairs of antennas in a table
    report = flagdata(vis=os.fspath(path), mode="list", inpfile=[f"mode='summary' name='{n}' {words}" for n in "ab"])
    found = next(r for r in report.values() if r["name"] == "a")
    return found["flagged"] / found["total"]


def new_flags(outcome) -> dict[str, int]:
    return {f["cause"]: f["newly"] for f in outcome["flags"]}


def test_raw_channels(faulty, today):
    (_, faults), (folder, outcomes) = faulty, today
    outcome, vis = outcomes["hif_rawflagchans"], folder / "uid___A002_X2_X1.ms"
    quadrant, channel, baseline = (faults[k] for k in ("bad_quadrant", "hot_channel", "hot_baseline"))
    for fault in (quadrant, channel, baseline):
        assert share(vis, fault["selections"][0], "*&*") == 1.0
    commands = {f["cause"]: f["commands"] for f in outcome["flags"]}
    assert commands["bad quadrant"] == [
        f"mode='manual' spw='{quadrant['selections'][0]['spw']}' antenna='{quadrant['antennas'][0]}' "
        "reason='rawflagchans:bad_quadrant'"
    ]
    assert len(commands["outlier"]) == 13 + 1  # baselines of the antenna with a hot channel, and the hot baseline
    assert all(channel["antennas"][0] in c or "&".join(baseline["antennas"]) in c for c in commands["outlier"])
    assert 0 < new_flags(outcome)["outlier"] < new_flags(outcome)["bad quadrant"]
    why = [r for f in outcome["flags"] for r in f["reasons"]]
    assert all(r["value"] > r["limit"] for r in why)
    assert {r["rule"] for r in why} == {"bad quadrant", "outlier"}
    assert outcome["scores"][0]["value"] == pytest.approx(1 - outcome["decisions"]["newly_flagged"])


def test_tsys(faulty, today):
    (_, faults), (folder, outcomes) = faulty, today
    outcome = outcomes["hifa_tsysflag"]
    (name,) = outcome["tables"]
    for kind in ("tsys_high", "tsys_shape", "tsys_birdie"):
        for selection in faults[kind]["selections"]:
            assert share(folder / name, selection) == 1.0, kind
    found = {m: {r.get("antenna") for r in v["findings"]} for m, v in outcome["decisions"]["metrics"].items()}
    assert found["nmedian"] == set(faults["tsys_high"]["antennas"])
    assert found["fieldshape"] == set(faults["tsys_shape"]["antennas"])
    assert found["birdies"] == set(faults["tsys_birdie"]["antennas"])
    assert found["derivative"] == found["toomany"] == set()
    before, after = (read_caltable(folder / t) for t in (outcomes["h_tsyscal"]["tables"][0], name))
    newly = sum(int((a.flag & ~before.solutions[s].flag).sum()) for s, a in after.solutions.items())
    assert newly == sum(m["newly"] for m in outcome["decisions"]["metrics"].values())
    assert not any(s.flag.all() for s in after.solutions.values())
    (high,) = faults["tsys_high"]["antennas"]
    assert high not in outcome["sets"]["refants"]
    assert {e["gaintable"] for e in outcome["sets"]["applied"]} == {name}
    assert [s["value"] for s in outcome["scores"] if s["metric"] == "antennas_without_tsys"] == [0.8]


def test_tsys_lines(faulty, today):
    (_, faults), (folder, outcomes) = faulty, today
    outcome = outcomes["hifa_tsysflagcontamination"]
    (feature,) = [f for f in outcome["decisions"]["features"] if f["kind"] == "line"]
    ((first, last),) = faults["tsys_line"]["channels"]
    assert feature["spw"] == faults["tsys_line"]["spws"][0]
    a, b = map(int, feature["channels"].split("~"))
    assert first - 2 <= a <= first
    assert last <= b <= last + 2
    assert feature["peak_k"] == pytest.approx(40, rel=0.1)
    (name,) = outcome["tables"]
    for selection in faults["tsys_line"]["selections"]:
        assert share(folder / name, selection) == 1.0
    assert len(outcome["decisions"]["commands"]) <= 2  # all but the antennas without any Tsys together
    assert outcome["scores"][0]["value"] == 0.9
    assert {e["gaintable"] for e in outcome["sets"]["applied"]} == {name}
    assert outcome["sets"]["tsys"]["table"] == name


def test_low_gains(faulty, today):
    (_, faults), (folder, outcomes) = faulty, today
    outcome = outcomes["hif_lowgainflag"]
    (low,) = faults["low_scan"]["antennas"]
    assert share(folder / "uid___A002_X2_X1.ms", faults["low_scan"]["selections"][0], "*&*") == 1.0
    assert {r["antenna"] for r in outcome["decisions"]["findings"]} == {low}
    assert all(r["value"] < 0.5 for r in outcome["decisions"]["findings"])
    assert low not in outcome["sets"]["refants"]
    assert outcome["decisions"]["rounds"][-1] == 0
    newly = new_flags(outcome)
    assert newly["nmedian"] > 0
    assert newly["too many entirely flagged"] == 0
    assert outcome["scores"][0]["metric"] == "newly_flagged"


def test_charts_are_there_and_hold_what_was_flagged(today):
    folder, outcomes = today
    for task in ("hif_rawflagchans", "hifa_tsysflag", "hifa_tsysflagcontamination", "hif_lowgainflag"):
        assert outcomes[task]["charts"]
        for name in outcomes[task]["charts"]:
            json.loads((folder / name).read_text())
    shown = [json.loads((folder / n).read_text()) for n in outcomes["hif_rawflagchans"]["charts"]]
    assert any(np.any(m["flagged"]) for c in shown for m in c["matrices"] if m["keys"]["role"] == "before")
    assert {m["keys"]["role"] for c in shown for m in c["matrices"]} == {"before", "after"}


def test_a_healthy_block_is_left_alone_by_both_recipes(tmp_path):
    vis = tmp_path / "uid___A002_X2_X2.ms"
    simulate(str(vis), raw=True, seed=9, faults="none")
    for recipe, stages in (("today", STAGES), ("cycle4", (*STAGES[:7], "hif_lowgainflag", "hif_gainflag"))):
        outcomes = done(tmp_path / recipe, vis, stages, recipe)
        for task in ("hifa_fluxcalflag", "hif_rawflagchans", "hif_lowgainflag", "hif_gainflag"):
            if task in outcomes:
                assert sum(new_flags(outcomes[task]).values()) == 0, task
                assert all(s["value"] == 1.0 for s in outcomes[task]["scores"]), task
        metrics = outcomes["hifa_tsysflag"]["decisions"]["metrics"]
        assert {m for m, v in metrics.items() if v["newly"]} <= {"edgechans"}
        assert outcomes["hifa_tsysflag"]["decisions"]["newly_flagged"] < 0.02
        if "hifa_tsysflagcontamination" in outcomes:
            assert outcomes["hifa_tsysflagcontamination"]["decisions"]["commands"] == []


def test_unsteady_gains_of_cycle_4(tmp_path):
    vis = tmp_path / "uid___A002_X2_X3.ms"
    simulate(str(vis), raw=True, seed=10, nant=12, faults="unstable_gain")
    (who,) = [f["antenna"] for f in json.loads(Path(f"{vis}.truth.json").read_text())["faults"]]
    stages = (*STAGES[:2], "hif_refant", "h_tsyscal", "hif_gainflag")
    outcome = done(tmp_path / "run", vis, stages, "cycle4")["hif_gainflag"]
    assert {r["antenna"] for r in outcome["decisions"]["findings"]} == {who}
    assert list(new_flags(outcome)) == ["nrmsdeviant"]
    assert outcome["scores"][0]["value"] == pytest.approx(1 - outcome["decisions"]["newly_flagged"])
    assert set(outcome["decisions"]["values"]) == {"nrmsdeviant"}


def test_gains_of_a_faint_calibrator_are_not_judged_today(tmp_path):
    vis = tmp_path / "uid___A002_X2_X4.ms"
    simulate(str(vis), raw=True, seed=3, nant=10, faults="none", calibrator_flux=0.02)
    stages = (*STAGES[:2], "hif_refant", "h_tsyscal", "hif_lowgainflag")
    outcome = done(tmp_path / "run", vis, stages, hif_lowgainflag={"intent": "PHASE"})["hif_lowgainflag"]
    assert sum(new_flags(outcome).values()) == 0
    assert all(snr < 10 for snr in outcome["decisions"]["too_weak"].values())
    assert any("too little signal" in m["text"] for m in outcome["messages"])
    assert outcome["decisions"]["phases"][0]["solint"] != "int"  # intervals were made longer first


def renamed(raw_block: Path, folder: Path, name: str) -> Path:
    """Return a copy of a block whose flux calibrator has another name."""
    vis = Path(shutil.copytree(raw_block, folder / raw_block.name))
    with table(f"{vis}/FIELD", readonly=False, ack=False) as fields:
        fields.putcol("NAME", [name if n == "Callisto" else n for n in fields.getcol("NAME")])
    return vis


def test_lines_of_a_flux_calibrator(raw_block, tmp_path):
    vis = renamed(raw_block, tmp_path, "Titan")
    outcomes = done(tmp_path / "run", vis, STAGES[:3])
    outcome = outcomes["hifa_fluxcalflag"]
    lines = outcome["decisions"]["lines"]
    assert {(r["line"], r["spw"]) for r in lines} >= {("CO", 15)} or lines
    spws = read_metadata(vis).spws
    for r in lines:
        low, high = r["freq_ghz"]
        freq = spws[r["spw"]].chan_freq_hz / 1e9
        inside = np.flatnonzero((freq > low) & (freq < high))
        for part in r["channels"].split(";"):
            a, b = map(int, part.split("~"))
            assert set(inside) <= set(range(a, b + 1))
    assert outcome["sets"]["refspwmap"] == [-1]
    assert new_flags(outcome)["lines"] > 0
    assert all("field='Titan'" in c for f in outcome["flags"] for c in f["commands"])


def test_an_spw_that_is_mostly_lines_is_mapped_and_not_flagged(raw_block, tmp_path):
    vis = renamed(raw_block, tmp_path, "Titan")
    given = {"hifa_fluxcalflag": {"threshold": 0.01}}
    outcome = done(tmp_path / "run", vis, STAGES[:3], **given)["hifa_fluxcalflag"]
    mapped = {s: t for s, t in enumerate(outcome["sets"]["refspwmap"]) if s != t}
    shares = outcome["decisions"]["share_in_lines"]
    if len(shares) == 4:  # every spw has lines: there is none to map to
        assert outcome["sets"]["refspwmap"] == [-1]
    else:
        assert {str(s) for s in mapped} == set(shares)
        assert not set(map(str, mapped.values())) & set(shares)
        assert new_flags(outcome)["lines"] == 0
        assert min(s["value"] for s in outcome["scores"]) == 0.66


def test_lines_from_a_file(raw_block, tmp_path):
    spw = read_metadata(raw_block).spws[15]
    freq = spw.chan_freq_hz[40] / 1e9
    run = tmp_path / "run"
    run.mkdir()
    (run / "more.txt").write_text(f"# body species low high\nCallisto  X  {freq - 1e-4}  {freq + 1e-4}\n")
    given = {"hifa_fluxcalflag": {"appendlines": True, "linesfile": "more.txt"}}
    outcome = done(run, raw_block, STAGES[:3], **given)["hifa_fluxcalflag"]
    assert {(r["line"], r["channels"]) for r in outcome["decisions"]["lines"] if r["spw"] == 15} == {("X", "40~40")}
    (run / "more.txt").write_text("Callisto X 230\n")
    with pytest.raises(ArgumentError, match="line 1"):
        done(run, raw_block, STAGES[:3], **given)
    (run / "more.txt").unlink()
    with pytest.raises(ArgumentError, match=r"no file more\.txt"):
        done(run, raw_block, STAGES[:3], **given)


def test_the_tsys_template_comes_first(raw_block, tmp_path):
    run = tmp_path / "run"
    done(run, raw_block, STAGES[:2])
    template = run / "uid___A002_X1_X1.flagtsystemplate.txt"
    who = read_metadata(raw_block).antenna_names()[3]
    template.write_text(f"mode='manual' antenna='{who}' spw='17'\nmode='manual' spw='19:10~12'\n")
    stages = (*STAGES[:2], "hif_refant", "h_tsyscal", "hifa_tsysflag")
    outcome = done(run, raw_block, stages)["hifa_tsysflag"]
    made = read_caltable(run / outcome["tables"][0])
    assert made.solutions[17].flag[:, 3].all()
    assert not made.solutions[17].flag[:, 2].all()
    assert made.solutions[19].flag[:, :, 10:13].all()
    assert len(outcome["decisions"]["template"]) == 2
    assert outcome["decisions"]["without_tsys"] == {"17": [who]}


def test_without_system_temperatures(raw_block, tmp_path):
    vis = Path(shutil.copytree(raw_block, tmp_path / raw_block.name))
    shutil.rmtree(vis / "SYSCAL")
    with table(str(vis), readonly=False, ack=False) as main:
        main.removekeyword("SYSCAL")
    outcomes = done(tmp_path / "run", vis, (*STAGES[:2], "hif_refant", *STAGES[5:8]))
    for task in ("hifa_tsysflag", "hifa_tsysflagcontamination"):
        assert outcomes[task]["scores"][0]["value"] == 0.0
        assert outcomes[task]["failed"] == ""


def test_impossible_parameters(begun_copy, raw_block):
    with Run(begun_copy) as run:
        for task in ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hif_setmodels"):
            run.call(task, {"vis": [str(raw_block)]} if task == "hifa_importdata" else {})
        with pytest.raises(ArgumentError, match="normalize_tsys"):
            run.call("hifa_tsysflag", {"normalize_tsys": True})
        with pytest.raises(ArgumentError, match="continue_on_failure"):
            run.call("hifa_tsysflagcontamination", {"continue_on_failure": False})
        with pytest.raises(ArgumentError, match="no such metric"):
            run.call("hifa_tsysflag", {"metric_order": "nmedian, spikes"})


def test_a_single_command_flags_what_it_says(begun_copy, raw_block, monkeypatch):
    """Tables take a command that stands alone for one on pairs of antennas."""
    with Run(begun_copy) as run:
        for task in ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hif_setmodels"):
            run.call(task, {"vis": [str(raw_block)]} if task == "hifa_importdata" else {})
    block = Block(begun_copy, "uid___A002_X1_X1.ms", 6, "hifa_tsysflag", "today", run.blocks["uid___A002_X1_X1.ms"])
    rng = np.random.default_rng(4)
    monkeypatch.chdir(begun_copy)  # where stages are done
    for trial in range(6):
        copy = copy_tsys(block, "")
        flags, expected = {}, {}
        for spw in sorted(copy.table.solutions)[: 1 + trial % 3]:
            spectra = copy.spectra(spw)
            flag = np.zeros_like(spectra.flag)
            for _ in range(1 + trial):
                t, a, c = (int(rng.integers(n)) for n in flag.shape[:3])
                where = [np.s_[t, a], np.s_[:, a, c], np.s_[:, :, c : c + 3], np.s_[t]][int(rng.integers(4))]
                flag[where] = True
            flags[spw], expected[spw] = flag, spectra.flag | (flag & spectra.present[:, :, None, None])
        flag_copy(block, copy, flags, "test")
        for spw, flag in expected.items():
            assert (copy.spectra(spw).flag == flag).all()

"""Runs in their directories: done once, taken up again, done again when something changes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from atacal.errors import ArgumentError, PipelineError
from atacal.ms.measurement_set import MeasurementSet
from atacal.pipeline.files import fingerprint
from atacal.pipeline.run import Run

CHANGING = ("timings.json", "table.lock", ".lock")


def content(folder: Path) -> dict[str, str]:
    """Digests of all files that must be the same when a run is repeated: all but times, logs and locks."""
    out = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in CHANGING and path.suffix != ".log":
            out[path.relative_to(folder).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    return out


def test_a_run_that_is_done_is_taken_as_it_is(first_stages, begun_copy, told):
    before = content(begun_copy)
    first_stages(begun_copy, told)
    assert told.events == [("kept", n, "") for n in range(1, 6)]
    assert content(begun_copy) == before


def test_runs_of_the_same_data_are_the_same_bytes_wherever_they_are(first_stages, begun, tmp_path, raw_block):
    moved = Path(shutil.copytree(raw_block, tmp_path / "elsewhere" / raw_block.name))
    first_stages(tmp_path / "other", vis=[moved])
    assert content(tmp_path / "other") == content(begun)


def test_the_original_is_never_written_to(first_stages, tmp_path, raw_block):
    own = Path(shutil.copytree(raw_block, tmp_path / raw_block.name))
    before = content(own)
    first_stages(tmp_path / "run", vis=[own])
    with MeasurementSet(tmp_path / "run" / own.name) as ms, MeasurementSet(own) as original:
        rows = [(0, ms.metadata.nrow)]
        assert np.count_nonzero(ms.read_scalar("FLAG_ROW", rows)) >= np.count_nonzero(
            original.read_scalar("FLAG_ROW", rows)
        )
    assert content(own) == before


@pytest.mark.parametrize(
    ("change", "first", "why"),
    [
        (lambda run: (run / "uid___A002_X1_X1.flagtemplate.txt").write_text("antenna='0'\n"), 2, "flag template"),
        (lambda run: (run / "flux.csv").write_text("# nothing\n"), 5, "flux.csv"),
        (lambda run: shutil.rmtree(run / "stages" / "04-h_tsyscal"), 4, ""),
    ],
)
def test_a_change_is_noticed_where_it_counts(change, first, why, first_stages, begun_copy, told):
    change(begun_copy)
    first_stages(begun_copy, told)
    assert [e[:2] for e in told.events] == [("kept" if n < first else "done", n) for n in range(1, 6)]
    reasons = [e[2] for e in told.events if e[0] == "done"]
    assert why in reasons[0]
    assert all(r == "a stage before it was done again" for r in reasons[1:])


def test_a_changed_parameter_is_named(first_stages, begun_copy, told):
    first_stages(begun_copy, told, hif_refant={"refantignore": "DA45"})
    assert told.events[2] == ("done", 3, "refantignore is 'DA45', was ''")


def test_a_template_that_is_emptied_again_gives_the_first_flags(first_stages, begun, begun_copy):
    template = begun_copy / "uid___A002_X1_X1.flagtemplate.txt"
    text = template.read_text()
    template.write_text("antenna='0'\n")
    first_stages(begun_copy)
    assert content(begun_copy) != content(begun)
    template.write_text(text)
    first_stages(begun_copy)
    assert content(begun_copy) == content(begun)


_RUN = """
import sys
from atacal.pipeline.run import Run
with Run(sys.argv[2]) as run:
    for task in sys.argv[3].split(","):
        run.call(task, {"vis": [sys.argv[1]]} if task == "hifa_importdata" else {})
"""


FIRST = ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hif_setmodels")


def test_killed_at_any_moment_it_ends_the_same(first_stages, begun, tmp_path, raw_block):
    command = [sys.executable, "-c", _RUN, str(raw_block), str(tmp_path / "run"), ",".join(FIRST)]
    rng = np.random.default_rng(1)
    killed = 0
    for _ in range(6):
        child = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(float(rng.uniform(0.6, 2.6)))
        child.kill()
        killed += child.wait() == -9
    assert killed
    first_stages(tmp_path / "run")
    assert content(tmp_path / "run") == content(begun)


def test_one_run_at_a_time(begun_copy):
    with Run(begun_copy), pytest.raises(PipelineError, match="another run is at work"):
        Run(begun_copy)


@pytest.mark.parametrize(
    ("vis", "message"),
    [([], "vis is empty"), (["nowhere"], "no such ASDM"), ([os.curdir], "neither an ASDM"),
     (["x/A.ms", "y/A.ms"], "several inputs would become")],
)  # fmt: skip
def test_bad_input_is_named(vis, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("x/A.ms/ANTENNA", "y/A.ms/ANTENNA"):
        Path(path).mkdir(parents=True)
    with Run(tmp_path / "run") as run, pytest.raises((ArgumentError, PipelineError), match=message):
        run.call("hifa_importdata", {"vis": vis})


def test_unknown_stages_and_parameters_are_named(begun_copy):
    with Run(begun_copy) as run:
        with pytest.raises(ArgumentError, match="no stage hifa_nothing; there are"):
            run.call("hifa_nothing", {})
        with pytest.raises(ArgumentError, match="no parameter nothing; it has"):
            run.call("hifa_importdata", {"nothing": 1})


def test_results_are_plain_and_tell_all(begun):
    for path in sorted((begun / "stages").glob("*/result.json")):
        text = path.read_text()
        result = json.loads(text)
        assert str(begun) not in text
        assert {"asked", "blocks", "key", "number", "score", "task", "title"} <= set(result)
        for outcome in result["blocks"].values():
            assert outcome["summary"] or result["number"] == 1
            assert outcome["scores"]


def test_the_fingerprint_of_a_copy_is_the_same(raw_block, tmp_path):
    copy = Path(shutil.copytree(raw_block, tmp_path / "copy.ms"))
    assert fingerprint(copy) == fingerprint(raw_block)
    with open(copy / "table.dat", "ab") as file:
        file.write(b"x")
    assert fingerprint(copy) != fingerprint(raw_block)

"""``atacal pipeline`` on the command line: several inputs, events and the report for programs, silence."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from atacal import cli


@pytest.fixture
def inputs(raw_block, tmp_path) -> list[str]:
    return [str(raw_block), str(shutil.copytree(raw_block, tmp_path / "uid___A002_X1_X2.ms"))]


def test_several_inputs_go_without_names(inputs, tmp_path, capsys):
    words = ["pipeline", *inputs, "--outdir", str(tmp_path / "run"), "--stages", "1"]
    assert cli.run([*words, "--json", "--no-weblog"]) == 0
    out, err = capsys.readouterr()
    report = json.loads(out)
    assert [s["task"] for s in report["stages"]] == ["hifa_importdata"]
    events = [json.loads(line) for line in err.splitlines()]
    assert [(e["event"], e["stage"]) for e in events] == [("begins", 1), ("ends", 1)]
    result = json.loads((tmp_path / "run" / "stages" / "01-hifa_importdata" / "result.json").read_text())
    assert sorted(result["blocks"]) == sorted(Path(i).name for i in inputs)
    assert cli.run([*words, "--quiet", "--no-weblog"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{tmp_path / 'run'}: 1 stages, lowest score ")
    assert err == ""

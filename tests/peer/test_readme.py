"""The README's commands, run as they stand there on NGC 5921, end at the flux density that CASA's tutorial ends at."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.peer

README = Path(__file__).parents[2] / "README.md"
FLUX_JY = 2.484
"""Of 1445+099 when 1331+305 has 14.76 Jy (CASA 6.7: 2.4843 +- 0.0022)."""


def commands() -> list[list[str]]:
    """Every line of the README that runs atacal on ngc5921.ms, as words."""
    lines = re.findall(r"^ +atacal (\w+ ngc5921\.ms .*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    return [line.split() for line in lines]


def run(words: list[str], directory: Path) -> str:
    """Run a command and give back what it printed as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "atacal", *words, "--json"], cwd=directory, capture_output=True, text=True
    )
    assert done.returncode == 0, f"atacal {' '.join(words)}\n{done.stderr}"
    return done.stdout


def test_by_hand(ngc5921, casa):
    steps = [words for words in commands() if words[0] != "calibrate"]
    assert [words[0] for words in steps] == [
        "flagdata", "setjy", "gaincal", "bandpass", "gaincal", "fluxscale", "applycal", "split",
    ]  # fmt: skip
    fluxes = {}
    for words in steps:
        printed = run(words, ngc5921.parent)
        if words[0] == "fluxscale":
            fluxes = json.loads(printed)
    assert fluxes["1"]["0"]["fluxd"][0] == pytest.approx(FLUX_JY, rel=0.002)
    # CASA reads what came out
    answer = casa(
        "result = {'names': vishead(vis=vis, mode='get', hdkey='field')[0]}", vis=ngc5921.with_name("target.ms")
    )
    assert answer["names"] == ["N5921_2"]


def test_in_one_command(ngc5921):
    (words,) = [words for words in commands() if words[0] == "calibrate"]
    summary = json.loads(run(words, ngc5921.parent))
    (flux,) = [f for f in summary["fluxes"] if f["field"].startswith("1445")]
    assert flux["flux_jy"] == pytest.approx(FLUX_JY, rel=0.002)
    assert Path(ngc5921.parent, summary["calibrated"]).is_dir()

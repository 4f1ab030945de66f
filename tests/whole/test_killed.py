"""A whole run of the pipeline that is killed again and again ends in the same bytes as one that is left alone."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from atacal.simulate import simulate

KILLS = 10
OTHERWISE = ("timings.json", "table.lock", ".lock")
"""What is not the same when a run is repeated: wall-clock times, locks, the logs, and the pages that show them."""


def content(folder: Path) -> dict[str, str]:
    out = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.name not in OTHERWISE and path.suffix != ".log" and not name.startswith("weblog/"):
            out[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return out


@pytest.fixture(scope="module")
def block(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("block") / "uid___A002_X1_X1.ms"
    simulate(str(path), raw=True, fluxcal="sso", seed=5)
    return path


def start(block: Path, folder: Path) -> subprocess.Popen:
    folder.mkdir(exist_ok=True)
    shutil.copy(f"{block}.antennapos.csv", folder / "antennapos.csv")
    command = [sys.executable, "-m", "atacal", "pipeline", str(block), "--outdir", str(folder), "--workers", "1", "-q"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def test_killed_at_random_moments_it_ends_in_the_same_bytes(block, tmp_path):
    began = time.monotonic()
    assert start(block, tmp_path / "whole").wait() == 0
    taken_s = time.monotonic() - began
    rng = np.random.default_rng(3)
    killed = 0
    for _ in range(KILLS):
        run = start(block, tmp_path / "killed")
        time.sleep(float(rng.uniform(0.05, 0.3)) * taken_s)
        run.kill()
        killed += run.wait() == -9
    assert killed >= KILLS // 2, "the run ended before it could be killed"
    assert start(block, tmp_path / "killed").wait() == 0
    whole, resumed = content(tmp_path / "whole"), content(tmp_path / "killed")
    assert sorted(resumed) == sorted(whole)
    assert [name for name in whole if resumed[name] != whole[name]] == []

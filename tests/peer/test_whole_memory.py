"""A whole calibration of a raw block, pictures and all, takes no more memory when the block is longer.

CASA has no part in it: it is here because it takes a minute.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from atacal.simulate import raw_layout, simulate
from atacal.simulate.truth import positions_path

BOUND_MB = 400
SHORT = replace(raw_layout.RAW_PRESETS["small"], target=(2, 8), loops=3)
LONG = replace(SHORT, bandpass=(4, 30), flux=(2, 30), phase=(1, 12), target=(4, 16))


def measure(folder: Path, size: raw_layout.RawSize, monkeypatch: pytest.MonkeyPatch) -> tuple[int, float, float]:
    """Simulate and calibrate: rows, and peak resident set by the kernel [MB], without and with a bound."""
    monkeypatch.setitem(raw_layout.RAW_PRESETS, "memory", size)
    truth = simulate(folder / "X.ms", preset="memory", raw=True, seed=3)
    line = f"calibrate {folder / 'X.ms'} --flux-density 1.15 --antpos {positions_path(folder / 'X.ms')} --quiet"
    return truth.nrow, peak_mb(line), peak_mb(f"{line} --memory {BOUND_MB}MB")


def peak_mb(line: str) -> float:
    """Largest resident set of a command in a process of its own [MB]."""
    code = (
        "import sys; from atacal.cli import run; assert run() == 0\n"
        "print('peak', next(int(x.split()[1]) / 1024 for x in open('/proc/self/status') if x.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", code, *line.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return float(done.stdout.rpartition("peak")[2])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel's high-water mark is Linux's")
def test_memory_of_a_whole_run_does_not_grow(tmp_path, monkeypatch):
    (tmp_path / "short").mkdir()
    (tmp_path / "long").mkdir()
    few, small, small_bound = measure(tmp_path / "short", SHORT, monkeypatch)
    many, large, large_bound = measure(tmp_path / "long", LONG, monkeypatch)
    print(f"{few} rows: {small:.0f} MB, {small_bound:.0f} MB bound; {many} rows: {large:.0f}, {large_bound:.0f} MB")
    assert many > 3 * few
    assert large < 1.1 * small
    assert max(small_bound, large_bound) < BOUND_MB

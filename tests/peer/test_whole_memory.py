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
SHORT = replace(
    raw_layout.RAW_PRESETS["small"], nant=10, bandpass=(1, 15), flux=(1, 10), target=(1, 10), loops=2, tsys_every=4
)
LONG = replace(SHORT, bandpass=(4, 20), flux=(3, 15), phase=(1, 20), check=(1, 16), target=(5, 20))


def peak_mb(line: str) -> float:
    """Largest resident set of a command in a process of its own [MB], by the kernel."""
    code = (
        "import sys; from atacal.cli import run; assert run() == 0\n"
        "print('peak', next(int(x.split()[1]) / 1024 for x in open('/proc/self/status') if x.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", code, *line.split()], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return float(done.stdout.rpartition("peak")[2])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel's high-water mark is Linux's")
def test_memory_of_a_whole_run_does_not_grow(tmp_path, monkeypatch):
    """Rows of the short block fill the buffers that a bound of 400 MB leaves; the long one has four times as many."""
    rows, peaks = [], []
    for size in (SHORT, LONG):
        monkeypatch.setitem(raw_layout.RAW_PRESETS, "memory", size)
        ms = tmp_path / f"{len(rows)}.ms"
        rows.append(simulate(ms, preset="memory", raw=True, seed=3).nrow)
        options = f"--flux-density 1.15 --antpos {positions_path(ms)} --memory {BOUND_MB}MB --quiet"
        peaks.append(peak_mb(f"calibrate {ms} {options}"))
    print(f"rows {rows}, peaks [MB] {peaks}")
    assert rows[1] > 3 * rows[0]
    assert peaks[1] < 1.1 * peaks[0]
    assert max(peaks) < BOUND_MB

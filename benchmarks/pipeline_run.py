"""A whole run of the pipeline on a simulated block, with the time of each stage and the memory of all its processes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from atacal.simulate import read_truth

SAMPLING_S = 0.25


def make_block(folder: Path, nchan: int) -> Path:
    """Simulate a block shaped like SN 1987A's, unless it is there already."""
    vis = folder / f"sn1987a_{nchan}.ms"
    if not Path(f"{vis}.truth.json").is_file():
        shutil.rmtree(vis, ignore_errors=True)
        code = (
            f"from atacal.simulate import simulate; "
            f"simulate({str(vis)!r}, raw=True, preset='sn1987a', nchan={nchan}, seed=4, overwrite=True)"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
    return vis


def write_fluxes(vis: Path, target: Path) -> None:
    """Write the flux calibrator's true flux densities into a flux.csv."""
    truth = read_truth(str(vis))
    field = truth.roles["flux"][0]
    fluxes = truth.flux_jy[truth.sources[field].name]
    lines = ["ms,field,spw,I,Q,U,V,spix,uvmin,uvmax,comment"]
    lines += [f"{vis.name},{field},{s},{fluxes[s]},0,0,0,0,0,0," for s in truth.raw["science_spws"]]
    target.write_text("\n".join(lines) + "\n")


def run_pipeline(vis: Path, place: Path) -> dict[str, Any]:
    """Run the pipeline in a process of its own; return seconds, seconds by stage, peak memory and the lowest score."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    write_fluxes(vis, place / "flux.csv")
    command = [sys.executable, "-m", "atacal", "pipeline", str(vis), "--outdir", str(place), "--quiet", "--json"]
    command += ["--files", f"{vis}.antennapos.csv"]
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        peak = Peak(process.pid)
        output = process.stdout.read() if process.stdout else ""
        seconds = time.perf_counter() - begun
        peak.stop()
    report = json.loads(output)
    timings = json.loads((place / "timings.json").read_text())
    return {
        "seconds": seconds, "stages": timings, "peak_mb": peak.peak_bytes / 1e6, "score": report["score"],
        "summaries": {f"{s['number']:02d}-{s['task']}": (s["score"], s["summary"]) for s in report["stages"]},
    }  # fmt: skip


class Peak:
    """Samples the resident memory of a process and its children together."""

    def __init__(self, pid: int) -> None:
        self.pid, self.peak_bytes = pid, 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._end.wait(SAMPLING_S):
            self.peak_bytes = max(self.peak_bytes, sum(_resident(p) for p in _family(self.pid)))

    def stop(self) -> None:
        self._end.set()
        self._thread.join()


def _family(pid: int) -> list[int]:
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def _resident(pid: int) -> int:
    """Proportional resident bytes: pages that processes share count once."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))

"""Time the recipe with CASA and with atacal on the same data, and write the table into docs/benchmark.md.

    python benchmarks/run.py [--preset bench] [--only atacal] [--repeat 1] [--folder DIR] [--no-write]

CASA runs in its environment of its own (`$ATACAL_PEER/casapy`; `make peer` makes it).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import report  # noqa: E402

PAGE = HERE.parent / "docs" / "benchmark.md"


def casa_python() -> Path:
    """Find the wrapper that runs a script under CASA."""
    home = Path(os.environ.get("ATACAL_PEER") or Path.home() / ".cache" / "atacal-peer")
    if not (home / "casapy").is_file():
        sys.exit(f"there is no CASA in {home}: run `make peer`, set ATACAL_PEER, or use --only atacal")
    return home / "casapy"


def folder_bytes(folder: Path) -> int:
    """Size of all files below a folder."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())


def build(folder: Path, preset: str) -> tuple[Path, float]:
    """Simulate a MeasurementSet, unless it is there already; return its path and the seconds it took."""
    ms, note = folder / f"{preset}.ms", folder / f"{preset}.seconds"
    if not note.is_file():
        begun = time.perf_counter()
        arguments = f"{str(ms)!r}, preset={preset!r}, weight_spectrum=True, overwrite=True"
        code = f"from atacal.simulate import simulate; simulate({arguments})"
        subprocess.run([sys.executable, "-c", code], check=True)
        note.write_text(f"{time.perf_counter() - begun:.2f}\n")
    return ms, float(note.read_text())


def copy(ms: Path, target: Path) -> Path:
    """Copy a MeasurementSet and its truth."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(ms, target)
    shutil.copyfile(f"{ms}.truth.json", f"{target}.truth.json")
    return target


def run(engine: str, python: Path, ms: Path, warm_up: Path, folder: Path) -> dict[str, Any]:
    """Run the steps in a process of their own, on a copy of the data."""
    place = folder / engine
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    vis, small = copy(ms, place / "X.ms"), copy(warm_up, place / "warm-up.ms")
    command = [python, HERE / "steps.py", engine, vis, place / "out", place / "result.json", "--warm-up", small]
    with subprocess.Popen([str(c) for c in command], cwd=place, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():  # CASA tells of every flagged solution
            if line.startswith(f"{engine} "):
                print(line, end="", flush=True)
    if process.returncode:
        sys.exit(f"{engine} failed with exit code {process.returncode}; its files are in {place}")
    result: dict[str, Any] = json.loads((place / "result.json").read_text())
    shutil.rmtree(place)
    return result


def best(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Keep the fastest of repeated runs for each step, and its largest memory."""
    merged = dict(runs[0])
    merged["steps"] = [
        {
            "step": same[0]["step"],
            "seconds": min(s["seconds"] for s in same),
            "peak_mb": max(s["peak_mb"] for s in same),
        }
        for same in zip(*(r["steps"] for r in runs), strict=True)
    ]
    return merged


def main() -> None:
    """Build the data, run both, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="bench", help="size of the MeasurementSet: bench, small, tiny")
    parser.add_argument("--only", choices=("casa", "atacal"), help="run one of the two")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, in turn; the fastest counts")
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "atacal-bench", help="for the data")
    parser.add_argument("--no-write", action="store_true", help="print the table, leave docs/benchmark.md alone")
    given = parser.parse_args()
    engines = [given.only] if given.only else ["casa", "atacal"]
    python = {"atacal": Path(sys.executable)}
    if "casa" in engines:
        python["casa"] = casa_python()
    given.folder.mkdir(parents=True, exist_ok=True)
    ms, seconds = build(given.folder, given.preset)
    warm_up, _ = build(given.folder, "tiny")
    runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
    for _ in range(given.repeat):
        for engine in engines:
            runs[engine].append(run(engine, python[engine], ms, warm_up, given.folder))
    casa, atacal = (best(runs[e]) if e in runs else None for e in ("casa", "atacal"))
    truth = json.loads(Path(f"{ms}.truth.json").read_text())
    text = report.page(casa, atacal, truth, seconds, folder_bytes(ms) / 1e9)
    print("\n" + text)
    if not given.no_write and not given.only and given.preset == "bench":
        report.write(PAGE, text)


if __name__ == "__main__":
    main()

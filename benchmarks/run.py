"""Time the recipe with CASA and with atacal on the same data, and write the tables into docs/benchmark.md.

    python benchmarks/run.py [--part recipe|raw|pipeline] [--preset bench] [--only atacal] [--repeat 1] [--folder DIR]
                             [--asdm ASDM] [--no-write]

There are three parts: the standard recipe (`steps.py`), a raw block from the ASDM to data in kelvin (`raw_steps.py`),
and a whole run of the pipeline (`pipeline_run.py`; atacal alone, for CASA's pip packages have no pipeline).

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
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import pipeline_run  # noqa: E402
import raw_data  # noqa: E402
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


def run(engine: str, command: Sequence[str | Path], place: Path) -> dict[str, Any]:
    """Run steps in a process of their own, in a folder that is removed afterwards."""
    os.sync()  # or the disk would still be writing the copies of the data while the first steps are timed
    with subprocess.Popen([str(c) for c in command], cwd=place, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():  # CASA tells of every flagged solution
            if line.startswith(f"{engine} "):
                print(line, end="", flush=True)
    if process.returncode:
        sys.exit(f"{engine} failed with exit code {process.returncode}; its files are in {place}")
    result: dict[str, Any] = json.loads((place / "result.json").read_text())
    shutil.rmtree(place)
    return result


def emptied(place: Path) -> Path:
    """Make a folder anew."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    return place


def run_recipe(engine: str, python: Path, ms: Path, warm_up: Path, folder: Path) -> dict[str, Any]:
    """Run the recipe's steps on a copy of the data."""
    place = emptied(folder / engine)
    vis, small = copy(ms, place / "X.ms"), copy(warm_up, place / "warm-up.ms")
    files = [vis, place / "out", place / "result.json"]
    return run(engine, [python, HERE / "steps.py", engine, *files, "--warm-up", small], place)


def run_raw(engine: str, python: Path, asdm: Path, folder: Path) -> dict[str, Any]:
    """Run the raw block's steps on a copy of the data."""
    place = emptied(folder / engine)
    vis, small = (copy(raw_data.make_ms(folder, size), place / f"{size}.ms") for size in ("full", "tiny"))
    for file in sorted(f for f in asdm.rglob("*") if f.is_file()):  # into the page cache, as the copies are
        with file.open("rb") as source:
            while source.read(1 << 24):
                pass
    files = [asdm, vis, place / "out", place / "result.json"]
    warm_up = [raw_data.make_asdm(folder, "tiny"), small]
    return run(engine, [python, HERE / "raw_steps.py", engine, *files, "--warm-up", *warm_up], place)


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


def in_turn(
    engines: Sequence[str], repeat: int, one: Callable[[str], dict[str, Any]]
) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Run the engines in turn; return the best of CASA's and of atacal's runs."""
    runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
    for _ in range(repeat):
        for engine in engines:
            runs[engine].append(one(engine))
    casa, atacal = (best(runs[e]) if e in runs else None for e in ("casa", "atacal"))
    return casa, atacal


def recipe_part(given: argparse.Namespace, engines: Sequence[str], python: dict[str, Path]) -> str:
    """Time the standard recipe; return its section of the page."""
    ms, seconds = build(given.folder, given.preset)
    warm_up, _ = build(given.folder, "tiny")
    casa, atacal = in_turn(engines, given.repeat, lambda e: run_recipe(e, python[e], ms, warm_up, given.folder))
    truth = json.loads(Path(f"{ms}.truth.json").read_text())
    return report.page(casa, atacal, truth, seconds, folder_bytes(ms) / 1e9)


def raw_part(given: argparse.Namespace, engines: Sequence[str], python: dict[str, Path]) -> str:
    """Time the raw block; return its section of the page."""
    asdm = given.asdm.resolve() if given.asdm else raw_data.make_asdm(given.folder, "full")
    ms = raw_data.make_ms(given.folder, "full")
    casa, atacal = in_turn(engines, given.repeat, lambda e: run_raw(e, python[e], asdm, given.folder))
    truth = json.loads(Path(f"{ms}.truth.json").read_text())
    about = (
        f"The ASDM: {folder_bytes(asdm) / 1e9:.2f} GB. The MeasurementSet of the other steps: "
        f"{len(truth['antennas'])} antennas, {truth['nrow']} rows, {folder_bytes(ms) / 1e9:.2f} GB."
    )
    return report.raw_page(casa, atacal, about)


def pipeline_part(given: argparse.Namespace, engines: Sequence[str], python: dict[str, Path]) -> str:
    """Run the pipeline on blocks shaped like SN 1987A's; return its section of the page."""
    found = []
    for nchan in (3840, 128):
        vis = pipeline_run.make_block(given.folder, nchan)
        os.sync()
        result = pipeline_run.run_pipeline(vis, given.folder / "pipeline")
        found.append((nchan, folder_bytes(vis) / 1e9, result))
        shutil.rmtree(given.folder / "pipeline")
    return report.pipeline_page(found)


def main() -> None:
    """Build the data, run both, print and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("recipe", "raw", "pipeline"), help="run one of the parts")
    parser.add_argument("--preset", default="bench", help="size of the recipe's MeasurementSet: bench, small, tiny")
    parser.add_argument("--only", choices=("casa", "atacal"), help="run one of the two")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each, in turn; the fastest counts")
    parser.add_argument("--folder", type=Path, default=Path.home() / ".cache" / "atacal-bench", help="for the data")
    parser.add_argument("--asdm", type=Path, help="an ASDM to import in place of the one that is made")
    parser.add_argument("--no-write", action="store_true", help="print the tables, leave docs/benchmark.md alone")
    given = parser.parse_args()
    engines = [given.only] if given.only else ["casa", "atacal"]
    python = {"atacal": Path(sys.executable)}
    if "casa" in engines:
        python["casa"] = casa_python()
    given.folder.mkdir(parents=True, exist_ok=True)
    parts = {"recipe": (report.RECIPE, recipe_part), "raw": (report.RAW, raw_part),
             "pipeline": (report.PIPELINE, pipeline_part)}  # fmt: skip
    for name in [given.part] if given.part else list(parts):
        section, measure = parts[name]
        text = measure(given, engines, python)
        print("\n" + text)
        standard = given.preset == "bench" if name == "recipe" else given.asdm is None
        if standard and not given.no_write and (not given.only or name == "pipeline"):
            report.write(PAGE, section, text)


if __name__ == "__main__":
    main()

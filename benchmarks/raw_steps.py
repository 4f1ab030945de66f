"""From an ASDM to data in kelvin, timed, with CASA's tasks or with atacal's: the calls are the same.

    python raw_steps.py casa|atacal ASDM RAW.ms OUT RESULT.json [--warm-up TINY.asdm TINY.ms]

The ASDM is imported; the tables and their application are timed on RAW.ms, whose truth is known. As `steps.py`, it
runs under either Python.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time

from steps import forget_peak, peak_mb, tasks_of


def recipe(tasks, asdm, vis, out, truth):
    """Return the steps: (name, function)."""
    raw = truth["raw"]
    tsys, wvr, antpos = (os.path.join(out, name) for name in ("tsys", "wvr", "antpos"))
    science = ",".join(map(str, raw["science_spws"]))
    spwmap = [raw["tsys_spw_of"].get(str(spw), spw) for spw in range(len(truth["spws"]))]

    def apply():
        for role, fields in truth["roles"].items():
            for field in map(str, fields):
                measured = str(truth["roles"][raw["tsys_fields"][role]][0])
                tasks.applycal(vis=vis, field=field, spw=science, gaintable=[tsys, wvr, antpos],
                               gainfield=[measured, field, ""], interp=["linear,linear", "linear", "linear"],
                               spwmap=[spwmap, [], []], calwt=True, flagbackup=False)  # fmt: skip

    return [
        ("importasdm", lambda: tasks.importasdm(
            asdm=asdm, vis=os.path.join(out, "imported.ms"), bdfflags=True, flagbackup=False,
            asis="Antenna Station Receiver Source CalAtmosphere CalWVR")),
        ("wvrgcal", lambda: tasks.wvrgcal(
            vis=vis, caltable=wvr, spw=raw["science_spws"], smooth="6.048s", toffset=0)),
        ("gencal tsys", lambda: tasks.gencal(vis=vis, caltable=tsys, caltype="tsys")),
        ("gencal antpos", lambda: tasks.gencal(vis=vis, caltable=antpos, caltype="antpos", **raw["antpos"])),
        ("applycal", apply),
    ]  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=("casa", "atacal"))
    parser.add_argument("asdm")
    parser.add_argument("vis")
    parser.add_argument("out")
    parser.add_argument("result")
    small = "a small ASDM and MeasurementSet to run everything on once before the clock starts"
    parser.add_argument("--warm-up", nargs=2, default=(), metavar=("ASDM", "MS"), help=small)
    given = parser.parse_args()
    tasks, version = tasks_of(given.engine)
    measured = []
    rounds = [(*given.warm_up, given.out + ".warm-up", False)] if given.warm_up else []
    for asdm, vis, out, timed in (*rounds, (given.asdm, given.vis, given.out, True)):
        with open(vis + ".truth.json") as source:
            truth = json.load(source)
        shutil.rmtree(out, ignore_errors=True)
        os.makedirs(out)
        for name, step in recipe(tasks, asdm, vis, out, truth):
            forget_peak()
            begun = time.perf_counter()
            step()
            if timed:
                measured.append({"step": name, "seconds": time.perf_counter() - begun, "peak_mb": peak_mb()})
                seconds, peak = measured[-1]["seconds"], measured[-1]["peak_mb"]
                print(f"{given.engine:<7} {name:<14} {seconds:8.2f} s {peak:7.0f} MB", flush=True)
    with open(given.result, "w") as target:
        json.dump({"engine": given.engine, "version": version, "steps": measured}, target, indent=1)


if __name__ == "__main__":
    main()

"""The recipe's eight steps, timed, with CASA's tasks or with atacal's: the calls are the same.

    python steps.py casa|atacal X.ms OUT RESULT.json [--warm-up TINY.ms]

It runs under CASA's own Python as well as under atacal's, so it imports nothing but the standard library and the one
package that it times. Every step is timed with the clock of this process, without the start of the interpreter; its
peak memory is the kernel's high-water mark of the resident set, set back before the step.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import time


def peak_mb():
    """Peak resident memory since the last `forget_peak` [MB]."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("VmHWM"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak():
    """Set the high-water mark back to what is resident now (Linux only; elsewhere the peak is the whole run's)."""
    try:
        with open("/proc/self/clear_refs", "w") as refs:
            refs.write("5")
    except OSError:
        pass


def tasks_of(engine):
    """Import the tasks."""
    if engine == "casa":
        import casatasks

        return casatasks, "CASA " + casatasks.version_string()
    import atacal
    import atacal.tasks

    return atacal.tasks, "atacal " + atacal.__version__


def recipe(tasks, vis, out, truth):
    """Return the steps: (name, function)."""
    ids = {role: ",".join(map(str, fields)) for role, fields in truth["roles"].items()}
    solved = ",".join(sorted({*ids["bandpass"].split(","), *ids["flux"].split(","), *ids["phase"].split(",")}))
    carried = ",".join(ids[r] for r in ("phase", "check", "target") if ids[r])
    n = truth["spws"][0]["nchan"]
    central = f"*:{int(n * 0.375)}~{int(n * 0.625)}"
    t = {k: os.path.join(out, k) for k in ("phase_up", "bandpass", "phase_int", "ampli_inf", "flux_inf", "phase_inf")}
    ref = truth["refant"]

    def gaincal(table, solint, gaintype, calmode, before, field=solved, spw=""):
        tasks.gaincal(vis=vis, caltable=t[table], field=field, spw=spw, solint=solint, refant=ref, gaintype=gaintype,
                      calmode=calmode, gaintable=[t[b] for b in before])  # fmt: skip

    def apply():
        calibrators = sorted({ids["bandpass"], ids["flux"]})
        for field in calibrators:
            tasks.applycal(vis=vis, field=field, gaintable=[t["bandpass"], t["phase_int"], t["flux_inf"]],
                           gainfield=["", field, field], interp=["linear,linear", "linear", "linear"], calwt=[True],
                           flagbackup=False)  # fmt: skip
        tasks.applycal(vis=vis, field=carried, gaintable=[t["bandpass"], t["phase_inf"], t["flux_inf"]],
                       gainfield=["", ids["phase"], ids["phase"]], interp=["linear,linear", "linear", "linear"],
                       calwt=[True], flagbackup=False)  # fmt: skip

    return [
        ("phase-up", lambda: gaincal("phase_up", "int", "G", "p", [], ids["bandpass"], central)),
        ("bandpass", lambda: tasks.bandpass(
            vis=vis, caltable=t["bandpass"], field=ids["bandpass"], solint="inf", combine="scan", refant=ref,
            solnorm=True, bandtype="B", gaintable=[t["phase_up"]])),
        ("phase int", lambda: gaincal("phase_int", "int", "G", "p", ["bandpass"])),
        ("amplitude inf", lambda: gaincal("ampli_inf", "inf", "T", "a", ["bandpass", "phase_int"])),
        ("fluxscale", lambda: tasks.fluxscale(
            vis=vis, caltable=t["ampli_inf"], fluxtable=t["flux_inf"], reference=[ids["flux"]])),
        ("phase inf", lambda: gaincal("phase_inf", "inf", "G", "p", ["bandpass"])),
        ("applycal", apply),
        ("split", lambda: tasks.split(
            vis=vis, outputvis=os.path.join(out, "calibrated.ms"), datacolumn="corrected", keepflags=True)),
    ]  # fmt: skip


def prepare(tasks, vis, out, truth):
    """Make the output folder, and give the flux calibrator its model (neither is timed)."""
    shutil.rmtree(out, ignore_errors=True)
    os.makedirs(out)
    flux = truth["roles"]["flux"][0]
    component = truth["fields"][flux]["components"][0]
    tasks.setjy(vis=vis, field=str(flux), standard="manual", fluxdensity=[component["flux_jy"], 0, 0, 0],
                spix=component["spix"], reffreq=f"{truth['fields'][flux]['ref_freq_hz'] / 1e9:.9f}GHz",
                usescratch=False)  # fmt: skip


def fluxes(result):
    """Pick the flux densities out of what fluxscale returns: {field: {spw: Jy}}."""
    out = {}
    for field, entry in (result or {}).items():
        if str(field).isdigit():
            out[entry["fieldName"]] = {s: float(v["fluxd"][0]) for s, v in entry.items() if str(s).isdigit()}
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=("casa", "atacal"))
    parser.add_argument("vis")
    parser.add_argument("out")
    parser.add_argument("result")
    parser.add_argument("--warm-up", help="a small MeasurementSet to run everything on once before the clock starts")
    given = parser.parse_args()
    tasks, version = tasks_of(given.engine)
    measured = []
    flux = {}
    for vis, out, timed in ((given.warm_up, given.out + ".warm-up", False), (given.vis, given.out, True)):
        if not vis:
            continue
        with open(vis + ".truth.json") as source:
            truth = json.load(source)
        prepare(tasks, vis, out, truth)
        for name, step in recipe(tasks, vis, out, truth):
            forget_peak()
            begun = time.perf_counter()
            answer = step()
            if timed:
                measured.append({"step": name, "seconds": time.perf_counter() - begun, "peak_mb": peak_mb()})
                seconds, peak = measured[-1]["seconds"], measured[-1]["peak_mb"]
                print(f"{given.engine:<7} {name:<14} {seconds:8.2f} s {peak:7.0f} MB", flush=True)
                if name == "fluxscale":
                    flux = fluxes(answer)
    with open(given.result, "w") as target:
        json.dump({"engine": given.engine, "version": version, "steps": measured, "fluxes": flux}, target, indent=1)


if __name__ == "__main__":
    main()

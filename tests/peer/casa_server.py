"""Runs scripts under CASA, imported once, each in a fork of its own, so that none sees another's traces.

Run by CASA's python (see conftest.py); knows nothing of atacal. A line of JSON on standard input is a job,
``{"script": ..., "inputs": {...}, "directory": ...}``; what the script leaves in ``result`` goes to result.json in the
directory, what it prints to output.txt, CASA's log to casa.log. The answer, a line on standard output, is the script's
exit code.
"""

import gc
import json
import os
import sys
import traceback

import casatasks
import casatools
import numpy as np


def plain(value):
    """The value as JSON can carry it: arrays as lists, complex numbers as [real, imaginary]."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value


def run(job):
    """Run the job's script in its directory, with CASA's tasks and the job's inputs as its variables."""
    os.chdir(job["directory"])
    with open("output.txt", "w") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    casatasks.casalog.setlogfile(os.path.abspath("casa.log"))
    names = {k: v for k, v in vars(casatasks).items() if not k.startswith("_")}
    names |= {"__name__": "__main__", "np": np, "casatools": casatools, "casatasks": casatasks} | job["inputs"]
    exec(compile(job["script"], "script.py", "exec"), names)
    with open("result.json", "w") as file:
        json.dump(plain(names["result"]), file)


def in_fork(job):
    """Run the job and end the process, but not by Python's way out: CASA's would wait for threads that forks lack."""
    code = 1
    try:
        run(job)
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        gc.collect()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def main():
    """Answer jobs until there are no more."""
    jobs, answers = sys.stdin, os.fdopen(os.dup(1), "w")
    for line in jobs:
        child = os.fork()
        if child == 0:
            in_fork(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    main()

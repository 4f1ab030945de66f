"""The process that runs a script: ``python -P -m atacal.scripts.worker PLAN``."""

from __future__ import annotations

import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

from atacal import progress
from atacal.errors import AtacalError
from atacal.memory import memory_limit
from atacal.ms.clone import copy_always
from atacal.scripts._log import ToTerminal
from atacal.scripts._processes import descendants, die_with_parent, kill
from atacal.scripts.conventions import LinesAsThen
from atacal.scripts.engine import Engine
from atacal.scripts.guard import Guard, cache_folders
from atacal.scripts.missing import Missing
from atacal.scripts.plan import Outcome, RunPlan

log = logging.getLogger("atacal")

FAILED, INTERRUPTED, TERMINATED = 1, 130, 143
_WARM = (
    "atacal.apply.kernels", "atacal.solve.accumulate", "atacal.solve.gains", "astropy.time", "casacore.tables",
    "matplotlib", "atacal.recipe",
)  # fmt: skip
"""What is imported before the fences are up: some look around with commands of their own."""


_replace = os.replace  # a dry run replaces what changes files


class Terminated(SystemExit):
    """The run was told to end."""


def main(plan_file: str) -> int:
    """Run what a plan says.

    Parameters
    ----------
    plan_file : str

    Returns
    -------
    int
        The exit code.
    """
    die_with_parent(signal.SIGTERM)
    signal.signal(signal.SIGTERM, _terminated)
    plan = RunPlan.load(plan_file)
    began = time.monotonic()
    engine = None
    try:
        guard = _guarded(plan)
        with memory_limit(plan.memory):
            engine = Engine(plan, guard)
            _log_to_casa(plan, engine)
            _run(engine)
    except BaseException as error:
        outcome = engine.outcome if engine is not None else Outcome()
        _ended(error, engine, outcome)
    finished = engine.finish(time.monotonic() - began) if engine is not None else outcome
    _leave(plan, finished)
    return finished.exit_code


def _guarded(plan: RunPlan) -> Guard:
    """Go to the script's folder and put the fences up."""
    os.chdir(plan.cwd)
    for module in _WARM:
        importlib.import_module(module)
    for folder in cache_folders():
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError:
            continue
    copy_always()
    root = plan.temporary if plan.dry else plan.root
    guard = Guard(root, [plan.temporary, *cache_folders()], allow_shell=plan.allow_shell)
    if not plan.dry:
        _replace_system(guard)
    guard.restrict_kernel()
    guard.install()
    return guard


def _replace_system(guard: Guard) -> None:
    """Let ``os.system`` run its command as a child that ends with this process, and on Ctrl-C."""
    path = os.environ.get("PATH", os.defpath)

    def system(command: Any) -> int:
        guard.check_command(command)
        text = os.fsdecode(command)
        log.info("$ %s", text)
        sys.stdout.flush()
        shell = None
        # a Ctrl-C meanwhile waits until the shell is known: else nobody would end it
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            try:
                # the programs are those that were checked, whatever the script does to PATH
                shell = subprocess.Popen(
                    ["/bin/sh", "-c", text], preexec_fn=partial(_in_the_shell, mask), env=dict(os.environ, PATH=path)
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            code = shell.wait()
        except BaseException:
            if shell is not None:
                kill([*descendants(shell.pid), shell.pid])  # the shell's children would outlive it
                shell.wait()
            raise
        return code << 8 if code >= 0 else -code

    os.system = system


def _in_the_shell(mask: set[int | signal.Signals]) -> None:
    """Set up the shell's process: it ends with this one, and signals do to it what they do to any program."""
    die_with_parent(signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise Terminated(TERMINATED)


def _log_to_casa(plan: RunPlan, engine: Engine) -> None:
    """Open the log file, and send everything there."""
    progress.set_quiet(plan.quiet)
    log.handlers = [ToTerminal(plan.verbose, plan.quiet)]
    log.propagate = False
    log.setLevel(logging.DEBUG if plan.verbose else logging.INFO)
    log.addFilter(LinesAsThen(lambda: engine.names.version))
    casalog = engine.names.casalog
    if plan.dry or isinstance(casalog, Missing):
        return
    name = os.path.abspath(time.strftime("casa-%Y%m%d-%H%M%S.log", time.gmtime()))
    casalog.setlogfile(name)  # takes what atacal reports from here on, and follows when the script sends it elsewhere
    engine.outcome.log = name


def _run(engine: Engine) -> None:
    """Run the script, beside whose file and folder it may have modules."""
    sys.argv = [str(engine.script.path)]
    sys.path[:0] = [str(engine.script.path.parent), os.getcwd()]
    os.environ.setdefault("MPLBACKEND", "Agg")
    engine.run()


def _ended(error: BaseException, engine: Engine | None, outcome: Outcome) -> None:
    """Put into the outcome how the script ended before its end."""
    if engine is not None:
        engine.fail_step()
    if isinstance(error, Terminated):
        outcome.exit_code, outcome.error = TERMINATED, "terminated"
    elif isinstance(error, KeyboardInterrupt):
        outcome.exit_code, outcome.error = INTERRUPTED, "interrupted"
    elif isinstance(error, SystemExit):
        outcome.exit_code, text = _exit_code(error)
        if text and engine is not None:
            engine.tell(error)
            outcome.error = f"{engine.script.name} ended itself: {text}"
    else:
        outcome.exit_code = FAILED
        if engine is not None:
            engine.tell(error)
        else:
            outcome.error = str(error)
        ours = isinstance(error, AtacalError) or outcome.trace
        if not ours or "-d" in os.environ.get("ATACAL_DEBUG", ""):
            outcome.trace = [*outcome.trace, *"".join(traceback.format_exception(error)).splitlines()]
        if engine is not None and not isinstance(engine.names.casalog, Missing):
            log.debug("%s", "".join(traceback.format_exception(error)))


def _exit_code(error: SystemExit) -> tuple[int, str]:
    """Read what ``sys.exit`` was given: a code, or a text, which means 1."""
    if error.code is None:
        return 0, ""
    return (error.code & 0xFF, "") if isinstance(error.code, int) else (1, " ".join(str(error.code).split()))


def _leave(plan: RunPlan, outcome: Outcome) -> None:
    """Write the result, complete or not at all, and end what is still open."""
    sys.stdout.flush()
    sys.stderr.flush()
    path = Path(plan.result)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(outcome), default=str), encoding="utf-8")
    _replace(temporary, path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

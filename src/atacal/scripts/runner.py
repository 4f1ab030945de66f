"""Run a script in a process of its own."""

from __future__ import annotations

import ast
import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atacal import progress, results
from atacal.errors import ArgumentError
from atacal.memory import current_limit
from atacal.scripts._processes import descendants, kill
from atacal.scripts.check import CheckResult, check_script, with_refusals
from atacal.scripts.guard import Guard, cache_folders
from atacal.scripts.pipeline import restores
from atacal.scripts.plan import Outcome, RunPlan
from atacal.scripts.record import Record
from atacal.scripts.report import DryResult, RunResult
from atacal.scripts.source import Script, read_script
from atacal.scripts.steps import StepMap, find_steps, parse_steps, said

log = logging.getLogger("atacal")

GRACE_SECONDS = 10
"""How long the script's process may take to end when it is told to."""


def run(
    script: str,
    steps: str = "",
    applyonly: bool = False,
    check: bool = False,
    dry_run: bool = False,
    resume: bool = False,
    cwd: str = "",
    root: str = "",
    casa_version: str = "",
    python: int | None = None,
    variables: Sequence[str] = (),
    skip_unsupported: bool = False,
    allow_shell: bool = False,
) -> RunResult | DryResult | CheckResult:
    """Run one of ALMA's reduction scripts as it is, without CASA.

    scriptForCalibration.py, scriptForPI.py, scriptForImagingPrep.py, scriptForFluxCalibration.py, casa_pipescript.py,
    casa_piperestorescript.py: in CASA's shell names, Python 2 translated, in a process of its own that may change files
    in its folder only.

    Parameters
    ----------
    script : str
        The script.
    steps : str
        Steps to run, as ``0-7,13`` or ``15-``; by default what the script does by itself: all.
    applyonly : bool
        Set the script's variable ``applyonly``: no diagnostics.
    check : bool
        Run nothing: name what is not supported, and each shell command, with its line. The exit code is 1 if
        something is not supported.
    dry_run : bool
        Follow the script and take its calls down, with their files, without making any.
    resume : bool
        Go on with the first step that has not ended, as the last run's record NAME.run.json says; with its
        ``applyonly``, ``variables`` and ``casa_version``, unless others are given.
    cwd : str
        Folder to run in; by default the current one.
    root : str
        Folder in which files may be changed; by default ``cwd`` (of a scriptForPI.py in a folder ``script``, the
        folder above, where it makes ``calibrated``).
    casa_version : str
        CASA to present to the script; by default the one it asks for.
    python : int
        Python that it is written in, 2 or 3; by default it is decided from the script.
    variables : list of str
        Variables that the script looks for, as ``SPACESAVING=1``.
    skip_unsupported : bool
        Leave out every call that is not supported; otherwise only those of pictures, reports and images whose
        result nothing uses.
    allow_shell : bool
        Run shell commands that cannot be checked, too.

    Returns
    -------
    RunResult, DryResult or CheckResult
        With ``exit_code``.

    Raises
    ------
    NoSuchScript, ScriptSyntaxError, ArgumentError

    Examples
    --------
    >>> run("uid___A002_X1.ms.scriptForCalibration.py", steps="0-7")  # doctest: +SKIP
    """
    if sum((check, dry_run, resume)) > 1:
        raise ArgumentError("check, dry_run and resume exclude each other")
    source = read_script(script, python=python, casa_version=casa_version)
    folder = _folder(cwd)
    if check:
        guard = Guard(_root(source, folder, root), list(cache_folders()), allow_shell=allow_shell)
        return with_refusals(check_script(source), guard, str(folder))
    found = find_steps(source.plain_tree())
    selected = _selected(source, found, folder, steps, resume)
    if resume and selected == []:
        log.info("all steps of %s have ended: nothing to resume", source.name)
        return RunResult(str(source.path), 0, source.python, str(source.casa_version))
    given = _variables(variables)
    if resume and (record := Record.load(source, folder)) is not None:
        applyonly, given = applyonly or bool(record.applyonly), record.variables | given
        source = read_script(script, python=python, casa_version=casa_version or record.casa_version)
    with _temporary_folder() as temporary:
        plan = RunPlan(
            script=str(source.path), cwd=str(folder), root=_root(source, folder, root), python=source.python,
            casa_version=str(source.casa_version), casa_given=bool(casa_version), steps=selected,
            applyonly=True if applyonly else None, variables=given, resume=resume,
            dry=dry_run, skip_unsupported=skip_unsupported, allow_shell=allow_shell,
            verbose=log.getEffectiveLevel() <= logging.DEBUG, quiet=log.getEffectiveLevel() >= logging.WARNING,
            temporary=temporary, record=str(Record.path(source, folder)), result=os.path.join(temporary, "result.json"),
            memory=current_limit(),
        )  # fmt: skip
        before = _listing(folder)
        outcome = _in_process(plan, temporary)
    if dry_run:
        return DryResult(
            str(source.path), outcome.exit_code, source.python, str(source.casa_version), outcome.calls,
            outcome.error, outcome.left_out,
        )  # fmt: skip
    return RunResult(
        script=str(source.path), exit_code=outcome.exit_code, python=source.python,
        casa_version=str(source.casa_version), steps=outcome.steps, error=outcome.error, trace=outcome.trace,
        left_out=outcome.left_out, refused=outcome.refused, made=_new(folder, before), log=outcome.log,
        record=plan.record if found.steps else "", kernel_guard=outcome.kernel_guard, seconds=outcome.seconds,
    )  # fmt: skip


def _folder(cwd: str) -> Path:
    folder = Path(cwd or ".").resolve()
    if not folder.is_dir():
        raise ArgumentError(f"cwd={cwd!r} is no folder")
    return folder


def _root(script: Script, folder: Path, root: str) -> str:
    """Choose the folder in which files may be changed."""
    if root:
        chosen = Path(root).resolve()
        if not chosen.is_dir():
            raise ArgumentError(f"root={root!r} is no folder")
        return str(chosen)
    if "scriptForPI" in script.name and folder.name == "script":
        return str(folder.parent)
    return str(folder)


def _selected(script: Script, found: StepMap, folder: Path, steps: str, resume: bool) -> list[int] | None:
    """Choose the steps: None leaves it to the script."""
    if resume and not found.steps and restores(script.plain_tree()) is False:
        log.info("%s runs the pipeline: stages that are done are kept, whether it is resumed or run again", script.name)
        return None
    if not found.steps and (steps or resume):
        what = f"steps={steps!r}" if steps else "resume"
        raise ArgumentError(f"{what}: {script.name} has no steps (`if mystep in thesteps:`); run it from its beginning")
    wanted = parse_steps(steps, found.numbers) if steps else None
    if not resume:
        return wanted
    record = Record.load(script, folder)
    if record is None:
        raise ArgumentError(
            f"there is nothing to resume: {Record.path(script, folder)} is not there, {script.name} was not run here"
        )
    left = record.to_resume(script, found)
    if wanted is not None:
        left = [n for n in left if n in wanted]
    if left:
        log.info("resuming with step %d; %s", left[0], said(found.numbers))
    return left


def _variables(given: Sequence[str] | str) -> dict[str, Any]:
    """Read ``NAME=value``; what is no literal is text."""
    out: dict[str, Any] = {}
    for one in [given] if isinstance(given, str) else given:
        name, equals, value = one.partition("=")
        if not equals or not name.strip().isidentifier():
            raise ArgumentError(f"variables: {one!r} is not NAME=value")
        try:
            out[name.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            out[name.strip()] = value
    return out


@contextlib.contextmanager
def _temporary_folder() -> Any:
    folder = tempfile.mkdtemp(prefix="atacal-run-")
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _listing(folder: Path) -> dict[str, float]:
    return {entry.name: entry.stat(follow_symlinks=False).st_mtime for entry in os.scandir(folder)}


def _new(folder: Path, before: dict[str, float]) -> list[str]:
    """Name what has appeared in a folder."""
    return sorted(name for name in _listing(folder) if name not in before and not name.startswith("."))


def _in_process(plan: RunPlan, temporary: str) -> Outcome:
    """Run a plan in a process of its own, wait for it, and read what it tells."""
    file = Path(temporary) / "plan.json"
    plan.save(file)
    environ = dict(os.environ, TMPDIR=temporary, PYTHONDONTWRITEBYTECODE="1", PYTHONUNBUFFERED="1", MPLBACKEND="Agg")
    command = [sys.executable, "-P", "-m", "atacal.scripts.worker", str(file)]
    sys.stdout.flush()
    # what the script prints must not mix with the JSON of the result
    out = sys.stderr.fileno() if results.json_on_stdout.get() else None
    process = subprocess.Popen(command, env=environ, stdout=out)
    try:
        code = _wait(process)
    finally:
        _end(process)
    result = Path(plan.result)
    if result.exists():
        return Outcome(**json.loads(result.read_text(encoding="utf-8")))
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return Outcome(
        exit_code=1, error=f"the script's process ended ({name}) without a result: an error of ours, please report it"
    )


def _wait(process: subprocess.Popen[bytes]) -> int:
    """Wait for the process; Ctrl-C reaches it too, and it ends by itself."""
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            progress.write("interrupted: the script is ending")
            try:
                return process.wait(GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                kill([*descendants(process.pid), process.pid])


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process if it is still there."""
    if process.poll() is not None:
        return
    started = descendants(process.pid)
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    kill(started)

"""Runs a script in this process: compiles it, gives it CASA's shell, follows its steps."""

from __future__ import annotations

import builtins
import linecache
import logging
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from atacal.errors import AtacalError, NoFlagCommands
from atacal.scripts import py2, py2_modules, steps
from atacal.scripts._layout import SHELL_CALL
from atacal.scripts.casa_names import kind_of
from atacal.scripts.casa_task import CasaTask
from atacal.scripts.conventions import as_then, goes_on_after
from atacal.scripts.dry import DryRun, DryTool
from atacal.scripts.guard import Guard
from atacal.scripts.missing import Ledger
from atacal.scripts.namespace import SHELL_MODULES, Names
from atacal.scripts.pipeline import as_named_here, restores
from atacal.scripts.plan import Outcome, RunPlan
from atacal.scripts.record import Record
from atacal.scripts.source import Script, read_script, script_from

log = logging.getLogger("atacal")


class Engine:
    """One run of a script, and of the scripts that it runs.

    Parameters
    ----------
    plan : RunPlan
        What to run and how.
    guard : Guard
        Asked before a task writes.
    """

    def __init__(self, plan: RunPlan, guard: Guard) -> None:
        self.plan, self.guard = plan, guard
        self.script = read_script(plan.script, python=plan.python, casa_version=plan.casa_version)
        self.steps = steps.find_steps(self.script.plain_tree())
        self.ledger = Ledger(plan.skip_unsupported)
        self.outcome = Outcome()
        self.names = Names(self, self.ledger, self.script.casa_version)
        self.variables: dict[str, Any] = {}
        self._runs_pipeline = restores(self.script.plain_tree()) is False
        self._files: dict[str, Script] = {}
        self._step: tuple[int, float] | None = None
        self._dry = DryRun(self._where) if plan.dry else None
        self._record = Record.load(self.script, Path(plan.record).parent) or Record(self.script.name)

    @property
    def globals_are_parameters(self) -> bool:
        """Whether a task without arguments takes the script's variables, as in CASA before 6."""
        return self.names.version.major < 6

    def run(self) -> None:
        """Run the script to its end; whatever ends it comes out."""
        self._begin_record()
        py2_modules.patch_shared()
        self.names.install_modules()
        variables = self.variables = self._shell_variables()
        variables["__file__"] = self.script.name
        variables["__name__"] = "__main__"
        if self.plan.steps is not None:
            variables["mysteps"] = list(self.plan.steps)
        if self.plan.applyonly is not None:
            variables["applyonly"] = self.plan.applyonly
        variables |= self.plan.variables
        if self._dry is not None:
            self._dry.patch()
        self._execute(self.script, variables)

    def _begin_record(self) -> None:
        if self._dry is not None:
            return
        record = self._record
        record.begun_anew(self.script, self.steps)
        if not self.plan.resume:
            record.selected = self.steps.numbers if self.plan.steps is None else list(self.plan.steps)
        record.casa_version, record.applyonly = str(self.script.casa_version), self.plan.applyonly
        record.variables = self.plan.variables
        if self.steps.steps:
            record.save(Path(self.plan.record))

    def _shell_variables(self) -> dict[str, Any]:
        out = self.names.shell()
        if self.script.python == 2:
            out |= {m: made for m in SHELL_MODULES if (made := py2_modules.module(m)) is not None}
        if self._dry is not None:
            tools = {name: DryTool(name, self._dry) for name in (*self.names.tools, "aU", "analysisUtils", "es")}
            out |= {n: t for n, t in tools.items() if n != "cu"}
            for name in ("aU", "analysisUtils"):
                sys.modules[name] = tools[name]  # type: ignore[assignment]
        return out

    # what scripts run through

    def call(self, task: CasaTask, arguments: dict[str, Any]) -> Any:
        """Run a task for the script, or take its call down."""
        arguments = as_then(task.__name__, arguments, self.names.version)
        if self._runs_pipeline:
            arguments = as_named_here(arguments)
        if self._dry is not None:
            return self._dry.task(task, arguments)
        files = task.files(arguments)
        for what, names in (("write", files.makes), ("change", files.changes)):
            for name in names:
                self.guard.require_inside(name, f"{what} (by {task.__name__})")
        try:
            return task.run(arguments)
        except NoFlagCommands as error:
            if not goes_on_after(error, self.names.version):
                raise
            return False

    def execfile(self, path: Any, variables: dict[str, Any] | None = None, local: Any = None) -> None:
        """Python 2's (and CASA's) execfile, for scripts of Python 2 and 3."""
        caller = sys._getframe(1)
        names = caller.f_globals if variables is None else variables
        given = self.plan.casa_version if self.plan.casa_given else ""
        path = path if self._dry is None else self._dry.full(path)
        script = read_script(path, casa_version=given)
        outer = self.names.version
        if script.version_asked and script.casa_version != outer:
            log.info("%s is for CASA %s", script.name, script.casa_version)
            self.names.present(script.casa_version)
        try:
            self._execute(script, names)
        finally:
            self.names.present(outer)

    def exec_text(self, code: Any, variables: Any = None, local: Any = None) -> None:
        """Python 2's exec: text of Python 2."""
        caller = sys._getframe(1)
        names = caller.f_globals if variables is None else variables
        here = local if local is not None else (names if variables is not None else caller.f_locals)
        if isinstance(code, str):
            from atacal.scripts.semantics import with_python2_meaning

            tree = script_from(code, Path("<exec>"), python=2).plain_tree()
            code = compile(with_python2_meaning(tree), "<exec>", "exec")
        names.setdefault("__builtins__", self._builtins(2))
        exec(code, names, here)

    def shell(self, command: str) -> int:
        """Run ``!command``."""
        import os

        return os.system(command)

    def _execute(self, script: Script, variables: dict[str, Any]) -> None:
        self.names.choose_pipeline(script.plain_tree(), variables)
        code = self._compiled(script)
        before = variables.get("__builtins__")
        variables["__builtins__"] = self._builtins(script.python)
        if script.python == 2:
            variables.update(py2.OPERATORS)
        variables |= {steps.BEGIN: self.begin_step, steps.END: self.end_step, SHELL_CALL: self.shell}
        try:
            exec(code, variables)
        finally:
            if before is not None:
                variables["__builtins__"] = before

    def _compiled(self, script: Script) -> CodeType:
        name = str(script.path)
        tree = script.tree()
        self.ledger.add_unused(name, steps.unused_calls(tree))
        self._files[name] = script
        lines = script.text.splitlines(keepends=True)
        linecache.cache[name] = (len(script.text), None, lines, name)  # errors show the script's own text
        return compile(steps.instrumented(tree), name, "exec", dont_inherit=True)

    def _builtins(self, python: int) -> dict[str, Any]:
        out = dict(vars(builtins)) | {"execfile": self.execfile, "__import__": self._import(python)}
        if python == 2:
            out |= py2.BUILTINS | {"exec": self.exec_text}
        if self._dry is not None:
            out["open"] = self._dry.open
            if python == 2:
                out["file"] = self._dry.open
        return out

    def _import(self, python: int) -> Any:
        real, made = builtins.__import__, self._made_modules

        def find(name: str, *rest: Any) -> Any:
            level = rest[3] if len(rest) > 3 else 0
            if level == 0:
                module = made.get(name)
                if module is None and python == 2:
                    module = py2_modules.module(name)
                if module is None and name.endswith("_cli"):
                    module = self.names.module(name)
                if module is not None:
                    made[name] = module
                    return module
            return real(name, *rest)

        return find

    @property
    def _made_modules(self) -> dict[str, Any]:
        return self.__dict__.setdefault("_modules", {})

    # steps

    def begin_step(self, number: int) -> None:
        """Say that a step begins."""
        self._close_step("done")
        title = self._title(number)
        self._step = (number, time.monotonic())
        self.outcome.steps.append({"number": number, "title": title, "seconds": 0.0, "status": "running"})
        if self._dry is None:
            log.info("step %d: %s", number, title, extra={"shown": True})

    def end_step(self, number: int) -> None:
        """Say that a step has ended, and write it down."""
        self._close_step("done")

    def fail_step(self) -> None:
        """Say that the step at work has failed."""
        self._close_step("failed")

    def _close_step(self, status: str) -> None:
        if self._step is None:
            return
        number, began = self._step
        self._step = None
        seconds = round(time.monotonic() - began, 3)
        self.outcome.steps[-1] |= {"seconds": seconds, "status": status}
        digest = self.steps.digests().get(number)
        if self._dry is not None or digest is None:
            return
        if status == "done":
            ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            self._record.done[number] = {"code": digest, "seconds": seconds, "ended": ended}
            log.info("step %d ended after %.1f s", number, seconds, extra={"shown": True})
        else:
            self._record.done.pop(number, None)
            self._record.failed = {"step": number}
        self._record.save(Path(self.plan.record))

    def _title(self, number: int) -> str:
        titles = self.variables.get("step_title")
        if isinstance(titles, dict) and isinstance(titles.get(number), str):
            return str(titles[number])
        step = self.steps.of(number)
        return step.title if step else ""

    # where the script is

    def _where(self) -> tuple[int, int | None]:
        frame = self._script_frame()
        return (frame.f_lineno if frame else 0), (self._step[0] if self._step else None)

    def _script_frame(self) -> FrameType | None:
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename not in self._files:
            frame = frame.f_back
        return frame

    def tell(self, error: BaseException) -> None:
        """Put into the outcome what ended the script."""
        lines = []
        trace = error.__traceback__
        where = ""
        while trace is not None:
            file = trace.tb_frame.f_code.co_filename
            if file in self._files:
                script = self._files[file]
                where = f"{script.name}, line {trace.tb_lineno}"
                lines.append(f"{where}: {script.line(trace.tb_lineno)}")
            trace = trace.tb_next
        if isinstance(error, SyntaxError) and not isinstance(error, AtacalError):
            where = f"{self.script.name}, line {error.lineno}"
        kind = "" if isinstance(error, AtacalError) else f"{type(error).__name__}: "
        text = " ".join(str(error).split()) or type(error).__name__
        step = next((s for s in reversed(self.outcome.steps) if s["status"] == "failed"), None)
        place = ", ".join([p for p in (where, f"step {step['number']} ({step['title']})" if step else "") if p])
        self.outcome.error = f"{place}: {kind}{text}" if place else f"{kind}{text}"
        self.outcome.trace = lines
        if hint := self._hint(error):
            self.outcome.error += f"; {hint}"
        if self._record.failed is not None:
            self._record.failed |= {"error": self.outcome.error}
            self._record.save(Path(self.plan.record))

    def _hint(self, error: BaseException) -> str:
        """Say where a name that is missing is assigned, if a step that was not run does."""
        if not isinstance(error, NameError) or not error.name:
            return ""
        import ast

        if kind_of(error.name) is not None:
            return f"{error.name} is a task of ALMA's pipeline that atacal does not have"
        began = {s["number"] for s in self.outcome.steps}
        for node in ast.walk(self.script.plain_tree()):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id == error.name:
                step = self.steps.at_line(node.lineno)
                if step is not None and step.number not in began:
                    return f"step {step.number} (line {node.lineno}) assigns it, and was not run: add it to --steps"
        return ""

    def finish(self, seconds: float) -> Outcome:
        """Complete the outcome."""
        out = self.outcome
        out.left_out = [asdict(one) for one in self.ledger.left_out]
        out.refused = list(self.guard.refused)
        out.kernel_guard = self.guard.kernel
        out.calls = [asdict(c) for c in self._dry.calls] if self._dry is not None else []
        out.seconds = round(seconds, 3)
        if out.exit_code == 0 and (out.left_out or out.refused):
            out.exit_code = 3
        return out

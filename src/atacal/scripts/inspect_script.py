"""Looks at the calls of a script without running it: what is not supported, what it would delete and run."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

from atacal.scripts._follow import SAFE_BUILTINS, Follower
from atacal.scripts._inspected import Made, choices_of, dotted_name, issue_kind
from atacal.scripts._layout import SHELL_CALL
from atacal.scripts._static import LONGEST, UNKNOWN, called, is_known, method_called
from atacal.scripts.casa_names import LEFT_OUT
from atacal.scripts.casa_task import CasaTask, is_named
from atacal.scripts.check import Command
from atacal.scripts.missing import Missing, Partial
from atacal.scripts.namespace import Names
from atacal.scripts.shell import plan_of
from atacal.scripts.source import Script, read_script

SHELL = {
    "os.system", "os.popen", "os.popen2", "os.popen3", "subprocess.call", "subprocess.check_call", "subprocess.run",
    "subprocess.check_output", "subprocess.Popen", "subprocess.getoutput", "subprocess.getstatusoutput",
    "commands.getoutput", "commands.getstatusoutput", "os.execv", "os.spawnv", SHELL_CALL,
}  # fmt: skip
DELETING = {
    "os.remove", "os.unlink", "os.rmdir", "os.removedirs", "os.rename", "os.renames", "os.replace", "shutil.rmtree",
    "shutil.move",
}  # fmt: skip


class Inspector(Follower):
    """Looks through a script.

    Parameters
    ----------
    script : Script
    names : Names, optional
        CASA's shell; that of the script which runs this one.
    depth : int
        How many scripts deep this one is run.
    """

    def __init__(self, script: Script, names: Names | None = None, depth: int = 0) -> None:
        super().__init__(script, names, script.name if depth else "")
        self._depth = depth
        self.commands: list[Command] = []
        self.deletions: list[Command] = []
        self.runs: list[Command] = []
        self.calls = 0
        self.changes_folder = False

    def _call(self, node: ast.Call, *, used: bool) -> Any:
        args = [self._value(a.value if isinstance(a, ast.Starred) else a) for a in node.args]
        keywords = {k.arg: self._value(k.value) for k in node.keywords}
        open_ended = None in keywords or any(isinstance(a, ast.Starred) for a in node.args)
        given = {k: v for k, v in keywords.items() if k is not None}
        dotted = dotted_name(node.func)
        if dotted == "os.chdir":
            self.changes_folder = True
        if dotted in SHELL or dotted in DELETING:
            return self._outside(dotted, args or list(given.values()), node.lineno)
        if isinstance(node.func, ast.Attribute):
            owner = self._value(node.func.value)
            if is_known(owner) and not isinstance(owner, type(None)):
                return self._constant_method(node, owner, args, given)
            function = self._attribute(owner, node.func.attr)
        elif isinstance(node.func, ast.Name) and node.func.id == "execfile" and args:
            return self._execfile(node, args[0])
        elif isinstance(node.func, ast.Name) and node.func.id in SAFE_BUILTINS and node.func.id not in self._own:
            return called(node.func.id, args, given)
        else:
            function = self._value(node.func)
        return self._called(node, dotted, function, args, given, used=used, open_ended=open_ended)

    def _constant_method(self, node: ast.Call, owner: Any, args: list[Any], given: dict[str, Any]) -> Any:
        assert isinstance(node.func, ast.Attribute)
        if node.func.attr in ("append", "extend", "insert", "remove", "pop", "sort", "reverse", "update", "setdefault"):
            if isinstance(node.func.value, ast.Name):  # what it holds from now on is not followed
                self._known[node.func.value.id] = UNKNOWN
            return UNKNOWN
        return method_called(owner, node.func.attr, args, given)

    def _called(
        self, node: ast.Call, dotted: str, function: Any, args: list[Any], given: dict[str, Any], *, used: bool,
        open_ended: bool,
    ) -> Any:  # fmt: skip
        if function is UNKNOWN:
            return UNKNOWN
        if function == self._names.science_reduction:
            return self._names.science_reduction()
        if isinstance(function, Missing):
            self.calls += 1
            kind = function._kind
            stops = used or kind not in LEFT_OUT
            name = dotted or function.__name__
            why = "its result is used" if used and kind in LEFT_OUT else "not available"
            self._issue(node.lineno, issue_kind(kind, function.__name__), f"{name}()", why, stops=stops)
            return UNKNOWN
        if isinstance(function, Partial):
            return function  # `ms()` makes another tool of the kind
        if isinstance(function, CasaTask):
            self.calls += 1
            self._task(node.lineno, function, args, given, open_ended)
            return UNKNOWN
        if isinstance(function, type) and function.__module__.startswith("atacal"):
            return Made(dotted.split(".")[-1] if dotted else function.__name__, function)
        if getattr(function, "__module__", "") and str(function.__module__).startswith("atacal.scripts."):
            self.calls += 1
            self._function(node.lineno, dotted, function, args, given, open_ended)
        return UNKNOWN

    def _task(self, line: int, task: CasaTask, args: list[Any], given: dict[str, Any], open_ended: bool) -> None:
        names = list(task.parameters)
        if len(args) > len(names):
            self._issue(
                line, "parameter", f"{task.__name__}()", f"takes {len(names)} parameters, not {len(args)}", stops=True
            )
        values = dict(zip(names, args, strict=False)) | given
        for name, value in values.items():
            if name not in task.parameters:
                why = task.unknown(name)
                if why is not None:
                    self._issue(line, "parameter", f"{task.__name__}({name}=...)", why.split(") ", 1)[-1], stops=True)
                continue
            choices = choices_of(task).get(name)
            if choices and isinstance(value, str) and value and value not in choices:
                possible = ", ".join(choices)
                text = f"is not available; possible are {possible}"
                self._issue(line, "value", f"{task.__name__}({name}={value!r})", text, stops=True)
        missing = [n for n, p in task.parameters.items() if p.default is p.empty and n not in values and is_named(p)]
        # without arguments the values are those of the script's variables
        if missing and values and not open_ended:
            self._issue(line, "parameter", f"{task.__name__}()", f"needs {', '.join(missing)}", stops=True)

    def _function(
        self, line: int, dotted: str, function: Any, args: list[Any], given: dict[str, Any], open_ended: bool
    ) -> None:
        if open_ended:
            return
        try:
            inspect.signature(function).bind(*args, **given)
        except TypeError as error:
            self._issue(line, "parameter", f"{dotted}()", str(error), stops=True)
        except ValueError:
            return

    def _execfile(self, node: ast.Call, path: Any) -> Any:
        if not isinstance(path, str) or repr(UNKNOWN) in path:
            self._add(
                self.runs,
                node.lineno,
                f"execfile({path if isinstance(path, str) else repr(UNKNOWN)})",
                "not looked into",
            )
            return UNKNOWN
        there = next((p for p in (Path(path), self.script.path.parent / path) if p.is_file()), None)
        self._add(self.runs, node.lineno, f"execfile({path})", "" if there else "not there")
        if there is not None and self._depth < 5:
            inner = Inspector(read_script(there), self._names, self._depth + 1)
            inner._known |= self._known
            inner.inspect()
            self.issues += inner.issues
            self.commands += inner.commands
            self.deletions += inner.deletions
            self.runs += inner.runs
            self.calls += inner.calls
            self.changes_folder |= inner.changes_folder
            self._own |= inner._own
        return UNKNOWN

    def _outside(self, dotted: str, args: list[Any], line: int) -> Any:
        """Take down a shell command or a deletion."""
        if dotted in DELETING:
            shown = ", ".join(repr(a) if a is not UNKNOWN else "<...>" for a in args[:2])
            self._add(self.deletions, line, f"{dotted}({shown})")
            return UNKNOWN
        command = args[0] if args else UNKNOWN
        if isinstance(command, (list, tuple)):
            command = " ".join(str(c) for c in command)
        if not isinstance(command, str):
            self._add(self.commands, line, repr(UNKNOWN), "known when it runs")
            return UNKNOWN
        if repr(UNKNOWN) in command:
            self._add(self.commands, line, command, "known when it runs")
            return UNKNOWN
        plan = plan_of(command)
        self._add(self.commands, line, command, f"refused: {plan.unclear}" if plan.unclear else "")
        if plan.unclear:
            text = f"refused without --allow-shell ({plan.unclear})"
            self._issue(line, "command", f"`{command}`", text, stops=True)
        return UNKNOWN

    def _add(self, where: list[Command], line: int, text: str, note: str = "") -> None:
        one = Command(line, text[:LONGEST], note, self._file)
        if one not in where:
            where.append(one)

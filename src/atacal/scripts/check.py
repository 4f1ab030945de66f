"""What a script calls that atacal has not, and what shell commands it would run, without running it."""

from __future__ import annotations

import ast
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from atacal.scripts._static import LONGEST, UNKNOWN
from atacal.scripts.guard import Guard, Refused
from atacal.scripts.source import Script
from atacal.scripts.steps import find_steps, ranges

_DEEP = 9


@dataclass(frozen=True)
class Issue:
    """Something of a script that is not supported.

    Attributes
    ----------
    line : int
        In the script.
    kind : str
        ``task``, ``tool``, ``utility`` (of analysisUtils), ``pipeline``, ``parameter``, ``value``, ``name``,
        ``import``, ``command``.
    what : str
        The call, the parameter.
    text : str
        What is wrong with it.
    stops : bool
        Whether the run would stop there; otherwise the call is left out.
    file : str
        The script, if another than the one that is checked.
    """

    line: int
    kind: str
    what: str
    text: str
    stops: bool
    file: str = ""


@dataclass(frozen=True)
class Command:
    """A shell command, or a deletion by Python, of a script; ``<...>`` stands for what is not known beforehand."""

    line: int
    command: str
    note: str = ""
    file: str = ""


@dataclass
class CheckResult:
    """What a check has found.

    Attributes
    ----------
    script : str
        The script.
    exit_code : int
        1 if something is not supported, else 0.
    python : int
        The Python it is written in.
    why_python : str
        What that was decided from.
    casa_version : str
        The CASA that would be presented to it.
    steps : str
        Its steps, as ``0-19``.
    unsupported : list of Issue
        What is not supported, in the order of the lines.
    commands : list of Command
        Every shell command it would run.
    deletions : list of Command
        Every file it would delete or move by Python.
    runs : list of Command
        Scripts that it runs in its turn.
    calls : int
        Calls of CASA's tasks, tools and of analysisUtils that were looked at.
    changes_folder : bool
        Whether it goes to another folder while it runs.
    """

    script: str
    exit_code: int
    python: int
    why_python: str
    casa_version: str
    steps: str
    unsupported: list[Issue] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    deletions: list[Command] = field(default_factory=list)
    runs: list[Command] = field(default_factory=list)
    calls: int = 0
    changes_folder: bool = False

    def __str__(self) -> str:
        lines = [
            f"{os.path.basename(self.script)}: Python {self.python} ({self.why_python}), CASA {self.casa_version}, "
            + (f"steps {self.steps}" if self.steps else "no steps")
        ]
        stopping = [i for i in self.unsupported if i.stops]
        leaving = [i for i in self.unsupported if not i.stops]
        lines += _section("not supported, and the run would stop there", [_issue(i) for i in stopping])
        lines += _section("not supported, and would be left out", [_issue(i) for i in leaving])
        if not self.unsupported:
            lines.append(f"all of its {self.calls} calls are supported" if self.calls else "it calls nothing of CASA's")
        lines += _section("shell commands", [_command(c) for c in self.commands])
        lines += _section("deletes or moves", [_command(c) for c in self.deletions])
        lines += _section("runs other scripts", [_command(c) for c in self.runs])
        return "\n".join(lines)


def check_script(script: Script) -> CheckResult:
    """Look through a script.

    Parameters
    ----------
    script : Script
        As `atacal.scripts.source.read_script` returns it.

    Returns
    -------
    CheckResult
    """
    from atacal.scripts.inspect_script import Inspector

    found = find_steps(script.plain_tree())
    inspector = Inspector(script)
    inspector.inspect()
    unsupported = sorted(set(inspector.issues), key=lambda i: (i.file, i.line, i.what))
    return CheckResult(
        str(script.path), int(bool(unsupported)), script.python, script.why_python, str(script.casa_version),
        ranges(found.numbers) if found.steps else "", unsupported, inspector.commands, inspector.deletions,
        inspector.runs, inspector.calls, inspector.changes_folder,
    )  # fmt: skip


def with_refusals(result: CheckResult, guard: Guard, folder: str) -> CheckResult:
    """Note at commands and deletions that are known beforehand whether a run in a folder would refuse them.

    A script that changes its folder is given the benefit of the doubt: its ``..`` may lead anywhere inside.
    """
    if result.changes_folder:
        folder = os.path.join(folder, *["_"] * _DEEP)

    def noted(command: Command, try_it: Callable[[str], None]) -> Command:
        if command.note or repr(UNKNOWN) in command.command or len(command.command) >= LONGEST:
            return command  # not known, or told already
        try:
            try_it(command.command)
        except Refused:
            return replace(command, note=f"would be refused: outside of {guard.root}")
        return command

    def delete(call: str) -> None:
        for path in _paths(call):
            guard.require_inside(os.path.join(folder, path), "delete or move", follow=False)

    commands = [noted(c, lambda text: guard.check_command(text, folder)) for c in result.commands]
    return replace(result, commands=commands, deletions=[noted(c, delete) for c in result.deletions])


def _paths(call: str) -> list[str]:
    """Return the texts among the arguments of a call."""
    try:
        tree = ast.parse(call, mode="eval").body
    except SyntaxError:
        return []
    values = [a.value for a in tree.args if isinstance(a, ast.Constant)] if isinstance(tree, ast.Call) else []
    return [v for v in values if isinstance(v, str)]


def _section(title: str, items: list[str]) -> list[str]:
    return [f"{title}:", *(f"  {item}" for item in items)] if items else []


def _issue(issue: Issue) -> str:
    where = f"{issue.file}, " if issue.file else ""
    return f"{where}line {issue.line:>4}  {issue.what}: {issue.text}"


def _command(command: Command) -> str:
    where = f"{command.file}, " if command.file else ""
    note = f"   [{command.note}]" if command.note else ""
    return f"{where}line {command.line:>4}  {command.command}{note}"

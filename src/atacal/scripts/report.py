"""What a run of a script, its check or its dry run gives back, as text for people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from atacal.scripts.steps import ranges


@dataclass
class RunResult:
    """The end of a run.

    Attributes
    ----------
    script : str
        The script.
    exit_code : int
        0; 1 failed; 3 something was left out or refused; 130, 143 stopped; else the script's own.
    python : int
        The Python it is written in.
    casa_version : str
        The CASA that was presented to it.
    steps : list of dict
        Steps that began: number, title, seconds, status (done, failed).
    error : str
        What ended it, with the line.
    trace : list of str
        The script's lines that led there.
    left_out : list of dict
        Calls that are not supported: file, line, call, why.
    refused : list of str
        What the guard stopped.
    made : list of str
        What is new in its folder.
    log, record : str
        The log file; the record of the steps, for ``--resume``.
    kernel_guard : bool
        Whether the kernel guarded the files too.
    seconds : float
    """

    script: str
    exit_code: int
    python: int
    casa_version: str
    steps: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    trace: list[str] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    log: str = ""
    record: str = ""
    kernel_guard: bool = False
    seconds: float = 0.0

    def __str__(self) -> str:
        ended = [s["number"] for s in self.steps if s["status"] == "done"]
        state = "ran to its end" if not self.error else "stopped"
        lines = [f"{os.path.basename(self.script)} {state} after {self.seconds:.1f} s (CASA {self.casa_version})"]
        if self.steps:
            width = max(len(s["title"]) for s in self.steps)
            lines += [
                f"  step {s['number']:>2}  {s['title']:<{width}}  {s['seconds']:8.1f} s"
                + ("" if s["status"] == "done" else f"  {s['status']}")
                for s in self.steps
            ]
        lines += _section("left out, not supported", [f"line {o['line']}: {o['call']}" for o in self.left_out])
        lines += _section("refused", self.refused)
        lines += _section("new files", self.made)
        if self.log:
            lines.append(f"log: {self.log}")
        if self.error:
            lines += [f"  {line}" for line in self.trace[:-1]]
            lines.append(f"error: {self.error}")
            if self.steps and ended:
                lines.append(f"steps {ranges(ended)} are done; --resume goes on with the rest")
        return "\n".join(lines)


@dataclass
class DryResult:
    """What a dry run took down: the calls in their order, with their files."""

    script: str
    exit_code: int
    python: int
    casa_version: str
    calls: list[dict[str, Any]]
    error: str = ""
    left_out: list[dict[str, Any]] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{os.path.basename(self.script)}: {len(self.calls)} calls (CASA {self.casa_version}); nothing was run"
        ]
        step: Any = object()
        for call in self.calls:
            if call["step"] != step:
                step = call["step"]
                lines.append("before the steps" if step is None else f"step {step}")
            lines.append(f"  {call['line']:>5}  {call['call']}")
            for key, word in (("reads", "reads"), ("makes", "makes"), ("changes", "changes"), ("deletes", "deletes")):
                if call[key]:
                    lines.append(f"           {word}: {', '.join(call[key])}")
            if call["missing"]:
                lines.append(f"           not there: {', '.join(call['missing'])}")
        lines += _section("not supported", [f"line {o['line']}: {o['call']}" for o in self.left_out])
        if self.error:
            lines.append(f"error: {self.error}")
        return "\n".join(lines)


def _section(title: str, items: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {item}" for item in items)] if items else []

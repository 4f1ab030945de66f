"""What commands there are and what each does in a line, read from the sources without importing them."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from atacal.tasks import task_names

GROUPS: dict[str, tuple[str, ...]] = {
    "Whole runs": ("calibrate", "demo", "simulate"),
    "Look at data": ("listobs", "plotms", "plotants"),
    "Flag": ("flagdata", "flagmanager"),
    "Models and weights": ("setjy", "delmod", "initweights", "clearcal"),
    "Solve": ("gaincal", "bandpass", "fluxscale"),
    "Look at tables": ("plotcal", "plotbandpass"),
    "Apply": ("applycal", "split"),
}
"""Order of the commands in ``atacal --help``; a task that is named nowhere here comes last, under "Other tasks"."""

_HERE = Path(__file__).parent
_BESIDE_TASKS = {
    "calibrate": ("atacal.recipe", "recipe"),
    "demo": ("atacal.recipe", "recipe"),
    "simulate": ("atacal.simulate", "simulate"),
}
"""Commands that are no CASA tasks: the module that gives the function, and the folder with its source."""


@dataclass(frozen=True)
class Entry:
    """One command: its name, the module its function is taken from, and the files that may hold its source."""

    name: str
    module: str
    sources: tuple[Path, ...]

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        function: Callable[..., Any] = getattr(importlib.import_module(self.module), self.name)
        return function

    def summary(self) -> str:
        """Read the first line of the function's docstring, without importing its module."""
        for source in self.sources:
            text = source.read_text(encoding="utf-8")
            if f"def {self.name}(" not in text:
                continue
            for node in ast.parse(text).body:
                if isinstance(node, ast.FunctionDef) and node.name == self.name:
                    return (ast.get_docstring(node) or "").split("\n", 1)[0].rstrip(".")
        return ""


@cache
def catalogue() -> dict[str, Entry]:
    """Every command by name."""
    entries = {n: Entry(n, f"atacal.tasks.{n}", (_HERE / "tasks" / f"{n}.py",)) for n in task_names()}
    for name, (module, folder) in _BESIDE_TASKS.items():
        named = _HERE / folder / f"{name}.py"
        others = sorted(f for f in (_HERE / folder).glob("*.py") if f != named)
        files = (named, *others) if named.exists() else tuple(others)
        entries[name] = Entry(name, module, files)
    return entries


def grouped() -> list[tuple[str, list[Entry]]]:
    """Commands in the order of the help page: (title, entries)."""
    left = dict(catalogue())
    groups = [(title, [left.pop(name) for name in names if name in left]) for title, names in GROUPS.items()]
    groups.append(("Other tasks", list(left.values())))
    return [(title, entries) for title, entries in groups if entries]

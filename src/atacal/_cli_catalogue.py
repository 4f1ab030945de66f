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
    "Whole runs": ("calibrate", "pipeline", "weblog", "run", "qa2", "restore", "demo", "simulate"),
    "Import": ("importasdm",),
    "Look at data": ("listobs", "vishead", "plotms", "plotants"),
    "Flag": ("flagdata", "flagcmd", "flagmanager"),
    "Models and weights": ("flux", "setjy", "delmod", "initweights", "clearcal"),
    "Tables before the solves": ("fixsyscaltimes", "gencal", "tsysspwmap", "wvrgcal"),
    "Solve": ("gaincal", "bandpass", "smoothcal", "fluxscale"),
    "Look at tables": ("listcal", "plotcal", "plotbandpass"),
    "Tables as files": ("rmtables", "clearstat"),
    "Apply": ("applycal", "split"),
    "Before imaging": ("concat", "mstransform", "cvel2", "statwt", "fixvis", "fixplanets"),
    "Images": ("tclean",),
}
"""Order of the commands in ``atacal --help``; a task that is named nowhere here comes last, under "Other tasks"."""

_HERE = Path(__file__).parent
_BESIDE_TASKS = {
    "calibrate": "recipe", "pipeline": "pipeline", "weblog": "weblog", "run": "scripts", "qa2": "qa2",
    "restore": "restore", "demo": "recipe", "simulate": "simulate", "flux": "flux",
}  # fmt: skip
"""Commands that are no CASA tasks, and the packages of atacal that have them."""


@dataclass(frozen=True)
class Entry:
    """One command: its name, the package that users import it from, and the file with its source."""

    name: str
    package: str
    source: Path

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        module = self.package if self.source.stem == "__init__" else f"{self.package}.{self.source.stem}"
        function: Callable[..., Any] = getattr(importlib.import_module(module), self.name)
        return function

    def summary(self) -> str:
        """Read the first line of the function's docstring, without importing its module."""
        for node in ast.parse(self.source.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == self.name:
                return (ast.get_docstring(node) or "").split("\n", 1)[0].rstrip(".")
        return ""


@cache
def catalogue() -> dict[str, Entry]:
    """Every command by name."""
    entries = {n: Entry(n, "atacal.tasks", _HERE / "tasks" / f"{n}.py") for n in task_names()}
    for name, package in _BESIDE_TASKS.items():
        source = _defining(_HERE / package, name)
        if source is not None:
            entries[name] = Entry(name, f"atacal.{package}", source)
    return entries


def _defining(folder: Path, name: str) -> Path | None:
    """Find the file of a folder that defines a function."""
    files = sorted(folder.glob("*.py"), key=lambda f: (f.stem != name, f.name))
    return next((f for f in files if f"\ndef {name}(" in f.read_text(encoding="utf-8")), None)


def grouped() -> list[tuple[str, list[Entry]]]:
    """Commands in the order of the help page: (title, entries)."""
    left = dict(catalogue())
    groups = [(title, [left.pop(name) for name in names if name in left]) for title, names in GROUPS.items()]
    groups.append(("Other tasks", list(left.values())))
    return [(title, entries) for title, entries in groups if entries]

"""The house plan of docs/architecture.md: which room may know which, and who may know casacore and matplotlib."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "atacal"
FLOORS = [
    {"scripts"},
    {"pipeline"},
    {"recipe", "restore", "qa2", "weblog"},
    {"tasks"},
    {"calibrater", "apply", "asdm", "flags", "flux", "images", "plots", "simulate", "wvr"},
    {"caltables", "atmosphere"},
    {"solve", "jones", "heuristics"},
    {"ms"},
]
"""Rooms from the top floor down: a room may import from the floors below it, and from itself."""
OPEN_TO_ALL = {"errors", "memory", "progress", "results", "threads"}
ONLY_THERE = {
    "casacore": {"ms", "caltables", "asdm", "flags", "scripts"},  # flags: versions are tables; scripts: CASA's tools
    "matplotlib": {"plots", "tasks"},  # tasks: the names of markers, to check an argument
}
ROOMS = sorted(f.parent.name for f in SOURCE.glob("*/__init__.py"))


def imported(room: str) -> dict[str, set[str]]:
    """Modules that a room imports anywhere in its files, and the files that do."""
    found: dict[str, set[str]] = {}
    for file in (SOURCE / room).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module]
            for name in names:
                found.setdefault(name, set()).add(file.name)
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_arrows_point_downwards(room):
    (floor,) = [i for i, rooms in enumerate(FLOORS) if room in rooms]
    allowed = {room, *OPEN_TO_ALL}.union(*FLOORS[floor + 1 :])
    inner = {name: files for name, files in imported(room).items() if name.startswith("atacal.")}
    assert {name: files for name, files in inner.items() if name.split(".")[1] not in allowed} == {}


@pytest.mark.parametrize("library", sorted(ONLY_THERE))
def test_who_knows_a_library(library):
    knowing = {room for room in ROOMS if any(name.split(".")[0] == library for name in imported(room))}
    assert knowing <= ONLY_THERE[library]

"""What is imported, and what is not: `import atacal` and `atacal --help` stay quick because they load nothing heavy."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import atacal.tasks
from atacal._cli_catalogue import catalogue

HEAVY = ("numpy", "numba", "llvmlite", "casacore", "astropy", "matplotlib", "scipy", "rich", "pydantic", "jinja2")


def modules_after(code: str) -> set[str]:
    """Names of the modules loaded in a fresh interpreter by a piece of code."""
    script = f"{code}\nimport sys; print('\\n' + ' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split("\n")[-2].split())


def heavy(modules: set[str]) -> list[str]:
    return sorted(m for m in modules if m.split(".")[0] in HEAVY)


@pytest.mark.parametrize(
    "code",
    [
        "import atacal",
        "import atacal.tasks; dir(atacal.tasks)",
        "import atacal.errors",
        "import atacal.progress",
        "from atacal.cli import run; run(['--help'])",
        "from atacal.cli import run; run(['--version'])",
        "from atacal.cli import run; run(['no-such-task'])",
    ],
)
def test_nothing_heavy_is_imported(code):
    assert heavy(modules_after(code)) == []


def test_the_check_sees_what_is_heavy():
    assert "numpy" in heavy(modules_after("import numpy"))


def test_help_loads_no_task():
    loaded = modules_after("from atacal.cli import run; run(['--help'])")
    assert not [m for m in loaded if m.startswith("atacal.tasks.")]


@pytest.mark.parametrize("name", atacal.tasks.task_names())
def test_each_task_is_a_function_of_the_package(name):
    function = getattr(atacal.tasks, name)
    assert callable(function)
    assert function.__name__ == name
    assert name in dir(atacal.tasks)


@pytest.mark.parametrize("name", atacal.tasks.task_names())
def test_a_task_stays_a_function_when_its_module_was_imported_first(name):
    code = f"import atacal.tasks.{name}; from atacal.tasks import {name}; assert {name}.__name__ == '{name}'"
    modules_after(code + f"; assert callable({name})")


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_each_command_is_importable_from_its_package(name):
    entry = catalogue()[name]
    assert getattr(importlib.import_module(entry.package), name) is entry.load()


def test_a_task_that_does_not_exist():
    with pytest.raises(AttributeError, match="no task 'gaincall'"):
        _ = atacal.tasks.gaincall

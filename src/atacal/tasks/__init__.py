"""CASA's task interface: one file a task, under CASA's names.

``from atacal.tasks import gaincal`` gives the function and imports that task alone; ``import atacal.tasks`` imports
none.
"""

from __future__ import annotations

import importlib
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any


@cache
def task_names() -> tuple[str, ...]:
    """Names of all tasks, sorted: each module of this package that does not begin with an underscore holds one."""
    return tuple(sorted(f.stem for f in Path(__file__).parent.glob("*.py") if not f.stem.startswith("_")))


def __getattr__(name: str) -> Any:
    if name in task_names():
        return getattr(importlib.import_module(f"{__name__}.{name}"), name)
    raise AttributeError(f"module {__name__!r} has no task {name!r}; it has {', '.join(task_names())}")


def __dir__() -> list[str]:
    return [*task_names(), "task_names"]


class _Tasks(ModuleType):
    """The package's own module type: importing a task's module binds the task's function here, not the module.

    The import system binds every submodule in its package under the submodule's name, which is the task's name too.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and value.__name__ == f"{__name__}.{name}":
            value = getattr(value, name, value)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Tasks

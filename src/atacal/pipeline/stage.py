"""What a stage of the pipeline is, and the register of all of them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from atacal.errors import ArgumentError

LEGACY = ("vis", "pipelinemode", "dryrun", "acceptresults", "parallel")
"""Parameters that the pipeline's functions take and that mean nothing here: a stage works on all blocks, for real."""

_stages: dict[str, Stage] = {}


@dataclass(frozen=True)
class Stage:
    """A stage.

    Attributes
    ----------
    task : str
        The pipeline's name of it: ``hifa_bandpass``.
    title : str
        For people.
    scope : {'block', 'run'}
        Whether the function gets one execution block (`atacal.pipeline.block.Block`) at a time, side by side, or the
        whole run (`atacal.pipeline.block.Whole`).
    function : callable
        ``function(block, **parameters)``; what it finds goes to ``block.out``.
    files : callable, optional
        ``files(block or whole, parameters)`` names the files besides the data that it reads, by what they are: the
        stage is done again when they change.
    needed : bool
        Whether a block that it fails for cannot go on.
    """

    task: str
    title: str
    scope: Literal["block", "run"]
    function: Callable[..., None]
    files: Callable[..., Mapping[str, Path]] | None
    needed: bool

    @property
    def parameters(self) -> dict[str, Any]:
        """The parameters and their defaults."""
        found = list(inspect.signature(self.function).parameters.values())[1:]
        return {p.name: p.default for p in found}

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all parameters, those not given at their defaults.

        Raises
        ------
        ArgumentError
            If one is not known.
        """
        known = self.parameters
        unknown = [name for name in given if name not in known and name not in LEGACY]
        if unknown:
            raise ArgumentError(
                f"{self.task} has no parameter {', '.join(unknown)}; it has {', '.join(known) or 'none'}"
            )
        if given.get("dryrun"):
            raise ArgumentError(f"{self.task}: dryrun=True is not possible; stages are done for real")
        return {**known, **{k: v for k, v in given.items() if k in known}}


def stage(
    task: str, title: str, *, scope: Literal["block", "run"] = "block",
    files: Callable[..., Mapping[str, Path]] | None = None, needed: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:  # fmt: skip
    """Register a function as a stage; see `Stage`."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        _stages[task] = Stage(task, title, scope, function, files, needed)
        return function

    return register


@cache
def stages() -> dict[str, Stage]:
    """Return all stages by the pipeline's names."""
    from atacal.pipeline import stages as package

    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"{package.__name__}.{module}")
    return dict(sorted(_stages.items()))


def find_stage(task: str) -> Stage:
    """Return a stage.

    Raises
    ------
    ArgumentError
        If there is none of this name.
    """
    known = stages()
    if task not in known:
        raise ArgumentError(f"there is no stage {task}; there are {', '.join(known)}")
    return known[task]

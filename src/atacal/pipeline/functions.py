"""The pipeline's functions under its own names: ``h_init()``, ``hifa_importdata(vis=[...])``, ``h_save()``.

They work in the current directory, which is the run directory. A script that is run again goes on where the stages
are not done yet.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable
from typing import Any

from atacal.errors import PipelineError
from atacal.pipeline.recipes import recipe_of
from atacal.pipeline.run import Run
from atacal.pipeline.stage import LEGACY, find_stage, stages

log = logging.getLogger("atacal")
_current: Run | None = None


class Context:
    """What ``h_init`` returns: scripts write down in it what the pipeline puts on its pages.

    Attributes
    ----------
    state : dict
        By (class, name): what ``set_state`` was given.
    run : Run
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.state: dict[tuple[str, str], Any] = {}

    def set_state(self, cls: str, name: str, value: Any) -> None:
        """Keep a value, as ``context.set_state('ProjectSummary', 'proposal_code', '2016.1.01435.S')`` does."""
        self.state[cls, name] = value


def h_init(
    loglevel: str = "info", plotlevel: str = "default", weblog: bool = True, processing_intents: Any = None,
    *, folder: str = "", recipe: str = "today", **options: Any,
) -> Context:  # fmt: skip
    """Begin a run, or take up the one that is in the directory.

    Parameters
    ----------
    loglevel, plotlevel, weblog, processing_intents
        Accepted; they mean nothing here.
    folder : str
        The run directory; the current one by default.
    recipe : {'today', 'cycle4'}
        Whose limits and rules the stages follow.
    **options
        As of `atacal.pipeline.run.Run`.
    """
    global _current
    if _current is not None:
        _current.close()
    _current = Run(folder or os.getcwd(), recipe=recipe_of(recipe), **options)
    return Context(_current)


def h_resume(filename: str = "", loglevel: str = "info", plotlevel: str = "default") -> Context:
    """Take up the run that is in the current directory: its stages are taken as they are when they are called again."""
    return h_init(loglevel, plotlevel)


def h_save(filename: str = "") -> None:
    """End a run. Everything is on the disk already; what this does is to let go of the directory."""
    global _current
    if _current is not None:
        _current.close()
        _current = None


def current_run() -> Run:
    """Return the run that ``h_init`` has begun.

    Raises
    ------
    PipelineError
    """
    if _current is None:
        raise PipelineError("no run has begun: call h_init() first")
    return _current


def stage_function(task: str) -> Callable[..., dict[str, Any]]:
    """Make the function of a stage, with the pipeline's parameters."""
    stage = find_stage(task)

    @functools.wraps(stage.function)
    def call(*words: Any, **given: Any) -> dict[str, Any]:
        names = [n for n in (*LEGACY[:1], *stage.parameters) if n not in given]
        by_position = dict(zip(dict.fromkeys(names), words, strict=False))
        given = {k: v for k, v in {**by_position, **given}.items() if v is not None}
        return current_run().call(task, given)

    del call.__wrapped__  # its signature is another: the block does not come from the caller
    call.__name__ = call.__qualname__ = task
    return call


def __getattr__(name: str) -> Any:
    if name.startswith(("h_", "hif_", "hifa_")) and name in stages():
        return stage_function(name)
    raise AttributeError(f"module {__name__!r} has no {name!r}")

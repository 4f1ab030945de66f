"""Doing a stage: on this process, on several beside each other, or on a cluster."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError, AtacalError, PipelineError
from atacal.heuristics.scores import Recipe
from atacal.memory import give_back, memory_limit
from atacal.pipeline.block import Block, stage_folder
from atacal.pipeline.results import in_words
from atacal.pipeline.stage import Stage, find_stage
from atacal.pipeline.state import restore, save_flags, save_models
from atacal.pipeline.workplace import at_work, stage_log
from atacal.results import plain

log = logging.getLogger("atacal")


class Workers:
    """Processes that work side by side.

    Parameters
    ----------
    count : int
        How many at most.
    memory : int
        Bound for all of them together [bytes].
    cluster : str
        Address of a dask.distributed scheduler, ``tcp://host:8786``; its workers must see the run directory under the
        same path. Empty: this machine.
    """

    def __init__(self, count: int, memory: int, cluster: str = "") -> None:
        self.count, self.memory = max(1, count), memory
        self._pool: ProcessPoolExecutor | None = None
        self._client = _dask_client(cluster) if cluster else None

    def map(self, function: Callable[..., Any], items: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Call a module's function for each tuple of arguments; results in their order."""
        if self._client is not None:
            futures = [self._client.submit(function, *item, pure=False) for item in items]
            return list(self._client.gather(futures))
        if len(items) < 2 or self.count < 2:
            return [function(*item) for item in items]
        if self._pool is None:  # fork would copy threads' locks
            self._pool = ProcessPoolExecutor(self.count, multiprocessing.get_context("spawn"), initializer=_quiet)
        share = self.memory // min(self.count, len(items))
        return list(self._pool.map(_bounded, [(function, item, share) for item in items]))

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        if self._client is not None:
            self._client.close()


def _quiet() -> None:
    """Say nothing on the terminal: it has the table of stages."""
    log.addHandler(logging.NullHandler())
    log.propagate = False


def _bounded(work: tuple[Callable[..., Any], tuple[Any, ...], int]) -> Any:
    function, item, memory = work
    with memory_limit(memory):
        return function(*item)


def _dask_client(address: str) -> Any:
    try:
        distributed = importlib.import_module("distributed")
    except ImportError as error:
        raise PipelineError("cluster needs dask.distributed: pip install 'atacal[cluster]'") from error
    try:
        return distributed.Client(address, timeout="20s")
    except (OSError, ValueError, TimeoutError) as error:
        raise PipelineError(f"cluster = {address!r}: no scheduler answers there: {error}") from error


def run_block(
    folder: str, name: str, number: int, task: str, recipe: Recipe, context: Mapping[str, Any],
    parameters: Mapping[str, Any], flag_version: str, models: str,
) -> dict[str, Any]:  # fmt: skip
    """Do a stage on one execution block.

    Returns
    -------
    dict
        The `Outcome` as plain values; ``flag_version``, the version that holds the block's flags now, and ``models``,
        the copy of the table that holds its models, relative to the run directory.
    """
    stage = find_stage(task)
    block = Block(Path(folder), name, number, task, recipe, context)
    with at_work(block.folder), stage_log(block.folder, number, task, name):
        done = _attempt(stage, block, parameters)
        if not done:  # what the failed stage has done to the data is undone
            restore(
                block.vis, flag_version, block.folder / models if models else None,
                calibrated=bool(context.get("weights_calibrated")),
            )  # fmt: skip
            block.out.flags_changed = block.out.models_changed = False
            block.out.flags.clear()
            block.out.sets.clear()
        kept = keep_state(block, flag_version, models)
    give_back()
    result: dict[str, Any] = plain(block.out)
    return result | kept


def keep_state(block: Block, flag_version: str, models: str) -> dict[str, str]:
    """Save what a stage has changed of flags and models, and return where what holds now is kept."""
    if block.out.flags_changed:
        flag_version = save_flags(Path(block.name), block.number)
    if block.out.models_changed:
        copy = save_models(block.vis, block.folder / stage_folder(block.number, block.task))
        models = copy.relative_to(block.folder).as_posix() if copy else ""
    return {"flag_version": flag_version, "models": models}


def _attempt(stage: Stage, block: Block, parameters: Mapping[str, Any]) -> bool:
    """Call the stage's function; an error becomes a message and a score of 0, so that other stages and blocks go on.

    Not so errors in arguments that the user gave, and interrupts.
    """
    advice = "see the stage's log; correct the input or the parameters and run again"
    try:
        stage.function(block, **parameters)
    except AtacalError as error:
        if isinstance(error, ArgumentError) and dict(parameters) != stage.parameters:
            raise
        text = in_words(error, block.folder)
        log.error("%s: %s", stage.task, text)
    except Exception as error:
        text = f"unexpected {type(error).__name__}: {in_words(error, block.folder)}"
        advice = "please report it with the stage's log"
        log.exception("%s: %s", stage.task, text)
    else:
        return True
    block.out.say("error", text, advice)
    block.out.score(0.0, "failed", None, "", "stage failed", f"{block.name}: {text}")
    block.out.summary = f"failed: {text}"
    if stage.needed:
        block.out.failed = text
    return False

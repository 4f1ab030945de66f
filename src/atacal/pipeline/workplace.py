"""Where a stage works, and what is written of what its tasks say."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from atacal.memory import same_bytes
from atacal.ms.history import kept_elsewhere
from atacal.pipeline.block import stage_folder

log = logging.getLogger("atacal")


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Work in the run directory, so that tables name each other by relative paths, and leave no times in them."""
    same_bytes()
    with chdir(folder), kept_elsewhere():
        yield


@contextmanager
def stage_log(folder: Path, number: int, task: str, name: str) -> Iterator[None]:
    """Write what the tasks say to ``stages/NN-task/NAME.log``."""
    path = folder / stage_folder(number, task) / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    handler.setLevel(logging.INFO)
    level, others = log.level, list(log.handlers)
    if level > logging.DEBUG:  # the terminal has the table of stages; all that the tasks say is in the file
        log.handlers = []
    log.addHandler(handler)
    log.setLevel(min(level or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        log.setLevel(level)
        log.handlers = others
        handler.close()

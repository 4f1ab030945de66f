"""A run of the pipeline in its directory: stages done once, kept, and done again when what they depend on changes.

The directory::

    run.json              the versions that made it
    stages/NN-task/       result.json (what was asked, found, decided, made), charts, logs
    caltables/  images/   what the stages made
    X.ms                  the data, with X.ms.flagversions
    flux.csv, antennapos.csv, X.flagtemplate.txt ...    inputs that people edit
    state.json            how far the data are
    timings.json          wall-clock times; the only file whose content is not the same when a run is repeated

A stage is done when its ``result.json`` is there; everything else of it is written before. Its ``key`` is a digest of
what was asked: the stage, its parameters, the files that it reads, the version of atacal and the key of the stage
before. A run that finds a result with the right key takes it as it is; the first that is missing or has another key
is done, after flags and models have been brought back to how the stage before left them.
"""

from __future__ import annotations

import fcntl
import logging
import os
import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import IO, Any

from atacal import __version__
from atacal.errors import ArgumentError, AtacalError, MissingLibrary, PipelineError
from atacal.heuristics.scores import Recipe
from atacal.memory import current_limit
from atacal.pipeline.block import CALTABLES, STAGES, Block, Whole, stage_folder
from atacal.pipeline.execute import Workers, keep_state, run_block
from atacal.pipeline.files import digest, fingerprint, read_json, write_json
from atacal.pipeline.pages import Pages
from atacal.pipeline.results import Outcome, in_words, lowest
from atacal.pipeline.stage import Stage, find_stage
from atacal.pipeline.state import forget_versions, restore
from atacal.pipeline.watch import Watcher
from atacal.pipeline.workplace import at_work, stage_log
from atacal.results import plain
from atacal.threads import WORKERS

log = logging.getLogger("atacal")

RESULT = "result.json"
NOTHING = {"flag_version": "", "models": ""}
"""Where a block's flags and models are kept: nowhere yet."""
BEFORE = "a stage before it was done again"
_MADE_BY = re.compile(r"\.s(\d\d+)[._]")
"""The number of the stage that made a table or an image, in its name."""


class Run:
    """A run directory.

    Parameters
    ----------
    folder : path
        Made if there is none.
    recipe : {'today', 'cycle4'}
        Which limits and rules the stages follow.
    workers : int, optional
        Execution blocks that are worked on at a time; the cores there are by default.
    cluster : str
        Address of a dask.distributed scheduler.
    watcher : Watcher, optional
        Who is told of stages.
    weblog : bool
        Keep the weblog up with the run.

    Raises
    ------
    PipelineError
        If another run is at work in the directory.
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, recipe: Recipe = "today", workers: int | None = None,
        cluster: str = "", watcher: Watcher | None = None, weblog: bool = False,
    ) -> None:  # fmt: skip
        self.folder, self.recipe = Path(folder).absolute(), recipe
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.folder)
        self.watcher = watcher or Watcher()
        self.pages = Pages(self.folder) if weblog else None
        self.workers = Workers(workers or WORKERS, current_limit(), cluster)
        self.done: list[dict[str, Any]] = []
        self.context: dict[str, Any] = {}
        self.blocks: dict[str, dict[str, Any]] = {}
        self.failed: dict[str, str] = {}
        self.kept: dict[str, dict[str, str]] = {}
        self._forgotten: set[int] = set()
        write_json(self.folder / "run.json", {"versions": _versions(), "format": 1})

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End the worker processes and let go of the directory."""
        self.workers.close()
        self._lock.close()

    def call(self, task: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Do the next stage, or take its result if it has been done as asked.

        Parameters
        ----------
        task : str
        given : dict
            Parameters that are not at their defaults.

        Returns
        -------
        dict
            What ``result.json`` holds.

        Raises
        ------
        ArgumentError
        PipelineError
            If no execution block can go on.
        """
        stage = find_stage(task)
        parameters = stage.complete(given)
        if task == "hifa_importdata":
            parameters["vis"] = [os.path.abspath(v) for v in _listed(parameters["vis"])]
        number = len(self.done) + 1
        if number > 1 and len(self.failed) == len(self.blocks):
            raise PipelineError(f"{task}: no execution block can go on: {_reasons(self.failed)}")
        asked = self._asked(stage, number, parameters)
        key, old = digest(asked), self._read(number)
        if old is not None and old["key"] == key and not _has_failed(old):
            self._take(old)
            self.watcher.kept(old)
            return old
        self._prepare(number)
        why = _why(old, asked) or (BEFORE if number in self._forgotten and old is None and self.done else "")
        self.watcher.begins(number, stage.task, stage.title, why)
        began = perf_counter()
        result = self._do(stage, number, parameters) | {"asked": asked, "key": key}
        result["score"] = _score(result)
        write_json(self.folder / stage_folder(number, task) / RESULT, result)
        self._note_time(number, task, perf_counter() - began)
        write_json(self.folder / "state.json", {"stage": number, "busy": False})
        self._take(read_json(self.folder / stage_folder(number, task) / RESULT))
        self.watcher.ends(self.done[-1], perf_counter() - began)
        if self.pages:
            self.pages.update()
        return self.done[-1]

    # what was asked -------------------------------------------------------------------------------------------------

    def _asked(self, stage: Stage, number: int, parameters: Mapping[str, Any]) -> dict[str, Any]:
        files: dict[str, Path] = {}
        if stage.files is not None and stage.scope == "run":
            files = dict(stage.files(self._whole(stage, number), parameters))
        elif stage.files is not None:
            for block in self._blocks(stage, number):
                files |= {f"{label} ({block.name})": p for label, p in stage.files(block, parameters).items()}
        shown = dict(parameters)
        if stage.task == "hifa_importdata":  # wherever they are: their content counts
            shown |= {"vis": [Path(v).name for v in _listed(shown["vis"])], "session": _listed(shown["session"])}
        return plain(
            {
                "atacal": __version__, "recipe": self.recipe, "stage": stage.task, "number": number,
                "parameters": shown, "files": {label: fingerprint(p) for label, p in files.items()},
                "after": self.done[-1]["key"] if self.done else "",
            }
        )  # fmt: skip

    def _read(self, number: int) -> dict[str, Any] | None:
        """Return what is kept of a stage."""
        for path in sorted((self.folder / STAGES).glob(f"{number:02d}-*/{RESULT}")):
            result: dict[str, Any] = read_json(path)
            return result
        return None

    # doing ----------------------------------------------------------------------------------------------------------

    def _blocks(self, stage: Stage, number: int) -> list[Block]:
        return [
            Block(self.folder, name, number, stage.task, self.recipe, context)
            for name, context in self.blocks.items()
            if name not in self.failed
        ]

    def _whole(self, stage: Stage, number: int) -> Whole:
        blocks = self._blocks(stage, number)
        return Whole(self.folder, number, stage.task, self.recipe, self.context, blocks, self.workers.map)

    def _do(self, stage: Stage, number: int, parameters: dict[str, Any]) -> dict[str, Any]:
        if stage.scope == "block":
            items = [
                (os.fspath(self.folder), name, number, stage.task, self.recipe, context, parameters,
                 *self.kept.get(name, NOTHING).values())
                for name, context in self.blocks.items()
                if name not in self.failed
            ]  # fmt: skip
            outcomes = self.workers.map(run_block, items)
            blocks = {item[1]: outcome for item, outcome in zip(items, outcomes, strict=True)}
            return {"number": number, "task": stage.task, "title": stage.title, "blocks": blocks}
        whole = self._whole(stage, number)
        with at_work(self.folder), stage_log(self.folder, number, stage.task, "run"):
            self._attempt(stage, whole, parameters)
            blocks = {}
            for block in whole.blocks:
                kept = self.kept.get(block.name, NOTHING)
                blocks[block.name] = plain(block.out) | keep_state(block, *kept.values())
        return {"number": number, "task": stage.task, "title": stage.title, "blocks": blocks} | {
            "run": plain(whole.out)
        }

    def _attempt(self, stage: Stage, whole: Whole, parameters: dict[str, Any]) -> None:
        """Do a stage of the whole run; an error of one that others do not need becomes a message and a score of 0."""
        try:
            stage.function(whole, **parameters)
        except AtacalError as error:
            own = isinstance(error, ArgumentError) and parameters != stage.parameters
            if stage.needed or (own and not isinstance(error, MissingLibrary)):
                raise
            text = in_words(error, self.folder)
            log.error("%s: %s", stage.task, text)
            whole.out = Outcome(summary=f"failed: {text}")
            whole.out.say("error", text, "see the stage's log; mend what it names and run again")
            whole.out.score(0.0, "failed", None, "", "stage failed", text)

    def _take(self, result: dict[str, Any]) -> None:
        """Add a stage's result to the context."""
        self.done.append(result)
        self.context.update(result.get("run", {}).get("sets", {}))
        for name, outcome in result["blocks"].items():
            self.blocks.setdefault(name, {}).update(outcome["sets"])
            self.kept[name] = {what: outcome[what] for what in NOTHING}
            if outcome["failed"]:
                self.failed[name] = outcome["failed"]

    # going back -----------------------------------------------------------------------------------------------------

    def _prepare(self, number: int) -> None:
        """Forget the stages from one on, and bring the data to how the stage before left them."""
        path = self.folder / "state.json"
        state = read_json(path) if path.exists() else {"stage": 0, "busy": False}
        self._forgotten |= forget_stages(self.folder, number)
        (self.folder / CALTABLES).mkdir(exist_ok=True)
        if number > 1 and (state["busy"] or state["stage"] != number - 1):
            for name in self.blocks:
                with at_work(self.folder):
                    models = self.kept[name]["models"]
                    restore(
                        Path(name), self.kept[name]["flag_version"], self.folder / models if models else None,
                        calibrated=bool(self.blocks[name].get("weights_calibrated")),
                    )  # fmt: skip
                    forget_versions(self.folder / name, number - 1)
        write_json(path, {"stage": number, "busy": True})
        (self.folder / STAGES).mkdir(exist_ok=True)

    def _note_time(self, number: int, task: str, seconds: float) -> None:
        path = self.folder / "timings.json"
        timings = read_json(path) if path.exists() else {}
        timings = {k: v for k, v in timings.items() if int(k.split("-")[0]) < number}
        write_json(path, timings | {f"{number:02d}-{task}": round(seconds, 2)})


def forget_stages(folder: Path, number: int) -> set[int]:
    """Delete what stages from one on have left, and return which of them had been done.

    The results go first, so that a kill in between leaves no half stage.
    """
    later = [p for p in sorted((folder / STAGES).glob("*-*")) if int(p.name.split("-")[0]) >= number]
    done = {int(p.name.split("-")[0]) for p in later if (p / RESULT).exists()}
    for path in later:
        (path / RESULT).unlink(missing_ok=True)
    for path in later:
        shutil.rmtree(path)
    for made in (CALTABLES, "images"):
        for path in sorted((folder / made).glob("*")) if (folder / made).is_dir() else []:
            by = _MADE_BY.search(path.name)
            half = path.name.startswith(".")  # what a killed run was writing
            if half or (by and int(by.group(1)) >= number):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    return done


def _score(result: Mapping[str, Any]) -> float | None:
    every = [s for outcome in result["blocks"].values() for s in outcome["scores"]]
    return lowest([*every, *result.get("run", {}).get("scores", [])])


def _has_failed(result: Mapping[str, Any]) -> bool:
    """Whether a stage has failed: it is tried again, for the disk may have been full."""
    outcomes = [*result["blocks"].values(), *([result["run"]] if "run" in result else [])]
    return any(s["metric"] == "failed" for outcome in outcomes for s in outcome["scores"])


def _why(old: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> str:
    """Say why a stage is done again; empty if it has not been done before."""
    if old is None:
        return ""
    if _has_failed(old):
        return "it failed before"
    was = old["asked"]
    if was["stage"] != asked["stage"]:
        return f"it was {was['stage']} before"
    for what in ("parameters", "files"):
        for name in sorted({*was[what], *asked[what]}):
            before, now = was[what].get(name), asked[what].get(name)
            if before != now:
                return f"{name} has changed" if what == "files" else f"{name} is {now!r}, was {before!r}"
    if was["recipe"] != asked["recipe"]:
        return f"recipe is {asked['recipe']}, was {was['recipe']}"
    if was["atacal"] != asked["atacal"]:
        return f"it was done by atacal {was['atacal']}"
    return BEFORE


def _versions() -> dict[str, str]:
    from importlib.metadata import version

    names = ("astropy", "matplotlib", "numba", "numpy", "python-casacore")
    return {"atacal": __version__, "python": platform.python_version(), **{n: version(n) for n in names}}


def _reasons(failed: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in failed.items()) or "there is none; hifa_importdata comes first"


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, (str, os.PathLike)) else list(value or [])


def _locked(folder: Path) -> IO[str]:
    file = open(folder / ".lock", "w", encoding="utf-8")  # noqa: SIM115  (held as long as the run)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise PipelineError(f"another run is at work in {folder}") from error
    return file

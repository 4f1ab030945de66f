"""``atacal pipeline``: the whole recipe on raw data, without a human."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError
from atacal.pipeline.files import write_bytes
from atacal.pipeline.recipes import RECIPES, calls_for, recipe_of
from atacal.pipeline.run import Run
from atacal.pipeline.watch import JsonLines, Terminal, Watcher
from atacal.progress import is_quiet
from atacal.results import json_on_stdout

_TABLES = ("flux.csv", "antennapos.csv")
_TEMPLATES = (".flagtemplate.txt", ".flagtsystemplate.txt", ".flagtargetstemplate.txt")
_ENDINGS = (".asdm.sdm", ".asdm", ".sdm", ".ms")


@dataclass(frozen=True)
class PipelineReport:
    """What a run has come to.

    Attributes
    ----------
    folder : str
        The run directory.
    score : float or None
        The lowest score of all stages.
    stages : list of dict
        number, task, score and summary of each.
    messages : list of dict
        Warnings and errors with the stage and the block they are of, the worst first.
    failed : dict of str to str
        Blocks that could not go on, and why.
    weblog : str
        The page to open; empty if none was written.
    """

    folder: str
    score: float | None
    stages: list[dict[str, Any]]
    messages: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    weblog: str = ""

    @property
    def exit_code(self) -> int:
        """1 if a block could not go on."""
        return 1 if self.failed else 0

    def __str__(self) -> str:
        lines = [f"{self.folder}: {len(self.stages)} stages, lowest score {_shown(self.score)}"]
        lines += [
            f"  {m['level']}: stage {m['stage']} {m['task']}{', ' + m['block'] if m['block'] else ''}: {m['text']}"
            + (f" ({m['advice']})" if m["advice"] else "")
            for m in self.messages
        ]
        lines += [f"  {name} could not go on: {why}" for name, why in self.failed.items()]
        lines += [f"  {self.weblog}"] if self.weblog else []
        return "\n".join(lines)


def pipeline(
    vis: list[str] | str,
    outdir: str = "",
    recipe: str = "today",
    session: list[str] | str = "",
    stages: str = "",
    files: list[str] | str = "",
    dbservice: bool = False,
    workers: int = 0,
    cluster: str = "",
    weblog: bool = True,
) -> PipelineReport:
    """Calibrate raw blocks as ALMA's science pipeline does, stage by stage, each with its score.

    Everything is kept in a run directory. The same command again goes on at the first stage that is not done, or whose
    parameters or files (flux.csv, antennapos.csv, X.flagtemplate.txt in the run directory) have changed.

    Parameters
    ----------
    vis : str or list of str
        ASDMs or raw MeasurementSets. MeasurementSets stay as they are: the run works on a clone.
    outdir : str
        The run directory; by default ``X.pipeline`` in the current directory, X the first block.
    recipe : {'today', 'cycle4'}
        The stages and limits of today's pipeline, or those of Cycle 4.
    session : str or list of str
        The session of each block.
    stages : str
        Do only the stages up to this one: a number or a name (``14``, ``hifa_bandpass``). Empty: all.
    files : str or list of str
        Files that people edit, copied into the run directory before it begins: ``flux.csv``, ``antennapos.csv``,
        ``X.flagtemplate.txt``, ``X.flagtsystemplate.txt``, ``X.flagtargetstemplate.txt``.
    dbservice : bool
        Ask ALMA's service for the calibrators' flux densities.
    workers : int
        Blocks that are worked on at a time; 0: as many as there are cores.
    cluster : str
        Address of a dask.distributed scheduler (``tcp://host:8786``) whose workers do the stages.
    weblog : bool
        Write pages to look at, to ``weblog/index.html`` in the run directory, after each stage; see `weblog`.

    Returns
    -------
    PipelineReport

    Raises
    ------
    ArgumentError, PipelineError, AsdmError, WriteError
    """
    given = [vis] if isinstance(vis, (str, os.PathLike)) else list(vis)
    if not given:
        raise ArgumentError("vis is empty; it must name ASDMs or raw MeasurementSets")
    chosen = recipe_of(recipe)
    _check_last(stages, [RECIPES[chosen], calls_for(chosen, ["B2B"])])
    folder = Path(outdir or f"{_stem(given[0])}.pipeline")
    edited = _edited(files)
    watcher = _watcher(len(RECIPES[chosen]))
    with Run(
        folder, recipe=chosen, workers=workers or None, cluster=cluster, watcher=watcher, weblog=weblog
    ) as run:  # fmt: skip
        for path, name in edited:
            write_bytes(run.folder / name, path.read_bytes())
        task, parameters = RECIPES[chosen][0]
        run.call(task, {"vis": given, "session": session or (), "dbservice": dbservice, **parameters})
        # what the blocks are decides about the rest
        calls = _until(list(calls_for(chosen, (b.get("mode", "") for b in run.blocks.values()))), stages)
        watcher.expect(len(calls))
        for task, parameters in calls[1:]:
            if len(run.failed) == len(run.blocks):  # the report says why
                break
            run.call(task, parameters)
        run.watcher.close()
        if run.pages and not run.pages.page:  # every stage was kept
            run.pages.update()
        return report(run)


def report(run: Run) -> PipelineReport:
    """Summarise a run."""
    messages = []
    for result in run.done:
        for name, outcome in [*result["blocks"].items(), *([("", result["run"])] if "run" in result else [])]:
            messages += [
                {"stage": result["number"], "task": result["task"], "block": name, **m}
                for m in outcome["messages"]
                if m["level"] in ("warning", "error")
            ]
    scores = [r["score"] for r in run.done if r["score"] is not None]
    return PipelineReport(
        os.fspath(run.folder),
        min(scores) if scores else None,
        [{"number": r["number"], "task": r["task"], "score": r["score"], "summary": summary_of(r)} for r in run.done],
        sorted(messages, key=lambda m: m["level"] != "error"),
        dict(run.failed),
        run.pages.page if run.pages else "",
    )


def summary_of(result: dict[str, Any]) -> str:
    """Return what a stage decided, in a line."""
    if "run" in result and result["run"]["summary"]:
        return str(result["run"]["summary"])
    lines = {name: outcome["summary"] for name, outcome in result["blocks"].items()}
    if len(lines) == 1:
        return next(iter(lines.values()))
    return "; ".join(f"{name.removesuffix('.ms')}: {text}" for name, text in lines.items() if text)


def _edited(files: list[str] | str) -> list[tuple[Path, str]]:
    """Return each file with its name in the run directory: ``X.ms.antennapos.csv`` is antennapos.csv there."""
    out = []
    for path in map(Path, [files] if isinstance(files, str) and files else files):
        table = next((name for name in _TABLES if path.name == name or path.name.endswith(f".{name}")), None)
        if table is None and not path.name.endswith(_TEMPLATES):
            kinds = ", ".join([*_TABLES, *(f"X{t}" for t in _TEMPLATES)])
            raise ArgumentError(f"files: {path} is none of those that a run reads: {kinds}")
        if not path.is_file():
            raise ArgumentError(f"files: there is no {path}")
        out.append((path, table or path.name))
    return out


def _check_last(last: str, recipes: Sequence[Sequence[tuple[str, dict[str, Any]]]]) -> None:
    """Refuse, before anything is done, a last stage that no recipe has."""
    for calls in recipes[:-1]:
        with suppress(ArgumentError):
            _until(list(calls), last)
            return
    _until(list(recipes[-1]), last)


def _until(calls: list[tuple[str, dict[str, Any]]], last: str) -> list[tuple[str, dict[str, Any]]]:
    if not last:
        return calls
    names = [task for task, _ in calls]
    if last.isdigit() and 1 <= int(last) <= len(calls):
        return calls[: int(last)]
    if last in names:
        return calls[: names.index(last) + 1]
    raise ArgumentError(
        f"stages = {last!r} is not possible; it can be 1 to {len(calls)}, or {', '.join(dict.fromkeys(names))}"
    )


def _stem(path: str) -> str:
    name = Path(os.path.normpath(path)).name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def _watcher(count: int) -> Watcher:
    if json_on_stdout.get():
        return JsonLines(sys.stderr)
    return Watcher() if is_quiet() else Terminal(count)


def _shown(score: float | None) -> str:
    return "none" if score is None else f"{score:.2f}"


__all__: Sequence[str] = ("PipelineReport", "pipeline", "report")

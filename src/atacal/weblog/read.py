"""What a run directory holds, read for its pages: results of the stages, charts, logs, versions, times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from atacal.errors import WeblogError

RUN = "the run"
"""What stands for the outcome of a stage that concerns no single block."""


@dataclass(frozen=True, eq=False)
class Part:
    """A stage's outcome for a block, or for the run as a whole.

    Attributes
    ----------
    block : str
        The MeasurementSet's name; empty for the whole run.
    outcome : dict
        As in ``result.json``.
    """

    block: str
    outcome: Mapping[str, Any]

    @property
    def title(self) -> str:
        return self.block or RUN

    def listed(self, name: str) -> list[Any]:
        """Return a list of the outcome: scores, messages, flags, charts, calls."""
        value = self.outcome.get(name)
        return list(value) if isinstance(value, list) else []


@dataclass(frozen=True, eq=False)
class StageResult:
    """A stage that has been done.

    Attributes
    ----------
    folder : Path
        ``stages/NN-task``.
    result : dict
        What its ``result.json`` holds.
    with_logs : bool
        Whether its logs are shown.
    seconds : float or None
        How long it took.
    """

    folder: Path
    result: Mapping[str, Any]
    seconds: float | None
    with_logs: bool = True

    @property
    def number(self) -> int:
        return int(self.result["number"])

    @property
    def task(self) -> str:
        return str(self.result["task"])

    @property
    def title(self) -> str:
        return str(self.result.get("title") or self.task)

    @property
    def score(self) -> float | None:
        value = self.result.get("score")
        return None if value is None else float(value)

    @cached_property
    def parts(self) -> list[Part]:
        """The outcomes: of the run first, then of the blocks in the order of their names."""
        out = [Part("", self.result["run"])] if "run" in self.result else []
        return out + [Part(name, outcome) for name, outcome in sorted(self.result["blocks"].items())]

    @property
    def summary(self) -> str:
        texts = [(p.block, str(p.outcome.get("summary") or "")) for p in self.parts]
        if texts and not texts[0][0] and texts[0][1]:
            return texts[0][1]
        texts = [(b, t) for b, t in texts if b and t]
        if len(texts) == 1:
            return texts[0][1]
        return "; ".join(f"{b.removesuffix('.ms')}: {t}" for b, t in texts)

    def logs(self) -> list[tuple[str, Path]]:
        """Return what the tasks said: (name, file)."""
        if not self.with_logs:
            return []
        return [(p.name.removesuffix(".log"), p) for p in sorted(self.folder.glob("*.log")) if p.is_file()]


@dataclass(frozen=True, eq=False)
class RunData:
    """A run directory as far as it has come.

    Attributes
    ----------
    folder : Path
    versions : dict of str to str
    stages : list of StageResult
        In their order.
    broken : list of str
        Stages whose result could not be read, and why.
    name : str
        What the run is called.
    """

    folder: Path
    versions: Mapping[str, str]
    stages: list[StageResult]
    broken: list[str] = field(default_factory=list)
    name: str = ""

    @cached_property
    def blocks(self) -> list[str]:
        """The execution blocks, by name."""
        return sorted({p.block for s in self.stages for p in s.parts if p.block})

    @property
    def score(self) -> float | None:
        """The lowest score of all stages."""
        scores = [s.score for s in self.stages if s.score is not None]
        return min(scores) if scores else None

    def decisions(self, task: str, block: str) -> Mapping[str, Any]:
        """Return what a stage has decided for a block; empty if it has not been done."""
        for stage in self.stages:
            if stage.task == task:
                for part in stage.parts:
                    if part.block == block:
                        found = part.outcome.get("decisions")
                        return found if isinstance(found, Mapping) else {}
        return {}

    def every(self, name: str) -> Iterator[tuple[StageResult, Part, int, Any]]:
        """Go through a list of all outcomes: (stage, part, place in the list, item)."""
        for stage in self.stages:
            for part in stage.parts:
                for i, item in enumerate(part.listed(name)):
                    yield stage, part, i, item


def read_run(folder: Path, *, lasting: bool = False) -> RunData:
    """Read a run directory.

    Parameters
    ----------
    folder : Path
    lasting : bool
        Only what is the same whenever and wherever the run is repeated: neither times, nor logs, nor the folder's name.

    Raises
    ------
    WeblogError
        If it is none.
    """
    if not folder.is_dir():
        raise WeblogError(f"{folder}: there is no such run directory")
    if not (folder / "run.json").is_file() and not (folder / "stages").is_dir():
        raise WeblogError(f"{folder} is no run directory of atacal pipeline: it has neither run.json nor stages")
    about = _read(folder / "run.json") if (folder / "run.json").is_file() else {}
    timings = _read(folder / "timings.json") if (folder / "timings.json").is_file() and not lasting else {}
    stages, broken = [], []
    for path in sorted((folder / "stages").glob("*-*/result.json")):
        try:
            result = _read(path)
            if not isinstance(result, dict) or not isinstance(result.get("blocks"), dict):
                raise WeblogError(f"{path} holds no result of a stage")
            seconds = timings.get(path.parent.name)
            stages.append(StageResult(path.parent, result, None if seconds is None else float(seconds), not lasting))
            _ = (stages[-1].number, stages[-1].task, stages[-1].score)
        except (WeblogError, KeyError, TypeError, ValueError) as error:
            stages = [s for s in stages if s.folder != path.parent]
            broken.append(f"{path.parent.name}: {error}")
    versions, ordered = dict(about.get("versions", {})), sorted(stages, key=lambda s: s.number)
    return RunData(folder, versions, ordered, broken, "pipeline run" if lasting else folder.name)


def _read(path: Path) -> Any:
    try:
        return orjson.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise WeblogError(f"{path} cannot be read: {error}") from error

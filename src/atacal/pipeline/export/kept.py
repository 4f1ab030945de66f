"""What a run has kept on the disk of the stages before one, as its reports and scripts need it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from atacal.pipeline.block import STAGES
from atacal.pipeline.files import read_json
from atacal.pipeline.project import ous_name, read_project, recipe_name
from atacal.pipeline.run import RESULT

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Kept:
    """A run up to a stage.

    Attributes
    ----------
    folder : Path
        The run directory.
    number : int
        The stage that looks; those before it count.
    """

    folder: Path
    number: int

    @cached_property
    def results(self) -> list[Result]:
        """What ``result.json`` of each stage holds, in their order."""
        paths = sorted((self.folder / STAGES).glob(f"*-*/{RESULT}"))
        of_stage = {int(p.parent.name.split("-")[0]): p for p in paths}
        return [read_json(of_stage[n]) for n in sorted(of_stage) if n < self.number]

    @cached_property
    def project(self) -> dict[str, dict[str, Any]]:
        return read_project(self.folder)

    @property
    def ous(self) -> str:
        """The observing unit set in file names; ``unknown``."""
        return ous_name(self.project)

    @property
    def recipe(self) -> str:
        return recipe_name(self.project)

    @property
    def versions(self) -> dict[str, str]:
        found: dict[str, str] = read_json(self.folder / "run.json")["versions"]
        return found

    @cached_property
    def blocks(self) -> list[str]:
        """All execution blocks, those that have failed as well."""
        return list(dict.fromkeys(name for r in self.results for name in r["blocks"]))

    @cached_property
    def failed(self) -> dict[str, str]:
        """Blocks that could not go on, and why."""
        return {n: o["failed"] for r in self.results for n, o in r["blocks"].items() if o["failed"]}

    def outcomes(self, result: Result) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Yield the blocks' outcomes of a stage, and the run's under an empty name."""
        yield from result["blocks"].items()
        if "run" in result:
            yield "", result["run"]

    def context(self, name: str, key: str, default: Any = None) -> Any:
        """Return what a block's context holds; the run's if the name is empty."""
        value = default
        for result in self.results:
            outcome = result["blocks"].get(name, {}) if name else result.get("run", {})
            value = outcome.get("sets", {}).get(key, value)
        return value

    def description(self, name: str) -> dict[str, Any]:
        """Return what a block holds, as the import has described it; empty if there was none."""
        first = next((r for r in self.results if r["task"] == "hifa_importdata"), None)
        found: dict[str, Any] = first["blocks"].get(name, {}).get("decisions", {}) if first else {}
        return found

    def flag_version(self, name: str, task: str) -> str:
        """Return the version that holds a block's flags after a stage; empty if the stage has not been done."""
        done = [r for r in self.results if r["task"] == task]
        return str(done[-1]["blocks"].get(name, {}).get("flag_version", "")) if done else ""

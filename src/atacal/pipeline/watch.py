"""Who is told of the stages of a run: nobody, a terminal, or a program that reads JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from atacal.heuristics.scores import colour


class Watcher:
    """Is told of everything and says nothing."""

    def expect(self, count: int) -> None:
        """Take note of how many stages there will be."""

    def kept(self, result: Mapping[str, Any]) -> None:
        """Take note of a stage whose result is taken as it is."""

    def begins(self, number: int, task: str, title: str, why: str) -> None:
        """Take note of a stage that is done now; ``why`` it is done again, if it is."""

    def ends(self, result: Mapping[str, Any], seconds: float) -> None:
        """Take note of a stage that was done."""

    def close(self) -> None:
        """End what is shown while a stage is done."""


class JsonLines(Watcher):
    """Writes a line of JSON for each thing that happens.

    Parameters
    ----------
    stream : file
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stdout

    def _write(self, **event: Any) -> None:
        print(json.dumps(event, ensure_ascii=False), file=self.stream, flush=True)

    def kept(self, result: Mapping[str, Any]) -> None:
        self._write(event="kept", stage=result["number"], task=result["task"], score=result["score"])

    def begins(self, number: int, task: str, title: str, why: str) -> None:
        self._write(event="begins", stage=number, task=task, why=why)

    def ends(self, result: Mapping[str, Any], seconds: float) -> None:
        summary = {name: outcome["summary"] for name, outcome in result["blocks"].items()}
        self._write(
            event="ends", stage=result["number"], task=result["task"], score=result["score"], summary=summary,
            seconds=round(seconds, 2),
        )  # fmt: skip


class Terminal(Watcher):
    """A table of the stages that grows on a terminal: a line each, and the stage that is being done below.

    Parameters
    ----------
    count : int
        How many stages there will be.
    stream : file
    """

    def __init__(self, count: int, stream: TextIO | None = None) -> None:
        from rich.console import Console

        self.count, self.console = count, Console(file=stream or sys.stderr, highlight=False)
        self._status: Any = None

    def expect(self, count: int) -> None:
        self.count = count

    def _line(self, result: Mapping[str, Any], seconds: str) -> None:
        from rich.text import Text

        score = result["score"]
        shown = Text("   - ") if score is None else Text(f"{score:5.2f}", style=colour(max(score, 0.0)))
        line = Text.assemble(f"{result['number']:>3} {result['task']:<28}", shown, f" {seconds:>8}  {_summary(result)}")
        if self.console.is_terminal:
            line.truncate(max(self.console.width, 60), overflow="ellipsis")
        self.console.print(line, soft_wrap=True)

    def kept(self, result: Mapping[str, Any]) -> None:
        self._line(result, "kept")

    def begins(self, number: int, task: str, title: str, why: str) -> None:
        again = f", again: {why}" if why else ""
        if self.console.is_terminal:
            self._status = self.console.status(f"{number}/{self.count} {task}{again}")
            self._status.start()
        elif again:
            self.console.print(f"    {task} is done{again}", soft_wrap=True, markup=False)

    def ends(self, result: Mapping[str, Any], seconds: float) -> None:
        self.close()
        self._line(result, f"{seconds:.1f} s")

    def close(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def _summary(result: Mapping[str, Any]) -> str:
    if "run" in result and result["run"]["summary"]:
        return str(result["run"]["summary"])
    texts = [outcome["summary"] for outcome in result["blocks"].values()]
    return texts[0] if len(texts) == 1 else "; ".join(t for t in texts if t)

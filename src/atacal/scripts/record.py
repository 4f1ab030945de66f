"""What is known of earlier runs of a script: NAME.run.json in the folder it runs in."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError
from atacal.scripts.source import Script
from atacal.scripts.steps import StepMap, ranges

VERSION = 1


@dataclass
class Record:
    """Steps done, and of what code; see `Record.load`."""

    script: str
    sha256: str = ""
    rest: str = ""
    casa_version: str = ""
    applyonly: bool | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    selected: list[int] = field(default_factory=list)
    done: dict[int, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, Any] | None = None

    @staticmethod
    def path(script: Script, folder: str | Path) -> Path:
        """Say where a script's record lies."""
        return Path(folder) / f"{script.path.stem}.run.json"

    @classmethod
    def load(cls, script: Script, folder: str | Path) -> Record | None:
        """Read the record of a script, None if there is none.

        Raises
        ------
        ArgumentError
            There is one that is damaged.
        """
        path = cls.path(script, folder)
        if not path.exists():
            return None
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored.pop("version") != VERSION:
                raise ValueError("another version")
            stored["done"] = {int(k): v for k, v in stored["done"].items()}
            return cls(**stored)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArgumentError(f"{path} is no record of a run ({error}); delete it to begin anew") from error

    def save(self, path: Path) -> None:
        """Write it, complete or not at all."""
        stored = {"version": VERSION, **asdict(self)}
        temporary = path.with_name(f".{path.name}.tmp")
        temporary.write_text(json.dumps(stored, indent=1), encoding="utf-8")
        os.replace(temporary, path)

    def begun_anew(self, script: Script, steps: StepMap) -> None:
        """Forget what was done by other code than the script has now."""
        digests = steps.digests()
        if self.rest != steps.rest:
            self.done = {}
        self.done = {n: d for n, d in self.done.items() if digests.get(n) == d["code"]}
        self.sha256, self.rest, self.failed = script.sha256, steps.rest, None

    def to_resume(self, script: Script, steps: StepMap) -> list[int]:
        """Say which steps are left.

        Parameters
        ----------
        script : Script
            As it is now.
        steps : StepMap
            Its steps.

        Returns
        -------
        list of int
            Those of the last run's from the first that did not end; empty if all did.

        Raises
        ------
        ArgumentError
            What has been done was done by other code: the script was changed there.
        """
        digests = steps.digests()
        selected = [n for n in self.selected if n in digests]
        changed = [n for n in selected if n in self.done and self.done[n]["code"] != digests[n]]
        if changed or self.rest != steps.rest:
            where = f"step {ranges(changed)}" if changed else "the code outside of its steps"
            first = min(changed) if changed else (selected or steps.numbers)[0]
            raise ArgumentError(
                f"{script.name} was changed since: {where} is not what was run. Run what depends on it again, for "
                f"example --steps {first}- (steps that had not ended may be changed freely)"
            )
        left = [n for n in selected if n not in self.done]
        return [n for n in selected if n >= left[0]] if left else []

"""What the process that runs a script is told, and what it tells back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class RunPlan:
    """Orders for the process that runs a script.

    Attributes
    ----------
    script, cwd, root : str
        The script, the folder it runs in, the folder in which it may change files.
    python : int
        2 or 3.
    casa_version : str
        The CASA that is presented.
    casa_given : bool
        Whether the user named it; otherwise scripts that this one runs get the one they ask for.
    steps : list of int or None
        ``mysteps``; None leaves it unset.
    applyonly : bool or None
        None leaves it unset.
    variables : dict
        Other variables the script finds.
    resume : bool
        The steps are what is left of an earlier run.
    dry, skip_unsupported, allow_shell, verbose, quiet : bool
    temporary, record, result : str
        Folder for temporary files, the record of the run, where the result goes.
    memory : int
        Bound on memory [bytes].
    """

    script: str
    cwd: str
    root: str
    python: int
    casa_version: str
    casa_given: bool
    steps: list[int] | None
    applyonly: bool | None
    variables: dict[str, Any]
    resume: bool
    dry: bool
    skip_unsupported: bool
    allow_shell: bool
    verbose: bool
    quiet: bool
    temporary: str
    record: str
    result: str
    memory: int

    def save(self, path: Path) -> None:
        """Write it for the process."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: str) -> RunPlan:
        """Read it in the process."""
        return cls(**json.loads(Path(path).read_text(encoding="utf-8")))


@dataclass
class Outcome:
    """What the process tells back.

    Attributes
    ----------
    exit_code : int
        0; 1 for an error, 3 where something was left out or refused; the script's own of ``sys.exit``.
    error : str
        What ended the script; empty if it went to its end.
    trace : list of str
        The script's lines that led there.
    steps : list of dict
        Those that began: number, title, seconds, status.
    left_out : list of dict
        Calls that are not supported: file, line, call, why.
    refused : list of str
        What the guard stopped.
    calls : list of dict
        Of a dry run: those that would be made.
    log : str
        The log file.
    kernel_guard : bool
        Whether the kernel guarded the folders too.
    seconds : float
    """

    exit_code: int = 0
    error: str = ""
    trace: list[str] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    log: str = ""
    kernel_guard: bool = False
    seconds: float = 0.0

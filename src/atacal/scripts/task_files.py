"""Which files a call of a task reads, makes and changes, from its parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atacal.scripts.casa_names import PIPELINE_PREFIXES

OUTPUTS = (
    "caltable", "outputvis", "concatvis", "fluxtable", "listfile", "plotfile", "figfile", "outfile", "outputfile",
    "outframe_file", "imagename", "fitsimage",
)  # fmt: skip
"""Parameters that name what is made, in every task but those where they name what is read."""
_READ_INSTEAD = {
    ("fluxscale", "caltable"), ("plotcal", "caltable"), ("plotbandpass", "caltable"), ("listcal", "caltable"),
    ("applycal", "caltable"), ("plotants", "figfile_"), ("exportfits", "imagename"),
}  # fmt: skip
INPUTS = ("vis", "asdm", "gaintable", "tablein", "infile", "inpfile", "fixedtable")
CHANGING_VIS = frozenset({
    "flagdata", "flagcmd", "flagmanager", "setjy", "delmod", "applycal", "clearcal", "initweights", "fixsyscaltimes",
    "statwt", "fixplanets", "ft", "uvsub", "defintent",
})  # fmt: skip
"""Tasks that change the MeasurementSet they are given (or its flag versions)."""


@dataclass(frozen=True)
class Files:
    """Files of a call: read, made (or replaced), changed in place."""

    reads: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


def files_of(task: str, arguments: Mapping[str, Any]) -> Files:
    """Tell which files a call reads, makes and changes.

    Parameters
    ----------
    task : str
        CASA's name.
    arguments : mapping
        Its parameters, defaults too.

    Returns
    -------
    Files
    """
    if task.startswith(PIPELINE_PREFIXES):  # stages work on the run directory
        from atacal.pipeline.functions import raw_input
        from atacal.pipeline.stages.importdata import block_name

        given = _names(arguments.get("vis")) if task == "hifa_importdata" else []
        found = tuple(os.path.relpath(raw_input(v, Path.cwd())) for v in given)
        return Files(found, tuple(f"{block_name(v)}.ms" for v in given))
    reads = [f for n in INPUTS for f in _names(arguments.get(n))]
    makes: list[str] = []
    for name in OUTPUTS:
        (reads if (task, name) in _READ_INSTEAD else makes).extend(_names(arguments.get(name)))
    changes: list[str] = []
    vis = _names(arguments.get("vis"))
    if task == "importasdm":
        asdm = _names(arguments.get("asdm"))
        made = vis or [f"{a.rstrip('/')}.ms" for a in asdm]
        reads = [f for f in reads if f not in vis]
        makes = [*made, *(f"{m}.flagversions" for m in made if arguments.get("flagbackup", True)), *makes]
    elif task == "flagmanager":
        mode = arguments.get("mode")
        changes = vis if mode == "restore" else []
        makes += [f"{v}.flagversions/flags.{arguments.get('versionname')}" for v in vis if mode == "save"]
    elif _only_looks(task, arguments):
        changes = []
    elif task in CHANGING_VIS:
        changes = vis
    elif task == "concat":
        reads = vis
    if task in ("gaincal", "fluxscale", "bandpass") and arguments.get("append"):
        changes = [*changes, *makes]
    if task == "fixvis" and not arguments.get("outputvis"):
        changes = vis
    return Files(tuple(reads), tuple(makes), tuple(changes))


def _only_looks(task: str, arguments: Mapping[str, Any]) -> bool:
    """Whether a flagging task is asked for a summary, a list or a plot."""
    action = arguments.get("action")
    if task == "flagdata":
        return arguments.get("mode") == "summary" or action in ("", "calculate")
    return task == "flagcmd" and action in ("list", "plot")


def _names(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if isinstance(value, (list, tuple)):
        return [v for v in value if isinstance(v, str) and v]
    return [str(value)] if value is not None and type(value).__name__ == "Unknown" else []

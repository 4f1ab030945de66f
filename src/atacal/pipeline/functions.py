"""The pipeline's functions under its own names: ``h_init()``, ``hifa_importdata(vis=[...])``, ``h_save()``.

They work in the current directory, which is the run directory. A script that is run again goes on where the stages
are not done yet.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atacal.errors import PipelineError
from atacal.pipeline.project import read_project, set_project
from atacal.pipeline.recipes import recipe_of
from atacal.pipeline.run import Run
from atacal.pipeline.stage import LEGACY, find_stage, stages

log = logging.getLogger("atacal")
OLD_NAMES = {
    "hifa_tsyscal": "h_tsyscal", "hif_tsyscal": "h_tsyscal", "h_tsysflag": "hifa_tsysflag",
    "hif_tsysflag": "hifa_tsysflag", "hif_bandpass": "hifa_bandpass", "hif_makecleanlist": "hif_makeimlist",
    "hif_cleanlist": "hif_makeimages",
}  # fmt: skip
"""Names of stages in older pipelines, and those of today."""
_current: Run | None = None


class Context:
    """What ``h_init`` returns: scripts write down in it what the run is of (``project.json`` in the run directory).

    Attributes
    ----------
    run : Run
    project_summary, project_structure : object
        What was set, as attributes: ``context.project_summary.proposal_code = '2016.1.01435.S'``.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.project_summary = _Said(run.folder, "ProjectSummary")
        self.project_structure = _Said(run.folder, "ProjectStructure")

    def set_state(self, cls: str, name: str, value: Any) -> None:
        """Keep a value, as ``context.set_state('ProjectSummary', 'proposal_code', '2016.1.01435.S')`` does.

        Raises
        ------
        ArgumentError
        """
        set_project(self.run.folder, cls, name, value)


class _Said:
    """A part of ``project.json`` as an object."""

    def __init__(self, folder: Path, cls: str) -> None:
        self.__dict__.update(_folder=folder, _cls=cls)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return read_project(self.__dict__["_folder"]).get(self.__dict__["_cls"], {}).get(name, "Undefined")

    def __setattr__(self, name: str, value: Any) -> None:
        set_project(self.__dict__["_folder"], self.__dict__["_cls"], name, value)


def h_init(
    loglevel: str = "info", plotlevel: str = "default", weblog: bool = True, processing_intents: Any = None,
    *, folder: str = "", recipe: str = "today", **options: Any,
) -> Context:  # fmt: skip
    """Begin a run, or take up the one that is in the directory.

    Parameters
    ----------
    loglevel, plotlevel, processing_intents
        Accepted; they mean nothing here.
    weblog : bool
        Keep pages to look at up with the run, in ``weblog``.
    folder : str
        The run directory; the current one by default.
    recipe : {'today', 'cycle4'}
        Whose limits and rules the stages follow.
    **options
        As of `atacal.pipeline.run.Run`.
    """
    global _current
    if _current is not None:
        _current.close()
    _current = Run(folder or os.getcwd(), recipe=recipe_of(recipe), weblog=weblog, **options)
    return Context(_current)


def h_resume(filename: str = "", loglevel: str = "info", plotlevel: str = "default") -> Context:
    """Take up the run that is in the current directory: its stages are taken as they are when they are called again."""
    return h_init(loglevel, plotlevel)


def h_save(filename: str = "") -> None:
    """End a run. Everything is on the disk already; what this does is to let go of the directory."""
    global _current
    if _current is not None:
        _current.close()
        _current = None


def current_run() -> Run:
    """Return the run that ``h_init`` has begun.

    Raises
    ------
    PipelineError
    """
    if _current is None:
        raise PipelineError("no run has begun: call h_init() first")
    return _current


def stage_function(name: str) -> Callable[..., dict[str, Any]]:
    """Make the function of a stage, with the pipeline's parameters; older names work as well."""
    stage = find_stage(OLD_NAMES.get(name, name))
    own = list(inspect.signature(stage.function).parameters.values())[1:]
    legacy = [inspect.Parameter(n, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None) for n in LEGACY]
    taken = {p.name for p in own}
    first = [p for p in own if p.name == "vis"] or legacy[:1]
    signature = inspect.Signature(
        [*first, *(p for p in own if p.name != "vis"), *(p for p in legacy[1:] if p.name not in taken)]
    )

    def call(*words: Any, **given: Any) -> dict[str, Any]:
        if name != stage.task:
            log.info("%s is %s today", name, stage.task)
        bound = signature.bind(*words, **given).arguments
        asked = {k: v for k, v in bound.items() if v is not None}
        if stage.task == "hifa_importdata" and "vis" in asked:
            asked["vis"] = [raw_input(v, current_run().folder) for v in _listed(asked["vis"])]
        return current_run().call(stage.task, asked)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = stage.function.__doc__
    call.__signature__ = signature  # type: ignore[attr-defined]
    return call


def raw_input(name: str, folder: Path) -> str:
    """Find raw data as the pipeline does: in the run directory, else in ``../rawdata`` (or a delivery's ``../raw``).

    Parameters
    ----------
    name : str
        A path, or a block's name with or without the ending of an ASDM.
    folder : Path
        The run directory.

    Returns
    -------
    str
        A path that is there; the given one if there is none.
    """
    name = os.fspath(name).rstrip("/")
    for place in ("", "../rawdata", "../raw"):
        for ending in ("", ".asdm.sdm", ".asdm"):
            path = Path(os.path.normpath(folder / place / f"{name}{ending}"))
            if path.is_dir():
                return os.fspath(path)
    return name


def stage_names() -> list[str]:
    """Return the names of all stages' functions, old ones too."""
    return sorted([*stages(), *(old for old, new in OLD_NAMES.items() if new in stages())])


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, (str, os.PathLike)) else list(value)


def __getattr__(name: str) -> Any:
    if name.startswith(("h_", "hif_", "hifa_")) and name in stage_names():
        return stage_function(name)
    raise AttributeError(f"module {__name__!r} has no {name!r}")

"""The pipeline's functions among the names that a script finds: those of a run, or those that restore a delivery.

``h_init``, ``h_save`` and ``hifa_importdata`` are in both; which of them a script means is told by what else it calls.
"""

from __future__ import annotations

import ast
import importlib
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger("atacal")

RESTORING = frozenset({"h_restoredata", "hif_restoredata", "hifa_restoredata"})
COMMON = ("h_init", "h_save", "hifa_importdata")
"""Functions that a run and a restore have, under the same names."""
_LONG = ".asdm.sdm.ms"
_OF_CYCLE4 = {"hif_gainflag", "hif_setjy", "hif_makecleanlist"}
_OF_TODAY = {
    "hif_setmodels",
    "hifa_bandpassflag",
    "hifa_gfluxscaleflag",
    "hifa_targetflag",
    "hifa_tsysflagcontamination",
}
"""Stages that tell which recipe a script follows."""


def restores(tree: ast.Module) -> bool | None:
    """Tell whether a script restores a delivery; None if it has nothing to do with the pipeline."""
    names = _called(tree)
    if names & RESTORING:
        return True
    return False if names & {*_stages(), "h_resume", *COMMON} else None


def recipe_of_script(tree: ast.Module) -> str:
    """Tell whose rules a script's stages follow: ``cycle4`` if it calls stages that only that recipe has."""
    names = _called(tree)
    return "cycle4" if names & _OF_CYCLE4 and not names & _OF_TODAY else "today"


def loaders(*, restoring: bool, recipe: str = "today") -> dict[str, Callable[[], Callable[..., Any]]]:
    """Return what loads each of the pipeline's functions, by its name.

    Parameters
    ----------
    restoring : bool
        Whether the names that both have are those that restore.
    recipe : {'today', 'cycle4'}
        What ``h_init`` begins a run with.
    """
    out: dict[str, Callable[[], Callable[..., Any]]] = {n: _loader("atacal.pipeline.functions", n) for n in _stages()}
    out |= {name: _loader("atacal.pipeline.functions", name) for name in ("h_init", "h_resume", "h_save")}
    out |= {name: _loader("atacal.restore", name) for name in sorted(RESTORING)}
    if restoring:
        out |= {name: _loader("atacal.restore", name) for name in COMMON}
    elif recipe != "today":
        out["h_init"] = lambda: _beginning(recipe)
    return out


def as_named_here(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Name a MeasurementSet as a run of atacal does: the pipeline calls that of ``X.asdm.sdm`` ``X.asdm.sdm.ms``."""
    out = dict(arguments)
    vis = out.get("vis")
    if isinstance(vis, str) and vis.endswith(_LONG) and not os.path.exists(vis):
        out["vis"] = f"{vis.removesuffix(_LONG)}.ms"
        log.info("%s is %s here", vis, out["vis"])
    return out


def _beginning(recipe: str) -> Callable[..., Any]:
    from atacal.pipeline.functions import h_init

    def begin(loglevel: str = "info", plotlevel: str = "default", weblog: bool = True, recipe: str = recipe) -> Any:
        return h_init(loglevel, plotlevel, weblog, recipe=recipe)

    begin.__doc__ = h_init.__doc__
    return begin


def _stages() -> list[str]:
    from atacal.pipeline.functions import stage_names

    return stage_names()


def _loader(package: str, name: str) -> Callable[[], Callable[..., Any]]:
    def load() -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(importlib.import_module(package), name)
        return function

    return load


def _called(tree: ast.Module) -> set[str]:
    return {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}

"""The pipeline: stages, the context that lasts between them, the run directory, export.

``from atacal.pipeline import h_init, hifa_importdata, ...`` gives the pipeline's functions; `pipeline` runs a recipe.
"""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["h_init", "h_resume", "h_save", "pipeline"]


def __getattr__(name: str) -> Any:
    if name == "pipeline":
        return importlib.import_module("atacal.pipeline.command").pipeline
    if name.startswith(("h_", "hif_", "hifa_")):
        return getattr(importlib.import_module("atacal.pipeline.functions"), name)
    raise AttributeError(f"module {__name__!r} has no {name!r}")

"""ALMA's own reduction scripts, run as they are: CASA's shell, Python 2 translated, a guarded process."""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "run": "runner", "RunResult": "report", "DryResult": "report", "check_script": "check", "CheckResult": "check",
    "read_script": "source",
}  # fmt: skip

__all__ = ["CheckResult", "DryResult", "RunResult", "check_script", "read_script", "run"]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no {name!r}")

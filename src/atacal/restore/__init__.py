"""Restore a delivered ALMA directory: raw data, tables, flag versions and ``calapply.txt`` applied again."""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "restore": "member", "h_init": "functions", "h_restoredata": "functions", "h_save": "functions",
    "hif_restoredata": "functions", "hifa_importdata": "functions", "hifa_restoredata": "functions",
}  # fmt: skip

__all__ = [
    "h_init",
    "h_restoredata",
    "h_save",
    "hif_restoredata",
    "hifa_importdata",
    "hifa_restoredata",
    "restore",
]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no {name!r}")

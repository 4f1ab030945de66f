"""The QA2 report of a manual calibration: its diagnostic pictures and their numbers on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atacal.qa2.report import qa2

__all__ = ["qa2"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from atacal.qa2 import report

        return getattr(report, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

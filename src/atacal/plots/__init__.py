"""Pictures of visibilities and calibration tables, and the numbers behind them.

`plot_caltable` and `plot_ms` draw the sets that a calibration run leaves; matplotlib is loaded when one is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atacal.plots.recipe import plot_caltable, plot_ms

__all__ = ["plot_caltable", "plot_ms"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from atacal.plots import recipe

        return getattr(recipe, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

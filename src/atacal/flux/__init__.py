"""Flux standards, fluxscale, and catalogues of measured flux densities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from atacal.flux.command import flux

__all__ = ["flux"]


def __getattr__(name: str) -> Any:
    """Import the command when it is asked for: the room's other modules do not need what it needs."""
    if name == "flux":
        from atacal.flux.command import flux

        return flux
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

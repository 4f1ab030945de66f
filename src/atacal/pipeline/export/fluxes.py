"""Flux densities of a run: those that it began with, and those that it has derived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from atacal.pipeline.export.kept import Kept


@dataclass(frozen=True)
class Flux:
    """A flux density [Jy] of a field in an spw of a block; an error of 0 is not known."""

    block: str
    field: str
    spw: int
    spw_name: str
    freq_hz: float
    flux_jy: float
    error_jy: float = 0.0


def known_fluxes(kept: Kept) -> list[Flux]:
    """Return what the import has found."""
    out = []
    for entry in kept.context("", "source_fluxes", []):
        about = kept.description(entry["ms"])
        names = {one["id"]: name for name, one in about.get("fields", {}).items()}
        out.append(_flux(about, entry["ms"], names.get(entry["field"], str(entry["field"])), entry["spw"], entry["I"]))
    return out


def derived_fluxes(kept: Kept) -> list[Flux]:
    """Return what the flux scale has given."""
    out = []
    for block in kept.blocks:
        about = kept.description(block)
        for field, of_spw in sorted((kept.context(block, "fluxes") or {}).items()):
            for spw, one in sorted(of_spw.items(), key=lambda item: int(item[0])):
                out.append(_flux(about, block, field, int(spw), one["flux_jy"], one.get("error_jy") or 0.0))
    return out


def _flux(about: dict[str, Any], block: str, field: str, spw: int, flux_jy: float, error_jy: float = 0.0) -> Flux:
    window = about.get("science_spws", {}).get(str(spw), {})
    return Flux(block, field, spw, window.get("name", ""), window.get("centre_hz", 0.0), flux_jy, error_jy)

"""Derived flux densities beside a catalogue's: scores, charts, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atacal.heuristics.flux_scores import score_derived, score_flux_snr, score_spw_ratio, spw_ratios
from atacal.pipeline.block import Block
from atacal.pipeline.calibrated import MeanFlux
from atacal.pipeline.charts import Axis, Chart, Series
from atacal.pipeline.flux_file import FLUX_FILE, known_fluxes


def report_fluxes(
    block: Block, derived: Mapping[int, Mapping[int, Mapping[str, Any]]], means: Mapping[int, Mapping[int, MeanFlux]],
    transfers: Sequence[int], reffile: str,
) -> None:  # fmt: skip
    """Score and chart the flux densities, and put them into the decisions.

    Parameters
    ----------
    block : Block
    derived : mapping of field -> spw -> values
        ``flux_jy``, ``error_jy``, ``fitted``, ``freq_hz``...
    means : mapping of field -> spw -> MeanFlux
        From the calibrated visibilities.
    transfers : sequence of int
    reffile : str
        With a catalogue's, in place of flux.csv.
    """
    facts, names = block.facts, block.facts.metadata.field_names()
    known = known_fluxes(block.folder / (reffile or FLUX_FILE), block.get("source_fluxes", []))
    shown, words = {}, []
    for field in transfers:
        name, found = names[field], dict(derived.get(field, {}))
        catalogue = {e.spw: e.I for e in known if e.field == field and e.ms in (block.name, "all", "")}
        mean = means.get(field, {})
        shown[name] = {
            str(s): {**o, "visibility_flux_jy": mean[s].flux_jy if s in mean else None,
                     "visibility_error_jy": mean[s].error_jy if s in mean else None, "catalogue_jy": catalogue.get(s)}
            for s, o in found.items()
        }  # fmt: skip
        spws = [s for s in facts.science_spws if any(s in c.spws and field in c.fields for c in facts.science_scans())]
        measured = {s: o for s, o in found.items() if not o["fitted"]}
        value = score_derived(len(spws), len(measured))
        text = f"{block.name}, {name}: {len(measured)} of {len(spws)} spws have a derived flux density"
        block.out.score(value, "derived_fluxes", len(measured), "spws", "flux densities derived", text, field=name)
        if value < 1:
            lost = ", ".join(str(s) for s in spws if s not in measured)
            block.out.say(
                "warning",
                f"{name} has no flux density in spw {lost}; that of its spectrum is taken",
                "see what flagged it, or give refspwmap",
            )
        snr = _score_snr(block, name, measured)
        _score_ratios(block, name, measured, snr, catalogue)
        _chart(block, name, found, mean, catalogue)
        if measured:
            middle = measured[sorted(measured)[len(measured) // 2]]
            words.append(f"{name} {middle['flux_jy']:.4g} Jy")
    block.out.decisions["fluxes"] = shown
    block.out.summary = "; ".join(words)


def _score_snr(block: Block, name: str, measured: Mapping[int, Mapping[str, Any]]) -> dict[int, float]:
    snr = {s: o["flux_jy"] / o["error_jy"] for s, o in measured.items() if o["error_jy"]}
    if snr:
        worst = min(snr, key=lambda s: (snr[s], s))
        text = f"{block.name}, {name}: the lowest signal to noise of a flux density is {snr[worst]:.1f}, of spw {worst}"
        block.out.score(
            score_flux_snr(snr[worst], block.recipe),
            "flux_snr",
            snr[worst],
            "",
            "precision of flux densities",
            text,
            field=name,
            spw=str(worst),
        )
    return snr


def _score_ratios(
    block: Block,
    name: str,
    measured: Mapping[int, Mapping[str, Any]],
    snr: Mapping[int, float],
    catalogue: Mapping[int, float],
) -> None:
    """Score how well the spws agree with a catalogue's spectrum."""
    widths = {s.id: float(np.abs(s.chan_width_hz).sum()) for s in block.facts.spws}
    best, ratios = spw_ratios({s: o["flux_jy"] for s, o in measured.items()}, snr, catalogue, widths)
    for spw, k in ratios.items():
        if spw == best:
            continue
        text = (
            f"{block.name}, {name}: spw {spw} is {k:.3f} times as bright as spw {best} says by the catalogue's spectrum"
        )
        block.out.score(
            score_spw_ratio(k),
            "spw_ratio",
            k,
            "",
            "spws agree" if abs(1 - k) < 0.1 else "an spw is off",
            text,
            field=name,
            spw=str(spw),
        )
    if best >= 0:
        block.out.decisions.setdefault("spw_ratios", {})[name] = {
            "best": best,
            "k": {str(s): k for s, k in ratios.items()},
        }


def _chart(
    block: Block,
    name: str,
    found: Mapping[int, Mapping[str, Any]],
    mean: Mapping[int, MeanFlux],
    catalogue: Mapping[int, float],
) -> None:
    spws = sorted(found)
    if not spws:
        return
    freq = np.array([found[s]["freq_hz"] / 1e9 for s in spws])
    series = [
        _points(name, "derived", freq, spws, {s: (o["flux_jy"], o["error_jy"] or np.nan) for s, o in found.items()}),
        _points(name, "visibilities", freq, spws, {s: (m.flux_jy, m.error_jy) for s, m in mean.items()}),
        _points(name, "catalogue", freq, spws, {s: (v, np.nan) for s, v in catalogue.items()}),
    ]
    safe = "".join(c if c.isalnum() or c in "-+_" else "_" for c in name)
    block.chart(
        Chart(f"flux_{safe}", f"Flux density of {name}", Axis("Frequency", "GHz"), Axis("Flux density", "Jy"), series)
    )


def _points(
    name: str, role: str, freq: np.ndarray, spws: Sequence[int], values: Mapping[int, tuple[float, float]]
) -> Series:
    y, error = np.array([values.get(s, (np.nan, np.nan)) for s in spws], float).T
    return Series({"role": role, "field": name}, freq, y, {"spw": np.array(spws), "error": error})

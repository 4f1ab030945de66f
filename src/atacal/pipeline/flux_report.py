"""Derived flux densities beside a catalogue's: scores, charts, words.

fluxscale compares amplitudes of gains, which are solved from |V| of baselines: noise makes them too large where a
baseline's signal to noise in a scan is not well above 1. The models are set to those all the same, so that the
amplitudes that are solved against them later, too large as well, come out right. How bright a calibrator *is*, is told
by the mean of its calibrated visibilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atacal.heuristics.flux_scores import score_derived, score_flux_snr, score_spw_ratio, spw_ratios
from atacal.pipeline.block import Block
from atacal.pipeline.calibrated import MeanFlux
from atacal.pipeline.charts import Axis, Chart, Series
from atacal.pipeline.flux_file import FLUX_FILE, known_fluxes

_BIASED = 1.1
"""Flux densities from gains that are this much larger than those of the visibilities are worth a word."""


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
    scale = _scale_errors(derived)
    shown, words, fluxes = {}, [], {}
    for field in transfers:
        name, found = names[field], dict(derived.get(field, {}))
        catalogue = {e.spw: e.I for e in known if e.field == field and e.ms in (block.name, "all", "")}
        best = {s: _best(o, means.get(field, {}).get(s), scale.get(s, 0.0)) for s, o in found.items()}
        shown[name] = {
            str(s): {**o, **best[s], "fluxscale_jy": o["flux_jy"], "fluxscale_error_jy": o["error_jy"],
                     "catalogue_jy": catalogue.get(s)}
            for s, o in found.items()
        }  # fmt: skip
        fluxes[name] = {str(s): {k: best[s][k] for k in ("flux_jy", "error_jy")} for s in found}
        there = {s for c in facts.science_scans() if field in c.fields for s in c.spws}
        spws = [s for s in facts.science_spws if s in there]
        measured = {s: {**found[s], **best[s]} for s in found if not found[s]["fitted"]}
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
        _say_bias(block, name, shown[name])
        snr = _score_snr(block, name, measured)
        _score_ratios(block, name, measured, snr, catalogue)
        _chart(block, name, shown[name], catalogue)
        if measured:
            middle = measured[sorted(measured)[len(measured) // 2]]
            words.append(f"{name} {middle['flux_jy']:.4g} Jy")
    block.set("fluxes", fluxes)
    block.out.decisions["fluxes"] = shown
    block.out.summary = "; ".join(words)


def _scale_errors(derived: Mapping[int, Mapping[int, Mapping[str, Any]]]) -> dict[int, float]:
    """Return the relative error of the flux scale in each spw: that of the calibrator which shows it best."""
    out: dict[int, float] = {}
    for spws in derived.values():
        for spw, o in spws.items():
            if o["error_jy"]:
                out[spw] = min(out.get(spw, np.inf), o["error_jy"] / o["flux_jy"])
    return out


def _best(one: Mapping[str, Any], mean: MeanFlux | None, scale: float) -> dict[str, Any]:
    """Return the flux density of the visibilities, with the flux scale's error in its own; fluxscale's without them."""
    if mean is None:
        return {"flux_jy": one["flux_jy"], "error_jy": one["error_jy"], "visibilities": 0}
    error = float(np.hypot(mean.error_jy, scale * mean.flux_jy))
    return {"flux_jy": mean.flux_jy, "error_jy": error, "visibilities": mean.visibilities}


def _say_bias(block: Block, name: str, shown: Mapping[str, Mapping[str, Any]]) -> None:
    """Say where noise makes the amplitudes of gains too large."""
    off = {s: o["fluxscale_jy"] / o["flux_jy"] for s, o in shown.items() if o["flux_jy"] > 0}
    bad = {s: r for s, r in off.items() if r > _BIASED}
    if bad:
        words = ", ".join(f"{s} ({r:.2f})" for s, r in bad.items())
        block.out.say(
            "attention",
            f"{name} is weak: noise makes the flux densities from its gains too large in spw {words}; those of its "
            "visibilities are given",
        )


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


def _chart(block: Block, name: str, shown: Mapping[str, Mapping[str, Any]], catalogue: Mapping[int, float]) -> None:
    spws = sorted(int(s) for s in shown)
    if not spws:
        return
    freq = np.array([shown[str(s)]["freq_hz"] / 1e9 for s in spws])
    best = {s: (shown[str(s)]["flux_jy"], shown[str(s)]["error_jy"] or np.nan) for s in spws}
    gains = {s: (shown[str(s)]["fluxscale_jy"], shown[str(s)]["fluxscale_error_jy"] or np.nan) for s in spws}
    series = [
        _points(name, "derived", freq, spws, best),
        _points(name, "gains", freq, spws, gains),
        _points(name, "catalogue", freq, spws, {s: (v, np.nan) for s, v in catalogue.items()}),
    ]
    safe = "".join(c if c.isalnum() or c in "-+_" else "_" for c in name)
    x, y = Axis("Frequency", "GHz"), Axis("Flux density", "Jy")
    block.chart(Chart(f"flux_{safe}", f"Flux density of {name}", x, y, series))


def _points(
    name: str, role: str, freq: np.ndarray, spws: Sequence[int], values: Mapping[int, tuple[float, float]]
) -> Series:
    y, error = np.array([values.get(s, (np.nan, np.nan)) for s in spws], float).T
    return Series({"role": role, "field": name}, freq, y, {"spw": np.array(spws), "error": error})

"""Flux densities in spws that the flux calibrator was not observed in, by the bandpass calibrator.

Band-to-band blocks observe the flux calibrator in the target's band only. The bandpass calibrator was observed in both:
its flux density is derived where the flux calibrator is, and carried over to the other band by the spectrum that its
models have (flux.csv; flat where nothing is known). The other calibrators there follow by fluxscale. The target's flux
densities do not depend on it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from atacal.errors import NoSolutions
from atacal.pipeline.block import Block
from atacal.pipeline.calibrated import MeanFlux
from atacal.pipeline.callibrary import Applied

Derived = dict[int, dict[int, dict[str, Any]]]


@dataclass(frozen=True)
class Bridge:
    """How spws without the flux calibrator get their flux scale.

    Attributes
    ----------
    spws : tuple of int
        Those.
    field : int
        The bandpass calibrator.
    factor, error : float
        Its flux density over that of its model, where the flux calibrator was observed, and the relative error.
    table : str
        The scaled amplitudes of the other calibrators, in units of the model.
    """

    spws: tuple[int, ...]
    field: int
    factor: float
    error: float
    table: str

    def scaled(self, means: Mapping[int, Mapping[int, MeanFlux]]) -> dict[int, dict[int, MeanFlux]]:
        """Scale mean flux densities in units of the model to Jy."""
        return {
            f: {
                s: replace(m, flux_jy=m.flux_jy * self.factor, error_jy=m.error_jy * self.factor)
                if s in self.spws else m
                for s, m in found.items()
            }
            for f, found in means.items()
        }  # fmt: skip

    def amplitudes(self, fields: Sequence[int]) -> list[Applied]:
        """Return the amplitudes of these spws, in units of the model."""
        spw = ",".join(map(str, self.spws))
        return [
            Applied("amp", self.table, interp="nearest", field=str(f), gainfield=str(f), spw=spw) for f in fields
        ]  # fmt: skip


def unlit_spws(block: Block, references: Sequence[int]) -> tuple[int, ...]:
    """Return the science spws that no flux calibrator was observed in."""
    lit = {s for c in block.facts.science_scans("AMPLITUDE") if set(c.fields) & set(references) for s in c.spws}
    return tuple(s for s in block.facts.science_spws if s not in lit)


def bridge(
    block: Block, unlit: Sequence[int], amplitudes: str, derived: Derived, transfers: Sequence[int],
    model_jy: Any,
) -> Bridge | None:  # fmt: skip
    """Derive flux densities in spws without the flux calibrator, and put them into ``derived``.

    Parameters
    ----------
    block : Block
    unlit : sequence of int
    amplitudes : str
        The table of all calibrators' amplitudes.
    derived : dict of field -> spw -> values
        Those of the other spws; those of the bandpass calibrator are the scale.
    transfers : sequence of int
    model_jy : callable
        ``model_jy(block, field, spw)``, the model that a field had when it was solved.

    Returns
    -------
    Bridge or None
        None without a bandpass calibrator that was observed in both.
    """
    field = next((f for f in block.facts.fields("BANDPASS") if f in derived), None)
    if field is None:
        block.out.say(
            "warning",
            f"no flux density in spw {', '.join(map(str, unlit))}: neither the flux calibrator nor a bandpass "
            "calibrator with a derived one was observed there",
            "calibrators are relative to 1 Jy there; the target is not concerned",
        )
        return None
    lit = [(s, o) for s, o in derived[field].items() if not o["fitted"]]
    ratio = np.array([o["flux_jy"] / model_jy(block, field, s) for s, o in lit])
    errors = [o["error_jy"] / o["flux_jy"] for _, o in lit if o["error_jy"]]
    factor, error = float(np.median(ratio)), float(np.median(errors)) if errors else 0.0
    for s in unlit:
        if any(s in c.spws and field in c.fields for c in block.facts.science_scans("BANDPASS")):
            derived[field][s] = _entry(block, s, model_jy(block, field, s) * factor, error, 0)
    others = [f for f in transfers if f != field]
    table = block.caltable("bridge.gacal")
    try:
        found = block.do(
            "fluxscale", vis=block.name, caltable=amplitudes, fluxtable=table, reference=[str(field)],
            transfer=[str(f) for f in others], refspwmap=[-1],
        )  # fmt: skip
    except NoSolutions as why:
        block.out.say("warning", f"no flux densities in spw {', '.join(map(str, unlit))}: {why}")
        return None
    block.out.tables.append(table)
    for f in others:
        for s in unlit:
            one = found.get(str(f), {}).get(str(s))
            if one is None or not float(one["fluxd"][0]) > 0:
                continue
            own = float(one["fluxdErrMedian"][0]) / float(one["fluxd"][0])
            total = float(np.hypot(error, own)) if np.isfinite(own) else error
            jy = model_jy(block, f, s) * float(one["fluxd"][0]) * factor
            derived.setdefault(f, {})[s] = _entry(block, s, jy, total, int(one["numSol"][0]))
    name = block.facts.metadata.fields[field].name
    block.out.say(
        "attention",
        f"the flux calibrator was not observed in spw {', '.join(map(str, unlit))}: their flux scale is that of {name} "
        "with the spectrum of its models",
        "the target's flux densities do not depend on it; flux.csv has the models",
    )
    block.out.decisions["bridge"] = {"field": name, "spws": list(unlit), "factor": factor, "error": error}
    return Bridge(tuple(unlit), field, factor, error, table)


def _entry(block: Block, spw: int, jy: float, error: float, solutions: int) -> dict[str, Any]:
    return {
        "flux_jy": jy, "casa_error_jy": None, "error_jy": error * jy or None, "solutions": solutions, "fitted": False,
        "freq_hz": block.facts.metadata.spws[spw].centre_freq_hz, "spix": 0.0, "bridged": True,
    }  # fmt: skip

"""The flux calibrators' model, and the flux scale from a body that is resolved."""

from __future__ import annotations

import os
from typing import Any

from atacal.recipe.plan import Plan

_SMALL_SUBSET = 5
_SMALL_SUBSET_SNR = 2.0
"""Fewer antennas than these within the first lobe: this signal to noise does (ALMA's scripts)."""
_SUBSET_BASELINES = 2
"""Baselines an antenna needs within the first lobe (the pipeline's hifa_gfluxscale, hif/tasks/fluxscale).

With the 4 of whole arrays, or all as in ALMA's scripts, five antennas lose every integration that one of them lacks:
the data of the others then take the phases of the integrations beside it, which costs amplitude, or are lost where a
polarisation of one antenna is dead.
"""


def set_model(plan: Plan, given: dict[str, Any]) -> None:
    """Set the model of the flux calibrators.

    Parameters
    ----------
    plan : Plan
    given : dict
        The arguments of `atacal.recipe.calibrate`.
    """
    from atacal.flux.solar_system import STANDARD
    from atacal.tasks import setjy

    vis, scratch = os.fspath(plan.vis), plan.has_model_column
    fields = ",".join(map(str, plan.roles.flux))
    if plan.model.kind == "body":
        setjy(vis=vis, field=fields, spw=plan.spw_ids, standard=STANDARD, usescratch=scratch)
    elif plan.model.kind in ("observatory", "catalogue"):
        for field in plan.roles.flux:
            _set_spectrum(plan, field, {spw: plan.model.flux_jy(field, hz) for spw, hz in plan.freq_hz.items()})
    else:
        density = given["flux_density"]
        stokes = [float(x) for x in (density if isinstance(density, (list, tuple)) else [density])]
        setjy(
            vis=vis, field=fields, standard="manual", fluxdensity=[*stokes, *[0.0] * (4 - len(stokes))],
            spix=given["spix"], reffreq=given["reffreq"], usescratch=scratch,
        )  # fmt: skip


def _set_spectrum(plan: Plan, field: int, flux_jy: dict[int, float]) -> None:
    """Set a field's flux density in each spw."""
    from atacal.tasks import setjy

    for spw, value in flux_jy.items():
        setjy(
            vis=os.fspath(plan.vis), field=str(field), spw=str(spw), standard="manual",
            fluxdensity=[value, 0.0, 0.0, 0.0], usescratch=plan.has_model_column,
        )  # fmt: skip


def short_flux_scale(plan: Plan, given: dict[str, Any], common: dict[str, Any], gaintype_amp: str) -> dict[str, Any]:
    """Derive the flux scale from a resolved body, and give the other calibrators their flux densities as models.

    The body is solved with the antennas within its first lobe, the others with all (step 15 of ALMA's scripts for
    resolved bodies).

    Parameters
    ----------
    plan : Plan
        With a body that has a lobe.
    given : dict
        The arguments of `atacal.recipe.calibrate`.
    common : dict
        Arguments of every solve.
    gaintype_amp : str

    Returns
    -------
    dict
        What fluxscale returned.
    """
    from atacal.tasks import fluxscale

    products, roles = plan.products, plan.roles
    others = [f for f in roles.solved if f not in roles.flux]
    bandpass, interp = os.fspath(products.bandpass), given["interp"]
    phases, amplitudes = os.fspath(products.phase_short_int), os.fspath(products.ampli_short_inf)
    _solve_short(
        plan, common, others, caltable=phases, solint=given["solint_phase"], gaintype="G", calmode="p",
        gaintable=[bandpass], interp=["linear,linear"],
    )  # fmt: skip
    _solve_short(
        plan, common, others, caltable=amplitudes, solint=given["solint_amp"], gaintype=gaintype_amp, calmode="a",
        gaintable=[bandpass, phases], interp=["linear,linear", interp],
    )  # fmt: skip
    if not others:
        return {}
    result = fluxscale(
        vis=os.fspath(plan.vis), caltable=amplitudes, fluxtable=os.fspath(products.flux_short_inf),
        reference=[str(f) for f in roles.flux], transfer=[str(f) for f in others],
        refspwmap=plan.body.refspwmap if plan.body else [-1],
    )  # fmt: skip
    for field in others:
        densities = {s: float(result[str(field)][str(s)]["fluxd"][0]) for s in plan.freq_hz}
        _set_spectrum(plan, field, {s: v for s, v in densities.items() if v > 0})
    return result


def _solve_short(plan: Plan, common: dict[str, Any], others: list[int], **what: Any) -> None:
    """Solve the body on its first lobe, and append the other calibrators, solved with all antennas."""
    from atacal.tasks import gaincal

    assert plan.body is not None
    lobe = plan.body.lobe
    assert lobe is not None
    chosen = dict(common)
    chosen["minblperant"] = min(common["minblperant"], _SUBSET_BASELINES)
    if len(lobe.antennas) < _SMALL_SUBSET:
        chosen["minsnr"] = min(common["minsnr"], _SMALL_SUBSET_SNR)
    chosen["refant"] = ",".join(dict.fromkeys([plan.body.refant, *plan.refants]))
    gaincal(
        vis=os.fspath(plan.vis), field=",".join(map(str, plan.roles.flux)), spw=plan.spw, antenna=lobe.antenna,
        uvrange=lobe.uvrange, **what, **chosen,
    )  # fmt: skip
    if others:
        gaincal(
            vis=os.fspath(plan.vis), field=",".join(map(str, others)), spw=plan.spw, append=True, **what, **common
        )  # fmt: skip

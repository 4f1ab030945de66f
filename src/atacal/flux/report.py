"""What fluxscale tells: CASA's lines for the log and the list file, and CASA's dictionary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from atacal.flux.fluxscale import FieldFlux, FluxScale, SpwFlux

_OWN = ("fluxdErrPropagated", "fluxdErrMedian")
"""What atacal adds to CASA's dictionary of an spw."""


def flux_lines(scale: FluxScale) -> list[str]:
    """Return CASA's lines: every spw of every transfer field, then the fitted spectra."""
    lines = [
        _flux_line(flux, spw, int(scale.ref_spw[spw]))
        for flux in scale.fields.values()
        for spw in range(len(scale.ref_spw))
    ]
    return lines + [_fit_line(flux) for flux in scale.fields.values() if flux.spectrum and flux.spectrum.fitted]


def found_lines(scale: FluxScale) -> list[str]:
    """Return the lines that hold a flux density or a spectrum, without those on spws that have no data."""
    return [line for line in flux_lines(scale) if "INSUFFICIENT DATA" not in line]


def _flux_line(flux: FieldFlux, spw: int, ref_spw: int) -> str:
    one: SpwFlux | None = flux.spws.get(spw)
    line = f" Flux density for {flux.name} in SpW={spw}"
    if one:
        line += f" (freq={one.freq_hz:.6g} Hz)"
    if ref_spw != spw:
        line += f" (ref SpW={ref_spw})"
    if not one:
        return line + " is:  INSUFFICIENT DATA "
    snr = one.flux_jy / one.error_jy if one.error_jy else float("inf")
    return line + f" is: {one.flux_jy:.6g} +/- {one.error_jy:.6g} (SNR = {snr:.6g}, N = {one.nsol})"


def _fit_line(flux: FieldFlux) -> str:
    fit = flux.spectrum
    assert fit is not None
    line = (
        f" Fitted spectrum for {flux.name} with fitorder={fit.order}: Flux density = {fit.flux_jy:.6g} "
        f"+/- {fit.flux_error_jy:.6g} (freq={fit.ref_freq_hz / 1e9:.6g} GHz) spidx:"
    )
    for i in range(1, fit.order + 1):
        name = f" a_{i} (spectral index) " if i == 1 else f" a_{i}"
        line += f"{name}={fit.coefficients[i]:.6g} +/- {fit.errors[i]:.6g}"
    if fit.order > 0:
        line += " covariance matrix for the fit: "
        for i, j in np.ndindex(fit.covariance.shape):
            line += f" covar({i},{j})={fit.covariance[i, j]:.6g}"
    return line


def casa_dict(scale: FluxScale, field_names: Sequence[str], spw_names: Sequence[str], fit_order: int) -> dict[str, Any]:
    """Return fluxscale's dictionary in CASA's shape.

    Parameters
    ----------
    scale : FluxScale
    field_names, spw_names : sequence of str
        Of all fields and spws, by id.
    fit_order : int
        As it was asked for: ``spidx`` and ``spidxerr`` have one more number.

    Returns
    -------
    dict
        ``{field: {spw: {'fluxd', 'fluxdErr', 'numSol', 'fluxdErrPropagated', 'fluxdErrMedian'}, 'fieldName',
        'fitFluxd', 'fitFluxdErr', 'fitRefFreq', 'spidx', 'spidxerr', 'covarMat'}, 'freq', 'spwID', 'spwName'}``; the
        innermost values are arrays (I, Q, U, V), all -1 where nothing was derived. atacal's own are
        ``fluxdErrPropagated``, ``fluxdErr`` times m, and ``fluxdErrMedian``, the median's error, few antennas allowed
        for.
    """
    result: dict[str, Any] = {}
    for f in scale.transfer:
        flux = scale.fields.get(f, FieldFlux(f, field_names[f], {}, None))
        entry: dict[str, Any] = {str(spw): _spw_entry(flux.spws.get(spw)) for spw in range(len(spw_names))}
        fit = flux.spectrum
        entry["covarMat"] = fit.covariance.copy() if fit else np.zeros((0, 0))
        entry["fieldName"] = field_names[f]
        entry["fitFluxd"] = fit.flux_jy if fit else 0.0
        entry["fitFluxdErr"] = fit.flux_error_jy if fit else 0.0
        entry["fitRefFreq"] = fit.ref_freq_hz if fit else 0.0
        entry["spidx"] = fit.coefficients.copy() if fit else np.zeros(fit_order + 1)
        entry["spidxerr"] = fit.errors.copy() if fit else np.zeros(fit_order + 1)
        result[str(f)] = entry
    result["freq"] = scale.freq_hz.copy()
    result["spwID"] = np.arange(len(spw_names), dtype=np.int32)
    result["spwName"] = np.array(list(spw_names))
    return result


def _spw_entry(one: SpwFlux | None) -> dict[str, Any]:
    if one is None:
        return {k: np.full(4, -1.0) for k in ("fluxd", "fluxdErr", "numSol", *_OWN)}
    values = {
        "fluxd": one.flux_jy,
        "fluxdErr": one.error_jy,
        "numSol": float(one.nsol),
        "fluxdErrPropagated": one.propagated_error_jy,
        "fluxdErrMedian": one.median_error_jy,
    }
    return {k: np.array([v, 0.0, 0.0, 0.0]) for k, v in values.items()}

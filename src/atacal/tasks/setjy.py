"""setjy: say how bright the flux calibrators are."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")

STANDARDS = ("manual", "fluxscale")
_FORMAT = "{field Id: {spw Id: {fluxd: [I,Q,U,V] in Jy}, 'fieldName':field name }}"


def setjy(
    vis: str,
    field: str = "",
    spw: str = "",
    selectdata: bool = False,
    timerange: str = "",
    scan: str = "",
    intent: str = "",
    observation: str = "",
    scalebychan: bool = True,
    standard: str = "Perley-Butler 2017",
    model: str = "",
    listmodels: bool = False,
    fluxdensity: float | Sequence[float] = -1,
    spix: float | Sequence[float] = 0.0,
    reffreq: str = "1GHz",
    polindex: Sequence[float] = (),
    polangle: Sequence[float] = (),
    rotmeas: float = 0.0,
    fluxdict: Mapping[str, Any] | None = None,
    useephemdir: bool = False,
    interpolation: str = "nearest",
    usescratch: bool = True,
    ismms: bool = False,
) -> dict[str, Any]:
    """Set the model of calibrators to point sources of known flux density.

    Parameters
    ----------
    vis : str
        The MeasurementSet.
    field : str
        Fields, names or ids.
    spw : str
        Spectral windows; the model is set for all channels of each.
    selectdata : bool
        Whether timerange, scan and observation count.
    timerange : str
        Times.
    scan : str
        Scan numbers.
    intent : str
        Scan intents.
    observation : str
        Observation ids.
    scalebychan : bool
        Scale the flux density channel by channel; False: one value for each spw, that of its central channel (a
        single spectral index is followed channel by channel all the same, as in CASA).
    standard : str
        manual: the flux density given here; fluxscale: those in fluxdict. No others are available.
    model : str
        Image models are not available: leave it empty.
    listmodels : bool
        Say which standards there are, and do nothing.
    fluxdensity : float or list of float
        With standard manual: I, or [I, Q, U, V], in Jy at reffreq; -1 for 1 Jy.
    spix : float or list of float
        Spectral index; a list adds curvature: I(nu) = I0 (nu/nu0)^(a + b log10(nu/nu0) + ...).
    reffreq : str
        Frequency of fluxdensity, with its unit.
    polindex : list of float
        Coefficients of the linearly polarised fraction against (nu-nu0)/nu0.
    polangle : list of float
        Coefficients of the polarisation angle [rad] against (nu-nu0)/nu0.
    rotmeas : float
        Rotation measure, rad/m^2.
    fluxdict : dict
        With standard fluxscale: what the task fluxscale returned.
    useephemdir : bool
        Only for solar-system objects, which are not available: leave it False.
    interpolation : str
        Only for tabulated standards, which are not available: leave it at nearest.
    usescratch : bool
        True: write the model to the MODEL_DATA column; False: keep it as a virtual model in the SOURCE table.
    ismms : bool
        Has no effect.

    Returns
    -------
    dict
        As CASA: ``{field id: {spw id: {"fluxd": [I, Q, U, V]}, "fieldName": name}, "format": ...}``; fluxd [Jy] is the
        model's value in the first channel (scalebychan False: in the central channel).

    Raises
    ------
    NoSuchTable, TableLocked, ArgumentError, SelectionError, EmptySelection, ModelError, DiskFull, WriteError
    """
    parameters = dict(locals())
    from atacal.flux.manual import manual_flux
    from atacal.ms.history import task_messages, write_history
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select
    from atacal.ms.transaction import transaction

    messages = task_messages("setjy", parameters)
    if listmodels:
        log.info("setjy: available standards: %s; no image models", ", ".join(STANDARDS))
        return {}
    _check(standard, model, useephemdir, interpolation)
    chosen = Selection(
        field=field, spw=spw, intent=intent, scan=scan if selectdata or scan else "",
        timerange=timerange, observation=str(observation),
    )  # fmt: skip
    answer: dict[str, Any] = {}
    with MeasurementSet(vis) as ms:
        if standard == "manual":
            flux = manual_flux(
                fluxdensity, spix=spix, reffreq=reffreq, polindex=polindex, polangle=polangle, rotmeas=rotmeas
            )
            given = [(chosen, flux)]
        else:
            given = _from_fluxscale(fluxdict or {}, chosen, ms.metadata)
        selected = [(select(ms, what), flux) for what, flux in given]
        written = _written(ms, [one for one, _ in selected]) if usescratch else {}
    with transaction(vis, "setjy", **written, subtables=("SOURCE", "HISTORY")) as inside:
        with MeasurementSet(inside, writable=usescratch) as ms:
            for one, flux in selected:
                for number, entry in _set_fluxes(ms, one, flux, scalebychan, usescratch).items():
                    answer.setdefault(number, {}).update(entry)
        write_history(inside, "setjy", messages)
    return answer | {"format": _FORMAT}


def _check(standard: str, model: str, useephemdir: bool, interpolation: str) -> None:
    if standard not in STANDARDS:
        raise ArgumentError(
            f"setjy: standard={standard!r} is not available; there are {' and '.join(STANDARDS)}. Give the flux "
            "density with standard='manual', fluxdensity=[I,Q,U,V], spix, reffreq"
        )
    if model:
        raise ArgumentError(f"setjy: model={model!r}: image models are not available; leave it empty")
    if useephemdir or interpolation != "nearest":
        raise ArgumentError("setjy: useephemdir and interpolation have no meaning for the standards that are available")


def _from_fluxscale(fluxdict: Mapping[str, Any], chosen: Any, metadata: Any) -> list[tuple[Any, Any]]:
    """Return, for each field of fluxscale's answer that is selected, its selection and its fitted spectrum."""
    from dataclasses import replace

    from atacal.flux.manual import manual_flux
    from atacal.ms.selection import parse_field

    fields = {str(f) for f in parse_field(chosen.field, metadata)} if chosen.field else None
    out = []
    for number, entry in fluxdict.items():
        if not str(number).isdigit() or (fields is not None and str(number) not in fields):
            continue
        good = [s for s, v in entry.items() if str(s).isdigit() and float(np.atleast_1d(v["fluxd"])[0]) > 0]
        if not good:
            continue
        spw = chosen.spw or ",".join(str(s) for s in good)
        if entry.get("fitFluxd"):
            indices = list(np.atleast_1d(entry.get("spidx", [0, 0])))[1:] or [0.0]
            value, reference = float(entry["fitFluxd"]), float(entry["fitRefFreq"])
            flux = manual_flux(value, spix=indices, reffreq=f"{reference!r}Hz")
        else:
            flux = manual_flux(list(np.atleast_1d(entry[good[0]]["fluxd"])))
        out.append((replace(chosen, field=str(number), spw=spw), flux))
    if not out:
        raise ArgumentError("setjy: standard='fluxscale', but fluxdict has no flux density of a selected field")
    return out


def _written(ms: Any, selected: list[Any]) -> dict[str, Any]:
    """Return what of MODEL_DATA is written, in the words of `transaction`."""
    from atacal.ms._virtual_model import has_virtual_models

    if not ms.has("MODEL_DATA"):
        return {}
    if has_virtual_models(ms.path):  # their fields are written, too
        return {"columns": ("MODEL_DATA",)}
    segments = {(int(a), int(n)) for one in selected for a, n in zip(one.runs.row0, one.runs.nrow, strict=True)}
    return {"rows": {"MODEL_DATA": sorted(segments)}}


def _set_fluxes(ms: Any, selected: Any, flux: Any, scalebychan: bool, usescratch: bool) -> dict[str, Any]:
    """Set the model of what is selected; return CASA's dict of it."""
    from atacal.ms.add_column import add_column
    from atacal.ms.set_model import ModelSpectrum, set_column, set_virtual

    md = ms.metadata
    spectra, answer = {}, {}
    spw_of = md.ddid_spw[selected.runs.ddid]
    for number in sorted(set(selected.runs.field.tolist())):
        entry: dict[str, Any] = {"fieldName": md.fields[number].name}
        for spw in sorted(set(spw_of[selected.runs.field == number].tolist())):
            freqs = md.spws[spw].chan_freq_hz
            values = flux.at(freqs)
            middle = values[:, len(freqs) // 2]
            if not scalebychan and not flux.is_power_law:
                values = np.repeat(middle[:, None], len(freqs), axis=1)
            power = (np.array(flux.stokes_jy), flux.spix[0], flux.ref_freq_hz) if flux.is_power_law else None
            if power is None and not scalebychan:
                power = (middle, 0.0, float(freqs[len(freqs) // 2]))
            spectra[number, spw] = ModelSpectrum(values, power)
            shown = values[:, 0] if scalebychan else middle
            entry[str(spw)] = {"fluxd": shown.copy()}
            log.info(
                "setjy: %s (field %d) spw %d: [I=%.5g, Q=%.5g, U=%.5g, V=%.5g] Jy @ %.6g Hz",
                md.fields[number].name, number, spw, *shown, freqs[0 if scalebychan else len(freqs) // 2],
            )  # fmt: skip
        answer[str(number)] = entry
    if usescratch:
        add_column(ms, "MODEL_DATA")
        set_column(ms, selected, spectra)
    else:
        set_virtual(ms, selected, spectra)
    return answer

"""setjy: say how bright the flux calibrators are."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atacal.errors import ArgumentError

log = logging.getLogger("atacal")

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
    """Set the model of calibrators: points of known flux, discs of planets, moons and asteroids.

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
        single spectral index is followed channel by channel all the same, as in CASA). For a solar-system body the
        one value is the mean over the spw.
    standard : str
        manual: the flux density given here; fluxscale: those in fluxdict. Quasars, as points: Perley-Butler 2017,
        Perley-Butler 2013, Perley-Butler 2010, Scaife-Heald 2012, Stevens-Reynolds 2016, Perley-Taylor 99,
        Perley-Taylor 95, Perley 90, Baars. Solar-system bodies, as discs: Butler-JPL-Horizons 2012, with the discs that
        CASA takes; Butler-JPL-Horizons 2012 true disc, with their true flattening and orientation.
    model : str
        Image models are not available: leave it empty.
    listmodels : bool
        Say which standards and bodies there are, and do nothing.
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
        With a solar-system standard: the body is where its ephemeris has it (as seen from the Earth's centre), not at
        the phase centre.
    interpolation : str
        With a quasar that varies (3C48, 3C138, 3C147), between the standard's epochs: nearest, linear, cubic, spline.
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
    from atacal.flux.known import model_lists
    from atacal.flux.set_flux import field_models
    from atacal.ms.history import task_messages
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection

    messages = task_messages("setjy", parameters)
    if listmodels:
        for line in model_lists():
            log.info("setjy: %s", line)
        return {}
    _check(standard, model, fluxdensity, useephemdir, interpolation)
    chosen = Selection(
        field=field, spw=spw, intent=intent, scan=scan if selectdata or scan else "",
        timerange=timerange, observation=str(observation),
    )  # fmt: skip
    manual = {"spix": spix, "reffreq": reffreq, "polindex": polindex, "polangle": polangle, "rotmeas": rotmeas}
    answer: dict[str, Any] = {}
    with MeasurementSet(vis) as ms:
        if standard == "manual":
            known = _manual(ms, chosen, fluxdensity, manual)
        elif standard == "fluxscale":
            known = _from_fluxscale(ms, chosen, fluxdict or {})
        else:
            known = _tabulated(ms, chosen, standard, useephemdir, interpolation, usescratch)
        models = []
        for selected, flux_of in known:
            spectra, entries = field_models(ms.metadata, selected, flux_of, scalebychan)
            models.append((selected, spectra))
            for number, entry in entries.items():
                answer.setdefault(number, {}).update(entry)
        written = _written(ms, [selected for selected, _ in models]) if usescratch else {}
    _write(vis, models, written, usescratch, messages)
    return answer | {"format": _FORMAT}


def _write(vis: str, models: list[tuple[Any, Any]], written: dict[str, Any], column: bool, messages: Any) -> None:
    """Write the models, all at once, into MODEL_DATA or as virtual ones."""
    from atacal.ms.add_column import add_column
    from atacal.ms.history import write_history
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.set_model import set_column, set_virtual
    from atacal.ms.transaction import transaction

    with transaction(vis, "setjy", **written, subtables=("SOURCE", "HISTORY")) as inside:
        with MeasurementSet(inside, writable=column) as ms:
            for selected, spectra in models:
                if column:
                    add_column(ms, "MODEL_DATA")
                    set_column(ms, selected, spectra)
                else:
                    set_virtual(ms, selected, spectra)
        write_history(inside, "setjy", messages)


def _check(standard: str, model: str, fluxdensity: Any, useephemdir: bool, interpolation: str) -> None:
    from atacal.flux.quasars import standards
    from atacal.flux.solar_system import STANDARD, TRUE_DISC

    bodies, quasars = (STANDARD, TRUE_DISC), standards()
    known = ["manual", "fluxscale", *quasars, *bodies]
    if standard not in known:
        raise ArgumentError(f"setjy: standard={standard!r} is not available; there are {', '.join(known)}")
    if model:
        raise ArgumentError(f"setjy: model={model!r}: image models are not available; leave it empty")
    if standard not in ("manual", "fluxscale") and np.any(np.atleast_1d(np.asarray(fluxdensity, float))[:1] > 0):
        raise ArgumentError(f"setjy: fluxdensity={fluxdensity!r} counts only with standard='manual', not {standard!r}")
    if useephemdir and standard not in bodies:
        raise ArgumentError(
            f"setjy: useephemdir=True has no meaning with standard={standard!r}, only with {STANDARD!r}"
        )
    if interpolation != "nearest" and standard not in quasars:
        raise ArgumentError(f"setjy: interpolation={interpolation!r} has no meaning with standard={standard!r}")


def _manual(ms: Any, chosen: Any, fluxdensity: Any, arguments: dict[str, Any]) -> list[tuple[Any, Any]]:
    from atacal.flux.manual import manual_flux
    from atacal.flux.set_flux import GivenFlux
    from atacal.ms.selection import select

    flux = GivenFlux(manual_flux(fluxdensity, **arguments))
    return [(select(ms, chosen), lambda number: flux)]


def _tabulated(
    ms: Any, chosen: Any, standard: str, useephemdir: bool, interpolation: str, usescratch: bool
) -> list[tuple[Any, Any]]:
    from atacal.flux.known import body_fluxes, quasar_fluxes
    from atacal.flux.quasars import standards
    from atacal.ms.selection import select

    selected = select(ms, chosen)
    if standard in standards():
        return [(selected, quasar_fluxes(ms, selected, standard, interpolation))]
    return [(selected, body_fluxes(ms, selected, standard, useephemdir, usescratch))]


def _from_fluxscale(ms: Any, chosen: Any, fluxdict: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Return, for each field of fluxscale's answer that is selected, what is selected of it and its fitted spectrum."""
    from dataclasses import replace

    from atacal.flux.manual import manual_flux
    from atacal.flux.set_flux import GivenFlux
    from atacal.ms.selection import parse_field, select

    def always(flux: GivenFlux) -> Any:
        return lambda number: flux

    fields = {str(f) for f in parse_field(chosen.field, ms.metadata)} if chosen.field else None
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
        out.append((select(ms, replace(chosen, field=str(number), spw=spw)), always(GivenFlux(flux))))
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

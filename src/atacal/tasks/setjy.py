"""setjy: set the model of calibrators."""

from __future__ import annotations

from typing import Any

from atacal.errors import ArgumentError
from atacal.tasks._solving import only_default

STANDARDS = ("manual",)


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
    fluxdensity: float | list[float] = -1,
    spix: float | list[float] = 0.0,
    reffreq: str = "1GHz",
    polindex: list[float] | None = None,
    polangle: list[float] | None = None,
    rotmeas: float = 0.0,
    fluxdict: dict[str, Any] | None = None,
    useephemdir: bool = False,
    interpolation: str = "nearest",
    usescratch: bool = True,
    ismms: bool = False,
) -> dict[str, Any]:
    """Set the model of calibrators from flux densities given by hand.

    Parameters
    ----------
    vis : str
        Name of the MeasurementSet.
    field, spw : str
        Selection in CASA's syntax; empty for all.
    selectdata : bool
        True to use the selections that follow.
    timerange, scan, intent, observation : str
        Further selection.
    scalebychan : bool
        Evaluate the spectrum at every channel; False takes the middle of each spw.
    standard : {'manual'}
        The flux density standard. Only ``manual`` is available; CASA's default is not.
    model, listmodels, polindex, polangle, rotmeas, fluxdict, useephemdir, interpolation, ismms
        CASA's, for other standards; only their defaults are possible.
    fluxdensity : float or list of float
        Stokes I, or I, Q, U, V [Jy] at ``reffreq``; -1 means 1 Jy.
    spix : float or list of float
        Spectral index, or index and higher terms in the decimal logarithm of frequency.
    reffreq : str
        Frequency of ``fluxdensity``.
    usescratch : bool
        Fill MODEL_DATA; False writes CASA's virtual model into the SOURCE subtable instead.

    Returns
    -------
    dict
        ``{field id: {spw id: {'fluxd': [I, Q, U, V]}, 'fieldName': name}, 'format': ...}`` [Jy], as CASA's.

    Raises
    ------
    ArgumentError, NoSuchTable, SelectionError, ModelError, WriteError

    Notes
    -----
    ``S(nu) = S(nu0) x**(spix[0] + spix[1] lg x + ...)`` with ``x = nu / nu0``, for a point source at the phase centre.

    Examples
    --------
    >>> setjy("X.ms", field="1331+305*", standard="manual", fluxdensity=14.76)  # doctest: +SKIP
    """
    if standard not in STANDARDS:
        raise ArgumentError(
            f"standard={standard!r} is not available; give standard='manual' with fluxdensity (and spix, reffreq)"
        )
    only_default("model", model, "", "model images are not available")
    only_default("listmodels", listmodels, False, "there are no model images to list")
    only_default("polindex", polindex or [], [], "give Stokes Q and U in fluxdensity")
    only_default("polangle", polangle or [], [], "give Stokes Q and U in fluxdensity")
    only_default("rotmeas", rotmeas, 0.0, "Faraday rotation is not available")
    only_default("fluxdict", fluxdict or {}, {}, "it belongs to another standard")
    only_default("useephemdir", useephemdir, False, "it belongs to solar-system standards")

    from atacal.flux.manual import parse_frequency, parse_stokes, set_model
    from atacal.ms.measurement_set import MeasurementSet
    from atacal.ms.selection import Selection, select

    further = {"timerange": timerange, "scan": scan, "intent": intent, "observation": observation}
    indices = [float(s) for s in spix] if isinstance(spix, list | tuple) else [float(spix)]
    stokes, frequency = parse_stokes(fluxdensity), parse_frequency(reffreq)
    with MeasurementSet(vis, writable=True) as ms:
        selected = select(ms, Selection(field=field, spw=spw, **(further if selectdata else {})))
        fluxes = set_model(ms, selected, stokes, indices, frequency, scalebychan=scalebychan, column=usescratch)
        out: dict[str, Any] = {
            str(f): {
                **{str(s): {"fluxd": values} for s, values in spws.items()},
                "fieldName": ms.metadata.fields[f].name,
            }
            for f, spws in fluxes.items()
        }
    out["format"] = "{field Id: {spw Id: {fluxd: [I,Q,U,V] in Jy}, 'fieldName':field name }}"
    return out

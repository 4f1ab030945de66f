"""``aU.getALMAFlux`` and ``aU.getALMAFluxForMS``: calibrators' flux densities from ALMA's measurements.

The measurements are those of the catalogue file that the environment variable ATACAL_FLUX_CATALOGUE names, else of
``flux_catalogue.csv``, ``.vot`` or ``.xml`` in the working directory, else of ALMA's public source catalogue.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from atacal.errors import ArgumentError, CatalogueError, EmptySelection, UnknownSource
from atacal.flux.alma_flux import BANDS_GHZ, FluxEstimate, estimate
from atacal.flux.catalogue import Measurement, why_useless
from atacal.flux.command import describe
from atacal.flux.dates import day_of_mjd, parse_day, today
from atacal.flux.lookup import CATALOGUE_VARIABLE, Lookup
from atacal.flux.manual import frequency_hz
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select

log = logging.getLogger("atacal")

LOCAL_FILES = ("flux_catalogue.csv", "flux_catalogue.vot", "flux_catalogue.xml")
"""Catalogue files that are looked for in the working directory."""

_NOT_SCIENCE = ("WVR", "CH_AVG", "SQLD")
_CALIBRATORS = ("PHASE", "BANDPASS", "AMPLI", "FLUX", "DELAY")
_SAME_PLACE_ARCSEC = 10.0


def getALMAFlux(
    sourcename: str,
    frequency: float | str,
    lowband: int = 3,
    highband: int = 7,
    ignoreLowBand: bool = False,
    ignoreHighBand: bool = False,
    simulateLowBand: bool = False,
    simulateHighBand: bool = False,
    defaultSpectralIndex: float = -0.7,
    defaultSpectralIndexUncertainty: float = 0.2,
    verbose: bool = False,
    trials: int = 10000,
    date: str = "",
    searchAdjacentNames: bool = False,
    server: str = "",
    dayWindow: int = 0,
    showplot: bool = False,
    plotfile: str = "",
    silent: bool = False,
    separationThreshold: float = 14,
    maximumSensibleSpectralIndex: float = 0.0,
    lowbandFlux: float | None = None,
    highbandFlux: float | None = None,
    lowbandFrequency: float | str | None = None,
    highbandFrequency: float | str | None = None,
    lowbandUncertainty: float | None = None,
    highbandUncertainty: float | None = None,
    lowbandDate: str | None = None,
    highbandDate: str | None = None,
    sourceBandLimit: int = 500,
    fitSpectralIndex: str = "closest",
    makeSpectralIndexPlot: bool = False,
    interpolateFromBand: str = "lowband",
) -> dict[str, Any]:
    """Estimate a calibrator's flux density from ALMA's measurements in two bands; see `atacal.flux.alma_flux.estimate`.

    Parameters have analysisUtils' names and meanings. ``frequency`` without a unit is in Hz, or below 2000 in GHz.
    ``showplot``, ``plotfile`` and ``makeSpectralIndexPlot`` draw nothing; ``verbose`` and ``sourceBandLimit`` have no
    effect.

    Returns
    -------
    dict
        fluxDensity, fluxDensityUncertainty, monteCarloFluxDensity [Jy], spectralIndex, spectralIndexUncertainty,
        meanAge, ageDifference [d], and where the index was fitted to pairs of days (``closest``, ``mean``)
        spectralIndexAgeSeparation, spectralIndexAgeOldest, spectralIndexAgeYoungest [d], spectralIndexNPairs.

    Raises
    ------
    ArgumentError, UnknownSource, CatalogueError, ServiceError
        Where analysisUtils returns -1 (no such source) or None (no answer).
    """
    found = _estimate(
        Lookup(_catalogue(), _server(server)), sourcename, _hertz(frequency), date=date, adjacent=searchAdjacentNames,
        silent=silent, simulate=simulateLowBand or simulateHighBand,
        plots=showplot or plotfile or makeSpectralIndexPlot,
        low=_given("lowband", lowbandFlux, lowbandFrequency, lowbandUncertainty, lowbandDate),
        high=_given("highband", highbandFlux, highbandFrequency, highbandUncertainty, highbandDate),
        lowband=lowband, highband=highband, ignore_low=ignoreLowBand, ignore_high=ignoreHighBand, day_window=dayWindow,
        default_index=defaultSpectralIndex, default_index_error=defaultSpectralIndexUncertainty, trials=trials,
        separation_threshold_d=separationThreshold, greatest_sensible_index=maximumSensibleSpectralIndex,
        fit=fitSpectralIndex, interpolate_from=interpolateFromBand.replace("nearestIn", "closestIn"),
    )  # fmt: skip
    return _as_dict(found)


def getALMAFluxForMS(
    vis: str | os.PathLike[str],
    field: int | str | Sequence[int | str] | None = None,
    frequency: float | str | None = None,
    verbose: bool = False,
    searchAdjacentNames: bool = False,
    server: str = "",
    dayWindow: int = 0,
    showplot: bool = False,
    plotfile: str = "",
    intent: str = "CALIBRATE",
    spw: int | str | Sequence[int | str] = "",
    silent: bool = False,
    lowbandFlux: float | None = None,
    highbandFlux: float | None = None,
    lowbandFrequency: float | str | None = None,
    highbandFrequency: float | str | None = None,
    lowbandUncertainty: float | None = None,
    highbandUncertainty: float | None = None,
    lowbandDate: str | None = None,
    highbandDate: str | None = None,
    referenceFrequency: float | str | None = None,
    referenceFlux: float | None = None,
    mymsmd: object = "",
    spectralIndex: float | None = None,
    fitSpectralIndex: str = "closest",
    interpolateFromBand: str = "lowband",
) -> dict[str, dict[str, Any]]:
    """Estimate the flux densities of a MeasurementSet's calibrators at the date of its first observation.

    Parameters have analysisUtils' names and meanings. Without ``field``, those with the ``intent``: by default phase,
    bandpass, amplitude, flux and delay calibrators. Without ``frequency``, the mean of the centres of ``spw``, else of
    the spws for science that targets (without any: calibrators) were observed in. A field whose name the catalogue does
    not know is looked up by its position. ``mymsmd`` is not used.

    Returns
    -------
    dict
        By field name: `getALMAFlux`'s (without ageDifference), and frequency [Hz]. Fields that the catalogue does not
        have are left out, with a warning.

    Raises
    ------
    ArgumentError, NoSuchTable, SelectionError, EmptySelection, UnknownSource, CatalogueError, ServiceError
    """
    if (referenceFrequency is None) != (referenceFlux is None):
        raise ArgumentError("referenceFrequency and referenceFlux belong together: give both or neither")
    low = _given("lowband", lowbandFlux, lowbandFrequency, lowbandUncertainty, lowbandDate)
    high = _given("highband", highbandFlux, highbandFrequency, highbandUncertainty, highbandDate)
    lookup = Lookup(_catalogue(), _server(server))
    lookup.local()
    unknown: list[str] = []
    out: dict[str, dict[str, Any]] = {}
    with MeasurementSet(vis) as ms:
        hertz = _hertz(frequency) if frequency not in (None, "") else _mean_freq_hz(ms, spw)
        starts = [o.time_range_mjd_s[0] for o in ms.metadata.observations if o.time_range_mjd_s[0] > 0]
        day = day_of_mjd((min(starts) if starts else float(ms.runs.time.min())) / 86400.0)
        for number in _fields(ms, field, intent):
            known = ms.metadata.fields[number]
            place = (float(np.degrees(known.phase_dir_rad[0])) % 360.0, float(np.degrees(known.phase_dir_rad[1])))
            try:
                found = _estimate(
                    lookup, known.name, hertz, date=day.isoformat(), adjacent=searchAdjacentNames, silent=silent,
                    at_deg=place if known.frame in ("J2000", "ICRS") else None, plots=showplot or plotfile,
                    low=low, high=high,
                    lowband=3 if low is None else _band(low), highband=7 if high is None else _band(high),
                    ignore_high=spectralIndex is not None, day_window=dayWindow, fit=fitSpectralIndex,
                    default_index=-0.7 if spectralIndex is None else spectralIndex,
                    interpolate_from=interpolateFromBand.replace("nearestIn", "closestIn"),
                )  # fmt: skip
            except CatalogueError as error:
                log.warning("getALMAFluxForMS: %s is left out: %s", known.name, error)
                unknown.append(str(error))
                continue
            one = _as_dict(found) | {"frequency": hertz}
            del one["ageDifference"]
            if referenceFlux is not None:
                one["fluxDensity"] = referenceFlux * (hertz / _hertz(referenceFrequency)) ** found.spectral_index
            out[known.name] = one
    if not out:
        raise UnknownSource(f"{os.fspath(vis)}: no flux density of any field is known: {'; '.join(unknown)}")
    return out


def _estimate(
    lookup: Lookup,
    name: str,
    freq_hz: float,
    *,
    date: str,
    adjacent: bool,
    silent: bool,
    low: Measurement | None,
    high: Measurement | None,
    at_deg: tuple[float, float] | None = None,
    simulate: bool = False,
    plots: bool | str = False,
    **how: Any,
) -> FluxEstimate:
    if simulate:
        raise ArgumentError(
            "simulateLowBand and simulateHighBand are for tests of analysisUtils: there is no such thing here"
        )
    if plots:
        log.warning("getALMAFlux: no plot of the spectral index is drawn")
    source, origin = lookup.source(name, at_deg=at_deg, tolerance_arcsec=_SAME_PLACE_ARCSEC, adjacent=adjacent)
    found = estimate(source, parse_day(date) if date else today(), freq_hz, given_low=low, given_high=high, **how)
    found = dataclasses.replace(found, source=name, origin=origin)
    for line in [] if silent else describe(found):
        log.log(logging.WARNING if line.startswith("  warning") else logging.INFO, "%s", line)
    return found


def _as_dict(found: FluxEstimate) -> dict[str, Any]:
    out: dict[str, Any] = {
        "fluxDensity": found.flux_jy, "spectralIndex": found.spectral_index,
        "spectralIndexUncertainty": found.spectral_index_error, "fluxDensityUncertainty": found.flux_error_jy,
        "ageDifference": found.age_difference_d, "monteCarloFluxDensity": found.monte_carlo_jy,
        "meanAge": found.mean_age_d,
    }  # fmt: skip
    if found.pair_separation_d is not None:
        ages = [pair[0].age_d for pair in found.pairs]
        out |= {
            "spectralIndexAgeSeparation": found.pair_separation_d, "spectralIndexAgeOldest": max(ages),
            "spectralIndexAgeYoungest": min(ages), "spectralIndexNPairs": len(found.pairs),
        }  # fmt: skip
    return out


def _catalogue() -> str:
    """Return the catalogue file to take; empty for the public catalogue."""
    if os.environ.get(CATALOGUE_VARIABLE):
        return os.environ[CATALOGUE_VARIABLE]
    return next((name for name in LOCAL_FILES if Path(name).is_file()), "")


def _server(server: str) -> str:
    """Return an address; analysisUtils' words for its servers mean the public one."""
    return "" if server in ("", "external", "internal") else server


def _hertz(frequency: float | str | None) -> float:
    """Read a frequency: a number is in Hz, or below 2000 in GHz; so is a text without a unit."""
    if isinstance(frequency, str):
        try:
            number = float(frequency)
        except ValueError:
            return frequency_hz(frequency)
    else:
        try:
            number = float(frequency)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise ArgumentError(f"frequency={frequency!r} is no frequency") from None
    if not 0 < number < float("inf"):
        raise ArgumentError(f"frequency={frequency!r}: it must be positive")
    return number * 1e9 if number < 2000 else number


def _given(
    band: str, flux: float | None, frequency: float | str | None, uncertainty: float | None, date: str | None
) -> Measurement | None:
    """Read a measurement to take instead of the catalogue's."""
    four = (flux, frequency, uncertainty, date)
    if all(v is None for v in four):
        return None
    if any(v is None for v in four):
        raise ArgumentError(
            f"{band}Flux, {band}Frequency, {band}Uncertainty and {band}Date belong together: give all four"
        )
    assert flux is not None
    assert uncertainty is not None
    assert date is not None
    given = Measurement(parse_day(date, f"{band}Date"), _hertz(frequency), float(flux), float(uncertainty))
    if why := why_useless(given):
        raise ArgumentError(f"{band}Flux={flux!r}, {band}Uncertainty={uncertainty!r}: {why}")
    return given


def _band(m: Measurement) -> int:
    bands = [b for b, (lo, hi) in BANDS_GHZ.items() if lo * 1e9 <= m.freq_hz <= hi * 1e9]
    if not bands:
        raise ArgumentError(f"{m.freq_hz / 1e9:g} GHz is in none of ALMA's bands")
    return bands[0]


def _fields(ms: MeasurementSet, field: Any, intent: str) -> list[int]:
    """Return the fields that are meant: by ids or names, else by intent."""
    if field is not None and field != "":
        given = [field] if isinstance(field, (int, str, np.integer)) else list(field)
        chosen = select(ms, Selection(field=",".join(str(f) for f in given)))
        return [int(f) for f in np.unique(chosen.runs.field)]
    wanted = _CALIBRATORS if intent.upper() == "CALIBRATE" else (intent.upper().strip("*"),)
    found = _with_intents(ms, wanted)
    if not found and any("FLUX" in w or "AMPLI" in w for w in wanted):
        found = _with_intents(ms, ("AMPLI", "FLUX"))
    if not found:
        raise EmptySelection(f"{ms.path}: no field has the intent {intent!r}; name the fields (field=...)")
    return found


def _with_intents(ms: MeasurementSet, wanted: Sequence[str]) -> list[int]:
    """Return the fields with data of calibrators' intents, or of intents that contain a word."""
    prefix = ("CALIBRATE_",) if tuple(wanted) == _CALIBRATORS else ("",)
    return sorted({
        int(f)
        for f, s in zip(ms.runs.field, ms.runs.state, strict=True)
        if 0 <= s < len(ms.metadata.state_intents)
        and any(p + w in ms.metadata.state_intents[s] for p in prefix for w in wanted)
    })  # fmt: skip


def _mean_freq_hz(ms: MeasurementSet, spw: Any) -> float:
    """Return the mean of the spws' centres: of those that are named, else of the targets' spws for science."""
    if spw is not None and spw != "":
        given = [spw] if isinstance(spw, (int, np.integer)) else spw.split(",") if isinstance(spw, str) else list(spw)
        known = {str(s.id): s.centre_freq_hz for s in ms.metadata.spws}
        if not given or any(str(s).strip() not in known for s in given):
            raise ArgumentError(f"{ms.path}: spw={spw!r}: there are spws 0 to {len(known) - 1}")
        return float(np.mean([known[str(s).strip()] for s in given]))
    runs, intents = ms.runs, ms.metadata.state_intents
    on_target = [s for s, text in enumerate(intents) if "OBSERVE_TARGET#ON_SOURCE" in text]
    chosen = np.isin(runs.state, on_target)
    ddids = np.unique(runs.ddid[chosen] if chosen.any() else runs.ddid)
    spws = {ms.metadata.ddids[int(d)].spw for d in ddids}
    science = [
        s
        for s in (ms.metadata.spws[n] for n in sorted(spws))
        if s.nchan > 1 and not any(w in s.name for w in _NOT_SCIENCE)
    ]
    if not science:
        raise EmptySelection(f"{ms.path}: there is no spw for science; give spw or frequency")
    return float(np.mean([s.centre_freq_hz for s in science]))

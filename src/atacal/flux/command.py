"""The command ``atacal flux``: what ALMA's measurements say of a calibrator's flux density."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from atacal.errors import ArgumentError
from atacal.flux.alma_catalogue import MAX_AGE_DAYS
from atacal.flux.alma_flux import FluxEstimate, estimate
from atacal.flux.catalogue import TOLERANCE_ARCSEC
from atacal.flux.dates import parse_day, today
from atacal.flux.lookup import Lookup
from atacal.flux.manual import frequency_hz
from atacal.flux.power_law import Used

log = logging.getLogger("atacal")


@dataclass(frozen=True)
class FluxReport:
    """What `flux` found.

    Attributes
    ----------
    estimates : tuple of FluxEstimate
        For each source, date and frequency.
    setjy : tuple of str
        The commands that set these models.
    """

    estimates: tuple[FluxEstimate, ...]
    setjy: tuple[str, ...]

    def __str__(self) -> str:
        return "\n\n".join("\n".join([*describe(e), f"  {e.setjy}"]) for e in self.estimates)


def flux(
    source: str | list[str],
    freq: str | list[str],
    date: str | list[str] = "",
    catalogue: str = "",
    lowband: int = 3,
    highband: int = 7,
    fit: str = "closest",
    interpolate_from: str = "lowband",
    day_window: int = 0,
    spix: float = -0.7,
    spix_error: float = 0.2,
    tolerance: float = TOLERANCE_ARCSEC,
    refresh: bool = False,
    max_age: float = MAX_AGE_DAYS,
    server: str = "",
    timeout: float = 30.0,
) -> FluxReport:
    """Estimate a calibrator's flux density from ALMA's measurements of it, as getALMAFlux does.

    The measurements are those of a catalogue file, else of ALMA's public source catalogue, whose answers are kept on
    disk. The flux density of the low band's measurements nearest to the date is carried over to the frequency with a
    spectral index that is fitted to measurements in both bands.

    Parameters
    ----------
    source : str or list of str
        Names (J2000, B1950, common names: J0538-4405, B0537-441, ``3C 279``), or positions of J2000
        (``05:38:50.4 -44:05:09``).
    freq : str or list of str
        Frequencies with their unit: ``301.861GHz``.
    date : str or list of str
        Dates of the observations: ``2015-06-29``. Empty: today.
    catalogue : str
        A catalogue file, CSV or VOTable. Empty: the one that the environment variable ATACAL_FLUX_CATALOGUE names, else
        ALMA's public source catalogue.
    lowband : int
        ALMA band of the low frequency measurements.
    highband : int
        ALMA band of the high frequency measurements.
    fit : str
        Which measurements give the spectral index: ``closest`` (the two days, one of each band, that are the least
        apart; of those the nearest to the date), ``contemporaneous`` (each band's nearest to the date) or ``mean`` (of
        all pairs of days that are the least apart).
    interpolate_from : str
        The band whose measurements are carried over: ``lowband``, ``highband``, ``closestInTime`` or
        ``closestInFrequency``.
    day_window : int
        Measurements up to this many days from a band's nearest one are averaged with it.
    spix : float
        Spectral index if only one of the bands has measurements.
    spix_error : float
        Its error.
    tolerance : float
        How far from a position the source may be [arcsec].
    refresh : bool
        Ask the public catalogue even if there is a kept answer.
    max_age : float
        How old a kept answer may be [d].
    server : str
        Address of the public catalogue. Empty: ALMA's, or the environment variable ATACAL_SOURCE_CATALOGUE_SERVICE.
    timeout : float
        How long to wait for the public catalogue [s].

    Returns
    -------
    FluxReport
        The measurements used, the spectral index, the flux density, each with its error, and the setjy commands.

    Raises
    ------
    ArgumentError, NoSuchTable, CatalogueError, UnknownSource, ServiceError
    """
    sources, freqs, dates = (
        _listed("source", source),
        _listed("freq", freq),
        [date] if date == "" else _listed("date", date),
    )
    if not tolerance > 0 or not max_age >= 0 or not timeout > 0:
        raise ArgumentError(
            f"tolerance={tolerance}, max_age={max_age}, timeout={timeout}: these cannot be negative or 0"
        )
    hertz = [frequency_hz(f, "freq") for f in freqs]
    days = [parse_day(str(d)) if d != "" else today() for d in dates]
    lookup = Lookup(catalogue, server, refresh, max_age, timeout)
    out = []
    for who, day, hz in itertools.product(sources, days, hertz):
        found, origin = lookup.source(who, tolerance_arcsec=tolerance)
        one = estimate(
            found, day, hz, lowband=lowband, highband=highband, fit=fit, interpolate_from=interpolate_from,
            day_window=day_window, default_index=spix, default_index_error=spix_error,
        )  # fmt: skip
        out.append(replace(one, source=who, origin=origin))
    return FluxReport(tuple(out), tuple(e.setjy for e in out))


def _listed(name: str, given: str | Sequence[str]) -> list[str]:
    listed = [given] if isinstance(given, str) else [str(g) for g in given]
    if not listed or not all(g.strip() for g in listed):
        raise ArgumentError(f"{name}={given!r} is empty")
    return listed


def describe(e: FluxEstimate) -> list[str]:
    """Say in lines what an estimate is from."""
    who = e.source if e.name == e.source else f"{e.source} ({e.name})"
    out = [f"{who} on {e.date} at {e.freq_hz / 1e9:.6f} GHz, from {e.origin}"]
    for band, used in zip(e.bands, (e.low, e.high), strict=True):
        out += [f"  Band {band:<2}  {_measured(u)}" for u in used] or [f"  Band {band:<2}  none"]
    index = f"{e.spectral_index:+.6f} +- {e.spectral_index_error:.6f}"
    if not e.pairs:
        out.append(f"  spectral index  {index}, assumed")
    else:
        days = sorted({u.date for pair in e.pairs for u in pair})
        when = f"{days[0]}" if len(days) == 1 else f"{days[0]} to {days[-1]}"
        apart = "" if e.pair_separation_d is None else f", {e.pair_separation_d} d apart"
        pairs = "1 pair" if len(e.pairs) == 1 else f"{len(e.pairs)} pairs"
        out.append(f"  spectral index  {index}, {pairs} of {when}{apart}")
        if len(e.pairs) == 1 and set(e.pairs[0]) != {*e.low, *e.high}:
            out += [f"    fitted to  {_measured(u)}" for u in e.pairs[0]]
    if e.pairs:
        out.append(f"  Monte Carlo     {e.monte_carlo_jy:.6f} +- {e.flux_error_jy:.6f} Jy, the fitted line")
    out.append(f"  flux density    {e.flux_jy:.6f} +- {e.flux_error_jy:.6f} Jy")
    return out + [f"  warning: {w}" for w in e.warnings]


def _measured(u: Used) -> str:
    assumed = " (assumed)" if u.error_assumed else ""
    return f"{u.date}  {u.freq_hz / 1e9:7.3f} GHz  {u.flux_jy:.3f} +- {u.error_jy:.3f} Jy{assumed}  age {u.age_d:+d} d"

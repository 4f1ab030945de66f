"""Which known source a field is: a solar-system body, or a source of a flux standard."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np

from atacal.errors import ModelError
from atacal.flux.ephemeris import body_of, day
from atacal.flux.quasars import quasar
from atacal.flux.set_flux import FieldFlux, PlanetFlux, QuasarFlux
from atacal.flux.solar_data import bodies
from atacal.flux.solar_system import STANDARD, TRUE_DISC, Planet, planet
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import ephemeris_ids
from atacal.ms.selected import Selected

log = logging.getLogger("atacal")

_WORTH_SAYING = 1e-3
_FAR_RAD = np.radians(1 / 60)


def body_fluxes(
    ms: MeasurementSet, selected: Selected, standard: str, useephemdir: bool, usescratch: bool
) -> Callable[[int], FieldFlux]:
    """Return what gives the flux density of a field that is a solar-system body.

    The time is that of the field's first selected row; of a field with an ephemeris of its own, FIELD's TIME (as
    CASA's).

    Parameters
    ----------
    ms : MeasurementSet
    selected : Selected
    standard : str
        `STANDARD` or `TRUE_DISC`.
    useephemdir : bool
        The body is where the ephemeris has it, not at the phase centre.
    usescratch : bool

    Raises
    ------
    ModelError
        On calling it: if the field is no body, or its time or frequencies have no model.
    """
    md = ms.metadata
    attached = ephemeris_ids(ms.path)
    runs = selected.runs

    def of(number: int) -> FieldFlux:
        field = md.fields[number]
        body = body_of(field.name)
        if body is None:
            raise ModelError(
                f"{ms.path}: field {number}, {field.name}, is none of the solar-system bodies that there are: "
                f"{', '.join(bodies())}. Select the fields that are (field=...)"
            )
        own = number < len(attached) and attached[number] >= 0
        if own and not usescratch:
            raise ModelError(
                f"{ms.path}: field {number}, {field.name}, has an ephemeris of its own, and moves: a virtual model "
                "cannot follow it; use usescratch=True"
            )
        seconds = field.time_mjd_s if own else float(runs.time[runs.field == number].min())
        found = planet(body, seconds / 86400.0, as_casa=standard == STANDARD)
        _tell(found, field.name, number)
        ra, dec = found.where.direction_rad
        ra0, dec0 = field.phase_dir_rad
        apart = float(np.hypot(2 * np.sin((ra - ra0) / 2) * np.cos(dec), dec - dec0))
        if not own and field.frame in ("J2000", "ICRS") and apart > _FAR_RAD:
            log.warning(
                "setjy: %s (field %d) points %.1f arcmin from where %s was at %s", field.name, number,
                np.degrees(apart) * 60, body, day(found.where.mjd),
            )  # fmt: skip
        return PlanetFlux(found, md.telescope, (ra, dec) if useephemdir else None)

    return of


def _tell(found: Planet, name: str, number: int) -> None:
    disc, where = found.disc, found.where
    log.info(
        "setjy: %s (field %d) on %s (MJD %.5f): %.4f x %.4f arcsec, %.6f AU away", name, number, day(where.mjd),
        where.mjd, *np.degrees([disc.major_rad, disc.minor_rad]) * 3600, where.distance_m / 1.4959787066e11,
    )  # fmt: skip
    if found.as_casa:
        ratio = planet(where.body, where.mjd, as_casa=False).solid_angle_sr / found.solid_angle_sr - 1
        if abs(ratio) > _WORTH_SAYING:
            log.warning(
                "setjy: the disc that CASA takes for %s is %.2f %% too %s (it takes the latitude, in degrees, for "
                "radians); standard=%r has its true disc", where.body, abs(ratio) * 100,
                "small" if ratio > 0 else "large", TRUE_DISC,
            )  # fmt: skip


def quasar_fluxes(
    ms: MeasurementSet, selected: Selected, standard: str, interpolation: str
) -> Callable[[int], FieldFlux]:
    """Return what gives the flux density of a field that is a source of a standard; see `quasar`.

    The time is that of the field's first selected row, as CASA's.
    """
    md, runs = ms.metadata, selected.runs

    def of(number: int) -> FieldFlux:
        field = md.fields[number]
        mjd = float(runs.time[runs.field == number].min()) / 86400.0
        found = quasar(field.name, field.phase_dir_rad, standard, mjd, interpolation)
        log.info("setjy: %s (field %d) is %s of %s", field.name, number, found.name, standard)
        return QuasarFlux(found)

    return of


def model_lists() -> list[str]:
    """Return what setjy(listmodels=True) says, by line."""
    from atacal.flux.quasars import sources, standards
    from atacal.flux.solar_data import about, span_limits

    lines = [f"{name}: {', '.join(sources(name))}" for name in standards()]
    lines.append(f"{STANDARD} ({about()['source']}); {TRUE_DISC}:")
    for body in bodies():
        limits = ", ".join(f"{day(a)} to {day(b)}" for a, b in span_limits(body))
        lines.append(f"  {body}: {limits}")
    return [*lines, "No image models; manual and fluxscale take what they are given."]

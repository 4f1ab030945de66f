"""Where the flux density of the flux calibrator comes from."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from atacal.errors import EmptySelection, ModelError
from atacal.flux.ephemeris import body_of
from atacal.flux.resolved import Lobe, first_lobe
from atacal.flux.solar_lines import reference_spws
from atacal.flux.solar_system import STANDARD, planet
from atacal.ms._tables import opened
from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe.roles import Roles

log = logging.getLogger("atacal")

_LEAST_ANTENNAS = 3
_PREVIOUS = "the model that an earlier setjy left"


@dataclass(frozen=True)
class FluxModel:
    """The model of the flux calibrators.

    Attributes
    ----------
    kind : str
        ``given``: the user's flux density; ``there``: what an earlier setjy left; ``body``: a solar-system body;
        ``observatory``: flux densities in the ASDM's Source table; ``catalogue``: those of a catalogue file.
    text : str
        The same in words.
    spectra : dict of field -> ((frequency [Hz], flux density [Jy], its error over it), ...)
        Of ``observatory`` and ``catalogue``, ascending; the error is nan where there is none.
    """

    kind: str
    text: str
    spectra: dict[int, tuple[tuple[float, float, float], ...]] = field(default_factory=dict)

    def flux_jy(self, number: int, freq_hz: float) -> float:
        """Return a field's flux density at a frequency: a power law between those of ``spectra``."""
        freqs, values, _ = np.array(self.spectra[number]).T
        return float(np.exp(np.interp(np.log(freq_hz), np.log(freqs), np.log(values))))


def choose_model(ms: MeasurementSet, roles: Roles, *, given: bool, raw: bool, catalogue: str = "") -> FluxModel:
    """Choose the flux calibrators' model.

    The user's flux density, a catalogue file's, a model that is there, a solar-system body's, the observatory's.

    Parameters
    ----------
    ms : MeasurementSet
    roles : Roles
    given : bool
        Whether the user says how bright they are.
    raw : bool
        Of raw data a model that is there does not count: it would not survive the split.
    catalogue : str
        A catalogue of ALMA's measurements (`atacal.flux.catalogue_file.read_catalogue`).

    Raises
    ------
    ModelError
        If nothing is known.
    NoSuchTable, CatalogueError, UnknownSource
        If the catalogue cannot be read, or does not have the flux calibrators.
    """
    names = [ms.metadata.fields[f].name for f in roles.flux]
    if given:
        return FluxModel("given", "the flux density given")
    if catalogue and not (len(names) == 1 and body_of(names[0])):
        return _of_catalogue(ms, roles, catalogue)
    if not raw and _has_model(ms, roles):
        return FluxModel("there", _PREVIOUS)
    body = body_of(names[0]) if len(names) == 1 else None
    if body is not None:
        planet(body, float(ms.runs.time[ms.runs.field == roles.flux[0]].min()) / 86400.0)  # it is known at that time
        return FluxModel("body", f"{body}, a disc by {STANDARD}")
    spectra = {f: observatory_spectrum(ms.path, name) for f, name in zip(roles.flux, names, strict=True)}
    if all(spectra.values()):
        log.warning(
            "The flux density of %s is taken from the ASDM's Source table; it can be months old. "
            "flux_density=... overrides it", ", ".join(names),
        )  # fmt: skip
        errors = np.array([error for spectrum in spectra.values() for *_, error in spectrum])
        known = "" if np.isnan(errors).all() else f", uncertain by {100 * np.nanmax(errors):.2g} % by itself"
        return FluxModel("observatory", f"the ASDM's Source table (can be months old){known}", spectra)
    without = ", ".join(n for n, s in zip(names, spectra.values(), strict=True) if not s)
    or_set = "" if raw else ", or set a model with setjy before"
    raise ModelError(
        f"{ms.path}: the flux density of {without} is not known; give it with flux_density=... [Jy]{or_set}"
    )


def _of_catalogue(ms: MeasurementSet, roles: Roles, catalogue: str) -> FluxModel:
    """Estimate the flux densities at the centre of each spw, at the day of the observation, as `atacal flux` does."""
    from atacal.flux.alma_flux import estimate
    from atacal.flux.catalogue_file import read_catalogue
    from atacal.flux.dates import day_of_mjd
    from atacal.flux.lookup import find_at

    known = read_catalogue(catalogue)
    spectra, texts = {}, []
    for number in roles.flux:
        field = ms.metadata.fields[number]
        day = day_of_mjd(float(ms.runs.time[ms.runs.field == number].min()) / 86400.0)
        source = find_at(known, field.name, tuple(np.degrees(field.phase_dir_rad)) if _fixed(field.frame) else None)
        freqs = sorted({s.centre_freq_hz for s in ms.metadata.spws if s.nchan > 1})
        every = [estimate(source, day, hz) for hz in freqs]
        spectra[number] = tuple((e.freq_hz, e.flux_jy, e.flux_error_jy / e.flux_jy) for e in every)
        for warning in dict.fromkeys(w for e in every for w in e.warnings if not w.startswith("extrapolated")):
            log.warning("flux density of %s: %s", field.name, warning)
        middle = every[len(every) // 2]
        texts.append(
            f"{field.name} {middle.flux_jy:.4f} +- {middle.flux_error_jy:.4f} Jy at {middle.freq_hz / 1e9:.3f} GHz, "
            f"spectral index {middle.spectral_index:.3f}"
        )
    return FluxModel("catalogue", f"{'; '.join(texts)}, from {os.fspath(catalogue)}", spectra)


def _fixed(frame: str) -> bool:
    return frame in ("J2000", "ICRS")


def _has_model(ms: MeasurementSet, roles: Roles) -> bool:
    """Whether an earlier ``setjy`` has left a model of the flux calibrators."""
    from atacal.ms._virtual_model import read_virtual_models

    if ms.has("MODEL_DATA"):
        return True
    virtual = read_virtual_models(ms.path)
    return all(f in virtual for f in roles.flux)


def observatory_spectrum(vis: Path, name: str) -> tuple[tuple[float, float, float], ...]:
    """Return (frequency [Hz], flux density [Jy], relative error) of a source in the ASDM's Source table."""
    path = Path(vis) / "ASDM_SOURCE"
    if not path.is_dir():
        return ()
    found: dict[float, tuple[float, float]] = {}
    with opened(os.fspath(path)) as tab:
        for row in range(tab.nrows()):
            if tab.getcell("sourceName", row) != name or not all(
                tab.iscelldefined(c, row) for c in ("frequency", "flux")
            ):
                continue
            freqs = np.ravel(tab.getcell("frequency", row))
            flux = np.ravel(tab.getcell("flux", row))
            if len(freqs) and len(flux) and len(flux) % len(freqs) == 0:
                errors = np.full(len(flux), np.nan)
                if "fluxErr" in tab.colnames() and tab.iscelldefined("fluxErr", row):
                    given = np.ravel(tab.getcell("fluxErr", row))
                    errors = given if len(given) == len(flux) else errors
                for f, s, e in zip(freqs, *(x.reshape(len(freqs), -1)[:, 0] for x in (flux, errors)), strict=True):
                    if f > 0 and s > 0:
                        found[float(f)] = (float(s), float(e / s) if e > 0 else np.nan)
    return tuple((f, *both) for f, both in sorted(found.items()))


@dataclass(frozen=True)
class BodyPlan:
    """How gains are solved on a solar-system body.

    Attributes
    ----------
    refspwmap : list of int
        For fluxscale: spws that lie in lines of the body are mapped to others.
    line_channels : list of str
        Channels to flag, ``0:10~20``.
    lobe : Lobe, optional
        The antennas and baselines to solve with if the body is resolved.
    refant : str
        The lobe's reference antenna.
    """

    refspwmap: list[int]
    line_channels: list[str]
    lobe: Lobe | None
    refant: str

    def notes(self) -> list[str]:
        """Return what this means for the flux scale, in words."""
        out = []
        if self.line_channels:
            out.append(f"channels in lines of the flux calibrator flagged: {', '.join(self.line_channels)}")
        mapped = {spw: other for spw, other in enumerate(self.refspwmap) if other not in (-1, spw)}
        out += [
            f"spw {spw} lies in lines of the flux calibrator: its scale is that of spw {o}" for spw, o in mapped.items()
        ]
        if self.lobe is not None:
            out.append(
                f"the flux calibrator is resolved beyond {self.lobe.limit_m:.0f} m: the flux scale is from the "
                f"baselines among {self.lobe.antenna.rstrip('&')}"
            )
        return out


def plan_body(ms: MeasurementSet, roles: Roles, refants: tuple[str, ...], spws: list[int]) -> BodyPlan:
    """Find lines and the first lobe of the body that is the flux calibrator.

    Raises
    ------
    ModelError
        If it is resolved and no reference antenna has two others near enough.
    """
    name = ms.metadata.fields[roles.flux[0]].name
    body = body_of(name) or name
    mapped, lines = reference_spws(body, [ms.metadata.spws[s] for s in spws])
    for refant in refants:
        try:
            lobe = first_lobe(ms.path, str(roles.flux[0]), refant, spw=",".join(map(str, spws)))
        except EmptySelection:
            continue
        if len(lobe.antennas) == ms.metadata.nant:
            return BodyPlan(mapped, lines, None, refant)
        if len(lobe.antennas) >= _LEAST_ANTENNAS:
            return BodyPlan(mapped, lines, lobe, refant)
    raise ModelError(
        f"{ms.path}: {name} is resolved by all antennas: none of {', '.join(refants)} has two others within its first "
        "lobe. Choose another flux calibrator (flux=...), or give its flux_density"
    )

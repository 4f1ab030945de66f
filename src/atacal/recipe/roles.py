"""Which field is what: calibrators and targets, from the scan intents or as the user says."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from atacal.errors import ArgumentError, EmptySelection
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Metadata

log = logging.getLogger("atacal")

ROLE_INTENTS = {
    "bandpass": ("CALIBRATE_BANDPASS",),
    "flux": ("CALIBRATE_FLUX", "CALIBRATE_AMPLI"),
    "phase": ("CALIBRATE_PHASE",),
    "check": ("OBSERVE_CHECK_SOURCE",),
    "target": ("OBSERVE_TARGET",),
}
"""Scan intents that give a field its role; flux calibrators of early cycles have CALIBRATE_AMPLI."""


@dataclass(frozen=True)
class Roles:
    """Field ids by role. A field can be bandpass, flux and phase calibrator at once.

    Attributes
    ----------
    bandpass, flux, phase, check, target : tuple of int
    """

    bandpass: tuple[int, ...]
    flux: tuple[int, ...]
    phase: tuple[int, ...]
    check: tuple[int, ...] = ()
    target: tuple[int, ...] = ()

    @property
    def solved(self) -> tuple[int, ...]:
        """The fields that gains are solved on: bandpass, flux and phase calibrators."""
        return tuple(sorted({*self.bandpass, *self.flux, *self.phase}))

    @property
    def by_own_gains(self) -> tuple[int, ...]:
        """Calibrators that are corrected with their own gains for every integration: bandpass and flux calibrators."""
        return tuple(sorted({*self.bandpass, *self.flux} - {*self.phase}))

    @property
    def by_phase_calibrator(self) -> tuple[int, ...]:
        """Fields that are corrected with the gains of a phase calibrator: itself, check sources and targets."""
        return tuple(sorted({*self.phase, *self.check, *self.target}))

    def names(self, metadata: Metadata) -> dict[str, list[str]]:
        """Field names by role."""
        return {role: [metadata.fields[i].name for i in getattr(self, role)] for role in ROLE_INTENTS}


def field_intents(ms: MeasurementSet) -> dict[int, set[str]]:
    """Collect the on-source intents of every field that has data, without their ``#ON_SOURCE``."""
    runs, states = ms.runs, ms.metadata.state_intents
    intents: dict[int, set[str]] = {int(f): set() for f in np.unique(runs.field)}
    for field, state in {(int(f), int(s)) for f, s in zip(runs.field, runs.state, strict=True)}:
        if 0 <= state < len(states):
            for intent in states[state].split(","):
                name, _, where = intent.strip().partition("#")
                if name not in ("", "UNSPECIFIED") and where in ("", "ON_SOURCE", "UNSPECIFIED"):
                    intents[field].add(name)
    return intents


def find_roles(
    ms: MeasurementSet, *, bandpass: str = "", flux: str = "", phase: str = "", check: str = "", target: str = ""
) -> Roles:
    """Find the fields' roles.

    Parameters
    ----------
    ms : MeasurementSet
    bandpass, flux, phase, check, target : str
        Field selections (names, ids, patterns); an empty one means the fields that the scan intents give.

    Returns
    -------
    Roles

    Raises
    ------
    ArgumentError
        If there is no bandpass or no phase calibrator.
    SelectionError
        If a selection cannot be read or matches nothing.
    """
    given = {"bandpass": bandpass, "flux": flux, "phase": phase, "check": check, "target": target}
    intents = field_intents(ms)
    found = {role: _selected(ms, text) if text else _intended(intents, role) for role, text in given.items()}
    if not flux:
        found["flux"] = found["flux"] or found["bandpass"]
    if not phase:  # older blocks give their bandpass and flux calibrators CALIBRATE_PHASE as well
        others = {*found["bandpass"], *found["flux"], *found["target"]}
        found["phase"] = [f for f in found["phase"] if f not in others] or found["phase"]
    calibrators = {f for role in ("bandpass", "flux", "phase") for f in found[role]}
    if not check:
        found["check"] = [f for f in found["check"] if f not in calibrators]
    if not target:
        without = not found["target"] and not any(intents.values())
        rest = [f for f in sorted(intents) if f not in calibrators and f not in found["check"]]
        found["target"] = rest if without else [f for f in found["target"] if f not in calibrators]
    _require(ms, found, intents)
    return Roles(**{role: tuple(ids) for role, ids in found.items()})


def _intended(intents: dict[int, set[str]], role: str) -> list[int]:
    return [f for f in sorted(intents) if intents[f] & set(ROLE_INTENTS[role])]


def _selected(ms: MeasurementSet, text: str) -> list[int]:
    """Return the fields that a role's selection names; of a name its beginning will do, if only one field has it."""
    from atacal.ms.selection import Selection, select

    try:
        return sorted({int(f) for f in select(ms, Selection(field=text)).runs.field})
    except EmptySelection:
        begun = [f.id for f in ms.metadata.fields if f.name.startswith(text.strip())]
        if len(begun) != 1:
            raise
    return sorted({int(f) for f in select(ms, Selection(field=str(begun[0]))).runs.field})


def _require(ms: MeasurementSet, found: dict[str, list[int]], intents: dict[int, set[str]]) -> None:
    for role in ("bandpass", "phase"):
        if not found[role]:
            names = ", ".join(f"{i} {ms.metadata.fields[i].name}" for i in sorted(intents))
            raise ArgumentError(
                f"{ms.path}: no scan has the intent {' or '.join(ROLE_INTENTS[role])}; "
                f"name the {role} calibrator with {role}=...; the fields are {names}"
            )


def nearest_phase_calibrator(metadata: Metadata, roles: Roles) -> dict[int, int]:
    """Return, for every field that a phase calibrator corrects, the phase calibrator nearest to it on the sky.

    A phase calibrator is its own.
    """
    out = {}
    for field in roles.by_phase_calibrator:
        distances = {p: separation_rad(metadata, field, p) for p in roles.phase}
        out[field] = field if field in distances else min(roles.phase, key=lambda p: distances[p])
    return out


def separation_rad(metadata: Metadata, first: int, second: int) -> float:
    """Return the angle between two fields [rad]."""

    def vector(field: int) -> np.ndarray:
        ra, dec = metadata.fields[field].phase_dir_rad
        return np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])

    return float(np.arccos(np.clip(vector(first) @ vector(second), -1, 1)))

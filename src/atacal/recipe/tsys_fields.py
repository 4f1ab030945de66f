"""Which field's system temperatures calibrate which field (the rules of ALMA's hif_tsyscal)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atacal.caltables.table import CalTable
from atacal.caltables.tsys_map import map_tsys_spws
from atacal.errors import CaltableMismatch
from atacal.ms.metadata import Metadata
from atacal.recipe.roles import Roles, separation_rad

_TOLERANCE_CHANNELS = 1.0
"""ALMA's FDM spws may reach a channel out of the Tsys spw."""


def tsys_spwmap(table: CalTable, metadata: Metadata, spws: Sequence[int]) -> list[int]:
    """Return applycal's spwmap, of which the science spws have an entry that the table can serve.

    Raises
    ------
    CaltableMismatch
        If a science spw has no system temperatures.
    """
    found = map_tsys_spws(table, metadata, _TOLERANCE_CHANNELS)
    without = [s for s in spws if found.spwmap[s] not in table.solutions]
    if without:
        words = [f"{s} ({metadata.spws[s].centre_freq_hz / 1e9:.4f} GHz)" for s in without]
        raise CaltableMismatch(
            f"{metadata.path}: no system temperatures cover spw {', '.join(words)}; they were measured in spws "
            f"{', '.join(map(str, sorted(table.solutions)))}. Name the spws that can be calibrated with spw=..."
        )
    return found.spwmap


def tsys_fields(
    table: CalTable, metadata: Metadata, roles: Roles, spws: Sequence[int]
) -> tuple[dict[int, int], list[str]]:
    """Choose, for every field, the field whose system temperatures it takes.

    Bandpass and flux calibrators: their own. Phase calibrators: fields that are neither those nor targets, else a
    target's. Targets and check sources: fields that are no calibrators, else a phase calibrator's. Of several the
    nearest on the sky; where there is none of the kind, the nearest of all.

    Parameters
    ----------
    table : CalTable
        System temperatures.
    metadata : Metadata
    roles : Roles
    spws : sequence of int
        Tsys spws that are needed; a field that has not all of them does not count.

    Returns
    -------
    dict of field -> field, and a list of str
        The choice; and where it is not of the kind it should be.

    Raises
    ------
    CaltableMismatch
        If no field has good system temperatures in all these spws.
    """
    measured = _measured(table, spws)
    if not measured:
        raise CaltableMismatch(
            f"{table.name}: no field has a system temperature above 0 K in all of the spws "
            f"{', '.join(map(str, spws))} that the science spws need"
        )
    strong = {*roles.bandpass, *roles.flux}
    out: dict[int, int] = {}
    notes = []
    for field in sorted({*roles.solved, *roles.check, *roles.target}):
        for wanted in _preferences(field, measured, roles, strong):
            if wanted:
                out[field] = min(sorted(wanted), key=lambda m, f=field: separation_rad(metadata, f, m))  # type: ignore[misc]
                break
        else:
            out[field] = min(sorted(measured), key=lambda m, f=field: separation_rad(metadata, f, m))  # type: ignore[misc]
            name, other = (metadata.fields[f].name for f in (field, out[field]))
            notes.append(f"{name} has no system temperatures of its kind: it takes those of {other}, the nearest")
    return out, notes


def _preferences(field: int, measured: set[int], roles: Roles, strong: set[int]) -> list[set[int]]:
    """Return sets of fields, the best first."""
    if field in strong:
        return [measured & {field}]
    neither = measured - strong - set(roles.target)
    if field in roles.phase:
        return [neither, measured - strong]
    return [measured - strong - set(roles.phase), measured - strong]


def _measured(table: CalTable, spws: Sequence[int]) -> set[int]:
    """Return the fields with a good temperature in each of some spws."""
    fields: set[int] | None = None
    for spw in spws:
        one = table.solutions[spw]
        good = ~one.flag.all(axis=(1, 2, 3))
        here = {int(f) for f in np.unique(one.field[good]) if f >= 0}
        fields = here if fields is None else fields & here
    return fields or set()

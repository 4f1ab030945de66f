"""Blocks that `calibrate` cannot do: the phase calibrator was observed in other spectral windows than the target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atacal.errors import ArgumentError
from atacal.ms.measurement_set import MeasurementSet
from atacal.recipe.channels import is_science
from atacal.recipe.roles import Roles

_REFERENCE = "CALIBRATE_DIFFGAIN#REFERENCE"
_ASIDE = ("POINTING", "FOCUS", "ATMOSPHERE", "SIDEBAND")
"""In intents of scans that may be in other windows than the observation's."""


def refuse_switched(ms: MeasurementSet, roles: Roles) -> None:
    """Refuse a block whose intents name a differential gain reference, and whose calibrator and target share no spw.

    Raises
    ------
    ArgumentError
    """
    intents = [text.replace(".", "#") for text in ms.metadata.state_intents]
    if not any(_REFERENCE in text for text in intents):
        return
    of_phase, of_target = (_science_spws(ms, intents, fields) for fields in (roles.phase, roles.target))
    if not of_phase or not of_target or of_phase & of_target:
        return
    phase, target = (", ".join(map(str, sorted(spws))) for spws in (of_phase, of_target))
    raise ArgumentError(
        f"{ms.path}: the phase calibrator was observed in spw {phase}, the target in spw {target}: bandwidth switching "
        f"or band to band. calibrate knows no differential gains; the pipeline does: atacal pipeline {ms.path}"
    )


def _science_spws(ms: MeasurementSet, intents: Sequence[str], fields: Sequence[int]) -> set[int]:
    """Return the spws with spectra that fields were observed in."""
    runs = ms.runs
    aside = [i for i, text in enumerate(intents) if any(word in text for word in _ASIDE)]
    mine = np.isin(runs.field, fields) & ~np.isin(runs.state, aside)
    there = np.unique(ms.metadata.ddid_spw[runs.ddid[mine]]).tolist()
    return {s for s in there if is_science(ms.metadata.spws[s])}

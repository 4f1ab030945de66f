"""The pipeline's names of intents (PHASE, TARGET ...) and the intents of the data that they stand for."""

from __future__ import annotations

from collections.abc import Iterable

from atacal.errors import RestoreError

MEANING: dict[str, tuple[str, ...]] = {
    "AMPLITUDE": ("CALIBRATE_AMPLI#ON_SOURCE", "CALIBRATE_FLUX#ON_SOURCE"),
    "BANDPASS": ("CALIBRATE_BANDPASS#ON_SOURCE",),
    "PHASE": ("CALIBRATE_PHASE#ON_SOURCE",),
    "TARGET": ("OBSERVE_TARGET#ON_SOURCE", "CALIBRATE_TARGET#ON_SOURCE"),
    "CHECK": ("OBSERVE_CHECK_SOURCE#ON_SOURCE", "CALIBRATE_DELAY#ON_SOURCE"),
    "POLARIZATION": ("CALIBRATE_POLARIZATION#ON_SOURCE",),
    "POLANGLE": ("CALIBRATE_POL_ANGLE#ON_SOURCE",),
    "POLLEAKAGE": ("CALIBRATE_POL_LEAKAGE#ON_SOURCE",),
    "DIFFGAINREF": ("CALIBRATE_DIFFGAIN#REFERENCE",),
    "DIFFGAINSRC": ("CALIBRATE_DIFFGAIN#ON_SOURCE",),
    "POINTING": ("CALIBRATE_POINTING#ON_SOURCE",),
    "FOCUS": ("CALIBRATE_FOCUS#ON_SOURCE",),
    "WVR": ("CALIBRATE_WVR#ON_SOURCE",),
    "ATMOSPHERE": tuple(f"CALIBRATE_ATMOSPHERE#{s}" for s in ("ON_SOURCE", "OFF_SOURCE", "AMBIENT", "HOT", "TEST")),
    "SIDEBAND": ("CALIBRATE_SIDEBAND_RATIO#ON_SOURCE", "CALIBRATE_SIDEBAND_RATIO#OFF_SOURCE"),
    "REFERENCE": ("OBSERVE_TARGET#OFF_SOURCE",),
}
"""Intents of ALMA's data by the pipeline's name; in old data a ``.`` or ``_`` stands in the place of ``#``."""


def select_intents(names: str, state_intents: Iterable[str], where: str) -> str:
    """Turn the pipeline's intents into a selection of those that the data have.

    Parameters
    ----------
    names : str
        ``TARGET,CHECK``; or a selection of CASA's intents, which comes back as it is.
    state_intents : iterable of str
        OBS_MODE of the rows of STATE.
    where : str
        What is selected from, for the message.

    Raises
    ------
    RestoreError
        If the data have none of the intents: without a selection everything would be calibrated.
    """
    wanted = [name.strip().strip("*") for name in names.split(",") if name.strip().strip("*")]
    if not wanted or any(name not in MEANING for name in wanted):
        return names
    there = sorted({part.strip() for mode in state_intents for part in mode.split(",") if part.strip()})
    found = []
    for name in wanted:
        meant = {form for m in MEANING[name] for form in (m, m.replace("#", "."), m.replace("#", "_"))}
        found += [intent for intent in there if intent in meant and intent not in found]
    if not found:
        raise RestoreError(f"{where}: no scan has an intent of {names}; the intents are {', '.join(there) or 'none'}")
    return ",".join(found)

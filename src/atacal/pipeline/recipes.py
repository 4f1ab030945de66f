"""The recipes: which stages in which order, with the parameters that are not their defaults."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from atacal.errors import ArgumentError
from atacal.heuristics.scores import Recipe

Call = tuple[str, dict[str, Any]]

TODAY: tuple[Call, ...] = (
    ("hifa_importdata", {}),
    ("hifa_flagdata", {}),
    ("hifa_fluxcalflag", {}),
    ("hif_rawflagchans", {}),
    ("hif_refant", {}),
    ("h_tsyscal", {}),
    ("hifa_tsysflag", {}),
    ("hifa_tsysflagcontamination", {}),
    ("hifa_antpos", {}),
    ("hifa_wvrgcalflag", {}),
    ("hif_lowgainflag", {}),
    ("hif_setmodels", {}),
    ("hifa_bandpassflag", {}),
    ("hifa_bandpass", {}),
    ("hifa_spwphaseup", {}),
    ("hifa_gfluxscaleflag", {}),
    ("hifa_gfluxscale", {}),
    ("hifa_timegaincal", {}),
    ("hifa_targetflag", {}),
    ("hif_applycal", {}),
    ("hif_makeimlist", {"intent": "PHASE,BANDPASS,AMPLITUDE"}),
    ("hif_makeimages", {}),
    ("hif_makeimlist", {"intent": "CHECK", "per_eb": True}),
    ("hif_makeimages", {}),
    ("hifa_exportdata", {}),
)
"""The order of the pipeline's procedure_hifa_cal."""

CYCLE4: tuple[Call, ...] = (
    ("hifa_importdata", {}),
    ("hifa_flagdata", {}),
    ("hifa_fluxcalflag", {}),
    ("hif_rawflagchans", {}),
    ("hif_refant", {}),
    ("h_tsyscal", {}),
    ("hifa_tsysflag", {}),
    ("hifa_antpos", {}),
    ("hifa_wvrgcalflag", {}),
    ("hif_lowgainflag", {}),
    ("hif_gainflag", {}),
    ("hif_setjy", {}),
    ("hifa_bandpass", {}),
    ("hifa_spwphaseup", {}),
    ("hifa_gfluxscale", {}),
    ("hifa_timegaincal", {}),
    ("hif_applycal", {}),
    ("hif_makeimlist", {"intent": "PHASE,BANDPASS,CHECK"}),
    ("hif_makeimages", {}),
    ("hifa_exportdata", {}),
)
"""The nineteen stages of Cycle 4 (procedure_hifacal), and the export."""

_DIFFGAIN_INTENTS = "PHASE,BANDPASS,AMPLITUDE,DIFFGAINREF,DIFFGAINSRC"

DIFFGAIN: tuple[Call, ...] = tuple(
    one
    for task, given in TODAY
    for one in (
        *([("hifa_diffgaincal", {})] if task == "hifa_timegaincal" else []),
        (task, {**given, "intent": _DIFFGAIN_INTENTS} if given.get("intent", "").startswith("PHASE") else given),
    )
)
"""The order of procedure_hifa_cal_diffgain: for blocks whose phase calibrator has other spws than the target."""

RECIPES: dict[Recipe, tuple[Call, ...]] = {"today": TODAY, "cycle4": CYCLE4}


def calls_for(recipe: Recipe, modes: Iterable[str]) -> tuple[Call, ...]:
    """Return the stages of a recipe for blocks of some modes (BWSW, B2B, or empty)."""
    return DIFFGAIN if recipe == "today" and any(modes) else RECIPES[recipe]


def recipe_of(name: str) -> Recipe:
    """Return a recipe's name if it is one.

    Raises
    ------
    ArgumentError
    """
    for known in RECIPES:
        if known == name:
            return known
    raise ArgumentError(f"recipe = {name!r} is not possible; there are {', '.join(RECIPES)}")

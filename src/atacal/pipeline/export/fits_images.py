"""Which images of a run are delivered, and their names: those of the pipeline, without stage and iteration."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from atacal.errors import ArgumentError

INTENTS = {
    "BANDPASS": "bp", "AMPLITUDE": "flux", "PHASE": "ph", "CHECK": "chk", "POLARIZATION": "pol", "TARGET": "sci",
    "DIFFGAINREF": "dgr", "DIFFGAINSRC": "dgs",
}  # fmt: skip
"""Intents, and how the names of images spell them: ``J1337-1257_bp``."""
_KINDS = ("image", "image.pbcor", "pb", "mask")
_STAGE = re.compile(r"\.s(\d+)(?:_\d+)?\.")


def find_images(
    folder: Path, *, intents: str = "", calibrators: Sequence[str] = (), targets: Sequence[str] = ()
) -> dict[str, Path]:
    """Choose the images that are delivered.

    Of images that get the same name, that of the latest stage.

    Parameters
    ----------
    folder : Path
        The run's ``images``.
    intents : str
        Calibrators' images of these intents; empty: all.
    calibrators, targets : sequence of str
        Beginnings of the names of the images to deliver, in the place of all calibrators' and all targets'.

    Returns
    -------
    dict of str to Path
        By the name of the product: ``X.J1337-1257_bp.spw17.mfs.I.fits``.

    Raises
    ------
    ArgumentError
        If an intent or an image is not known.
    """
    words = [w.strip().strip("*") for w in intents.split(",") if w.strip()]
    unknown = [w for w in words if w not in INTENTS]
    if unknown:
        raise ArgumentError(
            f"calintents={intents!r}: {', '.join(unknown)} is no intent; there are {', '.join(INTENTS)}"
        )
    files = sorted(folder.glob("*.fits"), key=lambda p: (_stage_of(p.name), p.name)) if folder.is_dir() else []
    files = [f for f in files if f.name.endswith(tuple(f".{kind}.fits" for kind in _KINDS))]
    named = [*calibrators, *targets]
    missing = [n for n in named if not any(f.name.startswith(n) for f in files)]
    if missing:
        there = ", ".join(f.name for f in files) or "none"
        raise ArgumentError(f"there is no image {', '.join(missing)} in {folder}; there are {there}")
    chosen = {}
    for file in files:
        intent = _intent_of(file.name)
        given = targets if intent == "TARGET" else calibrators
        if given and not file.name.startswith(tuple(given)):
            continue
        if not given and words and intent not in words and intent != "TARGET":
            continue
        chosen[product_name(file.name)] = file
    return chosen


def product_name(name: str) -> str:
    """Take stage, iteration and the word image out of an image's name."""
    name = _STAGE.sub(".", name.removesuffix(".fits"))
    name = re.sub(r"\.iter\d+\b", "", name).removesuffix(".image").replace(".image.pbcor", ".pbcor")
    return f"{name}.fits"


def is_calibrator(name: str) -> bool:
    """Whether an image's name is one of a calibrator."""
    return _intent_of(name) != "TARGET"


def _intent_of(name: str) -> str:
    return next((intent for intent, word in INTENTS.items() if f"_{word}." in name), "")


def _stage_of(name: str) -> int:
    found = _STAGE.search(name)
    return int(found[1]) if found else 0

"""Folders in which the scripts of a manual calibration run, laid out as scriptForPI.py does."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atacal.restore.archives import unpack
from atacal.restore.delivery import Delivery
from atacal.restore.places import beside, link, make_folder, put


@dataclass(frozen=True)
class ManualRun:
    """A script and where it is run.

    Attributes
    ----------
    block : str
    script : Path
    folder : Path
        The working folder; the block's ASDM is there under the block's name.
    result : Path
        The calibrated data, which the script leaves.
    """

    block: str
    script: Path
    folder: Path
    result: Path


def prepare_manual(delivery: Delivery, block: str, calibrated: Path) -> ManualRun:
    """Make the folder in which a block's script runs.

    ``calibrated/BLOCK.calibration`` gets a link to the ASDM, named as the script names it, and to the ephemerides. The
    scripts solve again: the delivered tables are for looking at. A folder that is there already stays, so that a run
    that was stopped can go on.

    Raises
    ------
    RestoreError, WriteError
    """
    raw = delivery.raw(block)
    folder = calibrated / f"{block}.calibration"
    make_folder(folder)
    asdm = folder / f"{block}.asdm.sdm" if raw.packed else raw.path
    if raw.packed and not asdm.is_dir():
        with beside(folder, block) as work:
            unpack(raw.path, work, below=asdm.name)
            put(work / asdm.name, asdm)
    link(folder / block, asdm)
    for ephemeris in delivery.ephemerides:
        link(folder / ephemeris.name, ephemeris)
    return ManualRun(block, delivery.scripts[block], folder, folder / f"{block}.ms.split.cal")

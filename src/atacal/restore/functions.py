"""The pipeline's functions that ``casa_piperestorescript.py`` calls, with the pipeline's conventions of directories.

They work in the current directory: raw data are in ``../rawdata``, the delivery's products in ``../products``. Where
these are not there and the folders of a delivery are, ``../raw`` and ``../calibration`` are taken.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError, RestoreError
from atacal.restore.block import ASIS, FINAL_FLAGS, Import, Restored, plan_block, restore_block
from atacal.restore.products import Products, Raw, block_name, find_raw, is_ms, listed

__all__ = [
    "h_init",
    "h_restoredata",
    "h_save",
    "hif_restoredata",
    "hifa_importdata",
    "hifa_restoredata",
]

log = logging.getLogger("atacal")


class Context:
    """What ``h_init`` returns: scripts write down in it what the pipeline puts on its pages.

    Attributes
    ----------
    state : dict
        By (class, name): what ``set_state`` was given.
    """

    def __init__(self) -> None:
        self.state: dict[tuple[str, str], Any] = {}

    def set_state(self, cls: str, name: str, value: Any) -> None:
        """Keep a value, as ``context.set_state('ProjectSummary', 'proposal_code', '2016.1.01435.S')`` does."""
        self.state[cls, name] = value


def h_init(
    loglevel: str = "info", plotlevel: str = "default", weblog: bool = True, processing_intents: Any = None
) -> Context:
    """Begin: the pipeline makes its web pages' folder here; atacal has nothing to prepare."""
    return Context()


def h_save(filename: str = "") -> None:
    """End: the pipeline keeps its state in a file here; atacal's results are on the disk already."""


def hifa_importdata(
    vis: str | Sequence[str] = "",
    session: str | Sequence[str] = "",
    pipelinemode: str = "automatic",
    asis: str = ASIS,
    process_caldevice: bool = False,
    overwrite: bool = False,
    nocopy: bool = False,
    bdfflags: bool = True,
    lazy: bool = False,
    dbservice: bool = False,
    ocorr_mode: str = "ca",
    createmms: bool | str = "false",
    dryrun: bool = False,
    acceptresults: bool = True,
) -> list[str]:
    """Import raw data into the current directory, as scripts do that repair them before they are restored.

    Parameters
    ----------
    vis : str or list of str
        ASDMs: paths. A MeasurementSet that is there already is not made again.
    session, pipelinemode, nocopy, createmms, acceptresults
        Have no meaning here.
    ocorr_mode, asis, bdfflags, process_caldevice, lazy
        As importasdm's.
    overwrite : bool
        Make a MeasurementSet that is there already anew.
    dryrun : bool
        Only False.
    dbservice : bool
        The pipeline asks a service for flux densities and writes them to flux.csv; restoring does not need them, and
        only False is possible.

    Returns
    -------
    list of str
        The MeasurementSets.

    Raises
    ------
    ArgumentError, RestoreError, AsdmError, WriteError
    """
    from atacal.tasks.importasdm import importasdm

    _refuse_dry("hifa_importdata", dryrun)
    if dbservice:
        raise ArgumentError("hifa_importdata: dbservice=True asks for flux densities, which restoring does not need")
    made = []
    for path in (Path(v) for v in _listed(vis)):
        ms = Path(f"{block_name(path)}.ms")
        if not (path / "ASDM.xml").is_file():
            raise RestoreError(f"hifa_importdata: {path} is no ASDM; {path.parent}: {listed(path.parent)}")
        if ms.exists() and not overwrite:
            log.info("%s is there, %s is not imported again", ms, path)
        else:
            importasdm(
                asdm=str(path), vis=str(ms), ocorr_mode=ocorr_mode, asis=asis, bdfflags=bdfflags, lazy=lazy,
                process_caldevice=process_caldevice, with_pointing_correction=True, overwrite=overwrite,
            )  # fmt: skip
        made.append(str(ms))
    return made


def hifa_restoredata(
    vis: str | Sequence[str] = "",
    session: str | Sequence[str] = "",
    products_dir: str = "../products",
    copytoraw: bool = True,
    rawdata_dir: str = "../rawdata",
    lazy: bool = False,
    bdfflags: bool = True,
    ocorr_mode: str = "ca",
    asis: str = ASIS,
    pipelinemode: str = "automatic",
    dryrun: bool = False,
    acceptresults: bool = True,
) -> list[Restored]:
    """Restore execution blocks that ALMA's pipeline has calibrated, into the current directory.

    Parameters
    ----------
    vis : str or list of str
        Execution blocks: names of ASDMs in ``rawdata_dir``, or paths. Where the current directory has the block's
        MeasurementSet, that is calibrated.
    session : str or list of str
        The session of each; by default that in the manifest.
    products_dir : str
        Where manifest, calapply.txt, flag versions and calibration tables are.
    copytoraw : bool
        False: they are in ``rawdata_dir``. They are read where they are; nothing is copied.
    rawdata_dir : str
        Where the ASDMs are.
    lazy : bool
        Has no effect.
    bdfflags, ocorr_mode, asis
        As importasdm's.
    pipelinemode, acceptresults
        Have no meaning here.
    dryrun : bool
        Only False.

    Returns
    -------
    list of Restored

    Raises
    ------
    ArgumentError, RestoreError, AsdmError, TableExists, WriteError
    """
    _refuse_dry("hifa_restoredata", dryrun)
    names = _listed(vis)
    if not names:
        raise ArgumentError("hifa_restoredata: vis names no execution block")
    sessions = _listed(session)
    if sessions and len(sessions) != len(names):
        raise ArgumentError(f"hifa_restoredata: session has {len(sessions)} values for {len(names)} blocks")
    rawdata, products = _folders(Path(rawdata_dir), Path(products_dir) if copytoraw else None)
    found = Products(products)
    plans = []
    for k, name in enumerate(names):
        block = block_name(name)
        raw = None if Path(f"{block}.ms").is_dir() else _raw(name, block, rawdata)
        plans.append(plan_block(block, found, raw, session=sessions[k] if sessions else "", flagversion=FINAL_FLAGS))
    importing = Import(ocorr_mode, asis, bdfflags)
    return [restore_block(plan, Path(), importing, overwrite=plan.raw is None) for plan in plans]


hif_restoredata = hifa_restoredata
"""Its name in older scripts."""


def h_restoredata(
    vis: str | Sequence[str] = "",
    session: str | Sequence[str] = "",
    products_dir: str = "../products",
    copytoraw: bool = True,
    rawdata_dir: str = "../rawdata",
    lazy: bool = False,
    bdfflags: bool = True,
    ocorr_mode: str = "ca",
    asis: str = "",
    pipelinemode: str = "automatic",
    dryrun: bool = False,
    acceptresults: bool = True,
) -> list[Restored]:
    """Restore execution blocks: as `hifa_restoredata`, but no table of the ASDM is kept as it is."""
    return hifa_restoredata(**locals())


def _listed(value: str | Sequence[str]) -> list[str]:
    return [value] if isinstance(value, str) and value else [str(v) for v in value]


def _refuse_dry(function: str, dryrun: bool) -> None:
    if dryrun:
        raise ArgumentError(
            f"{function}: dryrun=True is not possible; `atacal run --dry-run` shows what a script would do"
        )


def _folders(rawdata: Path, products: Path | None) -> tuple[Path, list[Path]]:
    """Find where raw data and products are: as the pipeline has them, else as a delivery has them."""
    delivered = [Path("../calibration"), Path("../script")]
    if not rawdata.is_dir() and Path("../raw").is_dir():
        log.info("There is no %s; raw data are taken from ../raw", rawdata)
        rawdata = Path("../raw")
    if products is None:
        return rawdata, [rawdata]
    if products.is_dir():
        return rawdata, [products, *(d for d in delivered[1:] if d.is_dir())]
    if delivered[0].is_dir():
        log.info("There is no %s; products are taken from ../calibration", products)
        return rawdata, delivered
    return rawdata, [products]


def _raw(name: str, block: str, rawdata: Path) -> Raw:
    if "/" in name:
        there = Path(name, "ASDM.xml").is_file() or is_ms(Path(name))
        return Raw(Path(name), packed=False) if there else find_raw(block, Path(name).parent)
    return find_raw(block, rawdata)

"""Stage exportdata: the products of a run, as ALMA's pipeline delivers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError
from atacal.pipeline.block import Whole
from atacal.pipeline.export.kept import Kept
from atacal.pipeline.export.products import Exported, Wanted, export
from atacal.pipeline.project import PROJECT_FILE
from atacal.pipeline.stage import stage

_FOLDER = "products"


def _files(whole: Whole, given: Mapping[str, Any]) -> dict[str, Path]:
    return {name: whole.folder / name for name in (PROJECT_FILE, *_listed(given["pprfile"]))}


@stage("h_exportdata", "Products", scope="run", files=_files)
@stage("hif_exportdata", "Products", scope="run", files=_files)
@stage("hifa_exportdata", "Products", scope="run", files=_files)
def hifa_exportdata(
    whole: Whole,
    vis: Sequence[str] | str = (),
    session: Sequence[str] | str = (),
    imaging_products_only: bool = False,
    exportmses: bool = False,
    pprfile: Sequence[str] | str = "",
    calintents: str = "",
    calimages: Sequence[str] | str = (),
    targetimages: Sequence[str] | str = (),
    products_dir: str = "",
) -> None:
    """Write the products of a run: flags, tables, calls of applycal, scripts, reports, images.

    Parameters
    ----------
    vis : list of str
        Blocks to export, ``X.ms``; all by default.
    session : list of str
        The session of each; those of the import by default.
    imaging_products_only : bool
        No flags, tables and calls of applycal.
    exportmses : bool
        The calibrated MeasurementSets in the place of flags, tables and calls of applycal.
    pprfile : str
        A processing request in the run directory.
    calintents : str
        Intents of the calibrators whose images are exported, ``PHASE,BANDPASS``; all by default.
    calimages, targetimages : list of str
        Names (or their beginnings) of the images to export, in the place of all.
    products_dir : str
        The folder; ``products`` in the run directory by default.
    """
    given = {name: value for name, value in locals().items() if name != "whole"}
    blocks, sessions = _chosen(whole, _listed(vis), _listed(session))
    wanted = Wanted(
        whole.task, given, whole.folder / (products_dir or _FOLDER), blocks, sessions,
        calibration=not (imaging_products_only or exportmses),
        measurement_sets=exportmses and not imaging_products_only, ppr=next(iter(_listed(pprfile)), ""),
        calintents=calintents, calimages=_listed(calimages), targetimages=_listed(targetimages),
    )  # fmt: skip
    _tell(whole, products_dir or _FOLDER, export(whole, wanted))


def _chosen(whole: Whole, vis: list[str], session: list[str]) -> tuple[list[str], list[str]]:
    """Return the blocks and their sessions."""
    kept = Kept(whole.folder, whole.number)
    names = [f"{Path(v).name.removesuffix('.ms')}.ms" for v in vis] or kept.blocks
    unknown = [n for n in names if n not in kept.blocks]
    if unknown:
        raise ArgumentError(f"{whole.task}: vis has {', '.join(unknown)}; the run has {', '.join(kept.blocks)}")
    if session and len(session) != len(names):
        raise ArgumentError(
            f"{whole.task}: {len(session)} sessions are given for {len(names)} blocks; it must be one each"
        )
    return names, session or [str(kept.context(n, "session", "session_1")) for n in names]


def _tell(whole: Whole, folder: str, done: Exported) -> None:
    out, count = whole.out, len(done.products)
    missing = "; ".join(done.missing)
    text = f"{count} products, missing: {missing}" if missing else f"all {count} products are there"
    words = "products missing" if missing else "products"
    value = count / (count + len(done.missing))
    out.score(value, "missing_products", len(done.missing), "", words, f"{folder}: {text}")
    for one in done.missing:
        out.say("warning", f"missing among the products: {one}", "the stages before say why")
    out.decisions |= {
        "products": done.products,
        "flag_versions": done.flag_versions,
        "calls_of_applycal": {name: len(calls) for name, calls in done.applied.items()},
    }
    out.summary = f"{folder}: {text}"


def _listed(value: Sequence[str] | str) -> list[str]:
    return ([value] if value else []) if isinstance(value, str) else [str(v) for v in value]

"""Writing the products of a run into their folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atacal.errors import PipelineError
from atacal.pipeline.block import Block, Whole
from atacal.pipeline.export.applications import applications
from atacal.pipeline.export.aqua import aqua_report
from atacal.pipeline.export.fits_images import find_images
from atacal.pipeline.export.flag_versions import STEPS, pack_versions, save_final
from atacal.pipeline.export.kept import Kept
from atacal.pipeline.export.manifest import BlockFiles, Names, manifest_text
from atacal.pipeline.export.packing import pack, sha256_of
from atacal.pipeline.export.report import json_report
from atacal.pipeline.export.scripts import commands_log, pipeline_script, restore_script
from atacal.pipeline.files import write_bytes
from atacal.pipeline.flux_file import FLUX_FILE
from atacal.pipeline.project import UNKNOWN_OUS
from atacal.pipeline.workplace import at_work
from atacal.restore.calapply import Application, format_calapply
from atacal.weblog.command import render

DIGESTS = "MANIFEST"
"""Digests of all products, as ``sha256sum -c`` reads them; the last file that is written."""
_EDITED = (FLUX_FILE, "antennapos.csv")


@dataclass(frozen=True)
class Wanted:
    """What is to be exported.

    Attributes
    ----------
    task : str
        The stage, and its parameters, for the script that does the run again.
    parameters : dict
    folder : Path
        Where the products go.
    blocks, sessions : sequence of str
        The blocks, and the session of each.
    calibration, measurement_sets : bool
        Flags, tables and calls of applycal; the calibrated MeasurementSets in their place.
    ppr : str
        Name of a processing request in the run directory.
    calintents, calimages, targetimages
        As `find_images` takes them.
    """

    task: str
    parameters: Mapping[str, Any]
    folder: Path
    blocks: Sequence[str]
    sessions: Sequence[str]
    calibration: bool = True
    measurement_sets: bool = False
    ppr: str = ""
    calintents: str = ""
    calimages: Sequence[str] = ()
    targetimages: Sequence[str] = ()


@dataclass
class Exported:
    """What was exported.

    Attributes
    ----------
    products : list of str
        Their names, but for the pages: whether there are any is no matter of the data.
    missing : list of str
        What there should be and is not, and why.
    applied : dict of str to list of Application
        By block.
    flag_versions : dict of str to list of str
        By block.
    """

    products: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    applied: dict[str, list[Application]] = field(default_factory=dict)
    flag_versions: dict[str, list[str]] = field(default_factory=dict)


class _Writer:
    """Writes products and knows their names."""

    def __init__(self, whole: Whole, wanted: Wanted) -> None:
        self.whole, self.wanted = whole, wanted
        self.kept = Kept(whole.folder, whole.number)
        self.done = Exported()
        self.names = Names()
        self.written: list[str] = []
        wanted.folder.mkdir(parents=True, exist_ok=True)

    def text(self, name: str, text: str) -> str:
        write_bytes(self.wanted.folder / name, text.encode())
        return self.add(name)

    def copy(self, name: str, source: Path) -> str:
        write_bytes(self.wanted.folder / name, source.read_bytes())
        return self.add(name)

    def pack(self, name: str, members: Mapping[str, Path | bytes]) -> str:
        pack(self.wanted.folder / name, members)
        return self.add(name)

    def add(self, name: str) -> str:
        self.written.append(name)
        return name

    def prefixed(self, name: str) -> str:
        """Put observing unit set and procedure before a name, if the first is known."""
        return name if self.kept.ous == UNKNOWN_OUS else f"{self.kept.ous}.{self.kept.recipe}.{name}"


def export(whole: Whole, wanted: Wanted) -> Exported:
    """Write the products of a run.

    Parameters
    ----------
    whole : Whole
        The run as the stage sees it.
    wanted : Wanted

    Returns
    -------
    Exported

    Raises
    ------
    WriteError, ArgumentError
    """
    writer = _Writer(whole, wanted)
    blocks = _blocks(writer)
    if wanted.calibration:
        _caltables(writer)
    _of_run(writer)
    _edited(writer)
    images = find_images(
        whole.folder / "images", intents=wanted.calintents, calibrators=wanted.calimages, targets=wanted.targetimages
    )
    writer.names.images = [writer.copy(name, source) for name, source in sorted(images.items())]
    manifest = writer.names.manifest = f"{writer.kept.ous}.{writer.kept.recipe}.pipeline_manifest.xml"
    writer.text(manifest, manifest_text(writer.kept, writer.names, blocks, wanted.calibration))
    writer.text(writer.prefixed("pipeline_report.json"), json_report(writer.kept, writer.done.applied))
    _close(writer)
    return writer.done


def _blocks(writer: _Writer) -> list[BlockFiles]:
    """Export flags and calls of applycal, or the MeasurementSet, of each block."""
    wanted, kept = writer.wanted, writer.kept
    by_name = {b.name: b for b in writer.whole.blocks}
    chosen = [(name, session) for name, session in zip(wanted.blocks, wanted.sessions, strict=True) if name in by_name]
    for name in wanted.blocks:
        if name not in by_name:
            writer.done.missing.append(f"all of {name}, which has failed: {kept.failed.get(name, 'it is not there')}")
    if not (wanted.calibration or wanted.measurement_sets):
        return [BlockFiles(name, session) for name, session in chosen]
    if wanted.measurement_sets:
        out = []
        for name, session in chosen:
            out.append(BlockFiles(name, session, ms=writer.pack(f"{name}.tgz", {name: by_name[name].vis})))
        return out
    versions = [{step: kept.flag_version(name, task) for step, (task, _) in STEPS.items()} for name, _ in chosen]
    items = [(by_name[name], wanted.folder, of_step) for (name, _), of_step in zip(chosen, versions, strict=True)]
    files = []
    for (name, session), (packed, calls) in zip(chosen, writer.whole.map(export_block, items), strict=True):
        writer.done.flag_versions[name], writer.done.applied[name] = packed, calls
        flags = writer.add(f"{name}.flagversions.tgz")
        calapply = writer.text(f"{name}.calapply.txt", format_calapply(calls, name)) if calls else ""
        if not calls:
            writer.done.missing.append(f"{name}.calapply.txt: no calibration table is registered")
        files.append(BlockFiles(name, session, flags, calapply))
    return files


def export_block(block: Block, folder: Path, versions: dict[str, str]) -> tuple[list[str], list[Application]]:
    """Save and pack the flags of a block, and find the calls of applycal that calibrate it."""
    with at_work(block.folder):
        save_final(block.vis)
        packed = pack_versions(block.vis, folder / f"{block.name}.flagversions.tgz", versions)
        return packed, applications(block)


def _caltables(writer: _Writer) -> None:
    """Pack the tables that are applied, a session each."""
    wanted, done, folder = writer.wanted, writer.done, writer.whole.folder
    registered = {
        b.name: {Path(e.gaintable).name: b.path(e.gaintable) for e in b.library.entries} for b in writer.whole.blocks
    }
    for session in dict.fromkeys(wanted.sessions):
        tables: dict[str, Path] = {}
        for name, of in zip(wanted.blocks, wanted.sessions, strict=True):
            if of == session and name in registered:
                tables |= {u.table: registered[name][u.table] for a in done.applied.get(name, []) for u in a.uses}
        lost = sorted(name for name, path in tables.items() if not path.is_dir())
        if lost:
            raise PipelineError(f"calibration tables {', '.join(lost)} are registered, and are not in {folder}")
        if not tables:
            done.missing.append(f"calibration tables of {session}")
            continue
        writer.names.caltables[session] = writer.pack(f"{writer.kept.ous}.{session}.caltables.tgz", tables)


def _of_run(writer: _Writer) -> None:
    wanted, kept, names = writer.wanted, writer.kept, writer.names
    cycle4 = writer.whole.recipe == "cycle4"
    script = pipeline_script(kept, (wanted.task, wanted.parameters), cycle4)
    names.pipescript = writer.text(writer.prefixed("casa_pipescript.py"), script)
    if wanted.calibration:
        imported: dict[str, Any] = next(
            (r["asked"]["parameters"] for r in kept.results if r["task"] == "hifa_importdata"), {}
        )
        session_of = dict(zip(wanted.blocks, wanted.sessions, strict=True))
        blocks = [n for n in wanted.blocks if writer.done.applied.get(n)]
        text = restore_script(
            [n.removesuffix(".ms") for n in blocks], [session_of[n] for n in blocks], imported.get("ocorr_mode", "ca")
        )
        if blocks:
            names.restorescript = writer.text(writer.prefixed("casa_piperestorescript.py"), text)
        else:
            writer.done.missing.append("casa_piperestorescript.py: no block has calibration to restore")
    names.commands = writer.text(writer.prefixed("casa_commands.log"), commands_log(kept))
    names.aqua = writer.text(writer.prefixed("pipeline_aquareport.xml"), aqua_report(kept))
    weblog = writer.whole.folder / "weblog"
    if weblog.is_dir():
        # without times and logs: the archive is the same whenever the run is repeated
        pages = writer.wanted.folder / ".weblog"
        shutil.rmtree(pages, ignore_errors=True)
        render(writer.whole.folder, outdir=pages, lasting=True)
        names.weblog = writer.pack(writer.prefixed("weblog.tgz"), {"weblog": pages})
        shutil.rmtree(pages)
    if wanted.ppr:
        source = writer.whole.folder / wanted.ppr
        if source.is_file():
            names.ppr = writer.copy(writer.prefixed("pprequest.xml"), source)
        else:
            writer.done.missing.append(f"the processing request {wanted.ppr}")


def _edited(writer: _Writer) -> None:
    """Deliver the files that people edit: as they are, and packed as the pipeline does."""
    folder = writer.whole.folder
    stems = tuple(f"{n.removesuffix('.ms')}." for n in writer.wanted.blocks)
    found = [folder / name for name in _EDITED]
    found += [p for p in sorted(folder.glob("*.flag*template.txt")) if p.name.startswith(stems)]
    members: dict[str, Path | bytes] = {p.name: p for p in found if p.is_file()}
    for name in members:
        writer.copy(name, folder / name)
    if members:
        prefix = f"{writer.kept.ous}.{writer.kept.recipe}"
        writer.names.auxproducts = writer.pack(f"{prefix}.auxproducts.tgz", members)


def _close(writer: _Writer) -> None:
    """Write the digests, and delete what an earlier export has left and this one has not made."""
    folder, names = writer.wanted.folder, sorted(set(writer.written))
    path = folder / DIGESTS
    earlier = [line[66:] for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    write_bytes(path, "".join(f"{sha256_of(folder / name)}  {name}\n" for name in names).encode())
    for name in earlier:
        left = folder / name
        if name not in names and left.parent == folder and left.is_file():
            left.unlink()
    writer.done.products = [name for name in names if name != writer.names.weblog]

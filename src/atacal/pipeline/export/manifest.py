"""The manifest of a run's products, in the pipeline's form (h/tasks/common/manifest.py), which restoring reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, SubElement

from atacal.pipeline.export.fits_images import is_calibrator
from atacal.pipeline.export.kept import Kept
from atacal.pipeline.export.xml_text import UNDEFINED, xml_text


@dataclass(frozen=True)
class BlockFiles:
    """Products of an execution block, by name; empty: there is none."""

    name: str
    session: str
    flagversions: str = ""
    calapply: str = ""
    ms: str = ""


@dataclass
class Names:
    """Names of the products of a whole run; empty: there is none.

    Attributes
    ----------
    caltables : dict of str to str
        By session.
    """

    manifest: str = ""
    pipescript: str = ""
    restorescript: str = ""
    commands: str = ""
    weblog: str = ""
    auxproducts: str = ""
    aqua: str = ""
    ppr: str = ""
    caltables: dict[str, str] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)


_OF_RUN = (
    ("piperequest", "ppr", "pprequest", "xml"), ("weblog", "weblog", "weblog", "tgz"),
    ("casa_cmdlog", "commands", "casa_commands", "log"), ("pipescript", "pipescript", "casa_pipescript", "py"),
    ("restorescript", "restorescript", "casa_piperestorescript", "py"),
    ("aux_products_file", "auxproducts", "auxproducts", "tgz"), ("aqua_report", "aqua", "pipeline_aquareport", "xml"),
    ("manifest", "manifest", "pipeline_manifest", "xml"),
)  # fmt: skip
"""Element, attribute of `Names`, type of data, format."""


def manifest_text(kept: Kept, names: Names, blocks: Iterable[BlockFiles], calibrated: bool) -> str:
    """Write the manifest.

    Parameters
    ----------
    kept : Kept
    names : Names
    blocks : iterable of BlockFiles
    calibrated : bool
        Whether flags and tables are among the products.
    """
    root = Element("piperesults", name=kept.ous)
    ous = SubElement(root, "ous", name=kept.ous)
    SubElement(ous, "casaversion", name=UNDEFINED)
    SubElement(ous, "pipeline_version", name=f"atacal {kept.versions['atacal']}")
    SubElement(ous, "procedure_name", name=kept.recipe)
    common = {"ous": kept.ous, "level": "member", "package": kept.recipe}
    by_session: dict[str, list[BlockFiles]] = {}
    for block in blocks:
        by_session.setdefault(block.session, []).append(block)
    for session, mine in by_session.items():
        part = SubElement(ous, "session", name=session)
        if calibrated:
            archive = names.caltables.get(session) or UNDEFINED
            kind = {"datatype": "caltables", "format": "tgz", "session": session}
            SubElement(part, "caltables", {"name": archive, **common, **kind})
        for block in mine:
            _add_block(part, block, calibrated)
    for tag, name, datatype, form in _OF_RUN:
        if getattr(names, name):
            SubElement(ous, tag, {"name": getattr(names, name), **common, "datatype": datatype, "format": form})
    for image in names.images:
        of = "calibrator" if is_calibrator(image) else "target"
        SubElement(ous, "image", name=image, imtype=of, manualstring="N/A")
    return xml_text(root)


def _add_block(session: Element, block: BlockFiles, calibrated: bool) -> None:
    asdm = SubElement(session, "asdm", name=block.name, datatype="asdm", format="sdm")
    if block.ms:
        SubElement(asdm, "finalms", name=block.ms)
    if calibrated:
        for tag, name, datatype, form in (
            ("finalflags", block.flagversions, "ms.flagversions", "tgz"),
            ("applycmds", block.calapply, "ms.calapply", "txt"),
        ):
            SubElement(asdm, tag, name=name or UNDEFINED, asdm=block.name, datatype=datatype, format=form)

"""``*.pipeline_manifest.xml``: which products of a pipeline run belong to which session and execution block."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from atacal.errors import RestoreError

UNDEFINED = "Undefined"
"""The pipeline's name for a product that there is not."""


@dataclass(frozen=True)
class BlockProducts:
    """What belongs to an execution block.

    Attributes
    ----------
    name : str
        The block: ``uid___A002_X1_X2``.
    session : str
    flagversions, calapply : str
        Names of files; empty if the manifest has none.
    renorm : dict
        Arguments of hifa_renorm, as written; empty if it was not run.
    """

    name: str
    session: str
    flagversions: str = ""
    calapply: str = ""
    renorm: dict[str, str] = field(default_factory=dict)

    @property
    def renormalized(self) -> bool:
        """Whether the data that the pipeline delivered were scaled by hifa_renorm after applycal."""
        return self.renorm.get("apply", "").strip().lower() == "true"


@dataclass(frozen=True)
class Manifest:
    """A pipeline run's products.

    Attributes
    ----------
    ous : str
    blocks : tuple of BlockProducts
    caltables : dict of str to str
        Archive of calibration tables by session.
    auxproducts, casa_version, pipeline_version : str
        Empty if not said.
    """

    ous: str
    blocks: tuple[BlockProducts, ...]
    caltables: dict[str, str]
    auxproducts: str = ""
    casa_version: str = ""
    pipeline_version: str = ""


def read_manifest(path: str | Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    RestoreError
        If it cannot be read, is no XML or no manifest.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise RestoreError(f"{path} cannot be read as a pipeline manifest: {error}") from error
    ous = root.find("ous")
    if root.tag != "piperesults" or ous is None:
        raise RestoreError(f"{path} is no pipeline manifest: it has no <piperesults> with an <ous>")
    blocks, caltables = [], {}
    for session in ous.iter("session"):
        name = session.get("name", "")
        for archive in session.iter("caltables"):
            if _named(archive):
                caltables[name] = _named(archive)
        for asdm in session.iter("asdm"):
            renorm = asdm.find("hifa_renorm")
            block = asdm.get("name", "").removesuffix(".ms")
            if not block:
                raise RestoreError(f"{path}: an <asdm> of session {name!r} has no name")
            blocks.append(
                BlockProducts(
                    block, name, _named(asdm.find("finalflags")), _named(asdm.find("applycmds")),
                    dict(renorm.attrib) if renorm is not None else {},
                )
            )  # fmt: skip
    return Manifest(
        ous.get("name", ""), tuple(blocks), caltables, _named(ous.find("aux_products_file")),
        _named(ous.find("casaversion")), _named(ous.find("pipeline_version")),
    )  # fmt: skip


def _named(element: ElementTree.Element | None) -> str:
    name = "" if element is None else element.get("name", "")
    return "" if name == UNDEFINED else name


def format_manifest(manifest: Manifest) -> str:
    """Write a manifest as the pipeline does: what restoring needs of it."""
    root = ElementTree.Element("piperesults", name=manifest.ous)
    ous = ElementTree.SubElement(root, "ous", name=manifest.ous)
    for tag, name in (
        ("casaversion", manifest.casa_version), ("pipeline_version", manifest.pipeline_version),
        ("aux_products_file", manifest.auxproducts),
    ):  # fmt: skip
        if name:
            ElementTree.SubElement(ous, tag, name=name)
    for session in dict.fromkeys([*manifest.caltables, *(b.session for b in manifest.blocks)]):
        part = ElementTree.SubElement(ous, "session", name=session)
        ElementTree.SubElement(part, "caltables", name=manifest.caltables.get(session, UNDEFINED))
        for block in (b for b in manifest.blocks if b.session == session):
            asdm = ElementTree.SubElement(part, "asdm", name=f"{block.name}.ms")
            ElementTree.SubElement(asdm, "finalflags", name=block.flagversions or UNDEFINED)
            ElementTree.SubElement(asdm, "applycmds", name=block.calapply or UNDEFINED)
            if block.renorm:
                ElementTree.SubElement(asdm, "hifa_renorm", block.renorm)
    ElementTree.indent(root)
    return '<?xml version="1.0" ?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"

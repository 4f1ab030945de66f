"""Finding the pieces of a delivery: manifest, calapply.txt, flag versions, archives of calibration tables, raw data."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from atacal.errors import RestoreError
from atacal.restore.archives import ENDINGS, contents
from atacal.restore.manifest import BlockProducts, Manifest, read_manifest

RAW_ENDINGS = (".asdm.sdm", ".asdm.sdm.tar", ".asdm", ".tar", "")
_UID = re.compile(r"uid___[^.\s/]+")
_SHOWN = 12


def block_name(path: str | Path) -> str:
    """Return the execution block that a file is of: ``uid___A002_X1_X2`` of ``P_uid___A002_X1_X2.asdm.sdm.tar``."""
    name = Path(path).name
    uids = _UID.findall(name)
    if uids:
        return str(uids[-1])
    for ending in (".ms.calapply.txt", *RAW_ENDINGS[:-1], ".ms"):
        if name.endswith(ending):
            return name[: -len(ending)]
    return name


def listed(folder: Path) -> str:
    """Say what is in a folder."""
    if not folder.is_dir():
        return "there is no such folder"
    names = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
    if not names:
        return "it is empty"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"there are {', '.join(names[:_SHOWN])}{more}"


class Products:
    """The calibration products of a pipeline run.

    Parameters
    ----------
    folders : sequence of Path
        Where they are looked for, in this order: ``calibration`` and ``script`` of a delivery, or ``products``.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = [f for f in folders if f.is_dir()]
        self._looked_in = list(folders)
        self._contents: dict[Path, list[str]] = {}

    @cached_property
    def manifest_path(self) -> Path | None:
        """The manifest; of several that of a calibration recipe."""
        found = self._matching("pipeline_manifest.xml")
        return next((p for p in found if "cal" in p.name), found[0] if found else None)

    @cached_property
    def manifest(self) -> Manifest | None:
        return read_manifest(self.manifest_path) if self.manifest_path else None

    def blocks(self) -> list[str]:
        """Name the execution blocks that there is a calibration for."""
        names = [b.name for b in self.manifest.blocks if b.calapply] if self.manifest else []
        return list(dict.fromkeys([*names, *(block_name(p) for p in self._matching(".calapply.txt"))]))

    def entry(self, block: str) -> BlockProducts:
        """Return what the manifest says of a block; without manifest the names that the pipeline gives."""
        blocks = self.manifest.blocks if self.manifest else ()
        return next((b for b in blocks if b.name == block), BlockProducts(block, ""))

    def calapply(self, block: str) -> Path:
        """Find the block's calls of applycal."""
        return self._one(block, "calls of applycal", self.entry(block).calapply, f"{block}.ms.calapply.txt")

    def flagversions(self, block: str) -> Path:
        """Find the archive of the block's flag versions."""
        names = [f"{block}.ms.flagversions{ending}" for ending in ENDINGS]
        return self._one(block, "flag versions", self.entry(block).flagversions, *names)

    def tables(self, block: str, names: Iterable[str], session: str = "") -> dict[str, Path]:
        """Find the archive (or a folder that was unpacked already) that has each calibration table.

        Parameters
        ----------
        block : str
        names : iterable of str
        session : str
            Its archive is preferred; by default the session in the manifest.

        Raises
        ------
        RestoreError
            If a table is in none, an archive is damaged, or archives of two sessions have it.
        """
        own, archives = self._archives(session or self.entry(block).session)
        found: dict[str, Path] = {}
        missing = []
        for name in dict.fromkeys(names):
            having = [a for a in archives if name in self._names(a)]
            unpacked = [f / name for f in self.folders if (f / name / "table.dat").is_file()]
            if not having and not unpacked:
                missing.append(name)
                continue
            preferred = [a for a in having if a in own] or having
            if len(preferred) > 1:
                raise RestoreError(
                    f"{block}: calibration table {name} is in {' and in '.join(map(str, having))}; keep the one that "
                    "belongs to the block's session"
                )
            found[name] = (preferred or unpacked)[0]
        if missing:
            looked = f"looked in {', '.join(map(str, archives))}"
            where = looked if archives else f"there is no *.caltables.tgz in {self._folders_said()}"
            raise RestoreError(
                f"{block}: calibration tables {', '.join(missing)}, which {self.calapply(block).name} applies, are not "
                f"there: {where}"
            )
        return found

    def _archives(self, session: str) -> tuple[list[Path], list[Path]]:
        """List the session's archives of calibration tables, and all."""
        found = [p for ending in ENDINGS for p in self._matching(f".caltables{ending}")]
        named = self.manifest.caltables.get(session, "") if self.manifest else ""
        own = [p for p in found if named and (p.name == named or p.name.endswith(f".{named}"))]
        return own or [p for p in found if session and f".{session}.caltables." in f".{p.name}"], found

    def _names(self, archive: Path) -> list[str]:
        if archive not in self._contents:
            self._contents[archive] = contents(archive)
        return self._contents[archive]

    def _matching(self, ending: str) -> list[Path]:
        """List files by the ends of their names; auxiliary products (``X.auxcaltables.tgz``) have other ones."""
        return [p for f in self.folders for p in sorted(f.iterdir()) if p.name.endswith(ending) and p.is_file()]

    def _one(self, block: str, what: str, *names: str) -> Path:
        """Find a file by its names, with the prefixes that the archive gives: ``member.uid___A001_X1_X2.``."""
        wanted = [n for n in names if n]
        files = [p for f in self.folders for p in sorted(f.iterdir()) if p.is_file()]
        for name in wanted:
            found = [p for p in files if p.name == name] or [p for p in files if p.name.endswith(f".{name}")]
            if found:
                return found[0]
        raise RestoreError(
            f"{block}: its {what} are not there; looked for {' or '.join(wanted)} in {self._folders_said()}"
        )

    def _folders_said(self) -> str:
        return "; ".join(f"{f} ({listed(f)})" for f in self._looked_in)


@dataclass(frozen=True)
class Raw:
    """Raw data of an execution block.

    Attributes
    ----------
    path : Path
        An ASDM, a tar archive that has one, or a raw MeasurementSet.
    packed : bool
    """

    path: Path
    packed: bool

    @property
    def is_ms(self) -> bool:
        return is_ms(self.path)


def is_ms(path: Path) -> bool:
    """Whether a folder is a MeasurementSet."""
    return (path / "table.dat").is_file() and (path / "ANTENNA").is_dir()


def raw_data(folder: Path) -> dict[str, Raw]:
    """List the raw data of a folder by execution block: ASDMs, else archives of them, else MeasurementSets."""
    kinds: list[dict[str, Raw]] = [{}, {}, {}]
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if (path / "ASDM.xml").is_file():
            kinds[0][block_name(path)] = Raw(path, packed=False)
        elif path.is_file() and path.name.endswith(".tar"):
            kinds[1][block_name(path)] = Raw(path, packed=True)
        elif is_ms(path):
            kinds[2][block_name(path)] = Raw(path, packed=False)
    return kinds[2] | kinds[1] | kinds[0]


def find_raw(block: str, folder: Path) -> Raw:
    """Find the raw data of a block.

    Raises
    ------
    RestoreError
    """
    raw = raw_data(folder).get(block)
    if raw is None:
        raise RestoreError(
            f"{block}: its raw data are not there; looked for {block}.asdm.sdm (an ASDM), {block}.asdm.sdm.tar or "
            f"{block}.ms in {folder}: {listed(folder)}"
        )
    return raw

"""A delivered member directory: its folders, and its execution blocks with what each is calibrated by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atacal.errors import RestoreError
from atacal.restore.products import Products, Raw, block_name, find_raw, listed, raw_data

_PARTS = ("raw", "calibration", "script", "products", "rawdata")
"""Folders of a delivery, and those of the pipeline: what it has left, and what it has begun with."""
_SCRIPT_ENDING = ".ms.scriptForCalibration.py"


@dataclass(frozen=True)
class Delivery:
    """A member directory.

    Attributes
    ----------
    member : Path
    rawdata : Path
        The folder with the raw data.
    products : Products
        What the pipeline has left in ``calibration`` and ``script``.
    pipeline : tuple of str
        Blocks that calapply.txt calibrates.
    scripts : dict of str to Path
        Blocks that scripts of a manual calibration calibrate.
    ephemerides : tuple of Path
        Ephemerides that such scripts read.
    uncalibrated : tuple of str
        Blocks with raw data and without calibration; ALMA delivers those that were not used (QA0 semipass).
    """

    member: Path
    rawdata: Path
    products: Products
    pipeline: tuple[str, ...]
    scripts: dict[str, Path]
    ephemerides: tuple[Path, ...]
    uncalibrated: tuple[str, ...]

    def raw(self, block: str) -> Raw:
        """Find a block's raw data."""
        return find_raw(block, self.rawdata)

    def chosen(self, blocks: Sequence[str]) -> list[str]:
        """Return the blocks to restore: those that are named, or all that there is a calibration for.

        Raises
        ------
        RestoreError
        """
        known = [*self.pipeline, *self.scripts]
        unknown = [b for b in blocks if b not in known]
        if unknown:
            raise RestoreError(
                f"{self.member}: there is no calibration for {', '.join(unknown)}; there is for {', '.join(known)}"
            )
        return [b for b in known if not blocks or b in blocks]


def open_delivery(member: str | Path) -> Delivery:
    """Look at a member directory.

    Raises
    ------
    RestoreError
        If it is none, or nothing in it says how to calibrate.
    """
    path = Path(member)
    if not path.is_dir():
        raise RestoreError(f"{member}: there is no such folder")
    if path.name in _PARTS and not any((path / part).is_dir() for part in _PARTS):
        path = path.absolute().parent
    if not any((path / part).is_dir() for part in _PARTS):
        below = sorted(str(p.parent) for depth in range(1, 5) for p in path.glob("*/" * depth + "calibration"))
        hint = f"; try {', '.join(below[:5])}" if below else f"; {listed(path)}"
        raise RestoreError(f"{member} is no member directory of a delivery: it has none of {', '.join(_PARTS)}{hint}")
    of_pipeline = (path / "products").is_dir() and not (path / "calibration").is_dir()
    calibration = path / ("products" if of_pipeline else "calibration")
    rawdata = path / ("rawdata" if (path / "rawdata").is_dir() and not (path / "raw").is_dir() else "raw")
    products = Products([calibration, path / "script"])
    scripts = _scripts(path / "script")
    pipeline = tuple(b for b in products.blocks() if b not in scripts)
    if not pipeline and not scripts:
        raise RestoreError(
            f"{path}: nothing says how to calibrate: looked for *.ms.calapply.txt in {calibration} "
            f"({listed(calibration)}) and for *{_SCRIPT_ENDING} in {path / 'script'} "
            f"({listed(path / 'script')})"
        )
    uncalibrated = tuple(b for b in raw_data(rawdata) if b not in pipeline and b not in scripts)
    ephemerides = tuple(sorted(calibration.glob("*.eph"))) if scripts else ()
    return Delivery(path, rawdata, products, pipeline, scripts, ephemerides, uncalibrated)


def _scripts(folder: Path) -> dict[str, Path]:
    """List the scripts of a manual calibration by block."""
    found = sorted(folder.glob(f"*{_SCRIPT_ENDING}")) if folder.is_dir() else []
    return {block_name(p.name.removesuffix(_SCRIPT_ENDING)): p for p in found}

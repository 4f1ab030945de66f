"""The folder that a calibration run writes to, and the names in it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atacal.errors import ArgumentError, TableExists, WriteError

_MARKER = "calibrate.json"


@dataclass(frozen=True)
class Products:
    """Paths of a run's products, named as in ALMA's calibration scripts.

    Attributes
    ----------
    folder : Path
    name : str
        Name of the MeasurementSet without ``.ms``.
    """

    folder: Path
    name: str

    def _path(self, ending: str) -> Path:
        return self.folder / f"{self.name}.{ending}"

    @property
    def imported(self) -> Path:
        """The MeasurementSet made of an ASDM."""
        return self._path("ms")

    @property
    def split(self) -> Path:
        """The science spws of a raw MeasurementSet after the a-priori steps."""
        return self._path("ms.split")

    @property
    def listobs(self) -> Path:
        return self._path("listobs.txt")

    @property
    def tsys(self) -> Path:
        return self._path("tsys")

    @property
    def antpos(self) -> Path:
        return self._path("antpos")

    @property
    def wvr(self) -> Path:
        return self._path("wvr")

    @property
    def phase_without_wvr(self) -> Path:
        """Phases of the calibrators for every integration before the radiometers' correction, from one spw."""
        return self._path("phase_without_wvr")

    @property
    def phase_with_wvr(self) -> Path:
        """The same after it."""
        return self._path("phase_with_wvr")

    @property
    def phase_up(self) -> Path:
        """Phases of the bandpass calibrator for every integration, from the central channels."""
        return self._path("ap_pre_bandpass")

    @property
    def bandpass(self) -> Path:
        return self._path("bandpass")

    @property
    def phase_int(self) -> Path:
        """Phases of all calibrators for every integration."""
        return self._path("phase_int")

    @property
    def phase_short_int(self) -> Path:
        """Phases for every integration, of a resolved flux calibrator on short baselines only."""
        return self._path("phase_short_int")

    @property
    def ampli_short_inf(self) -> Path:
        """Amplitudes for every scan, of a resolved flux calibrator on short baselines only."""
        return self._path("ampli_short_inf")

    @property
    def flux_short_inf(self) -> Path:
        """The same on the flux calibrator's scale."""
        return self._path("flux_short_inf")

    @property
    def ampli_inf(self) -> Path:
        """Amplitudes of all calibrators for every scan, on the scale of their models."""
        return self._path("ampli_inf")

    @property
    def flux_inf(self) -> Path:
        """The same on the flux calibrator's scale."""
        return self._path("flux_inf")

    @property
    def phase_inf(self) -> Path:
        """Phases of all calibrators for every scan."""
        return self._path("phase_inf")

    @property
    def calibrated(self) -> Path:
        return self._path("calibrated.ms")

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def summary_json(self) -> Path:
        return self.folder / "summary.json"

    @property
    def summary_text(self) -> Path:
        return self.folder / "summary.txt"

    @property
    def tables(self) -> dict[str, Path]:
        """The calibration tables by name, in the order in which they are made."""
        names = (
            "tsys", "antpos", "wvr", "phase_without_wvr", "phase_with_wvr", "phase_up", "bandpass", "phase_short_int",
            "ampli_short_inf", "flux_short_inf", "phase_int", "ampli_inf", "flux_inf", "phase_inf",
        )  # fmt: skip
        return {name: getattr(self, name) for name in names}


_ENDINGS = (".sdm", ".asdm", ".ms")
"""Of names of MeasurementSets, and of ASDMs as archives give them."""


def products_of(vis: str | os.PathLike[str], outdir: str | os.PathLike[str] = "") -> Products:
    """Name the products of the calibration of a MeasurementSet or ASDM.

    Parameters
    ----------
    vis : path
    outdir : path
        The folder; by default ``X.calibrate`` beside ``X.ms``.
    """
    ms = Path(os.path.normpath(os.fspath(vis)))
    name = ms.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return Products(Path(outdir) if os.fspath(outdir) else ms.parent / f"{name}.calibrate", name)


def start(products: Products, arguments: dict[str, Any], vis: str | os.PathLike[str] = "") -> None:
    """Make the folder, or clear away what an earlier run left in it.

    Parameters
    ----------
    products : Products
    arguments : dict
        Written into the folder.
    vis : path
        What is calibrated.

    Raises
    ------
    ArgumentError
        If the data are a product themselves, which would be cleared away.
    TableExists
        If the folder holds other files than a run's products.
    WriteError
    """
    folder = products.folder
    cleared = (*products.tables.values(), products.imported, products.split, products.calibrated, products.pictures)
    if os.fspath(vis) and any(path.resolve() == Path(vis).resolve() for path in cleared):
        raise ArgumentError(f"{os.fspath(vis)} would be cleared away as an earlier product; choose another outdir")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARKER).is_file():
        raise TableExists(f"{folder} is not empty and was not made by calibrate; choose another outdir, or empty it")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _MARKER).write_text(json.dumps(arguments, indent=1) + "\n", encoding="utf-8")
        for path in cleared:
            for old in (path, path.with_name(path.name + ".flagversions")):
                if old.is_dir():
                    shutil.rmtree(old)
        for path in (products.summary_json, products.summary_text, products.listobs):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(f"{folder}: cannot be written: {error}") from error

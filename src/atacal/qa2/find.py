"""The calibration tables that belong to a MeasurementSet: beside it, known by what they say of themselves."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atacal.caltables.disk import ms_name_of, read_caltable
from atacal.caltables.table import CalTable
from atacal.errors import AtacalError, NoSolutions

log = logging.getLogger("atacal")

ROLES = (
    ("tsys", "System temperatures"),
    ("wvr", "Water vapour radiometers"),
    ("antpos", "Antenna positions"),
    ("phaseup", "Phases before the bandpass"),
    ("bandpass", "Bandpass"),
    ("phase_int", "Phases, every integration"),
    ("ampli", "Amplitudes"),
    ("flux", "Amplitudes on the flux scale"),
    ("phase_inf", "Phases, every scan"),
    ("trial", "Trial phases for the water vapour correction"),
    ("other", "Other tables"),
)
"""What tables are for, in the order of the calibration."""


@dataclass(frozen=True, eq=False)
class Found:
    """A table and what it is for (a name of `ROLES`)."""

    role: str
    table: CalTable

    @property
    def name(self) -> str:
        """The table's folder name."""
        return self.table.name


def stem_of(name: str) -> str:
    """Return what a MeasurementSet and its tables have in common: ``X`` of ``X.ms`` and ``X.ms.split.cal``.

    Examples
    --------
    >>> stem_of("uid___A002_X1_X2.ms.split.cal")
    'uid___A002_X1_X2'
    """
    return re.sub(r"(\.ms)?(\.split)?(\.cal|\.calibrated)?(\.ms)?/*$", "", name)


def find_tables(vis: str | os.PathLike[str], given: Sequence[str | os.PathLike[str]] = ()) -> list[Found]:
    """Find the tables of a MeasurementSet in its folder and the folder above.

    Parameters
    ----------
    vis : path
    given : sequence of path
        These tables, in place of looking for them.

    Returns
    -------
    list of Found
        In the order of `ROLES`, then by name.

    Raises
    ------
    NoSolutions
        If there is none.
    NoSuchTable, InvalidTable
        For tables that are named.
    """
    if given:
        tables = [read_caltable(g, errors=False) for g in given]
    else:
        tables = _beside(Path(os.path.normpath(vis)))
        if not tables:
            raise NoSolutions(
                f"{vis}: there is no calibration table of it in {_folder(vis)}; name them with tables=..."
            )
    order = [role for role, _ in ROLES]
    found = [Found(role_of(t), t) for t in tables]
    return sorted(found, key=lambda f: (order.index(f.role), f.name))


def _folder(vis: str | os.PathLike[str]) -> Path:
    return Path(os.path.normpath(vis)).absolute().parent


def _beside(vis: Path) -> list[CalTable]:
    stem = stem_of(vis.name)
    folders = [_folder(vis)]
    folders.append(folders[0] / f"{stem}.calibrate")
    if folders[0].name == f"{stem}.calibrate" or folders[0].name in ("calibrated", "calibration"):
        folders.append(folders[0].parent)
    tables: list[CalTable] = []
    for folder in folders:
        for path in sorted(folder.glob("*/table.dat")):
            if path.parent.name.startswith("."):
                continue
            try:
                source = ms_name_of(path.parent)
                mine = source is not None and (stem_of(source) == stem or path.parent.name.startswith(f"{stem}."))
                if mine:
                    tables.append(read_caltable(path.parent, errors=False))
            except AtacalError as error:
                log.warning("%s is left out: %s", path.parent, error)
    return tables


def role_of(table: CalTable) -> str:
    """Tell from its kind and name what a table is for."""
    name, kind = table.name.lower(), table.kind
    if kind == "B TSYS" or "TSYS" in kind:
        return "tsys"
    if kind.startswith("KAntPos"):
        return "antpos"
    if kind.startswith("B"):
        return "bandpass"
    if "with_wvr" in name or "without_wvr" in name:
        return "trial"
    if re.search(r"\.wvr(\.|_|$)", name):
        return "wvr"
    if re.search(r"ap_pre|pre_bandpass|phase_up|phaseup", name):
        return "phaseup"
    if kind.startswith(("G", "T")):
        if re.search(r"flux", name):
            return "flux"
        if re.search(r"ampli|\.amp", name):
            return "ampli"
        if re.search(r"phase.*inf", name):
            return "phase_inf"
        if "phase" in name:
            return "phase_int"
    return "other"

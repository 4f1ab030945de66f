"""The names under which CASA's versions hand out tools: ``casatools``, ``casac``, ``taskinit``, ``gentools``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from atacal.errors import NoSuchMethod
from atacal.scripts.tools._tool import TOOLS, Tool
from atacal.scripts.tools.log_tool import LogSink
from atacal.scripts.tools.measures_tool import Measures
from atacal.scripts.tools.metadata_tool import MSMetaData
from atacal.scripts.tools.ms_tool import MS
from atacal.scripts.tools.quanta_tool import Quanta
from atacal.scripts.tools.table_tool import Table
from atacal.scripts.tools.utils_tool import Utils

CASATOOLS: dict[str, type[Tool]] = {
    "table": Table,
    "ms": MS,
    "msmetadata": MSMetaData,
    "quanta": Quanta,
    "measures": Measures,
    "logsink": LogSink,
    "utils": Utils,
}
"""Classes by their names in ``casatools`` (CASA 6) and ``casac`` (CASA 4 and 5)."""

TASKINIT: dict[str, type[Tool]] = {f"{name}tool": TOOLS[name] for name in TOOLS if name != "casalog"}
"""Classes by their names in ``taskinit``: ``tbtool``, ``mstool`` ..."""


class AbsentTool:
    """A tool of CASA's shell that there is not: the first use says so.

    Parameters
    ----------
    name : str
        As scripts know it.
    purpose : str
        What it is for.
    """

    def __init__(self, name: str, purpose: str) -> None:
        self._name, self._purpose = name, purpose

    def __repr__(self) -> str:
        return f"<CASA's tool {self._name}, which atacal does not have>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise NoSuchMethod(
            f"{self._name}.{name}: CASA's tool {self._name} ({self._purpose}) is not available; "
            f"there are {', '.join(TOOLS)}"
        )


ABSENT: dict[str, AbsentTool] = {
    name: AbsentTool(name, purpose)
    for name, purpose in {
        "at": "atmosphere", "ca": "calibration analysis", "cb": "calibrater: atacal's tasks solve and apply",
        "cl": "component lists", "cs": "coordinate systems", "fn": "functions", "ia": "images", "im": "imager",
        "po": "imaging of polarization", "rg": "regions", "sdms": "single dish", "sl": "spectral lines",
        "sm": "simulator: see atacal simulate", "vp": "voltage patterns",
    }.items()
}  # fmt: skip
"""CASA's other tools, by the names that scripts know them by."""


class Casac:
    """CASA 4's and 5's ``casac``: ``casac.table()`` makes a tool."""

    Quantity = "CASA 4 or later"
    """Scripts tell CASA 3 by its being a class."""

    def __getattr__(self, name: str) -> type[Tool]:
        if name in CASATOOLS:
            return CASATOOLS[name]
        if name.startswith("_"):
            raise AttributeError(name)
        raise NoSuchMethod(f"the tool casac.{name} is not available; there are {', '.join(CASATOOLS)}")

    def casac(self) -> Casac:
        """Return this object: CASA 4 has ``casac.casac``."""
        return self


casac = Casac()


def gentools(tools: Sequence[str] | str | None = None) -> Any:
    """Make tools as CASA's ``gentools`` does.

    Parameters
    ----------
    tools : sequence of str
        Names: ``tb``, ``ms``, ``msmd``, ``qa``, ``me``.

    Returns
    -------
    tuple of Tool
        A new tool for each name.

    Raises
    ------
    NoSuchMethod
        If a tool is not available here (``ia``, ``im``, ``cb`` ...).
    """
    names = [tools] if isinstance(tools, str) else list(tools if tools is not None else TOOLS)
    for name in names:
        if name not in TOOLS:
            raise NoSuchMethod(f"gentools: the tool {name} is not available; there are {', '.join(TOOLS)}")
    return tuple(TOOLS[name]() for name in names)

"""The tool ``cu``: versions, and removing tables."""

from __future__ import annotations

import operator
import os
import shutil
from collections.abc import Callable, Sequence
from typing import Any

from atacal.errors import ToolError
from atacal.scripts.tools._tool import Tool

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "==": operator.eq,
    "!=": operator.ne,
}  # fmt: skip


class Utils(Tool, tool="cu"):
    """CASA's utilities (``casatools.utils``, ``ctsys``): the version that scripts ask for, and tables.

    Attributes
    ----------
    casa_version : tuple of int
        The CASA whose behaviour atacal has; a runner may set the one that a script was written for.
    """

    casa_version: tuple[int, ...] = (6, 7, 0, 31)

    def version(self) -> list[int]:
        """Return CASA's version as numbers."""
        return list(self.casa_version)

    def version_info(self) -> str:
        """Return CASA's version as text."""
        return ".".join(map(str, self.casa_version))

    def version_string(self) -> str:
        """Return CASA's version as text."""
        return self.version_info()

    def compare_version(self, comparitor: str, vec: Sequence[int]) -> bool:
        """Whether CASA's version is ``>``, ``>=``, ``<``, ``<=``, ``=`` or ``!=`` another one."""
        if comparitor not in _COMPARISONS:
            raise ToolError(f"cu.compare_version: {comparitor!r}: it is one of {', '.join(_COMPARISONS)}")
        wanted = [int(v) for v in vec]
        size = max(len(wanted), len(self.casa_version))
        mine, other = ([*v, *[0] * (size - len(v))] for v in (self.casa_version, wanted))
        return _COMPARISONS[comparitor](mine, other)

    def hostinfo(self) -> dict[str, Any]:
        """Return the number of processors."""
        return {"cpus": {"total": os.cpu_count() or 1}}

    def removetable(self, tablenames: Sequence[str] | str = ()) -> bool:
        """Remove tables."""
        for name in [tablenames] if isinstance(tablenames, str) else tablenames:
            if not os.path.isfile(os.path.join(name, "table.dat")):
                raise ToolError(f"cu.removetable: {name!r} is no table")
            shutil.rmtree(name)
        return True

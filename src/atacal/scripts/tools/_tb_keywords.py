"""The part of ``tb`` on what a table is: its description and its keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.scripts.tools._held import HeldTable, opened_first
from atacal.scripts.tools._tool import Tool
from atacal.scripts.tools._values import to_casa, to_casacore


class TableKeywords(Tool):
    """The open table of ``tb``, and the methods on its description and its keywords."""

    def __init__(self) -> None:
        self._held: HeldTable | None = None

    @property
    def _table(self) -> Any:
        return opened_first(self._held, "tb").get()

    def name(self) -> str:
        """Name of the table's folder, absolute."""
        return str(self._table.name())

    def info(self) -> dict[str, str]:
        """Type, subtype and description."""
        return dict(self._table.info())

    def putinfo(self, value: Mapping[str, str]) -> bool:
        """Set type, subtype and description."""
        self._table.putinfo(dict(value))
        return True

    def nrows(self) -> int:
        """Number of rows."""
        return int(self._table.nrows())

    def ncols(self) -> int:
        """Number of columns."""
        return int(self._table.ncols())

    def colnames(self) -> list[str]:
        """Names of the columns."""
        return list(self._table.colnames())

    def rownumbers(self, tab: object = None, nbytes: int = 0) -> NDArray[np.int64]:
        """Row numbers, of a query's result those in the table that it came from."""
        return np.array(self._table.rownumbers(), np.int64)

    def isscalarcol(self, columnname: str) -> bool:
        """Whether the cells of a column are scalars."""
        return bool(self._table.isscalarcol(columnname))

    def isvarcol(self, columnname: str) -> bool:
        """Whether the cells of a column are arrays whose shape may vary."""
        return bool(self._table.isvarcol(columnname))

    def coldatatype(self, columnname: str) -> str:
        """Return casacore's name of a column's type: double, complex, string ..."""
        return str(self._table.coldatatype(columnname))

    def colarraytype(self, columnname: str) -> str:
        """In words how the arrays of a column are kept."""
        return str(self._table.colarraytype(columnname))

    def iscelldefined(self, columnname: str, rownr: int = 0) -> bool:
        """Whether a cell has a value."""
        return bool(self._table.iscelldefined(columnname, int(rownr)))

    def getdesc(self, actual: bool = True) -> dict[str, Any]:
        """Return the table's description, by column."""
        return _desc_to_casa(self._table.getdesc(actual))

    def getcoldesc(self, columnname: str) -> dict[str, Any]:
        """Return a column's description."""
        return _desc_to_casa(self._table.getcoldesc(columnname))

    def getdminfo(self) -> dict[str, Any]:
        """Return what is known about the storage managers."""
        return _desc_to_casa(self._table.getdminfo())

    def endianformat(self) -> str:
        """``little`` or ``big``."""
        return str(self._table.endianformat())

    # ------------------------------------------------------------ keywords

    def keywordnames(self) -> list[str]:
        """Names of the table's keywords."""
        return list(self._table.keywordnames())

    def fieldnames(self, keyword: str = "") -> list[str]:
        """Names of the fields of a keyword that is a record; of the keywords without one."""
        return list(self._table.fieldnames(keyword))

    def colkeywordnames(self, columnname: str) -> list[str]:
        """Names of a column's keywords."""
        return list(self._table.colkeywordnames(columnname))

    def getkeyword(self, keyword: str | int = "") -> Any:
        """Return the value of a keyword; subtables are ``Table: <path>``."""
        return to_casa(self._table.getkeyword(keyword))

    def getkeywords(self) -> dict[str, Any]:
        """Return all keywords."""
        return to_casa(self._table.getkeywords())

    def getcolkeyword(self, columnname: str, keyword: str | int = "") -> Any:
        """Return the value of a column's keyword."""
        return to_casa(self._table.getcolkeyword(columnname, keyword))

    def getcolkeywords(self, columnname: str) -> dict[str, Any]:
        """Return all keywords of a column."""
        return to_casa(self._table.getcolkeywords(columnname))

    def putkeyword(self, keyword: str | int, value: Any, makesubrecord: bool = False) -> bool:
        """Set a keyword; ``Table: <path>`` makes it a subtable."""
        self._table.putkeyword(keyword, to_casacore(value), makesubrecord)
        return True

    def putkeywords(self, value: Mapping[str, Any]) -> bool:
        """Set several keywords."""
        self._table.putkeywords(to_casacore(value))
        return True

    def putcolkeyword(self, columnname: str, keyword: str | int, value: Any) -> bool:
        """Set a keyword of a column."""
        self._table.putcolkeyword(columnname, keyword, to_casacore(value))
        return True

    def putcolkeywords(self, columnname: str, value: Mapping[str, Any]) -> bool:
        """Set several keywords of a column."""
        self._table.putcolkeywords(columnname, to_casacore(value))
        return True

    def removekeyword(self, keyword: str | int) -> bool:
        """Remove a keyword."""
        self._table.removekeyword(keyword)
        return True

    def removecolkeyword(self, columnname: str, keyword: str | int) -> bool:
        """Remove a keyword of a column."""
        self._table.removecolkeyword(columnname, keyword)
        return True


def _desc_to_casa(value: Any) -> Any:
    """Turn a description's shapes around."""
    if not isinstance(value, Mapping):
        return to_casa(value)
    turned = bool(value.get("_c_order"))
    out = {}
    for key, item in value.items():
        if key == "_c_order":
            continue
        shape = turned and isinstance(item, np.ndarray) and item.ndim == 1
        out[key] = to_casa(item[::-1]) if shape else _desc_to_casa(item)
    return out

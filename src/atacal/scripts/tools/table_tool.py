"""The tool ``tb``: casacore tables as CASA's scripts see them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from atacal.errors import NoSuchTable, ToolError
from atacal.scripts.tools._held import HeldTable, opened_first
from atacal.scripts.tools._tb_keywords import TableKeywords
from atacal.scripts.tools._values import to_casa, to_casacore

_STYLE = "base0, endincl, fortranorder"
"""How CASA's tool reads indices in TaQL."""


class Table(TableKeywords, tool="tb"):
    """CASA's table tool (``casatools.table``), over python-casacore.

    Arrays have CASA's axis order, the fastest axis first: DATA is (corr, chan, row). Row numbers count from 0; ``nrow``
    is -1 for all rows from ``startrow`` on, and ``rowincr`` steps over rows.

    Examples
    --------
    >>> tb = Table()  # doctest: +SKIP
    >>> tb.open("X.ms/ANTENNA")  # doctest: +SKIP
    True
    >>> tb.getcol("POSITION").shape  # doctest: +SKIP
    (3, 43)
    """

    # ------------------------------------------------------------ opening

    def open(self, tablename: str = "", lockoptions: object = None, nomodify: bool = True) -> bool:
        """Open a table; one that was open is closed. ``lockoptions`` is accepted: locks are taken when needed."""
        self.close()
        if not tablename:
            raise NoSuchTable("tb.open: tablename is empty; name the folder of a table")
        held = HeldTable(str(tablename), writable=not nomodify)
        held.get()
        self._held = held
        return True

    def create(
        self,
        tablename: str = "",
        tabledesc: Mapping[str, Any] | None = None,
        lockoptions: object = None,
        endianformat: str = "",
        memtype: str = "",
        nrow: int = 0,
        dminfo: Mapping[str, Any] | None = None,
    ) -> Any:
        """Make a table and keep it open for writing; without a name, another tool (as in CASA 3)."""
        if not tablename:
            return type(self)()
        if memtype and memtype != "plain":
            raise ToolError(f"tb.create: memtype={memtype!r}: tables are made on the disk only (memtype='')")
        from casacore.tables import table

        self.close()
        table(
            tablename, _desc_to_casacore(tabledesc or {}), nrow=nrow, ack=False, dminfo=_desc_to_casacore(dminfo or {}),
            endian=endianformat or "aipsrc",
        ).close()  # fmt: skip
        return self.open(tablename, nomodify=False)

    def close(self) -> bool:
        """Close the table, everything written."""
        if self._held is not None:
            self._held.close()
            self._held = None
        return True

    def done(self) -> bool:
        """Close the table."""
        return self.close()

    def flush(self) -> bool:
        """Write what is still in memory."""
        if self._held is None:
            return False
        self._table.flush()
        return True

    def resync(self) -> bool:
        """See what other processes have written since."""
        self._table.resync()
        return True

    def unlock(self) -> bool:
        """Write everything and give the table's lock up; the next call takes it again."""
        opened_first(self._held, "tb.unlock").give_way()
        return True

    def lock(self, write: bool = True, nattempts: int = 0) -> bool:
        """Take the lock, which opening for writing has done already."""
        self._table.lock(write=write, nattempts=nattempts)
        return True

    def haslock(self, write: bool = True) -> bool:
        """Whether this process holds the table's lock."""
        return bool(self._table.haslock(write=write))

    def clearlocks(self) -> bool:
        """Nothing to do: no locks outlast a call that closes its table."""
        return True

    def listlocks(self) -> list[str]:
        """Name the table if this tool holds its lock for writing."""
        held = self._held is not None and self._held.writable
        return [self.name()] if held else []

    def ok(self) -> bool:
        """Whether a table is open."""
        return self._held is not None

    def isopened(self, tablename: str) -> bool:
        """Whether this tool has that table open."""
        return self._held is not None and self._held.path == os.path.realpath(tablename)

    def iswritable(self) -> bool:
        """Whether the table is open for writing."""
        return bool(self._table.iswritable())

    # ------------------------------------------------------------ reading

    def getcol(self, columnname: str, startrow: int = 0, nrow: int = -1, rowincr: int = 1) -> Any:
        """Return a column's cells as one array, rows last; all cells must have one shape."""
        return to_casa(self._table.getcol(columnname, int(startrow), int(nrow), int(rowincr)))

    def getvarcol(self, columnname: str, startrow: int = 0, nrow: int = -1, rowincr: int = 1) -> dict[str, Any]:
        """Return a column's cells by row, ``r1`` the first; each has a last axis of one row."""
        return to_casa(self._table.getvarcol(columnname, int(startrow), int(nrow), int(rowincr)))

    def getcell(self, columnname: str, rownr: int = 0) -> Any:
        """Return one cell."""
        return to_casa(self._table.getcell(columnname, int(rownr)))

    def getcellslice(
        self, columnname: str, rownr: int, blc: Sequence[int], trc: Sequence[int], incr: Sequence[int] = (1,)
    ) -> Any:
        """Return a part of an array cell, from ``blc`` to ``trc`` (included), in CASA's axis order."""
        first, last, step = _corners(blc, trc, incr)
        return to_casa(self._table.getcellslice(columnname, int(rownr), first, last, step))

    def getcolslice(
        self,
        columnname: str,
        blc: Sequence[int],
        trc: Sequence[int],
        incr: Sequence[int] = (1,),
        startrow: int = 0,
        nrow: int = -1,
        rowincr: int = 1,
    ) -> Any:
        """Return a part of the array cells of a column, from ``blc`` to ``trc`` (included), in CASA's axis order."""
        first, last, step = _corners(blc, trc, incr)
        return to_casa(self._table.getcolslice(columnname, first, last, step, int(startrow), int(nrow), int(rowincr)))

    def getcolshapestring(self, columnname: str, startrow: int = 0, nrow: int = -1, rowincr: int = 1) -> list[str]:
        """Return the shapes of a column's cells as text, in CASA's axis order."""
        shapes = self._table.getcolshapestring(columnname, int(startrow), int(nrow), int(rowincr))
        return [f"[{', '.join(reversed(text.strip('[]').split(', ')))}]" for text in shapes]

    def statistics(self, column: str, complex_value: str = "") -> dict[str, dict[str, float]]:
        """Return the statistics of a numeric column.

        Parameters
        ----------
        column : str
        complex_value : str
            What of complex values: ``amplitude`` (also the default), ``phase`` [rad], ``real`` or ``imaginary``.
        """
        from atacal.scripts.tools._statistics import statistics, taken

        values = np.asarray(self.getcol(column))
        if values.dtype.kind not in "iufcb":
            raise ToolError(f"tb.statistics: {column} of {self.name()} holds no numbers")
        return {column: statistics(taken(values, complex_value))}

    # ------------------------------------------------------------ writing

    def putcol(self, columnname: str, value: Any, startrow: int = 0, nrow: int = -1, rowincr: int = 1) -> bool:
        """Write a column's cells from one array, rows last."""
        self._table.putcol(columnname, to_casacore(value), int(startrow), int(nrow), int(rowincr))
        return True

    def putvarcol(
        self, columnname: str, value: Mapping[str, Any], startrow: int = 0, nrow: int = -1, rowincr: int = 1
    ) -> bool:
        """Write a column's cells from a dictionary of cells, as `getvarcol` gives it."""
        given = {key: to_casacore(cell) for key, cell in value.items()}
        self._table.putvarcol(columnname, given, int(startrow), int(nrow), int(rowincr))
        return True

    def putcell(self, columnname: str, rownr: int | Sequence[int], thevalue: Any) -> bool:
        """Write one cell, or the same value into several."""
        rows = [int(r) for r in np.atleast_1d(rownr)]
        self._table.putcell(columnname, rows, to_casacore(thevalue))
        return True

    def putcellslice(
        self,
        columnname: str,
        rownr: int,
        value: Any,
        blc: Sequence[int],
        trc: Sequence[int],
        incr: Sequence[int] = (1,),
    ) -> bool:
        """Write a part of an array cell."""
        first, last, step = _corners(blc, trc, incr)
        self._table.putcellslice(columnname, int(rownr), to_casacore(value), first, last, step)
        return True

    def putcolslice(
        self,
        columnname: str,
        value: Any,
        blc: Sequence[int],
        trc: Sequence[int],
        incr: Sequence[int] = (1,),
        startrow: int = 0,
        nrow: int = -1,
        rowincr: int = 1,
    ) -> bool:
        """Write a part of the array cells of a column."""
        first, last, step = _corners(blc, trc, incr)
        self._table.putcolslice(
            columnname, to_casacore(value), first, last, step, int(startrow), int(nrow), int(rowincr)
        )
        return True

    def addrows(self, nrow: int = 1) -> bool:
        """Add rows at the end."""
        self._table.addrows(int(nrow))
        return True

    def removerows(self, rownrs: Sequence[int] | int) -> bool:
        """Remove rows."""
        self._table.removerows([int(r) for r in np.atleast_1d(rownrs)])
        return True

    def addcols(self, desc: Mapping[str, Any], dminfo: Mapping[str, Any] | None = None) -> bool:
        """Add columns, described as `getdesc` describes them."""
        self._table.addcols(_desc_to_casacore(desc), _desc_to_casacore(dminfo or {}))
        return True

    def removecols(self, columnames: Sequence[str] | str) -> bool:
        """Remove columns."""
        self._table.removecols([columnames] if isinstance(columnames, str) else list(columnames))
        return True

    def renamecol(self, oldname: str, newname: str) -> bool:
        """Rename a column."""
        self._table.renamecol(oldname, newname)
        return True

    # ------------------------------------------------------------ selecting and copying

    def query(self, query: str = "", name: str = "", sortlist: str = "", columns: str = "", style: str = "") -> Table:
        """Return a tool on the rows that a TaQL condition picks, sorted by ``sortlist`` and with ``columns`` only.

        With a ``name`` the selection is kept on the disk.
        """
        table = self._table
        found = table.query(query, name=name, sortlist=sortlist, columns=columns, style=style or _STYLE)
        return self._with(found)

    def selectrows(self, rownrs: Sequence[int] | int, name: str = "") -> Table:
        """Return a tool on some rows."""
        found = self._table.selectrows([int(r) for r in np.atleast_1d(rownrs)])
        if name:
            found.copy(name).close()
        return self._with(found)

    def taql(self, taqlcommand: str) -> Any:
        """Carry a TaQL command out; return a tool on its result, or a value if it is one (``calc``)."""
        from casacore.tables import taql

        found = taql(f"using style {_STYLE} {taqlcommand}")
        if not hasattr(found, "colnames"):
            return to_casa(found)
        new = type(self)()
        new._held = HeldTable.of_result(found, self._held.path if self._held else found.name())
        return new

    def calc(self, expr: str, prefix: str = f"using style {_STYLE}", showtaql: bool = False) -> Any:
        """Evaluate a TaQL expression."""
        from casacore.tables import taql

        return to_casa(np.atleast_1d(taql(f"{prefix} calc {expr}")))

    def copy(
        self,
        newtablename: str,
        deep: bool = False,
        valuecopy: bool = False,
        dminfo: Mapping[str, Any] | None = None,
        endian: str = "aipsrc",
        memorytable: bool = False,
        returnobject: bool = False,
        norows: bool = False,
    ) -> Table:
        """Copy the table with its subtables; return a tool, which has the copy open with ``returnobject``."""
        if memorytable:
            raise ToolError("tb.copy: memorytable=True: copies are made on the disk only")
        info = _desc_to_casacore(dminfo or {})
        self._table.copy(newtablename, deep, valuecopy, info, endian, False, norows).close()
        new = type(self)()
        if returnobject:
            new.open(newtablename)
        return new

    def copyrows(self, outtable: str | Table, startrowin: int = 0, startrowout: int = -1, nrow: int = -1) -> bool:
        """Copy rows into another table, at its end for ``startrowout=-1``."""
        name = outtable.name() if isinstance(outtable, Table) else str(outtable)
        out = HeldTable(name, writable=True)
        try:
            self._table.copyrows(out.get(), startrowin, startrowout, nrow)
        finally:
            out.close()
        return True

    def toasciifmt(self, asciifile: str, headerfile: str = "", columns: Sequence[str] = (), sep: str = "") -> bool:
        """Write the table as text."""
        self._table.toascii(asciifile, headerfile, tuple(columns), sep or " ")
        return True

    def _with(self, found: Any) -> Table:
        new = type(self)()
        held = opened_first(self._held, "tb")
        new._held = HeldTable.of_result(found, held.path, writable=held.writable)
        return new


def _corners(blc: Sequence[int], trc: Sequence[int], incr: Sequence[int]) -> tuple[list[int], list[int], list[int]]:
    """Turn CASA's corners around; ends of -1 are the axis's last."""
    first, last = ([int(i) for i in np.atleast_1d(c)][::-1] for c in (blc, trc))
    step = [int(i) for i in np.atleast_1d(incr)][::-1]
    return first, last, step * len(first) if len(step) == 1 else step


def _desc_to_casacore(value: Any) -> Any:
    """Turn a script's description into python-casacore's, whose shapes have CASA's order unless it says otherwise."""
    if isinstance(value, Mapping):
        return {key: _desc_to_casacore(item) for key, item in value.items()}
    return value

"""The part of ``ms`` that selects rows and iterates over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import SelectionError, ToolError
from atacal.ms.metadata import Metadata
from atacal.scripts.tools._held import HeldTable
from atacal.scripts.tools._ms_data import Channels
from atacal.scripts.tools._ms_select import Rows, as_selection, indices, rows_within, selected_rows
from atacal.scripts.tools._tool import Tool
from atacal.scripts.tools.log_tool import LogSink

_DEFAULT_SORT = ("ARRAY_ID", "FIELD_ID", "DATA_DESC_ID", "TIME")
_log = LogSink()


class MsSelecting(Tool):
    """The open MeasurementSet of ``ms``, what of it is selected, and the methods that select."""

    def __init__(self) -> None:
        self._held: HeldTable | None = None
        self._forget()

    def _forget(self) -> None:
        self._known: Metadata | None = None
        self._picked: Rows | None = None
        self._narrow: Rows | None = None
        self._ddid: int | None = None
        self._chosen = Channels()
        self._indices: dict[str, Any] = {}
        self._chunks: list[Rows] = []
        self._chunk = -1

    @property
    def _open(self) -> HeldTable:
        if self._held is None:
            raise ToolError("ms: no MeasurementSet is open (ms.open comes first)")
        return self._held

    @property
    def _meta(self) -> Metadata:
        if self._known is None:
            raise ToolError("ms: no MeasurementSet is open (ms.open comes first)")
        return self._known

    # ------------------------------------------------------------ selecting

    def reset(self) -> bool:
        """Select everything again."""
        known, held = self._known, self._held
        self._forget()
        self._known, self._held = known, held
        return True

    def msselect(self, items: Mapping[str, Any] | None = None, onlyparse: bool = False) -> bool:
        """Select by expressions: ``field``, ``spw``, ``baseline``, ``scan``, ``time``, ``uvrange``, ``scanintent`` ...

        Returns
        -------
        bool
            False where nothing matches; the log says why, and nothing is selected.
        """
        wanted = as_selection(items or {}, "msselect")
        try:
            self._indices = indices(self._open.path, wanted)
            if not onlyparse:
                found = selected_rows(self._open.path, wanted)
                self._picked = found if self._picked is None else np.intersect1d(self._picked, found)
                self._narrow = None
        except SelectionError as error:
            _log.post(f"ms.msselect: {error}", "WARN")
            if not onlyparse:
                self._picked, self._narrow = np.zeros(0, np.int64), None
            return False
        return onlyparse or len(self._picked if self._picked is not None else ()) > 0

    def msselectedindices(self) -> dict[str, Any]:
        """Return the ids that the last `msselect` named."""
        found = dict(self._indices or indices(self._open.path, as_selection({}, "msselectedindices")))
        found["observationid"] = found.pop("obsids")
        return found | dict.fromkeys(("feed1", "feed2", "feedpairs"), np.zeros(0, np.int64))

    def msseltoindex(
        self,
        vis: str = "",
        spw: Any = "",
        field: Any = "",
        baseline: Any = "",
        time: Any = "",
        scan: Any = "",
        uvrange: Any = "",
        observation: Any = "",
        polarization: Any = "",
        taql: str = "",
    ) -> dict[str, Any]:
        """Return the ids that expressions name, whether rows match or not.

        Raises
        ------
        SelectionError
            If an expression names nothing.
        """
        given = {
            "spw": spw, "field": field, "baseline": baseline, "time": time, "scan": scan, "uvrange": uvrange,
            "observation": observation, "polarization": polarization, "taql": taql,
        }  # fmt: skip
        found = indices(vis or self._open.path, as_selection(given, "msseltoindex"))
        found.pop("stateid")
        return found

    def selectinit(self, datadescid: int = 0, reset: bool = False) -> bool:
        """Pick a data description of what `msselect` left; everything with ``reset`` or a negative number."""
        self._narrow, self._chosen = None, Channels()
        if reset:
            self._picked = None
        if reset or int(datadescid) < 0:
            self._ddid = None
            return True
        if int(datadescid) >= len(self._meta.ddids):
            raise ToolError(
                f"ms.selectinit: there is no data description {datadescid}: there are {len(self._meta.ddids)}"
            )
        self._ddid = int(datadescid)
        return len(self._rows()) > 0

    def select(self, items: Mapping[str, Any] | None = None) -> bool:
        """Narrow the selection by lists of ids and by ranges of ``time``, ``uvdist``, ``u``, ``v``, ``w``."""
        self._narrow = rows_within(self._part(), self._rows(), items or {})
        return len(self._narrow) > 0

    def selecttaql(self, msselect: str) -> bool:
        """Narrow the selection by a TaQL condition."""
        part = self._part()
        found = part.query(msselect)
        self._narrow = self._rows()[np.asarray(found.rownumbers(part), np.int64)]
        return len(self._narrow) > 0

    def selectchannel(self, nchan: int = 1, start: int = 0, width: int = 1, inc: int = 1) -> bool:
        """Choose ``nchan`` channels from ``start`` on, every ``inc``-th, each a mean of ``width``."""
        total = self._meta.spws[self._meta.ddids[self._one_ddid()].spw].nchan
        groups = [slice(start + i * inc, start + i * inc + width) for i in range(int(nchan))]
        if groups[0].start < 0 or groups[-1].stop > total:
            raise ToolError(
                f"ms.selectchannel: channels {groups[0].start} to {groups[-1].stop - 1} are not in 0 to {total - 1}"
            )
        self._chosen = Channels(groups, self._chosen.corrs)
        return True

    def selectpolarization(self, wantedpol: Sequence[str] | str = ()) -> bool:
        """Choose correlations (XX ...), or ``I``."""
        self._chosen = Channels(self._chosen.groups, [wantedpol] if isinstance(wantedpol, str) else list(wantedpol))
        return True

    def _rows(self) -> Rows:
        """Return the numbers of the selected rows."""
        if self._chunk >= 0:
            return self._chunks[self._chunk]
        if self._narrow is not None:
            return self._narrow
        rows = np.arange(self._open.get().nrows(), dtype=np.int64) if self._picked is None else self._picked
        if self._ddid is not None and len(rows):
            table = self._open.get()
            part = table if self._picked is None else table.selectrows(rows)
            rows = rows[np.asarray(part.getcol("DATA_DESC_ID")) == self._ddid]
        return rows

    def _part(self) -> Any:
        return self._open.get().selectrows(self._rows())

    def _one_ddid(self) -> int:
        """Return the data description of the selected rows."""
        if self._ddid is not None:
            return self._ddid
        found = np.unique(self._part().getcol("DATA_DESC_ID")) if len(self._rows()) else np.zeros(0, int)
        if len(found) != 1:
            raise ToolError(
                f"ms: rows of the data descriptions {', '.join(map(str, found)) or 'none'} are selected; "
                "ms.selectinit(datadescid=...) picks one"
            )
        return int(found[0])

    # ------------------------------------------------------------ iterating

    def iterinit(
        self,
        columns: Sequence[str] = (),
        interval: float = 0.0,
        maxrows: int = 0,
        adddefaultsortcolumns: bool = True,
    ) -> bool:
        """Get ready to go through the selected rows in chunks.

        Parameters
        ----------
        columns : sequence of str
            A chunk has one value of each; of TIME one ``interval``.
        interval : float
            Length of a chunk in time [s]; 0 for any.
        maxrows : int
            No chunk has more rows; 0 for any number.
        adddefaultsortcolumns : bool
            Array, field, data description and time as well.
        """
        self._chunk, self._chunks = -1, []
        rows, names = self._rows(), [c.upper() for c in columns]
        if adddefaultsortcolumns:
            names += [c for c in _DEFAULT_SORT if c not in names]
        part = self._part()
        keys: list[NDArray] = []
        for name in names:
            values = np.asarray(part.getcol(name))
            if name == "TIME":
                values = np.floor((values - values.min()) / interval) if interval > 0 else np.zeros(len(values))
            keys.append(values)
        order = np.lexsort(keys[::-1]) if keys else np.arange(len(rows))
        new = np.zeros(len(rows), bool)
        for values in keys:
            new[1:] |= values[order][1:] != values[order][:-1]
        for piece in np.split(rows[order], np.flatnonzero(new)):
            size = int(maxrows) or len(piece) or 1
            self._chunks += [piece[i : i + size] for i in range(0, len(piece), size)]
        return True

    def iterorigin(self) -> bool:
        """Go to the first chunk."""
        if not self._chunks:
            raise ToolError("ms.iterorigin: ms.iterinit comes first")
        self._chunk = 0
        return True

    def iternext(self) -> bool:
        """Go to the next chunk; False (and still the last one) at the end."""
        if self._chunk < 0:
            raise ToolError("ms.iternext: ms.iterorigin comes first")
        if self._chunk + 1 >= len(self._chunks):
            return False
        self._chunk += 1
        return True

    def iterend(self) -> bool:
        """End the iteration: all that was selected is selected again."""
        self._chunk, self._chunks = -1, []
        return True

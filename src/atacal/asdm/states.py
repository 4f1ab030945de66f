"""The STATE subtable: one row for each combination of intents, subscan and load that the data have."""

from __future__ import annotations

from atacal.asdm.context import Context
from atacal.asdm.dataset import need
from atacal.asdm.subtables import Values
from atacal.asdm.values import boolean, integer, tag, words
from atacal.asdm.xml_table import Row
from atacal.errors import AsdmError


class States:
    """Rows of STATE as the rows of Main ask for them."""

    def __init__(self, context: Context) -> None:
        asdm = context.asdm
        self.rows: list[Values] = []
        self._known: dict[tuple[bool, bool, int, str], int] = {}
        self._states = [
            (tag(need(r, "stateId", "State")), boolean(need(r, "sig", "State")), boolean(need(r, "ref", "State")))
            for r in asdm.rows("State")
        ]
        self._scans = {
            (tag(need(r, "execBlockId", "Scan")), integer(need(r, "scanNumber", "Scan"))): words(
                need(r, "scanIntent", "Scan")
            )
            for r in asdm.rows("Scan")
        }
        self._subscans = {
            (tag(need(r, "execBlockId", "Subscan")), integer(need(r, "scanNumber", "Subscan")),
             integer(need(r, "subscanNumber", "Subscan"))): need(r, "subscanIntent", "Subscan")
            for r in asdm.rows("Subscan")
        }  # fmt: skip

    def number(self, row: Row) -> int:
        """Return the row of STATE for a row of Main, adding what is new.

        Raises
        ------
        AsdmError
            If its subscan is not in Subscan.
        """
        block, scan = tag(need(row, "execBlockId", "Main")), integer(need(row, "scanNumber", "Main"))
        subscan = integer(need(row, "subscanNumber", "Main"))
        intent = self._subscans.get((block, scan, subscan))
        if intent is None:
            raise AsdmError(f"Subscan has no row for scan {scan}, subscan {subscan} of ExecBlock_{block}")
        mode = ",".join(f"{name}#{intent}" for name in self._scans[(block, scan)])
        found: int | None = None
        for _, sig, ref in self._states:
            key = (sig, ref, subscan, mode)
            if key not in self._known:
                self._known[key] = len(self.rows)
                self.rows.append(
                    {"SIG": sig, "REF": ref, "CAL": 0.0, "LOAD": 0.0, "SUB_SCAN": subscan, "OBS_MODE": mode,
                     "FLAG_ROW": False}
                )  # fmt: skip
            found = self._known[key]  # that of the last row of the table, as the filler has it
        if found is None:
            raise AsdmError("the table State has no rows")
        return found

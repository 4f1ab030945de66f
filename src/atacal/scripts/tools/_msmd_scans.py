"""The part of ``msmd`` on scans, fields, intents, states, times and rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ToolError
from atacal.ms.listobs import unflagged_part
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import select
from atacal.ms.stream import stream
from atacal.scripts.tools._msmd_base import Ids, MsmdBase, quantity


class MsmdScans(MsmdBase):
    """Methods of ``msmd`` on scans, fields, intents and times."""

    # ------------------------------------------------------------ scans

    def nscans(self) -> int:
        """Return the number of scans."""
        runs = self._ms.runs
        return len(np.unique(np.stack([runs.obs, runs.array, runs.scan], axis=1), axis=0))

    def scannumbers(self, obsid: int = -1, arrayid: int = -1) -> Ids:
        """Return the scan numbers."""
        return self._unique("scan", self._mask(obsid, arrayid))

    def scansforfield(self, field: int | str = "", obsid: int = -1, arrayid: int = -1) -> Ids:
        """Return the scans of a field (id or name)."""
        return self._unique("scan", self._mask(obsid, arrayid, field=self._field_ids(field)))

    def scansforfields(self, obsid: int = 0, arrayid: int = 0) -> dict[str, Ids]:
        """Return the scans of every field."""
        return {str(f.id): self.scansforfield(f.id, obsid, arrayid) for f in self._ms.meta.fields}

    def scansforintent(self, intent: str = "", obsid: int = -1, arrayid: int = -1) -> Ids:
        """Return the scans with an intent, in which ``*`` stands for anything.

        Raises
        ------
        ToolError
            If the data have no such intent.
        """
        states = self._states(intent)
        if not states:
            raise ToolError(
                f"msmd.scansforintent: there is no intent {intent!r}; there are {', '.join(self.intents())}"
            )
        return self._unique("scan", self._mask(obsid, arrayid, state=states))

    def scansforspw(self, spw: int = -1, obsid: int = -1, arrayid: int = -1) -> Ids:
        """Return the scans with data of an spw."""
        return self._unique("scan", self._mask(obsid, arrayid, spw=self._spw_id(spw)))

    def scansforspws(self, obsid: int = 0, arrayid: int = 0) -> dict[str, Ids]:
        """Return the scans of every spw."""
        return {str(s.id): self.scansforspw(s.id, obsid, arrayid) for s in self._ms.meta.spws}

    def scansforstate(self, state: int = -1, obsid: int = -1, arrayid: int = -1) -> Ids:
        """Return the scans of a state."""
        return self._unique("scan", self._mask(obsid, arrayid, state=int(state)))

    def scansfortimes(self, time: float = -1.0, tol: float = 0.0, obsid: int = -1, arrayid: int = -1) -> Ids:
        """Return the scans with data within ``tol`` [s] of a time [MJD s]."""
        return self._unique("scan", self._mask(obsid, arrayid) & self._near(time, tol))

    # ------------------------------------------------------------ fields

    def nfields(self) -> int:
        """Return the number of fields."""
        return len(self._ms.meta.fields)

    def fieldnames(self) -> list[str]:
        """Return the names of all fields, by id."""
        return self._ms.meta.field_names()

    def namesforfields(self, fieldids: Any = "") -> list[str]:
        """Return the names of fields, of all if none is named."""
        names = self._ms.meta.field_names()
        ids = np.atleast_1d(fieldids)
        if ids.dtype.kind in "US" or (ids.size == 1 and int(ids[0]) < 0):
            return names
        return [names[self._checked(i, len(names), "field")] for i in ids]

    def fieldsforname(self, name: str = "") -> Ids:
        """Return the ids of a name; of all fields with data without one."""
        return np.array(self._field_ids(name), np.int64) if name else self._unique("field", self._mask())

    def fieldsforintent(self, intent: str = "", asnames: bool = False) -> Any:
        """Return the fields with an intent, in which ``*`` stands for anything; empty if there is none."""
        return self._named(self._unique("field", self._mask(state=self._states(intent))), asnames)

    def fieldsforscan(self, scan: int = -1, asnames: bool = False, obsid: int = -1, arrayid: int = -1) -> Any:
        """Return the fields of a scan."""
        return self._named(self._unique("field", self._scan_mask(scan, obsid, arrayid)), asnames)

    def fieldsforscans(
        self, scans: Any = (), asnames: bool = False, obsid: int = -1, arrayid: int = -1, asmap: bool = False
    ) -> Any:
        """Return the fields of scans (of all without any), together or by scan."""
        wanted = [int(s) for s in np.atleast_1d(scans)] or self.scannumbers(obsid, arrayid).tolist()
        if asmap:
            return {str(s): self.fieldsforscan(s, asnames, obsid, arrayid) for s in wanted}
        return self._named(self._unique("field", self._scan_mask(wanted, obsid, arrayid)), asnames)

    def fieldsforsource(self, source: int = -1, asnames: bool = False) -> Any:
        """Return the fields of a source."""
        return self._named([f.id for f in self._ms.meta.fields if f.source_id == int(source)], asnames)

    def fieldsforsources(self, asnames: bool = False) -> dict[str, Any]:
        """Return the fields of every source."""
        ids = sorted({f.source_id for f in self._ms.meta.fields})
        return {str(s): self.fieldsforsource(s, asnames) for s in ids}

    def fieldsforspw(self, spw: int = -1, asnames: bool = False) -> Any:
        """Return the fields with data of an spw."""
        return self._named(self._unique("field", self._mask(spw=self._spw_id(spw))), asnames)

    def fieldsfortimes(self, time: float = -1.0, tol: float = 0.0) -> Ids:
        """Return the fields with data within ``tol`` [s] of a time [MJD s]."""
        return self._unique("field", self._near(time, tol))

    def sourceidforfield(self, field: int = -1) -> int:
        """Return the source id of a field."""
        return self._ms.meta.fields[self._checked(field, self.nfields(), "field")].source_id

    # ------------------------------------------------------------ spws

    def spwsforscan(self, scan: int = -1, obsid: int = -1, arrayid: int = -1) -> Ids:
        """Return the spws with data in a scan."""
        return self._unique("spw", self._scan_mask(scan, obsid, arrayid))

    def spwsforscans(self, obsid: int = 0, arrayid: int = 0) -> dict[str, Ids]:
        """Return the spws of every scan."""
        return {str(s): self.spwsforscan(s, obsid, arrayid) for s in self.scannumbers(obsid, arrayid).tolist()}

    def spwsforfield(self, field: int | str = "") -> Ids:
        """Return the spws with data of a field (id or name)."""
        return self._unique("spw", self._mask(field=self._field_ids(field)))

    def spwsforfields(self) -> dict[str, Ids]:
        """Return the spws of every field."""
        return {str(f.id): self.spwsforfield(f.id) for f in self._ms.meta.fields}

    def spwsforintent(self, intent: str = "") -> Ids:
        """Return the spws with data of an intent, in which ``*`` stands for anything; empty if there is none."""
        return self._unique("spw", self._mask(state=self._states(intent)))

    # ------------------------------------------------------------ intents, states

    def nstates(self) -> int:
        """Return the number of states."""
        return len(self._ms.meta.state_intents)

    def intents(self) -> list[str]:
        """Return all intents."""
        return sorted({i for names in self._ms.state_intents for i in names})

    def intentsforfield(self, field: int | str = 0) -> list[str]:
        """Return the intents of a field (id or name)."""
        return self._intents_of(self._mask(field=self._field_ids(field)))

    def intentsforscan(self, scan: int = -1, obsid: int = -1, arrayid: int = -1) -> list[str]:
        """Return the intents of a scan."""
        return self._intents_of(self._scan_mask(scan, obsid, arrayid))

    def intentsforspw(self, spw: int = -1) -> list[str]:
        """Return the intents of an spw."""
        return self._intents_of(self._mask(spw=self._spw_id(spw)))

    def statesforscan(self, scan: int = -1, obsid: int = -1, arrayid: int = -1) -> Ids:
        """Return the states of a scan."""
        return self._unique("state", self._scan_mask(scan, obsid, arrayid))

    def statesforscans(self, obsid: int = 0, arrayid: int = 0) -> dict[str, Ids]:
        """Return the states of every scan."""
        return {str(s): self.statesforscan(s, obsid, arrayid) for s in self.scannumbers(obsid, arrayid).tolist()}

    def _intents_of(self, mask: NDArray[np.bool_]) -> list[str]:
        names = self._ms.state_intents
        states = (s for s in self._unique("state", mask).tolist() if 0 <= s < len(names))
        return sorted({i for s in states for i in names[s]})

    # ------------------------------------------------------------ times

    def timesforfield(self, field: int = -1) -> NDArray[np.float64]:
        """Return the times [MJD s] of a field."""
        return self._times(self._mask(field=self._field_ids(int(field))))

    def timesforintent(self, intent: str = "") -> NDArray[np.float64]:
        """Return the times [MJD s] of an intent; empty if there is none (``*`` is no wildcard here, as in CASA)."""
        states = [s for s, names in enumerate(self._ms.state_intents) if intent in names]
        return self._times(self._mask(state=states))

    def timesforscan(self, scan: int = -1, obsid: int = -1, arrayid: int = -1, perspw: bool = False) -> Any:
        """Return the times [MJD s] of a scan, by spw with ``perspw``."""
        mask = self._scan_mask(scan, obsid, arrayid)
        if not perspw:
            return self._times(mask)
        return {str(s): self._times(mask & (self._ms.spw == s)) for s in self._unique("spw", mask).tolist()}

    def timesforscans(self, scans: Any = 0, obsid: int = -1, arrayid: int = -1) -> NDArray[np.float64]:
        """Return the times [MJD s] of scans."""
        return self._times(self._scan_mask(scans, obsid, arrayid))

    def timesforspws(self, spw: Any = -1) -> Any:
        """Return the times [MJD s] of an spw; by spw for several, or for all with -1."""
        if np.ndim(spw) == 0 and int(spw) >= 0:
            return self._times(self._mask(spw=self._spw_id(spw)))
        every = range(len(self._ms.meta.spws))
        wanted = every if np.ndim(spw) == 0 else [self._spw_id(s) for s in spw]
        return {str(s): self._times(self._mask(spw=s)) for s in wanted}

    def exposuretime(
        self, scan: int = 0, spwid: int = 0, polid: int = -1, obsid: int = 0, arrayid: int = 0
    ) -> dict[str, Any]:
        """Return the exposure of the first integration of a scan and spw."""
        mask = self._scan_mask(scan, obsid, arrayid) & (self._ms.spw == self._spw_id(spwid))
        if int(polid) >= 0:
            mask &= np.isin(self._ms.runs.ddid, [d.id for d in self._ms.meta.ddids if d.pol == int(polid)])
        if not mask.any():
            raise ToolError(f"msmd.exposuretime: scan {scan} has no data of spw {spwid} (polid {polid})")
        first = np.flatnonzero(mask)[np.argmin(self._ms.runs.time[mask])]
        return quantity(self._ms.runs.exposure[first], "s")

    def _times(self, mask: NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.unique(self._ms.runs.time[mask])

    def _near(self, time: float, tol: float) -> NDArray[np.bool_]:
        return np.abs(self._ms.runs.time - float(time)) <= float(tol)

    # ------------------------------------------------------------ rows

    def nrows(self, autoc: bool = True, flagged: bool = True) -> float:
        """Return the number of rows, without autocorrelations or flagged data if so wanted.

        Parts of the bandwidth that are flagged count as parts of a row.
        """
        if autoc and flagged:
            return float(self._ms.meta.nrow)
        total = 0.0
        with MeasurementSet(self._ms.path) as ms:
            for block in stream(ms, select(ms), [] if flagged else ["FLAG"]):
                rows = block.wanted & (autoc | (block.antenna1 != block.antenna2))
                if flagged:
                    total += float(rows.sum())
                else:
                    total += float(unflagged_part(block["FLAG"], ms.metadata.spws[block.spw])[rows].sum())
        return total

    def effexposuretime(self) -> dict[str, Any]:
        """Return the exposure that all antennas on all the bandwidth would need for what is not flagged.

        The sum over cross-correlations of EXPOSURE times the unflagged bandwidth (mean over the correlations), divided
        by the bandwidth of all spws of that time and by the number of pairs of antennas.
        """
        meta, runs = self._ms.meta, self._ms.runs
        widths = np.array([s.total_bandwidth_hz for s in meta.spws])
        times, slot = np.unique(runs.time, return_inverse=True)
        observed = np.zeros(len(times))
        pairs = np.unique(np.stack([slot, self._ms.spw], axis=1), axis=0)
        np.add.at(observed, pairs[:, 0], widths[pairs[:, 1]])
        total = 0.0
        with MeasurementSet(self._ms.path) as ms:
            for block in stream(ms, select(ms), ["FLAG", "FLAG_ROW"]):
                rows = block.wanted & (block.antenna1 != block.antenna2) & ~block["FLAG_ROW"]
                part = np.einsum("rfc,f->rc", ~block["FLAG"], np.abs(meta.spws[block.spw].chan_width_hz)).mean(axis=1)
                total += float((block.exposure * part / observed[np.searchsorted(times, block.time)])[rows].sum())
        return quantity(total / max(1, meta.nant * (meta.nant - 1) // 2), "s")

    def narrays(self) -> int:
        """Return the number of arrays."""
        return int(self._ms.runs.array.max(initial=-1)) + 1

    def nobservations(self) -> int:
        """Return the number of observations."""
        return len(self._ms.meta.observations)

    def summary(self) -> dict[str, Any]:
        """Return CASA's nested dictionary: observations, arrays, scans, fields and their times."""
        runs, meta = self._ms.runs, self._ms.meta
        out: dict[str, Any] = {
            "begin time": float(runs.time.min()),
            "end time": float(runs.time.max()),
            "data descriptions": {
                "polarization ids": self.polidfordatadesc(),
                "spectral windows": self.spwfordatadesc(),
            },
            "fields": np.array(meta.field_names(), dtype=str),
            "nrows": meta.nrow,
            "polarizations": {"n correlations": self.ncorrforpol()},
            "spectral windows": {"names": np.array([s.name for s in meta.spws], dtype=str)},
        }
        for obs, array, scan in np.unique(np.stack([runs.obs, runs.array, runs.scan], 1), axis=0).tolist():
            mask = self._mask(obs, array, scan=scan)
            entry: dict[str, Any] = {"antennas": self._antennas(mask), "nrows": int(runs.nrow[mask].sum())}
            for field in self._unique("field", mask).tolist():
                entry[f"fieldID={field}"] = self._field_summary(mask & (runs.field == field))
            observation = out.setdefault(f"observationID={obs}", {})
            observation.setdefault(f"arrayID={array}", {})[f"scan={scan}"] = entry
        return out

    def _antennas(self, mask: NDArray[np.bool_]) -> Ids:
        return np.flatnonzero(self._ms.pairs_of(mask).any(axis=0)).astype(np.int64)

    def _field_summary(self, mask: NDArray[np.bool_]) -> dict[str, Any]:
        runs = self._ms.runs
        out: dict[str, Any] = {
            "antennas": self._antennas(mask),
            "begin time": float(runs.time[mask].min()),
            "end time": float(runs.time[mask].max()),
            "data description IDs": self._unique("ddid", mask),
            "nrows": int(runs.nrow[mask].sum()),
            "state IDs": self._unique("state", mask),
        }
        for i, time in enumerate(self._times(mask).tolist()):
            at = mask & (runs.time == time)
            out[str(i)] = {
                "data description IDs": self._unique("ddid", at),
                "nrows": int(runs.nrow[at].sum()),
                "time": time,
            }
        return out

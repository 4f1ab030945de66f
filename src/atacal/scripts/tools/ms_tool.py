"""The tool ``ms``: what is in a MeasurementSet, selections, and the data of selected rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import NoSuchTable, ToolError
from atacal.ms.history import write_history
from atacal.ms.metadata import Metadata, read_metadata
from atacal.scripts.tools._held import HeldTable
from atacal.scripts.tools._ms_data import ITEMS, RowData, gridded, limits
from atacal.scripts.tools._ms_scans import scan_summary
from atacal.scripts.tools._ms_selecting import MsSelecting
from atacal.scripts.tools._msmd_base import MsFacts, measure
from atacal.scripts.tools._values import to_casacore
from atacal.scripts.tools.log_tool import LogSink
from atacal.scripts.tools.measures_tool import Measures
from atacal.scripts.tools.metadata_tool import MSMetaData

_log = LogSink()


class MS(MsSelecting, tool="ms"):
    """CASA's MeasurementSet tool (``casatools.ms``).

    Selections narrow each other until `reset`; `selectinit` picks a data description of what `msselect` left. Data of
    the selected rows are in memory when a script asks for them: iterate (`iterinit`) over what is large.

    Examples
    --------
    >>> ms = MS()  # doctest: +SKIP
    >>> ms.open("X.ms")  # doctest: +SKIP
    True
    >>> ms.selectinit(datadescid=1)  # doctest: +SKIP
    True
    >>> ms.getdata(["data"])["data"].shape  # doctest: +SKIP
    (2, 128, 9030)
    """

    # ------------------------------------------------------------ opening

    def open(self, thems: str = "", nomodify: bool = True, lock: bool = False, check: bool = False) -> bool:
        """Open a MeasurementSet."""
        self.close()
        if not thems:
            raise NoSuchTable("ms.open: thems is empty; name a MeasurementSet")
        self._known = read_metadata(str(thems))
        self._held = HeldTable(str(thems), writable=not nomodify)
        self._held.get()
        return True

    def close(self) -> bool:
        """Close the MeasurementSet, everything written."""
        if self._held is not None:
            self._held.close()
        self._held = None
        self._forget()
        return True

    def done(self) -> bool:
        """Close the MeasurementSet."""
        return self.close()

    def name(self) -> str:
        """Return the MeasurementSet's path, absolute."""
        return self._open.path

    def iswritable(self) -> bool:
        """Whether it is open for writing."""
        return self._open.writable

    def ismultims(self) -> bool:
        """Return False: multi-MeasurementSets cannot be opened."""
        return False

    # ------------------------------------------------------------ what is in it

    def nrow(self, selected: bool = False) -> int:
        """Return the number of rows, of those selected with ``selected``."""
        return len(self._rows()) if selected else int(self._open.get().nrows())

    def metadata(self, cachesize: float = 50.0) -> MSMetaData:
        """Return a tool ``msmd`` on this MeasurementSet."""
        tool = MSMetaData()
        tool.open(self._open.path)
        return tool

    def summary(
        self,
        verbose: bool = False,
        listfile: str = "",
        listunfl: bool = False,
        cachesize: float = 50.0,
        overwrite: bool = False,
        wantreturn: bool = True,
    ) -> dict[str, Any]:
        """List what is in it, in the log or in ``listfile``; return CASA's dictionary."""
        from atacal.tasks import listobs

        found = listobs(self._open.path, verbose=verbose, listfile=listfile, listunfl=listunfl, overwrite=overwrite)
        return dict(found) if wantreturn else {}

    def getscansummary(self) -> dict[str, Any]:
        """Return the stretches of each scan that have one field, state and set of data descriptions.

        Returns
        -------
        dict
            ``{scan: {'0': {'BeginTime', 'EndTime' [MJD d], 'DDIds', 'FieldId', 'IntegrationTime' [s], 'SpwIds',
            'StateId', 'nRow'}, ...}}``
        """
        return scan_summary(MsFacts(self._open.path))

    def getspectralwindowinfo(self) -> dict[str, dict[str, Any]]:
        """Return channels, width and correlations of every data description that has rows, frequencies in Hz."""
        out = {}
        for number in np.unique(MsFacts(self._open.path).runs.ddid).tolist():
            ddid = self._meta.ddids[number]
            spw = self._meta.spws[ddid.spw]
            out[str(number)] = {
                "SpectralWindowId": spw.id,
                "NumChan": spw.nchan,
                "Frame": spw.frame,
                "Chan1Freq": float(spw.chan_freq_hz[0]),
                "ChanWidth": float(spw.chan_width_hz[0]),
                "TotalWidth": spw.total_bandwidth_hz,
                "RefFreq": spw.ref_freq_hz,
                "NumCorr": self._meta.pols[ddid.pol].ncorr,
                "PolId": ddid.pol,
            }
        return out

    def getfielddirmeas(
        self, dircolname: str = "PHASE_DIR", fieldid: int = 0, time: float = 0.0, format: str = "measure"
    ) -> dict[str, Any]:
        """Return a direction of a field: PHASE_DIR, DELAY_DIR or REFERENCE_DIR."""
        if format != "measure":
            raise ToolError(f"ms.getfielddirmeas: format={format!r}: only 'measure' is available")
        if dircolname not in ("PHASE_DIR", "DELAY_DIR", "REFERENCE_DIR"):
            raise ToolError(f"ms.getfielddirmeas: dircolname={dircolname!r}: PHASE_DIR, DELAY_DIR or REFERENCE_DIR")
        if not 0 <= int(fieldid) < len(self._meta.fields):
            raise ToolError(f"ms.getfielddirmeas: there is no field {fieldid}; there are {len(self._meta.fields)}")
        cell = MsFacts(self._open.path).column("FIELD", dircolname)[int(fieldid)]
        lon, lat = np.reshape(cell, (-1, 2))[0]
        lon = float(np.arctan2(np.sin(lon), np.cos(lon))) if abs(lon) > np.pi else float(lon)
        frame = self._meta.fields[int(fieldid)].frame
        return measure("direction", frame, (lon, "rad"), (float(lat), "rad"))

    def cvelfreqs(
        self,
        spwids: Any = (0,),
        fieldids: Any = (0,),
        obstime: str = "",
        mode: str = "channel",
        nchan: int = -1,
        start: Any = 0,
        width: Any = 1,
        phasec: Any = "",
        restfreq: Any = "",
        outframe: str = "",
        veltype: str = "radio",
        verbose: bool = True,
    ) -> NDArray[np.float64]:
        """Return the frequencies [Hz] of an spw's channels in another frame.

        Parameters
        ----------
        spwids, fieldids : int or list of one
            The field says whereto, for the Doppler shift.
        obstime : str
            When: a time as `qa` reads it [UTC]; by default that of the spw's and field's first row.
        mode : str
            ``channel``; others need regridding, which is not available.
        nchan, start, width : int
            Channels, as they count in the data; each the mean of ``width``.
        outframe : str
            LSRK, BARY, TOPO ...; as they are if empty.
        """
        if mode != "channel" or phasec:
            raise ToolError(
                f"ms.cvelfreqs: mode={mode!r}, phasec={phasec!r}: only mode='channel' of a field is available"
            )
        spw_id, field_id = (int(np.ravel(ids)[0]) for ids in (spwids, fieldids))
        if np.size(spwids) != 1 or not 0 <= spw_id < len(self._meta.spws):
            raise ToolError(f"ms.cvelfreqs: spwids={spwids!r}: one of 0 to {len(self._meta.spws) - 1} is needed")
        if np.size(fieldids) != 1 or not 0 <= field_id < len(self._meta.fields):
            raise ToolError(f"ms.cvelfreqs: fieldids={fieldids!r}: one of 0 to {len(self._meta.fields) - 1} is needed")
        first, step = int(start or 0), int(width or 1)
        freq = self._meta.spws[spw_id].chan_freq_hz[first:]
        count = len(freq) // step if int(nchan) < 0 else int(nchan)
        if step < 1 or count * step > len(freq):
            raise ToolError(f"ms.cvelfreqs: start={first}, nchan={count}, width={step} go beyond the last channel")
        mean = freq[: count * step].reshape(count, step).mean(axis=1)
        when = obstime or f"{_first_time(self._open.path, spw_id, field_id)!r}s"
        return mean * frame_ratio(self._meta, spw_id, field_id, when, outframe)

    def listhistory(self) -> bool:
        """Write the history into the log."""
        for message in MsFacts(self._open.path).column("HISTORY", "MESSAGE"):
            _log.post(message)
        return True

    def writehistory(
        self, message: str = "", parms: str = "", origin: str = "ms", msname: str = "", app: str = "ms"
    ) -> bool:
        """Add a message to the history of this or of another MeasurementSet."""
        write_history(msname or self._open.path, app, [message])
        return True

    # ------------------------------------------------------------ data

    def getdata(
        self,
        items: Sequence[str] | str = (),
        ifraxis: bool = False,
        ifraxisgap: int = 0,
        increment: int = 1,
        average: bool = False,
    ) -> dict[str, Any]:
        """Return items of the selected rows, arrays with rows last.

        Parameters
        ----------
        items : sequence of str
            ``data``, ``corrected_data``, ``amplitude``, ``corrected_phase``, ``flag``, ``weight``, ``uvw``, ``time``,
            ``antenna1``, ``axis_info`` ... A column that the data lack gives an empty array.
        ifraxis : bool
            An axis of baselines and one of times in place of that of rows.
        increment : int
            Every so many rows.
        average : bool
            Not available.
        """
        if average:
            raise ToolError("ms.getdata: average=True is not available; average the arrays with their weights")
        wanted = [items.lower()] if isinstance(items, str) else [i.lower() for i in items]
        _check_items(wanted)
        rows = self._rows()[:: int(increment)]
        if not len(rows):
            return {}
        plain = {"time", "antenna1", "antenna2", "field_id", "scan_number", "data_desc_id", "uvw", "u", "v", "w"}
        ddid = self._one_ddid() if set(wanted) - plain or self._ddid is not None else self._meta.ddids[0].id
        data = RowData(self._open.get().selectrows(rows), self._meta, ddid, self._chosen)
        out = {name: data.item(name) for name in wanted}
        return _with_ifr_axis(out, data, ifraxisgap) if ifraxis else out

    def putdata(self, items: Mapping[str, Any]) -> bool:
        """Write items of the selected rows, ``data``, ``corrected_data``, ``flag`` ..., as `getdata` has them."""
        if self._chosen.groups is not None or self._chosen.corrs:
            raise ToolError("ms.putdata: channels or correlations are selected; whole rows can be written")
        table = self._part()
        if self._open.writable and not table.haslock(write=True):
            table.lock(write=True, nattempts=1)
        for name, value in items.items():
            column = {"corrected_data": "CORRECTED_DATA", "model_data": "MODEL_DATA"}.get(name.lower(), name.upper())
            if column not in table.colnames():
                raise ToolError(
                    f"ms.putdata: {name!r}: there is no column {column}; there are {', '.join(table.colnames())}"
                )
            table.putcol(column, to_casacore(value))
        table.flush()
        return True

    def range(self, items: Sequence[str] | str = (), useflags: bool = True, blocksize: int = 10) -> dict[str, Any]:
        """Return the values that occur of ids, and the smallest and largest of numbers, in the selected rows."""
        if not len(self._rows()):
            return {}
        table = self._part()
        data: RowData | None = None
        out: dict[str, Any] = {}
        for name in [items.lower()] if isinstance(items, str) else [i.lower() for i in items]:
            if name == "rows":
                out[name] = self._rows()
            elif name in ("fields", "antennas"):
                out[name] = np.array(self._meta.field_names() if name == "fields" else self._meta.antenna_names())
            elif name in ("times", "time"):
                times = np.unique(table.getcol("TIME"))
                out[name] = times if name == "times" else times[[0, -1]]
            elif name in _RANGE_SPW:
                out[name] = _RANGE_SPW[name](self._meta, np.unique(table.getcol("DATA_DESC_ID")))
            else:
                data = data or RowData(table, self._meta, int(table.getcell("DATA_DESC_ID", 0)), self._chosen)
                _check_items([name])
                values = np.asarray(data.item(name))
                if values.dtype.kind in "ib":
                    out[name] = np.unique(values)
                else:
                    flagged = data.flags() if useflags and values.ndim == 3 else None
                    flagged = None if flagged is None or flagged.shape != values.shape else flagged
                    out[name] = limits(values, flagged)
        return out


_RANGE_SPW = {
    "num_chan": lambda meta, ddids: np.array([meta.spws[meta.ddids[d].spw].nchan for d in ddids], np.int64),
    "num_corr": lambda meta, ddids: np.array([meta.pols[meta.ddids[d].pol].ncorr for d in ddids], np.int64),
    "ref_frequency": lambda meta, ddids: np.array([meta.spws[meta.ddids[d].spw].ref_freq_hz for d in ddids]),
    "chan_freq": lambda meta, ddids: np.stack([meta.spws[meta.ddids[d].spw].chan_freq_hz for d in ddids], 1),
    "corr_types": lambda meta, ddids: np.array([meta.pols[meta.ddids[d].pol].corr_types for d in ddids], np.int64).T,
    "corr_names": lambda meta, ddids: np.array([meta.pols[meta.ddids[d].pol].corrs for d in ddids]).T,
}


def _first_time(path: str, spw: int, field: int) -> float:
    """Return the time [MJD s] of the first row of an spw and field; of the first row where they have none."""
    facts = MsFacts(path)
    mine = (facts.spw == spw) & (facts.runs.field == field)
    return float(facts.runs.time[mine if mine.any() else slice(None)][0])


def frame_ratio(meta: Metadata, spw: int, field: int, obstime: str, outframe: str) -> float:
    """Return by what frequencies of an spw are to be multiplied to have them in another frame."""
    frame = meta.spws[spw].frame
    if not outframe or outframe.upper() == frame:
        return 1.0
    me = Measures()
    lon, lat = meta.fields[field].phase_dir_rad
    me.doframe(me.observatory(meta.telescope))
    me.doframe(me.epoch(meta.time_frame, obstime))
    me.doframe(measure("direction", meta.fields[field].frame, (lon, "rad"), (lat, "rad")))
    hz = meta.spws[spw].centre_freq_hz
    return float(me.measure(me.frequency(frame, {"value": hz, "unit": "Hz"}), outframe.upper())["m0"]["value"]) / hz


def _check_items(wanted: Sequence[str]) -> None:
    unknown = sorted(set(wanted) - set(ITEMS))
    if unknown:
        raise ToolError(f"ms.getdata: {', '.join(unknown)}: the items are {', '.join(sorted(ITEMS))}")


def _with_ifr_axis(items: dict[str, Any], data: RowData, gap: int) -> dict[str, Any]:
    axes, which, when = data.ifr_axes(gap)
    shape = (len(axes["ifr_axis"]["ifr_number"]), len(axes["time_axis"]["MJDseconds"]))
    out: dict[str, Any] = {}
    for name, value in items.items():
        if name == "axis_info":
            out[name] = {**value, **axes}
        elif name in ("time", "ifr_number"):
            out[name] = axes["time_axis"]["MJDseconds"] if name == "time" else value
        else:
            out[name] = value if not np.size(value) else gridded(value, which, when, shape)
    return out

"""The part of ``msmd`` on spectral windows, polarizations and data descriptions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ToolError
from atacal.ms.metadata import Spw
from atacal.scripts.tools._msmd_base import Ids, MsmdBase, measure
from atacal.scripts.tools.quanta_tool import Quanta

_C_M_S = 299792458.0
_TDM_CHANNELS = (256, 128, 64, 32, 16, 248, 124, 62, 31)
_KINDS = ("chavg", "fdm", "sqld", "tdm", "wvr")
_qa = Quanta()


class MsmdSpws(MsmdBase):
    """Methods of ``msmd`` on spectral windows."""

    def nspw(self, includewvr: bool = True) -> int:
        """Return the number of spws."""
        count = len(self._ms.meta.spws)
        return count if includewvr else count - len(self.wvrspws())

    def namesforspws(self, spwids: Any = "") -> list[str]:
        """Return the names of spws, of all if none is named."""
        return [self._ms.meta.spws[i].name for i in self._spws(spwids)]

    def spwsfornames(self, spwids: Any = "") -> dict[str, Ids]:
        """Return the spws of names; names that do not exist are left out."""
        wanted = {str(n) for n in np.atleast_1d(spwids)} - {""}
        found: dict[str, list[int]] = {}
        for spw in self._ms.meta.spws:
            if not wanted or spw.name in wanted:
                found.setdefault(spw.name, []).append(spw.id)
        return {name: np.array(ids, np.int64) for name, ids in found.items()}

    def nchan(self, spw: int) -> int:
        """Return the number of channels."""
        return self._ms.meta.spws[self._spw_id(spw)].nchan

    def chanfreqs(self, spw: int, unit: str = "Hz") -> NDArray[np.float64]:
        """Return the frequencies of the channels."""
        return self._hz(self._ms.meta.spws[self._spw_id(spw)].chan_freq_hz, unit)

    def chanwidths(self, spw: int, unit: str = "Hz") -> NDArray[np.float64]:
        """Return the widths of the channels, negative where frequencies descend."""
        return self._hz(self._ms.meta.spws[self._spw_id(spw)].chan_width_hz, unit)

    def chaneffbws(self, spw: int, unit: str = "", asvel: bool = False) -> NDArray[np.float64]:
        """Return the effective bandwidths of the channels, as velocities with ``asvel``."""
        one = self._ms.meta.spws[self._spw_id(spw)]
        return self._width(one, one.effective_bw_hz, unit, asvel)

    def chanres(self, spw: int, unit: str = "", asvel: bool = False) -> NDArray[np.float64]:
        """Return the resolutions of the channels, as velocities with ``asvel``."""
        one = self._ms.meta.spws[self._spw_id(spw)]
        return self._width(one, one.resolution_hz, unit, asvel)

    def bandwidths(self, spw: Any = -1) -> Any:
        """Return the bandwidths [Hz] of spws."""
        widths = np.array([s.total_bandwidth_hz for s in self._ms.meta.spws])
        return float(widths[self._spw_id(spw)]) if np.ndim(spw) == 0 and int(spw) >= 0 else widths[self._spws(spw)]

    def meanfreq(self, spw: int, unit: str = "Hz") -> float:
        """Return the mean frequency of the channels."""
        return float(self._hz(self._ms.meta.spws[self._spw_id(spw)].centre_freq_hz, unit))

    def reffreq(self, spw: int = -1) -> dict[str, Any]:
        """Return the reference frequency, a measure."""
        one = self._ms.meta.spws[self._spw_id(spw)]
        return measure("frequency", one.frame, (one.ref_freq_hz, "Hz"))

    def sideband(self, spw: int) -> int:
        """Return 1 for the upper sideband, -1 otherwise."""
        return 1 if self._ms.meta.spws[self._spw_id(spw)].net_sideband == 2 else -1

    def baseband(self, spw: int) -> int:
        """Return the baseband's number."""
        return self._ms.meta.spws[self._spw_id(spw)].bbc_no

    def spwsforbaseband(self, baseband: int = -1, sqldmode: str = "include") -> Any:
        """Return the spws of a baseband, or of all, by number.

        Parameters
        ----------
        baseband : int
            -1 for all.
        sqldmode : str
            ``include``, ``exclude`` or ``only``: what to do with square law detectors.
        """
        if sqldmode.lower() not in ("include", "exclude", "only"):
            raise ToolError(f"msmd.spwsforbaseband: sqldmode={sqldmode!r}: it is include, exclude or only")
        sqld = set(self._kinds()["sqld"])
        keep = {"include": lambda i: True, "exclude": lambda i: i not in sqld, "only": lambda i: i in sqld}
        found: dict[int, list[int]] = {}
        for spw in self._ms.meta.spws:
            ids = found.setdefault(spw.bbc_no, [])
            if keep[sqldmode.lower()](spw.id):
                ids.append(spw.id)
        if int(baseband) >= 0:
            return np.array(found.get(int(baseband), []), np.int64)
        return {str(b): np.array(ids, np.int64) for b, ids in sorted(found.items())}

    def almaspws(
        self,
        chavg: bool = False,
        fdm: bool = False,
        sqld: bool = False,
        tdm: bool = False,
        wvr: bool = False,
        complement: bool = False,
    ) -> Ids:
        """Return the spws of some of ALMA's kinds, or all others with ``complement``.

        Kinds are CASA's: ``sqld`` by name; ``wvr`` by the name WVR#NOMINAL (by WVR if none has it); ``chavg`` has one
        channel and no FULL_RES in its name. Of the rest that have data descriptions ``fdm`` is less than 2 GHz wide, or
        has 15 channels or more but none of TDM's numbers, or more than 256 channels times polarizations; what remains
        is ``tdm``.
        """
        kinds = self._kinds()
        chosen = {s for kind, on in zip(_KINDS, (chavg, fdm, sqld, tdm, wvr), strict=True) if on for s in kinds[kind]}
        every = range(len(self._ms.meta.spws))
        return np.array([s for s in every if (s in chosen) != bool(complement)], np.int64)

    def chanavgspws(self) -> Ids:
        """Return the channel averages."""
        return self.almaspws(chavg=True)

    def fdmspws(self) -> Ids:
        """Return the spws of the frequency division mode."""
        return self.almaspws(fdm=True)

    def tdmspws(self) -> Ids:
        """Return the spws of the time division mode."""
        return self.almaspws(tdm=True)

    def wvrspws(self, complement: bool = False) -> Ids:
        """Return the water vapour radiometers' spws, or all others."""
        return self.almaspws(wvr=True, complement=complement)

    def _kinds(self) -> dict[str, list[int]]:
        spws = self._ms.meta.spws
        out: dict[str, list[int]] = {kind: [] for kind in _KINDS}
        out["sqld"] = [s.id for s in spws if re.search(r"BB_[0-9]#SQLD", s.name) and s.bbc_no >= 0]
        nominal = [s.id for s in spws if "WVR#NOMINAL" in s.name]
        out["wvr"] = nominal or [s.id for s in spws if "WVR" in s.name]
        for spw in spws:
            if spw.id in out["wvr"]:
                continue
            if spw.nchan == 1 and "FULL_RES" not in spw.name:
                out["chavg"].append(spw.id)
                continue
            pols = [self._ms.meta.pols[d.pol].ncorr for d in self._ms.meta.ddids if d.spw == spw.id]
            if pols:
                out["fdm" if _is_fdm(spw, max(pols)) else "tdm"].append(spw.id)
        return out

    def subwindows(self, spwids: Any = "") -> Ids:
        """Return the numbers of the subwindows that ALMA's names have, -1 where there is none."""
        return self._number_in_names(r"#SW-([0-9]+)", spwids)

    def rxbands(self, spwids: Any = "") -> Ids:
        """Return the receiver bands that ALMA's names have, -1 where there is none."""
        return self._number_in_names(r"ALMA_RB_([0-9]+)", spwids)

    def _number_in_names(self, pattern: str, spwids: Any) -> Ids:
        found = (re.search(pattern, name) for name in self.namesforspws(spwids))
        return np.array([int(m[1]) if m else -1 for m in found], np.int64)

    def corrbit(self, spw: Any = -1) -> Any:
        """Return SDM_CORR_BIT, ``UNKNOWN`` without that column."""
        bits = self._ms.column("SPECTRAL_WINDOW", "SDM_CORR_BIT") or ["UNKNOWN"] * len(self._ms.meta.spws)
        if np.ndim(spw) == 0 and int(spw) >= 0:
            return str(bits[self._spw_id(spw)])
        return np.array([bits[i] for i in self._spws(spw)], dtype=str)

    # ------------------------------------------------------------ polarizations, data descriptions

    def spwfordatadesc(self, ddid: int = -1) -> Any:
        """Return the spw of a data description, or of all."""
        spws = self._ms.meta.ddid_spw.astype(np.int64)
        return spws if int(ddid) < 0 else int(spws[self._checked(ddid, len(spws), "data description")])

    def polidfordatadesc(self, ddid: int = -1) -> Any:
        """Return the polarization id of a data description, or of all."""
        pols = np.array([d.pol for d in self._ms.meta.ddids], np.int64)
        return pols if int(ddid) < 0 else int(pols[self._checked(ddid, len(pols), "data description")])

    def datadescids(self, spw: int = -1, pol: int = -1) -> Ids:
        """Return the data descriptions of an spw and a polarization id, -1 for any."""
        found = [
            d.id
            for d in self._ms.meta.ddids
            if (int(spw) < 0 or d.spw == self._spw_id(spw)) and (int(pol) < 0 or d.pol == int(pol))
        ]
        return np.array(found, np.int64)

    def ncorrforpol(self, polid: int = -1) -> Any:
        """Return the number of correlations of a polarization id, or of all."""
        counts = np.array([p.ncorr for p in self._ms.meta.pols], np.int64)
        return counts if int(polid) < 0 else int(counts[self._checked(polid, len(counts), "polarization")])

    def corrtypesforpol(self, pol: int = -1) -> Ids:
        """Return the correlations of a polarization id, in casacore's numbers (9 is XX, 12 YY)."""
        pols = self._ms.meta.pols
        return np.array(pols[self._checked(pol, len(pols), "polarization")].corr_types, np.int64)

    def corrprodsforpol(self, pol: int = -1) -> Ids:
        """Return the receptors of the correlations, (2, corr)."""
        pols = self._ms.meta.pols
        return np.array(pols[self._checked(pol, len(pols), "polarization")].corr_product, np.int64).reshape(-1, 2).T

    # ------------------------------------------------------------ within

    def _spws(self, spw: Any) -> list[int]:
        ids = np.atleast_1d(spw)
        if ids.dtype.kind in "US" or (ids.size == 1 and int(ids[0]) < 0):
            return list(range(len(self._ms.meta.spws)))
        return [self._spw_id(i) for i in ids]

    def _hz(self, values: Any, unit: str) -> Any:
        return np.asarray(_qa.convert({"value": values, "unit": "Hz"}, unit)["value"])

    def _width(self, spw: Spw, widths_hz: NDArray[np.float64], unit: str, asvel: bool) -> NDArray[np.float64]:
        if not asvel:
            return self._hz(widths_hz, unit or "Hz")
        m_s = _C_M_S * widths_hz / spw.centre_freq_hz
        return np.asarray(_qa.convert({"value": m_s, "unit": "m/s"}, unit or "km/s")["value"])


def _is_fdm(spw: Spw, npol: int) -> bool:
    odd = spw.nchan >= 15 and spw.nchan not in _TDM_CHANNELS
    return spw.total_bandwidth_hz < 2e9 or odd or spw.nchan * npol > 256

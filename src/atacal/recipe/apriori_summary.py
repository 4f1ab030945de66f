"""What the a-priori steps found, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atacal.caltables.table import CalTable
from atacal.recipe.wvr_trial import Improvement


@dataclass(frozen=True)
class FlagStep:
    """Flags after a step.

    Attributes
    ----------
    step : str
    flagged, total : float
        Of all data of the table at hand, and
    science_flagged, science_total : float
        of its cross-correlations in the scans and spws for science.
    """

    step: str
    flagged: float
    total: float
    science_flagged: float
    science_total: float


@dataclass(frozen=True)
class Water:
    """What wvrgcal retrieved for some sources.

    Attributes
    ----------
    sources : list of str
    pwv_mm, pwv_error_mm : float
        Precipitable water towards the zenith.
    elevation_deg : float
    dtdl_k_mm : list of float
        How the temperatures of the four channels change with the path.
    """

    sources: list[str]
    pwv_mm: float
    pwv_error_mm: float
    elevation_deg: float
    dtdl_k_mm: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Radiometer:
    """An antenna's radiometer, as wvrgcal's table of antennas has it.

    Attributes
    ----------
    antenna : str
    works : bool
        False: its path is interpolated from its neighbours, or flagged.
    rms_um, disc_um : float
        Scatter of the path towards the zenith, and of the difference between those by the second and fourth channel.
    """

    antenna: str
    works: bool
    rms_um: float
    disc_um: float


@dataclass
class Wvr:
    """The radiometers' correction.

    Attributes
    ----------
    used : bool
    why : str
    water : list of Water
    radiometers : list of Radiometer
    improvements : list of Improvement
        Of the calibrators.
    """

    used: bool = False
    why: str = ""
    water: list[Water] = field(default_factory=list)
    radiometers: list[Radiometer] = field(default_factory=list)
    improvements: list[Improvement] = field(default_factory=list)


@dataclass(frozen=True)
class TsysOfSpw:
    """System temperatures of an spw.

    Attributes
    ----------
    spw : int
    median_k : float
        Over antennas, channels, polarisations and times.
    lowest_k, highest_k : float
        Of the antennas' medians.
    not_positive : int
        Values that are no temperature (0, negative or not a number) and were flagged.
    without : list of str
        Antennas without a good temperature at any time, with the polarisation if it is one: ``DV05 Y``. Their data are
        flagged.
    """

    spw: int
    median_k: float
    lowest_k: float
    highest_k: float
    not_positive: int
    without: list[str]


@dataclass
class Tsys:
    """The system temperatures.

    Attributes
    ----------
    used : bool
    spws : list of TsysOfSpw
    spw_of : dict of science spw -> Tsys spw
    field_of : dict of field name -> name of the field whose Tsys it takes
    """

    used: bool = False
    spws: list[TsysOfSpw] = field(default_factory=list)
    spw_of: dict[int, int] = field(default_factory=dict)
    field_of: dict[str, str] = field(default_factory=dict)


@dataclass
class Apriori:
    """The a-priori part of a run.

    Attributes
    ----------
    asdm : str
        What was imported; empty when the data were a MeasurementSet already.
    raw : str
        The raw MeasurementSet.
    split : str
        The science spws with the a-priori corrections, on which the gains are solved.
    spws : list of int
        Their numbers in the raw MeasurementSet, in the order that they have in the other.
    flags : list of FlagStep
    tsys : Tsys
    wvr : Wvr
    positions_mm : dict of antenna -> (x, y, z)
        Corrections applied, ITRF.
    """

    asdm: str
    raw: str
    split: str
    spws: list[int] = field(default_factory=list)
    flags: list[FlagStep] = field(default_factory=list)
    tsys: Tsys = field(default_factory=Tsys)
    wvr: Wvr = field(default_factory=Wvr)
    positions_mm: dict[str, tuple[float, float, float]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """Write this for people."""
        return [*self._head(), *self._flags(), *self._tsys(), *self._wvr(), *self._positions()]

    def _head(self) -> list[str]:
        numbers = ", ".join(f"{raw} -> {new}" for new, raw in enumerate(self.spws))
        imported = [f"  imported  {self.asdm}"] if self.asdm else []
        return ["", "A-priori steps", *imported, f"  spws      {numbers}"]

    def _flags(self) -> list[str]:
        lines = ["", "Flagged by                           all data   science"]
        before = None
        for now in self.flags:
            if before is None or now.step in _BEGIN:
                parts, name, sign = (now.flagged, now.science_flagged), _BEGIN.get(now.step, now.step), ""
            else:
                parts = (now.flagged - before.flagged, now.science_flagged - before.science_flagged)
                name, sign = now.step, "+"
            shares = [_percent(p, t) for p, t in zip(parts, (now.total, now.science_total), strict=True)]
            lines.append(f"  {name:<32}{shares[0]:>{sign}8.2f} %{shares[1]:>{sign}8.2f} %")
            before = now
        return lines if self.flags else []

    def _tsys(self) -> list[str]:
        if not self.tsys.used:
            return []
        lines = ["", "System temperatures [K]    median   antennas"]
        of = {t: [s for s, m in self.tsys.spw_of.items() if m == t] for t in set(self.tsys.spw_of.values())}
        for t in self.tsys.spws:
            bad = f"  {t.not_positive} not above 0, flagged" if t.not_positive else ""
            serves = ", ".join(map(str, of.get(t.spw, []))) or "none"
            span = f"{t.lowest_k:.1f} to {t.highest_k:.1f}"
            lines.append(f"  spw {t.spw:<3} for spw {serves:<9}{t.median_k:>9.1f}   {span}{bad}")
            if t.without:
                lines.append(f"          none of {', '.join(t.without)}: their data are flagged")
        return [*lines, *(f"  {name} takes those of {other}" for name, other in self.tsys.field_of.items())]

    def _wvr(self) -> list[str]:
        wvr = self.wvr
        lines = ["", f"Water vapour radiometers: {'used' if wvr.used else 'not used'}, {wvr.why}"]
        for w in wvr.water:
            lines.append(
                f"  {w.pwv_mm:.3f} +- {w.pwv_error_mm:.3f} mm PWV at {w.elevation_deg:.0f} deg, {', '.join(w.sources)}"
            )
        bad = [r.antenna for r in wvr.radiometers if not r.works]
        if bad:
            lines.append(f"  no good radiometer, taken from the neighbours: {', '.join(bad)}")
        if wvr.radiometers:
            rms, disc = ([getattr(r, n) for r in wvr.radiometers if r.works] for n in ("rms_um", "disc_um"))
            lines.append(f"  path {_span(rms)} um rms, discrepancy of the channels {_span(disc)} um")
        if wvr.improvements:
            lines.append("  phase scatter in scans [deg]  without      with")
            lines += [f"    {i.name:<22}{i.without_deg:>11.2f}{i.with_deg:>10.2f}" for i in wvr.improvements]
        return lines

    def _positions(self) -> list[str]:
        if not self.positions_mm:
            return []
        lines = ["", "Antenna positions corrected [mm]   x         y         z"]
        return [*lines, *(f"  {a:<24}{x:>10.3f}{y:>10.3f}{z:>10.3f}" for a, (x, y, z) in self.positions_mm.items())]


_BEGIN = {"before": "(before)", "split": "(after the split)"}


def _percent(part: float, whole: float) -> float:
    return 100 * part / whole if whole else 0.0


def _span(values: list[float]) -> str:
    return f"{min(values):.0f} to {max(values):.0f}" if values else "-"


def flag_steps(reports: Mapping[str, Any]) -> list[FlagStep]:
    """Read the summaries that `summary_pair` asked flagdata for."""
    found = {r["name"]: r for r in _summaries(reports)}
    out = []
    for name, report in found.items():
        if not name.endswith(_SCIENCE):
            science = found[name + _SCIENCE]
            out.append(FlagStep(name, report["flagged"], report["total"], science["flagged"], science["total"]))
    return out


def _summaries(reports: Mapping[str, Any]) -> list[Any]:
    if reports.get("type") == "summary":
        return [reports]
    return [r for r in reports.values() if isinstance(r, Mapping) and r.get("type") == "summary"]


_SCIENCE = " (science)"


def summary_pair(step: str, spw: str, scans: str) -> list[str]:
    """Return the flag commands that count flags, in everything and in the science data."""
    chosen = " ".join(f"{k}='{v}'" for k, v in (("spw", spw), ("scan", scans)) if v)
    return [f"mode='summary' name='{step}'", f"mode='summary' name='{step}{_SCIENCE}' antenna='*&*' {chosen}"]


def water_of(answer: Mapping[str, Any]) -> tuple[list[Water], list[Radiometer]]:
    """Read wvrgcal's answer."""
    water = [
        Water(list(r["sources"]), r["PWV_mm"], r["PWV_err_mm"], r["elevation_deg"], list(r["dTdL_K_per_mm"]))
        for r in answer["retrieved"]
    ]
    columns = (answer[k] for k in ("Name", "WVR", "Flag", "RMS_um", "Disc_um"))
    return water, [Radiometer(n, bool(w and not f), r, d) for n, w, f, r, d in zip(*columns, strict=True)]


def tsys_of(table: CalTable) -> list[TsysOfSpw]:
    """Describe a table of system temperatures as gencal makes it."""
    out = []
    for spw, s in sorted(table.solutions.items()):
        good = np.where(s.flag, np.nan, s.param)
        each = [np.median(v[np.isfinite(v)]) for v in np.moveaxis(good, 1, 0) if np.isfinite(v).any()]
        measured = ~(s.param == 0).all(axis=2, keepdims=True)
        median = float(np.median(good[np.isfinite(good)])) if each else float("nan")
        low, high = (float(f(each)) if each else float("nan") for f in (min, max))
        none = np.asarray(s.flag.all(axis=(0, 2)))  # (antenna, pol)
        if not none.all():
            none = none[:, ~none.all(axis=0)]  # a polarisation that no antenna has is not missed
        without = [
            a.name if none[a.id].all() else f"{a.name} {'XY'[int(np.argmax(none[a.id]))]}"
            for a in table.antennas
            if none[a.id].any()
        ]
        out.append(TsysOfSpw(spw, median, low, high, int((s.flag & measured).sum()), without))
    return out


def positions_of(table: CalTable) -> dict[str, tuple[float, float, float]]:
    """Return the position corrections [mm] of a table that are not zero, by antenna."""
    solutions = next(iter(table.solutions.values()))
    offsets = 1e3 * solutions.param[0, :, 0, :]
    return {
        a.name: (float(x), float(y), float(z))
        for a, (x, y, z) in zip(table.antennas, offsets, strict=True)
        if x or y or z
    }

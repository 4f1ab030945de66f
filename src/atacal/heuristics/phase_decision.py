"""How a calibrator's phases against time are solved: every spw alone, taken from another, or all together; how long.

The order today: every spw alone and every integration; weak spws from the strongest of their tuning; all together, the
polarisations apart (G), then together (T, which gains sqrt 2); then over longer intervals.

Sources: ALMA's pipeline PL2026, hifa/tasks/spwphaseup/spwphaseup.py; Cycle 4: the same file in 2016.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from atacal.errors import ArgumentError
from atacal.heuristics.snr import combined_snr, interval_text
from atacal.heuristics.spw_maps import NARROW_HZ, WIDE_FRACTION, Window, combined_map, strong_map, tunings, wide_map

WEAK_INTENTS = ("PHASE", "CHECK")
"""Calibrators whose signal to noise is asked for per scan; that of the others per integration."""
MODES = ("auto", "combine", "simple", "default")
CATALOGUE_FACTOR = 0.75
"""What the pipeline takes off signal-to-noise ratios that follow from a catalogue's flux density."""


@dataclass(frozen=True)
class PhaseDecision:
    """How a calibrator's phases against time are solved and applied.

    Attributes
    ----------
    spwmap : dict of spw -> spw
        Empty if every spw takes its own.
    combine : bool
        Whether the spws are solved together.
    solint : str
        ``int`` or seconds.
    gaintype : {'G', 'T'}
    snr : float
        Expected of a solution over the time that the limit is for (scan or integration); nan if unknown.
    limit : float
        The signal to noise that was asked for.
    reason : str
    """

    spwmap: dict[int, int] = field(default_factory=dict)
    combine: bool = False
    solint: str = "int"
    gaintype: str = "G"
    snr: float = math.nan
    limit: float = 32.0
    reason: str = ""

    @property
    def mapped(self) -> bool:
        """Whether an spw takes the solutions of another."""
        return any(spw != other for spw, other in self.spwmap.items())

    @property
    def interp(self) -> str:
        """How to apply the phases: over to another spw's frequency they are scaled with it."""
        return "linearPD,linear" if self.mapped else "linear,linear"


@dataclass(frozen=True)
class Wanted:
    """What is asked of phases; the defaults are those of hifa_spwphaseup today.

    Attributes
    ----------
    mode : {'auto', 'combine', 'simple', 'default'}
        Decide by the signal to noise, combine spws, map narrow ones to wide ones, or do nothing (hm_spwmapmode).
    scan_snr : float
        Signal to noise per scan of phase calibrators and check sources (phasesnr; 25 in Cycle 4).
    integration_snr, amplitude_snr : float
        Per integration of the others (intphasesnr), and of the amplitude calibrator before its interval is lengthened
        (intphasesnrmin): long ones would bias the flux scale.
    longest_s : float
        The longest interval of the others [s] (phaseupmaxsolint).
    narrow_hz, wide_fraction, same_baseband
        See `wide_map` (maxnarrowbw, minfracmaxbw, samebb).
    """

    mode: str = "auto"
    scan_snr: float = 32.0
    integration_snr: float = 5.0
    amplitude_snr: float = 3.0
    longest_s: float = 60.0
    narrow_hz: float = NARROW_HZ
    wide_fraction: float = WIDE_FRACTION
    same_baseband: bool = True

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ArgumentError(f"hm_spwmapmode={self.mode!r}: possible are {', '.join(MODES)}")

    def limit(self, intent: str) -> float:
        """Return the signal to noise asked for: per scan of weak intents, per integration of the others."""
        return self.scan_snr if intent in WEAK_INTENTS else self.integration_snr

    def wide(self, windows: Sequence[Window]) -> dict[int, int]:
        """Return `wide_map` with these limits; empty where it changes nothing."""
        found = wide_map(
            windows, narrow_hz=self.narrow_hz, wide_fraction=self.wide_fraction, same_baseband=self.same_baseband
        )
        return found if any(a != b for a, b in found.items()) else {}


CYCLE4 = Wanted(scan_snr=25.0)
"""What hifa_spwphaseup of Cycle 4 asked for."""


def decide_cycle4(
    windows: Sequence[Window],
    snrs: Mapping[int, float],
    wanted: Wanted = CYCLE4,
    *,
    scan_s: float,
    usable: Iterable[int] | None = None,
) -> PhaseDecision:
    """Decide as the pipeline of Cycle 4 did: any weak spw combines all; else narrow spws take a wide one's phases.

    Parameters
    ----------
    windows : sequence of Window
    snrs : mapping of spw -> float
        Of the phase calibrator, per scan; missing or nan where unknown.
    wanted : Wanted
    scan_s : float
        The shortest scan of the phase calibrator [s]; a combined solve takes a quarter of it.
    usable : iterable of int, optional
        Spws with unflagged data.

    Returns
    -------
    PhaseDecision
    """
    limit = wanted.scan_snr
    known = [v for v in (snrs.get(w.spw, math.nan) for w in windows) if math.isfinite(v)]
    lowest = min(known, default=math.nan)
    if wanted.mode == "combine" or (wanted.mode == "auto" and lowest < limit):
        why = f"an spw is below {limit:g} per scan: all are combined" if wanted.mode == "auto" else _AS_ASKED
        together = combined_snr(known) if known else math.nan
        return PhaseDecision(combined_map(windows, usable), True, f"{scan_s / 4:.3f}s", "T", together, limit, why)
    if wanted.mode == "default":
        return PhaseDecision(snr=lowest, limit=limit, reason=_ALONE)
    found = wanted.wide(windows)
    why = _FROM_WIDE if found else "every spw is wide and strong enough for its own phases"
    return PhaseDecision(found, snr=lowest, limit=limit, reason=why)


_ALONE = "every spw its own phases, as asked for"
_AS_ASKED = "spws combined, as asked for"
_FROM_WIDE = "narrow spws take the phases of wide ones"
_UNKNOWN = "no signal-to-noise estimate"


def decide_today(
    windows: Sequence[Window],
    snrs: Mapping[int, float],
    wanted: Wanted | None = None,
    *,
    intent: str,
    integration_s: float,
    scan_s: float,
    usable: Iterable[int] | None = None,
    amplitude: bool = False,
) -> PhaseDecision:
    """Decide as the pipeline of today does, for one calibrator and intent.

    Parameters
    ----------
    windows : sequence of Window
    snrs : mapping of spw -> float
        Per scan of phase calibrators and check sources, per integration of the others; missing or nan where unknown.
    wanted : Wanted, optional
    intent : str
        ``PHASE``, ``CHECK``, ``BANDPASS``, ``AMPLITUDE``...
    integration_s, scan_s : float
        One integration, and one scan [s].
    usable : iterable of int, optional
        Spws with unflagged data.
    amplitude : bool
        Whether the field is the amplitude calibrator too.

    Returns
    -------
    PhaseDecision

    Notes
    -----
    An interval is t_int (limit / snr)^2. Of phase calibrators and check sources it divides the scan evenly and is at
    most half of it (a quarter where nothing divides it); of the others it is in whole integrations up to a limit.
    """
    wanted = wanted or Wanted()
    asked = _Asked(wanted, intent, integration_s, scan_s, amplitude)
    value = {w.spw: snrs.get(w.spw, math.nan) for w in windows}
    known = [v for v in value.values() if math.isfinite(v) and v > 0]
    lowest = min(known, default=math.nan)
    if wanted.mode == "default":
        return PhaseDecision(limit=asked.limit, snr=lowest, reason=_ALONE)
    if wanted.mode == "simple":
        return PhaseDecision(wanted.wide(windows), limit=asked.limit, snr=lowest, reason=_FROM_WIDE)
    if not known:
        return _without_estimate(windows, usable, asked)
    if len(windows) == 1:
        solint, gaintype, limit = asked.interval(lowest, combine=False)
        return PhaseDecision({}, False, solint, gaintype, lowest, limit, "a single spw")
    if wanted.mode == "combine":
        return _combined(windows, value, usable, asked, _AS_ASKED)
    return _automatic(windows, value, known, usable, asked)


def _without_estimate(windows: Sequence[Window], usable: Iterable[int] | None, asked: _Asked) -> PhaseDecision:
    """Decide without any signal to noise."""
    if asked.wanted.mode == "combine" and len(windows) > 1:
        how = (f"{asked.scan_s / 4:.3f}s", "T") if asked.weak else ("int", "G")
        reason = f"{_AS_ASKED}; {_UNKNOWN}"
        return PhaseDecision(combined_map(windows, usable), True, *how, limit=asked.limit, reason=reason)
    found = asked.wanted.wide(windows)
    return PhaseDecision(found, limit=asked.limit, reason=f"{_FROM_WIDE}; {_UNKNOWN}" if found else _UNKNOWN)


def _automatic(
    windows: Sequence[Window],
    value: Mapping[int, float],
    known: list[float],
    usable: Iterable[int] | None,
    asked: _Asked,
) -> PhaseDecision:
    """Decide by the signal to noise."""
    limit = asked.limit
    if len(known) == len(windows) and min(known) > limit:
        solint, gaintype, used = asked.interval(min(known), combine=False)
        if solint == "int":
            return PhaseDecision({}, False, solint, gaintype, min(known), used, "all spws are strong enough")
        # a map is better than a long interval: an spw that serves others must not need one
        limit *= math.sqrt(float(solint.rstrip("s")) / asked.integration_s)
    good, found = strong_map(windows, value, limit)
    if good:
        solint, gaintype, used = asked.interval(min(v for v in known if v > limit), combine=False)
        reason = "weak spws take the phases of the strongest of their tuning"
        return PhaseDecision(found, False, solint, gaintype, max(known), used, reason)
    return _combined(windows, value, usable, asked, "spws combined: a tuning has no strong one")


def _combined(
    windows: Sequence[Window],
    value: Mapping[int, float],
    usable: Iterable[int] | None,
    asked: _Asked,
    reason: str,
) -> PhaseDecision:
    """Combine the spws of every tuning; the weakest tuning with an estimate decides about the interval."""
    together = [combined_snr([value[w.spw] for w in members]) for members in tunings(windows).values()]
    lowest = min(v for v in together if v > 0)
    solint, gaintype, limit = asked.interval(lowest, combine=True)
    return PhaseDecision(combined_map(windows, usable), True, solint, gaintype, lowest, limit, reason)


@dataclass(frozen=True)
class _Asked:
    """What is asked of a calibrator's solutions."""

    wanted: Wanted
    intent: str
    integration_s: float
    scan_s: float
    amplitude: bool

    @property
    def weak(self) -> bool:
        return self.intent in WEAK_INTENTS

    @property
    def limit(self) -> float:
        return self.wanted.limit(self.intent)

    def interval(self, snr: float, *, combine: bool) -> tuple[str, str, float]:
        """Return solint, gaintype, and the limit that they are for, with an expected signal to noise."""
        each, gaintype, limit = self.integration_s, "G", self.limit
        # of weak calibrators both ratios are per scan: their scaling to an integration cancels
        needed = each * (limit / snr) ** 2
        if needed < 1.5 * each:
            return "int", gaintype, limit
        if combine:
            gaintype, needed = "T", needed / 2.0
            if needed < 1.5 * each:
                return "int", gaintype, limit
        if self.weak:
            return self._part_of_scan(needed), gaintype, limit
        if self.amplitude:
            limit = self.wanted.amplitude_snr
            needed *= (limit / self.limit) ** 2
        number = math.floor(min(needed, self.wanted.longest_s) / each + 0.5)
        return interval_text(number, each), gaintype, limit

    def _part_of_scan(self, needed: float) -> str:
        """Return an interval that divides a scan evenly, at most half of one."""
        each, scan = self.integration_s, self.scan_s
        if needed > scan / 2:
            return f"{scan / 2:.3f}s"
        most = math.floor(scan / each + 0.5)
        least = max(2, math.floor(needed / each + 0.5))
        fitting = [n for n in range(least, most // 2 + 1) if most % n == 0]
        return interval_text(fitting[0], each) if fitting else f"{scan / 4:.3f}s"

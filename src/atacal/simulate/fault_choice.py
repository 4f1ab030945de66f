"""Which faults a raw block gets, and on which antennas."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from atacal.errors import ArgumentError
from atacal.simulate import fault_kinds as signal
from atacal.simulate import fault_tsys as measured
from atacal.simulate.fault import Fault
from atacal.simulate.fault_kinds import RawFault
from atacal.simulate.fault_site import Site

STANDARD = ("dead_polarization", "low_gain", "phase_jump", "dead_wvr", "late", "flagged", "shadowing")
"""What a block has by default."""
_KINDS: tuple[type[RawFault], ...] = (
    signal.LowScan, signal.HighScan, signal.BadQuadrant, signal.HotChannel, signal.BandpassDip, signal.HighTarget,
    signal.UnstableGain, signal.PhaseNoise, measured.TsysHigh, measured.NoisyWvr, measured.TsysRipple,
    measured.TsysShape, measured.TsysBirdie, measured.TsysScan, signal.HotBaseline, signal.BadBaseline,
    signal.BandpassSpikes, signal.CalibratorSpikes, signal.TargetSpikes, signal.PositionError, measured.TsysEdges,
    measured.TsysLine,
)  # fmt: skip
KINDS = {k.kind: k for k in _KINDS}
"""Kinds of faults beside the standard ones: those that want an antenna for themselves first."""
ROLES = {
    "low_scan": ("bandpass",), "high_scan": ("bandpass",), "bandpass_dip": ("bandpass",),
    "bandpass_spikes": ("bandpass",), "bad_quadrant": ("bandpass",), "hot_channel": ("bandpass",),
    "hot_baseline": ("bandpass",),
}  # fmt: skip
"""Roles without whose scans nothing can be put in, or no stage could find it."""
_ALONE_STANDARD = ("dead_polarization", "low_gain", "phase_jump", "dead_wvr")
_WVR = ("dead_wvr", "noisy_wvr")
_WORDS = {
    "true": "standard", "yes": "standard", "on": "standard", "y": "standard", "t": "standard",
    "false": "none", "no": "none", "off": "none", "n": "none", "f": "none",
}  # fmt: skip


def chosen(faults: bool | str, roles: Iterable[str] = (), *, wvr: bool = True) -> tuple[str, ...]:
    """Read the option: ``standard``, ``none``, ``all`` or kinds with commas.

    Parameters
    ----------
    faults : bool or str
        True is ``standard``, False ``none``.
    roles : iterable of str
        Those of the block's fields; ``all`` leaves out what needs others.
    wvr : bool
        Whether there are radiometers.

    Returns
    -------
    tuple of str
        In the order of `STANDARD` and `KINDS`.

    Raises
    ------
    ArgumentError
    """
    text = ("standard" if faults else "none") if isinstance(faults, bool) else faults
    words = [_WORDS.get(w.strip().lower(), w.strip().lower()) for w in text.split(",") if w.strip()]
    every = (*STANDARD, *KINDS)
    unknown = [w for w in words if w not in (*every, "standard", "all") and not (w == "none" and len(words) == 1)]
    if unknown or not words:
        raise ArgumentError(
            f"faults = {faults!r} is not possible{': ' + unknown[0] if unknown else ''}; possible are standard, none, "
            f"all, or some of {', '.join(every)}"
        )
    there = set(roles)
    impossible = {k for k in KINDS if not set(ROLES.get(k, ())) <= there} | (set() if wvr else set(_WVR))
    wrong = [w for w in words if w in impossible]
    if wrong:
        needs = "radiometers (wvr)" if wrong[0] in _WVR else f"a {ROLES[wrong[0]][0]} calibrator"
        raise ArgumentError(f"faults: {wrong[0]} needs {needs}, which the block is to be without")
    named = set(words) - {"none", "standard", "all"}
    if "standard" in words or "all" in words:
        named |= set(STANDARD) - impossible
    if "all" in words:
        named |= set(KINDS) - impossible
    return tuple(k for k in every if k in named)


def require_antennas(kinds: tuple[str, ...], nant: int, faults: bool | str) -> None:
    """Check that every fault that wants an antenna for itself can have one, and the reference antenna none.

    Raises
    ------
    ArgumentError
    """
    if kinds == () or set(kinds) <= set(STANDARD):
        return
    alone = [k for k in kinds if k in _ALONE_STANDARD or (k in KINDS and KINDS[k].alone)]
    most = max([KINDS[k].count for k in kinds if k in KINDS], default=0)
    needed = 1 + max(len(alone), most)
    if nant < needed:
        raise ArgumentError(
            f"faults = {faults!r} needs at least {needed} antennas, one for each of {', '.join(alone) or kinds[0]} and "
            f"a reference antenna without faults; the block has {nant}"
        )


def place(
    kinds: tuple[str, ...], site: Site, order: list[int], standard: Iterable[Fault], rng: np.random.Generator
) -> tuple[RawFault, ...]:
    """Choose antennas, times and channels of the faults beside the standard ones.

    Parameters
    ----------
    kinds : tuple of str
    site : Site
    order : list of int
        Antennas that may be hit, the ones to take first in front.
    standard : iterable of Fault
        Those that are placed already.
    rng : numpy.random.Generator
    """
    on: dict[int, list[str]] = {i: [] for i in order}
    for f in standard:
        if f.kind in _ALONE_STANDARD:
            on[f.antenna_id].append(f.kind)
    alone = {*_ALONE_STANDARD, *(k.kind for k in _KINDS if k.alone)}
    out = []
    for name in (k for k in kinds if k in KINDS):
        kind = KINDS[name]

        def burden(i: int, kind: type[RawFault] = kind) -> tuple[int, int, int]:
            hidden = len(kind.avoids & set(on[i])) + (len(alone & set(on[i])) if kind.alone else 0)
            return hidden, len(on[i]), order.index(i)

        hit = tuple(sorted(order, key=burden)[: kind.count])
        for i in hit:
            on[i].append(name)
        out.append(kind.place(site, hit, rng))
    return tuple(out)

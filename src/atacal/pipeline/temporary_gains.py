"""Gains of the bandpass calibrator that are solved for to judge antennas by, and thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.disk import read_caltable
from atacal.errors import NoSolutions
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied

BANDPASS_SOLINT = "inf,7.8125MHz"
MINSNR = 2.0
LONGER = (4, 16)
"""Integrations that are joined where single ones have too little signal."""
MOST_LOST = 0.1
"""Share of phases that may fail before a longer interval is tried."""
_BEFORE = ("tsys", "antpos", "wvr")


@dataclass(frozen=True, eq=False)
class GainAmplitudes:
    """Amplitudes of gains of one spw.

    Attributes
    ----------
    spw : int
    amplitude : float64 (antenna, slot)
    flag : bool (antenna, slot)
    snr : float64 (antenna, slot)
    scan : int32 (slot,)
    time_mjd_s : float64 (slot,)
    """

    spw: int
    amplitude: NDArray[np.float64]
    flag: NDArray[np.bool_]
    snr: NDArray[np.float64]
    scan: NDArray[np.int32]
    time_mjd_s: NDArray[np.float64]

    @property
    def typical_snr(self) -> float:
        """The median signal to noise of the solutions; 0 without any."""
        return float(np.median(self.snr[~self.flag])) if not self.flag.all() else 0.0


def gain_amplitudes(
    block: Block, words: str, *, spws: Sequence[int], intents: Sequence[str], solint: str, refant: str = ""
) -> dict[int, GainAmplitudes]:
    """Solve for gain amplitudes of both polarisations together, with a bandpass and phases of their own taken out.

    A phase-up, a bandpass (`BANDPASS_SOLINT`, all scans), phases, amplitudes (T), as the pipeline's hif_lowgainflag and
    hif_gainflag do (hif/tasks/lowgainflag/lowgainflag.py). Phases are of each integration; today's recipe takes longer
    intervals where so many of them fail that whole antennas would look bad.

    Parameters
    ----------
    block : Block
        Its registered system temperatures, antenna positions and water vapour are applied.
    words : str
        In the names of the tables.
    spws : sequence of int
    intents : sequence of str
        Whose data are used.
    solint : str
        Of the amplitudes: 'inf' for one a scan, 'int'.
    refant : str
        Other references than the block's.

    Returns
    -------
    dict of int -> GainAmplitudes
        By spw; none where nothing could be solved.
    """
    names = {kind: block.caltable(f"{words}.{kind}") for kind in ("phaseup", "bandpass", "phase", "amplitude")}
    data: dict[str, Any] = {
        "intents": intents, "spws": spws, "terms": _BEFORE, "refant": refant or block.refant,
    }  # fmt: skip
    up = Applied("phase", names["phaseup"])
    bandpass = Applied("bandpass", names["bandpass"], interp="linear,linear")
    phase = Applied("phase", names["phase"])
    steps: tuple[tuple[str, str, list[Applied], dict[str, Any]], ...] = (
        ("bandpass", "bandpass", [up], {"solint": BANDPASS_SOLINT, "combine": "scan", "solnorm": True, "minsnr": 3.0}),
        ("gaincal", "phase", [bandpass], {"gaintype": "G", "calmode": "p", "minsnr": MINSNR}),
        ("gaincal", "amplitude", [bandpass, phase], {"gaintype": "T", "calmode": "a", "solint": solint,
                                                     "minsnr": MINSNR}),
    )  # fmt: skip
    try:
        interval = _phased_up(block, up.gaintable, data)
        for (task, kind, extra, given), before in zip(steps, ("phaseup", "bandpass", "phase"), strict=True):
            # an spw without any solution has none in the next step either
            data["spws"] = _solved(block, names[before]) if interval else []
            if not data["spws"]:
                return {}
            block.solve(task, names[kind], **data, extra=extra, **{"solint": interval, **given})
    except NoSolutions as error:
        block.out.say("warning", f"no gains could be solved for: {error}")
        return {}
    made = read_caltable(block.path(names["amplitude"]))
    out = {}
    for spw, s in made.solutions.items():
        # both polarisations have one solution; a row may still hold it twice
        flag: NDArray[np.bool_] = np.asarray(s.flag[:, :, 0].all(axis=2))
        out[spw] = GainAmplitudes(
            spw,
            np.abs(s.param[:, :, 0, 0]).astype(float).T,
            flag.T,
            s.snr[:, :, 0, 0].astype(float).T,
            s.scan,
            np.asarray(s.time, float),
        )
    return out


def _phased_up(block: Block, name: str, data: dict[str, Any]) -> str:
    """Solve for phases with the shortest interval at which they succeed; return it, empty without data."""
    length = block.facts.integration_s(*data["intents"])
    tried = ["int"] if block.cycle4 else ["int", *(f"{k * length:.3f}s" for k in LONGER), "inf"]
    lost: dict[str, float] = {}
    for interval in tried:
        try:
            if not block.solve("gaincal", name, **data, gaintype="G", calmode="p", solint=interval, minsnr=3.0):
                return ""
            lost[interval] = _lost(block, name)
        except NoSolutions:
            if interval == tried[-1]:
                raise
            lost[interval] = 1.0
        if lost[interval] <= MOST_LOST:
            break
    block.out.decisions.setdefault("phases", []).append({"solint": interval, "lost": lost})
    return interval


def _solved(block: Block, name: str) -> list[int]:
    """Return the spws of a table that have any solution."""
    return sorted(spw for spw, s in read_caltable(block.path(name)).solutions.items() if not s.flag.all())


def _lost(block: Block, name: str) -> float:
    """Return the share of phases that are flagged, of the antennas that have any: dead ones are no matter of noise."""
    shares = []
    for s in read_caltable(block.path(name)).solutions.values():
        good = ~np.asarray(s.flag[:, :, 0].all(axis=2))  # (slot, antenna)
        alive = np.asarray(good.any(axis=0))
        shares.append(1.0 - float(good[:, alive].mean()) if alive.sum() > alive.size / 2 else 1.0)
    return max(shares, default=1.0)

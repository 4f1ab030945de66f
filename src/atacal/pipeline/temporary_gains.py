"""Gains of the bandpass calibrator that are solved for to judge antennas by, and thrown away."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.disk import read_caltable
from atacal.errors import NoSolutions
from atacal.tasks import bandpass, gaincal

BANDPASS_SOLINT = "inf,7.8125MHz"
MINSNR = 2.0


@dataclass(frozen=True)
class Applied:
    """Calibration tables that are applied before solving, as tasks take them."""

    gaintable: list[str] = field(default_factory=list)
    gainfield: list[str] = field(default_factory=list)
    interp: list[str] = field(default_factory=list)
    spwmap: list[list[int]] = field(default_factory=list)

    def then(self, table: str, interp: str = "linear,linear", spwmap: Sequence[int] = ()) -> Applied:
        """Return these and one more table."""
        return Applied(
            [*self.gaintable, table], [*self.gainfield, ""], [*self.interp, interp], [*self.spwmap, list(spwmap)]
        )

    def parameters(self) -> dict[str, Any]:
        """Return the tasks' parameters."""
        return {"gaintable": self.gaintable, "gainfield": self.gainfield, "interp": self.interp, "spwmap": self.spwmap}


@dataclass(frozen=True, eq=False)
class GainAmplitudes:
    """Amplitudes of gains of one spw.

    Attributes
    ----------
    spw : int
    amplitude : float64 (antenna, slot)
    flag : bool (antenna, slot)
    scan : int32 (slot,)
    time_mjd_s : float64 (slot,)
    """

    spw: int
    amplitude: NDArray[np.float64]
    flag: NDArray[np.bool_]
    scan: NDArray[np.int32]
    time_mjd_s: NDArray[np.float64]


def gain_amplitudes(
    vis: str | os.PathLike[str],
    folder: Path,
    *,
    spws: Sequence[int],
    intent: str,
    refant: str,
    solint: str,
    applied: Applied,
    phase_solint: str = "int",
) -> dict[int, GainAmplitudes]:
    """Solve for gain amplitudes of both polarisations together, with a bandpass and phases of their own taken out.

    A phase-up (int), a bandpass (`BANDPASS_SOLINT`, all scans), phases (int), amplitudes (T), as the pipeline's
    hif_lowgainflag and hif_gainflag do (hif/tasks/lowgainflag/lowgainflag.py).

    Parameters
    ----------
    vis : path
        The MeasurementSet.
    folder : Path
        Where the tables are written: phaseup, bandpass, phase, amplitude.
    spws : sequence of int
    intent : str
        Whose data are used, in CASA's selection language.
    refant : str
        Reference antennas, the preferred one first.
    solint : str
        Of the amplitudes: 'inf' for one a scan, 'int'.
    applied : Applied
        System temperatures, water vapour, antenna positions.
    phase_solint : str
        Of the phases.

    Returns
    -------
    dict of int -> GainAmplitudes
        By spw; an spw without any solution has none of its own.
    """
    common = {"vis": os.fspath(vis), "spw": ",".join(map(str, spws)), "intent": intent, "refant": refant}
    tables = {name: os.fspath(folder / f"{name}.tbl") for name in ("phaseup", "bandpass", "phase", "amplitude")}
    phase: dict[str, Any] = {"gaintype": "G", "calmode": "p", "solint": phase_solint}
    try:
        gaincal(**common, caltable=tables["phaseup"], **phase, minsnr=3.0, **applied.parameters())
        bandpass(
            **common, caltable=tables["bandpass"], solint=BANDPASS_SOLINT, combine="scan", solnorm=True, minsnr=3.0,
            **applied.then(tables["phaseup"]).parameters(),
        )  # fmt: skip
        known = applied.then(tables["bandpass"])
        gaincal(**common, caltable=tables["phase"], **phase, minsnr=MINSNR, **known.parameters())
        gaincal(
            **common, caltable=tables["amplitude"], gaintype="T", calmode="a", solint=solint, minsnr=MINSNR,
            **known.then(tables["phase"]).parameters(),
        )  # fmt: skip
    except NoSolutions:
        return {}
    made = read_caltable(tables["amplitude"])
    out = {}
    for spw, s in made.solutions.items():
        # with T both polarisations have the same solution, or one has none
        values, flags = np.abs(s.param[:, :, 0, 0]).astype(float), s.flag[:, :, 0].all(axis=2)
        out[spw] = GainAmplitudes(spw, values.T, flags.T, s.scan, s.time)
    return out

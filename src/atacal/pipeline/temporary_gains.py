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
_BEFORE = ("tsys", "antpos", "wvr")


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
    block: Block, words: str, *, spws: Sequence[int], intents: Sequence[str], solint: str
) -> dict[int, GainAmplitudes]:
    """Solve for gain amplitudes of both polarisations together, with a bandpass and phases of their own taken out.

    A phase-up (int), a bandpass (`BANDPASS_SOLINT`, all scans), phases (int), amplitudes (T), as the pipeline's
    hif_lowgainflag and hif_gainflag do (hif/tasks/lowgainflag/lowgainflag.py).

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

    Returns
    -------
    dict of int -> GainAmplitudes
        By spw; none where nothing could be solved.
    """
    names = {kind: block.caltable(f"{words}.{kind}") for kind in ("phaseup", "bandpass", "phase", "amplitude")}
    data: dict[str, Any] = {"intents": intents, "spws": spws, "terms": _BEFORE}
    up = Applied("phase", names["phaseup"])
    bandpass = Applied("bandpass", names["bandpass"], interp="linear,linear")
    phase = Applied("phase", names["phase"])
    phases: dict[str, Any] = {"gaintype": "G", "calmode": "p", "solint": "int"}
    try:
        if not block.solve("gaincal", up.gaintable, **data, minsnr=3.0, **phases):
            return {}
        block.solve("bandpass", bandpass.gaintable, **data, extra=[up], solint=BANDPASS_SOLINT, combine="scan",
                    solnorm=True, minsnr=3.0)  # fmt: skip
        block.solve("gaincal", phase.gaintable, **data, extra=[bandpass], minsnr=MINSNR, **phases)
        block.solve("gaincal", names["amplitude"], **data, extra=[bandpass, phase], gaintype="T", calmode="a",
                    solint=solint, minsnr=MINSNR)  # fmt: skip
    except NoSolutions as error:
        block.out.say("warning", f"no gains could be solved for: {error}")
        return {}
    made = read_caltable(block.path(names["amplitude"]))
    out = {}
    for spw, s in made.solutions.items():
        # both polarisations have one solution; a row may still hold it twice
        flag: NDArray[np.bool_] = np.asarray(s.flag[:, :, 0].all(axis=2))
        out[spw] = GainAmplitudes(
            spw, np.abs(s.param[:, :, 0, 0]).astype(float).T, flag.T, s.scan, np.asarray(s.time, float)
        )
    return out

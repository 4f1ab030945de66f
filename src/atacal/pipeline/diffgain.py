"""What hifa_diffgaincal has found, as the tables that calibrate the signal setup of a switched block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atacal.errors import PipelineError
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.setups import SIGNAL, Setups

DIFFGAIN = "diffgain"
"""Name in the context: what the two setups have between them."""


def require_offsets(block: Block) -> dict[str, Any]:
    """Return what hifa_diffgaincal has put into the context.

    Raises
    ------
    PipelineError
        It has not been done: the phase calibrator cannot serve the target.
    """
    found: dict[str, Any] | None = block.get(DIFFGAIN)
    if not found:
        raise PipelineError(
            f"{block.name}: the phase calibrator was observed in other spws than the target: "
            "hifa_diffgaincal has to be done first (today's recipe does it)"
        )
    return found


def across_setups(block: Block, setups: Setups, amplitudes: str, pairs: Mapping[int, int]) -> list[Applied]:
    """Return the tables that bring gains of the reference setup to the targets in the signal setup.

    Phases are the phase calibrator's, scaled to the signal windows' frequencies. Amplitudes of band-to-band blocks are
    the differential gain calibrator's in the signal windows; where the bandwidth is switched they are the phase
    calibrator's, by baseband.

    Parameters
    ----------
    block : Block
    setups : Setups
    amplitudes : str
        The table of all calibrators' amplitudes.
    pairs : mapping of field -> field
        The phase calibrator of each target and check source.
    """
    found = require_offsets(block)
    signal = ",".join(map(str, setups.signal))
    fields = ",".join(map(str, setups.fields))
    out = [_phase(found["reference"], f, str(f), signal, SIGNAL) for f in setups.fields]
    for calibrator in sorted(set(pairs.values())):
        served = ",".join(str(t) for t, c in sorted(pairs.items()) if c == calibrator)
        out.append(_phase(found["reference"], calibrator, served, signal, "TARGET,CHECK"))
        switched = setups.mode == "BWSW"
        out.append(
            Applied(
                "amp", amplitudes, gainfield=str(calibrator) if switched else fields, interp="linear",
                spwmap=tuple(found["spwmap"]) if switched else (), field=served, intent="TARGET,CHECK", spw=signal,
            )
        )  # fmt: skip
    return out


def _phase(table: str, gainfield: int, field: str, spw: str, intent: str) -> Applied:
    return Applied(
        "phase", table, gainfield=str(gainfield), interp="linear", calwt=False, field=field, intent=intent, spw=spw
    )

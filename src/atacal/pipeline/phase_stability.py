"""How stable the atmosphere's phases were: their scatter within a cycle of visits to the phase calibrator."""

from __future__ import annotations

import math

import numpy as np

from atacal.caltables.disk import read_caltable
from atacal.errors import AtacalError
from atacal.heuristics.decoherence import assess, cycle_time_s, phase_scatter, score_decoherence
from atacal.pipeline.block import Block
from atacal.pipeline.charts import Axis, Chart, Series


def score_stability(block: Block) -> None:
    """Measure and score the scatter of the bandpass calibrator's phases within a cycle, and chart it by baseline."""
    path = block.get("phaseup", {}).get("table", "")
    if not path:
        return
    try:
        _assess(block, path)
    except AtacalError as error:
        block.out.say("attention", f"the decoherence could not be measured: {error}")


def _assess(block: Block, path: str) -> None:
    table, facts = read_caltable(block.path(path)), block.facts
    observed = [s for s in table.solutions if s in facts.spws_of("TARGET")] or list(table.solutions)
    spw = max(observed, key=lambda s: (float(np.abs(facts.metadata.spws[s].chan_width_hz).sum()), -s))
    one = table.solutions[spw]
    scan = int(one.scan[0])
    mine = one.scan == scan
    times = one.time[mine]
    phase = np.where(one.flag[mine, :, 0, 0], np.nan, np.angle(one.param[mine, :, 0, 0])).astype(np.float64)
    positions = facts.metadata.antenna_positions_m
    length = np.linalg.norm(positions[:, None] - positions[None], axis=2)
    starts = [s.start_s for s in facts.science_scans("PHASE")]
    cycle, measured = cycle_time_s(starts, float(length.max()), facts.metadata.spws[spw].centre_freq_hz)
    names = facts.metadata.antenna_names()
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    found = assess(phase_scatter(phase, names.index(block.refants[0]), step, cycle, length))
    block.out.decisions["decoherence"] = {
        "phase_rms_deg": found.phase_rms_deg, "total_rms_deg": found.total_rms_deg, "p80_m": found.p80_m,
        "cycle_s": cycle, "cycle_measured": measured, "outliers": [names[a] for a in found.outliers], "spw": spw,
        "scan": scan, "coherence": math.exp(-np.radians(found.phase_rms_deg) ** 2 / 2),
    }  # fmt: skip
    text = f"{block.name}: the phases scatter by {found.phase_rms_deg:.1f} deg within {cycle:.0f} s"
    text += f" on baselines above {found.p80_m:.0f} m"
    if found.outliers:
        text += f"; {', '.join(names[a] for a in found.outliers)} by more"
    block.out.score(score_decoherence(found), "phase_rms", found.phase_rms_deg, "deg", "phase stability", text)
    s = found.scatter
    more = {"antenna1": s.antenna1, "antenna2": s.antenna2}
    series = [
        Series({"role": role, "spw": str(spw)}, s.length_m, values, more)
        for role, values in (("cycle", s.cycle_deg), ("total", s.total_deg))
    ]
    lines = [{"axis": "y", "value": v, "label": f"{v} deg"} for v in (30, 50, 70)]
    x, y = Axis("Baseline", "m"), Axis("Phase rms", "deg")
    block.chart(Chart("phase_rms", "Phase scatter and baseline length", x, y, series, lines=lines))

"""The data of plots of the radiometers' correction: ratios of phase scatter, and the phases themselves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atacal.caltables.table import CalTable
from atacal.heuristics.wvr_views import View, phase_rms, time_chunks
from atacal.pipeline.block import Block
from atacal.pipeline.charts import Axis, Chart, Matrix, Series
from atacal.pipeline.wvr_trial import of_scans


def view_charts(block: Block, made: Sequence[View], words: str) -> None:
    """Write the ratios of scatter with and without the correction, antenna by chunk."""
    names = block.facts.metadata.antenna_names()
    for view in made:
        keys = {"intent": view.intent, "spw": str(view.spw), "role": words}
        matrix = Matrix(keys, view.time - view.time[0], names, view.ratio, view.flag)
        block.chart(
            Chart(
                f"ratio.{words}.{view.intent}.spw{view.spw}",
                f"Phase scatter with over without the correction: {view.intent}, spw {view.spw}, {words}",
                Axis("time since the first", "s"), Axis("antenna", kind="category"), matrices=[matrix],
                z=Axis("ratio"), caption="Below 1 the correction helps; flagged cells take no part.",
            )
        )  # fmt: skip


def phase_charts(block: Block, intents: Sequence[str], spw: int, without: CalTable, corrected: CalTable) -> None:
    """Write the phases of every antenna against the reference antenna with and without the correction."""
    facts = block.facts
    names = facts.metadata.antenna_names()
    reference = names.index(block.refants[0]) if block.refants else 0
    distance = np.linalg.norm(
        facts.metadata.antenna_positions_m - facts.metadata.antenna_positions_m[reference], axis=1
    )
    for intent in intents:
        scans = [s.number for s in facts.science_scans(intent)]
        of_time, of_distance = [], []
        for role, table in (("before", without), ("after", corrected)):
            time, gain, flag = of_scans(table, spw, scans)
            if not len(time):
                continue
            phase = np.where(
                flag | flag[:, [reference]], np.nan, np.angle(gain * np.conj(gain[:, [reference]]), deg=True)
            )
            keys = {"intent": intent, "spw": str(spw), "role": role}
            for a, name in enumerate(names):
                if np.isfinite(phase[:, a]).any():
                    of_time.append(Series({**keys, "antenna": name}, time, phase[:, a]))
            rms = phase_rms(gain, flag, time_chunks(time))
            some = np.flatnonzero(np.isfinite(rms).any(axis=1))
            y = np.nanmedian(rms[some], axis=1)
            of_distance.append(Series(keys, distance[some], y, {"antenna": [names[a] for a in some]}))
        if not of_time:
            continue
        block.chart(
            Chart(f"phase_time.{intent}.spw{spw}", f"Phases without and with the correction: {intent}, spw {spw}",
                  Axis("time", "UTC", "time"), Axis("phase", "deg"), of_time,
                  caption="Against the reference antenna, first polarisation.")
        )  # fmt: skip
        block.chart(
            Chart(f"phase_distance.{intent}.spw{spw}", f"Phase scatter against distance: {intent}, spw {spw}",
                  Axis("distance to the reference antenna", "m"), Axis("phase rms", "deg"), of_distance,
                  caption="Median over the scans, without and with the correction.")
        )  # fmt: skip

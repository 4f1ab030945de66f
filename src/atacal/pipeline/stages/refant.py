"""Stage refant: the reference antenna, central and with little flagged."""

from __future__ import annotations

import numpy as np

from atacal.errors import PipelineError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.pipeline.block import Block
from atacal.pipeline.stage import stage
from atacal.recipe.refant import count_data, given_refant, rank_antennas

_INTENTS = "AMPLITUDE,BANDPASS,PHASE,DIFFGAINREF,DIFFGAINSRC"


@stage("hif_refant", "Reference antennas", needed=True)
def hif_refant(
    block: Block,
    field: str = "",
    spw: str = "",
    intent: str = _INTENTS,
    hm_refant: str = "automatic",
    refant: str = "",
    geometry: bool = True,
    flagging: bool = True,
    refantignore: str = "",
) -> None:
    """Rank the antennas as references.

    Parameters
    ----------
    field, spw : str
        On what their data are counted; calibrators and science spws by default.
    intent : str
        Today's recipe counts each intent by itself and takes the least share of good data, so that an antenna that is
        flagged on one calibrator does not come first; Cycle 4's counts all together.
    hm_refant : {'automatic', 'manual'}
    refant : str
        With manual: antennas, the best first.
    geometry, flagging : bool
        What counts.
    refantignore : str
        Antennas that are no reference.
    """
    names = block.facts.metadata.antenna_names()
    with MeasurementSet(block.vis) as ms:
        if hm_refant == "manual":
            chosen = list(given_refant(ms, refant))
            _finish(block, chosen, [], "given")
            return
        good = _good_shares(block, ms, field, spw, intent)
    ignored = [names.index(a.strip()) for a in refantignore.split(",") if a.strip() in names]
    good[ignored] = 0
    if not good.any():
        raise PipelineError(f"{block.name}: all data of the calibrators are flagged, or every antenna is ignored")
    positions = block.facts.metadata.antenna_positions_m
    counts = np.round(good * 1e9).astype(np.int64) if flagging else (good > 0).astype(np.int64)
    ranked = rank_antennas(names, positions, counts, np.full(len(names), 1_000_000_000))
    if not geometry:
        ranked = sorted(ranked, key=lambda r: (-r.flag_score, r.name))
    table = [
        {"antenna": r.name, "score": r.score, "distance_m": r.distance_m, "distance_score": r.distance_score,
         "flag_score": r.flag_score, "good_share": float(good[names.index(r.name)])}
        for r in ranked
    ]  # fmt: skip
    _finish(block, [r.name for r in ranked], table, "ranked")


def _good_shares(block: Block, ms: MeasurementSet, field: str, spw: str, intent: str) -> np.ndarray:
    """Return each antenna's share of good data: of all, or the least of the intents'."""
    there = [i for i in intent.split(",") if block.facts.has(i)]
    groups = [there] if block.cycle4 else [[i] for i in there]
    shares = []
    for group in groups:
        fields = field or ",".join(map(str, block.facts.fields(*group)))
        where = Selection(field=fields, spw=spw or block.facts.spw_list, scan=block.facts.scan_list(*group))
        good, total = count_data(ms, select(ms, where, autocorr=False))
        shares.append(good / np.maximum(total, 1))
    if not shares:
        raise PipelineError(f"{block.name}: no scan has an intent of {intent}")
    return np.min(shares, axis=0)


def _finish(block: Block, chosen: list[str], table: list[dict[str, object]], how: str) -> None:
    block.set("refants", chosen)
    block.out.decisions |= {"refants": chosen, "ranking": table, "how": how}
    block.out.score(
        1.0 if chosen else 0.0,
        "refants",
        len(chosen),
        "",
        "reference antennas",
        f"{block.name}: {chosen[0]} comes first",
    )
    block.out.summary = f"{chosen[0]}, then {', '.join(chosen[1:4])}"

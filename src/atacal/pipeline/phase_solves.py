"""Solving a calibrator's phases against time as decided: alone, mapped or combined; and what came of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from atacal.caltables.disk import read_caltable
from atacal.caltables.table import CalTable
from atacal.errors import NoSolutions
from atacal.heuristics.phase_decision import PhaseDecision
from atacal.heuristics.spw_maps import as_spwmap, solved_spws
from atacal.pipeline.block import Block
from atacal.pipeline.callibrary import Applied
from atacal.pipeline.phase_tables import write_for_spws

SPW_MAPS = "spw_maps"
"""Name in the context: how the phases of each calibrator are solved, by its field id."""


@dataclass(frozen=True)
class FieldDecision:
    """How a field's phases are solved, observed with an intent; and the spws that have data."""

    field: int
    intent: str
    usable: tuple[int, ...]
    decision: PhaseDecision

    def plain(self, nspw: int) -> dict[str, Any]:
        """Return plain values; ``spwmap`` is the list that gaincal takes."""
        d = self.decision
        return {
            "field": self.field, "intent": self.intent, "usable": list(self.usable), "combine": d.combine,
            "spwmap": as_spwmap(d.spwmap, nspw), "map": {str(k): v for k, v in d.spwmap.items()}, "solint": d.solint,
            "gaintype": d.gaintype, "snr": d.snr if np.isfinite(d.snr) else None, "limit": d.limit, "reason": d.reason,
        }  # fmt: skip

    @staticmethod
    def of(plain: dict[str, Any]) -> FieldDecision:
        """Read what `plain` gave."""
        decision = PhaseDecision(
            {int(k): v for k, v in plain["map"].items()}, plain["combine"], plain["solint"], plain["gaintype"],
            float("nan") if plain["snr"] is None else plain["snr"], plain["limit"], plain["reason"],
        )  # fmt: skip
        return FieldDecision(plain["field"], plain["intent"], tuple(plain["usable"]), decision)


def decision_for(block: Block, field: int) -> FieldDecision:
    """Return what the phase-up stage decided for a field; every spw alone if nothing."""
    found = block.get(SPW_MAPS, {}).get(str(field))
    if found:
        return FieldDecision.of(found)
    there = {s for c in block.facts.science_scans() if field in c.fields for s in c.spws}
    spws = tuple(s for s in block.facts.science_spws if s in there)
    return FieldDecision(field, "", spws, PhaseDecision())


@dataclass(frozen=True)
class PhaseSolve:
    """A solved table of phases.

    Attributes
    ----------
    table : str
        What is applied, relative to the run directory; empty if nothing could be solved.
    expanded : dict
        Of mapped or combined spws, what `write_for_spws` counted.
    """

    table: str
    expanded: dict[str, int]


def solve_phases(
    block: Block, words: str, decision: PhaseDecision, *, intents: Sequence[str], fields: Sequence[int],
    usable: Sequence[int], solint: str = "", extra: Sequence[Applied] = (), terms: Iterable[str] | None = None,
    **given: Any,
) -> PhaseSolve:  # fmt: skip
    """Solve phases as decided.

    Parameters
    ----------
    block : Block
    words : str
        Names the table.
    decision : PhaseDecision
    intents : sequence of str
    fields, usable : sequence of int
        What to solve on, and the spws that have data.
    solint : str
        In place of the decision's.
    extra, terms
        See `Block.solve`.
    **given
        Other arguments of gaincal.

    Returns
    -------
    PhaseSolve
    """
    target = block.caltable(words)
    first = block.caltable(f"{words}.solved") if decision.mapped else target
    how = {"solint": solint or decision.solint, "gaintype": decision.gaintype, "calmode": "p", **given}
    spws = solved_spws(decision.spwmap, usable) if decision.spwmap else list(usable)
    made = False
    for group in _groups(decision, spws):
        try:
            units = block.solve(
                "gaincal", first, intents=intents, fields=fields, spws=group, extra=extra, terms=terms, append=made,
                combine="spw" if decision.combine else "", **how,
            )  # fmt: skip
        except NoSolutions as error:
            block.out.say("warning", f"{words}: {error}", "the calibrator is too weak or flagged")
            continue
        made = made or bool(units)
    if not made:
        return PhaseSolve("", {})
    if not decision.mapped:
        return PhaseSolve(target, {})
    together = {s: [m for m in spws if decision.spwmap[m] == s] for s in spws} if decision.combine else {}
    counts = write_for_spws(
        block.path(first), block.path(target), block.facts.metadata, decision.spwmap,
        {s: m for s, m in together.items() if m},
    )  # fmt: skip
    block.out.tables.append(target)
    return PhaseSolve(target, counts)


def _groups(decision: PhaseDecision, spws: Sequence[int]) -> list[list[int]]:
    """Divide the spws into those that are solved in one call: tunings that are combined are solved apart."""
    if not decision.combine:
        return [list(spws)]
    of_reference: dict[int, list[int]] = {}
    for spw in spws:
        of_reference.setdefault(decision.spwmap[spw], []).append(spw)
    return list(of_reference.values())


def forced_combination(decision: PhaseDecision, spwmap: dict[int, int]) -> PhaseDecision:
    """Return a decision with the spws combined, whatever it was."""
    return decision if decision.combine else replace(decision, combine=True, spwmap=dict(spwmap))


def median_snr(table: CalTable, npol: dict[int, int]) -> dict[int, float]:
    """Return the median signal to noise of each spw's solutions, flagged ones as 0."""
    out = {}
    for spw, one in table.solutions.items():
        pols = min(npol.get(spw, 2), one.snr.shape[3])
        snr = np.where(one.flag, 0.0, one.snr)[..., :pols]
        observed = ~one.flag.all(axis=(0, 2, 3))  # antennas that have none at all were not observed, or are flagged
        out[spw] = float(np.median(snr[:, observed])) if observed.any() else 0.0
    return out


def read_table(block: Block, relative: str) -> CalTable:
    """Read a table of the run."""
    return read_caltable(Path(block.path(relative)))

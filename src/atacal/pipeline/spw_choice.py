"""Which spws a stage works on: those it is given, or the science spws with data of an intent."""

from __future__ import annotations

from atacal.ms.selection.spw import parse_spw
from atacal.pipeline.block import Block


def chosen_spws(block: Block, spw: str, intent: str) -> list[int]:
    """Return spws: those named, else the science spws; of them those with data of an intent.

    Parameters
    ----------
    block : Block
    spw : str
        In CASA's selection language; empty for the science spws.
    intent : str
        The pipeline's, with commas between several.

    Returns
    -------
    list of int

    Raises
    ------
    SelectionError
        The selection cannot be read.
    """
    facts = block.facts
    there = set(facts.spws_of(*intent.split(",")))
    wanted = sorted(parse_spw(spw, facts.metadata).channels) if spw else facts.science_spws
    return [s for s in wanted if s in there]

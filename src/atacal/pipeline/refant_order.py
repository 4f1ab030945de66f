"""Reference antennas that have lost data go to the end of the list, or from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from atacal.pipeline.block import Block


def demote(block: Block, lost: Mapping[int, Iterable[str]], spws: Iterable[int], what: str) -> dict[str, list[str]]:
    """Take antennas that are flagged in all spws from the references, and put those flagged in some at the end.

    As the pipeline does (infrastructure/refantflag.py); never so that no reference is left.

    Parameters
    ----------
    block : Block
    lost : mapping of int to iterable of str
        Antennas by spw.
    spws : iterable of int
        All spws that were judged.
    what : str
        For the message: what they have lost.

    Returns
    -------
    dict
        ``removed`` and ``demoted``, names of antennas.
    """
    by_spw = {s: set(lost.get(s, ())) for s in spws}
    anywhere = set().union(*by_spw.values()) if by_spw else set()
    everywhere = set.intersection(*by_spw.values()) if by_spw else set()
    order = block.refants
    removed = [a for a in order if a in everywhere]
    if len(removed) == len(order):
        removed = []
    kept = [a for a in order if a not in removed]
    demoted = [a for a in kept if a in anywhere]
    if len(demoted) == len(kept):
        demoted = []
    if removed or demoted:
        block.set("refants", [a for a in kept if a not in demoted] + demoted)
        words = [f"{', '.join(removed)} are no longer among them"] if removed else []
        words += [f"{', '.join(demoted)} come last"] if demoted else []
        block.out.say("attention", f"reference antennas: {'; '.join(words)}: {what}")
    return {"removed": removed, "demoted": demoted}

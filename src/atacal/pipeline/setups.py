"""The two setups of a switched block: the target's windows, and those that its phase calibrator was observed in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atacal.heuristics.diffgain import reference_windows
from atacal.heuristics.spw_maps import as_spwmap
from atacal.pipeline.expected import windows_of
from atacal.pipeline.facts import Facts

REFERENCE, SIGNAL = "DIFFGAINREF", "DIFFGAINSRC"
"""Intents of the differential gain calibrator in either setup."""


@dataclass(frozen=True)
class Setups:
    """The setups of a switched block.

    Attributes
    ----------
    mode : {'BWSW', 'B2B'}
        Bandwidth switching, or band to band.
    signal, reference : tuple of int
        Science spws of the target, and of the phase calibrator.
    reference_of : dict of spw -> spw
        The reference spw of every signal spw.
    fields : tuple of int
        The differential gain calibrators.
    """

    mode: str
    signal: tuple[int, ...]
    reference: tuple[int, ...]
    reference_of: Mapping[int, int]
    fields: tuple[int, ...]

    def spwmap(self, nspw: int) -> tuple[int, ...]:
        """Return the map from signal to reference spws as applycal takes it."""
        return tuple(as_spwmap(self.reference_of, nspw))


def setups_of(facts: Facts) -> Setups | None:
    """Return a block's setups; None if it is not switched."""
    if not facts.mode:
        return None
    signal = tuple(s for s in facts.science_spws if s in facts.spws_of(SIGNAL, "TARGET"))
    reference = tuple(s for s in facts.spws_of(REFERENCE) if s not in signal)
    return Setups(
        facts.mode, signal, reference, reference_windows(windows_of(facts, signal), windows_of(facts, reference)),
        tuple(facts.fields(SIGNAL)),
    )  # fmt: skip


def by_setup(facts: Facts, spws: Sequence[int]) -> list[list[int]]:
    """Divide spws by setup; those of a block that is not switched are together."""
    setups = setups_of(facts)
    if setups is None:
        return [list(spws)]
    rest = [s for s in spws if s not in setups.signal]
    return [part for part in ([s for s in spws if s in setups.signal], rest) if part]

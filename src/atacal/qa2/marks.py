"""What deserves a look: a sentence, where it is, and how far beyond its limit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Mark:
    """Something that deserves a look.

    Attributes
    ----------
    severity : float
        How many times its limit it is: 1 just beyond, 3 and more in any case serious.
    section : str
        The part of the report that shows it.
    subject : str
        Antenna, field, spw.
    text : str
    """

    severity: float
    section: str
    subject: str
    text: str

    @property
    def level(self) -> str:
        """``serious`` (three times its limit) or ``look``."""
        return "serious" if self.severity >= 3 else "look"


def worst_first(marks: Iterable[Mark]) -> list[Mark]:
    """Sort marks: the most serious first, equals by section and subject."""
    return sorted(marks, key=lambda m: (-m.severity, m.section, m.subject, m.text))


def gathered(marks: Iterable[Mark], *, most: int = 6) -> list[Mark]:
    """Join marks that say the same.

    Of one section and text (an antenna in every spw, say) one is left that names its subjects; where a subject has no
    solutions, the mark of the first table says so for all.
    """
    marks = list(marks)
    first: dict[tuple[str, str], str] = {}
    for mark in marks:
        if mark.text.startswith("no solutions"):
            first.setdefault((mark.subject, mark.text), mark.section)
    marks = [m for m in marks if first.get((m.subject, m.text), m.section) == m.section]
    groups: dict[tuple[str, str], list[Mark]] = {}
    for mark in marks:
        groups.setdefault((mark.section, mark.text), []).append(mark)
    out = []
    for (section, text), mine in groups.items():
        subjects = list(dict.fromkeys(m.subject for m in mine))
        named = ", ".join(subjects[:most]) + (f" and {len(subjects) - most} more" if len(subjects) > most else "")
        out.append(Mark(max(m.severity for m in mine), section, named, text))
    return worst_first(out)

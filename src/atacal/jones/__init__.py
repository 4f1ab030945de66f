"""The terms of the measurement equation, one file each, and which calibration table holds which."""

from __future__ import annotations

from atacal.errors import CaltableError
from atacal.jones.bandpass import BPOLY, B
from atacal.jones.base import Parameters, Sky, Term
from atacal.jones.delay import K
from atacal.jones.gain import G, T
from atacal.jones.opacity import OPACITY
from atacal.jones.position import ANTENNA_POSITION
from atacal.jones.tsys import TSYS

TERMS = {term.kind: term for term in (G, T, B, BPOLY, K, TSYS, ANTENNA_POSITION, OPACITY)}
"""Terms by CASA's VisCal name."""

__all__ = ["TERMS", "Parameters", "Sky", "Term", "term_of"]


def term_of(kind: str, table: str) -> Term:
    """Return the term that a calibration table of a kind holds.

    Raises
    ------
    CaltableError
        If tables of this kind cannot be applied.
    """
    try:
        return TERMS[kind]
    except KeyError:
        raise CaltableError(
            f"{table}: tables of type {kind!r} cannot be applied; those that can: {', '.join(sorted(TERMS))}"
        ) from None

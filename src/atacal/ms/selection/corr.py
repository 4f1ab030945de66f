"""Correlation selection: ``XX,YY``, ``RR``, ``0:XX;1:YY``."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from atacal.errors import EmptySelection, SelectionError
from atacal.ms.metadata import CORR_NAMES, Metadata
from atacal.ms.selection.patterns import listed
from atacal.ms.selection.spw import parse_spw

_KNOWN = set(CORR_NAMES.values())


def parse_correlation(text: str, meta: Metadata) -> tuple[dict[int, NDArray[np.bool_]], set[int]]:
    """Read a correlation expression.

    Parameters
    ----------
    text : str
        ``[spw:]corr,corr[;[spw:]corr...]``; empty means all. Blanks may stand for the commas.
    meta : Metadata

    Returns
    -------
    corrs : dict of polarization id -> bool (corr,)
        Only setups that have every correlation asked for, as in CASA.
    ddids : set of int
        The data descriptions that the selection leaves.

    Raises
    ------
    SelectionError
    EmptySelection
    """
    if not text.strip():
        return {p.id: np.ones(p.ncorr, bool) for p in meta.pols}, {d.id for d in meta.ddids}
    corrs: dict[int, NDArray[np.bool_]] = {}
    ddids: set[int] = set()
    for part in text.split(";"):
        spw_text, _, names_text = part.rpartition(":")
        names = names_text.upper().replace(",", " ").split()
        if not names:
            raise SelectionError(_message(text, f"{part!r} names no correlation", meta))
        if unknown := [n for n in names if n not in _KNOWN]:
            raise SelectionError(_message(text, f"{listed(unknown)} is no correlation", meta))
        spws = set(parse_spw(spw_text, meta).channels)
        _add(names, spws, meta, corrs, ddids)
    if not ddids:
        raise EmptySelection(_message(text, "no data have all of these correlations", meta))
    return corrs, ddids


def _add(
    names: Iterable[str], spws: set[int], meta: Metadata, corrs: dict[int, NDArray[np.bool_]], ddids: set[int]
) -> None:
    wanted = set(names)
    for pol in meta.pols:
        if not wanted <= set(pol.corrs):
            continue
        found = {d.id for d in meta.ddids if d.pol == pol.id and d.spw in spws}
        if found:
            ddids |= found
            mask = corrs.setdefault(pol.id, np.zeros(pol.ncorr, bool))
            mask |= np.array([c in wanted for c in pol.corrs], bool)


def _message(text: str, why: str, meta: Metadata) -> str:
    there = listed([f"{p.id}: {' '.join(p.corrs)}" for p in meta.pols])
    return (
        f"correlation selection {text!r}: {why}. Write correlations joined by ',', with an spw before a ':' if need "
        f"be, several joined by ';'; the setups of {meta.path} are {there}"
    )

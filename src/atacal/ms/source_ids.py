"""One SOURCE_ID for each source: FIELD and SOURCE made to agree."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import InvalidTable
from atacal.ms._tables import opened

SAME_PLACE_RAD = np.deg2rad(200e-6 / 3600)
"""Directions of one source may differ by rounding: 0.2 milliarcseconds."""


@dataclass(frozen=True)
class SourceRepair:
    """What was changed: rows of FIELD, rows of SOURCE, and SOURCE rows whose direction no field has (by name)."""

    fields: int
    sources: int
    elsewhere: tuple[str, ...]


def repair_source_ids(ms: str | os.PathLike[str]) -> SourceRepair:
    """Number the sources by name and direction, in the order of FIELD, and write these numbers into FIELD and SOURCE.

    Some single-dish and early data have SOURCE_IDs that do not agree (ALMA's ticket CSV-2555). A source that moves (an
    ephemeris) has rows of SOURCE with other directions than its field: they get the number of the first source of
    their name.

    Parameters
    ----------
    ms : path

    Returns
    -------
    SourceRepair

    Raises
    ------
    InvalidTable
        If FIELD has a name that SOURCE has not, or a direction that none of several sources of its name has.
    NoSuchTable, TableLocked, WriteError
    """
    path = os.path.join(ms, "SOURCE")
    with opened(path) as tab:
        names = [str(n) for n in tab.getcol("NAME")] if tab.nrows() else []
        places = np.asarray(tab.getcol("DIRECTION"), np.float64).reshape(-1, 2) if tab.nrows() else np.zeros((0, 2))
        old_sources = np.asarray(tab.getcol("SOURCE_ID")) if tab.nrows() else np.zeros(0, np.int32)
    if not names:
        raise InvalidTable(f"{path} has no rows")
    found: list[tuple[str, NDArray[np.float64]]] = []
    with opened(os.path.join(ms, "FIELD")) as tab:
        field_names = [str(n) for n in tab.getcol("NAME")]
        centres = [np.ravel(tab.getcell("PHASE_DIR", row))[:2] for row in range(tab.nrows())]
        old_fields = np.asarray(tab.getcol("SOURCE_ID"))
    new_fields = old_fields.copy()
    for row, (name, centre) in enumerate(zip(field_names, centres, strict=True)):
        mine = places[[k for k, other in enumerate(names) if other == name]]
        if not len(mine):
            raise InvalidTable(f"{ms}: FIELD has {name}, which is not in SOURCE ({', '.join(sorted(set(names)))})")
        new_fields[row] = _number(found, name, _place(mine, centre, f"{ms}: field {row} ({name})"))
    new_sources, elsewhere = old_sources.copy(), []
    for row, (name, place) in enumerate(zip(names, places, strict=True)):
        same = [k for k, (other, _) in enumerate(found) if other == name]
        there = [k for k in same if _separation(found[k][1], place) < SAME_PLACE_RAD]
        if same and not there:
            elsewhere.append(name)
        if same:  # a source that no field has keeps its number
            new_sources[row] = (there or same)[0]
    for table, new, old in (("FIELD", new_fields, old_fields), ("SOURCE", new_sources, old_sources)):
        if np.any(new != old):
            with opened(os.path.join(ms, table), writable=True) as tab:
                tab.putcol("SOURCE_ID", new)
    changed = [int(np.count_nonzero(new != old)) for new, old in ((new_fields, old_fields), (new_sources, old_sources))]
    return SourceRepair(changed[0], changed[1], tuple(sorted(set(elsewhere))))


def _place(sources: NDArray[np.float64], centre: NDArray[np.float64], where: str) -> NDArray[np.float64]:
    """Return the direction of a field's source: the only one of its name, or the one where the field is."""
    if len(np.unique(sources, axis=0)) == 1:
        return sources[0]
    distance = [_separation(s, centre) for s in sources]
    if min(distance) >= SAME_PLACE_RAD:
        raise InvalidTable(
            f"{where} lies {np.rad2deg(min(distance)) * 3600:.3f} arcsec from the nearest of its sources"
        )
    return centre


def _number(found: list[tuple[str, NDArray[np.float64]]], name: str, place: NDArray[np.float64]) -> int:
    for k, (other, there) in enumerate(found):
        if other == name and _separation(there, place) < SAME_PLACE_RAD:
            return k
    found.append((name, place))
    return len(found) - 1


def _separation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Return the angle between two directions [rad], exact for small ones."""
    half = np.sin((first[1] - second[1]) / 2) ** 2
    half += np.cos(first[1]) * np.cos(second[1]) * np.sin((first[0] - second[0]) / 2) ** 2
    return float(2 * np.arcsin(np.sqrt(min(half, 1.0))))

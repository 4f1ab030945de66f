"""Joining the ephemerides that a field has in several MeasurementSets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from atacal.errors import ArgumentError
from atacal.ms._concat_fields import ephemeris_path
from atacal.ms._tables import opened
from atacal.ms.metadata import ephemeris_ids, read_fields

_STEP_TOLERANCE = 1e-6  # of a step
_GRID_TOLERANCE = 1e-4  # of a step
_NO_PLACE = ("RA", "DEC", "Rho", "RadVel", "diskLong", "diskLat")


def join_ephemerides(target: str, others: Sequence[str], fields: Sequence[str | int]) -> None:
    """Let the ephemerides of some fields cover the times of all MeasurementSets.

    Parameters
    ----------
    target : str
        The MeasurementSet whose tables grow.
    others : sequence of str
        Further MeasurementSets, in the order of their times.
    fields : sequence of str or int
        Names or ids.

    Raises
    ------
    ArgumentError
        If a field follows no ephemeris in one of them, or the ephemerides are not on one grid of times.
    """
    for field in fields:
        base = _table_of(target, field)
        for other in others:
            _append(base, _table_of(other, field), field)


def _table_of(ms: str, field: str | int) -> Path:
    ids, all_fields = ephemeris_ids(ms), read_fields(ms)
    found = [f.id for f in all_fields if f.id == field or f.name == field or str(f.id) == str(field)]
    follows = [i for i in found if ids and ids[i] >= 0]
    if not follows:
        with_one = [f.name for f in all_fields if ids and ids[f.id] >= 0]
        raise ArgumentError(
            f"forcesingleephemfield={field!r}: no such field follows an ephemeris in {ms}; "
            f"those that do: {', '.join(with_one) or 'none'}"
        )
    return ephemeris_path(ms, ids[follows[0]])


def _append(base: Path, other: Path, field: str | int) -> None:
    """Append what lies behind the end; times in between get rows without a place, as the grid has to be even."""
    with opened(base, writable=True) as tab, opened(other) as more:
        mine, theirs = np.asarray(tab.getcol("MJD")), np.asarray(more.getcol("MJD"))
        step, step2 = float(mine[1] - mine[0]), float(theirs[1] - theirs[0])
        offset = (float(theirs[0]) - float(mine[-1])) / step
        if abs(step2 - step) > _STEP_TOLERANCE * step or abs(offset - round(offset)) > _GRID_TOLERANCE:
            raise ArgumentError(
                f"forcesingleephemfield={field!r}: {other} has steps of {step2:g} d from MJD {theirs[0]:.6f}, {base} "
                f"of {step:g} d from MJD {mine[0]:.6f}: they are not on one grid of times and cannot be joined"
            )
        gap = max(0, round(offset) - 1)
        skip = max(0, 1 - round(offset))
        if skip >= len(theirs):
            return
        row0 = tab.nrows()
        tab.addrows(gap + len(theirs) - skip)
        if gap:
            tab.putcol("MJD", mine[-1] + step * np.arange(1, gap + 1), row0, gap)
            for column in set(_NO_PLACE) & set(tab.colnames()):
                tab.putcol(column, np.zeros(gap), row0, gap)
        more.copyrows(tab, skip, row0 + gap, len(theirs) - skip)
        if "latest" in tab.getkeywords():
            latest = dict(tab.getkeyword("latest"))
            latest["m0"] = dict(latest["m0"]) | {"value": float(theirs[-1])}
            tab.putkeyword("latest", latest)

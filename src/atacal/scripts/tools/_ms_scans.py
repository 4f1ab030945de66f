"""``ms.getscansummary``: the stretches of a scan that have one field, state and set of data descriptions."""

from __future__ import annotations

from typing import Any

import numpy as np

from atacal.scripts.tools._msmd_base import MsFacts

DAY_S = 86400.0


def scan_summary(facts: MsFacts) -> dict[str, Any]:
    """Return CASA's dictionary by scan and stretch, in the order of time."""
    runs = facts.runs
    order = np.argsort(runs.time, kind="stable")
    cuts = np.flatnonzero(np.diff(runs.time[order]) != 0) + 1
    out: dict[str, Any] = {}
    last: tuple[Any, ...] = ()
    piece: list[np.ndarray] = []
    for slot in np.split(order, cuts):
        for scan in np.unique(runs.scan[slot]).tolist():
            mine = slot[runs.scan[slot] == scan]
            key = (scan, *(tuple(np.unique(v[mine]).tolist()) for v in (runs.field, runs.state, runs.ddid)))
            if key != last and piece:
                _add(out, facts, np.concatenate(piece))
                piece = []
            piece.append(mine)
            last = key
    if piece:
        _add(out, facts, np.concatenate(piece))
    return out


def _add(out: dict[str, Any], facts: MsFacts, piece: np.ndarray) -> None:
    runs = facts.runs
    entries = out.setdefault(str(int(runs.scan[piece[0]])), {})
    entries[str(len(entries))] = {
        "BeginTime": float(runs.time[piece].min() / DAY_S),
        "EndTime": float(runs.time[piece].max() / DAY_S),
        "DDIds": np.unique(runs.ddid[piece]).astype(np.int64),
        "FieldId": int(runs.field[piece[0]]),
        "IntegrationTime": float(np.average(runs.interval[piece], weights=runs.nrow[piece])),
        "SpwIds": np.unique(facts.spw[piece]).astype(np.int64),
        "StateId": int(runs.state[piece[0]]),
        "nRow": int(runs.nrow[piece].sum()),
    }

"""Tables to be applied, kept for a while: recipes apply the same ones field by field."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from atacal.caltables.disk import read_caltable
from atacal.caltables.table import CalTable
from atacal.memory import is_bounded

_KEPT_BYTES = 48 << 20
_SETTLED_S = 0.1
"""A table changed more lately than this is not kept: a change at once would not show in the times of its files."""
_State = tuple[tuple[str, int, int], ...]
_kept: OrderedDict[Path, tuple[_State, CalTable]] = OrderedDict()


def table_to_apply(path: str | os.PathLike[str]) -> CalTable:
    """Return a table without the errors of its solutions, from memory if it has not changed since it was read.

    The arrays are shared and cannot be written to. Small tables are kept only, and none where the memory is bounded.

    Raises
    ------
    NoSuchTable, InvalidTable, CaltableError, TableLocked
        As `read_caltable`.
    """
    name = Path(os.path.abspath(path))
    now = _state(name)
    entry = _kept.pop(name, None)
    if entry is not None and entry[0] == now:
        _kept[name] = entry
        return entry[1]
    table = read_caltable(path, errors=False)
    settled = now and time.time_ns() - max(changed for _, _, changed in now) > _SETTLED_S * 1e9
    if settled and not is_bounded() and _state(name) == now:
        for array in _arrays(table):
            array.flags.writeable = False
        _kept[name] = (now, table)
        while sum(_bytes(t) for _, t in _kept.values()) > _KEPT_BYTES:
            _kept.popitem(last=False)
    return table


def _state(folder: Path) -> _State:
    """Return name, size and time of change [ns] of every file of a table."""
    found = []
    for place, _, names in os.walk(folder):
        for file in names:
            if file != "table.lock":
                info = os.stat(os.path.join(place, file))
                found.append((os.path.join(place, file), info.st_size, info.st_mtime_ns))
    return tuple(sorted(found))


def _arrays(table: CalTable) -> Iterator[NDArray]:
    for solutions in table.solutions.values():
        yield from (a for a in vars(solutions).values() if isinstance(a, np.ndarray))


def _bytes(table: CalTable) -> int:
    return sum(a.nbytes for a in _arrays(table) if any(a.strides))  # errors that were not read take nothing

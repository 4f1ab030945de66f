"""Which source each field shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from atacal.errors import ArgumentError
from atacal.ms.metadata import Metadata
from atacal.ms.wvr_tables import read_source_names


@dataclass(frozen=True, eq=False)
class Sources:
    """Which source each field is, (field,), and the sources' names by id."""

    of_field: NDArray[np.int32]
    names: dict[int, str]

    def ids(self, wanted: Sequence[str], parameter: str) -> frozenset[int]:
        """Return the ids of sources given by name, or by id where no source has that name.

        Raises
        ------
        ArgumentError
            Naming the parameter, if one is not known.
        """
        out: set[int] = set()
        for item in (str(w).strip() for w in wanted):
            named = {i for i, name in self.names.items() if name == item}
            if not named and item.isdigit() and int(item) in self.names:
                named = {int(item)}
            if not named:
                known = ", ".join(dict.fromkeys(self.names.values()))
                raise ArgumentError(f"{parameter}: there is no source {item!r}; there are {known}")
            out |= named
        return frozenset(out)


def find_sources(metadata: Metadata) -> Sources:
    """Return the sources of the fields; fields stand for themselves where they have none."""
    ids = np.array([f.source_id for f in metadata.fields], np.int32)
    if len(ids) == 0 or (ids < 0).any():
        return Sources(np.arange(len(ids), dtype=np.int32), {f.id: f.name for f in metadata.fields})
    names = {f.source_id: f.name for f in metadata.fields} | read_source_names(metadata.path)
    return Sources(ids, {i: n for i, n in names.items() if i in set(ids.tolist())})


def fields_named(metadata: Metadata, sources: Sources, field: str, source: str) -> NDArray[np.int32] | None:
    """Return the fields that ``statsource``, or else ``statfield``, names; None for all.

    Raises
    ------
    ArgumentError
    """
    if source:
        return np.flatnonzero(np.isin(sources.of_field, list(sources.ids([source], "statsource")))).astype(np.int32)
    if not field:
        return None
    named = [f.id for f in metadata.fields if f.name == field]
    if not named and field.isdigit() and int(field) < len(metadata.fields):
        named = [int(field)]
    if not named:
        raise ArgumentError(f"statfield: there is no field {field!r}; there are {', '.join(metadata.field_names())}")
    return np.array(named, np.int32)

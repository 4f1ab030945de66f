"""Edge channels."""

from __future__ import annotations

from pathlib import Path

import pytest
from casacore.tables import table

from atacal.errors import ArgumentError
from atacal.flags.edges import edge_channels
from atacal.ms.metadata import read_metadata
from atacal.tasks.flagdata import flagdata


def test_edges_are_flagged(sim_ms: Path) -> None:
    meta = read_metadata(sim_ms)
    flagdata(str(sim_ms), mode="unflag", flagbackup=False)
    flagdata(str(sim_ms), spw=edge_channels(meta, channels=2), flagbackup=False)
    with table(str(sim_ms), ack=False) as tab:
        cell = tab.getcell("FLAG", 0)
    assert cell[[0, 1, -2, -1]].all()
    assert not cell[2:-2].any()


def test_nothing_or_everything_is_refused(sim_ms: Path) -> None:
    meta = read_metadata(sim_ms)
    for what in ({"channels": 0}, {"fraction": 0.5}, {"spws": [99], "channels": 1}):
        with pytest.raises(ArgumentError):
            edge_channels(meta, **what)  # type: ignore[arg-type]

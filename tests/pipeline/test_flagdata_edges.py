"""Which channels at the edges of spws are flagged a priori."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from atacal.pipeline.stages.flagdata import _edges
from atacal.simulate import simulate


def spw(width_hz: float, nchan: int, *, number: int = 0, centre_hz: float = 230e9, baseband: int = 1):
    step = width_hz / nchan
    freq = centre_hz + step * (np.arange(nchan) - (nchan - 1) / 2)
    return SimpleNamespace(
        id=number, nchan=nchan, chan_freq_hz=freq, chan_width_hz=np.full(nchan, step), centre_freq_hz=centre_hz,
        bbc_no=baseband, freq_group=0, total_bandwidth_hz=width_hz,
    )  # fmt: skip


def facts(*spws, npol: int = 2, seven: bool = False):
    return SimpleNamespace(spws=spws, npol=lambda _: npol, seven_metres=seven, metadata=SimpleNamespace(spws=spws))


@pytest.mark.parametrize(
    ("width_hz", "nchan", "npol", "expected"),
    [
        (2e9, 64, 4, "0~1;62~63"),
        (2e9, 128, 2, "0~3;124~127"),
        (2e9, 256, 1, "0~7;248~255"),
        (1.875e9, 3840, 2, None),
        (2e9, 4096, 2, "0~127;3968~4095"),
        (58.6e6, 128, 2, None),  # an FDM spw of few channels is no TDM spw
        (117e6, 64, 4, None),
        (2e9, 124, 2, "0~5;118~123"),
    ],
)
def test_edges(width_hz, nchan, npol, expected):
    found = _edges(facts(spw(width_hz, nchan), npol=npol), 0.03125, 0.048387)
    assert found.get(0) == expected


def test_narrow_spws_of_the_compact_array_keep_off_the_edge_of_the_baseband():
    wide = spw(2e9, 128, number=0)
    near = spw(62.5e6, 512, number=1, centre_hz=230e9 + 1e9 - 31.25e6)
    far = spw(62.5e6, 512, number=2)
    found = _edges(facts(wide, near, far, seven=True), 0.03125, 0.048387)
    assert 2 not in found
    first, last = map(int, found[1].split("~"))
    assert last == 511
    assert (last - first + 1) * 62.5e6 / 512 == pytest.approx(5e6, rel=0.05)


def test_sources_with_whole_numbers_for_names(tmp_path):
    """Names of sources that look like ids must not be taken for them (a known trap of wvrgcal)."""
    from casacore.tables import table

    from atacal.pipeline.run import Run

    vis = str(tmp_path / "N.ms")
    simulate(vis, raw=True, fluxcal="sso", seed=5, faults="none")
    for name, column in (("FIELD", "NAME"), ("SOURCE", "NAME")):
        with table(f"{vis}/{name}", readonly=False, ack=False) as tab:
            names = {"J1650-2943": "3", "IRAS_16293-2422": "2"}
            for row in range(tab.nrows()):
                tab.putcell(column, row, names.get(tab.getcell(column, row), tab.getcell(column, row)))
    with Run(tmp_path / "run") as run:
        for task in ("hifa_importdata", "hifa_flagdata", "hif_refant", "h_tsyscal", "hifa_wvrgcalflag"):
            result = run.call(task, {"vis": [vis]} if task == "hifa_importdata" else {})
    assert result["score"] > 0.5
    assert not any(s["metric"] == "failed" for o in result["blocks"].values() for s in o["scores"])

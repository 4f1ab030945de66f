"""Phases of combined or mapped spws, written out for every spw."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from casacore.tables import table as opened

from atacal.caltables.disk import read_caltable
from atacal.caltables.library import Library
from atacal.ms.metadata import read_metadata
from atacal.pipeline.phase_tables import write_for_spws
from atacal.tasks import gaincal


@pytest.fixture
def winding(sim_ms: Path, tmp_path: Path) -> tuple[Path, float]:
    """Combined phases of a path that grows over many turns; and the rate of antenna 1 [m a solution]."""
    path, rate = tmp_path / "combined.g", 1e-4
    gaincal(vis=str(sim_ms), caltable=str(path), solint="int", combine="spw", calmode="p", gaintype="T", minsnr=0.0)
    meta = read_metadata(sim_ms)
    freq = np.mean([s.centre_freq_hz for s in meta.spws])
    with opened(str(path), readonly=False, ack=False) as tab:
        time, antenna = tab.getcol("TIME"), tab.getcol("ANTENNA1")
        number = np.searchsorted(np.unique(time), time)
        phase = 2 * np.pi * freq / 299792458.0 * rate * antenna * number
        tab.putcol("CPARAM", np.exp(1j * phase).astype(np.complex64)[:, None, None])
        tab.putcol("FLAG", np.zeros((len(time), 1, 1), bool))
    return path, rate


def test_paths_are_followed(sim_ms, winding, tmp_path):
    path, rate = winding
    meta = read_metadata(sim_ms)
    counts = write_for_spws(path, tmp_path / "each.g", meta, {0: 0, 1: 0}, {0: [0, 1]})
    assert counts["wrapped"] > 0
    made = read_caltable(tmp_path / "each.g")
    assert sorted(made.solutions) == [0, 1]
    assert made.kind == "T Jones"
    for spw, one in made.solutions.items():
        per_solution = 2 * np.pi * meta.spws[spw].centre_freq_hz / 299792458.0 * rate
        number = np.arange(one.nslot)
        for antenna in (1, 3):
            away = np.angle(one.param[:, antenna, 0, 0] * np.exp(-1j * per_solution * antenna * number))
            # the right slope at all times: one constant is left, where the turns were counted from
            assert np.ptp(np.unwrap(away)) < 1e-3
        assert not one.flag.any()


def test_the_table_needs_no_map(sim_ms, winding, tmp_path):
    write_for_spws(winding[0], tmp_path / "each.g", read_metadata(sim_ms), {0: 0, 1: 0}, {0: [0, 1]})
    library = Library.build(read_metadata(sim_ms), [str(tmp_path / "each.g")])
    library.check_spws([0, 1])


def test_mapped_spws_take_the_phases_of_another(sim_ms, tmp_path):
    path = tmp_path / "one.g"
    gaincal(vis=str(sim_ms), caltable=str(path), spw="0", solint="inf", calmode="p", refant="0")
    counts = write_for_spws(path, tmp_path / "both.g", read_metadata(sim_ms), {0: 0, 1: 0}, {})
    before, after = read_caltable(path), read_caltable(tmp_path / "both.g")
    assert counts["series"] > 0
    assert before.kind == after.kind == "G Jones"
    good = ~before.solutions[0].flag
    np.testing.assert_allclose(after.solutions[0].param[good], before.solutions[0].param[good], atol=1e-5)
    np.testing.assert_array_equal(after.solutions[1].flag, before.solutions[0].flag)
    meta = read_metadata(sim_ms)
    ratio = meta.spws[1].centre_freq_hz / meta.spws[0].centre_freq_hz
    small = good & (np.abs(np.angle(before.solutions[0].param)) < 1.0)
    want = ratio * np.angle(before.solutions[0].param[small])
    got = np.angle(after.solutions[1].param[small])
    turns = (got - want) / (2 * np.pi * (ratio - 1))  # of antennas whose phases cross half a turn at another time
    assert np.abs(turns - np.round(turns)).max() < 1e-2

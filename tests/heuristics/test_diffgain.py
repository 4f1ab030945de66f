"""Differential gains: maps, groups of scans, doubtful solutions, scores."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.heuristics.diffgain import (
    Doubt,
    doubts,
    reference_windows,
    residuals,
    scan_groups,
    score_combined,
    score_residual,
)
from atacal.heuristics.spw_maps import Window

LOW = [Window(17, 2e9, 140e9, 1, 4), Window(19, 2e9, 142e9, 2, 4), Window(21, 2e9, 154e9, 2, 4)]
HIGH = [Window(25, 2e9, 398e9, 1, 8), Window(27, 2e9, 400e9, 2, 8), Window(29, 2e9, 410e9, 3, 8)]


def test_a_window_is_served_by_that_of_its_baseband_with_the_nearest_centre():
    assert reference_windows(HIGH, LOW) == {25: 17, 27: 21, 29: 21}
    assert reference_windows(HIGH, LOW[:1]) == {25: 17, 27: 17, 29: 17}
    with pytest.raises(ArgumentError, match="no reference window"):
        reference_windows(HIGH, [])


def test_scans_of_a_visit():
    assert scan_groups([5, 7, 9, 11, 79, 81, 83]) == [(5, 7, 9, 11), (79, 81, 83)]
    assert scan_groups([5, 8, 12]) == [(5, 8), (12,)]
    assert scan_groups([]) == []


@given(st.lists(st.integers(1, 200)))
def test_groups_hold_every_scan_once_and_are_apart(scans):
    groups = scan_groups(scans)
    assert [s for g in groups for s in g] == sorted(set(scans))
    for before, after in itertools.pairwise(groups):
        assert after[0] - before[-1] > 3


def test_doubts():
    good = np.zeros((2, 4, 2), bool)
    bad = good.copy()
    bad[:, :2, 1] = True  # half of one receptor's
    few = np.zeros((1, 4, 2), bool)
    flags = {1: good, 2: bad, 3: few}
    scans = {1: [4, 6], 2: [4, 6], 3: [4]}
    assert doubts(flags, scans, [1], 2) == []
    assert doubts(flags, scans, [1, 2, 3, 9], 4) == [
        Doubt(2, "flagged", 0.5, 0.5), Doubt(3, "scans missing", 0.75, 0.7), Doubt(9, "absent", 1.0, 1.0)
    ]  # fmt: skip
    assert doubts(flags, scans, [2], 2, flagged_limit=0.51) == []


def test_scores_of_tables():
    assert [score_combined(*x) for x in ((False, False), (True, True), (False, True))] == [1.0, 0.9, 0.66]


def test_residuals_leave_out_flags_and_the_reference_antenna():
    phase = np.zeros((2, 3, 2))
    phase[0, 1], phase[1, 1], phase[:, 2], phase[:, 0] = 10, -10, 5, 170
    flag = np.zeros(phase.shape, bool)
    phase[0, 2], flag[0, 2] = 99, True
    found = residuals(phase, np.full(phase.shape, 20.0), flag, 0)
    assert found is not None
    assert found.mean_deg == pytest.approx(5 / 3)
    assert found.rms_deg == pytest.approx(np.std([10, 10, -10, -10, 5, 5]))
    assert (found.most_deg, found.worst, found.snr) == (10, 1, 20)
    assert residuals(phase, phase, np.ones_like(flag), 0) is None


def test_scores_of_residuals():
    assert [score_residual(v, 50.0) for v in (10, -40, 60, 80)] == [1.0, 0.9, pytest.approx(0.67), 0.66]
    assert score_residual(80.0, 4.0) == 0.9

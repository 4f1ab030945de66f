"""Choice of the reference antenna."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.selection import Selection, select
from atacal.recipe.refant import count_data, distances_m, given_refant, rank_antennas
from atacal.simulate.array import SITE_ITRF_M, enu_axes


def itrf(east_m):
    enu = np.zeros((len(east_m), 3))
    enu[:, 0] = east_m
    return SITE_ITRF_M + enu @ enu_axes()


def test_distance_and_flagging_scores_are_the_pipelines():
    positions = itrf([0.0, 100.0, -200.0, 10.0, -50.0])
    good = np.array([50, 100, 100, 0, 100])
    ranked = {r.name: r for r in rank_antennas(list("ABCDE"), positions, good, np.full(5, 100))}
    assert set(ranked) == set("ABCE")  # D has no good data
    # N = 4; the median of those that count is at -25 m, the farthest 175 m away
    assert ranked["A"].distance_m == pytest.approx(25, abs=0.1)
    assert ranked["A"].distance_score == pytest.approx(4 * (1 - 25 / 175), abs=0.01)
    assert ranked["A"].flag_score == pytest.approx(2.0)
    assert ranked["A"].flagged == pytest.approx(0.5)
    assert ranked["C"].distance_score == pytest.approx(0.0, abs=1e-6)
    assert max(ranked.values(), key=lambda r: r.score).name == "E"


@given(st.permutations(range(6)))
def test_the_order_of_the_antennas_does_not_matter(order):
    east, good = np.array([0.0, 30, 80, -60, 200, -10]), np.array([90, 100, 80, 70, 100, 20])
    order = np.array(order)
    names = np.array(list("ABCDEF"))
    straight = rank_antennas(list(names), itrf(east), good, np.full(6, 100))
    mixed = rank_antennas(list(names[order]), itrf(east[order]), good[order], np.full(6, 100))
    assert [r.name for r in straight] == [r.name for r in mixed]


def test_height_does_not_count():
    lifted = itrf([0.0, 100.0, -100.0]) + np.outer([0, 0, 1], enu_axes()[2]) * 30
    np.testing.assert_allclose(distances_m(lifted)[1], distances_m(itrf([0.0, 100.0, -100.0]))[1], atol=0.5)


def test_antennas_without_good_data_make_no_ranking():
    assert rank_antennas(["A", "B"], itrf([0.0, 1.0]), np.zeros(2, int), np.ones(2, int)) == []


def test_good_data_are_counted_from_the_flags(sim_ms):
    with MeasurementSet(sim_ms, writable=True) as ms:
        flag, a1, a2 = (ms.table.getcol(c) for c in ("FLAG", "ANTENNA1", "ANTENNA2"))
        flag[(a1 == 3) | (a2 == 3), :10] = True
        ms.table.putcol("FLAG", flag)
        ms.flush()
        good, total = count_data(ms, select(ms, Selection(), autocorr=False))
    for antenna in range(8):
        rows = (a1 == antenna) | (a2 == antenna)
        assert good[antenna] == (~flag[rows]).sum()
        assert total[antenna] == flag[rows].size


def test_a_given_reference_is_checked(sim_original):
    with MeasurementSet(sim_original) as ms:
        names = ms.metadata.antenna_names()
        assert given_refant(ms, f"{names[2]}, 4") == [names[2], names[4]]
        assert given_refant(ms, "") == []
        with pytest.raises(ArgumentError, match=names[0]):
            given_refant(ms, "EA01")

"""Flagging views and the rules that judge them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.heuristics.view_rules import (
    BadAntenna,
    BadQuadrant,
    MaxAbs,
    MinAbs,
    NMedian,
    Outlier,
    TooManyEntirely,
    TooManyFlags,
)
from atacal.heuristics.views import View, flag_view, iterate


def view(values, flag=None, axes=("antenna", "time"), labels=None, absent=None):
    values = np.asarray(values, float)
    flag = np.zeros(values.shape, bool) if flag is None else np.asarray(flag)
    labels = labels or (range(values.shape[0]), range(values.shape[1]))
    return View(values, flag, axes, labels, {"spw": 17}, absent)


NOISE = np.random.default_rng(3).normal(10, 1, (8, 12))


def test_outliers_are_counted_in_unscaled_mads():
    values = NOISE.copy()
    values[2, 5] = 30
    judged = flag_view(view(values), [Outlier(10)])
    median = np.median(values)
    mad = np.median(np.abs(values - median))
    assert np.argwhere(judged.flag).tolist() == [[2, 5]]
    (found,) = judged.proposals
    assert found.value == pytest.approx((30 - median) / mad)
    assert (found.threshold, found.rule, found.extent()) == (10, "outlier", {"antenna": [2], "time": [5]})
    assert found.why() == f"outlier: |x - median| / MAD {found.value:.4g}, limit 10"


@pytest.mark.parametrize(("side", "hit"), [("both", [3, 6]), ("high", [3]), ("low", [6])])
def test_sides_of_outliers(side, hit):
    values = NOISE.copy()
    values[0, 3], values[0, 6] = 40, -20
    judged = flag_view(view(values), [Outlier(15, side=side)])
    assert np.argwhere(judged.flag).tolist() == [[0, j] for j in hit]


def test_few_samples_are_not_judged_for_outliers():
    assert not flag_view(view([[1, 1, 1, 99]]), [Outlier(5, minsample=5)]).proposals
    assert flag_view(view([[1, 1, 1, 1, 99]]), [Outlier(5, minsample=5)]).proposals


def test_neighbouring_channels_make_one_proposal_with_the_worst_number():
    values = np.random.default_rng(1).normal(0, 1, (64, 3))
    values[10:14, 1] = [50, 80, 60, 50]
    judged = flag_view(view(values, axes=("channel", "baseline"), labels=(range(64), [(0, 1), (0, 2), (1, 2)])),
                       [Outlier(20)])  # fmt: skip
    (found,) = judged.proposals
    assert found.extent() == {"channel": [10, 11, 12, 13], "baseline": [(0, 2)]}
    mad = np.median(np.abs(values - np.median(values)))
    assert found.value == pytest.approx((80 - np.median(values)) / mad)


def test_absolute_limits():
    values = [[1.0, -5.0, 0.01]]
    assert flag_view(view(values), [MaxAbs(4)]).flag.tolist() == [[False, True, False]]
    assert flag_view(view(values), [MaxAbs(4, signed=True)]).flag.tolist() == [[False, False, False]]
    assert flag_view(view(values), [MinAbs(0.1)]).flag.tolist() == [[False, False, True]]


def test_nmedian_is_relative_to_the_median_and_does_not_see_what_is_flagged():
    values = [[100.0, 102, 98, 100, 205, 40, 900]]
    flag = [[False] * 6 + [True]]
    judged = flag_view(view(values, flag), [NMedian(0.5, 2.0)])
    assert judged.flag.tolist() == [[False] * 4 + [True] * 3]
    assert {(p.value, p.threshold) for p in judged.proposals} == {(2.05, 2.0), (0.4, 0.5)}
    assert len(judged.proposals) == 2  # what was flagged before is no proposal


def test_not_finite_is_flagged():
    judged = flag_view(view([[1.0, np.nan, 1.0, 1.0, np.inf, 1.0]]), [Outlier(5)])
    assert judged.flag.tolist() == [[False, True, False, False, True, False]]
    assert not judged.proposals


def test_bad_antenna_goes_whole():
    values = NOISE.copy()
    values[4, [1, 2, 3]] = -30
    judged = flag_view(view(values), [BadAntenna(7.0, 0.5, 3)])
    assert judged.flag[4].all()
    assert judged.flag.sum() == 12
    assert not flag_view(view(values), [BadAntenna(7.0, 0.5, 4)]).proposals


def baseline_view(values):
    pairs = list(itertools.combinations(range(6), 2))
    return view(values, axes=("channel", "baseline"), labels=(range(len(values)), pairs)), np.array(pairs)


def test_bad_quadrant_of_an_antenna_and_suspects_elsewhere_are_left():
    values = np.random.default_rng(5).normal(0, 1, (64, 15))
    labelled, pairs = baseline_view(values)
    mine = (pairs == 2).any(axis=1)
    values[16:24, mine] += 30  # half of the second quarter of antenna 2
    values[60, 0] += 30
    judged = flag_view(labelled, [BadQuadrant(8.0, 0.2, 1.0)])
    expected = np.zeros((64, 15), bool)
    expected[16:32, mine] = True
    assert (judged.flag == expected).all()
    (found,) = judged.proposals
    assert found.value == pytest.approx(0.5)


def test_bad_quadrant_of_a_baseline_only_below_its_limit():
    values = np.random.default_rng(5).normal(0, 1, (64, 15))
    labelled, _ = baseline_view(values)
    values[:16, 3] += 30
    assert not flag_view(labelled, [BadQuadrant(8.0, 0.3, 1.0)]).proposals  # a fraction is never above 1
    judged = flag_view(labelled, [BadQuadrant(8.0, 0.3, 0.9)])
    assert judged.flag[:16, 3].all()
    assert judged.flag.sum() == 16


def test_quadrants_count_only_what_was_good():
    values = np.random.default_rng(5).normal(0, 1, (64, 15))
    labelled, pairs = baseline_view(values)
    mine = (pairs == 1).any(axis=1)
    values[:4, mine] += 30  # a quarter of the quarter, but half of its points were flagged before
    assert flag_view(labelled, [BadQuadrant(8.0, 0.4, 1.0)]).proposals == []
    labelled.flag[8:16, mine] = True
    assert flag_view(labelled, [BadQuadrant(8.0, 0.4, 1.0)]).proposals[0].value == pytest.approx(0.5)


def test_too_many_flags_along_an_axis():
    flag = np.zeros((6, 4), bool)
    flag[:5, 2] = True
    judged = flag_view(view(NOISE[:6, :4], flag), [TooManyFlags("antenna", 0.666)])
    assert judged.flag[:, 2].all()
    assert judged.flag.sum() == 6
    assert judged.proposals[0].value == pytest.approx(5 / 6)
    turned = flag_view(view(NOISE[:6, :4].T, flag.T, axes=("time", "antenna")), [TooManyFlags("antenna", 0.666)])
    assert (turned.flag == judged.flag.T).all()
    assert turned.proposals[0].extent() == {"time": [2], "antenna": [5]}


def test_absent_data_do_not_count_as_flags():
    flag = np.zeros((6, 4), bool)
    flag[:5, 2] = True
    judged = flag_view(view(NOISE[:6, :4], flag, absent=flag.copy()), [TooManyFlags("antenna", 0.666)])
    assert judged.proposals == []


def test_too_many_flags_more_than_the_median_line():
    flag = np.zeros((10, 5), bool)
    flag[:3, 1] = True
    assert flag_view(view(NOISE[:5, :10].T, flag), [TooManyFlags("antenna", 1.0, excess=2)]).flag[:, 1].all()
    assert not flag_view(view(NOISE[:5, :10].T, flag), [TooManyFlags("antenna", 1.0, excess=3)]).proposals


@pytest.mark.parametrize(("bad", "all_of_it"), [(3, False), (4, True)])
def test_too_many_entirely(bad, all_of_it):
    flag = np.zeros((6, 4), bool)
    flag[:bad] = True
    judged = flag_view(view(NOISE[:6, :4], flag), [TooManyEntirely("antenna", 0.666)])
    assert bool(judged.proposals) is all_of_it
    assert judged.flag.all() == all_of_it


def test_a_view_without_anything_left_is_proposed_only_on_request():
    empty = view(NOISE[:3, :3], np.ones((3, 3), bool))
    assert flag_view(empty, [TooManyEntirely("antenna", 0.5)]).proposals == []
    (whole,) = flag_view(empty, [TooManyEntirely("antenna", 0.5, even_all=True)]).proposals
    assert whole.extent() == {"antenna": [0, 1, 2], "time": [0, 1, 2]}


@given(st.integers(0, 10_000), st.floats(5, 30))
def test_rules_flag_what_they_propose_and_nothing_else(seed, limit):
    rng = np.random.default_rng(seed)
    values = rng.standard_t(2, (32, 15))
    labelled, _ = baseline_view(values)
    labelled.flag[rng.random(values.shape) < 0.1] = True
    judged = flag_view(labelled, [BadQuadrant(4, 0.2, 0.8), Outlier(limit)])
    proposed = labelled.flag.copy()
    for p in judged.proposals:
        proposed[np.ix_(p.x, p.y)] = True
    assert (judged.flag == proposed).all()
    assert all(p.value > p.threshold for p in judged.proposals)


def test_iterations_look_again_until_nothing_is_new():
    hidden = np.linspace(1.0, 1.01, 20)[None].copy()
    hidden[0, 0], hidden[0, 1] = 50.0, 4.0
    flag = np.zeros((1, 20), bool)

    def views_of(proposals):
        """The second outlier shows only once the first is flagged."""
        for p in proposals:
            flag[np.ix_(p.x, p.y)] = True
        shown = hidden.copy()
        if not flag[0, 0]:
            shown[0, 1] = 1.0
        return [view(shown, flag.copy())]

    done = iterate(views_of, [MaxAbs(2.0)], niter=5)
    assert [len(r) for r in done.rounds] == [1, 1, 0]
    assert [p.y.tolist() for p in done.proposals] == [[0], [1]]
    assert done.before[0].flag.sum() == 0
    assert done.after[0].flag.sum() == 2
    flag[:] = False
    assert [len(r) for r in iterate(views_of, [MaxAbs(2.0)], niter=1).rounds] == [1]
    assert flag.sum() == 1


def test_wrong_views_and_numbers_are_named():
    with pytest.raises(ArgumentError, match=r"\(2, 3\)"):
        View(np.zeros((2, 2)), np.zeros((2, 2), bool), ("a", "b"), ([0, 1], [0, 1, 2]))
    with pytest.raises(ArgumentError, match="no axis 'scan'"):
        flag_view(view(NOISE), [TooManyFlags("scan", 0.5)])
    with pytest.raises(ArgumentError, match="niter is 0"):
        iterate(lambda _: [], [], niter=0)

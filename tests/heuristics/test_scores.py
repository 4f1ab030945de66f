"""The arithmetic of scores."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.heuristics import scores


def test_line_is_clipped_at_both_ends():
    assert scores.linear_score(0.275, 0.05, 1.0, 0.5, 0.5) == pytest.approx(0.75)
    assert scores.linear_score(-1, 0.05, 1.0, 0.5, 0.5) == 1.0
    assert scores.linear_score(9, 0.05, 1.0, 0.5, 0.5) == 0.5
    assert scores.linear_score(7.5, 20, 1.0, 5, 0.0) == pytest.approx(1 / 6)  # falling values


@given(st.floats(-1e6, 1e6), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.floats(0, 1), st.floats(0, 1))
def test_line_stays_between_its_scores(x, x1, x2, y1, y2):
    if x1 == x2:
        return
    assert min(y1, y2) - 1e-12 <= scores.linear_score(x, x1, y1, x2, y2) <= max(y1, y2) + 1e-12


def test_erf_score_at_its_ends_and_middle():
    # three sigmas of a normal distribution from the middle
    assert scores.erf_score(4.25e-6, 4.25e-6, 8.4e-5) == pytest.approx(0.99865, abs=1e-5)
    assert scores.erf_score(8.4e-5, 4.25e-6, 8.4e-5) == pytest.approx(0.00135, abs=1e-5)
    assert scores.erf_score(0.5, 1.0, 0.0) == pytest.approx(0.5)
    assert scores.erf_score(100.0, 1.0, 2.0, lowest=0.34) == pytest.approx(0.34)


@pytest.mark.parametrize(("fraction", "score"), [(0, 1), (0.05, 1), (0.275, 0.75), (0.5, 0.5), (0.51, 0), (1, 0)])
def test_newly_flagged(fraction, score):
    assert scores.score_newly_flagged(fraction) == pytest.approx(score)


def test_total_flagged():
    assert scores.score_total_flagged(0.25) == 0.75


@pytest.mark.parametrize(
    ("recipe", "fraction", "score"),
    [("today", 0.24, 1), ("today", 0.515, 0.5), ("today", 0.79, 0), ("cycle4", 0.05, 1), ("cycle4", 0.325, 0.5)],
)
def test_agents(recipe, fraction, score):
    assert scores.score_agents(fraction, recipe) == pytest.approx(score)


@pytest.mark.parametrize(
    ("score", "colour"),
    [(-0.1, "red"), (0.33, "red"), (0.34, "yellow"), (0.66, "yellow"), (0.9, "blue"), (0.91, "green"), (1, "green")],
)
def test_colours(score, colour):
    assert scores.colour(score) == colour


def test_differences_of_counts_and_the_lowest():
    assert scores.newly_flagged([3, 5, 5, 9]) == [2, 0, 4]
    assert scores.lowest_score([0.9, 0.3, 1.0]) == 0.3
    assert scores.score_view(0) == 0.0
    assert scores.score_view(2) == 1.0
    assert scores.bar_percent(0.0) == 5.0
    assert scores.bar_percent(1.0) == 100.0


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: scores.linear_score(float("nan"), 0, 0, 1, 1),
        lambda: scores.linear_score(0.5, 1, 0, 1, 1),
        lambda: scores.erf_score(0.5, 1, 1),
        lambda: scores.erf_score(0.5, 1, 0, lowest=1.0),
        lambda: scores.score_newly_flagged(1.2),
        lambda: scores.score_agents(0.2, "cycle9"),
        lambda: scores.lowest_score([]),
        lambda: scores.colour(1.5),
    ],
)
def test_wrong_numbers_are_named(wrong):
    with pytest.raises(ArgumentError):
        wrong()

"""Which spw's phases serve which."""

from __future__ import annotations

import math

import pytest

from atacal.errors import ArgumentError
from atacal.heuristics.spw_maps import Window, as_spwmap, combined_map, solved_spws, strong_map, wide_map

FOUR = [
    Window(25, 1.875e9, 217e9, 1, 6, "a"),
    Window(27, 0.0586e9, 219.5e9, 2, 6, "a"),
    Window(29, 0.0586e9, 231e9, 3, 6, "a"),
    Window(31, 1.875e9, 233e9, 4, 6, "a"),
]


def test_combined():
    assert combined_map(FOUR) == {25: 25, 27: 25, 29: 25, 31: 25}


def test_a_flagged_lowest_spw_is_not_the_reference():
    found = combined_map(FOUR, usable=[27, 29, 31])
    assert found == {25: 27, 27: 27, 29: 27, 31: 27}
    assert solved_spws(found, [27, 29, 31]) == [27, 29, 31]
    with pytest.raises(ArgumentError, match="25, 27, 29, 31"):
        combined_map(FOUR, usable=[])


def test_tunings_are_combined_apart():
    two = [*FOUR[:2], Window(29, 2e9, 340e9, 1, 7, "b"), Window(31, 2e9, 342e9, 2, 7, "b")]
    assert combined_map(two) == {25: 25, 27: 25, 29: 29, 31: 29}


def test_strong():
    assert strong_map(FOUR, {25: 50, 27: 10, 29: 12, 31: 60}, 32) == (True, {25: 25, 27: 31, 29: 31, 31: 31})
    assert strong_map(FOUR, {25: 5, 27: 1, 29: 2, 31: 6}, 32) == (False, {25: 25, 27: 27, 29: 29, 31: 31})
    assert strong_map(FOUR, {25: math.nan, 27: 1, 29: 2, 31: 60}, 32)[1][25] == 31


def test_wide():
    assert wide_map(FOUR) == {25: 25, 27: 25, 29: 31, 31: 31}


def test_wide_prefers_the_same_baseband():
    spws = [*FOUR[:3], Window(31, 1.875e9, 233e9, 4, 6, "a"), Window(33, 1.875e9, 250e9, 2, 6, "a")]
    assert wide_map(spws)[27] == 33
    assert wide_map(spws, same_baseband=False)[27] == 25
    assert wide_map(FOUR[1:3]) == {27: 27, 29: 29}  # no wide one
    assert wide_map([FOUR[0], Window(27, 0.06e9, 345e9, 2, 7)])[27] == 27  # not over bands


def test_spelling():
    assert as_spwmap({3: 1, 2: 2}, 5) == [0, 1, 2, 1, 4]
    assert as_spwmap({3: 3}, 5) == []

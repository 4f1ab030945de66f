"""Connected regions against a slow search, and growth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from atacal.images.regions import grow, label, prune

masks = arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@given(masks)
def test_regions_are_those_of_a_slow_search(mask):
    numbers = label(mask)
    assert ((numbers > 0) == mask).all()
    groups = {p: p for p in zip(*np.nonzero(mask), strict=True)}
    for _ in range(mask.size):
        for y, x in groups:
            for near in ((y + 1, x), (y, x + 1)):
                if near in groups:
                    groups[(y, x)] = groups[near] = min(groups[(y, x)], groups[near])
    for a in groups:
        for b in groups:
            assert (numbers[a] == numbers[b]) == (groups[a] == groups[b])


@given(masks, st.integers(0, 5))
def test_pruning_keeps_whole_regions(mask, least):
    kept = prune(mask, least)
    numbers = label(mask)
    for k in range(1, numbers.max() + 1):
        region = numbers == k
        assert (kept[region] == (region.sum() >= least)).all()
    assert not kept[~mask].any()


def test_growth_keeps_inside_and_stops():
    mask, inside = np.zeros((7, 9), bool), np.ones((7, 9), bool)
    mask[3, 4] = True
    inside[:, 6] = False
    assert grow(mask, inside, 1).sum() == 5
    assert grow(mask, inside, 2).sum() == 12
    everything = grow(mask, inside, 100)
    assert everything[:, :6].all()
    assert not everything[:, 6:].any()


@pytest.mark.parametrize("steps", [0, 3])
def test_a_mask_outside_of_what_is_allowed_stays(steps):
    mask = np.zeros((5, 5), bool)
    mask[2, 2] = True
    assert (grow(mask, np.zeros((5, 5), bool), steps) == mask).all()

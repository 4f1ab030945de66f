"""Counts of flags."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.flags.summary import flags_by_row


@given(st.integers(0, 9), st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_counts_by_row_and_correlation(nrow, nchan, ncorr, seed):
    flag = np.random.default_rng(seed).random((nrow, nchan, ncorr)) < 0.4
    np.testing.assert_array_equal(flags_by_row(flag), flag.sum(axis=1))


@pytest.mark.parametrize(("nchan", "ncorr"), [(4096, 1), (4096, 2), (8192, 4), (4095, 2), (2049, 4)])
def test_more_flags_than_a_byte_counts(nchan, ncorr):
    flag = np.ones((3, nchan, ncorr), bool)
    flag[1, 5:90, 0] = False
    np.testing.assert_array_equal(flags_by_row(flag), flag.sum(axis=1))


def test_a_part_of_a_larger_array():
    flag = np.random.default_rng(1).random((20, 64, 2)) < 0.5
    np.testing.assert_array_equal(flags_by_row(flag[::2, 8:40]), flag[::2, 8:40].sum(axis=1))

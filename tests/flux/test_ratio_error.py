"""Errors of medians of few gain ratios."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.flux.ratio_error import median_error, student_t


@pytest.mark.parametrize(
    ("dof", "expected"),
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (9, 2.2622), (10, 2.2281), (120, 1.9799)],
)
def test_students_limits_are_those_of_the_tables(dof, expected):
    """Abramowitz & Stegun 1964, table 26.10."""
    assert student_t(dof, 0.95) == pytest.approx(expected, abs=1e-4)


def test_many_degrees_of_freedom_are_a_normal_distribution():
    assert student_t(100000) == pytest.approx(2, abs=1e-4)


def test_by_hand():
    ratios = np.array([[1.0], [1.02], [0.99], [1.0], [1.05]])
    expected = np.std(ratios, ddof=1) * np.sqrt(np.pi / 11) * student_t(4) / 2
    assert median_error(ratios, np.ones(ratios.shape, bool)) == pytest.approx(expected, rel=1e-12)


def test_polarisations_of_an_antenna_do_not_count_twice():
    ratios, ok = np.array([[1.0, 1.2], [0.9, 7.0], [5.0, 5.0]]), np.array([[1, 1], [1, 0], [0, 0]], bool)
    alone = median_error(np.array([[1.1], [0.9]]), np.ones((2, 1), bool))
    assert median_error(ratios, ok) == pytest.approx(alone, rel=1e-12)
    assert np.isnan(median_error(ratios, ok & [[True], [False], [True]]))


@pytest.mark.parametrize("n", [3, 4, 5, 8, 13])
@pytest.mark.parametrize("npol", [1, 2])
def test_the_truth_is_within_twice_the_error_in_95_percent(n, npol):
    """Polarisations that go together do not narrow it; CASA's formula holds it less often."""
    rng = np.random.default_rng(n)
    off = rng.normal(size=(2000, n))
    ok = np.ones((n, npol), bool)
    errors = np.array([median_error(np.repeat(row[:, None], npol, axis=1), ok) for row in off])
    inside = np.mean(np.abs(np.median(off, axis=1)) <= 2 * errors)
    assert inside == pytest.approx(0.954, abs=0.03)
    plain = np.std(off, axis=1, ddof=1) / np.sqrt(n - 1)
    assert np.mean(np.abs(np.median(off, axis=1)) <= 2 * plain) < inside - 0.01

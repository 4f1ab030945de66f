"""Lines through calibrated spectra, and antennas that differ."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.heuristics.spectral_fit import Outlier, find_outliers, fit_lines, robust, score_outliers

FREQ = 230e9 + np.linspace(-0.9e9, 0.9e9, 120)
X = (FREQ - 230e9) / 1e9


def spectrum(seed, amp=2.0, slope=0.0, phase=0.0, delay=0.0, noise=0.005):
    rng = np.random.default_rng(seed)
    vis = amp * (1 + slope * X) * np.exp(1j * np.radians(phase + delay * X))
    return vis + noise * (rng.normal(size=len(X)) + 1j * rng.normal(size=len(X)))


def fits(changed):
    out = []
    for antenna in range(12):
        for pol in range(2):
            vis = spectrum(100 * antenna + pol, **changed.get((antenna, pol), {}))
            out.append(fit_lines(vis, np.full(len(X), 0.005), FREQ, antenna, pol))
    return out


def test_lines_are_found():
    one = fit_lines(spectrum(1, slope=0.03, phase=170, delay=12.0), np.full(len(X), 0.005), FREQ, 0, 0)
    assert one.amp.offset == pytest.approx(2, abs=5 * one.amp.offset_error)
    assert one.amp.slope == pytest.approx(0.06, abs=5 * one.amp.slope_error)
    assert one.phase.offset == pytest.approx(170, abs=5 * one.phase.offset_error)
    assert one.phase.slope == pytest.approx(12, abs=5 * one.phase.slope_error)
    assert one.amp.offset_error == pytest.approx(0.005 / np.sqrt(120), rel=0.01)


def test_a_steep_phase_is_unwrapped():
    one = fit_lines(spectrum(1, delay=900.0), np.full(len(X), 0.005), FREQ, 0, 0)
    assert one.phase.slope == pytest.approx(900, abs=0.5)


def test_without_data_or_signal():
    assert fit_lines(np.full(len(X), np.nan + 0j), np.full(len(X), 0.005), FREQ, 0, 0) is None
    weak = fit_lines(spectrum(1, amp=0.001), np.full(len(X), 0.005), FREQ, 0, 0)
    assert weak.amp.slope_error == 1e6
    assert find_outliers([weak]) == []


def test_nothing_stands_out_of_good_data():
    assert find_outliers(fits({})) == []


def test_outliers():
    found = find_outliers(
        fits(
            {
                (2, 0): {"slope": 0.08},
                (3, 0): {"amp": 2.4},
                (3, 1): {"amp": 2.4},
                (4, 0): {"amp": 2.4},
                (4, 1): {"amp": 1.6},
                (5, 1): {"phase": 9},
                (6, 1): {"delay": 5},
                (7, 0): {"phase": 120},
                (8, 0): {"phase": 4},  # significant, but small
            }
        )
    )
    assert [(o.antenna, o.pol, o.what, o.both_pols, o.large) for o in found] == [
        (2, 0, "amp_slope", True, False),
        (3, 0, "amp_offset", True, False),
        (3, 1, "amp_offset", True, False),
        (4, 0, "amp_offset", False, False),
        (4, 1, "amp_offset", False, False),
        (5, 1, "phase_offset", True, False),
        (6, 1, "phase_slope", True, False),
        (7, 0, "phase_offset", True, True),
    ]
    assert found[0].value == pytest.approx(0.08, abs=0.002)
    assert found[1].value == pytest.approx(0.2, abs=0.005)


def test_robust():
    values = np.random.default_rng(0).normal(size=4001)
    middle, sigma = robust(values)
    assert middle == pytest.approx(0, abs=0.05)
    assert sigma == pytest.approx(1, abs=0.04)


def test_scores():
    assert score_outliers([]) == 1
    slight = Outlier(0, 0, "phase_slope", 4.0, 41.0)
    assert score_outliers([slight]) == pytest.approx(0.33 + 0.335 * 1.2, abs=0.02)
    strong = Outlier(0, 0, "phase_slope", 40.0, 4e5)
    assert score_outliers([strong]) == 0.34
    assert score_outliers([strong], "CHECK") == 0.85
    assert score_outliers([Outlier(0, 0, "amp_offset", 0.3, 1e5, both_pols=False)]) == 0.8

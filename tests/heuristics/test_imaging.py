"""What a pipeline decides about images, by numbers worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.heuristics.imaging import (
    auto_mask_parameters,
    cell_arcsec,
    clean_iterations,
    clean_threshold,
    combined_sensitivity,
    first_null_arcsec,
    good_size,
    image_size,
    mask_radius_arcsec,
    score_check_source,
    score_image,
)


def test_cells():
    assert cell_arcsec(beam_minor_arcsec=0.6908) == 0.14
    assert cell_arcsec(recipe="cycle4", longest_uv_lambda=300e3) == 0.14  # 0.3438 / 2.5
    with pytest.raises(ArgumentError, match="beam_minor_arcsec is a positive number"):
        cell_arcsec()


@given(st.integers(0, 3000))
def test_good_sizes(least):
    size = good_size(least)
    assert size >= max(least, 32)
    assert size % 2 == 0
    left = size
    for factor in (2, 3, 5, 7):
        while left % factor == 0:
            left //= factor
    assert left == 1


def test_sizes():
    assert first_null_arcsec(230e9, 12.0) == pytest.approx(27.33, abs=0.01)
    assert image_size(0.2, 230e9, 12.0) == (210, 210)  # 1.5 * 27.33 / 0.2 = 205
    assert image_size(0.1, 230e9, 12.0) == (300, 300)
    assert image_size(0.1, 230e9, 12.0, most=0) == (420, 420)  # 410
    assert image_size(0.2, 230e9, 12.0, spread_arcsec=(20.0, 0.0), most=0) == (320, 210)  # 305


def test_sensitivities_add_up():
    assert combined_sensitivity([3.0, 4.0]) == pytest.approx(2.4)
    with pytest.raises(ArgumentError):
        combined_sensitivity([])


@pytest.mark.parametrize(
    ("peak", "dish", "kind", "how", "expected"),
    [
        (0.1, 12.0, "calibrator", {}, 2e-3),  # faint: 2 sigma
        (2.0, 12.0, "calibrator", {}, 4e-3),  # 2 peak / 1000
        (6.0, 12.0, "calibrator", {}, 8e-3),  # shallower: (2 + 2 peak / 3000 / 2e-3) of them
        (6.0, 12.0, "calibrator", {"recipe": "cycle4"}, 24e-3),
        (0.1, 12.0, "calibrator", {"recipe": "cycle4"}, 4e-3),
        (2.0, 7.0, "calibrator", {}, 20e-3),
        (0.02, 12.0, "target", {}, 2e-3),
        (0.05, 12.0, "target", {}, 3e-3),
        (0.10, 12.0, "check", {}, 4e-3),
        (0.15, 12.0, "target", {}, 5e-3),
        (0.30, 12.0, "target", {}, 5e-3),
        (0.60, 12.0, "target", {}, 8e-3),  # 2 peak / 150
        (0.004, 7.0, "target", {}, 2e-3),
        (0.01, 7.0, "target", {}, 3e-3),
        (0.02, 7.0, "target", {}, 4e-3),
        (0.03, 7.0, "target", {}, 5e-3),
        (0.15, 7.0, "target", {}, 10e-3),  # 2 peak / 30
        (0.07, 7.0, "target", {"blocks": 2}, 6e-3),
        (0.55, 7.0, "target", {"blocks": 2}, 20e-3),  # 2 peak / 55
    ],
)
def test_thresholds(peak, dish, kind, how, expected):
    assert clean_threshold(1e-3, peak, dish, kind, **how) == pytest.approx(expected)


def test_iterations():
    assert mask_radius_arcsec((200, 100), 0.2) == pytest.approx(18)
    # 50 * (18 / 1)^2 * 0.1 / 0.002 = 810 000
    assert clean_iterations(0.1, 2e-3, (200, 200), 0.2, 1.0, "target") == 800_000
    assert clean_iterations(0.1, 2e-3, (200, 200), 0.2, 1.0, "calibrator") == 3000
    assert clean_iterations(0.1, 2e-3, (200, 200), 0.2, 1.0, "calibrator", recipe="cycle4") == 800_000
    assert clean_iterations(0.0, 2e-3, (200, 200), 0.2, 1.0, "target") == 0


def test_automatic_masks():
    short, long = (auto_mask_parameters(12.0, "target", b) for b in (200.0, 1000.0))
    assert (short.sidelobethreshold, short.noisethreshold, short.minbeamfrac) == (2.0, 4.25, 0.3)
    assert (long.sidelobethreshold, long.noisethreshold, long.fastnoise) == (2.5, 5.0, True)
    assert auto_mask_parameters(12.0, "check", 1000.0).sidelobethreshold == 3.0
    small = auto_mask_parameters(7.0, "target", 40.0)
    assert (small.sidelobethreshold, small.lownoisethreshold, small.minbeamfrac) == (1.25, 2.0, 0.1)
    calibrator = auto_mask_parameters(12.0, "calibrator", 200.0)
    assert (calibrator.noisethreshold, calibrator.lownoisethreshold, calibrator.minpercentchange) == (7.0, 3.0, 1.0)


def test_scores_of_images():
    assert score_image(1e-3, 1e-3) == pytest.approx(1, abs=2e-3)
    assert score_image(5e-3, 1e-3) == pytest.approx(0.34, abs=2e-3)
    assert score_image(3e-3, 1e-3) == pytest.approx(0.67, abs=2e-3)
    assert score_image(3e-3, 4e-3, recipe="cycle4") == pytest.approx(0.5, abs=2e-3)
    assert score_image(1e-2, 1e-3, recipe="cycle4") == pytest.approx(0, abs=2e-3)


def test_scores_of_check_sources():
    assert score_check_source(0.1, 0.95, 1.0).score == pytest.approx(0.9)
    assert score_check_source(0.1, 0.95, 1.0).warnings == ()
    far = score_check_source(0.5, 1.0, 1.0)
    assert far.score == pytest.approx(0.5)
    assert "0.50 beams" in far.warnings[0]
    lost = score_check_source(2.0, 0.5, 1.0)
    assert lost.score == 0.33
    assert len(lost.warnings) == 2
    assert score_check_source(None).score == 0.34

"""The primary beam."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.images.primary_beam import effective_dish_m, primary_beam


@pytest.mark.parametrize(("dish", "hpbw"), [(12.0, 1.13), (7.0, 1.17)])
def test_width(dish, hpbw):
    """ALMA's half power width is 1.13 lambda / D for the real 12 m dish (Technical Handbook, section 3.2)."""
    pb = primary_beam((2, 8001), 0.01, 230e9, dish)[1]
    width = (pb > 0.5).sum() * 0.01 / 206264.806 * dish / (299792458 / 230e9)
    assert width == pytest.approx(hpbw, rel=0.03)


def test_shape():
    pb = primary_beam((400, 600), 0.5, 230e9, 12.0)
    assert pb[200, 300] == 1
    assert pb.max() == 1
    assert pb[200, 310] == pytest.approx(pb[210, 300])
    assert (pb >= 0).all()
    assert pb[0, 0] == 0
    assert (np.diff(pb[200, 300:340]) < 0).all()


def test_dishes():
    assert [effective_dish_m(d) for d in (12.0, 7.0, 25.0)] == [10.7, 6.25, 25.0]

"""Ranges of ozone lines."""

from __future__ import annotations

import numpy as np

from atacal.atmosphere.ozone import ozone_ranges
from atacal.atmosphere.transmission import zenith_opacity


def test_a_line_of_band_3_is_where_it_is_and_nothing_between_lines():
    ((low, high),) = ozone_ranges(110e9, 112e9, least_opacity=0.01)
    assert low < 110.836e9 < high  # 6(0,6)-5(1,5)
    assert 10e6 < high - low < 200e6
    assert ozone_ranges(112e9, 114e9, least_opacity=0.01) == []
    assert ozone_ranges(110e9, 112e9) == []  # too weak to do harm


def test_the_air_is_more_opaque_within_the_ranges_than_beside_them():
    spans = ozone_ranges(340e9, 360e9)
    assert spans == sorted(spans)
    for low, high in spans:
        inside = zenith_opacity(np.linspace(low, high, 50), 0.5).total.max()
        beside = zenith_opacity(np.array([low - 0.3e9, high + 0.3e9]), 0.5).total.min()
        assert inside > beside + 0.005


def test_weak_lines_do_not_count():
    assert len(ozone_ranges(200e9, 300e9, least_opacity=0.1)) < len(ozone_ranges(200e9, 300e9, least_opacity=0.005))

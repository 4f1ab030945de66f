from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from atacal.errors import ArgumentError, EmptySelection, ModelError
from atacal.flux.resolved import close_antennas, first_lobe, limit_m
from atacal.flux.solar_lines import LINES_GHZ, line_channels, line_selection, reference_spws
from atacal.ms.disc import jinc
from atacal.ms.metadata import Spw


def window(number, ghz, nchan=100, width_mhz=20.0):
    freq = ghz * 1e9 + width_mhz * 1e6 * (np.arange(nchan) - (nchan - 1) / 2)
    width = np.full(nchan, width_mhz * 1e6)
    return Spw(number, f"w{number}", freq, width, width, width, freq[0], nchan * width[0], "TOPO", 1, 1, 0)


def test_the_limit_is_where_the_visibility_falls():
    for lowest in (0.15, 0.5, 0.9):
        x = np.pi * 230e9 / 299792458.0 * 1e-5 * limit_m(1e-5, 230e9, lowest)
        assert jinc(np.array([x]))[0] == pytest.approx(lowest, abs=1e-6)


def test_antennas_close_to_each_other():
    place = np.array([0.0, 10.0, -12.0, 30.0, 15.0])
    length = np.abs(place[:, None] - place)
    assert close_antennas(length, 0, 100.0) == (0, 1, 2, 3, 4)
    # 3 is too far from the reference; 2 and 4 too far from each other: 2 is the further from the others
    assert close_antennas(length, 0, 20.0) == (0, 1, 4)
    assert close_antennas(length, 0, 1.0) == (0,)


def test_first_lobe(solar_ms):
    path = solar_ms([("Titan", 57000.5)], [230.0, 345.0])
    small = first_lobe(path, "Titan", "A0")
    assert small.uvrange == f"0~{small.limit_m:.1f}m"
    assert 0 in small.antennas
    assert small.antenna == ",".join(f"A{a}" for a in small.antennas) + "&"
    assert first_lobe(path, "0", "A0", spw="0").limit_m == pytest.approx(small.limit_m * 1.5, rel=1e-3)
    for arguments, error, message in [
        (("Titan", "A9"), ArgumentError, "has the antennas A0, A1"),
        (("Titan", "A0", "", 1.5), ArgumentError, "between 0 and 1"),
        (("Titan", "A4", "", 0.9999999), EmptySelection, "resolved on all baselines to A4"),
    ]:
        with pytest.raises(error, match=message):
            first_lobe(path, *arguments)


def test_first_lobe_wants_a_body(named_ms):
    path = named_ms([("J1924-2914", 57000.0, (1.0, 0.2))], [97.5])
    with pytest.raises(ModelError, match="no solar-system body"):
        first_lobe(path, "0", "A0")


def test_lines_are_ranges_in_order():
    for molecules in LINES_GHZ.values():
        for ranges in molecules.values():
            assert all(0 < high - low < 13 for low, high in ranges)
            assert all(a[1] <= b[0] for a, b in pairwise(ranges))


def test_channels_in_lines():
    spw = window(3, 230.538)
    hit = line_channels("mars", spw)
    inside = np.abs(spw.chan_freq_hz - 230.538e9) < 0.134e9
    np.testing.assert_array_equal(hit[inside], True)
    assert 12 <= hit.sum() <= 16
    assert line_selection("Mars", spw) == f"3:{np.flatnonzero(hit)[0]}~{np.flatnonzero(hit)[-1]}"
    assert line_selection("Uranus", spw) == ""


def test_an_spw_full_of_lines_is_mapped():
    spws = [window(1, 230.5), window(3, 345.5), window(5, 238.0)]
    mapped, flags = reference_spws("Neptune", spws)
    assert mapped == [-1, 5, -1, 5, -1, -1]
    assert flags == []
    assert reference_spws("Mars", spws)[0] == [-1]
    assert len(reference_spws("Mars", spws)[1]) == 2
    assert reference_spws("Neptune", spws[:2]) == ([-1], [])

"""Lines of the target in Tsys."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError
from atacal.heuristics.tsys_lines import ContaminationLimits, compare

NCHAN, NSPEC = 128, 40
FREQ = 230e9 + 15.625e6 * np.arange(NCHAN)
LINES_OF_AIR = ((40, 2.0, 0.08), (90, 5.0, 0.05))
"""Channel, width, zenith opacity."""


def opacity(nchan=NCHAN):
    chan = np.arange(nchan) * NCHAN / nchan
    tau = 0.05 + 0.0001 * chan
    for centre, width, depth in LINES_OF_AIR:
        tau = tau + depth / (1 + ((chan - centre) / width) ** 2)
    return tau


def tsys(airmass, rng, receiver, line=0.0, nchan=NCHAN):
    """(Trx + Tatm (1 - e^-t) + line) e^t with 1 % of scale a spectrum and 0.3 % a channel."""
    transmission = np.exp(-opacity(nchan) * airmass)
    value = (receiver + 255 * (1 - transmission) + line) / transmission
    return value * (1 + rng.normal(0, 0.01, (len(receiver), 1)) + rng.normal(0, 0.003, value.shape))


def pair(seed, line=0.0, airmass=(1.1, 1.6), nchan=NCHAN, nspec=NSPEC):
    rng = np.random.default_rng(seed)
    slope = np.linspace(-1, 1, nchan)
    receiver = rng.uniform(40, 60, (nspec, 1)) + rng.normal(0, 3, (nspec, 1)) * slope
    return tsys(airmass[1], rng, receiver, line, nchan), tsys(airmass[0], rng, receiver, 0.0, nchan)


def gaussian(centre, fwhm, height, nchan=NCHAN):
    return height * np.exp(-4 * np.log(2) * ((np.arange(nchan) - centre) / fwhm) ** 2)


@pytest.mark.parametrize(
    ("centre", "fwhm", "height"), [(64, 3.0, 3.0), (70, 8.0, 4.0), (20, 1.0, 4.0), (107, 9.0, 5.0)]
)
def test_lines_are_found_where_they_are(centre, fwhm, height):
    for seed in range(4):
        source, reference = pair(seed, gaussian(centre, fwhm, height))
        found = compare(source, reference, FREQ)
        (line,) = [f for f in found.features if f.kind == "line"]
        assert abs(line.peak - centre) <= max(1, fwhm / 4)
        assert line.first <= np.ceil(centre - 0.4 * fwhm)
        assert line.last >= np.floor(centre + 0.4 * fwhm)
        assert line.nsigma > 5
        assert found.flag().sum() <= 3 * fwhm + 6


def test_nothing_is_found_without_a_line():
    found = [compare(*pair(seed), FREQ) for seed in range(100)]
    assert sum(bool(c.flag().any()) for c in found) <= 1


def test_lines_of_the_air_at_another_elevation_are_no_contamination():
    for seed in range(10):
        assert not compare(*pair(seed, airmass=(1.0, 2.0)), FREQ).flag().any()


def test_what_is_told_to_be_the_airs_is_not_flagged():
    source, reference = pair(3, gaussian(64, 3, 6))
    telluric = np.zeros(NCHAN, bool)
    telluric[62:67] = True
    found = compare(source, reference, FREQ, telluric=telluric)
    assert not found.flag().any()
    assert "telluric" in {f.kind for f in found.features}


def test_weak_and_wide_lines_are_told_and_not_flagged():
    weak = compare(*pair(5, gaussian(64, 4, 1.5)), FREQ, ContaminationLimits(relative_detection_factor=0.05))
    assert {f.kind for f in weak.features} == {"low"}
    assert not weak.flag().any()
    source, reference = pair(6, gaussian(64, 24, 20), nspec=100)
    wide = compare(source, reference, FREQ, ContaminationLimits(wide_km_s=300))
    assert {"wide"} <= {f.kind for f in wide.features} <= {"wide", "beside", "telluric"}
    assert not wide.flag().any()


def test_what_a_wide_line_leaves_beside_it_is_not_flagged():
    for seed in range(6):
        found = compare(*pair(seed, gaussian(64, 15, 5)), FREQ)
        assert "wide" in {f.kind for f in found.features}
        assert not found.flag().any()


def test_many_channels():
    nchan = 2048
    source, reference = pair(8, gaussian(1000, 20, 4, nchan), nchan=nchan)
    found = compare(source, reference, np.linspace(230e9, 232e9, nchan))
    (line,) = [f for f in found.features if f.kind == "line"]
    assert abs(line.peak - 1000) < 10
    assert found.limit == pytest.approx(5 + 1920 / 3968)


def test_flagged_channels_and_spectra():
    source, reference = pair(9, gaussian(64, 5, 4))
    source[3], source[:, 10], reference[7, 60:] = np.nan, np.nan, np.nan
    found = compare(source, reference, FREQ)
    assert [f.peak for f in found.features if f.kind == "line"] == pytest.approx([64], abs=2)


def test_wrong_shapes():
    with pytest.raises(ArgumentError, match="Tsys to compare"):
        compare(np.zeros((3, 20)), np.zeros((2, 20)), np.zeros(20))
    with pytest.raises(ArgumentError, match="at least 16"):
        compare(np.zeros((3, 8)), np.zeros((3, 8)), np.zeros(8))


def test_nothing_in_common_is_named():
    source, reference = pair(1)
    source[:, :60], reference[:, 60:] = np.nan, np.nan
    with pytest.raises(ArgumentError, match="no spectrum has 16 channels"):
        compare(source, reference, FREQ)


def test_the_airs_lines_seen_through_much_more_air_and_a_line():
    for seed in range(5):
        found = compare(*pair(seed, gaussian(65, 4, 8), airmass=(1.1, 1.9)), FREQ)
        assert [f.peak for f in found.features if f.kind == "line"] == pytest.approx([65], abs=2)

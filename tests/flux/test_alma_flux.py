"""getALMAFlux: numbers that analysisUtils printed for real calibrators, and the rules of selection."""

from __future__ import annotations

import datetime
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.errors import ArgumentError, CatalogueError
from atacal.flux.alma_flux import FITS, ORIGINS, estimate
from atacal.flux.catalogue import CatalogueSource, Measurement
from atacal.flux.power_law import Used, draw, fit_line

DAY = datetime.date(2017, 5, 14)


def source(*rows: tuple[int, float, float, float | None], day: datetime.date = DAY) -> CatalogueSource:
    """A source of (age [d], frequency [GHz], flux density, error) before a day."""
    return CatalogueSource(
        ("J0000+0000",), None,
        tuple(Measurement(day - datetime.timedelta(days=a), f * 1e9, s, e) for a, f, s, e in rows),
    )  # fmt: skip


# What analysisUtils printed in public reduction scripts: date, frequency; measurements; index, flux density;
# the Monte Carlo's error by versions since Cycle 6, and None where the script is older
PUBLISHED = {
    "J0538-4405, 2015-06-29": (
        301.861, [(2, 103.49, 2.090, 0.050), (2, 343.48, 1.030, 0.100)], "closest", -0.5898, 1.1115, None,
    ),
    "J1427-4206, 2017-05-14": (
        232.605,
        [(0, 91.46, 3.13, 0.08), (-1, 343.48, 1.45, 0.08), (-1, 103.49, 3.09, 0.06), (-1, 91.46, 3.16, 0.06)],
        "closest", -0.591033389226, 1.802796, None,
    ),
    "J1733-1304, 2017-05-17": (
        232.609, [(0, 103.49, 3.02, 0.06), (0, 343.48, 1.19, 0.06)], "closest", -0.776310, 1.610486, None,
    ),
    "J1517-2422, 2017-09-06: the pair is not of the nearest days": (
        232.582,
        [(2, 91.46, 3.69, 0.07), (1, 343.48, 2.37, 0.05), (17, 91.46, 3.78, 0.07), (17, 343.48, 2.71, 0.05)],
        "closest", -0.251488, 2.918012, None,
    ),
    "J1427-4206, 2017-11-26": (
        232.584,
        [(1, 91.46, 4.43, 0.08), (3, 91.46, 4.44, 0.08), (3, 343.48, 2.06, 0.07)],
        "closest", -0.580360, 2.577244, None,
    ),
    "J0510+1800, 2017-12-11": (
        333.173, [(3, 103.49, 2.14, 0.05), (3, 91.46, 2.25, 0.04), (2, 343.48, 1.25, 0.08)], "closest",
        -0.443796, 1.272174, 0.076398,
    ),
    "J0237+2848, 2021-07-03": (
        90.508, [(-4, 103.5, 1.22, 0.03), (-4, 91.47, 1.32, 0.03), (-3, 343.48, 0.59, 0.06)], "contemporaneous",
        -0.609814, 1.328834, 0.024533,
    ),
    "J0510+1800, 2016-08-27: three measurements of a day": (
        219.959,
        [
            (-7, 103.49, 2.65, 0.06), (-7, 91.46, 2.68, 0.06), (-7, 91.46, 2.74, 0.09), (6, 343.48, 1.45, 0.06),
            (8, 91.46, 2.42, 0.04), (8, 103.49, 2.38, 0.04),
        ],
        "closest", -0.391048, 1.940918, 0.046100,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLISHED)
def test_as_published(case):
    ghz, rows, fit, index, flux, error = PUBLISHED[case]
    found = estimate(source(*rows), DAY, ghz * 1e9, fit=fit)
    digits = 5e-5 if abs(index * 1e4 - round(index * 1e4)) < 1e-9 else 5e-7
    assert found.spectral_index == pytest.approx(index, abs=digits)
    assert found.flux_jy == pytest.approx(flux, abs=5e-5 if digits > 1e-6 else 6e-7)
    if error is not None:
        assert found.flux_error_jy == pytest.approx(error, rel=0.025)  # both are of 10000 draws


def test_j1427_to_all_digits():
    """The index of this pair is public with 12 digits; it fixes the catalogue's errors (0.06, 0.06, 0.08)."""
    ghz, rows, *_ = PUBLISHED["J1427-4206, 2017-05-14"]
    found = estimate(source(*rows), DAY, ghz * 1e9)
    assert found.spectral_index == pytest.approx(-0.591033389226, abs=1.2e-12)
    assert found.monte_carlo_jy == pytest.approx(1.864723, rel=2e-3)


@pytest.mark.parametrize(("case", "printed"), [("J1427-4206, 2017-05-14", 0.164), ("J1733-1304, 2017-05-17", 0.129086)])
def test_errors_of_older_versions_are_larger_by_ln_10(case, printed):
    """They took sigma/S for the error of log10 S; the fluxes and indices are the same."""
    ghz, rows, *_ = PUBLISHED[case]
    real = estimate(source(*rows), DAY, ghz * 1e9)
    theirs = estimate(source(*((a, f, s, e * math.log(10)) for a, f, s, e in rows)), DAY, ghz * 1e9)
    assert theirs.flux_jy == pytest.approx(real.flux_jy, rel=1e-12)
    assert theirs.flux_error_jy == pytest.approx(printed, rel=0.025)
    assert theirs.flux_error_jy / real.flux_error_jy == pytest.approx(math.log(10), rel=0.02)


def test_the_nearest_day_is_averaged_and_the_nearest_high_one_taken():
    found = estimate(
        source((2, 103.5, 2.0, 0.1), (2, 91.5, 2.2, 0.1), (-3, 91.5, 9.0, 0.1), (5, 343.5, 1.0, 0.1)), DAY, 97.5e9
    )
    assert [u.age_d for u in found.low] == [2, 2]
    assert found.flux_jy == pytest.approx(2.1)
    assert (found.mean_age_d, found.age_difference_d) == (2.0, 3.0)


def test_of_two_days_equally_near_the_higher_frequency_decides():
    found = estimate(source((2, 91.5, 2.0, 0.1), (-2, 103.5, 3.0, 0.1)), DAY, 100e9)
    assert [(u.age_d, u.flux_jy) for u in found.low] == [(-2, 3.0)]


def test_day_window():
    rows = [(1, 91.5, 2.0, 0.1), (3, 91.5, 4.0, 0.1), (9, 91.5, 8.0, 0.1), (1, 343.5, 1.0, 0.1)]
    assert estimate(source(*rows), DAY, 91.5e9, day_window=2).flux_jy == pytest.approx(3.0)
    assert estimate(source(*rows), DAY, 91.5e9).flux_jy == pytest.approx(2.0)


def test_pairs_are_of_1800_days_only():
    near = [(0, 91.5, 2.0, 0.1), (9, 343.5, 1.0, 0.1)]
    far = [(2000, 91.5, 2.0, 0.1), (2000, 343.5, 0.5, 0.1)]
    assert estimate(source(*near, *far), DAY, 2e11).pair_separation_d == 9
    closer = [(a - 300, *rest) for a, *rest in far]
    assert estimate(source(*near, *closer), DAY, 2e11).pair_separation_d == 0


def test_the_mean_of_all_pairs():
    rows = [
        (0, 100.0, 2.0, 0.1), (0, 300.0, 1.0, 0.1), (30, 100.0, 3.0, 0.1), (30, 300.0, 1.0, 0.1),
        (50, 100.0, 2.5, 0.1), (60, 300.0, 1.0, 0.1),
    ]  # fmt: skip
    found = estimate(source(*rows), DAY, 2e11, fit="mean")
    each = [estimate(source(*pair), DAY, 2e11) for pair in (rows[:2], rows[2:4])]
    weights = [e.spectral_index_error**-2 for e in each]
    assert len(found.pairs) == 2
    assert found.spectral_index == pytest.approx(np.average([e.spectral_index for e in each], weights=weights))
    assert found.spectral_index_error > 0


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(-60, 60), min_size=1, max_size=12), st.lists(st.integers(-60, 60), min_size=1, max_size=12))
def test_the_pair_is_that_of_a_search_of_all(lows, highs):
    rows = [(a, 91.5, 2.0, 0.1) for a in lows] + [(a, 343.5, 1.0, 0.1) for a in highs]
    found = estimate(source(*rows), DAY, 2e11)
    apart = min(abs(a - b) for a in lows for b in highs)
    nearest = min(abs(a) for a in lows for b in highs if abs(a - b) == apart)
    *fitted, high = found.pairs[0]
    assert found.pair_separation_d == apart == abs(fitted[0].age_d - high.age_d)
    assert abs(fitted[0].age_d) == nearest
    assert len(fitted) == lows.count(fitted[0].age_d)
    assert {u.age_d for u in fitted} == {fitted[0].age_d}
    assert abs(found.low[0].age_d) == min(map(abs, lows))


@pytest.mark.parametrize(
    ("where", "ghz", "expected"),
    [("lowband", 300, 0.85), ("highband", 300, 1.2), ("closestInTime", 300, 1.2), ("closestInFrequency", 120, 1.735)],
)
def test_which_band_is_carried_over(where, ghz, expected):
    rows = [(3, 100.0, 2.0, 0.1), (1, 300.0, 1.2, 0.1), (60, 100.0, 2.0, 0.1), (60, 300.0, 0.85, 0.1)]
    found = estimate(source(*rows), DAY, ghz * 1e9, interpolate_from=where)
    index = math.log(0.85 / 2) / math.log(3)
    assert found.spectral_index == pytest.approx(index)
    exact = {"lowband": 2 * (ghz / 100) ** index, "closestInFrequency": 2 * (ghz / 100) ** index}
    assert found.flux_jy == pytest.approx(exact.get(where, 1.2 * (ghz / 300) ** index))
    assert found.flux_jy == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(("row", "missing"), [((4, 91.5, 2.0, 0.1), 7), ((4, 343.5, 2.0, 0.1), 3)])
def test_one_band_has_the_default_index(row, missing):
    found = estimate(source(row, (4, 230.0, 7.0, 0.1)), DAY, 200e9)
    assert found.flux_jy == pytest.approx(2.0 * (200 / row[1]) ** -0.7)
    assert (found.spectral_index, found.spectral_index_error, found.pairs) == (-0.7, 0.2, ())
    relative = math.hypot(0.05, 0.2 * math.log(200 / row[1]))
    assert found.flux_error_jy / found.flux_jy == pytest.approx(relative, rel=0.05)
    assert any(f"no Band {missing} measurements" in w for w in found.warnings)


def test_a_missing_error_is_ten_percent():
    found = estimate(source((0, 91.5, 2.0, None), (0, 343.5, 1.0, 0.1)), DAY, 2e11)
    assert (found.low[0].error_jy, found.low[0].error_assumed) == (0.2, True)
    assert "some measurements have no error: 10 % assumed" in found.warnings


def test_other_bands():
    rows = [(0, 145.0, 2.0, 0.1), (0, 650.0, 1.0, 0.1)]
    with pytest.raises(
        CatalogueError, match=r"no measurements in Band 3 or 7 to use; it has Band 4 \(1\), Band 9 \(1\)"
    ):
        estimate(source(*rows), DAY, 2e11)
    assert estimate(source(*rows), DAY, 650e9, lowband=4, highband=9).flux_jy == pytest.approx(1.0)


def test_no_measurements_at_all():
    with pytest.raises(CatalogueError, match="it has none in any band"):
        estimate(source(), DAY, 2e11)


def test_a_given_measurement_replaces_the_nearest():
    rows = [(0, 100.0, 2.0, 0.1), (0, 300.0, 1.0, 0.1)]
    measured = Measurement(DAY, 97e9, 5.0, 0.1)
    found = estimate(source(*rows), DAY, 97e9, given_low=measured)
    assert found.flux_jy == pytest.approx(5.0)
    assert found.spectral_index == pytest.approx(math.log(0.5) / math.log(3))  # still the catalogue's
    alone = estimate(source(rows[1]), DAY, 97e9, given_low=measured)
    assert alone.spectral_index == pytest.approx(math.log(1 / 5) / math.log(300 / 97))


def test_warnings():
    rows = [(20, 100.0, 2.0, 0.1), (60, 300.0, 3.0, 0.1)]
    found = estimate(source(*rows), DAY, 900e9)
    assert [w.split(":")[0] for w in found.warnings] == [
        "the measurements are 20 days from the date",
        "Band 3 and 7 were measured 40 days apart",
        "the spectral index, +0.37, is unusual for a quasar",
        "extrapolated",
    ]
    calm = estimate(source((1, 100.0, 3.0, 0.1), (1, 300.0, 2.0, 0.1)), DAY, 200e9)
    assert calm.warnings == []


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"lowband": 11}, "lowband=11 is no ALMA band"),
        ({"lowband": 7, "highband": 3}, "lowband=7 must be below"),
        ({"fit": "best"}, "fit='best': choose one of closest"),
        ({"interpolate_from": "midband"}, "interpolate_from='midband'"),
        ({"freq_hz": math.inf}, "must be positive"),
        ({"freq_hz": math.nan}, "must be positive"),
        ({"day_window": -1}, "day_window=-1"),
        ({"trials": 1}, "trials=1"),
        ({"ignore_low": True, "ignore_high": True}, "both bands are ignored"),
        ({"default_index": math.nan}, r"the spectral index nan \+- 0.2"),
        ({"default_index_error": -0.1}, "an error that is not negative"),
    ],
)
def test_bad_arguments(given, match):
    arguments = {"freq_hz": 2e11} | given
    with pytest.raises(ArgumentError, match=match):
        estimate(source((0, 100.0, 2.0, 0.1)), DAY, **arguments)


def test_the_same_every_time():
    rows = PUBLISHED["J1427-4206, 2017-05-14"][1]
    assert estimate(source(*rows), DAY, 2e11) == estimate(source(*reversed(rows)), DAY, 2e11)


def test_setjy_sets_what_was_found():
    found = replace(estimate(source((0, 100.0, 2.0, 0.1)), DAY, 230e9), source="05:38:50 -44:05:09")
    assert found.setjy.startswith(
        "atacal setjy X.ms --field 'J0000+0000' --standard manual --fluxdensity 1.116402,0,0,0 "
    )
    assert found.setjy.endswith("--spix -0.700000 --reffreq 230GHz")


def test_one_frequency_has_no_index():
    used = [Used(DAY, 0, 1e11, s, 0.1) for s in (1.0, 2.0)]
    with pytest.raises(CatalogueError, match="no spectral index"):
        fit_line(used)


@settings(max_examples=40, deadline=None)
@given(
    index=st.floats(-2, 1), flux=st.floats(0.01, 50), relative=st.floats(0.005, 0.2), ghz=st.floats(84, 373),
    fit=st.sampled_from(FITS), where=st.sampled_from(ORIGINS),
)  # fmt: skip
def test_a_power_law_comes_back(index, flux, relative, ghz, fit, where):
    rows = [
        (a, f, flux * (f / 100) ** index, relative * flux * (f / 100) ** index)
        for a, f in ((1, 103.0), (2, 91.0), (1, 343.0), (4, 337.0))
    ]
    found = estimate(source(*rows), DAY, ghz * 1e9, fit=fit, interpolate_from=where)
    assert found.spectral_index == pytest.approx(index, abs=1e-9)
    assert found.flux_jy == pytest.approx(flux * (ghz / 100) ** index, rel=1e-9)
    assert 0 < found.flux_error_jy < 2 * relative * found.flux_jy


def test_the_scatter_of_draws_is_the_propagated_error():
    line = fit_line([Used(DAY, 0, 1e11, 2.0, 0.04), Used(DAY, 0, 3e11, 1.0, 0.05)])
    for ghz in (100, 150, 300, 500):
        share = math.log(ghz / 100) / math.log(3)
        expected = math.hypot((1 - share) * 0.02, share * 0.05)
        median, error = draw(line, ghz * 1e9)
        assert error / median == pytest.approx(expected, rel=0.03)
    assert line.slope_error == pytest.approx(math.hypot(0.02, 0.05) / math.log(3))

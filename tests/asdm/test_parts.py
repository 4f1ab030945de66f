"""Parts of an import: scans, slices, overlapping intervals, pointing, flags, ephemerides."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.asdm.bdf import Bdf
from atacal.asdm.blocks import baseline_order
from atacal.asdm.context import choose_scans, make_context, spw_order
from atacal.asdm.dataset import Asdm
from atacal.asdm.ephemeris import read_ephemerides
from atacal.asdm.intervals import without_overlaps
from atacal.asdm.main_rows import slices
from atacal.asdm.pointing import true_direction
from atacal.errors import ArgumentError, AsdmError, BdfError

SCANS = {(0, 1), (0, 2), (0, 5), (1, 1), (1, 2)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", SCANS),
        ("1", {(0, 1), (1, 1)}),
        ("0:1~3", {(0, 1), (0, 2)}),
        ("1:", {(1, 1), (1, 2)}),
        ("0:5;1:2", {(0, 5), (1, 2)}),
        ("7", set()),
    ],
)
def test_scans(text, expected):
    assert choose_scans(text, SCANS) == expected


@pytest.mark.parametrize("text", ["a", "1-3", "x:1", "1~"])
def test_wrong_scans(text):
    with pytest.raises(ArgumentError, match="scans="):
        choose_scans(text, SCANS)


@given(st.integers(0, 500), st.integers(1, 10_000), st.integers(1, 2_000))
def test_slices_share_all_integrations(count, nbytes, limit):
    made = slices(count, nbytes, limit)
    assert sum(made) == count
    assert all(made)


def test_slices_have_no_small_rest():
    assert slices(10, 100, 1000) == [10]
    assert slices(11, 1100, 500) == [6, 5]
    assert slices(9, 900, 500) == [5, 4]


def test_an_interval_ends_where_the_next_of_its_key_begins():
    rows = [
        {"antennaId": a, "timeInterval": (t, 10), "n": str(n)}
        for n, (a, t) in enumerate([("A", 0), ("B", 3), ("A", 6)])
    ]
    assert [r["timeInterval"] for r in without_overlaps(rows, ("antennaId",))] == [(0, 6), (3, 10), (6, 10)]


def test_rows_out_of_order_and_twice():
    rows = [{"timeInterval": (t, 10), "n": str(t)} for t in (20, 0, 14, 14)]
    assert [r["timeInterval"] for r in without_overlaps(rows, ())] == [(20, 10), (0, 10), (14, 6)]


def test_baselines_of_a_bdf():
    first, second, place = baseline_order(4)
    in_bdf = [(i, j) for j in range(4) for i in range(j)]
    assert [in_bdf[p] for p in place] == list(zip(first, second, strict=True))


@given(st.floats(-3.0, 3.0), st.floats(0.1, 1.4), st.floats(-0.01, 0.01), st.floats(-0.01, 0.01))
def test_pointing_is_offset_on_the_sphere(azimuth, elevation, x, y):
    (az, el), (az0, el0) = true_direction(np.array([[azimuth, elevation]] * 2), np.array([[x, y], [0.0, 0.0]]))
    np.testing.assert_allclose([az0, el0], [azimuth, elevation], atol=1e-12)
    cosine = np.sin(el) * np.sin(elevation) + np.cos(el) * np.cos(elevation) * np.cos(az - azimuth)
    np.testing.assert_allclose(cosine, np.cos(x) * np.cos(y), atol=1e-12)
    assert (
        np.sign(np.sin(el) - np.sin(elevation) * np.cos(x)) == np.sign(np.sin(y) * np.cos(elevation)) or abs(y) < 1e-9
    )


def test_spws_with_data_come_first(make_asdm):
    assert spw_order(Asdm(make_asdm())) == {0: 0, 2: 1, 3: 2, 1: 3}


def test_bdf_tells_its_parts(make_asdm):
    path = make_asdm(zero_lags=True)
    with Bdf(next(iter(sorted((path / "ASDMBinary").iterdir())))) as bdf:
        parts = bdf.parts()
        assert len(parts) == 3
        assert [w.nchan for w in bdf.windows] == [8, 4]
        assert set(parts[0].places) == {"flags", "zeroLags", "crossData", "autoData"}
        assert bdf.values(parts[0], "crossData").dtype == np.int16
        del parts


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.9, 0.999])
def test_a_bdf_cut_short_is_told(make_asdm, keep):
    file = sorted((make_asdm() / "ASDMBinary").iterdir())[0]
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * keep) - (keep > 0.99) * 30])
    with (
        pytest.raises(BdfError, match=r"cut short|no BDF|not a BDF|cannot be read|not the announced"),
        Bdf(file) as bdf,
    ):
        bdf.parts()


def test_ephemerides_are_copied_or_tabulated(make_asdm):
    asdm = Asdm(make_asdm(ephemeris=1))
    (copied,) = read_ephemerides(asdm, "ALMA", 0.0)
    assert copied.table == "EPHEM0_Titan_57201.6.tab"
    np.testing.assert_allclose(np.radians(copied.ra_deg), 3.9 + 1e-4 * np.arange(4))
    ra, dec = copied.direction(copied.mjd[1] * 86400 + 600)
    assert np.hypot(ra + 2 * np.pi - 3.90015, dec + 0.299925) < 3e-7
    with pytest.raises(AsdmError, match="ephemeris of Titan reaches"):
        copied.direction(copied.mjd[-1] * 86400 + 600)


def test_polynomial_ephemerides(make_asdm):
    (made,) = read_ephemerides(Asdm(make_asdm(ephemeris=3)), "ALMA", 0.001)
    np.testing.assert_allclose(np.diff(made.mjd), 0.001, atol=1e-9)
    assert len(made.ra_deg) == len(made.mjd) == len(made.rho_au)
    assert made.keywords["dMJD"] == pytest.approx(0.001)


def test_radial_velocities_become_geocentric(make_asdm):
    (made,) = read_ephemerides(Asdm(make_asdm(ephemeris=1)), "ALMA", 0.0)
    before = made.radvel_au_per_d.copy()
    made.made_geocentric()
    change_m_per_s = np.abs(made.radvel_au_per_d - before) * 1.496e11 / 86400
    assert np.all((change_m_per_s > 1) & (change_m_per_s < 465))
    assert made.keywords["obsloc"] == "GEOCENTRIC"


def test_scans_that_are_not_there(make_asdm):
    with pytest.raises(ArgumentError, match="selects none"):
        make_context(Asdm(make_asdm()), "9", False)

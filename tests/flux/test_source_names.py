"""Names and positions of sources: which spellings mean the same place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import UnknownSource
from atacal.flux.catalogue import Catalogue, CatalogueSource
from atacal.flux.lookup import name_of
from atacal.flux.source_names import NICKNAMES, alias, boxes, of_equinox, position, separation_arcsec, spelled

PLACES = {  # J2000, of the VLBI catalogues
    "J0538-4405": (84.709840, -44.085816),
    "J1256-0547": (194.046527, -5.789312),
    "J1427-4206": (216.984579, -42.105399),
    "J1733-1304": (263.261274, -13.080430),
    "J2253+1608": (343.490616, 16.148211),
    "J0006-0623": (1.557887, -6.393149),
}
PLACED = Catalogue("placed.csv", tuple(CatalogueSource((n,), at, ()) for n, at in PLACES.items()))
UNPLACED = Catalogue("unplaced.csv", tuple(CatalogueSource((n,), None, ()) for n in PLACES))


@pytest.mark.parametrize("catalogue", [PLACED, UNPLACED], ids=["placed", "unplaced"])
@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("J0538-4405", "J0538-4405"), ("j0538-4405", "J0538-4405"), ("0538-4405", "J0538-4405"),
        ("J0538\u22124405", "J0538-4405"), ("B0537-441", "J0538-4405"), ("0537-441", "J0538-4405"),
        ("PKS 0537-441", "J0538-4405"), ("QSO J0538-4405", "J0538-4405"), ("J0538-440", "J0538-4405"),
        ("3c279", "J1256-0547"), ("3C 279", "J1256-0547"), ("B1253-055", "J1256-0547"), ("3C454.3", "J2253+1608"),
        ("2251+158", "J2253+1608"), ("J1733-130", "J1733-1304"), ("NRAO530", "J1733-1304"), ("1730-130", "J1733-1304"),
        ("B1424-418", "J1427-4206"), ("B0003-066", "J0006-0623"), ("J2253+1608*", "J2253+1608"),
    ],
)  # fmt: skip
def test_names(catalogue, written, name):
    assert catalogue.find(written).name == name


@pytest.mark.parametrize(
    "written",
    [
        "05:38:50.36 -44:05:08.9", "05h38m50.36s -44d05m08.9s", "J2000 05h38m50.36 -44.05.08.9",
        "84.70984deg -44.08582deg", "84.70984, -44.08582", "5:38:50.4 -44:05:09",
    ],
)  # fmt: skip
def test_positions(written):
    assert PLACED.find(written).name == "J0538-4405"
    with pytest.raises(UnknownSource, match=r"unplaced\.csv has no positions"):
        UNPLACED.find(written)


def test_a_position_with_nothing_near():
    with pytest.raises(UnknownSource, match=r"no source within 10 arcsec .* nearest, J0538-4405, is 60\.0 arcsec"):
        PLACED.find("05:38:50.36 -44:06:08.9")
    assert PLACED.find("05:38:50.36 -44:06:08.9", tolerance_arcsec=70).name == "J0538-4405"
    with pytest.raises(UnknownSource, match=r"J0538-4405, is 0\.983 deg away"):
        PLACED.find("05:38:50.36 -45:04:08.9")


@pytest.mark.parametrize("who", ["J0539-4405", "J0538-4406", "J0539-4406"])
def test_names_beside_it(who):
    with pytest.raises(UnknownSource, match="did you mean J0538-4405"):
        PLACED.find(who)
    assert PLACED.find(who, adjacent=True).name == "J0538-4405"


def test_unknown_names_say_what_there_is():
    with pytest.raises(UnknownSource, match=r"placed.csv has no source 'Orion'; it has J0538-4405, .* and 1 more"):
        PLACED.find("Orion")
    with pytest.raises(UnknownSource, match="it is empty"):
        Catalogue("none.csv", ()).find("Orion")


def test_a_name_of_two_sources():
    two = Catalogue("two.csv", tuple(CatalogueSource((f"S{k}",), (84.7 + k / 1e3, -44.086), ()) for k in range(2)))
    with pytest.raises(UnknownSource, match="'J0538-4405' can be S0, S1"):
        two.find("J0538-4405")


def test_a_name_without_a_letter_is_not_guessed():
    """0537-441 is J0538-4405 by B1950, and would be another source by J2000 if there is one."""
    there = CatalogueSource(("J0537-4408",), (84.375, -44.14), ())
    both = Catalogue("both.csv", (*PLACED.sources, there))
    with pytest.raises(UnknownSource, match="'0537-441' can be J0538-4405, J0537-4408"):
        both.find("0537-441")
    assert both.find("B0537-441").name == "J0538-4405"
    assert both.find("J0537-441").name == "J0537-4408"
    assert both.find("0537-4408").name == "J0537-4408"


def test_common_names_meet_in_a_catalogue_of_common_names():
    catalogue = Catalogue("c", (CatalogueSource(("3C 274",), None, ()), CatalogueSource(("BL Lac",), None, ())))
    assert catalogue.find("M87").name == "3C 274"
    assert catalogue.find("J1230+1223").name == "3C 274"
    assert catalogue.find("bllac").name == "BL Lac"


@pytest.mark.parametrize("name", sorted(set(NICKNAMES.values())))
def test_the_aliases_are_names_of_positions(name):
    (box,) = boxes(name)
    assert name_of((box.ra_deg, box.dec_deg)) == name


@pytest.mark.parametrize(
    "name", ["J2438-4405", "J0560-4405", "J0538-9905", "J0538-4475", "J0538", "3C279", "", "J053861.3-440508", "Mars"]
)
def test_names_of_no_position(name):
    assert boxes(name) == []


@pytest.mark.parametrize("text", ["J0538-4405", "", "1 2 3", "400deg 10deg", "10 95", "1:70:00 2:00:00", "a b", "1h 2"])
def test_no_positions(text):
    assert position(text) is None


@given(ra=st.floats(0, 359.999), dec=st.floats(-89.9, 89.9))
def test_a_position_lies_in_the_box_of_its_name(ra, dec):
    (box,) = boxes(name_of((ra, dec)))
    assert box.has(ra, dec)


@given(
    h=st.integers(0, 23), m=st.integers(0, 59), s=st.floats(0, 59.99), d=st.integers(0, 89), dm=st.integers(0, 59),
    sign=st.sampled_from(["+", "-"]),
)  # fmt: skip
def test_spellings_of_a_position_agree(h, m, s, d, dm, sign):
    ra, dec = 15 * (h + m / 60 + round(s, 3) / 3600), (-1 if sign == "-" else 1) * (d + dm / 60 + 30 / 3600)
    texts = [
        f"{h:02d}:{m:02d}:{s:.3f} {sign}{d:02d}:{dm:02d}:30", f"{h}h{m}m{s:.3f}s {sign}{d}d{dm}m30.0s",
        f"{h}:{m}:{s:.3f}, {sign}{d}.{dm}.30.0", f"{ra:.9f}deg {dec:.9f}deg",
    ]  # fmt: skip
    for text in texts:
        at = position(text)
        assert at is not None, text
        assert np.allclose(at, (ra, dec), atol=2e-8), text


@given(st.text(max_size=30))
def test_any_text_is_read(text):
    spelled(text), alias(text), boxes(text), position(text)


@given(ra=st.floats(0, 359.999), dec=st.floats(-85, 85), digits=st.sampled_from(["minutes", "tenths"]))
def test_a_b1950_name_is_found(ra, dec, digits):
    """Made of a position of J2000 with astropy, and found by it; by a name of J2000 in its stead, which is coarser."""
    ra50, dec50 = of_equinox(ra, dec, "B1950")
    name = "B" + name_of((ra50, dec50))[1:]
    if digits == "tenths":
        sign, tenths = ("-" if dec50 < 0 else "+"), int(abs(dec50) * 10)
        name = f"{name[:5]}{sign}{tenths // 10:02d}{tenths % 10}"
    assert Catalogue("c", (CatalogueSource(("X",), (ra, dec), ()),)).find(name).name == "X"
    if abs(dec) < 60:
        assert Catalogue("c", (CatalogueSource((name_of((ra, dec)),), None, ()),)).find(name)


def test_b1950_is_that_of_astropy():
    ra, dec = of_equinox(*PLACES["J0538-4405"], "B1950")  # B1950 05:37:21.08, -44:06:44.6 (NED: FK4)
    assert separation_arcsec((ra, dec), (84.33783, -44.11239)) < 1.0


def test_separation():
    assert separation_arcsec((359.9999, 0.0), (0.0001, 0.0)) == pytest.approx(0.72)
    assert separation_arcsec((10.0, 90.0), (200.0, 90.0)) == pytest.approx(0.0, abs=1e-9)
    assert separation_arcsec((0.0, 0.0), (180.0, 0.0)) == pytest.approx(180 * 3600)

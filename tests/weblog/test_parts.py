"""Words, tables, findings of the weblog, without pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from atacal.weblog.attribution import attribute
from atacal.weblog.findings import band, look_first, words
from atacal.weblog.read import read_run
from atacal.weblog.values import Shown, Value, duration, label, number, one, sexagesimal, show, utc


def texts(cells: list[list[Value]]) -> list[str]:
    return ["".join(v.text for v in c) for c in cells]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("on_target_s", "on target [s]"),
        ("centre_hz", "centre [GHz]"),
        ("start_mjd_s", "start [UTC]"),
        ("good_share", "good share"),
        ("ra_rad", "RA"),
        ("snr", "S/N"),
    ],
)
def test_label(name, words):
    assert label(name) == words


@pytest.mark.parametrize(
    ("value", "name", "text", "exact"),
    [
        (0.0123456789, "", "0.012346", "0.0123456789"),
        (2.305e11, "centre_hz", "230.5", "230500000000.0"),
        (5067294000.0, "start_mjd_s", "2019-06-15 05:40:00.0", "5067294000.0"),
        (-0.5, "dec_rad", "-28:38:52.40", "-0.5"),
        (True, "", "yes", ""),
        (None, "", "–", ""),
        (1e-9, "", "1.0000e-09", "1e-09"),
        (17, "", "17", "17"),
    ],
)
def test_a_value_keeps_its_number(value, name, text, exact):
    assert one(value, name) == Value(text, exact)


def test_numbers_and_times():
    assert [number(v) for v in (0.0, 12345678, 123.456789, 2.5e15)] == ["0", "12345678", "123.46", "2.5000e+15"]
    assert duration(8100) == "2 h 15 min"
    assert utc(1e300) == "1.0000e+300"
    assert sexagesimal(23.9999999999, 1) == "24:00:00.0"


def test_dictionaries_become_facts_and_tables():
    shown = show(
        "x",
        {
            "limit": 0.5,
            "by_spw": {"17": {"value": 1.0}, "19": {"value": 2.0}},
            "fluxes": {"J1": {"17": {"flux_jy": 1.5}}, "J2": {"17": {"flux_jy": 2.5}}},
            "list": [{"antenna": "DV01", "z": 1}, {"antenna": "DV02", "b": 2}],
            "deep": {"a": {"b": 1, "c": {"d": [1]}}},
            "empty": [],
        },
    )
    assert [name for name, _ in shown.facts] == ["limit", "empty"]
    assert [t.title for t in shown.tables] == ["by spw", "fluxes", "list"]
    assert [texts(row) for row in shown.tables[1].rows] == [["J1", "17", "1.5"], ["J2", "17", "2.5"]]
    assert shown.tables[2].columns == ["antenna", "z", "b"]
    assert isinstance(shown.parts[0], Shown)


def test_names_of_sources_stay_as_they_are():
    shown = show("x", {"map": {"IRAS_16293-2422": 1, "NGC_1_s": 2, "a": 3, "b": 4}})
    assert [texts(row)[0] for row in shown.tables[0].rows] == ["IRAS_16293-2422", "NGC_1_s", "a", "b"]


@pytest.mark.parametrize(
    ("score", "colour", "word"),
    [
        (0.33, "red", "bad"),
        (0.34, "yellow", "poor"),
        (0.9, "blue", "fair"),
        (0.91, "green", "good"),
        (-0.1, "red", "not told"),
        (None, "none", "no score"),
    ],
)
def test_colours(score, colour, word):
    assert (band(score), words(score)) == (colour, word)


def test_flags_are_attributed(made_run: Path):
    found = attribute(read_run(made_run), "uid___A002_X1_X1.ms")
    assert [c.cause for c in found.causes] == ["online", "shadow", "jump"]
    assert found.causes[1].before == found.causes[0].newly
    cell = found.cells["DV01", "Sgr A*", "17"]
    assert cell.by == {0: 52, 1: 402, 2: 12}
    assert cell.share == (52 + 402 + 12) / 10000
    assert found.cells["DV01", "J1517-2422", "17"].by == {0: 52}


def test_what_to_look_at_first_is_told_once(made_run: Path):
    found = look_first(read_run(made_run))
    assert [f.text for f in found][:2] == ["no solutions of DV02", "spw 19 is bad"]
    assert found[1].block == "uid___A002_X1_X1.ms, uid___A002_X1_X2.ms"
    assert found[1].link.startswith("stage-03-hifa_bandpass.html#spw=19&at=score-")

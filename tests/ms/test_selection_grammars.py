"""The grammars, on metadata made by hand; what is expected was seen in CASA."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.errors import EmptySelection, SelectionError
from atacal.ms.metadata import Antenna, DataDescription, Field, Metadata, Observation, Polarization, Spw
from atacal.ms.selection import (
    TimeReference,
    parse_antenna,
    parse_antenna_list,
    parse_correlation,
    parse_field,
    parse_intent,
    parse_observation,
    parse_scan,
    parse_spw,
    parse_timerange,
    parse_uvrange,
)
from atacal.ms.selection.feed import parse_feed
from atacal.ms.selection.patterns import glob_to_regex, ranges

NAMES = ["DA41", "DA42", "DV01", "DV02", "PM03", "7"]
STATIONS = ["A001", "A002", "W201", "VLA:N1", "A001", "P9"]
X_M = [0.0, 50.0, 150.0, 400.0, 1500.0, 10_000.0]
FIELDS = ["J1617-7717", "3C279", "NGC 1097", "J1423-7829", "5"]


def _spw(i: int, name: str, first_hz: float, width_hz: float, nchan: int) -> Spw:
    freq = first_hz + width_hz * np.arange(nchan)
    width = np.full(nchan, width_hz)
    total = abs(width_hz) * nchan
    return Spw(i, name, freq, width, abs(width), abs(width), float(freq[0]), total, "TOPO", 1, 1, 0)


META = Metadata(
    path="x.ms",
    nrow=0,
    columns=(),
    antennas=tuple(
        Antenna(i, n, s, (x, 0.0, 0.0), 12.0, "ALT-AZ", False)
        for i, (n, s, x) in enumerate(zip(NAMES, STATIONS, X_M, strict=True))
    ),
    fields=tuple(Field(i, n, "T" if i == 4 else "none", i, (0.0, 0.0), "J2000", 0.0) for i, n in enumerate(FIELDS)),
    spws=(
        _spw(0, "WVR#NOMINAL", 184.0e9, 2e9, 4),
        _spw(1, "X1#ALMA_RB_03#BB_1#SW-01#FULL_RES", 86.0e9, 1e6, 64),
        _spw(2, "X1#ALMA_RB_03#BB_1#SW-01#CH_AVG", 86.0e9, 64e6, 1),
        _spw(3, "X1#ALMA_RB_03#BB_2#SW-01#FULL_RES", 98.0e9, -1e6, 128),
        _spw(4, "unused", 300.0e9, 1e6, 8),
    ),
    pols=(Polarization(0, (9, 12), ((0, 0), (1, 1))), Polarization(1, (9,), ((0, 0),))),
    ddids=(DataDescription(0, 0, 1), DataDescription(1, 1, 0), DataDescription(2, 2, 0), DataDescription(3, 3, 0)),
    state_intents=(
        "CALIBRATE_ATMOSPHERE#OFF_SOURCE,CALIBRATE_WVR#OFF_SOURCE",
        "CALIBRATE_ATMOSPHERE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
        "CALIBRATE_PHASE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
        "OBSERVE_TARGET#ON_SOURCE",
    ),
    observations=(Observation(0, "ALMA", "o", "p", (0.0, 0.0)),),
)

T0 = 56920 * 86400.0 + 10 * 3600 + 36 * 60 + 1.5  # 2014/09/20/10:36:01.5
REFERENCE = TimeReference(T0, 2.0)


def pairs(text: str) -> set[tuple[int, int]]:
    """Baselines (a <= b) that an antenna expression selects; the mask must be symmetric."""
    mask = parse_antenna(text, META).baselines
    assert (mask == mask.T).all()
    return {(i, j) for i, j in zip(*np.nonzero(mask), strict=True) if i <= j}


ALL = set(itertools.combinations_with_replacement(range(6), 2))
CROSS = {(i, j) for i, j in ALL if i != j}


def touching(*ids: int) -> set[tuple[int, int]]:
    return {p for p in CROSS if set(p) & set(ids)}


def among(*ids: int) -> set[tuple[int, int]]:
    return {p for p in CROSS if set(p) <= set(ids)}


AUTO = {(i, i) for i in range(6)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ALL),
        ("DA41", touching(0)),
        ("0", touching(0)),
        ("DA*", touching(0, 1)),
        ("D?4[12]", touching(0, 1)),
        ('"D{A4,V0}?"', touching(0, 1, 2, 3)),
        ("'PM03'", touching(4)),
        ("/D[AV].*1/", touching(0, 2)),
        ("^DA*", touching(2, 3, 4, 5)),
        ("^/D.*/", touching(4, 5)),
        ("A002", touching(1)),
        ("VLA:N1", touching(3)),
        ("VLA:*", touching(3)),
        ("7", touching(5)),  # a name before an id
        ("5", touching(5)),
        ("0~2", touching(0, 1, 2)),
        ("0, DV01 ,4", touching(0, 2, 4)),
        ("0~99", CROSS),
        ("DA41&DA42", {(0, 1)}),
        ("DA42&DA41", {(0, 1)}),
        ("DA*&DV*", {(0, 2), (0, 3), (1, 2), (1, 3)}),
        ("0~2&", among(0, 1, 2)),
        ("0~2&&", among(0, 1, 2) | {(0, 0), (1, 1), (2, 2)}),
        ("0~2&&&", {(0, 0), (1, 1), (2, 2)}),
        ("*&*", CROSS),
        ("*&&*", ALL),
        ("*&&&", AUTO),
        ("DA41&&DA42", {(0, 1)}),
        ("@A001", touching(0, 4)),
        ("DA41@A001", touching(0)),
        ("(0,1,4)@(A001,W201)", touching(0, 4)),
        ("@/A.*/&", among(0, 1, 4)),
        ("0;1&2", touching(0) | {(1, 2)}),
        ("!DA41", ALL - touching(0)),
        ("!DA*;!DV01", ALL - touching(0, 1, 2)),
        ("DA*;!DA41&DA42", touching(0, 1) - {(0, 1)}),
        ("!DA41;DA41&DA42", (ALL - touching(0)) | {(0, 1)}),
        ("<100m", {(0, 1)} | AUTO),
        ("<=100m", {(0, 1), (1, 2)} | AUTO),
        (">=9.85km", {(0, 5), (1, 5), (2, 5)}),
        ("100.0~400.0", {(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)}),
        ("0.1~0.4km", {(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)}),
        ("100m~0.4km", {(0, 2), (1, 2), (0, 3), (1, 3), (2, 3)}),
        ("!<1km", ALL - {p for p in ALL if abs(X_M[p[0]] - X_M[p[1]]) < 1000}),
        ("/DA41&D.*/,/PM03&.*/", None),
    ],
)
def test_antenna(text: str, expected: set[tuple[int, int]] | None) -> None:
    if expected is None:  # a pattern on the pair of names, in the rows' order: not symmetric
        mask = parse_antenna(text, META).baselines
        assert mask[0, :4].all()
        assert mask[4].all()
        assert mask.sum() == 4 + 6
    else:
        assert pairs(text) == expected


def test_empty_antenna_may_leave_autocorrelations_out() -> None:
    mask = parse_antenna("", META, autocorr=False).baselines
    assert not mask.diagonal().any()
    assert mask.sum() == 30
    assert parse_antenna("*&&", META, autocorr=False).baselines.all()


def test_antenna_list_keeps_order() -> None:
    assert parse_antenna_list("DV01, DA41,4", META) == [2, 0, 4]


@pytest.mark.parametrize("text", ["", "1", "0~1", "ghost"])
def test_unknown_antenna_is_named(text: str) -> None:
    with pytest.raises(EmptySelection, match=r"ghost.*0: DA41@A001"):
        parse_antenna((text + "," if text else "") + "ghost", META)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("0", [0]),
        ("3,1", [1, 3]),
        ("0~2", [0, 1, 2]),
        ("2~99", [2, 3, 4]),
        (">2", [3, 4]),
        ("<2", [0, 1]),
        (">0&<3", [1, 2]),
        ("3C279", [1]),
        (" NGC 1097 ", [2]),
        ("NGC*", [2]),
        ("J*7717,3C*", [0, 1]),
        ('"J1{4,6}*"', [0, 3]),
        ("/J1.*/", [0, 3]),
        ("J1617?7717", [0]),
        ("none", [0, 1, 2, 3]),  # a code, since no name
        ("5", [4]),  # no such id, but a name
        ('"5"', [4]),
        ("(0,1)", [0, 1]),
    ],
)
def test_field(text: str, expected: list[int]) -> None:
    assert parse_field(text, META) == expected


@pytest.mark.parametrize("text", ["J1617", "0,ghost", "77", "<0"])
def test_missing_field(text: str) -> None:
    with pytest.raises(EmptySelection, match="0: J1617-7717"):
        parse_field(text, META)


def channels(text: str) -> dict[int, list[int]]:
    return {s: np.flatnonzero(m).tolist() for s, m in parse_spw(text, META).channels.items()}


def full(*spws: int) -> dict[int, list[int]]:
    return {s: list(range(META.spws[s].nchan)) for s in spws}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", full(0, 1, 2, 3)),
        ("*", full(0, 1, 2, 3)),
        ("1", full(1)),
        ("1,3", full(1, 3)),
        ("1~3", full(1, 2, 3)),
        ("0~3^2", full(0, 2)),
        ("0;2;3", full(0, 2, 3)),
        (">1", full(2, 3)),
        ("<2", full(0, 1)),
        ("0<>2", full(1)),
        ("*FULL_RES", full(1, 3)),
        ("X1#ALMA_RB_03#BB_1#SW-01#CH_AVG", full(2)),
        ('"WVR#NOMINAL"', full(0)),
        ("/.*BB_1.*/", full(1, 2)),
        ("97~98GHz", full(3)),
        ("<90GHz", full(1, 2)),
        ("100GHz<>200GHz", full(0)),
        ("1:3", {1: [3]}),
        ("1:3~5", {1: [3, 4, 5]}),
        ("1:0~9^3", {1: [0, 3, 6, 9]}),
        ("1:^21", {1: [0, 21, 42, 63]}),
        ("1:1;3~4;60~99", {1: [1, 3, 4, 60, 61, 62, 63]}),
        ("1:99", {1: [63]}),  # beyond the last: the last, with a warning, as in CASA
        ("1,3:0~1", full(1) | {3: [0, 1]}),
        ("1:0,1:5", {1: [0, 5]}),
        ("*:0~1", {0: [0, 1], 1: [0, 1], 2: [0], 3: [0, 1]}),
        ("1:86.0025~86.0055GHz", {1: [3, 4, 5]}),
        ("1:86002.5~86005.5MHz^2MHz", {1: [3, 5]}),
        ("1:86.0025GHz", {1: [2, 3]}),  # between two centres: both
        ("1:86.003GHz", {1: [3]}),
        ("3:97.9935~97.9965GHz", {3: [4, 5, 6]}),
        ("1:80~86.0015GHz", {1: [0, 1]}),
    ],
)
def test_spw(text: str, expected: dict[int, list[int]]) -> None:
    assert channels(text) == expected


def test_spw_groups_keep_their_order() -> None:
    assert parse_spw("1:20~29;0~9,1:40", META).groups == {1: [slice(20, 30, 1), slice(0, 10, 1), slice(40, 41, 1)]}


@pytest.mark.parametrize("text", ["9", "ghost", "1,9", "4", "200~201GHz", "1:90~91GHz"])
def test_missing_spw(text: str) -> None:
    with pytest.raises(EmptySelection, match=r"1: X1#ALMA_RB_03#BB_1#SW-01#FULL_RES \(64 channels"):
        parse_spw(text, META)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [1, 2, 3, 5, 8]),
        ("3", [3]),
        ("1~3", [1, 2, 3]),
        ("2~6,8", [2, 3, 5, 8]),
        (">3", [5, 8]),
        (">=3", [3, 5, 8]),
        ("<3", [1, 2]),
        ("<=3", [1, 2, 3]),
        (">1&<5", [2, 3]),
        (">=2&<=5", [2, 3, 5]),
        ("1,>5", [1, 8]),
        ("3~3", [3]),
    ],
)
def test_scan(text: str, expected: list[int]) -> None:
    assert parse_scan(text, [1, 2, 3, 5, 8, 8, 1]).tolist() == expected


def test_missing_scan() -> None:
    with pytest.raises(EmptySelection, match=r"scans 1~3,5"):
        parse_scan("9", [1, 2, 3, 5])
    with pytest.raises(EmptySelection, match=r"observations 0"):
        parse_observation(">0", [0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [0, 1, 2, 3]),
        ("OBSERVE_TARGET#ON_SOURCE", [3]),
        ("*ATMOSPHERE*", [0, 1]),
        ("*PHASE*,OBSERVE*", [2, 3]),
        ("*WVR*&*ON_SOURCE", [1, 2]),
        ("*PHASE*&*WVR*", [2]),
        ("!*WVR*", [3]),
        ("*ON_SOURCE&!*ATMOSPHERE*", [2, 3]),
        ("/CALIBRATE_P.*/", [2]),
        ("1~2", [1, 2]),
        (">1", [2, 3]),
    ],
)
def test_intent(text: str, expected: list[int]) -> None:
    assert parse_intent(text, META) == expected


def test_missing_intent() -> None:
    with pytest.raises(EmptySelection, match="OBSERVE_TARGET#ON_SOURCE"):
        parse_intent("*SIDEBAND*,*POINTING*", META)
    with pytest.raises(EmptySelection, match=r"nothing matches '\*POINTING\*'"):
        parse_intent("*PHASE*,*POINTING*", META)


def test_one_of_several_intents_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", "atacal"):
        assert parse_intent("*PHASE*,*POINTING*", META, partial=True) == parse_intent("*PHASE*", META)
    assert "nothing matches '*POINTING*'" in caplog.text
    with pytest.raises(EmptySelection, match="nothing matches"):
        parse_intent("*SIDEBAND*,*POINTING*", META, partial=True)


@pytest.mark.parametrize(
    ("text", "corrs", "ddids"),
    [
        ("", {0: [True, True], 1: [True]}, {0, 1, 2, 3}),
        ("XX", {0: [True, False], 1: [True]}, {0, 1, 2, 3}),
        ("xx,yy", {0: [True, True]}, {1, 2, 3}),
        ("YY", {0: [False, True]}, {1, 2, 3}),
        ("1:YY", {0: [False, True]}, {1}),
        ("0:XX;3:YY", {0: [False, True], 1: [True]}, {0, 3}),
    ],
)
def test_correlation(text: str, corrs: dict[int, list[bool]], ddids: set[int]) -> None:
    found, left = parse_correlation(text, META)
    assert {p: m.tolist() for p, m in found.items()} == corrs
    assert left == ddids


def test_missing_correlation() -> None:
    with pytest.raises(EmptySelection, match="0: XX YY"):
        parse_correlation("XX,XY", META)
    with pytest.raises(SelectionError, match="ZZ"):
        parse_correlation("ZZ", META)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:36:01.5", (T0 - 1, T0 + 1)),
        ("2014/09/20/10:36:01.5", (T0 - 1, T0 + 1)),
        ("10:36:00~10:37:00.5", (T0 - 1.5, T0 + 59)),
        ("2014/09/20/10:36:00~10:37:00.5", (T0 - 1.5, T0 + 59)),
        ("2014/9/20/10:36:0~2014/9/21/10:36:0", (T0 - 1.5, T0 + 86400 - 1.5)),
        (">10:36:00", (T0 - 1.5, np.inf)),
        ("<10:36:00", (-np.inf, T0 - 1.5)),
        ("10:36:00+0:01:00", (T0 - 1.5, T0 + 58.5)),
        ("10:36:00+90", (T0 - 1.5, T0 + 88.5)),
        ("10:36:", None),
        ("36:01.5~40:00", (T0 - 36000, T0 - 36000 + 238.5)),  # one colon: minutes and seconds
        ("10:36:~10:37:", (T0 - 1.5, T0 + 58.5)),  # a second colon: hours and minutes
        ("[10:36:00~10:37:00]", (T0 - 2.5, T0 + 59.5)),
        ("5[10:36:00~10:37:00]", (T0 - 6.5, T0 + 63.5)),
        ("*", (T0 - 1, T0 + 1)),
        ("2014/09/20", (T0 - 1, T0 + 1)),  # the time of day comes from the first row too
        ("2014/09/20/33:00:00~2014/09/20/34:00:00", (T0 - 1.5 + 22 * 3600 + 24 * 60, None)),
    ],
)
def test_timerange(text: str, expected: tuple[float, float | None] | None) -> None:
    (window,) = parse_timerange(text, REFERENCE)
    if expected is None:
        expected = (T0 - 1.5 - 1, T0 - 1.5 + 1)
    assert window.low == pytest.approx(expected[0], abs=1e-3)
    if expected[1] is not None:
        assert window.high == pytest.approx(expected[1], abs=1e-3)


def test_a_reversed_timerange_says_what_was_understood() -> None:
    with pytest.raises(SelectionError, match=r"2014/09/20/00:10:37.0"):
        parse_timerange("10:36:00~10:37", REFERENCE)


@pytest.mark.parametrize(
    "text", ["2014/13/01", "2014/02/30/00:00:00", "1/2/3/4:5:6", "10:36:00+2014/01/01", "abc", "~"]
)
def test_impossible_times(text: str) -> None:
    with pytest.raises(SelectionError):
        parse_timerange(text, REFERENCE)


@pytest.mark.parametrize(
    ("text", "metres"),
    [
        ("<100m", [0, 50, 100]),
        (">100", [150, 400, 1500]),
        ("0.1~0.4km", [100, 150, 400]),
        ("100~150,>1km", [100, 150, 1500]),
        ("!100~400m", [0, 50, 1500]),
        ("400:5%", [400]),
        ("<0.1klambda", [0, 50, 100]),
        (">0.15klambda", [400, 1500]),
        ("0.001~0.002Mlambda", [1500]),
        ("1~2KLAMBDA", [1500]),
    ],
)
def test_uvrange(text: str, metres: list[float]) -> None:
    limits = parse_uvrange(text)
    assert limits is not None
    dist = np.array([0, 50, 100, 150, 400, 1500.0])
    uvw = np.stack([0.6 * dist, 0.8 * dist, 1e4 + dist], axis=1)
    assert dist[limits.mask(uvw, 299792458.0)].tolist() == metres


def test_no_uvrange() -> None:
    assert parse_uvrange(" ") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", [1]),
        ("0&&", [0]),
        ("0~1&&", [0, 1, 2]),
        ("0~1&", [1]),
        ("1&&&", [2]),
        ("!0&&", [1, 2]),
        ("0&&;1&&", [0, 2]),
    ],
)
def test_feed(text: str, expected: list[int]) -> None:
    assert np.flatnonzero(parse_feed(text, np.array([0, 0, 1]), np.array([0, 1, 1]))).tolist() == expected


@pytest.mark.parametrize(
    ("parse", "text", "position"),
    [
        (lambda t: parse_antenna(t, META), "DA41;;DA42", 6),
        (lambda t: parse_antenna(t, META), "DA41&&&DA42", 8),
        (lambda t: parse_antenna(t, META), "5~1", 4),
        (lambda t: parse_antenna(t, META), "<3furlongs", 3),
        (lambda t: parse_field(t, META), "0~", 3),
        (lambda t: parse_spw(t, META), "1:", 3),
        (lambda t: parse_spw(t, META), "1:5~3", 6),
        (lambda t: parse_spw(t, META), "1:10~20km/s", 8),
        (lambda t: parse_scan(t, [1]), "1,a", 3),
        (lambda t: parse_uvrange(t), "1~2parsec", 4),
        (lambda t: parse_timerange(t, REFERENCE), "10:36:00~x", 10),
    ],
)
def test_unreadable_text_names_the_place(parse: Callable[[str], Any], text: str, position: int) -> None:
    with pytest.raises(SelectionError, match=f"at character {position}\\."):
        parse(text)


def test_ranges() -> None:
    assert ranges([3, 1, 2, 7, 9, 9]) == "1~3,7,9"
    assert ranges([]) == "none"


@pytest.mark.parametrize("pattern", ["a.b", "[", "{a", "a{b,c}d*?", "[!ab]", "[^]", "]", "a,b}"])
def test_any_glob_becomes_a_regular_expression(pattern: str) -> None:
    import re

    re.compile(glob_to_regex(pattern))


PARSERS: dict[str, Callable[[str], Any]] = {
    "antenna": lambda t: parse_antenna(t, META),
    "field": lambda t: parse_field(t, META),
    "spw": lambda t: parse_spw(t, META),
    "scan": lambda t: parse_scan(t, [1, 2, 3]),
    "intent": lambda t: parse_intent(t, META),
    "correlation": lambda t: parse_correlation(t, META),
    "timerange": lambda t: parse_timerange(t, REFERENCE),
    "uvrange": parse_uvrange,
    "feed": lambda t: parse_feed(t, np.array([0, 1]), np.array([0, 0])),
}
WORDS = ["DA41", "DA", "*", "?", "0", "1", "7", "99", "1.5", "2e3", "m", "km", "klambda", "GHz", "MHz", "%", "XX", "YY",
         "J16", "CAL", "2014", "#", "_", "-", "+", ".", ",", ";", ":", "~", "&", "&&", "&&&", "!", "<", ">", "<=", ">=",
         "<>", "^", "/", '"', "'", "(", ")", "[", "]", "{", "}", "@", "\\", " ", "\t", "é",
         "10:36:00", "1e400"]  # fmt: skip


@pytest.mark.parametrize("name", sorted(PARSERS))
@settings(max_examples=400, deadline=None)
@given(text=st.one_of(st.lists(st.sampled_from(WORDS), max_size=9).map("".join), st.text(max_size=12)))
def test_no_text_breaks_a_parser(name: str, text: str) -> None:
    """Whatever is written, the only error is SelectionError."""
    from contextlib import suppress

    with suppress(SelectionError):
        PARSERS[name](text)


@st.composite
def _antenna_items(draw: st.DrawFn) -> tuple[str, set[int]]:
    """One item of an antenna list, and the antennas it means."""
    kind = draw(st.sampled_from(["name", "id", "range", "glob", "station", "regex"]))
    i = draw(st.integers(0, 5))
    if kind == "name":
        return NAMES[i], {i}
    if kind == "id":
        return str(i), {i}
    if kind == "range":
        j = draw(st.integers(i, 5))
        return f"{i}~{j}", set(range(i, j + 1))
    if kind == "glob":
        return draw(st.sampled_from([("D*", {0, 1, 2, 3}), ("D?4*", {0, 1}), ("*M*", {4}), ("*", set(range(6)))]))
    if kind == "regex":
        return "/.*0[13]/", {2, 4} | {i for i, s in enumerate(STATIONS) if s.endswith(("01", "03"))}
    return f"@{STATIONS[i]}", {k for k, s in enumerate(STATIONS) if s == STATIONS[i]}


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.booleans(),
            st.lists(_antenna_items(), min_size=1, max_size=3),
            st.sampled_from(["", "&", "&&", "&&&"]),
            st.lists(_antenna_items(), max_size=2),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_antenna_expressions_against_a_slow_reference(
    terms: list[tuple[bool, list[tuple[str, set[int]]], str, list[tuple[str, set[int]]]]],
) -> None:
    texts, wanted = [], None
    for negate, left, op, right in terms:
        right = right if op in ("&", "&&") else []
        texts.append("!" * negate + ",".join(t for t, _ in left) + op + ",".join(t for t, _ in right))
        a = set().union(*(ids for _, ids in left))
        b = set().union(*(ids for _, ids in right)) if right else a
        term = set()
        for i, j in ALL:
            both = (i in a and j in b) or (i in b and j in a)
            if op == "":
                hit = i != j and (i in a or j in a)
            elif op == "&&&":
                hit = i == j and i in a
            else:
                hit = both and (i != j or op == "&&")
            if hit:
                term.add((i, j))
        before = (ALL if negate else set()) if wanted is None else wanted
        wanted = before - term if negate else before | term
    assert pairs(";".join(texts)) == wanted


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 140), st.integers(0, 140), st.integers(1, 9)),
        min_size=1,
        max_size=4,
    )
)
def test_channel_expressions_against_a_slow_reference(parts: list[tuple[int, int, int, int]]) -> None:
    wanted: dict[int, set[int]] = {}
    texts = []
    for spw, a, b, step in parts:
        low, high = sorted((a, b))
        texts.append(f"{spw}:{low}~{high}^{step}")
        last = META.spws[spw].nchan - 1
        wanted.setdefault(spw, set()).update(range(min(low, last), min(high, last) + 1, step))
    assert channels(",".join(texts)) == {s: sorted(c) for s, c in wanted.items()}


@settings(max_examples=200, deadline=None)
@given(
    st.sets(st.integers(0, 30), min_size=1),
    st.lists(
        st.tuples(st.sampled_from(["n", "~", "<", "<=", ">", ">="]), st.integers(0, 30), st.integers(0, 9)),
        min_size=1,
        max_size=4,
    ),
)
def test_scan_expressions_against_a_slow_reference(there: set[int], terms: list[tuple[str, int, int]]) -> None:
    texts, hits = [], set()
    for kind, n, more in terms:
        texts.append({"n": f"{n}", "~": f"{n}~{n + more}"}.get(kind, f"{kind}{n}"))
        for s in there:
            hits |= (
                {s}
                if {"n": s == n, "~": n <= s <= n + more, "<": s < n, "<=": s <= n, ">": s > n, ">=": s >= n}[kind]
                else set()
            )
    if hits:
        assert parse_scan(",".join(texts), there).tolist() == sorted(hits)
    else:
        with pytest.raises(EmptySelection):
            parse_scan(",".join(texts), there)

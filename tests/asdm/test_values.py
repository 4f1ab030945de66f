"""Texts of ASDM tables turned into values."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.asdm import values
from atacal.asdm.online_flags import civil_time, correlations_of
from atacal.errors import AsdmError


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=8))
def test_arrays_come_back_as_they_were_written(numbers):
    text = " ".join(["1", str(len(numbers)), *map(repr, numbers)])
    assert values.array(text).tolist() == numbers


@given(st.lists(st.lists(st.integers(-(1 << 62), 1 << 62), min_size=2, max_size=2), min_size=1, max_size=5))
def test_integers_of_two_axes(rows):
    text = " ".join(["2", str(len(rows)), "2", *(str(n) for row in rows for n in row)])
    assert values.array(text, np.int64).tolist() == rows


_ODD = st.sampled_from(
    ["nan", "-inf", "1.", ".5", "+2", "007", "1E5", "-0.0", "1e-400", "123456789012345678901234567890"]
)


@given(st.lists(st.floats(width=32).map(repr) | st.integers().map(str) | _ODD, min_size=1), st.sampled_from(" \t\n"))
def test_numbers_are_those_of_float(words, space):
    read = values.array(f"1 {len(words)} " + space.join(words))
    np.testing.assert_array_equal(read, [float(w) for w in words])
    assert np.array_equal(np.signbit(read), np.signbit([float(w) for w in words]))


@pytest.mark.parametrize("bad", ["null", "true", "[1]", '"1"', "{}", "1,2", "--1", "0x10"])
@given(words=st.lists(st.floats(allow_nan=False).map(repr)), data=st.data())
def test_what_is_no_number_is_refused(bad, words, data):
    words.insert(data.draw(st.integers(0, len(words))), bad)
    with pytest.raises(AsdmError, match="not a number"):
        values.array(f"1 {len(words)} " + " ".join(words))


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused_by_name(text):
    for read in (values.array, values.complexes, values.strings, values.tag, values.integer, values.real):
        with contextlib.suppress(AsdmError):
            read(text)


@pytest.mark.parametrize("text", ["1 3 1.0 2.0", "1 x", "2 2 2 1 2 3", "1 2 a b"])
def test_wrong_arrays(text):
    with pytest.raises(AsdmError, match=r"array|announces|not a number"):
        values.array(text)


def test_words_with_and_without_quotes():
    assert values.strings('1 2 "a b" "c"') == ((2,), ["a b", "c"])
    assert values.strings("1 2 X Y") == ((2,), ["X", "Y"])
    assert values.strings('1 1 ""') == ((1,), [""])
    assert values.strings("1 0") == ((0,), [])


def test_identifiers_and_references():
    assert values.tag(" Antenna_12 ") == 12
    assert values.entity_id('<EntityRef entityId="uid://A002/X1/X2" partId="X0"/>') == "uid://A002/X1/X2"
    with pytest.raises(AsdmError, match="identifier"):
        values.tag("Antenna")


def test_intervals_have_midpoints_and_may_be_open():
    assert values.start_and_duration("100 20") == (90, 20)
    last = (1 << 63) - 1
    start, duration = values.start_and_duration(f"{last // 2 + 500} {last}")
    assert start + duration == last


def test_times_of_flags_are_rounded_to_a_millisecond():
    assert civil_time(4942216800.0) == "2015/06/28/14:00:00.000"
    assert civil_time(4942216799.9996) == "2015/06/28/14:00:00.000"
    assert civil_time(4942216800.1234) == "2015/06/28/14:00:00.123"


@pytest.mark.parametrize(
    ("receptors", "expected"),
    [("X", "XX,XY,YX"), ("Y", "YY,YX,XY"), ("XY", "XX,XY,YX,YY"), ("R", "RR,RL,LR"), ("L", "LL,LR,RL"), ("", "")],
)
def test_correlations_that_receptors_spoil(receptors, expected):
    assert correlations_of(list(receptors)) == expected

"""The tools qa and me: numbers with units, times and angles as text, measures in their frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import NoSuchMethod, ToolError
from atacal.scripts.tools import me, qa


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1.5GHz", 1.5, "GHz"),
        ("12h30m15.5s", 187.56458333333333, "deg"),
        ("-12.30.15", -12.504166666666666, "deg"),
        ("2014/05/06/12:30:15", 56783.521006944444, "d"),
        ("5", 5.0, ""),
        ("", 0.0, ""),
    ],
)
def test_texts_are_read(text, value, unit):
    found = qa.quantity(text)
    assert found["unit"] == unit
    assert found["value"] == pytest.approx(value, rel=1e-14)
    assert qa.isquantity(text)


def test_what_is_no_quantity_is_named():
    with pytest.raises(ToolError, match=r"'3furlongxx' is no quantity such as '1\.5GHz'"):
        qa.quantity("3furlongxx")
    with pytest.raises(ToolError, match="of another kind"):
        qa.convert("5km/s", "GHz")
    with pytest.raises(ToolError, match="different kinds"):
        qa.add("5m", "2s")
    with pytest.raises(ToolError, match="'nope' is not known; there are pi"):
        qa.constants("nope")
    with pytest.raises(NoSuchMethod, match=r"qa\.map is not available"):
        qa.map()


def test_conversions_and_arithmetic():
    assert qa.convert("12h", "deg")["value"] == pytest.approx(180)
    assert qa.convert(qa.quantity([1, 2], "km"), "m")["value"].tolist() == [1000, 2000]
    assert qa.getvalue("1.5GHz").tolist() == [1.5]
    assert qa.div("5m", "2s") == {"unit": "m/(s)", "value": 2.5}
    assert qa.add("5m", "2km") == {"unit": "m", "value": 2005.0}
    assert qa.convertfreq("5GHz", "cm")["value"] == pytest.approx(5.99584916)
    assert qa.lt("1m", "1km")
    assert not qa.compare("1m", "1s")
    assert qa.tos("5.25GHz", prec=2) == "5.25GHz"


@pytest.mark.parametrize(
    ("mjd", "form", "prec", "text"),
    [
        (56789.123456, "ymd", 0, "2014/05/12/02:57:47"),
        (56789.123456, "fits", 9, "2014-05-12T02:57:46.598"),
        (56789.123456, ["ymd", "no_time"], 0, "2014/05/12"),
        (56789.123456, ["ymd", "day"], 0, "Mon-2014/05/12/02:57:47"),
        (56789.123456, "", 0, "02:57:47"),
        (56789.99999999, "ymd", 6, "2014/05/13/00:00:00"),
    ],
)
def test_times_as_text(mjd, form, prec, text):
    assert qa.time(qa.quantity(mjd, "d"), form=form, prec=prec) == [text]


def test_forms_that_do_not_exist_are_named():
    with pytest.raises(ToolError, match=r"form \['nonsense'\]: the words are time"):
        qa.time("56789d", form="nonsense")


def test_angles_as_text():
    assert qa.angle("-12.3deg", form="dig2") == ["-12.18.00"]
    assert qa.angle("12.3deg", prec=9, form="time") == ["00:49:12.000"]
    assert qa.formxxx("30.5123deg", format="hms") == "02:02:02.95"
    assert qa.formxxx("-30.5123deg", format="deg", prec=5) == "-30.5123"


@given(st.floats(0, 80000), st.integers(6, 12))
def test_a_time_written_is_read_again(mjd, prec):
    (text,) = qa.time(qa.quantity(mjd, "d"), form="ymd", prec=prec)
    assert qa.quantity(text)["value"] == pytest.approx(mjd, abs=0.5001 * 10.0 ** (6 - prec) / 86400 + 1e-10)


@given(st.floats(-np.pi, np.pi), st.integers(6, 12))
def test_an_angle_written_is_read_again(rad, prec):
    (text,) = qa.angle(qa.quantity(rad, "rad"), prec=prec)
    found = qa.convert(text, "rad")["value"]
    assert found == pytest.approx(rad, abs=0.5001 * np.radians(10.0 ** (6 - prec) / 3600) + 1e-12)


def test_measures_are_made_and_taken_apart():
    direction = me.direction("J2000", "12h30m00", "-30d15m00")
    assert qa.angle(direction["m0"], form="time") == ["12:30:00"]
    assert me.getref(direction) == "J2000"
    assert me.gettype(direction) == "Direction"
    assert me.ismeasure(direction)
    assert not me.ismeasure("x")
    with pytest.raises(ToolError, match=r"me\.measure: 'x' is no measure"):
        me.measure("x", "J2000")
    with pytest.raises(ToolError, match="'NOWHERE' is not known"):
        me.observatory("NOWHERE")


def test_a_shift_is_as_far_as_it_says_and_where():
    start = me.direction("J2000", "12h30m00", "-30d15m00")
    end = me.shift(start, "20arcmin", "30deg")
    assert me.separation(start, end)["value"] == pytest.approx(20 / 60, rel=1e-9)
    assert me.posangle(start, end)["value"] == pytest.approx(30, rel=1e-9)


def test_doppler_shifts_go_there_and_back():
    shift = me.doppler("RADIO", "702.2118821896523km/s")
    sky = me.tofrequency("LSRK", shift, "115.27GHz")
    assert sky["m0"]["value"] == pytest.approx(115e9)
    assert me.todoppler("RADIO", sky, "115.27GHz")["m0"]["value"] == pytest.approx(702211.8821896523)
    assert me.torestfrequency(sky, shift)["m0"]["value"] == pytest.approx(115.27e9)
    velocity = me.toradialvelocity("LSRK", me.doppler("RADIO", "5km/s"))
    assert me.todoppler("RADIO", velocity)["m0"]["value"] == pytest.approx(5000)
    with pytest.raises(ToolError, match="no kind of Doppler shift"):
        me.todoppler("ODD", velocity)

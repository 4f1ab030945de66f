"""Catalogue files: spellings of columns, units, dates; what cannot be read is said with its row."""

from __future__ import annotations

import contextlib
import datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from atacal.errors import ArgumentError, CatalogueError, NoSuchTable
from atacal.flux.catalogue import Measurement
from atacal.flux.catalogue_file import collect, read_catalogue
from atacal.flux.dates import day_of_mjd, parse_day

DAY = datetime.date(2015, 6, 27)
ONE = Measurement(DAY, 103.49e9, 2.09, 0.05)


def read(tmp_path, text: str):
    path = tmp_path / "fluxes.csv"
    path.write_text(text, encoding="utf-8")
    return read_catalogue(path)


@pytest.mark.parametrize(
    "text",
    [
        "source,date,freq_GHz,flux_Jy,error\nX,2015-06-27,103.49,2.09,0.05\n",
        "Source Name;Date Observed;Frequency [GHz];Flux Density (Jy);Uncertainty\nX;27-Jun-2015;103.49;2.09;0.05\n",
        "sourceName\tdateObserved\tfrequency\tfluxDensity\tfluxDensityError\nX\t20150627\t103490000000.0\t2.09\t0.05\n",
        "# exported\nname,frequency_Hz,flux,uncertainty,date_observed\n\nX,1.0349e11,2.09,0.05,20150627T00:00:00\n",
        "object | MJD | freq (MHz) | S_mJy | e_flux (mJy)\nX | 57200.3 | 103490 | 2090 | 50\n",
        "name,freq,flux,err,date\nX,103.49 GHz,2090mJy,50 mJy,2015/06/27/01:00:00\n",
        "\ufeffname,freq,flux,err,date\nX,103.49,2.09,0.05,2015-06-27\n",
    ],
)
def test_columns_and_units(tmp_path, text):
    (source,) = read(tmp_path, text).sources
    (found,) = source.measurements
    assert (source.names, found.date) == (("X",), DAY)
    assert [found.freq_hz, found.flux_jy, found.error_jy] == pytest.approx([103.49e9, 2.09, 0.05])


@pytest.mark.parametrize("error", ["", "0", "0.0", "null", "nan", "-", "1.7976931348623157E308"])
def test_no_error(tmp_path, error):
    (source,) = read(tmp_path, f"name,freq,flux,error,date\nX,103.49,2.09,{error},2015-06-27\n").sources
    assert source.measurements[0].error_jy is None


def test_names_and_positions(tmp_path):
    text = (
        "name,ra,dec,freq,flux,date\n"
        "A;3C 1,05:38:50.36,-44:05:08.9,100,1,2015-06-27\n"
        "B=C,84.5,-44,100,2,2015-06-27\n"
        "c,,,100,3,2015-06-27\n"
    )
    first, second = read(tmp_path, text).sources
    assert (first.names, second.names) == (("A", "3C 1"), ("B", "C"))
    assert first.position_deg == pytest.approx((84.709833, -44.085806), abs=1e-6)
    assert [m.flux_jy for m in second.measurements] == [2.0, 3.0]


def test_rows_are_joined_by_names():
    rows = [(("A",), None, ONE), (("B",), (1.0, 2.0), ONE), (("D",), None, ONE), (("b", "A"), None, ONE)]
    joined = collect(rows)
    assert [s.names for s in joined] == [("A", "B"), ("D",)]
    assert [len(s.measurements) for s in joined] == [3, 1]
    assert joined[0].position_deg == (1.0, 2.0)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from("ABCDEFGH"), min_size=1, max_size=3), max_size=12))
def test_joining_is_that_of_connected_names(rows):
    joined = collect([(names, None, ONE) for names in rows])
    assert sum(len(s.measurements) for s in joined) == len(rows)
    groups: list[set[str]] = []
    for names in rows:
        touching = [g for g in groups if g & set(names)]
        groups = [g for g in groups if g not in touching] + [set(names).union(*touching)]
    assert sorted(sorted(s.names) for s in joined) == sorted(sorted(g) for g in groups)


def test_votable(tmp_path):
    from astropy.table import MaskedColumn, Table

    table = Table({
        "SourceName": ["J0538-4405", "J0538-4405"], "Frequency": [103.49, 343.48], "FluxDensity": [2090.0, 1030.0],
        "FluxDensityError": MaskedColumn([50.0, 0.0], mask=[False, True]), "Date": ["2015-06-27", "2015-06-28"],
        "RA": [84.70984, 84.70984], "Dec": [-44.08582, -44.08582],
    })  # fmt: skip
    table["Frequency"].unit, table["FluxDensity"].unit, table["FluxDensityError"].unit = "GHz", "mJy", "mJy"
    path = tmp_path / "fluxes.vot"
    table.write(path, format="votable")
    (source,) = read_catalogue(path).sources
    first, second = source.measurements
    assert source.position_deg == pytest.approx((84.70984, -44.08582))
    assert [first.freq_hz, first.flux_jy, first.error_jy] == pytest.approx([103.49e9, 2.09, 0.05])
    assert (second.date, second.error_jy) == (datetime.date(2015, 6, 28), None)
    assert second.flux_jy == pytest.approx(1.03)


GOOD = "name,freq,flux,error,date\nX,103.49,2.09,0.05,2015-06-27\n"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("name,freq,flux,date\n", "has no rows"),
        ("a,b\n1,2\n", r"lacks columns: name \(name, names, source ...\); freq .*; flux .*; date .* It has: a, b"),
        ("name,freq,flux\nX,1,2\n", "lacks columns: date"),
        (GOOD + "X,103.49,-2.09,0.05,2015-06-27\n", "row 2: flux = '-2.09' is no positive number"),
        (GOOD + "X,103.49,nan,0.05,2015-06-27\n", "row 2: flux = 'nan'"),
        (GOOD + "X,103.49,inf,0.05,2015-06-27\n", "row 2: flux = 'inf'"),
        (GOOD + "X,103.49,0,0.05,2015-06-27\n", "row 2: flux = '0'"),
        (GOOD + "X,103.49,,0.05,2015-06-27\n", "row 2: flux = ''"),
        (GOOD + "X,103.49,2 Hz,0.05,2015-06-27\n", "row 2: flux = '2 Hz'"),
        (GOOD + "X,5000,2,0.05,2015-06-27\n", "row 2: freq = '5000' is no positive number in a unit"),
        (GOOD + "X,1 Jy,2,0.05,2015-06-27\n", "row 2: freq = '1 Jy'"),
        (GOOD + "X,103.49,2,-0.05,2015-06-27\n", "row 2: error = '-0.05' is no positive uncertainty"),
        (
            GOOD + "X,103.49,2,2.5,2015-06-27\n",
            "row 2: the error 2.5 Jy of 2 Jy is not between",
        ),
        (GOOD + "X,103.49,2,1e-9,2015-06-27\n", "row 2: the error 1e-09 Jy"),
        (GOOD + "X,103.49,1e300,1,2015-06-27\n", r"row 2: the flux density 1e\+300 Jy is not between"),
        (GOOD + "X,103.49,2,x,2015-06-27\n", "row 2: error = 'x'"),
        (GOOD + "X,103.49,2,0.05,2015-02-30\n", "row 2: date='2015-02-30' is no date"),
        (GOOD + "X,103.49,2,0.05,\n", "row 2: date='' is no date"),
        (GOOD + " ; ,103.49,2,0.05,2015-06-27\n", "row 2: the source has no name"),
        (GOOD + "X,103.49,2,0.05\n", "row 2: 4 values in 5 columns"),
        ("name,freq,flux,mjd\nX,100,2,soon\n", "row 1: mjd = 'soon' is no modified Julian date"),
        ("name,freq,flux,date,ra,dec\nX,100,2,2015-06-27,here,there\n", "row 1: 'here', 'there' is no position"),
        ("name,freq,flux,date,ra,dec\nX,100,2,2015-06-27,12,\n", "row 1: '12', '' is no position"),
        ("<VOTABLE><nothing", "no readable VOTable"),
        ("<html><body>504</body></html>", "no readable VOTable"),
        ('name,freq\n"X,100\n', "no readable CSV"),
    ],
)
def test_what_cannot_be_read(tmp_path, text, match):
    with pytest.raises(CatalogueError, match=match):
        read(tmp_path, text)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(NoSuchTable, match="there is no such catalogue"):
        read_catalogue(tmp_path / "none.csv")
    path = tmp_path / "binary.csv"
    path.write_bytes(bytes(range(256)))
    with pytest.raises(CatalogueError, match="neither CSV nor a VOTable"):
        read_catalogue(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda t: t.encode("utf-8", "ignore")),
                 st.text(alphabet="name,freqfluxdate\n0123456789.-;X<>&", max_size=200).map(str.encode)))  # fmt: skip
def test_any_file_is_read_or_refused(tmp_path, content):
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    with contextlib.suppress(CatalogueError):
        read_catalogue(path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.from_regex(r"J[01][0-9][0-5][0-9][+-][0-8][0-9][0-5][0-9]", fullmatch=True), st.floats(35, 950),
            st.floats(1e-3, 100), st.none() | st.floats(1e-4, 9e-4),
            st.dates(datetime.date(2011, 1, 1), datetime.date(2030, 1, 1)),
        ),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_what_was_written_is_read(tmp_path, rows):
    lines = [f"{n},{d},{f!r},{s!r},{'' if e is None else repr(e)}" for n, f, s, e, d in rows]
    found = read(tmp_path, "\n".join(["name,date,freq_GHz,flux_Jy,error_Jy", *lines]))
    got = sorted((s.name, m.date, m.freq_hz, m.flux_jy, m.error_jy or 0) for s in found.sources for m in s.measurements)
    wanted = sorted((n, d, f * 1e9, s, e or 0) for n, f, s, e, d in rows)
    assert [g[:2] for g in got] == [w[:2] for w in wanted]
    assert np.allclose([g[2:] for g in got], [w[2:] for w in wanted], rtol=1e-12)


@pytest.mark.parametrize(
    "text",
    [
        "2015-06-27", "2015/06/27", "2015.06.27", "20150627", "2015-6-27", "27-Jun-2015", "27 June 2015", "27/jun/2015",
        "2015-06-27T23:59:59.9", "2015-06-27 12:00", "2015/06/27/12:00:00", "20150627T010203", "2015-06-27T00:00:00Z",
    ],
)  # fmt: skip
def test_dates(text):
    assert parse_day(text) == DAY


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "27-06-2015",
        "2015-13-01",
        "2015-02-29",
        "15-06-27",
        "2015-06",
        "201506271",
        "27-Foo-2015",
        "2015-06/27",
    ],
)
def test_no_dates(text):
    with pytest.raises(ArgumentError, match="is no date; write it as 2015-06-29"):
        parse_day(text)


@given(st.dates(datetime.date(1900, 1, 1), datetime.date(2100, 1, 1)))
def test_a_day_is_read_however_it_is_written(day):
    for form in ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y", "%d-%B-%Y", "%Y-%m-%dT23:59:59"):
        assert parse_day(day.strftime(form)) == day


def test_modified_julian_dates():
    assert day_of_mjd(57200.99) == DAY
    assert day_of_mjd(0.0) == datetime.date(1858, 11, 17)

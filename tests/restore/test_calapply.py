"""Calls of applycal as the pipeline writes them: what is read, what is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import RestoreError
from atacal.restore.calapply import SELECTIONS, Application, Use, format_calapply, parse_calapply, read_calapply
from atacal.restore.intents import MEANING, select_intents

LINE = (
    "applycal(vis='X.ms', field='A,B', intent='TARGET,CHECK', spw='17,19', antenna='0~41', "
    "gaintable=['/a/X.ms.h_tsyscal.s6_1.tsyscal.tbl', 'X.ms.b.tbl'], gainfield=['C', ''], "
    "spwmap=[[0, 1, 1], []], interp=['linear,linear', 'nearest'], calwt=[True, False])"
)
ONE_TABLE = (
    "applycal(vis='X.ms', field='', spw='', antenna='', gaintable='X.g', gainfield='', spwmap=[0, 1], interp='linear')"
)


def test_the_pipelines_form():
    (one,) = parse_calapply(f"# Apply file for X.ms\n{LINE}\n")
    assert (one.vis, one.field, one.intent, one.spw, one.antenna) == ("X.ms", "A,B", "TARGET,CHECK", "17,19", "0~41")
    assert one.uses == (
        Use("/a/X.ms.h_tsyscal.s6_1.tsyscal.tbl", "C", "linear,linear", (0, 1, 1), True),
        Use("X.ms.b.tbl", "", "nearest", (), False),
    )
    assert [u.table for u in one.uses] == ["X.ms.h_tsyscal.s6_1.tsyscal.tbl", "X.ms.b.tbl"]
    assert one.applymode == "calflagstrict"
    assert not one.needs_parang


def test_one_table_needs_no_lists_and_early_cycles_have_no_intents_and_weights():
    (one,) = parse_calapply(ONE_TABLE)
    assert one.uses == (Use("X.g", "", "linear", (0, 1), True),)
    assert one.intent == ""


def test_calls_over_several_lines_and_what_people_add():
    text = """applycal(vis='X.ms',
        gaintable=['a'], calwt=False, parang=True,
        applymode='calflag', flagbackup=True, scan='3')
    """
    (one,) = parse_calapply(text)
    assert (one.uses, one.parang, one.applymode, one.selection) == (
        (Use("a", calwt=False),), True, "calflag", {"scan": "3"},
    )  # fmt: skip


def test_tables_of_polcal_bring_the_parallactic_angle():
    (one,) = parse_calapply("applycal(vis='X.ms', gaintable=['X.ms.hifa_polcal.s15_1.df0.tbl'])")
    assert one.needs_parang


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no applycal call"),
        ("# Apply file for X.ms", "has no applycal call"),
        ("applycal(vis='X.ms', gaintable=['a']", "line 1: no list of applycal calls"),
        ("\nimport os", "line 2: this is no call of applycal"),
        ("applycal(vis='X.ms', gaintable=['a'])\nflagdata(vis='X.ms')", "line 2: this is no call of applycal"),
        ("os.applycal(vis='X.ms')", "no call of applycal"),
        ("x = applycal(vis='X.ms', gaintable=['a'])", "no call of applycal"),
        ("applycal('X.ms', gaintable=['a'])", "argument without a name"),
        ("applycal(**{'vis': 'X.ms'})", "not written out"),
        ("applycal(vis='X.ms', gaintable=[open('/etc/passwd').read()])", "gaintable=.*only plain values"),
        ("applycal(vis='X.ms', gaintable=['a'], field=__import__('os').name)", "field=.*only plain values"),
        ("applycal(vis=1, gaintable=['a'])", "vis=1 is no text"),
        ("applycal(gaintable=['a'])", "no vis"),
        ("applycal(vis='X.ms')", "names no calibration tables"),
        ("applycal(vis='X.ms', gaintable=[])", "names no calibration tables"),
        ("applycal(vis='X.ms', gaintable=['a', 3])", "names no calibration tables"),
        ("applycal(vis='X.ms', gaintable=['a', 'b'], gainfield=['c'])", "gainfield has 1 values for 2 tables"),
        ("applycal(vis='X.ms', gaintable=['a', 'b'], spwmap=[0, 1])", "one list for 2 tables"),
        ("applycal(vis='X.ms', gaintable=['a'], spwmap=[['0']])", "not a list of spws"),
        ("applycal(vis='X.ms', gaintable=['a'], calwt=['yes'])", "'yes', which is not True or False"),
        ("applycal(vis='X.ms', gaintable=['a'], parang='yes')", "neither True nor False"),
        ("applycal(vis='X.ms', gaintable=['a'], callib='x.txt', model=1)", "parameters callib, model are not known"),
        ("(" * 500 + ")" * 500, "no list of applycal calls"),
        ("applycal(vis='X.ms\x00')", "no list of applycal calls"),
    ],
)  # fmt: skip
def test_what_is_refused(text, said):
    with pytest.raises(RestoreError, match=said):
        parse_calapply(text)


def test_files_that_are_none(tmp_path):
    with pytest.raises(RestoreError, match="cannot be read"):
        read_calapply(tmp_path / "none.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x80")
    with pytest.raises(RestoreError, match="cannot be read"):
        read_calapply(tmp_path / "binary.txt")


plain = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
uses = st.builds(
    Use,
    plain.filter(lambda t: t.strip("/")),
    plain,
    plain,
    st.lists(st.integers(-1, 99), max_size=4).map(tuple),
    st.booleans(),
)
applications = st.builds(
    Application,
    vis=plain.filter(bool),
    uses=st.lists(uses, min_size=1, max_size=3).map(tuple),
    field=plain, intent=plain, spw=plain, antenna=plain,
    parang=st.sampled_from([None, True, False]),
    selection=st.dictionaries(st.sampled_from(SELECTIONS), plain.filter(bool), max_size=2),
)  # fmt: skip


@given(st.lists(applications, min_size=1, max_size=3))
def test_what_is_written_is_read(given_applications):
    assert parse_calapply(format_calapply(given_applications, "X.ms")) == given_applications


@given(st.text(max_size=60) | st.text(max_size=40).map(lambda t: f"applycal(vis='X', gaintable={t})"))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(RestoreError):
        parse_calapply(text)


STATES = (
    "CALIBRATE_BANDPASS#ON_SOURCE,CALIBRATE_FLUX#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "CALIBRATE_ATMOSPHERE#AMBIENT,CALIBRATE_WVR#AMBIENT",
    "CALIBRATE_PHASE#ON_SOURCE,CALIBRATE_WVR#ON_SOURCE",
    "OBSERVE_TARGET#ON_SOURCE",
)


@pytest.mark.parametrize(
    ("names", "selected"),
    [
        ("PHASE", "CALIBRATE_PHASE#ON_SOURCE"),
        ("BANDPASS,AMPLITUDE", "CALIBRATE_BANDPASS#ON_SOURCE,CALIBRATE_FLUX#ON_SOURCE"),
        ("TARGET,CHECK", "OBSERVE_TARGET#ON_SOURCE"),
        ("*TARGET*", "OBSERVE_TARGET#ON_SOURCE"),
        ("", ""),
        ("*CALIBRATE_PHASE*,OBSERVE_TARGET#ON_SOURCE", "*CALIBRATE_PHASE*,OBSERVE_TARGET#ON_SOURCE"),
    ],
)
def test_the_pipelines_intents(names, selected):
    assert select_intents(names, STATES, "X") == selected


def test_intents_of_old_data_and_of_none():
    assert select_intents("PHASE", ["CALIBRATE_PHASE.ON_SOURCE"], "X") == "CALIBRATE_PHASE.ON_SOURCE"
    with pytest.raises(
        RestoreError, match="X: no scan has an intent of CHECK; the intents are CALIBRATE_ATMOSPHERE#AMB"
    ):
        select_intents("CHECK", STATES, "X")
    assert all(m.split("_")[0] in ("CALIBRATE", "OBSERVE") for meant in MEANING.values() for m in meant)

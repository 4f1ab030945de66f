"""Parts of the QA2 report: which tables belong to a MeasurementSet, marks, cells, notes of the water."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.qa2.find import role_of, stem_of
from atacal.qa2.marks import Mark, gathered, worst_first
from atacal.qa2.page import cell
from atacal.qa2.table_numbers import bandpass_numbers, gain_numbers, low_gain_marks, tsys_numbers
from atacal.qa2.water import read_water_notes


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("uid___A002_X1_X2.ms", "uid___A002_X1_X2"), ("uid___A002_X1_X2.ms.split", "uid___A002_X1_X2"),
        ("uid___A002_X1_X2.ms.split.cal", "uid___A002_X1_X2"), ("X.calibrated.ms", "X"), ("data", "data"),
        ("a.b.ms/", "a.b"),
    ],
)  # fmt: skip
def test_stems(name, stem):
    assert stem_of(name) == stem


@pytest.mark.parametrize(
    ("name", "kind", "role"),
    [
        ("X.ms.tsys", "B TSYS", "tsys"), ("X.ms.wvr", "T Jones", "wvr"), ("X.ms.wvr.smooth", "T Jones", "wvr"),
        ("X.ms.antpos", "KAntPos Jones", "antpos"), ("X.ms.split.ap_pre_bandpass", "G Jones", "phaseup"),
        ("X.ms.split.bandpass_smooth20ch", "B Jones", "bandpass"), ("X.ms.split.phase_int", "G Jones", "phase_int"),
        ("X.ms.split.phase_short_int", "G Jones", "phase_int"), ("X.ms.split.ampli_inf", "T Jones", "ampli"),
        ("X.ms.split.flux_inf", "T Jones", "flux"), ("X.ms.split.phase_inf", "G Jones", "phase_inf"),
        ("X.phase_with_wvr", "G Jones", "trial"), ("X.delays", "K Jones", "other"),
    ],
)  # fmt: skip
def test_what_tables_are_for(name, kind, role):
    assert role_of(SimpleNamespace(name=name, kind=kind)) == role


def test_marks_are_joined_and_sorted():
    marks = [
        Mark(1.5, "bandpass", "DA41 spw 0", "slopes"), Mark(2.5, "bandpass", "DA41 spw 1", "slopes"),
        Mark(3.5, "phaseup", "DV02", "no solutions"), Mark(3.5, "bandpass", "DV02", "no solutions"),
        Mark(1.1, "ampli", "DA43", "scatter"),
    ]  # fmt: skip
    found = gathered(marks)
    assert [(m.severity, m.section, m.subject) for m in found] == [
        (3.5, "phaseup", "DV02"), (2.5, "bandpass", "DA41 spw 0, DA41 spw 1"), (1.1, "ampli", "DA43"),
    ]  # fmt: skip
    assert [m.level for m in found] == ["serious", "look", "look"]
    many = gathered([Mark(1.0, "a", f"DA{k}", "same") for k in range(20)])
    assert many[0].subject.endswith("and 14 more")


@given(st.lists(st.tuples(st.floats(0, 99), st.sampled_from("abc"), st.sampled_from("xyz"))))
def test_joining_keeps_the_worst(parts):
    marks = [Mark(s, section, subject, "text") for s, section, subject in parts]
    found = gathered(marks)
    assert {m.section for m in found} == {m.section for m in marks}
    assert max((m.severity for m in found), default=0) == max((m.severity for m in marks), default=0)
    assert found == worst_first(found)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_cells_are_near_their_values(value):
    text = cell(value)
    if np.isfinite(value):
        assert float(text) == pytest.approx(value, rel=6e-3, abs=1e-300)
    else:
        assert text == ""


@pytest.fixture
def table(sim_original, tmp_path):
    """Gains of a calibrator, solved every integration."""
    from atacal.caltables.disk import read_caltable
    from atacal.tasks import gaincal

    gaincal(str(sim_original), str(tmp_path / "g"), field="0", solint="int", calmode="ap", refant="0", minsnr=0)
    return read_caltable(tmp_path / "g")


def with_params(table, change):
    solutions = {}
    for spw, s in table.solutions.items():
        solutions[spw] = replace(s, param=change(np.ones_like(s.param)), flag=np.zeros_like(s.flag))
    return replace(table, solutions=solutions)


def test_gains(table):
    rng = np.random.default_rng(4)

    def change(param):
        param *= np.exp(0.02j * rng.normal(size=param.shape)) * (1 + 0.01 * rng.normal(size=param.shape))
        param[3:, 2] *= np.exp(1j * np.deg2rad(80))  # antenna 2 jumps
        param[:, 4] *= 0.3  # antenna 4 is weak
        param[::2, 5] *= 1.5  # antenna 5 is unsteady
        return param

    changed = with_params(table, change)
    rows, marks = gain_numbers(changed, "here")
    named = {m.subject: m.text for m in marks}
    names = [a.name for a in table.antennas]
    assert set(named) == {names[2], names[5]}
    assert "step of 8" in named[names[2]]
    assert rows[2].values["largest step [deg]"] == pytest.approx(80, abs=5)
    assert rows[1].values["phase rms [deg]"] == pytest.approx(np.rad2deg(0.02), rel=0.3)
    assert {m.subject.split()[0] for m in low_gain_marks(changed, "here")} == {names[4]}


def test_bandpass_and_tsys(table):
    freq = np.linspace(100e9, 102e9, 64)
    spws = tuple(replace(s, chan_freq_hz=freq) for s in table.spws)
    rng = np.random.default_rng(2)
    wide, hot = {}, {}
    for spw, s in table.solutions.items():
        shape = (1, s.param.shape[1], 64, s.param.shape[3])
        param = np.ones(shape, np.complex64) * (1 + 0.01 * rng.normal(size=shape))
        param[0, 1] *= np.exp(2j * np.pi * 300e-12 * (freq - 101e9))[:, None]  # 300 ps
        param[0, 3] *= 1 + 0.1 * rng.normal(size=shape[2:])
        one = {n: getattr(s, n)[:1] for n in ("time", "interval", "field", "scan", "obs", "refant")}
        extra = {"error": np.zeros(shape), "snr": np.ones(shape), "flag": np.zeros(shape, bool), "row": None}
        wide[spw] = replace(s, param=param.astype(np.complex64), **one, **extra)
        tsys = np.full(shape, 80, np.float32)
        tsys[0, 6] = 400
        tsys[0, 2, :, 0] *= 1 + 0.3 * np.sin(np.linspace(0, 9, 64))  # a standing wave
        hot[spw] = replace(s, param=tsys, **one, **extra)
    names = [a.name for a in table.antennas]
    rows, marks = bandpass_numbers(replace(table, kind="B Jones", spws=spws, solutions=wide), "bandpass")
    delayed = [r for r in rows if r.name.startswith(names[1])]
    assert all(r.values["delay [ps]"] == pytest.approx(300, abs=3) for r in delayed)
    assert {m.subject.split()[0]: m.text.split()[0] for m in marks} == {names[1]: "phase", names[3]: "channels"}
    rows, marks = tsys_numbers(replace(table, kind="B TSYS", par_type="Float", spws=spws, solutions=hot), "tsys")
    hot_marks, waves = [m for m in marks if " K " in m.text], [m for m in marks if "rms" in m.text]
    assert {m.subject.split()[0] for m in hot_marks} == {names[6]}
    assert hot_marks[0].severity == pytest.approx(400 / 80 / 2)
    assert [m.subject for m in waves] == [f"{names[2]} spw {', '.join(map(str, sorted(hot)))}"]
    assert waves[0].severity == pytest.approx(0.18 / 0.1, rel=0.05)  # 0.3/sqrt(2), less what a line takes of it


def test_notes_of_the_water(table, tmp_path):
    log = """
2026 INFO Retrieved: ln(evidence), PWV [mm], dT/dL of the four channels [K/mm], sources
2026 INFO   -15.73  1.2000 +- 0.0230    8.963 +- 1.302    8.707 +- 0.607    4.980 +- 0.302    3.347 +- 0.198  J1+T
2026 INFO   -15.87  1.4000 +- 0.0340    6.254 +- 0.904    7.644 +- 0.495    4.798 +- 0.270    3.303 +- 0.184  J1+T
2026 INFO Antenna      WVR  Flag   RMS [um]  Disc [um]
2026 INFO   0 DA41     Yes  No         85.3       31.5
2026 INFO   1 DA42     Yes  No         92.1      812.0
2026 INFO   2 CM01     No   Yes         nan        nan
"""
    there = replace(table, ms_name="X.ms", path=tmp_path / "X.ms.wvr")
    assert read_water_notes(tmp_path / "X.ms.split", there).pwv == []
    (tmp_path / "X.ms.wvrgcal").write_text(log)
    notes = read_water_notes(tmp_path / "X.ms.split", there)
    assert notes.pwv == [("J1+T", pytest.approx(1.3))]
    assert [m.subject for m in notes.marks("wvr")] == ["DA42"]
    summary = {"apriori": {"water": [{"pwv_mm": 0.5, "sources": ["A", "B"]}],
                           "trial": [{"name": "A", "without_deg": 10.0, "with_deg": 20.0}]}}  # fmt: skip
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    notes = read_water_notes(tmp_path / "X.ms.split", there)
    assert notes.pwv == [("A, B", 0.5)]
    assert "raises" in notes.marks("wvr")[0].text

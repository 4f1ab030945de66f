"""Decisions of the a-priori steps: Tsys fields and spws, the radiometers' trial, edge channels, lines of bodies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import CaltableMismatch, ModelError
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.metadata import Spw
from atacal.recipe.apriori_summary import tsys_of
from atacal.recipe.flux_model import BodyPlan, choose_model, plan_body
from atacal.recipe.plan import _bandpass_solints
from atacal.recipe.raw import edge_channels, is_raw, plan_raw
from atacal.recipe.roles import Roles, find_roles
from atacal.recipe.tsys_fields import tsys_fields, tsys_spwmap
from atacal.recipe.wvr_trial import Improvement, improvements, too_few, verdict

ROLES = Roles(bandpass=(0,), flux=(1,), phase=(2,), check=(3,), target=(4,))


def spw_of(nchan, width_hz, number=0, centre_hz=2.3e11):
    freq = centre_hz + width_hz * (np.arange(nchan) - (nchan - 1) / 2)
    width = np.full(nchan, width_hz)
    return Spw(
        number, f"w{number}", freq, width, np.abs(width), np.abs(width), freq[0], nchan * abs(width_hz), "TOPO", 1, 1, 0
    )


def solutions(spw, field, phase_or_k, *, nchan=1, scan=None, real=False):
    """Make solutions of slots (field), with values (slot, antenna[, chan], pol)."""
    values = np.asarray(phase_or_k)
    nslot, nant = values.shape[:2]
    param = values.astype(np.float32) if real else np.exp(1j * np.radians(values)).astype(np.complex64)
    param = param.reshape(nslot, nant, nchan, -1)
    ids = np.full(nslot, -1, np.int32)
    return SpwSolutions(
        spw, np.arange(nslot) * 6.0, np.full(nslot, 6.0), np.asarray(field, np.int32),
        np.asarray(field if scan is None else scan, np.int32), ids, np.zeros((nslot, nant), np.int32), param,
        np.zeros(param.shape, np.float32), np.ones(param.shape, np.float32), np.zeros(param.shape, bool),
    )  # fmt: skip


def table_of(metadata, parts, kind="G Jones"):
    return CalTable(
        kind, "Float" if "TSYS" in kind else "Complex", "linear", "X.ms", metadata.antennas, metadata.fields,
        metadata.spws, {p.spw: p for p in parts}, Path(metadata.path),
    )  # fmt: skip


@pytest.fixture(scope="module")
def metadata(raw_original):
    with MeasurementSet(raw_original) as ms:
        return ms.metadata


@pytest.fixture
def measured(metadata):
    """Make a Tsys table in which some fields have been measured."""

    def make(fields, spws=(13, 15)):
        values = np.full((len(fields), metadata.nant, 128, 2), 80.0)
        return table_of(metadata, [solutions(s, fields, values, nchan=128, real=True) for s in spws], "B TSYS")

    return make


@pytest.mark.parametrize(
    ("there", "expected", "notes"),
    [
        ([0, 1, 4], {0: 0, 1: 1, 2: 4, 3: 4, 4: 4}, 0),
        ([0, 1, 2, 4], {0: 0, 1: 1, 2: 2, 3: 4, 4: 4}, 0),
        ([0, 1, 2], {0: 0, 1: 1, 2: 2, 3: 2, 4: 2}, 0),
        ([0, 4], {0: 0, 1: 4, 2: 4, 3: 4, 4: 4}, 1),  # the flux calibrator takes the nearest
        ([0], {0: 0, 1: 0, 2: 0, 3: 0, 4: 0}, 4),
    ],
)
def test_fields_take_the_tsys_that_almas_pipeline_gives_them(metadata, measured, there, expected, notes):
    found, said = tsys_fields(measured(there), metadata, ROLES, [13, 15])
    if there == [0, 4]:
        assert found[1] in (0, 4)
        found[1] = 4
    assert found == expected
    assert len(said) == notes


def test_a_field_with_one_spw_flagged_does_not_count(metadata, measured):
    table = measured([0, 1, 4])
    table.solutions[15].flag[2] = True
    found, said = tsys_fields(table, metadata, ROLES, [13, 15])
    assert 4 not in found.values()
    assert len(said) == 3
    table.solutions[15].flag[:] = True
    with pytest.raises(CaltableMismatch, match="above 0 K"):
        tsys_fields(table, metadata, ROLES, [13, 15])


def test_spws_without_tsys_are_named(metadata, measured):
    table = measured([0, 1, 4])
    assert tsys_spwmap(table, metadata, [13, 15])[13] == 13
    with pytest.raises(CaltableMismatch, match=r"17 \(244\.\d+ GHz\), 19"):
        tsys_spwmap(table, metadata, [13, 17, 19])


def test_a_single_polarisation_is_not_missed(metadata, measured):
    table = measured([0], spws=(13,))
    table.solutions[13].flag[..., 1] = True
    table.solutions[13].param[..., 1] = 0
    (one,) = tsys_of(table)
    assert one.without == []
    assert one.not_positive == 0
    table.solutions[13].flag[:, 2, :, 0] = True
    assert tsys_of(table)[0].without == [metadata.antennas[2].name]


def test_the_trial_compares_antennas_scans_and_polarisations(metadata):
    rng = np.random.default_rng(1)
    field, scan = np.repeat([0, 2], 40), np.repeat([1, 1, 2, 3], 20)
    noise = rng.normal(size=(80, metadata.nant, 1, 2))
    noise[:, 0] = 0  # the reference antenna
    offset = 50.0 * scan[:, None, None, None]
    before = table_of(metadata, [solutions(13, field, 30 * noise + offset, scan=scan)])
    after = table_of(metadata, [solutions(13, field, 6 * noise - offset, scan=scan)])
    after.solutions[13].flag[5:9, 3] = True
    found = improvements(before, after)
    assert [i.name for i in found] == [metadata.fields[0].name, metadata.fields[2].name]
    for one in found:
        assert one.without_deg == pytest.approx(30, rel=0.2)
        assert one.with_deg == pytest.approx(6, rel=0.2)
        assert one.ratio == pytest.approx(5, rel=0.2)
    assert verdict(found)[0]
    worse, why = verdict(improvements(after, before))
    assert not worse
    assert "raises the phase scatter" in why


def test_a_correction_that_cannot_be_judged_is_used_and_said():
    used, why = verdict([])
    assert used
    assert "could not be judged" in why
    assert verdict([Improvement("a", 10, 9), Improvement("b", 10, 11), Improvement("c", 10, 5)])[0]


@pytest.mark.parametrize(("good", "total", "enough"), [(3, 15, True), (3, 16, False), (2, 4, False), (8, 40, True)])
def test_three_radiometers_and_a_fifth_of_the_antennas_are_enough(good, total, enough):
    answer = {"Name": ["a"] * total, "WVR": [True] * total, "Flag": [i >= good for i in range(total)]}
    assert (too_few(answer) == "") == enough


@pytest.mark.parametrize(
    ("nchan", "width_hz", "npol", "edges"),
    [
        (128, 15.625e6, 2, "0~7;120~127"),
        (64, -31.25e6, 4, "0~3;60~63"),
        (256, 7.8125e6, 1, "0~15;240~255"),
        (128, 0.5e6, 2, ""),  # FDM with few channels is no TDM
        (3840, 488281.25, 2, ""),
        (4096, 488281.25, 2, "0~127;3968~4095"),  # 2000 MHz: what is beyond 1875
    ],
)
def test_edge_channels_are_those_of_tdm_and_of_wide_fdm(nchan, width_hz, npol, edges):
    assert edge_channels(spw_of(nchan, width_hz), npol) == edges


def test_bandpass_intervals_are_almas_scripts():
    spws = [spw_of(128, 15.625e6, 0), spw_of(3840, 488281.25, 1), spw_of(240, 1e6, 2), spw_of(480, -1e6, 3)]
    assert _bandpass_solints(spws) == {"inf": "0,2", "inf,20ch": "1,3"}


def test_raw_data_are_known_by_their_radiometers_or_tsys(raw_original, sim_original):
    with MeasurementSet(raw_original) as ms:
        assert is_raw(ms)
        plan = plan_raw(ms, find_roles(ms))
    assert plan.spws == (13, 15, 17, 19)
    assert plan.flagged_intents == ("*POINTING*", "*SIDEBAND_RATIO*", "*ATMOSPHERE*")
    assert plan.wvr["tie"] == ["IRAS_16293-2422,J1700-2610,J1650-2943"]
    assert plan.wvr["smooth"] == "6.048s"
    assert plan.wvr["toffset"] == 0.0
    assert plan.tsys
    with MeasurementSet(sim_original) as ms:
        assert not is_raw(ms)


def test_a_body_outside_its_ephemeris_is_refused_at_once(named_ms):
    roles = Roles(bandpass=(0,), flux=(0,), phase=(0,))
    with MeasurementSet(named_ms([("Titan", 57000.0, (1.0, -0.3))], [230.5], "then.ms")) as ms:
        assert choose_model(ms, roles, given=False, raw=True).kind == "body"
    later = named_ms([("Titan", 80000.0, (1.0, -0.3))], [230.5], "later.ms")
    with MeasurementSet(later) as ms, pytest.raises(ModelError, match="Titan"):
        choose_model(ms, roles, given=False, raw=True)


def test_lines_of_a_moon_are_flagged_or_mapped(solar_ms):
    vis = solar_ms([("Titan", 57000.0)], [230.5, 231.75, 240.0])
    with MeasurementSet(vis) as ms:
        found = plan_body(ms, Roles(bandpass=(0,), flux=(0,), phase=(0,)), ("A0",), [0, 1, 2])
    assert isinstance(found, BodyPlan)
    assert found.refspwmap[0] == 1  # all in CO
    assert found.line_channels[0].startswith("1:0~")
    words = " ".join(found.notes())
    assert "spw 0 lies in lines" in words
    assert "flagged: 1:0~" in words


def test_a_body_that_no_antenna_sees_well_is_refused(solar_ms):
    vis = solar_ms([("Jupiter", 57000.0)], [690.0])
    with MeasurementSet(vis) as ms, pytest.raises(ModelError, match="resolved by all antennas"):
        plan_body(ms, Roles(bandpass=(0,), flux=(0,), phase=(0,)), ("A0", "A1"), [0])

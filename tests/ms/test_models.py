from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atacal.errors import ModelError
from atacal.ms._virtual_model import (
    Component,
    ComponentList,
    Spectrum,
    has_virtual_models,
    put_virtual_models,
    read_virtual_models,
    remove_virtual_models,
)
from atacal.ms.columns import ensure_column
from atacal.ms.measurement_set import MeasurementSet
from atacal.ms.models import SkyModel, correlations
from atacal.ms.selection import select
from atacal.ms.stream import stream

C_M_S = 299792458.0


def point(spectrum, direction=(1.0, 0.5), field=0, spw=0, scans=(1,), state=0):
    combinations = frozenset((field, spw, scan, state) for scan in scans)
    return ComponentList((Component(spectrum, direction),), ((spw, 0, 16, 1),), combinations)


def blocks(ms):
    """For each field and spw: the model, spread over the rows."""
    model, out = SkyModel.of(ms), {}
    for block in stream(ms, select(ms), ["UVW"], prefetch=False):
        nchan = ms.metadata.spws[block.spw].nchan
        vis = np.broadcast_to(model.block(block), (block.nrow, nchan, 2))
        for field in (0, 1):
            rows = block.field == field
            out[field, block.spw] = (vis[rows], block["UVW"][rows])
    return out


def test_without_a_model_it_is_one_jansky(make_ms):
    with MeasurementSet(make_ms()) as ms:
        assert all(np.all(vis == 1) for vis, _ in blocks(ms).values())
        model = SkyModel.of(ms)
        assert model.is_constant(0, 0)
        assert model.columns == ()


def test_the_column(make_ms):
    with MeasurementSet(make_ms(), writable=True) as ms:
        ensure_column(ms, "MODEL_DATA")
        ms.write("MODEL_DATA", [(0, 6)], np.full((6, 16, 2), 2 + 1j, np.complex64))
        model = SkyModel.of(ms)
        assert not model.is_constant(0, 0)
        assert model.columns == ("MODEL_DATA",)
        vis = blocks(ms)[0, 0][0]
        assert np.all(vis[:6] == 2 + 1j)
        assert np.all(vis[6:] == 1)


def test_a_virtual_model_wins_over_the_column_in_its_own_field(make_ms):
    path = make_ms()
    with MeasurementSet(path, writable=True) as ms:
        ensure_column(ms, "MODEL_DATA")
        ms.write("MODEL_DATA", [(0, ms.metadata.nrow // 36)], np.full((2, 16, 2), 3, np.complex64))
    put_virtual_models(path, 1, 1, [point(Spectrum(np.array([5.0, 1.0, 0, 0])), (1.1, 0.5), 1, scans=(2,), state=1)])
    with MeasurementSet(path) as ms:
        found = blocks(ms)
        np.testing.assert_allclose(found[1, 0][0][..., 0], 6)
        np.testing.assert_allclose(found[1, 0][0][..., 1], 4)
        assert np.all(found[1, 1][0] == 1)
        assert np.all(found[0, 0][0][:2] == 3)


def test_scans_that_the_model_does_not_name_have_the_default(make_ms):
    path = make_ms()
    put_virtual_models(path, 0, 0, [point(Spectrum(np.array([5.0, 0, 0, 0])), scans=(9,))])
    with MeasurementSet(path) as ms:
        assert np.all(blocks(ms)[0, 0][0] == 1)
        assert not SkyModel.of(ms).is_constant(0, 0)


def test_power_law_and_table(make_ms):
    path = make_ms()
    freq = 1.0e11 + 1e6 * np.arange(16)
    table = np.zeros((4, 16))
    table[0] = np.linspace(2, 3, 16)
    put_virtual_models(path, 0, 0, [point(Spectrum(np.array([2.0, 0, 0, 0]), -0.7, 9e10))])
    with MeasurementSet(path) as ms:
        assert SkyModel.of(ms).is_constant(0, 0)
        np.testing.assert_allclose(blocks(ms)[0, 0][0][0, :, 0], 2 * (freq / 9e10) ** -0.7, rtol=1e-6)
    put_virtual_models(path, 0, 0, [point(Spectrum(table[:, 0], table_hz=freq, table_jy=table))])
    with MeasurementSet(path) as ms:
        np.testing.assert_allclose(blocks(ms)[0, 0][0][0, :, 0], table[0], rtol=1e-6)


def test_a_source_off_the_phase_centre_turns_with_uvw(make_ms):
    path = make_ms()
    offset = 3e-6
    put_virtual_models(path, 0, 0, [point(Spectrum(np.array([2.0, 0, 0, 0])), (1.0, 0.5 + offset))])
    with MeasurementSet(path) as ms:
        model = SkyModel.of(ms)
        assert not model.is_constant(0, 0)
        assert model.columns == ("UVW",)
        vis, uvw = blocks(ms)[0, 0]
        m, n1 = np.sin(offset), np.cos(offset) - 1
        turns = (uvw[:, 1] * m + uvw[:, 2] * n1)[:, None] * (1.0e11 + 1e6 * np.arange(16)) / C_M_S
        np.testing.assert_allclose(vis[..., 0], 2 * np.exp(2j * np.pi * turns), atol=2e-6)


def test_virtual_models_come_back_and_go(make_ms):
    path = make_ms()
    lists = [point(Spectrum(np.array([1.0, 2, 3, 4]), 0.5, 2e9), scans=(1, 4)), point(Spectrum(np.ones(4)), spw=1)]
    put_virtual_models(path, 0, 0, lists)
    put_virtual_models(path, 1, 1, [point(Spectrum(np.ones(4)), field=1)])
    found = read_virtual_models(path)
    assert sorted(found) == [0, 1]
    first = found[0][0]
    assert first.combinations == {(0, 0, 1, 0), (0, 0, 4, 0)}
    assert first.components[0].spectrum.stokes_jy.tolist() == [1, 2, 3, 4]
    assert first.components[0].spectrum.ref_freq_hz == pytest.approx(2e9)
    # a new model of spw 0 replaces that of spw 0 alone
    put_virtual_models(path, 0, 0, [point(Spectrum(np.full(4, 9.0)))])
    assert sorted(min(e.spws) for e in read_virtual_models(path)[0]) == [0, 1]
    assert remove_virtual_models(path, [0]) == [0]
    assert sorted(read_virtual_models(path)) == [1]
    remove_virtual_models(path)
    assert not has_virtual_models(path)


def test_no_row_to_keep_it_in(make_ms):
    with pytest.raises(ModelError, match="SOURCE_ID 77"):
        put_virtual_models(make_ms(), 0, 77, [point(Spectrum(np.ones(4)))])


@given(st.lists(st.floats(-10, 10), min_size=4, max_size=4))
def test_correlations_give_the_stokes_parameters_back(stokes):
    i, q, u, v = stokes
    xx, xy, yx, yy = correlations(np.array(stokes), (9, 10, 11, 12))
    np.testing.assert_allclose([xx + yy, xx - yy, xy + yx, (xy - yx) / 1j], [2 * i, 2 * q, 2 * u, 2 * v], atol=1e-12)
    rr, rl, lr, ll = correlations(np.array(stokes), (5, 6, 7, 8))
    np.testing.assert_allclose([rr + ll, rl + lr, (rl - lr) / 1j, rr - ll], [2 * i, 2 * q, 2 * u, 2 * v], atol=1e-12)


def test_unknown_correlation():
    with pytest.raises(ModelError, match="21"):
        correlations(np.ones(4), (21,))

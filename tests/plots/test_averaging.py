"""Weighted averages: against sums written out by hand, and invariants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atacal.errors import ArgumentError
from atacal.ms.rows import RowRuns
from atacal.plots.averaging import RowAverager, channel_sums, time_groups
from atacal.plots.cells import Averaging, Cells, bin_means, channel_bins


def runs_of(time, *, scan=None, field=None, ddid=None, nrow=3) -> RowRuns:
    count = len(time)
    ids = {k: np.zeros(count, np.int32) for k in ("ddid", "field", "scan", "state", "obs", "array")}
    for name, values in (("scan", scan), ("field", field), ("ddid", ddid)):
        if values is not None:
            ids[name] = np.array(values, np.int32)
    n = np.full(count, nrow, np.int64)
    ones = np.ones(count)
    return RowRuns(np.cumsum(n) - n, n, np.array(time, float), ones, ones, **ids)


def batch(runs: RowRuns, nchan: int, seed: int = 0) -> tuple[Cells, np.ndarray, dict, np.ndarray]:
    """Three baselines of three antennas in each run, random data, two correlations."""
    rng = np.random.default_rng(seed)
    nrow = int(runs.nrow.sum())
    run = np.repeat(np.arange(len(runs)), runs.nrow)
    a1, a2 = np.tile([0, 0, 1], len(runs)), np.tile([1, 2, 2], len(runs))
    rows = {n: getattr(runs, n)[run] for n in ("time", "interval", "scan", "field", "obs", "state")}
    rows |= {"antenna1": a1.astype(np.int32), "antenna2": a2.astype(np.int32), "spw": runs.ddid[run]}
    vis = (rng.normal(size=(nrow, nchan, 2)) + 1j * rng.normal(size=(nrow, nchan, 2))).astype(np.complex64)
    flag = rng.random((nrow, nchan, 2)) < 0.2
    weight = rng.uniform(0.5, 2.0, (nrow, 1, 2)).astype(np.float32)
    cells = Cells(
        rows, np.arange(nchan, dtype=float), 1e9 + 1e6 * np.arange(nchan), np.array([9, 12]), {}, flag,
        uvw_m=rng.normal(size=(nrow, 3)), weight=weight,
    )  # fmt: skip
    return cells, run, {"data": vis}, flag


BASELINES = np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]], bool)


def averaged(runs, averaging, cells, run, vis, flag) -> list[Cells]:
    sums = channel_sums(vis, flag, cells.weight, np.arange(vis["data"].shape[1]), scalar=averaging.scalar)
    averager = RowAverager(averaging, runs, BASELINES, memory=1 << 26)
    return [*averager.add(cells, sums, run, run), *averager.rest()]


def test_time_average_is_the_weighted_mean_of_unflagged_values():
    runs = runs_of([0.0, 10.0, 20.0, 30.0])
    cells, run, vis, flag = batch(runs, 4)
    out = averaged(runs, Averaging(time_s=1e6), cells, run, vis, flag)
    assert len(out) == 1
    for k, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        mine = (cells.rows["antenna1"] == i) & (cells.rows["antenna2"] == j)
        w = np.where(flag[mine], 0, cells.weight[mine])
        with np.errstate(invalid="ignore"):
            wanted = (w * vis["data"][mine]).sum(0) / w.sum(0)
        at = np.flatnonzero((out[0].rows["antenna1"] == i) & (out[0].rows["antenna2"] == j))
        assert len(at) == 1, k
        good = ~out[0].flag[at[0]]
        np.testing.assert_array_equal(good, w.sum(0) > 0)
        np.testing.assert_allclose(out[0].vis["data"][at[0]][good], wanted[good], rtol=1e-5)
        np.testing.assert_allclose(out[0].weight_spectrum[at[0]], w.sum(0), rtol=1e-6)


def test_scalar_average_keeps_amplitude_where_vectors_cancel():
    runs = runs_of([0.0, 10.0])
    cells, run, vis, flag = batch(runs, 1)
    flag[:] = False
    vis["data"][:3], vis["data"][3:] = 2 + 0j, -2 + 0j
    cells.weight[:] = 1
    scalar = averaged(runs, Averaging(time_s=100, scalar=True), cells, run, vis, flag)[0]
    vector = averaged(runs, Averaging(time_s=100), cells, run, vis, flag)[0]
    np.testing.assert_allclose(np.abs(scalar.vis["data"]), 2.0)
    np.testing.assert_allclose(np.abs(vector.vis["data"]), 0.0, atol=1e-7)


def test_scalar_phase_has_no_trouble_at_180_degrees():
    runs = runs_of([0.0, 10.0])
    cells, run, vis, flag = batch(runs, 1)
    flag[:] = False
    cells.weight[:] = 1
    vis["data"][:3], vis["data"][3:] = np.exp(1j * np.deg2rad(175)), np.exp(-1j * np.deg2rad(175))
    out = averaged(runs, Averaging(time_s=100, scalar=True), cells, run, vis, flag)[0]
    np.testing.assert_allclose(np.abs(np.rad2deg(np.angle(out.vis["data"]))), 180.0, atol=1e-3)


def test_antenna_average_takes_the_conjugate_for_the_second_antenna():
    runs = runs_of([0.0])
    cells, run, vis, flag = batch(runs, 2)
    flag[:] = False
    cells.weight[:] = 1
    phases = np.deg2rad([10.0, 40.0, 90.0])  # of the antennas
    a1, a2 = cells.rows["antenna1"], cells.rows["antenna2"]
    vis["data"][:] = np.exp(1j * (phases[a1] - phases[a2]))[:, None, None]
    out = averaged(runs, Averaging(antenna=True), cells, run, vis, flag)[0]
    np.testing.assert_array_equal(out.rows["antenna1"], [0, 1, 2])
    for a in range(3):
        wanted = np.mean([np.exp(1j * (phases[a] - phases[b])) for b in range(3) if b != a])
        np.testing.assert_allclose(out.vis["data"][a], wanted, rtol=1e-5)


def test_baseline_average_is_one_row_a_time():
    runs = runs_of([0.0, 10.0])
    cells, run, vis, flag = batch(runs, 2)
    out = averaged(runs, Averaging(baseline=True), cells, run, vis, flag)
    assert [len(c.rows["time"]) for c in out] == [1, 1]
    w = np.where(flag[:3], 0, cells.weight[:3])
    np.testing.assert_allclose(out[0].vis["data"][0], (w * vis["data"][:3]).sum(0) / w.sum(0), rtol=1e-5)


def test_spw_average_joins_data_descriptions():
    runs = runs_of([0.0, 0.0], ddid=[0, 1])
    cells, run, vis, flag = batch(runs, 2)
    flag[:] = False
    averager = RowAverager(Averaging(spw=True), runs, BASELINES, memory=1 << 26)
    out = []
    for k in range(2):
        part = slice(3 * k, 3 * k + 3)
        one = Cells(
            {n: a[part] for n, a in cells.rows.items()}, cells.channel, cells.freq_hz + 1e8 * k, cells.corrs, {},
            flag[part], uvw_m=cells.uvw_m[part], weight=cells.weight[part],
        )  # fmt: skip
        sums = channel_sums({"data": vis["data"][part]}, flag[part], one.weight, np.arange(2), scalar=False)
        out += list(averager.add(one, sums, run[part], run[part]))
    assert len(out) == 1
    w = cells.weight.reshape(2, 3, 1, 2)
    wanted = (w * vis["data"].reshape(2, 3, 2, 2)).sum(0) / w.sum(0)
    np.testing.assert_allclose(out[0].vis["data"], wanted, rtol=1e-5)
    np.testing.assert_allclose(out[0].freq_hz, cells.freq_hz + 0.5e8)


def test_bins_begin_with_each_scan_and_field():
    runs = runs_of([0, 10, 20, 30, 40, 50], scan=[1, 1, 1, 2, 2, 2], field=[0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(time_groups(runs, Averaging(time_s=20)), [0, 0, 1, 2, 3, 3])
    np.testing.assert_array_equal(time_groups(runs, Averaging(time_s=1e9)), [0, 0, 0, 1, 2, 2])
    np.testing.assert_array_equal(time_groups(runs, Averaging(time_s=1e9, scan=True)), [0, 0, 0, 0, 1, 1])
    np.testing.assert_array_equal(time_groups(runs, Averaging(time_s=1e9, scan=True, field=True)), [0] * 6)


def test_an_average_too_large_for_memory_is_refused():
    runs = runs_of([0.0])
    cells, run, vis, flag = batch(runs, 64)
    sums = channel_sums(vis, flag, cells.weight, np.arange(64), scalar=False)
    averager = RowAverager(Averaging(time_s=10), runs, BASELINES, memory=1000)
    with pytest.raises(ArgumentError, match="avgchannel"):
        list(averager.add(cells, sums, run, run))


def test_not_a_number_is_left_out_of_averages():
    runs = runs_of([0.0, 10.0])
    cells, run, vis, flag = batch(runs, 1)
    flag[:] = False
    vis["data"][:3] = np.nan
    out = averaged(runs, Averaging(time_s=100), cells, run, vis, flag)[0]
    np.testing.assert_allclose(out.vis["data"], vis["data"][3:], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40).filter(any), st.integers(1, 50))
def test_channel_bins_cover_every_selected_channel_once_and_bridge_no_gap(mask, per_bin):
    wanted = np.array(mask)
    index, starts = channel_bins(wanted, per_bin)
    np.testing.assert_array_equal(index, np.flatnonzero(wanted))
    bins = np.split(index, starts[1:])
    assert all(len(b) <= per_bin for b in bins)
    assert all((np.diff(b) == 1).all() for b in bins)
    np.testing.assert_allclose(bin_means(np.arange(len(wanted)), index, starts), [b.mean() for b in bins])

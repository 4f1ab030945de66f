from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError, TableExists
from atacal.ms.measurement_set import MeasurementSet
from atacal.tasks import cvel2, mstransform


def test_a_frame_and_a_grid(make_ms, read, tmp_path):
    path, out = make_ms(telescope="ALMA", times=4), tmp_path / "out.ms"
    mstransform(
        str(path), str(out), datacolumn="data", spw="1,0", field="f0", regridms=True, outframe="LSRK", nchan=5, start=1
    )
    with MeasurementSet(path) as old, MeasurementSet(out) as new:
        was, spws = old.metadata.spws, new.metadata.spws
        assert [s.frame for s in spws] == ["LSRK", "LSRK"]
        assert [s.nchan for s in spws] == [5, 5]
        for spw, before in zip(spws, (was[1], was[0]), strict=True):
            ratio = spw.chan_freq_hz / before.chan_freq_hz[1:6]
            np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
            assert abs(ratio[0] - 1) < 2e-4
            assert spw.ref_freq_hz == spw.chan_freq_hz[0]
    rows = read(path, "DATA", "FIELD_ID==0 && DATA_DESC_ID==1")
    made = read(out, "DATA", "DATA_DESC_ID==0")
    assert made.shape == (*rows.shape[:1], 5, 2)
    np.testing.assert_allclose(made[:6], rows[:6, 1:6], rtol=1e-4)  # the first time is that of the grid
    assert "taskname=mstransform" in [str(m) for m in read(out / "HISTORY", "MESSAGE")]


def test_nothing_but_a_copy(make_ms, read, tmp_path):
    path = make_ms()
    mstransform(str(path), str(tmp_path / "out.ms"), datacolumn="data")
    np.testing.assert_array_equal(
        read(tmp_path / "out.ms", "DATA", "DATA_DESC_ID==0"), read(path, "DATA", "DATA_DESC_ID==0")
    )
    with pytest.raises(TableExists):
        mstransform(str(path), str(tmp_path / "out.ms"), datacolumn="data")


def test_smoothing_after_averaging(make_ms, read, tmp_path):
    path = make_ms()
    mstransform(
        str(path), str(tmp_path / "out.ms"), datacolumn="data", spw="0", chanaverage=True, chanbin=2, hanning=True
    )
    mean = read(path, "DATA", "DATA_DESC_ID==0").reshape(-1, 8, 2, 2).mean(axis=2)
    smooth = (mean[:, :-2] + 2 * mean[:, 1:-1] + mean[:, 2:]) / 4
    np.testing.assert_allclose(read(tmp_path / "out.ms", "DATA", "True")[:, 1:-1], smooth, atol=1e-5)
    flag = read(tmp_path / "out.ms", "FLAG", "True")
    assert flag[:, [0, -1]].all()
    assert not flag[:, 1:-1].any()
    weight = 2 * read(path, "SIGMA", "DATA_DESC_ID==0") ** -2.0 / 0.375
    np.testing.assert_allclose(read(tmp_path / "out.ms", "WEIGHT", "True"), weight, rtol=1e-5)


def test_cvel2_leaves_out_flagged_rows(make_ms, read, tmp_path):
    def change(rows):
        rows["flag"][2] = True

    path = make_ms(change=change)
    cvel2(str(path), str(tmp_path / "out.ms"), spw="1", datacolumn="data", mode="frequency", width="2MHz")
    assert len(read(tmp_path / "out.ms", "TIME", "True")) == 6 * 5
    data = read(path, "DATA", "DATA_DESC_ID==1 && ANTENNA1==0 && ANTENNA2==1")
    means = read(tmp_path / "out.ms", "DATA", "ANTENNA1==0 && ANTENNA2==1")
    assert means.shape[1] == 4
    weights = np.array([0.0, 1, 1, 0])  # a mean over the channel of what is linear between the data's
    assert np.abs(means[:, 1] - np.tensordot(data[:, 1:5], weights / 2, (1, 0))).max() < np.abs(data).max()


def test_what_is_not_available(make_ms, tmp_path):
    path, out = str(make_ms()), str(tmp_path / "out.ms")
    for wrong in (
        {"combinespws": True}, {"createmms": True}, {"douvcontsub": True}, {"docallib": True}, {"nspw": 2},
        {"regridms": True, "interpolation": "fftshift"}, {"regridms": True, "outframe": "SOURCE"},
        {"regridms": True, "mode": "channel_b"}, {"regridms": True, "veltype": "optical"}, {"outframe": "LSRK"},
        {"timeaverage": True, "timebin": "10s", "hanning": True}, {"taql": "ANTENNA1==0"}, {"timespan": "field"},
        {"regridms": True, "phasecenter": 7, "outframe": "LSRK"},
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            mstransform(path, out, datacolumn="data", **wrong)
    with pytest.raises(ArgumentError, match="0, 1"):
        cvel2(path, out, datacolumn="data")
    with pytest.raises(ArgumentError, match="passall"):
        cvel2(path, out, spw="0", passall=True)

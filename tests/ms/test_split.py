from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from atacal.errors import ArgumentError, EmptySelection, MissingColumn, TableExists
from atacal.ms.average import average_channels, row_weight, sigma_to_weight, weight_to_sigma
from atacal.ms.measurement_set import MeasurementSet
from atacal.tasks import split


def test_everything_copied(make_ms, read, tmp_path):
    path, out = make_ms(), tmp_path / "out.ms"
    split(str(path), str(out), datacolumn="data")
    for spw in (0, 1):
        where = f"DATA_DESC_ID=={spw}"
        for column in ("DATA", "FLAG", "TIME", "UVW", "ANTENNA2", "FIELD_ID", "SCAN_NUMBER", "STATE_ID", "SIGMA"):
            np.testing.assert_array_equal(read(out, column, where), read(path, column, where))
        # raw data carry their noise in SIGMA
        np.testing.assert_allclose(read(out, "WEIGHT", where), read(path, "SIGMA", where) ** -2.0, rtol=1e-6)
    with MeasurementSet(out) as ms:
        assert ms.metadata.antenna_names() == ["A0", "A1", "A2", "A3"]
        messages = [str(m) for m in read(out / "HISTORY", "MESSAGE")]
    assert "taskname=split" in messages
    assert 'datacolumn  = "data"' in messages


def test_corrected_data_carry_their_noise_in_weight(make_ms, read, tmp_path):
    path, out = make_ms(columns=("DATA", "CORRECTED_DATA")), tmp_path / "out.ms"
    split(str(path), str(out))
    where = "DATA_DESC_ID==1"
    np.testing.assert_array_equal(read(out, "DATA", where), read(path, "CORRECTED_DATA", where))
    np.testing.assert_array_equal(read(out, "WEIGHT", where), read(path, "WEIGHT", where))
    np.testing.assert_allclose(read(out, "SIGMA", where), read(path, "WEIGHT", where) ** -0.5, rtol=1e-6)


def test_all_columns_under_their_own_names(make_ms, read, tmp_path):
    path, out = make_ms(columns=("DATA", "CORRECTED_DATA", "MODEL_DATA")), tmp_path / "out.ms"
    split(str(path), str(out), datacolumn="all", field="1")
    for column in ("DATA", "CORRECTED_DATA", "MODEL_DATA", "WEIGHT", "SIGMA"):
        old = read(path, column, "DATA_DESC_ID==0 && FIELD_ID==1")
        np.testing.assert_array_equal(read(out, column, "DATA_DESC_ID==0"), old)


def test_ids_are_renumbered(make_ms, read, tmp_path):
    path, out = make_ms(), tmp_path / "out.ms"
    split(str(path), str(out), datacolumn="data", spw="1,0:4~9", field="f1", correlation="YY", intent="*TARGET*")
    with MeasurementSet(out) as ms:
        md = ms.metadata
        assert [s.name for s in md.spws] == ["w1", "w0"]
        assert [s.nchan for s in md.spws] == [8, 6]
        assert md.spws[1].chan_freq_hz[0] == 1.0e11 + 4e6
        assert md.spws[1].total_bandwidth_hz == 6e6
        assert [(d.spw, d.pol) for d in md.ddids] == [(0, 0), (1, 0)]
        assert md.field_names() == ["f1"]
        assert md.fields[0].source_id == 0
        assert md.pols[0].corrs == ("YY",)
        assert md.state_intents == ("OBSERVE_TARGET#ON_SOURCE",)
        assert set(ms.runs.field) == {0}
        assert set(ms.runs.state) == {0}
        assert set(ms.runs.scan) == {2}
    old = read(path, "DATA", "DATA_DESC_ID==0 && FIELD_ID==1")
    np.testing.assert_array_equal(read(out, "DATA", "DATA_DESC_ID==1"), old[:, 4:10, 1:])
    assert read(out / "SOURCE", "NAME").tolist() == ["f1"]


def test_baselines_and_uv(make_ms, read, tmp_path):
    path, out = make_ms(), tmp_path / "out.ms"
    split(str(path), str(out), datacolumn="data", antenna="A0&A1;A2&A3", spw="0")
    assert set(zip(read(out, "ANTENNA1"), read(out, "ANTENNA2"), strict=True)) == {(0, 1), (2, 3)}
    split(str(path), str(tmp_path / "uv.ms"), datacolumn="data", uvrange=">120m", spw="0")
    uv = read(tmp_path / "uv.ms", "UVW")
    everything = read(path, "UVW", "DATA_DESC_ID==0")
    far = np.hypot(everything[:, 0], everything[:, 1]) > 120
    assert 0 < far.sum() < len(far)
    assert len(uv) == far.sum()


def flag_one_row(rows):
    rows["flag"][2] = True
    rows["flag"][3, :5] = True


def test_keepflags(make_ms, read, tmp_path):
    path = make_ms(change=flag_one_row)
    split(str(path), str(tmp_path / "kept.ms"), datacolumn="data")
    split(str(path), str(tmp_path / "dropped.ms"), datacolumn="data", keepflags=False)
    n = len(read(path, "TIME"))
    assert len(read(tmp_path / "kept.ms", "TIME")) == n
    assert len(read(tmp_path / "dropped.ms", "TIME")) == n - n // 6
    assert not read(tmp_path / "dropped.ms", "FLAG", "DATA_DESC_ID==0").all(axis=(1, 2)).any()


def test_channel_average(make_ms, read, tmp_path):
    path, out = make_ms(columns=("DATA", "CORRECTED_DATA"), change=flag_one_row), tmp_path / "out.ms"
    split(str(path), str(out), width=[4, 2])
    data, flag, weight = (read(path, c, "DATA_DESC_ID==0") for c in ("CORRECTED_DATA", "FLAG", "WEIGHT"))
    good = ~flag.reshape(-1, 4, 4, 2)
    bins = data.reshape(-1, 4, 4, 2)
    count = good.sum(axis=2)
    mean = np.where(count > 0, (bins * good).sum(axis=2) / np.maximum(count, 1), bins.mean(axis=2))
    np.testing.assert_allclose(read(out, "DATA", "DATA_DESC_ID==0"), mean, rtol=1e-5)
    np.testing.assert_array_equal(read(out, "FLAG", "DATA_DESC_ID==0"), count == 0)
    # an unflagged row: every bin weighs four channels
    np.testing.assert_allclose(read(out, "WEIGHT", "DATA_DESC_ID==0")[0], 4 * weight[0], rtol=1e-6)
    np.testing.assert_allclose(read(out, "SIGMA", "DATA_DESC_ID==0")[0], (4 * weight[0]) ** -0.5, rtol=1e-6)
    with MeasurementSet(out) as ms:
        assert [s.nchan for s in ms.metadata.spws] == [4, 4]
        assert ms.metadata.spws[0].chan_freq_hz[0] == pytest.approx(1e11 + 1.5e6)
        assert ms.metadata.spws[0].chan_width_hz[0] == pytest.approx(4e6)


def test_bins_of_channels_do_not_reach_over_gaps(make_ms, read, tmp_path):
    path, out = make_ms(), tmp_path / "out.ms"
    split(str(path), str(out), datacolumn="data", spw="0:0~4;10~14", width=2)
    sigma = read(path, "SIGMA", "DATA_DESC_ID==0")
    assert sigma.min() > 0
    data = read(path, "DATA", "DATA_DESC_ID==0")
    expected = np.stack([data[:, a : a + 2].mean(axis=1) for a in (0, 2, 10, 12)], axis=1)
    np.testing.assert_allclose(read(out, "DATA"), expected, rtol=1e-5)


def test_time_average(make_ms, read, tmp_path):
    def flag_first(rows):
        if rows["time"][0] == 5.0e9:
            rows["flag"][0] = True
            rows["flag"][1, 0] = True

    path, out = make_ms(change=flag_first), tmp_path / "out.ms"
    split(str(path), str(out), datacolumn="data", timebin="100s", spw="0")
    where = "DATA_DESC_ID==0 && FIELD_ID==0"
    data, flag, sigma = (read(path, c, where).reshape(3, 6, *s) for c, s in
                         (("DATA", (16, 2)), ("FLAG", (16, 2)), ("SIGMA", (2,))))  # fmt: skip
    weight = (sigma**-2.0)[:, :, None] * ~flag
    mean = (data * weight).sum(axis=0) / weight.sum(axis=0)
    found = read(out, "DATA", "FIELD_ID==0")
    assert len(found) == 6  # a bin does not reach over scans
    np.testing.assert_allclose(found, mean, rtol=1e-5)
    np.testing.assert_allclose(read(out, "WEIGHT", "FIELD_ID==0")[1], weight.sum(axis=0)[1].mean(axis=0), rtol=1e-4)
    assert read(out, "EXPOSURE", "FIELD_ID==0").tolist() == [4, 6, 6, 6, 6, 6]
    assert read(out, "TIME", "FIELD_ID==0").tolist() == [5e9 + 2] * 6
    assert not read(out, "FLAG").any()
    # the flagged row of the first baseline has no say in its uvw
    uvw = read(path, "UVW", where).reshape(3, 6, 3)
    row = (sigma**-2.0).sum(axis=-1)
    np.testing.assert_allclose(
        read(out, "UVW", "FIELD_ID==0")[0], (uvw[1:, 0] * row[1:, 0, None]).sum(axis=0) / row[1:, 0].sum(), rtol=1e-5
    )


def test_time_bins_end_before_they_are_full(make_ms, read, tmp_path):
    path = make_ms(times=10, interval=2.0)
    split(str(path), str(tmp_path / "out.ms"), datacolumn="data", timebin="4s", spw="0", field="0", antenna="A0&A1")
    assert read(tmp_path / "out.ms", "EXPOSURE").tolist() == [4, 4, 2]


def test_combine_scans(make_ms, read, tmp_path):
    path = make_ms(change=lambda rows: rows.update(field=0, state=0))
    split(str(path), str(tmp_path / "a.ms"), datacolumn="data", timebin="1h", spw="0")
    split(str(path), str(tmp_path / "b.ms"), datacolumn="data", timebin="1h", spw="0", combine="scan")
    assert len(read(tmp_path / "a.ms", "TIME")) == 12
    assert len(read(tmp_path / "b.ms", "TIME")) == 6
    assert set(read(tmp_path / "b.ms", "SCAN_NUMBER")) == {1}


def test_averaging_in_time_and_frequency_is_one_average(make_ms, read, tmp_path):
    path = make_ms()
    split(str(path), str(tmp_path / "out.ms"), datacolumn="data", timebin="1h", width=16, spw="0", field="0")
    data, sigma = (read(path, c, "DATA_DESC_ID==0 && FIELD_ID==0") for c in ("DATA", "SIGMA"))
    weight = (sigma**-2.0).reshape(3, 6, 1, 2)
    mean = (data.reshape(3, 6, 16, 2) * weight).sum(axis=(0, 2)) / (16 * weight.sum(axis=(0, 2)))
    np.testing.assert_allclose(read(tmp_path / "out.ms", "DATA")[:, 0], mean, rtol=1e-4, atol=1e-6)


def test_weight_spectrum(make_ms, read, tmp_path):
    path, out = make_ms(columns=("DATA", "CORRECTED_DATA", "WEIGHT_SPECTRUM")), tmp_path / "out.ms"
    split(str(path), str(out), spw="0:3~5")
    spectrum = read(path, "WEIGHT_SPECTRUM", "DATA_DESC_ID==0")[:, 3:6]
    np.testing.assert_array_equal(read(out, "WEIGHT_SPECTRUM"), spectrum)
    np.testing.assert_allclose(read(out, "SIGMA_SPECTRUM"), spectrum**-0.5, rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"datacolumn": "corrected"}, MissingColumn, "CORRECTED_DATA"),
        ({"datacolumn": "rubbish"}, ArgumentError, "rubbish"),
        ({"datacolumn": "data", "width": [2, 2, 2]}, ArgumentError, "3 numbers"),
        ({"datacolumn": "data", "width": 0}, ArgumentError, "at least 1"),
        ({"datacolumn": "data", "width": "wide"}, ArgumentError, "wide"),
        ({"datacolumn": "data", "timebin": "a while"}, ArgumentError, "a while"),
        ({"datacolumn": "data", "timebin": "-3s"}, ArgumentError, "negative"),
        ({"datacolumn": "data", "combine": "spw"}, ArgumentError, "combine"),
        ({"datacolumn": "data", "scan": "55"}, EmptySelection, "55"),
        ({"datacolumn": "data", "outputvis": ""}, ArgumentError, "outputvis"),
    ],
)
def test_bad_arguments_leave_nothing_behind(make_ms, tmp_path, arguments, error, message):
    path = make_ms()
    with pytest.raises(error, match=message):
        split(**({"vis": str(path), "outputvis": str(tmp_path / "out.ms")} | arguments))
    assert [p.name for p in tmp_path.iterdir()] == ["x.ms"]


def test_nothing_left(make_ms, tmp_path):
    path = make_ms(change=lambda rows: rows["flag"].fill(True))
    with pytest.raises(EmptySelection, match="flagged"):
        split(str(path), str(tmp_path / "out.ms"), datacolumn="data", keepflags=False)
    assert not (tmp_path / "out.ms").exists()


def test_existing_output(make_ms, tmp_path):
    path = make_ms()
    (tmp_path / "out.ms").mkdir()
    (tmp_path / "out.ms" / "mine").write_text("mine")
    with pytest.raises(TableExists, match=r"out\.ms"):
        split(str(path), str(tmp_path / "out.ms"), datacolumn="data")
    assert (tmp_path / "out.ms" / "mine").read_text() == "mine"


def test_killed_in_the_middle(make_ms, tmp_path, read):
    path = make_ms(times=40)
    before = read(path, "DATA", "DATA_DESC_ID==0")
    script = (
        "import os, signal\nfrom atacal.ms import split as room\nfrom atacal.tasks import split\n"
        "def die(*a):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
        "room.NewRows.append = die\n"
        f"split({str(path)!r}, {str(tmp_path / 'out.ms')!r}, datacolumn='data')\n"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, env=os.environ)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out.ms").exists()
    np.testing.assert_array_equal(read(path, "DATA", "DATA_DESC_ID==0"), before)
    split(str(path), str(tmp_path / "out.ms"), datacolumn="data")
    assert len(read(tmp_path / "out.ms", "TIME")) == len(read(path, "TIME"))


def test_the_input_is_not_touched(make_ms, tmp_path):
    path = make_ms()
    files = {f: f.stat().st_mtime_ns for f in path.rglob("table.*") if f.name != "table.lock"}
    time.sleep(0.01)
    split(str(path), str(tmp_path / "out.ms"), datacolumn="data", width=2, timebin="4s")
    assert {f: f.stat().st_mtime_ns for f in files} == files


@pytest.mark.parametrize("how", [{"timebin": "30s"}, {"width": 2}, {"timebin": "30s", "width": 2}])
def test_flagged_data_that_are_no_numbers_stay_out_of_averages(make_ms, read, tmp_path, how):
    from casacore.tables import table

    path, clean = make_ms(), tmp_path / "clean.ms"
    with table(str(path), readonly=False, ack=False) as tab:
        # any rows, so that bins have flagged and unflagged data of one baseline
        for row in np.flatnonzero(np.random.default_rng(3).random(tab.nrows()) < 0.3).tolist():
            flag = tab.getcell("FLAG", row)
            flag[1] = True
            tab.putcell("FLAG", row, flag)
    split(str(path), str(clean), datacolumn="data", **how)
    with table(str(path), readonly=False, ack=False) as tab:
        for row in range(tab.nrows()):
            data = tab.getcell("DATA", row)
            data[tab.getcell("FLAG", row)] = np.nan
            tab.putcell("DATA", row, data)
    out = tmp_path / "out.ms"
    split(str(path), str(out), datacolumn="data", **how)
    for spw in (0, 1):
        where = f"DATA_DESC_ID=={spw}"
        flag = read(out, "FLAG", where)
        np.testing.assert_array_equal(flag, read(clean, "FLAG", where))
        np.testing.assert_array_equal(read(out, "DATA", where)[~flag], read(clean, "DATA", where)[~flag])


def test_average_channels_by_hand():
    value = np.array([[[1.0], [3.0], [5.0], [7.0], [99.0]]], np.complex64)
    weight = np.array([[[1.0], [3.0], [1.0], [1.0], [1.0]]], np.float32)
    flag = np.array([[[False], [False], [True], [True], [False]]])
    means, sums, flags = average_channels({"D": value}, {"D": weight}, flag, 2)
    assert means["D"][0, :, 0].tolist() == [2.5, 6.0]
    assert sums["D"][0, :, 0].tolist() == [4.0, 2.0]
    assert flags[0, :, 0].tolist() == [False, True]
    assert row_weight(sums["D"], flags).tolist() == [[4.0]]


def test_weights_and_sigmas_of_nothing():
    assert weight_to_sigma(np.array([4.0, 0.0], np.float32)).tolist() == [0.5, -1.0]
    assert sigma_to_weight(np.array([0.5, 0.0, -1.0], np.float32)).tolist() == [4.0, 0.0, 0.0]

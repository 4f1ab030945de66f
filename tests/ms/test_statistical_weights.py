from __future__ import annotations

import numpy as np
import pytest

from atacal.errors import ArgumentError, EmptySelection, MissingColumn
from atacal.ms.statistical_weights import WeightOptions, windows
from atacal.tasks import statwt


def test_the_weight_is_one_over_the_variance_where_exposures_are_equal(make_ms, read):
    path = make_ms(times=6)
    data = read(path, "DATA", "DATA_DESC_ID==0 && FIELD_ID==0 && ANTENNA1==0 && ANTENNA2==2")
    told = statwt(str(path), datacolumn="data", timebin="100s", flagbackup=False)
    expected = 1.0 / ((data.real.var(axis=(0, 1)) + data.imag.var(axis=(0, 1))) / 2)
    rows = "DATA_DESC_ID==0 && FIELD_ID==0 && ANTENNA1==0 && ANTENNA2==2"
    np.testing.assert_allclose(read(path, "WEIGHT", rows), np.tile(expected, (3, 1)), rtol=1e-5)
    np.testing.assert_allclose(read(path, "SIGMA", rows), np.tile(expected**-0.5, (3, 1)), rtol=1e-5)
    assert told["mean"] == pytest.approx(1.0, rel=0.1)  # the noise has a variance of 1 in both parts
    assert "taskname=statwt" in [str(m) for m in read(path / "HISTORY", "MESSAGE")]


def test_data_that_are_too_few_or_out_of_range_are_flagged(make_ms, read):
    def change(rows):
        rows["flag"][0, 1:, 0] = True  # one channel left, of the first baseline
        rows["data"][1] *= 10

    path = make_ms(change=change)
    statwt(str(path), datacolumn="data", timebin=1, wtrange=[0.1, 1000], flagbackup=False)
    where = "DATA_DESC_ID==0 && ANTENNA1==0 && ANTENNA2=="
    assert read(path, "FLAG", where + "1")[..., 0].all()
    assert not read(path, "FLAG", where + "1")[..., 1].any()
    assert read(path, "FLAG", where + "2").all()
    assert read(path, "FLAG_ROW", where + "2").all()
    assert (read(path, "WEIGHT", where + "1")[:, 0] == 0).all()
    assert (read(path, "SIGMA", where + "1")[:, 0] == -1).all()


def test_selection_preview_and_versions(make_ms, read):
    from atacal.flags.backup import list_versions

    path = make_ms(columns=("DATA", "CORRECTED_DATA"))
    before = read(path, "WEIGHT", "True")
    told = statwt(str(path), preview=True, field="f1")
    np.testing.assert_array_equal(read(path, "WEIGHT", "True"), before)
    assert list_versions(path) == []
    assert statwt(str(path), field="f1", chanbin=4) != told
    np.testing.assert_array_equal(read(path, "WEIGHT", "FIELD_ID==0"), before[: len(before) // 2])
    assert (read(path, "WEIGHT", "FIELD_ID==1") != before[len(before) // 2 :]).all()
    spectrum = read(path, "WEIGHT_SPECTRUM", "DATA_DESC_ID==1 && FIELD_ID==1")
    assert (spectrum[:, 0] == spectrum[:, 3]).all()
    assert (spectrum[:, 3] != spectrum[:, 4]).all()
    assert [v.name for v in list_versions(path)] == ["statwt_1"]


def test_windows():
    times = np.array([0.0, 1, 2, 3, 4, 10, 11])
    assert windows(times, WeightOptions(bin_times=3)) == [(0, 2)] * 3 + [(3, 5)] * 3 + [(4, 6)]
    assert windows(times, WeightOptions(bin_s=2.0, bin_times=0)) == [(0, 1)] * 2 + [(2, 3)] * 2 + [
        (4, 4),
        (5, 6),
        (5, 6),
    ]
    assert windows(times, WeightOptions(bin_s=2.0, bin_times=0, sliding=True))[:2] == [(0, 1), (0, 2)]
    assert windows(times, WeightOptions(bin_times=4, sliding=True))[2:5] == [(1, 4), (2, 5), (3, 6)]


def test_too_many_channel_bins_for_the_memory(make_ms, monkeypatch):
    from atacal.ms import statistical_weights

    monkeypatch.setattr(statistical_weights, "_SUMMARY_BYTES", 1 << 24)
    with pytest.raises(ArgumentError, match=r"16 channel bins.*memory"):
        statwt(str(make_ms()), datacolumn="data", chanbin=1, flagbackup=False)


def test_what_cannot_be_done(make_ms):
    path = str(make_ms())
    for wrong in (
        {"statalg": "chauvenet"}, {"minsamp": 1}, {"combine": "spw"}, {"wtrange": [1]}, {"timebin": "3 weeks"},
        {"chanbin": 0}, {"datacolumn": "model"}, {"timebin": -1},
    ):  # fmt: skip
        with pytest.raises(ArgumentError):
            statwt(**({"vis": path, "datacolumn": "data", "flagbackup": False} | wrong))
    with pytest.raises(MissingColumn, match="CORRECTED_DATA"):
        statwt(path, flagbackup=False)
    with pytest.raises(EmptySelection):
        statwt(path, datacolumn="data", scan="99")

"""Numbers for flagging views."""

from __future__ import annotations

import numpy as np
import pytest

from atacal.caltables.table import CalTable, SpwSolutions
from atacal.errors import ArgumentError
from atacal.ms.measurement_set import MeasurementSet
from atacal.pipeline.facts import read_facts
from atacal.pipeline.view_data import add_flags, mean_amplitudes, tsys_spectra


def test_mean_amplitudes_are_those_of_the_unflagged_cross_correlations(begun):
    vis = begun / "uid___A002_X1_X1.ms"
    facts = read_facts(vis)
    spw, scans = facts.science_spws[0], facts.scan_list("BANDPASS")
    with MeasurementSet(vis) as ms:
        made = mean_amplitudes(ms, spw, scans)
        nowhere = mean_amplitudes(ms, spw, "1")  # a pointing scan
        (ddid,) = ms.metadata.ddids_of_spw(spw)
        rows = [(0, ms.metadata.nrow)]
        column = {
            c: ms.read_scalar(c, rows) for c in ("ANTENNA1", "ANTENNA2", "DATA_DESC_ID", "SCAN_NUMBER", "FLAG_ROW")
        }
        want = (column["DATA_DESC_ID"] == ddid) & np.isin(column["SCAN_NUMBER"], [int(s) for s in scans.split(",")])
        want &= ~column["FLAG_ROW"] & (column["ANTENNA1"] == 2) & (column["ANTENNA2"] == 5)
        at = [(int(r), 1) for r in np.flatnonzero(want)]
        data, flag = np.empty((len(at), 128, 2), np.complex64), np.empty((len(at), 128, 2), bool)
        ms.read("DATA", at, data)
        ms.read("FLAG", at, flag)
    assert nowhere is None
    assert made.corrs == ("XX", "YY")
    assert set(made.baselines) <= {(a, b) for b in range(8) for a in range(b)}
    here = made.baselines.index((2, 5))
    count = (~flag).sum(axis=0)
    expected = np.abs(np.where(flag, 0, data).sum(axis=0)) / np.maximum(count, 1)
    np.testing.assert_allclose(made.amplitude[:, :, here].T, expected, rtol=1e-5)
    assert ((count == 0) == made.flag[:, :, here].T).all()
    assert made.flag[:, 0].all()  # edge channels


def test_channels_that_do_not_fit_into_memory_come_in_parts(begun, monkeypatch):
    vis = begun / "uid___A002_X1_X1.ms"
    facts = read_facts(vis)
    given = facts.science_spws[0], facts.scan_list("BANDPASS")
    with MeasurementSet(vis) as ms:
        whole = mean_amplitudes(ms, *given)
        monkeypatch.setattr("atacal.pipeline.view_data.for_data", lambda: 100_000)  # 13 channels at a time
        parts = mean_amplitudes(ms, *given)
        assert (parts.amplitude == whole.amplitude).all()
        assert (parts.flag == whole.flag).all()
        monkeypatch.setattr("atacal.pipeline.view_data.for_data", lambda: 1000)
        with pytest.raises(ArgumentError, match="a channel of spw"):
            mean_amplitudes(ms, *given)


def table(times, scans, fields, value, flag=None):
    """A table of Tsys with 3 antennas, 4 channels, 2 polarisations."""
    value = np.broadcast_to(np.asarray(value, np.float32)[:, :, None, None], (len(times), 3, 4, 2)).copy()
    zeros, shape = np.zeros(len(times), np.int32), value.shape
    solutions = SpwSolutions(
        17, np.asarray(times, float), np.ones(len(times)), np.asarray(fields, np.int32), np.asarray(scans, np.int32),
        zeros, np.full((len(times), 3), -1, np.int32), value, np.zeros(shape, np.float32), np.ones(shape, np.float32),
        np.zeros(shape, bool) if flag is None else flag,
    )  # fmt: skip
    return CalTable("B TSYS", "Float", "linear", "x.ms", (), (), (), {17: solutions}, None)


def test_antennas_measured_milliseconds_apart_are_one_measurement():
    times = [100.0, 100.02, 100.05, 400.0, 400.01]
    value = [[90, 0, 0], [0, 91, 0], [0, 0, 92], [80, 0, 0], [0, 0, 82]]  # antenna 1 was not there the second time
    made = table(times, [3, 3, 3, 7, 7], [0, 0, 0, 2, 2], value)
    spectra, slot = tsys_spectra(made, 17)
    assert spectra.value[0, :, 0, 0].tolist() == [90, 91, 92]
    assert spectra.value[1, [0, 2], 0, 0].tolist() == [80, 82]
    assert spectra.present.tolist() == [[True, True, True], [True, False, True]]
    assert slot.tolist() == [[0, 1, 2], [3, -1, 4]]
    assert spectra.field.tolist() == [0, 2]
    assert spectra.time_mjd_s == pytest.approx([100.0233, 400.005], abs=1e-3)
    assert spectra.flag[1, 1].all()
    assert not spectra.flag[1, 0].any()


def test_a_second_measurement_in_a_scan_is_a_time_of_its_own():
    made = table([100.0, 130.0], [3, 3], [0, 0], [[90, 91, 92], [95, 96, 97]])
    spectra, slot = tsys_spectra(made, 17)
    assert slot.tolist() == [[0, 0, 0], [1, 1, 1]]
    assert spectra.value[1, :, 0, 0].tolist() == [95, 96, 97]


def test_flags_go_back_to_where_they_come_from():
    made = table([100.0, 100.02, 100.05], [3, 3, 3], [0, 0, 0], [[90, 0, 0], [0, 91, 0], [0, 0, 92]])
    spectra, slot = tsys_spectra(made, 17)
    flag = np.zeros_like(spectra.flag)
    flag[0, 1, 2:] = True
    assert add_flags(made, 17, slot, flag) == 4
    assert np.argwhere(made.solutions[17].flag.any(axis=3)).tolist() == [[1, 1, 2], [1, 1, 3]]
    assert add_flags(made, 17, slot, flag) == 0
